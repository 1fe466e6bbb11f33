package media

import (
	"testing"
	"time"
)

// Days are more than 64 bits of nanoseconds times the clock's rate.
func TestTicksOfDays(t *testing.T) {
	const days = 40*24*time.Hour + 40*time.Millisecond
	if n := Ticks(days); n != 40*86400*90_000+3600 || Duration(n) != days {
		t.Errorf("%d ticks, %v", n, Duration(n))
	}
	if n := Ticks(-days); Duration(n) != -days {
		t.Errorf("%d ticks, %v", n, Duration(n))
	}
}
