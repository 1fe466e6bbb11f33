package rtsp

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// A camera that sends without end, or lies, costs its own channel only: memory is bounded, another camera on the same
// poller goes on, and where no pictures come the reason is told.
func TestHostileQuirks(t *testing.T) {
	const some, much = 10 << 20, 100 << 20
	want := map[string]struct {
		verdict verdict // none: it may go on
		bytes   int64   // that it sends before the other camera comes
	}{
		"10 GB body":                               {verdict: verdict{Protocol, "10737418240"}},
		"lying length":                             {verdict: verdict{Protocol, "did not answer DESCRIBE"}},
		"endless headers":                          {verdict: verdict{Protocol, "without end"}},
		"endless line":                             {verdict: verdict{Protocol, "without end"}},
		"header byte by byte":                      {verdict: verdict{Protocol, "did not answer DESCRIBE"}},
		"body byte by byte":                        {verdict: verdict{Protocol, "did not answer DESCRIBE"}},
		"100 Continue for ever":                    {verdict: verdict{Protocol, "did not answer DESCRIBE"}},
		"channels beyond 255":                      {},
		"description of 10 MB":                     {verdict: verdict{Protocol, "announces an RTSP body of"}},
		"description of 1000 tracks":               {verdict: verdict{NoVideo, "none"}},
		"description at a URL that is a long read": {},
		"description that is a long read":          {verdict: verdict{NoVideo, "H.264"}},
		"endless picture":                          {bytes: much},
		"noise for ever":                           {verdict: verdict{Protocol, "not RTSP"}},
		"replies for ever":                         {bytes: some},
		"RTCP for ever":                            {bytes: some},
		"pictures without a pause":                 {bytes: some},
		"questions for ever and answers unread":    {},
	}
	if quirks := simcam.HostileQuirks(); len(quirks) != len(want) {
		t.Errorf("%d quirks have %d entries", len(quirks), len(want))
	}
	poller, stop := runPoller(t)
	defer stop()
	for _, quirk := range simcam.HostileQuirks() {
		t.Run(quirk.Name, func(t *testing.T) {
			w, ok := want[quirk.Name]
			if !ok {
				t.Fatal("the quirk has no entry")
			}
			bad := newFakeCamera(t)
			bad.Change(func() { quirk.Script(bad.Scripted) }) // the poller's own system calls tell the race detector nothing
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan error, 1)
			go func() {
				src := &Source{Config: Config{
					URL: bad.URL(), Poller: poller, ReplyTimeout: 2 * time.Second, FrameTimeout: 3 * time.Second,
				}}
				ended <- src.Run(ctx, (*media.Unit).Release)
			}()
			var err error
			deadline := time.Now().Add(time.Minute)
			for err == nil && (len(bad.Asked("DESCRIBE")) == 0 || bad.Sent() < w.bytes) {
				if time.Now().After(deadline) {
					t.Fatal("it does not send")
				}
				select {
				case err = <-ended:
				case <-time.After(5 * time.Millisecond):
				}
			}
			good := newFakeCamera(t)
			if err := good.pull(Config{Poller: poller}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("the other camera: %v", err)
			}
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
				t.Errorf("%d MB are in use for %d MB that were sent", grown>>20, bad.Sent()>>20)
			}
			if w.verdict.words == "" {
				cancel(errEnough)
			}
			if err == nil {
				err = <-ended
			}
			if w.verdict.words != "" {
				w.verdict.on(t, err)
			} else if !errors.Is(err, errEnough) && kindOf(err) != NoFrames && kindOf(err) != Closed {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
