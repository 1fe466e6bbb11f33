package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
)

// told writes down what a superior is told, each with the seconds since it began.
type told struct {
	began time.Time
	mu    sync.Mutex
	lines []string
	at    []time.Time
}

func (l *told) publish(m manscdp.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%T", m)
	switch m := m.(type) {
	case *manscdp.CatalogNotify:
		if m.DeviceID != node || m.SumNum != 1 || len(m.Items) != 1 {
			line = fmt.Sprintf("strange %+v", m)
			break
		}
		line = m.Items[0].Event + " " + m.Items[0].DeviceID
		if m.Items[0].Name != "" {
			line += " " + m.Items[0].Name + " " + m.Items[0].Status
		}
	case *manscdp.AlarmNotify:
		line = fmt.Sprintf("alarm %d/%d %s %s", m.Method, m.Info.Type, m.DeviceID, m.Description)
	case *manscdp.UploadSnapShotFinished:
		line = fmt.Sprintf("snapshots %s %s %d", m.DeviceID, m.SessionID, len(m.Files))
	}
	l.lines = append(l.lines, line)
	l.at = append(l.at, time.Now())
}

// take returns what was told since the last take.
func (l *told) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines, l.at = nil, nil
	return lines
}

// running runs a site and a watch on it; the function returned ends both.
func running(t *testing.T, site *Site, v *View) (*told, func()) {
	t.Helper()
	l := &told{began: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = site.Run(ctx) })
	if v != nil {
		all.Go(func() {
			if err := v.Watch(ctx, l.publish); !errors.Is(err, context.Canceled) {
				t.Errorf("Watch ended with %v, want the cause of its context", err)
			}
		})
	}
	return l, func() { cancel(); all.Wait() }
}

// probe is a Source that is only ever looked at.
type probe struct {
	camera
	mu    sync.Mutex
	err   error
	takes time.Duration
	times []time.Time // when a check ended
}

func (p *probe) Check(ctx context.Context) error {
	p.mu.Lock()
	takes, err := p.takes, p.err
	p.mu.Unlock()
	if e := media.Wait(ctx, takes); e != nil {
		return e
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, time.Now())
	return err
}

func (p *probe) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func TestConditionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &probe{}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam}, {Name: "yard", ID: yard, Source: &probe{}}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, IDs: map[string]string{"gate": alien}})
		blind := site.View(ViewConfig{NodeID: node, Channels: []string{"yard"}})
		unseen := &told{}
		l, stop := running(t, site, v)
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { _ = blind.Watch(ctx, unseen.publish) })
		for _, step := range []struct {
			err  error
			want []string
		}{
			{nil, nil},
			{errors.New("no route to host"), []string{"OFF " + alien}},
			{wrong{unsupported: true}, []string{"DEFECT " + alien}},
			{nil, []string{"ON " + alien}},
		} {
			cam.set(step.err)
			time.Sleep(70 * time.Second)
			if diff := cmp.Diff(step.want, l.take()); diff != "" {
				t.Errorf("%v:\n%s", step.err, diff)
			}
		}
		if lines := unseen.take(); lines != nil {
			t.Errorf("a superior was told of a channel that it does not see: %v", lines)
		}
		cancel()
		watching.Wait()
		stop()
	})
}

func TestLostPicturesAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection reset")
		cam := &camera{
			acts:   []act{{play: 10 * time.Second, err: down}, {err: down}, {err: down}, {err: down}, {err: down}},
			always: act{wait: time.Second},
		}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, VideoLossAlarm: true})
		l, stop := running(t, site, v)
		lease := site.Channels()[0].Subscribe()
		began := time.Now()
		time.Sleep(time.Minute)
		lease.Close()
		stop()
		want := []string{"OFF " + gate, "alarm 2/1 " + gate + " connection reset", "ON " + gate}
		if diff := cmp.Diff(want, l.lines); diff != "" {
			t.Fatal(diff)
		}
		// It failed at 10 s, which was certain Confirm later, and came back 1+2+4+8+16 s after
		// that, less what Retry takes off by chance.
		if d := l.at[0].Sub(began); d < 15*time.Second || d > 16*time.Second+time.Second {
			t.Errorf("OFF after %v, want within a second of 15 s", d)
		}
		runs, _, _ := cam.count()
		if d := l.at[2].Sub(began); runs != 6 || d < 34*time.Second || d > 43*time.Second {
			t.Errorf("ON after %v and %d runs", d, runs)
		}
	})
}

// stills is a Source whose pictures stop for a while in the middle of a session.
type stills struct{ probe }

func (s *stills) Run(ctx context.Context, sink func(*media.Unit)) error {
	began := time.Now()
	for i := int64(0); ; i++ {
		if d := time.Since(began); d < 10*time.Second || d > time.Minute {
			sink(tape.Picture(i%25 == 0, i*3600))
		}
		if err := media.Wait(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
}

func TestAStandingPictureIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: &stills{}}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		lease := site.Channels()[0].Subscribe()
		began := time.Now()
		time.Sleep(2 * time.Minute)
		lease.Close()
		stop()
		if diff := cmp.Diff([]string{"VLOST " + gate, "ON " + gate}, l.lines); diff != "" {
			t.Fatal(diff)
		}
		// The last key picture came at 9 s; the first one after the minute within one second.
		if d := l.at[0].Sub(began); d < 31*time.Second || d > 32*time.Second {
			t.Errorf("VLOST after %v, want 22 s after the last key picture", d)
		}
		if d := l.at[1].Sub(began); d < time.Minute || d > 62*time.Second {
			t.Errorf("ON after %v, want at the first key picture after a minute", d)
		}
	})
}

// A camera's pictures are not lost because its key pictures are minutes apart (smart codecs), nor because they were not
// until now; they are where no more of them come, though all else goes on.
func TestPicturesThatFlowAreNotLost(t *testing.T) {
	for name, c := range map[string]struct {
		groups []int64 // in pictures, the last one again and again
		told   []string
	}{
		"a minute":                   {groups: []int64{25 * 60}},
		"two minutes":                {groups: []int64{25 * 120}},
		"twelve minutes":             {groups: []int64{25 * 60 * 12}},
		"stretched when it is quiet": {groups: []int64{50, 50, 50, 50, 50, 25 * 60 * 4}},
		"no more": {
			groups: []int64{50, 50, 50, 25 * 60 * 10}, told: []string{"VLOST " + gate, "ON " + gate},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: &grouped{groups: c.groups}}})
				v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
				l, stop := running(t, site, v)
				lease := site.Channels()[0].Subscribe()
				began := time.Now()
				time.Sleep(26 * time.Minute)
				_ = lease.Close()
				stop()
				if diff := cmp.Diff(c.told, l.lines); diff != "" {
					t.Fatal(diff)
				}
				// The last key picture before came at 6 s.
				if len(l.at) > 0 && (l.at[0].Sub(began) < 316*time.Second || l.at[0].Sub(began) > 318*time.Second) {
					t.Errorf("VLOST after %v", l.at[0].Sub(began))
				}
			})
		})
	}
}

// grouped is a Source with groups of pictures of different lengths.
type grouped struct {
	probe
	groups []int64
}

func (s *grouped) Run(ctx context.Context, sink func(*media.Unit)) error {
	group, left := 0, int64(0)
	for i := int64(0); ; i++ {
		key := left == 0
		if key {
			left = s.groups[min(group, len(s.groups)-1)]
			group++
		}
		left--
		sink(tape.Picture(key, i*3600))
		if err := media.Wait(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
}

// hanging is a Source whose picture stands still from 30 s to 150 s.
type hanging struct{ probe }

func (s *hanging) Run(ctx context.Context, sink func(*media.Unit)) error {
	began := time.Now()
	for i := int64(0); ; i++ {
		u := tape.Picture(i%50 == 0, i*3600)
		since := time.Since(began)
		switch still := since > 30*time.Second && since < 150*time.Second; {
		case u.Key && still:
			u.Append(make([]byte, 10_000)...)
		case u.Key:
			u.Append(make([]byte, 10_000+i%97)...)
		case !still:
			u.Append(make([]byte, 300)...)
		}
		sink(u)
		if err := media.Wait(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
}

func TestAFrozenPictureIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: &hanging{}}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		lease := site.Channels()[0].Subscribe()
		began := time.Now()
		time.Sleep(2 * time.Minute)
		if h := site.Channels()[0].health.Now(); !strings.HasPrefix(h.Reason, "RTSP up, picture frozen for ") {
			t.Errorf("the reason is %q", h.Reason)
		}
		time.Sleep(3 * time.Minute)
		lease.Close()
		stop()
		if diff := cmp.Diff([]string{"VLOST " + gate, "ON " + gate}, l.lines); diff != "" {
			t.Fatal(diff)
		}
		if d := l.at[0].Sub(began); d < 90*time.Second || d > 120*time.Second {
			t.Errorf("VLOST after %v, want a minute after it stood still at 30 s, and the next look", d)
		}
		if d := l.at[1].Sub(began); d < 150*time.Second || d > 160*time.Second {
			t.Errorf("ON after %v, want soon after it moved again at 150 s", d)
		}
	})
}

func TestChangesOfTheTableAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		well, ill := &probe{}, &probe{err: errors.New("no route to host")}
		groups := []Group{
			{ID: park, Name: "Park", Cameras: []string{"*"}},
			{ID: east, Name: "East", Parent: park, Cameras: []string{"new"}},
		}
		cam := func(name string, id gb28181.ID, title string, src Source) Camera {
			return Camera{Name: name, Title: title, ID: id, Source: src}
		}
		site := NewSite(Config{Groups: groups[:1]}, []Camera{cam("gate", gate, "Gate", well), cam("yard", yard, "Yard", ill)})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, Groups: []string{"*"}})
		l, stop := running(t, site, v)
		time.Sleep(10 * time.Second)
		l.take()
		kept := site.Channels()[0].gear
		for _, step := range []struct {
			name    string
			cameras []Camera
			groups  []Group
			want    []string
		}{
			{"nothing", []Camera{cam("gate", gate, "Gate", well), cam("yard", yard, "Yard", ill)}, groups[:1], nil},
			{
				"a title",
				[]Camera{cam("gate", gate, "Main gate", well), cam("yard", yard, "Yard", ill)},
				groups[:1],
				[]string{"UPDATE " + gate + " Main gate ON"},
			},
			{
				"a group with a camera",
				[]Camera{cam("new", quay, "New", &probe{}), cam("gate", gate, "Main gate", well), cam("yard", yard, "Yard", ill)},
				groups,
				[]string{"ADD " + east + " East ", "ADD " + quay + " New ON"},
			},
			{
				"gone",
				[]Camera{cam("gate", gate, "Main gate", well)},
				groups,
				[]string{"DEL " + yard, "DEL " + quay, "DEL " + east},
			},
			{
				"another code",
				[]Camera{cam("gate", alien, "Main gate", well)},
				groups[:1],
				[]string{"DEL " + gate, "ADD " + alien + " Main gate ON"},
			},
			{
				"another camera under the code",
				[]Camera{cam("yard", alien, "Main gate", ill)},
				groups[:1],
				[]string{"OFF " + alien},
			},
		} {
			site.SetCameras(step.cameras, step.groups)
			time.Sleep(10 * time.Second)
			got := l.take()
			for i := range got {
				got[i] = strings.TrimRight(got[i], " ")
			}
			for i := range step.want {
				step.want[i] = strings.TrimRight(step.want[i], " ")
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("%s:\n%s", step.name, diff)
			}
			if c, err := site.Channel("gate"); err == nil && c.gear != kept {
				t.Errorf("%s: the camera that stayed was disturbed", step.name)
			}
		}
		stop()
	})
}

func TestACallEndsWithItsCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam}})
		_, stop := running(t, site, nil)
		lease := site.Channels()[0].Subscribe()
		if err := lease.Ready(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		site.SetCameras(nil, nil)
		var err error
		for err == nil {
			var u *media.Unit
			if u, err = lease.Read(t.Context()); err == nil {
				u.Release()
			}
		}
		if !errors.Is(err, errShutdown) {
			t.Errorf("the reader got %v, want the end of the stream", err)
		}
		if _, open, _ := cam.count(); open != 0 {
			t.Error("a camera that is gone is still pulled")
		}
		stop()
	})
}

func TestAMailboxIsBounded(t *testing.T) {
	h := &hub{}
	b := h.open()
	for i := range 10_000 {
		h.tell(func(b *mailbox) { b.alarm(sourced{camera: fmt.Sprint(i)}); b.cameraChanged("gate") })
	}
	n := b.take()
	if len(n.alarms) != maxAlarms || n.alarms[maxAlarms-1].camera != "9999" || len(n.cameras) != 1 {
		t.Errorf("%d alarms, %d cameras; want the newest %d and 1", len(n.alarms), len(n.cameras), maxAlarms)
	}
	h.close(b)
	h.tell(func(*mailbox) { t.Error("a mailbox that was closed is told") })
}
