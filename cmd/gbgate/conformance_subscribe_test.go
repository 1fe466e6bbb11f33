package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// Line 11 of the list: subscriptions.

// change finds a change of a catalog in a NOTIFY.
func change(note rehearsal.Notification, id, event string) *manscdp.NotifyItem {
	m, ok := note.Message.(*manscdp.CatalogNotify)
	if !ok {
		return nil
	}
	for i, it := range m.Items {
		if it.DeviceID == id && it.Event == event {
			return &m.Items[i]
		}
	}
	return nil
}

// waitChange waits for a change in a NOTIFY from number from on.
func waitChange(t *testing.T, s *rehearsal.Subscription, from int, id, event string) *manscdp.NotifyItem {
	t.Helper()
	note, err := s.Wait(soon(t, 40*time.Second), from,
		func(n rehearsal.Notification) bool { return change(n, id, event) != nil })
	if err != nil {
		t.Fatalf("%s of %s: %v", event, id, err)
	}
	return change(note, id, event)
}

// Every form of Event is echoed to the byte, in the answer and in each NOTIFY.
func TestLine11Event(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, rest: offCameras(1, 1)})
		var subscriptions []*rehearsal.Subscription
		for _, c := range []struct{ command, event, filter string }{
			{"Catalog", "Catalog;id=1894", ""},
			{"Catalog", "catalog", ""},
			{"Catalog", "presence", ""},
			{"Catalog", "", ""},
			{"Alarm", "presence", "<StartAlarmPriority>1</StartAlarmPriority>\r\n" +
				"<EndAlarmPriority>4</EndAlarmPriority>\r\n<AlarmMethod>0</AlarmMethod>\r\n"},
			{"MobilePosition", "presence;id=77", "<Interval>5</Interval>\r\n"},
			{"PTZPosition", "PTZPosition", ""},
		} {
			s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{
				Command: c.command, Event: c.event, Filter: c.filter,
			})
			if err != nil {
				t.Errorf("%s with Event %q: %v", c.command, c.event, err)
				continue
			}
			subscriptions = append(subscriptions, s)
			body := string(s.Answer().Body)
			if !strings.Contains(body, "<CmdType>"+c.command+"</CmdType>") || !strings.Contains(body, "<Result>OK</Result>") {
				t.Errorf("%s: the 200 says %q, want a Response", c.command, body)
			}
			if s.Granted() != 10*time.Minute {
				t.Errorf("%s: granted %v of ten minutes", c.command, s.Granted())
			}
			if err := s.Refresh(t.Context(), false); err != nil {
				t.Errorf("%s: refresh without body: %v", c.command, err)
			}
			if err := s.Refresh(t.Context(), true); err != nil {
				t.Errorf("%s: refresh with body: %v", c.command, err)
			}
		}
		for _, s := range subscriptions {
			if err := s.Unsubscribe(t.Context()); err != nil {
				t.Error(err)
			}
			noFaults(t, "subscription", s.Faults())
		}
	})
}

func TestLine11Refused(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for _, c := range []struct {
		name string
		req  rehearsal.SubscribeRequest
		want int
	}{
		{"unknown device", rehearsal.SubscribeRequest{
			Command: "Catalog", DeviceID: "34020100001320000099", Event: "Catalog",
		}, 404},
		{"unknown command", rehearsal.SubscribeRequest{Command: "Weather", Event: "Weather"}, 489},
	} {
		_, err := r.node.Subscribe(t.Context(), c.req)
		if code, _ := gb28181.StatusOf(err); err == nil || code != c.want {
			t.Errorf("%s: %v, want %d", c.name, err, c.want)
		}
	}
	s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog", Expires: -1})
	if err != nil || s.Granted() != 10*time.Minute {
		t.Errorf("without Expires: %v; want 600 s", err)
	}
}

// A camera goes and comes back, and the subscriber is told with DeviceID and Event alone.
func line11CatalogOnOff(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		port := freePort(t)
		r := newRig(t, setup{
			transport: transport, rest: cameraTOML("gate", channelID, fmt.Sprintf("rtsp://127.0.0.1:%d/live", port), "", ""),
		})
		s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog;id=5"})
		if err != nil {
			t.Fatal(err)
		}
		waitChange(t, s, 0, channelID, "OFF")
		for _, note := range s.Notifications() {
			if strings.Contains(string(note.Body), "<Name>") {
				t.Errorf("OFF comes with more than DeviceID and Event:\n%s", note.Body)
			}
		}
		startCamera(t, simcam.Config{Listen: fmt.Sprintf("127.0.0.1:%d", port)})
		from := len(s.Notifications())
		eventually(t, 60*time.Second, "a play of the camera that came back", func() bool {
			_, err := r.node.Play(soon(t, 10*time.Second), rehearsal.PlayRequest{
				Channel: channelID, Transport: rehearsal.UDP, Pictures: 5,
			})
			return err == nil
		})
		waitChange(t, s, from, channelID, "ON")

		// Who ended it is told nothing more, and who forgot it answers 481 once.
		if err := s.Unsubscribe(t.Context()); err != nil {
			t.Error(err)
		}
		noFaults(t, "subscription", s.Faults())
	})
}

// A reload that adds, changes and takes away cameras is told; ADD and UPDATE carry the item of the catalog.
func line11CatalogChanges(t *testing.T) {
	r := newRig(t, setup{rest: offCameras(2, 1)})
	s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog"})
	if err != nil {
		t.Fatal(err)
	}
	const added, gone = "34020100001320000003", "34020100001320000002"
	from := len(s.Notifications())
	extra := offCameras(1, 3)
	r.reload(t, func(text string) string { return text + extra })
	item := waitChange(t, s, from, added, "ADD")
	items, err := r.node.Catalog(t.Context())
	if err != nil || len(items) != 3 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for _, it := range items {
		if it.DeviceID == added &&
			(it.Name != item.Name || it.ParentID != item.ParentID || it.Manufacturer != item.Manufacturer) {
			t.Errorf("ADD carries %+v, the catalog says %+v", item.Item, it)
		}
	}
	from = len(s.Notifications())
	r.reload(t, func(text string) string {
		return strings.Replace(text, `name = "cam003"`, "name = \"cam003\"\ntitle = \"新名\"", 1)
	})
	if item := waitChange(t, s, from, added, "UPDATE"); item.Name != "新名" {
		t.Errorf("UPDATE carries the name %q", item.Name)
	}
	from = len(s.Notifications())
	r.reload(t, func(text string) string {
		before, after, _ := strings.Cut(text, "[[camera]]\nname = \"cam002\"")
		_, after, _ = strings.Cut(after, "[[camera]]")
		return before + "[[camera]]" + after
	})
	waitChange(t, s, from, gone, "DEL")
	noFaults(t, "subscription", s.Faults())
}

// A NOTIFY that is answered 481 is the last one.
func line11Answered481(t *testing.T) {
	port := freePort(t)
	r := newRig(t, setup{rest: cameraTOML("gate", channelID, fmt.Sprintf("rtsp://127.0.0.1:%d/live", port), "", "")})
	s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog"})
	if err != nil {
		t.Fatal(err)
	}
	waitChange(t, s, 0, channelID, "OFF")
	s.Forget()
	before := len(r.tape.in("NOTIFY sip:"))
	cam, err := simcam.Listen(simcam.Config{Listen: fmt.Sprintf("127.0.0.1:%d", port)})
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t, cam.Run)
	played := make(chan error, 1)
	go func() {
		_, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.UDP, Pictures: 1 << 20,
		})
		played <- err
	}()
	t.Cleanup(func() { <-played })
	eventually(t, 40*time.Second, "a NOTIFY that the camera is back",
		func() bool { return len(r.tape.in("NOTIFY sip:")) > before })
	stop()
	r.gateway.status(t, "word that the camera is gone", func(doc statusDoc) bool { return doc.Cameras[0].Status != "ON" })
	time.Sleep(4 * time.Second) // debounce and batch
	if got := len(r.tape.in("NOTIFY sip:")); got != before+1 {
		t.Errorf("%d NOTIFYs into a dialog that was answered 481", got-before)
	}
}

// A program that restarted takes the refresh of a dialog it does not know for a new subscription, with the old tags.
func line11Adopted(t *testing.T) {
	r := newRig(t, setup{rest: offCameras(1, 1)})
	s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog;id=9"})
	if err != nil {
		t.Fatal(err)
	}
	tag := s.Answer().ToTag
	waitChange(t, s, 0, channelID, "OFF")
	if err := r.gateway.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.gateway.exited
	text, err := os.ReadFile(r.gateway.config)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, _ := strings.Cut(string(text), "[admin]\nlisten = \"127.0.0.1:0\"\n")
	g := startGateway(t, r.port, lists)
	if err := r.node.WaitState(soon(t, 20*time.Second), func(st rehearsal.NodeState) bool {
		return st.Registrations == 2
	}); err != nil {
		t.Fatal(err)
	}
	from := len(s.Notifications())
	if err := s.Refresh(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := s.Answer().ToTag; got != tag {
		t.Errorf("the To-tag is %s after the restart, was %s", got, tag)
	}
	waitChange(t, s, from, channelID, "OFF")
	for _, f := range s.Faults() {
		if !strings.Contains(f, "CSeq") { // the program cannot know how far it had counted
			t.Error(f)
		}
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// The same subscription once more, in a new dialog, replaces the old one: the superior has restarted.
func TestLine11Replaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{rest: offCameras(1, 1)})
	first, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog;id=1"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{Command: "Catalog", Event: "Catalog;id=2"})
	if err != nil {
		t.Fatal(err)
	}
	before := len(first.Notifications())
	waitChange(t, second, 0, channelID, "OFF")
	if got := len(first.Notifications()); got != before {
		t.Errorf("%d NOTIFYs in the dialog that was replaced", got-before)
	}
}

// A fixed camera with coordinates tells them every Interval: flat to a platform of 2016, as a list to one of 2022.
func line11MobilePosition(t *testing.T) {
	for _, version := range []string{"2.0", "3.0"} {
		t.Run("X-GB-Ver "+version, func(t *testing.T) {
			t.Parallel()
			rest := strings.Replace(offCameras(1, 1), "\nid = ", "\nlongitude = 118.376451\nlatitude = 31.326319\nid = ", 1)
			r := newRig(t, setup{platform: rehearsal.Config{Version: version}, rest: rest})
			s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{
				Command: "MobilePosition", DeviceID: channelID, Event: "presence", Filter: "<Interval>5</Interval>\r\n",
			})
			if err != nil {
				t.Fatal(err)
			}
			flat := func(note rehearsal.Notification) bool {
				m, ok := note.Message.(*manscdp.MobilePositionNotify)
				return ok && m.Longitude != nil && *m.Longitude == 118.376451 && len(m.Items) == 0
			}
			list := func(note rehearsal.Notification) bool {
				m, ok := note.Message.(*manscdp.MobilePositionNotify)
				return ok && len(m.Items) == 1 && m.Items[0].Latitude == 31.326319 && m.Items[0].DeviceID == channelID &&
					m.Longitude == nil
			}
			want := map[string]func(rehearsal.Notification) bool{"2.0": flat, "3.0": list}[version]
			if _, err := s.Wait(soon(t, 20*time.Second), 0, want); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Wait(soon(t, 20*time.Second), len(s.Notifications()), want); err != nil {
				t.Error(err)
			}
			noFaults(t, "subscription", s.Faults())
		})
	}
}

// A subscription that nobody refreshed ends: nothing more is told.
func line11Expires(t *testing.T) {
	rest := strings.Replace(offCameras(1, 1), "\nid = ", "\nlongitude = 118.376451\nlatitude = 31.326319\nid = ", 1)
	r := newRig(t, setup{rest: rest})
	s, err := r.node.Subscribe(t.Context(), rehearsal.SubscribeRequest{
		Command: "MobilePosition", DeviceID: channelID, Event: "presence",
		Filter: "<Interval>5</Interval>\r\n", Expires: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Granted() < 30*time.Second {
		t.Errorf("granted %v, want 30 s at least", s.Granted())
	}
	time.Sleep(s.Granted() + time.Second)
	before := len(s.Notifications())
	time.Sleep(6 * time.Second)
	if got := len(s.Notifications()) - before; got > 0 || before == 0 {
		t.Errorf("%d NOTIFYs after the end, %d before", got, before)
	}
}
