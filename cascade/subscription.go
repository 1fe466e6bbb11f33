package cascade

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const (
	maxSubscriptions = 256 // of one superior
	maxWaitingAlarms = 256 // of one subscription; the oldest goes first
	maxNotifyFails   = 3   // in a row: the superior has forgotten the subscription
)

// subscription is one dialog that a superior's SUBSCRIBE made (订阅, GB/T 28181-2022 9.11). It is replaced by a newer one
// for the same thing.
//
//	SUBSCRIBE ──200──► active ──refresh──► active
//	                     │
//	                     ├── Expires 0, expired, replaced, superior judged offline ──► gone
//	                     └── NOTIFY answered 481, or three not answered ────────────► gone
type subscription struct {
	p    *Platform
	kind string // CmdType of the query: Catalog, Alarm, MobilePosition or PTZPosition

	callID, localTag, remoteTag string
	local                       sipua.URI // our From in NOTIFY
	adopted                     bool      // the dialog is from before our restart

	ctx  context.Context
	end  context.CancelCauseFunc
	wake chan struct{} // something of the below changed
	done chan struct{}

	mu      sync.Mutex
	invite  *sipua.Request // the last SUBSCRIBE: where NOTIFYs go
	query   manscdp.Message
	event   string // of the SUBSCRIBE, byte for byte; empty when it had none
	expires time.Time
	cseq    uint32
	fails   int

	changes *changes               // Catalog
	alarms  []*manscdp.AlarmNotify // Alarm, oldest first

	positionAt   time.Time // MobilePosition, PTZPosition: the next; run's own
	aim          aim       // PTZPosition: what was told last; run's own
	tellAbnormal bool      // Catalog: what is not ON is still to be told; run's own
}

// SubscriptionStatus is a snapshot of one subscription.
type SubscriptionStatus struct {
	ID       string // Call-ID
	Kind     string // Catalog, Alarm, MobilePosition or PTZPosition
	DeviceID string
	Expires  time.Time
	Notified uint32 // NOTIFYs sent
}

func (s *subscription) status() SubscriptionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SubscriptionStatus{
		ID: s.callID, Kind: s.kind, DeviceID: s.query.Head().DeviceID, Expires: s.expires, Notified: s.cseq,
	}
}

// run sends what comes until the subscription is gone.
func (s *subscription) run() {
	defer close(s.done)
	defer s.p.forget(s)
	for {
		next := s.deliver()
		if s.ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		expires := s.expires
		s.mu.Unlock()
		if next.IsZero() || expires.Before(next) {
			next = expires
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.ctx.Done():
		}
		timer.Stop()
		if s.ctx.Err() != nil {
			return
		}
		if s.over() {
			s.p.log.Info("subscription expired", "kind", s.kind, "call", s.callID)
			return
		}
	}
}

// over says that the lifetime has ended.
func (s *subscription) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !time.Now().Before(s.expires)
}

// deliver sends what is due and says when there will be more; the zero time means when something happens. While we are
// not registered nothing leaves and everything waits.
func (s *subscription) deliver() time.Time {
	if !s.p.state().registered() {
		return time.Time{} // flush wakes it
	}
	switch s.kind {
	case "Catalog":
		return s.deliverCatalog()
	case "Alarm":
		return s.deliverAlarms()
	case "MobilePosition":
		return s.deliverPosition()
	case "PTZPosition":
		return s.deliverPTZ()
	}
	return time.Time{}
}

// device is what is subscribed to.
func (s *subscription) device() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.query.Head().DeviceID
}

// covers tells whether a device's events belong to the subscription: the node's are those of all its channels.
func (s *subscription) covers(device string) bool {
	id := s.device()
	return id == s.p.cfg.NodeID || id == device
}

// deliverAlarms sends the alarms one by one.
func (s *subscription) deliverAlarms() time.Time {
	for {
		s.mu.Lock()
		if len(s.alarms) == 0 {
			s.mu.Unlock()
			return time.Time{}
		}
		a := *s.alarms[0]
		s.mu.Unlock()
		a.Header = s.p.ownHeader("Alarm", a.DeviceID)
		again := s.notifyMessage(&a)
		s.mu.Lock()
		if !again && len(s.alarms) > 0 {
			s.alarms = s.alarms[1:]
		}
		s.mu.Unlock()
		if s.ctx.Err() != nil {
			return time.Time{}
		}
		if again {
			return time.Now().Add(s.p.cfg.Timers.Batch)
		}
	}
}

// deliverPosition sends where the device is, each Interval.
func (s *subscription) deliverPosition() time.Time {
	if time.Now().Before(s.positionAt) { // woken by a refresh
		return s.positionAt
	}
	s.positionAt = time.Now().Add(s.interval())
	ctx, cancel := context.WithTimeout(s.ctx, s.p.cfg.Timers.Operation)
	n := s.p.position(ctx, s.device())
	cancel()
	if n != nil {
		s.notifyMessage(n)
	}
	return s.positionAt
}

// interval is the time between two positions; the standard's least is 5 s.
func (s *subscription) interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := 0
	if q, ok := s.query.(*manscdp.MobilePositionQuery); ok {
		seconds = q.Interval
	}
	return time.Duration(min(max(seconds, 5), 24*3600)) * time.Second
}

// aim is what a PTZPosition subscription knows of its camera.
type aim struct {
	told  manscdp.PTZPosition
	pause time.Duration // before the next look
}

// Cameras are asked where they look only while somebody subscribes to it (2022 A.2.5.8): one that stands still, or
// can't tell, less often than one that turns.
const (
	stillGaps = 3  // looks at a camera that stands still are so many gaps apart
	blindGaps = 60 // and at one that does not tell
)

// deliverPTZ asks where the camera looks, and tells it when that is another place than before.
func (s *subscription) deliverPTZ() time.Time {
	if time.Now().Before(s.positionAt) { // woken by a refresh
		return s.positionAt
	}
	gap := s.p.cfg.Timers.PTZPositionGap
	ctx, cancel := context.WithTimeout(s.ctx, s.p.cfg.Timers.Operation)
	res, err := s.p.site.PTZPosition(ctx, &manscdp.PTZPositionQuery{Header: s.header()})
	cancel()
	switch {
	case err != nil || res == nil || res.PTZPosition == (manscdp.PTZPosition{}):
		s.aim.pause = min(blindGaps*gap, max(gap, 2*s.aim.pause))
	case reflect.DeepEqual(res.PTZPosition, s.aim.told):
		s.aim.pause = min(stillGaps*gap, s.aim.pause+gap)
	default:
		s.aim = aim{told: res.PTZPosition, pause: gap}
		id := s.device()
		s.notifyMessage(&manscdp.PTZPositionNotify{Header: s.p.ownHeader("PTZPosition", id), PTZPosition: res.PTZPosition})
	}
	s.positionAt = time.Now().Add(s.aim.pause)
	return s.positionAt
}

// addAlarm queues an alarm that the superior wants; s.mu is not held.
func (s *subscription) addAlarm(a *manscdp.AlarmNotify) {
	told := *a
	told.Time = later(a.Time, s.p.ahead()) // the filter's times are the superior's
	s.mu.Lock()
	q, _ := s.query.(*manscdp.AlarmQuery)
	if q == nil || wants(q, &told) {
		if len(s.alarms) == maxWaitingAlarms {
			s.alarms = slices.Delete(s.alarms, 0, 1)
		}
		s.alarms = append(s.alarms, a)
	}
	s.mu.Unlock()
	poke(s.wake)
}
