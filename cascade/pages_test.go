package cascade

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

func TestKeptCatalog(t *testing.T) {
	p := newPlatform(Config{ID: superiorID, NodeID: nodeID, Transport: "udp"}, nil, &testSite{}, nil)
	items := cameras(30, true)
	write := func(sn string, items []manscdp.Item) [][]byte {
		t.Helper()
		q := &manscdp.CatalogQuery{Header: manscdp.Header{CmdType: "Catalog", SN: sn, DeviceID: nodeID}}
		parts, err := p.catalogParts(q, items, superiorID)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range parts {
			m, err := manscdp.Decode(body)
			if err != nil || m.Head().SN != sn {
				t.Fatalf("SN %q in an answer to %q: %v", m.Head().SN, sn, err)
			}
		}
		return parts
	}
	first := write("1", items)
	again := write("4294967295", slices.Clone(items))
	if len(first) != len(again) || len(p.catalogs.kept) != 1 {
		t.Errorf("%d and %d parts, %d kept; want the same, once", len(first), len(again), len(p.catalogs.kept))
	}
	items = slices.Clone(items)
	items[3].Status = "OFF"
	changed := write("2", items)
	if !strings.Contains(strings.Join(texts(changed), ""), "<Status>OFF</Status>") || len(p.catalogs.kept) != 1 {
		t.Error("a change is not seen, or what it replaces is kept")
	}
	write("not a number", items)
	write("12345678901", items)
	for i := range 2 * maxCatalogs {
		q := &manscdp.CatalogQuery{Header: manscdp.Header{SN: "1", DeviceID: fmt.Sprint(i)}}
		if _, err := p.catalogParts(q, items, superiorID); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.catalogs.kept); n != maxCatalogs {
		t.Errorf("%d catalogs kept, want %d", n, maxCatalogs)
	}
	p.catalogs.keep(catalogKey{device: "large"}, nil, [][]byte{make([]byte, maxCatalogBytes+1)})
	if _, ok := p.catalogs.find(catalogKey{device: "large"}, nil); ok {
		t.Error("a catalog beyond the bound is kept")
	}
}

func texts(parts [][]byte) []string {
	var out []string
	for _, b := range parts {
		out = append(out, string(b))
	}
	return out
}

func TestCatalogOfTenThousandOverTCP(t *testing.T) {
	p := newPlatform(Config{ID: superiorID, NodeID: nodeID, Transport: "tcp"}, nil, &testSite{}, nil)
	q := &manscdp.CatalogQuery{Header: manscdp.Header{CmdType: "Catalog", SN: "1", DeviceID: nodeID}}
	parts, err := p.catalogParts(q, cameras(10000, true), superiorID)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(parts), 200; got < want || got > 3*want {
		t.Errorf("%d parts, want %d of fifty, or some more where items are long", got, want)
	}
	for _, b := range parts {
		if len(b) > tcpMessage {
			t.Errorf("a part of %d bytes, want at most %d", len(b), tcpMessage)
		}
	}
}

// TestUnconfirmedAnswersTieUpNobody has a superior that gives no 200 to any MESSAGE of ours.
func TestUnconfirmedAnswersTieUpNobody(t *testing.T) {
	s := newSuperior(t)
	s.message = func(*sipua.Request, manscdp.Message) int { return 0 }
	timers := shortTimers()
	timers.Reply = time.Minute
	g := start(t, s, Config{Timers: timers}, &testSite{}, newMedia())
	await(t, "registration", s.registered)
	const total = 3 * maxAnswers
	for i := range total {
		sn := fmt.Sprint(1000 + i)
		if got := s.ask(nodeID, query("DeviceInfo", sn, nodeID)); got != 200 {
			t.Fatalf("query %d = %d, want 200: the answers before it hold it up", i, got)
		}
		s.responses(sn, 1) // every one leaves, none is confirmed
	}
	if n := g.p.answers.size(); n != maxAnswers {
		t.Errorf("%d answers on their way, want %d", n, maxAnswers)
	}
}

// TestThousandQueries has a superior ask as fast as it can: every query gets 200 or 503, and every 200 its Response.
func TestThousandQueries(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			const total, askers = 1000, 20
			s, g := online(t, Config{Transport: transport}, &testSite{}, newMedia())
			var mu sync.Mutex
			codes := make(map[int]int)
			var accepted []string
			var all sync.WaitGroup
			for a := range askers {
				all.Go(func() {
					for i := range total / askers {
						sn := fmt.Sprint(10000 + a*total + i)
						r := s.request("MESSAGE", nodeID)
						r.ContentType, r.Body = typeMANSCDP, []byte(query("DeviceStatus", sn, nodeID))
						ctx, cancel := context.WithTimeout(context.Background(), waitFor)
						res, err := s.ua.Do(ctx, r, s.route())
						cancel()
						mu.Lock()
						if err != nil {
							codes[0]++
						} else {
							codes[res.Code]++
						}
						if err == nil && res.Code == 200 {
							accepted = append(accepted, sn)
						}
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if codes[200]+codes[503] != total || codes[200] == 0 {
				t.Errorf("codes = %v, want 200 and 503 only", codes)
			}
			for _, sn := range accepted {
				s.responses(sn, 1)
			}
			eventually(t, "nothing left", func() bool { return g.p.pending.Load() == 0 && g.p.answers.size() == 0 })
			answers := make(map[string]int)
			s.mu.Lock()
			for _, m := range s.messages {
				answers[m.Head().SN]++
			}
			s.mu.Unlock()
			for _, sn := range accepted {
				if answers[sn] != 1 {
					t.Errorf("%d responses to %s, want one", answers[sn], sn)
				}
			}
		})
	}
}
