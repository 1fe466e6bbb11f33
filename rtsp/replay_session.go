package rtsp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gbgate/media"
)

// intraAbove is the scale above which only key pictures are played.
const intraAbove = 4

// replaying is what a session does otherwise for a recording.
type replaying struct {
	onvif    bool // ONVIF Profile G
	byRange  bool // Range chooses the time; else the URL does
	origin   time.Time
	until    time.Time
	sink     func(*media.Unit)
	granted  func()       // the recorder plays: what comes now belongs to this PLAY
	answered func()       // the PLAY has its reply
	anew     func()       // what came of it was still of the PLAY before
	ended    func(ending) // the recorder says that nothing more comes

	ask   playAsk // the PLAY at hand
	scale float64 // of the PLAY whose packets come; guarded by the feed
	// stamped: packets say when they were recorded.
	stamped atomic.Bool
	plain   bool // the server does not know the tag of Require
}

// playAsk is what a PLAY is to bring.
type playAsk struct {
	at    time.Time
	scale float64
	again bool // the session plays already
}

// variants are the headers to try for a PLAY, best first.
func (r *replaying) variants() [][]field {
	a := r.ask
	var speed []field
	if a.scale > 1 {
		speed = []field{{"Scale", strconv.FormatFloat(a.scale, 'f', 1, 64)}}
	}
	if !r.byRange {
		list := [][]field{speed, append([]field{{"Range", "npt=0.000-"}}, speed...)}
		if speed != nil {
			list = append(list, nil)
		}
		return list
	}
	span := field{"Range", "clock=" + clockText(a.at) + "-" + clockText(r.until)}
	if a.scale < 0 {
		span.value = "clock=" + clockText(a.at) + "-" + clockText(r.origin)
	}
	if !r.onvif {
		list := [][]field{append([]field{span}, speed...)}
		if speed != nil {
			list = append(list, []field{span})
		}
		return list
	}
	free := []field{span, {"Rate-Control", "no"}}
	if a.scale < 0 {
		free = append(free, field{"Scale", "-1.0"})
	}
	whole := append([]field(nil), free...)
	if a.scale < 0 || a.scale > intraAbove {
		whole = append(whole, field{"Frames", "intra"})
	}
	if a.again {
		whole = append(whole, field{"Immediate", "yes"})
	}
	list := [][]field{whole, free}
	if a.scale > 0 {
		list = append(list, append([]field{span}, speed...), []field{span})
	}
	return list
}

// clockText writes a time of RFC 2326, 3.7; "" for none.
func clockText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	layout := "20060102T150405Z"
	if t.Nanosecond() >= int(time.Millisecond) {
		layout = "20060102T150405.000Z"
	}
	return t.UTC().Format(layout)
}

// parseClock reads the start of a reply's Range.
func parseClock(text string) (time.Time, bool) {
	kind, span, _ := strings.Cut(text, "=")
	if !strings.EqualFold(strings.TrimSpace(kind), "clock") {
		return time.Time{}, false
	}
	first, _, _ := strings.Cut(span, "-")
	t, err := time.Parse("20060102T150405Z", strings.TrimSpace(first)) // takes a fraction too
	return t, err == nil
}

// replayGranted notes what a PLAY brings; called with the lock held.
func (s *session) replayGranted(cseq int, m *message) {
	r := s.replay
	start, ok := parseClock(m.get("Range"))
	if off := start.Sub(r.ask.at).Abs(); !ok || !r.byRange || off > 24*time.Hour {
		start = r.ask.at
	}
	steady := strings.EqualFold(m.get("Rate-Control"), "no") || math.Abs(r.ask.scale) <= 1
	s.replayFrom(start, cseq, steady)
	r.answered()
}

// replayFrom says that every packet from now on belongs to the PLAY at hand; called with the lock held.
func (s *session) replayFrom(start time.Time, cseq int, steady bool) {
	r := s.replay
	if f := s.feed.Load(); f != nil {
		f.restart(start, cseq, steady, r.ask.scale, func() {
			r.scale = r.ask.scale
			r.granted()
		})
	}
}

// move has a session that plays go on elsewhere. It pauses first: GStreamer sends the first packets of a PLAY in front
// of its reply, where they can't be told from those of the PLAY before, and a few of these behind its reply to PAUSE.
func (s *session) move(ctx context.Context, ask playAsk) error {
	ask.again = true
	s.mu.Lock()
	s.replay.ask = ask
	s.mu.Unlock()
	if err := s.request(func() error { return s.exchange(ctx, "PAUSE") }); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.Debug("recorder does not pause", "reason", err)
	} else {
		s.awaitSilence(ctx)
		s.mu.Lock()
		s.replayFrom(ask.at, s.norm.next(), true)
		s.mu.Unlock()
	}
	return s.playVariants(s.replay.variants(), func() error { return s.exchange(ctx, "PLAY") })
}

// awaitSilence waits until a recorder that pauses has sent the last of what was on its way.
func (s *session) awaitSilence(ctx context.Context) {
	const look, calm, most = 10 * time.Millisecond, 3, 30
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	last, same := uint64(0), 0
	for range most {
		if n := s.feed.Load().progress().packets; n != last {
			last, same = n, 0
		} else if same++; same >= calm {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// exchange sends a request of the session's own and waits for the reply.
func (s *session) exchange(ctx context.Context, method string) error {
	answered := make(chan int, 1)
	m := &message{method: method, url: standInBase}
	s.mu.Lock()
	m.set("Session", s.id)
	norm := s.norm
	s.mu.Unlock()
	m.set("User-Agent", s.cfg.UserAgent)
	if err := norm.send(m, func(r *message) { answered <- r.code }); err != nil {
		return err
	}
	select {
	case code := <-answered:
		if code >= 300 {
			return fmt.Errorf("%s refused with %d", method, code)
		}
		return nil
	case <-s.ended:
		return errors.Join(s.endErr, errSessionOver)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errSessionOver = errors.New("rtsp: session is over")
