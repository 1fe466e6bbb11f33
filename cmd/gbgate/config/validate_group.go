package config

import (
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	businessGroup = "215" // 业务分组
	virtualOrg    = "216" // 虚拟组织
)

// groups checks the branches of the catalog tree and turns every parent into the code it means.
func (p *parser) groups(ids map[string]string) {
	names := map[string]string{}
	for i := range p.cfg.Groups {
		p.group(i, names, ids)
	}
	for i := range p.cfg.Groups {
		p.parent(i)
	}
	for i := range p.cfg.Groups {
		p.chain(i)
	}
}

func (p *parser) groupCheck(i int) check {
	return check{p, "group", i, keyOf("group", i, p.cfg.Groups[i].Name)}
}

func (p *parser) group(i int, names, ids map[string]string) {
	g, c := p.cfg.Groups[i], p.groupCheck(i)
	c.name(g.Name, names)
	switch {
	case g.ID == "" || len(g.ID) != 20 || !digits(g.ID):
		c.fault("id", "%q is no code of 20 digits", g.ID)
	case g.ID[10:13] != businessGroup && g.ID[10:13] != virtualOrg:
		c.fault("id", "%q: digits 11–13 are %s; a group has 215 (business group) or 216 (virtual organisation)",
			g.ID, g.ID[10:13])
	default:
		c.unique("id", g.ID, ids)
	}
	for _, pattern := range g.Cameras {
		c.pattern("cameras", pattern, func(fits func(string) bool) bool {
			return slices.ContainsFunc(p.cfg.Cameras, func(cam Camera) bool { return fits(cam.Name) })
		}, "camera")
	}
}

// parent checks what one group hangs in (GB/T 28181-2022 annex J): a business group in ourselves, a
// virtual organisation in one of those, directly or through others of its kind.
func (p *parser) parent(i int) {
	g, c := &p.cfg.Groups[i], p.groupCheck(i)
	if g.Parent == "" {
		if kindOf(*g) == virtualOrg {
			c.fault("parent", "is missing: a virtual organisation (216) hangs in a business group (215) or in another one")
		}
		return
	}
	n := slices.IndexFunc(p.cfg.Groups, func(other Group) bool {
		return other.Name == g.Parent || other.ID != "" && other.ID == g.Parent
	})
	switch {
	case n < 0:
		c.fault("parent", "%q is no group of this file", g.Parent)
		g.Parent = ""
	case kindOf(*g) == businessGroup:
		c.fault("parent", "is %q, but a business group (215) hangs in nothing but ourselves", g.Parent)
		g.Parent = ""
	default:
		g.Parent = p.cfg.Groups[n].ID
	}
}

func kindOf(g Group) string {
	if len(g.ID) != 20 {
		return ""
	}
	return g.ID[10:13]
}

// chain follows the parents of a group up; one that comes back to itself is a fault.
func (p *parser) chain(i int) {
	start := p.cfg.Groups[i]
	names := []string{start.Name}
	at := start
	for range p.cfg.Groups {
		n := slices.IndexFunc(p.cfg.Groups, func(g Group) bool { return at.Parent != "" && g.ID == at.Parent })
		if n < 0 {
			return
		}
		at = p.cfg.Groups[n]
		names = append(names, at.Name)
		if n == i {
			p.groupCheck(i).fault("parent", "leads back to itself: %s", strings.Join(names, " → "))
			return
		}
	}
}

// branches checks which groups and districts a superior is shown.
func (p *parser) branches(c check, s *Superior) {
	for _, pattern := range s.Groups {
		c.pattern("groups", pattern, func(fits func(string) bool) bool {
			return slices.ContainsFunc(p.cfg.Groups, func(g Group) bool { return fits(g.Name) })
		}, "group")
	}
	d := check{p, "superior.districts", c.index, c.where + ".districts"}
	for _, code := range slices.Sorted(maps.Keys(s.Districts)) {
		switch {
		case !division(code):
			d.fault(code, "is no division code of 2, 4, 6 or 8 digits")
		case s.Districts[code] == "":
			d.fault(code, "has no name")
		}
	}
}

// division tells whether code is an administrative division (GB/T 2260 and grassroots units).
func division(code string) bool {
	return code != "" && digits(code) && len(code) <= 8 && len(code)%2 == 0
}

// pattern checks a name or pattern of a list; found tells whether something fits it.
func (c check) pattern(key, pattern string, found func(fits func(string) bool) bool, what string) {
	fits := func(name string) bool { ok, _ := path.Match(pattern, name); return ok }
	if _, err := path.Match(pattern, ""); err != nil {
		c.fault(key, "%q is no pattern: %v", pattern, err)
	} else if pattern != "*" && !found(fits) {
		c.fault(key, "%q names no %s of this file", pattern, what)
	}
}
