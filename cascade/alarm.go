package cascade

import (
	"strconv"
	"strings"

	"gbgate/gb28181/manscdp"
)

// wants tells whether an alarm passes the filter of a subscription (GB/T 28181-2022 A.2.4.6). Zero and empty filters
// let everything pass.
func wants(q *manscdp.AlarmQuery, a *manscdp.AlarmNotify) bool {
	least, most := q.StartPriority, q.EndPriority
	if most == 0 {
		most = 4
	}
	switch {
	case a.Priority < least || a.Priority > most && a.Priority > 0:
		return false
	case !methodWanted(q.Method, a.Method):
		return false
	case !typeWanted(q.Type, a):
		return false
	case !q.Start.IsZero() && a.Time.Before(q.Start):
		return false
	case !q.End.IsZero() && a.Time.After(q.End):
		return false
	}
	return true
}

// methodWanted reads AlarmMethod: "0" is all, "12" and "1/2" are phone and device.
func methodWanted(filter string, method int) bool {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, filter)
	return digits == "" || strings.Contains(digits, "0") || strings.Contains(digits, strconv.Itoa(method))
}

// typeWanted reads AlarmType: one number or several between slashes, 0 being all. An alarm without type passes.
func typeWanted(filter string, a *manscdp.AlarmNotify) bool {
	types := strings.FieldsFunc(filter, func(r rune) bool { return r < '0' || r > '9' })
	if len(types) == 0 || a.Info == nil || a.Info.Type == 0 {
		return true
	}
	for _, t := range types {
		if n, err := strconv.Atoi(t); err == nil && (n == 0 || n == a.Info.Type) {
			return true
		}
	}
	return false
}
