package ps

import (
	"encoding/binary"

	"gbgate/media"
)

// Stream identifiers and start codes (ISO/IEC 13818-1 table 2-22; the elementary streams' as
// GB/T 28181 Annex C numbers them).
const (
	idEnd          = 0xB9
	idPack         = 0xBA
	idSystemHeader = 0xBB
	idMap          = 0xBC
	idAudio        = 0xC0
	idVideo        = 0xE0
)

// stream_type values of GB/T 28181-2022 Annex C.
const (
	TypeH264 = 0x1B
	TypeH265 = 0x24
	TypeAAC  = 0x0F
	TypePCMA = 0x90
	TypePCMU = 0x91
)

const (
	packHeaderLen = 14
	// The longest header pieces: pack header, system header and map with two streams each; a PES
	// header with both times.
	maxHeaders   = packHeaderLen + 18 + 24
	maxPESHeader = 19
	clockMask    = 1<<33 - 1
)

// streamType returns the stream_type of a codec; 0: it has none.
func streamType(c media.Codec) byte {
	switch c {
	case media.H264:
		return TypeH264
	case media.H265:
		return TypeH265
	case media.AAC:
		return TypeAAC
	case media.PCMA:
		return TypePCMA
	case media.PCMU:
		return TypePCMU
	case media.CodecNone:
	}
	return 0
}

// appendPackHeader appends a pack header of 14 bytes (ISO/IEC 13818-1 2.5.3.3), without stuffing
// and with SCR extension 0. scr is in ticks of 90 kHz and wraps at 33 bits.
func appendPackHeader(b []byte, scr int64, muxRate int) []byte {
	s := uint64(scr) & clockMask
	return append(b, 0, 0, 1, idPack,
		0x40|byte(s>>27)&0x38|0x04|byte(s>>28)&0x03,
		byte(s>>20),
		byte(s>>12)&0xF8|0x04|byte(s>>13)&0x03,
		byte(s>>5),
		byte(s<<3)|0x04,
		0x01,
		byte(muxRate>>14), byte(muxRate>>6), byte(muxRate<<2)|0x03,
		0xF8)
}

// appendSystemHeader appends a system header (ISO/IEC 13818-1 2.5.3.5) for the streams that flow.
// The buffer bounds are those of ZLMediaKit's muxer; no receiver is known to look at them.
func appendSystemHeader(b []byte, rateBound int, video, audio media.Codec) []byte {
	start := len(b)
	var videos, audios byte
	b = append(b, 0, 0, 1, idSystemHeader, 0, 0,
		0x80|byte(rateBound>>15), byte(rateBound>>7), byte(rateBound<<1)|0x01,
		0, 0, 0x7F)
	if video.IsVideo() {
		videos = 1
		b = append(b, idVideo, 0xC0|0x20|400>>8, 400&0xFF) // 400 KiB
	}
	if audio.IsAudio() {
		audios = 1
		b = append(b, idAudio, 0xC0, 32) // 32 × 128 bytes
	}
	b[start+9] = audios<<2 | 0x01             // audio_bound, fixed_flag 0, CSPS_flag 1
	b[start+10] = 0x80 | 0x40 | 0x20 | videos // both lock flags, marker, video_bound
	binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start-6))
	return b
}

// appendMap appends a program stream map (ISO/IEC 13818-1 2.5.4). No stream has descriptors, for
// parsers built on libmpeg stumble over them (Tiandy's are the known case).
// version 0: one that is different for each set of streams, so that it changes when they do.
func appendMap(b []byte, version byte, video, audio media.Codec) []byte {
	if version == 0 {
		version = mapVersion(video, audio)
	}
	start := len(b)
	b = append(b, 0, 0, 1, idMap, 0, 0, 0xE0|version&0x1F, 0xFF, 0, 0, 0, 0)
	if video.IsVideo() {
		b = append(b, streamType(video), idVideo, 0, 0)
	}
	if audio.IsAudio() {
		b = append(b, streamType(audio), idAudio, 0, 0)
	}
	binary.BigEndian.PutUint16(b[start+10:], uint16(len(b)-start-12))
	binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start-2))
	return binary.BigEndian.AppendUint32(b, crc32MPEG(b[start:]))
}

// mapVersion numbers the sets of streams from 1 (H.264 with A-law, the common one) to 31.
func mapVersion(video, audio media.Codec) byte {
	v, a := byte(0), byte(0)
	switch video {
	case media.H265:
		v = 1
	case media.H264:
	default:
		v = 2
	}
	switch audio {
	case media.PCMU:
		a = 1
	case media.AAC:
		a = 2
	case media.PCMA:
	default:
		a = 3
	}
	return 1 + v*4 + a
}

// appendPESHeader appends the header of the first PES packet of a unit (ISO/IEC 13818-1 2.4.3.6):
// aligned, with PTS, and with DTS where it differs. The packet has size bytes of payload.
func appendPESHeader(b []byte, id byte, size int, pts, dts int64) []byte {
	if pts == dts {
		b = append(b, 0, 0, 1, id, byte((size+8)>>8), byte(size+8), 0x84, 0x80, 5)
		return appendClock(b, 0x20, pts)
	}
	b = append(b, 0, 0, 1, id, byte((size+13)>>8), byte(size+13), 0x84, 0xC0, 10)
	b = appendClock(b, 0x30, pts)
	return appendClock(b, 0x10, dts)
}

// appendPESContinuation appends the header of a further PES packet of a unit: no time in it.
func appendPESContinuation(b []byte, id byte, size int) []byte {
	return append(b, 0, 0, 1, id, byte((size+3)>>8), byte(size+3), 0x80, 0, 0)
}

// appendClock appends a PTS or DTS field.
func appendClock(b []byte, prefix byte, t int64) []byte {
	return append(b, prefix|byte(t>>29)&0x0E|1, byte(t>>22), byte(t>>14)|1, byte(t>>7), byte(t<<1)|1)
}

// crc32MPEG returns the CRC-32/MPEG-2 of b (ISO/IEC 13818-1 Annex A). Maps are some 20 bytes and
// come once per key picture, so there is no table.
func crc32MPEG(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
