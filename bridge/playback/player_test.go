package playback_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
	"gbgate/media"
)

func TestPlaybackBeginsWithTheGroupOfPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:01"), To: tape.At("08:30:11")})
		s.after(9 * time.Second)
		pictures := s.video(0)
		if first := pictures[0].recorded; !first.Equal(tape.At("08:30:00")) {
			t.Errorf("it begins with %v, want the group of pictures that holds 08:30:01", first)
		}
		if wall, stream := rate(pictures); !near(wall, 1) || !near(stream, 1) {
			t.Errorf("%.2f s of the recording go by in a second, %.2f in one of the stream; want 1 and 1", wall, stream)
		}
		if sound := len(s.all()) - len(pictures); sound < 200 {
			t.Errorf("%d frames of sound in 9 s, want 25 a second", sound)
		}
		if s.ends() != 0 {
			t.Error("the end was told before it came")
		}
		s.after(3 * time.Second) // the end of the window
		if last := s.all()[len(s.all())-1].recorded; s.ends() != 1 || !last.Before(tape.At("08:30:11")) ||
			last.Before(tape.At("08:30:10")) {
			t.Errorf("the last unit is of %v, the end was told %d times", last, s.ends())
		}
		select {
		case <-s.done:
			t.Error("hung up before the superior had its time to")
		default:
		}
		s.after(9 * time.Second)
		select {
		case err := <-s.done:
			if err != nil {
				t.Errorf("ended with %v, want our BYE", err)
			}
			s.done <- nil
		default:
			t.Error("no end 10 s after the end was told")
		}
		s.stop()
	})
}

// A receiver that takes its time over what is on the way hears of the end after it, whatever the superior asks
// meanwhile, and then has all of its time to hang up.
func TestEndIsToldAfterASlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("08:30:02")})
		s.drain(14 * time.Second)
		s.after(3 * time.Second) // the last second of it is of the 14
		s.must("PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now\r\n\r\n")
		s.must("PLAY RTSP/1.0\r\nCSeq: 2\r\n\r\n")
		s.after(12 * time.Second)
		if s.ends() != 0 {
			t.Errorf("told %d times before the receiver had everything", s.ends())
		}
		s.after(2 * time.Second)
		s.must("PAUSE RTSP/1.0\r\nCSeq: 3\r\nPauseTime: now\r\n\r\n")
		s.after(7 * time.Second)
		if len(s.done) != 0 || s.ends() != 1 {
			t.Errorf("told %d times, %d ends of the playback 8 s later; want 1 and 0", s.ends(), len(s.done))
		}
		s.after(2 * time.Second)
		if len(s.done) != 1 || s.ends() != 1 {
			t.Errorf("told %d times, %d ends of the playback 11 s later; want 1 and 1", s.ends(), len(s.done))
		}
		s.stop()
	})
}

// An end that a seek takes back is told when it comes again, and not before.
func TestSeekTakesTheEndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("08:30:04")})
		s.drain(3 * time.Second)
		s.after(5 * time.Second)
		s.must("PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=0-\r\n\r\n")
		s.after(5 * time.Second)
		if s.ends() != 0 {
			t.Errorf("told %d times though the superior wanted more", s.ends())
		}
		s.after(4 * time.Second)
		if s.ends() != 1 {
			t.Errorf("told %d times at the second end", s.ends())
		}
		s.stop()
	})
}

// Over a gap of an hour nobody waits, and the stream's time goes on by one picture.
func TestPlaybackCrossesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := &tape.Tape{Files: []playback.Recording{
			tape.File("08:00:00", "08:00:04"), tape.File("09:00:00", "09:00:04"), tape.File("09:00:04", "09:00:08"),
		}}
		s := newShow(t, tp, playback.Config{From: tape.At("08:00:00"), To: tape.At("10:00:00")})
		s.after(11*time.Second + 900*time.Millisecond)
		pictures := s.video(0)
		for i, u := range pictures[1:] {
			if step := u.dts - pictures[i].dts; step != 3600 {
				t.Errorf("a step of %d ticks before %v, want one picture's", step, u.recorded.Format(time.TimeOnly))
			}
			if wait := u.at - pictures[i].at; wait > 80*time.Millisecond {
				t.Errorf("%v went by before %v", wait, u.recorded.Format(time.TimeOnly))
			}
		}
		if n := len(pictures); n < 297 || n > 300 {
			t.Errorf("%d pictures in 11.9 s, want 297", n)
		}
		s.stop()
	})
}

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00")})
		s.after(3100 * time.Millisecond)
		s.must("PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now\r\n\r\n")
		n := len(s.all())
		s.after(time.Minute)
		if len(s.all()) != n {
			t.Fatalf("%d units were sent in a pause", len(s.all())-n)
		}
		s.mu.Lock()
		if s.lives < 11 {
			t.Errorf("%d occasions for a sign of life in a minute", s.lives)
		}
		s.mu.Unlock()
		s.must("PLAY RTSP/1.0\r\nCSeq: 2\r\nRange: npt=now-\r\n\r\n")
		s.after(3 * time.Second)
		pictures := s.video(0)
		for i, u := range pictures[1:] {
			if step := u.recorded.Sub(pictures[i].recorded); step != tape.Frame {
				t.Errorf("%v is missing before %v", step-tape.Frame, u.recorded.Format(time.TimeOnly))
			}
			if step := u.dts - pictures[i].dts; step > 3601 {
				t.Errorf("the pause is a hole of %v in the stream", media.Duration(step))
			}
		}
		if wall, _ := rate(s.video(n)); !near(wall, 1) {
			t.Errorf("after the pause it goes at %.2f", wall)
		}
		if len(s.tape.Turns()) != 0 {
			t.Errorf("the recording was turned: %v", s.tape.Turns())
		}
		s.must("PAUSE RTSP/1.0\r\nCSeq: 3\r\nPauseTime: 10\r\n\r\n")
		s.after(20 * time.Second)
		if last := s.all()[len(s.all())-1].recorded; !last.Before(tape.At("08:30:10")) || last.Before(tape.At("08:30:09")) {
			t.Errorf("PauseTime 10: the last unit is of %v", last)
		}
		s.stop()
	})
}

// Every scale goes at its speed, on the time line that the superior wants, and only 1 has sound; up to 4 all pictures
// are sent, and none twice where the speed changes.
func TestScales(t *testing.T) {
	for _, wall := range []bool{false, true} {
		for _, c := range []struct {
			scale string
			want  float64
			all   bool
		}{
			{"0.25", 0.25, true},
			{"0.5", 0.5, true},
			{"1.000000", 1, true},
			{"2", 2, true},
			{"4.0", 4, true},
			{"8", 8, false},
			{"16", 16, false},
			{"32", 16, false},
			{"-1", -1, false},
			{"-4", -4, false},
		} {
			synctest.Test(t, func(t *testing.T) {
				s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00"), Wall: wall})
				s.must("PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=600-\r\n\r\n")
				s.after(2*time.Second + 50*time.Millisecond)
				s.must("PLAY RTSP/1.0\r\nCSeq: 2\r\nScale: " + c.scale + "\r\n\r\n")
				n := s.sentBy(time.Since(s.began))
				s.after(12 * time.Second)
				pictures, every := s.video(n), s.video(0)
				got, stream := rate(pictures)
				want := 1.0
				if wall {
					want = math.Abs(c.want)
				}
				if !near(got, c.want) || !near(math.Abs(stream), want) {
					t.Errorf("scale %s: %.2f of the recording in a second, %.2f in one of the stream; want %.2f and %.2f",
						c.scale, got, stream, c.want, want)
				}
				for i, u := range pictures {
					if !c.all && !u.key {
						t.Fatalf("scale %s sends more than key pictures", c.scale)
					}
					step := u.recorded.Sub(every[len(every)-len(pictures)+i-1].recorded)
					if c.all && step != tape.Frame {
						t.Fatalf("scale %s: a step of %v before picture %d", c.scale, step, i)
					}
				}
				if sound := len(s.all()) - n - len(pictures); (sound > 0) != (c.want == 1) {
					t.Errorf("scale %s has %d frames of sound", c.scale, sound)
				}
				// And back.
				n = len(s.all())
				s.must("PLAY RTSP/1.0\r\nCSeq: 3\r\nScale: 1.0\r\n\r\n")
				s.after(3 * time.Second)
				if got, _ := rate(s.video(n)[1:]); !near(got, 1) {
					t.Errorf("after scale %s: %.2f", c.scale, got)
				}
				s.stop()
			})
		}
	}
}

func TestSeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.TwoHours()
		tp.Took = 100 * time.Millisecond
		s := newShow(t, tp, playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00")})
		s.after(time.Second)
		for _, c := range []struct {
			npt  string
			want string
		}{{"1801", "09:00:00"}, {"0", "08:30:00"}, {"5.5", "08:30:04"}, {"0:50:00", "09:20:00"}} {
			asked := time.Since(s.began) + playback.OvertakeWithin
			s.must("PLAY RTSP/1.0\r\nCSeq: 2\r\nRange: npt=" + c.npt + "-\r\n\r\n")
			n := s.sentBy(asked + 1) // the recording takes its time after it
			s.after(500 * time.Millisecond)
			first := s.all()[n]
			if !first.recorded.Equal(tape.At(c.want)) || !first.key {
				t.Errorf("npt %s begins with %v", c.npt, first.recorded.Format(time.TimeOnly))
			}
			if took := first.at - asked; took > tp.Took {
				t.Errorf("npt %s: the first picture came after %v, %v of them the recording's", c.npt, took, tp.Took)
			}
			if step := first.dts - s.all()[n-1].dts; step > 7200 {
				t.Errorf("npt %s is a hole of %v in the stream", c.npt, media.Duration(step))
			}
		}
		// Beyond the end there is nothing, which is told as any end is; from there it may go back.
		s.must("PLAY RTSP/1.0\r\nCSeq: 3\r\nRange: npt=5000-\r\n\r\n")
		s.after(time.Second)
		if s.ends() != 1 {
			t.Errorf("beyond the end: told %d times", s.ends())
		}
		n := len(s.all())
		s.must("PLAY RTSP/1.0\r\nCSeq: 4\r\nRange: npt=10-20\r\n\r\n")
		s.after(13 * time.Second)
		if list := s.video(n); !list[0].recorded.Equal(tape.At("08:30:10")) ||
			list[len(list)-1].recorded.After(tape.At("08:30:20")) || s.ends() != 2 {
			t.Errorf("npt 10-20 goes from %v to %v, told %d times", list[0].recorded, list[len(list)-1].recorded, s.ends())
		}
		n = len(s.all())
		s.must("PLAY RTSP/1.0\r\nCSeq: 5\r\nRange: npt=600-580\r\n\r\n")
		s.after(30 * time.Second)
		if list := s.video(n); !list[0].recorded.Equal(tape.At("08:40:00")) ||
			!list[len(list)-1].recorded.Equal(tape.At("08:39:40")) {
			t.Errorf("npt 600-580 goes from %v to %v", list[0].recorded, list[len(list)-1].recorded)
		}
		s.stop()
	})
}

// Reverse play that comes to the beginning is at its end.
func TestReverseToTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, tape.TwoHours(), playback.Config{From: tape.At("08:59:56"), To: tape.At("09:30:00")})
		s.after(20 * time.Second)
		s.must("PLAY RTSP/1.0\r\nCSeq: 2\r\nScale: -16\r\n\r\n")
		s.after(5 * time.Second)
		if s.ends() != 1 {
			t.Errorf("told %d times", s.ends())
		}
		if last := s.all()[len(s.all())-1].recorded; last.After(tape.At("08:59:56")) {
			t.Errorf("the last picture is of %v", last)
		}
		s.must("PLAY RTSP/1.0\r\nCSeq: 3\r\nScale: 1\r\n\r\n")
		n := len(s.all())
		s.after(5 * time.Second)
		if got, _ := rate(s.video(n)); !near(got, 1) {
			t.Errorf("forwards again: %.2f", got)
		}
		s.stop()
	})
}

func TestOrdersThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := tape.TwoHours()
		s := newShow(t, tp, playback.Config{From: tape.At("08:30:00"), To: tape.At("09:30:00")})
		s.after(time.Second)
		tp.Jam(errors.New("the recorder does not play backwards"))
		n := len(s.all())
		if code, _ := gb28181.StatusOf(s.tell("PLAY RTSP/1.0\r\nCSeq: 2\r\nScale: -1\r\n\r\n")); code != 400 {
			t.Errorf("reverse play that the recorder lacks: %d, want 400", code)
		}
		s.after(5 * time.Second)
		if got, _ := rate(s.video(n)); !near(got, 1) {
			t.Errorf("after the refusal: %.2f, want it to go on", got)
		}
		s.must("TEARDOWN RTSP/1.0\r\nCSeq: 3\r\n\r\n")
		n = len(s.all())
		if code, _ := gb28181.StatusOf(s.tell("PLAY RTSP/1.0\r\nCSeq: 4\r\n\r\n")); code != 400 {
			t.Errorf("PLAY after TEARDOWN: %d, want 400", code)
		}
		s.after(11 * time.Second)
		if err := <-s.done; err != nil || s.ends() != 0 || len(s.all()) != n {
			t.Errorf("TEARDOWN: %v, told %d times, %d more units; want our BYE", err, s.ends(), len(s.all())-n)
		}
		s.done <- nil
		s.stop()
	})
}

// overflow is by how many packets a queue of 64 that is emptied at a rate in bytes a second is too short for what is
// sent.
func overflow(list []shown, rate float64) (lost float64) {
	const room, packet, burst = 64, 1400, 32
	queue, last := 0.0, time.Duration(0)
	arrive := func(at time.Duration, packets float64) {
		if at > last {
			queue = max(0, queue-(at-last).Seconds()*rate/packet)
			last = at
		}
		queue += packets
		lost = max(lost, queue-room)
	}
	for _, u := range list {
		n := math.Ceil(float64(u.size) / packet)
		bursts := math.Ceil(n / burst)
		for i := range int(bursts) { // as rtpout sends them
			arrive(u.at+u.spread*time.Duration(i)/time.Duration(bursts), n/bursts)
		}
	}
	return lost
}

// A download goes at its speed with all pictures and the sound, within the cap, and its big pictures are spread so that
// a short queue on the way is long enough.
func TestDownloadPace(t *testing.T) {
	for _, c := range []struct {
		speed, limit float64
		slow         bool // the recording comes as it was recorded
		want         float64
	}{{4, 8, false, 4}, {16, 8, false, 8}, {1, 8, false, 1}, {4, 8, true, 1}} {
		synctest.Test(t, func(t *testing.T) {
			tp := tape.TwoHours()
			tp.Size, tp.Slow = 200_000, c.slow
			s := newShow(t, tp, playback.Config{
				From: tape.At("08:30:00"), To: tape.At("08:31:00"), Speed: c.speed, MaxSpeed: c.limit,
			})
			s.after(time.Duration(61/c.want*float64(time.Second)) + time.Second)
			if got, _ := rate(s.video(0)); math.Abs(got-c.want) > 0.1*c.want || s.player.Speed() != c.want || s.ends() != 1 {
				t.Errorf("speed %v of at most %v: %.2f, told %d times", c.speed, c.limit, got, s.ends())
			}
			if n := len(s.video(0)); n != 1500 || len(s.all()) != 2999 {
				t.Errorf("%d pictures, %d frames of sound; want 1500 and 1499", n, len(s.all())-n)
			}
			mean := float64(200_000+49*20_000) / 2 * c.want
			if lost := overflow(s.all()[100:], 2*mean); lost > 0 {
				t.Errorf("speed %v: a queue of 64 packets at twice the mean rate is %.0f packets too short", c.want, lost)
			}
			if code, _ := gb28181.StatusOf(s.tell("PLAY RTSP/1.0\r\nCSeq: 4\r\nScale: -1\r\n\r\n")); code != 400 {
				t.Errorf("a download backwards: %d, want 400", code)
			}
			s.stop()
		})
	}
}
