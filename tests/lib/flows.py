# SPDX-License-Identifier: GPL-2.0-only
# flows.py SECONDS TOS: 40 flows of datagrams to the LAN, 5 kB/s each.
import socket, sys, time

flows = []
for port in range(4000, 4040):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(sys.argv[2], 0))
    s.connect(("203.0.113.11", port))
    s.setblocking(False)
    flows.append(s)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for s in flows:
        try:
            s.send(b"x" * 500)
        except OSError:
            pass
    time.sleep(0.1)
