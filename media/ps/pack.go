// Package ps muxes access units into MPEG program stream packs as GB/T 28181 Annex C wants them,
// and takes program streams apart again.
package ps

import (
	"sync"

	"gbgate/media"
)

// Pack is one unit as one program stream pack: pack header, for key pictures system header and
// program stream map, and the PES packets. It refers to the unit's data instead of copying it.
type Pack struct {
	bufs  [][]byte
	n     int
	pts   int64
	dts   int64
	clock int64

	// header holds all header pieces one after the other; alaw the samples, if converted.
	header []byte
	alaw   []byte
	// The first homes of header and bufs: enough for any pack of up to three PES packets.
	headerArray [128]byte
	bufsArray   [6][]byte
}

//nolint:gochecknoglobals // a sync.Pool is shared by design
var packPool = sync.Pool{New: func() any {
	p := new(Pack)
	p.header, p.bufs = p.headerArray[:0], p.bufsArray[:0]
	return p
}}

// Bufs returns the bytes of the pack in order: header pieces and slices of the unit's data,
// alternating. The caller must not change them.
func (p *Pack) Bufs() [][]byte { return p.bufs }

// Len returns the number of bytes in the pack.
func (p *Pack) Len() int { return p.n }

// PTS returns the presentation time of the unit in ticks of 90 kHz, not cut to 33 bits.
func (p *Pack) PTS() int64 { return p.pts }

// DTS returns the decoding time of the unit in ticks of 90 kHz, not cut to 33 bits.
func (p *Pack) DTS() int64 { return p.dts }

// Clock returns the pack's place on the stream's clock in ticks of 90 kHz, not cut to 32 bits: the
// time of its RTP packets. It rises from pack to pack.
func (p *Pack) Clock() int64 { return p.clock }

// Recycle implements media.Derived.
func (p *Pack) Recycle() {
	clear(p.bufs)
	p.bufs = p.bufs[:0]
	packPool.Put(p)
}

// layout holds what a muxer writes into headers beyond the unit itself.
type layout struct {
	muxRate    int   // program_mux_rate, in units of 50 byte/s, 1..0x3FFFFF
	rateBound  int   // rate_bound of the system header, same unit
	mapVersion byte  // program_stream_map_version 1..31; 0 = follows the listed streams
	lead       int64 // how long before its time on the stream's clock a pack is due to arrive, in ticks
}

// product is the layout on the wire. The rates are constants, so that a pack is a pure function of
// its unit: 50 MB/s lets a picture of 10 MB arrive within the lead, more than a camera makes.
// The lead is between ZLMediaKit's 40 ms and FFmpeg's 500 ms: as cameras' audio and video are
// aligned by their arrival only, one of them may be some 100 ms late in the order of packs, and its
// packs must not claim to arrive after they are due.
//
//nolint:gochecknoglobals // a constant in all but name
var product = layout{muxRate: 1_000_000, rateBound: 1_000_000, lead: 18000}

// maxPayload is how many elementary stream bytes go into one PES packet. 65527 would fit, but
// Hikvision's parsers keep the last 0x7F bytes of the length for themselves.
const maxPayload = 65400

// hasMap tells whether the unit's pack announces the streams: key pictures do, units from which
// on the streams are others (audio that starts late), and all audio of streams without video.
func hasMap(u *media.Unit) bool {
	return u.Key || u.Announce || !u.Desc.HasVideo()
}

// mux makes the pack of a unit that the policy lets through.
func mux(u *media.Unit, policy AudioPolicy, l layout) *Pack {
	p := packPool.Get().(*Pack)
	p.pts, p.dts = max(u.PTS, 0), max(u.DTS, 0)
	p.clock = u.Clock // may be before the DTS of audio that is ahead of its pictures
	if u.Clock == 0 {
		p.clock = p.dts // the unit went through no stream
	}
	data, id := u.Data, byte(idVideo)
	if u.Codec.IsAudio() {
		id = idAudio
		if policy.carried(u.Codec) != u.Codec {
			p.alaw = appendALaw(p.alaw[:0], u.Data)
			data = p.alaw
		}
	}

	// The pieces must not move once they are in bufs, so there is room for all of them first.
	packets := (len(data) + maxPayload - 1) / maxPayload
	if room := maxHeaders + packets*maxPESHeader; cap(p.header) < room {
		p.header = make([]byte, 0, room)
	}
	h := appendPackHeader(p.header[:0], max(p.clock-l.lead, 0), l.muxRate)
	if hasMap(u) {
		video, audio := announced(u, policy)
		h = appendSystemHeader(h, l.rateBound, video, audio)
		h = appendMap(h, l.mapVersion, video, audio)
	}
	p.n = len(data)
	for start, first := 0, true; len(data) > 0; first = false {
		part := data[:min(len(data), maxPayload)]
		data = data[len(part):]
		if first {
			h = appendPESHeader(h, id, len(part), p.pts, p.dts)
		} else {
			h = appendPESContinuation(h, id, len(part))
		}
		p.bufs = append(p.bufs, h[start:len(h):len(h)], part)
		start = len(h)
	}
	p.header = h
	p.n += len(h)
	return p
}

// announced returns the codecs that the program stream map of u's pack lists. They are those that
// really flow: ZLMediaKit holds the picture back until a promised audio track comes.
func announced(u *media.Unit, policy AudioPolicy) (video, audio media.Codec) {
	if u.Desc != nil {
		video, audio = u.Desc.Video.Codec, u.Desc.Audio.Codec
	}
	if u.Codec.IsVideo() {
		video = u.Codec
	} else {
		audio = u.Codec
	}
	return video, policy.carried(audio)
}
