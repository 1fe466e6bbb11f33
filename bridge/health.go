package bridge

import (
	"context"
	"errors"
	"fmt"
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
	KeyLost  time.Duration // live without a key picture for so long: VLOST; default 22 s (10 s + a GOP of 12)
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
	return p
}

// health watches one feed: by its pictures while it is pulled, by Source.Check while it is not.
// Bad news is believed when two looks in a row agree on it, good news at once.
type health struct {
	feed    *Feed
	probing Probing
	slots   chan struct{} // bounds the checks that run at once, over all cameras

	mu    sync.Mutex
	now   Health
	doubt Condition // what the last look said
}

func newHealth(feed *Feed, probing Probing, slots chan struct{}) *health {
	return &health{feed: feed, probing: probing.withDefaults(), slots: slots, now: Health{Since: time.Now()}}
}

// run looks again and again until ctx ends.
func (h *health) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		condition, reason, err := h.look(ctx)
		if err != nil {
			return err
		}
		timer.Reset(h.note(condition, reason))
	}
}

// look gathers evidence once.
func (h *health) look(ctx context.Context) (Condition, string, error) {
	st := h.feed.Status()
	switch st.State {
	case Live, Lingering:
		if silent := time.Since(st.LastKey); st.Description.HasVideo() && silent > h.probing.KeyLost {
			return VLOST, fmt.Sprintf("RTSP up, no key frame for %d s", int(silent.Seconds())), nil
		}
		return ON, "", nil
	case Dialing:
		return h.Now().Condition, h.Now().Reason, nil
	case Backoff:
		condition, reason := conditionOf(st.Err)
		return condition, reason, nil
	case Idle:
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return 0, "", context.Cause(ctx)
	}
	err := h.feed.Source.Check(ctx)
	if ctx.Err() != nil {
		return 0, "", context.Cause(ctx)
	}
	condition, reason := conditionOf(err)
	return condition, reason, nil
}

func conditionOf(err error) (Condition, string) {
	var kind Kinder
	switch {
	case err == nil:
		return ON, ""
	case errors.As(err, &kind) && kind.Unsupported():
		return DEFECT, err.Error()
	}
	return OFF, err.Error()
}

// note takes a look's result in and returns when to look again: good news is believed at once,
// bad news when a second look says the same.
func (h *health) note(condition Condition, reason string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	confirmed := condition == h.doubt || condition == ON
	h.doubt = condition
	h.now.Checked = time.Now()
	if condition == h.now.Condition || confirmed {
		if condition != h.now.Condition {
			h.now.Since = h.now.Checked
		}
		h.now.Condition, h.now.Reason = condition, reason
		if h.feed.State() == Idle {
			return h.probing.Interval
		}
	}
	return h.probing.Confirm
}

// Now returns the channel's health.
func (h *health) Now() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}
