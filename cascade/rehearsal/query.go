package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
)

// maxItems bounds a catalog; GB/T 28181 (2022) annex M allows 10 000 items in one message.
const maxItems = 100_000

var errNoAnswer = errors.New("no answer in time")

// CatalogResult is how a node answered a Catalog query.
type CatalogResult struct {
	Items            []manscdp.Item // each code once, in the order they came
	SumNum           int            // of the first part
	Parts            int
	FirstPart, Whole time.Duration // since the query
	Complete         bool          // as many different items as SumNum said
	Faults           []string
}

// Catalog asks for the node's items and wants them complete and faultless.
func (n *Node) Catalog(ctx context.Context) ([]manscdp.Item, error) {
	res, err := n.CatalogOf(ctx, n.id)
	if err != nil {
		return nil, err
	}
	if len(res.Faults) > 0 {
		return res.Items, fmt.Errorf("catalog of %s: %s", n.id, res.Faults[0])
	}
	return res.Items, nil
}

// CatalogOf asks for what lies below a code: the node, a group, a district or a device. It collects parts until there
// are SumNum different items or no part comes for Config.PartGap.
func (n *Node) CatalogOf(ctx context.Context, id string) (*CatalogResult, error) {
	m := &manscdp.CatalogQuery{Header: n.header("Catalog", id)}
	q := n.open("Catalog", m.SN)
	c := collector{want: id, asked: time.Now(), seen: make(map[string]bool)}
	err := n.send(ctx, m)
	for wait := n.p.cfg.ReplyTimeout; err == nil && !c.whole(); wait = n.p.cfg.PartGap {
		var part manscdp.Message
		if part, err = q.next(ctx, wait); err == nil {
			c.add(part)
		}
	}
	stray := q.close()
	if err != nil && (!errors.Is(err, errNoAnswer) || c.res.Parts == 0) {
		return nil, fmt.Errorf("catalog of %s: %w%s", id, err, strayText(stray))
	}
	return c.finish(stray), nil
}

func strayText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d answers had another SN", n)
}

func (n *Node) header(command, id string) manscdp.Header {
	if id == "" {
		id = n.id
	}
	return manscdp.Header{CmdType: command, SN: n.p.nextSN(), DeviceID: id}
}

// next waits for an answer.
func (q *query) next(ctx context.Context, wait time.Duration) (manscdp.Message, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case m := <-q.parts:
		return m, nil
	case <-timer.C:
		return nil, errNoAnswer
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// collector puts a catalog together.
type collector struct {
	want   string
	asked  time.Time
	seen   map[string]bool
	res    CatalogResult
	faults faults
}

func (c *collector) whole() bool {
	return c.res.Parts > 0 && len(c.seen) >= c.res.SumNum || len(c.seen) >= maxItems
}

func (c *collector) add(m manscdp.Message) {
	part, ok := m.(*manscdp.CatalogResponse)
	if !ok {
		return
	}
	c.res.Parts++
	c.res.Whole = time.Since(c.asked)
	if c.res.Parts == 1 {
		c.res.FirstPart, c.res.SumNum = c.res.Whole, part.SumNum
	}
	if part.SumNum != c.res.SumNum {
		c.faults.add("sum-changes", "SumNum changes from %d to %d between parts", c.res.SumNum, part.SumNum)
	}
	if part.DeviceID != c.want {
		c.faults.add("device", "the answer names %s, the query named %s", part.DeviceID, c.want)
	}
	if part.Num != len(part.Items) {
		c.faults.add("num", "DeviceList Num says %d, but the part holds %d items", part.Num, len(part.Items))
	}
	for _, it := range part.Items {
		switch {
		case it.DeviceID == "":
			c.faults.add("no-id", "an item has no DeviceID")
		case c.seen[it.DeviceID]:
			c.faults.add("twice", "item %s came twice", it.DeviceID)
		default:
			c.seen[it.DeviceID] = true
			c.res.Items = append(c.res.Items, it)
		}
	}
}

func (c *collector) finish(stray int) *CatalogResult {
	c.res.Complete = len(c.seen) == c.res.SumNum
	if !c.res.Complete {
		c.faults.add("sum", "SumNum says %d, but %d different items came", c.res.SumNum, len(c.seen))
	}
	if stray > 0 {
		c.faults.add("sn", "%d answers had another SN than the query", stray)
	}
	c.res.Faults = c.faults.list()
	return &c.res
}

// Ask sends a query or control that has one answer and waits for it. A header without SN gets one, without DeviceID the
// node's. The answer is *Unread when the codec does not know it.
func (n *Node) Ask(ctx context.Context, m manscdp.Message) (manscdp.Message, error) {
	h := m.Head()
	if h.SN == "" {
		h.SN = n.p.nextSN()
	}
	if h.DeviceID == "" {
		h.DeviceID = n.id
	}
	q := n.open(h.CmdType, h.SN)
	err := n.send(ctx, m)
	var answer manscdp.Message
	if err == nil {
		answer, err = q.next(ctx, n.p.cfg.ReplyTimeout)
	}
	stray := q.close()
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w%s", h.CmdType, h.DeviceID, err, strayText(stray))
	}
	if got := answer.Head().DeviceID; got != h.DeviceID {
		return answer, fmt.Errorf("%s of %s: the answer names %s", h.CmdType, h.DeviceID, got)
	}
	return answer, nil
}

// AskText sends a MESSAGE written by hand and waits for the answer with this command and SN, if wait is not 0. It
// returns the code of the 200 or refusal and the answer; errors are those of the way and of the wait.
func (n *Node) AskText(ctx context.Context, target string, body []byte, command, sn string, wait time.Duration) (
	int, manscdp.Message, error,
) {
	q := n.open(command, sn)
	defer q.close()
	code, err := n.Say(ctx, target, "Application/MANSCDP+xml", body)
	if err != nil || wait <= 0 {
		return code, nil, err
	}
	answer, err := q.next(ctx, wait)
	return code, answer, err
}

// DeviceInfo asks what the node (id empty) or one of its channels is.
func (n *Node) DeviceInfo(ctx context.Context, id string) (*manscdp.DeviceInfoResponse, error) {
	answer, err := n.Ask(ctx, &manscdp.DeviceInfoQuery{Header: n.header("DeviceInfo", id)})
	res, _ := answer.(*manscdp.DeviceInfoResponse)
	return res, err
}

// DeviceStatus asks how the node (id empty) or one of its channels is.
func (n *Node) DeviceStatus(ctx context.Context, id string) (*manscdp.DeviceStatusResponse, error) {
	answer, err := n.Ask(ctx, &manscdp.DeviceStatusQuery{Header: n.header("DeviceStatus", id)})
	res, _ := answer.(*manscdp.DeviceStatusResponse)
	return res, err
}

// Control sends a front-end control instruction (16 hexadecimal digits, 2022 A.3), which has no answer but its 200.
func (n *Node) Control(ctx context.Context, id, ptz string) error {
	return n.send(ctx, &manscdp.DeviceControl{Header: n.header("DeviceControl", id), PTZCmd: ptz})
}
