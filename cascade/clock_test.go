package cascade

import (
	"context"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// timedSite notes the window of a RecordInfo.
type timedSite struct {
	*testSite
	windows chan [2]time.Time
}

func (s *timedSite) RecordInfo(_ context.Context, q *manscdp.RecordInfoQuery) (*manscdp.RecordInfoResponse, error) {
	s.windows <- [2]time.Time{q.Start, q.End}
	return &manscdp.RecordInfoResponse{Items: []manscdp.RecordItem{{
		DeviceID: gateID, Name: "东门", Start: q.Start, End: q.End, Type: "time",
	}}}, nil
}

func (s *timedSite) DeviceStatus(context.Context, *manscdp.DeviceStatusQuery) (*manscdp.DeviceStatusResponse, error) {
	return &manscdp.DeviceStatusResponse{Result: manscdp.OK, Online: "ONLINE", Status: manscdp.OK, Time: time.Now()}, nil
}

// A superior whose clock is 90 minutes ahead reads and writes its own times everywhere, and the site ours.
func TestTimesOfTheSuperiorsClock(t *testing.T) {
	const ahead = 90 * time.Minute
	for _, use := range []bool{false, true} {
		m, site := newMedia(), &timedSite{known(), make(chan [2]time.Time, 1)}
		site.place = func(string) *manscdp.MobilePositionNotify {
			return &manscdp.MobilePositionNotify{Time: time.Now(), Longitude: new(118.37), Latitude: new(31.32)}
		}
		s := newSuperior(t)
		s.register = func(int, *sipua.Request) *sipua.Response {
			return code(200, "Date", time.Now().Add(ahead).In(gb28181.Zone()).Format("2006-01-02T15:04:05.000"))
		}
		g := start(t, s, Config{Compat: Compat{OffsetTimes: use}}, site, m)
		await(t, "registration", s.registered)
		eventually(t, "online", func() bool { return g.p.Status().State == Online })
		shift := time.Duration(0)
		if use {
			shift = ahead
		}
		near := func(what string, got, want time.Time) {
			t.Helper()
			if got.Sub(want).Abs() > 30*time.Second {
				t.Errorf("use %v: %s is %v, want about %v", use, what, got, want)
			}
		}

		s.ask(nodeID, query("DeviceStatus", "1", nodeID))
		status, _ := s.responses("1", 1)[0].(*manscdp.DeviceStatusResponse)
		near("DeviceTime", status.Time, time.Now().Add(shift))

		from := time.Date(2026, 1, 31, 10, 0, 0, 0, gb28181.Zone())
		s.ask(gateID, strings.Replace(query("RecordInfo", "2", gateID), "</Query>",
			"<StartTime>2026-01-31T10:00:00</StartTime><EndTime>2026-01-31T11:00:00</EndTime></Query>", 1))
		window := await(t, "query of recordings", site.windows)
		near("the window's start", window[0], from.Add(-shift))
		near("the window's end", window[1], from.Add(time.Hour-shift))
		records, _ := s.responses("2", 1)[0].(*manscdp.RecordInfoResponse)
		near("the recording's start", records.Items[0].Start, from)

		g.p.Publish(&manscdp.AlarmNotify{
			Header: manscdp.Header{CmdType: "Alarm", DeviceID: gateID}, Priority: 4, Method: 5, Time: time.Now(),
		})
		s.await("alarm", func() bool {
			for _, got := range s.messages {
				if a, ok := got.(*manscdp.AlarmNotify); ok {
					near("AlarmTime", a.Time, time.Now().Add(shift))
					return true
				}
			}
			return false
		})
		s.ask(gateID, query("MobilePosition", "3", gateID))
		s.await("position", func() bool {
			for _, got := range s.messages {
				if a, ok := got.(*manscdp.MobilePositionNotify); ok {
					near("Time", a.Time, time.Now().Add(shift))
					return true
				}
			}
			return false
		})

		body := strings.NewReplacer("s=Play", "s=Playback", "t=0 0", "t=1769824800 1769828400").Replace(offer("1200000001"))
		answer, err := sdp.Parse(s.call(s.invitation(gateID, "", body)).Body)
		if err != nil || answer.Start != 1769824800 {
			t.Errorf("use %v: the answer says t=%d (%v), want the offer's", use, answer.Start, err)
		}
		near("the playback's start", await(t, "call", m.answered).Offer().Start, from.Add(-shift))
	}
}

// What a clock says that was never set, and what differs by a REGISTER's latency, changes nothing.
func TestOffsetIsSteady(t *testing.T) {
	p := newPlatform(Config{Compat: Compat{OffsetTimes: true}}, nil, nil, nil)
	for _, c := range []struct{ measured, want time.Duration }{
		{1500 * time.Millisecond, 2 * time.Second},
		{2900 * time.Millisecond, 2 * time.Second},
		{-time.Second, -time.Second},
		{-60 * 365 * 24 * time.Hour, -time.Second},
		{time.Hour, time.Hour},
	} {
		p.mu.Lock()
		p.adjust(c.measured)
		p.mu.Unlock()
		if got := p.ahead(); got != c.want {
			t.Errorf("measured %v: %v ahead, want %v", c.measured, got, c.want)
		}
	}
	q := newPlatform(Config{}, nil, nil, nil)
	q.mu.Lock()
	q.adjust(time.Hour)
	q.mu.Unlock()
	if q.ahead() != 0 {
		t.Error("times are shifted although time_sync is off")
	}
}
