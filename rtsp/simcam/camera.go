// Package simcam is simulated cameras, for demonstrations, rehearsals and tests: one that plays a small embedded clip
// round and round, a recorder, an ONVIF device, and one with the quirks of real RTSP.
package simcam

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
)

// Config says what kind of camera to be.
type Config struct {
	// Listen is the RTSP address; default "127.0.0.1:0", port 0 a free one. RTP over UDP
	// comes from a free pair of ports on the same host.
	Listen string
	// Username and Password, when set, are asked for by digest (MD5, as cameras do).
	Username, Password string
	// Path is the path of the URL; default "/live".
	Path string
	// Clip is H264PCMA (the default) or H265AAC.
	Clip string
	// Bitrate of the video, in kbit/s: pictures are padded up to their share of it, a key
	// picture ten times that of another. 0: as recorded, some 170 to 350 kbit/s.
	Bitrate int
	// Talk: it has a loudspeaker, which takes G.711 µ-law over ONVIF's back channel.
	Talk bool
	// Log may be nil.
	Log *slog.Logger
}

// writeQueue bounds the packets that wait for a client: more than a key picture of a
// 16 Mbit/s stream.
const writeQueue = 1024

// catchUp is how late the camera may be before it lets the lost time go.
const catchUp = time.Second

// Camera is a simulated camera. Listen makes one, Run plays.
type Camera struct {
	cfg   Config
	clip  *Clip
	log   *slog.Logger
	video *track
	audio *track

	listener net.Listener
	rtp      net.PacketConn
	rtcp     net.PacketConn

	mu     sync.Mutex // held while the server starts, so that no request finds half of it
	server *gortsplib.Server
	stream *gortsplib.ServerStream

	speaker  *description.Media // nil: none
	heard    sound
	sessions atomic.Int64
	opened   atomic.Int64
}

// Listen binds a camera's sockets. Clients are served, and the sockets closed, by Run.
func Listen(cfg Config) (*Camera, error) {
	cfg.Listen = cmp.Or(cfg.Listen, "127.0.0.1:0")
	cfg.Path = cmp.Or(cfg.Path, "/live")
	cfg.Clip = cmp.Or(cfg.Clip, H264PCMA)
	c := &Camera{cfg: cfg, log: cfg.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.clip, err = LoadClip(cfg.Clip); err != nil {
		return nil, err
	}
	if c.video, err = newVideoTrack(c.clip); err != nil {
		return nil, fmt.Errorf("simulated camera: video: %w", err)
	}
	if c.audio, err = newAudioTrack(c.clip); err != nil {
		return nil, fmt.Errorf("simulated camera: audio: %w", err)
	}
	if c.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("simulated camera: %w", err)
	}
	if c.rtp, c.rtcp, err = listenPair(c.Addr().Addr()); err != nil {
		_ = c.listener.Close()
		return nil, fmt.Errorf("simulated camera: %w", err)
	}
	return c, nil
}

// listenPair binds an even UDP port for RTP and the next one for RTCP.
func listenPair(host netip.Addr) (rtp, rtcp net.PacketConn, err error) {
	for range 64 {
		first, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
		if err != nil {
			return nil, nil, err
		}
		port := first.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		if port%2 == 0 {
			second, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port+1)))
			if err == nil {
				return first, second, nil
			}
		}
		_ = first.Close()
	}
	return nil, nil, fmt.Errorf("no free pair of UDP ports on %s", host)
}

// Addr returns the RTSP address that is listened on.
func (c *Camera) Addr() netip.AddrPort {
	a := c.listener.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// URL returns what a client asks for, without user information. A camera on every address
// is named by the loopback one.
func (c *Camera) URL() string {
	a := c.Addr()
	if a.Addr().IsUnspecified() {
		a = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return (&url.URL{Scheme: "rtsp", Host: a.String(), Path: c.cfg.Path}).String()
}

// Clip returns the facts of what is played, to compare with.
func (c *Camera) Clip() *Clip { return c.clip }

// Sessions returns how many RTSP sessions are open now (from SETUP on).
func (c *Camera) Sessions() int { return int(c.sessions.Load()) }

// Opened returns how many RTSP sessions were ever opened.
func (c *Camera) Opened() int { return int(c.opened.Load()) }

// Run plays until ctx ends, then closes every session and socket. The clip runs whether
// somebody watches or not, so a client finds it in the middle of a GOP, as with a real
// camera. Run is called once; it returns nil when ctx ended it.
func (c *Camera) Run(ctx context.Context) error {
	if err := c.start(); err != nil {
		return fmt.Errorf("simulated camera: %w", err)
	}
	defer c.stop()
	playing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	serving := make(chan error, 1)
	go func() {
		err := c.server.Wait()
		cancel(err)
		serving <- err
	}()
	c.log.Info("camera plays", "url", c.URL(), "clip", c.clip.Name)
	c.play(playing)
	if ctx.Err() == nil {
		return fmt.Errorf("simulated camera: %w", <-serving)
	}
	c.server.Close()
	<-serving
	return nil
}

func (c *Camera) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &gortsplib.Server{
		Handler:        handler{c},
		RTSPAddress:    c.listener.Addr().String(),
		UDPRTPAddress:  c.rtp.LocalAddr().String(),
		UDPRTCPAddress: c.rtcp.LocalAddr().String(),
		WriteQueueSize: writeQueue,
		AuthMethods:    []auth.VerifyMethod{auth.VerifyMethodDigestMD5},
		Listen:         func(string, string) (net.Listener, error) { return c.listener, nil },
		ListenPacket: func(_, address string) (net.PacketConn, error) {
			if address == c.rtp.LocalAddr().String() {
				return c.rtp, nil
			}
			return c.rtcp, nil
		},
	}
	if err := c.server.Start(); err != nil {
		c.closeSockets()
		return err
	}
	c.stream = &gortsplib.ServerStream{
		Server: c.server,
		Desc: &description.Session{
			Title:  "gbgate simulated camera",
			Medias: []*description.Media{c.video.media, c.audio.media},
		},
	}
	if c.cfg.Talk {
		c.speaker = newSpeaker()
		c.stream.Desc.Medias = append(c.stream.Desc.Medias, c.speaker)
	}
	if err := c.stream.Initialize(); err != nil {
		c.server.Close()
		return err
	}
	return nil
}

func (c *Camera) stop() {
	c.server.Close()
	c.stream.Close()
}

func (c *Camera) closeSockets() {
	_ = c.listener.Close()
	_ = c.rtp.Close()
	_ = c.rtcp.Close()
}

// play sends each picture and audio frame at its time.
func (c *Camera) play(ctx context.Context) {
	line := newTimeline(c.clip)
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b := line.next()
		due := began.Add(b.at)
		if late := time.Since(due); late > catchUp {
			// The machine slept: go on from here, a camera does not send in fast motion.
			began = began.Add(late)
			due = began.Add(b.at)
		}
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := c.send(b, due); err != nil {
			c.log.Warn("camera cannot send", "error", err)
		}
	}
}

// send writes one beat to whoever plays. taken is the wall clock of it, for sender reports.
func (c *Camera) send(b beat, taken time.Time) error {
	to, unit := c.audio, [][]byte{b.audio}
	if b.picture != nil {
		to, unit = c.video, b.picture.NALUs
		if c.cfg.Bitrate > 0 {
			unit = padded(c.clip, b.picture, c.cfg.Bitrate)
		}
	}
	packets, err := to.encode(unit)
	if err != nil {
		return err
	}
	for _, p := range packets {
		p.Timestamp += b.timestamp
		if err := c.stream.WritePacketRTPWithNTP(to.media, p, taken); err != nil {
			return err
		}
	}
	return nil
}
