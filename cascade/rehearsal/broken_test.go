package rehearsal

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestBrokenStreams breaks each rule once and wants that rule's sentence, and no other.
func TestBrokenStreams(t *testing.T) {
	const second = 2 * gopSize // index of the second key picture: every picture is followed by an audio frame
	type units = []*unit
	tests := []struct {
		name    string
		breakIt func(units) units            // before the units are written
		damage  func(sent [][]byte) [][]byte // after
		want    []string
	}{
		{"nothing sent", func(units) units { return nil }, nil, []string{"no RTP packet came"}},
		{
			"no RTP", nil, func(s [][]byte) [][]byte { return slices.Insert(s, 5, []byte("\r\n\r\n")) },
			[]string{"a packet of 4 bytes is no RTP packet: too short"},
		},
		{"RTP version", nil, func(s [][]byte) [][]byte {
			return slices.Insert(s, 5, append([]byte{0x40}, s[5][1:]...))
		}, []string{"version is not 2"}},
		{
			"SSRC", nil, eachPacket(func(_ int, b []byte) { b[8]++ }),
			[]string{"the SSRC is 0216777217, but y= said 0200000001"},
		},
		{"second SSRC", nil, func(s [][]byte) [][]byte {
			stray := slices.Clone(s[7])
			stray[8]++
			return slices.Insert(s, 8, stray)
		}, []string{"the SSRC is 0216777217, but y= said 0200000001"}},
		{
			"payload type", nil, eachPacket(func(_ int, b []byte) { b[1] = b[1]&0x80 | 98 }),
			[]string{"the RTP payload type is 98, not 96"},
		},
		{"first sequence number", nil, eachPacket(func(i int, b []byte) {
			binary.BigEndian.PutUint16(b[2:], uint16(65530+i))
		}), []string{"the first RTP sequence number is 65530, not 1"}},
		{
			"two packets lost", nil, func(s [][]byte) [][]byte { return slices.Delete(s, 6, 8) },
			[]string{
				"packets are missing after number 6: the next is 9", "2 of 224 packets are missing",
			},
		},
		{
			"packet twice", nil, func(s [][]byte) [][]byte { return slices.Insert(s, 100, s[100]) },
			[]string{"packet 101 came twice"},
		},
		{"packets swapped", nil, func(s [][]byte) [][]byte {
			s[100], s[101] = s[101], s[100]
			return s
		}, []string{"packets are missing after number 100: the next is 102", "packet 101 came after packet 102"}},
		{"payload too large", nil, func(s [][]byte) [][]byte {
			s[0] = append(s[0], s[1][12:]...)
			return renumber(slices.Delete(s, 1, 2))
		}, []string{"an RTP payload has 2800 bytes, more than 1400"}},
		{"empty packet", nil, func(s [][]byte) [][]byte {
			return renumber(slices.Insert(s, 1, slices.Clone(s[0][:12])))
		}, []string{"an RTP packet has no payload"}},
		{"timestamp inside a frame", nil, func(s [][]byte) [][]byte {
			binary.BigEndian.PutUint32(s[3][4:], epoch+5)
			binary.BigEndian.PutUint32(s[4][4:], epoch+5)
			return s
		}, []string{"the RTP timestamp changes inside a frame, from 90000 to 90005 (2 times)"}},
		{"one timestamp for two frames", func(u units) units {
			u[5].timestamp = u[4].timestamp
			return u
		}, nil, []string{"two frames have the same RTP timestamp 97200"}},
		{"one timestamp, one marker", func(u units) units {
			u[5].timestamp, u[4].noMarker = u[4].timestamp, true
			return u
		}, nil, []string{"2 packs have the same RTP timestamp 97200"}},
		{"timestamp steps back", func(u units) units {
			u[6].timestamp -= tick25
			return u
		}, nil, []string{
			"the RTP timestamp steps back from 98200 to 97200", "moved against each other by -40 ms",
		}},
		{"timestamps off by a few ticks: allowed", func(u units) units {
			for i, u := range u {
				u.timestamp += uint32(i)
			}
			return u
		}, nil, nil},
		{"timestamps run away", func(u units) units {
			for i, u := range u {
				u.timestamp += uint32(i) * 10
			}
			return u
		}, nil, []string{"RTP timestamps and DTS moved against each other by 10 ms"}},
		{"no marker", func(u units) units {
			u[6].noMarker = true
			return u
		}, nil, []string{"the last packet of a frame is sent without the marker"}},
		{"marker inside a frame", nil, func(s [][]byte) [][]byte {
			s[3][1] |= 0x80
			return s
		}, []string{"the marker is set on a packet that does not end its frame"}},
		{"first pack bare", func(u units) units {
			u[0].system, u[0].types = false, nil
			u[1].types, u[1].system = u[second].types, true
			return u
		}, nil, []string{
			"the first pack has no system header or no program stream map",
			"stream E0 is sent but not listed in the program stream map",
			"a key picture's pack has no system header or no program stream map",
		}},
		{"key picture without PSM", func(u units) units {
			u[second].types = nil
			return u
		}, nil, []string{"a key picture's pack has no system header or no program stream map"}},
		{"key picture without system header", func(u units) units {
			u[second].system = false
			return u
		}, nil, []string{"a key picture's pack has no system header or no program stream map"}},
		{"no IDR first", func(u units) units {
			u[2].system, u[2].types = true, u[0].types
			return u[2:]
		}, nil, []string{"the first picture is not an IDR with its parameter sets"}},
		{"IDR without parameter sets first", func(u units) units {
			u[0].es = annexB(noise([]byte{0x65, 0x88}, 5000))
			return u
		}, nil, []string{"the first picture is not an IDR with its parameter sets"}},
		{"PPS after the slice", func(u units) units {
			u[0].es = annexB(sps264, noise([]byte{0x65, 0x88}, 5000), pps264)
			return u
		}, nil, []string{"the first picture is not an IDR with its parameter sets"}},
		{"key picture without parameter sets", func(u units) units {
			u[second].es = annexB(noise([]byte{0x65, 0x88}, 5000))
			return u
		}, nil, []string{"a key picture comes without its parameter sets"}},
		{"picture without slice", func(u units) units {
			u[8].es = annexB(sps264, pps264)
			return u
		}, nil, []string{"a video frame holds no picture slice"}},
		{"three-byte start code", func(u units) units {
			u[8].es = u[8].es[1:]
			return u
		}, nil, []string{"a picture does not begin with the start code 00 00 00 01"}},
		{
			"map says H.265", types(0x24, videoID, 0x90, audioID), nil,
			[]string{"the program stream map says H.265, but the bytes are H.264"},
		},
		{"codec changes", func(u units) units {
			other := liveUnits(50, true, 0x90)
			return slices.Concat(u[:second], other[second:])
		}, nil, []string{"the video changes from H.264 to H.265"}},
		{"PES length too short", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[19] -= 5; return b }
			return u
		}, nil, []string{"a PES or header length is wrong"}},
		{"PES length too long", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[19]++; return b }
			return u
		}, nil, []string{"a frame's pack is cut off: it has a part C0 of length 329 with only 328 bytes left"}},
		{"PES length 0", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[18], b[19] = 0, 0; return b }
			return u
		}, nil, []string{"a frame's pack has a part C0 of length 0"}},
		{"PES too large", func(u units) units {
			u[0].es, u[0].maxPES = picture264(true, 65450), 65500
			return u
		}, nil, []string{"a PES packet carries 65495 bytes, more than 65400"}},
		{"two PTS in one picture", func(u units) units {
			u[10].patch = func(b []byte) []byte {
				other := *u[10]
				other.pts, other.dts = other.pts+90, other.dts+90
				return append(b, other.pesBytes(noise(nil, 100), true)...)
			}
			return u
		}, nil, []string{"the PES packets of one picture have different PTS"}},
		{"PES stamp marker bits", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[23] &^= 1; return b }
			return u
		}, nil, []string{"a PES time stamp with wrong marker bits (stream C0)"}},
		{"PES header", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[20] = 0; return b }
			return u
		}, nil, []string{"a malformed PES header (stream C0)"}},
		{"pack header marker bits", func(u units) units {
			u[9].patch = func(b []byte) []byte { b[4] &^= 4; return b }
			return u
		}, nil, []string{"a pack header with wrong marker bits"}},
		{"no pack header", func(u units) units {
			u[9].patch = func(b []byte) []byte { return b[14:] }
			return u
		}, nil, []string{"a frame's pack does not begin with a pack header"}},
		{"program end code", func(u units) units {
			u[9].patch = func(b []byte) []byte { return append(b, 0, 0, 1, codeEnd) }
			return u
		}, nil, []string{"a program end code stands in the stream"}},
		{"no PTS", func(u units) units {
			u[9].noPTS = true
			return u
		}, nil, []string{"a frame's first PES packet has no PTS"}},
		{"not aligned", func(u units) units {
			u[10].noAlign = true
			return u
		}, nil, []string{"a picture's first PES packet lacks data_alignment_indicator"}},
		{"PTS before DTS", func(u units) units {
			u[10].pts -= tick25
			return u
		}, nil, []string{"a video frame's PTS is 40 ms before its DTS"}},
		{"DTS steps back", func(u units) units {
			u[10].dts, u[10].pts = u[8].dts-90, u[8].dts-90
			u[10].timestamp, u[10].scr = u[9].timestamp+1, u[10].scr-2*tick25
			return u
		}, nil, []string{"the SCR steps back", "the video's DTS goes from 104400 to 104310", "moved against each other"}},
		{"SCR steps back", func(u units) units {
			u[10].scr = u[9].scr - 180
			return u
		}, nil, []string{"the SCR steps back by 2 ms"}},
		{"SCR after DTS", func(u units) units {
			for _, u := range u {
				u.scr += 4500
			}
			return u
		}, nil, []string{"a pack's SCR is 10 ms after the DTS of its frame (100 times)"}},
		{"mux rate 0", func(u units) units {
			u[10].mux = 0
			return u
		}, nil, []string{"program_mux_rate is 0", "program_mux_rate says 0 kbit/s"}},
		{"mux rate of libmpeg at 4 Mbit/s", func(u units) units {
			for _, u := range u {
				u.mux, u.bound = 6106, 26234
				if u.id == videoID {
					u.es = append(u.es, noise(nil, 16000)...)
				}
			}
			return u
		}, nil, []string{"program_mux_rate says 2442 kbit/s, but 4013 kbit/s are sent"}},
		{"rate bound below mux rate", func(u units) units {
			u[0].bound--
			return u
		}, nil, []string{"the system header's rate_bound (39999 kbit/s) is below program_mux_rate (40000 kbit/s)"}},
		{"PSM CRC", func(u units) units {
			u[second].badCRC = true
			return u
		}, nil, []string{"the CRC of the program stream map is wrong"}},
		{"PSM not in force", func(u units) units {
			u[0].notCurrent = true
			return u
		}, nil, []string{"a program stream map says that it is not in force yet"}},
		{"PSM with descriptors", func(u units) units {
			u[0].descriptor = true
			return u
		}, nil, []string{"the program stream map holds descriptors, on which libmpeg stumbles"}},
		{"PSM malformed", func(u units) units {
			u[second].patch = func(b []byte) []byte { b[14+18+11]++; return b }
			return u
		}, nil, []string{"a frame's pack has a malformed program stream map"}},
		{"system header malformed", func(u units) units {
			u[second].patch = func(b []byte) []byte { b[14+6] &= 0x7F; return b }
			return u
		}, nil, []string{"a frame's pack has a malformed system header"}},
		{"audio type nobody knows", types(0x1B, videoID, 0x9B, audioID), nil, []string{
			"the program stream map lists the stream type 9B, which superiors do not know (2 times)",
			"stream C0 is sent but not listed in the program stream map (50 times)",
		}},
		{"ids swapped", types(0x90, videoID, 0x1B, audioID), nil, []string{
			"the program stream map gives stream type 90 the stream id E0",
			"the program stream map says G.711A, but the bytes are H.264",
		}},
		{
			"audio not in the PSM", types(0x1B, videoID), nil,
			[]string{"stream C0 is sent but not listed in the program stream map (50 times)"},
		},
		{"third stream", func(u units) units {
			u[9].id = 0xBD
			return u
		}, nil, []string{"a PES packet has the stream id BD", "a pack holds neither video"}},
		{
			"G.711 labelled AAC", types(0x1B, videoID, 0x0F, audioID), nil,
			[]string{"the program stream map says AAC, but the audio's bytes are something else (50 times)"},
		},
		{"AAC labelled G.711", func(u units) units {
			for _, u := range u {
				if u.id == audioID {
					u.es = adtsFrame(313)
				}
			}
			return u
		}, nil, []string{"the program stream map says G.711A, but the audio's bytes are something else (50 times)"}},
		{"one audio frame missing: allowed", func(u units) units { return slices.Delete(u, 21, 22) }, nil, nil},
		{"audio with a long hole", func(u units) units {
			return slices.DeleteFunc(u, func(u *unit) bool {
				return u.id == audioID && u.dts > epoch+10*tick25 && u.dts < epoch+14*tick25
			})
		}, nil, []string{"the audio is not continuous: a frame comes +160 ms from where the one before ended"}},
		{"audio steps back", func(u units) units {
			u[21].dts, u[21].pts = u[19].dts, u[19].pts
			return u
		}, nil, []string{"the audio's DTS goes from 123400 to 123400: it does not rise"}},
		{"audio codec changes", func(u units) units {
			u[second].types = []byte{0x1B, videoID, 0x91, audioID}
			return u
		}, nil, []string{"the audio changes from G.711A to G.711U"}},
		{"no picture", func(u units) units {
			u = slices.DeleteFunc(u, func(u *unit) bool { return u.id == videoID })
			u[0].system, u[0].types = true, []byte{0x90, audioID}
			return u
		}, nil, []string{"no picture came"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			units := liveUnits(50, false, 0x90)
			if tt.breakIt != nil {
				units = tt.breakIt(units)
			}
			sent := packets(units)
			if tt.damage != nil {
				sent = tt.damage(sent)
			}
			wantFaults(t, judge(Expect{SSRC: testSSRC}, sent).Faults, tt.want)
		})
	}
}

// wantFaults wants one fault for each part, in this order.
func wantFaults(t *testing.T, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && strings.Contains(got[i], want[i])
	}
	if !ok {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func types(list ...byte) func([]*unit) []*unit {
	return func(units []*unit) []*unit {
		for _, u := range units {
			if u.types != nil {
				u.types = list
			}
		}
		return units
	}
}

func eachPacket(change func(int, []byte)) func([][]byte) [][]byte {
	return func(sent [][]byte) [][]byte {
		for i, b := range sent {
			change(i, b)
		}
		return sent
	}
}

func renumber(sent [][]byte) [][]byte {
	for i, b := range sent {
		binary.BigEndian.PutUint16(b[2:], uint16(i+1))
	}
	return sent
}
