package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

const profilesDoc = "../../../docs/profiles.md"

// The tables of docs/profiles.md are made of profiles.toml.
func TestProfilesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(profilesDoc)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- made of profiles.toml -->\n", "<!-- end -->"
	before, rest, ok1 := strings.Cut(string(text), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the tables", profilesDoc)
	}
	want := profileTables(t)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(profilesDoc, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/profiles.md and profiles.toml differ (-code +docs):\n%s", diff)
	}
}

func profileTables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range ProfileNames() {
		fmt.Fprintf(&b, "\n### %s\n\n| key | value | default | why |\n|---|---|---|---|\n", name)
		for _, s := range ProfileSettings(name) {
			if s.Why == "" {
				t.Errorf("profile %s gives no reason for %s", name, s.Key)
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s |\n", s.Key, s.Value, defaultText(t, s.Key), s.Why)
		}
	}
	return b.String() + "\n"
}

// defaultText writes a default as it stands in config.toml.
func defaultText(t *testing.T, key string) string {
	t.Helper()
	f, ok := fieldOf(reflect.TypeFor[Compat](), key)
	if !ok {
		t.Fatalf("there is no key %s", key)
	}
	var b strings.Builder
	value := reflect.ValueOf(DefaultCompat()).FieldByIndex(f.Index).Interface()
	if err := toml.NewEncoder(&b).Encode(map[string]any{"x": value}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(b.String(), "x = "))
}

// A profile sets the keys of its table and no others, to values that may be given.
func TestProfilesAreSound(t *testing.T) {
	names := ProfileNames()
	want := []string{"hikvision", "livegbs", "monibuca", "srs", "strict-2016", "strict-2022", "wvp"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	for _, name := range names {
		var given strings.Builder // the same keys, written by hand
		for _, s := range ProfileSettings(name) {
			fmt.Fprintf(&given, "%s = %s\n", s.Key, s.Value)
		}
		const head = "[gateway]\nid = \"34020100002000000001\"\n[[superior]]\nname = \"a\"\n" +
			"id = \"34020000002000000001\"\naddress = \"localhost:5060\"\npassword = \"\"\n[superior.compat]\n"
		byHand, err := Parse("c.toml", head+given.String())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		byName, err := Parse("c.toml", head+"profile = \""+name+"\"\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		byHand.Superiors[0].Compat.Profile = name
		if diff := cmp.Diff(byHand, byName); diff != "" {
			t.Errorf("%s (-by hand +by name):\n%s", name, diff)
		}
	}
}

// The profile of the 2016 edition leaves AAC out, which audio = "auto" would let pass.
func TestStrict2016HasNoAAC(t *testing.T) {
	const text = `
[gateway]
id = "34020100002000000001"
[[superior]]
name = "a"
id = "34020000002000000001"
address = "localhost:5060"
password = ""
compat.profile = "strict-2016"
[[superior]]
name = "b"
id = "34020000002000000002"
address = "localhost:5061"
password = ""
audio = "off"
compat.audio_aac = false
`
	cfg, err := Parse("c.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := cfg.Superiors[0].Audio, cfg.Superiors[1].Audio; a != "pcma" || b != "off" {
		t.Errorf("audio is %q and %q, want pcma and off", a, b)
	}
}
