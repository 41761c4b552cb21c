#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""UDP streams through a tunnel: what was lost, and the longest silence.

stream.py echo ADDRESS PORT
stream.py send ADDRESS PORT FLOWS INTERVAL_MS SECONDS   prints one JSON object
"""
import json
import select
import socket
import struct
import sys
import time


def echo(addr, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((addr, port))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)


def receive(socks, last, silence, got, now, timeout):
    for s in select.select(socks, [], [], timeout)[0]:
        i = socks.index(s)
        try:
            while True:
                data = s.recv(2048)
                t = time.monotonic()
                if last[i] and t - last[i] > silence[i][0]:
                    silence[i] = (t - last[i], last[i] - now)
                last[i] = t
                got[i] += 1
        except BlockingIOError:
            pass


def send(addr, port, flows, interval, seconds):
    socks = []
    for _ in range(flows):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((addr, port))
        s.setblocking(False)
        socks.append(s)
    start = time.monotonic()
    last, got, sent = [0.0] * flows, [0] * flows, [0] * flows
    silence = [(0.0, 0.0)] * flows
    due = start
    while due < start + seconds:
        for i, s in enumerate(socks):
            try:
                s.send(struct.pack("!IQ", i, sent[i]) + bytes(88))
                sent[i] += 1
            except OSError:
                sent[i] += 1
        due += interval
        while True:
            left = due - time.monotonic()
            receive(socks, last, silence, got, start, max(left, 0))
            if left <= 0:
                break
    end = time.monotonic() + 1.0
    while sum(got) < sum(sent) and time.monotonic() < end:
        receive(socks, last, silence, got, start, 0.05)
    worst = max(range(flows), key=lambda i: silence[i][0])
    print(json.dumps({
        "sent": sum(sent), "received": sum(got), "lost": sum(sent) - sum(got),
        "gap_msec": round(silence[worst][0] * 1000, 1),
        "gap_at_sec": round(silence[worst][1], 2),
    }))


if sys.argv[1] == "echo":
    echo(sys.argv[2], int(sys.argv[3]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]) / 1000,
         float(sys.argv[6]))
