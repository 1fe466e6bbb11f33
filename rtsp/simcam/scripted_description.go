package simcam

import (
	"fmt"
	"slices"
	"strings"
)

// DescriptionQuirks are the odd descriptions (SDP) that cameras were seen to send; the picture and, but where its name
// says otherwise, the sound are to be had. testdata of package rtsp holds whole descriptions of real ones.
func DescriptionQuirks() []RTSPQuirk {
	return slices.Concat(sessionLines(), mediaLines(), foreignTracks(), formatLines(), soundFormats())
}

// describes makes a quirk's answer of a change to the good description.
func describes(change func(sdp string) string) Answer {
	return AnswerTo("DESCRIBE", func(r *ScriptedRequest) string { return ReplySDP(r, change(ScriptedSDP)) })
}

// inSDP changes a piece of the good description, which must be there.
func inSDP(from, to string) Answer {
	if !strings.Contains(ScriptedSDP, from) {
		panic(fmt.Sprintf("%q is not in the description", from))
	}
	return describes(func(sdp string) string { return strings.Replace(sdp, from, to, 1) })
}

func sessionLines() []RTSPQuirk {
	const origin = "o=- 1 1 IN IP4 127.0.0.1"
	return slices.Concat(
		answers("H3C, Uniview", map[string]Answer{
			"SDP connection without a type": inSDP("t=0 0", "c=IN 192.0.2.1\r\nt=0 0"),
			"SDP origin without an address": inSDP(origin, "o=- 1 1 IN "),
		}),
		answers("Verint", map[string]Answer{
			"SDP origin of IP":    inSDP(origin, "o=- 1 1 IP IP4 192.0.2.1"),
			"SDP origin empty":    inSDP(origin, "o="),
			"SDP without version": inSDP("v=0\r\n", ""),
		}),
		answers("AJA", map[string]Answer{"SDP time broken": inSDP("t=0 0", "t=now\r\nr=0 0\r\nz=x")}),
		answers("several", map[string]Answer{
			"SDP bandwidths of their own": inSDP("t=0 0", "b=XX:5\r\nb=AS:12.5\r\nt=0 0"),
			"SDP title in GBK":            inSDP("s=x", "s=\xca\xb5\xca\xb1"),
			"SDP garbage and NULs":        describes(func(sdp string) string { return "\r\nHello\r\n" + sdp + "\x00\x00" }),
			"SDP lines ended by CR": describes(func(sdp string) string {
				return strings.ReplaceAll(sdp, "\r\n", "\r")
			}),
		}),
	)
}

func mediaLines() []RTSPQuirk {
	return slices.Concat(
		answers("several", map[string]Answer{
			"SDP session lines in a track": inSDP("a=rtpmap:96", "s=x\r\ni=y\r\no=z\r\na=rtpmap:96"),
			"SDP mid and group odd":        inSDP("a=rtpmap:96", "a=mid:video-1\r\na=group:BUNDLE x\r\na=rtpmap:96"),
			"SDP port of no number":        inSDP("m=video 0", "m=video -1"),
			"SDP protocol udp":             inSDP("m=video 0 RTP/AVP", "m=video 0 udp"),
			"SDP protocol SAVPF":           inSDP("m=video 0 RTP/AVP", "m=video 0 RTP/SAVPF"),
		}),
		answers("CV-RTSPHandler, FritzBox", map[string]Answer{
			"SDP all tracks sendonly": describes(func(sdp string) string {
				return strings.ReplaceAll(sdp, "a=control:trackID", "a=sendonly\r\na=control:trackID")
			}),
			"SDP video sendonly": inSDP("a=control:trackID=1", "a=sendonly\r\na=control:trackID=1"),
		}),
	)
}

func foreignTracks() []RTSPQuirk {
	track := func(lines string) Answer {
		return inSDP("m=video", lines+"a=control:trackID=9\r\nm=video")
	}
	return slices.Concat(
		answers("TP-Link, Mercury, BZBGEAR", map[string]Answer{
			"SDP track vana":    track("m=vana 0 RTP/AVP 99\r\n"),
			"SDP track meta":    track("m=meta 0 RTP/AVP 99\r\n"),
			"SDP track data":    track("m=data 0 RTP/AVP 99\r\n"),
			"SDP track message": track("m=message 0 TCP/MSRP *\r\n"),
			"SDP track smart":   track("m=application 0 RTP/AVP 107\r\na=rtpmap:107 smart/1/90000\r\n"),
		}),
		answers("Avigilon", map[string]Answer{
			"SDP track without a clock": track("m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.x\r\n"),
		}),
	)
}

func formatLines() []RTSPQuirk {
	fmtp := func(params string) Answer {
		return inSDP("a=control:trackID=1", "a=fmtp:96 "+params+"\r\na=control:trackID=1")
	}
	const other = "Z2QADazZQUH7ARAAAAMAEAAAAwMg8UKZYA==,aO+Pyw==" // of 320 by 240
	return slices.Concat(
		answers("nearly all", map[string]Answer{
			"SDP codec in lower case":    inSDP("H264/90000", "h264/90000"),
			"SDP codec called AVC":       inSDP("H264/90000", "AVC/90000"),
			"SDP clock of 90001":         inSDP("H264/90000", "H264/90001"),
			"SDP blank behind the clock": inSDP("H264/90000", "H264/90000 "),
			"SDP codec told by fmtp alone": inSDP("a=rtpmap:96 H264/90000",
				"a=fmtp:96 packetization-mode=1;sprop-parameter-sets="+ScriptedSPS+","+ScriptedPPS),
			"SDP packetization-mode 2": fmtp("packetization-mode=2"),
			"SDP packetization-mode 0": fmtp("packetization-mode=0"),
			"SDP fmtp in the other track": describes(func(sdp string) string {
				return sdp + "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" + ScriptedSPS + "," + ScriptedPPS + "\r\n"
			}),
		}),
		answers("Uniview, Eufy", map[string]Answer{
			"SDP parameter sets of another stream": fmtp("profile-level-id=420001;sprop-parameter-sets=" + other),
			"SDP parameter sets broken":            fmtp("sprop-parameter-sets=%%%,Z2"),
			"SDP parameter sets empty":             fmtp("sprop-parameter-sets=,"),
		}),
		[]RTSPQuirk{{"SDP static payload type", "several", func(cam *Scripted) {
			cam.Answer = describes(func(sdp string) string { return strings.ReplaceAll(sdp, "96", "33") })
			cam.Tweak = func(_ int, b []byte) []byte { b[1] = b[1]&0x80 | 33; return b }
		}}},
	)
}

func soundFormats() []RTSPQuirk {
	sound := func(format string) Answer {
		return inSDP("m=audio 0 RTP/AVP 8\r\n", "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 "+format+"\r\n")
	}
	return slices.Concat(
		answers("several", map[string]Answer{
			"SDP AAC without fmtp":      sound("MPEG4-GENERIC/16000"),
			"SDP AAC with empty config": sound("MPEG4-GENERIC/16000\r\na=fmtp:97 profile-level-id=0x0f;config="),
		}),
		answers("Meraki", map[string]Answer{
			"SDP LATM without config": sound("MP4A-LATM/16000\r\na=fmtp:97 cpresent=1"),
		}),
		answers("Hikvision and others, as an option", map[string]Answer{
			"SDP no sound but PCM of 48 kHz":  sound("PCM/48000"),
			"SDP no sound but Opus of 8 kHz":  sound("opus/8000"),
			"SDP no sound but G.726":          sound("G726-32/8000"),
			"SDP no sound but PCMA of 16 kHz": sound("PCMA/16000"),
		}),
	)
}
