package rehearsal

import "fmt"

// maxFaults bounds how many different rules a report names; a stream that breaks more is bad beyond telling.
const maxFaults = 40

// faults collects broken rules: one sentence per rule, that of its first breach, and how often it was broken.
type faults struct {
	order []string
	first map[string]string
	count map[string]int
}

// add notes a breach of rule, which is a word that never reaches a reader.
func (f *faults) add(rule, format string, args ...any) {
	if f.first == nil {
		f.first, f.count = make(map[string]string), make(map[string]int)
	}
	if _, known := f.first[rule]; !known {
		if len(f.order) >= maxFaults {
			return
		}
		f.order = append(f.order, rule)
		f.first[rule] = fmt.Sprintf(format, args...)
	}
	f.count[rule]++
}

// list returns the sentences in the order the rules were first broken.
func (f *faults) list() []string {
	var out []string
	for _, rule := range f.order {
		s := f.first[rule]
		if n := f.count[rule]; n > 1 {
			s = fmt.Sprintf("%s (%d times)", s, n)
		}
		out = append(out, s)
	}
	return out
}
