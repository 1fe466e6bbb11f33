package onvif

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Profile is one media profile: a stream and what belongs to it.
type Profile struct {
	Token, Name string
	// Source is the token of the video source. Profiles of one source show the same picture;
	// each source of a recorder or multi-lens camera is a channel.
	Source string
	// SourceConfig is the token of the video source's configuration, by which some events name it.
	SourceConfig string

	Video Video
	Audio Audio
	// PTZ is the token of the PTZ configuration, Node that of its node; "" = cannot be moved,
	// or the device does not say.
	PTZ, Node string
	// PTZTimeout is how long a movement lasts without another command; 0 = not told.
	PTZTimeout time.Duration
	// Talk tells that the profile has an audio output: one can speak through the camera.
	Talk   bool
	second bool // listed by Media2
}

// Video is how a profile's pictures are encoded. The device's word is a hint: Media1 has no name
// for H.265, and some call it H264.
type Video struct {
	Token         string
	Codec         string // "H264", "H265", "JPEG", "MPEG4"; "" = none
	Width, Height int
	FPS           float64
	BitrateKbps   int
	GOP           int // pictures from key to key; 0 = not told
}

// Audio is how a profile's sound is encoded.
type Audio struct {
	Codec       string // "G711", "AAC", "G726", "PCMU" …; "" = none
	BitrateKbps int
	SampleRate  int // Hz; 0 = not told
}

// Profiles lists the media profiles: those of Media2, which knows H.265, or those of Media1.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	list, err := c.profiles2(ctx)
	if err == nil && len(list) > 0 {
		return list, nil
	}
	if k := kindOf(err); k == NotAuthorized || k == Resting || k == Refused {
		return nil, err
	}
	return c.profiles1(ctx)
}

func (c *Client) profiles1(ctx context.Context) ([]Profile, error) {
	e, err := c.call(ctx, request{service: mediaService, op: "GetProfiles", body: "<trt:GetProfiles/>"})
	if err != nil {
		return nil, err
	}
	var list []Profile
	for _, p := range e.all("Profiles") {
		v, a := p.at("VideoEncoderConfiguration"), p.at("AudioEncoderConfiguration")
		list = append(list, Profile{
			Token: p.attr("token"), Name: p.str("Name"), Source: p.str("VideoSourceConfiguration", "SourceToken"),
			SourceConfig: p.at("VideoSourceConfiguration").attr("token"),
			Video:        readVideo(v), Audio: readAudio(a),
			PTZ: p.at("PTZConfiguration").attr("token"), Node: p.str("PTZConfiguration", "NodeToken"),
			PTZTimeout: xsDuration(p.str("PTZConfiguration", "DefaultPTZTimeout")),
			Talk:       p.at("Extension", "AudioOutputConfiguration") != nil,
		})
	}
	return list, nil
}

// profiles2 asks Media2 for the parts that we use. Type All crashes onvif_simple_server; some
// devices refuse to be asked for types.
func (c *Client) profiles2(ctx context.Context) ([]Profile, error) {
	types := ""
	for _, t := range []string{"VideoSource", "VideoEncoder", "AudioEncoder", "AudioOutput", "PTZ"} {
		types += leaf("tr2:Type", t)
	}
	e, err := c.call(ctx, request{service: media2Service, op: "GetProfiles", body: wrap("tr2:GetProfiles", types)})
	if k := kindOf(err); k == InvalidArgs || k == Fault {
		e, err = c.call(ctx, request{service: media2Service, op: "GetProfiles", body: "<tr2:GetProfiles/>"})
	}
	if err != nil {
		return nil, err
	}
	var list []Profile
	for _, p := range e.all("Profiles") {
		parts := p.at("Configurations")
		list = append(list, Profile{
			Token: p.attr("token"), Name: p.str("Name"), Source: parts.str("VideoSource", "SourceToken"),
			SourceConfig: parts.at("VideoSource").attr("token"),
			Video:        readVideo(parts.at("VideoEncoder")), Audio: readAudio(parts.at("AudioEncoder")),
			PTZ: parts.at("PTZ").attr("token"), Node: parts.str("PTZ", "NodeToken"),
			PTZTimeout: xsDuration(parts.str("PTZ", "DefaultPTZTimeout")),
			Talk:       parts.at("AudioOutput") != nil, second: true,
		})
	}
	return list, nil
}

var xsTimes = regexp.MustCompile(`^P(?:0+[YMD])*T(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:\.\d+)?)S)?$`)

// xsDuration reads an xs:duration below a day; 0 for any other.
func xsDuration(s string) time.Duration {
	m := xsTimes.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0
	}
	seconds := number(m[1])*3600 + number(m[2])*60 + number(m[3])
	return time.Duration(min(seconds, 86400) * float64(time.Second))
}

// readVideo takes a video encoder configuration of either service.
func readVideo(e *element) Video {
	v := Video{
		Token: e.attr("token"), Codec: videoCodec(e.str("Encoding")),
		Width: e.integer("Resolution", "Width"), Height: e.integer("Resolution", "Height"),
		FPS: e.num("RateControl", "FrameRateLimit"), BitrateKbps: e.integer("RateControl", "BitrateLimit"),
	}
	if every := e.num("RateControl", "EncodingInterval"); every > 1 {
		v.FPS /= every
	}
	gop := e.attr("GovLength")
	for _, codec := range []string{"H264", "H265", "MPEG4"} {
		if gop == "" {
			gop = e.str(codec, "GovLength")
		}
	}
	if n := number(gop); n > 0 && n < 1e6 {
		v.GOP = int(n)
	}
	return v
}

// videoCodec brings the spellings of one codec together.
func videoCodec(s string) string {
	switch s = strings.NewReplacer(".", "", "-", "", " ", "").Replace(strings.ToUpper(s)); s {
	case "HEVC":
		return "H265"
	case "AVC":
		return "H264"
	case "MPV4ES":
		return "MPEG4"
	case "MJPEG":
		return "JPEG"
	}
	return s
}

func readAudio(e *element) Audio {
	rate := e.integer("SampleRate")
	if rate > 0 && rate < 1000 {
		rate *= 1000 // Media1 counts in kHz
	}
	codec := strings.ToUpper(e.str("Encoding"))
	if codec == "MP4A-LATM" || codec == "MPEG4-GENERIC" {
		codec = "AAC"
	}
	return Audio{Codec: codec, BitrateKbps: e.integer("Bitrate"), SampleRate: rate}
}

// Sources lists the video sources of the profiles, in their order: one is one channel.
func Sources(profiles []Profile) []string {
	var list []string
	for _, p := range profiles {
		if !slices.Contains(list, p.Source) {
			list = append(list, p.Source)
		}
	}
	return list
}

// Best chooses a source's main stream, the largest, and its sub stream, the smallest that is at
// least 320 wide. MJPEG, which GB/T 28181 cannot carry, counts only where there is nothing else.
// sub is the zero Profile if there is but one stream.
func Best(profiles []Profile, source string) (main, sub Profile) {
	var fit, rest []Profile
	for _, p := range profiles {
		switch {
		case p.Source != source && source != "":
		case p.Video.Codec == "JPEG" || p.Video.Codec == "":
			rest = append(rest, p)
		default:
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		fit = rest
	}
	if len(fit) == 0 {
		return Profile{}, Profile{}
	}
	area := func(p Profile) int { return p.Video.Width * p.Video.Height }
	main = fit[0]
	for _, p := range fit {
		if area(p) > area(main) {
			main = p
		}
	}
	for _, p := range fit {
		if p.Token != main.Token && p.Video.Width >= 320 && (sub.Token == "" || area(p) < area(sub)) {
			sub = p
		}
	}
	return main, sub
}

// StreamURI returns a profile's RTSP address, without account, with the host that we know.
func (c *Client) StreamURI(ctx context.Context, p Profile) (string, error) {
	first := request{
		service: mediaService, op: "GetStreamUri",
		body: wrap("trt:GetStreamUri",
			wrap("trt:StreamSetup", leaf("tt:Stream", "RTP-Unicast"), wrap("tt:Transport", leaf("tt:Protocol", "RTSP"))),
			leaf("trt:ProfileToken", p.Token)),
	}
	second := request{
		service: media2Service, op: "GetStreamUri",
		body: wrap("tr2:GetStreamUri", leaf("tr2:Protocol", "RTSP"), leaf("tr2:ProfileToken", p.Token)),
	}
	uri, err := c.uri(ctx, p, first, second)
	if err != nil {
		return "", err
	}
	return c.rewrite(uri, true), nil
}

// SnapshotURI returns the HTTP address of a profile's still picture.
func (c *Client) SnapshotURI(ctx context.Context, p Profile) (string, error) {
	first := request{
		service: mediaService, op: "GetSnapshotUri",
		body: wrap("trt:GetSnapshotUri", leaf("trt:ProfileToken", p.Token)),
	}
	second := request{
		service: media2Service, op: "GetSnapshotUri",
		body: wrap("tr2:GetSnapshotUri", leaf("tr2:ProfileToken", p.Token)),
	}
	uri, err := c.uri(ctx, p, first, second)
	if err != nil {
		return "", err
	}
	return c.endpointOf(uri).address, nil
}

// uri asks the service that listed the profile, then the other one.
func (c *Client) uri(ctx context.Context, p Profile, first, second request) (string, error) {
	if p.second {
		first, second = second, first
	}
	e, err := c.call(ctx, first)
	if k := kindOf(err); k == ActionNotSupported || k == Fault || k == NotONVIF {
		if other, otherErr := c.call(ctx, second); otherErr == nil {
			e, err = other, nil
		}
	}
	if err != nil {
		return "", err
	}
	uri := e.str("MediaUri", "Uri")
	if uri == "" {
		uri = e.find("Uri").str()
	}
	if uri == "" {
		return "", &Error{Kind: NotONVIF, Op: first.op, Text: "camera names no address"}
	}
	return uri, nil
}

// SetSynchronizationPoint asks a profile for a key picture now.
func (c *Client) SetSynchronizationPoint(ctx context.Context, p Profile) error {
	first := request{
		service: mediaService, op: "SetSynchronizationPoint",
		body: wrap("trt:SetSynchronizationPoint", leaf("trt:ProfileToken", p.Token)),
	}
	second := request{
		service: media2Service, op: "SetSynchronizationPoint",
		body: wrap("tr2:SetSynchronizationPoint", leaf("tr2:ProfileToken", p.Token)),
	}
	if p.second {
		first, second = second, first
	}
	_, err := c.call(ctx, first)
	if kindOf(err) == ActionNotSupported {
		_, err = c.call(ctx, second)
	}
	return err
}
