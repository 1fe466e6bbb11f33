package simcam

import (
	"fmt"
	"strings"
)

// jobPrefix makes the token of a recording's one job of the recording's own.
const jobPrefix = "job_"

// recording answers the Recording Control service (Profile G), as far as it tells: what is recorded is the
// configuration's to say.
func (d *ONVIF) recording(q *soapRequest) (string, *fault) {
	switch q.body.name {
	case "GetServiceCapabilities":
		return in("trc:GetServiceCapabilitiesResponse",
			`<trc:Capabilities DynamicRecordings="false" DynamicTracks="false" Options="false"/>`), nil
	case "GetRecordings":
		list := ""
		for _, r := range d.cfg.Recordings {
			list += r.item()
		}
		return in("trc:GetRecordingsResponse", list), nil
	case "GetRecordingJobs":
		list := ""
		for _, r := range d.cfg.Recordings {
			list += in("trc:JobItem", el("tt:JobToken", jobPrefix+r.Token), d.job(r, "tt:JobConfiguration"))
		}
		return in("trc:GetRecordingJobsResponse", list), nil
	case "GetRecordingConfiguration", "GetTrackConfiguration":
		return d.recordingConfiguration(q)
	case "GetRecordingJobConfiguration", "GetRecordingJobState":
		return d.recordingJob(q)
	}
	return "", unsupported()
}

func (d *ONVIF) findRecording(token string) (ONVIFRecording, *fault) {
	for _, r := range d.cfg.Recordings {
		if r.Token == token {
			return r, nil
		}
	}
	return ONVIFRecording{}, invalid("NoRecording")
}

func (d *ONVIF) recordingConfiguration(q *soapRequest) (string, *fault) {
	r, flt := d.findRecording(q.body.str("RecordingToken"))
	if flt != nil {
		return "", flt
	}
	if q.body.name == "GetRecordingConfiguration" {
		return in("trc:GetRecordingConfigurationResponse", r.configuration("trc:RecordingConfiguration")), nil
	}
	if q.body.str("TrackToken") != videoTrack {
		return "", invalid("NoTrack")
	}
	return in("trc:GetTrackConfigurationResponse", trackConfiguration("trc:TrackConfiguration")), nil
}

func (d *ONVIF) recordingJob(q *soapRequest) (string, *fault) {
	token, ok := strings.CutPrefix(q.body.str("JobToken"), jobPrefix)
	r, flt := d.findRecording(token)
	if !ok || flt != nil {
		return "", invalid("NoRecordingJob")
	}
	if q.body.name == "GetRecordingJobConfiguration" {
		return in("trc:GetRecordingJobConfigurationResponse", d.job(r, "trc:JobConfiguration")), nil
	}
	return in("trc:GetRecordingJobStateResponse", in("trc:State", el("tt:RecordingToken", r.Token),
		el("tt:State", "Active"), in("tt:Sources", d.recorded(r), el("tt:State", "Active"),
			in("tt:Tracks", in("tt:Track", el("tt:SourceTag", "Video"), el("tt:Destination", videoTrack),
				el("tt:State", "Active")))))), nil
}

// item is a recording with its one track.
func (r ONVIFRecording) item() string {
	return in("trc:RecordingItem", el("tt:RecordingToken", r.Token), r.configuration("tt:Configuration"),
		in("tt:Tracks", in("tt:Track", el("tt:TrackToken", videoTrack), trackConfiguration("tt:Configuration"))))
}

func (r ONVIFRecording) configuration(name string) string {
	return in(name, r.source(), el("tt:Content", ""), el("tt:MaximumRetentionTime", "PT0S"))
}

func trackConfiguration(name string) string {
	return in(name, el("tt:TrackType", "Video"), el("tt:Description", ""))
}

// job is the configuration of the job that makes a recording.
func (d *ONVIF) job(r ONVIFRecording, name string) string {
	return in(name, el("tt:RecordingToken", r.Token), el("tt:Mode", "Active"), el("tt:Priority", "1"),
		in("tt:Source", d.recorded(r),
			in("tt:Tracks", el("tt:SourceTag", "Video"), el("tt:Destination", videoTrack))))
}

// recorded names the profile that is recorded: the first of the recording's video source.
func (d *ONVIF) recorded(r ONVIFRecording) string {
	token := ""
	for _, p := range d.profiles() {
		if fmt.Sprint("vs", p.channel) == r.Source {
			token = p.token
			break
		}
	}
	return in(`tt:SourceToken Type="http://www.onvif.org/ver10/schema/Profile"`, el("tt:Token", token))
}
