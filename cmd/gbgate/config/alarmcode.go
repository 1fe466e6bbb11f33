package config

import (
	"fmt"
	"strconv"
	"strings"
)

// AlarmCode is what an event of a camera is upward: a value of alarm_map, "5/2", "2" or "off".
type AlarmCode struct {
	Off    bool
	Method int // 1 … 7 (GB/T 28181-2022 A.2.5.3)
	Type   int // its meaning depends on Method; 0 = none
}

// ParseAlarmCode reads "method/type", "method" or "off".
func ParseAlarmCode(text string) (AlarmCode, error) {
	if text == "off" {
		return AlarmCode{Off: true}, nil
	}
	method, kind, typed := strings.Cut(text, "/")
	m, err := strconv.Atoi(method)
	t := 0
	if typed && err == nil {
		t, err = strconv.Atoi(kind)
	}
	if err != nil || m < 1 || m > 7 || t < 0 || t > 99 || typed && t == 0 {
		return AlarmCode{}, fmt.Errorf(`%q is no alarm such as "5/2" (method/type), "2" or "off"`, text)
	}
	return AlarmCode{Method: m, Type: t}, nil
}

// AlarmTopic is a topic of alarm_map without what devices do not agree on: the prefixes of its
// segments and blanks.
func AlarmTopic(text string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.TrimSpace(text), "/") {
		if _, name, ok := strings.Cut(part, ":"); ok {
			part = name
		}
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// AlarmCodes returns AlarmMap by topics without prefixes. The map is valid.
func (c Camera) AlarmCodes() map[string]AlarmCode {
	codes := make(map[string]AlarmCode, len(c.AlarmMap))
	for topic, text := range c.AlarmMap {
		code, _ := ParseAlarmCode(text)
		codes[AlarmTopic(topic)] = code
	}
	return codes
}
