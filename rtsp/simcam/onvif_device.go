package simcam

import (
	"fmt"
	"net/url"
	"time"
)

// at returns an address of the device as it reports it: the host the client used, unless it has
// the quirk of knowing better.
func (d *ONVIF) at(q *soapRequest, path string) string {
	host := q.http.Host
	if d.cfg.Quirks.Host != "" {
		host = d.cfg.Quirks.Host
	}
	return "http://" + host + path
}

// stream returns an RTSP address as the device reports it.
func (d *ONVIF) stream(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if d.cfg.Quirks.Host != "" {
		host, _, _ := cutPort(d.cfg.Quirks.Host)
		u.Host = host + ":" + u.Port()
	}
	if d.cfg.Quirks.UserinfoInURI {
		u.User = url.UserPassword("admin", "12345")
	}
	return u.String()
}

// cutPort takes a port off a host.
func cutPort(s string) (host, port string, ok bool) {
	u := url.URL{Host: s}
	return u.Hostname(), u.Port(), u.Port() != ""
}

// services lists the services there are, by namespace and the end of their paths.
func (d *ONVIF) services() [][2]string {
	list := [][2]string{
		{"http://www.onvif.org/ver10/device/wsdl", "device_service"},
		{"http://www.onvif.org/ver10/media/wsdl", "media_service"},
		{"http://www.onvif.org/ver10/events/wsdl", "event_service"},
		{"http://www.onvif.org/ver10/deviceIO/wsdl", "deviceio_service"},
	}
	if !d.cfg.Quirks.NoImaging {
		list = append(list, [2]string{"http://www.onvif.org/ver20/imaging/wsdl", "imaging_service"})
	}
	if !d.cfg.Quirks.NoMedia2 {
		list = append(list, [2]string{"http://www.onvif.org/ver20/media/wsdl", "media2_service"})
	}
	if !d.cfg.Fixed {
		list = append(list, [2]string{"http://www.onvif.org/ver20/ptz/wsdl", "ptz_service"})
	}
	if len(d.cfg.Recordings) > 0 {
		list = append(list, [2]string{"http://www.onvif.org/ver10/recording/wsdl", "recording_service"},
			[2]string{"http://www.onvif.org/ver10/search/wsdl", "search_service"},
			[2]string{"http://www.onvif.org/ver10/replay/wsdl", "replay_service"})
	}
	return list
}

func (d *ONVIF) device(q *soapRequest) (string, *fault) {
	switch q.body.name {
	case "GetSystemDateAndTime":
		return d.dateAndTime(), nil
	case "GetDeviceInformation":
		if d.cfg.Quirks.NoInformation {
			return "", unsupported()
		}
		return in("tds:GetDeviceInformationResponse", el("tds:Manufacturer", d.cfg.Name), el("tds:Model", d.cfg.Model),
			el("tds:FirmwareVersion", "1.0"), el("tds:SerialNumber", d.cfg.Serial), el("tds:HardwareId", "sim")), nil
	case "GetServices":
		if d.cfg.Quirks.NoGetServices {
			return "", unsupported()
		}
		list := ""
		for i, s := range d.services() {
			if d.cfg.Quirks.FewServices && i > 1 {
				break
			}
			list += in("tds:Service", el("tds:Namespace", s[0]), el("tds:XAddr", d.at(q, "/onvif/"+s[1])),
				in("tds:Version", el("tt:Major", "2"), el("tt:Minor", "6")))
		}
		return in("tds:GetServicesResponse", list), nil
	case "GetCapabilities":
		return d.capabilities(q), nil
	case "GetScopes":
		list := ""
		for _, s := range d.scopes() {
			list += in("tds:Scopes", el("tt:ScopeDef", "Fixed"), el("tt:ScopeItem", s))
		}
		return in("tds:GetScopesResponse", list), nil
	case "SystemReboot":
		d.mu.Lock()
		d.reboots++
		d.mu.Unlock()
		d.note("SystemReboot")
		return in("tds:SystemRebootResponse", el("tds:Message", "rebooting")), nil
	case "GetRelayOutputs":
		if d.cfg.Quirks.RelaysInDeviceIO {
			return in("tds:GetRelayOutputsResponse"), nil
		}
		return in("tds:GetRelayOutputsResponse", relayOutput("tds")), nil
	case "SetRelayOutputState":
		if d.cfg.Quirks.RelaysInDeviceIO {
			return in("tds:SetRelayOutputStateResponse"), nil
		}
		if flt := d.setRelay(q); flt != nil {
			return "", flt
		}
		return in("tds:SetRelayOutputStateResponse"), nil
	}
	return "", unsupported()
}

func (d *ONVIF) deviceIO(q *soapRequest) (string, *fault) {
	switch q.body.name {
	case "GetRelayOutputs":
		return in("tmd:GetRelayOutputsResponse", relayOutput("tmd")), nil
	case "GetDigitalInputs":
		return in("tmd:GetDigitalInputsResponse", `<tmd:DigitalInputs token="di1"/>`), nil
	case "SetRelayOutputState":
		if flt := d.setRelay(q); flt != nil {
			return "", flt
		}
		return in("tmd:SetRelayOutputStateResponse"), nil
	}
	return "", unsupported()
}

func relayOutput(prefix string) string {
	return in(prefix+`:RelayOutputs token="relay1"`, in("tt:Properties",
		el("tt:Mode", "Bistable"), el("tt:DelayTime", "PT0S"), el("tt:IdleState", "open")))
}

func (d *ONVIF) setRelay(q *soapRequest) *fault {
	if q.body.str("RelayOutputToken") != "relay1" {
		return invalid("RelayToken")
	}
	state := q.body.str("LogicalState")
	d.note("SetRelayOutputState %s", state)
	d.mu.Lock()
	d.relay = state == "active"
	d.mu.Unlock()
	d.Raise("tns1:Device/Trigger/Relay", "RelayToken", "relay1", "LogicalState", state)
	return nil
}

// Relay tells whether the relay output is active.
func (d *ONVIF) Relay() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.relay
}

// Reboots returns how often the device was told to reboot.
func (d *ONVIF) Reboots() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reboots
}

func dateTime(name string, t time.Time, carry int) string {
	num := func(n int) string { return fmt.Sprint(n) }
	return in(name,
		in("tt:Time", el("tt:Hour", num(t.Hour())), el("tt:Minute", num(t.Minute())), el("tt:Second", num(t.Second()+carry))),
		in("tt:Date", el("tt:Year", num(t.Year())), el("tt:Month", num(int(t.Month()))), el("tt:Day", num(t.Day()))))
}

func (d *ONVIF) dateAndTime() string {
	now, carry := d.now(), 0
	if d.cfg.Quirks.OverflowTime {
		now, carry = now.Add(-time.Minute), 60
	}
	times := dateTime("tt:UTCDateTime", now, carry)
	if d.cfg.Quirks.NoUTCTime {
		times = ""
	}
	return in("tds:GetSystemDateAndTimeResponse", in("tds:SystemDateAndTime",
		el("tt:DateTimeType", "Manual"), el("tt:DaylightSavings", "false"), in("tt:TimeZone", el("tt:TZ", "CST-8")),
		times, dateTime("tt:LocalDateTime", now.Add(8*time.Hour), carry)))
}

func (d *ONVIF) capabilities(q *soapRequest) string {
	x := func(path string) string { return el("tt:XAddr", d.at(q, "/onvif/"+path)) }
	imaging := in("tt:Imaging", x("imaging_service"))
	if d.cfg.Quirks.NoImaging {
		imaging = ""
	}
	list := in("tt:Device", x("device_service")) +
		in("tt:Events", x("event_service"), el("tt:WSSubscriptionPolicySupport", "false"),
			el("tt:WSPullPointSupport", "true"), el("tt:WSPausableSubscriptionManagerInterfaceSupport", "false")) +
		imaging +
		in("tt:Media", x("media_service"), in("tt:StreamingCapabilities", el("tt:RTPMulticast", "false"),
			el("tt:RTP_TCP", "true"), el("tt:RTP_RTSP_TCP", "true")))
	if !d.cfg.Fixed {
		list += in("tt:PTZ", x("ptz_service"))
	}
	extension := in("tt:DeviceIO", x("deviceio_service"), el("tt:VideoSources", "1"), el("tt:VideoOutputs", "0"),
		el("tt:AudioSources", "1"), el("tt:AudioOutputs", "0"), el("tt:RelayOutputs", "1"))
	if len(d.cfg.Recordings) > 0 {
		extension += in("tt:Recording", x("recording_service"), el("tt:ReceiverSource", "false"),
			el("tt:MediaProfileSource", "true"), el("tt:DynamicRecordings", "false"), el("tt:DynamicTracks", "false"),
			el("tt:MaxStringLength", "256")) +
			in("tt:Search", x("search_service"), el("tt:MetadataSearch", "false")) +
			in("tt:Replay", x("replay_service"))
	}
	return in("tds:GetCapabilitiesResponse", in("tds:Capabilities", list, in("tt:Extension", extension)))
}

func (d *ONVIF) scopes() []string {
	list := []string{
		"onvif://www.onvif.org/type/video_encoder", "onvif://www.onvif.org/Profile/Streaming",
		"onvif://www.onvif.org/name/" + url.PathEscape(d.cfg.Name),
		"onvif://www.onvif.org/hardware/" + url.PathEscape(d.cfg.Model),
	}
	if !d.cfg.Fixed {
		list = append(list, "onvif://www.onvif.org/type/ptz")
	}
	if len(d.cfg.Recordings) > 0 {
		list = append(list, "onvif://www.onvif.org/Profile/G")
	}
	return list
}
