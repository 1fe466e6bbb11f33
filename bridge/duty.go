package bridge

import (
	"sync"
	"time"

	"gbgate/bridge/ledger"
	"gbgate/gb28181/manscdp"
)

// duty is what one superior has said about the alarms of one device. Each superior has its
// own: what one disarms may still alarm another.
type duty struct {
	disarmed bool      // GuardCmd ResetGuard (撤防)
	latched  time.Time // of the last device alarm that was not reset; zero: none
	report   manscdp.AlarmReport
}

// duties holds the duty of each device by the code that the superior knows it by. Devices
// without an entry are armed. Its size is bounded by the devices that exist: callers check.
type duties struct {
	latch   time.Duration                       // a latch is released after it; not positive: there is none
	changed func(device string, g ledger.Guard) // of what is to be kept; nil: nobody is told

	mu sync.Mutex
	of map[string]*duty
}

// get returns the entry of a device, made when missing. d.mu is held.
func (d *duties) get(id string) *duty {
	if d.of == nil {
		d.of = make(map[string]*duty)
	}
	if d.of[id] == nil {
		d.of[id] = &duty{}
	}
	return d.of[id]
}

// arm arms or disarms a device.
func (d *duties) arm(id string, armed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.get(id).disarmed = !armed
	d.tell(id)
}

// tell tells what is to be kept of a device. d.mu is held.
func (d *duties) tell(id string) {
	if d.changed != nil {
		one := d.of[id]
		d.changed(id, ledger.Guard{
			Disarmed: one.disarmed, Motion: switchedOff(one.report.MotionDetection),
			Intrusion: switchedOff(one.report.FieldDetection),
		})
	}
}

// switchedOff is a switch where it is not on, which is the default.
func switchedOff(flag *int) *int {
	if on(flag) {
		return nil
	}
	return new(0)
}

// restore takes over what was kept and returns how many devices are disarmed.
func (d *duties) restore(kept map[string]ledger.Guard) (disarmed int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, g := range kept {
		one := d.get(id)
		one.disarmed = g.Disarmed
		one.report.MotionDetection, one.report.FieldDetection = g.Motion, g.Intrusion
		if g.Disarmed {
			disarmed++
		}
	}
	return disarmed
}

// reset releases the latch of a device.
func (d *duties) reset(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.get(id).latched = time.Time{}
}

// resetAll releases every latch.
func (d *duties) resetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.of {
		one.latched = time.Time{}
	}
}

// setReport switches the kinds of alarms that r names.
func (d *duties) setReport(id string, r *manscdp.AlarmReport) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.get(id)
	if r.MotionDetection != nil {
		one.report.MotionDetection = new(*r.MotionDetection)
	}
	if r.FieldDetection != nil {
		one.report.FieldDetection = new(*r.FieldDetection)
	}
	d.tell(id)
}

// report tells which kinds of alarms of a device are on; all are until switched off.
func (d *duties) report(id string) *manscdp.AlarmReport {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &manscdp.AlarmReport{MotionDetection: new(1), FieldDetection: new(1)}
	if one := d.of[id]; one != nil {
		if one.report.MotionDetection != nil {
			r.MotionDetection = new(*one.report.MotionDetection)
		}
		if one.report.FieldDetection != nil {
			r.FieldDetection = new(*one.report.FieldDetection)
		}
	}
	return r
}

// status is the DutyStatus of a device.
func (d *duties) status(id, node string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, all := d.of[id], d.of[node]
	switch {
	case one != nil && one.disarmed, all != nil && all.disarmed:
		return "OFFDUTY"
	case one != nil && d.holds(one):
		return "ALARM"
	}
	return "ONDUTY"
}

// holds tells whether the latch of a device is closed. d.mu is held.
func (d *duties) holds(one *duty) bool {
	return !one.latched.IsZero() && d.latch > 0 && time.Since(one.latched) < d.latch
}

// admit tells whether an alarm of a device goes upward, and closes the latch behind a device
// alarm: there is no second one until it was reset (GB/T 28181-2022 §9.4.1).
func (d *duties) admit(id, node string, a Alarm) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.get(id)
	all := d.get(node)
	if one.disarmed || all.disarmed {
		return false
	}
	switch {
	case a.Method == manscdp.AlarmVideo && a.Type == manscdp.VideoMotion:
		return on(one.report.MotionDetection) && on(all.report.MotionDetection)
	case a.Method == manscdp.AlarmVideo && a.Type == manscdp.VideoIntrusion:
		return on(one.report.FieldDetection) && on(all.report.FieldDetection)
	case a.Method == manscdp.AlarmDevice:
		if d.holds(one) {
			return false
		}
		one.latched = time.Now()
	}
	return true
}

func on(flag *int) bool { return flag == nil || *flag != 0 }
