package ps

import "gbgate/media"

// AudioPolicy says which audio a superior gets.
type AudioPolicy uint8

// The audio policies, one per superior. Superiors of the 2016 edition know A-law only
// (µ-law and AAC came into the table of stream types with GB/T 28181-2022 Annex C).
const (
	AudioAuto AudioPolicy = iota // A-law, µ-law and AAC pass
	AudioPCMA                    // A-law passes, µ-law is converted to it, AAC is left out
	AudioOff                     // no audio
)

// String returns the name the policy has in config.toml.
func (p AudioPolicy) String() string {
	switch p {
	case AudioAuto:
		return "auto"
	case AudioPCMA:
		return "pcma"
	case AudioOff:
		return "off"
	}
	return "unknown"
}

// carried returns as what the policy carries an audio codec; CodecNone: it leaves it out.
func (p AudioPolicy) carried(c media.Codec) media.Codec {
	switch {
	case !c.IsAudio():
		return media.CodecNone
	case p == AudioAuto:
		return c
	case p == AudioPCMA && (c == media.PCMA || c == media.PCMU):
		return media.PCMA
	}
	return media.CodecNone
}

// Of returns the pack of u under a policy, muxed once whatever the number of readers; nil if the
// policy leaves u out or u carries nothing. The pack is valid as long as the caller's reference to u.
func Of(u *media.Unit, policy AudioPolicy) *Pack {
	if len(u.Data) == 0 || !u.Codec.IsVideo() && policy.carried(u.Codec) == media.CodecNone {
		return nil
	}
	// The functions capture nothing, so no call allocates.
	var d media.Derived
	switch slotOf(u, policy) {
	case AudioPCMA:
		d = u.Derive(int(AudioPCMA), func(u *media.Unit) media.Derived { return mux(u, AudioPCMA, product) })
	case AudioOff:
		d = u.Derive(int(AudioOff), func(u *media.Unit) media.Derived { return mux(u, AudioOff, product) })
	default:
		d = u.Derive(int(AudioAuto), func(u *media.Unit) media.Derived { return mux(u, AudioAuto, product) })
	}
	return d.(*Pack)
}

// slotOf returns the policy under which the pack is kept: AudioAuto for all packs that are the same
// under any policy, so that superiors with different policies share them. Only a program stream map
// and converted samples depend on the policy.
func slotOf(u *media.Unit, policy AudioPolicy) AudioPolicy {
	audio := u.Codec
	if u.Codec.IsVideo() {
		if !hasMap(u) || !u.Desc.HasAudio() {
			return AudioAuto
		}
		audio = u.Desc.Audio.Codec
	}
	if policy.carried(audio) == audio {
		return AudioAuto
	}
	return policy
}
