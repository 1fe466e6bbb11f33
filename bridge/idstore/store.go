// Package idstore keeps which 20-digit code belongs to which camera, so that a camera is the same
// to the platforms above after every restart and re-discovery, and the block of codes that a
// platform's owner handed out.
package idstore

import (
	"fmt"
	"maps"
	"slices"
)

// FileName is the store's name in state_dir.
const FileName = "ids.json"

// Code is one code of the block.
type Code struct {
	Code string `json:"code"`
	Name string `json:"name,omitempty"` // what the sheet calls it; "" = for any camera
	Kind string `json:"kind,omitempty"` // "" = a camera's; else what it is for: node, group …
}

// Store is the content of one file. It is not safe for use by several goroutines; several
// processes take turns by Update. The zero value is an empty store that no file stands behind.
type Store struct {
	path    string
	cameras map[string]string // name → code
	owners  map[string]string // code → name
	block   []Code
	changed bool
	format  int // of the file; 0: there is none
}

// Changed tells whether the store differs from its file.
func (s *Store) Changed() bool { return s.changed }

// Code returns a camera's code; ok is false when it has none.
func (s *Store) Code(camera string) (code string, ok bool) {
	code, ok = s.cameras[camera]
	return code, ok
}

// Owner returns the camera that has the code, or "".
func (s *Store) Owner(code string) string { return s.owners[code] }

// Cameras returns the names of all cameras that have a code, sorted; some may have left the site.
func (s *Store) Cameras() []string { return slices.Sorted(maps.Keys(s.cameras)) }

// Block returns the codes that were handed out, in the order of their sheets.
func (s *Store) Block() []Code { return slices.Clone(s.block) }

// InBlock finds a code in the block.
func (s *Store) InBlock(code string) (Code, bool) {
	i := slices.IndexFunc(s.block, func(c Code) bool { return c.Code == code })
	if i < 0 {
		return Code{}, false
	}
	return s.block[i], true
}

// Add puts codes into the block and returns how many are new. What a later sheet says of a code
// that is already there, its name and kind, stands.
func (s *Store) Add(codes []Code) (added int) {
	at := make(map[string]int, len(s.block))
	for i, c := range s.block {
		at[c.Code] = i
	}
	for _, c := range codes {
		i, known := at[c.Code]
		switch {
		case c.Code == "":
		case !known:
			at[c.Code] = len(s.block)
			s.block = append(s.block, c)
			added++
			s.changed = true
		case s.block[i] != c:
			s.block[i] = c
			s.changed = true
		}
	}
	return added
}

// Release takes a camera's code from it, so that another one may have it.
func (s *Store) Release(camera string) (code string, ok bool) {
	code, ok = s.cameras[camera]
	if ok {
		delete(s.cameras, camera)
		delete(s.owners, code)
		s.changed = true
	}
	return code, ok
}

// bind makes code that of camera, which may have had another one. The code is free.
func (s *Store) bind(camera, code string) {
	if s.cameras == nil {
		s.cameras, s.owners = map[string]string{}, map[string]string{}
	}
	delete(s.owners, s.cameras[camera])
	s.cameras[camera], s.owners[code] = code, camera
	s.changed = true
}

// TakenError tells that a code can't have two owners.
type TakenError struct {
	Code   string
	Camera string // who wants it
	Owner  string // who has it
}

// Error implements error.
func (e *TakenError) Error() string {
	return fmt.Sprintf("code %s of camera %q is already the code of %s", e.Code, e.Camera, e.Owner)
}
