package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/cmd/gbgate/config"
)

func TestSheetHints(t *testing.T) {
	file := func(id, domain, password, camera string) string {
		return fmt.Sprintf(`
[gateway]
id = "34020100002000000001"
[[superior]]
name = "a"
id = %q
domain = %q
address = "192.0.2.10:5060"
password = %q
[[camera]]
name = "c"
id = "34020100001320000001"
url = "rtsp://192.0.2.64/"
password = %q
`, id, domain, password, camera)
	}
	const platform = "34020000002000000001"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"as on the sheet", file(platform, "", "pass word", "p@ss"), nil},
		{"domain as on the sheet", file(platform, "3402000000", "", ""), nil},
		{"the whole code as domain, as LiveGBS may have it", file(platform, platform, "", ""), nil},
		{"19 digits", file("3402000000200000001", "", "", ""), []string{
			`superior "a" id is "3402000000200000001" (19 characters)`,
		}},
		{"a camera's code", file("34020000001320000001", "", "", ""), []string{
			`superior "a" id is "34020000001320000001", of type 132`,
		}},
		{"our code", file("34020100002000000001", "", "", ""), []string{`superior "a" id is our own code`}},
		{"another domain", file(platform, "4402000000", "", ""), []string{`superior "a" domain is "4402000000"`}},
		{"blanks", file(platform, "", "12345678 ", "\tx"), []string{
			`superior "a" password is with a blank at its beginning or end`,
			`camera "c" password is with a blank at its beginning or end`,
			`camera "c" password is with a character that is not ASCII (full-width, Chinese, a curly quote, a tab)`,
		}},
		{"full width", file(platform, "", "ｐａｓｓ", "“x”"), []string{
			`superior "a" password is with a character that is not ASCII (full-width, Chinese, a curly quote, a tab)`,
			`camera "c" password is with a character that is not ASCII (full-width, Chinese, a curly quote, a tab)`,
		}},
		{"one camera twice", file(platform, "", "", "x") + `[[camera]]
name = "d"
id = "34020100001320000002"
url = "rtsp://192.0.2.64/"
[[camera]]
name = "e"
id = "34020100001320000003"
url = "rtsp://192.0.2.64/2"
`, []string{`camera "d" url is the very stream of camera "c"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := config.Parse("c.toml", c.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range sheetHints(cfg) {
				got = append(got, h.Key+" is "+h.Have)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
