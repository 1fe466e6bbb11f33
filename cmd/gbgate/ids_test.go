package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/sheet"
)

// idsSite is a configuration and its state_dir, in a folder of its own.
type idsSite struct {
	t      *testing.T
	dir    string
	config string
	store  string
}

const idsCameras = `
[[camera]]
name = "east"
title = "东门"
url = "rtsp://192.0.2.1/1"
[[camera]]
name = "west"
title = "西门"
id = "34020100001320000002"
url = "rtsp://192.0.2.2/1"
[[camera]]
name = "roof"
url = "rtsp://192.0.2.3/1"
`

func newIDsSite(t *testing.T, cameras string) idsSite {
	t.Helper()
	dir := t.TempDir()
	s := idsSite{t, dir, filepath.Join(dir, "config.toml"), filepath.Join(dir, "state", idstore.FileName)}
	s.configure(cameras)
	return s
}

func (s idsSite) configure(cameras string) {
	s.t.Helper()
	s.write("config.toml", fmt.Sprintf(`
[gateway]
id = "34020100002000000001"
state_dir = %q
[[superior]]
name = "province"
id = "34020000002000000001"
address = "localhost:5060"
password = ""
channels = ["*e*"]
[superior.ids]
west = "34020100001310000007"
`, filepath.Dir(s.store))+cameras)
}

func (s idsSite) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// ids runs a command with --json and returns its one object.
func (s idsSite) ids(wantCode int, args ...string) idsDoc {
	s.t.Helper()
	out := s.run(wantCode, append(args, "--json")...)
	var doc idsDoc
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil || d.More() {
		s.t.Fatalf("ids %q printed no single object (%v):\n%s", args, err, out)
	}
	return doc
}

func (s idsSite) run(wantCode int, args ...string) string {
	s.t.Helper()
	var out, faults bytes.Buffer
	args = append([]string{"ids"}, append(args, "-c", s.config)...)
	if code := dispatch(s.t.Context(), env{&out, &faults}, args); code != wantCode {
		s.t.Fatalf("gbgate %q: exit code %d, want %d\n%s%s", args, code, wantCode, &out, &faults)
	}
	return out.String()
}

// verdicts prints rows a line each.
func verdicts(rows []idsRowDoc) []string {
	lines := make([]string, len(rows))
	for i, d := range rows {
		lines[i] = strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s%s", d.Row, d.Kind, d.Verdict, d.State, d.Owner, d.Reason))
	}
	return lines
}

func bindings(cameras []idsCameraDoc) []string {
	lines := make([]string, len(cameras))
	for i, d := range cameras {
		line := fmt.Sprintf("%s %s %s%s %s %s", d.Name, d.Code, d.Superior, d.Origin, d.Verdict, d.Reason)
		lines[i] = strings.TrimSpace(line)
	}
	return lines
}

func TestIDsRowByRow(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	file := s.write("codes.csv", `某市视频编码表
序号,国标编码,名称
1,34020100002000000001,平台
2,34020100001320000001,东门
3,34020100001320000002,西门
4,34020100001310000007,西 门
5,34020100001320000003,
6,34020100001320000003,
7,34020100001320000004,甲
8,34020100001320000004,乙
9,3402010000132000004,
10,340201000013200000O5,
11,340201000013200001,
12,3.40201E+19,
13,34020100001320000000,
14,34020100009990000009,
15,34020100002150000001,园区
16,34020100001340000001,报警
17,34030100001320000009,
18,,仓库
19,34020100001320000010,
`)
	want := []string{
		"3 node good used gateway.id",
		"4 camera good new",
		`5 camera good used camera "west"`,
		`6 camera good used camera "west"`,
		"7 camera good new",
		"8 camera bad  stands in row 7 already",
		"9 camera bad  rows 9 (甲) and 10 (乙) have the same code",
		"10 camera bad  rows 9 (甲) and 10 (乙) have the same code",
		"11  bad  has 19 digits, not 20",
		`12  bad  has a character that is no digit: 'O'`,
		"13  bad  has 18 digits; the short form was dropped in 2022, ask for the code of 20",
		"14  bad  3.40201E+19: " + sheet.ErrDigitsLost.Error(),
		"15 camera bad  ends in five zeros, as Excel leaves a number of 20 digits: " + sheet.ErrDigitsLost.Error(),
		"16  bad  digits 11–13 are 999 (extension): no camera (131, 132), node (200, 118 …) or group (215, 216)",
		"17 group good new",
		"18 alarm input good new",
		"19 camera bad  is outside the block: 8 of 9 codes begin with 34020100; " +
			"if it is right, give --block 34020100,34030100",
		"20  bad  there is no code in this row",
		"21 camera good new",
	}
	doc := s.ids(exitBad, "check", file)
	if diff := cmp.Diff(want, verdicts(doc.Checks)); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(s.store); err == nil {
		t.Error("check has made a store")
	}
	doc = s.ids(exitBad, "import", file)
	if diff := cmp.Diff(want, verdicts(doc.Checks)); diff != "" {
		t.Errorf("import (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(idsBlockDoc{Codes: 5, Used: 2, Free: 3, Added: 8}, doc.Block); diff != "" {
		t.Errorf("block (-want +got):\n%s", diff)
	}
	doc = s.ids(exitBad, "import", file, "--block", "34020100001320000001-34020100001320000003,34030100")
	if doc.Block.Added != 1 {
		t.Errorf("another block: %d codes are new, want 1", doc.Block.Added)
	}
	want = []string{
		"3 node bad  is outside the block", "4 camera good known", `5 camera good used camera "west"`,
		"6 camera bad  is outside the block", "7 camera good known",
	}
	if diff := cmp.Diff(want, verdicts(doc.Checks)[:5]); diff != "" {
		t.Errorf("import into another block (-want +got):\n%s", diff)
	}
	if got := doc.Checks[16]; got.Verdict != good || got.State != "new" {
		t.Errorf("the code of the second prefix: %+v", got)
	}
}

func TestIDsCodeOfAnother(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	doc := s.ids(exitBad, "check", s.write("c.csv", "编码,名称\n34020100001320000002,南门\n"))
	want := []string{`2 camera bad  ` + `camera "west"is already used by camera "west" (西门), the sheet gives it to 南门`}
	if diff := cmp.Diff(want, verdicts(doc.Checks)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIDsRanges(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	doc := s.ids(exitGood, "import", s.write("a.csv", "起始编码,终止编码\n34020100001320000008,34020100001320000012\n"))
	if doc.Block.Added != 5 || doc.Checks[4].Code != "34020100001320000012" {
		t.Errorf("%d codes, the last %+v", doc.Block.Added, doc.Checks[len(doc.Checks)-1])
	}
	doc = s.ids(exitBad, "check", s.write("b.csv", `起始编码,终止编码
34020100001320000008,34020100001310000012
34020100001320000008,34020100001320000001
34020100001320000001,34020100001320999999
34020100001320000001,3402
`))
	want := []string{
		"2  bad  is no range: the first 14 digits must be the same, and the last code not below the first",
		"3  bad  is no range: the first 14 digits must be the same, and the last code not below the first",
		"4  bad  is a range of 999999 codes; a block has at most 10000",
		"5  bad  3402 has 4 digits, not 20",
	}
	if diff := cmp.Diff(want, verdicts(doc.Checks)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// From the sheet to codes that stay, through every command.
func TestIDsFromSheetToCameras(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	const told = "is missing, and the ID store has no block of codes yet; give one, or run `gbgate ids assign`"
	if _, err := loadConfig(s.config); err == nil || !strings.Contains(err.Error(), told) {
		t.Errorf("without a sheet: %v", err)
	}
	doc := s.ids(exitBad, "assign")
	none := "none bad the ID store has no block of codes yet"
	want := []string{"east  " + none, "west 34020100001320000002 file good", "roof  " + none}
	if diff := cmp.Diff(want, bindings(doc.Cameras)); diff != "" {
		t.Errorf("assign without a sheet (-want +got):\n%s", diff)
	}

	var book bytes.Buffer
	err := sheet.WriteXLSX(&book, "编码", [][]string{
		{"国标编码", "名称"},
		{"34020100001320000003", ""},
		{"34020100001320000001", "东门"},
		{"34020100001320000002", "西门"},
		{"34020100001310000007", ""},
		{"34020100001320000004", ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := s.write("codes.xlsx", book.String())
	if doc = s.ids(exitGood, "import", file); doc.Block != (idsBlockDoc{Codes: 5, Used: 2, Free: 3, Added: 5}) {
		t.Errorf("import: %+v", doc.Block)
	}
	if doc = s.ids(exitGood, "import", file); doc.Block.Added != 0 {
		t.Errorf("imported again: %+v", doc.Block)
	}
	doc = s.ids(exitBad, "check")
	want = []string{
		"east  none bad has no code yet; `gbgate ids assign` would give it 34020100001320000001",
		"west 34020100001320000002 file good",
		"roof  none bad has no code yet; `gbgate ids assign` would give it 34020100001320000003",
		"west 34020100001310000007 provincefile good",
	}
	if diff := cmp.Diff(want, bindings(doc.Cameras)); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	if doc = s.ids(exitGood, "assign", "--dry-run"); doc.Cameras[0].Origin != "new" {
		t.Errorf("dry run: %+v", doc.Cameras)
	}
	if doc = s.ids(exitGood, "assign"); doc.Cameras[0].Origin != "new" || doc.Cameras[2].Code != "34020100001320000003" {
		t.Errorf("assign: %+v", doc.Cameras)
	}
	if doc = s.ids(exitGood, "assign"); doc.Cameras[0].Origin != "kept" {
		t.Errorf("assign again: %+v", doc.Cameras)
	}
	s.ids(exitGood, "check")
	cfg, err := loadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Cameras[0].ID + cfg.Cameras[2].ID; got != "3402010000132000000134020100001320000003" {
		t.Errorf("loaded %s", got)
	}
}

func TestIDsAreKept(t *testing.T) {
	s := newIDsSite(t, strings.ReplaceAll(idsCameras, `title = "东门"`, ""))
	s.ids(exitGood, "import", s.write("c.csv", "编码\n34020100001320000001\n34020100001320000005\n34020100001320000006\n"))
	codes := func() (list []string) {
		t.Helper()
		cfg, err := loadConfig(s.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := keepCodes(cfg); err != nil {
			t.Fatal(err)
		}
		for _, c := range cfg.Cameras {
			list = append(list, c.Name+" "+c.ID)
		}
		return list
	}
	want := []string{"east 34020100001320000001", "west 34020100001320000002", "roof 34020100001320000005"}
	if diff := cmp.Diff(want, codes()); diff != "" {
		t.Errorf("first start (-want +got):\n%s", diff)
	}
	// east is away, a new camera comes, west's code is no longer written in the file
	s.configure(`
[[camera]]
name = "new"
url = "rtsp://192.0.2.9/1"
[[camera]]
name = "roof"
url = "rtsp://192.0.2.3/1"
[[camera]]
name = "west"
url = "rtsp://192.0.2.3/1"
`)
	want = []string{"new 34020100001320000006", "roof 34020100001320000005", "west 34020100001320000002"}
	if diff := cmp.Diff(want, codes()); diff != "" {
		t.Errorf("second start (-want +got):\n%s", diff)
	}
	s.configure(idsCameras)
	want = []string{"east 34020100001320000001", "west 34020100001320000002", "roof 34020100001320000005"}
	if diff := cmp.Diff(want, codes()); diff != "" {
		t.Errorf("third start (-want +got):\n%s", diff)
	}
	// what the file gives to another while its owner is there is refused, with both named
	s.configure(strings.Replace(idsCameras, `"34020100001320000002"`, `"34020100001320000001"`, 1))
	fault := `code 34020100001320000001 of camera "east" is already the code of camera "west"`
	if _, err := loadConfig(s.config); err == nil || !strings.Contains(err.Error(), fault) {
		t.Errorf("got %v, want %s", err, fault)
	}
	doc := s.ids(exitGood, "assign", "--release", "new")
	if doc.Cameras[0].Reason != "34020100001320000006 is free again" {
		t.Errorf("released %+v", doc.Cameras)
	}
	s.ids(exitBad, "assign", "--release", "new")
}

func TestIDsWithoutStoreLeaveNoTrace(t *testing.T) {
	s := newIDsSite(t, `
[[camera]]
name = "west"
id = "34020100001320000002"
url = "rtsp://192.0.2.3/1"
`)
	cfg, err := loadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := keepCodes(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(s.store)); err == nil {
		t.Error("a state folder was made for nothing")
	}
}

func TestIDsExport(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	s.ids(exitGood, "import", s.write("c.csv", "编码,名称\n34020100001320000001,东门\n34020100001320000009,=南门\n"))
	s.ids(exitBad, "assign") // roof gets none: the free one is 南门's
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{
			"1|34020100001320000001|东门|340201|东门|gbgate|IPC|||已用|east",
			"2|34020100001320000002|西门|340201|西门|gbgate|IPC|||已用|west",
			"3||roof||roof|gbgate|IPC|||未分配|roof",
			"4|34020100001320000009|=南门|340201||||||空闲|",
		}},
		{[]string{"--superior", "province"}, []string{
			"1|34020100001320000001|东门|340201|东门|gbgate|IPC|||已用|east",
			"2|34020100001310000007|西门|340201|西门|gbgate|IPC|||已用|west",
			"3|34020100001320000009|=南门|340201||||||空闲|",
		}},
	} {
		for _, format := range []string{"--csv", "--xlsx"} {
			tables, err := sheet.Read([]byte(s.run(exitGood, append([]string{"export", format}, c.args...)...)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range tables[0].Rows[1:] {
				var cells []string
				for _, cell := range row.Cells {
					cells = append(cells, cell.Clean())
				}
				got = append(got, strings.Join(cells, "|"))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%q %s (-want +got):\n%s", c.args, format, diff)
			}
		}
	}
	file := filepath.Join(s.dir, "out.xlsx")
	doc := s.ids(exitGood, "export", "-o", file)
	want := []string{"east 34020100001320000001 kept good", "west 34020100001320000002 file good", "roof  none good"}
	if diff := cmp.Diff(want, bindings(doc.Cameras)); diff != "" {
		t.Errorf("export --json (-want +got):\n%s", diff)
	}
	// what was exported can be imported: only the camera without a code is told
	doc = s.ids(exitBad, "check", file)
	wrong := cmpopts.IgnoreSliceElements(func(d idsRowDoc) bool { return d.Verdict == good })
	told := []idsRowDoc{{Row: 4, Name: "roof", Verdict: bad, Reason: "there is no code in this row"}}
	if diff := cmp.Diff(told, doc.Checks, wrong); diff != "" {
		t.Errorf("the exported sheet (-want +got):\n%s", diff)
	}
}

func TestIDsUsage(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitUsage, []string{"import"}},
		{exitUsage, []string{"import", "a", "b"}},
		{exitUsage, []string{"nothing"}},
		{exitUsage, []string{"assign", "x"}},
		{exitUsage, []string{"assign", "--nothing"}},
		{exitUsage, []string{"check", "a.csv", "--block", "34-1"}},
		{exitUsage, []string{"export", "--csv", "--xlsx"}},
		{exitUsage, []string{"export", "--csv", "--json"}},
		{exitBad, []string{"export", "--superior", "nobody"}},
		{exitBad, []string{"import", "nothing.csv"}},
		{exitBad, []string{"import", s.write("x.csv", "hello,world\n")}},
		{exitGood, []string{"help"}},
	} {
		s.run(c.code, c.args...)
	}
	var out, faults bytes.Buffer
	code := dispatch(t.Context(), env{&out, &faults}, []string{"ids"})
	if code != exitUsage || !strings.Contains(faults.String(), "import") {
		t.Errorf("ids alone: exit code %d, %s", code, &faults)
	}
	s.write("config.toml", "[gateway]\nid = 1\n")
	if doc := s.ids(exitUsage, "check"); doc.Verdict != bad || doc.Reason == "" {
		t.Errorf("a faulty configuration: %+v", doc)
	}
}

// Every command prints tables for people.
func TestIDsTables(t *testing.T) {
	s := newIDsSite(t, idsCameras)
	file := s.write("c.csv", "编码\n34020100001320000001\n34020100001320000009\n")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"2 of 2 rows are good; 2 codes are new in " + s.store + "\nblock: 2 camera codes, 0 used, 2 free\n", []string{
			"import", file,
		}},
		{"block: 2 camera codes, 2 used, 0 free\n", []string{"assign"}},
		{"34020100001320000009  roof  已用   roof\n", []string{"export"}},
		{"2    34020100001320000001  -     camera  good     used by camera \"east\"\n", []string{"check", file}},
		{"roof: 34020100001320000009 is free again\n", []string{"assign", "--release", "roof"}},
	} {
		if got := s.run(exitGood, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("ids %q printed\n%swithout\n%s", c.args, got, c.want)
		}
	}
}
