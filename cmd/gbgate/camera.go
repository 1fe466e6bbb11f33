package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"sync"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/bridge/ptz"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/media"
	"gbgate/rtsp"
)

// device is one configured camera with what reaches it. A reload keeps those that it does not change.
type device struct {
	cfg     config.Camera
	source  *source
	sub     *source       // nil: sub_url is not given
	head    *head         // nil: fixed, or nothing but RTSP
	events  *lookout      // nil: nobody listens to it
	known   *acquaintance // nil: ONVIF neither moves it nor tells where its stream is
	archive *archive      // nil: it records nothing itself
}

// devices makes the cameras of cfg; those of before whose configuration is the same go on.
func devices(
	cfg *config.Config, before map[string]device, poller *rtsp.Poller, log *slog.Logger,
) (map[string]device, error) {
	all, shared := make(map[string]device, len(cfg.Cameras)), make(clients)
	for _, old := range before {
		if old.head != nil {
			shared[accountOf(old.cfg)] = old.head.Client()
		}
	}
	for _, c := range cfg.Cameras {
		if old, ok := before[c.Name]; ok {
			old.cfg.Record = c.Record // nothing of what reaches it: calls go on
			if reflect.DeepEqual(old.cfg, c) {
				all[c.Name] = old
				continue
			}
		}
		d := device{cfg: c, source: newSource(c, c.URL, poller, log)}
		if c.SubURL != "" {
			d.sub = newSource(c, c.SubURL, poller, log)
		}
		if c.ONVIF != "" {
			client, err := shared.client(c, log)
			if err != nil {
				return nil, err
			}
			cam, err := onvif.NewCamera(onvif.CameraConfig{
				Client: client, Channel: c.ONVIFChannel,
				Presets: presetFile(filepath.Join(cfg.Gateway.StateDir, "presets", c.Name+".json")),
			})
			if err != nil {
				return nil, err
			}
			d.source.onvif = cam
			d.head = &head{cam}
			if c.PTZ != "off" || c.URL == "" {
				file := filepath.Join(cfg.Gateway.StateDir, "cameras", c.Name+".json")
				d.known = newAcquaintance(c, d.source, file, log.With("camera", c.Name))
			}
			if c.Events != "off" {
				d.events = &lookout{camera: cam, own: c.AlarmCodes()}
			}
		}
		var err error
		if d.archive, err = newArchive(c, d.source.onvif, log); err != nil {
			return nil, err
		}
		all[c.Name] = d
	}
	return all, nil
}

// account is how an ONVIF device is reached.
type account struct{ address, user, password string }

func accountOf(c config.Camera) account { return account{c.ONVIF, c.Username, *c.Password} }

// clients are shared by the cameras of one recorder: it knows one wrong password, one subscription and
// one list of profiles, not one for each channel.
type clients map[account]*onvif.Client

func (s clients) client(c config.Camera, log *slog.Logger) (*onvif.Client, error) {
	key := accountOf(c)
	if s[key] == nil {
		client, err := onvif.New(onvif.Config{
			Address: c.ONVIF, Username: c.Username, Password: *c.Password, Log: log.With("onvif", c.ONVIF),
		})
		if err != nil {
			return nil, err
		}
		s[key] = client
	}
	return s[key], nil
}

// cameras puts them into the bridge's words, in the order of the configuration.
func cameras(cfg *config.Config, all map[string]device, recorders *recorders) []bridge.Camera {
	list := make([]bridge.Camera, 0, len(cfg.Cameras))
	for _, c := range cfg.Cameras {
		d := all[c.Name]
		cam := bridge.Camera{
			Name: c.Name, Title: c.Title, ID: gb28181.ID(c.ID), Manufacturer: c.Manufacturer, Model: c.Model,
			CivilCode: c.CivilCode, Address: c.Address, Longitude: c.Longitude, Latitude: c.Latitude,
			Source: d.source, AlarmInterval: c.AlarmInterval,
		}
		if d.sub != nil {
			cam.Sub = d.sub
		}
		if d.events != nil {
			cam.Lookout = d.events
		}
		if r := recorders.get(c.Name); r != nil {
			cam.Recorder = r
		}
		if d.head != nil {
			cam.Snapshotter, cam.Rebooter, cam.KeyFramer, cam.Describer = d.head, d.head, d.head, d.head
			cam.Switcher = d.head
			switch c.PTZ {
			case "auto":
				cam.PTZ = moving{d.head, d.known}
			case "onvif":
				cam.PTZ = d.head
			}
		}
		if d.known != nil {
			cam.Scout = d.known
		}
		list = append(list, cam)
	}
	return list
}

// newSource pulls one stream of a camera.
func newSource(c config.Camera, url string, poller *rtsp.Poller, log *slog.Logger) *source {
	return &source{pull: &rtsp.Source{Config: rtsp.Config{
		Name: c.Name, URL: url, Username: c.Username, Password: *c.Password, Transport: c.Transport,
		UserAgent: "gbgate", Poller: poller, Log: log,
	}}}
}

// source makes an rtsp.Source a bridge.Source. Where the configuration has no URL, ONVIF is asked
// for it, once, and again when another device is found at the camera's address.
type source struct {
	onvif *onvif.Camera // nil: nothing but RTSP

	mu      sync.Mutex
	pull    *rtsp.Source
	located bool // its URL is what ONVIF said
	offered media.Description
}

// Run implements bridge.Source.
func (s *source) Run(ctx context.Context, sink func(*media.Unit)) error {
	pull, err := s.locate(ctx)
	if err == nil {
		err = pull.Run(ctx, sink)
	}
	return classify(err)
}

// Check implements bridge.Source, and remembers what the camera offers.
func (s *source) Check(ctx context.Context) error {
	pull, err := s.locate(ctx)
	if err != nil {
		return classify(err)
	}
	found, err := pull.Check(ctx)
	if err == nil {
		s.mu.Lock()
		s.offered = media.Description{Video: found.Video, Audio: found.Audio}
		s.mu.Unlock()
	}
	return classify(err)
}

// Offered implements bridge.Offerer.
func (s *source) Offered() media.Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offered
}

// locate finds the URL of the main stream if there is none yet.
func (s *source) locate(ctx context.Context) (*rtsp.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pull.URL != "" || s.onvif == nil {
		return s.pull, nil
	}
	profile, _, err := s.onvif.Streams(ctx)
	if err != nil {
		return nil, err
	}
	url, err := s.onvif.Client().StreamURI(ctx, profile)
	if err != nil {
		return nil, err
	}
	s.become(url)
	return s.pull, nil
}

// become gives the stream another URL; who still pulls by the one before is not disturbed. s.mu is held.
func (s *source) become(url string) {
	cfg := s.pull.Config
	cfg.URL = url
	s.pull, s.located = &rtsp.Source{Config: cfg}, url != ""
}

// forget has ONVIF asked anew for the URL that it told. A failure of the stream alone is no reason: the same recorder,
// one of whose cameras is dead, would give the stream of another channel in its place.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.located {
		s.become("")
	}
}

// head is an ONVIF camera in the bridge's words.
type head struct{ *onvif.Camera }

// Describe implements bridge.Describer.
func (h *head) Describe(ctx context.Context) (manufacturer, model, firmware string, err error) {
	info, err := h.Client().Info(ctx)
	return info.Manufacturer, info.Model, info.Firmware, err
}

// Presets implements bridge.PresetLister.
func (h *head) Presets(ctx context.Context) ([]bridge.Preset, error) {
	found, err := h.Camera.Presets(ctx)
	list := make([]bridge.Preset, 0, len(found))
	for _, p := range found {
		list = append(list, bridge.Preset{Number: p.Number, Name: p.Name})
	}
	return list, err
}

// cameraError tells the bridge what it wants to know of a camera's failure.
type cameraError struct {
	err                          error
	locked, unsupported, strange bool
}

func (e cameraError) Error() string     { return e.err.Error() }
func (e cameraError) Unwrap() error     { return e.err }
func (e cameraError) LockedOut() bool   { return e.locked }
func (e cameraError) Unsupported() bool { return e.unsupported }
func (e cameraError) Strange() bool     { return e.strange }

func classify(err error) error {
	if e, ok := errors.AsType[*rtsp.Error](err); ok {
		strange := e.Kind == rtsp.Refused || e.Kind == rtsp.NotFound || e.Kind == rtsp.Protocol || e.Kind == rtsp.Closed
		return cameraError{e, e.Kind == rtsp.Auth, e.Kind == rtsp.NoVideo, strange}
	}
	if e, ok := errors.AsType[*onvif.Error](err); ok {
		return cameraError{e, e.Kind == onvif.NotAuthorized || e.Kind == onvif.Resting, false, false}
	}
	return err
}

var (
	_ bridge.Source       = (*source)(nil)
	_ bridge.Offerer      = (*source)(nil)
	_ ptz.Head            = (*head)(nil)
	_ bridge.PresetLister = (*head)(nil)
	_ ptz.Positioner      = (*head)(nil)
	_ ptz.Homer           = (*head)(nil)
	_ ptz.Aimer           = (*head)(nil)
	_ ptz.DragZoomer      = (*head)(nil)
	_ ptz.Tiring          = moving{}
	_ bridge.Switcher     = (*head)(nil)
	_ bridge.Snapshotter  = (*head)(nil)
	_ bridge.Rebooter     = (*head)(nil)
	_ bridge.Describer    = (*head)(nil)
	_ bridge.KeyFramer    = (*head)(nil)
	_ bridge.Kinder       = cameraError{}
)
