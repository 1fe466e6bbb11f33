package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	oneBracket = regexp.MustCompile(`^\s*\[\s*(superior|camera|group)\s*\]`) //nolint:gochecknoglobals // compiled once
	bigInteger = regexp.MustCompile(`\d{19,}`)                               //nolint:gochecknoglobals // compiled once
	unquoted   = regexp.MustCompile(`^[^\[{#]*([^\d\[{#.+_-].*|\..*\..*)$`)  //nolint:gochecknoglobals // compiled once
)

// slip names what people do to a line so that it is no TOML any more, or not what was meant; complaint is the
// decoder's. "" when it is something else.
func slip(line, complaint string) string {
	_, value, assigns := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	if m := oneBracket.FindStringSubmatch(line); m != nil {
		return fmt.Sprintf("there may be several, so it has two brackets: [[%s]]", m[1])
	}
	if !assigns {
		if strings.Contains(line, "＝") {
			return `has the "＝" of the Chinese input method; "=" is meant`
		}
		return ""
	}
	bare := !strings.ContainsAny(value, `"'`)
	switch n := bigInteger.FindString(value); {
	case strings.HasPrefix(value, "“"), strings.HasPrefix(value, "”"), strings.HasPrefix(value, "＂"):
		return `has the quotes of a word processor or of the Chinese input method; the straight ones (") are meant`
	case bare && n != "":
		return fmt.Sprintf("a 20-digit code is text: write \"%s\" with quotes", n)
	case bare && unquoted.MatchString(value):
		return "is text: write it between quotes"
	case strings.HasPrefix(value, `"`) && strings.Contains(complaint, "escape"):
		return `has a backslash; write it twice, or put the text between single quotes: 'a\b'`
	case strings.HasPrefix(value, `"`) && strings.Count(value, `"`) == 1:
		return "its closing quote is missing"
	}
	return ""
}
