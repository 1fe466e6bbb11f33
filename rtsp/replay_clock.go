package rtsp

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

const (
	// clockSlack is how far a packet's recorded time may be off what its RTP timestamp says before it is believed:
	// recorders note the time of arrival, which jitters.
	clockSlack = 200 * time.Millisecond

	settlePackets = 1000 // behind a jump

	replayProfile = 0xabac // of the header extension (ONVIF Streaming Specification 6.3)
	ntpEpoch      = 2208988800
)

// replayStamp is the header extension of a replayed packet.
type replayStamp struct {
	at       time.Time // when it was recorded
	terminal bool      // nothing is recorded behind it (T)
	cseq     byte      // low byte of the CSeq of the PLAY that it belongs to
}

// readStamp finds the extension in an RTP packet.
func readStamp(b []byte) (s replayStamp, ok bool) {
	if len(b) < 12 || b[0]&0x10 == 0 {
		return s, false
	}
	head := 12 + 4*int(b[0]&0x0f)
	if len(b) < head+16 || binary.BigEndian.Uint16(b[head:]) != replayProfile || binary.BigEndian.Uint16(b[head+2:]) < 3 {
		return s, false
	}
	body := b[head+4:]
	seconds, fraction := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
	if seconds != 0 {
		since := int64(seconds) - ntpEpoch
		if seconds < 1<<31 {
			since += 1 << 32 // the next era, from 2036 on
		}
		s.at = time.Unix(since, int64(fraction)*int64(time.Second)>>32).UTC()
	}
	s.terminal, s.cseq = body[8]&0x10 != 0, body[9]
	return s, true
}

// recordClock tells when the packets of one track were recorded.
type recordClock struct {
	rate    int64
	started bool
	ts      uint32    // of the packet before
	at      time.Time // when that was recorded
}

// next returns the recorded time of a packet: what its extension says (stamped; zero: nothing) or the start of the
// PLAY and the advance of the RTP timestamps since. steady tells that these count the recording's own time.
func (c *recordClock) next(ts uint32, stamped, start, until time.Time, steady bool) time.Time {
	delta := time.Duration(int32(ts-c.ts)) * time.Second / time.Duration(c.rate)
	guess := c.at.Add(delta)
	switch {
	case !c.started && stamped.IsZero():
		c.at = start
	case !c.started || !stamped.IsZero() && (!steady || stamped.Sub(guess).Abs() > clockSlack):
		c.at = stamped
	case stamped.IsZero() && (delta < -jumpBackward*time.Second || !until.IsZero() && guess.After(until.Add(time.Minute))):
		c.at = c.at.Add(time.Second / 25) // another count, as after a gap
	default:
		c.at = guess
	}
	c.started, c.ts = true, ts
	return c.at
}

// replayClock is what a feed knows of a recording's time. Its methods are called on the reading goroutine.
type replayClock struct {
	until   time.Time    // the end that was asked for; zero: none
	ended   func(ending) // the server says that nothing more comes
	anew    func()       // what was handed on since restart was of the PLAY before
	stamped *atomic.Bool // set when a packet says when it was recorded

	start    time.Time // of the running PLAY
	steady   bool
	mute     bool // audio is thrown away
	clocks   map[*rtpInput]*recordClock
	asked    byte // low byte of the running PLAY's CSeq
	seen     byte // in the last extension
	stale    int  // that of the PLAY before, where the server tells them apart; -1: it does not
	dropping bool
	last     bool // the picture at hand is the last of all

	backwards bool
	settling  int       // packets for which remains of the PLAY before are looked for
	before    time.Time // when the video packet before was recorded
	plays     int       // so far
}

func newReplayClock(r *replaying) *replayClock {
	return &replayClock{until: r.until, ended: r.ended, anew: r.anew, stamped: &r.stamped, stale: -1}
}

// restart says that what comes from now on belongs to another PLAY, backwards or not.
func (r *replayClock) restart(start time.Time, cseq int, steady, mute, backwards bool) {
	if r.clocks != nil && r.seen == r.asked && r.asked != byte(cseq) {
		r.stale = int(r.seen)
	}
	r.start, r.steady, r.mute, r.asked = start, steady, mute, byte(cseq)
	r.clocks, r.dropping, r.last = make(map[*rtpInput]*recordClock), false, false
	r.backwards, r.settling, r.before = backwards, settlePackets, time.Time{}
	r.plays++
}

// remains tells whether what came since restart still belonged to the PLAY before: the recording never steps against
// its own direction. (GStreamer sends some of it behind its reply to PAUSE.)
func (r *replayClock) remains(at time.Time) bool {
	if r.settling == 0 {
		return false
	}
	step := at.Sub(r.before)
	if r.backwards {
		step = -step
	}
	found := !r.before.IsZero() && step < -time.Second
	r.settling--
	r.before = at
	return found
}

// elsewhere tells whether a packet can't belong to the running PLAY, since that begins no further from where it was
// asked to than a group of pictures is long.
func (r *replayClock) elsewhere(at time.Time) bool {
	if r.settling == 0 || at.IsZero() {
		return false
	}
	off := at.Sub(r.start)
	return !r.backwards && off < -30*time.Second || r.backwards && off > 2*time.Second
}

// begun tells whether packets of that PLAY have come already, in front of its reply.
func (r *replayClock) begun(cseq int) bool { return r.asked == byte(cseq) && r.used() }

// used tells whether packets of the running PLAY have come.
func (r *replayClock) used() bool { return len(r.clocks) > 0 }

// stamp tells when an RTP packet of a track was recorded, and false where it is not wanted.
func (r *replayClock) stamp(in *rtpInput, rate int, b []byte) (time.Time, bool) {
	if r.clocks == nil || len(b) < 12 {
		return time.Time{}, false
	}
	s, ok := readStamp(b)
	if ok {
		r.seen = s.cseq
		r.stamped.Store(true)
		old := int(s.cseq) == r.stale
		if !old {
			r.stale = -1
		}
		r.dropping = old || r.elsewhere(s.at) // up to the next packet that has a stamp
		r.last = s.terminal && !r.dropping
	}
	if r.dropping {
		return time.Time{}, false
	}
	c := r.clocks[in]
	if c == nil {
		c = &recordClock{rate: int64(max(rate, 1))}
		r.clocks[in] = c
	}
	return c.next(binary.BigEndian.Uint32(b[4:]), s.at, r.start, r.until, r.steady), true
}

// saysGoodbye tells whether a compound RTCP packet holds a BYE (RFC 3550, 6.6).
func saysGoodbye(b []byte) bool {
	for len(b) >= 4 && b[0]>>6 == 2 {
		if b[1] == 203 {
			return true
		}
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
	return false
}
