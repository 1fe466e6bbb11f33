package main

import (
	"os"
	"regexp"
	"testing"

	"gbgate/cmd/gbgate/config"
	"gbgate/rtsp"
)

// The shipped file shows how a recorder's own URL and an alarm's code are written, and both are understood.
func TestShippedExamples(t *testing.T) {
	text, err := os.ReadFile("../../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`(?m)^#.*"(/[^"]*\{start:[^"]*\{end:[^"]*)"`).FindSubmatch(text)
	if url == nil {
		t.Fatal("replay shows no URL with {start:…} and {end:…}")
	}
	if _, err := rtsp.ParseReplayURL(string(url[1]), "rtsp://192.0.2.1/live", 1, nil); err != nil {
		t.Error(err)
	}
	codes := regexp.MustCompile(`"[A-Z][^"]*/[^"]*" = "([^"]*)"`).FindAllSubmatch(text, -1)
	if len(codes) != 2 {
		t.Errorf("alarm_map shows %d codes, want two", len(codes))
	}
	for _, code := range codes {
		if _, err := config.ParseAlarmCode(string(code[1])); err != nil {
			t.Error(err)
		}
	}
}
