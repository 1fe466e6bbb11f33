package onvif

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Clock is what is known of a device's clock.
type Clock struct {
	Offset time.Duration // the device's time minus ours
	Known  bool          // false: the device tells no time, and Offset is 0
	NTP    bool          // the device says that it follows an NTP server
}

// Clock asks the device for its time and returns how far it is off.
func (c *Client) Clock(ctx context.Context) (Clock, error) { return c.readClock(ctx, true) }

// readClock measures the device's clock, or returns what was measured before unless fresh. The
// call needs no password by the standard; Panasonic and Digital Barriers want one all the same,
// and there the Date of their refusal must do.
func (c *Client) readClock(ctx context.Context, fresh bool) (Clock, error) {
	c.mu.Lock()
	known := c.clock
	c.mu.Unlock()
	if known != nil && !fresh {
		return *known, nil
	}
	r := request{
		service: deviceService, op: "GetSystemDateAndTime", action: deviceService.action("GetSystemDateAndTime"),
		body: "<tds:GetSystemDateAndTime/>", open: true,
	}
	sent := time.Now()
	got := c.tolerant(ctx, r, c.base.String(), "", c.plain)
	now := sent.Add(time.Since(sent) / 2)
	answer, err := got.result()
	if k := kindOf(err); k == Unreachable || k == Refused {
		return Clock{}, err
	}
	clock := Clock{}
	at, ok := deviceTime(answer.find("SystemDateAndTime"))
	if !ok {
		at, err = http.ParseTime(got.header.Get("Date"))
		ok = err == nil
	}
	if ok {
		clock = Clock{Offset: at.Sub(now), Known: true, NTP: answer.find("DateTimeType").str() == "NTP"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock = &clock
	return clock, nil
}

// deviceTime reads a SystemDateAndTime. Fields that overflow (00:61) are carried; without UTC
// (GWellTimes) it is the local time and its zone.
func deviceTime(e *element) (time.Time, bool) {
	read := func(d *element) (time.Time, bool) {
		date, clock := d.at("Date"), d.at("Time")
		if date.integer("Year") < 1970 || clock == nil {
			return time.Time{}, false
		}
		return time.Date(date.integer("Year"), time.Month(date.integer("Month")), date.integer("Day"),
			clock.integer("Hour"), clock.integer("Minute"), clock.integer("Second"), 0, time.UTC), true
	}
	if t, ok := read(e.at("UTCDateTime")); ok {
		return t, true
	}
	t, ok := read(e.at("LocalDateTime"))
	return t.Add(-zoneOffset(e.str("TimeZone", "TZ"))), ok
}

var posixZone = regexp.MustCompile(`^[A-Za-z<>+\-0-9]*?[A-Za-z>]([+-]?)(\d{1,2})(?::(\d{2}))?`)

// zoneOffset reads the standard offset of a POSIX TZ, "CST-8" = 8 h east.
func zoneOffset(tz string) time.Duration {
	m := posixZone.FindStringSubmatch(tz)
	if m == nil {
		return 0
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi(m[3])
	d := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if m[1] != "-" {
		d = -d
	}
	return d
}

// Info is who a device says it is.
type Info struct {
	Manufacturer, Model, Firmware, Serial, Hardware string
}

// infoHolds is how long a device is what it has said to be. Its firmware may be replaced meanwhile, but platforms ask
// for every camera again and again, one after the other.
const infoHolds = time.Hour

// Info tells maker, model and versions. The device is asked for them once an hour.
func (c *Client) Info(ctx context.Context) (Info, error) { return c.InfoWithin(ctx, infoHolds) }

// InfoWithin tells what the device has said within age, or says now: another device may have its address by then.
func (c *Client) InfoWithin(ctx context.Context, age time.Duration) (Info, error) {
	c.mu.Lock()
	info, at := c.info, c.infoAt
	c.mu.Unlock()
	if !at.IsZero() && time.Since(at) < age {
		return info, nil
	}
	return c.askInfo(ctx)
}

// askInfo asks the device, whatever it has said before.
func (c *Client) askInfo(ctx context.Context) (Info, error) {
	e, err := c.call(ctx, request{
		service: deviceService, op: "GetDeviceInformation", body: "<tds:GetDeviceInformation/>",
	})
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Manufacturer: e.str("Manufacturer"), Model: e.str("Model"), Firmware: e.str("FirmwareVersion"),
		Serial: e.str("SerialNumber"), Hardware: e.str("HardwareId"),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info, c.infoAt = info, time.Now()
	return info, nil
}

// Reboot restarts the device. It answers before it does.
func (c *Client) Reboot(ctx context.Context) error {
	c.mu.Lock()
	c.infoAt = time.Time{} // firmware is replaced by restarts
	c.mu.Unlock()
	_, err := c.call(ctx, request{service: deviceService, op: "SystemReboot", body: "<tds:SystemReboot/>"})
	return err
}

// Relay is a relay output.
type Relay struct {
	Token string
	// Mode is "Monostable" (falls back after Delay) or "Bistable".
	Mode  string
	Delay string // xs:duration, as the device wrote it
	Idle  string // "open" or "closed"
	// DeviceIO tells that the Device I/O service lists it, which switches it then, and not the device service.
	DeviceIO bool
}

// Relays lists the relay outputs: those of the device service, or, where that has none, those of Device I/O
// (onvif_simple_server has an empty answer for everything that the device service does not know). There is no way to
// ask for their state; it comes as an event.
func (c *Client) Relays(ctx context.Context) ([]Relay, error) {
	e, err := c.call(ctx, request{service: deviceService, op: "GetRelayOutputs", body: "<tds:GetRelayOutputs/>"})
	if err != nil && kindOf(err) != ActionNotSupported {
		return nil, err
	}
	if list := readRelays(e, false); len(list) > 0 {
		return list, nil
	}
	unknown := err != nil
	e, err = c.call(ctx, request{service: deviceIOService, op: "GetRelayOutputs", body: "<tmd:GetRelayOutputs/>"})
	if kindOf(err) == ActionNotSupported && !unknown {
		return nil, nil
	}
	return readRelays(e, true), err
}

func readRelays(e *element, deviceIO bool) []Relay {
	var list []Relay
	for _, r := range e.all("RelayOutputs") {
		p := r.at("Properties")
		list = append(list, Relay{
			Token: r.attr("token"), Mode: p.str("Mode"), Delay: p.str("DelayTime"), Idle: p.str("IdleState"),
			DeviceIO: deviceIO,
		})
	}
	return list
}

// SetRelay switches a relay output.
func (c *Client) SetRelay(ctx context.Context, r Relay, active bool) error {
	state := "inactive"
	if active {
		state = "active"
	}
	s, p := deviceService, "tds"
	if r.DeviceIO {
		s, p = deviceIOService, "tmd"
	}
	_, err := c.call(ctx, request{
		service: s, op: "SetRelayOutputState",
		body: wrap(p+":SetRelayOutputState", leaf(p+":RelayOutputToken", r.Token), leaf(p+":LogicalState", state)),
	})
	return err
}

// Inputs lists the tokens of the digital inputs.
func (c *Client) Inputs(ctx context.Context) ([]string, error) {
	e, err := c.call(ctx, request{service: deviceIOService, op: "GetDigitalInputs", body: "<tmd:GetDigitalInputs/>"})
	if err != nil {
		return nil, err
	}
	var tokens []string
	for _, d := range e.all("DigitalInputs") {
		tokens = append(tokens, d.attr("token"))
	}
	return tokens, nil
}
