package mansrtsp

import (
	"math"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181"
)

// maxTime bounds what a Range can name; a longer one means the end all the same.
const maxTime = 10 * 366 * 24 * time.Hour

func parseScale(text string) (scale float64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	scale, err = strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(scale, 0) || math.IsNaN(scale) || scale == 0 {
		return 0, false, gb28181.Errorf(400, "Scale %.40q is no speed", text)
	}
	size := min(max(math.Abs(scale), MinScale), MaxScale)
	return math.Copysign(size, scale), true, nil
}

// formatScale always writes a decimal point, as the examples of the standard do.
func formatScale(scale float64) string {
	text := strconv.FormatFloat(scale, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// parseRange reads "npt=100-", "npt=now-", "npt=600-120" and their like.
func parseRange(text string) (*Range, error) {
	text, _, _ = strings.Cut(text, ";") // ";time=…" says when to begin
	unit, value, ok := strings.Cut(text, "=")
	if !ok { // some write no unit
		unit, value = "npt", text
	}
	if !strings.EqualFold(strings.TrimSpace(unit), "npt") {
		return nil, gb28181.Errorf(400, "Range in %.40q is not supported", unit)
	}
	start, end, _ := strings.Cut(value, "-")
	start, end = strings.TrimSpace(start), strings.TrimSpace(end)
	r := &Range{}
	switch {
	case start == "" && end == "":
		return nil, gb28181.Errorf(400, "Range %.40q is empty", text)
	case start == "" || strings.EqualFold(start, "now"):
		r.Now = true
	default:
		at, ok := parseNPT(start)
		if !ok {
			return nil, gb28181.Errorf(400, "Range %.40q has no start", text)
		}
		r.Start = at
	}
	if end != "" && !strings.EqualFold(end, "end") {
		at, ok := parseNPT(end)
		if !ok {
			return nil, gb28181.Errorf(400, "Range %.40q has no end", text)
		}
		r.End = &at
	}
	return r, nil
}

// String returns the value of the header.
func (r *Range) String() string {
	text := "npt=now-"
	if !r.Now {
		text = "npt=" + formatNPT(r.Start) + "-"
	}
	if r.End != nil {
		text += formatNPT(*r.End)
	}
	return text
}

// parsePause reads "now" or a time.
func parsePause(text string) (*time.Duration, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(text), "npt="), "-")
	if text == "now" {
		return nil, nil
	}
	at, ok := parseNPT(text)
	if !ok {
		return nil, gb28181.Errorf(400, "PauseTime %.40q is no time", text)
	}
	return &at, nil
}

// parseNPT reads seconds or h:mm:ss, both with an optional fraction.
func parseNPT(text string) (time.Duration, bool) {
	var seconds float64
	for _, part := range strings.Split(text, ":") {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || math.IsNaN(x) || x < 0 {
			return 0, false
		}
		seconds = seconds*60 + x
	}
	if seconds >= maxTime.Seconds() {
		return maxTime, true
	}
	return time.Duration(math.Round(seconds*1000)) * time.Millisecond, true
}

func formatNPT(d time.Duration) string {
	return strconv.FormatFloat(d.Round(time.Millisecond).Seconds(), 'f', -1, 64)
}
