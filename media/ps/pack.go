// Package ps muxes access units into MPEG program stream packs as GB/T 28181 wants them, and
// takes program streams apart again.
package ps

import "gbgate/media"

// AudioPolicy says which audio a superior gets. It is also the slot of media.Unit.Derive.
type AudioPolicy uint8

// The audio policies of config.toml's superior.audio.
const (
	AudioAuto AudioPolicy = iota // G.711 A-law, µ-law and AAC pass
	AudioPCMA                    // A-law passes, µ-law is converted to it, AAC is left out
	AudioOff                     // no audio
)

// Of returns the pack of a unit under a policy, muxed once per unit; nil if the policy leaves the unit out.
// The pack lives as long as the caller holds its reference to u.
func Of(u *media.Unit, policy AudioPolicy) *Pack { return nil }

// Pack is one unit as a program stream pack.
type Pack struct {
	bufs [][]byte
	n    int
	dts  int64
}

// Bufs returns the bytes of the pack in order: small header pieces and slices of the unit's data.
func (p *Pack) Bufs() [][]byte { return p.bufs }

// Len returns the number of bytes in the pack.
func (p *Pack) Len() int { return p.n }

// DTS returns the decoding time of the unit in ticks of 90 kHz.
func (p *Pack) DTS() int64 { return p.dts }

// Recycle implements media.Derived.
func (p *Pack) Recycle() {}
