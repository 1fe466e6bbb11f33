package config

import (
	"slices"
	"strings"
	"time"
)

// replayMakers are those whose recorders' URLs are known. (Package rtsp has the URLs; a test of cmd/gbgate holds
// both equal.)
func replayMakers() []string { return []string{"dahua", "hikvision", "uniview", "vivotek", "xvr"} }

// replay checks how a camera's own recordings are reached.
func (c check) replay(cam Camera) {
	template := strings.HasPrefix(cam.Replay, "/") || strings.HasPrefix(cam.Replay, "rtsp://") ||
		strings.HasPrefix(cam.Replay, "rtsps://")
	maker := slices.Contains(replayMakers(), cam.Replay)
	switch {
	case cam.Replay == "" &&
		(cam.RecordingToken != "" || cam.ReplayChannel != 0 || cam.ReplayZone != "" || cam.ReplayDays != 0):
		c.fault("replay", "is missing; recording_token, replay_channel, replay_zone and replay_days are about it")
	case cam.Replay == "":
	case cam.Replay == "onvif" && cam.ONVIF == "":
		c.fault("replay", "is \"onvif\", but the camera has no onvif address")
	case cam.Replay != "onvif" && !maker && !template:
		c.fault("replay", "%q is neither onvif nor %s, nor a path or rtsp:// URL with {start:…} and {end:…}",
			cam.Replay, strings.Join(replayMakers(), ", "))
	case template && strings.Contains(hostPart(cam.Replay), "@"):
		c.fault("replay", "has a user or password in it; they belong into the keys username and password")
	case cam.Replay != "onvif" && cam.URL == "" && !strings.Contains(cam.Replay, "://"):
		c.fault("replay", "needs url, for the recorder's address")
	case cam.Replay != "onvif" && cam.ONVIF == "" && cam.ReplayDays == 0:
		c.fault("replay_days", "is missing: without onvif nobody can search, so say how many days the recorder keeps")
	}
	if cam.ReplayChannel < 0 || cam.ReplayChannel > 10_000 {
		c.fault("replay_channel", "is %d; channels count from 1", cam.ReplayChannel)
	}
	if cam.ReplayDays < 0 || cam.ReplayDays > 3660 {
		c.fault("replay_days", "is %d; 1 to 3660 make sense", cam.ReplayDays)
	}
	if _, ok := ParseZone(cam.ReplayZone); !ok {
		c.fault("replay_zone", "%q is neither UTC nor an offset such as +08:00", cam.ReplayZone)
	}
}

func hostPart(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// ParseZone reads "UTC" or "+08:00"; "" is nil.
func ParseZone(text string) (zone *time.Location, ok bool) {
	switch text {
	case "":
		return nil, true
	case "UTC":
		return time.UTC, true
	}
	t, err := time.Parse("-07:00", text)
	if err != nil {
		return nil, false
	}
	_, seconds := t.Zone()
	return time.FixedZone(text, seconds), true
}
