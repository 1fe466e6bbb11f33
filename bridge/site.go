package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gbgate/bridge/ledger"
	"gbgate/bridge/playback"
	"gbgate/bridge/ptz"
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
	CivilCode    string // 2, 4, 6 or 8 digits; "" = from the code
	Address      string // installation place; "" = Title
	Longitude    float64
	Latitude     float64
	Source       Source
	Sub          Source      // the second stream, smaller; nil: there is none
	PTZ          ptz.Head    // nil: fixed
	Switcher     Switcher    // nil: has no auxiliary switches
	Snapshotter  Snapshotter // nil: takes no single pictures
	Rebooter     Rebooter    // nil: can't be restarted
	Describer    Describer   // nil: is what Manufacturer and Model say
	Recorder     Recorder    // nil: not recorded here
	KeyFramer    KeyFramer   // nil: makes key pictures when it likes
	Scout        Scout       // nil: all is known
	Lookout      Lookout     // nil: its events are not listened to
	// AlarmInterval is the least time between two alarms of one kind; 0: none.
	AlarmInterval time.Duration
}

// Config is what all channels have in common. A zero field means its default.
type Config struct {
	Linger  time.Duration // a camera is still pulled so long after its last viewer; default 10 s
	Retry   Retry         // default 1 s … 30 s, 5 min after a refused password
	Probing Probing
	Limits  media.Limits
	Ports   *rtpout.Ports // for media; nil: the kernel picks
	Room    func() error  // asked before each new call: its error refuses it with 486; nil: there is always room
	Wheel   *rtpout.Wheel // paces all senders over UDP; nil: each paces itself
	Log     *slog.Logger

	Ledger     *ledger.Ledger      // what superiors have set; nil: kept until the end of the process
	StateDir   string              // where cruises and scans are kept; "" = in memory
	Groups     []Group             // business groups and virtual organisations
	Districts  []District          // names of administrative divisions; a camera's division needs none
	Recordings playback.Recordings // nil: nothing is recorded
	Position   Positioner          // of the gateway, and of cameras without coordinates; nil: unknown
	Longitude  float64             // of the gateway, if it does not move
	Latitude   float64
}

// Site is the table of channels, in the order of the configuration, and the calls they serve.
type Site struct {
	cfg    Config
	slots  *slots
	hub    hub
	tasks  ptz.Tasks
	scouts *slots
	now    atomic.Pointer[table]
	// conditions counts the changes of all channels' conditions.
	conditions atomic.Uint64

	mu      sync.Mutex
	calls   map[sender]struct{}
	orphans orphans
	// serial numbers the SSRCs that we give ourselves.
	serial atomic.Uint32
}

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
	if cfg.Ledger == nil {
		cfg.Ledger = &ledger.Ledger{}
	}
	s := &Site{cfg: cfg, calls: make(map[sender]struct{}), slots: newSlots(), scouts: newSlots()}
	s.now.Store(s.tabulate(nil, cameras, cfg.Groups))
	return s
}

// Run keeps every channel's feed and health going until ctx ends, and the table's changes with
// them. Cameras that still turn then are stopped.
func (s *Site) Run(ctx context.Context) error {
	box := s.hub.open()
	defer s.hub.close(box)
	living := make(map[*gear]context.CancelFunc)
	var all sync.WaitGroup
	for ctx.Err() == nil {
		listed := make(map[*gear]bool, len(living))
		for _, c := range s.now.Load().channels {
			listed[c.gear] = true
			if living[c.gear] == nil {
				life, end := context.WithCancel(ctx)
				living[c.gear] = end
				all.Go(func() { c.gear.run(life) })
			}
		}
		for g, end := range living {
			if !listed[g] {
				end()
				delete(living, g)
			}
		}
		select {
		case <-box.ready:
			_ = box.take()
		case <-ctx.Done():
		}
	}
	for _, end := range living {
		end()
	}
	all.Wait()
	s.tasks.Close()
	return context.Cause(ctx)
}

// Channels returns every channel, in the order of the configuration.
func (s *Site) Channels() []*Channel { return slices.Clone(s.now.Load().channels) }

// Channel finds a channel by its name.
func (s *Site) Channel(name string) (*Channel, error) {
	if c := s.now.Load().names[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no camera %q", name)
}

// sender is the media side of one call.
type sender interface{ status() CallStatus }

func (s *Site) add(c sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c] = struct{}{}
}

func (s *Site) remove(c sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c)
}

// CallStatus is a snapshot of the media side of one call.
type CallStatus struct {
	Superior  string
	Camera    string
	Channel   string // the code
	Kind      string // Play, Playback or Download
	Stream    string // main | sub; "" = a recording
	Transport string
	Remote    string
	LocalPort uint16
	SSRC      string
	Since     time.Time
	Skipped   uint64 // units that the receiver was too slow for
	rtpout.Stats
}

// OrphanTime is for how long media have gone on after the end of their call, over all calls. It should be zero.
func (s *Site) OrphanTime() time.Duration { return s.orphans.time() }

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
