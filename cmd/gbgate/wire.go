package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"gbgate/bridge"
	"gbgate/bridge/playback"
	"gbgate/cascade"
	"gbgate/cmd/gbgate/config"
	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"
)

// The functions of this file put the configuration into the words of the packages.

func (g *gateway) siteConfig() bridge.Config {
	cfg := g.cfg
	site := bridge.Config{
		Linger: cfg.Gateway.Linger, Ports: g.ports[cfg.Gateway.MediaPorts], Wheel: g.wheel, Ledger: g.ledger,
		Room: g.memory.Admit, Log: g.log, Groups: groups(cfg), Recordings: g.places(), StateDir: cfg.Gateway.StateDir,
	}
	if g.gpsd != nil {
		site.Position = g.gpsd
	}
	districts := map[string]string{}
	for _, s := range cfg.Superiors {
		maps.Copy(districts, s.Districts)
	}
	for _, code := range slices.Sorted(maps.Keys(districts)) {
		site.Districts = append(site.Districts, bridge.District{Code: code, Name: districts[code]})
	}
	return site
}

// places are where recordings are: the box's own disk before the cameras and their recorders.
func (g *gateway) places() playback.Recordings {
	if g.recorders == nil {
		return &g.nvr
	}
	return playback.Join(g.log,
		playback.Place{Name: "own disk", Recordings: shelf{g.recorders.archive}},
		playback.Place{Name: "camera or recorder", Recordings: &g.nvr})
}

// mediaPorts are the media ports of the gateway, and of the superiors that have their own, by what media_ports says.
func mediaPorts(cfg *config.Config) (map[string]*rtpout.Ports, error) {
	all := make(map[string]*rtpout.Ports)
	open := func(key, text string, low, high uint16, err error) error {
		if err == nil && all[text] == nil {
			all[text], err = rtpout.NewPorts(low, high)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	}
	low, high, err := cfg.Gateway.PortRange()
	err = open("gateway.media_ports", cfg.Gateway.MediaPorts, low, high, err)
	for i := range cfg.Superiors {
		if s := &cfg.Superiors[i]; s.MediaPorts != "" && err == nil {
			low, high, err = s.PortRange()
			err = open(fmt.Sprintf("superior %q: media_ports", s.Name), s.MediaPorts, low, high, err)
		}
	}
	return all, err
}

func groups(cfg *config.Config) []bridge.Group {
	list := make([]bridge.Group, 0, len(cfg.Groups))
	for _, g := range cfg.Groups {
		list = append(list, bridge.Group{ID: g.ID, Name: g.Name, Parent: g.Parent, Cameras: g.Cameras})
	}
	return list
}

func viewConfig(cfg *config.Config, s *config.Superior, ports *rtpout.Ports, log *slog.Logger) bridge.ViewConfig {
	q := s.Compat
	audio := map[string]ps.AudioPolicy{"auto": ps.AudioAuto, "pcma": ps.AudioPCMA, "off": ps.AudioOff}[s.Audio]
	if audio == ps.AudioAuto && !q.AudioAAC {
		audio = ps.AudioPCMA
	}
	parent := q.ParentMode
	if parent == "auto" {
		parent = "node"
		if len(s.Groups) > 0 {
			parent = "org"
		}
	}
	latch := time.Duration(0)
	if !q.AlarmLatch {
		latch = -1
	}
	host := ""
	if slices.Contains(q.SnapshotUploadAllow, "superior-ip") {
		host, _, _ = net.SplitHostPort(s.Address) // validated with the configuration
	}
	v := bridge.ViewConfig{
		Superior: s.Name, Account: s.ID + "/" + s.NodeID, NodeID: s.NodeID, Channels: s.Channels, IDs: s.IDs,
		Name: cfg.Gateway.Name, Manufacturer: "gbgate", Model: "gbgate", Firmware: version,
		Groups: s.Groups, Districts: len(s.Districts) > 0, SelfItem: q.CatalogSelfItem, ParentMode: parent,
		Audio:       audio,
		Start:       map[string]media.Start{"cached-gop": media.FromCachedGOP, "next-idr": media.FromNextKey}[q.StartFrom],
		RTCP:        q.RTCP,
		RTCPTimeout: q.RTCPTimeout,
		BearICMP:    !q.UDPICMPBye,
		NoPTZ:       !q.PTZ,
		SourceGrace: s.SourceGrace, RefuseH265: !q.AllowH265, MaxPayload: q.PayloadMTU,
		Bandwidth:   s.BandwidthKbps,
		SubStream:   q.DefaultStream == "sub",
		H265Sub:     q.H265Fallback == "sub",
		ShareSub:    s.OverBandwidth == "sub",
		Interleaved: q.TCPFraming == "interleaved", DialRetry: q.TCPRetries, FormatLine: q.SDPAnswerF,
		StrictPTZ: q.StrictPTZ, PTZWatchdog: q.PTZWatchdog,
		PTZLock: q.PTZLock, PTZPriority: q.PTZPriority, AllowTeleBoot: q.AllowTeleBoot,
		AllowConfig: q.AllowDeviceConfig, Ports: ports,
		AlarmLatch: latch, VideoLossAlarm: q.VideoLossAlarm, SuperiorHost: host, Log: log,
	}
	v.MaxDownloadSpeed, v.WallTimes = s.MaxDownloadSpeed, q.ScalePTS == "wall"
	v.ControlReplies, v.PauseAlive, v.NoMediaStatus = q.MANSRTSPBody, q.PauseKeepalive, !q.MediaStatus
	if v.RTCPTimeout == 0 {
		v.RTCPTimeout = -1 // 0 in the file is never
	}
	if v.PTZWatchdog == 0 {
		v.PTZWatchdog = -1 // 0 in the file is never
	}
	for _, network := range q.SnapshotUploadAllow {
		if prefix, err := netip.ParsePrefix(network); err == nil {
			v.SnapshotAllow = append(v.SnapshotAllow, prefix)
		} else if address, err := netip.ParseAddr(network); err == nil {
			v.SnapshotAllow = append(v.SnapshotAllow, netip.PrefixFrom(address, address.BitLen()))
		}
	}
	return v
}

func platformConfig(s *config.Superior, log *slog.Logger) cascade.Config {
	q := s.Compat
	c := cascade.Config{
		Name: s.Name, ID: s.ID, Domain: s.Domain, Address: s.Address, Transport: s.Transport, NodeID: s.NodeID,
		Username: s.Username, Password: *s.Password, Version: s.Version,
		RegisterExpires: s.RegisterExpires, RegisterRetry: s.RegisterRetry,
		KeepaliveInterval: s.KeepaliveInterval, KeepaliveMax: s.KeepaliveMax,
		MaxCalls: cmp.Or(s.MaxCalls, math.MaxInt), // 0 in the file is no limit
		Compat: cascade.Compat{
			AssumeVersion: q.AssumeVersion, OmitGBVer: !q.SendGBVer, RefreshMode: q.RefreshMode,
			ReregisterOn: q.ReregisterOn, FromHost: q.FromHost, RequestURIHost: q.RequestURIHost,
			UseNATContact: q.UseNATContact, OffsetTimes: q.TimeSync == "offset", DateIsUTC: q.DateIsUTC,
			Charset: q.Charset, StrictGB2312: q.StrictGB2312, EmptyLists: q.EmptyListElement,
			SnapShotAnswer: q.SnapshotAnswerTag == "SnapShot",
			UDPMaxMessage:  q.UDPMaxMessage, CatalogItems: q.CatalogItemsPerMessage,
			UnknownDevice: q.UnknownDevice, RespondControls: q.RespondAllControls, SendStart: q.SendStart,
			InitialNotify:    map[string]string{"auto": "auto", "always": "on", "never": "off"}[q.SubscribeInitialNotify],
			NotifyTerminated: q.NotifyTerminated, OmitSubscribeBody: !q.Subscribe200Body,
			AcceptUnknownEvent: q.SubscribeUnknown == "accept", RefuseUnknownSub: !q.AdoptUnknownSubscribe,
			MediaGrace:  q.OfflineMediaGrace,
			ACKRequired: q.ACKRequired, OwnSSRC: q.SSRCMode == "own", NoSubjectSSRC: !q.SSRCFromSubject,
			RejectPort: uint16(q.RejectPort), MaxPerChannel: q.MaxSessions, //nolint:gosec // 0 or 9
			NoAlarmPush: !q.AlarmPush, PositionFormat: q.MobilePositionFormat, MediaStatusFrom: q.MediaStatusFrom,
		},
		Timers: cascade.Timers{
			ACK: q.ACKTimeout, PartTimeout: q.CatalogPartTimeout,
			Debounce: max(q.StatusDebounce, 1), // 0 in the file is none
		},
		Log: log,
	}
	if s.MediaIP != "" {
		c.MediaIP = netip.MustParseAddr(s.MediaIP) // validated with the configuration
	}
	for _, cidr := range s.AllowSources {
		c.AllowSources = append(c.AllowSources, netip.MustParsePrefix(cidr))
	}
	return c
}
