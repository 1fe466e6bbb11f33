package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Condition is what can be said upward of a channel (GB/T 28181-2022 §9.11.2, 目录订阅 events).
type Condition uint8

// The conditions.
const (
	ON     Condition = iota // delivers, or nothing is known against it
	OFF                     // can't be reached, or refuses us
	VLOST                   // reached, but no picture comes
	DEFECT                  // works, but sends nothing that can go upward
)

// String returns the word of the standard.
func (c Condition) String() string {
	return [...]string{"ON", "OFF", "VLOST", "DEFECT"}[c]
}

// Health is a channel's condition with the evidence for it.
type Health struct {
	Condition Condition
	Reason    string    // plain words; "" while ON
	Since     time.Time // of this condition
	Checked   time.Time // when it was last looked at; zero: not yet
}

// Probing says how often a channel that nobody watches is looked at. A zero field means its default.
type Probing struct {
	Interval time.Duration // default 60 s
	Confirm  time.Duration // between a failed check and the one that confirms it; default 5 s
	KeyLost  time.Duration // without a key picture for so long, and with nothing behind it: VLOST; default 22 s
	Timeout  time.Duration // for one check; default 15 s
}

func (p Probing) withDefaults() Probing {
	if p.Interval == 0 {
		p.Interval = time.Minute
	}
	if p.Confirm == 0 {
		p.Confirm = 5 * time.Second
	}
	if p.KeyLost == 0 {
		p.KeyLost = 22 * time.Second
	}
	if p.Timeout == 0 {
		p.Timeout = 15 * time.Second
	}
	return p
}

// slots bound the checks that run at once, over all cameras. Those that failed the last time
// have few of their own: a dead camera takes long to find out, and shall not hold up the living.
type slots struct{ well, ill chan struct{} }

func newSlots() *slots {
	return &slots{well: make(chan struct{}, 16), ill: make(chan struct{}, 4)}
}

// health watches one feed: by its pictures while it is pulled, by Source.Check while it is not.
// Good news is believed at once. A failure is believed when it still holds Confirm later; a
// picture that stands still is evidence enough by the time it is called so.
type health struct {
	feed    *Feed
	probing Probing
	slots   *slots
	changed func() // called after each change of the condition; must not block
	strange func() // called whenever the camera answers strangely (Kinder); must not block

	mu      sync.Mutex
	now     Health
	doubt   Condition // what the last look said
	doubted time.Time // since when all looks said so
}

func newHealth(feed *Feed, probing Probing, slots *slots) *health {
	return &health{
		feed: feed, probing: probing.withDefaults(), slots: slots, changed: func() {}, strange: func() {},
		now: Health{Since: time.Now()},
	}
}

// run looks again and again until ctx ends: when time is up, and when the feed goes live or fails.
func (h *health) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen FeedState
	for {
		state, changed := h.feed.watch()
		if !h.telling(state, seen) {
			if state == Dialing {
				seen = Dialing
			}
			select {
			case <-timer.C:
			case <-changed:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		seen = state
		condition, reason, err := h.look(ctx)
		switch {
		case err == nil:
			timer.Reset(h.note(condition, reason))
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default: // it is just being tried
			timer.Reset(h.probing.Confirm)
		}
	}
}

// telling tells whether a state of the feed is news worth a look at once.
func (h *health) telling(state, seen FeedState) bool {
	switch state {
	case Live, Lingering:
		return seen != Live && seen != Lingering || h.Now().Condition == VLOST && !h.feed.wantsKey()
	case Backoff:
		return seen != Backoff
	case Idle, Dialing:
	}
	return false
}

var errNoEvidence = errors.New("no evidence yet")

// look gathers evidence once.
func (h *health) look(ctx context.Context) (Condition, string, error) {
	for {
		st := h.feed.Status()
		switch st.State {
		case Live, Lingering:
			if st.Description.HasVideo() && !time.Now().Before(h.lostAt(st)) {
				h.feed.tellNextKey()
				return VLOST, fmt.Sprintf("RTSP up, no key frame for %d s", int(time.Since(st.LastKey).Seconds())), nil
			}
			if st.Frozen > 0 {
				h.feed.tellNextKey()
				return VLOST, fmt.Sprintf("RTSP up, picture frozen for %d s", int(st.Frozen.Seconds())), nil
			}
			return ON, "", nil
		case Dialing:
			return 0, "", errNoEvidence
		case Backoff:
			condition, reason := h.judge(st.Err)
			return condition, reason, nil
		case Idle:
		}
		err := h.check(ctx)
		if ctx.Err() != nil {
			return 0, "", context.Cause(ctx)
		}
		if h.feed.State() == Idle { // else its pictures are better evidence by now
			condition, reason := h.judge(err)
			return condition, reason, nil
		}
	}
}

// check asks the source when there is a slot for it.
func (h *health) check(ctx context.Context) error {
	slot := h.slots.well
	h.mu.Lock()
	if h.doubt != ON {
		slot = h.slots.ill
	}
	h.mu.Unlock()
	select {
	case slot <- struct{}{}:
		defer func() { <-slot }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.probing.Timeout,
		fmt.Errorf("camera did not tell what it has within %v", h.probing.Timeout))
	defer cancel()
	return h.feed.Source.Check(ctx)
}

// judge tells what follows from what the source has said.
func (h *health) judge(err error) (Condition, string) {
	var kind Kinder
	known := errors.As(err, &kind)
	if known && kind.Strange() {
		h.strange()
	}
	switch {
	case err == nil:
		return ON, ""
	case known && kind.Unsupported():
		return DEFECT, err.Error()
	}
	return OFF, err.Error()
}

// note takes a look's result in and returns when to look again.
func (h *health) note(condition Condition, reason string) time.Duration {
	h.mu.Lock()
	now := time.Now()
	if condition != h.doubt {
		h.doubt, h.doubted = condition, now
	}
	before := h.now.Condition
	confirmed := condition == before || condition == ON || condition == VLOST ||
		now.Sub(h.doubted) >= h.probing.Confirm
	h.now.Checked = now
	if confirmed {
		if condition != before {
			h.now.Since = now
		}
		h.now.Condition, h.now.Reason = condition, reason
	}
	h.mu.Unlock()
	if confirmed && condition != before {
		level, about := slog.LevelWarn, []any{"from", before.String(), "to", condition.String(), "reason", reason}
		if condition == ON {
			level, about = slog.LevelInfo, about[:4]
		}
		h.feed.Log.Log(context.Background(), level, "camera's condition", about...)
		h.changed()
	}
	switch st := h.feed.Status(); {
	case !confirmed:
		return h.probing.Confirm - now.Sub(h.doubted)
	case st.State == Idle:
		return h.probing.Interval
	case (st.State == Live || st.State == Lingering) && condition != VLOST && st.Description.HasVideo():
		return max(0, time.Until(h.lostAt(st)))
	}
	return h.probing.Confirm
}

// lostAt tells when the picture of a live feed counts as lost if nothing more comes: its pictures have stood still, or
// they have gone on without a key picture for longer than the camera's groups may be.
func (h *health) lostAt(st FeedStatus) time.Time {
	still, without := st.LastKey.Add(h.probing.KeyLost), st.LastKey.Add(grace+st.Group)
	if flows := st.LastPicture.Add(grace); flows.After(still) {
		still = flows
	}
	if without.Before(still) {
		return without
	}
	return still
}

// Now returns the channel's health.
func (h *health) Now() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}
