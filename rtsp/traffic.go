package rtsp

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pause implements traffic: the first signature behind a challenge is that of DESCRIBE.
func (s *session) pause(method string) time.Duration {
	if method != "DESCRIBE" {
		return 0
	}
	return s.auth.pause()
}

// outbound gives a request the camera's own URL, a signature, and no Range unless one is wanted.
func (s *session) outbound(m *message) (exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := exchange{about: m.url, transport: m.get("Transport")}
	m.url = s.realURL(m.url)
	if s.playing && (m.method == "OPTIONS" || m.method == "GET_PARAMETER") {
		e.keepalive = true
		method, ok := s.keepalive.method(m.method)
		if !ok {
			return e, false
		}
		m.method = method
	}
	s.dress(m)
	s.sign(m, &e)
	if !e.keepalive && m.method != "TEARDOWN" {
		s.last = reply{method: m.method}
		s.arm(m.method)
	}
	return e, true
}

// sign adds a signature, once the camera has asked for one. The OPTIONS in front goes without: cameras answer it
// whatever it is signed with, so that it would prove a wrong password right. Not so those that ask at OPTIONS already,
// and hang up there.
func (s *session) sign(m *message, e *exchange) {
	if m.method == "OPTIONS" && !e.keepalive && !s.auth.options {
		return
	}
	var header string
	if header, e.signed = s.auth.sign(m.method, m.url); header != "" {
		m.set("Authorization", header)
	}
}

// dress puts the headers of PLAY, and what a replay or the back channel requires, into a request.
func (s *session) dress(m *message) {
	if m.method == "PLAY" {
		m.del("Range")
		for _, f := range s.playFields {
			m.set(f.name, f.value)
		}
	}
	switch m.method {
	case "DESCRIBE", "SETUP", "PLAY":
		if s.talk {
			m.set("Require", backChannel)
		}
	}
	if r := s.replay; r != nil && r.onvif && !r.plain && (m.method == "PLAY" || m.method == "SETUP") {
		m.set("Require", "onvif-replay")
	}
}

func (s *session) realURL(standIn string) string {
	switch standIn {
	case standInBase:
		return s.base.String()
	case standInVideo:
		return s.base.control(s.offer.video.Control).String()
	case standInAudio:
		if s.offer.audio != nil {
			return s.base.control(s.offer.audio.Control).String()
		}
	}
	return s.target.String()
}

// arm starts the watchdog over a reply; called with the lock held, like disarm.
func (s *session) arm(method string) {
	s.disarm()
	s.timer = time.AfterFunc(s.cfg.ReplyTimeout, func() {
		s.fail(&Error{
			Kind: Protocol, Text: fmt.Sprintf("camera did not answer %s within %v", method, s.cfg.ReplyTimeout),
		})
	})
}

func (s *session) disarm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// inbound notes a reply and rewrites it into one that gortsplib cannot refuse to read.
func (s *session) inbound(e exchange, m *message) {
	opening := e.method == "OPTIONS" && !e.keepalive
	challenges := m.values("WWW-Authenticate")
	switch {
	case m.code != 401:
		s.auth.passed(e.signed)
	case !opening || len(challenges) > 0: // else it says nothing about the requests that matter
		s.auth.challenged(challenges, e.signed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if opening && m.code == 401 && len(challenges) > 0 {
		s.atOptions = true
	}
	if e.keepalive {
		s.keepalive.answered(e.method, m.code)
	} else {
		s.disarm()
		s.last = reply{method: e.method, code: m.code, reason: m.reason}
	}
	clean := &message{code: m.code, reason: m.reason}
	clean.set("CSeq", m.get("CSeq"))
	if id := m.get("Session"); id != "" {
		id, s.timeout = repairSession(id, s.timeout)
		clean.set("Session", id)
		s.id, _, _ = strings.Cut(id, ";")
	}
	switch e.method {
	case "OPTIONS":
		clean.code = 200 // old recorders answer 404, 501 or a 401 without challenge: DESCRIBE will tell
		if m.code == 200 {
			clean.set("Public", m.get("Public"))
		}
	case "DESCRIBE":
		s.described(m, clean)
	case "SETUP":
		s.settledTransport(e, m, clean)
	case "PLAY":
		s.playing = s.playing || m.code == 200
		if m.code == 200 && s.replay != nil {
			s.replayGranted(e.cseq, m)
		}
	}
	*m = *clean
}

// described takes the description and puts the stand-in in its place.
func (s *session) described(m, clean *message) {
	if m.code >= 300 && m.code < 400 {
		s.last.location = m.get("Location") // hidden from gortsplib, which would take the password along
		return
	}
	if m.code != 200 {
		return
	}
	s.server = m.get("Server")
	table := parseTracks(m.body)
	offer, err := table.choose()
	if s.talk {
		offer, err = table.chooseBackChannel()
	}
	if err != nil {
		s.cause = err
		clean.code, clean.reason = 415, "Unsupported Media Type"
		return
	}
	for _, text := range offer.left {
		s.log.Debug(text)
	}
	s.offer = offer
	s.base = s.target.base(table.Control, m.get("Content-Base"))
	clean.set("Content-Type", "application/sdp")
	clean.set("Content-Base", standInBase)
	clean.body = offer.standIn()
}

// settledTransport notes which channels a track will use, or which ports.
func (s *session) settledTransport(e exchange, m, clean *message) {
	if m.code != 200 {
		return
	}
	if s.udp {
		clean.set("Transport", repairUDP(e.transport, m.get("Transport")))
		return
	}
	channel, ok := repairTCP(e.transport, m.get("Transport"))
	if !ok {
		s.last.code, s.last.reason = 461, "camera offers RTP over UDP only"
		clean.code = 461
		return
	}
	s.channels[e.about] = channel
	s.used[channel] = true
	s.used[channel+1] = true
	asked, _ := parseTransport(e.transport).pair("interleaved", 255)
	clean.set("Transport", "RTP/AVP/TCP;unicast;interleaved="+strconv.Itoa(asked)+"-"+strconv.Itoa(asked+1))
}

// asked takes a request of the camera, answered already. Two of them mean that the stream has come to
// its end: recorders ANNOUNCE it (end-of-stream 2101), or send the client elsewhere.
func (s *session) asked(m *message) error {
	switch m.method {
	case "ANNOUNCE", "REDIRECT", "TEARDOWN":
		err := &Error{Kind: Closed, Text: "camera ended the stream (" + strings.ToUpper(m.method) + ")"}
		if s.replay != nil {
			s.replay.ended(through)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cause == nil {
			s.cause = err
		}
		return err
	}
	return nil
}

// frame takes an interleaved frame; this is the way of nearly every byte that comes in.
func (s *session) frame(channel byte, payload []byte, at time.Time) {
	if f := s.feed.Load(); f != nil {
		f.interleaved(channel, payload, at)
	}
}
