package bridge

import (
	"context"

	"gbgate/gb28181/manscdp"
)

// Watch tells the superior what happens on the site, in its own codes, until ctx ends: changes
// of the catalog one by one, alarms, and how its snapshots went. publish is called from one
// goroutine and must not block. What was before Watch began is no change. There is one Watch at
// a time; snapshots are refused while there is none.
func (v *View) Watch(ctx context.Context, publish func(manscdp.Message)) error {
	box := v.site.hub.open()
	defer v.site.hub.close(box)
	w := &watch{view: v, publish: publish}
	w.start()
	ctx, cancel := context.WithCancelCause(ctx)
	shots := v.snapshots.open()
	defer func() { cancel(nil); v.snapshots.close(shots) }()
	for {
		select {
		case <-box.ready:
			w.look(box.take())
		case job := <-shots.next():
			shots.start(ctx, job)
		case done := <-shots.done:
			shots.running--
			publish(done)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watch is what the superior was told last.
type watch struct {
	view       *View
	publish    func(manscdp.Message)
	tree       *tree
	items      []manscdp.Item
	codes      map[string]string    // camera name → code
	conditions map[string]Condition // by code
}

func (w *watch) start() {
	w.conditions = make(map[string]Condition)
	w.take()
	for _, c := range w.tree.seen {
		w.conditions[w.view.idOf(c)] = c.health.Now().Condition
	}
}

// take looks at the present tree.
func (w *watch) take() {
	w.tree, w.items = w.view.catalog()
	w.codes = make(map[string]string, len(w.tree.seen))
	for _, c := range w.tree.seen {
		w.codes[c.Name] = w.view.idOf(c)
	}
}

// look finds out what the news mean to this superior.
func (w *watch) look(n news) {
	if n.table {
		w.compare()
	}
	for _, name := range n.cameras {
		w.condition(w.codes[name])
	}
	for _, a := range n.alarms {
		if a.camera == "" {
			w.alarm(w.view.cfg.NodeID, a.Alarm)
		} else if c := w.tree.channels[w.codes[a.camera]]; c != nil {
			w.alarm(w.view.idOf(c), a.Alarm)
		}
	}
}

// condition tells a channel's condition if it is another than was told.
func (w *watch) condition(id string) {
	c := w.tree.channels[id]
	if c == nil {
		return
	}
	now, before := c.health.Now(), w.conditions[id]
	if now.Condition == before {
		return
	}
	w.conditions[id] = now.Condition
	w.event(manscdp.Item{DeviceID: id}, now.Condition.String())
	if w.view.cfg.VideoLossAlarm && lost(now.Condition) && !lost(before) {
		w.alarm(id, videoLoss(now))
	}
}

func lost(c Condition) bool { return c == OFF || c == VLOST }

func (w *watch) alarm(id string, a Alarm) {
	if n := w.view.alarm(id, a); n != nil {
		w.publish(n)
	}
}

// compare tells how the present tree differs from the one before: what is gone, children before
// parents; what is new or another, parents before children.
func (w *watch) compare() {
	old, oldItems := w.tree, w.items
	w.take()
	for i := len(oldItems) - 1; i >= 0; i-- {
		id := oldItems[i].DeviceID
		if _, ok := w.tree.index[id]; !ok {
			delete(w.conditions, id)
			w.event(manscdp.Item{DeviceID: id}, manscdp.EventDel)
		}
	}
	for _, item := range w.items {
		at, known := old.index[item.DeviceID]
		switch {
		case !known:
			w.event(item, manscdp.EventAdd)
			w.conditions[item.DeviceID] = conditionIn(item)
		case !sameItem(oldItems[at], item):
			w.event(item, manscdp.EventUpdate)
		}
		w.condition(item.DeviceID)
	}
}

// conditionIn is the condition that the Status of an item tells.
func conditionIn(item manscdp.Item) Condition {
	if item.Status == "OFF" {
		return OFF
	}
	return ON
}

// sameItem tells whether two items say the same, but for Status, which has events of its own.
func sameItem(a, b manscdp.Item) bool {
	one, other := manscdp.ItemInfo{}, manscdp.ItemInfo{}
	if a.Info != nil {
		one = *a.Info
	}
	if b.Info != nil {
		other = *b.Info
	}
	a.Status, a.Info, b.Status, b.Info = "", nil, "", nil
	return a == b && one == other
}

func (w *watch) event(item manscdp.Item, event string) {
	w.publish(&manscdp.CatalogNotify{
		Header: manscdp.Header{DeviceID: w.view.cfg.NodeID}, SumNum: 1, Num: 1,
		Items: []manscdp.NotifyItem{{Item: item, Event: event}},
	})
}
