package bench

import (
	"context"
	"errors"
	"time"

	"gbgate/media"
)

// fresh goes on with a gateway that knows only so many cameras: the regular look at many idle ones costs about
// as much as what fanOut measures.
func (r *run) fresh(ctx context.Context, cameras int) error {
	r.gateway.stop()
	r.receivers.stop()
	for _, p := range []**process{&r.receivers, &r.gateway} {
		next, err := spawn(ctx, (*p).name, r.Stderr)
		if err != nil {
			return err
		}
		*p = next
	}
	if err := r.bringUp(cameras); err != nil {
		return errors.Join(err, r.gateway.in.Close(), r.receivers.in.Close())
	}
	return media.Wait(ctx, 2*time.Second)
}

const (
	// fanOutMost bounds the length of one of the measurements of fanOut.
	fanOutMost = 30 * time.Second
	// fanOutKbps is what its cameras send together at least: seven viewers of one camera of 1 Mbit/s cost less than
	// what the machine does beside.
	fanOutKbps = 4000
)

// fanOut measures what seven more viewers of one camera cost (of each of a few, where one sends little), for twice as
// long as the rest and with the floor beside: the machine has room for both, and the difference of two small figures
// takes no drift between them.
func (r *run) fanOut(ctx context.Context) error {
	if r.Viewers > 1 || r.noFanOut {
		return nil
	}
	cameras := min(r.Streams, max(1, fanOutKbps/r.Kbps))
	if err := r.fresh(ctx, cameras); err != nil {
		return err
	}
	defer r.gateway.stop()
	defer r.receivers.stop()
	var floor, ours [2]float64
	for i, n := range []int{1, viewers} {
		more := n
		if i > 0 {
			more--
		}
		if err := r.receivers.ask("play", playRequest{0, cameras, more}, nil); err != nil {
			return err
		}
		if err := r.startFloor(cameras, n); err != nil {
			return err
		}
		if err := media.Wait(ctx, settle); err != nil {
			return err
		}
		var err error
		if floor[i], ours[i], _, err = r.measureBeside(ctx, min(2*r.seconds(), fanOutMost)); err != nil {
			return err
		}
	}
	more := float64(cameras * (viewers - 1))
	r.result.ViewerFloorCPU = (floor[1] - floor[0]) / more
	r.result.ViewerCPU = (ours[1] - ours[0]) / more
	r.say("viewer: %.3f ms per viewer-second, floor %.3f", r.result.ViewerCPU, r.result.ViewerFloorCPU)
	return r.hangUp(ctx)
}
