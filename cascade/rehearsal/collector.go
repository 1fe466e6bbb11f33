package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
)

// maxItems bounds a list; GB/T 28181 (2022) annex M allows 10 000 items in one message.
const maxItems = 100_000

// ListResult is how a node answered a query whose answer is a list that comes in parts.
type ListResult[T any] struct {
	Items            []T           // each once, in the order they came
	SumNum           int           // of the first part
	Parts            int           // messages
	FirstPart, Whole time.Duration // since the query
	Complete         bool          // as many different items as SumNum said
	Faults           []string
}

// listPart is one message of a list.
type listPart[T any] struct {
	device   string // that it names
	sum, num int
	items    []T
}

// collector puts a list together.
type collector[T any] struct {
	what string                                    // the items, in plural
	list string                                    // the element that holds them
	read func(manscdp.Message) (listPart[T], bool) // false: it is something else
	take func(T, *faults) bool                     // judges an item and tells whether it is a new one

	want   string // the code that was asked for
	asked  time.Time
	res    ListResult[T]
	faults faults
}

// collect sends a query and collects parts until there are SumNum different items or no part comes for Config.PartGap.
func collect[T any](ctx context.Context, n *Node, m manscdp.Message, c collector[T]) (*ListResult[T], error) {
	h := m.Head()
	c.want, c.asked = h.DeviceID, time.Now()
	q := n.open(h.CmdType, h.SN)
	err := n.send(ctx, m)
	for wait := n.p.cfg.ReplyTimeout; err == nil && !c.whole(); wait = n.p.cfg.PartGap {
		var next manscdp.Message
		if next, err = q.next(ctx, wait); err == nil {
			c.add(next)
		}
	}
	stray := q.close()
	if err != nil && (!errors.Is(err, errNoAnswer) || c.res.Parts == 0) {
		return nil, fmt.Errorf("%s of %s: %w%s", h.CmdType, c.want, err, strayText(stray))
	}
	return c.finish(stray), nil
}

func (c *collector[T]) whole() bool {
	return c.res.Parts > 0 && len(c.res.Items) >= c.res.SumNum || len(c.res.Items) >= maxItems
}

func (c *collector[T]) add(m manscdp.Message) {
	p, ok := c.read(m)
	if !ok {
		return
	}
	c.res.Parts++
	c.res.Whole = time.Since(c.asked)
	if c.res.Parts == 1 {
		c.res.FirstPart, c.res.SumNum = c.res.Whole, p.sum
	}
	if p.sum != c.res.SumNum {
		c.faults.add("sum-changes", "SumNum changes from %d to %d between parts", c.res.SumNum, p.sum)
	}
	if p.device != c.want {
		c.faults.add("device", "the answer names %s, the query named %s", p.device, c.want)
	}
	if p.num != len(p.items) {
		c.faults.add("num", "%s Num says %d, but the part holds %d items", c.list, p.num, len(p.items))
	}
	for _, it := range p.items {
		if c.take(it, &c.faults) {
			c.res.Items = append(c.res.Items, it)
		}
	}
}

func (c *collector[T]) finish(stray int) *ListResult[T] {
	c.res.Complete = len(c.res.Items) == c.res.SumNum
	if !c.res.Complete {
		c.faults.add("sum", "SumNum says %d, but %d different %s came", c.res.SumNum, len(c.res.Items), c.what)
	}
	if stray > 0 {
		c.faults.add("sn", "%d answers had another SN than the query", stray)
	}
	c.res.Faults = c.faults.list()
	return &c.res
}
