package simcam

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// HostileQuirks are what a broken camera, or an attacker in its place, sends to cost more than its own channel: bytes
// without end, at once or one by one, descriptions that are long to read, questions whose answers it does not read.
func HostileQuirks() []RTSPQuirk {
	return slices.Concat(hostileReplies(), hostileDescriptions(), hostileStreams())
}

// floodSize is how many bytes a quirk that goes on without end sends at most, for a test's sake.
const floodSize = 200 << 20

// flood sends a piece again and again, until the client has gone.
func flood(c *ScriptedConn, piece []byte, pause time.Duration) {
	for sent := 0; sent < floodSize; sent += len(piece) {
		if _, err := c.Write(piece); err != nil {
			return
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// floods answers a method with a head, then a piece without end.
func floods(method, head, piece string, pause time.Duration) Answer {
	return func(c *ScriptedConn, r *ScriptedRequest) string {
		if r.Method != method {
			return ""
		}
		c.Send([]byte(head))
		flood(c, []byte(piece), pause)
		return "!"
	}
}

func hostileReplies() []RTSPQuirk {
	const ok = "RTSP/1.0 200 OK\r\n"
	return answers("", map[string]Answer{
		"10 GB body":          say("DESCRIBE", ok+"Content-Length: 10737418240\r\n\r\nv=0"),
		"lying length":        ReplaceInReply("DESCRIBE", "Content-Length: ", "Content-Length: 9"),
		"endless headers":     say("DESCRIBE", ok+strings.Repeat("X: y\r\n", 20000)),
		"endless line":        say("DESCRIBE", ok+"X: "+strings.Repeat("y", 200000)),
		"header byte by byte": floods("DESCRIBE", ok+"X: ", "y", time.Millisecond),
		"body byte by byte":   floods("DESCRIBE", ok+"Content-Length: 200000\r\n\r\n", "v", time.Millisecond),
		"100 Continue for ever": floods("DESCRIBE", "",
			strings.Repeat("RTSP/1.0 100 Continue\r\n\r\n", 1000), time.Millisecond),
		"channels beyond 255": ReplaceInReply("SETUP", "interleaved=", "interleaved=6553"),
	})
}

func hostileDescriptions() []RTSPQuirk {
	track := "m=video 0 RTP/AVP 98\r\na=rtpmap:98 none/90000\r\n"
	types := strings.Repeat(" 98", 1000)
	at := strings.Repeat("@", 60_000)
	params := "a=fmtp:98 " + strings.Repeat("a;", 90_000) + "\r\n"
	return answers("", map[string]Answer{
		"description of 10 MB":                     describes(func(sdp string) string { return sdp + strings.Repeat("a=x\r\n", 2<<20) }),
		"description of 1000 tracks":               describes(func(sdp string) string { return strings.Repeat(track, 1000) + sdp }),
		"description at a URL that is a long read": inDescribe("Content-Base: rtsp://a@b/" + at),
		"description that is a long read": describes(func(string) string {
			return "m=audio 0 RTP/AVP 8\r\n" + params + strings.Repeat("m=video 0 RTP/AVP"+types+"\r\n", 15)
		}),
	})
}

func hostileStreams() []RTSPQuirk {
	instead := func(do func(c *ScriptedConn)) func(*Scripted) { // of a picture, and of all behind it
		return func(cam *Scripted) {
			cam.Before = AtPicture(3, func(c *ScriptedConn) {
				do(c)
				_ = c.Close()
			})
		}
	}
	again := func(piece []byte) func(*Scripted) {
		return instead(func(c *ScriptedConn) { flood(c, piece, 0) })
	}
	return []RTSPQuirk{
		{"endless picture", "", instead(endlessPicture)},
		{"noise for ever", "", again(bytes.Repeat([]byte("\x00$\x07noise"), 1000))},
		{"replies for ever", "", again([]byte(strings.Repeat("RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n", 1000)))},
		{"RTCP for ever", "", again(bytes.Repeat(Interleave(1, bytes.Repeat([]byte{0x80}, 1000)), 50))},
		{"pictures without a pause", "", instead(func(c *ScriptedConn) {
			var many []byte
			for n := range uint16(1000) {
				packet := RTPPacket(96, n, uint32(n)*90, 0x11223344, true, []byte{0x65, 0x88})
				many = append(many, Interleave(byte(c.Video), packet)...)
			}
			flood(c, many, 0)
		})},
		{"questions for ever and answers unread", "", func(cam *Scripted) {
			cam.Answer = func(c *ScriptedConn, r *ScriptedRequest) string {
				if r.Method != "PLAY" {
					return ""
				}
				c.Send([]byte(c.Good(r)))
				flood(c, []byte(strings.Repeat("OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n", 1000)), 0)
				return "!"
			}
		}},
	}
}

// endlessPicture sends the middle of a key picture, and never its end.
func endlessPicture(c *ScriptedConn) {
	packet := func(n uint16, payload []byte) []byte {
		return Interleave(byte(c.Video), RTPPacket(96, n, 10800, 0x11223344, false, payload))
	}
	c.Send(packet(1000, []byte{0x7c, 0x85, 0x88, 0x84}))
	middle := append([]byte{0x7c, 0x05}, bytes.Repeat([]byte{0xa5}, 60000)...)
	for n := range floodSize / len(middle) {
		if _, err := c.Write(packet(uint16(1001+n), middle)); err != nil {
			return
		}
	}
}
