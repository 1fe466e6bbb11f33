package manscdp

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

// One example of each command, as the annexes of the standard show it, is read, and written again with nothing lost.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/examples/*.xml")
	if err != nil || len(files) < 26 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	value := regexp.MustCompile(`<(\w+)>([^<]+)</\w+>`)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".xml"), func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(body)
			if err != nil {
				t.Fatal(err)
			}
			root, command, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".xml"), "-")
			command, _, _ = strings.Cut(command, "-")
			if !strings.EqualFold(m.Root(), root) || !strings.EqualFold(m.Head().CmdType, command) || m.Head().SN == "" {
				t.Errorf("it is read as %s %+v", m.Root(), *m.Head())
			}
			wire, err := Encoder{Charset: gb28181.UTF8}.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(wire)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, again); diff != "" {
				t.Errorf("written and read again (-first +second):\n%s", diff)
			}
			for _, v := range value.FindAllStringSubmatch(string(body), -1) {
				text := regexp.QuoteMeta(v[2])
				if _, err := strconv.ParseFloat(v[2], 64); err == nil && strings.Contains(v[2], ".") {
					text = strings.TrimRight(text, "0") + "0*" // with another number of decimals
				}
				if !regexp.MustCompile("<" + v[1] + ">" + text + "</").Match(wire) {
					t.Errorf("%s is lost:\n%s", v[0], wire)
				}
			}
		})
	}
}
