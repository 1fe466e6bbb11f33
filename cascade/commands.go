package cascade

import (
	"cmp"
	"context"
	"strings"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// command is one row of the dispatch table; act takes over asked.done.
type command struct {
	root, name string
	act        func(p *Platform, a asked)
	// anyDevice: an unknown DeviceID is answered like any other. An unknown place has no items and no recordings
	// (GB/T 28181-2022 Annex M).
	anyDevice bool
}

// commands is the dispatch table. What manscdp reads and this does not name gets its 200 and nothing else: Alarm asked
// for by MESSAGE has no answer but the alarms that come.
func commands() []command {
	type (
		tracks = manscdp.CruiseTrackListResponse
		track  = manscdp.CruiseTrackResponse
		home   = manscdp.HomePositionResponse
		ptz    = manscdp.PTZPositionResponse
		cards  = manscdp.SDCardStatusResponse
	)
	return []command{
		{root: manscdp.Query, name: "Catalog", act: queued((*Platform).catalog), anyDevice: true},
		{root: manscdp.Query, name: "DeviceInfo", act: queued((*Platform).deviceInfo)},
		{root: manscdp.Query, name: "DeviceStatus", act: queued(one(Site.DeviceStatus, manscdp.DeviceStatusResponse{
			Result: manscdp.ERROR, Online: "OFFLINE", Status: manscdp.ERROR,
		}))},
		{root: manscdp.Query, name: "RecordInfo", act: queued((*Platform).recordInfo), anyDevice: true},
		{root: manscdp.Query, name: "ConfigDownload", act: queued(one(Site.ConfigDownload, manscdp.ConfigDownloadResponse{
			Result: manscdp.ERROR,
		}))},
		{root: manscdp.Query, name: "PresetQuery", act: queued((*Platform).presets)},
		{root: manscdp.Query, name: "HomePositionQuery", act: queued(one(Site.HomePosition, home{}))},
		{root: manscdp.Query, name: "CruiseTrackListQuery", act: queued(one(Site.CruiseTrackList, tracks{}))},
		{root: manscdp.Query, name: "CruiseTrackQuery", act: queued(one(Site.CruiseTrack, track{}))},
		{root: manscdp.Query, name: "PTZPosition", act: queued(one(Site.PTZPosition, ptz{}))},
		{root: manscdp.Query, name: "PTZPreciseStatusQuery", act: queued(one(Site.PTZPosition, ptz{}))},
		{root: manscdp.Query, name: "SDCardStatus", act: queued(one(Site.SDCardStatus, cards{}))},
		{root: manscdp.Query, name: "MobilePosition", act: queued((*Platform).mobilePosition)},
		{root: manscdp.Notify, name: "Broadcast", act: queued((*Platform).broadcast), anyDevice: true},
		{root: manscdp.Control, name: "DeviceControl", act: (*Platform).control},
		{root: manscdp.Control, name: "DeviceConfig", act: queued(one(Site.DeviceConfig, manscdp.DeviceConfigResponse{
			Result: manscdp.ERROR,
		}))},
	}
}

// queued leaves a command to the workers.
func queued(answer func(p *Platform, ctx context.Context, a asked)) func(*Platform, asked) {
	return func(p *Platform, a asked) {
		run := func(ctx context.Context) { answer(p, ctx, a) }
		p.jobs <- job{ctx: a.ctx, run: run, done: a.done} // room was taken in accept
	}
}

// one makes a command that is answered with one message; refused is what is said when the site has no answer.
func one[Q manscdp.Message, T any, R interface {
	*T
	manscdp.Message
}](ask func(Site, context.Context, Q) (R, error), refused T) func(*Platform, context.Context, asked) {
	return func(p *Platform, ctx context.Context, a asked) {
		q, ok := a.m.(Q)
		if !ok {
			return
		}
		limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
		defer cancel()
		res, err := ask(p.site, limited, q)
		if err != nil || res == nil {
			p.log.Warn("no answer from the site", "command", q.Head().CmdType, "device", q.Head().DeviceID, "error", err)
			copied := refused
			res = &copied
		}
		*res.Head() = q.Head().Answer()
		p.answer(a, res)
	}
}

// action finds the row of a message.
func (p *Platform) action(m manscdp.Message) (command, bool) {
	for _, c := range p.commands {
		if c.root == m.Root() && strings.EqualFold(c.name, m.Head().CmdType) {
			return c, true
		}
	}
	return command{}, false
}

// knows tells whether a DeviceID is ours: the node or one of the superior's channels. An empty one means the node.
func (p *Platform) knows(id string) bool {
	if id == p.cfg.NodeID || id == "" {
		return true
	}
	channel, ok := p.site.Resolve([]string{id})
	return ok && channel == id
}

func (p *Platform) deviceInfo(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.DeviceInfoQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.DeviceInfo(limited, q)
	if err != nil || res == nil {
		p.log.Warn("device info", "device", q.DeviceID, "error", err)
		res = &manscdp.DeviceInfoResponse{Result: manscdp.ERROR}
	}
	if d := p.cfg.Device; q.DeviceID == p.cfg.NodeID {
		res.DeviceName = cmp.Or(res.DeviceName, d.Name)
		res.Manufacturer = cmp.Or(res.Manufacturer, d.Manufacturer)
		res.Model = cmp.Or(res.Model, d.Model)
		res.Firmware = cmp.Or(res.Firmware, d.Firmware)
	}
	res.Header = q.Answer()
	p.answer(a, res)
}

// broadcast refuses: there is no way from the superior to a loudspeaker yet, and silence would keep it waiting.
func (p *Platform) broadcast(_ context.Context, a asked) {
	if b, ok := a.m.(*manscdp.Broadcast); ok {
		p.answer(a, &manscdp.BroadcastResponse{Header: b.Answer(), Result: manscdp.ERROR})
	}
}

// mobilePosition answers the Query of 2016 vendors that comes by MESSAGE: with one Notify, if the place is known.
func (p *Platform) mobilePosition(ctx context.Context, a asked) {
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	if n := p.position(limited, a.m.Head().DeviceID); n != nil {
		p.answer(a, n)
	}
}

// position is where a device is, in the form that the superior reads; nil while nobody knows.
func (p *Platform) position(ctx context.Context, id string) *manscdp.MobilePositionNotify {
	found, err := p.site.MobilePosition(ctx, id)
	if err != nil || found == nil {
		p.log.Debug("no position", "device", id, "error", err)
		return nil
	}
	n := *found
	n.Header = manscdp.Header{CmdType: "MobilePosition", SN: p.nextSN(), DeviceID: id}
	edition, ok := gb28181.ParseEdition(p.cfg.Compat.PositionFormat)
	if !ok {
		edition = p.Edition()
	}
	return n.For(edition)
}
