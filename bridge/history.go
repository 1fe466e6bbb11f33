package bridge

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"gbgate/bridge/playback"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/mansrtsp"
	"gbgate/gb28181/sdp"
	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"
)

const (
	// recordPatience is how long a receiver of a recording may take nothing: what is stored can wait, so nothing is
	// left out for it before that.
	recordPatience = 30 * time.Second
	// openWithin is how long a recording may take until it is open.
	openWithin = 8 * time.Second
	// countWithin is how long the size of a download may take to be counted; days of recordings on a slow disk are
	// answered for without it.
	countWithin = 3 * time.Second
	// drainWithin is how long the end of a recording waits for the receiver to take what is on the way.
	drainWithin = 15 * time.Second
)

var (
	errNotRecorded = gb28181.Errorf(488, "Nothing is recorded here")
	errNoWindow    = gb28181.Errorf(400, "SDP names no time to play from")
)

// reel is a recording on its way to a superior. It is what a re-INVITE hands on to the call that follows in the dialog,
// so that the playback goes on where it was, from the port that the superior was told.
type reel struct {
	player *playback.Player
	asked  sdp.Offer // window, kind and speed
	size   int64     // of what will be sent, in bytes; 0: unknown or a playback
	format string    // f= of the answer

	turn chan struct{} // full while a session plays
	once sync.Once

	mu   sync.Mutex
	line *line // nil until the first call is answered
}

// Close ends the recording when the session that plays it has ended.
func (r *reel) Close() error {
	var err error
	r.once.Do(func() {
		r.turn <- struct{}{}
		err = r.player.Close()
		if l := r.swap(nil); l != nil {
			err = errors.Join(err, l.Close())
		}
	})
	return err
}

func (r *reel) current() *line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line
}

func (r *reel) swap(l *line) *line {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.line
	r.line = l
	return was
}

// history is the media of one playback or download.
type history struct {
	*leg
	call Call
	reel *reel
}

// serveRecording is one playback or download, from INVITE to BYE.
func (v *View) serveRecording(ctx context.Context, call Call) error {
	channel, ok := v.channel(call.Channel())
	if !ok {
		return gb28181.Errorf(404, "no such channel")
	}
	offer := v.numbered(call.Offer())
	r, kept := v.keptReel(call, offer)
	if !kept {
		var err error
		if r, err = v.openReel(ctx, channel, offer); err != nil {
			return err
		}
	}
	l, inherited, err := v.lineOr(r.current(), call, offer)
	if err != nil {
		if !kept {
			_ = r.Close()
		}
		v.log.Error("no media port for a call", "error", err)
		return gb28181.Errorf(486, "no media port left")
	}
	h := &history{leg: newLeg(v, channel, l, offer), call: call, reel: r}
	v.site.add(h)
	defer v.site.remove(h)
	err = h.serve(ctx, inherited)
	if h.leg.kept {
		return err
	}
	if !inherited {
		_ = l.Close()
	}
	if !kept {
		_ = r.Close()
	}
	return err
}

// keptReel returns what the call before in the dialog plays, if this one wants the same.
func (v *View) keptReel(call Call, offer *sdp.Offer) (*reel, bool) {
	k, ok := call.(Keeper)
	if !ok {
		return nil, false
	}
	r, ok := k.Kept().(*reel)
	if !ok || r.asked.Kind != offer.Kind || !r.asked.Start.Equal(offer.Start) || !r.asked.Stop.Equal(offer.Stop) {
		return nil, false
	}
	return r, true
}

// openReel opens the recording that an offer names, up to its first picture.
func (v *View) openReel(ctx context.Context, channel *Channel, offer *sdp.Offer) (*reel, error) {
	recordings := v.site.cfg.Recordings
	switch {
	case recordings == nil:
		return nil, errNotRecorded
	case offer.Start.IsZero(), !offer.Stop.IsZero() && !offer.Stop.After(offer.Start):
		return nil, errNoWindow
	}
	limited, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	cfg := playback.Config{
		Camera: channel.Name, From: offer.Start, To: offer.Stop, Kind: offer.Record,
		Wall: v.cfg.WallTimes, MaxSpeed: v.cfg.MaxDownloadSpeed, Log: v.log.With("camera", channel.Name),
	}
	if offer.Kind == sdp.Download {
		cfg.Speed = max(offer.DownloadSpeed, 0)
		if cfg.Speed == 0 {
			cfg.Speed = 1
		}
	}
	player, err := playback.Open(limited, recordings, cfg)
	if err != nil {
		return nil, v.recordError(ctx, channel, err)
	}
	r := &reel{player: player, asked: *offer, turn: make(chan struct{}, 1)}
	first := player.First()
	if first.Codec == media.H265 && v.cfg.RefuseH265 {
		_ = r.Close()
		return nil, gb28181.Errorf(488, "the recording is H.265, which this platform does not take")
	}
	if v.cfg.FormatLine == "full" {
		r.format = formatLine(first.Desc, v.cfg.Audio)
	}
	if offer.Kind == sdp.Download {
		counting, stop := context.WithTimeout(limited, countWithin)
		defer stop()
		if e, ok := player.Extent(counting); ok {
			r.size = ps.Size(e, first, v.cfg.Audio)
		}
	}
	return r, nil
}

// recordError is what a recording that cannot be opened is answered with.
func (v *View) recordError(ctx context.Context, channel *Channel, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*gb28181.Error](err); ok {
		return err
	}
	v.log.Warn("recording not opened", "camera", channel.Name, "error", err)
	return gb28181.Errorf(480, "the recording cannot be read")
}

// serve answers and sends until ctx ends, the receiver is gone, or all was sent.
func (h *history) serve(ctx context.Context, inherited bool) error {
	if s, ok := h.call.(Steered); ok {
		whole := ctx // ctx becomes another one below, while INFO comes already
		defer h.reel.player.Listen()()
		s.OnControl(func(n uint64, body []byte) ([]byte, error) { return h.control(whole, n, body) })
	}
	offer := h.offer.Load()
	answer := sdp.Answer{
		Channel: h.call.Channel(), Local: netip.AddrPortFrom(h.call.LocalIP(), h.line.LocalPort()),
		SSRC: offer.SSRC, Format: h.reel.format, BareFormat: h.view.cfg.FormatLine == "empty",
		FileSize: h.reel.size, DownloadSpeed: h.reel.player.Speed(),
	}
	if err := h.open(ctx, h.call, answer, h.reel); err != nil {
		return err
	}
	defer h.line.release()
	select {
	case h.reel.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-h.reel.turn }()
	if was := h.reel.swap(h.line); was != nil && was != h.line {
		_ = was.Close()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		select {
		case <-h.line.Done():
			cancel(h.line.Err())
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-guarded }()
	if err := h.line.Connect(ctx); err != nil {
		return err
	}
	return h.reel.player.Run(ctx, h)
}

// control is an INFO of the superior, by its number in the order of arrival.
func (h *history) control(ctx context.Context, arrival uint64, body []byte) ([]byte, error) {
	r, err := mansrtsp.Parse(body)
	if err != nil {
		return nil, err
	}
	if err := h.reel.player.Control(ctx, arrival, r); err != nil {
		return nil, err
	}
	if !h.view.cfg.ControlReplies {
		return nil, nil
	}
	reply := r.Answer(200, "OK")
	reply.Scale, reply.HasScale, reply.Range = r.Scale, r.HasScale, r.Range
	return reply.Marshal(), nil
}

// Ready implements playback.Outlet: a recording waits for its part of the superior's share, so that nothing is left
// out.
func (h *history) Ready(ctx context.Context, n int) error {
	rank := watched
	if h.reel.player.Download() {
		rank = fetched
	}
	return h.view.share.wait(ctx, n, rank)
}

// Send implements playback.Outlet.
func (h *history) Send(ctx context.Context, u *media.Unit, spread time.Duration) error {
	pack := ps.Of(u, h.view.cfg.Audio)
	if pack == nil {
		return nil
	}
	return h.passed(h.line.WritePack(ctx, uint32(pack.Clock()), spread, pack.Bufs()))
}

// passed counts a pack that the receiver was too slow for, which ends nothing.
func (h *history) passed(err error) error {
	if errors.Is(err, rtpout.ErrSlow) {
		h.skipped.Add(1)
		return nil
	}
	return err
}

// Alive implements playback.Outlet.
func (h *history) Alive(ctx context.Context, d media.Description, clock int64) error {
	if !h.view.cfg.PauseAlive {
		return nil
	}
	pack := ps.Announcement(&d, h.view.cfg.Audio, clock)
	return h.passed(h.line.WritePack(ctx, uint32(clock), 0, [][]byte{pack}))
}

// Over implements playback.Outlet: MediaStatus 121 (GB/T 28181-2022 A.2.5.4), when the receiver has everything.
func (h *history) Over(ctx context.Context) (told bool) {
	h.drain(ctx)
	s, ok := h.call.(Steered)
	if h.view.cfg.NoMediaStatus || !ok || ctx.Err() != nil {
		return false
	}
	err := s.Notify(ctx, &manscdp.MediaStatusNotify{NotifyType: manscdp.MediaStatusEnd})
	if err != nil && ctx.Err() == nil {
		h.view.log.Info("end of a recording not confirmed by the platform", "camera", h.channel.Name, "error", err)
	}
	return true
}

func (h *history) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	_ = h.line.Drain(ctx)
}
