package mansrtsp

import (
	"bytes"
	"strings"

	"gbgate/gb28181"
)

// Limits of what we read.
const (
	maxBody  = 4 << 10 // bytes
	maxLines = 64
)

// headers are the lines after the first, names in lower case.
type headers map[string]string

func (h headers) get(name string) string { return h[strings.ToLower(name)] }

// split takes a body apart. Of headers that come twice the first counts.
func split(body []byte) (first string, h headers, err error) {
	if len(body) > maxBody {
		return "", nil, gb28181.Errorf(400, "Playback control of %d bytes is too long", len(body))
	}
	h = headers{}
	lines := bytes.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' || r == 0 })
	if len(lines) > maxLines {
		return "", nil, gb28181.Errorf(400, "Playback control of %d lines is too long", len(lines))
	}
	for _, line := range lines {
		text := strings.TrimSpace(string(line))
		switch name, value, ok := strings.Cut(text, ":"); {
		case text == "":
		case first == "":
			first = text
		case ok:
			if name = strings.ToLower(strings.TrimSpace(name)); h[name] == "" {
				h[name] = strings.TrimSpace(value)
			}
		}
	}
	if first == "" {
		return "", nil, gb28181.Errorf(400, "Playback control is empty")
	}
	return first, h, nil
}

// isVersion tells RTSP/1.0, MANSRTSP/1.0 and their like.
func isVersion(text string) bool { return strings.Contains(strings.ToUpper(text), "RTSP/") }

func version(text string) string { return or(word(text), RTSP) }

type writer struct{ buf bytes.Buffer }

// line writes a line; nothing of a peer's ends it early.
func (w *writer) line(text string) {
	w.buf.WriteString(oneLine.Replace(text))
	w.buf.WriteString("\r\n")
}

func (w *writer) header(name, value string) { w.line(name + ": " + value) }

func (w *writer) end() []byte {
	w.buf.WriteString("\r\n")
	return w.buf.Bytes()
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

// word keeps a value free of blanks.
func word(s string) string { return strings.Join(strings.Fields(oneLine.Replace(s)), "") }

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
