package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const shipped = "../../../config.toml"

// The shipped file is the manual: every value in it that is not an example is the default.
func TestShippedFileEqualsTheDefaults(t *testing.T) {
	got, err := Load(shipped)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Gateway.ID = "34020100002000000001"
	s := DefaultSuperior()
	secret := "change-me"
	s.Name, s.ID, s.Domain, s.Address = "province", "34020000002000000001", "3402000000", "192.0.2.10:5060"
	s.NodeID, s.Username, s.Password = want.Gateway.ID, want.Gateway.ID, &secret
	s.AllowSources = []string{}
	s.IDs = map[string]string{"east_gate": "34020100001310000007"}
	s.Districts = map[string]string{"340201": "市辖区"}
	want.Superiors = []Superior{s}
	want.Groups = []Group{{ID: "34020100002150000001", Name: "park", Cameras: []string{"east_*"}}}
	c := DefaultCamera()
	c.Name, c.Title, c.ID = "east_gate", "东门球机", "34020100001320000001"
	c.URL, c.Username, c.Password = "rtsp://192.0.2.64:554/Streaming/Channels/101", "admin", &secret
	want.Cameras = []Camera{c}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config.toml and the defaults differ (-default +file):\n%s", diff)
	}
}

func TestShippedFileShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for table := range tables() {
		for _, key := range keysOf(table) {
			if locate(string(text)).line(table, -1, key) == 0 {
				t.Errorf("config.toml does not show %s.%s", table, key)
			}
		}
	}
}

// The keys that config.toml calls inactive are the ones that the program says have no effect yet.
func TestShippedFileMarksInactiveKeys(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	header, assign := regexp.MustCompile(`^\[+(\S+?)\]+`), regexp.MustCompile(`^(\w+) = .*# (?:example, )?inactive: `)
	marked, table := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
		if m := header.FindStringSubmatch(line); m != nil {
			table = m[1]
		}
		if m := assign.FindStringSubmatch(line); m != nil {
			marked[table] = append(marked[table], m[1])
		}
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(inactive(), marked, sorted); diff != "" {
		t.Errorf("config.toml and inactive() differ (-code +file):\n%s", diff)
	}
	for table, keys := range inactive() {
		for _, key := range keys {
			if table != "superior.districts" && !slices.Contains(keysOf(table), key) {
				t.Errorf("inactive() names %s.%s, which does not exist", table, key)
			}
		}
	}
}

func TestInactive(t *testing.T) {
	cfg, err := Parse("c.toml", `
[gateway]
id = "34020100002000000001"
gpsd = "127.0.0.1:2947"
[[superior]]
name = "a"
id = "34020000002000000001"
address = "localhost:5060"
password = ""
[superior.compat]
profile = "strict-2022"
notify_terminated = true
talk = true
ptz_watchdog = "15s"
[superior.districts]
34 = "省"
[[superior]]
name = "b"
id = "34020000002000000002"
address = "localhost:5061"
password = ""
compat.broadcast = true
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`superior[1] "a".compat.talk`,
		`superior[2] "b".compat.broadcast`,
	}
	if diff := cmp.Diff(want, cfg.Inactive()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := Default().Inactive(); len(got) > 0 {
		t.Errorf("an empty file has settings without effect: %q", got)
	}
}

// Each file in testdata has the faults that it should have in the .want file beside it.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if _, err := Parse("config.toml", string(text)); err != nil {
				got = err.Error() + "\n"
			}
			golden := strings.TrimSuffix(file, ".toml") + ".want"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSecretsComeFromFileAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("p@ss word\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GBGATE_TEST_SECRET", "from env")
	path := filepath.Join(dir, "c.toml")
	if err := os.WriteFile(path, []byte(`
[gateway]
id = "34020100002000000001"
[[superior]]
name = "a"
id = "34020000002000000001"
address = "localhost:5060"
password_file = "secret"
[[camera]]
name = "c"
id = "34020100001320000001"
url = "rtsp://h/"
username = "u"
password_env = "GBGATE_TEST_SECRET"
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := *cfg.Superiors[0].Password; got != "p@ss word" {
		t.Errorf("superior's password %q", got)
	}
	if got := *cfg.Cameras[0].Password; got != "from env" {
		t.Errorf("camera's password %q", got)
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	_, err := Load("testdata/nothing.toml.missing")
	if want := "testdata/nothing.toml.missing: no such file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProfileGivesWayToAGivenKey(t *testing.T) {
	cfg, err := Parse("c.toml", `
[gateway]
id = "34020100002000000001"
[[superior]]
name = "a"
id = "34020000002000000001"
address = "localhost:5060"
password = ""
[superior.compat]
rtcp = true
profile = "srs"
[[superior]]
name = "b"
id = "34020000002000000002"
address = "localhost:5061"
password = ""
compat.profile = "srs"
`)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := cfg.Superiors[0].Compat, cfg.Superiors[1].Compat; !a.RTCP || b.RTCP {
		t.Errorf("rtcp is %v where given above the profile, %v where not; want true, false", a.RTCP, b.RTCP)
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("[[superior]]\nname=1\n[[camera]]\nid=34020100001320000001")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("c.toml", text)
		if (cfg == nil) == (err == nil) {
			t.Errorf("configuration %v with error %v", cfg, err)
		}
	})
}
