package bridge

import (
	"path"
	"strings"
)

// matcher is a choice of camera names: exact ones, of which there may be thousands, and patterns
// of path.Match.
type matcher struct {
	exact    map[string]bool
	patterns []string
}

func newMatcher(names []string) matcher {
	m := matcher{exact: make(map[string]bool, len(names))}
	for _, name := range names {
		if strings.ContainsAny(name, `*?[\`) {
			m.patterns = append(m.patterns, name)
		} else {
			m.exact[name] = true
		}
	}
	return m
}

func (m matcher) matches(name string) bool {
	if m.exact[name] {
		return true
	}
	for _, pattern := range m.patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}
