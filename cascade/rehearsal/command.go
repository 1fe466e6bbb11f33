package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
)

// quiet is how long a command without an answer is watched for one: longer than a node waits with its answers.
const quiet = 300 * time.Millisecond

// ErrUnexpected is an answer to a command that has none (2022 9.3.1 d, e).
var ErrUnexpected = errors.New("an answer came to a command that has none")

// Command sends a device control, of which exactly one part is set. It returns the answer of those that have one
// (RecordCmd, GuardCmd, AlarmCmd, HomePosition, DeviceUpgrade); for the others it returns nil, and ErrUnexpected when
// one comes all the same. id empty means the node.
func (n *Node) Command(ctx context.Context, id string, m manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
	m.Header = n.header("DeviceControl", id)
	if m.Kind().Answered() {
		answer, err := n.Ask(ctx, &m)
		res, _ := answer.(*manscdp.ControlResponse)
		return res, err
	}
	q := n.open(m.CmdType, m.SN)
	defer q.close()
	if err := n.send(ctx, &m); err != nil {
		return nil, err
	}
	answer, err := q.next(ctx, quiet)
	switch {
	case errors.Is(err, errNoAnswer):
		return nil, nil
	case err != nil:
		return nil, err
	}
	res, _ := answer.(*manscdp.ControlResponse)
	return res, fmt.Errorf("%s to %s: %w", m.Kind(), m.DeviceID, ErrUnexpected)
}
