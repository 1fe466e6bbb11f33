package cascade

import (
	"fmt"
	"strings"
	"testing"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// cameras makes n catalog items; rich ones fill every optional field.
func cameras(n int, rich bool) []manscdp.Item {
	items := make([]manscdp.Item, n)
	for i := range items {
		items[i] = manscdp.Item{
			DeviceID: fmt.Sprintf("3402010000132%07d", i+1), Name: fmt.Sprintf("东门球机 %d", i+1),
			Manufacturer: "ACME", Model: "IPC", CivilCode: "340201", Address: "东门", ParentID: nodeID,
			RegisterWay: 1, Status: "ON",
		}
		if rich {
			items[i].Name = strings.Repeat("很长的名字", 12)
			items[i].Address = strings.Repeat("很长的地址", 12)
			items[i].Longitude, items[i].Latitude = 118.376451, 31.326319
			items[i].Info = &manscdp.ItemInfo{
				PTZType: 1, Resolution: "6/5", DownloadSpeed: "1/2/4", RoomType: 1, SupplyLightType: 2, UseType: 1,
				SVCSpaceSupportMode: strings.Repeat("x", 500),
			}
		}
	}
	return items
}

func TestCatalog(t *testing.T) {
	tests := []struct {
		items    int
		rich     bool
		maxParts int
	}{{0, false, 1}, {1, false, 1}, {100, false, 100}, {7, true, 7}}
	for _, tt := range tests {
		for _, transport := range transports {
			t.Run(fmt.Sprintf("%d %v %s", tt.items, tt.rich, transport), func(t *testing.T) {
				items := cameras(tt.items, tt.rich)
				s, _ := online(t, Config{Transport: transport}, &testSite{items: append(items, items...)}, newMedia())
				if got := s.ask(nodeID, query("Catalog", "2147483999", nodeID)); got != 200 {
					t.Fatalf("MESSAGE = %d, want 200", got)
				}
				maxParts := tt.maxParts
				if transport == "tcp" {
					maxParts = max(1, (tt.items+49)/50)
				}
				checkCatalog(t, s, "2147483999", tt.items, maxParts)
				if transport == "tcp" {
					return
				}
				for _, raw := range s.received("<CmdType>Catalog</CmdType>") {
					if len(raw) > 1300 {
						t.Errorf("a message of %d bytes, want at most 1300:\n%s", len(raw), raw)
					}
				}
			})
		}
	}
}

// checkCatalog waits for a whole catalog and looks at what holds for all of its parts.
func checkCatalog(t *testing.T, s *superior, sn string, items, maxParts int) {
	t.Helper()
	seen := make(map[string]bool)
	var parts []manscdp.Message
	for n := 1; ; n++ {
		parts = s.responses(sn, n)
		clear(seen)
		for _, m := range parts {
			r, ok := m.(*manscdp.CatalogResponse)
			if !ok {
				t.Fatalf("got %T, want a catalog", m)
			}
			if r.SumNum != items || r.DeviceID != nodeID || r.Num != len(r.Items) {
				t.Errorf("SumNum %d of %s, Num %d with %d items; want SumNum %d", r.SumNum, r.DeviceID, r.Num,
					len(r.Items), items)
			}
			for _, it := range r.Items {
				seen[it.DeviceID] = true
			}
		}
		if len(seen) >= items {
			break
		}
	}
	if len(seen) != items || len(parts) > maxParts {
		t.Errorf("%d items in %d parts, want %d in at most %d", len(seen), len(parts), items, maxParts)
	}
}

func TestCatalogGoesOnWithoutAn200(t *testing.T) {
	s := newSuperior(t)
	lost := 0
	s.message = func(_ *sipua.Request, m manscdp.Message) int {
		if r, ok := m.(*manscdp.CatalogResponse); ok && r.Items[0].DeviceID == cameras(3, false)[2].DeviceID {
			lost++
			return 0
		}
		return 200
	}
	start(t, s, Config{}, &testSite{items: cameras(12, false)}, newMedia())
	await(t, "registration", s.registered)
	s.ask(nodeID, query("Catalog", "7", nodeID))
	checkCatalog(t, s, "7", 12, 12)
	if lost == 0 {
		t.Error("no part was lost: the test tests nothing")
	}
}

func TestCatalogPacksSmallItems(t *testing.T) {
	items := make([]manscdp.Item, 40) // virtual organisations: four lines each
	for i := range items {
		items[i] = manscdp.Item{DeviceID: fmt.Sprintf("3402010000216%07d", i+1), Name: "东区", ParentID: nodeID}
	}
	s, _ := online(t, Config{}, &testSite{items: items}, newMedia())
	s.ask(nodeID, query("Catalog", "1", nodeID))
	checkCatalog(t, s, "1", 40, 10)
	for _, raw := range s.received("<CmdType>Catalog</CmdType>") {
		if len(raw) > 1300 {
			t.Errorf("a message of %d bytes, want at most 1300", len(raw))
		}
	}
}

func TestCatalogItemsPerMessage(t *testing.T) {
	s, _ := online(t, Config{Compat: Compat{CatalogItems: 1}}, &testSite{items: cameras(5, false)}, newMedia())
	s.ask(nodeID, query("Catalog", "1", nodeID))
	if got := len(s.responses("1", 5)); got != 5 {
		t.Errorf("%d parts, want 5", got)
	}
}

func TestCatalogLeavesOutWhatCannotBeWritten(t *testing.T) {
	items := cameras(3, false)
	items[1].Status = "ONLINE"
	s, _ := online(t, Config{}, &testSite{items: items}, newMedia())
	s.ask(nodeID, query("Catalog", "1", nodeID))
	checkCatalog(t, s, "1", 2, 2)
}
