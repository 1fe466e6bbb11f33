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

func keysOf(table string) []string {
	var of any
	switch table {
	case "":
		of = Config{}
	case "gateway":
		of = Gateway{}
	case "admin":
		of = Admin{}
	case "superior":
		of = Superior{}
	case "superior.compat":
		of = Compat{}
	case "camera":
		of = Camera{}
	default:
		return nil
	}
	var keys []string
	for i := range reflect.TypeOf(of).NumField() {
		f := reflect.TypeOf(of).Field(i)
		keys = append(keys, f.Tag.Get("toml"))
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
