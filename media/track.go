package media

// Clock is the number of Unit ticks per second.
const Clock = 90000

// Track describes one elementary stream of a camera.
type Track struct {
	Codec      Codec
	SampleRate int     // audio only, in Hz
	Channels   int     // audio only
	Width      int     // video only, in luma samples; 0 until a parameter set was seen
	Height     int     // video only
	FPS        float64 // video only, from the parameter sets or measured; 0 = unknown
}

// Description tells which tracks flow in a stream at a moment. It is immutable: when a track
// appears or changes, the Units from then on carry another Description.
//
// A track is in it only once a unit of it was seen, because a receiver waits for an announced
// track (ZLMediaKit holds the picture back until the promised audio comes).
type Description struct {
	Video Track // Codec == CodecNone: no video
	Audio Track // Codec == CodecNone: no audio
}

// HasVideo tells whether a video track flows.
func (d *Description) HasVideo() bool { return d != nil && d.Video.Codec.IsVideo() }

// HasAudio tells whether an audio track flows.
func (d *Description) HasAudio() bool { return d != nil && d.Audio.Codec.IsAudio() }
