package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gbgate/bridge/ledger"
	"gbgate/gb28181/manscdp"
)

// Bounds of what a superior may set with BasicParam: beyond them a node floods it, or is taken
// for dead.
const (
	minInterval, maxInterval = 5 * time.Second, 300 * time.Second
	minCount, maxCount       = 1, 10
	maxName                  = 128                       // characters
	minExpires, maxExpires   = time.Hour, 24 * time.Hour // 2022 A.2.3.2.1 wants at least 3600 s
)

var (
	errNotOurs   = errors.New("only the node itself has this setting")
	errNoSetting = errors.New("the device has no such setting")
	errForbidden = errors.New("this platform may not change it (allow_device_config)")
)

// SetTuning tells the view where BasicParam is read and set. Without it, it is refused.
func (v *View) SetTuning(t Tuning) {
	v.mu.Lock()
	v.tuning, v.usual = t, heartbeatOf(t)
	v.mu.Unlock()
	set := v.site.cfg.Ledger.Superior(v.account())
	switch {
	case set.Heartbeat == nil:
	case set.Over == nil || *set.Over != v.usual:
		v.log.Info("the heartbeat is the configuration's, which has changed since the platform set it")
		v.noteHeartbeat(v.usual)
	default:
		h := *set.Heartbeat
		v.log.Info("the heartbeat is as the platform has set it", "interval_s", h.Interval,
			"count", h.Count, "expires_s", h.Expires)
		setHeartbeat(t, h)
	}
}

func heartbeatOf(t Tuning) ledger.Heartbeat {
	interval, count, expires := t.Tuned()
	return ledger.Heartbeat{
		Interval: int(interval / time.Second), Count: count, Expires: int(expires / time.Second),
	}
}

// setHeartbeat sets what was kept, within bounds: the file may have been written by hand.
func setHeartbeat(t Tuning, h ledger.Heartbeat) {
	t.Tune(bounded(h.Interval, minInterval, maxInterval), min(max(h.Count, minCount), maxCount),
		bounded(h.Expires, minExpires, maxExpires))
}

// noteHeartbeat keeps what the superior has set; what the configuration says anyway needs no keeping.
func (v *View) noteHeartbeat(h ledger.Heartbeat) {
	v.mu.Lock()
	usual := v.usual
	v.mu.Unlock()
	v.site.cfg.Ledger.Note(v.account(), func(s *ledger.Superior) bool {
		was, over := s.Heartbeat, s.Over
		s.Heartbeat, s.Over = &h, &usual
		if h == usual {
			s.Heartbeat, s.Over = nil, nil
		}
		return !reflect.DeepEqual(was, s.Heartbeat) || !reflect.DeepEqual(over, s.Over)
	})
}

func (v *View) tuned() Tuning {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tuning
}

// ConfigDownload tells settings of the node or a channel: those asked for that there are, in
// one answer; ERROR when there is none of them.
func (v *View) ConfigDownload(_ context.Context, q *manscdp.ConfigDownloadQuery) (
	*manscdp.ConfigDownloadResponse, error,
) {
	if err := v.known(q.DeviceID); err != nil {
		return nil, err
	}
	answer := &manscdp.ConfigDownloadResponse{Header: q.Answer(), Result: manscdp.ERROR}
	for _, kind := range q.Types() {
		switch kind {
		case "BasicParam":
			answer.BasicParam = v.basicParam(q.DeviceID)
		case "VideoParamOpt":
			answer.VideoParamOpt = v.videoParamOpt(q.DeviceID)
		case "AlarmReport":
			answer.AlarmReport = v.duties.report(q.DeviceID)
		case "SnapShotConfig", "SnapShot":
			answer.SnapShotConfig = v.snapshots.asked(q.DeviceID)
		}
	}
	if len(answer.Kinds()) > 0 {
		answer.Result = manscdp.OK
	}
	return answer, nil
}

// basicParam is the same for the node and its channels, but for name and place: Dahua answers
// for the node only, WVP asks both.
func (v *View) basicParam(id string) *manscdp.BasicParam {
	p := &manscdp.BasicParam{Name: v.name()}
	if c, ok := v.channel(id); ok {
		p.Name = v.title(c)
	}
	if t := v.tuned(); t != nil {
		interval, count, expires := t.Tuned()
		p.HeartBeatInterval, p.HeartBeatCount = int(interval/time.Second), count
		p.Expiration = int(expires / time.Second)
	}
	if fix, ok := v.coordinates(id); ok {
		p.Longitude, p.Latitude = &fix.Longitude, &fix.Latitude
	}
	capability := 0
	if v.site.cfg.Position != nil {
		capability = 1
	}
	p.PositionCapability = &capability
	return p
}

// videoParamOpt is what a channel has shown of itself; nil for the node, unless it is one camera.
func (v *View) videoParamOpt(id string) *manscdp.VideoParamOpt {
	c, err := v.device(id)
	if err != nil {
		return nil
	}
	opt := &manscdp.VideoParamOpt{DownloadSpeed: "1"}
	if d := c.feed.stream.Description(); d.HasVideo() {
		opt.Resolution = resolution(d.Video.Width, d.Video.Height)
	}
	return opt
}

// DeviceConfig changes settings. It answers OK only when all of them could be changed, and
// changes none otherwise.
func (v *View) DeviceConfig(_ context.Context, c *manscdp.DeviceConfig) (*manscdp.DeviceConfigResponse, error) {
	if err := v.known(c.DeviceID); err != nil {
		return nil, err
	}
	answer := &manscdp.DeviceConfigResponse{Header: c.Answer(), Result: manscdp.OK}
	if err := v.configure(c); err != nil {
		answer.Result = manscdp.ERROR
		v.log.Info("setting refused", "device", c.DeviceID, "settings", c.Kinds(), "reason", err.Error())
	}
	return answer, nil
}

func (v *View) configure(c *manscdp.DeviceConfig) error {
	kinds := c.Kinds()
	if len(kinds) == 0 {
		return errNoSetting
	}
	var steps []func() error // each was found to be possible
	for _, kind := range kinds {
		if !slices.Contains(v.cfg.AllowConfig, kind) {
			return fmt.Errorf("%s: %w", kind, errForbidden)
		}
		switch kind {
		case "BasicParam":
			tuning := v.tuned()
			if c.DeviceID != v.cfg.NodeID || tuning == nil {
				return errNotOurs
			}
			p := c.BasicParam
			if p.HeartBeatInterval <= 0 && p.HeartBeatCount <= 0 && p.Expiration <= 0 && p.Name == "" {
				return errNoSetting
			}
			if utf8.RuneCountInString(p.Name) > maxName || strings.ContainsFunc(p.Name, unicode.IsControl) {
				return manscdp.ErrBadValue
			}
			steps = append(steps, func() error { v.tune(tuning, c.BasicParam); return nil })
		case "AlarmReport":
			steps = append(steps, func() error { v.duties.setReport(c.DeviceID, c.AlarmReport); return nil })
		case "SnapShotConfig":
			job, err := v.snapshotJob(c.DeviceID, c.SnapShotConfig)
			if err != nil {
				return err
			}
			steps = append(steps, func() error { return v.snapshots.put(job, c.SnapShotConfig) })
		default:
			return errNoSetting
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// tune applies what p holds, within bounds, and keeps the rest.
func (v *View) tune(t Tuning, p *manscdp.BasicParam) {
	interval, count, expires := t.Tuned()
	if p.HeartBeatInterval > 0 {
		interval = bounded(p.HeartBeatInterval, minInterval, maxInterval)
	}
	if p.HeartBeatCount > 0 {
		count = min(max(p.HeartBeatCount, minCount), maxCount)
	}
	if p.Expiration > 0 {
		expires = bounded(p.Expiration, minExpires, maxExpires)
	}
	t.Tune(interval, count, expires)
	v.noteHeartbeat(heartbeatOf(t))
	if p.Name != "" {
		v.rename(p.Name)
	}
	v.log.Info("superior set the heartbeat", "interval", interval.String(), "count", count, "expires", expires.String())
}

// rename takes the name that the superior calls us by; our own one ends that.
func (v *View) rename(name string) {
	if name == v.cfg.Name {
		name = ""
	}
	v.mu.Lock()
	changed := v.called != name
	v.called = name
	v.mu.Unlock()
	if changed {
		v.site.cfg.Ledger.Note(v.account(), func(s *ledger.Superior) bool { s.Name = name; return true })
	}
}

// bounded is so many seconds, not below low and not above high.
func bounded(seconds int, low, high time.Duration) time.Duration {
	seconds = min(seconds, int(high/time.Second))
	return max(low, time.Duration(seconds)*time.Second)
}
