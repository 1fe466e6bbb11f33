package rtsp

import (
	"strings"
)

// Bounds on a session description, many times what cameras need: each payload type is looked for in all attributes, on
// the goroutine that reads from all cameras.
const (
	maxSections   = 64
	maxFormats    = 32      // of a section
	maxAttributes = 1024    // of all sections
	maxAttribute  = 8 << 10 // bytes
	maxParams     = 64      // of a fmtp
)

// sdpSection is the session part of a description (media == "") or one media section, stripped of all
// that cameras get wrong and nobody needs: only the m= line and the attributes are kept, so a broken
// v=, o=, s=, c=, b=, t= or r= line (Uniview, H3C, Verint, AJA) cannot spoil anything.
type sdpSection struct {
	media   string   // "video", "audio", …
	formats []string // of the m= line
	attrs   []sdpAttribute
}

type sdpAttribute struct{ key, value string }

// get returns the first attribute of that name.
func (s *sdpSection) get(key string) string {
	for _, a := range s.attrs {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

func (s *sdpSection) has(key string) bool {
	for _, a := range s.attrs {
		if a.key == key {
			return true
		}
	}
	return false
}

// sanitize splits a description into its session part and its media sections. It takes any line end,
// NULs at the end, lines in any order and lines that are none.
func sanitize(body []byte) (session sdpSection, sections []sdpSection) {
	current := &session
	attributes := 0
	lines := strings.FieldsFunc(string(body), func(r rune) bool { return r == '\r' || r == '\n' || r == 0 })
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := strings.TrimSpace(line[2:])
		switch line[0] {
		case 'm':
			if len(sections) == maxSections {
				return session, sections
			}
			sections = append(sections, parseMediaLine(value))
			current = &sections[len(sections)-1]
		case 'a':
			if attributes++; attributes <= maxAttributes && len(value) <= maxAttribute {
				key, v, _ := strings.Cut(value, ":")
				current.attrs = append(current.attrs, sdpAttribute{
					strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(v),
				})
			}
		}
	}
	return session, sections
}

// parseMediaLine reads "video 0 RTP/AVP 96 97". Port and protocol are ignored: "-1", "udp" and
// "RTP/SAVPF" were seen, and SETUP decides.
func parseMediaLine(value string) sdpSection {
	words := strings.Fields(value)
	s := sdpSection{}
	if len(words) > 0 {
		s.media = strings.ToLower(words[0])
	}
	if len(words) > 3 {
		s.formats = words[3:min(len(words), 3+maxFormats)]
	}
	return s
}
