package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A group may name its parent by name or by code; what is loaded is the code.
func TestGroups(t *testing.T) {
	cfg, err := Parse("c.toml", `
[gateway]
id = "34020100002000000001"
[[group]]
id = "34020100002160000002"
name = "gate"
parent = "east"
[[group]]
id = "34020100002160000001"
name = "east"
parent = "34020100002150000001"
cameras = ["*"]
[[group]]
id = "34020100002150000001"
name = "园区"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{
		{ID: "34020100002160000002", Name: "gate", Parent: "34020100002160000001"},
		{ID: "34020100002160000001", Name: "east", Parent: "34020100002150000001", Cameras: []string{"*"}},
		{ID: "34020100002150000001", Name: "园区"},
	}
	if diff := cmp.Diff(want, cfg.Groups); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
