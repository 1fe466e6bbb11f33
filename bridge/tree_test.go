package bridge

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

const (
	park   = "34020100002150000001" // business group
	east   = "34020100002160000001" // organisation in it
	tower  = "34020100002160000002" // organisation in east
	empty  = "34020100002160000003"
	street = "34020100002150000002" // business group
	quay   = "34020200001320000009"
)

// treeSite has gate in tower, yard in the park itself, quay in no group and another division.
func treeSite(cfg Config) *Site {
	if cfg.Groups == nil {
		cfg.Groups = []Group{
			{ID: tower, Name: "Tower", Parent: east, Cameras: []string{"gate"}},
			{ID: east, Name: "East", Parent: park, Cameras: []string{"g*"}},
			{ID: empty, Name: "Empty", Parent: park, Cameras: []string{"nobody"}},
			{ID: park, Name: "Park", Cameras: []string{"yard"}},
			{ID: street, Name: "Street", Cameras: []string{"gate"}},
		}
	}
	return NewSite(cfg, []Camera{
		{Name: "gate", Title: "Gate", ID: gate, Manufacturer: "ACME", Model: "D1", Source: &camera{}},
		{Name: "yard", Title: "Yard", ID: yard, Manufacturer: "ACME", Model: "B1", Source: &camera{}, CivilCode: "34020103"},
		{Name: "quay", Title: "Quay", ID: quay, Manufacturer: "ACME", Model: "B1", Source: &camera{}},
	})
}

func codes(items []manscdp.Item) []string {
	var list []string
	for _, it := range items {
		list = append(list, it.DeviceID)
	}
	return list
}

func catalogOf(t *testing.T, v *View, id string) *manscdp.CatalogResponse {
	t.Helper()
	answer, err := v.Catalog(t.Context(), &manscdp.CatalogQuery{Header: manscdp.Header{SN: "1", DeviceID: id}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestSubQueries(t *testing.T) {
	site := treeSite(Config{Districts: []District{{"3402", "Wuhu"}, {"35", "elsewhere"}, {"340201", "City"}}})
	whole := ViewConfig{Channels: []string{"*"}, Groups: []string{"*"}, Districts: true, SelfItem: true}
	all := []string{node, "3402", "340201", "34020103", "340202", park, east, tower, street, gate, yard, quay}
	for _, c := range []struct {
		name  string
		cfg   ViewConfig
		query string
		want  []string
	}{
		{"the node: parents before children", whole, node, all},
		{"a city", whole, "3402", []string{"3402", "340201", "34020103", "340202", gate, yard, quay}},
		{"a county", whole, "340201", []string{"340201", "34020103", gate, yard}},
		{"a street", whole, "34020103", []string{"34020103", yard}},
		{"a business group", whole, park, []string{park, east, tower, gate, yard}},
		{"an organisation", whole, east, []string{east, tower, gate}},
		{"the innermost", whole, tower, []string{tower, gate}},
		{"another group of the same camera", whole, street, []string{street, gate}},
		{"a camera", whole, yard, []string{yard}},
		{"a group without cameras", whole, empty, nil},
		{"an unknown code", whole, alien, nil},
		{"an unknown division", whole, "11", nil},
		{"cameras only", ViewConfig{Channels: []string{"*"}}, node, []string{gate, yard, quay}},
		{"a division that is not listed", ViewConfig{Channels: []string{"*"}}, "340201", []string{gate, yard}},
		{"a group that is not listed", ViewConfig{Channels: []string{"*"}}, park, nil},
		{
			"groups of what is seen",
			ViewConfig{Channels: []string{"yard"}, Groups: []string{"*"}, Districts: true},
			node,
			[]string{"3402", "340201", "34020103", park, yard},
		},
	} {
		c.cfg.NodeID, c.cfg.Name = node, "box"
		answer := catalogOf(t, site.View(c.cfg), c.query)
		if diff := cmp.Diff(c.want, codes(answer.Items)); diff != "" || answer.SumNum != len(c.want) {
			t.Errorf("%s: SumNum %d, want %d; items:\n%s", c.name, answer.SumNum, len(c.want), diff)
		}
	}
}

func TestParentMode(t *testing.T) {
	for _, c := range []struct {
		mode string
		want map[string]string // ParentID / BusinessGroupID
	}{
		{"", map[string]string{gate: node + " " + park, yard: node + " " + park, quay: node + " "}},
		{"org", map[string]string{gate: tower + " " + park, yard: park + " " + park, quay: node + " "}},
		{"org/node", map[string]string{
			gate: tower + "/" + street + "/" + node + " " + park, yard: park + "/" + node + " " + park, quay: node + " ",
		}},
	} {
		v := treeSite(Config{}).View(ViewConfig{
			NodeID: node, Channels: []string{"*"}, Groups: []string{"*"}, ParentMode: c.mode,
		})
		got := map[string]string{}
		for _, it := range catalogOf(t, v, node).Items {
			if gb28181.ID(it.DeviceID).IsCamera() {
				got[it.DeviceID] = it.ParentID + " " + it.BusinessGroupID
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q:\n%s", c.mode, diff)
		}
	}
}

func TestGroupsSayWhereTheyHang(t *testing.T) {
	own := "34020100002160000077"
	v := treeSite(Config{}).View(ViewConfig{
		NodeID: node, Channels: []string{"*"}, Groups: []string{"*"}, ParentMode: "org", IDs: map[string]string{east: own},
	})
	got := map[string]string{}
	for _, it := range catalogOf(t, v, node).Items {
		got[it.DeviceID] = it.Name + " " + it.ParentID + " " + it.BusinessGroupID
	}
	for id, want := range map[string]string{
		park: "Park " + node + " ", own: "East " + park + " " + park, tower: "Tower " + own + " " + park,
	} {
		if got[id] != want {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
	if want := []string{own, tower, gate}; !slices.Equal(codes(catalogOf(t, v, own).Items), want) {
		t.Errorf("by its code for this superior: %v, want %v", codes(catalogOf(t, v, own).Items), want)
	}
}

func TestEveryItemCanBeWritten(t *testing.T) {
	v := treeSite(Config{}).View(ViewConfig{
		NodeID: node, Channels: []string{"*"}, Groups: []string{"*"}, Districts: true, SelfItem: true, Name: "box",
	})
	for _, e := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
		for _, it := range catalogOf(t, v, node).Items {
			part := &manscdp.CatalogResponse{Header: header(node), SumNum: 1, Items: []manscdp.Item{it.For(e)}}
			if _, err := manscdp.Encode(part, e.Charset()); err != nil {
				t.Errorf("%v, %s: %v", e, it.DeviceID, err)
			}
		}
	}
}

func TestGroupsWithoutAPlaceAreLeftOut(t *testing.T) {
	var told bytes.Buffer
	list := forest([]Group{
		{ID: park, Name: "Park"},
		{ID: park, Name: "again"},
		{ID: east, Name: "below itself", Parent: east},
		{ID: tower, Name: "below nothing", Parent: alien},
		{ID: empty, Name: "no parent"},
		{ID: gate, Name: "a camera"},
		{ID: street, Name: "group in a group", Parent: park},
	}, slog.New(slog.NewTextHandler(&told, nil)))
	if len(list) != 1 || list[0].Name != "Park" {
		t.Errorf("placed %+v, want Park alone", list)
	}
	if n := strings.Count(told.String(), "group left out"); n != 6 {
		t.Errorf("%d groups were told of, want 6:\n%s", n, told.String())
	}
}

func TestCodesAreUnique(t *testing.T) {
	var told bytes.Buffer
	site := NewSite(Config{Groups: []Group{{ID: park, Name: "Park", Cameras: []string{"*"}}}}, []Camera{
		{Name: "a", ID: gate, Source: &camera{}},
		{Name: "b", ID: yard, Source: &camera{}},
		{Name: "c", ID: node, Source: &camera{}},
		{Name: "a", ID: alien, Source: &camera{}},
	})
	v := site.View(ViewConfig{
		NodeID: node, Channels: []string{"*"}, Groups: []string{"*"}, SelfItem: true, IDs: map[string]string{"b": gate},
		Log: slog.New(slog.NewTextHandler(&told, nil)),
	})
	if got, want := codes(catalogOf(t, v, node).Items), []string{node, park, gate}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !strings.Contains(told.String(), "camera a has its code") || !strings.Contains(told.String(), "camera=b") {
		t.Errorf("the owners were not named: %s", told.String())
	}
	if c, _ := v.channel(gate); c == nil || c.Name != "a" {
		t.Errorf("the code belongs to %v, want a", c)
	}
}

func manyCameras(n int) []Camera {
	list := make([]Camera, n)
	for i := range list {
		list[i] = Camera{
			Name: fmt.Sprintf("cam%05d", i), Title: "Camera", ID: gb28181.ID(fmt.Sprintf("3402010000132%07d", i)),
			Manufacturer: "ACME", Model: "B1", Source: &camera{},
		}
	}
	return list
}

func TestTenThousandChannelsAreListedOnce(t *testing.T) {
	cameras := manyCameras(10_000)
	var names []string
	for _, c := range cameras {
		names = append(names, c.Name)
	}
	site := NewSite(Config{Groups: []Group{{ID: park, Name: "Park", Cameras: names[5000:]}}}, cameras)
	v := site.View(ViewConfig{NodeID: node, Channels: names, Groups: []string{"*"}, ParentMode: "org"})
	q := &manscdp.CatalogQuery{Header: manscdp.Header{DeviceID: node}}
	first, _ := v.Catalog(t.Context(), q)
	if first.SumNum != 10_001 || first.Items[0].DeviceID != park || first.Items[1].ParentID != node ||
		first.Items[10_000].ParentID != park {
		t.Fatalf("SumNum %d, %v … %v", first.SumNum, first.Items[1], first.Items[10_000])
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = v.Catalog(t.Context(), q) }); n > 2 {
		t.Errorf("a catalog that has not changed costs %v allocations, want the answer's own", n)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = v.channel(string(cameras[9999].ID)) }); n > 0 {
		t.Errorf("a lookup costs %v allocations", n)
	}
	bad := site.Channels()[7]
	bad.health.note(DEFECT, "only MJPEG")
	bad.health.doubted = bad.health.doubted.Add(-bad.health.probing.Confirm)
	bad.health.note(DEFECT, "only MJPEG")
	second, _ := v.Catalog(t.Context(), q)
	var differ []int
	for i := range second.Items {
		if second.Items[i].Status != first.Items[i].Status {
			differ = append(differ, i)
		}
	}
	if !slices.Equal(differ, []int{8}) || second.Items[8].Status != "OFF" {
		t.Errorf("changed items %v, want the one of the channel that failed", differ)
	}
	if first.Items[8].Status != "ON" {
		t.Error("an answer that was handed out has changed")
	}
}

// A superior is shown the groups that it is given, and those above them.
func TestGroupsAreASuperiorsOwnChoice(t *testing.T) {
	site := treeSite(Config{})
	for _, c := range []struct {
		groups []string
		want   []string
		parent string // of the camera "gate"
	}{
		{nil, nil, node},
		{[]string{"Tower"}, []string{park, east, tower}, tower},
		{[]string{"East"}, []string{park, east}, east},
		{[]string{"Street"}, []string{street}, street},
	} {
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"gate"}, Groups: c.groups, ParentMode: "org"})
		items := catalogOf(t, v, node).Items
		got, parent := codes(items), items[len(items)-1].ParentID
		if want := append(c.want, gate); !slices.Equal(got, want) || parent != c.parent {
			t.Errorf("%v: %v below %s, want %v below %s", c.groups, got, parent, want, c.parent)
		}
	}
}
