package rehearsal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/media/ps"

	"github.com/google/go-cmp/cmp"
)

// judge runs packets through a receiver, one every 100 µs.
func judge(e Expect, packets [][]byte) Report {
	r := NewReceiver(e)
	at := time.Unix(1_800_000_000, 0)
	for _, p := range packets {
		r.Packet(at, p)
		at = at.Add(100 * time.Microsecond)
	}
	r.Close()
	return r.Report()
}

func TestGoodStreams(t *testing.T) {
	tests := []struct {
		name      string
		h265      bool
		audioType byte
		want      Report
	}{
		{"H.264 and G.711A", false, 0x90, Report{
			Codec: "H.264", Width: 1280, Height: 720, FPS: 25, Audio: "G.711A",
			Pictures: 75, KeyPictures: 3, AudioFrames: 75, AudioBytes: 75 * 320,
		}},
		{"H.265 and AAC", true, 0x0F, Report{
			Codec: "H.265", Width: 1920, Height: 1080, FPS: 25, Audio: "AAC",
			Pictures: 75, KeyPictures: 3, AudioFrames: 47, AudioBytes: 47 * 207,
		}},
		{"H.264 and G.711U", false, 0x91, Report{
			Codec: "H.264", Width: 1280, Height: 720, FPS: 25, Audio: "G.711U",
			Pictures: 75, KeyPictures: 3, AudioFrames: 75, AudioBytes: 75 * 320,
		}},
		{"H.265 alone", true, 0, Report{
			Codec: "H.265", Width: 1920, Height: 1080, FPS: 25, Pictures: 75, KeyPictures: 3,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			units := liveUnits(75, tt.h265, tt.audioType)
			var stream, audio bytes.Buffer
			sent := packets(units)
			got := judge(Expect{SSRC: testSSRC, SavePS: &stream, SaveAudio: &audio}, sent)

			want := tt.want
			want.Packets, want.Bytes, want.MaxBurst = len(sent), len(programStream(units)), 11
			want.MuxKbps, want.MediaTime = 40_000, 74*40*time.Millisecond
			want.BitrateKbps = want.Bytes * 8 / 3000
			want.FirstPacket = time.Unix(1_800_000_000, 0)
			want.FirstPicture = want.FirstPacket.Add(14 * 100 * time.Microsecond) // 20 kB in 15 packets
			want.LastPacket = want.FirstPacket.Add(time.Duration(len(sent)-1) * 100 * time.Microsecond)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if !bytes.Equal(stream.Bytes(), programStream(units)) {
				t.Errorf("saved program stream: %d bytes, want the %d that were sent", stream.Len(), want.Bytes)
			}
			if audio.Len() != want.AudioBytes {
				t.Errorf("saved audio: %d bytes, want %d", audio.Len(), want.AudioBytes)
			}
		})
	}
}

// TestMuxerPasses judges the gateway's own muxer.
func TestMuxerPasses(t *testing.T) {
	desc := &media.Description{
		Video: media.Track{Codec: media.H265}, Audio: media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1},
	}
	var sent [][]byte
	for i, u := range liveUnits(75, true, 0x90) {
		m := media.NewUnit(len(u.es))
		m.Append(u.es...)
		m.Codec, m.Key, m.PTS, m.DTS, m.Desc = media.H265, u.system, u.pts, u.dts, desc
		if u.id == audioID {
			m.Codec = media.PCMA
		} else if i%2 == 0 {
			m.PTS += tick25 // as with B-frames
		}
		pack := slices.Concat(ps.Of(m, ps.AudioAuto).Bufs()...)
		m.Release()
		for len(pack) > 0 {
			n := min(len(pack), 1400)
			second := byte(96)
			if n == len(pack) {
				second |= 0x80
			}
			sent = append(sent, rtpPacket(uint16(len(sent)+1), second, u.timestamp, pack[:n]))
			pack = pack[n:]
		}
	}
	got := judge(Expect{SSRC: testSSRC}, sent)
	if got.Faults != nil || got.Pictures != 75 || got.AudioFrames != 75 {
		t.Errorf("got %d pictures, %d audio frames, faults %q; want 75, 75, none",
			got.Pictures, got.AudioFrames, got.Faults)
	}
}

func TestAnnouncedAudioMissing(t *testing.T) {
	units := slices.DeleteFunc(liveUnits(75, false, 0x90), func(u *unit) bool { return u.id == audioID })
	got := judge(Expect{SSRC: testSSRC}, packets(units)).Faults
	wantFaults(t, got, []string{"the program stream map announces audio, but none came"})
}

func TestSoundOnly(t *testing.T) {
	units := slices.DeleteFunc(liveUnits(75, false, 0x90), func(u *unit) bool { return u.id == videoID })
	units[0].system, units[0].types = true, []byte{0x90, audioID}
	got := judge(Expect{SSRC: testSSRC, VideoOff: true}, packets(units))
	wantFaults(t, got.Faults, nil)
	if want := 74 * 40 * time.Millisecond; got.MediaTime != want {
		t.Errorf("media time %v, want %v", got.MediaTime, want)
	}
}

// TestClocksWrap has SCR, PTS and DTS pass 2^33, RTP timestamps pass 2^32 and sequence numbers pass 2^16.
func TestClocksWrap(t *testing.T) {
	const jump = 1<<33 - epoch - 30*tick25
	units := liveUnits(75, false, 0x90)
	for _, u := range units {
		u.scr, u.pts, u.dts = (u.scr+jump)&(1<<33-1), (u.pts+jump)&(1<<33-1), (u.dts+jump)&(1<<33-1)
		u.timestamp += 1<<32 - epoch - 30*tick25
	}
	sent := packets(units)
	for i, b := range sent {
		binary.BigEndian.PutUint16(b[2:], uint16(65300+i))
	}
	got := judge(Expect{SSRC: testSSRC}, sent)
	wantFaults(t, got.Faults, []string{"the first RTP sequence number is 65300"})
	if got.FPS != 25 || got.MediaTime != 74*40*time.Millisecond || got.LostPackets != 0 {
		t.Errorf("got %v fps, %v, %d lost; want 25, 2.96s, 0", got.FPS, got.MediaTime, got.LostPackets)
	}
}

// TestLossBreaksOneFrame wants the frames around a lost packet to be judged as before.
func TestLossBreaksOneFrame(t *testing.T) {
	sent := packets(liveUnits(50, false, 0x90))
	last := len(sent) - 3 // inside the last picture
	got := judge(Expect{SSRC: testSSRC}, slices.Delete(sent, last, last+1))
	if got.Pictures != 49 || got.BrokenFrames != 1 || got.LostPackets != 1 || got.AudioFrames != 50 {
		t.Errorf("got %d pictures, %d broken, %d lost, %d audio frames; want 49, 1, 1, 50",
			got.Pictures, got.BrokenFrames, got.LostPackets, got.AudioFrames)
	}
	wantFaults(t, got.Faults, []string{"packets are missing after number", "1 of 224 packets are missing"})
}

// TestStoppedInsideAFrame wants no fault for what the receiver did not wait for.
func TestStoppedInsideAFrame(t *testing.T) {
	sent := packets(liveUnits(50, false, 0x90))
	got := judge(Expect{SSRC: testSSRC}, sent[:len(sent)-3])
	wantFaults(t, got.Faults, nil)
	if got.Pictures != 49 {
		t.Errorf("%d pictures, want 49", got.Pictures)
	}
}

// TestEndlessFrame wants a frame that never ends to be given up, and what follows to be judged.
func TestEndlessFrame(t *testing.T) {
	units := liveUnits(50, false, 0)
	sent := packets(units)
	endless := make([][]byte, maxFrame/1400+10)
	for i := range endless {
		endless[i] = rtpPacket(0, 96, epoch-90, make([]byte, 1400))
	}
	got := judge(Expect{SSRC: testSSRC}, renumber(append(endless, sent...)))
	wantFaults(t, got.Faults, []string{"a frame is larger than 8 MiB"})
	if got.Pictures != 50 || got.BrokenFrames != 1 {
		t.Errorf("%d pictures, %d broken frames; want 50, 1", got.Pictures, got.BrokenFrames)
	}
}

func TestNoSSRCOffered(t *testing.T) {
	sent := packets(liveUnits(50, false, 0x90))
	wantFaults(t, judge(Expect{NoSSRC: true}, sent).Faults, nil)
	sent[60][8]++
	wantFaults(t, judge(Expect{NoSSRC: true}, sent).Faults, []string{
		"the SSRC changes from 0200000001 to 0216777217", "packets are missing", "1 of 224 packets are missing",
	})
}

func TestBurst(t *testing.T) {
	r := NewReceiver(Expect{SSRC: testSSRC})
	at := time.Unix(1_800_000_000, 0)
	for i, p := range packets(liveUnits(50, false, 0)) {
		if i%20 == 0 {
			at = at.Add(2 * time.Millisecond)
		}
		r.Packet(at, p)
	}
	if got := r.Report().MaxBurst; got != 20 {
		t.Errorf("burst of %d, want 20", got)
	}
}

type brokenWriter struct{ calls int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, errors.New("disk full")
}

func TestWriterFails(t *testing.T) {
	var stream, audio brokenWriter
	got := judge(Expect{SSRC: testSSRC, SavePS: &stream, SaveAudio: &audio}, packets(liveUnits(50, false, 0x90)))
	wantFaults(t, got.Faults, []string{
		"the program stream could not be saved: disk full", "the audio could not be saved: disk full",
	})
	if stream.calls != 1 || audio.calls != 1 || got.Pictures != 50 {
		t.Errorf("%d and %d writes, %d pictures; want 1, 1, 50", stream.calls, audio.calls, got.Pictures)
	}
}

// TestFaultsAreBounded wants one sentence per rule and not more than maxFaults.
func TestFaultsAreBounded(t *testing.T) {
	var f faults
	for i := range 3 * maxFaults {
		f.add(strings.Repeat("x", i), "fault %d", i)
		f.add("", "again")
	}
	got := f.list()
	if len(got) != maxFaults || got[0] != "fault 0 (121 times)" {
		t.Errorf("%d faults, the first %q; want %d, %q", len(got), got[0], maxFaults, "fault 0 (121 times)")
	}
}

// TestGoldenPack reads a key picture's pack whose bytes were made and checked outside this project.
func TestGoldenPack(t *testing.T) {
	text := "000001BA4400168C0401005F6BF8000001BB000C80CCF505E17FE0E190C0C020" +
		"000001BC0012E1FF000000081BE0000090C00000B9287F16" +
		"000001E00020848005210005BF21" +
		"000000016742001E0000000168CE3C80000000016588843F"
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsePacks(b)
	want := []pack{{
		scr: 86400, muxRate: 6106 * 50, size: 94,
		system: &systemHeader{rateBound: 26234 * 50},
		psm: &programMap{current: true, crcGood: true, streams: []mapEntry{
			{streamType: 0x1B, streamID: 0xE0}, {streamType: 0x90, streamID: 0xC0},
		}},
		pes: []pes{{id: 0xE0, aligned: true, pts: 90000, dts: 90000, payload: b[70:]}},
	}}
	opt := cmp.AllowUnexported(pack{}, systemHeader{}, programMap{}, mapEntry{}, pes{})
	if diff := cmp.Diff(want, got, opt); err != nil || diff != "" {
		t.Errorf("error %v, pack (-want +got):\n%s", err, diff)
	}
}

// FuzzReceiver wants no packet to break the receiver, and the same stream to be judged the same.
func FuzzReceiver(f *testing.F) {
	var seed []byte
	for _, p := range packets(liveUnits(3, false, 0x90)) {
		seed = binary.BigEndian.AppendUint16(seed, uint16(len(p)))
		seed = append(seed, p...)
	}
	f.Add(seed)
	f.Add([]byte("\x00\x10\x80\xe0\x00\x01\x00\x01\x5f\x90\x0b\xeb\xc2\x01\x00\x00\x01\xba"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var sent [][]byte
		for len(b) > 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			sent = append(sent, b[2:2+n])
			b = b[2+n:]
		}
		first := judge(Expect{SSRC: testSSRC}, sent)
		if len(first.Faults) > maxFaults {
			t.Errorf("%d faults", len(first.Faults))
		}
		if diff := cmp.Diff(first, judge(Expect{SSRC: testSSRC}, sent)); diff != "" {
			t.Errorf("judged twice (-first +second):\n%s", diff)
		}
	})
}
