package config

import (
	"net/netip"
	"slices"
	"time"
)

// compat checks the quirks of one superior.
func (p *parser) compat(c check, q Compat) {
	c.oneOf("assume_version", q.AssumeVersion, "1.0", "1.1", "2.0", "3.0")
	c.oneOf("refresh_mode", q.RefreshMode, "same-call-id", "new-call-id")
	for _, code := range q.ReregisterOn {
		if code < 400 || code > 699 {
			c.fault("reregister_on", "has %d; a refusal is 400 to 699", code)
		}
	}
	c.between("offline_media_grace", q.OfflineMediaGrace, 0, time.Hour)
	c.oneOf("time_sync", q.TimeSync, "off", "offset")
	c.oneOf("from_host", q.FromHost, "superior-domain", "own-domain", "ip:port")
	c.oneOf("request_uri_host", q.RequestURIHost, "addr", "domain")
	p.compatMessages(c, q.CompatMessages)
	c.oneOf("mobile_position_format", q.MobilePositionFormat, "auto", "2016", "2022")
	c.oneOf("subscribe_unknown", q.SubscribeUnknown, "reject", "accept")
	c.oneOf("subscribe_initial_notify", q.SubscribeInitialNotify, "auto", "always", "never")
	c.between("status_debounce", q.StatusDebounce, 0, time.Minute)
	c.oneOf("mediastatus_from", q.MediaStatusFrom, "node", "channel")
	p.compatMedia(c, q.CompatMedia)
	p.compatControl(c, q.CompatControl)
}

func (p *parser) compatMessages(c check, q CompatMessages) {
	c.oneOf("charset", q.Charset, "auto", "GB2312", "GB18030", "UTF-8")
	c.number("udp_max_message", q.UDPMaxMessage, 600, 65000)
	c.number("catalog_items_per_message", q.CatalogItemsPerMessage, 0, 10000) // 2022 annex M: at most 10 000
	// Platforms close a catalog that pauses for 5 s (WVP), and drop what is missing.
	c.between("catalog_part_timeout", q.CatalogPartTimeout, 100*time.Millisecond, 4*time.Second)
	c.oneOf("parent_mode", q.ParentMode, "auto", "node", "org", "org/node")
	c.oneOf("unknown_device", q.UnknownDevice, "sip404", "result-error")
	c.oneOf("snapshot_answer_tag", q.SnapshotAnswerTag, "SnapShotConfig", "SnapShot")
}

func (p *parser) compatMedia(c check, q CompatMedia) {
	c.oneOf("ssrc_mode", q.SSRCMode, "echo", "own")
	c.oneOf("payload", q.Payload, "ps")
	c.oneOf("send_start", q.SendStart, "ack", "200")
	if q.ACKRequired && q.SendStart == "200" {
		c.fault("ack_required", `contradicts send_start = "200"`)
	}
	c.between("ack_timeout", q.ACKTimeout, 2*time.Second, 5*time.Minute)
	c.oneOf("sdp_answer_f", q.SDPAnswerF, "full", "empty", "omit")
	if q.RejectPort != 0 && q.RejectPort != 9 {
		c.fault("reject_port", "is %d; it may be 0, 9", q.RejectPort)
	}
	c.oneOf("default_stream", q.DefaultStream, "main", "sub")
	c.oneOf("tcp_framing", q.TCPFraming, "rfc4571", "interleaved")
	c.number("tcp_connect_retry", q.TCPRetries, 3, 60) // 2022 annex D: at least three times
	c.number("payload_mtu", q.PayloadMTU, 200, 1456)   // 1456 fits an Ethernet packet
	if q.RTCPTimeout != 0 {
		c.between("rtcp_timeout", q.RTCPTimeout, 15*time.Second, time.Hour)
	}
	c.oneOf("start_from", q.StartFrom, "cached-gop", "next-idr")
	c.oneOf("h265_fallback_stream", q.H265Fallback, "", "sub")
	c.oneOf("scale_pts", q.ScalePTS, "media", "wall")
	c.number("max_sessions_per_channel", q.MaxSessions, 0, 1000)
}

func (p *parser) compatControl(c check, q CompatControl) {
	c.between("ptz_lock", q.PTZLock, 0, time.Hour)
	if q.PTZWatchdog != 0 {
		c.between("ptz_watchdog", q.PTZWatchdog, time.Second, 10*time.Minute)
	}
	kinds := deviceConfigs()
	for _, kind := range q.AllowDeviceConfig {
		if !slices.Contains(kinds, kind) {
			c.oneOf("allow_device_config", kind, kinds...)
		}
	}
	for _, place := range q.SnapshotUploadAllow {
		_, addr := netip.ParseAddr(place)
		_, network := netip.ParsePrefix(place)
		if place != "superior-ip" && addr != nil && network != nil {
			c.fault("snapshot_upload_allow",
				`%q is no address, no network such as "192.0.2.0/24" and not "superior-ip"`, place)
		}
	}
	c.oneOf("broadcast_transport", q.BroadcastTransport, "udp", "tcp-active", "tcp-passive")
	c.oneOf("broadcast_invite_from", q.BroadcastInviteFrom, "node", "target")
}

// deviceConfigs are the kinds of settings that DeviceConfig knows (GB/T 28181-2022 A.2.3.2).
func deviceConfigs() []string {
	return []string{
		"BasicParam", "VideoParamAttribute", "VideoRecordPlan", "VideoAlarmRecord", "PictureMask", "FrameMirror",
		"AlarmReport", "OSDConfig", "SnapShotConfig", "SVACEncodeConfig", "SVACDecodeConfig",
	}
}

func (c check) number(key string, n, low, high int) {
	if n < low || n > high {
		c.fault(key, "is %d; %d to %d make sense", n, low, high)
	}
}
