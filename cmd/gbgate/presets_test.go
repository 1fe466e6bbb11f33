package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gbgate/bridge/onvif"
)

// A damaged file costs one command and is put aside, whatever is in it.
func TestPresetsAreDamaged(t *testing.T) {
	for _, text := range []string{"", "[{", `{"presets":[]}`, strings.Repeat(" ", 1<<20+1)} {
		file := filepath.Join(t.TempDir(), "dome.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		store := presetFile(file)
		if list, err := store.Load(); err == nil || list != nil {
			t.Errorf("%.20q: loaded %v", text, list)
		}
		if kept, err := os.ReadFile(file + ".damaged"); err != nil || string(kept) != text {
			t.Errorf("%.20q is not kept aside: %v", text, err)
		}
		want := []onvif.Preset{{Number: 3, Token: "x"}}
		if list, err := store.Load(); err != nil || list != nil {
			t.Errorf("%.20q: afterwards %v, %v", text, list, err)
		}
		if err := store.Save(want); err != nil {
			t.Fatal(err)
		}
		if list, err := store.Load(); err != nil || !slices.Equal(list, want) {
			t.Errorf("%.20q: kept %v, %v", text, list, err)
		}
	}
}
