#!/usr/bin/python3
"""A foreign recorder: GStreamer's ONVIF server replays one file as what was recorded from a time on.

usage: gst_replay.py FILM.mkv h264|hevc START
START is seconds since 1970, when the recording begins. Prints its URL; ends when standard input is closed.
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
film, codec, start = sys.argv[1], sys.argv[2], int(sys.argv[3])
base = (start + 2208988800) * Gst.SECOND  # GStreamer's clock ranges count from 1900
pay = {
    "h264": "h264parse name=parse ! rtph264pay pt=96 config-interval=-1 mtu=1400",
    "hevc": "h265parse name=parse ! rtph265pay pt=96 config-interval=-1 mtu=1400",
}


def shift(pad, info):
    """A seek to a time of day becomes one within the film."""
    event = info.get_event()
    if event.type != Gst.EventType.SEEK:
        return Gst.PadProbeReturn.OK
    rate, fmt, flags, kind, at, until_kind, until = event.parse_seek()
    if fmt != Gst.Format.TIME or max(at, until) < base // 2:
        return Gst.PadProbeReturn.OK

    def inside(t):
        return max(t - base, 0) if t > base // 2 else t

    other = Gst.Event.new_seek(rate, fmt, flags, kind, inside(at), until_kind, inside(until))
    other.set_seqnum(event.get_seqnum())
    pad.send_event(other)
    return Gst.PadProbeReturn.HANDLED


class Recorder(GstRtspServer.RTSPOnvifMediaFactory):
    def do_create_element(self, url):
        whole = Gst.Bin()
        source = Gst.parse_bin_from_description(f"filesrc location={film} ! matroskademux name=demux", False)
        sender = Gst.parse_bin_from_description(
            f"queue ! {pay[codec]} ! rtponviftimestamp ntp-offset={base} set-e-bit=true set-t-bit=true "
            "drop-out-of-segment=false ! queue",
            True,
        )
        sender.set_name("pay0")
        whole.add(source)
        whole.add(sender)
        demux = source.get_by_name("demux")
        sender.get_by_name("parse").get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, shift)

        def added(_, pad):
            if pad.get_name().startswith("video"):
                ghost = Gst.GhostPad.new("src", pad)
                ghost.set_active(True)
                source.add_pad(ghost)
                ghost.link(sender.get_static_pad("sink"))

        demux.connect("pad-added", added)
        return whole


server = GstRtspServer.RTSPOnvifServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = Recorder()
factory.set_replay_support(True)
factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
factory.set_shared(False)
server.get_mount_points().add_factory("/replay", factory)
server.attach(None)
print(f"rtsp://127.0.0.1:{server.get_bound_port()}/replay", flush=True)

loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
