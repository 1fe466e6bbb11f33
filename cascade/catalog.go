package cascade

import (
	"context"
	"reflect"
	"strings"
	"sync"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
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
	parts, err := p.catalogParts(q, res.Items, a.from)
	if err != nil {
		p.log.Error("catalog", "error", err)
		return
	}
	p.answerInParts(a, parts)
}

// catalogParts writes a catalog, or takes what was written when the same was asked before: panjjo asks after each
// keepalive, Monibuca each minute.
func (p *Platform) catalogParts(q *manscdp.CatalogQuery, items []manscdp.Item, to string) ([][]byte, error) {
	key := catalogKey{
		device: q.DeviceID, to: to, route: p.route().Local.String(), edition: p.Edition(), charset: p.charset(),
	}
	plain := len(q.SN) <= len(anySN) && strings.Trim(q.SN, "0123456789") == "" && q.SN != ""
	if !plain {
		return p.writeCatalog(q.Header, items, key)
	}
	parts, ok := p.catalogs.find(key, items)
	if !ok {
		h := q.Header
		h.SN = anySN
		var err error
		if parts, err = p.writeCatalog(h, items, key); err != nil {
			return nil, err
		}
		p.catalogs.keep(key, items, parts)
	}
	return withSN(parts, q.SN), nil
}

func (p *Platform) writeCatalog(h manscdp.Header, items []manscdp.Item, key catalogKey) ([][]byte, error) {
	l := list[manscdp.Item]{
		element: "DeviceList",
		part: func(items []manscdp.Item, sum int) manscdp.Message {
			return &manscdp.CatalogResponse{Header: h.Answer(), SumNum: sum, Num: len(items), Items: items}
		},
		id:       func(it *manscdp.Item) string { return it.DeviceID }, // WVP counts unique IDs against SumNum
		shorter:  slimmer,
		maxItems: p.cfg.Compat.CatalogItems,
	}
	for _, it := range items {
		l.items = append(l.items, it.For(key.edition))
	}
	return pages(p, l, key.to)
}

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

// recordInfo answers a RecordInfo query like a Catalog. srs-sip and most platforms stop waiting after 10 s, so what the
// site found is sent in parts at once.
func (p *Platform) recordInfo(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.RecordInfoQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.RecordInfo(limited, p.inwardRecords(q))
	if err != nil || res == nil {
		p.log.Warn("record info", "device", q.DeviceID, "error", err)
		res = &manscdp.RecordInfoResponse{}
	}
	l := list[manscdp.RecordItem]{
		items: res.Items, element: "RecordList",
		part: func(items []manscdp.RecordItem, sum int) manscdp.Message {
			return &manscdp.RecordInfoResponse{
				Header: q.Answer(), Name: res.Name, SumNum: sum, Num: len(items), Items: items,
			}
		},
		id: func(it *manscdp.RecordItem) string { // WVP's key
			return gb28181.FormatTime(it.Start) + gb28181.FormatTime(it.End)
		},
	}
	parts, err := pages(p, l, a.from)
	if err != nil {
		p.log.Error("record info", "error", err)
		return
	}
	p.answerInParts(a, parts)
}

// presets answers a PresetQuery; SumNum lets a superior put the parts together. Most cameras need one.
func (p *Platform) presets(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.PresetQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.Presets(limited, q)
	if err != nil || res == nil {
		p.log.Warn("presets", "device", q.DeviceID, "error", err)
		res = &manscdp.PresetResponse{}
	}
	l := list[manscdp.Preset]{
		items: res.Presets, element: "PresetList",
		part: func(items []manscdp.Preset, sum int) manscdp.Message {
			return &manscdp.PresetResponse{Header: q.Answer(), SumNum: sum, Num: len(items), Presets: items}
		},
	}
	parts, err := pages(p, l, a.from)
	if err != nil {
		p.log.Error("presets", "error", err)
		return
	}
	p.answerInParts(a, parts)
}

// Bounds of what is kept of written catalogs.
const (
	maxCatalogs     = 4
	maxCatalogBytes = 1 << 20 // of one: about 1 300 channels; larger ones are written anew each time
)

// anySN stands for the SN in a catalog that is kept; as long as the longest that superiors send.
const anySN = "0000000000"

// catalogKey is what the text of a catalog depends on beside its items.
type catalogKey struct {
	device, to, route string
	edition           gb28181.Edition
	charset           gb28181.Charset
}

// catalogs keeps written catalogs.
type catalogs struct {
	mu   sync.Mutex
	kept []writtenCatalog // last used last
}

type writtenCatalog struct {
	key   catalogKey
	items []manscdp.Item
	parts [][]byte
}

// find gives the parts of a catalog that is still the same.
func (c *catalogs) find(key catalogKey, items []manscdp.Item) ([][]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, k := range c.kept {
		if k.key != key || !reflect.DeepEqual(k.items, items) {
			continue
		}
		c.kept = append(append(c.kept[:i:i], c.kept[i+1:]...), k)
		return k.parts, true
	}
	return nil, false
}

func (c *catalogs) keep(key catalogKey, items []manscdp.Item, parts [][]byte) {
	size := 0
	for _, b := range parts {
		size += len(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, k := range c.kept {
		if k.key == key {
			c.kept = append(c.kept[:i:i], c.kept[i+1:]...)
			break
		}
	}
	if size > maxCatalogBytes {
		return
	}
	if len(c.kept) == maxCatalogs {
		c.kept = c.kept[1:]
	}
	c.kept = append(c.kept, writtenCatalog{key, items, parts})
}
