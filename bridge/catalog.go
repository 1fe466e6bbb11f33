package bridge

import (
	"context"
	"slices"
	"strings"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// Values of ViewConfig.ParentMode. WVP takes the ParentID whole, Monibuca and gb-cms take what
// follows its last slash, so one code alone suits all.
const (
	parentOrg     = "org"      // the group that the camera hangs in
	parentOrgNode = "org/node" // all of its groups and the node, the form of the standard
)

// Catalog lists what the query asks for. The items are shared: the caller must not change them.
func (v *View) Catalog(_ context.Context, q *manscdp.CatalogQuery) (*manscdp.CatalogResponse, error) {
	t, items := v.catalog()
	answer := &manscdp.CatalogResponse{Header: q.Answer()}
	answer.Items = t.pick(items, q.DeviceID, v.cfg.NodeID)
	answer.SumNum = len(answer.Items)
	return answer, nil
}

// item describes a channel, in answers and notifications alike; the edition's own fields are
// filled in where it is sent.
func (v *View) item(c *Channel, groups []*branch) manscdp.Item {
	id := v.idOf(c)
	info := v.fixed
	if c.moves() {
		info = v.moving
	}
	address := c.Address
	if address == "" {
		address = v.title(c)
	}
	parent, group := v.parentOf(groups)
	return manscdp.Item{
		DeviceID: id, Name: v.title(c), Manufacturer: c.Manufacturer, Model: c.Model, CivilCode: civilCode(c, id),
		Address: address, ParentID: parent, RegisterWay: 1, Status: statusOf(c.health.Now().Condition),
		Longitude: c.Longitude, Latitude: c.Latitude, BusinessGroupID: group, Info: info,
	}
}

// civilCode is the division of a channel: the configured one, or the county in its code.
func civilCode(c *Channel, id string) string {
	if c.CivilCode != "" {
		return c.CivilCode
	}
	return gb28181.ID(id).CivilCode()
}

// parentOf returns ParentID and BusinessGroupID of what hangs in groups.
func (v *View) parentOf(groups []*branch) (parent, group string) {
	if len(groups) == 0 {
		return v.cfg.NodeID, ""
	}
	group = v.groupID(groups[0].root)
	switch v.cfg.ParentMode {
	case parentOrg:
		return v.groupID(groups[0].ID), group
	case parentOrgNode:
		var all []string
		for _, b := range groups {
			all = append(all, v.groupID(b.ID))
		}
		return strings.Join(append(all, v.cfg.NodeID), "/"), group
	}
	return v.cfg.NodeID, group
}

// groupItem describes a business group or virtual organisation, and tells the groups it is in.
func (v *View) groupItem(b *branch) (item manscdp.Item, above []string) {
	for _, g := range b.above {
		above = append(above, v.groupID(g))
	}
	item = manscdp.Item{DeviceID: v.groupID(b.ID), Name: b.Name, ParentID: v.cfg.NodeID}
	if b.Parent != "" {
		// Platforms of 2016 hang an organisation by its ParentID, those of 2022 by BusinessGroupID.
		item.ParentID, item.BusinessGroupID = v.groupID(b.Parent), v.groupID(b.root)
	}
	return item, above
}

// selfItem describes the node (GB/T 28181-2022 annex H).
func (v *View) selfItem() manscdp.Item {
	return manscdp.Item{
		DeviceID: v.cfg.NodeID, Name: v.cfg.Name, Manufacturer: v.cfg.Manufacturer, Model: v.cfg.Model,
		CivilCode: gb28181.ID(v.cfg.NodeID).CivilCode(), Address: v.cfg.Name, Parental: 1, RegisterWay: 1, Status: "ON",
		Longitude: v.site.cfg.Longitude, Latitude: v.site.cfg.Latitude,
	}
}

// groupsOf returns the groups that a camera hangs in, the deepest first. Where a group and one
// above it both name a camera, it hangs in the lower.
func (t *table) groupsOf(camera string, shown func(*branch) bool) []*branch {
	var in []*branch
	for i := range t.groups {
		if t.groups[i].cameras.matches(camera) && shown(&t.groups[i]) {
			in = append(in, &t.groups[i])
		}
	}
	lowest := in[:0:0]
	for _, b := range in {
		if !slices.ContainsFunc(in, func(other *branch) bool { return other != b && slices.Contains(other.above, b.ID) }) {
			lowest = append(lowest, b)
		}
	}
	slices.SortStableFunc(lowest, func(a, b *branch) int { return len(b.above) - len(a.above) })
	return lowest
}
