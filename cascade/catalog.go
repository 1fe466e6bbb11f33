package cascade

import (
	"context"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const (
	tcpItems      = 50       // items of one Catalog message over TCP
	tcpMessage    = 48 << 10 // and its bytes: some superiors read no more than 64 KiB
	maxUnanswered = 10       // parts in a row without a 200 before the rest is given up
)

// catalog answers a Catalog query in as many parts as the transport wants, all with the query's SN and the exact
// SumNum (GB/T 28181-2022 Annex M).
func (p *Platform) catalog(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.CatalogQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.Catalog(limited, q)
	if code, _ := gb28181.StatusOf(err); err != nil && code != 404 {
		// An empty catalog would make WVP delete its channels: say nothing, it will ask again.
		p.log.Error("catalog", "device", q.DeviceID, "error", err)
		return
	}
	if err != nil || res == nil {
		res = &manscdp.CatalogResponse{}
	}
	parts, err := p.pages(q, res.Items, a.from)
	if err != nil {
		p.log.Error("catalog", "error", err)
		return
	}
	if p.afterAnswer(ctx, a) {
		p.sendParts(ctx, parts, a.from)
	}
}

// pages cuts a catalog into messages.
func (p *Platform) pages(q *manscdp.CatalogQuery, all []manscdp.Item, to string) ([]*manscdp.CatalogResponse, error) {
	m, err := p.measure(q, all, to)
	if err != nil {
		return nil, err
	}
	page := func(items []manscdp.Item) *manscdp.CatalogResponse {
		return &manscdp.CatalogResponse{Header: q.Answer(), SumNum: len(m.items), Num: len(items), Items: items}
	}
	if len(m.items) == 0 {
		return []*manscdp.CatalogResponse{page(nil)}, nil
	}
	var parts []*manscdp.CatalogResponse
	first, size := 0, m.base
	for i := range m.items {
		count := i - first
		if count > 0 && (count >= m.maxItems || size+m.sizes[i] > m.maxSize) {
			parts = append(parts, page(m.items[first:i]))
			first, size = i, m.base
		}
		size += m.sizes[i]
	}
	return append(parts, page(m.items[first:])), nil
}

// measured is a catalog whose items can all be written, each once, with their sizes on the wire.
type measured struct {
	items    []manscdp.Item
	sizes    []int
	base     int // the whole SIP message without items
	maxItems int
	maxSize  int
}

// measure leaves out items that cannot be written or whose ID came before: WVP counts unique IDs against SumNum.
func (p *Platform) measure(q *manscdp.CatalogQuery, all []manscdp.Item, to string) (*measured, error) {
	m := &measured{maxItems: tcpItems, maxSize: tcpMessage}
	if p.cfg.Transport == "udp" {
		m.maxItems, m.maxSize = len(all), p.cfg.Compat.UDPMaxMessage
	}
	if n := p.cfg.Compat.CatalogItems; n > 0 {
		m.maxItems = n
	}
	empty := &manscdp.CatalogResponse{Header: q.Answer(), SumNum: len(all)}
	req, err := p.message(empty, to)
	if err != nil {
		return nil, err
	}
	bare := len(req.Body)
	m.base = messageSize(req, p.route()) + listSize
	seen := make(map[string]bool, len(all))
	edition, cs := p.Edition(), p.charset()
	size := func(it manscdp.Item) (int, error) {
		one := &manscdp.CatalogResponse{Header: q.Answer(), SumNum: len(all), Items: []manscdp.Item{it}}
		body, err := manscdp.Encode(one, cs)
		return len(body) - bare - len(`<DeviceList Num="1"></DeviceList>`), err
	}
	for _, it := range all {
		if it = it.For(edition); seen[it.DeviceID] {
			continue
		}
		seen[it.DeviceID] = true
		n, err := size(it)
		for shorter := range slimmer(&it) {
			if err != nil || m.base+n <= m.maxSize {
				break
			}
			shorter()
			n, err = size(it)
		}
		if err != nil {
			p.log.Error("catalog item left out", "device", it.DeviceID, "error", err)
			continue
		}
		m.items, m.sizes = append(m.items, it), append(m.sizes, n)
	}
	return m, nil
}

// listSize is the list element around the items of a part.
const listSize = len("\r\n<DeviceList Num=\"10000\">\r\n</DeviceList>\r\n")

// slimmer yields the steps that make an item smaller: optional fields go, Info first.
func slimmer(it *manscdp.Item) func(yield func(func()) bool) {
	return func(yield func(func()) bool) {
		_ = yield(func() { it.Info = nil }) &&
			yield(func() { it.Block, it.IPAddress, it.Port = "", "", 0 }) &&
			yield(func() { it.CertNum, it.Certifiable, it.ErrCode, it.EndTime = "", nil, nil, "" }) &&
			yield(func() { it.SafetyWay, it.SecurityLevelCode = nil, "" }) &&
			yield(func() { it.Longitude, it.Latitude = 0, 0 })
	}
}

// sendParts sends the parts one after the other: the next one when the former has its 200, or after PartTimeout
// without one (WVP takes what it has for the whole after 5 s). A lost 200 does not stop the retransmission.
func (p *Platform) sendParts(ctx context.Context, parts []*manscdp.CatalogResponse, to string) {
	var out sync.WaitGroup
	defer out.Wait()
	unanswered := 0
	for i, part := range parts {
		req, err := p.message(part, to)
		if err != nil {
			p.log.Error("catalog part", "error", err)
			return
		}
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
			p.log.Warn("catalog given up", "parts", len(parts), "sent", i+1, "error", context.Cause(ctx))
			return
		}
	}
}

// sendPart says whether the superior answered, whatever it answered.
func (p *Platform) sendPart(ctx context.Context, req *sipua.Request) bool {
	res, err := p.request(ctx, req)
	if err != nil {
		p.log.Debug("catalog part lost", "error", err)
		return false
	}
	if res.Code/100 != 2 {
		p.log.Warn("catalog part refused", "code", res.Code)
	}
	return true
}

// messageSize is the size of a request as the endpoint writes it, or a little more.
func messageSize(r *sipua.Request, route sipua.Route) int {
	const (
		via    = len("Via: SIP/2.0/UDP ;rport;branch=z9hG4bK\r\n") + 40 // and the rest of the branch
		fixed  = len("Max-Forwards: 70\r\nContent-Length: 65535\r\nUser-Agent: \r\n\r\n") + 64
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
