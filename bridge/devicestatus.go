package bridge

import (
	"context"
	"time"

	"gbgate/gb28181/manscdp"
)

// DeviceInfo tells what we, or a channel, are.
func (v *View) DeviceInfo(_ context.Context, q *manscdp.DeviceInfoQuery) (*manscdp.DeviceInfoResponse, error) {
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
	return answer, nil
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
