package config

import (
	"fmt"
	"reflect"
	"strings"
)

// suggestion names the key that was probably meant.
func suggestion(name, table string) string {
	best, distance := "", 3
	for _, key := range keysOf(table) {
		if d := editDistance(strings.ToLower(name), key); d < distance {
			best, distance = key, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; was %s meant?", best)
}

// tables returns the type of every table of the file.
func tables() map[string]reflect.Type {
	return map[string]reflect.Type{
		"":                reflect.TypeFor[Config](),
		"gateway":         reflect.TypeFor[Gateway](),
		"admin":           reflect.TypeFor[Admin](),
		"recording":       reflect.TypeFor[Recording](),
		"superior":        reflect.TypeFor[Superior](),
		"superior.compat": reflect.TypeFor[Compat](),
		"group":           reflect.TypeFor[Group](),
		"camera":          reflect.TypeFor[Camera](),
	}
}

// keysOf returns the keys of a table; none if there is no such table.
func keysOf(table string) []string {
	of, ok := tables()[table]
	if !ok {
		return nil
	}
	var keys []string
	for _, f := range reflect.VisibleFields(of) {
		if !f.Anonymous {
			keys = append(keys, f.Tag.Get("toml"))
		}
	}
	return keys
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
