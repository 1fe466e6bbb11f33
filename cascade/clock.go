package cascade

import (
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
)

// With Compat.OffsetTimes every time that goes to and fro is one of the superior's clock (校时, GB/T 28181-2022 9.10):
// ours is never set from a Date, as camera sessions follow it.

// steady is how far a newly measured offset must be from the one in use to replace it. Recordings are asked for by the
// times we told: those must not change with the latency of a REGISTER.
const steady = 2 * time.Second

// clockOffset is how much a superior's clock is ahead of ours. One that is eight hours off writes UTC where Beijing
// time belongs, and tells nothing until DateIsUTC says so.
func clockOffset(date string, isUTC bool) (time.Duration, bool) {
	t, err := gb28181.ParseDate(date)
	if err != nil {
		return 0, false
	}
	const beijing, slack = 8 * time.Hour, 2 * time.Minute
	if isUTC && !hasZone(date) {
		t = t.Add(beijing)
	}
	offset := time.Until(t)
	if d := (offset.Abs() - beijing).Abs(); d <= slack {
		return 0, false
	}
	return offset, true
}

// tellsTime tells a clock that was set from one that began anew after a power cut.
func tellsTime(t time.Time) bool { return t.Year() >= 2020 && t.Year() < 2100 }

// adjust takes a newly measured offset over; p.mu is held.
func (p *Platform) adjust(offset time.Duration) {
	offset = offset.Round(time.Second)
	if !p.cfg.Compat.OffsetTimes || (offset-p.shift+stepped(p.shiftAt)).Abs() < steady ||
		!tellsTime(time.Now().Add(offset)) {
		return
	}
	p.log.Info("times are written as the platform's clock has them", "offset", offset.String())
	p.shift, p.shiftAt = offset, time.Now()
}

// stepped is how much our clock was set forward since a moment, 0 for the zero time: a box without a battery starts
// in 1970 and gets its time when the network is there. (Sleep looks the same, but a box on a site does not sleep.)
func stepped(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	now := time.Now()
	step := now.Round(0).Sub(since.Round(0)) - now.Sub(since) // by the wall clock, by the monotonic one
	if step.Abs() < steady {
		return 0
	}
	return step.Round(time.Second)
}

// ahead is how much later the superior's times are than ours.
func (p *Platform) ahead() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shift - stepped(p.shiftAt)
}

// later is a time d later; the zero time stays.
func later(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}

// outward is a message with the superior's times. The caller's is not changed, as it may go to several superiors.
func (p *Platform) outward(m manscdp.Message) manscdp.Message {
	d := p.ahead()
	if d == 0 {
		return m
	}
	switch m := m.(type) {
	case *manscdp.DeviceStatusResponse:
		own := *m
		own.Time = later(m.Time, d)
		return &own
	case *manscdp.AlarmNotify:
		own := *m
		own.Time = later(m.Time, d)
		return &own
	case *manscdp.MobilePositionNotify:
		own := *m
		own.Time, own.Items = later(m.Time, d), append([]manscdp.Place(nil), m.Items...)
		for i := range own.Items {
			own.Items[i].CaptureTime = later(own.Items[i].CaptureTime, d)
		}
		return &own
	case *manscdp.RecordInfoResponse:
		own := *m
		own.Items = append([]manscdp.RecordItem(nil), m.Items...)
		for i := range own.Items {
			own.Items[i].Start, own.Items[i].End = later(own.Items[i].Start, d), later(own.Items[i].End, d)
		}
		return &own
	}
	return m
}

// inwardRecords is a query of recordings with our times.
func (p *Platform) inwardRecords(q *manscdp.RecordInfoQuery) *manscdp.RecordInfoQuery {
	own, d := *q, -p.ahead()
	own.Start, own.End = later(q.Start, d), later(q.End, d)
	return &own
}

// inwardOffer gives an offer our times.
func (p *Platform) inwardOffer(o *sdp.Offer) {
	d := -p.ahead()
	o.Start, o.Stop = later(o.Start, d), later(o.Stop, d)
}
