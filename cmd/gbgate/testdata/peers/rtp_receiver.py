#!/usr/bin/python3
"""A foreign receiver: writes the payload of RTP packets over UDP to a file, in the order of their numbers.

usage: rtp_receiver.py FILE SSRC QUIET_SECONDS
Prints its port. Ends when no packet has come for QUIET_SECONDS after the first one, or 30 s before it, and
prints: packets, lost, first sequence number, wrong SSRC, distinct timestamps, markers.
"""
import socket
import struct
import sys

path, ssrc, quiet = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
sock.bind(("127.0.0.1", 0))
print(sock.getsockname()[1], flush=True)
packets, foreign = {}, 0
timestamps, markers = set(), 0
high = None
sock.settimeout(30)
try:
    while True:
        data = sock.recv(65536)
        sock.settimeout(quiet)
        first, second, seq, ts, source = struct.unpack("!BBHII", data[:12])
        if first >> 6 != 2 or source != ssrc or second & 0x7F != 96:
            foreign += 1
            continue
        number = seq if high is None else high + ((seq - high + 0x8000) & 0xFFFF) - 0x8000
        high = number if high is None else max(high, number)
        packets[number] = data[12:]
        timestamps.add(ts)
        markers += second >> 7
except TimeoutError:
    pass
with open(path, "wb") as out:
    for number in sorted(packets):
        out.write(packets[number])
first = min(packets) if packets else 0
lost = (max(packets) - first + 1 - len(packets)) if packets else 0
print(len(packets), lost, first, foreign, len(timestamps), markers, flush=True)
