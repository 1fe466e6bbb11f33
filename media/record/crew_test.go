package record

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// TestAKillCostsASecond: whatever a camera sends, it is in the file a second after it came.
func TestAKillCostsASecond(t *testing.T) {
	for _, c := range []struct {
		name     string
		every    int  // of so many pictures one comes
		sound    bool // that comes, too
		hangs    bool // then sound comes alone
		interval time.Duration
	}{
		{"25 pictures a second", 1, true, false, 40 * time.Millisecond},
		{"a picture a second", 25, false, false, time.Second},
		{"a picture a second, and sound", 25, true, false, time.Second},
		{"sound alone", 1, true, true, 40 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				a := New(Config{Dir: dir, Segment: time.Hour})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { _ = a.Run(ctx) })
				synctest.Wait()
				began := time.Now()
				l := &live{
					t: t, a: a, cam: newCam(t, simcam.H264PCMA, began), stream: media.NewStream(media.Limits{}), began: began,
				}
				l.r = a.NewRecorder("gate", Always)
				reader := l.stream.Subscribe(media.FromNextKey)
				running.Go(func() { _ = l.r.Run(ctx, reader); _ = reader.Close() })
				var newest, soundOnly time.Duration // when the newest unit came
				for now := time.Duration(0); now < 14*time.Second; now = time.Since(began) {
					u := l.cam.next()
					time.Sleep(time.Until(u.Arrived))
					u.Arrived = time.Now()
					if keep := u.Codec.IsVideo() && (l.cam.picture-1)%c.every == 0 && (!c.hangs || now < 5*time.Second) ||
						!u.Codec.IsVideo() && c.sound; !keep {
						u.Release()
						continue
					}
					if newest = time.Since(began); !u.Codec.IsVideo() {
						soundOnly = newest
					}
					l.stream.Write(u)
					synctest.Wait()
					s := l.r.take.segment // nobody changes it now
					if now < 3*time.Second || s == nil {
						continue
					}
					// A second, and what is shown of the picture at its end.
					end := duration(s.progress(noKeys).end)
					if lost := newest - end; lost > time.Second+c.interval {
						t.Fatalf("at %v the file ends at %v", newest, end)
					}
				}
				if c.hangs && soundOnly < 13*time.Second {
					t.Errorf("sound came up to %v only", soundOnly)
				}
				st := l.r.Status()
				cancel()
				running.Wait()
				if st.Err != nil || st.Lost != 0 || st.Parts < 12 {
					t.Errorf("%+v", st)
				}
				found, err := a.Find(t.Context(), "gate", began, began.Add(time.Hour), None)
				if err != nil || len(found) != 1 {
					t.Fatalf("%+v, %v", found, err)
				}
				if v := a.Verify(t.Context(), found[0], true); !v.Finished || v.Torn != 0 {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}
