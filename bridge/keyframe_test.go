package bridge

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/media"
)

// shutter is a KeyFramer that counts.
type shutter struct {
	mu    sync.Mutex
	asked int
}

func (s *shutter) RequestKeyFrame(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return nil
}

func (s *shutter) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// TestKeyPictureIsAskedForWhereAViewerWouldWait: not where one is cached, nor where a camera begins with one.
func TestKeyPictureIsAskedForWhereAViewerWouldWait(t *testing.T) {
	for name, c := range map[string]struct {
		start media.Start
		wait  time.Duration // of the camera, until its first picture
		warm  bool
		asked int
	}{
		"cached":                        {media.FromCachedGOP, 0, true, 0},
		"warm, next key picture wanted": {media.FromNextKey, 0, true, 1},
		"cold, begins by itself":        {media.FromCachedGOP, 300 * time.Millisecond, false, 0},
		"cold, begins in the middle":    {media.FromCachedGOP, 4 * time.Second, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shutter{}
				site := NewSite(Config{}, []Camera{{
					Name: "gate", ID: gate, Source: &camera{always: act{wait: c.wait}}, KeyFramer: s,
				}})
				_, stop := running(t, site, nil)
				defer stop()
				channel, err := site.Channel("gate")
				if err != nil {
					t.Fatal(err)
				}
				if c.warm {
					first := channel.Subscribe()
					defer first.Close()
					time.Sleep(c.wait + 100*time.Millisecond)
				}
				v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, Start: c.start})
				lease := channel.feed.Subscribe(c.start)
				defer lease.Close()
				done := v.hasten(t.Context(), channel, lease)
				time.Sleep(10 * time.Second)
				done()
				if got := s.count(); got != c.asked {
					t.Errorf("asked %d times for a key picture, want %d", got, c.asked)
				}
			})
		})
	}
}
