package idstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func code(n int) string { return fmt.Sprintf("34020100001320%06d", n) }

// line is a binding in one line, for comparisons.
func lines(bindings []Binding) []string {
	list := make([]string, len(bindings))
	for i, b := range bindings {
		list[i] = fmt.Sprintf("%s %s %v", b.Camera, b.Code, b.Origin)
		if b.Err != nil {
			list[i] = fmt.Sprintf("%s: %v", b.Camera, b.Err)
		}
	}
	return list
}

func block(names ...string) []Code {
	codes := make([]Code, len(names))
	for i, name := range names {
		codes[i] = Code{Code: code(i + 1), Name: name}
	}
	return codes
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name     string
		block    []Code
		known    map[string]string
		request  Request
		want     []string
		bindings map[string]string // afterwards
	}{
		{
			name:  "free codes in the order of the sheet, none that is taken or not a camera's",
			block: append([]Code{{Code: "34020100002000000001", Kind: "node"}}, block("", "", "", "")...),
			known: map[string]string{"gone": code(1)},
			request: Request{
				Cameras:  []Camera{{Name: "a"}, {Name: "b", Code: code(3)}, {Name: "c"}},
				Reserved: map[string]string{code(2): "gateway.id"},
			},
			want: []string{
				"a " + code(4) + " new", "b " + code(3) + " file",
				"c: none of the block's 5 codes is free for a camera",
			},
			bindings: map[string]string{"gone": code(1), "a": code(4), "b": code(3)},
		},
		{
			name:  "the sheet's names go before the order",
			block: block("西门", "东门 球机", ""),
			request: Request{Cameras: []Camera{
				{Name: "x", Title: "仓库"}, {Name: "y", Title: "东门球机"}, {Name: "西门", Title: "west"}, {Name: "z"},
			}},
			want: []string{
				"x " + code(3) + " new", "y " + code(2) + " new", "西门 " + code(1) + " new",
				"z: none of the block's 3 codes is free for a camera",
			},
			bindings: map[string]string{"x": code(3), "y": code(2), "西门": code(1)},
		},
		{
			name:    "codes with other names are not given away",
			block:   block("东门", "西门"),
			request: Request{Cameras: []Camera{{Name: "a"}}},
			want:    []string{"a: the sheet means its 2 free codes for other names (东门, 西门)"},
		},
		{
			name:     "unless that is wanted",
			block:    block("东门", "西门"),
			request:  Request{AnyName: true, Cameras: []Camera{{Name: "a"}, {Name: "b", Title: "东门"}}},
			want:     []string{"a " + code(2) + " new", "b " + code(1) + " new"},
			bindings: map[string]string{"a": code(2), "b": code(1)},
		},
		{
			name:     "a camera that comes back has its code",
			block:    block(""),
			known:    map[string]string{"a": code(9), "b": code(1)},
			request:  Request{Cameras: []Camera{{Name: "b"}, {Name: "a"}}},
			want:     []string{"b " + code(1) + " kept", "a " + code(9) + " kept"},
			bindings: map[string]string{"a": code(9), "b": code(1)},
		},
		{
			name:     "a camera renamed in the file takes its code along",
			known:    map[string]string{"old": code(1)},
			request:  Request{Cameras: []Camera{{Name: "new", Code: code(1)}}},
			want:     []string{"new " + code(1) + " file"},
			bindings: map[string]string{"new": code(1)},
		},
		{
			name:     "the file swaps two codes",
			known:    map[string]string{"a": code(1), "b": code(2)},
			request:  Request{Cameras: []Camera{{Name: "a", Code: code(2)}, {Name: "b", Code: code(1)}}},
			want:     []string{"a " + code(2) + " file", "b " + code(1) + " file"},
			bindings: map[string]string{"a": code(2), "b": code(1)},
		},
		{
			name:  "the file gives a code away whose owner is still there",
			block: block("", ""),
			known: map[string]string{"a": code(1)},
			request: Request{Cameras: []Camera{
				{Name: "a"}, {Name: "b", Code: code(1)},
			}},
			want: []string{
				"a: code " + code(1) + ` of camera "a" is already the code of camera "b"`,
				"b " + code(1) + " file",
			},
			bindings: map[string]string{"a": code(1)},
		},
		{
			name:    "the file gives one code to two",
			request: Request{Cameras: []Camera{{Name: "a", Code: code(1)}, {Name: "b", Code: code(1)}}},
			want: []string{
				"a " + code(1) + " file",
				"b: code " + code(1) + ` of camera "b" is already the code of camera "a"`,
			},
			bindings: map[string]string{"a": code(1)},
		},
		{
			name:    "nothing was imported",
			request: Request{Cameras: []Camera{{Name: "a"}}},
			want:    []string{"a: the ID store has no block of codes yet"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Store
			s.Add(c.block)
			for camera, code := range c.known {
				s.bind(camera, code)
			}
			if diff := cmp.Diff(c.want, lines(s.Settle(c.request))); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
			got := map[string]string{}
			for _, camera := range s.Cameras() {
				got[camera], _ = s.Code(camera)
				if owner := s.Owner(got[camera]); owner != camera {
					t.Errorf("%s has %s, whose owner is %q", camera, got[camera], owner)
				}
			}
			if c.bindings == nil {
				c.bindings = map[string]string{}
			}
			if diff := cmp.Diff(c.bindings, got); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever comes and goes, in whatever order: no code has two owners, and a camera has its code
// again after every restart.
func TestCodesAreStable(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	random := rand.New(rand.NewPCG(1, 2))
	codes := make([]string, 60)
	first := map[string]string{}
	err := Update(path, func(s *Store) error { s.Add(block(codes...)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for restart := range 200 {
		var r Request
		for _, n := range random.Perm(50)[:random.IntN(50)] {
			r.Cameras = append(r.Cameras, Camera{Name: fmt.Sprint("camera", n)})
		}
		var bindings []Binding
		err := Update(path, func(s *Store) error { bindings = s.Settle(r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		owners := map[string]string{}
		for _, b := range bindings {
			if other := owners[b.Code]; b.Err != nil || other != "" {
				t.Fatalf("restart %d: %v, its code is also that of %q", restart, b, other)
			}
			if was, known := first[b.Camera]; known && was != b.Code {
				t.Fatalf("restart %d: %s had %s, has %s", restart, b.Camera, was, b.Code)
			}
			owners[b.Code], first[b.Camera] = b.Camera, b.Code
		}
	}
	if len(first) != 50 {
		t.Errorf("%d cameras were seen, want 50", len(first))
	}
}

// The largest site that one box serves: each camera finds the code of its name.
func TestTenThousandCameras(t *testing.T) {
	var s Store
	var r Request
	codes := make([]Code, 10_000)
	for n := range codes {
		codes[n] = Code{Code: code(n), Name: fmt.Sprint("name ", n%5000)}
		if n < 5000 {
			r.Cameras = append(r.Cameras, Camera{Name: fmt.Sprint(n), Title: fmt.Sprint("NAME", n)})
		}
	}
	s.Add(codes)
	for i, b := range s.Settle(r) {
		if b.Code != code(i) {
			t.Fatalf("camera %d has %q (%v)", i, b.Code, b.Err)
		}
	}
}

func TestStoreSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", FileName)
	err := Update(path, func(s *Store) error {
		s.Add([]Code{{code(1), "东门", ""}, {code(2), "", "group"}})
		s.Settle(Request{Cameras: []Camera{{Name: "east", Title: "东门"}}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Code("east"); got != code(1) || s.Changed() {
		t.Errorf("east has %q, changed %v; want %s, false", got, s.Changed(), code(1))
	}
	if diff := cmp.Diff([]Code{{code(1), "东门", ""}, {code(2), "", "group"}}, s.Block()); diff != "" {
		t.Errorf("block (-want +got):\n%s", diff)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if name := e.Name(); name != FileName && name != FileName+".lock" {
			t.Errorf("%s is left behind", name)
		}
	}
}

// A change that fails leaves the file as it was.
func TestUpdateIsATransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := Update(path, func(s *Store) error { s.Add(block("")); return nil }); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := Update(path, func(s *Store) error { s.Add(block("", "")); return stop }); !errors.Is(err, stop) {
		t.Errorf("got error %v, want %v", err, stop)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("the file has changed: %s (%v)", after, err)
	}
}

// Writers take turns: none undoes what another did.
func TestUpdatesTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := Update(path, func(s *Store) error { s.Add([]Code{{Code: code(n)}}); return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(s.Block()); got != 20 {
		t.Errorf("%d codes are left of 20", got)
	}
}

func TestFaultyFiles(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "is damaged (unexpected end of JSON input); put back a copy, or remove it and import the sheet again"},
		{`{"cameras":{}}`, "has format 0; it is no ID store"},
		{
			`{"format":1,"cameras":{"east":"` + code(1) + `","west":"` + code(1) + `"}}`,
			"code " + code(1) + ` of camera "west" is already the code of camera "east"`,
		},
	} {
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if want := "ID store " + path + ": " + c.want; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", c.text, err, want)
		}
		if err := Update(path, func(*Store) error { return nil }); err == nil {
			t.Errorf("%s: Update works on it", c.text)
		}
	}
}

// A file of a newer release is read as far as it is understood, and never written.
func TestNewerRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	text := `{"format":2,"new":[1],"cameras":{"east":"` + code(1) + `"},"block":[{"code":"` + code(2) + `","new":"x"}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := Update(path, func(s *Store) error {
		got = lines(s.Settle(Request{Cameras: []Camera{{Name: "east"}, {Name: "west"}}}))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "belongs to a newer release") {
		t.Errorf("it was written: %v", err)
	}
	if diff := cmp.Diff([]string{"east " + code(1) + " kept", "west " + code(2) + " new"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != text {
		t.Errorf("the file is now %s (%v)", after, err)
	}
}

func TestFolderThatMayNotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Update(filepath.Join(file, FileName), func(*Store) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "ID store: ") {
		t.Errorf("got %v", err)
	}
}

func TestRelease(t *testing.T) {
	var s Store
	s.Add(block(""))
	s.Settle(Request{Cameras: []Camera{{Name: "a"}}})
	if got, ok := s.Release("a"); got != code(1) || !ok {
		t.Errorf("released %q %v", got, ok)
	}
	if _, ok := s.Release("a"); ok {
		t.Error("released twice")
	}
	want := []string{"b " + code(1) + " new"}
	if diff := cmp.Diff(want, lines(s.Settle(Request{Cameras: []Camera{{Name: "b"}}}))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format":1,"cameras":{"a":"1","b":"2"},"block":[{"code":"1"},{"code":"3","name":"x","kind":"node"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Store{cameras: map[string]string{}, owners: map[string]string{}}
		if s.decode(text) != nil {
			return
		}
		s.Settle(Request{Cameras: []Camera{{Name: "a", Title: "x"}, {Name: "c"}}})
		again, err := json.Marshal(document{format, s.cameras, s.block})
		if err != nil {
			t.Fatal(err)
		}
		twice := Store{cameras: map[string]string{}, owners: map[string]string{}}
		if err := twice.decode(again); err != nil {
			t.Errorf("what was settled can't be read: %v\n%s", err, again)
		}
	})
}
