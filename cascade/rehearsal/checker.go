package rehearsal

import (
	"errors"
	"slices"
	"time"

	"gbgate/media"
)

// Stream identities and bounds of GB/T 28181 (2022) annex C and of the readers in the field.
const (
	videoID = 0xE0
	audioID = 0xC0
	// maxPESPayload keeps a PES packet below 0xFF80 bytes: libmpeg's limit, as Hikvision's readers have one there.
	maxPESPayload = 65400
	// rateWindow is the media time over which the real rate is compared with program_mux_rate, in ticks: one
	// picture alone may exceed it for its own duration.
	rateWindow = media.Clock
	// maxDrift is by how much RTP timestamps and DTS may move against each other, in ticks.
	maxDrift = media.Clock / 100
)

// streamCodecs are the stream types of annex C that a gateway sends.
func codecOf(streamType byte) media.Codec {
	switch streamType {
	case 0x1B:
		return media.H264
	case 0x24:
		return media.H265
	case 0x90:
		return media.PCMA
	case 0x91:
		return media.PCMU
	case 0x0F:
		return media.AAC
	}
	return media.CodecNone
}

// checker judges a program stream, one frame (all bytes of one RTP timestamp) at a time.
type checker struct {
	expect Expect
	faults *faults
	report *Report

	packs   int
	psm     *programMap
	gap     bool // packets were lost since the last frame
	blind   bool // packets were lost before anything was seen: nobody knows what the first PSM said
	scr     clock
	rate    rateMeter
	offset  uint32 // RTP timestamp minus time stamp, of the first frame
	aligned bool   // offset is set
	video   videoTrack
	audio   audioTrack
	stretch stretch // since the last mark
}

// clock unrolls a 33-bit clock.
type clock struct {
	value int64
	set   bool
}

// at returns the unrolled time of a 33-bit value near the clock's, and does not move the clock.
func (c *clock) at(raw int64) int64 {
	if !c.set {
		return raw
	}
	const wrap = int64(1) << 33
	delta := (raw - c.value) & (wrap - 1)
	if delta >= wrap/2 {
		delta -= wrap
	}
	return c.value + delta
}

func (c *clock) move(to int64) { c.value, c.set = to, true }

// skip says that packets were lost: what compares neighbours starts anew.
func (c *checker) skip() {
	c.gap = true
	c.blind = c.blind || c.packs == 0
}

// pause says that the media were stopped on purpose for a while.
func (c *checker) pause() {
	c.skip()
	c.audio.resumes = true
}

// frame judges one whole frame.
func (c *checker) frame(f *frame) {
	packs, err := parsePacks(f.data)
	if err != nil {
		if errors.Is(err, errTruncated) {
			c.faults.add("cut", "a frame's pack is cut off: it %v", err)
		} else {
			c.faults.add("pack", "a frame's pack %v", err)
		}
	}
	if len(packs) > 1 {
		c.faults.add("ts-same", "%d packs have the same RTP timestamp %d", len(packs), f.timestamp)
	}
	for i := range packs {
		c.pack(&packs[i], f, err == nil)
	}
	c.gap = false
}

// pack judges one pack. whole: its structure was right to the end.
func (c *checker) pack(p *pack, f *frame, whole bool) {
	c.headers(p)
	c.packs++
	if p.psm != nil {
		c.programMap(p.psm)
	}
	video, audio := c.split(p)
	if len(video) > 0 {
		c.stamps(&video[0], &c.video.dts, p, f, "video")
		c.picture(p, video, f, whole)
	}
	if len(audio) > 0 {
		c.stamps(&audio[0], &c.audio.dts, p, f, "audio")
		c.sound(audio)
	}
	if len(video)+len(audio) == 0 && whole {
		c.faults.add("hollow", "a pack holds neither video (E0) nor audio (C0)")
	}
}

// headers judges the pack header and the system header.
func (c *checker) headers(p *pack) {
	scr := c.scr.at(p.scr)
	if c.scr.set && scr < c.scr.value {
		c.faults.add("scr", "the SCR steps back by %d ms", (c.scr.value-scr)/90)
	}
	if p.muxRate == 0 {
		c.faults.add("rate-0", "program_mux_rate is 0")
	}
	if c.gap {
		c.rate.reset()
	}
	c.rate.add(c, scr, p)
	c.scr.move(scr)
	if p.system != nil && p.system.rateBound < p.muxRate {
		c.faults.add("bound", "the system header's rate_bound (%d kbit/s) is below program_mux_rate (%d kbit/s)",
			p.system.rateBound/125, p.muxRate/125)
	}
	if c.packs == 0 && !c.blind && (p.system == nil || p.psm == nil) {
		c.faults.add("start", "the first pack has no system header or no program stream map")
	}
	if p.ended {
		c.faults.add("end", "a program end code stands in the stream")
	}
}

// programMap judges a PSM; the readers' troubles are ZLMediaKit issues 324, 2325, 2805 and 4298.
func (c *checker) programMap(m *programMap) {
	c.psm, c.blind = m, false
	if !m.crcGood {
		c.faults.add("crc", "the CRC of the program stream map is wrong")
	}
	if !m.current {
		c.faults.add("current", "a program stream map says that it is not in force yet")
	}
	descriptors := m.infoLen > 0
	for _, e := range m.streams {
		descriptors = descriptors || e.infoLen > 0
		codec := codecOf(e.streamType)
		switch {
		case codec == media.CodecNone:
			c.faults.add("type", "the program stream map lists the stream type %02X, which superiors do not know",
				e.streamType)
		case codec.IsVideo() != (e.streamID == videoID), codec.IsAudio() != (e.streamID == audioID):
			c.faults.add("id", "the program stream map gives stream type %02X the stream id %02X",
				e.streamType, e.streamID)
		}
	}
	if descriptors {
		c.faults.add("descriptor", "the program stream map holds descriptors, on which libmpeg stumbles")
	}
}

// announced returns what the newest PSM says about a stream.
func (c *checker) announced(id byte) media.Codec {
	if c.psm != nil {
		for _, e := range c.psm.streams {
			if e.streamID == id {
				return codecOf(e.streamType)
			}
		}
	}
	return media.CodecNone
}

// split sorts the pack's PES packets into video and audio and judges their form.
func (c *checker) split(p *pack) (video, audio []pes) {
	for _, q := range p.pes {
		var first bool
		switch q.id {
		case videoID:
			first = len(video) == 0
			video = append(video, q)
		case audioID:
			first = true
			audio = append(audio, q)
		default:
			c.faults.add("other", "a PES packet has the stream id %02X", q.id)
			continue
		}
		if len(q.payload) > maxPESPayload {
			c.faults.add("pes-big", "a PES packet carries %d bytes, more than %d", len(q.payload), maxPESPayload)
		}
		switch {
		case first && q.pts < 0:
			c.faults.add("pts-0", "a frame's first PES packet has no PTS")
		case first && q.id == videoID && !q.aligned:
			c.faults.add("align", "a picture's first PES packet lacks data_alignment_indicator")
		case !first && q.pts >= 0 && q.pts != video[0].pts:
			c.faults.add("pts-2", "the PES packets of one picture have different PTS")
		}
	}
	for _, id := range []byte{videoID, audioID} {
		used := slices.ContainsFunc(p.pes, func(q pes) bool { return q.id == id })
		if used && !c.blind && c.announced(id) == media.CodecNone {
			c.faults.add("unlisted", "stream %02X is sent but not listed in the program stream map", id)
		}
	}
	return video, audio
}

// stamps judges the time stamps of one track's frame and moves the track's clock.
func (c *checker) stamps(q *pes, track *clock, p *pack, f *frame, name string) {
	if q.pts < 0 {
		return
	}
	dts := track.at(q.dts)
	span := clock{value: dts, set: true}
	pts, scr := span.at(q.pts), span.at(p.scr)
	if pts < dts {
		c.faults.add("pts-dts", "a %s frame's PTS is %d ms before its DTS", name, (dts-pts)/90)
	}
	if track.set && dts <= track.value {
		c.faults.add("dts-"+name, "the %s's DTS goes from %d to %d: it does not rise", name, track.value, dts)
	}
	if scr > dts {
		c.faults.add("scr-dts", "a pack's SCR is %d ms after the DTS of its frame", (scr-dts)/90)
	}
	track.move(dts)
	if name == "audio" && !c.expect.VideoOff {
		return // its RTP timestamps may give way to the pictures'
	}
	offset := f.timestamp - uint32(dts)
	if !c.aligned {
		c.offset, c.aligned = offset, true
	}
	if drift := int32(offset - c.offset); drift > maxDrift || drift < -maxDrift {
		c.faults.add("drift", "RTP timestamps and DTS moved against each other by %d ms", drift/90)
		c.offset = offset
	}
}

// close judges what can be told at the end only.
func (c *checker) close() {
	c.rate.check(c)
	if c.report.Pictures == 0 && !c.expect.VideoOff {
		c.faults.add("no-video", "no picture came")
	}
	if c.announced(audioID) != media.CodecNone && c.report.AudioFrames == 0 && c.video.span() > 2*time.Second {
		c.faults.add("no-audio", "the program stream map announces audio, but none came: ZLMediaKit waits for it")
	}
}

// rateMeter compares program_mux_rate with the real rate over windows of media time.
type rateMeter struct {
	set     bool
	from    int64 // SCR of the window's first pack
	newest  int64
	bytes   int64 // of the packs in the window, without the newest
	pending int64 // of the newest pack
	lowest  int64 // program_mux_rate in the window
}

func (m *rateMeter) reset() { m.set = false }

func (m *rateMeter) add(c *checker, scr int64, p *pack) {
	if m.set && scr-m.from >= rateWindow {
		m.bytes += m.pending
		m.newest, m.pending = scr, 0
		m.check(c)
		m.set = false
	}
	if !m.set || scr < m.newest {
		*m = rateMeter{set: true, from: scr, lowest: p.muxRate}
	}
	m.bytes += m.pending
	m.newest, m.pending = scr, int64(p.size)
	m.lowest = min(m.lowest, p.muxRate)
	if kbps := int(p.muxRate / 125); c.report.MuxKbps == 0 || kbps < c.report.MuxKbps {
		c.report.MuxKbps = kbps
	}
}

// check judges a window; one shorter than a quarter of a second says nothing.
func (m *rateMeter) check(c *checker) {
	span := m.newest - m.from
	if !m.set || span < rateWindow/4 {
		return
	}
	if real := m.bytes * media.Clock / span; real > m.lowest {
		c.faults.add("rate", "program_mux_rate says %d kbit/s, but %d kbit/s are sent", m.lowest/125, real/125)
	}
}
