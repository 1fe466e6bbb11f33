package bridge

import (
	"strings"
	"testing"
	"time"

	"gbgate/bridge/playback"
	"gbgate/gb28181/manscdp"
)

// What a query asks for beyond a window, and a bound.
func TestRecordInfoFilters(t *testing.T) {
	books := &shelf{list: []playback.Recording{
		{Start: at("08:00:00"), End: at("08:30:00"), Kind: "time", Path: "/gate/080000.mp4"},
		{Start: at("09:00:00"), End: at("09:30:00"), Kind: "time", Path: "/gate/090000.mp4"},
		{Start: at("13:00:00"), End: at("13:30:00"), Kind: "time"}, // found, but beyond the window
	}}
	site := NewSite(Config{Recordings: books}, []Camera{
		{Name: "gate", ID: gate, Address: "North Road 1", Source: &camera{}},
	})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	for _, c := range []struct {
		name string
		q    manscdp.RecordInfoQuery
		want int
	}{
		{"nothing else", manscdp.RecordInfoQuery{}, 2},
		{"a path", manscdp.RecordInfoQuery{FilePath: "/gate/090000.mp4"}, 1},
		{"a part of a path, exactly", manscdp.RecordInfoQuery{FilePath: "/gate", IndistinctQuery: new(0)}, 0},
		{"a part of a path", manscdp.RecordInfoQuery{FilePath: "/gate", IndistinctQuery: new(1)}, 2},
		{"an address", manscdp.RecordInfoQuery{Address: "North", IndistinctQuery: new(1)}, 2},
		{"another address", manscdp.RecordInfoQuery{Address: "South"}, 0},
		{"recorded by us", manscdp.RecordInfoQuery{RecorderID: node}, 2},
		{"recorded by another", manscdp.RecordInfoQuery{RecorderID: alien}, 0},
	} {
		q := c.q
		q.Header, q.Start, q.End, q.Type = header(gate), at("07:00:00"), at("12:00:00"), "Time"
		answer, err := v.RecordInfo(t.Context(), &q)
		if err != nil || answer.SumNum != c.want || len(answer.Items) != c.want {
			t.Errorf("%s: %+v %v, want %d", c.name, answer, err, c.want)
		}
	}
	if !strings.HasSuffix(books.asked, " time") {
		t.Errorf("asked %q", books.asked)
	}
	books.list = nil
	for i := range maxRecords + 5 {
		start := at("00:00:00").Add(time.Duration(i) * 5 * time.Second)
		books.list = append(books.list, playback.Recording{Start: start, End: start.Add(2 * time.Second), Kind: "time"})
	}
	answer, err := v.RecordInfo(t.Context(), &manscdp.RecordInfoQuery{
		Header: header(gate), Start: at("00:00:00"), End: at("00:00:00").Add(48 * time.Hour),
	})
	if err != nil || answer.SumNum != maxRecords {
		t.Errorf("%d rows of %d (%v), want %d", answer.SumNum, len(books.list), err, maxRecords)
	}
}
