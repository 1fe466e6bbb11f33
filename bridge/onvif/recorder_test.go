package onvif_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

// channels are the cameras of one recorder, which share a client.
func channels(t *testing.T, d *simcam.ONVIF, cfg onvif.Config, n int) []*onvif.Camera {
	t.Helper()
	c := client(t, d, cfg)
	var list []*onvif.Camera
	for i := range n {
		cam, err := onvif.NewCamera(onvif.CameraConfig{Client: c, Channel: i + 1})
		must(t, err)
		list = append(list, cam)
	}
	return list
}

func TestChannelsOfARecorder(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Channels: 3, SubURL: subURL})
	for i, cam := range channels(t, d, onvif.Config{}, 4) {
		main, _, err := cam.Streams(t.Context())
		if i == 3 {
			if kind(err) != onvif.InvalidArgs {
				t.Errorf("channel 4 of 3: %+v %v", main, err)
			}
			continue
		}
		must(t, err)
		if want := []string{"vs1", "vs2", "vs3"}[i]; main.Source != want {
			t.Errorf("channel %d is %s, want %s", i+1, main.Source, want)
		}
	}
}

// A recorder that loses a channel does not have the next one answer for it.
func TestChannelTakenOut(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Channels: 3})
	cams := channels(t, d, onvif.Config{}, 3)
	sources := func() (got []string) {
		for _, cam := range cams {
			main, _, err := cam.Streams(t.Context())
			if err != nil && kind(err) != onvif.InvalidArgs {
				t.Error(err)
			}
			got = append(got, main.Source)
		}
		return got
	}
	is := func(when string, want ...string) {
		t.Helper()
		if got := sources(); !slices.Equal(got, want) {
			t.Errorf("%s: the channels are %q, want %q", when, got, want)
		}
	}
	is("at first", "vs1", "vs2", "vs3")
	d.Plug(2, false)
	for range 2 {
		if err := cams[1].Move(t.Context(), 1, 0, 0); kind(err) != onvif.InvalidArgs {
			t.Errorf("channel 2, taken out, moves: %v", err)
		}
	}
	is("without channel 2", "vs1", "", "vs3")
	if commands := d.Commands(); len(commands) > 0 {
		t.Errorf("the recorder was told %q", commands)
	}
	d.Plug(2, true)
	is("channel 2 is back", "vs1", "vs2", "vs3")
	d.Plug(2, false)
	must(t, cams[1].Unlearn(t.Context())) // as when another device answers
	is("counted anew", "vs1", "vs3", "vs3")
}

// A wrong password of a recorder with 16 channels goes out twice, not 32 times.
func TestChannelsShareTheirTries(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Channels: 16, Username: user, Password: password})
	var all sync.WaitGroup
	for _, cam := range channels(t, d, onvif.Config{Username: user, Password: "wrong"}, 16) {
		all.Go(func() { _, _, _ = cam.Streams(t.Context()) })
	}
	all.Wait()
	if n := d.Wrong(); n == 0 || n > 2 {
		t.Errorf("%d wrong passwords were sent, want one or two", n)
	}
}

// The channels of a recorder share one subscription, whoever of them comes and goes.
func TestChannelsShareASubscription(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Channels: 3})
	d.Raise("tns1:RuleEngine/TamperDetector/Tamper", "VideoSource", "vs3", "IsTamper", "true")
	type ear struct {
		heard chan onvif.Event
		stop  context.CancelFunc
		ended chan error
	}
	var ears []ear
	for _, cam := range channels(t, d, onvif.Config{}, 3) {
		ctx, cancel := context.WithCancel(t.Context())
		e := ear{make(chan onvif.Event, 100), cancel, make(chan error, 1)}
		go func() { e.ended <- cam.Events(ctx, func(ev onvif.Event) { e.heard <- ev }) }()
		ears = append(ears, e)
		subscribed(t, d)
	}
	wait := func(at int, source string) {
		t.Helper()
		for {
			select {
			case e := <-ears[at].heard:
				got := slices.Collect(func(yield func(string) bool) {
					for _, v := range e.Source {
						yield(v)
					}
				})
				if slices.Contains(got, source) {
					return
				}
				t.Errorf("channel %d heard %v", at+1, e)
			case <-time.After(20 * time.Second):
				t.Fatalf("channel %d heard nothing of %s", at+1, source)
			}
		}
	}
	wait(2, "vs3") // also if it came when the states had been told
	for i, source := range []string{"vs1", "vs2", "vs3"} {
		d.Raise("tns1:VideoSource/MotionAlarm", "Source", source, "State", "true")
		wait(i, source)
	}
	if n := d.Subscriptions(); n != 1 {
		t.Errorf("%d subscriptions for 3 channels, want 1", n)
	}
	ears[0].stop() // it has led
	if err := <-ears[0].ended; !errors.Is(err, context.Canceled) {
		t.Errorf("channel 1 ended with %v", err)
	}
	for range 2000 {
		if d.Calls("CreatePullPointSubscription") == 2 && d.Subscriptions() == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs2", "State", "false")
	wait(1, "vs2")
	for _, e := range ears[1:] {
		e.stop()
		<-e.ended
	}
	if n := d.Subscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
