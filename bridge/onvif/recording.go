package onvif

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Limits of one search.
const (
	maxRounds  = 500
	maxEmpty   = 10 // rounds without a result, one after the other
	maxResults = 10_000
	searchWait = 5 * time.Second
	coarseStep = time.Hour
)

// RecordingSummary is what a device has recorded in all.
type RecordingSummary struct {
	From, Until time.Time
	Count       int
}

// RecordingSummary asks how much there is. Not every device with a search knows it.
func (c *Client) RecordingSummary(ctx context.Context) (RecordingSummary, error) {
	e, err := c.call(ctx, request{
		service: searchService, op: "GetRecordingSummary", body: "<tse:GetRecordingSummary/>",
	})
	if err != nil {
		return RecordingSummary{}, err
	}
	return RecordingSummary{
		From:  moment(e.str("Summary", "DataFrom")),
		Until: moment(e.str("Summary", "DataUntil")),
		Count: e.integer("Summary", "NumberRecordings"),
	}, nil
}

// Recording is one recording: what one source recorded, with gaps.
type Recording struct {
	Token       string
	SourceID    string // of the source, as the recorder names it
	SourceName  string
	From, Until time.Time // the earliest and the latest of it; zero if not told
	Video       bool
}

// Recordings lists what can be searched and played.
func (c *Client) Recordings(ctx context.Context) ([]Recording, error) {
	start, err := c.call(ctx, request{
		service: searchService, op: "FindRecordings",
		body: wrap("tse:FindRecordings", "<tse:Scope/>", leaf("tse:MaxMatches", "100"), leaf("tse:KeepAliveTime", "PT60S")),
	})
	if err != nil {
		return nil, err
	}
	var list []Recording
	err = c.results(ctx, start.str("SearchToken"), "GetRecordingSearchResults", func(e *element) int {
		found := e.findAll("RecordingInformation")
		for _, r := range found {
			list = append(list, readRecording(r))
		}
		return len(found)
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// readRecording takes loosely what there is: one emulator puts half of it into the tracks.
func readRecording(e *element) Recording {
	r := Recording{
		Token:    e.find("RecordingToken").str(),
		SourceID: e.str("Source", "SourceId"), SourceName: e.str("Source", "Name"),
		From: moment(e.find("EarliestRecording").str()), Until: moment(e.find("LatestRecording").str()),
	}
	for _, t := range e.all("Track") {
		if t.str("TrackType") != "Video" {
			continue
		}
		r.Video = true
		if r.From.IsZero() {
			r.From = moment(t.str("DataFrom"))
		}
		if r.Until.IsZero() {
			r.Until = moment(t.str("DataTo"))
		}
	}
	return r
}

// results calls take with each batch of a search until it is complete, and ends the search. take
// returns how many results the batch had.
func (c *Client) results(ctx context.Context, token, op string, take func(*element) int) error {
	defer func() {
		_, err := c.call(ctx, request{
			service: searchService, op: "EndSearch", body: wrap("tse:EndSearch", leaf("tse:SearchToken", token)),
		})
		if err != nil {
			c.log.Debug("search is left to run out", "camera", c.Host(), "error", err)
		}
	}()
	total, empty := 0, 0
	for range maxRounds {
		e, err := c.call(ctx, request{
			service: searchService, op: op, wait: searchWait,
			body: wrap("tse:"+op, leaf("tse:SearchToken", token), leaf("tse:WaitTime", seconds(searchWait))),
		})
		if err != nil {
			return err
		}
		got := take(e)
		total += got
		state := e.find("SearchState").str()
		if state == "Completed" || state == "" || total >= maxResults {
			return nil
		}
		if got > 0 {
			empty = 0
			continue
		}
		if empty++; empty == maxEmpty {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return &Error{Kind: Unreachable, Op: op, Text: "search took too long", Err: context.Cause(ctx)}
		}
	}
	return &Error{Kind: NotONVIF, Op: op, Text: "camera never ends its search"}
}

// Span is a stretch of a recording without gaps.
type Span struct {
	From, Until time.Time
	// Coarse tells that the device does not say where its gaps are: there may be some inside.
	Coarse bool
}

// Spans lists what a recording holds between two times, oldest first. Where the device cannot
// search events it cuts the whole into hours.
func (c *Client) Spans(ctx context.Context, r Recording, from, until time.Time) ([]Span, error) {
	start, err := c.call(ctx, request{
		service: searchService, op: "FindEvents",
		body: wrap("tse:FindEvents",
			leaf("tse:StartPoint", stamp(from)), leaf("tse:EndPoint", stamp(until)),
			wrap("tse:Scope", leaf("tt:IncludedRecordings", r.Token)),
			"<tse:SearchFilter/>", leaf("tse:IncludeStartState", "true"),
			leaf("tse:MaxMatches", "1000"), leaf("tse:KeepAliveTime", "PT60S")),
	})
	if err != nil {
		if !answered(err) {
			return nil, err
		}
		return coarse(r, from, until), nil
	}
	var changes []change
	err = c.results(ctx, start.str("SearchToken"), "GetEventSearchResults", func(e *element) int {
		found := append(e.findAll("Result"), e.findAll("FindEventResult")...)
		for _, f := range found {
			if ch, ok := readChange(f, r.Token); ok {
				changes = append(changes, ch)
			}
		}
		return len(found)
	})
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return spans(changes, from, until), nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// change is a moment at which recorded data begins or ends.
type change struct {
	at   time.Time
	data bool
}

// readChange takes a RecordingHistory/Track/State event. Dahua ignores the filter and sends every
// event it has, so the sorting is done here.
func readChange(e *element, token string) (change, bool) {
	if t := e.str("RecordingToken"); t != "" && t != token {
		return change{}, false
	}
	at := moment(e.str("Time"))
	for _, item := range e.findAll("SimpleItem") {
		if item.attr("Name") == "IsDataPresent" && !at.IsZero() {
			return change{at, truth(item.attr("Value"))}, true
		}
	}
	return change{}, false
}

// spans pairs the changes within a window. Several tracks change together: data of any counts.
func spans(changes []change, from, until time.Time) []Span {
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	var list []Span
	var open time.Time
	for _, ch := range changes {
		at := ch.at
		if at.Before(from) {
			at = from
		}
		switch {
		case at.After(until):
		case ch.data && open.IsZero():
			open = at
		case !ch.data && !open.IsZero():
			if at.After(open) {
				list = append(list, Span{From: open, Until: at})
			}
			open = time.Time{}
		}
	}
	if !open.IsZero() && until.After(open) {
		list = append(list, Span{From: open, Until: until})
	}
	return list
}

// coarse cuts what a recording may hold of a window into hours.
func coarse(r Recording, from, until time.Time) []Span {
	if !r.From.IsZero() && r.From.After(from) {
		from = r.From
	}
	if !r.Until.IsZero() && r.Until.Before(until) {
		until = r.Until
	}
	var list []Span
	for from.Before(until) && len(list) < maxResults {
		next := from.Truncate(coarseStep).Add(coarseStep)
		if next.After(until) {
			next = until
		}
		list = append(list, Span{From: from, Until: next, Coarse: true})
		from = next
	}
	return list
}

// ReplayURI returns the RTSP address that a recording is played from, with the host that we know.
func (c *Client) ReplayURI(ctx context.Context, token string) (string, error) {
	e, err := c.call(ctx, request{
		service: replayService, op: "GetReplayUri",
		body: wrap("trp:GetReplayUri",
			wrap("trp:StreamSetup", leaf("tt:Stream", "RTP-Unicast"), wrap("tt:Transport", leaf("tt:Protocol", "RTSP"))),
			leaf("trp:RecordingToken", token)),
	})
	if err != nil {
		return "", err
	}
	uri := cmp.Or(e.str("Uri"), e.find("Uri").str())
	if uri == "" {
		return "", &Error{Kind: NotONVIF, Op: "GetReplayUri", Text: "camera names no address"}
	}
	return c.rewrite(uri, true), nil
}
