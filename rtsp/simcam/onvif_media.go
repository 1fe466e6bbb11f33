package simcam

import (
	"fmt"
	"slices"
	"strings"
)

// sourceToken is the token of the video source, the first of a recorder's.
const sourceToken = "vs1"

// streamProfile is one of the two profiles.
type streamProfile struct {
	token, name, codec string
	width, height      int
	fps, kbps, gop     int
	url                string
	channel            int // of a recorder, from 1
}

func (d *ONVIF) profiles() []streamProfile {
	list := []streamProfile{{
		token: "main", name: "mainStream", codec: d.cfg.Codec, width: d.cfg.Width, height: d.cfg.Height,
		fps: d.cfg.FPS, kbps: 4096, gop: d.cfg.GOP, url: d.cfg.StreamURL, channel: 1,
	}}
	if d.cfg.SubURL != "" {
		list = append(list, streamProfile{
			token: "sub", name: "subStream", codec: "H264", width: 640, height: 360,
			fps: d.cfg.FPS, kbps: 512, gop: d.cfg.GOP, url: d.cfg.SubURL, channel: 1,
		})
	}
	for i := 2; i <= d.cfg.Channels; i++ {
		other := list[0]
		other.token, other.name, other.channel = fmt.Sprint("main", i), fmt.Sprint("mainStream", i), i
		list = append(list, other)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(list, func(p streamProfile) bool { return d.unplugged[p.channel] })
}

// Plug takes a channel, from 1, out of a recorder with its profiles, or puts it back.
func (d *ONVIF) Plug(channel int, in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unplugged[channel] = !in
}

func (d *ONVIF) profile(token string) (streamProfile, *fault) {
	for _, p := range d.profiles() {
		if p.token == token {
			return p, nil
		}
	}
	return streamProfile{}, invalid("NoProfile")
}

func (d *ONVIF) media(q *soapRequest) (string, *fault) {
	switch q.body.name {
	case "GetProfiles":
		list := ""
		for _, p := range d.profiles() {
			list += d.profile1("trt:Profiles", p)
		}
		return in("trt:GetProfilesResponse", list), nil
	case "GetProfile":
		p, flt := d.profile(q.body.str("ProfileToken"))
		return in("trt:GetProfileResponse", d.profile1("trt:Profile", p)), flt
	case "GetVideoSources":
		list := ""
		for i := range max(1, d.cfg.Channels) {
			list += in(fmt.Sprintf(`trt:VideoSources token="vs%d"`, i+1), el("tt:Framerate", fmt.Sprint(d.cfg.FPS)),
				in("tt:Resolution", el("tt:Width", fmt.Sprint(d.cfg.Width)), el("tt:Height", fmt.Sprint(d.cfg.Height))))
		}
		return in("trt:GetVideoSourcesResponse", list), nil
	case "GetStreamUri":
		p, flt := d.profile(q.body.str("ProfileToken"))
		return in("trt:GetStreamUriResponse", mediaURI(d.stream(p.url))), flt
	case "GetSnapshotUri":
		_, flt := d.profile(q.body.str("ProfileToken"))
		return in("trt:GetSnapshotUriResponse", mediaURI(d.snapshotURI(q))), flt
	case "SetSynchronizationPoint":
		return "<trt:SetSynchronizationPointResponse/>", d.syncPoint(q)
	}
	return "", unsupported()
}

func (d *ONVIF) media2(q *soapRequest) (string, *fault) {
	if d.cfg.Quirks.NoMedia2 {
		return "", unsupported()
	}
	switch q.body.name {
	case "GetProfiles":
		if d.cfg.Quirks.NoProfileTypes && q.body.child("Type") != nil {
			return "", invalid("ConfigurationType")
		}
		list := ""
		for _, p := range d.profiles() {
			list += d.profile2(p)
		}
		return in("tr2:GetProfilesResponse", list), nil
	case "GetStreamUri":
		p, flt := d.profile(q.body.str("ProfileToken"))
		return in("tr2:GetStreamUriResponse", el("tr2:Uri", d.stream(p.url))), flt
	case "GetSnapshotUri":
		_, flt := d.profile(q.body.str("ProfileToken"))
		return in("tr2:GetSnapshotUriResponse", el("tr2:Uri", d.snapshotURI(q))), flt
	case "SetSynchronizationPoint":
		return "<tr2:SetSynchronizationPointResponse/>", d.syncPoint(q)
	}
	return "", unsupported()
}

func (d *ONVIF) syncPoint(q *soapRequest) *fault {
	if d.cfg.Quirks.NoSyncPoint {
		return unsupported()
	}
	if _, flt := d.profile(q.body.str("ProfileToken")); flt != nil {
		return flt
	}
	d.note("SetSynchronizationPoint %s", q.body.str("ProfileToken"))
	return nil
}

func (d *ONVIF) snapshotURI(q *soapRequest) string {
	if d.cfg.Quirks.SnapshotNoHost {
		return "/snapshot.jpg"
	}
	return d.at(q, "/snapshot.jpg")
}

func mediaURI(uri string) string {
	return in("trt:MediaUri", el("tt:Uri", uri), el("tt:InvalidAfterConnect", "false"),
		el("tt:InvalidAfterReboot", "true"), el("tt:Timeout", "PT0S"))
}

func (d *ONVIF) videoSource(name string, p streamProfile) string {
	return in(fmt.Sprintf(`%s token="vsc%d"`, name, p.channel), el("tt:Name", "source"), el("tt:UseCount", "2"),
		el("tt:SourceToken", fmt.Sprint("vs", p.channel)),
		fmt.Sprintf(`<tt:Bounds x="0" y="0" width="%d" height="%d"/>`, d.cfg.Width, d.cfg.Height))
}

const multicast = `<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address>` +
	`</tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>`

// profile1 is a profile of Media1, which has no word for H.265 and calls it H264.
func (d *ONVIF) profile1(name string, p streamProfile) string {
	num := func(n int) string { return fmt.Sprint(n) }
	video := in(fmt.Sprintf(`tt:VideoEncoderConfiguration token="ve_%s"`, p.token),
		el("tt:Name", p.name), el("tt:UseCount", "1"), el("tt:Encoding", "H264"),
		in("tt:Resolution", el("tt:Width", num(p.width)), el("tt:Height", num(p.height))), el("tt:Quality", "5"),
		in("tt:RateControl", el("tt:FrameRateLimit", num(p.fps)), el("tt:EncodingInterval", "1"),
			el("tt:BitrateLimit", num(p.kbps))),
		in("tt:H264", el("tt:GovLength", num(p.gop)), el("tt:H264Profile", "Main")),
		multicast, el("tt:SessionTimeout", "PT60S"))
	audio := in(`tt:AudioEncoderConfiguration token="ae1"`, el("tt:Name", "audio"), el("tt:UseCount", "1"),
		el("tt:Encoding", "G711"), el("tt:Bitrate", "64"), el("tt:SampleRate", "8"), multicast,
		el("tt:SessionTimeout", "PT60S"))
	return in(fmt.Sprintf(`%s token="%s" fixed="true"`, name, p.token), d.ordered(el("tt:Name", p.name),
		d.videoSource("tt:VideoSourceConfiguration", p), video, audio, d.ptzConfiguration("tt:PTZConfiguration"),
		d.audioOutput("tt:AudioOutputConfiguration", "tt:Extension")))
}

func (d *ONVIF) profile2(p streamProfile) string {
	num := func(n int) string { return fmt.Sprint(n) }
	video := in(fmt.Sprintf(`tr2:VideoEncoder token="ve_%s" GovLength="%d" Profile="Main"`, p.token, p.gop),
		el("tt:Name", p.name), el("tt:UseCount", "1"), el("tt:Encoding", p.codec),
		in("tt:Resolution", el("tt:Width", num(p.width)), el("tt:Height", num(p.height))),
		in("tt:RateControl", el("tt:FrameRateLimit", num(p.fps)), el("tt:BitrateLimit", num(p.kbps))),
		el("tt:Quality", "5"))
	audio := in(`tr2:AudioEncoder token="ae1"`, el("tt:Name", "audio"), el("tt:UseCount", "1"),
		el("tt:Encoding", "PCMA"), el("tt:Bitrate", "64"), el("tt:SampleRate", "8000"))
	return in(fmt.Sprintf(`tr2:Profiles token="%s" fixed="true"`, p.token), el("tr2:Name", p.name),
		in("tr2:Configurations", d.ordered(d.videoSource("tr2:VideoSource", p), video, audio, d.ptzConfiguration("tr2:PTZ"),
			d.audioOutput("tr2:AudioOutput", ""))))
}

// ordered joins elements in the order of the schema, or in another.
func (d *ONVIF) ordered(elements ...string) string {
	if d.cfg.Quirks.Disorder {
		slices.Reverse(elements)
	}
	return strings.Join(elements, "")
}

// audioOutput is a loudspeaker's configuration, which Media1 keeps in an element of its own.
func (d *ONVIF) audioOutput(name, inside string) string {
	if !d.cfg.Talk {
		return ""
	}
	output := in(name+` token="ao1"`, el("tt:Name", "loudspeaker"), el("tt:UseCount", "2"),
		el("tt:OutputToken", "out1"), el("tt:OutputLevel", "50"))
	if inside == "" {
		return output
	}
	return in(inside, output)
}
