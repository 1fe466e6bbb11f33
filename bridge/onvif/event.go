package onvif

import (
	"context"
	"strings"
	"time"
)

// EventKind is what an event tells, whatever the device calls it.
type EventKind uint8

// The kinds of events.
const (
	OtherEvent EventKind = iota
	Motion
	LineCrossed
	Intrusion
	Loitering
	ImageAbnormal // too dark, too bright, out of focus, another scene
	Tamper
	VideoLoss
	DigitalInput
	RelayState
	StorageFailure
	FanFailure
	PowerFailure
	Overheating
	Sound
)

// String returns a short English name.
func (k EventKind) String() string {
	switch k {
	case Motion:
		return "motion"
	case LineCrossed:
		return "line crossed"
	case Intrusion:
		return "intrusion"
	case Loitering:
		return "loitering"
	case ImageAbnormal:
		return "image abnormal"
	case Tamper:
		return "tamper"
	case VideoLoss:
		return "video loss"
	case DigitalInput:
		return "digital input"
	case RelayState:
		return "relay"
	case StorageFailure:
		return "storage failure"
	case FanFailure:
		return "fan failure"
	case PowerFailure:
		return "power failure"
	case Overheating:
		return "overheating"
	case Sound:
		return "sound"
	}
	return "other"
}

// Event is one notification of a device.
type Event struct {
	Kind  EventKind
	Topic string // without prefixes: "VideoSource/MotionAlarm"
	// Initial tells that the state was like this when we began to listen: nothing happened now.
	Initial bool
	// Active is the state; an event without one (a line was crossed) is always active, one about
	// something that was deleted never.
	Active bool
	// HasState is false for events that begin and end at once.
	HasState     bool
	Source, Data map[string]string // the items, by name
	Time         time.Time         // by the device's clock; zero if it tells nonsense
}

// Events hands on the device's events but for those of its other video sources, as Client.Events
// does; cameras that share a client share the subscription. An event that names no video source, such
// as that of an input, counts as everybody's.
func (c *Camera) Events(ctx context.Context, fn func(Event)) error {
	l, err := c.learn(ctx)
	if k := kindOf(err); err != nil && (k == InvalidArgs || !answered(err) && k != NotONVIF) {
		return err
	}
	return c.client.listen(ctx, func(e Event) {
		if l == nil || !l.foreign(e) {
			fn(e)
		}
	})
}

// foreign tells whether an event is of another video source than the camera's.
func (l *layout) foreign(e Event) bool {
	for name, token := range e.Source {
		if strings.Contains(name, "Source") && l.others[token] {
			return true
		}
	}
	return false
}

// topics tells the kinds by the end of a topic. Devices agree on it less than on the standard's
// first segment, so that is not looked at.
var topics = []struct {
	topic string
	kind  EventKind
	item  string // the state's usual name; others of one value are taken too
}{
	{"MotionAlarm", Motion, "State"},
	{"CellMotionDetector/Motion", Motion, "IsMotion"},
	{"MotionRegionDetector/Motion", Motion, "State"},
	{"LineDetector/Crossed", LineCrossed, ""},
	{"FieldDetector/ObjectsInside", Intrusion, "IsInside"},
	{"LoiteringDetector/ObjectIsLoitering", Loitering, ""},
	{"ImageTooDark", ImageAbnormal, "State"},
	{"ImageTooBright", ImageAbnormal, "State"},
	{"ImageTooBlurry", ImageAbnormal, "State"},
	{"GlobalSceneChange", ImageAbnormal, "State"},
	{"ImpairedVisibility", ImageAbnormal, "State"},
	{"TamperDetector/Tamper", Tamper, "IsTamper"},
	{"SignalLoss", VideoLoss, "State"},
	{"Trigger/DigitalInput", DigitalInput, "LogicalState"},
	{"Trigger/Relay", RelayState, "LogicalState"},
	{"HardwareFailure/StorageFailure", StorageFailure, "Failed"},
	{"HardwareFailure/FanFailure", FanFailure, "Failed"},
	{"HardwareFailure/PowerSupplyFailure", PowerFailure, "Failed"},
	{"HardwareFailure/TemperatureCritical", Overheating, "Critical"},
	{"Audio/DetectedSound", Sound, "IsSoundDetected"},
}

// maxItems bounds the items of one event.
const maxItems = 64

// readEvent takes one NotificationMessage.
func readEvent(e *element) Event {
	message := e.find("Message")
	if inner := message.child("Message"); inner != nil {
		message = inner
	}
	ev := Event{
		Topic:  topicPath(e.str("Topic")),
		Source: readItems(message.at("Source")),
		Data:   readItems(message.at("Data")),
		Time:   moment(message.attr("UtcTime")),
	}
	if ev.Time.Year() < 2000 {
		ev.Time = time.Time{}
	}
	item := ""
	for _, t := range topics {
		if strings.Contains("/"+ev.Topic+"/", "/"+t.topic+"/") {
			ev.Kind, item = t.kind, t.item
			break
		}
	}
	ev.Active, ev.HasState = stateOf(ev.Data, item)
	switch strings.ToLower(message.attr("PropertyOperation")) {
	case "initialized":
		ev.Initial = true
	case "deleted":
		ev.Active = false
	}
	return ev
}

// stateOf finds an event's state: under its usual name, as State, or as the only item there is.
func stateOf(data map[string]string, item string) (active, has bool) {
	for _, name := range []string{item, "State", "LogicalState"} {
		if v, ok := data[name]; ok && name != "" {
			return truth(v), true
		}
	}
	if len(data) == 1 && item != "" {
		for _, v := range data {
			return truth(v), true
		}
	}
	return true, false
}

// topicPath takes the prefixes and the trailing "//." off a topic.
func topicPath(s string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.TrimSpace(s), "/") {
		if part = local(part); part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return cut(strings.Join(parts, "/"), 200)
}

func readItems(e *element) map[string]string {
	items := make(map[string]string)
	for _, i := range e.all("SimpleItem") {
		if len(items) < maxItems {
			items[i.attr("Name")] = i.attr("Value")
		}
	}
	return items
}
