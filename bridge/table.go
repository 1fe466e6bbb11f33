package bridge

import (
	"reflect"

	"gbgate/bridge/ptz"
	"gbgate/media"
)

// table is the site's channels and groups at one time. It never changes; a change makes a new one.
type table struct {
	channels []*Channel // in the order of the configuration
	names    map[string]*Channel
	groups   []branch // parents before children
}

// Channel is one camera of the site (通道) with everything known of it.
type Channel struct {
	Camera
	*gear
}

// Status tells a channel's health and what its feed does.
func (c *Channel) Status() (Health, FeedStatus) { return c.health.Now(), c.feed.Status() }

// Events tells how it is with the camera's own events.
func (c *Channel) Events() EventStatus { return c.events.Status() }

// Subscribe pulls the channel for a reader of its own, from the next key picture on.
func (c *Channel) Subscribe() *Lease { return c.feed.Subscribe(media.FromNextKey) }

// SetCameras replaces the table while the site runs. A camera of the same name whose Source, Sub, PTZ
// and Lookout are the same values goes on undisturbed, whatever else of it changed; the calls of a
// camera that is gone, or came back as another, end.
func (s *Site) SetCameras(cameras []Camera, groups []Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Store(s.tabulate(s.now.Load(), cameras, groups))
	s.hub.tell(func(b *mailbox) { b.tableChanged() })
}

// refresh tells everybody to look at the table again, of which something may say something else now.
func (s *Site) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := *s.now.Load()
	s.now.Store(&now)
	s.hub.tell(func(b *mailbox) { b.tableChanged() })
}

// moves tells whether the channel can be moved, as far as is known.
func (c *Channel) moves() bool {
	d, doubtful := c.PTZ.(Doubtful)
	return c.PTZ != nil && !(doubtful && d.Fixed())
}

// tabulate makes a table that keeps what it can of the one before.
func (s *Site) tabulate(before *table, cameras []Camera, groups []Group) *table {
	t := &table{names: make(map[string]*Channel, len(cameras)), groups: forest(groups, s.cfg.Log)}
	for _, cam := range cameras {
		if t.names[cam.Name] != nil {
			s.cfg.Log.Error("camera left out", "camera", cam.Name, "reason", "another camera has its name")
			continue
		}
		c := &Channel{Camera: cam}
		if before != nil {
			if old := before.names[cam.Name]; old != nil && old.goesOnAs(cam) {
				c.gear = old.gear
			}
		}
		if c.gear == nil {
			c.gear = s.newGear(cam)
		}
		if cam.Recorder != nil && s.cfg.Ledger.Manual(cam.Name) {
			cam.Recorder.Manual(true) // as before the restart, or before another recorder took over
		}
		t.channels = append(t.channels, c)
		t.names[cam.Name] = c
	}
	s.cfg.Ledger.KeepManual(func(camera string) bool { return t.names[camera] != nil && t.names[camera].Recorder != nil })
	return t
}

// goesOnAs tells whether what works behind a channel serves cam too.
func (c *Channel) goesOnAs(cam Camera) bool {
	return same(c.Source, cam.Source) && same(c.Sub, cam.Sub) && same(c.PTZ, cam.PTZ) && same(c.Lookout, cam.Lookout) &&
		c.AlarmInterval == cam.AlarmInterval
}

// same tells whether two interfaces hold the same value, if that can be told.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

func (s *Site) newGear(cam Camera) *gear {
	log := s.cfg.Log.With("camera", cam.Name)
	feed := NewFeed(cam.Source, s.cfg.Linger, s.cfg.Retry, s.cfg.Limits, log)
	g := &gear{feed: feed, health: newHealth(feed, s.cfg.Probing, s.slots)}
	if cam.Sub != nil {
		g.sub = NewFeed(cam.Sub, s.cfg.Linger, s.cfg.Retry, s.cfg.Limits, log.With("stream", "sub"))
	}
	before := ON
	g.health.changed = func() {
		now := g.health.Now().Condition
		if g.scout != nil && before == OFF && now != OFF {
			g.scout.isBack()
		}
		before = now
		s.conditions.Add(1)
		s.hub.tell(func(b *mailbox) { b.cameraChanged(cam.Name) })
	}
	if cam.PTZ != nil {
		g.mount = ptz.New(ptz.Config{
			Head: cam.PTZ, Camera: cam.Name, Dir: s.cfg.StateDir, Tasks: &s.tasks, Log: log,
		})
		if home := s.cfg.Ledger.Home(cam.Name); home != nil {
			g.mount.SetHome(*home)
		}
	}
	if cam.Scout != nil {
		g.scout = &scouting{
			scout: cam.Scout, slots: s.scouts, changed: s.refresh, log: log, back: make(chan struct{}, 1),
			strange: make(chan struct{}, 1),
			made:    &belongings{site: s, camera: cam.Name, mount: g.mount, log: log},
		}
		g.health.strange = g.scout.isStrange
	}
	if cam.Lookout != nil {
		g.events = &listener{
			lookout: cam.Lookout, retry: eventRetry(), log: log, detect: detector{every: cam.AlarmInterval},
			raise:  func(a Alarm) { s.Raise(cam.Name, a) },
			active: func(on bool) { s.hub.tell(func(b *mailbox) { b.active(cam.Name, on) }) },
		}
	}
	return g
}
