package config

import (
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// profiles.toml has one table per profile, whose keys are those of [superior.compat]; the comment
// behind each key is its reason. docs/profiles.md is made of it.
//
//go:embed profiles.toml
var profilesFile string

// ProfileNames returns the names that profile may have, in order.
func ProfileNames() []string {
	all, _ := profiles()
	return slices.Sorted(maps.Keys(all))
}

func profiles() (map[string]toml.Primitive, toml.MetaData) {
	all := map[string]toml.Primitive{}
	meta, err := toml.Decode(profilesFile, &all)
	if err != nil { // a test holds the file
		return nil, meta
	}
	return all, meta
}

// applyProfile presets c for a named platform; false: there is no such profile.
func (c *Compat) applyProfile(name string) bool {
	if name == "" {
		return true
	}
	all, meta := profiles()
	settings, ok := all[name]
	if !ok || meta.PrimitiveDecode(settings, c) != nil {
		return false
	}
	c.Profile = name
	return true
}

// Setting is one key that a profile presets.
type Setting struct{ Key, Value, Why string }

// ProfileSettings returns what a profile presets, in the order of its table.
func ProfileSettings(name string) []Setting {
	var settings []Setting
	inside := false
	for line := range strings.Lines(profilesFile) {
		line = strings.TrimSpace(line)
		if header, ok := strings.CutPrefix(line, "["); ok {
			inside = header == name+"]"
			continue
		}
		if key, rest, ok := strings.Cut(line, " = "); ok && inside && !strings.HasPrefix(line, "#") {
			value, why, _ := strings.Cut(rest, " # ")
			settings = append(settings, Setting{key, strings.TrimSpace(value), why})
		}
	}
	return settings
}
