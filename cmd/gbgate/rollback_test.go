package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// After an upgrade was taken back the state is a newer release's: formats and keys that this one does not know. The
// site serves all the same, its cameras have their codes, and the codes' file stays as it is.
func TestStateOfANewerRelease(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	file := writeConfig(t, 0, "", superiorTOML(platform, "12345678", "udp")+cameraTOML("gate", "", cam.URL(), "", ""))
	state := filepath.Join(filepath.Dir(file), "state")
	const codes = `{"format":9,"cameras":{"gate":"` + channelID + `"},` +
		`"block":[{"code":"34020100001320000007","use":{}}],"zones":[]}`
	for name, text := range map[string]string{
		"ids.json":          codes,
		"settings.json":     `{"format":9,"superiors":{},"schedules":[{}]}`,
		"presets/gate.json": `{"format":9,"presets":[{"number":1,"token":"a","name":"x"}]}`,
		"unheard-of.json":   `{}`,
	} {
		path := filepath.Join(state, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &gatewayUnderTest{start(t, program(t), "run", "-c", file), file}
	n := node(t, platform)
	g.status(t, "good verdict", func(doc statusDoc) bool { return doc.Verdict == good })
	wantCatalog(t, n, []string{channelID})
	wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: rehearsal.UDP, Pictures: 5}, false)
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if text, err := os.ReadFile(filepath.Join(state, "ids.json")); err != nil || string(text) != codes {
		t.Errorf("the codes' file is now %s (%v)", text, err)
	}
	if strings.Contains(g.output(), "panic") {
		t.Error("it panicked")
	}
}
