package rtsp

import (
	"context"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtp"

	"gbgate/media"
)

// setUp sets up the video track and, if the camera lets us, the audio track, and opens the feed.
func (s *session) setUp(sink func(*media.Unit)) error {
	for _, m := range s.desc.Medias {
		err := s.request(func() error {
			_, err := s.client.Setup(s.desc.BaseURL, m, 0, 0)
			return err
		})
		s.mu.Lock()
		code := s.last.code
		s.mu.Unlock()
		switch {
		case err == nil:
		case m.Type == description.MediaTypeAudio && code >= 400 && !s.talk:
			s.log.Warn("camera refuses its audio track", "reason", err)
			s.mu.Lock()
			s.offer.audio = nil
			s.mu.Unlock()
		case s.replay != nil && !s.replay.plain && code == 551:
			s.mu.Lock()
			s.replay.plain = true
			s.mu.Unlock()
			return s.setUp(sink)
		case s.auto && !s.udp && (code == 461 || code == 400):
			return &again{udp: true, why: asError(err)}
		default:
			return err
		}
	}
	if !s.talk {
		s.openFeed(sink)
	}
	return nil
}

func (s *session) openFeed(sink func(*media.Unit)) {
	s.mu.Lock()
	o := s.offer
	if s.replay != nil {
		sink = s.replay.sink
	}
	f := newFeed(o, s.udp, sink, s.log)
	f.assembler.pictures.recoveryAfter = s.cfg.FrameTimeout / 2 // before the session is given up
	if r := s.replay; r != nil {
		f.record(r.origin, newReplayClock(r))
	}
	f.videoChannel, f.audioChannel = s.channels[standInVideo], s.channels[standInAudio]
	s.mu.Unlock()
	if s.udp {
		for _, m := range s.desc.Medias {
			in := f.video
			if m.Type == description.MediaTypeAudio {
				in = f.audio
			}
			if in != nil {
				s.client.OnPacketRTP(m, m.Formats[0], func(p *rtp.Packet) { f.datagram(in, p) })
			}
		}
	}
	s.feed.Store(f)
}

// liveVariants are the headers to try for a live stream, which has no range: some servers refuse "npt=0-"
// (GStreamer); a few others insist on one (Parrot).
func liveVariants() [][]field {
	return [][]field{nil, {{"Range", "npt=now-"}}, {{"Range", "npt=0.000-"}}}
}

// play starts the stream.
func (s *session) play() error {
	variants := liveVariants()
	if s.replay != nil {
		variants = s.replay.variants()
	}
	return s.playVariants(variants, func() error {
		_, err := s.client.Play(nil)
		return err
	})
}

// playVariants sends a PLAY with one set of headers after the other until the camera likes one.
func (s *session) playVariants(variants [][]field, exchange func() error) error {
	var first error
	for _, fields := range variants {
		s.mu.Lock()
		s.playFields = fields
		s.mu.Unlock()
		err := s.request(exchange)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
		s.mu.Lock()
		code := s.last.code
		s.mu.Unlock()
		switch code {
		case 0, 401, 403, 404, 453, 454:
			return err
		case 457:
			if s.replay != nil {
				first = &Error{Kind: NotFound, Text: "recorder has nothing of that time (457)", Err: err}
			}
		}
	}
	return first
}

// watch waits for the end of the stream and looks after the pictures coming.
func (s *session) watch(ctx context.Context) error {
	opened := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return s.over(ctx)
		case <-timer.C:
			next, err := s.judge(s.feed.Load().progress(), time.Since(opened))
			if err != nil {
				return err
			}
			timer.Reset(next)
		}
	}
}

// judge tells when to look again at a stream that has been open for a while, or what is wrong with it.
func (s *session) judge(p progress, open time.Duration) (next time.Duration, err error) {
	next = s.cfg.FrameTimeout - time.Since(p.lastFrame)
	if next <= 0 {
		return 0, s.noFrames(p)
	}
	if s.auto && !s.udp && p.packets == 0 {
		left := min(rtpTimeout, s.cfg.FrameTimeout/2) - open
		if left <= 0 {
			return 0, &again{udp: true, why: s.noFrames(p)}
		}
		next = min(next, left)
	}
	return next, nil
}

func (s *session) noFrames(p progress) *Error {
	switch {
	case p.packets == 0:
		return &Error{Kind: NoFrames, Text: fmt.Sprintf("RTSP up, no media packet for %v", s.cfg.FrameTimeout)}
	case p.pictures == 0:
		return &Error{Kind: NoFrames, Text: fmt.Sprintf("RTSP up, no key frame for %v", s.cfg.FrameTimeout)}
	}
	return &Error{Kind: NoFrames, Text: fmt.Sprintf("RTSP up, no picture for %v", s.cfg.FrameTimeout)}
}
