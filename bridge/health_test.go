package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181"
	"gbgate/media"
)

// TestTheDeadDoNotHoldUpTheLiving starts 64 cameras of which 8 take 10 s to fail.
func TestTheDeadDoNotHoldUpTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cameras, dead = 64, 8
		var list []Camera
		probes := make([]*probe, cameras)
		for i := range probes {
			probes[i] = &probe{takes: 100 * time.Millisecond}
			if i < dead {
				probes[i].takes, probes[i].err = 10*time.Second, errors.New("no route to host")
			}
			list = append(list, Camera{
				Name: fmt.Sprint(i), ID: gb28181.ID(fmt.Sprintf("340201000013200%05d", i)), Source: probes[i],
			})
		}
		site := NewSite(Config{}, list)
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		began := time.Now()
		var leases []*Lease
		for _, c := range site.Channels()[dead : dead+8] {
			lease := c.Subscribe()
			if err := lease.Ready(t.Context(), nil); err != nil {
				t.Error(err)
			}
			leases = append(leases, lease)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("pictures after %v: a feed waits for another camera's check", d)
		}
		time.Sleep(3 * time.Minute)
		for _, lease := range leases {
			lease.Close()
		}
		stop()
		for i, p := range probes[dead:] {
			if i < 8 { // watched: their pictures are the evidence
				continue
			}
			if d := p.times[0].Sub(began); d > time.Second {
				t.Errorf("camera %d was first looked at after %v", dead+i, d)
			}
			for k := 1; k < len(p.times); k++ {
				if d := p.times[k].Sub(p.times[k-1]); d > 62*time.Second {
					t.Errorf("camera %d was not looked at for %v", dead+i, d)
				}
			}
		}
		if len(l.lines) != dead {
			t.Errorf("told %d changes, want the %d dead cameras: %v", len(l.lines), dead, l.lines)
		}
		for _, at := range l.at {
			if d := at.Sub(began); d > 50*time.Second {
				t.Errorf("a dead camera was told after %v", d)
			}
		}
	})
}

func TestACheckHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &probe{takes: 24 * time.Hour}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: hangs}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		time.Sleep(40 * time.Second)
		stop()
		if len(l.lines) != 1 || l.lines[0] != "OFF "+gate {
			t.Errorf("told %v, want OFF", l.lines)
		}
	})
}

func TestDialingIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Each attempt takes 10 s to fail: most looks fall into one.
		cam := &camera{always: act{wait: 10 * time.Second, err: errors.New("no route to host")}}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		time.Sleep(time.Second)
		lease := site.Channels()[0].Subscribe()
		began := time.Now()
		time.Sleep(time.Minute)
		lease.Close()
		stop()
		if len(l.lines) != 1 || l.lines[0] != "OFF "+gate {
			t.Fatalf("told %v, want OFF", l.lines)
		}
		if d := l.at[0].Sub(began); d > 25*time.Second {
			t.Errorf("told after %v, want at the second failure", d)
		}
	})
}

func TestAFeedEndsThoughItHasViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := startFeed(t, &camera{})
		lease := f.Subscribe(media.FromCachedGOP)
		time.Sleep(time.Second)
		stop()
		lease.Close()
	})
}

// What an operator reads is in his words, not "context deadline exceeded".
func TestCheckThatTakesTooLongIsSaidInPlainWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFeed(&probe{takes: time.Hour}, time.Second, testRetry, media.Limits{}, slog.New(slog.DiscardHandler))
		h := newHealth(f, Probing{}, newSlots())
		condition, reason, err := h.look(t.Context())
		if want := "camera did not tell what it has within 15s"; err != nil || condition != OFF || reason != want {
			t.Errorf("got %v %q %v, want %v %q", condition, reason, err, OFF, want)
		}
		f.stream.Close(nil)
	})
}

// A camera that is back is no warning, and needs no reason.
func TestACameraThatIsBackIsLoggedAtInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		f := NewFeed(&probe{}, time.Second, testRetry, media.Limits{}, log)
		h := newHealth(f, Probing{}, newSlots())
		h.note(OFF, "no route to host")
		time.Sleep(h.probing.Confirm)
		h.note(OFF, "no route to host")
		h.note(ON, "")
		want := `level=WARN msg="camera's condition" from=ON to=OFF reason="no route to host"` + "\n" +
			`level=INFO msg="camera's condition" from=OFF to=ON` + "\n"
		if b.String() != want {
			t.Errorf("logged\n%s, want\n%s", b.String(), want)
		}
		f.stream.Close(nil)
	})
}
