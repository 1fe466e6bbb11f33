package idstore

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Camera is what the configuration says of one camera.
type Camera struct {
	Name  string // its key
	Title string // shown upward; a code of the block with the same name is meant for it
	Code  string // given in the configuration; "" = the store finds one
}

// Request is a site that wants its codes settled.
type Request struct {
	Cameras  []Camera          // in the order in which they shall get codes; names are unique
	Reserved map[string]string // codes that belong to something else, with its name in plain words
	AnyName  bool              // codes that the sheet names otherwise may be given, too
}

// Binding is a camera and its code.
type Binding struct {
	Camera string
	Code   string
	Origin Origin
	Err    error // it has no code: why
}

// Settle gives every camera its code and remembers it: what the configuration gives stands, then
// what the store knows, then a free camera code of the block: the one with the camera's name if the
// sheet has names, else the first without one. A camera that has left the site keeps its code for
// its return, unless the configuration gives the code to another. The bindings are in the order
// of the request.
func (s *Store) Settle(r Request) []Binding {
	t := settling{Request: r, store: s, owners: map[string]string{}, bindings: make([]Binding, len(r.Cameras))}
	t.given()
	t.kept()
	t.byName()
	t.inOrder()
	missing := t.missing()
	for i := range t.bindings {
		if t.wanting(i) {
			t.bindings[i].Err = missing
		}
	}
	return t.bindings
}

// settling is one run of Settle.
type settling struct {
	Request
	store    *Store
	owners   map[string]string // code → camera
	bindings []Binding
}

// given takes over what the configuration gives.
func (t *settling) given() {
	live := map[string]int{} // cameras that ask the store
	for i, c := range t.Cameras {
		t.bindings[i] = Binding{Camera: c.Name}
		if c.Code == "" {
			live[c.Name] = i
		}
	}
	for i, c := range t.Cameras {
		if c.Code == "" {
			continue
		}
		if owner, taken := t.owners[c.Code]; taken {
			t.refuse(i, c.Code, owner)
			continue
		}
		t.owners[c.Code] = c.Name
		t.bindings[i].Code, t.bindings[i].Origin = c.Code, Given
		owner := t.store.Owner(c.Code)
		if n, asks := live[owner]; asks {
			t.refuse(n, c.Code, c.Name) // it would silently become another camera to the platform
			continue
		}
		if owner != c.Name {
			t.store.Release(owner)
			t.store.bind(c.Name, c.Code)
		}
	}
}

// kept finds the cameras that the store knows.
func (t *settling) kept() {
	for i, c := range t.Cameras {
		code, known := t.store.Code(c.Name)
		if c.Code != "" || !known || t.bindings[i].Err != nil {
			continue
		}
		t.owners[code] = c.Name
		t.bindings[i].Code, t.bindings[i].Origin = code, Kept
	}
}

// byName gives cameras the free codes that the sheet names like them.
func (t *settling) byName() {
	named := map[string][]string{}
	for _, c := range t.free() {
		if name := fold(c.Name); name != "" {
			named[name] = append(named[name], c.Code)
		}
	}
	for i, c := range t.Cameras {
		for _, name := range []string{fold(c.Title), fold(c.Name)} {
			if codes := named[name]; len(codes) > 0 && t.wanting(i) {
				t.give(i, codes[0])
				named[name] = codes[1:]
			}
		}
	}
}

// inOrder gives the other cameras the free codes without a name, or any with AnyName.
func (t *settling) inOrder() {
	free := t.free()
	for i := range t.Cameras {
		if !t.wanting(i) {
			continue
		}
		n := slices.IndexFunc(free, func(c Code) bool { return c.Name == "" || t.AnyName })
		if n < 0 {
			return
		}
		t.give(i, free[n].Code)
		free = free[n+1:]
	}
}

func (t *settling) wanting(i int) bool {
	return t.bindings[i].Origin == None && t.bindings[i].Err == nil
}

func (t *settling) give(i int, code string) {
	t.bindings[i].Code, t.bindings[i].Origin = code, New
	t.store.bind(t.Cameras[i].Name, code)
}

// free returns the camera codes of the block that nobody has.
func (t *settling) free() []Code {
	var free []Code
	for _, c := range t.store.block {
		_, taken := t.Reserved[c.Code]
		taken = taken || t.store.Owner(c.Code) != "" || t.owners[c.Code] != ""
		if c.Kind == "" && !taken {
			free = append(free, c)
		}
	}
	return free
}

func (t *settling) refuse(i int, code, owner string) {
	t.bindings[i].Err = &TakenError{code, t.Cameras[i].Name, fmt.Sprintf("camera %q", owner)}
}

// missing says why there is no code for a camera.
func (t *settling) missing() error {
	free := t.free()
	if len(free) > 0 {
		names := make([]string, 0, 3)
		for _, c := range free[:min(3, len(free))] {
			names = append(names, c.Name)
		}
		return &NoCodeError{Block: len(t.store.block), Others: names, Free: len(free)}
	}
	return &NoCodeError{Block: len(t.store.block)}
}

// NoCodeError tells that the block has no code for a camera.
type NoCodeError struct {
	Block  int      // codes in the block
	Free   int      // free ones, all of them meant for others by name
	Others []string // some of those names
}

// Error implements error.
func (e *NoCodeError) Error() string {
	switch {
	case e.Block == 0:
		return "the ID store has no block of codes yet"
	case e.Free > 0:
		return fmt.Sprintf("the sheet means its %d free codes for other names (%s)", e.Free, strings.Join(e.Others, ", "))
	default:
		return fmt.Sprintf("none of the block's %d codes is free for a camera", e.Block)
	}
}

// SameName tells whether two names are the same but for case, width and blanks.
func SameName(a, b string) bool { return fold(a) == fold(b) }

// fold writes a name as people compare it: without regard to case, width and blanks.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return -1
		case r >= '！' && r <= '～': // full-width forms of ASCII
			r -= '！' - '!'
		}
		return unicode.ToLower(r)
	}, s)
}
