package playback_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
	"gbgate/gb28181/mansrtsp"
)

// The handlers of a superior's INFOs run side by side: what came first is obeyed first, whichever is quicker.
func TestOrdersAreObeyedAsTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00")})
		s.after(time.Second)
		give := func(arrival uint64, body string) {
			r, err := mansrtsp.Parse([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if err := s.player.Control(t.Context(), arrival, r); err != nil {
					t.Errorf("%s: %v", body, err)
				}
			}()
			synctest.Wait()
		}
		give(3, "PLAY RTSP/1.0\r\nCSeq: 3\r\nRange: npt=600-\r\n\r\n")
		give(1, "PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=1200-\r\n\r\n")
		give(2, "PAUSE RTSP/1.0\r\nCSeq: 2\r\nPauseTime: now\r\n\r\n")
		s.after(2 * time.Second)
		last := s.all()[len(s.all())-1].recorded
		if last.Before(tape.At("08:40:01")) || last.After(tape.At("08:40:03")) {
			t.Errorf("it plays %v, want what the last order asked for", last.Format(time.TimeOnly))
		}
		s.stop()
	})
}

// Once nobody plays, an order is refused at once; one of a call that ended is not obeyed by the call that goes on.
func TestOrdersOfACallThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00")})
		s.after(time.Second)
		pausing := make(chan error)
		go func() { pausing <- s.tell("PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now\r\n\r\n") }()
		synctest.Wait()
		s.end() // before it is ripe
		if err := <-pausing; !is481(err) {
			t.Errorf("an order as the call ends: %v, want 481", err)
		}
		<-s.done
		began := time.Now()
		if err := s.tell("PLAY RTSP/1.0\r\nCSeq: 2\r\n\r\n"); !is481(err) || time.Since(began) > 0 {
			t.Errorf("an order after the end: %v after %v, want 481 at once", err, time.Since(began))
		}
		s.done <- nil
		s.stop()
	})
}

func is481(err error) bool {
	e, ok := errors.AsType[*gb28181.Error](err)
	return ok && e.Code == 481
}
