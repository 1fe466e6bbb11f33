package sipua

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// captured is one message that a superior sent, with what a reader of it should see.
type captured struct {
	file, method, callID, branch string
	body                         []byte
	raw                          []byte
}

// capturedRequests loads the requests; the captures' own loopback ports become port, where this test listens.
func capturedRequests(t *testing.T, port uint16) []captured {
	t.Helper()
	ports := regexp.MustCompile(`(?m)^(Via: SIP/2.0/\w+ 127\.0\.0\.1):\d+`)
	var all []captured
	for _, name := range superiorFiles(t) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(raw, []byte("SIP/2.0")) {
			continue
		}
		raw = ports.ReplaceAll(raw, []byte("${1}:"+strconv.Itoa(int(port))))
		head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		c := captured{file: filepath.Base(name), body: body, raw: raw}
		c.method, _, _ = strings.Cut(string(head), " ")
		c.callID = regexp.MustCompile(`(?m)^Call-ID: (\S+)`).FindStringSubmatch(string(head))[1]
		c.branch = regexp.MustCompile(`branch=([^;\s]+)`).FindStringSubmatch(string(head))[1]
		all = append(all, c)
	}
	return all
}

// collector answers every method with 200 and shows what arrived.
func collector(t *testing.T, cfg Config) (*Endpoint, <-chan *Request) {
	t.Helper()
	seen := make(chan *Request, 2000)
	e := start(t, cfg, func(e *Endpoint) {
		for _, m := range []string{"INVITE", "ACK", "BYE", "MESSAGE", "INFO", "SUBSCRIBE"} {
			e.Handle(m, func(_ context.Context, r *Request) {
				seen <- r
				if m != "ACK" {
					if err := r.Respond(&Response{Code: 200}); err != nil {
						t.Errorf("%s: Respond: %v", m, err)
					}
				}
			})
		}
	})
	return e, seen
}

func receiveOne(t *testing.T, seen <-chan *Request, what string) *Request {
	t.Helper()
	select {
	case r := <-seen:
		return r
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not reach its handler", what)
		return nil
	}
}

// checkCaptured compares what the handler saw with the capture.
func checkCaptured(t *testing.T, got *Request, want captured, transport string) {
	t.Helper()
	if got.Method != want.method || got.CallID != want.callID || got.Branch != want.branch ||
		got.Transport != transport {
		t.Errorf("%s: got %s %s %s by %s", want.file, got.Method, got.CallID, got.Branch, got.Transport)
	}
	if !bytes.Equal(got.Body, want.body) {
		t.Errorf("%s: body %q, want %q", want.file, got.Body, want.body)
	}
	if got.From.URI.User != superior || got.From.Tag == "" || got.LocalTag == "" {
		t.Errorf("%s: From %+v, LocalTag %q", want.file, got.From, got.LocalTag)
	}
}

// readAnswer reads one response and says whose it is.
func readAnswer(t *testing.T, next func() ([]byte, error)) (code int, callID, branch string) {
	t.Helper()
	raw, err := next()
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	msg, err := sip.ParseMessage(raw)
	if err != nil {
		t.Fatalf("answer %q: %v", raw, err)
	}
	res, ok := msg.(*sip.Response)
	if !ok {
		t.Fatalf("not an answer: %q", raw)
	}
	if n := *res.ContentLength(); int(n) != len(res.Body()) {
		t.Errorf("Content-Length %d of %q", n, raw)
	}
	branch, _ = res.Via().Params.Get("branch")
	return res.StatusCode, res.CallID().Value(), branch
}

func udpSocket(t *testing.T) (*net.UDPConn, func() ([]byte, error)) {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	buf := make([]byte, 65535)
	return c, func() ([]byte, error) {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := c.Read(buf)
		return buf[:n], err
	}
}

func TestSuperiorsOverUDP(t *testing.T) {
	e, seen := collector(t, Config{})
	c, next := udpSocket(t)
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for _, want := range capturedRequests(t, port) {
		if _, err := c.WriteToUDPAddrPort(want.raw, e.Addr()); err != nil {
			t.Fatal(err)
		}
		checkCaptured(t, receiveOne(t, seen, want.file), want, "udp")
		if want.method == "ACK" {
			continue
		}
		// Whatever address the Via names: the answer comes to where the request came from.
		code, callID, branch := readAnswer(t, next)
		if code != 200 || callID != want.callID || branch != want.branch {
			t.Errorf("%s: answer %d %s %s, want 200 %s %s", want.file, code, callID, branch, want.callID, want.branch)
		}
	}
}

func TestSuperiorsOverTCP(t *testing.T) {
	for name, size := range map[string]int{"byte by byte": 1, "coalesced": 1 << 20, "in pieces of 700": 700} {
		t.Run(name, func(t *testing.T) {
			e, seen := collector(t, Config{})
			c, err := net.Dial("tcp", e.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			requests := capturedRequests(t, 5060)
			var stream []byte
			want := map[uint64]captured{}
			for i, r := range requests {
				stream = append(stream, r.raw...)
				want[uint64(i+1)] = r
			}
			go func() {
				for len(stream) > 0 {
					n := min(size, len(stream))
					if _, err := c.Write(stream[:n]); err != nil {
						return
					}
					stream = stream[n:]
				}
			}()
			answers := 0
			for range requests {
				got := receiveOne(t, seen, "a request")
				checkCaptured(t, got, want[got.Arrival], "tcp")
				if got.Method != "ACK" {
					answers++
				}
			}
			f := newFramer(c)
			for range answers {
				code, callID, _ := readAnswer(t, func() ([]byte, error) { return f.next(5 * time.Second) })
				if code != 200 || callID == "" {
					t.Errorf("answer %d to %s", code, callID)
				}
			}
		})
	}
}

func TestSuperiorsResponses(t *testing.T) {
	seen := 0
	for _, name := range superiorFiles(t) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(raw, []byte("SIP/2.0")) {
			continue
		}
		seen++
		text, err := repair(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		msg, err := newParser().ParseSIP(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		res := decodeResponse(msg.(*sip.Response), msgSource)
		switch res.Code {
		case 200:
		case 401:
			c := Credentials{node, "12345678"}
			challenges := res.HeaderValues("WWW-Authenticate")
			if _, err := c.Authorize(challenges, "REGISTER", "sip:"+superior+"@"+domain); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			t.Errorf("%s: code %d", name, res.Code)
		}
	}
	if seen < 10 {
		t.Errorf("%d responses, want at least 10", seen)
	}
}
