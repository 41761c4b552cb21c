#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whether a wire keeps the order, and octets as they are. Port 9.

in_order.py receive ADDRESS COUNT       numbered datagrams: fails unless they come as 0, 1, 2, ...
in_order.py send ADDRESS COUNT [FIRST]
in_order.py listen ADDRESS              a stream of TCP: prints its SHA-256
in_order.py stream ADDRESS OCTETS       sends one, of random octets; prints the same
"""
import hashlib
import os
import socket
import struct
import sys

PORT = 9
SO_RCVBUFFORCE = 33  # the module has no name for it
BUF = 32 << 20
WAIT = 10


def receive(addr, count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUF)
    s.bind((addr, PORT))
    s.settimeout(WAIT)
    for i in range(count):
        (n,) = struct.unpack("!I", s.recv(2048)[:4])
        if n != i:
            sys.exit(f"{n} came where {i} should")


def send(addr, count, first=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((addr, PORT))
    for i in range(first, first + count):
        s.send(struct.pack("!I", i) + bytes(i % 1400))


def listen(addr):
    s = socket.create_server((addr, PORT))
    s.settimeout(WAIT)
    c, digest = s.accept()[0], hashlib.sha256()
    c.settimeout(WAIT)
    while data := c.recv(1 << 16):
        digest.update(data)
    print(digest.hexdigest())


def stream(addr, octets):
    data = os.urandom(octets)
    with socket.create_connection((addr, PORT), WAIT) as s:
        s.sendall(data)
    print(hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    {"receive": receive, "send": send, "listen": listen, "stream": stream}[sys.argv[1]](
        sys.argv[2], *map(int, sys.argv[3:]))
