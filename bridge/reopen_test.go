package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/media"
)

// The next key picture of a smart codec can be minutes away. Who would have to wait for it, alone, gets one by a new
// session; nobody else is disturbed for it, and no camera that would not begin with one.
func TestSessionIsOpenedAnewForAKeyPicture(t *testing.T) {
	const smart = 25 * 60 * 10 // pictures: ten minutes
	for name, c := range map[string]struct {
		camera act
		stays  bool // the first viewer
		runs   int
		gets   bool // the second viewer gets a picture
	}{
		"alone":                     {act{gop: smart, wait: time.Second}, false, 2, true},
		"beside one who watches":    {act{gop: smart, wait: time.Second}, true, 1, false},
		"camera that begins late":   {act{gop: smart, wait: 4 * time.Second}, false, 1, false},
		"a group that can be kept":  {act{gop: 25 * 10}, false, 1, true},
		"key pictures soon anyway":  {act{gop: 25 * 15}, false, 1, true}, // the next one 2 s later
		"camera with a short group": {act{}, true, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cam := &camera{always: c.camera}
				site := NewSite(Config{Linger: 10 * time.Second}, []Camera{{Name: "gate", ID: gate, Source: cam}})
				_, stop := running(t, site, nil)
				defer stop()
				channel, err := site.Channel("gate")
				if err != nil {
					t.Fatal(err)
				}
				v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
				watch := func() *Lease {
					lease := channel.feed.Subscribe(media.FromCachedGOP)
					t.Cleanup(v.hasten(t.Context(), channel, lease))
					return lease
				}
				drain := func(l *Lease, until time.Duration) bool {
					ctx, cancel := context.WithTimeout(t.Context(), until)
					defer cancel()
					got := false
					for {
						u, err := l.Read(ctx)
						if err != nil {
							return got
						}
						u.Release()
						got = true
					}
				}
				first := watch()
				defer first.Close()
				if !drain(first, c.camera.wait+13*time.Second) {
					t.Fatal("the first viewer got nothing")
				}
				if c.stays {
					go drain(first, time.Hour)
				} else {
					_ = first.Close()
				}
				second := watch()
				got := drain(second, 8*time.Second)
				if runs, _, _ := cam.count(); got != c.gets || runs != c.runs {
					t.Errorf("after 8 s: a picture %v in %d sessions, want %v in %d", got, runs, c.gets, c.runs)
				}
				_ = second.Close()
			})
		})
	}
}

// A camera is opened anew for a key picture once a minute at most.
func TestSessionIsOpenedAnewOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{always: act{gop: 25 * 60 * 10}}
		f, stop := startFeed(t, cam)
		defer stop()
		var opened []int // seconds
		began := time.Now()
		for time.Since(began) < 3*time.Minute {
			viewer := f.Subscribe(media.FromNextKey)
			time.Sleep(13 * time.Second) // beyond what is cached
			late := f.Subscribe(media.FromNextKey)
			_ = viewer.Close()
			if f.reopen() {
				opened = append(opened, int(time.Since(began).Seconds()))
			}
			time.Sleep(time.Millisecond)
			_ = late.Close()
		}
		for i := 1; i < len(opened); i++ {
			if opened[i]-opened[i-1] < 60 {
				t.Errorf("opened anew after %v s", opened)
			}
		}
		if runs, _, _ := cam.count(); len(opened) < 2 || runs != len(opened)+1 {
			t.Errorf("opened anew after %v s, %d sessions", opened, runs)
		}
	})
}
