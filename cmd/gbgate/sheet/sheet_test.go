package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// found reads a file and prints its first table's entries, a line each.
func found(t *testing.T, data []byte) []string {
	t.Helper()
	tables, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		columns, ok := Find(table)
		if !ok {
			continue
		}
		var lines []string
		for _, e := range table.Entries(columns) {
			line := fmt.Sprintf("%d %s %s", e.Row, e.Code, e.Name)
			if e.To != "" {
				line = fmt.Sprintf("%d %s…%s %s", e.Row, e.Code, e.To, e.Name)
			}
			if e.Err != nil {
				line += fmt.Sprintf(" lost=%v", errors.Is(e.Err, ErrDigitsLost))
			}
			lines = append(lines, line)
		}
		return lines
	}
	return nil
}

const (
	node = "34020100002000000001"
	a    = "34020100001320000001"
	b    = "34020100001320000002"
)

func TestCSV(t *testing.T) {
	want := []string{"2 " + a + " 东门", "3 " + b + " 西门"}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"plain", "国标编码,名称\n" + a + ",东门\n" + b + ",西门\n", nil},
		{"columns in another order", "序号;设备名称;设备编码\r\n1;东门;" + a + "\r\n2;西门;" + b, nil},
		{"tabs", "name\tdevice_id\n东门\t" + a + "\n西门\t" + b, nil},
		{"apostrophes", "编码,名称\n'" + a + ",东门\n’" + b + ",西门", nil},
		{"formulas", "编码,名称\n=\"" + a + "\",东门\n\"=\"\"" + b + "\"\"\",西门", nil},
		{"blanks and full-width digits", "编码,名称\n３４０２ 0100 00132 0000001, 东门 \n\u200b" + b + "\u00a0,西门", nil},
		{"the parent's code beside", "父设备编码,设备编码,通道名称\n" + node + "," + a + ",东门\n" + node + "," + b + ",西门", nil},
		{"district codes beside", "行政区划编码,ID,Name\n340201," + a + ",东门\n340201," + b + ",西门", nil},
		{
			"a title, a remark and empty rows", "某市视频资源编码表,\n单位：某局,\n\n编号,点位名称\n" +
				a + ",东门\n" + b + ",西门\n,\n说明：共两路,\n",
			[]string{"5 " + a + " 东门", "6 " + b + " 西门", "8 说明：共两路 "},
		},
		{"no headings", "1," + a + ",东门," + node + "\n2," + b + ",西门," + node, []string{
			"1 " + a + " 东门", "2 " + b + " 西门",
		}},
		{"a list", a + "\n" + b + "\n", []string{"1 " + a + " ", "2 " + b + " "}},
		{"a range", "起始编码,结束编码,数量,单位\n" + a + "," + b + ",2,某局\n", []string{"2 " + a + "…" + b + " "}},
		{"times are no range", "开始时间,结束时间,编码\n1月,2月," + a, []string{"2 " + a + " "}},
		{"digits lost", "编码,名称\n3.40201E+19,东门\n3.4E19,西门\n" + a + ",北门", []string{
			"2 3.40201E+19 东门 lost=true", "3 3.4E19 西门 lost=true", "4 " + a + " 北门",
		}},
		{"no code beside a name", "编码,名称\n,东门\n" + a + ",西门", []string{"3 " + a + " 西门"}},
		{"no code in a fuller row", "编码,名称,地址\n,东门,路\n" + a + ",西门,路", []string{"2  东门", "3 " + a + " 西门"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				c.want = want
			}
			gbk, err := simplifiedchinese.GB18030.NewEncoder().String(c.text)
			if err != nil {
				t.Fatal(err)
			}
			var wide []byte
			for _, u := range utf16.Encode([]rune("\ufeff" + c.text)) {
				wide = binary.LittleEndian.AppendUint16(wide, u)
			}
			for encoding, data := range map[string][]byte{
				"UTF-8": []byte(c.text), "UTF-8 with mark": []byte("\ufeff" + c.text), "GBK": []byte(gbk), "UTF-16": wide,
			} {
				if diff := cmp.Diff(c.want, found(t, data)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", encoding, diff)
				}
			}
		})
	}
}

func TestWhatIsNoSheet(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"", "is empty"},
		{"  \r\n ", "is empty"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls"},
		{"\n<html><table>", "web page"},
		{"PK\x03\x04nothing", "damaged workbook"},
		{"GIF89a\x00\x01", "neither a text nor"},
		{"abc\xff\xff,\xff", "neither UTF-8 nor GBK"},
		{string(pack(t, map[string]string{"a.txt": "x"})), "no XLSX workbook"},
		{strings.Repeat("x", maxFile+1), "larger than 16 MB"},
		{strings.Repeat("1\n", maxRows+1), "has more than"},
	} {
		tables, err := Read([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: got %d tables, %v; want an error with %q", c.data, len(tables), err, c.want)
		}
	}
	if _, ok := Find(Table{Rows: []Row{{1, []Cell{{Text: "hello"}, {Text: "world"}}}}}); ok {
		t.Error("codes are found where there are none")
	}
}

// pack makes a ZIP archive.
func pack(t *testing.T, parts map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range parts {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// workbook makes a workbook as Excel writes it, with a hidden sheet and a cover before the data.
func workbook(data string) map[string]string {
	head := `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	sheet := func(data string) string {
		return head + `<worksheet xmlns="` + mainNS + `"><dimension ref="A1:C4"/><sheetData>` + data +
			`</sheetData></worksheet>`
	}
	return map[string]string{
		"xl/workbook.xml": head + `<workbook xmlns="` + mainNS + `" xmlns:r="` + relNS + `"><sheets>` +
			`<sheet name="old" sheetId="1" state="hidden" r:id="rId1"/><sheet name="说明" sheetId="2" r:id="rId2"/>` +
			`<sheet name="编码" sheetId="3" r:id="rId3"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": head + `<Relationships xmlns="` + packNS + `relationships">` +
			`<Relationship Id="rId1" Type="x" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="rId2" Type="x" Target="worksheets/sheet2.xml"/>` +
			`<Relationship Id="rId3" Type="x" Target="/xl/worksheets/Sheet3.xml"/></Relationships>`,
		"xl/sharedStrings.xml": head + `<sst xmlns="` + mainNS + `"><si><t>国标编码</t></si><si><t>名称</t></si>` +
			`<si><t>` + a + `</t></si><si><r><t>东</t></r><r><rPr><b/></rPr><t xml:space="preserve">门 </t></r>` +
			`<rPh sb="0" eb="1"><t>dong</t></rPh><phoneticPr fontId="1"/></si><si><t>西门_x000D_</t></si></sst>`,
		"xl/worksheets/sheet1.xml": sheet(`<row><c t="inlineStr"><is><t>34020100001320000099</t></is></c></row>`),
		"xl/worksheets/sheet2.xml": sheet(`<row r="1"><c r="A1" t="inlineStr"><is><t>填表说明</t></is></c></row>`),
		"xl/worksheets/sheet3.xml": sheet(data),
	}
}

func TestXLSX(t *testing.T) {
	const headings = `<row r="2"><c r="B2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c></row>`
	for _, c := range []struct {
		name, rows string
		want       []string
	}{
		{
			"shared texts", headings + `<row r="4"><c r="B4" t="s"><v>2</v></c><c r="C4" t="s"><v>3</v></c></row>`,
			[]string{"4 " + a + " 东门"},
		},
		{"inline and formula texts", headings +
			`<row r="3"><c r="B3" t="str"><f>"3402"&amp;A1</f><v>` + a + `</v></c>` +
			`<c r="C3" t="inlineStr"><is><t>北门</t></is></c></row>` +
			`<row r="9"><c r="B9" s="1" t="inlineStr"><is><t>'` + b + `</t></is></c><c r="C9" t="s"><v>4</v></c></row>`, []string{
			"3 " + a + " 北门", "9 " + b + " 西门",
		}},
		{"numbers", headings +
			`<row r="3"><c r="B3"><v>3.4020100001319998E+19</v></c><c r="C3" t="s"><v>3</v></c></row>` +
			`<row r="4"><c r="B4"><v>34020100001320000000</v></c><c r="C4" t="s"><v>4</v></c></row>` +
			`<row r="5"><c r="B5"><v>12345</v></c><c r="C5" t="s"><v>4</v></c></row>`, []string{
			"3 3.4020100001319998E+19 东门 lost=true", "4 34020100001320000000 西门 lost=true", "5 12345 西门",
		}},
		{"without places", `<row><c t="s"><v>0</v></c></row><row><c t="s"><v>2</v></c></row>`, []string{"2 " + a + " "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, found(t, pack(t, workbook(c.rows)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFaultyWorkbooks(t *testing.T) {
	const row = `<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>`
	for _, c := range []struct {
		name   string
		change func(parts map[string]string)
		want   string
	}{
		{"a bomb", func(p map[string]string) {
			p["xl/sharedStrings.xml"] = "<sst><si><t>" + strings.Repeat("0", maxUnpacked) + "</t></si></sst>"
		}, "unpacks to more than 32 MB"},
		{"bombs that are small one by one", func(p map[string]string) {
			for _, part := range []string{"xl/sharedStrings.xml", "xl/worksheets/sheet2.xml", "xl/worksheets/sheet3.xml"} {
				p[part] = "<sst>" + strings.Repeat(" ", maxUnpacked*2/5) + "</sst>"
			}
		}, "unpacks to more than 32 MB"},
		{"too many rows", func(p map[string]string) {
			p["xl/worksheets/sheet2.xml"] = "<d>" + strings.Repeat("<row/>", maxRows+1) + "</d>"
		}, "has more than"},
		{"a text that is not there", func(p map[string]string) {
			p["xl/worksheets/sheet2.xml"] = `<d><row><c t="s"><v>5</v></c></row></d>`
		}, `there is no text number "5"`},
		{"a sheet that is not there", func(p map[string]string) { delete(p, "xl/worksheets/sheet3.xml") }, "is missing"},
		{"a part cut off", func(p map[string]string) { p["xl/worksheets/sheet3.xml"] = "<d><row><c><v>1" }, "unexpected EOF"},
		{"an entity of its own", func(p map[string]string) {
			p["xl/worksheets/sheet3.xml"] = `<!DOCTYPE d [<!ENTITY e "x">]><d><row><c><v>&e;</v></c></row></d>`
		}, "invalid character entity"},
		{"all sheets hidden", func(p map[string]string) {
			p["xl/workbook.xml"] = `<w><sheets><sheet name="a" state="hidden"/></sheets></w>`
		}, "no visible sheet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts := workbook(row)
			c.change(parts)
			_, err := Read(pack(t, parts))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestWrittenTablesAreReadAgain(t *testing.T) {
	rows := [][]string{
		{"国标编码", "名称", "经度"},
		{a, "东门 <1> & \"2\"", "-118.5"},
		{b, "=HYPERLINK(\"x\")", ""},
		{"34020100001320000003", "_x000D_ 末", "3"},
	}
	want := []string{"2 " + a + " 东门 <1> & \"2\"", "3 " + b + " =HYPERLINK(\"x\")", "4 34020100001320000003 _x000D_ 末"}
	var text, book bytes.Buffer
	if err := WriteCSV(&text, rows); err != nil {
		t.Fatal(err)
	}
	if err := WriteXLSX(&book, "编码[1]", rows); err != nil {
		t.Fatal(err)
	}
	for format, data := range map[string][]byte{"CSV": text.Bytes(), "XLSX": book.Bytes()} {
		if diff := cmp.Diff(want, found(t, data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	if !strings.Contains(text.String(), ",'=HYPERLINK") && !strings.Contains(text.String(), `,"'=HYPERLINK`) {
		t.Errorf("a formula is written as one:\n%s", text.String())
	}
	if !strings.Contains(text.String(), ",-118.5\r\n") {
		t.Errorf("a number is written as text:\n%s", text.String())
	}
	tables, err := Read(book.Bytes())
	if err != nil || tables[0].Name != "编码_1_" {
		t.Errorf("the sheet is called %q (%v)", tables[0].Name, err)
	}
}

func TestColumnNames(t *testing.T) {
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := letters(n); got != want {
			t.Errorf("column %d is %q, want %q", n, got, want)
		}
		if got := column(want+"7", 0); n < maxCols && got != n {
			t.Errorf("%s is column %d, want %d", want, got, n)
		}
	}
	if got := column("XFDXFDXFDXFDXFD1", 0); got < maxCols {
		t.Errorf("a column far out is %d", got)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "codes.xls")
	if err := os.WriteFile(path, []byte(a), 0o600); err != nil {
		t.Fatal(err)
	}
	if tables, err := ReadFile(path); err != nil || len(tables) != 1 {
		t.Errorf("got %v, %v", tables, err)
	}
	if _, err := ReadFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for a file that is not there", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("编码,名称\n" + a + ",东门\n3.4E19,西门"))
	f.Add([]byte("起始编码;结束编码\n=\"" + a + "\";" + b))
	var book bytes.Buffer
	if err := WriteXLSX(&book, "x", [][]string{{"编码"}, {a}}); err != nil {
		f.Fatal(err)
	}
	f.Add(book.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		tables, err := Read(data)
		if err == nil && len(tables) == 0 {
			t.Error("neither a table nor an error")
		}
		for _, table := range tables {
			if c, ok := Find(table); ok {
				for _, e := range table.Entries(c) {
					if e.Code == "" && e.Name == "" {
						t.Errorf("row %d is an entry without anything", e.Row)
					}
				}
			}
		}
	})
}

// FuzzSheet reads the part of a workbook that comes from outside without the ZIP archive around it.
func FuzzSheet(f *testing.F) {
	f.Add(`<d><row r="2"><c r="B2" t="s"><v>0</v></c><c r="A2"><v>1</v></c>` +
		`<c t="inlineStr"><is><t>x</t></is></c></row></d>`)
	f.Fuzz(func(t *testing.T, text string) {
		tables, err := Read(pack(t, map[string]string{
			"xl/workbook.xml":            `<w><sheets><sheet name="a" id="1"/></sheets></w>`,
			"xl/_rels/workbook.xml.rels": `<R><Relationship Id="1" Target="s.xml"/></R>`,
			"xl/sharedStrings.xml":       `<sst><si><t>x</t></si></sst>`,
			"xl/s.xml":                   text,
		}))
		if (err == nil) != (len(tables) == 1) {
			t.Errorf("%d tables, error %v", len(tables), err)
		}
	})
}
