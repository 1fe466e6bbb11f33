package bridge

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"gbgate/bridge/playback"
	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"
)

const (
	// answerWithin is how long the final answer to an INVITE may wait for the first picture:
	// platforms give a play up after 10 to 15 s, media included (WVP), so a slow camera is
	// answered for and its pictures follow.
	answerWithin = 3 * time.Second
	// catchUp is how much faster than real time a viewer gets the cached pictures.
	catchUp = 4
)

var errNoTalk = gb28181.Errorf(488, "Talk is not available")

// ServeMedia is one call, from INVITE to BYE: wait for the camera, bind a port, answer,
// and send until somebody hangs up.
func (v *View) ServeMedia(ctx context.Context, call Call) error {
	defer v.site.orphans.watch(ctx)()
	if err := v.room(call); err != nil {
		return err
	}
	offer := call.Offer()
	switch offer.Kind {
	case sdp.Play:
	case sdp.Playback, sdp.Download:
		return v.serveRecording(ctx, call)
	case sdp.Talk:
		return errNoTalk
	}
	channel, ok := v.channel(call.Channel())
	if !ok {
		return gb28181.Errorf(404, "no such channel")
	}
	lease, leave, err := v.watchCamera(ctx, channel, offer)
	if err != nil {
		return err
	}
	defer leave()
	offer = v.numbered(offer)
	line, inherited, err := v.line(call, offer)
	if err != nil {
		v.log.Error("no media port for a call", "error", err)
		return gb28181.Errorf(486, "no media port left")
	}
	v.callBegins(channel)
	defer v.callEnds(channel)
	s := &session{
		leg: newLeg(v, channel, line, offer), lease: lease,
		sender: line.Sender, audio: v.cfg.Audio, share: v.share,
	}
	v.site.add(s)
	defer v.site.remove(s)
	err = s.serve(ctx, call, sdp.Answer{
		Channel: call.Channel(),
		Local:   netip.AddrPortFrom(call.LocalIP(), line.LocalPort()),
		SSRC:    offer.SSRC,
		Format:  v.format(lease.feed.Source, lease.feed.stream.Description()), BareFormat: v.cfg.FormatLine == "empty",
	})
	if !inherited && !s.kept {
		_ = line.Close()
	}
	return err
}

// room refuses a call that the box has no means for. One whose media only moves costs nothing more.
func (v *View) room(call Call) error {
	if k, ok := call.(Keeper); v.site.cfg.Room == nil || ok && k.Kept() != nil {
		return nil
	}
	err := v.site.cfg.Room()
	if err == nil {
		return nil
	}
	v.log.Warn("call refused", "channel", call.Channel(), "reason", err.Error())
	return gb28181.Errorf(486, "%s", err)
}

// numbered returns offer with an SSRC of ours where the superior gave none.
func (v *View) numbered(offer *sdp.Offer) *sdp.Offer {
	if offer.SSRC != 0 {
		return offer
	}
	own := *offer
	kind := gb28181.SSRCLive
	if offer.Kind == sdp.Playback || offer.Kind == sdp.Download {
		kind = gb28181.SSRCHistory
	}
	own.SSRC = gb28181.NewSSRC(kind, v.cfg.NodeID, v.site.serial.Add(1))
	return &own
}

// awaitCamera returns nil when the call can be answered: pictures flow, or nothing has failed
// so far and the superior should not wait longer.
func (v *View) awaitCamera(ctx context.Context, channel *Channel, lease *Lease) error {
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	err := lease.Ready(ctx, timer.C)
	var kind Kinder
	switch {
	case err == nil, errors.Is(err, errTimer):
		return nil
	case ctx.Err() != nil:
		return err
	case errors.As(err, &kind) && kind.Unsupported():
		return gb28181.Errorf(488, "%s", err)
	}
	v.log.Warn("call refused", "camera", channel.Name, "reason", err.Error())
	return gb28181.Errorf(480, "%s", err)
}

// sending says how media for offer leaves.
func (v *View) sending(offer *sdp.Offer, local netip.Addr, ssrc uint32) rtpout.Config {
	transport := map[sdp.Transport]rtpout.Transport{
		sdp.UDP: rtpout.UDP, sdp.TCPPassive: rtpout.TCPActive, sdp.TCPActive: rtpout.TCPPassive,
	}[offer.Transport]
	patience := time.Duration(0) // the default
	if offer.Kind == sdp.Playback || offer.Kind == sdp.Download {
		patience = recordPatience
	}
	return rtpout.Config{
		Transport: transport, Local: local, Remote: offer.Remote, Ports: cmp.Or(v.cfg.Ports, v.site.cfg.Ports),
		WriteTimeout: patience, StallTimeout: patience,
		SSRC: ssrc, PayloadType: offer.PayloadType, MaxPayload: v.cfg.MaxPayload, Interleaved: v.cfg.Interleaved,
		RRTimeout: v.cfg.RTCPTimeout, BearRefusals: v.cfg.BearICMP,
		RTCP: v.cfg.RTCP, CNAME: v.cfg.NodeID, DialRetry: v.cfg.DialRetry, Wheel: v.site.cfg.Wheel, Log: v.log,
	}
}

// session is the media of one live call.
type session struct {
	*leg
	lease *Lease

	// What every picture needs. It is cold when its turn comes, and by way of the leg, its line and its view it would
	// be cold four times.
	sender *rtpout.Sender // the line's
	audio  ps.AudioPolicy
	share  *share
	clock  pacer
	torn   bool  // a pack was left out: the call goes on at its next key picture
	after  int64 // the call before has sent up to this place on the stream's clock
	last   int64 // and this one up to here
}

// serve answers and sends until ctx ends, the receiver is gone, or the camera is for too long.
func (s *session) serve(ctx context.Context, call Call, answer sdp.Answer) error {
	if err := s.open(ctx, call, answer, s.line); err != nil {
		return err
	}
	defer s.line.release()
	if s.line.feed == s.lease.feed {
		s.after, s.last = s.line.last, s.line.last
	}
	s.line.feed = s.lease.feed
	defer func() { s.line.last = s.last }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		s.guard(ctx, cancel)
	}()
	defer func() { cancel(nil); <-guarded }()
	if err := s.line.Connect(ctx); err != nil {
		return err
	}
	return s.pump(ctx)
}

// guard ends the call when its camera has been gone for too long or its receiver is.
func (s *session) guard(ctx context.Context, cancel context.CancelCauseFunc) {
	lost := make(chan error, 1)
	go func() { lost <- s.lease.Lost(ctx, s.view.cfg.SourceGrace) }()
	select {
	case err := <-lost:
		cancel(err)
		return
	case <-s.line.Done():
		cancel(s.line.Err())
	case <-ctx.Done():
	}
	<-lost
}

// pump is the data path of a viewer: unit, pack, packets.
func (s *session) pump(ctx context.Context) error {
	if s.line.udp {
		s.lease.Inline(s.inline)
	}
	for {
		u, err := s.lease.Read(ctx)
		if err != nil {
			return err
		}
		if pack := ps.Of(u, s.audio); pack != nil && s.admit(u, pack) {
			err = s.send(ctx, u, pack)
		}
		u.Release()
		switch {
		case errors.Is(err, rtpout.ErrSlow):
			s.torn = true
			s.skipped.Add(1)
		case err != nil:
			return err
		}
	}
}

// inline is the short way of a unit, on the goroutine of its camera: see media.Reader.Inline.
func (s *session) inline(u *media.Unit) bool {
	pack := ps.Of(u, s.audio)
	if pack == nil || !s.admit(u, pack) {
		return true
	}
	if !s.sender.Offer(uint32(pack.Clock()), s.clock.spread(u), pack.Bufs(), u) {
		s.share.giveBack(pack.Len()) // it will be asked for again
		return false
	}
	s.last = u.Clock
	s.clock.level()
	return true
}

// admit tells whether a pack is sent: not one that follows a hole, nor one beyond the superior's share.
// What was sent to where the media went before a re-INVITE is not sent again: the stream goes on where it was, and a
// time that steps back confuses demuxers.
func (s *session) admit(u *media.Unit, pack *ps.Pack) bool {
	if u.Clock <= s.after {
		return false
	}
	s.torn = s.torn && !u.Key
	if !s.torn && !s.share.take(pack.Len(), u.Key) {
		s.torn = true
	}
	if s.torn {
		s.skipped.Add(1)
	}
	return !s.torn
}

// send hands one pack to the sender when it is due.
func (s *session) send(ctx context.Context, u *media.Unit, pack *ps.Pack) error {
	if err := s.clock.wait(ctx, u.DTS, s.lease.Queued() > 0); err != nil {
		return err
	}
	s.last = u.Clock
	return s.sender.WritePack(ctx, uint32(pack.Clock()), s.clock.spread(u), pack.Bufs())
}

// pacer holds a viewer that starts in the past to catchUp times real time until it is level.
type pacer struct {
	began    time.Time
	dts      int64 // of the unit that began the time line
	video    int64 // DTS of the last picture
	interval time.Duration
}

func (p *pacer) wait(ctx context.Context, dts int64, behind bool) error {
	if p.began.IsZero() || !behind {
		p.began, p.dts = time.Now(), dts
		return nil
	}
	due := p.began.Add(media.Duration(dts-p.dts) / catchUp)
	d := time.Until(due)
	if d <= 0 {
		return nil
	}
	return media.Wait(ctx, min(d, time.Second))
}

// level notes that a unit went out the moment it came.
func (p *pacer) level() { p.began = time.Time{} }

// spread is the time over which the packets of a picture go out: most of the interval to the
// picture before it. (Also while catching up: a hop with a short queue loses a key picture that
// comes faster, and its own audio in the queue would pass for lagging.)
func (p *pacer) spread(u *media.Unit) time.Duration {
	if !u.Codec.IsVideo() {
		return 0
	}
	if d := media.Duration(u.DTS - p.video); p.video != 0 && d > 0 && d < time.Second {
		p.interval = d
	} else if p.interval == 0 {
		p.interval = 40 * time.Millisecond
	}
	p.video = u.DTS
	return time.Duration(playback.SpreadShare * float64(p.interval))
}

func (s *session) status() CallStatus {
	st := s.leg.status()
	st.Stream = "main"
	if s.lease.feed == s.channel.sub {
		st.Stream = "sub"
	}
	st.Skipped += s.lease.Dropped()
	return st
}
