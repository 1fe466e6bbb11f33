package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

func TestEventsInTheWordsOfAlarms(t *testing.T) {
	l := &lookout{own: config.Camera{AlarmMap: map[string]string{
		"tnsvendor:Analytics/tnsvendor:Smoke": "7/3", "Smoke": "1", "Device/Trigger/DigitalInput": "off",
	}}.AlarmCodes()}
	source := map[string]string{"VideoSource": "vs1", "Rule": "door"}
	for _, c := range []struct {
		name  string
		event onvif.Event
		want  []string
	}{
		{
			"motion",
			onvif.Event{Kind: onvif.Motion, Topic: "VideoSource/MotionAlarm", HasState: true, Active: true, Source: source},
			[]string{`5/2 "motion" "VideoSource/MotionAlarm Rule=door VideoSource=vs1" active`},
		},
		{
			"a line has no state",
			onvif.Event{Kind: onvif.LineCrossed, Topic: "a/Crossed", Active: true},
			[]string{`5/5 "line crossed" "" active`},
		},
		{
			"somebody came in",
			onvif.Event{Kind: onvif.Intrusion, Topic: "f", HasState: true, Active: true},
			[]string{`5/6/1 "intrusion" "f " active`},
		},
		{
			"and went out",
			onvif.Event{Kind: onvif.Intrusion, Topic: "f", HasState: true},
			[]string{`5/6/1 "intrusion" "f "`, `5/6/2 "intrusion" "" active`},
		},
		{
			"nobody was there",
			onvif.Event{Kind: onvif.Intrusion, Topic: "f", HasState: true, Initial: true},
			[]string{`5/6/1 "intrusion" "f " initial`},
		},
		{
			"a disk was broken",
			onvif.Event{Kind: onvif.StorageFailure, Topic: "s", HasState: true, Active: true, Initial: true},
			[]string{`6/1 "storage failure" "s " active initial standing`},
		},
		{
			"deleted",
			onvif.Event{Kind: onvif.LineCrossed, Topic: "l"},
			[]string{`5/5 "line crossed" "l "`},
		},
		{
			"a relay is no alarm",
			onvif.Event{Kind: onvif.RelayState, Topic: "r", HasState: true, Active: true},
			nil,
		},
		{
			"nor is what nobody knows",
			onvif.Event{Topic: "x/y", Active: true},
			nil,
		},
		{
			"unless it is mapped",
			onvif.Event{Topic: "Analytics/Smoke", Active: true},
			[]string{`7/3 "Analytics/Smoke" "" active`},
		},
		{
			"by its end",
			onvif.Event{Topic: "Other/Smoke", Active: true},
			[]string{`1/0 "Other/Smoke" "" active`},
		},
		{
			"mapped to nothing",
			onvif.Event{Kind: onvif.DigitalInput, Topic: "Device/Trigger/DigitalInput", Active: true},
			nil,
		},
	} {
		var got []string
		for _, e := range l.translate(c.event) {
			got = append(got, words(e))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func words(e bridge.Event) string {
	s := fmt.Sprintf("%d/%d", e.Method, e.Type)
	if e.EventType != 0 {
		s += fmt.Sprintf("/%d", e.EventType)
	}
	s += fmt.Sprintf(" %q %q", e.Description, e.State)
	for _, flag := range []struct {
		set  bool
		word string
	}{{e.Active, " active"}, {e.Initial, " initial"}, {e.Standing, " standing"}} {
		if flag.set {
			s += flag.word
		}
	}
	return s
}

// What a camera notices reaches the platform: by MESSAGE, by NOTIFY once it has subscribed, latched
// until it is reset, and also after the camera has restarted.
func TestEventsBecomeAlarms(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	cfg := simcam.ONVIFConfig{StreamURL: cam.URL(), Username: "admin", Password: "pass"}
	device, stopDevice := startDevice(t, cfg)
	device.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true") // before anybody listens
	lists := onvifTOML("dome", channelID, device.URL(), "admin", "pass") +
		"alarm_interval = \"0s\"\nalarm_map = { \"vendor:Smoke\" = \"7/3\" }\n"
	r := newRig(t, setup{rest: lists})
	heard := func() {
		eventually(t, time.Minute, "the camera is listened to", func() bool { return device.Subscriptions() > 0 })
	}
	heard()

	motion := func(state string) { device.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", state) }
	motion("false")
	motion("true")
	eventually(t, time.Minute, "an alarm by MESSAGE", func() bool { return len(alarmsOf(r.node)) > 0 })
	if diff := cmp.Diff([]string{"5/2 motion"}, alarmsOf(r.node)); diff != "" {
		t.Errorf("by MESSAGE (-want +got):\n%s", diff)
	}

	sub, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Alarm", Event: "presence"})
	if err != nil {
		t.Fatal(err)
	}
	input := func(state string) {
		device.Raise("tns1:Device/Trigger/DigitalInput", "InputToken", "di1", "LogicalState", state)
	}
	told := func(n int, want string) {
		t.Helper()
		note, err := sub.Wait(soon(t, time.Minute), n, func(note rehearsal.Notification) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if got := alarmText(note.Message); got != want {
			t.Errorf("NOTIFY %d is %q, want %q", n, got, want)
		}
	}
	device.Raise("tnsvendor:Smoke", "", "", "Level", "high")
	told(0, "7/3 Smoke")
	input("true")
	told(1, "2/0 digital input")
	input("false")
	input("true") // latched
	head := manscdp.Header{CmdType: "DeviceControl", DeviceID: channelID}
	reset := &manscdp.DeviceControl{Header: head, AlarmCmd: "ResetAlarm"}
	motion("false")
	motion("true") // behind the latched one
	told(2, "5/2 motion")
	answer, err := r.node.Ask(t.Context(), reset)
	if err != nil || answer.(*manscdp.ControlResponse).Result != manscdp.OK {
		t.Fatalf("ResetAlarm: %+v %v", answer, err)
	}
	input("false")
	input("true")
	told(3, "2/0 digital input")
	noFaults(t, "subscription", sub.Faults())

	motion("false")
	device.Raise("tnsvendor:Smoke", "", "", "Level", "high") // behind it
	told(4, "7/3 Smoke")
	stopDevice()
	cfg.Listen = device.Addr().String()
	device, _ = startDevice(t, cfg)
	motion("true") // before the camera is listened to again
	heard()
	told(5, "5/2 motion")

	if code := r.gateway.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if n := device.Subscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left at the camera", n)
	}
}

func onvifTOML(name, id, address, user, password string) string {
	return strings.Replace(cameraTOML(name, id, "", user, password), `url = ""`, fmt.Sprintf("onvif = %q", address), 1)
}

// startDevice runs a simulated ONVIF device; the function it returns ends it.
func startDevice(t *testing.T, cfg simcam.ONVIFConfig) (*simcam.ONVIF, func()) {
	t.Helper()
	d, err := simcam.ListenONVIF(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d, running(t, d.Run)
}

func alarmsOf(n *rehearsal.Node) []string {
	var list []string
	for _, notice := range n.Notices() {
		if text := alarmText(notice.Message); text != "" {
			list = append(list, text)
		}
	}
	return list
}

func alarmText(m manscdp.Message) string {
	a, ok := m.(*manscdp.AlarmNotify)
	if !ok {
		return ""
	}
	kind := 0
	if a.Info != nil {
		kind = a.Info.Type
	}
	return fmt.Sprintf("%d/%d %s", a.Method, kind, a.Description)
}

// The channels of one recorder have one client, so that it counts one password; a reload keeps it.
func TestChannelsOfARecorderShareAClient(t *testing.T) {
	cam := func(name, password string, channel int) config.Camera {
		c := config.DefaultCamera()
		c.Name, c.ONVIF, c.Username, c.Password, c.ONVIFChannel = name, "http://192.0.2.1", "admin", &password, channel
		return c
	}
	build := func(before map[string]device, cameras ...config.Camera) map[string]device {
		t.Helper()
		cfg := &config.Config{Cameras: cameras}
		cfg.Gateway.StateDir = t.TempDir()
		all, err := devices(cfg, before, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := build(nil, cam("a", "x", 1), cam("b", "x", 2), cam("c", "y", 3))
	then := build(first, cam("a", "x", 1), cam("d", "x", 4))
	client := func(all map[string]device, name string) *onvif.Client { return all[name].head.Client() }
	if client(first, "a") != client(first, "b") || client(then, "d") != client(first, "a") {
		t.Error("channels of one recorder have clients of their own")
	}
	if client(first, "a") == client(first, "c") {
		t.Error("channels with another password share a client")
	}
}
