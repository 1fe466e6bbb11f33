package bridge

import (
	"context"
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

// Raise reports an alarm of a camera, or of the gateway itself (""), to every superior that sees it and has
// not disarmed it. It never blocks.
func (s *Site) Raise(camera string, a Alarm) {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	s.hub.tell(func(b *mailbox) { b.alarm(sourced{camera, a}) })
}

// WatchAlarms calls alarm with every alarm that is raised, and active where something that a camera notices
// begins to go on, such as movement, and where it is over; from one goroutine, until ctx ends. camera is "" for
// alarms of the gateway itself.
func (s *Site) WatchAlarms(
	ctx context.Context, alarm func(camera string, a Alarm), active func(camera string, on bool),
) error {
	box := s.hub.open()
	defer s.hub.close(box)
	for {
		select {
		case <-box.ready:
			n := box.take()
			for _, a := range n.alarms {
				alarm(a.camera, a.Alarm)
			}
			for camera, on := range n.active {
				active(camera, on)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// videoLoss is the alarm of a camera whose pictures are gone.
func videoLoss(h Health) Alarm {
	return Alarm{
		Method: manscdp.AlarmDevice, Type: manscdp.DeviceVideoLoss, At: h.Since, Description: h.Reason,
	}
}

// alarm is the message of an alarm of a device, nil when its duty forbids it.
func (v *View) alarm(id string, a Alarm) *manscdp.AlarmNotify {
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
