package cascade

import "context"

const (
	workerCount = 4  // queries of one superior answered at one time
	maxPending  = 64 // queries and controls accepted and not done; 503 beyond
)

// job is a query to be answered by one of the workers.
type job struct {
	ctx  context.Context
	run  func(ctx context.Context)
	done func()
}

func (j job) do() {
	defer j.done()
	if j.ctx.Err() == nil {
		j.run(j.ctx)
	}
}

// accept takes room for one piece of work; false when Run is not there or too much is waiting. The returned
// function gives the room back.
func (p *Platform) accept() (ctx context.Context, done func(), ok bool) {
	if p.pending.Add(1) > maxPending {
		p.pending.Add(-1)
		return nil, nil, false
	}
	ctx, ok = p.begin()
	if !ok {
		p.pending.Add(-1)
		return nil, nil, false
	}
	return ctx, func() {
		p.pending.Add(-1)
		p.busy.Done()
	}, true
}
