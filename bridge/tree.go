package bridge

import (
	"log/slog"
	"path"
	"slices"
	"strings"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// tree is the catalog of one view, made once per table: with 10 000 channels and a platform
// that asks every minute (Monibuca), it is not built for each query. Its slices are handed out
// and never written to again.
type tree struct {
	table    *table
	items    []manscdp.Item // parents before children, codes unique
	places   []place        // of the items
	index    map[string]int // by code, into both
	channels map[string]*Channel
	seen     []*Channel

	updated    bool
	conditions uint64 // Site.conditions that items hold, when updated
}

// place is where an item hangs.
type place struct {
	channel *Channel  // nil: not a camera
	groups  []*branch // that the camera hangs in
	above   []string  // codes of the groups it is in; a group is in itself
	civil   string    // administrative division, as long as it is known; "" for none
}

// currentTree returns the tree of the table that holds now.
func (v *View) currentTree() *tree {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.freshTree()
}

// catalog returns the tree and its items with the channels' conditions of now.
func (v *View) catalog() (*tree, []manscdp.Item) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.freshTree()
	if n := v.site.conditions.Load(); !t.updated || t.conditions != n {
		t.updated, t.conditions = true, n
		t.update()
	}
	return t, t.items
}

// freshTree returns the tree, made anew when the table is another. v.mu is held.
func (v *View) freshTree() *tree {
	if now := v.site.now.Load(); v.tree == nil || v.tree.table != now {
		v.tree = v.grow(now)
	}
	return v.tree
}

// update puts the conditions of the channels into the items, on a copy when one has changed.
func (t *tree) update() {
	shared := true
	for i := range t.places {
		c := t.places[i].channel
		if c == nil {
			continue
		}
		if status := statusOf(c.health.Now().Condition); status != t.items[i].Status {
			if shared {
				t.items, shared = slices.Clone(t.items), false
			}
			t.items[i].Status = status
		}
	}
}

// statusOf is the Status of a catalog item, which knows but two.
func statusOf(c Condition) string {
	if c == OFF || c == DEFECT {
		return "OFF"
	}
	return "ON"
}

// grow makes the tree of a table: ourselves, districts, groups, cameras.
func (v *View) grow(now *table) *tree {
	t := &tree{table: now, index: make(map[string]int), channels: make(map[string]*Channel)}
	var cameras []place
	used := make(map[string]bool)      // groups with a camera that is seen
	divisions := make(map[string]bool) // the same of districts
	for _, c := range now.channels {
		if !v.sees(c) {
			continue
		}
		id := v.idOf(c)
		if other := t.channels[id]; other != nil || id == v.cfg.NodeID {
			reason := "the node has its code"
			if other != nil {
				reason = "camera " + other.Name + " has its code"
			}
			v.log.Error("camera left out of the catalog", "camera", c.Name, "id", id, "reason", reason)
			continue
		}
		t.channels[id] = c
		t.seen = append(t.seen, c)
		p := place{channel: c, civil: c.CivilCode}
		if p.civil == "" {
			p.civil = id[:min(8, len(id))]
		}
		p.groups = now.groupsOf(c.Name, v.shows)
		for _, b := range p.groups {
			for _, g := range b.above {
				p.above = append(p.above, v.groupID(g))
				used[g] = true
			}
		}
		divisions[civilCode(c, id)] = true
		cameras = append(cameras, p)
	}
	if v.cfg.SelfItem {
		t.add(v.selfItem(), place{}, v.log)
	}
	if v.cfg.Districts {
		for _, d := range v.districts(divisions) {
			t.add(manscdp.Item{DeviceID: d.Code, Name: d.Name}, place{civil: d.Code}, v.log)
		}
	}
	for i := range now.groups {
		if b := &now.groups[i]; used[b.ID] {
			item, above := v.groupItem(b)
			t.add(item, place{above: above}, v.log)
		}
	}
	for _, p := range cameras {
		t.add(v.item(p.channel, p.groups), p, v.log)
	}
	return t
}

// shows tells whether the superior is shown a group.
func (v *View) shows(b *branch) bool {
	return slices.ContainsFunc(v.cfg.Groups, func(pattern string) bool {
		ok, _ := path.Match(pattern, b.Name)
		return ok
	})
}

// add appends an item unless its code is there already: WVP counts different codes against
// SumNum, and never ends a catalog that has one twice.
func (t *tree) add(item manscdp.Item, p place, log *slog.Logger) {
	if _, ok := t.index[item.DeviceID]; ok {
		log.Error("item left out of the catalog", "id", item.DeviceID, "name", item.Name, "reason", "its code is used twice")
		return
	}
	t.index[item.DeviceID] = len(t.items)
	t.items = append(t.items, item)
	t.places = append(t.places, p)
}

// districts returns those that cameras are in, and those with a name above them, the widest first.
func (v *View) districts(used map[string]bool) []District {
	names := make(map[string]string)
	for _, d := range v.site.cfg.Districts {
		for code := range used {
			if strings.HasPrefix(code, d.Code) && gb28181.ID(d.Code).IsDistrict() {
				names[d.Code] = d.Name
			}
		}
	}
	for code := range used {
		if names[code] == "" && gb28181.ID(code).IsDistrict() {
			names[code] = code
		}
	}
	list := make([]District, 0, len(names))
	for code, name := range names {
		list = append(list, District{Code: code, Name: name})
	}
	slices.SortFunc(list, func(a, b District) int { return strings.Compare(a.Code, b.Code) })
	return list
}

// pick returns the items that a query of a code means (GB/T 28181-2022 annex J): everything for
// the node, what is in a district or group with itself, or one item. An unknown code has none.
func (t *tree) pick(items []manscdp.Item, id, node string) []manscdp.Item {
	if id == node {
		return items
	}
	if gb28181.ID(id).IsDistrict() {
		return t.filter(items, func(p *place) bool { return strings.HasPrefix(p.civil, id) })
	}
	at, ok := t.index[id]
	switch {
	case !ok:
		return nil
	case len(t.places[at].above) > 0 && t.places[at].channel == nil:
		return t.filter(items, func(p *place) bool { return slices.Contains(p.above, id) })
	}
	return items[at : at+1 : at+1]
}

func (t *tree) filter(items []manscdp.Item, in func(*place) bool) []manscdp.Item {
	var some []manscdp.Item
	for i := range t.places {
		if in(&t.places[i]) {
			some = append(some, items[i])
		}
	}
	return some
}
