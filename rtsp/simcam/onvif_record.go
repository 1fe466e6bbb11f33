package simcam

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// searchTable keeps the searches that were started: what each will answer, a batch at a time.
type searchTable struct {
	mu     sync.Mutex
	serial int
	open   map[string][]string
}

// maxSearches bounds the searches that nobody ended.
const maxSearches = 16

// batchSize is how many results one answer holds: few, so that clients have to ask again.
const batchSize = 2

func (t *searchTable) start(results []string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil || len(t.open) >= maxSearches {
		t.open = make(map[string][]string)
	}
	t.serial++
	token := "search" + strconv.Itoa(t.serial)
	t.open[token] = results
	return token
}

func (t *searchTable) next(token string) (batch []string, more, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest, ok := t.open[token]
	if !ok {
		return nil, false, false
	}
	n := min(batchSize, len(rest))
	t.open[token] = rest[n:]
	return rest[:n], len(rest) > n, true
}

func (t *searchTable) end(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, token)
}

// Searches returns how many searches are open.
func (d *ONVIF) Searches() int {
	d.searches.mu.Lock()
	defer d.searches.mu.Unlock()
	return len(d.searches.open)
}

func (d *ONVIF) search(q *soapRequest) (string, *fault) {
	if len(d.cfg.Recordings) == 0 {
		return "", unsupported()
	}
	switch q.body.name {
	case "GetRecordingSummary":
		return d.recordingSummary(), nil
	case "GetRecordingInformation":
		r, flt := d.findRecording(q.body.str("RecordingToken"))
		if flt != nil {
			return "", flt
		}
		return in("tse:GetRecordingInformationResponse", r.information("tse:RecordingInformation")), nil
	case "FindRecordings":
		var list []string
		for _, r := range d.cfg.Recordings {
			list = append(list, r.information("tt:RecordingInformation"))
		}
		return in("tse:FindRecordingsResponse", el("tse:SearchToken", d.searches.start(list))), nil
	case "FindEvents":
		list, flt := d.findEvents(q)
		if flt != nil {
			return "", flt
		}
		return in("tse:FindEventsResponse", el("tse:SearchToken", d.searches.start(list))), nil
	case "GetRecordingSearchResults", "GetEventSearchResults":
		return d.searchResults(q)
	case "EndSearch":
		d.searches.end(q.body.str("SearchToken"))
		return in("tse:EndSearchResponse", el("tse:Endpoint", xsTime(d.now()))), nil
	}
	return "", unsupported()
}

func (d *ONVIF) searchResults(q *soapRequest) (string, *fault) {
	batch, more, ok := d.searches.next(q.body.str("SearchToken"))
	if !ok {
		return "", invalid("InvalidToken")
	}
	state := "Completed"
	if more || d.cfg.Quirks.NoEndToSearch {
		state = "Searching"
	}
	list := el("tt:SearchState", state)
	for _, b := range batch {
		list += b
	}
	return in("tse:"+q.body.name+"Response", in("tse:ResultList", list)), nil
}

func (d *ONVIF) recordingSummary() string {
	first := d.cfg.Recordings[0]
	from, until := first.bounds()
	for _, r := range d.cfg.Recordings[1:] {
		a, b := r.bounds()
		if a.Before(from) {
			from = a
		}
		if b.After(until) {
			until = b
		}
	}
	return in("tse:GetRecordingSummaryResponse", in("tse:Summary", el("tt:DataFrom", xsTime(from)),
		el("tt:DataUntil", xsTime(until)), el("tt:NumberRecordings", fmt.Sprint(len(d.cfg.Recordings)))))
}

func (r ONVIFRecording) bounds() (from, until time.Time) {
	if len(r.Spans) == 0 {
		return time.Time{}, time.Time{}
	}
	return r.Spans[0][0], r.Spans[len(r.Spans)-1][1]
}

// videoTrack is the token of the one track that every recording has.
const videoTrack = "VIDEO001"

// source is where a recording comes from.
func (r ONVIFRecording) source() string {
	return in("tt:Source", el("tt:SourceId", "http://example.com/"+r.Source), el("tt:Name", r.Source),
		el("tt:Location", ""), el("tt:Description", ""), el("tt:Address", ""))
}

func (r ONVIFRecording) information(name string) string {
	from, until := r.bounds()
	return in(name, el("tt:RecordingToken", r.Token),
		r.source(),
		el("tt:EarliestRecording", xsTime(from)), el("tt:LatestRecording", xsTime(until)), el("tt:Content", ""),
		in("tt:Track", el("tt:TrackToken", videoTrack), el("tt:TrackType", "Video"), el("tt:Description", ""),
			el("tt:DataFrom", xsTime(from)), el("tt:DataTo", xsTime(until))),
		el("tt:RecordingStatus", "Recording"))
}

// findEvents lists where data begins and ends within the window, with the state at its start.
func (d *ONVIF) findEvents(q *soapRequest) ([]string, *fault) {
	if d.cfg.Quirks.NoFindEvents {
		return nil, unsupported()
	}
	from, err := time.Parse(time.RFC3339, q.body.str("StartPoint"))
	until, err2 := time.Parse(time.RFC3339, q.body.str("EndPoint"))
	if err != nil || err2 != nil {
		return nil, invalid("StartPoint")
	}
	var list []string
	for _, r := range d.cfg.Recordings {
		if want := q.body.str("Scope", "IncludedRecordings"); want != "" && want != r.Token {
			continue
		}
		for _, s := range r.Spans {
			if s[1].Before(from) || s[0].After(until) {
				continue
			}
			if s[0].Before(from) {
				list = append(list, r.event(from, true, true))
			} else {
				list = append(list, r.event(s[0], true, false))
			}
			if !s[1].After(until) {
				list = append(list, r.event(s[1], false, false))
			}
		}
	}
	return list, nil
}

func (r ONVIFRecording) event(at time.Time, data, start bool) string {
	return in("tt:Result", el("tt:RecordingToken", r.Token), el("tt:TrackToken", videoTrack), el("tt:Time", xsTime(at)),
		in("tt:Event", el("wsnt:Topic", "tns1:RecordingHistory/Track/State"),
			in("wsnt:Message", in(fmt.Sprintf(`tt:Message UtcTime="%s"`, xsTime(at)),
				in("tt:Source", fmt.Sprintf(`<tt:SimpleItem Name="RecordingToken" Value="%s"/>`, escape(r.Token))),
				in("tt:Data", fmt.Sprintf(`<tt:SimpleItem Name="IsDataPresent" Value="%v"/>`, data))))),
		el("tt:StartStateEvent", strconv.FormatBool(start)))
}

func (d *ONVIF) replay(q *soapRequest) (string, *fault) {
	if len(d.cfg.Recordings) == 0 || q.body.name != "GetReplayUri" {
		return "", unsupported()
	}
	if _, flt := d.findRecording(q.body.str("RecordingToken")); flt != nil {
		return "", flt
	}
	return in("trp:GetReplayUriResponse", el("trp:Uri", d.stream(d.cfg.ReplayURL))), nil
}
