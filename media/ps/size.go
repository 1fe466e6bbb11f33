package ps

import "gbgate/media"

// Sizes of what the muxer writes around the units, in bytes.
const (
	pesHeaderLen      = 14 // with PTS; DTS takes clockLen more
	clockLen          = 5
	continuationLen   = 9
	systemHeaderLen   = 12 // and 3 for each stream
	mapLen            = 16 // and 4 for each stream
	perStreamLen      = 3 + 4
	announcementBytes = systemHeaderLen + mapLen
)

// Size returns how many bytes of program stream the units of e become under a policy, for a=filesize of a download.
// first is one of its pictures: it tells which streams flow, and whether pictures have a DTS of their own. That is
// exact but for pictures of more than one PES packet, which are counted as if all key pictures were of one size.
func Size(e media.Extent, first *media.Unit, policy AudioPolicy) int64 {
	streams, clock := int64(0), int64(0)
	if first.Desc.HasVideo() {
		streams++
	}
	carried := policy.carried(first.Desc.Audio.Codec) != media.CodecNone
	if carried {
		streams++
	}
	if first.PTS != first.DTS {
		clock = clockLen
	}
	video, audio, keys := int64(e.VideoUnits), int64(e.AudioUnits), int64(e.KeyUnits)
	announced := announcementBytes + streams*perStreamLen
	n := e.VideoBytes + video*(packHeaderLen+pesHeaderLen+clock) + keys*announced
	if rest := e.VideoBytes / maxPayload; video > 0 && rest > 0 {
		n += min(rest, e.VideoBytes/max(keys, 1)/maxPayload*keys) * continuationLen
	}
	if carried {
		n += e.AudioBytes + audio*(packHeaderLen+pesHeaderLen)
		if !first.Desc.HasVideo() {
			n += audio * announced
		}
	}
	return n
}

// Announcement returns a pack that holds no unit, only what announces the streams of d: a sign of life for a
// receiver while a playback pauses. clock is its time in ticks of 90 kHz.
func Announcement(d *media.Description, policy AudioPolicy, clock int64) []byte {
	var video, audio media.Codec
	if d != nil {
		video, audio = d.Video.Codec, policy.carried(d.Audio.Codec)
	}
	b := appendPackHeader(nil, max(clock-product.lead, 0), product.muxRate)
	b = appendSystemHeader(b, product.rateBound, video, audio)
	return appendMap(b, product.mapVersion, video, audio)
}
