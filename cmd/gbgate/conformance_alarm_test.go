package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// Line 11 of the list, alarms: from a camera that notices something to the platform. Every check for what must not come
// ends with a mark, an alarm that nothing holds back: alarms keep their order.

// watched is a dome whose events the program has subscribed to.
type watched struct {
	*rig
	camera *simcam.ONVIF
}

func newWatched(t *testing.T, s setup) *watched {
	t.Helper()
	cam := startCamera(t, simcam.Config{})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL()})
	s.rest += onvifTOML("dome", channelID, device.URL(), "", "") +
		"alarm_interval = \"0s\"\nalarm_map = { \"vendor:Mark\" = \"7/3\" }\n"
	w := &watched{newRig(t, s), device}
	eventually(t, time.Minute, "the camera is listened to", func() bool { return device.Subscriptions() > 0 })
	return w
}

// The mark, motion (5/2) that begins, and a device's input (2/0) that closes.
func (w *watched) mark() { w.camera.Raise("tnsvendor:Mark", "", "", "Level", "high") }

func (w *watched) motion() {
	w.camera.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "false")
	w.camera.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
}

func (w *watched) input() {
	w.camera.Raise("tns1:Device/Trigger/DigitalInput", "InputToken", "di1", "LogicalState", "false")
	w.camera.Raise("tns1:Device/Trigger/DigitalInput", "InputToken", "di1", "LogicalState", "true")
}

const (
	markText, motionText, inputText = "7/3 Mark", "5/2 motion", "2/0 digital input"
)

// told waits until so many alarms have come in all, by MESSAGE.
func (w *watched) told(t *testing.T, what string, want ...string) {
	t.Helper()
	eventually(t, time.Minute, what, func() bool { return len(alarmsOf(w.node)) >= len(want) })
	if diff := cmp.Diff(want, alarmsOf(w.node)); diff != "" {
		t.Fatalf("%s: by MESSAGE (-want +got):\n%s", what, diff)
	}
}

// notified waits until so many alarms have come in all, in a subscription.
func notified(t *testing.T, what string, s *rehearsal.Subscription, want ...string) {
	t.Helper()
	texts := func() []string {
		var list []string
		for _, note := range s.Notifications() {
			list = append(list, alarmText(note.Message))
		}
		return list
	}
	eventually(t, time.Minute, what, func() bool { return len(texts()) >= len(want) })
	if diff := cmp.Diff(want, texts()); diff != "" {
		t.Fatalf("%s: by NOTIFY (-want +got):\n%s", what, diff)
	}
}

// heard waits until the program has had so many events of the camera.
func (w *watched) heard(t *testing.T, n uint64) uint64 {
	t.Helper()
	doc := w.gateway.status(t, "events of the camera", func(doc statusDoc) bool {
		return len(doc.Cameras) == 1 && doc.Cameras[0].Events != nil && doc.Cameras[0].Events.Events >= n
	})
	return doc.Cameras[0].Events.Events
}

func (w *watched) control(t *testing.T, c manscdp.DeviceControl) {
	t.Helper()
	if res, err := w.node.Command(t.Context(), channelID, c); err != nil || res.Result != "OK" {
		t.Fatalf("%s: %+v, %v", c.Kind(), res, err)
	}
}

func TestLine11Alarms(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		w := newWatched(t, setup{transport: transport})
		w.motion()
		w.input()
		w.told(t, "without a subscription", motionText, inputText)
		w.control(t, manscdp.DeviceControl{AlarmCmd: "ResetAlarm"})

		s, err := w.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{
			Command: "Alarm", Event: "presence", Filter: "<StartAlarmPriority>1</StartAlarmPriority>\r\n" +
				"<EndAlarmPriority>4</EndAlarmPriority>\r\n<AlarmMethod>27</AlarmMethod>\r\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		w.motion() // filtered out
		w.input()
		w.input() // latched
		w.mark()
		notified(t, "subscribed to methods 2 and 7", s, inputText, markText)
		w.control(t, manscdp.DeviceControl{AlarmCmd: "ResetAlarm"})
		w.input()
		notified(t, "after ResetAlarm", s, inputText, markText, inputText)

		w.control(t, manscdp.DeviceControl{AlarmCmd: "ResetAlarm"})
		w.control(t, manscdp.DeviceControl{GuardCmd: "ResetGuard"})
		before := w.heard(t, 0)
		w.input()
		w.mark() // of a camera that is disarmed
		w.heard(t, before+3)
		w.control(t, manscdp.DeviceControl{GuardCmd: "SetGuard"})
		w.input()
		notified(t, "armed again", s, inputText, markText, inputText, inputText)
		noFaults(t, "subscription", s.Faults())

		if err := s.Unsubscribe(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.told(t, "while subscribed", motionText, inputText)
		w.mark()
		w.told(t, "after the subscription", motionText, inputText, markText)

		off := 0
		res, err := w.node.DeviceConfig(t.Context(), channelID, manscdp.Settings{
			AlarmReport: &manscdp.AlarmReport{MotionDetection: &off},
		})
		if err != nil || res.Result != "OK" {
			t.Fatalf("AlarmReport: %+v, %v", res, err)
		}
		w.motion()
		w.mark()
		w.told(t, "without motion detection", motionText, inputText, markText, markText)
	})
}

// alarm_push = false: nothing without a subscription. alarm_latch = false: a device alarms as often as it wants.
func TestLine11AlarmSwitches(t *testing.T) {
	t.Parallel()
	t.Run("alarm_push", func(t *testing.T) {
		t.Parallel()
		w := newWatched(t, setup{compat: "alarm_push = false\n"})
		w.mark()
		s, err := w.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Alarm", Event: "presence"})
		if err != nil {
			t.Fatal(err)
		}
		w.motion()
		eventually(t, time.Minute, "an alarm by NOTIFY", func() bool { return len(s.Notifications()) > 0 })
		if got := alarmsOf(w.node); len(got) > 0 {
			t.Errorf("by MESSAGE came %q", got)
		}
	})
	t.Run("alarm_latch", func(t *testing.T) {
		t.Parallel()
		w := newWatched(t, setup{compat: "alarm_latch = false\n"})
		w.input()
		w.input()
		w.told(t, "without a latch", inputText, inputText)
	})
	t.Run("video_loss_alarm", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{compat: "video_loss_alarm = true\n", rest: offCameras(1, 1)})
		note, err := r.node.WaitNotice(soon(t, time.Minute), "Alarm", 0)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := note.Message.(*manscdp.AlarmNotify)
		if a.DeviceID != channelID || a.Method != manscdp.AlarmDevice || a.Info == nil ||
			a.Info.Type != manscdp.DeviceVideoLoss {
			t.Errorf("the alarm is %+v", a)
		}
	})
}
