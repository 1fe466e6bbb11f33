package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gbgate/gb28181"
	"gbgate/media"
	"gbgate/media/rtpout"
)

// Camera is what a channel of the site is made of.
type Camera struct {
	Name         string     // its key in the configuration
	Title        string     // shown upward
	ID           gb28181.ID // its code, where a superior gives none of its own
	Manufacturer string
	Model        string
	CivilCode    string // "" = from the code
	Address      string // installation place; "" = Title
	Longitude    float64
	Latitude     float64
	Source       Source
	PTZ          PTZ // nil: fixed
}

// Config is what all channels have in common. A zero field means its default.
type Config struct {
	Linger  time.Duration // a camera is still pulled so long after its last viewer; default 10 s
	Retry   Retry         // default 1 s … 30 s, 5 min after a refused password
	Probing Probing
	Limits  media.Limits
	Ports   *rtpout.Ports // for media; nil: the kernel picks
	Log     *slog.Logger
}

// Channel is one camera of the site (通道) with everything known of it.
type Channel struct {
	Camera
	feed   *Feed
	health *health
}

// Status tells a channel's health and what its feed does.
func (c *Channel) Status() (Health, FeedStatus) { return c.health.Now(), c.feed.Status() }

// Subscribe pulls the channel for a reader of its own, from the next key picture on.
func (c *Channel) Subscribe() *Lease { return c.feed.Subscribe(media.FromNextKey) }

// Site is the table of channels, in the order of the configuration, and the calls they serve.
type Site struct {
	cfg      Config
	channels []*Channel

	mu    sync.Mutex
	calls map[*session]struct{}
	// serial numbers the SSRCs that we give ourselves.
	serial atomic.Uint32
}

// checksAtOnce bounds how many idle cameras are looked at at the same time.
const checksAtOnce = 16

// NewSite makes the table. Names must be unique.
func NewSite(cfg Config, cameras []Camera) *Site {
	if cfg.Linger == 0 {
		cfg.Linger = 10 * time.Second
	}
	if cfg.Retry == (Retry{}) {
		cfg.Retry = Retry{Min: time.Second, Max: 30 * time.Second, Locked: 5 * time.Minute}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{cfg: cfg, calls: make(map[*session]struct{})}
	slots := make(chan struct{}, checksAtOnce)
	for _, cam := range cameras {
		log := cfg.Log.With("camera", cam.Name)
		feed := NewFeed(cam.Source, cfg.Linger, cfg.Retry, cfg.Limits, log)
		s.channels = append(s.channels, &Channel{
			Camera: cam, feed: feed, health: newHealth(feed, cfg.Probing, slots),
		})
	}
	return s
}

// Run keeps every channel's feed and health going until ctx ends.
func (s *Site) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range s.channels {
		group.Go(func() error { return c.feed.Run(ctx) })
		group.Go(func() error { return c.health.run(ctx) })
	}
	<-ctx.Done() // also a site without channels runs
	_ = group.Wait()
	return context.Cause(ctx)
}

// Channels returns every channel, in the order of the configuration.
func (s *Site) Channels() []*Channel { return slices.Clone(s.channels) }

// Channel finds a channel by its name.
func (s *Site) Channel(name string) (*Channel, error) {
	for _, c := range s.channels {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no camera %q", name)
}

func (s *Site) add(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c] = struct{}{}
}

func (s *Site) remove(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c)
}

// CallStatus is a snapshot of the media side of one call.
type CallStatus struct {
	Superior  string
	Camera    string
	Channel   string // the code
	Transport string
	Remote    string
	LocalPort uint16
	SSRC      string
	Since     time.Time
	Skipped   uint64 // units that the receiver was too slow for
	rtpout.Stats
}

// Calls returns the calls that media is sent for, oldest first.
func (s *Site) Calls() []CallStatus {
	s.mu.Lock()
	calls := make([]CallStatus, 0, len(s.calls))
	for c := range s.calls {
		calls = append(calls, c.status())
	}
	s.mu.Unlock()
	slices.SortFunc(calls, func(a, b CallStatus) int { return a.Since.Compare(b.Since) })
	return calls
}
