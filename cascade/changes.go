package cascade

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gbgate/gb28181/manscdp"
)

const maxChanges = 20000 // channels with something to tell, of one subscription

// changes collects what happens to the channels of one Catalog subscription, so that a superior hears of a change once.
//
// The changes of one channel count for one as long as debounce lasts after the first: a camera that was away for a
// moment is nothing to tell. What is then due waits batch for the changes of others.
type changes struct {
	debounce, batch time.Duration

	pending  map[string]*change
	reported map[string]string // the status the superior was told last
}

// change is what is to be told of one channel.
type change struct {
	due    time.Time
	entry  *manscdp.NotifyItem // ADD, UPDATE or DEL
	status string              // ON, OFF, VLOST or DEFECT; empty: nothing
	before string              // the status before the first of these changes
}

func newChanges(debounce, batch time.Duration) *changes {
	return &changes{
		debounce: debounce, batch: batch,
		pending: make(map[string]*change), reported: make(map[string]string),
	}
}

// add takes one raw change; false when there is no room.
func (c *changes) add(it manscdp.NotifyItem, now time.Time) bool {
	p := c.pending[it.DeviceID]
	if p == nil {
		if len(c.pending) >= maxChanges {
			return false
		}
		p = &change{due: now.Add(c.debounce)}
		c.pending[it.DeviceID] = p
	}
	switch event := strings.ToUpper(it.Event); event {
	case manscdp.EventAdd, manscdp.EventUpdate, manscdp.EventDel:
		c.entry(p, it, event)
	default:
		c.status(p, it.DeviceID, event)
	}
	return true
}

// entry joins what happened to the catalog's entry: the superior needs only what became of it.
func (c *changes) entry(p *change, it manscdp.NotifyItem, event string) {
	it.Event = event
	was := ""
	if p.entry != nil {
		was = p.entry.Event
	}
	switch {
	case was == manscdp.EventAdd && event == manscdp.EventUpdate:
		it.Event = manscdp.EventAdd
	case was == manscdp.EventDel && event == manscdp.EventAdd:
		it.Event = manscdp.EventUpdate
	case was == manscdp.EventAdd && event == manscdp.EventDel:
		p.entry, p.status = nil, ""
		return
	}
	if event == manscdp.EventDel {
		p.status = ""
		delete(c.reported, it.DeviceID)
	}
	p.entry = &it
}

// status joins what happened to the channel's status.
func (c *changes) status(p *change, id, event string) {
	if p.status == "" {
		p.before = c.reported[id]
		if p.before == "" { // not told yet: a change to ON was something else before
			p.before = manscdp.EventOn
			if event == manscdp.EventOn {
				p.before = manscdp.EventOff
			}
		}
	}
	p.status = event
}

// take gives what is to be told now, and when there will be more; the zero time when nothing waits.
func (c *changes) take(now time.Time) (due []manscdp.NotifyItem, next time.Time) {
	if len(c.pending) == 0 {
		return nil, time.Time{}
	}
	first := time.Time{}
	for _, p := range c.pending {
		if first.IsZero() || p.due.Before(first) {
			first = p.due
		}
	}
	if sendAt := first.Add(c.batch); now.Before(sendAt) {
		return nil, sendAt
	}
	for _, id := range slices.Sorted(maps.Keys(c.pending)) {
		p := c.pending[id]
		if p.due.After(now) {
			continue
		}
		delete(c.pending, id)
		if p.entry != nil {
			due = append(due, *p.entry)
		}
		if p.status != "" && p.status != p.before {
			c.reported[id] = p.status
			due = append(due, manscdp.NotifyItem{Item: manscdp.Item{DeviceID: id}, Event: p.status})
		}
	}
	if len(c.pending) == 0 {
		return due, time.Time{}
	}
	return due, now
}
