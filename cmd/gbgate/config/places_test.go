package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// What was found by reading the text anew for each key is found at once.
func TestPlaces(t *testing.T) {
	texts := []string{
		"", "a = 1\n[gateway]\n  ID= 1\n'name' =2\n\"id\" = 3\n# id = 4\n",
		"[[camera]]\nid = 1\nnmae = 2\n[camera.x]\nid = 3\n[[camera]]\n[[camera]]\nNMAE = 4\nid = 5\n[[superior]]\nid = 6\n" +
			"[superior.compat]\nprofile = 7\n[[superior]]\n[superior.compat]\nid = 8\n[superior.ids]\ngate = 9\n",
		"[camera]\nid = 1\n[camera]\nid=2\n[x]\n[[camera]]\nx = 3\n[x.id]\n[ x ]\n",
		"[superior.compat]\nprofile = 1\n[compat]\n[[superior]]\n[superior.compat]\n[[superior]]\n[compat]\n",
	}
	tables := []string{"", "gateway", "camera", "camera.x", "superior", "superior.compat", "superior.ids", "x"}
	keys := []string{"a", "id", "name", "nmae", "x", "compat", "profile", "gate", "camera", "none"}
	for _, text := range texts {
		p := locate(text)
		for _, table := range tables {
			for _, key := range keys {
				for n := -1; n < 4; n++ {
					if got, want := p.line(table, n, key), slowly(text, table, n, key); got != want {
						t.Errorf("%q in [%s] %d stands on line %d, want %d:\n%s", key, table, n, got, want, text)
					}
				}
			}
		}
	}
}

// What is missing has no line of its own, but the entry that misses it has.
func TestMissingNameHasALine(t *testing.T) {
	_, err := Parse("x.toml", "[gateway]\nid = \"34020100002000000001\"\n\n[[camera]]\nurl = \"rtsp://h/\"\n")
	if got := fmt.Sprint(err); !strings.HasPrefix(got, "x.toml:4: camera[1].name: is missing") {
		t.Errorf("got %q", got)
	}
}

// A file may be full of what is wrong: a spreadsheet's export with a column that nobody knows.
func TestThousandsOfFaults(t *testing.T) {
	t.Parallel()
	const cameras = 3000
	var b strings.Builder
	b.WriteString("[gateway]\nid = \"34020100002000000001\"\n")
	for i := range cameras {
		fmt.Fprintf(&b, "[[camera]]\nname = \"c%d\"\nid = \"34020100001320000001\"\nurl = \"rtsp://h/\"\nroom%d = 1\nflor = 2\n", i, i)
	}
	_, err := Parse("x.toml", b.String())
	faults, _ := err.(Faults)
	if want := 3*cameras - 1; len(faults) != want { // two keys each, and the code is another's
		t.Fatalf("%d faults, want %d", len(faults), want)
	}
	for i, want := range map[int]string{
		0:             "x.toml:7: camera[1].room0: unknown key",
		1:             "x.toml:8: camera[1].flor: unknown key",
		3*cameras - 2: "x.toml:18002: camera[3000].flor: unknown key",
	} {
		if got := faults[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("fault %d is %q, want %q", i, got, want)
		}
	}
}

// slowly finds the line on which key stands in the n-th (from 0) [[table]] of text, reading all of it. table "" is the top; 0 is returned when it is not found.
func slowly(text, table string, n int, key string) int {
	header := regexp.MustCompile(`^\s*\[\[?\s*([^\]\s]+)\s*\]\]?`)
	assign := regexp.MustCompile(`(?i)^\s*["']?` + regexp.QuoteMeta(key) + `["']?\s*=`)
	root, sub, _ := strings.Cut(table, ".")
	current, count := "", -1
	for i, line := range strings.Split(text, "\n") {
		if m := header.FindStringSubmatch(line); m != nil {
			current = m[1]
			if current == root {
				count++
			}
			if current == key || current == strings.Trim(table+"."+key, ".") {
				if n < 0 || count == n || count < 0 {
					return i + 1
				}
			}
			continue
		}
		inTable := current == table || sub != "" && current == root+"."+sub
		if inTable && (n < 0 || count == n) && assign.MatchString(line) {
			return i + 1
		}
	}
	return 0
}
