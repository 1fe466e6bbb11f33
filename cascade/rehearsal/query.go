package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
)

var errNoAnswer = errors.New("no answer in time")

// CatalogResult is how a node answered a Catalog query.
type CatalogResult = ListResult[manscdp.Item]

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
	seen := make(map[string]bool)
	return collect(ctx, n, &manscdp.CatalogQuery{Header: n.header("Catalog", id)}, collector[manscdp.Item]{
		what: "items", list: "DeviceList",
		read: func(m manscdp.Message) (listPart[manscdp.Item], bool) {
			p, ok := m.(*manscdp.CatalogResponse)
			if !ok {
				return listPart[manscdp.Item]{}, false
			}
			return listPart[manscdp.Item]{device: p.DeviceID, sum: p.SumNum, num: p.Num, items: p.Items}, true
		},
		take: func(it manscdp.Item, f *faults) bool {
			switch {
			case it.DeviceID == "":
				f.add("no-id", "an item has no DeviceID")
				return false
			case seen[it.DeviceID]:
				f.add("twice", "item %s came twice", it.DeviceID)
				return false
			}
			seen[it.DeviceID] = true
			return true
		},
	})
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
