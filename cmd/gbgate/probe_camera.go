package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"gbgate/bridge/onvif"
	"gbgate/media"
	"gbgate/rtsp"
)

// run looks at the camera. The password goes out at most twice to each side of it, and not at all
// to RTSP when ONVIF has refused it.
func (p *prober) run(ctx context.Context) probeDoc {
	doc := probeDoc{Verdict: good, Camera: p.name, Streams: []probeStreamDoc{}, Fixes: []string{}}
	var streams [][2]string // name, URL
	switch {
	case p.url != "":
		streams = [][2]string{{"main", p.url}}
	default:
		if p.host != "" {
			if err := p.reach(ctx); err != nil {
				return p.nobody(doc, err)
			}
		}
		doc.ONVIF, streams = p.device(ctx)
		if doc.ONVIF == nil && len(streams) == 0 {
			streams = p.guess()
		}
	}
	guessing := doc.ONVIF == nil && p.url == ""
	for _, s := range streams {
		d := p.stream(ctx, s[0], s[1])
		doc.Streams = append(doc.Streams, d)
		if guessing && (d.Verdict == good || d.refused) {
			doc.Streams = doc.Streams[len(doc.Streams)-1:]
			break
		}
	}
	p.judge(&doc, guessing)
	return doc
}

// guess lists URLs that cameras without ONVIF may have.
func (p *prober) guess() [][2]string {
	var list [][2]string
	for _, port := range p.rtspPorts {
		paths := []string{"/live/ch00_0", "/11", "/onvif1", "/live", "/0"} // of cameras without a name
		for _, brand := range []string{"Vivotek", "Hanwha", "Axis", "Reolink", "TP-Link", "Uniview", "Dahua", "Hikvision"} {
			paths = slices.Insert(paths, 0, vendorPath(brand))
		}
		for _, path := range paths {
			list = append(list, [2]string{"main", "rtsp://" + net.JoinHostPort(p.host, strconv.Itoa(port)) + path})
		}
	}
	return list
}

// device asks the ONVIF side; nil if there is none.
func (p *prober) device(ctx context.Context) (*probeONVIFDoc, [][2]string) {
	addresses := []string{p.onvif}
	if p.onvif == "" {
		addresses = nil
		for _, port := range p.tcpPorts {
			addresses = append(addresses, "http://"+net.JoinHostPort(p.host, strconv.Itoa(port)))
		}
	}
	for _, address := range addresses {
		camera, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{
			Address: address, Username: p.user, Password: p.password, Timeout: 5 * time.Second,
		}})
		if err != nil {
			return &probeONVIFDoc{Verdict: bad, Address: address, Reason: err.Error()}, nil
		}
		doc := &probeONVIFDoc{Verdict: good, Address: camera.Client().Address()}
		clock, err := camera.Client().Clock(ctx)
		if err == nil && clock.Known {
			skew := clock.Offset.Round(time.Second).Seconds()
			doc.ClockSkew = &skew
		}
		var info onvif.Info
		if err == nil {
			info, err = camera.Client().Info(ctx)
		}
		if err != nil && !refusedPassword(err) {
			if p.onvif != "" {
				doc.Verdict, doc.Reason = bad, err.Error()
				return doc, nil
			}
			continue
		}
		doc.Manufacturer, doc.Model, doc.Firmware = info.Manufacturer, info.Model, info.Firmware
		if doc.refused = err != nil; doc.refused {
			doc.Verdict, doc.Reason = bad, err.Error()
			return doc, nil
		}
		return doc, p.details(ctx, camera, doc)
	}
	return nil, nil
}

// details fills in what a device offers and returns its streams.
func (p *prober) details(ctx context.Context, camera *onvif.Camera, doc *probeONVIFDoc) [][2]string {
	client := camera.Client()
	main, sub, err := camera.Streams(ctx)
	if err != nil {
		doc.Verdict, doc.Reason = bad, err.Error()
		return nil
	}
	doc.Services, _ = client.Services(ctx)
	doc.Talk = main.Talk
	if node, err := camera.Node(ctx); err == nil {
		doc.PTZ, doc.Presets = main.PTZ != "" || node.Token != "", node.MaxPresets
	}
	if _, err := camera.Snapshot(ctx); err == nil {
		doc.Snapshot = true
	}
	if list, err := client.Recordings(ctx); err == nil {
		doc.Recordings = len(list)
	}
	var streams [][2]string
	for _, s := range []struct {
		name    string
		profile onvif.Profile
	}{{"main", main}, {"sub", sub}} {
		if s.profile.Token == "" {
			continue
		}
		uri, err := client.StreamURI(ctx, s.profile)
		if err != nil {
			doc.Verdict, doc.Reason = bad, err.Error()
			continue
		}
		streams = append(streams, [2]string{s.name, uri})
	}
	return streams
}

// watcher measures a stream while it runs.
type watcher struct {
	began              time.Time
	first              time.Duration
	pictures, bytes    int
	keys               []int // at which picture
	firstDTS, lastDTS  int64
	keyDTS             []int64
	desc               *media.Description
	enough             context.CancelFunc
	wantKeys, wantTime int
}

// take is called with every unit.
func (w *watcher) take(u *media.Unit) {
	defer u.Release()
	w.desc = u.Desc
	if !u.Codec.IsVideo() {
		return
	}
	if w.pictures == 0 {
		w.first, w.firstDTS = time.Since(w.began), u.DTS
	}
	if u.Key {
		w.keys, w.keyDTS = append(w.keys, w.pictures), append(w.keyDTS, u.DTS)
	}
	w.pictures++
	w.bytes += len(u.Data)
	w.lastDTS = u.DTS
	if len(w.keys) >= w.wantKeys && w.lastDTS-w.firstDTS >= int64(w.wantTime)*media.Clock {
		w.enough()
	}
}

// stream watches one stream until it has seen a group of pictures and three seconds, or the time
// is over.
func (p *prober) stream(ctx context.Context, name, address string) probeStreamDoc {
	doc := probeStreamDoc{Verdict: good, Stream: name, URL: withoutAccount(address)}
	source := &rtsp.Source{Config: rtsp.Config{
		Name: name, URL: address, Username: p.user, Password: p.password, Transport: "auto",
		Log: slog.New(slog.DiscardHandler),
	}}
	fail := func(err error) probeStreamDoc {
		doc.Verdict, doc.Reason = bad, err.Error()
		if known, ok := asRTSP(err); ok {
			doc.refused, doc.fails = known.Kind == rtsp.Auth, known.Kind
		}
		return doc
	}
	found, err := source.Check(ctx)
	if err != nil {
		return fail(err)
	}
	doc.Server, doc.LeftOut, doc.Codec = found.Server, found.LeftOut, found.Video.Codec.String()
	w, err := p.watchStream(ctx, source)
	if known, ok := asRTSP(err); ok && known.Kind == rtsp.Busy && media.Wait(ctx, sessionEnds) == nil {
		// It may still have been busy with the session that asked what there is, as GStreamer's server is.
		w, err = p.watchStream(ctx, source)
	}
	if err != nil {
		return fail(err)
	}
	w.tell(&doc)
	doc.watched = time.Since(w.began).Round(time.Second)
	if name == "main" {
		if codec, err := source.BackChannel(ctx); err == nil {
			doc.BackChannel = codec.String()
		}
	}
	return doc
}

// sessionEnds is how long a camera may need to have a session free again that was ended.
const sessionEnds = 2 * time.Second

// watchStream plays a stream for a while; an error tells why no picture came.
func (p *prober) watchStream(ctx context.Context, source *rtsp.Source) (*watcher, error) {
	watching, enough := context.WithTimeout(ctx, p.watch)
	defer enough()
	w := &watcher{began: time.Now(), enough: enough, wantKeys: 2, wantTime: 3}
	err := source.Run(watching, w.take)
	switch {
	case w.pictures > 0:
		return w, nil
	case err == nil || watching.Err() != nil:
		err = fmt.Errorf("RTSP up, no picture within %v", p.watch)
	}
	return w, err
}

// tell puts the measurements into the document.
func (w *watcher) tell(doc *probeStreamDoc) {
	doc.Width, doc.Height, doc.FirstMS = w.desc.Video.Width, w.desc.Video.Height, w.first.Milliseconds()
	if w.desc.HasAudio() {
		doc.Audio = w.desc.Audio.Codec.String()
	}
	if span := float64(w.lastDTS-w.firstDTS) / float64(media.Clock); span > 0 {
		doc.FPS = math.Round(10*float64(w.pictures-1)/span) / 10
		doc.BitrateKbps = int(float64(w.bytes) * 8 / span / 1000)
	}
	if n := len(w.keys); n >= 2 {
		doc.GOP = (w.keys[n-1] - w.keys[0]) / (n - 1)
		doc.GOPSeconds = math.Round(10*float64(w.keyDTS[n-1]-w.keyDTS[0])/float64(media.Clock)/float64(n-1)) / 10
	}
}

// judge sums up and says what to change.
func (p *prober) judge(d *probeDoc, guessed bool) {
	fix := func(format string, args ...any) { d.Fixes = append(d.Fixes, fmt.Sprintf(format, args...)) }
	spoil := func(reason string) {
		d.Verdict, d.Reason = bad, cmp.Or(d.Reason, reason)
	}
	account := "give an account: --user NAME --password-file FILE"
	if p.user != "" {
		account = "give the right account, then wait five minutes if it was wrong several times"
	}
	if o := d.ONVIF; o != nil {
		if o.Verdict != good {
			spoil("ONVIF: " + o.Reason)
		}
		switch {
		case o.refused && p.user != "":
			fix("%s: many cameras keep one for ONVIF apart from the one of their web page", account)
		case o.refused:
			fix("%s", account)
		}
		if o.ClockSkew != nil && math.Abs(*o.ClockSkew) > skewAllowed.Seconds() {
			fix("set the camera's clock (it is off by %v) and let it follow an NTP server", skew(o.ClockSkew))
		}
	}
	if d.ONVIF != nil && d.ONVIF.Recordings > 0 {
		defer fix("replay = \"onvif\" in its [[camera]] block shows its recordings upward, there are %d", d.ONVIF.Recordings)
	}
	good1 := 0
	for _, s := range d.Streams {
		if s.Verdict == good {
			good1++
			s.advise(fix)
			continue
		}
		spoil(s.Stream + " stream: " + s.Reason)
		switch {
		case s.refused:
			fix("%s", account)
		case s.fails == rtsp.NotFound && !guessed && d.ONVIF == nil:
			fix("its path is another one: gbgate probe camera %s, without a path, tries ONVIF and the usual ones", hostIn(s.URL))
		case s.fails == rtsp.NoVideo:
			fix("set the codec of the %s stream to H.264 in the camera, or give another stream of it", s.Stream)
		}
	}
	if guessed && good1 == 0 && len(d.Streams) > 0 && !d.Streams[0].refused {
		d.Streams = d.Streams[:0]
		d.Reason = "it speaks RTSP, but knows no usual path, and no ONVIF"
		fix("switch ONVIF on in the camera, or give the RTSP URL from its manual")
	}
	if guessed && len(p.rtspPorts) == 0 && len(d.Streams) == 0 {
		spoil("what answers there is neither ONVIF nor RTSP")
		fix("switch ONVIF on in the camera, or give the RTSP URL from its manual")
	}
	if len(d.Streams) == 0 {
		spoil("no stream")
	}
}

// hostIn is the host of a URL, with its port where it has one.
func hostIn(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "IP"
}

// advise tells what is worth changing of a stream that works.
func (s *probeStreamDoc) advise(fix func(string, ...any)) {
	switch {
	case s.GOP == 0:
		fix("%s stream: no second key picture came in %v; set the key picture interval to 2 s and switch smart codecs "+
			"(H.264+, H.265+) off", s.Stream, s.watched)
	case s.GOPSeconds > 4:
		fix("%s stream: set the key picture interval to 2 s (it is %.1f s): viewers wait that long", s.Stream, s.GOPSeconds)
	}
	for _, left := range s.LeftOut {
		fix("%s stream: %s", s.Stream, left)
	}
	if s.Codec == media.H265.String() && s.Stream == "main" {
		fix("main stream is H.265: older platforms show H.264 only")
	}
}
