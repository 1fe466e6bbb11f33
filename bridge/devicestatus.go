package bridge

import (
	"cmp"
	"context"
	"time"

	"gbgate/gb28181/manscdp"
)

// DeviceInfo tells what we, or a channel, are.
func (v *View) DeviceInfo(ctx context.Context, q *manscdp.DeviceInfoQuery) (*manscdp.DeviceInfoResponse, error) {
	answer := &manscdp.DeviceInfoResponse{Header: q.Answer(), Result: manscdp.OK}
	if q.DeviceID == v.cfg.NodeID {
		answer.DeviceName, answer.Manufacturer = v.name(), v.cfg.Manufacturer
		answer.Model, answer.Firmware = v.cfg.Model, v.cfg.Firmware
		answer.Channel = len(v.visible())
		return answer, nil
	}
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	answer.DeviceName, answer.Manufacturer, answer.Model, answer.Channel = v.title(c), c.Manufacturer, c.Model, 1
	if c.Describer != nil && c.health.Now().Condition != OFF {
		v.describe(ctx, c, answer)
	}
	return answer, nil
}

// describeTimeout is short: platforms ask all channels, one after the other.
const describeTimeout = 2 * time.Second

// describe asks the camera itself; where that fails, the configuration's words stand.
func (v *View) describe(ctx context.Context, c *Channel, answer *manscdp.DeviceInfoResponse) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	manufacturer, model, firmware, err := c.Describer.Describe(ctx)
	if err != nil {
		v.log.Debug("camera does not tell what it is", "camera", c.Name, "reason", err.Error())
		return
	}
	answer.Manufacturer = cmp.Or(manufacturer, answer.Manufacturer)
	answer.Model, answer.Firmware = cmp.Or(model, answer.Model), firmware
}

// DeviceStatus tells how we, or a channel, are. We are never OFFLINE to the one who asks: some
// platforms would take the whole node off their list.
func (v *View) DeviceStatus(_ context.Context, q *manscdp.DeviceStatusQuery) (*manscdp.DeviceStatusResponse, error) {
	answer := &manscdp.DeviceStatusResponse{
		Header: q.Answer(), Result: manscdp.OK, Online: "ONLINE", Status: manscdp.OK, Time: time.Now(),
	}
	if q.DeviceID == v.cfg.NodeID {
		return answer, nil
	}
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	answer.Encode, answer.Record = "ON", "OFF"
	switch health := c.health.Now(); health.Condition {
	case ON:
	case OFF:
		answer.Online, answer.Encode = "OFFLINE", "OFF"
		fallthrough
	case VLOST, DEFECT:
		answer.Status, answer.Reason = manscdp.ERROR, health.Reason
	}
	if v.cfg.VideoLossAlarm || c.Lookout != nil {
		id := v.idOf(c)
		answer.Alarms = []manscdp.AlarmStatus{{DeviceID: id, DutyStatus: v.duties.status(id, v.cfg.NodeID)}}
	}
	return answer, nil
}
