package rtsp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// on answers one method with a text made from the request.
func on(method string, text func(r *message) string) func(*fakeConn, *message) string {
	return func(_ *fakeConn, r *message) string {
		if r.method == method {
			return text(r)
		}
		return ""
	}
}

// edit changes the good reply to a method.
func edit(method string, change func(good string) string) func(*fakeConn, *message) string {
	return func(c *fakeConn, r *message) string {
		if r.method == method {
			return change(c.good(r))
		}
		return ""
	}
}

func replace(method, from, to string) func(*fakeConn, *message) string {
	return edit(method, func(good string) string {
		if !strings.Contains(good, from) {
			panic(fmt.Sprintf("%q not in %q", from, good))
		}
		return strings.Replace(good, from, to, 1)
	})
}

func everywhere(from, to string) func(*fakeConn, *message) string {
	return func(c *fakeConn, r *message) string { return strings.ReplaceAll(c.good(r), from, to) }
}

// TestReplyQuirks gives the client every odd reply a camera was seen to send; the stream must come nevertheless.
func TestReplyQuirks(t *testing.T) {
	quirks := map[string]func(*fakeConn, *message) string{
		"none":        nil,
		"options 404": on("OPTIONS", func(r *message) string { return replyOf(r, "404 Not Found") }),
		"options 405": on("OPTIONS", func(r *message) string { return replyOf(r, "405 Method Not Allowed") }),
		"options 501": on("OPTIONS", func(r *message) string { return replyOf(r, "501 Not Implemented") }),
		"options 401 without challenge": on("OPTIONS", func(r *message) string {
			return replyOf(r, "401 Unauthorized")
		}),
		"no reason phrase":    everywhere("200 OK", "200"),
		"empty reason phrase": everywhere("200 OK", "200 "),
		"bare line feeds": func(c *fakeConn, r *message) string {
			head, body, _ := strings.Cut(c.good(r), "\r\n\r\n")
			return strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + body
		},
		"no CSeq":                  everywhere("CSeq", "X-Not"),
		"wrong CSeq":               everywhere("CSeq: ", "CSeq: 77"),
		"CSeq in other case":       everywhere("CSeq", "Cseq"),
		"text CSeq":                everywhere("CSeq: ", "CSeq: x"),
		"content type missing":     replace("DESCRIBE", "Content-Type: application/sdp\r\n", ""),
		"content type in capitals": replace("DESCRIBE", "application/sdp", "application/SDP"),
		"content type charset":     replace("DESCRIBE", "application/sdp", "application/sdp; charset=utf-8"),
		"content base without scheme": replace("DESCRIBE", "Content-Type",
			"Content-Base: 192.168.1.10/live/ch1\r\nContent-Type"),
		"content base twice the scheme": replace("DESCRIBE", "Content-Type",
			"Content-Base: rtsp://rtsp://192.168.1.10/live/ch1\r\nContent-Type"),
		"content base mapped address": replace("DESCRIBE", "Content-Type",
			"Content-Base: rtsp://::ffff:192.168.1.10:554/live/ch1/\r\nContent-Type"),
		"content base empty":      replace("DESCRIBE", "Content-Type", "Content-Base:\r\nContent-Type"),
		"content base bad escape": replace("DESCRIBE", "Content-Type", "Content-Base: rtsp://h/%zz/\r\nContent-Type"),
		"control on another host": replace("DESCRIBE", "a=control:trackID=1", "a=control:rtsp://10.0.0.9/x/1"),
		"session control relative": edit("DESCRIBE", func(string) string {
			r := &message{fields: []field{{"CSeq", "2"}}}
			return replySDP(r, strings.Replace(testSDP, "control:*", "control:live", 1))
		}),
		"transport missing":       edit("SETUP", func(good string) string { return cutLine(good, "Transport:") }),
		"transport without TCP":   replace("SETUP", "RTP/AVP/TCP", "RTP/AVP"),
		"transport in lower case": replace("SETUP", "RTP/AVP/TCP", "rtp/avp/tcp"),
		"transport blanks": edit("SETUP", func(g string) string {
			return strings.Replace(g, ";interleaved", "; interleaved", 1)
		}),
		"transport mode receive": replace("SETUP", "unicast", "unicast;mode=receive"),
		"transport host name":    replace("SETUP", "unicast", "unicast;source=camera.local;destination=nowhere"),
		"transport odd ssrc":     replace("SETUP", "unicast", "unicast;ssrc=XYZ"),
		"session with blank": edit("SETUP", func(g string) string {
			return setSession(g, "1234 ;timeout=60")
		}),
		"session timeout text": edit("SETUP", func(g string) string {
			return setSession(g, "1234;timeout=abc")
		}),
		"session timeout zero": edit("SETUP", func(g string) string { return setSession(g, "1234;timeout=0") }),
		"reply split by 100 continue": edit("PLAY", func(g string) string {
			return "RTSP/1.0 100 Continue\r\n\r\n" + g
		}),
		"play with npt=0- refused": on("PLAY", func(r *message) string {
			if r.get("Range") == "npt=0-" {
				return replyOf(r, "457 Invalid Range")
			}
			return ""
		}),
		"play without range refused": on("PLAY", func(r *message) string {
			if r.get("Range") == "" {
				return replyOf(r, "457 Invalid Range")
			}
			return ""
		}),
		"play with npt=now- refused": on("PLAY", func(r *message) string {
			if r.get("Range") != "npt=0.000-" {
				return replyOf(r, "503 Service Unavailable")
			}
			return ""
		}),
		"audio refused": on("SETUP", func(r *message) string {
			if strings.HasSuffix(r.url, "2") {
				return replyOf(r, "453 Not Enough Bandwidth")
			}
			return ""
		}),
		"media in front of the reply to PLAY": edit("PLAY", func(g string) string {
			return string(interleave(0, rtpPacket(96, 1, 0, 0x11223344, true, []byte{0x41, 0x9a, 0x02, 1}))) + g
		}),
		"user agent wanted": func(_ *fakeConn, r *message) string {
			if r.get("User-Agent") == "" {
				return replyOf(r, "401 Unauthorized")
			}
			return ""
		},
		"teardown unanswered":     on("TEARDOWN", func(*message) string { return "-" }),
		"garbage after the body":  edit("DESCRIBE", func(g string) string { return g + "a=x\r\nb=y\r\n\x00\x00" }),
		"folded and broken lines": replace("DESCRIBE", "Content-Type", "X-Long: a\r\n  b\r\nnonsense\r\nContent-Type"),
		"header too long for gortsplib": replace("DESCRIBE", "Content-Type",
			"X-Long: "+strings.Repeat("a", 5000)+"\r\nContent-Type"),
	}
	for name, quirk := range quirks {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			cam.answer = quirk
			if err := cam.pull(Config{}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
			if got := len(cam.asked("TEARDOWN")); got != 1 {
				t.Errorf("got %d TEARDOWN, want 1", got)
			}
			if plays := cam.asked("PLAY"); len(plays) > 0 && plays[0].get("Range") != "" {
				t.Errorf("first PLAY carries Range %q, want none", plays[0].get("Range"))
			}
		})
	}
}

func cutLine(text, prefix string) string {
	var kept []string
	for _, line := range strings.Split(text, "\r\n") {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n")
}

func setSession(text, value string) string {
	return strings.Replace(cutLine(text, "Session:"), "\r\nTransport:", "\r\nSession: "+value+"\r\nTransport:", 1)
}

// TestStreamQuirks disturbs the running stream; the pictures must go on.
func TestStreamQuirks(t *testing.T) {
	at := func(picture int, do func(c *fakeConn)) func(*fakeConn, int) {
		return func(c *fakeConn, p int) {
			if p == picture {
				do(c)
			}
		}
	}
	text := func(s string) func(*fakeConn) { return func(c *fakeConn) { c.send([]byte(s)) } }
	quirks := map[string]func(cam *fakeCamera){
		"server sends options": func(cam *fakeCamera) {
			cam.before = at(5, text("OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"))
		},
		"server sends get_parameter": func(cam *fakeCamera) {
			cam.before = at(5, text("GET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\n\r\n"))
		},
		"server sends set_parameter": func(cam *fakeCamera) {
			cam.before = at(5, text("SET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 5\r\n\r\n$abcd"))
		},
		"garbage with a dollar": func(cam *fakeCamera) { cam.before = at(5, text("\x00\x01$\x00garbage $$\xff")) },
		"garbage like a method": func(cam *fakeCamera) { cam.before = at(5, text("PLAYGROUND\x00PLAY")) },
		"a reply nobody asked for": func(cam *fakeCamera) {
			cam.before = at(5, text("RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"))
		},
		"frame of an unknown channel": func(cam *fakeCamera) {
			cam.before = at(5, func(c *fakeConn) {
				c.send(interleave(77, rtpPacket(107, 1, 1, 1, true, make([]byte, 50))))
			})
		},
		"empty frame": func(cam *fakeCamera) { cam.before = at(5, text("$\x00\x00\x00")) },
		"rtcp": func(cam *fakeCamera) {
			cam.before = at(5, func(c *fakeConn) { c.send(interleave(1, []byte{0x81, 203, 0, 1, 0x11, 0x22, 0x33, 0x44})) })
		},
		"frame cut short": func(cam *fakeCamera) {
			cam.before = at(5, func(c *fakeConn) {
				c.send(interleave(0, rtpPacket(96, 1, 1, 1, true, make([]byte, 900)))[:300])
			})
		},
		"other SSRC": func(cam *fakeCamera) {
			cam.tweak = func(picture int, b []byte) []byte {
				if picture >= 5 {
					b[8] ^= 0xff
				}
				return b
			}
		},
		"other payload type from the start": func(cam *fakeCamera) {
			cam.tweak = func(_ int, b []byte) []byte { b[1] = b[1]&0x80 | 105; return b }
		},
		"other payload type later": func(cam *fakeCamera) {
			cam.tweak = func(picture int, b []byte) []byte {
				if picture >= 5 {
					b[1] = b[1]&0x80 | 105
				}
				return b
			}
		},
		"header extension, CSRC and padding": func(cam *fakeCamera) {
			cam.tweak = func(_ int, b []byte) []byte {
				out := append([]byte{b[0] | 0x20 | 0x10 | 1}, b[1:12]...)
				out = append(out, 1, 2, 3, 4, 0xab, 0xac, 0, 1, 9, 9, 9, 9)
				return append(append(out, b[12:]...), 0, 0, 0, 4)
			}
		},
		"time stamps start anew": func(cam *fakeCamera) {
			cam.tweak = func(picture int, b []byte) []byte {
				if picture >= 5 {
					binary.BigEndian.PutUint32(b[4:], uint32(picture*3600)+0x70000000)
				}
				return b
			}
		},
	}
	for name, quirk := range quirks {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk(cam)
			if err := cam.pull(Config{}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
		})
	}
}

func TestRequestURLs(t *testing.T) {
	cam := newFakeCamera(t)
	cam.answer = func(_ *fakeConn, r *message) string {
		if r.method != "DESCRIBE" {
			return ""
		}
		return replySDP(r, strings.Replace(testSDP, "a=control:trackID=2", "a=control:rtsp://10.0.0.9:554/abs/2", 1))
	}
	path := "/cam/实时?channel=1&x=[1]%2f{a}"
	url := "rtsp://" + cam.listener.Addr().String() + path
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	host := "rtsp://" + cam.listener.Addr().String()
	want := map[string]string{
		"DESCRIBE": url, "SETUP": url + "/trackID=1", "PLAY": url, "TEARDOWN": url,
	}
	for method, u := range want {
		if got := cam.asked(method)[0].url; got != u {
			t.Errorf("%s %s, want %s", method, got, u)
		}
	}
	if got := cam.asked("SETUP")[1].url; got != host+"/abs/2" {
		t.Errorf("second SETUP %s, want %s", got, host+"/abs/2")
	}
}

func TestUserinfoNeverSent(t *testing.T) {
	cam := newFakeCamera(t)
	url := "rtsp://admin:p@ss/w:rd?#@" + cam.listener.Addr().String() + "/live"
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	cam.mu.Lock()
	defer cam.mu.Unlock()
	for _, r := range cam.requests {
		if b := r.appendTo(nil); bytes.Contains(b, []byte("admin")) {
			t.Errorf("user name in a request: %s", b)
		}
	}
}
