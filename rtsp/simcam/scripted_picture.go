package simcam

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

// PictureQuirks are the ways in which cameras put pictures and their times into RTP. What Shown says is to arrive all
// the same, from a key picture on.
func PictureQuirks() []RTSPQuirk {
	return slices.Concat(markerQuirks(), unitQuirks(), setQuirks(), orderQuirks(), timestampQuirks())
}

// payloads makes a quirk's script of a way to put pictures into payloads.
func payloads(put func(picture int, nals [][]byte) []ScriptedPayload) func(*Scripted) {
	return func(cam *Scripted) { cam.Payloads = put }
}

// marked puts each NAL unit into a payload of its own, and the marker where it is said.
func marked(when func(nal []byte, last bool) bool) func(*Scripted) {
	return payloads(func(_ int, nals [][]byte) []ScriptedPayload {
		all := singly(nals)
		for i, p := range all {
			all[i].Marker = when(p.Data, p.Marker)
		}
		return all
	})
}

// sliced is a picture of several slices.
func sliced(picture int) [][]byte {
	nals := ScriptedPicture(picture)
	for range 29 {
		slice := bytes.Clone(nals[len(nals)-1])
		slice[1] = 0x40 // first_mb_in_slice is not 0
		nals = append(nals, slice)
	}
	return nals
}

func markerQuirks() []RTSPQuirk {
	return []RTSPQuirk{
		{"no marker", "many (go2rtc#675)", marked(func([]byte, bool) bool { return false })},
		{"marker on parameter sets", "Tapo TC70, Reolink Duo 2", marked(func([]byte, bool) bool { return true })},
		{"many slices", "LIVE555's files", func(cam *Scripted) { cam.Picture = sliced }},
		{"marker on every slice", "encoders with many slices", func(cam *Scripted) {
			cam.Picture = sliced
			marked(func(nal []byte, _ bool) bool { return nal[0]&0x1f <= 5 })(cam)
		}},
	}
}

func unitQuirks() []RTSPQuirk {
	joined := func(code string) func(*Scripted) {
		return payloads(func(_ int, nals [][]byte) []ScriptedPayload {
			return []ScriptedPayload{{bytes.Join(nals, []byte(code)), true}}
		})
	}
	before := func(more ...[]byte) func(*Scripted) { // each NAL unit
		return payloads(func(_ int, nals [][]byte) []ScriptedPayload {
			return singly(slices.Concat(more, nals))
		})
	}
	return []RTSPQuirk{
		{"units joined by start codes", "Xiongmai (WebRTC#391)", joined("\x00\x00\x00\x01")},
		{"units joined by short start codes", "Amatek", joined("\x00\x00\x01")},
		{"start code in front of units", "Xiongmai", payloads(func(_ int, nals [][]byte) []ScriptedPayload {
			all := singly(nals)
			for i, p := range all {
				all[i].Data = append([]byte{0, 0, 0, 1}, p.Data...)
			}
			return all
		})},
		{"fragments with both S and E", "OpenIPC", fragmented(1000, 0xc0, 0x40)},
		{"fragments without E", "Uniview", fragmented(50, 0x80, 0)},
		{"delimiters and filler", "Amcrest", before([]byte{9, 0xf0}, []byte{12, 0xff, 0x80})},
		{"layers above the base", "Hikvision's SVC", before([]byte{0x6e, 0x80, 1, 2}, []byte{0x74, 0x80, 1, 2})},
	}
}

// fragmented cuts NAL units into FU-A (RFC 6184 5.8) with these flags on the first and the last piece.
func fragmented(size int, first, last byte) func(*Scripted) {
	return payloads(func(_ int, nals [][]byte) []ScriptedPayload {
		var all []ScriptedPayload
		for _, nal := range nals {
			pieces := slices.Collect(slices.Chunk(nal[1:], size))
			for i, piece := range pieces {
				head := nal[0] & 0x1f
				if i == 0 {
					head |= first
				}
				if i == len(pieces)-1 {
					head |= last
				}
				all = append(all, ScriptedPayload{Data: append([]byte{nal[0]&0xe0 | 28, head}, piece...)})
			}
		}
		return all // and no marker, as Uniview's would end a picture all the same
	})
}

// Parameter sets of other streams: of 320 by 240 with B-frames, and the same size interlaced.
const (
	otherSPS, otherPPS           = "Z2QADazZQUH7ARAAAAMAEAAAAwMg8UKZYA==", "aO+Pyw=="
	interlacedSPS, interlacedPPS = "Z/QAFZGdAoIficBEAAADAAQAAAMAyHxQqoA=", "aP4PGSGQ"
)

// withSets is a picture with other parameter sets.
func withSets(picture int, sps, pps string) [][]byte {
	nals := ScriptedPicture(picture)
	if len(nals) == 3 {
		nals[0], _ = base64.StdEncoding.DecodeString(sps)
		nals[1], _ = base64.StdEncoding.DecodeString(pps)
	}
	return nals
}

func setQuirks() []RTSPQuirk {
	sent := func(when func(picture int) bool) func(int, [][]byte) []ScriptedPayload {
		return func(picture int, nals [][]byte) []ScriptedPayload {
			if len(nals) == 3 && !when(picture) {
				nals = nals[2:]
			}
			return singly(nals)
		}
	}
	return []RTSPQuirk{
		{"parameter sets in the description alone", "several", func(cam *Scripted) {
			cam.Answer = AnswerTo("DESCRIBE", func(r *ScriptedRequest) string {
				return ReplySDP(r, strings.Replace(ScriptedSDP, "a=control:trackID=1",
					"a=fmtp:96 sprop-parameter-sets="+ScriptedSPS+","+ScriptedPPS+"\r\na=control:trackID=1", 1))
			})
			cam.Payloads = sent(func(int) bool { return false })
		}},
		{"parameter sets once", "several", payloads(sent(func(picture int) bool { return picture == 0 }))},
		{"another size later", "day and night, users", func(cam *Scripted) {
			cam.Picture = func(picture int) [][]byte {
				if picture < 10 {
					return ScriptedPicture(picture)
				}
				return withSets(picture, otherSPS, otherPPS)
			}
		}},
		{"two fields", "old NVRs", func(cam *Scripted) {
			cam.Picture = func(picture int) [][]byte {
				nals := withSets(picture, interlacedSPS, interlacedPPS)
				return append(nals, append([]byte{0x41}, nals[len(nals)-1][1:]...))
			}
		}},
		{"no IDR", "gradual refresh", func(cam *Scripted) {
			cam.Picture = func(picture int) [][]byte {
				nals := ScriptedPicture(picture)
				if len(nals) == 3 { // a recovery point in front of an ordinary picture
					nals[2][0], nals[2][1] = 0x41, 0x9a
					nals = slices.Insert(nals, 2, []byte{6, 6, 1, 0x84, 0x80})
				}
				return nals
			}
			cam.Pace = ScriptedDuration
		}},
	}
}

func orderQuirks() []RTSPQuirk {
	shown := [10]uint32{0, 4, 2, 1, 3, 8, 6, 5, 7, 9} // of a group, in decoding order
	return []RTSPQuirk{
		{"B-frames", "NVRs", func(cam *Scripted) {
			cam.Picture = func(picture int) [][]byte { return withSets(picture, otherSPS, otherPPS) }
			cam.Timestamp = func(picture int) uint32 { return 3600 * (uint32(picture/10*10) + shown[picture%10]) }
		}},
		{"packets of a picture lost", "overloaded ones", func(cam *Scripted) {
			fragmented(50, 0x80, 0x40)(cam)
			cam.Tweak = func(picture int, b []byte) []byte {
				if picture == 5 && b[13]&0xc0 == 0 { // neither its first nor its last
					return nil
				}
				return b
			}
		}},
	}
}

func timestampQuirks() []RTSPQuirk {
	times := func(of func(picture int) uint32) func(*Scripted) {
		return func(cam *Scripted) { cam.Timestamp = of }
	}
	return []RTSPQuirk{
		{"timestamps stand still", "Xiongmai, Escam", times(func(int) uint32 { return 4711 })},
		{"timestamps count pictures", "Xiongmai, Escam", times(func(picture int) uint32 { return uint32(picture) })},
		{"timestamps in milliseconds", "Xiongmai, Escam", times(func(picture int) uint32 { return uint32(picture) * 40 })},
		{"timestamps set on", "Tapo", times(func(picture int) uint32 {
			return uint32(picture)*3600 + uint32(min(picture/5, 1))<<30
		})},
		{"timestamps set back", "Intelbras", times(func(picture int) uint32 {
			return uint32(picture)*3600 + uint32(1-min(picture/5, 1))<<30
		})},
	}
}
