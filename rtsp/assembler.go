package rtsp

import (
	"log/slog"
	"math"

	"gbgate/media"
)

// assembler turns the RTP packets of one camera stream into media units. It is used from one goroutine.
//
// Video begins with a key picture that has its parameter sets, and after a loss goes on with the next one.
// Audio in front of the first picture is dropped, since nobody can start there.
type assembler struct {
	// reorder makes video and audio hold back out-of-order packets and drop repeated ones (UDP).
	// Set it before the first packet.
	reorder bool

	stats assemblerStats

	emit func(*media.Unit)
	log  *slog.Logger
	desc *media.Description // of the units from now on; replaced, never changed

	timeline   timeline
	sets       *setStore
	pictures   *video // nil: no video
	videoSeq   sequencer
	videoClock trackClock
	decoding   decodeClock
	spsTrack   media.Track // what decoding was configured for
	spsReorder int

	frames     *audio // nil: no audio
	audioSeq   sequencer
	audioClock trackClock
	audioDTS   int64 // of the last unit
}

// assemblerStats counts what went through an assembler.
type assemblerStats struct {
	Frames      uint64 // pictures emitted
	KeyFrames   uint64 // of these, the ones decoding can start at
	AudioFrames uint64 // audio units emitted
	Lost        uint64 // RTP packets missing, by sequence number
	Dropped     uint64 // pictures thrown away: with a hole, or waiting for a key picture or parameter sets
	Malformed   uint64 // payloads and NAL units that could not be read or are beyond the limits
}

// newAssembler returns an assembler for a stream with video in videoCodec (CodecNone: audio only). emit
// takes over the reference of each unit and is called from within video, audio and close. log may be nil.
func newAssembler(videoCodec media.Codec, sets paramSets, audio audioFormat, emit func(*media.Unit),
	log *slog.Logger,
) *assembler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &assembler{emit: emit, log: log, desc: &media.Description{}, audioDTS: -1, spsReorder: reorderUnknown}
	if videoCodec.IsVideo() {
		a.sets = newSetStore(videoCodec, sets)
		a.pictures = newVideo(a.sets, &a.stats, a.picture)
		a.videoClock = trackClock{timeline: &a.timeline, rate: media.Clock}
		a.decoding.configure(reorderUnknown, 0)
		a.videoSeq.deliver = a.videoPacket
	}
	a.frames = newAudio(audio, &a.stats, a.audioFrame)
	if a.frames != nil {
		a.audioClock = trackClock{timeline: &a.timeline, rate: int64(a.frames.clockRate)}
		a.audioSeq.deliver = a.audioPacket
	}
	return a
}

// video takes the next RTP packet of the video track.
func (a *assembler) video(p *packet) {
	if a.pictures == nil {
		return
	}
	a.videoSeq.reorder = a.reorder
	a.videoSeq.push(p)
}

// audio takes the next RTP packet of the audio track.
func (a *assembler) audio(p *packet) {
	if a.frames == nil {
		return
	}
	a.audioSeq.reorder = a.reorder
	a.audioSeq.push(p)
}

func (a *assembler) videoPacket(p *packet, gap int) {
	a.stats.Lost += uint64(gap)
	a.pictures.packet(p, gap)
}

func (a *assembler) audioPacket(p *packet, gap int) {
	a.stats.Lost += uint64(gap)
	a.frames.packet(p, gap)
}

// picture times a finished access unit and emits it. Dropped ones are timed too, so that the clock goes on.
func (a *assembler) picture(p picture) {
	in := a.videoClock.tick(p.timestamp, p.began)
	u := p.unit
	if u == nil {
		return
	}
	if u.Key {
		a.describeVideo()
		if p.afterGap {
			a.decoding.restart()
		}
	}
	if p.rest {
		u.PTS, u.DTS = a.decoding.rest(in)
	} else {
		u.PTS, u.DTS = a.decoding.next(in)
		a.stats.Frames++
	}
	if u.Key {
		a.stats.KeyFrames++
	}
	u.Desc = a.desc
	a.emit(u)
}

// describeVideo puts what the parameter sets in front of a key picture say into force.
func (a *assembler) describeVideo() {
	track := a.sets.track
	if a.spsTrack != track || a.spsReorder != a.sets.reorder {
		a.spsTrack, a.spsReorder = track, a.sets.reorder
		a.decoding.configure(a.sets.reorder, track.FPS)
	}
	if a.desc.Video == track {
		return
	}
	a.desc = &media.Description{Video: track, Audio: a.desc.Audio}
	a.log.Info("video", "codec", track.Codec, "width", track.Width, "height", track.Height, "fps", track.FPS)
}

// audioFrame emits one audio frame; offset is its place behind the RTP timestamp, in ticks.
func (a *assembler) audioFrame(f audioFrame) {
	in := a.audioClock.tick(f.timestamp, f.arrived) + f.offset
	if a.pictures != nil && !a.desc.HasVideo() {
		return
	}
	if a.desc.Audio != f.track {
		a.desc = &media.Description{Video: a.desc.Video, Audio: f.track}
		a.log.Info("audio", "codec", f.track.Codec, "rate", f.track.SampleRate, "channels", f.track.Channels)
	}
	u := media.NewUnit(len(f.header) + len(f.data))
	u.Append(f.header...)
	u.Append(f.data...)
	u.Codec, u.Desc, u.Arrived = f.track.Codec, a.desc, f.arrived
	u.DTS = max(in, a.audioDTS+1)
	u.PTS = u.DTS
	a.audioDTS = u.DTS
	a.stats.AudioFrames++
	a.emit(u)
}

// discontinuity tells that what comes next does not continue what came before (SSRC change, seek,
// reconnect): a half picture is dropped, and output times go on from where they are.
func (a *assembler) discontinuity() {
	if a.pictures != nil {
		a.videoSeq.reset()
		a.pictures.discontinuity()
		a.videoClock.discontinuity()
	}
	if a.frames != nil {
		a.audioSeq.reset()
		a.frames.lost()
		a.audioClock.discontinuity()
	}
}

// seek tells that what comes next stands elsewhere in a recording: times may step back, and audio may be gone.
func (a *assembler) seek() {
	a.discontinuity()
	a.decoding.seek()
	a.audioDTS = math.MinInt64
	a.desc = &media.Description{Video: a.desc.Video}
}

// close emits the last picture, if it is whole, and gives back what is held.
func (a *assembler) close() {
	if a.pictures != nil {
		a.videoSeq.flush()
		a.pictures.close()
	}
	if a.frames != nil {
		a.audioSeq.flush()
		a.frames.flush()
	}
}
