package cascade

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const (
	tcpItems      = 50       // items of one message over TCP
	tcpMessage    = 48 << 10 // and its bytes: some superiors read no more than 64 KiB
	maxUnanswered = 10       // parts in a row without a 200 before the rest is given up
)

// list is an answer that may need several messages: all with the same SN and the exact SumNum (GB/T 28181-2022
// Annex M).
type list[T any] struct {
	items    []T
	element  string                                    // DeviceList, RecordList …
	part     func(items []T, sum int) manscdp.Message  // one message
	id       func(it *T) string                        // items of one id are sent once; nil: all differ
	shorter  func(it *T) func(yield func(func()) bool) // steps that make an item smaller; nil: there are none
	maxItems int                                       // of one message; 0: by size over UDP, tcpItems over TCP
	frame    func(body []byte) *sipua.Request          // the request around a part; nil: a MESSAGE
}

// pages writes a list as the bodies of as few messages as the transport allows.
func pages[T any](p *Platform, l list[T], to string) ([][]byte, error) {
	m, err := measure(p, l, to)
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	write := func(items []T) error {
		body, err := p.encode(l.part(items, len(m.items)))
		bodies = append(bodies, body)
		return err
	}
	first, size := 0, m.base
	for i := range m.items {
		count := i - first
		if count > 0 && (count >= m.maxItems || size+m.sizes[i] > m.maxSize) {
			if err := write(m.items[first:i]); err != nil {
				return nil, err
			}
			first, size = i, m.base
		}
		size += m.sizes[i]
	}
	if err := write(m.items[first:]); err != nil {
		return nil, err
	}
	return bodies, nil
}

// measured is a list whose items can all be written, with their sizes on the wire.
type measured[T any] struct {
	items    []T
	sizes    []int
	base     int // the whole SIP message without items
	maxItems int
	maxSize  int
}

// measure leaves out items that cannot be written or whose ID came before.
func measure[T any](p *Platform, l list[T], to string) (*measured[T], error) {
	m := &measured[T]{maxItems: tcpItems, maxSize: tcpMessage}
	if p.cfg.Transport == "udp" {
		m.maxItems, m.maxSize = len(l.items), p.cfg.Compat.UDPMaxMessage
	}
	if l.maxItems > 0 {
		m.maxItems = l.maxItems
	}
	sum := len(l.items)
	body, err := p.encode(l.part(nil, sum))
	if err != nil {
		return nil, err
	}
	bare, wrapper := len(body), len("< Num=\"1\"></>")+2*len(l.element)
	if bytes.Contains(body, []byte("<"+l.element)) { // it is there without items, too
		bare -= wrapper
	}
	req := p.envelope(body, to)
	if l.frame != nil {
		req = l.frame(body)
	}
	m.base = messageSize(req, p.route()) + wrapper + len("\r\n\r\n") + len(strconv.Itoa(sum))
	size := func(it T) (int, error) {
		body, err := p.encode(l.part([]T{it}, sum))
		return len(body) - bare - wrapper, err
	}
	seen := make(map[string]bool, len(l.items))
	for i, it := range l.items {
		if l.id != nil {
			id := l.id(&it)
			if seen[id] {
				continue
			}
			seen[id] = true
		}
		n, err := size(it)
		if l.shorter != nil {
			for shorten := range l.shorter(&it) {
				if err != nil || m.base+n <= m.maxSize {
					break
				}
				shorten()
				n, err = size(it)
			}
		}
		if err != nil {
			p.log.Error("item left out", "list", l.element, "number", i+1, "error", err)
			continue
		}
		m.items, m.sizes = append(m.items, it), append(m.sizes, n)
	}
	return m, nil
}

// withSN puts an SN in the place of anySN.
func withSN(parts [][]byte, sn string) [][]byte {
	out := make([][]byte, len(parts))
	for i, body := range parts {
		out[i] = bytes.Replace(body, []byte("<SN>"+anySN+"</SN>"), []byte("<SN>"+sn+"</SN>"), 1)
	}
	return out
}

// answerInParts sends a Response of several messages.
func (p *Platform) answerInParts(a asked, parts [][]byte) {
	p.dispatch(a.ctx, &p.lists, func(ctx context.Context) {
		if p.afterAnswer(ctx, a) {
			p.sendParts(ctx, parts, a.from)
		}
	})
}

// sendParts sends the parts one after the other: the next one when the former has its 200, or after PartTimeout
// without one (WVP takes what it has for the whole after 5 s). A lost 200 does not stop the retransmission.
func (p *Platform) sendParts(ctx context.Context, parts [][]byte, to string) {
	var out sync.WaitGroup
	defer out.Wait()
	unanswered := 0
	for i, part := range parts {
		req := p.envelope(part, to)
		answered := make(chan bool, 1)
		out.Go(func() { answered <- p.sendPart(ctx, req) })
		late := time.NewTimer(p.cfg.Timers.PartTimeout)
		select {
		case ok := <-answered:
			if ok {
				unanswered = 0
				break
			}
			unanswered++
			if !sleep(ctx, p.cfg.Timers.PartTimeout/4) { // not at the pace of a refusing kernel
				return
			}
		case <-late.C:
			unanswered++
		case <-ctx.Done():
		}
		late.Stop()
		if ctx.Err() != nil || unanswered >= maxUnanswered {
			p.log.Warn("answer given up", "parts", len(parts), "sent", i+1, "error", context.Cause(ctx))
			return
		}
	}
}

// sendPart says whether the superior answered, whatever it answered.
func (p *Platform) sendPart(ctx context.Context, req *sipua.Request) bool {
	res, err := p.request(ctx, req)
	if err != nil {
		p.log.Debug("part lost", "error", err)
		return false
	}
	if res.Code/100 != 2 {
		p.log.Warn("part refused", "code", res.Code)
	}
	return true
}

// messageSize is the size of a request as the endpoint writes it, or a little more.
func messageSize(r *sipua.Request, route sipua.Route) int {
	const (
		via    = len("Via: SIP/2.0/UDP ;rport;branch=z9hG4bK\r\n") + 20 // and the rest of the branch
		fixed  = len("Max-Forwards: 70\r\nContent-Length: 65535\r\nUser-Agent: \r\n\r\n") + 32
		lines  = len(" SIP/2.0\r\nFrom: <>;tag=\r\nTo: <>\r\nCall-ID: \r\nCSeq: 2147483647 \r\nContent-Type: \r\n")
		number = via + fixed + lines
	)
	n := number + 2*len(r.Method) + len(r.URI.String()) + len(r.From.URI.String()) + len(r.From.Tag) +
		len(r.To.URI.String()) + len(r.CallID) + len(r.ContentType) + len(r.Body) + len(route.Local.String())
	for _, h := range r.Headers {
		n += len(h.Name) + len(h.Value) + len(": \r\n")
	}
	return n
}
