package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate adds every fault that a well-formed file can still have.
func (p *parser) validate() {
	p.gateway()
	p.recording()
	ids := map[string]string{p.cfg.Gateway.ID: "gateway.id"}
	names := map[string]string{}
	p.assign()
	for i := range p.cfg.Cameras {
		p.camera(i, names, ids)
	}
	p.groups(ids)
	names = map[string]string{}
	for i := range p.cfg.Superiors {
		p.oneSuperior(i, names)
	}
}

func (p *parser) gateway() {
	g := p.cfg.Gateway
	c := check{p, "gateway", -1, "gateway"}
	c.id("id", g.ID, "1", "2")
	c.listen("sip_listen", g.SIPListen)
	c.ports("media_ports", g.MediaPorts)
	c.oneOf("log_level", g.LogLevel, "debug", "info", "warn", "error")
	if g.LogFileKB < 100 || g.LogFileKB > 1<<20 {
		c.fault("log_file_kb", "is %d; 100 to %d make sense", g.LogFileKB, 1<<20)
	}
	if g.LogFiles < 2 || g.LogFiles > 100 {
		c.fault("log_files", "is %d; 2 to 100 make sense", g.LogFiles)
	}
	if g.StateDir == "" {
		c.fault("state_dir", "is empty; give a folder that survives restarts")
	}
	c.between("linger", g.Linger, 0, time.Hour)
	if g.GPSD != "" {
		c.hostPort("gpsd", g.GPSD)
	}
	if p.cfg.Admin.Listen != "" {
		check{p, "admin", -1, "admin"}.listen("listen", p.cfg.Admin.Listen)
	}
}

func (p *parser) recording() {
	r := p.cfg.Recording
	c := check{p, "recording", -1, "recording"}
	if r.MaxDays < 0 || r.MaxDays > 3650 {
		c.fault("max_days", "is %d; 1 to 3650 make sense, or 0 for no limit", r.MaxDays)
	}
	if !(r.MaxGB >= 0 && r.MaxGB <= 1e6) {
		c.fault("max_gb", "is %v; it is a size in GB, or 0 for no limit", r.MaxGB)
	}
	if !(r.MinFreeGB >= 0 && r.MinFreeGB <= 1e6) {
		c.fault("min_free_gb", "is %v; it is a size in GB", r.MinFreeGB)
	}
	c.between("segment", r.Segment, 10*time.Second, time.Hour)
	c.between("pre_record", r.PreRecord, 0, 30*time.Second)
	c.between("post_record", r.PostRecord, time.Second, time.Hour)
}

// MaxRecordedName is the longest name that a recorded camera may have, in bytes: it is part of files' names, where a
// byte may become three.
const MaxRecordedName = 60

// PortRange returns media_ports as two numbers; 0, 0 lets the kernel pick.
func (g Gateway) PortRange() (low, high uint16, err error) {
	return portRange(g.MediaPorts)
}

// PortRange returns a superior's own media_ports, which are not empty.
func (s *Superior) PortRange() (low, high uint16, err error) {
	return portRange(s.MediaPorts)
}

func portRange(text string) (low, high uint16, err error) {
	if text == "0" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(text, "-")
	lo, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	hi, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	if !ok || err1 != nil || err2 != nil || lo < 1024 || hi <= lo+lo%2 {
		return 0, 0, fmt.Errorf("%q is no range of ports such as \"30000-32999\" (1024 and up)", text)
	}
	return uint16(lo), uint16(hi), nil
}

func (p *parser) camera(i int, names, ids map[string]string) {
	cam := p.cfg.Cameras[i]
	c := check{p, "camera", i, keyOf("camera", i, cam.Name)}
	c.name(cam.Name, names)
	switch fault := p.codeFaults[cam.Name]; {
	case fault != "":
		c.fault("id", "%s", fault)
	case cam.ID == "" && p.missingCodes:
	case cam.ID == "":
		c.fault("id", "is missing; it is one of the 20-digit codes on the platform's sheet "+
			"(`gbgate ids import` reads the sheet, `gbgate ids assign` gives each camera its code)")
	case c.id("id", cam.ID, "12", "13"):
		c.unique("id", cam.ID, ids)
	}
	if cam.URL == "" && cam.ONVIF == "" {
		c.fault("url", "is missing; give url (rtsp://…) or onvif (http://…)")
	}
	c.url("url", cam.URL, "rtsp", "rtsps")
	c.url("sub_url", cam.SubURL, "rtsp", "rtsps")
	c.url("onvif", cam.ONVIF, "http", "https")
	if cam.ONVIFChannel < 0 || cam.ONVIFChannel > 0 && cam.ONVIF == "" {
		c.fault("onvif_channel", "is %d; it counts the channels of the recorder that onvif names, from 1", cam.ONVIFChannel)
	}
	c.oneOf("transport", cam.Transport, "tcp", "udp", "auto")
	c.oneOf("ptz", cam.PTZ, "auto", "onvif", "off")
	c.oneOf("record", cam.Record, "off", "always", "alarm")
	c.replay(cam)
	if cam.Record != "off" && len(cam.Name) > MaxRecordedName {
		c.fault("name", "has %d bytes; that of a camera that is recorded may have %d", len(cam.Name), MaxRecordedName)
	}
	p.events(c, cam)
	if cam.CivilCode != "" && !division(cam.CivilCode) {
		c.fault("civil_code", "%q is no division code of 2, 4, 6 or 8 digits", cam.CivilCode)
	}
	if cam.Longitude < -180 || cam.Longitude > 180 || cam.Latitude < -90 || cam.Latitude > 90 {
		c.fault("longitude", "and latitude are %v, %v: no place on earth", cam.Longitude, cam.Latitude)
	}
}

// events checks what of a camera's own alarms goes upward.
func (p *parser) events(c check, cam Camera) {
	c.oneOf("events", cam.Events, "auto", "onvif", "off")
	if cam.Events == "onvif" && cam.ONVIF == "" {
		c.fault("events", "is \"onvif\", but the camera has no onvif address")
	}
	c.between("alarm_interval", cam.AlarmInterval, 0, time.Hour)
	for _, topic := range slices.Sorted(maps.Keys(cam.AlarmMap)) {
		if AlarmTopic(topic) == "" {
			c.fault("alarm_map", "%q is no topic such as \"RuleEngine/MyRule/Alarm\"", topic)
		}
		if _, err := ParseAlarmCode(cam.AlarmMap[topic]); err != nil {
			c.fault("alarm_map", "%s: %v", topic, err)
		}
	}
}

func (p *parser) oneSuperior(i int, names map[string]string) {
	s := &p.cfg.Superiors[i]
	c := check{p, "superior", i, keyOf("superior", i, s.Name)}
	c.name(s.Name, names)
	// Real platforms carry codes that are not 20 digits: only what cannot be sent is refused.
	if fullWidth(s.ID) {
		c.fault("id", "%q is written with full-width characters; type it with the input method switched off", s.ID)
	} else if !sendable(s.ID) {
		c.fault("id", "%q can't be a platform's code; it is on the sheet as 20 digits", s.ID)
	} else if s.Domain == "" {
		s.Domain = s.ID[:min(10, len(s.ID))]
	}
	c.hostPort("address", s.Address)
	c.oneOf("transport", s.Transport, "udp", "tcp")
	if s.NodeID == "" {
		s.NodeID = p.cfg.Gateway.ID
	} else {
		c.id("node_id", s.NodeID, "1", "2")
	}
	if s.Username == "" {
		s.Username = s.NodeID
	}
	if s.Domain != "" && !sendable(s.Domain) {
		c.fault("domain", "%q can't be a SIP domain; it is on the sheet as 10 or 20 digits", s.Domain)
	}
	c.oneOf("version", s.Version, "auto", "2016", "2022")
	c.oneOf("audio", s.Audio, "auto", "pcma", "off")
	if s.MediaIP != "" {
		if _, err := netip.ParseAddr(s.MediaIP); err != nil {
			c.fault("media_ip", "%q is no IP address", s.MediaIP)
		}
	}
	if s.MediaPorts != "" {
		c.ports("media_ports", s.MediaPorts)
	}
	c.between("register_expires", s.RegisterExpires, 60*time.Second, 30*24*time.Hour)
	c.between("register_retry", s.RegisterRetry, time.Second, time.Hour)
	c.between("keepalive_interval", s.KeepaliveInterval, 5*time.Second, 5*time.Minute)
	if s.KeepaliveMax < 1 || s.KeepaliveMax > 10 {
		c.fault("keepalive_max", "is %d; 1 to 10 make sense", s.KeepaliveMax)
	}
	c.between("source_grace", s.SourceGrace, 0, 10*time.Minute)
	if !(s.MaxDownloadSpeed >= 0 && s.MaxDownloadSpeed <= 1000) {
		c.fault("max_download_speed", "is %v; it may be 0 (no limit) to 1000", s.MaxDownloadSpeed)
	}
	c.oneOf("over_bandwidth", s.OverBandwidth, "", "sub")
	if s.MaxCalls < 0 || s.BandwidthKbps < 0 {
		c.fault("max_calls", "and bandwidth_kbps can't be negative (0 = no limit)")
	}
	for _, cidr := range s.AllowSources {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			c.fault("allow_sources", "%q is no network such as \"192.0.2.0/24\"", cidr)
		}
	}
	p.views(c, s)
	p.branches(c, s)
	if s.Audio == "auto" && !s.Compat.AudioAAC {
		s.Audio = "pcma"
	}
	p.compat(check{p, "superior.compat", i, c.where + ".compat"}, s.Compat)
}

// views checks which cameras a superior sees and under which codes.
func (p *parser) views(c check, s *Superior) {
	for _, pattern := range s.Channels {
		c.pattern("channels", pattern, func(fits func(string) bool) bool {
			return slices.ContainsFunc(p.cfg.Cameras, func(cam Camera) bool { return fits(cam.Name) })
		}, "camera")
	}
	byID := map[string]string{}
	for _, cam := range p.cfg.Cameras {
		if _, own := s.IDs[cam.Name]; !own && cam.ID != "" {
			byID[cam.ID] = fmt.Sprintf("camera %q", cam.Name)
		}
	}
	names := make([]string, 0, len(s.IDs))
	for name := range s.IDs {
		names = append(names, name)
	}
	slices.Sort(names)
	ids := check{p, "superior.ids", c.index, c.where + ".ids"}
	for _, name := range names {
		if !slices.ContainsFunc(p.cfg.Cameras, func(cam Camera) bool { return cam.Name == name }) {
			ids.fault(name, "there is no camera of this name")
		}
		if ids.id(name, s.IDs[name], "12", "13") {
			ids.unique(name, s.IDs[name], byID)
		}
	}
}

// check knows where in the file it is, so that a fault can name its place.
type check struct {
	p     *parser
	table string // in TOML
	index int    // in its list; -1: not in a list
	where string // for people
}

func (c check) fault(key, format string, args ...any) {
	line := c.p.places().line(c.table, c.index, key)
	if line == 0 {
		line = c.p.places().line(c.table, c.index, "name")
	}
	if line == 0 {
		line = c.p.places().entry(root(c.table), c.index)
	}
	c.p.fault(line, c.where+"."+key, format, args...)
}

func (c check) name(name string, seen map[string]string) {
	switch other, dup := seen[name]; {
	case name == "":
		c.fault("name", "is missing; it is this entry's key in the file and in the logs")
	case strings.ContainsAny(name, " \t\r\n/*?[]\\\""):
		c.fault("name", "%q has blanks or one of / * ? [ ] \\ \" in it", name)
	case dup:
		c.fault("name", "is already the name of %s", other)
	}
	seen[name] = c.where
}

func (c check) unique(key, id string, seen map[string]string) {
	if other, dup := seen[id]; dup {
		c.fault(key, "%s is already the code of %s", id, other)
		return
	}
	seen[id] = c.where
}

// id checks a code of ours: 20 digits with a type (digits 11–13, GB/T 28181 Annex E) that
// begins with one of kinds.
func (c check) id(key, id string, kinds ...string) bool {
	switch {
	case id == "":
		c.fault(key, "is missing; it is one of the 20-digit codes on the platform's sheet")
	case fullWidth(id):
		c.fault(key, "%q is written with full-width characters; type it with the input method switched off", id)
	case !digits(id):
		c.fault(key, "%q has characters that are not digits", id)
	case len(id) != 20:
		c.fault(key, "%q has %d digits, not 20", id, len(id))
	case !slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(id[10:13], k) }):
		c.fault(key, "%q: digits 11–13 are %s, which is not %s", id, id[10:13],
			map[bool]string{true: "a camera (131, 132)", false: "a device or a server (118, 200)"}[len(kinds[0]) == 2])
	case id[10:13] == "215" || id[10:13] == "216":
		c.fault(key, "%q: type %s is a group in the catalog, not a device", id, id[10:13])
	default:
		return true
	}
	return false
}

func (c check) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.fault(key, "is %q; it may be %s", value, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
	}
}

func (c check) between(key string, d, low, high time.Duration) {
	switch {
	case d > 0 && d < time.Millisecond: // TOML takes a bare number for nanoseconds
		c.fault(key, "is the number %d without a unit; write \"%ds\" for seconds", d, d)
	case d < low || d > high:
		c.fault(key, "is %v; %v to %v make sense", d, low, high)
	}
}

func (c check) ports(key, text string) {
	if _, _, err := portRange(text); err != nil {
		c.fault(key, "%v", err)
	}
}

func (c check) listen(key, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		c.fault(key, "%q is no address such as \"0.0.0.0:5060\"", address)
		return
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" {
		c.fault(key, "%q: %q is no IP address of this box", address, host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		c.fault(key, "%q: %q is no port", address, port)
	}
}

func (c check) hostPort(key, address string) {
	if address == "" {
		c.fault(key, "is missing; it is the SIP server's address with its port, such as \"192.0.2.10:5060\"")
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/") {
		c.fault(key, "%q is no address with a port such as \"192.0.2.10:5060\"", address)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		c.fault(key, "%q: %q is no port", address, port)
	}
}

func (c check) url(key, raw string, schemes ...string) {
	if raw == "" {
		return
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !slices.Contains(schemes, strings.ToLower(scheme)) {
		c.fault(key, "%q does not begin with %s://", redact(raw), strings.Join(schemes, ":// or "))
		return
	}
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		c.fault(key, "has a user or password in it; they belong into the keys username and password")
		return
	}
	if u, err := url.Parse(scheme + "://" + authority); err != nil || u.Hostname() == "" {
		c.fault(key, "%q has no host that can be understood", redact(raw))
	}
}

// redact removes what may be a password from a URL before it is printed.
func redact(raw string) string {
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return "…" + raw[at:]
	}
	return raw
}

// fullWidth tells of characters that a Chinese input method makes of digits, letters and signs.
func fullWidth(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= '！' && r <= '～' || r == '　' })
}

// sendable says that a text can stand in a SIP URI as it is, as a user or a host.
func sendable(s string) bool {
	return s != "" && !strings.ContainsAny(s, `<>@:;"`) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
