package rtpout

import (
	"context"
	"time"
)

// maxOffered is how many packs wait behind the one in hand: the sound of a key picture's interval.
const maxOffered = 16

// Holder keeps the bytes of a pack alive, as a media.Unit does.
type Holder interface {
	Retain()
	Release()
}

// offered is a pack that was taken.
type offered struct {
	ts     uint32
	spread time.Duration
	bufs   [][]byte
	holder Holder // nil: WritePack's caller
}

// Offer takes a pack over UDP without waiting: it goes out at once as far as it may, else when the Wheel says so.
// h is retained while the pack is needed. It returns false if it did not take the pack; then nothing has changed
// and WritePack may be called with the same one. It must not run at the same time as WritePack.
func (s *Sender) Offer(ts uint32, spread time.Duration, bufs [][]byte, h Holder) bool {
	u, ok := s.link.(*udpLink)
	if !ok || u.wheel == nil || !u.wheel.runs.Load() || !u.ready.Load() || s.over.Load() {
		return false
	}
	u.sending.Lock()
	defer u.sending.Unlock()
	if u.queued == maxOffered || u.out.fd == noSocket {
		return false
	}
	h.Retain()
	p := offered{ts, spread, bufs, h}
	if u.inHand || u.queued > 0 {
		u.queue[(u.first+u.queued)%maxOffered] = p
		u.queued++
	} else if now := time.Now(); u.take(p, now) {
		u.goOn(now)
	}
	return true
}

// resume is the sender's turn of the wheel.
func (u *udpLink) resume() {
	u.sending.Lock()
	defer u.sending.Unlock()
	u.goOn(time.Now())
}

// goOn sends what is due and has the wheel see to the rest.
func (u *udpLink) goOn(now time.Time) {
	if next, err := u.advance(now); err == nil && !next.IsZero() && !u.wheel.add(u, next) {
		u.abandon()
	}
}

// advance sends what is due: the rest of the pack in hand, then those behind it. It returns when to go on; the
// zero time: there is no more. u.sending is held.
func (u *udpLink) advance(now time.Time) (time.Time, error) {
	for u.inHand || u.begin(now) {
		next, err := u.burst(now)
		switch {
		case err != nil:
			u.abandon()
			return time.Time{}, err
		case !next.IsZero():
			return next, nil
		case u.chunk == 0 && u.s.z.left == 0:
			u.finish()
		}
		now = u.s.pacer.last
	}
	if u.drained != nil {
		close(u.drained)
		u.drained = nil
	}
	return time.Time{}, nil
}

// begin takes the next pack in hand; false: there is none.
func (u *udpLink) begin(now time.Time) bool {
	for u.queued > 0 {
		p := u.queue[u.first]
		u.queue[u.first] = offered{}
		u.first = (u.first + 1) % maxOffered
		u.queued--
		if u.take(p, now) {
			return true
		}
	}
	return false
}

// take takes a pack in hand unless it is empty.
func (u *udpLink) take(p offered, now time.Time) bool {
	u.inHand, u.holder = true, p.holder
	packets := u.s.z.begin(p.ts, p.bufs)
	if packets == 0 {
		u.finish()
		return false
	}
	var count int
	count, u.step = chunks(packets, p.spread)
	u.single = count == 1
	u.size = (packets + count - 1) / count
	u.due = now
	return true
}

// burst sends one burst of the pack in hand, or returns when to try.
func (u *udpLink) burst(now time.Time) (time.Time, error) {
	s := u.s
	if u.chunk == 0 {
		n := min(u.size, s.z.packets())
		if wait := max(u.due.Sub(now), s.pacer.wait(now, n)); wait > 0 {
			return now.Add(wait), nil
		}
		s.pacer.sent(now, n, u.step)
		u.due = u.due.Add(u.step)
		if u.single && u.sendImage(n) {
			return time.Time{}, nil
		}
		s.z.next(n)
		u.chunk, u.sent, u.retries, u.blocked = n, 0, 0, time.Time{}
		u.out.load()
	}
	wait, err := u.push(now)
	if err != nil || wait > 0 {
		return now.Add(wait), err
	}
	return time.Time{}, nil
}

// gone notes that packets have left.
func (u *udpLink) gone(packets, size int) {
	now := time.Now() // the call takes long on a busy machine: the pause begins behind it
	u.s.pacer.last, u.failing = now, time.Time{}
	u.s.count(now, packets, size, 0)
}

// finish lets go of the pack in hand.
func (u *udpLink) finish() {
	u.inHand = false
	if u.holder != nil {
		u.holder.Release()
		u.holder = nil
	}
}

// abandon leaves out what is in hand and what waits. Sequence numbers are used up as if it had been sent.
func (u *udpLink) abandon() {
	s := u.s
	for {
		if u.inHand {
			s.count(time.Time{}, 0, 0, u.chunk-u.sent+s.z.packets())
			s.z.skip()
			u.chunk, u.sent = 0, 0
			u.finish()
		}
		if !u.begin(time.Time{}) {
			break
		}
	}
	if u.drained != nil {
		close(u.drained)
		u.drained = nil
	}
}

// giveUp is abandon for those who don't hold the lock.
func (u *udpLink) giveUp() {
	u.sending.Lock()
	defer u.sending.Unlock()
	u.abandon()
}

// drain waits until all that was offered is sent.
func (u *udpLink) drain(ctx context.Context) error {
	u.sending.Lock()
	if !u.inHand && u.queued == 0 {
		u.sending.Unlock()
		return nil
	}
	if u.drained == nil {
		u.drained = make(chan struct{})
	}
	drained := u.drained
	u.sending.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-u.s.life.Done():
		return u.s.Err()
	}
}

// write is WritePack: it turns by itself.
func (u *udpLink) write(ctx context.Context, ts uint32, spread time.Duration, bufs [][]byte) error {
	if !u.ready.Load() {
		return ErrNotConnected
	}
	if err := u.drain(ctx); err != nil {
		return err
	}
	u.sending.Lock()
	defer u.sending.Unlock()
	now := time.Now()
	if !u.take(offered{ts: ts, spread: spread, bufs: bufs}, now) {
		return nil
	}
	for {
		next, err := u.advance(now)
		if err != nil || next.IsZero() {
			return err
		}
		u.sending.Unlock()
		err = u.s.sleep(ctx, time.Until(next))
		u.sending.Lock()
		if err != nil {
			u.abandon()
			return err
		}
		now = time.Now()
	}
}
