# SPDX-License-Identifier: GPL-2.0-only
"""Forget every connection this network namespace tracks, as a NAT does that restarts: a ctnetlink
message without a tuple. Exit 77 where the kernel has no ctnetlink."""

import socket
import struct
import sys

NETLINK_NETFILTER, CT_DELETE, REQUEST_ACK = 12, 1 << 8 | 2, 5

try:
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    s.bind((0, 0))
    s.send(struct.pack("=IHHII BBH", 20, CT_DELETE, REQUEST_ACK, 1, 0, 0, 0, 0))
    error = struct.unpack_from("=i", s.recv(4096), 16)[0]
except OSError as e:
    sys.exit(f"ctnetlink: {e}")
if error:
    print(f"ctnetlink: error {-error}")
    sys.exit(77)
