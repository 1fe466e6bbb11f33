package simcam

import "bytes"

// SoundQuirks are the ways in which cameras put sound, or none, into RTP. Sound that does not come does
// not hold up the picture, and what comes arrives.
func SoundQuirks() []RTSPQuirk {
	aac := func(config string) Answer {
		return inSDP("m=audio 0 RTP/AVP 8\r\n", "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\n"+
			"a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"+config+"\r\n")
	}
	frame := bytes.Repeat([]byte{0x21}, 100)
	// A header of 16 kHz and one channel (ISO 14496-3 1.A.3) in front of the frame.
	whole := append([]byte{0xff, 0xf1, 0x60, 0x40, 0x0d, 0x7f, 0xfc}, frame...)
	headers := func(n, size int) []byte { // RFC 3640 3.3.6
		return append([]byte{0, byte(16 * n)}, bytes.Repeat([]byte{byte(size >> 5), byte(size << 3)}, n)...)
	}
	return []RTSPQuirk{
		{"sound announced and never sent", "Hikvision with its sound off", func(*Scripted) {}},
		{"G.711 in odd sizes", "several", sounding(8, func(n int) (payload []byte, ticks uint32) {
			size := [3]int{512, 1120, 77}[n%3]
			return bytes.Repeat([]byte{byte(n)}, size), uint32(size)
		}, nil)},
		{"several AAC in a packet", "FFmpeg", sounding(97, func(int) ([]byte, uint32) {
			return append(headers(4, len(frame)), bytes.Repeat(frame, 4)...), 4 * 1024
		}, aac(";config=1408"))},
		{"AAC with ADTS inside", "several (go2rtc#1328)", sounding(97, func(int) ([]byte, uint32) {
			return append(headers(1, len(whole)), whole...), 1024
		}, aac(""))},
	}
}

// sounding makes a camera send a packet of sound in front of each picture.
func sounding(pt byte, next func(n int) (payload []byte, ticks uint32), describe Answer) func(*Scripted) {
	return func(cam *Scripted) {
		if describe != nil {
			cam.Answer = describe
		}
		timestamp := uint32(0)
		cam.Before = func(c *ScriptedConn, picture int) {
			payload, ticks := next(picture)
			c.Send(Interleave(byte(c.Audio), RTPPacket(pt, uint16(picture), timestamp, 0x55667788, true, payload)))
			timestamp += ticks
		}
	}
}
