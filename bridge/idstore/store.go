// Package idstore keeps which 20-digit code belongs to which camera, so that a camera is the same
// to the platforms above after every restart and re-discovery, and the block of codes that a
// platform's owner handed out.
package idstore

// FileName is the store's name in state_dir.
const FileName = "ids.json"

// Camera is what the configuration says of one camera.
type Camera struct {
	Name  string // its key
	Title string // shown upward; a code of the block with the same name is meant for it
	Code  string // given in the configuration; "" = the store finds one
}

// Code is one code of the block.
type Code struct {
	Code string `json:"code"`
	Name string `json:"name,omitempty"` // what the sheet calls it; "" = for any camera
	Kind string `json:"kind,omitempty"` // "" = a camera's; else what it is for: node, group …
}

// Binding is a camera and its code.
type Binding struct {
	Camera string
	Code   string
	Origin Origin
	Err    error // no code: why
}
