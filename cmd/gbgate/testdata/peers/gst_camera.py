#!/usr/bin/python3
"""A foreign RTSP camera: GStreamer's server plays one file to each client from its beginning.

usage: gst_camera.py FILM.mkv h264|hevc [alaw|aac [USER PASSWORD]]
Prints its URL; ends when standard input is closed.
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
film, codec = sys.argv[1], sys.argv[2]
pay = {
    "h264": "h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 mtu=1400",
    "hevc": "h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1 mtu=1400",
    "alaw": "audio/x-alaw ! rtppcmapay name=pay1 pt=8",
    "aac": "aacparse ! rtpmp4gpay name=pay1 pt=97",
}
launch = f"( filesrc location={film} ! matroskademux name=film film.video_0 ! queue ! {pay[codec]}"
if len(sys.argv) > 3:
    launch += f" film.audio_0 ! queue ! {pay[sys.argv[3]]}"
launch += " )"

server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(launch)
factory.set_shared(False)
if len(sys.argv) > 5:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_digest(sys.argv[4], sys.argv[5], token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.new_from_string("user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")
    )
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(f"rtsp://127.0.0.1:{server.get_bound_port()}/live", flush=True)

loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
