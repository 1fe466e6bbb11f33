"""A foreign ONVIF client: zeep with the official WSDLs, which takes only answers that are valid by the schema.

Arguments: archive of the WSDLs, address of the device service, user name, password. Prints one JSON object.
"""
import json
import sys
import tarfile
import tempfile
from datetime import datetime, timedelta, timezone

from zeep import Client, Settings
from zeep.wsse.username import UsernameToken

archive, address, user, password = sys.argv[1:]


class Token(UsernameToken):
    """zeep dates a token in local time without fractions; a device wants UTC."""

    def __init__(self):
        super().__init__(user, password, use_digest=True, created=datetime.now(timezone.utc))


def main(folder):
    def service(wsdl, binding, url):
        client = Client(f"{folder}/{wsdl}", wsse=Token() if user else None, settings=Settings(strict=True))
        return client.create_service(binding, url)

    device = service("devicemgmt.wsdl", "{http://www.onvif.org/ver10/device/wsdl}DeviceBinding", address)
    got = {"hours": device.GetSystemDateAndTime().UTCDateTime.Time.Hour is not None}
    got["model"] = device.GetDeviceInformation().Model
    got["scopes"] = len(device.GetScopes())
    capabilities = device.GetCapabilities(Category=["All"])
    services = {s.Namespace: s.XAddr for s in device.GetServices(IncludeCapability=False)}
    got["services"] = sorted(namespace.split("/")[-2] for namespace in services)
    got["relays"] = [r.token for r in device.GetRelayOutputs()]

    media = service("media.wsdl", "{http://www.onvif.org/ver10/media/wsdl}MediaBinding", capabilities.Media.XAddr)
    profiles = media.GetProfiles()
    got["profiles"] = {p.token: p.VideoEncoderConfiguration.Resolution.Width for p in profiles}
    profile = profiles[0].token
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    got["stream"] = media.GetStreamUri(StreamSetup=setup, ProfileToken=profile).Uri
    got["snapshot"] = media.GetSnapshotUri(ProfileToken=profile).Uri.endswith(".jpg")
    media.SetSynchronizationPoint(ProfileToken=profile)

    ptz = service("ptz.wsdl", "{http://www.onvif.org/ver20/ptz/wsdl}PTZBinding", capabilities.PTZ.XAddr)
    got["presets_allowed"] = ptz.GetNodes()[0].MaximumNumberOfPresets
    got["configurations"] = [c.token for c in ptz.GetConfigurations()]
    ptz.ContinuousMove(ProfileToken=profile, Velocity={"PanTilt": {"x": 0.5, "y": -0.25}, "Zoom": {"x": 0}})
    got["moving"] = ptz.GetStatus(ProfileToken=profile).MoveStatus.PanTilt
    ptz.Stop(ProfileToken=profile, PanTilt=True, Zoom=True)
    ptz.AbsoluteMove(ProfileToken=profile, Position={"PanTilt": {"x": 0.5, "y": 0.25}, "Zoom": {"x": 0.5}})
    at = ptz.GetStatus(ProfileToken=profile).Position
    got["position"] = [at.PanTilt.x, at.PanTilt.y, at.Zoom.x]
    token = ptz.SetPreset(ProfileToken=profile, PresetName="gate")
    ptz.RelativeMove(ProfileToken=profile, Translation={"PanTilt": {"x": 0.1, "y": 0}})
    ptz.GotoPreset(ProfileToken=profile, PresetToken=token)
    got["presets"] = {p.token: p.Name for p in ptz.GetPresets(ProfileToken=profile)}
    got["tours"] = [t.token for t in ptz.GetPresetTours(ProfileToken=profile)]
    ptz.RemovePreset(ProfileToken=profile, PresetToken=token)
    ptz.GotoHomePosition(ProfileToken=profile)
    ptz.SendAuxiliaryCommand(ProfileToken=profile, AuxiliaryData="tt:Wiper|On")

    imaging = service(
        "imaging.wsdl", "{http://www.onvif.org/ver20/imaging/wsdl}ImagingBinding", capabilities.Imaging.XAddr
    )
    source = profiles[0].VideoSourceConfiguration.SourceToken
    got["focus"] = imaging.GetMoveOptions(VideoSourceToken=source).Continuous.Speed.Max
    imaging.Move(VideoSourceToken=source, Focus={"Continuous": {"Speed": 0.5}})
    imaging.Stop(VideoSourceToken=source)
    got["iris"] = imaging.GetImagingSettings(VideoSourceToken=source).Exposure.Iris

    events = service(
        "events.wsdl", "{http://www.onvif.org/ver10/events/wsdl}EventBinding", capabilities.Events.XAddr
    )
    subscription = events.CreatePullPointSubscription(InitialTerminationTime="PT600S")
    point = subscription.SubscriptionReference.Address._value_1
    pull = service("events.wsdl", "{http://www.onvif.org/ver10/events/wsdl}PullPointSubscriptionBinding", point)
    messages = pull.PullMessages(Timeout=timedelta(seconds=5), MessageLimit=10).NotificationMessage
    # zeep loses the text of a topic, which the schema calls mixed; the items have to do.
    got["events"] = [m.Message._value_1.xpath(".//@Name|.//@Value|./@PropertyOperation") for m in messages]
    manager = service("events.wsdl", "{http://www.onvif.org/ver10/events/wsdl}SubscriptionManagerBinding", point)
    manager.Renew(TerminationTime="PT600S")
    manager.Unsubscribe()

    ns = "http://www.onvif.org/ver10/search/wsdl"
    search = service("search.wsdl", f"{{{ns}}}SearchBinding", services[ns])
    got["recordings"] = search.GetRecordingSummary().NumberRecordings
    token = search.FindRecordings(Scope={}, KeepAliveTime=timedelta(seconds=10))
    results = search.GetRecordingSearchResults(SearchToken=token, WaitTime=timedelta(seconds=1))
    got["found"] = [r.RecordingToken for r in results.RecordingInformation]
    search.EndSearch(SearchToken=token)
    now = datetime.now(timezone.utc)
    token = search.FindEvents(
        StartPoint=now - timedelta(days=1), EndPoint=now, Scope={}, SearchFilter={}, IncludeStartState=True,
        KeepAliveTime=timedelta(seconds=10),
    )
    results = search.GetEventSearchResults(SearchToken=token, WaitTime=timedelta(seconds=1))
    got["changes"] = len(results.Result)
    search.EndSearch(SearchToken=token)
    ns = "http://www.onvif.org/ver10/recording/wsdl"
    control = service("recording.wsdl", f"{{{ns}}}RecordingBinding", services[ns])
    recording = control.GetRecordings()[0]
    track = recording.Tracks.Track[0].TrackToken
    got["controlled"] = [recording.RecordingToken, recording.Configuration.Source.Name, track]
    got["track"] = control.GetTrackConfiguration(RecordingToken="r1", TrackToken=track).TrackType
    job = control.GetRecordingJobs()[0]
    got["job"] = [job.JobConfiguration.Source[0].SourceToken.Token, control.GetRecordingJobState(job.JobToken).State]
    control.GetRecordingConfiguration("r1")
    control.GetRecordingJobConfiguration(job.JobToken)
    control.GetServiceCapabilities()
    got["information"] = search.GetRecordingInformation(RecordingToken="r1").RecordingStatus
    ns = "http://www.onvif.org/ver10/replay/wsdl"
    replay = service("replay.wsdl", f"{{{ns}}}ReplayBinding", services[ns])
    got["replay"] = replay.GetReplayUri(StreamSetup=setup, RecordingToken="r1")
    print(json.dumps(got))


with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    main(folder)
