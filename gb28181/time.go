package gb28181

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Zone is the zone of every time on the wire: Beijing, fixed at +8 hours,
// whatever the box's own zone is.
func Zone() *time.Location { return time.FixedZone("", 8*60*60) }

// FormatTime returns t as MANSCDP writes it: Beijing time as
// yyyy-MM-ddTHH:mm:ss, without zone and fraction.
func FormatTime(t time.Time) string { return t.In(Zone()).Format("2006-01-02T15:04:05") }

// FormatDate returns t as the Date header of GB/T 28181 writes it (2022 §9.10):
// Beijing time as yyyy-MM-ddTHH:mm:ss.SSS, without zone.
func FormatDate(t time.Time) string { return t.In(Zone()).Format("2006-01-02T15:04:05.000") }

// ParseTime reads a time of MANSCDP: Beijing time unless it says otherwise.
// Platforms leave out leading zeros and seconds, put a blank in place of T, and
// add fractions, Z or +08:00. A day alone is its midnight.
func ParseTime(s string) (time.Time, error) {
	p := timeParser{rest: strings.TrimSpace(s)}
	t, ok := p.time()
	if !ok {
		return time.Time{}, fmt.Errorf("%q is not a time", s)
	}
	return t, nil
}

// ParseDate reads the Date header of a response: the form of FormatDate in all
// variants of ParseTime, or that of RFC 1123 in GMT. Whether the time is
// plausible is for the caller to judge.
func ParseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.In(Zone()), nil
		}
	}
	return ParseTime(s)
}

type timeParser struct{ rest string }

func (p *timeParser) time() (time.Time, bool) {
	year, ok := p.number(4, 4)
	if !ok || year < 1970 || !p.skip("-/") {
		return time.Time{}, false
	}
	month, ok1 := p.number(1, 2)
	ok2 := p.skip("-/")
	day, ok3 := p.number(1, 2)
	if !ok1 || !ok2 || !ok3 {
		return time.Time{}, false
	}
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, Zone())
	if midnight.Day() != day || int(midnight.Month()) != month {
		return time.Time{}, false
	}
	if p.rest == "" {
		return midnight, true
	}
	if !p.skip("Tt ") {
		return time.Time{}, false
	}
	p.rest = strings.TrimLeft(p.rest, " ")
	clock, ok := p.clock()
	if !ok {
		return time.Time{}, false
	}
	shift, ok := p.zone()
	if !ok {
		return time.Time{}, false
	}
	return midnight.Add(clock + shift), true
}

// clock reads H:M[:S[.fraction]]; 24:00:00 is the end of the day.
func (p *timeParser) clock() (time.Duration, bool) {
	hour, ok1 := p.number(1, 2)
	ok2 := p.skip(":")
	minute, ok3 := p.number(1, 2)
	if !ok1 || !ok2 || !ok3 {
		return 0, false
	}
	d := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if p.skip(":") {
		second, ok1 := p.number(1, 2)
		fraction, ok2 := p.fraction()
		if !ok1 || !ok2 || second > 60 {
			return 0, false
		}
		d += time.Duration(second)*time.Second + fraction
	}
	return d, minute < 60 && d <= 24*time.Hour
}

// fraction reads an optional fraction of a second, to the millisecond.
func (p *timeParser) fraction() (time.Duration, bool) {
	if !p.skip(".,") {
		return 0, true
	}
	tail := strings.TrimLeft(p.rest, "0123456789")
	text := p.rest[:len(p.rest)-len(tail)]
	p.rest = tail
	x, err := strconv.ParseFloat("0."+text, 64)
	return time.Duration(math.Round(x*1e3)) * time.Millisecond, err == nil && text != ""
}

// zone reads an optional Z, +08:00 or +0800 and returns what to add to the time read as Beijing's.
func (p *timeParser) zone() (time.Duration, bool) {
	p.rest = strings.TrimLeft(p.rest, " ")
	const beijing = 8 * time.Hour
	switch {
	case p.rest == "":
		return 0, true
	case p.rest == "Z" || p.rest == "z":
		return beijing, true
	}
	sign := time.Duration(1)
	if p.rest[0] == '-' {
		sign = -1
	}
	if !p.skip("+-") {
		return 0, false
	}
	hour, ok1 := p.number(2, 2)
	p.skip(":")
	minute, ok2 := p.number(2, 2)
	if !ok1 || !ok2 || p.rest != "" || hour > 14 || minute > 59 {
		return 0, false
	}
	return beijing - sign*(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute), true
}

// number takes between least and most digits off the front.
func (p *timeParser) number(least, most int) (int, bool) {
	n := 0
	for n < len(p.rest) && n < most && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n < least {
		return 0, false
	}
	v, err := strconv.Atoi(p.rest[:n])
	p.rest = p.rest[n:]
	return v, err == nil
}

// skip takes one character of set off the front.
func (p *timeParser) skip(set string) bool {
	if p.rest == "" || strings.IndexByte(set, p.rest[0]) < 0 {
		return false
	}
	p.rest = p.rest[1:]
	return true
}
