package simcam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RTSPQuirk is a way in which real cameras leave RTSP. Most cost gbgate no picture; behind FailureQuirks, EndQuirks and
// TalkQuirks there is nothing to be had, and HostileQuirks are to cost no other camera's.
type RTSPQuirk struct {
	// Name says what the camera does.
	Name string
	// Seen names the cameras, or the circumstances, that do it; empty: not known, or nobody but an attacker.
	Seen string
	// Script makes a scripted camera do it.
	Script func(*Scripted)
}

// RTSPQuirks are all tables of quirks, by the test of package rtsp that goes through them. No two quirks share a name.
func RTSPQuirks() map[string][]RTSPQuirk {
	return map[string][]RTSPQuirk{
		"TestReplyQuirks":       ReplyQuirks(),
		"TestDescriptionQuirks": DescriptionQuirks(),
		"TestPasswordQuirks":    PasswordQuirks(),
		"TestTransportQuirks":   TransportQuirks(),
		"TestKeepaliveQuirks":   KeepaliveQuirks(),
		"TestRedirectQuirks":    RedirectQuirks(),
		"TestStreamQuirks":      StreamQuirks(),
		"TestPictureQuirks":     PictureQuirks(),
		"TestSoundQuirks":       SoundQuirks(),
		"TestTalkQuirks":        TalkQuirks(),
		"TestFailureQuirks":     FailureQuirks(),
		"TestEndQuirks":         EndQuirks(),
		"TestHostileQuirks":     HostileQuirks(),
	}
}

// answers makes quirks of odd replies.
func answers(seen string, named map[string]Answer) []RTSPQuirk {
	var quirks []RTSPQuirk
	for _, name := range slices.Sorted(maps.Keys(named)) {
		quirks = append(quirks, RTSPQuirk{name, seen, func(cam *Scripted) { cam.Answer = named[name] }})
	}
	return quirks
}

// AnswerTo answers one method with a text made from the request.
func AnswerTo(method string, text func(r *ScriptedRequest) string) Answer {
	return func(_ *ScriptedConn, r *ScriptedRequest) string {
		if r.Method == method {
			return text(r)
		}
		return ""
	}
}

// Refuse answers one method with a status such as "404 Not Found".
func Refuse(method, status string) Answer {
	return AnswerTo(method, func(r *ScriptedRequest) string { return Reply(r, status) })
}

// EditReply changes the good reply to a method.
func EditReply(method string, change func(good string) string) Answer {
	return func(c *ScriptedConn, r *ScriptedRequest) string {
		if r.Method == method {
			return change(c.Good(r))
		}
		return ""
	}
}

// ReplaceInReply changes a piece of the good reply to a method, which must be there.
func ReplaceInReply(method, from, to string) Answer {
	return EditReply(method, func(good string) string {
		if !strings.Contains(good, from) {
			panic(fmt.Sprintf("%q not in %q", from, good))
		}
		return strings.Replace(good, from, to, 1)
	})
}

// everywhere changes a piece of every reply.
func everywhere(from, to string) Answer {
	return func(c *ScriptedConn, r *ScriptedRequest) string { return strings.ReplaceAll(c.Good(r), from, to) }
}

// inDescribe puts a header line into the reply to DESCRIBE.
func inDescribe(line string) Answer {
	return ReplaceInReply("DESCRIBE", "Content-Type", line+"\r\nContent-Type")
}

// SetSession is a reply to SETUP with another Session header.
func SetSession(text, value string) string {
	return strings.Replace(cutLine(text, "Session:"), "\r\nTransport:", "\r\nSession: "+value+"\r\nTransport:", 1)
}

func cutLine(text, prefix string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\r\n") {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n")
}

// ReplyQuirks are the odd replies that cameras were seen to send.
func ReplyQuirks() []RTSPQuirk {
	return slices.Concat(optionsQuirks(), headerQuirks(), describeQuirks(), setupQuirks(), playQuirks())
}

func optionsQuirks() []RTSPQuirk {
	return answers("old recorders", map[string]Answer{
		"options 404":                   Refuse("OPTIONS", "404 Not Found"),
		"options 405":                   Refuse("OPTIONS", "405 Method Not Allowed"),
		"options 501":                   Refuse("OPTIONS", "501 Not Implemented"),
		"options 401 without challenge": Refuse("OPTIONS", "401 Unauthorized"),
	})
}

func headerQuirks() []RTSPQuirk {
	return slices.Concat(
		answers("TP-Link, XM", map[string]Answer{
			"no reason phrase":    everywhere("200 OK", "200"),
			"empty reason phrase": everywhere("200 OK", "200 "),
			"bare line feeds": func(c *ScriptedConn, r *ScriptedRequest) string {
				head, body, _ := strings.Cut(c.Good(r), "\r\n\r\n")
				return strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + body
			},
			"folded and broken lines":       inDescribe("X-Long: a\r\n  b\r\nnonsense"),
			"header too long for gortsplib": inDescribe("X-Long: " + strings.Repeat("a", 5000)),
		}),
		answers("Tapo C220 and others", map[string]Answer{
			"no CSeq":            everywhere("CSeq", "X-Not"),
			"wrong CSeq":         everywhere("CSeq: ", "CSeq: 77"),
			"CSeq in other case": everywhere("CSeq", "Cseq"),
			"text CSeq":          everywhere("CSeq: ", "CSeq: x"),
		}),
		answers("several", map[string]Answer{
			"user agent wanted": func(_ *ScriptedConn, r *ScriptedRequest) string {
				if r.Get("User-Agent") == "" {
					return Reply(r, "401 Unauthorized")
				}
				return ""
			},
		}),
	)
}

func describeQuirks() []RTSPQuirk {
	return slices.Concat(
		answers("many", map[string]Answer{
			"content type missing":          ReplaceInReply("DESCRIBE", "Content-Type: application/sdp\r\n", ""),
			"content type in capitals":      ReplaceInReply("DESCRIBE", "application/sdp", "application/SDP"),
			"content type charset":          ReplaceInReply("DESCRIBE", "application/sdp", "application/sdp; charset=utf-8"),
			"content base without scheme":   inDescribe("Content-Base: 192.168.1.10/live/ch1"),
			"content base twice the scheme": inDescribe("Content-Base: rtsp://rtsp://192.168.1.10/live/ch1"),
			"content base mapped address":   inDescribe("Content-Base: rtsp://::ffff:192.168.1.10:554/live/ch1/"),
			"content base empty":            inDescribe("Content-Base:"),
			"content base bad escape":       inDescribe("Content-Base: rtsp://h/%zz/"),
		}),
		answers("", map[string]Answer{
			"garbage after the body": EditReply("DESCRIBE", func(good string) string {
				return good + "a=x\r\nb=y\r\n\x00\x00"
			}),
		}),
		answers("behind NAT; ZLMediaKit", map[string]Answer{
			"control on another host": ReplaceInReply("DESCRIBE", "a=control:trackID=1", "a=control:rtsp://10.0.0.9/x/1"),
			"session control relative": AnswerTo("DESCRIBE", func(r *ScriptedRequest) string {
				return ReplySDP(r, strings.Replace(ScriptedSDP, "control:*", "control:live", 1))
			}),
		}),
	)
}

func setupQuirks() []RTSPQuirk {
	session := func(value string) Answer {
		return EditReply("SETUP", func(good string) string { return SetSession(good, value) })
	}
	unicast := func(more string) Answer { return ReplaceInReply("SETUP", "unicast", "unicast;"+more) }
	return slices.Concat(
		answers("Escam, OpenIPC, Dahua", map[string]Answer{
			"transport missing":       EditReply("SETUP", func(good string) string { return cutLine(good, "Transport:") }),
			"transport without TCP":   ReplaceInReply("SETUP", "RTP/AVP/TCP", "RTP/AVP"),
			"transport in lower case": ReplaceInReply("SETUP", "RTP/AVP/TCP", "rtp/avp/tcp"),
			"transport blanks":        ReplaceInReply("SETUP", ";interleaved", "; interleaved"),
			"transport mode receive":  unicast("mode=receive"),
			"transport host name":     unicast("source=camera.local;destination=nowhere"),
			"transport odd ssrc":      unicast("ssrc=XYZ"),
		}),
		answers("Tapo", map[string]Answer{
			"session with blank":   session("1234 ;timeout=60"),
			"session timeout text": session("1234;timeout=abc"),
			"session timeout zero": session("1234;timeout=0"),
		}),
		answers("several", map[string]Answer{
			"audio refused": AnswerTo("SETUP", func(r *ScriptedRequest) string {
				if strings.HasSuffix(r.URL, "2") {
					return Reply(r, "453 Not Enough Bandwidth")
				}
				return ""
			}),
		}),
	)
}

func playQuirks() []RTSPQuirk {
	refused := func(status string, when func(ranges string) bool) Answer {
		return AnswerTo("PLAY", func(r *ScriptedRequest) string {
			if when(r.Get("Range")) {
				return Reply(r, status)
			}
			return ""
		})
	}
	early := Interleave(0, RTPPacket(96, 1, 0, 0x11223344, true, []byte{0x41, 0x9a, 0x02, 1}))
	return slices.Concat(
		answers("GStreamer, Parrot", map[string]Answer{
			"play with npt=0- refused":   refused("457 Invalid Range", func(s string) bool { return s == "npt=0-" }),
			"play without range refused": refused("457 Invalid Range", func(s string) bool { return s == "" }),
			"play with npt=now- refused": refused("503 Service Unavailable", func(s string) bool { return s != "npt=0.000-" }),
		}),
		answers("", map[string]Answer{
			"reply split by 100 continue": EditReply("PLAY", func(g string) string {
				return "RTSP/1.0 100 Continue\r\n\r\n" + g
			}),
		}),
		answers("many", map[string]Answer{
			"media in front of the reply to PLAY": EditReply("PLAY", func(g string) string { return string(early) + g }),
			"teardown unanswered":                 say("TEARDOWN", "-"),
		}),
	)
}
