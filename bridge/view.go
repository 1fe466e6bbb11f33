package bridge

import (
	"cmp"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"gbgate/bridge/ledger"
	"gbgate/bridge/ptz"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"
)

// ViewConfig says what one superior sees of the site and how media goes to it.
type ViewConfig struct {
	Superior string            // its name in the configuration
	Account  string            // whose settings are whose over restarts: its code and ours; "" = Superior
	NodeID   string            // our code there
	Channels []string          // patterns over camera names (path.Match); "*" is all
	IDs      map[string]string // camera name, or a group's ID → its code for this superior, where different
	Titles   map[string]string // camera name → its title for this superior, where different

	// Identity answers queries about ourselves.
	Name, Manufacturer, Model, Firmware string

	// The catalog's shape.
	Groups     []string // names or patterns of the groups in it; each brings those above it
	Districts  bool     // administrative divisions are in it
	SelfItem   bool     // we are in it
	ParentMode string   // what ParentID of a camera is: node (default) | org | org/node

	Audio       ps.AudioPolicy
	Start       media.Start
	SourceGrace time.Duration // a call outlives its camera by this
	RefuseH265  bool
	H265Sub     bool // … but send the sub stream, if that is H.264
	SubStream   bool // what an offer gets that names no stream
	ShareSub    bool // and when Bandwidth is used up
	MaxPayload  int  // RTP payload bytes; 0 = 1400
	Bandwidth   int  // of all calls together, in kbit/s; 0 = no limit
	Interleaved bool // "$" framing over TCP
	RTCP        bool
	RTCPTimeout time.Duration // receiver reports that stop so long end a call; 0 = 60 s, negative: never
	BearICMP    bool          // "port unreachable" does not end a call
	DialRetry   int
	FormatLine  string        // full | empty | omit: the f= line of our answers
	Ports       *rtpout.Ports // for media; nil: those of the site

	// Recordings.
	MaxDownloadSpeed float64 // × real time; 0 = no limit
	WallTimes        bool    // a playback's times are those of the wall and not of the recording (scale_pts)
	ControlReplies   bool    // the answers to playback controls have a body
	PauseAlive       bool    // a playback that pauses sends a sign of life every 5 s
	NoMediaStatus    bool    // the end of a recording is told by BYE alone

	NoPTZ         bool // this superior may not move cameras
	StrictPTZ     bool
	PTZWatchdog   time.Duration // a camera is stopped so long after the last command; 0 = 15 s, negative: never
	PTZLock       time.Duration // so long nobody else of its priority moves a camera after it; 0: last writer wins
	PTZPriority   int           // a higher one takes cameras over from a lower one that holds them
	AllowTeleBoot bool          // this superior may restart cameras
	AllowConfig   []string      // the kinds of settings that it may change; the names are those of DeviceConfig

	VideoLossAlarm bool          // a camera that is lost is an alarm (method 2, type 1)
	AlarmLatch     time.Duration // a device alarm not reset is released after it; 0 = 300 s, negative: no latch

	// Snapshots are uploaded to the superior's own address and to these, nowhere else.
	SuperiorHost  string         // its IP address or DNS name; "" = not even there
	SnapshotAllow []netip.Prefix // other networks

	Log *slog.Logger
}

// View is the site as one superior sees it: its own choice of channels under its own codes.
// It answers that superior's queries, carries its controls out and serves its calls.
type View struct {
	cfg    ViewConfig
	site   *Site
	log    *slog.Logger
	choice matcher
	// What the items say of cameras, shared by all of them.
	fixed, moving *manscdp.ItemInfo
	operator      *ptz.Operator
	duties        duties
	share         *share // nil: no limit
	snapshots     *snapshots

	mu     sync.Mutex
	tuning Tuning           // nil: none
	usual  ledger.Heartbeat // tuning's before the superior set it
	called string           // the name that the superior gave us; "" = none
	tree   *tree            // of the table seen last
	calls  map[*gear]int
}

// View returns a superior's view.
func (s *Site) View(cfg ViewConfig) *View {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AlarmLatch == 0 {
		cfg.AlarmLatch = 300 * time.Second
	}
	v := &View{cfg: cfg, site: s, log: cfg.Log.With("superior", cfg.Superior), calls: make(map[*gear]int)}
	v.operator = &ptz.Operator{
		Name: cfg.Superior, Priority: cfg.PTZPriority, Lock: cfg.PTZLock, Watchdog: cfg.PTZWatchdog,
	}
	// Platforms show a PTZ panel for the types 1, 2, 4 and 5 only.
	v.fixed, v.moving = &manscdp.ItemInfo{PTZType: manscdp.PTZFixed}, &manscdp.ItemInfo{PTZType: manscdp.PTZDome}
	v.choice = newMatcher(cfg.Channels)
	v.share = newShare(cfg.Bandwidth)
	v.remember()
	v.snapshots = newSnapshots(cfg, v.log)
	return v
}

// remember takes over what the superior had set before our start.
func (v *View) remember() {
	set := v.site.cfg.Ledger.Superior(v.account())
	v.called = set.Name
	v.duties.latch = v.cfg.AlarmLatch
	v.duties.changed = func(device string, g ledger.Guard) { v.site.cfg.Ledger.NoteGuard(v.account(), device, g) }
	if n := v.duties.restore(set.Guards); n > 0 {
		v.log.Warn("the platform has disarmed devices: their alarms do not go upward", "devices", n)
	}
}

func (v *View) account() string { return cmp.Or(v.cfg.Account, v.cfg.Superior) }

// name is what we are called above.
func (v *View) name() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return cmp.Or(v.called, v.cfg.Name)
}

// sees tells whether the superior is shown the channel.
func (v *View) sees(c *Channel) bool {
	return v.choice.matches(c.Name)
}

func (v *View) idOf(c *Channel) string {
	if id := v.cfg.IDs[c.Name]; id != "" {
		return id
	}
	return string(c.ID)
}

func (v *View) groupID(id string) string {
	if own := v.cfg.IDs[id]; own != "" {
		return own
	}
	return id
}

func (v *View) title(c *Channel) string {
	if title := v.cfg.Titles[c.Name]; title != "" {
		return title
	}
	return c.Title
}

// channel finds a channel by the code that this superior knows it by.
func (v *View) channel(id string) (*Channel, bool) {
	c := v.currentTree().channels[id]
	return c, c != nil
}

// visible returns the channels that the superior is shown.
func (v *View) visible() []*Channel { return v.currentTree().seen }

// device finds the camera that a query or command means: by its code, or our only one when it
// names the node.
func (v *View) device(id string) (*Channel, error) {
	t := v.currentTree()
	if c := t.channels[id]; c != nil {
		return c, nil
	}
	if (id == v.cfg.NodeID || id == "") && len(t.seen) == 1 {
		return t.seen[0], nil
	}
	return nil, gb28181.Errorf(404, "no such device")
}

// known returns an error unless id is the node or one of its channels.
func (v *View) known(id string) error {
	if _, ok := v.channel(id); !ok && id != v.cfg.NodeID {
		return gb28181.Errorf(404, "no such device")
	}
	return nil
}

// Resolve finds the channel that an INVITE or a control means: the first of the codes in it
// that is a channel's. Some platforms name only the device they registered (SRS): then it is
// our only camera, if there is only one.
func (v *View) Resolve(ids []string) (channel string, ok bool) {
	t := v.currentTree()
	for _, id := range ids {
		if t.channels[id] != nil {
			return id, true
		}
	}
	if len(t.seen) == 1 {
		for _, id := range ids {
			if id != "" && id != v.cfg.NodeID {
				return "", false // it names something, and we don't have it
			}
		}
		return v.idOf(t.seen[0]), true
	}
	return "", false
}

// Release stops every camera that this superior has set in motion: it is gone, and nobody else
// will.
func (v *View) Release() {
	for _, c := range v.site.now.Load().channels {
		if c.mount != nil {
			c.mount.Release(v.operator)
		}
	}
}

// callBegins and callEnds count this superior's calls of a camera: when the last one ends,
// nobody looks where the camera turns.
func (v *View) callBegins(c *Channel) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls[c.gear]++
}

func (v *View) callEnds(c *Channel) {
	v.mu.Lock()
	v.calls[c.gear]--
	last := v.calls[c.gear] <= 0
	if last {
		delete(v.calls, c.gear)
	}
	v.mu.Unlock()
	if last && c.mount != nil {
		c.mount.Release(v.operator)
	}
}
