package simcam

import (
	"bytes"
	"net"
	"strings"
)

// TransportQuirks are cameras that give no RTP over TCP; over UDP the picture comes.
func TransportQuirks() []RTSPQuirk {
	over := func(udp Answer) Answer { // TCP is refused
		return func(c *ScriptedConn, r *ScriptedRequest) string {
			switch {
			case r.Method == "SETUP" && strings.Contains(r.Get("Transport"), "TCP"):
				return Reply(r, "461 Unsupported Transport")
			case udp != nil:
				return udp(c, r)
			}
			return ""
		}
	}
	return append(
		answers("cameras that know UDP only", map[string]Answer{
			"TCP refused with 461": over(nil),
			"TCP refused with 400": AnswerTo("SETUP", func(r *ScriptedRequest) string {
				if strings.Contains(r.Get("Transport"), "TCP") {
					return Reply(r, "400 Bad Request")
				}
				return ""
			}),
			"UDP without server ports": over(EditReply("SETUP", func(good string) string {
				head, _, _ := strings.Cut(good, ";server_port")
				return head + "\r\n\r\n"
			})),
			"UDP from other ports": over(EditReply("SETUP", func(good string) string {
				head, _, _ := strings.Cut(good, ";server_port")
				return head + ";server_port=9-10\r\n\r\n"
			})),
		}),
		RTSPQuirk{"UDP with nonsense between", "", func(cam *Scripted) {
			cam.Answer = over(nil)
			cam.Before = func(c *ScriptedConn, picture int) {
				for _, size := range []int{0, 1, 11, 100} {
					c.SendUDP(0, bytes.Repeat([]byte{0x8f, byte(picture)}, size))
					c.SendUDP(1, bytes.Repeat([]byte{0x9f, 200}, size))
				}
			}
		}},
		RTSPQuirk{"no RTP over TCP", "cameras that know UDP only", func(cam *Scripted) {
			cam.Before = func(c *ScriptedConn, _ int) {
				if !c.OverUDP() {
					c.Video = 90 // a channel nobody knows
				}
			}
		}},
	)
}

// KeepaliveQuirks are what cameras, whose sessions last a second, make of the signs of life between.
func KeepaliveQuirks() []RTSPQuirk {
	alive := func(method, session string) func(r *ScriptedRequest) bool {
		return func(r *ScriptedRequest) bool { return r.Method == method && r.Get("Session") == session }
	}
	getParameter, options := alive("GET_PARAMETER", "1234"), alive("OPTIONS", "1234")
	return append(
		shortSessions("HIPCAM", map[string]Answer{
			"GET_PARAMETER refused": Refuse("GET_PARAMETER", "501 Not Implemented"),
			"GET_PARAMETER hung up on": func(_ *ScriptedConn, r *ScriptedRequest) string {
				if getParameter(r) {
					return "!"
				}
				return ""
			},
		}),
		append(shortSessions("Tapo C220 and others", map[string]Answer{
			"signs of life refused": func(_ *ScriptedConn, r *ScriptedRequest) string {
				if getParameter(r) || options(r) {
					return Reply(r, "400 Bad Request")
				}
				return ""
			},
			"signs of life unanswered": func(_ *ScriptedConn, r *ScriptedRequest) string {
				if getParameter(r) || options(r) {
					return "-"
				}
				return ""
			},
		}), shortSessions("several", map[string]Answer{
			"OPTIONS hung up on": func(_ *ScriptedConn, r *ScriptedRequest) string {
				if options(r) {
					return "!"
				}
				return ""
			},
			"signs of life for the session and its URL": func(c *ScriptedConn, r *ScriptedRequest) string {
				if r.Method == "GET_PARAMETER" && !(getParameter(r) && r.URL == c.cam.URL()) {
					return "!"
				}
				return ""
			},
		})...)...,
	)
}

// shortSessions makes quirks of cameras whose sessions end after a second.
func shortSessions(seen string, named map[string]Answer) []RTSPQuirk {
	short := make(map[string]Answer)
	for name, answer := range named {
		short[name] = func(c *ScriptedConn, r *ScriptedRequest) string {
			if text := answer(c, r); text != "" || r.Method != "SETUP" {
				return text
			}
			return SetSession(c.Good(r), "1234;timeout=1")
		}
	}
	return answers(seen, short)
}

// RedirectQuirks are cameras that are elsewhere; only one on the same host is to get the password.
func RedirectQuirks() []RTSPQuirk {
	return []RTSPQuirk{
		{"redirect on the same host", "cloud gateways", func(cam *Scripted) {
			door{ask: []string{`Digest realm="cam", nonce="{nonce}"`}}.script(cam)
			cam.Answer = moved("rtsp://"+cam.Addr()+"/moved", cam.Answer)
		}},
		{"redirect to another host", "cloud gateways", func(cam *Scripted) {
			_, port, _ := net.SplitHostPort(cam.Addr())
			door{ask: []string{`Basic realm="cam"`}, takes: signature{algorithm: "Basic"}}.script(cam)
			cam.Answer = moved("rtsp://localhost:"+port+"/moved", cam.Answer)
		}},
		{"redirect to a web page", "", func(cam *Scripted) { cam.Answer = moved("http://"+cam.Addr()+"/", nil) }},
	}
}

// moved sends who asks for anything but what is there away.
func moved(there string, answer Answer) Answer {
	return func(c *ScriptedConn, r *ScriptedRequest) string {
		switch {
		case r.Method == "DESCRIBE" && !strings.Contains(r.URL, "/moved"):
			return Reply(r, "302 Moved", "Location: "+there)
		case answer != nil:
			return answer(c, r)
		}
		return ""
	}
}

// TalkQuirks are cameras that nobody can talk to.
func TalkQuirks() []RTSPQuirk {
	offers := func(section string) Answer {
		return AnswerTo("DESCRIBE", func(r *ScriptedRequest) string { return ReplySDP(r, ScriptedSDP+section) })
	}
	ulaw := offers("m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:t3\r\n")
	return answers("many", map[string]Answer{
		"back channel refused with 551": Refuse("DESCRIBE", "551 Option not supported"),
		"back channel refused with 400": Refuse("DESCRIBE", "400 Bad Request"),
		"back channel not offered":      nil,
		"back channel of G.726": offers(
			"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\na=sendonly\r\na=control:t3\r\n"),
		"back channel that can't be set up": func(c *ScriptedConn, r *ScriptedRequest) string {
			if r.Method == "SETUP" {
				return Reply(r, "400 Bad Request")
			}
			return ulaw(c, r)
		},
	})
}
