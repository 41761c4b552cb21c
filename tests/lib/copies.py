#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Numbered datagrams one way: how many were lost, and how many came twice.

copies.py receive ADDRESS PORT
copies.py send ADDRESS PORT FLOWS PACKETS   some 5,000 in a second
copies.py ask ADDRESS PORT PACKETS          prints a JSON object; the receiver begins anew
"""
import json
import socket
import struct
import sys
import time

BURST = 20
SO_RCVBUFFORCE = 33  # which this module has no name for


def receive(addr, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    s.bind((addr, port))
    seen, twice = set(), 0
    while True:
        data, peer = s.recvfrom(2048)
        if len(data) > 4:
            n = struct.unpack("!I", data[:4])[0]
            twice += n in seen
            seen.add(n)
            continue
        s.sendto(struct.pack("!II", len(seen), twice), peer)
        seen, twice = set(), 0


def send(addr, port, flows, packets):
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]
    start = time.monotonic()
    for n in range(packets):
        socks[n % flows].sendto(struct.pack("!I", n) + bytes(60), (addr, port))
        if n % BURST == 0:
            time.sleep(max(0, start + n / 5000 - time.monotonic()))
    print(json.dumps({"sent": packets}))


def ask(addr, port, packets):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    time.sleep(0.5)  # what is under way
    s.settimeout(5)
    s.sendto(struct.pack("!I", 0), (addr, port))
    seen, twice = struct.unpack("!II", s.recv(8))
    print(json.dumps({"sent": packets, "lost": packets - seen, "twice": twice}))


if sys.argv[1] == "receive":
    receive(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
else:
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
