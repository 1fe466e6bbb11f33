#!/usr/bin/python3
"""A foreign camera with a loudspeaker: GStreamer's ONVIF server writes what is said to a file.

usage: gst_speaker.py FILE
Prints its URL; ends when standard input is closed.
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPOnvifServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPOnvifMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
factory.set_backchannel_launch(
    '( capsfilter caps="application/x-rtp, media=audio, payload=0, clock-rate=8000, encoding-name=PCMU" '
    f"name=depay_backchannel ! rtppcmudepay ! filesink location={sys.argv[1]} buffer-mode=unbuffered async=false )"
)
factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
factory.set_shared(False)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(f"rtsp://127.0.0.1:{server.get_bound_port()}/live", flush=True)

loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
