package simcam

import (
	"slices"
	"strings"
)

// FailureQuirks are the replies behind which no picture can come: what counts is what gbgate says of them.
func FailureQuirks() []RTSPQuirk {
	return slices.Concat(refusals(), poorDescriptions(), noReplies())
}

func refusals() []RTSPQuirk {
	return slices.Concat(
		answers("Dahua, Tapo, Hikvision", map[string]Answer{
			"sessions full 453": Refuse("SETUP", "453 Not Enough Bandwidth"),
			"sessions full 503": Refuse("PLAY", "503 Service Unavailable"),
			"sessions full 403": Refuse("DESCRIBE", "403 online user threshold"),
		}),
		answers("many", map[string]Answer{
			"not found":          Refuse("DESCRIBE", "404 Stream Not Found"),
			"forbidden":          Refuse("DESCRIBE", "403 Forbidden"),
			"server error":       Refuse("DESCRIBE", "500 Oops"),
			"no silent DESCRIBE": Refuse("DESCRIBE", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""),
		}),
		answers("cameras that know UDP only", map[string]Answer{
			"tcp refused": Refuse("SETUP", "461 Unsupported Transport"),
		}),
		answers("cloud gateways", map[string]Answer{
			"endless redirects": AnswerTo("DESCRIBE", func(r *ScriptedRequest) string {
				return Reply(r, "302 Moved", "Location: "+r.URL+"x")
			}),
			"redirect to itself": AnswerTo("DESCRIBE", func(r *ScriptedRequest) string {
				return Reply(r, "302 Moved", "Location: "+r.URL)
			}),
		}),
		[]RTSPQuirk{{"sessions full 401", "Dahua", func(cam *Scripted) {
			door{ask: []string{`Digest realm="cam", nonce="{nonce}"`}}.script(cam)
			admit := cam.Answer
			cam.Answer = func(c *ScriptedConn, r *ScriptedRequest) string {
				if r.Method == "SETUP" {
					return Reply(r, "401 Unauthorized", `WWW-Authenticate: Digest realm="cam", nonce="other"`)
				}
				return admit(c, r)
			}
		}}},
	)
}

func poorDescriptions() []RTSPQuirk {
	describe := func(sdp string) Answer {
		return AnswerTo("DESCRIBE", func(r *ScriptedRequest) string { return ReplySDP(r, sdp) })
	}
	return answers("sub streams", map[string]Answer{
		"mjpeg":      describe("m=video 0 RTP/AVP 26\r\na=control:1\r\n"),
		"audio only": describe("m=audio 0 RTP/AVP 8\r\n"),
		"no media":   describe("v=0\r\n"),
		"empty body": describe(""),
	})
}

// say answers a method with the same text always.
func say(method, text string) Answer {
	return AnswerTo(method, func(*ScriptedRequest) string { return text })
}

func noReplies() []RTSPQuirk {
	return slices.Concat(
		answers("", map[string]Answer{
			"hangs up":     say("DESCRIBE", "!"),
			"silent":       say("DESCRIBE", "-"),
			"silent SETUP": say("SETUP", "-"),
		}),
		answers("a wrong port", map[string]Answer{
			"web server":   say("OPTIONS", "HTTP/1.1 400 Bad Request\r\n\r\n"),
			"random bytes": say("OPTIONS", strings.Repeat("\x00$R\xff", 5000)),
		}),
	)
}

// EndQuirks are the ways in which a stream that runs comes to its end.
func EndQuirks() []RTSPQuirk {
	at := func(do func(c *ScriptedConn)) func(*Scripted) {
		return func(cam *Scripted) { cam.Before = AtPicture(5, do) }
	}
	text := func(s string) func(*Scripted) { return at(func(c *ScriptedConn) { c.Send([]byte(s)) }) }
	only := func(goes func(picture int, rtp []byte) bool) func(*Scripted) {
		return func(cam *Scripted) {
			cam.Tweak = func(picture int, b []byte) []byte {
				if goes(picture, b) {
					return b
				}
				return nil
			}
		}
	}
	return []RTSPQuirk{
		{"connection closed", "power cuts", at(func(c *ScriptedConn) { _ = c.Close() })},
		{"announce", "recorders", text("ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\nNotice: 2101\r\n\r\n")},
		{"redirect", "recorders", text("REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\nLocation: rtsp://y/\r\n\r\n")},
		{"no packets", "schedules", only(func(int, []byte) bool { return false })},
		{"no key frame", "schedules", only(func(_ int, b []byte) bool { return b[12] == 0x41 })},
		{"frozen", "power cuts", only(func(picture int, _ []byte) bool { return picture <= 4 })},
	}
}
