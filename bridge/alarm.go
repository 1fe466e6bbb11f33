package bridge

import (
	"time"

	"gbgate/gb28181/manscdp"
)

// Alarm is something that a camera of the site reports.
type Alarm struct {
	Priority    int // 1 highest … 4; 0 = 4
	Method      int // manscdp.AlarmDevice, manscdp.AlarmVideo …
	Type        int // its meaning depends on Method; 0 = none
	EventType   int // of an intrusion (5/6): 1 somebody came in, 2 went out; 0 = not told
	At          time.Time
	Description string
}

// Raise reports an alarm of a camera to every superior that sees it and has not disarmed it. It
// never blocks.
func (s *Site) Raise(camera string, a Alarm) {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	s.hub.tell(func(b *mailbox) { b.alarm(sourced{camera, a}) })
}

// videoLoss is the alarm of a camera whose pictures are gone.
func videoLoss(h Health) Alarm {
	return Alarm{
		Method: manscdp.AlarmDevice, Type: manscdp.DeviceVideoLoss, At: h.Since, Description: h.Reason,
	}
}

// alarm is the message of an alarm of a channel, nil when its duty forbids it.
func (v *View) alarm(c *Channel, a Alarm) *manscdp.AlarmNotify {
	id := v.idOf(c)
	if !v.duties.admit(id, v.cfg.NodeID, a) {
		return nil
	}
	n := &manscdp.AlarmNotify{
		Header: manscdp.Header{DeviceID: id}, Priority: a.Priority, Method: a.Method, Time: a.At,
		Description: a.Description,
	}
	if n.Priority == 0 {
		n.Priority = 4
	}
	if a.Type != 0 {
		n.Info = &manscdp.AlarmInfo{Type: a.Type}
		if a.EventType != 0 {
			n.Info.Param = &manscdp.AlarmTypeParam{EventType: a.EventType}
		}
	}
	if fix, ok := v.coordinates(id); ok {
		n.Longitude, n.Latitude = &fix.Longitude, &fix.Latitude
	}
	return n
}
