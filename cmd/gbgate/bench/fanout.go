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
	// fanOutTurns is how often seven more viewers come and go: the difference of two small figures takes no drift of
	// the machine between them.
	fanOutTurns  = 3
	fanOutWindow = 8 * time.Second
	// fanOutKbps is what its cameras send together at least: seven viewers of one camera of 1 Mbit/s cost less than
	// what the machine does beside.
	fanOutKbps = 4000
)

// fanOut measures what seven more viewers of one camera cost (of each of a few, where one sends little), by turns
// without and with them and with the floor beside, as the machine has room for both.
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
	var floor, ours [2*fanOutTurns + 1]float64 // by turns of one viewer and of eight
	for i := range floor {
		n := []int{1, viewers}[i%2]
		if err := r.receivers.ask("play", playRequest{0, cameras, n}, nil); err != nil {
			return err
		}
		if err := r.startFloor(cameras, n); err != nil {
			return err
		}
		if err := media.Wait(ctx, settle); err != nil {
			return err
		}
		var err error
		if floor[i], ours[i], _, err = r.measureBeside(ctx, min(r.seconds(), fanOutWindow)); err != nil {
			return err
		}
		if err := r.hangUp(ctx); err != nil {
			return err
		}
	}
	more := float64(cameras * (viewers - 1))
	r.result.ViewerFloorCPU = mean(above(floor[:])) / more
	r.result.ViewerCPU = mean(above(ours[:])) / more
	r.say("viewer: %.3f ms per viewer-second, floor %.3f", r.result.ViewerCPU, r.result.ViewerFloorCPU)
	return nil
}

// above is what every second one of windows is more than those around it.
func above(windows []float64) []float64 {
	var more []float64
	for i := 1; i+1 < len(windows); i += 2 {
		more = append(more, windows[i]-(windows[i-1]+windows[i+1])/2)
	}
	return more
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}
