#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dscp_paths.py INTERFACE MSEC: the DSCPs, and how many packets of each, of ESP in UDP that goes through the interface
one way or the other for so long, as JSON: {"out": {"5": 12, ...}, "in": {...}}."""
import json
import socket
import sys
import time

PACKET_OUTGOING, IP, UDP = 4, 0x0800, 17

s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
s.bind((sys.argv[1], 0x0003))
s.settimeout(0.01)
ways = {"out": {}, "in": {}}
end = time.monotonic() + float(sys.argv[2]) / 1000
while time.monotonic() < end:
    try:
        data, at = s.recvfrom(64)
    except TimeoutError:
        continue
    if at[1] == IP and data[9] == UDP:
        way = ways["out" if at[2] == PACKET_OUTGOING else "in"]
        way[data[1] >> 2] = way.get(data[1] >> 2, 0) + 1
print(json.dumps(ways))
