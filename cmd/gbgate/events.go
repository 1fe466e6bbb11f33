package main

import (
	"context"
	"slices"
	"strings"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181/manscdp"
)

// lookout is an ONVIF camera's events in the bridge's words.
type lookout struct {
	camera *onvif.Camera
	own    map[string]config.AlarmCode // by topic; they stand above meaning
}

// meaning is what each kind of event is upward (GB/T 28181-2022 A.2.5.3). Kinds without a line are no
// alarms, unless alarm_map makes them one.
func meaning(kind onvif.EventKind) (a bridge.Alarm, standing, ok bool) {
	switch kind {
	case onvif.Motion:
		a.Method, a.Type = manscdp.AlarmVideo, manscdp.VideoMotion
	case onvif.LineCrossed:
		a.Method, a.Type = manscdp.AlarmVideo, manscdp.VideoTripwire
	case onvif.Intrusion:
		a.Method, a.Type = manscdp.AlarmVideo, manscdp.VideoIntrusion
	case onvif.Loitering:
		a.Method, a.Type = manscdp.AlarmVideo, manscdp.VideoLoitering
	case onvif.ImageAbnormal:
		a.Method, a.Type, standing = manscdp.AlarmVideo, manscdp.VideoAbnormal, true
	case onvif.Tamper:
		a.Method, a.Type, standing = manscdp.AlarmVideo, manscdp.VideoOcclusion, true
	case onvif.VideoLoss:
		a.Method, a.Type, standing = manscdp.AlarmDevice, manscdp.DeviceVideoLoss, true
	case onvif.DigitalInput:
		a.Method = manscdp.AlarmDevice
	case onvif.StorageFailure:
		a.Method, a.Type, standing = manscdp.AlarmFault, manscdp.FaultDisk, true
	case onvif.FanFailure:
		a.Method, a.Type, standing = manscdp.AlarmFault, manscdp.FaultFan, true
	case onvif.PowerFailure:
		a.Method, standing = manscdp.AlarmFault, true
	case onvif.Overheating:
		a.Method, a.Type, standing = manscdp.AlarmDevice, manscdp.DeviceHot, true
	case onvif.Sound:
		a.Method = manscdp.AlarmOther
	case onvif.OtherEvent, onvif.RelayState:
		return a, false, false
	}
	a.Description = kind.String()
	return a, standing, true
}

// Watch implements bridge.Lookout.
func (l *lookout) Watch(ctx context.Context, tell func(bridge.Event)) error {
	err := l.camera.Events(ctx, func(e onvif.Event) {
		for _, event := range l.translate(e) {
			tell(event)
		}
	})
	return classify(err)
}

// translate gives what an event means; the end of an intrusion is two things: a state that is over,
// and somebody who went out.
func (l *lookout) translate(e onvif.Event) []bridge.Event {
	alarm, standing, ok := meaning(e.Kind)
	if code, mapped := l.code(e.Topic); mapped {
		alarm = bridge.Alarm{Method: code.Method, Type: code.Type, Description: e.Topic}
		if e.Kind != onvif.OtherEvent {
			alarm.Description = e.Kind.String()
		}
		ok = !code.Off
	}
	if !ok {
		return nil
	}
	event := bridge.Event{Alarm: alarm, Active: e.Active, Initial: e.Initial, Standing: standing}
	if e.HasState || !e.Active {
		event.State = e.Topic + " " + sourceOf(e)
	}
	if e.Kind != onvif.Intrusion || !e.HasState || alarm.Type != manscdp.VideoIntrusion {
		return []bridge.Event{event}
	}
	event.EventType = 1
	events := []bridge.Event{event}
	if !e.Active && !e.Initial {
		gone := bridge.Event{Alarm: alarm, Active: true}
		gone.EventType = 2
		events = append(events, gone)
	}
	return events
}

// code finds a topic in alarm_map: as a whole, or by its end from a "/" on. The longest one counts.
func (l *lookout) code(topic string) (config.AlarmCode, bool) {
	best := ""
	for key := range l.own {
		if (topic == key || strings.HasSuffix(topic, "/"+key)) && len(key) > len(best) {
			best = key
		}
	}
	code, ok := l.own[best]
	return code, ok
}

// sourceOf tells detectors and inputs of one topic apart.
func sourceOf(e onvif.Event) string {
	var parts []string
	for name, value := range e.Source {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

var _ bridge.Lookout = (*lookout)(nil)
