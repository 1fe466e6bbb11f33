package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/media"
)

// h265Camera sends H.265.
type h265Camera struct{}

func (h265Camera) Check(context.Context) error { return nil }

func (h265Camera) Run(ctx context.Context, sink func(*media.Unit)) error {
	for i := int64(0); ; i++ {
		u := tape.Picture(true, i*3600)
		u.Codec, u.Desc = media.H265, &media.Description{Video: media.Track{Codec: media.H265}}
		sink(u)
		if err := media.Wait(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
}

// TestWhichStreamACallGets: what the offer says, else the configuration, else what the share has room for.
func TestWhichStreamACallGets(t *testing.T) {
	const unset = sdp.StreamUnset
	for name, c := range map[string]struct {
		offer     int
		cfg       ViewConfig
		noSub     bool
		exhausted bool
		h265      bool // the main stream
		want      string
		code      int
	}{
		"nothing said":             {offer: unset, want: "main"},
		"the offer wants the sub":  {offer: 1, want: "sub"},
		"the offer wants the main": {offer: 0, cfg: ViewConfig{SubStream: true}, want: "main"},
		"the default is sub":       {offer: unset, cfg: ViewConfig{SubStream: true}, want: "sub"},
		"there is no sub":          {offer: 1, noSub: true, cfg: ViewConfig{SubStream: true}, want: "main"},
		"the share has room":       {offer: unset, cfg: ViewConfig{Bandwidth: 1000, ShareSub: true}, want: "main"},
		"the share is used up": {
			offer: unset, exhausted: true, cfg: ViewConfig{Bandwidth: 1000, ShareSub: true}, want: "sub",
		},
		"used up, and not to bother": {offer: unset, exhausted: true, cfg: ViewConfig{Bandwidth: 1000}, want: "main"},
		"used up, main is asked for": {
			offer: 0, exhausted: true, cfg: ViewConfig{Bandwidth: 1000, ShareSub: true}, want: "main",
		},
		"H.265 is taken":   {offer: unset, h265: true, want: "main"},
		"H.265 is refused": {offer: unset, h265: true, cfg: ViewConfig{RefuseH265: true}, code: 488},
		"H.265 falls back": {offer: 0, h265: true, cfg: ViewConfig{RefuseH265: true, H265Sub: true}, want: "sub"},
		"H.265 without a sub": {
			offer: 0, h265: true, noSub: true, cfg: ViewConfig{RefuseH265: true, H265Sub: true}, code: 488,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cam := Camera{Name: "gate", ID: gate, Source: &camera{}, Sub: &camera{}}
				if c.noSub {
					cam.Sub = nil
				}
				if c.h265 {
					cam.Source = h265Camera{}
				}
				site := NewSite(Config{}, []Camera{cam})
				_, stop := running(t, site, nil)
				defer stop()
				c.cfg.NodeID, c.cfg.Channels = node, []string{"*"}
				v := site.View(c.cfg)
				for c.exhausted && v.share.take(10_000, true) {
				}
				channel := site.Channels()[0]
				lease, leave, err := v.watchCamera(t.Context(), channel, &sdp.Offer{Stream: c.offer})
				if c.code != 0 {
					if code, _ := gb28181.StatusOf(err); code != c.code {
						t.Errorf("%v, want %d", err, c.code)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer leave()
				if want := map[string]*Feed{"main": channel.feed, "sub": channel.sub}[c.want]; lease.feed != want {
					t.Errorf("another stream than %s", c.want)
				}
				if idle := channel.sub; c.want == "main" && idle != nil && idle.State() != Idle {
					t.Error("the sub stream is pulled though nobody watches it")
				}
			})
		})
	}
}

// TestAShareIsFullWhileItIsUsed, also when nothing had to be left out so far.
func TestAShareIsFullWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(8000) // 1 MB/s
		use := func(d time.Duration, bytes int) {
			for range int(d / (40 * time.Millisecond)) {
				s.take(bytes, false)
				time.Sleep(40 * time.Millisecond)
			}
		}
		use(30*time.Second, 20_000) // half of it
		if s.full(0) || s.full(300_000) || !s.full(600_000) {
			t.Errorf("half used: full %v, for 0.3 MB/s more %v, for 0.6 %v", s.full(0), s.full(300_000), s.full(600_000))
		}
		use(30*time.Second, 60_000) // too much
		if !s.full(0) {
			t.Error("not full although pictures are left out")
		}
		time.Sleep(time.Minute)
		if s.full(900_000) {
			t.Error("full although nothing is sent")
		}
		if newShare(0).full(1e9) {
			t.Error("no share is full")
		}
	})
}

// TestFeedMeters wants the rate of what comes in, and none before it is known.
func TestFeedMeters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := startFeed(t, &camera{})
		defer stop()
		lease := f.Subscribe(media.FromCachedGOP)
		defer lease.Close()
		time.Sleep(time.Second)
		if got := f.rate(); got != 0 {
			t.Errorf("%v bytes a second after a second, want none yet", got)
		}
		time.Sleep(20 * time.Second)
		if got := f.rate(); got < 200 || got > 260 { // 25 pictures of 8 bytes, the key one of 24
			t.Errorf("%v bytes a second, want about 216", got)
		}
	})
}
