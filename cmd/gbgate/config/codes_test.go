package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sparse = `
[gateway]
id = "34020100002000000001"
state_dir = "/state"
[[superior]]
name = "a"
id = "34020000002000000001"
address = "localhost:5060"
node_id = "34020100001180000001"
password = ""
[superior.ids]
east = "34020100001310000001"
[[group]]
id = "34020100002150000001"
name = "park"
[[camera]]
name = "east"
title = "东门"
id = "34020100001320000001"
url = "rtsp://h/1"
[[camera]]
name = "west"
url = "rtsp://h/2"
`

func TestCodesComeFromOutside(t *testing.T) {
	var dir string
	var asked []CodeRequest
	var taken map[string]string
	answer := func(codes, faults map[string]string) Option {
		return WithCodes(func(d string, cameras []CodeRequest, reserved map[string]string) (c, f map[string]string) {
			dir, asked, taken = d, cameras, reserved
			return codes, faults
		})
	}
	cfg, err := Parse("c.toml", sparse, answer(map[string]string{"west": "34020100001320000002", "east": "x"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Cameras[0].ID + cfg.Cameras[1].ID; got != "3402010000132000000134020100001320000002" {
		t.Errorf("codes %q", got)
	}
	if dir != "/state" {
		t.Errorf("asked in %q", dir)
	}
	if diff := cmp.Diff([]CodeRequest{{"east", "东门", "34020100001320000001"}, {"west", "west", ""}}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"34020100002000000001": "gateway.id", "34020100001180000001": `superior[1] "a".node_id`,
		"34020100001310000001": `superior[1] "a".ids.east`, "34020100002150000001": `group[1] "park"`,
	}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("reserved (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		name   string
		option Option
		want   string
	}{
		{"a fault from there", answer(nil, map[string]string{"west": "is on strike"}), `camera[2] "west".id: is on strike`},
		{"nothing from there", answer(nil, nil), "`gbgate ids assign` gives each camera its code"},
		{
			"a code that is taken", answer(map[string]string{"west": "34020100001320000001"}, nil),
			`is already the code of camera[1] "east"`,
		},
		{"a code of another kind", answer(map[string]string{"west": "34020100002000000009"}, nil), "which is not a camera"},
		{"nobody to ask", func(*parser) {}, "`gbgate ids assign` gives each camera its code"},
	} {
		if _, err := Parse("c.toml", sparse, c.option); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if cfg, err := Parse("c.toml", sparse, MissingCodesAllowed()); err != nil || cfg.Cameras[1].ID != "" {
		t.Errorf("missing codes are allowed, but: %v", err)
	}
}
