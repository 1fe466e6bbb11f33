package onvif_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

// listen hands on a device's events until the test ends.
func listen(t *testing.T, c *onvif.Client) <-chan onvif.Event {
	t.Helper()
	events := make(chan onvif.Event, 100)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Events(ctx, func(e onvif.Event) { events <- e }) }()
	over := errors.New("test is over")
	t.Cleanup(func() {
		cancel(over)
		if err := <-ended; !errors.Is(err, over) {
			t.Errorf("Events returned %v, want the cause of its context", err)
		}
	})
	return events
}

// next waits for an event that is not a state from before.
func next(t *testing.T, events <-chan onvif.Event) onvif.Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if !e.Initial {
				return e
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no event came")
		}
	}
}

func subscribed(t *testing.T, d *simcam.ONVIF) {
	t.Helper()
	for range 1000 {
		if d.Calls("PullMessages") > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nobody listens")
}

// Events reach the caller whatever the device gets wrong about subscriptions.
func TestEvents(t *testing.T) {
	type quirks = simcam.ONVIFQuirks
	for name, q := range map[string]quirks{
		"plain":                    {},
		"absolute times only":      {NoRelativeTime: true},
		"needs a MessageID":        {NeedsMessageID: true},
		"needs its parameters":     {NeedsParameters: true},
		"behind NAT":               {Host: "192.0.2.99"},
		"wrong namespaces":         {WrongNamespaces: true},
		"no synchronisation point": {NoSyncPoint: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Username: user, Password: password, ClockSkew: -time.Hour, Quirks: q})
			d.Raise("tns1:VideoSource/SignalLoss", "VideoSource", "vs1", "State", "false")
			events := listen(t, client(t, d, account()))
			subscribed(t, d)
			d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
			got := next(t, events)
			want := onvif.Event{
				Kind: onvif.Motion, Topic: "VideoSource/MotionAlarm", Active: true, HasState: true,
				Source: map[string]string{"Source": "vs1"}, Data: map[string]string{"State": "true"},
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(onvif.Event{}, "Time")); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if off := time.Since(got.Time); (off - time.Hour).Abs() > time.Minute {
				t.Errorf("event is %v old by the device's clock, want an hour", off)
			}
		})
	}
}

func TestInitialStates(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	d.Raise("tns1:RuleEngine/TamperDetector/Tamper", "VideoSource", "vs1", "IsTamper", "true")
	select {
	case e := <-listen(t, client(t, d, onvif.Config{})):
		if !e.Initial || e.Kind != onvif.Tamper || !e.Active {
			t.Errorf("got %+v, want tampering from before", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no state came")
	}
}

// Who stops listening says goodbye.
func TestUnsubscribe(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	t.Run("listen", func(t *testing.T) {
		listen(t, client(t, d, onvif.Config{}))
		subscribed(t, d)
		if got := d.Subscriptions(); got != 1 {
			t.Errorf("%d subscriptions while listening, want 1", got)
		}
	})
	if got := d.Subscriptions(); got != 0 {
		t.Errorf("%d subscriptions are left", got)
	}
}

func TestEventsOfDeviceThatGoes(t *testing.T) {
	d, err := simcam.ListenONVIF(simcam.ONVIFConfig{})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	heard := make(chan error, 1)
	go func() { heard <- client(t, d, onvif.Config{}).Events(t.Context(), func(onvif.Event) {}) }()
	subscribed(t, d)
	cancel()
	must(t, <-ended)
	if err := <-heard; err == nil {
		t.Error("Events ends without saying why")
	}
}

func TestEventsOfDeviceWithout(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Username: user, Password: password})
	err := client(t, d, onvif.Config{Username: user, Password: "wrong"}).Events(t.Context(), func(onvif.Event) {})
	if kind(err) != onvif.NotAuthorized {
		t.Errorf("got %v, want a refused password", err)
	}
}

// A subscription that runs out is renewed, or made anew where the device cannot; nothing is missed.
func TestSubscriptionIsKept(t *testing.T) {
	for name, q := range map[string]simcam.ONVIFQuirks{
		"renewed": {}, "made anew": {RenewRefused: true},
		"made anew, and the old one kept": {RenewRefused: true, EndsAllAtOnce: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{SubscriptionTime: 3 * time.Second, Quirks: q})
			c := client(t, d, onvif.Config{})
			events := listen(t, c)
			for range 1000 {
				if d.Calls("Renew") >= 1 && d.Calls("PullMessages") >= 3 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
			if got := next(t, events); got.Kind != onvif.Motion {
				t.Errorf("got %+v, want motion", got)
			}
			if d.Calls("Renew") == 0 {
				t.Error("nobody tried to renew the subscription")
			}
		})
	}
}

// Whoever waits for events holds up nobody, also where the device asks for no password although we have one.
func TestListeningHoldsUpNobody(t *testing.T) {
	for name, cfg := range map[string]simcam.ONVIFConfig{
		"open": {}, "token": {Username: user, Password: password},
		"digest": {Username: user, Password: password, Digest: []string{"MD5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := start(t, cfg)
			c := client(t, d, account())
			listen(t, c)
			for range 4000 { // the first one has the states
				if d.Calls("PullMessages") > 1 {
					break
				}
				d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
				time.Sleep(5 * time.Millisecond)
			}
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err := c.Relays(ctx)
				cancel()
				must(t, err)
			}
		})
	}
}

// What begins between two subscriptions is asked for behind the second one, and told as a state.
func TestWhatBeginsBetweenSubscriptions(t *testing.T) {
	t.Parallel()
	var d *simcam.ONVIF
	motion := func(state string) { d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", state) }
	d = start(t, simcam.ONVIFConfig{
		SubscriptionTime: 2 * time.Second,
		Quirks:           simcam.ONVIFQuirks{RenewRefused: true, StatesOnSync: true},
		Asked: func(op string) {
			if op == "CreatePullPointSubscription" && d.Calls("Renew") == 1 {
				motion("true") // nobody reads the old one any more, and the new one does not exist yet
			}
		},
	})
	motion("false")
	events := listen(t, client(t, d, onvif.Config{}))
	for _, active := range []bool{false, true} {
		select {
		case e := <-events:
			if e.Kind != onvif.Motion || !e.Initial || e.Active != active {
				t.Errorf("got %+v, want the state of motion, %v", e, active)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the state %v did not come", active)
		}
	}
}

// A device that hangs up on long calls is asked with short ones.
func TestPullThatIsHungUpOn(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{PullCloses: 1500 * time.Millisecond}})
	c := client(t, d, onvif.Config{})
	c.SetPullTimes(10*time.Second, time.Second)
	events := listen(t, c)
	for range 1000 {
		if d.Calls("PullMessages") >= 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
	if got := next(t, events); got.Kind != onvif.Motion {
		t.Errorf("got %+v, want motion", got)
	}
}
