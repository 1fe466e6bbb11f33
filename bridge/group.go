package bridge

import (
	"log/slog"

	"gbgate/gb28181"
)

// Group is a business group (type 215, 业务分组) or a virtual organisation (type 216, 虚拟组织)
// of the catalog (GB/T 28181-2022 annex J).
type Group struct {
	ID      string   // 20 digits; digits 11–13 say which of the two it is
	Name    string   // shown upward
	Parent  string   // ID of the group that an organisation hangs in; "" for a business group
	Cameras []string // patterns over camera names (path.Match)
}

// District is an administrative division of the catalog (行政区划).
type District struct {
	Code string // 2, 4, 6 or 8 digits
	Name string
}

// branch is a group in its place in the forest.
type branch struct {
	Group
	cameras matcher
	root    string   // ID of the business group it is in
	above   []string // IDs of the groups it is in, itself included, the nearest first
}

// forest puts groups in order, parents before children. A group that can have no place (of
// another type, twice the same ID, below nothing or below itself) is left out and told.
func forest(groups []Group, log *slog.Logger) []branch {
	children := make(map[string][]Group, len(groups))
	var hanging []Group
	known := make(map[string]bool, len(groups))
	for _, g := range groups {
		kind := gb28181.ID(g.ID).Type()
		switch {
		case known[g.ID]:
			log.Error("group left out", "group", g.ID, "reason", "another group has its ID")
		case kind == gb28181.TypeBusinessGroup && g.Parent == "":
			children[""] = append(children[""], g)
		case kind == gb28181.TypeVirtualOrg && g.Parent != "":
			children[g.Parent] = append(children[g.Parent], g)
			hanging = append(hanging, g)
		default:
			log.Error("group left out", "group", g.ID, "reason", "neither a business group nor an organisation in one")
		}
		known[g.ID] = true
	}
	var list []branch
	placed := make(map[string]bool, len(groups))
	var plant func(below *branch, g Group)
	plant = func(below *branch, g Group) {
		b := branch{Group: g, cameras: newMatcher(g.Cameras), root: g.ID, above: []string{g.ID}}
		if below != nil {
			b.root, b.above = below.root, append(b.above, below.above...)
		}
		list = append(list, b)
		placed[g.ID] = true
		for _, child := range children[g.ID] {
			plant(&b, child)
		}
	}
	for _, g := range children[""] {
		plant(nil, g)
	}
	for _, g := range hanging {
		if !placed[g.ID] {
			log.Error("group left out", "group", g.ID, "reason", "no business group above it", "parent", g.Parent)
		}
	}
	return list
}
