package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// demoDoc is what `demo --json` prints.
type demoDoc struct {
	Verdict   string     `json:"verdict"`
	Reason    string     `json:"reason,omitempty"`
	Superiors []demoSide `json:"superiors"`
	Cameras   []demoSide `json:"cameras"`
	Checks    []demoSide `json:"checks"`
	Plays     []playDoc  `json:"plays"`
}

// demoSide is one participant or check of the demonstration.
type demoSide struct {
	Name    string `json:"name"`
	ID      string `json:"id,omitempty"`
	URL     string `json:"url,omitempty"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// playDoc is how one play over one transport went, as the platform saw it.
type playDoc struct {
	Channel      string  `json:"channel"`
	Transport    string  `json:"transport"` // udp | tcp-passive | tcp-active, named by the superior's a=setup
	Codec        string  `json:"codec"`
	Width        int     `json:"width"`
	Height       int     `json:"height"`
	FPS          float64 `json:"fps"`
	BitrateKbps  int     `json:"bitrate_kbps"`
	Audio        string  `json:"audio"`
	FirstPacket  float64 `json:"first_packet_ms"`
	FirstPicture float64 `json:"first_picture_ms"`
	Pictures     int     `json:"pictures"`
	LostPackets  int     `json:"lost_packets"`
	MaxBurst     int     `json:"max_burst_packets"`
	Verdict      string  `json:"verdict"`
	Reason       string  `json:"reason,omitempty"`
}

// The identities of the demonstration: the standard's own example codes.
const (
	demoPlatform = "34020000002000000001"
	demoNode     = "34020100002000000001"
	demoPassword = "demo-12345678"
)

// demoClips are the two simulated cameras.
var demoClips = []struct{ name, title, id, clip, username, password string }{ //nolint:gochecknoglobals // a table
	{"east_gate", "东门球机", "34020100001320000001", simcam.H264PCMA, "admin", "p@ss:w/rd#1"},
	{"west_yard", "西院枪机", "34020100001320000002", simcam.H265AAC, "", ""},
}

// demoCommand is `gbgate demo`.
func demoCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("demo")
	once := fs.Bool("once", false, "end after the plays instead of staying up")
	asJSON := fs.Bool("json", false, "print one JSON object")
	verbose := fs.Bool("v", false, "log what happens")
	if code, done := e.parse(fs, args); done {
		return code
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = newLogger(e, "debug")
	}
	say := e.stdout
	if *asJSON {
		say = io.Discard
	}
	d, err := newDemo(log)
	if err != nil {
		return e.fail(exitBad, err)
	}
	doc, err := d.run(ctx, say, func(doc demoDoc) {
		if *asJSON {
			e.printJSON(doc)
		}
		if !*once {
			d.stayUp(ctx, say)
		}
	})
	if err != nil {
		return e.fail(exitBad, err)
	}
	if doc.Verdict != good {
		return exitBad
	}
	return exitGood
}

// demo is two cameras, the gateway and a platform in one process, on loopback.
type demo struct {
	log      *slog.Logger
	cams     []*simcam.Camera
	platform *rehearsal.Platform
	gateway  *gateway
	stateDir string
}

func newDemo(log *slog.Logger) (*demo, error) {
	d := &demo{log: log}
	cfg := config.Default()
	cfg.Gateway.ID, cfg.Gateway.Name = demoNode, "gbgate demo"
	cfg.Gateway.SIPListen, cfg.Gateway.MediaPorts, cfg.Admin.Listen = "127.0.0.1:0", "0", "127.0.0.1:0"
	var err error
	if d.stateDir, err = os.MkdirTemp("", "gbgate-demo-"); err != nil {
		return nil, err
	}
	cfg.Gateway.StateDir = d.stateDir
	for _, c := range demoClips {
		cam, err := simcam.Listen(simcam.Config{Clip: c.clip, Username: c.username, Password: c.password, Log: log})
		if err != nil {
			return nil, err
		}
		d.cams = append(d.cams, cam)
		entry := config.DefaultCamera()
		entry.Name, entry.Title, entry.ID, entry.URL = c.name, c.title, c.id, cam.URL()
		entry.Username, entry.Password = c.username, &c.password
		cfg.Cameras = append(cfg.Cameras, entry)
	}
	if d.platform, err = rehearsal.Listen(rehearsal.Config{
		ID: demoPlatform, Password: demoPassword, QOP: true, Log: log,
	}); err != nil {
		return nil, err
	}
	s := config.DefaultSuperior()
	password := demoPassword
	s.Name, s.ID, s.Domain, s.Address = "platform", demoPlatform, demoPlatform[:10], d.platform.Addr().String()
	s.NodeID, s.Username, s.Password = demoNode, demoNode, &password
	cfg.Superiors = []config.Superior{s}
	if d.gateway, err = newGateway(cfg, log); err != nil {
		return nil, err
	}
	return d, nil
}

// run brings everything up, plays, calls after with the result while all is still up, and
// takes everything down.
func (d *demo) run(ctx context.Context, say io.Writer, after func(demoDoc)) (demoDoc, error) {
	defer os.RemoveAll(d.stateDir)
	outer, stopOuter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOuter()
	around, outer := errgroup.WithContext(outer) // what the gateway needs to say goodbye to
	for _, cam := range d.cams {
		around.Go(func() error { return fatal("camera", cam.Run(outer)) })
	}
	around.Go(func() error { return fatal("platform", d.platform.Run(outer)) })

	inner, stopInner := context.WithCancelCause(ctx)
	defer stopInner(nil)
	gone := make(chan error, 1)
	go func() {
		err := d.gateway.run(inner)
		stopInner(errors.Join(errors.New("the gateway ended"), err))
		gone <- err
	}()
	doc := d.play(inner, say)
	if ctx.Err() == nil {
		after(doc)
	}
	stopInner(errStopped)
	err := <-gone
	stopOuter()
	return doc, errors.Join(err, around.Wait())
}

// play registers, asks for the catalog and plays each camera over each transport.
func (d *demo) play(ctx context.Context, say io.Writer) demoDoc {
	doc := demoDoc{Verdict: good, Superiors: []demoSide{}, Cameras: []demoSide{}, Checks: []demoSide{}, Plays: []playDoc{}}
	fmt.Fprintf(say, "gbgate %s demonstration on loopback: 2 simulated cameras, the gateway, a platform\n\n", version)
	node, err := d.register(ctx)
	doc.superior(say, err)
	if err != nil {
		return doc
	}
	items, err := node.Catalog(ctx)
	doc.catalog(say, items, err)
	for i, cam := range d.cams {
		doc.Cameras = append(doc.Cameras, demoSide{
			Name: demoClips[i].name, ID: demoClips[i].id, URL: cam.URL(), Verdict: good,
		})
	}
	fmt.Fprintln(say)
	row := "%-22s %-12s %-6s %-10s %5s %7s %-7s %8s %8s %5s  %s\n"
	fmt.Fprintf(say, row, "CHANNEL", "TRANSPORT", "VIDEO", "SIZE", "FPS", "KBIT/S", "AUDIO", "PACKET", "PICTURE", "LOST",
		"VERDICT")
	for i, c := range demoClips {
		for _, transport := range []string{"udp", "tcp-passive", "tcp-active"} {
			p := playOnce(ctx, node, c.id, transport, d.cams[i].Clip())
			doc.Plays = append(doc.Plays, p)
			doc.Cameras[i].Verdict = worse(doc.Cameras[i].Verdict, p.Verdict)
			doc.Verdict = worse(doc.Verdict, p.Verdict)
			fmt.Fprintf(say, row, p.Channel, p.Transport, p.Codec, fmt.Sprintf("%dx%d", p.Width, p.Height),
				fmt.Sprintf("%.4g", p.FPS),
				fmt.Sprint(p.BitrateKbps), p.Audio, fmt.Sprintf("%.0f ms", p.FirstPacket), fmt.Sprintf("%.0f ms", p.FirstPicture),
				fmt.Sprint(p.LostPackets), verdictText(p.Verdict, p.Reason))
		}
	}
	fmt.Fprintf(say, "\nPACKET and PICTURE are times from the INVITE; "+
		"a cold camera's include its RTSP handshake and its next key picture.\n")
	fmt.Fprintf(say, "Verdict of the demonstration: %s\n", doc.Verdict)
	return doc
}

const (
	demoRegister = 10 * time.Second
	demoPlay     = 2 * time.Second
)

func (d *demo) register(ctx context.Context) (*rehearsal.Node, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoRegister, errors.New("the gateway has not registered within 10 s"))
	defer cancel()
	return d.platform.WaitNode(ctx, demoNode)
}

func (doc *demoDoc) superior(say io.Writer, err error) {
	side := demoSide{Name: "platform", ID: demoPlatform, Verdict: good}
	if err != nil {
		side.Verdict, side.Reason = bad, err.Error()
		doc.Verdict, doc.Reason = bad, err.Error()
	}
	doc.Superiors = append(doc.Superiors, side)
	fmt.Fprintf(say, "node %s registers at platform %s: %s\n", demoNode, demoPlatform,
		verdictText(side.Verdict, side.Reason))
}

func (doc *demoDoc) catalog(say io.Writer, items []manscdp.Item, err error) {
	check := demoSide{Name: "catalog", Verdict: good}
	switch {
	case err != nil:
		check.Verdict, check.Reason = bad, err.Error()
	case len(items) != len(demoClips):
		check.Verdict, check.Reason = bad, fmt.Sprintf("%d channels instead of %d", len(items), len(demoClips))
	}
	doc.Checks = append(doc.Checks, check)
	doc.Verdict = worse(doc.Verdict, check.Verdict)
	fmt.Fprintf(say, "catalog: %s\n", verdictText(check.Verdict, check.Reason))
	for _, item := range items {
		fmt.Fprintf(say, "  %s  %-4s %s\n", item.DeviceID, item.Status, item.Name)
	}
}

// playOnce plays a channel for a while and judges it against the clip that its camera shows.
func playOnce(ctx context.Context, node *rehearsal.Node, channel, transport string, clip *simcam.Clip) playDoc {
	p := playDoc{Channel: channel, Transport: transport, Verdict: good}
	r, err := node.Play(ctx, rehearsal.PlayRequest{Channel: channel, Transport: transport, Duration: demoPlay})
	if err != nil {
		p.Verdict, p.Reason = bad, err.Error()
		return p
	}
	p.Codec, p.Width, p.Height, p.FPS, p.BitrateKbps, p.Audio = r.Codec, r.Width, r.Height, r.FPS, r.BitrateKbps, r.Audio
	p.FirstPacket, p.FirstPicture = milliseconds(r.FirstPacket), milliseconds(r.FirstPicture)
	p.Pictures, p.LostPackets, p.MaxBurst = r.Pictures, r.LostPackets, r.MaxBurst
	want := clip.Video
	switch {
	case len(r.Faults) > 0:
		p.Reason = r.Faults[0]
	case r.LostPackets > 0:
		p.Reason = "packets were lost"
	case r.HungUp:
		p.Reason = "the gateway hung up"
	case r.Codec != want.Codec.String() || r.Width != want.Width || r.Height != want.Height:
		p.Reason = fmt.Sprintf("the camera sends %v %dx%d", want.Codec, want.Width, want.Height)
	case r.FPS < want.FPS-1 || r.FPS > want.FPS+1:
		p.Reason = fmt.Sprintf("the camera sends %.4g pictures a second", want.FPS)
	case r.Audio != clip.Audio.Codec.String():
		p.Reason = fmt.Sprintf("the camera sends %v", clip.Audio.Codec)
	}
	if p.Reason != "" {
		p.Verdict = bad
	}
	return p
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func verdictText(verdict, reason string) string {
	if reason == "" {
		return verdict
	}
	return verdict + ": " + reason
}

// stayUp tells what can be tried and waits for Ctrl-C.
func (d *demo) stayUp(ctx context.Context, say io.Writer) {
	fmt.Fprintf(say, "\nEverything stays up until Ctrl-C:\n")
	for i, cam := range d.cams {
		login := "no password"
		if c := demoClips[i]; c.username != "" {
			login = fmt.Sprintf("user %s, password %s", c.username, c.password)
		}
		fmt.Fprintf(say, "  camera    %s (%s)\n", cam.URL(), login)
	}
	fmt.Fprintf(say, "  gateway   http://%s/api/v1/status\n", d.gateway.admin.Addr())
	fmt.Fprintf(say, "  platform  sip:%s@%s (UDP and TCP)\n", demoPlatform, d.platform.Addr())
	<-ctx.Done()
}
