package onvif

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// CameraConfig tells which camera of a device to steer.
type CameraConfig struct {
	Config
	Profile string // token of the media profile; "" = the largest stream of Source
	Source  string // token of the video source, a channel of a recorder; "" = that of Channel
	// Channel counts the video sources of a recorder, from 1, in the order of its profiles; 0 = the first.
	Channel int
	// Client is shared by the cameras of one device, so that a wrong password goes out twice and not twice
	// for each of them; nil = one of its own.
	Client *Client
	// Presets keeps the map from numbers to tokens; nil = in memory only.
	Presets PresetStore
	// ZeroStop sends zero velocities after every Stop, for cameras that ignore Stop without saying so.
	ZeroStop bool
}

// Camera is one camera as the upper shore wants it: velocities from −1 to 1, presets by number.
// Commands for one camera go one after another; a movement that waits is given up when a later
// one comes, a Stop never is. Its methods may be called at the same time.
type Camera struct {
	cfg    CameraConfig
	client *Client

	turn   chan struct{} // held while a command is with the camera, and for the fields down to presets
	latest atomic.Uint64 // the newest movement
	moving struct{ panTilt, zoom, focus bool }
	focus  *FocusOptions
	auto   bool // the camera took the focus for itself when it was last asked
	numbers

	mu    sync.Mutex
	known *layout
	// source is the video source that Channel was counted to be among several; "" = not counted yet. It outlasts
	// known: a recorder that loses a channel must not have the ones behind it move up.
	source  string
	lastKey time.Time // when a key picture was last asked for
	// The recordings that were listed last, and when.
	recorded   []Recording
	recordedAt time.Time
}

// layout is what was learned about the camera.
type layout struct {
	main, sub Profile
	ptz       Profile // the profile that moves it
	node      Node
	others    map[string]bool // tokens of the device's other video sources and their configurations
}

const (
	stopTries = 3
	stopPause = 300 * time.Millisecond
	// stopTime is what a Stop may take even if its caller has gone.
	stopTime = 10 * time.Second
	// keyPause is the least time between two requests for a key picture.
	keyPause = 2 * time.Second
)

// NewCamera returns a camera. It does not connect.
func NewCamera(cfg CameraConfig) (*Camera, error) {
	client := cfg.Client
	if client == nil {
		var err error
		if client, err = New(cfg.Config); err != nil {
			return nil, err
		}
	}
	return &Camera{
		cfg: cfg, client: client, turn: make(chan struct{}, 1), numbers: numbers{store: cfg.Presets},
	}, nil
}

// Client returns the client that the camera is reached by.
func (c *Camera) Client() *Client { return c.client }

// Streams returns the profiles of the main and the sub stream; sub is zero if there is none.
func (c *Camera) Streams(ctx context.Context) (main, sub Profile, err error) {
	l, err := c.learn(ctx)
	if err != nil {
		return Profile{}, Profile{}, err
	}
	return l.main, l.sub, nil
}

// Node returns what the camera's PTZ node can do; the generic node if the camera does not say.
func (c *Camera) Node(ctx context.Context) (Node, error) {
	l, err := c.learn(ctx)
	if err != nil {
		return Node{}, err
	}
	return l.node, nil
}

// Tires tells how long a movement of the camera lasts without another command, as far as it is known;
// 0: not known, or for ever. It does not ask the camera.
func (c *Camera) Tires() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		return 0
	}
	return c.known.ptz.PTZTimeout
}

// Moves tells whether the camera can be moved: its profile says so, or the device has a PTZ node and
// names no other source that it belongs to. A PTZ service alone says nothing (Reolink).
func (c *Camera) Moves(ctx context.Context) (bool, error) {
	l, err := c.learn(ctx)
	if err != nil {
		return false, err
	}
	return l.ptz.PTZ != "" || l.node.Token != "" && len(l.others) == 0, nil
}

// learn reads profiles and node unless they are known. Calls that come together may read them twice.
func (c *Camera) learn(ctx context.Context) (*layout, error) {
	c.mu.Lock()
	known, source := c.known, cmp.Or(c.cfg.Source, c.source)
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	profiles, err := c.client.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	if len(profiles) == 0 {
		return nil, &Error{Kind: NotONVIF, Op: "GetProfiles", Text: "camera lists no profiles"}
	}
	counted := ""
	if source == "" {
		if source, counted, err = c.count(profiles); err != nil {
			return nil, err
		}
	}
	known, err = c.choose(profiles, source)
	if err != nil {
		return nil, err
	}
	nodes, err := c.client.Nodes(ctx)
	if err != nil && !answered(err) && kindOf(err) != NotONVIF {
		return nil, err
	}
	known.node = genericNode()
	for i, n := range nodes {
		if n.Token == known.ptz.Node || i == 0 && known.ptz.Node == "" {
			known.node = n
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.source = known, cmp.Or(c.source, counted)
	return known, nil
}

// count returns the video source that Channel is, and the same as kept if it is one of several.
func (c *Camera) count(profiles []Profile) (source, kept string, err error) {
	var sources []string
	for _, p := range profiles {
		if !slices.Contains(sources, p.Source) {
			sources = append(sources, p.Source)
		}
	}
	at := max(1, c.cfg.Channel) - 1
	switch {
	case at >= len(sources):
		return "", "", &Error{
			Kind: InvalidArgs, Op: "GetProfiles",
			Text: fmt.Sprintf("recorder has %d video sources, and no channel %d", len(sources), c.cfg.Channel),
		}
	case len(sources) > 1:
		return sources[at], sources[at], nil
	}
	return sources[at], "", nil
}

// choose takes the profiles of source.
func (c *Camera) choose(profiles []Profile, source string) (*layout, error) {
	l := &layout{}
	l.main, l.sub = Best(profiles, source)
	if c.cfg.Profile != "" {
		l.main = Profile{}
		for _, p := range profiles {
			if p.Token == c.cfg.Profile {
				l.main = p
			}
		}
	}
	if l.main.Token == "" {
		text := fmt.Sprintf("video source %q, which channel %d was, is gone; restart gbgate if the recorder was set up anew",
			source, max(1, c.cfg.Channel))
		if c.cfg.Profile != "" {
			text = fmt.Sprintf("camera has no profile %q", c.cfg.Profile)
		}
		return nil, &Error{Kind: InvalidArgs, Op: "GetProfiles", Text: text}
	}
	l.others = make(map[string]bool)
	for _, p := range profiles {
		if p.Source != l.main.Source {
			l.others[p.Source], l.others[p.SourceConfig] = true, true
		}
	}
	l.ptz = l.main
	for _, p := range profiles {
		if l.ptz.PTZ == "" && p.PTZ != "" && p.Source == l.main.Source {
			l.ptz = p
		}
	}
	return l, nil
}

// forget drops what was learned when the camera does not know it any more, as after a reset.
func (c *Camera) forget(err error) error {
	if kindOf(err) == InvalidArgs {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.known = nil
	}
	return err
}

// Unlearn drops all that was learned of the camera: another device answers at its address.
func (c *Camera) Unlearn(ctx context.Context) error {
	release, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	c.focus, c.auto = nil, false
	c.moving.panTilt, c.moving.zoom, c.moving.focus = false, false, false
	c.mu.Lock()
	c.known, c.source, c.recorded, c.recordedAt = nil, "", nil, time.Time{}
	c.mu.Unlock()
	c.client.unlearn()
	return nil
}

// take waits until the commands before have gone out.
func (c *Camera) take(ctx context.Context) (release func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// borrow waits until the commands before have gone out, and has the camera known.
func (c *Camera) borrow(ctx context.Context) (l *layout, release func(), err error) {
	if release, err = c.take(ctx); err != nil {
		return nil, nil, err
	}
	if l, err = c.learn(ctx); err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// begin announces a movement and waits for its turn. stale says that a later one has come by then.
func (c *Camera) begin(ctx context.Context) (l *layout, release func(), stale bool, err error) {
	mine := c.latest.Add(1)
	if release, err = c.take(ctx); err != nil {
		return nil, nil, false, err
	}
	if c.latest.Load() != mine {
		release()
		return nil, nil, true, nil
	}
	if l, err = c.learn(ctx); err != nil {
		release()
		return nil, nil, false, err
	}
	return l, release, false, nil
}

// Move sets velocities from −1 to 1: pan right +, tilt up +, zoom in +. An axis that is 0 is left
// alone if it rests and stopped if it moves (GB/T 28181-2022 annex A.3: a cleared bit is a stop).
func (c *Camera) Move(ctx context.Context, pan, tilt, zoom float64) error {
	if pan == 0 && tilt == 0 && zoom == 0 {
		return c.Stop(ctx)
	}
	l, release, stale, err := c.begin(ctx)
	if err != nil || stale {
		return err
	}
	defer release()
	var v Vector
	if pan != 0 || tilt != 0 || c.moving.panTilt {
		v.PanTilt = &[2]float64{l.node.Velocity.X.velocity(pan), l.node.Velocity.Y.velocity(tilt)}
	}
	if zoom != 0 || c.moving.zoom {
		z := l.node.ZoomVelocity.X.velocity(zoom)
		v.Zoom = &z
	}
	err = c.client.ContinuousMove(ctx, l.ptz.Token, v)
	if k := kindOf(err); (k == InvalidArgs || k == Fault) && pan != 0 && tilt != 0 {
		// Arenti moves one axis at a time: the dominant one goes.
		if math.Abs(pan) >= math.Abs(tilt) {
			v.PanTilt[1] = 0
		} else {
			v.PanTilt[0] = 0
		}
		err = c.client.ContinuousMove(ctx, l.ptz.Token, v)
	}
	c.moving.panTilt = c.moving.panTilt || pan != 0 || tilt != 0
	c.moving.zoom = c.moving.zoom || zoom != 0
	return c.forget(err)
}

// Stop ends every movement, the lens included. It is the safety action: it is tried three times,
// by zero velocities where the camera has no Stop, and goes on for up to 10 s after ctx ended.
func (c *Camera) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	c.latest.Add(1)
	l, release, err := c.borrow(ctx)
	if err != nil {
		return err
	}
	defer release()
	if c.moving.focus {
		if c.client.StopFocus(ctx, l.main.Source) == nil {
			c.moving.focus = false
		}
	}
	if err = c.halt(ctx, l.ptz.Token); err != nil {
		return c.forget(err)
	}
	c.moving.panTilt, c.moving.zoom = false, false
	return nil
}

func (c *Camera) halt(ctx context.Context, profile string) error {
	for try := 1; ; try++ {
		err := c.client.StopMove(ctx, profile)
		if k := kindOf(err); err == nil && c.cfg.ZeroStop || answered(err) && err != nil ||
			k == NotONVIF || k == Unreachable {
			// Cohu has no Stop; some have one that does nothing, or hang up on it.
			err = c.client.ContinuousMove(ctx, profile, Vector{PanTilt: &[2]float64{}, Zoom: new(float64)})
		}
		if k := kindOf(err); err == nil || k == NotAuthorized || k == Resting || try == stopTries {
			return err
		}
		select {
		case <-time.After(stopPause):
		case <-ctx.Done():
			return err
		}
	}
}

// RequestKeyFrame asks for a key picture of the main stream, at most every two seconds; a request
// sooner than that is answered by the key picture of the one before.
func (c *Camera) RequestKeyFrame(ctx context.Context) error {
	l, err := c.learn(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	soon := time.Since(c.lastKey) < keyPause
	if !soon {
		c.lastKey = time.Now()
	}
	c.mu.Unlock()
	if soon {
		return nil
	}
	return c.forget(c.client.SetSynchronizationPoint(ctx, l.main))
}

// Snapshot fetches a JPEG of the main stream.
func (c *Camera) Snapshot(ctx context.Context) ([]byte, error) {
	l, err := c.learn(ctx)
	if err != nil {
		return nil, err
	}
	data, err := c.client.Snapshot(ctx, l.main)
	return data, c.forget(err)
}

// Reboot restarts the camera.
func (c *Camera) Reboot(ctx context.Context) error { return c.client.Reboot(ctx) }
