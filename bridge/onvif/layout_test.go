package onvif

import (
	"testing"
	"time"
)

// A recorder tells the events of all its channels to everybody who listens.
func TestEventsOfOtherChannels(t *testing.T) {
	profiles := []Profile{
		{Token: "a", Source: "vs1", SourceConfig: "vsc1"}, {Token: "b", Source: "vs2", SourceConfig: "vsc2"},
	}
	c := &Camera{}
	l, err := c.choose(profiles, "vs2")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		name, item, token string
		foreign           bool
	}{
		{"ours", "VideoSource", "vs2", false},
		{"ours by its configuration", "VideoSourceConfigurationToken", "vsc2", false},
		{"another's", "Source", "vs1", true},
		{"another's by its configuration", "VideoSourceConfigurationToken", "vsc1", true},
		{"an input's", "InputToken", "vs1", false},
		{"nobody's", "Source", "vs9", false},
	} {
		if got := l.foreign(Event{Source: map[string]string{e.item: e.token}}); got != e.foreign {
			t.Errorf("an event that is %s: foreign %v", e.name, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT10S": 10 * time.Second, "PT1M": time.Minute, " PT1M30.5S ": 90*time.Second + 500*time.Millisecond,
		"P0DT0H0M5S": 5 * time.Second, "PT2H": 2 * time.Hour, "PT0S": 0,
		"": 0, "10": 0, "P1D": 0, "PT-5S": 0, "PT9999H": 24 * time.Hour, "PT99999999999999S": 0,
	} {
		if got := xsDuration(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}
