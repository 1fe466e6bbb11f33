package rtsp

import (
	"log/slog"
	"sync"
	"time"

	"github.com/pion/rtp"

	"gbgate/media"
)

// feed is the way of a session's packets: rtpInput, assembler, sink. The lock is for UDP, where video
// and audio come from two goroutines, and for the end; over TCP it is never contended.
type feed struct {
	videoChannel byte // interleaved, TCP only
	audioChannel byte
	audioRate    int // of its RTP timestamps, in Hz

	mu        sync.Mutex
	closed    bool
	assembler *assembler
	video     *rtpInput
	audio     *rtpInput // nil: no audio
	pictures  uint64
	lastFrame time.Time // when the last picture was handed on; at first, when the feed was opened
	sink      func(*media.Unit)
	recorded  *replayClock // nil: live
}

func newFeed(o *offer, reorder bool, sink func(*media.Unit), log *slog.Logger) *feed {
	f := &feed{sink: sink, lastFrame: time.Now()}
	f.assembler = newAssembler(o.video.Codec, o.video.sets(), o.audio.audio(), f.emit, log)
	f.assembler.reorder = reorder
	f.video = newRTPInput(o.video, f.assembler.video, f.assembler.discontinuity)
	if o.audio != nil {
		f.audio = newRTPInput(o.audio, f.assembler.audio, f.assembler.discontinuity)
		f.audioRate = o.audio.Clock
	}
	return f
}

// record makes it a recording's: from origin on, packets come when they were recorded, so to say.
func (f *feed) record(origin time.Time, r *replayClock) {
	f.recorded = r
	f.assembler.timeline = timeline{origin: origin, recorded: true}
	f.assembler.seek()
}

// restart says that what comes from now on belongs to another PLAY.
func (f *feed) restart(start time.Time, cseq int, steady bool, scale float64, began func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.recorded.begun(cseq) {
		f.recorded.steady = steady
		return
	}
	f.assembler.seek()
	f.recorded.restart(start, cseq, steady, scale != 1, scale < 0)
	began()
}

// replayed is interleaved for a recording.
func (f *feed) replayed(channel byte, b []byte) {
	in, rate := f.video, media.Clock
	switch {
	case channel == f.videoChannel+1 && saysGoodbye(b):
		if f.recorded.used() || f.recorded.plays == 1 { // else it belongs to the PLAY before
			f.assembler.close() // the last picture may have no marker
			f.recorded.ended(saidBye)
		}
		return
	case f.audio != nil && channel == f.audioChannel:
		if f.recorded.mute {
			return
		}
		in, rate = f.audio, f.audioRate
	case channel != f.videoChannel:
		return
	}
	if at, ok := f.recorded.stamp(in, rate, b); ok {
		if in == f.video && f.recorded.remains(at) {
			f.assembler.seek()
			f.recorded.settling = 0
			f.recorded.anew()
		}
		in.write(b, at)
		if f.recorded.last && in == f.video && b[1]&0x80 != 0 {
			f.recorded.ended(through)
		}
	}
}

// emit runs within the lock.
func (f *feed) emit(u *media.Unit) {
	if u.Codec.IsVideo() {
		f.pictures++
		f.lastFrame = time.Now()
	}
	f.sink(u)
}

// interleaved takes what came on a channel in use.
func (f *feed) interleaved(channel byte, b []byte, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
	case f.recorded != nil:
		f.replayed(channel, b)
	case f.audio != nil && channel == f.audioChannel &&
		(channel != f.videoChannel || len(b) > 1 && b[1]&0x7f == f.audio.current):
		f.audio.write(b, at)
	case channel == f.videoChannel:
		f.video.write(b, at)
	}
	// The odd channels carry RTCP. Nothing in it is needed: time lines are made from RTP timestamps and
	// arrival, and many cameras send none or nonsense.
}

// datagram takes a packet that gortsplib received over UDP.
func (f *feed) datagram(in *rtpInput, p *rtp.Packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	in.take(p.PayloadType, p.SSRC, packet{
		Payload: p.Payload, Marker: p.Marker, Seq: p.SequenceNumber, Timestamp: p.Timestamp, Arrived: time.Now(),
	})
}

// progress is what the watchdogs look at.
type progress struct {
	packets   uint64
	pictures  uint64
	lastFrame time.Time
}

func (f *feed) progress() progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := progress{packets: f.video.packets, pictures: f.pictures, lastFrame: f.lastFrame}
	if f.audio != nil {
		p.packets += f.audio.packets
	}
	return p
}

// close hands on the last picture; nothing reaches the sink after it.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.assembler.close()
	}
}
