package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
	"gbgate/media"
)

// The identities of the bench: the standard's own example codes.
const (
	SuperiorID = "34020000002000000001"
	NodeID     = "34020100002000000001"
)

// ChannelID is the code of camera i.
func ChannelID(i int) string { return fmt.Sprintf("3402010000132%07d", i+1) }

const (
	registerTimeout = 30 * time.Second
	firstTimeout    = 15 * time.Second
	callsAtOnce     = 64
	loopsAtOnce     = 16
	busyTries       = 60
)

var errBusy = errors.New("bench: the gateway answered 503")

// superior is the receiver process: a platform that challenges nobody, and its media ports.
type superior struct {
	ua    *sipua.Endpoint
	media *receivers
	node  chan sipua.Route // of the node, once it has registered

	mu     sync.Mutex
	route  sipua.Route
	serial uint32
	calls  []*call
	plain  []*line // ports for the floor
}

// call is one INVITE that was answered.
type call struct {
	invite *sipua.Request
	tag    string
	line   *line
}

// playRequest asks for viewers of the cameras from First on.
type playRequest struct{ First, Streams, Viewers int }

// firstPackets is how long first packets took, from the INVITE, and how many were not what a
// decoder can begin with.
type firstPackets struct {
	percentiles
	NotKey int
}

// receiversCommand serves the conductor's requests in the receiver process.
func receiversCommand(ctx context.Context) Handler {
	var s *superior
	return func(op string, args json.RawMessage) (any, error) {
		var err error
		switch op {
		case "start":
			if s, err = newSuperior(ctx); err != nil {
				return nil, err
			}
			return s.ua.Addr(), nil
		case "registered":
			return nil, s.awaitNode(ctx)
		case "play":
			var r playRequest
			if err := json.Unmarshal(args, &r); err != nil {
				return nil, err
			}
			return s.play(ctx, r)
		case "first":
			var r playRequest
			if err := json.Unmarshal(args, &r); err != nil {
				return nil, err
			}
			return s.first(ctx, r)
		case "loop":
			var r playRequest
			if err := json.Unmarshal(args, &r); err != nil {
				return nil, err
			}
			return s.loop(ctx, r)
		case "hangup":
			return nil, s.hangUp(ctx)
		case "ports":
			var n int
			if err := json.Unmarshal(args, &n); err != nil {
				return nil, err
			}
			return s.ports(n)
		case "mark":
			var pictures int
			if err := json.Unmarshal(args, &pictures); err != nil {
				return nil, err
			}
			s.media.mark(pictures)
			return nil, nil
		case "tally":
			return s.media.tally(), nil
		}
		return nil, errUnknown
	}
}

func newSuperior(ctx context.Context) (*superior, error) {
	ua, err := sipua.Listen(sipua.Config{Listen: "127.0.0.1:0", UserAgent: "gbgate bench"})
	if err != nil {
		return nil, err
	}
	s := &superior{ua: ua, node: make(chan sipua.Route, 1)}
	if s.media, err = newReceivers(); err != nil {
		return nil, err
	}
	ua.Handle("REGISTER", func(_ context.Context, r *sipua.Request) {
		_ = r.Respond(&sipua.Response{Code: 200, Contact: r.Contact, Headers: []sipua.Header{
			{Name: "Expires", Value: r.Header("Expires")}, {Name: "Date", Value: gb28181.FormatDate(time.Now())},
		}})
		select {
		case s.node <- sipua.Route{Transport: r.Transport, Remote: r.Source}:
		default:
		}
	})
	ok := func(_ context.Context, r *sipua.Request) { _ = r.Respond(&sipua.Response{Code: 200}) }
	ua.Handle("MESSAGE", ok)
	ua.Handle("BYE", ok)
	go func() { _ = ua.Run(ctx) }()
	return s, nil
}

func (s *superior) awaitNode(ctx context.Context) error {
	select {
	case s.route = <-s.node:
		return nil
	case <-time.After(registerTimeout):
		return errors.New("bench: the gateway did not register")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// play calls and waits for the first packet of every call.
func (s *superior) play(ctx context.Context, r playRequest) (firstPackets, error) {
	var mu sync.Mutex
	var took []float64
	var failed error
	notKey := 0
	slots := make(chan struct{}, callsAtOnce)
	var wg sync.WaitGroup
	for i := range r.Streams * r.Viewers {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c, d, key, err := s.call(ctx, ChannelID(r.First+i/r.Viewers))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			s.calls = append(s.calls, c)
			took = append(took, float64(d.Microseconds())/1000)
			if !key {
				notKey++
			}
		})
	}
	wg.Wait()
	return firstPackets{percentilesOf(took), notKey}, failed
}

// first plays warm cameras one after the other and hangs up again.
func (s *superior) first(ctx context.Context, r playRequest) (firstPackets, error) {
	var took []float64
	result := firstPackets{}
	for i := range r.Viewers {
		c, d, key, err := s.call(ctx, ChannelID(r.First+i*7%r.Streams))
		if err != nil {
			return result, err
		}
		took = append(took, float64(d.Microseconds())/1000)
		if !key {
			result.NotKey++
		}
		if err := s.bye(ctx, c); err != nil {
			return result, err
		}
	}
	result.percentiles = percentilesOf(took)
	return result, nil
}

// loop makes so many calls as Viewers says, some at once, each up to its first packet.
func (s *superior) loop(ctx context.Context, r playRequest) (firstPackets, error) {
	var mu sync.Mutex
	var took []float64
	result := firstPackets{}
	calls, stop := errgroup.WithContext(ctx)
	calls.SetLimit(loopsAtOnce)
	for i := range r.Viewers {
		calls.Go(func() error {
			c, d, key, err := s.patientCall(stop, ChannelID(r.First+i%r.Streams))
			if err != nil {
				return err
			}
			mu.Lock()
			took = append(took, float64(d.Microseconds())/1000)
			if !key {
				result.NotKey++
			}
			mu.Unlock()
			return s.bye(stop, c)
		})
	}
	err := calls.Wait()
	result.percentiles = percentilesOf(took)
	return result, err
}

// patientCall calls again while the gateway has as many INVITE transactions as it bears: each lives for 32 s.
func (s *superior) patientCall(ctx context.Context, channel string) (*call, time.Duration, bool, error) {
	for try := 1; ; try++ {
		c, d, key, err := s.call(ctx, channel)
		if !errors.Is(err, errBusy) || try == busyTries {
			return c, d, key, err
		}
		if err := media.Wait(ctx, time.Second); err != nil {
			return nil, 0, false, err
		}
	}
}

// call sends an INVITE for a channel and returns the time until the first RTP packet.
func (s *superior) call(ctx context.Context, channel string) (*call, time.Duration, bool, error) {
	l, err := s.media.open()
	if err != nil {
		return nil, 0, false, err
	}
	c := &call{line: l, invite: s.offer(channel, l)}
	began := monotonic()
	answer, err := s.ua.Do(ctx, c.invite, s.route)
	switch {
	case err != nil:
	case answer.Code == 503:
		err = errBusy
	case answer.Code != 200:
		err = fmt.Errorf("bench: INVITE for %s was answered %d %s", channel, answer.Code, answer.Reason)
	}
	if err == nil {
		c.tag = answer.ToTag
		err = s.ua.Send(s.within(c, "ACK", c.invite.CSeq), s.route)
	}
	var at int64
	var key bool
	if err == nil {
		at, key, err = s.media.awaitFirst(l, firstTimeout)
	}
	if err != nil {
		s.media.close(l)
		return nil, 0, false, fmt.Errorf("%s: %w", channel, err)
	}
	return c, time.Duration(at - began), key, nil
}

func (s *superior) offer(channel string, l *line) *sipua.Request {
	s.mu.Lock()
	s.serial++
	serial := s.serial
	s.mu.Unlock()
	ssrc := gb28181.FormatSSRC(gb28181.NewSSRC(gb28181.SSRCLive, SuperiorID[:10], serial))
	to := sipua.URI{User: channel, Host: s.route.Remote.Addr().String(), Port: int(s.route.Remote.Port())}
	ours := s.ua.Addr()
	contact := sipua.URI{User: SuperiorID, Host: ours.Addr().String(), Port: int(ours.Port())}
	sdp := "v=0\r\no=" + SuperiorID + " 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=video " + strconv.Itoa(int(l.port)) + " RTP/AVP 96\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\ny=" + ssrc + "\r\n"
	return &sipua.Request{
		Method: "INVITE", URI: to,
		From: sipua.Address{URI: sipua.URI{User: SuperiorID, Host: SuperiorID[:10]}, Tag: "b" + ssrc},
		To:   sipua.Address{URI: to}, CallID: "bench" + strconv.Itoa(int(serial)), CSeq: 1, Contact: &contact,
		Headers:     []sipua.Header{{Name: "Subject", Value: channel + ":" + ssrc + "," + SuperiorID + ":0"}},
		ContentType: "application/sdp", Body: []byte(sdp),
	}
}

func (s *superior) within(c *call, method string, cseq uint32) *sipua.Request {
	r := &sipua.Request{
		Method: method, URI: c.invite.URI, From: c.invite.From, To: c.invite.To,
		CallID: c.invite.CallID, CSeq: cseq,
	}
	r.To.Tag = c.tag
	return r
}

func (s *superior) bye(ctx context.Context, c *call) error {
	_, err := s.ua.Do(ctx, s.within(c, "BYE", 2), s.route)
	s.media.close(c.line)
	return err
}

// hangUp ends all calls and closes the floor's ports.
func (s *superior) hangUp(ctx context.Context) error {
	var failed error
	var wg sync.WaitGroup
	slots := make(chan struct{}, callsAtOnce)
	var mu sync.Mutex
	for _, c := range s.calls {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.bye(ctx, c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	wg.Wait()
	for _, l := range s.plain {
		s.media.close(l)
	}
	s.calls, s.plain = nil, nil
	return failed
}

// ports opens n ports for the floor.
func (s *superior) ports(n int) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for range n {
		l, err := s.media.open()
		if err != nil {
			return nil, err
		}
		l.floor = true
		s.plain = append(s.plain, l)
		list = append(list, l.address())
	}
	return list, nil
}
