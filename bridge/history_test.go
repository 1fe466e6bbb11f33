package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/media/rtpout"
)

// historyCall is a Call that can be controlled.
type historyCall struct {
	invitation
	told    chan manscdp.Message
	control func(arrival uint64, body []byte) ([]byte, error)
}

func (c *historyCall) OnControl(f func(arrival uint64, body []byte) ([]byte, error)) { c.control = f }

func (c *historyCall) Notify(_ context.Context, m manscdp.Message) error {
	c.told <- m
	return nil
}

func newHistoryCall(kind sdp.Kind, start, stop time.Time) *historyCall {
	return &historyCall{
		invitation: invitation{answered: make(chan sdp.Answer, 1), offer: &sdp.Offer{
			Kind: kind, Channel: gate, PayloadType: 96, SSRC: 1200000001, Start: start, Stop: stop,
			Session: &sdp.Session{Name: kind.String()},
		}},
		told: make(chan manscdp.Message, 1),
	}
}

func recordedSite(tp playback.Recordings) *View {
	site := NewSite(Config{Recordings: tp}, []Camera{{Name: "gate", Title: "Gate", ID: gate, Source: &camera{}}})
	return site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, FormatLine: "full"})
}

// A receiver slower than the download holds it up and loses nothing, and hears of the end only when it has everything.
func TestSlowDownloadIsWhole(t *testing.T) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tp := tape.TwoHours()
	tp.Size = 200_000
	v := recordedSite(tp)
	call := newHistoryCall(sdp.Download, at("08:30:00"), at("08:30:20"))
	call.offer.Transport, call.offer.Remote = sdp.TCPPassive, l.Addr().(*net.TCPAddr).AddrPort()
	call.offer.DownloadSpeed = 1000
	ctx, hangUp := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.ServeMedia(ctx, call) }()
	answer := <-call.answered
	_ = l.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadBuffer(64 << 10)
	var got atomic.Int64
	read := make(chan error, 1)
	go func() {
		head, payload := make([]byte, 2), make([]byte, 1<<16)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, head); err != nil {
				read <- err
				return
			}
			size := int(binary.BigEndian.Uint16(head))
			if _, err := io.ReadFull(c, payload[:size]); err != nil {
				read <- err
				return
			}
			got.Add(int64(size - 12))
			if n%500 == 0 {
				time.Sleep(20 * time.Millisecond) // 12 MB in more than a third of a second
			}
		}
	}()
	m := <-call.told
	if whole := got.Load(); whole < answer.FileSize-256<<10 { // what the kernel has of it
		t.Errorf("the end was told when %d of %d bytes were there", whole, answer.FileSize)
	}
	if status, ok := m.(*manscdp.MediaStatusNotify); !ok || status.NotifyType != "121" {
		t.Errorf("told %+v", m)
	}
	bye := errors.New("BYE")
	hangUp(bye)
	if err := <-done; !errors.Is(err, bye) {
		t.Errorf("the call ended with %v", err)
	}
	<-read
	if off := got.Load() - answer.FileSize; max(off, -off) > answer.FileSize/1000 || answer.FileSize == 0 {
		t.Errorf("%d bytes came, %d were announced", got.Load(), answer.FileSize)
	}
	if tp.Left() != 0 || answer.DownloadSpeed != 1000 {
		t.Errorf("%d recordings are open, speed %v was granted", tp.Left(), answer.DownloadSpeed)
	}
}

// A receiver that takes nothing for a while in a pause is too slow for a sign of life, and that is all.
func TestSlowReceiverOfAPause(t *testing.T) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sender, err := rtpout.Open(rtpout.Config{
		Transport: rtpout.TCPActive, Local: netip.MustParseAddr("127.0.0.1"), Remote: l.Addr().(*net.TCPAddr).AddrPort(),
		SSRC: 1, PayloadType: 96, WriteTimeout: 20 * time.Millisecond, StallTimeout: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if err := sender.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for full := error(nil); full == nil; {
		full = sender.WritePack(t.Context(), 0, 0, [][]byte{make([]byte, 300_000)})
	}
	v := recordedSite(tape.TwoHours())
	v.cfg.PauseAlive = true
	h := &history{leg: newLeg(v, nil, &line{Sender: sender}, &sdp.Offer{})}
	if err := h.Alive(t.Context(), *tape.H264(), 3600); err != nil || h.skipped.Load() != 1 {
		t.Errorf("%v, %d left out; want nil and 1", err, h.skipped.Load())
	}
}

// A download is granted what its source can bring, and answered for before a slow disk has counted it.
func TestDownloadPromises(t *testing.T) {
	for _, c := range []struct {
		slow  bool
		count time.Duration
		speed float64
		sized bool
	}{{false, time.Second, 4, true}, {true, 0, 1, true}, {false, time.Hour, 4, false}} {
		synctest.Test(t, func(t *testing.T) {
			tp := tape.TwoHours()
			tp.Slow, tp.Count = c.slow, c.count
			v := recordedSite(tp)
			call := newHistoryCall(sdp.Download, at("08:30:00"), at("08:30:20"))
			call.offer.DownloadSpeed = 4
			channel, _ := v.channel(gate)
			began := time.Now()
			r, err := v.openReel(t.Context(), channel, call.offer)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got := r.player.Speed(); got != c.speed || r.size > 0 != c.sized {
				t.Errorf("%+v: speed %v, size %d", c, got, r.size)
			}
			if took := time.Since(began); took > countWithin {
				t.Errorf("%+v: it took %v", c, took)
			}
		})
	}
}

// What cannot be played is refused before the answer.
func TestRecordingRefusals(t *testing.T) {
	from, to := at("08:30:00"), at("08:31:00")
	for _, c := range []struct {
		name  string
		view  *View
		start time.Time
		stop  time.Time
		want  int
	}{
		{"nothing is recorded at all", recordedSite(nil), from, to, 488},
		{"nothing is recorded then", recordedSite(tape.TwoHours()), from.Add(-24 * time.Hour), to.Add(-24 * time.Hour), 404},
		{"no start", recordedSite(tape.TwoHours()), time.Time{}, to, 400},
		{"an end before the start", recordedSite(tape.TwoHours()), to, from, 400},
		{"a recorder that fails", recordedSite(broken{}), from, to, 480},
		{"nothing in the gap", recordedSite(&tape.Tape{
			Files: []playback.Recording{tape.File("08:30:59", "08:31:00")},
		}), from, from.Add(time.Second), 404},
	} {
		call := newHistoryCall(sdp.Playback, c.start, c.stop)
		err := c.view.ServeMedia(t.Context(), call)
		if code, _ := gb28181.StatusOf(err); code != c.want {
			t.Errorf("%s: %v, want %d", c.name, err, c.want)
		}
	}
	talk := newHistoryCall(sdp.Talk, from, to)
	if code, _ := gb28181.StatusOf(recordedSite(nil).ServeMedia(t.Context(), talk)); code != 488 {
		t.Errorf("Talk: %d, want 488", code)
	}
}

// broken is Recordings on a disk that is gone.
type broken struct{}

func (broken) Find(context.Context, string, time.Time, time.Time, string) ([]playback.Recording, error) {
	return nil, errors.New("disk gone")
}

func (broken) Open(context.Context, string, time.Time, time.Time) (playback.Reader, error) {
	return nil, errors.New("disk gone")
}
