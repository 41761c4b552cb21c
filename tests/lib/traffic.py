#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A TCP connection and a UDP stream for each inner address, for as long as something happens.

traffic.py echo ADDRESS PORT
traffic.py run ADDRESS PORT SOURCE[>ADDRESS]...   until SIGTERM; prints a JSON object, for each source:
    tcp: octets echoed, or null if the connection broke; udp: sent, lost, gap_msec
"""
import json
import selectors
import signal
import socket
import struct
import sys
import time

INTERVAL = 0.01
RECORD = 64
MORE = 50  # so many after whatever has happened
SO_RCVBUFFORCE = 33  # the module has no name for it
RCVBUF = 8 << 20  # what came while a machine had no time for us is not lost


def family(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def echo(addr, port):
    sel = selectors.DefaultSelector()
    udp = socket.socket(family(addr), socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
    udp.bind((addr, port))
    tcp = socket.create_server((addr, port), family=family(addr), backlog=16)
    sel.register(udp, selectors.EVENT_READ)
    sel.register(tcp, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            s = key.fileobj
            if s is udp:
                data, peer = s.recvfrom(2048)
                s.sendto(data, peer)
            elif s is tcp:
                sel.register(s.accept()[0], selectors.EVENT_READ)
            else:
                try:
                    data = s.recv(65536)
                    if data:
                        s.sendall(data)
                        continue
                except OSError:
                    pass
                sel.unregister(s)
                s.close()


class Source:
    def __init__(self, source, addr, port):
        self.source = source
        self.tcp = socket.create_connection((addr, port), 10, (source, 0))
        self.tcp.setblocking(False)
        self.udp = socket.socket(family(addr), socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
        self.udp.bind((source, 0))
        self.udp.connect((addr, port))
        self.udp.setblocking(False)
        self.wrote = self.echoed = self.sent = self.got = 0
        self.last = time.monotonic()
        self.gap = 0.0
        self.broken = False

    def send(self):
        try:
            self.udp.send(struct.pack("!I", self.sent))
        except OSError:
            pass
        self.sent += 1
        try:
            self.wrote += self.tcp.send(bytes(RECORD))
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True

    def receive(self):
        try:
            while self.udp.recv(2048):
                now = time.monotonic()
                self.gap = max(self.gap, now - self.last)
                self.last = now
                self.got += 1
        except OSError:
            pass
        try:
            while data := self.tcp.recv(65536):
                self.echoed += len(data)
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True

    def report(self):
        return {"tcp": None if self.broken or self.echoed < self.wrote else self.echoed,
                "sent": self.sent, "lost": self.sent - self.got, "gap_msec": round(self.gap * 1000)}


def run(addr, port, names):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    pairs = [n.split(">") for n in names]
    sources = [Source(p[0], (p + [addr])[1], port) for p in pairs]
    due = time.monotonic()
    more = MORE
    while not stop or more:
        more -= bool(stop)
        for s in sources:
            s.send()
        due = max(due + INTERVAL, time.monotonic())  # what a slow machine left out is not made up for
        while True:
            for s in sources:
                s.receive()
            if (left := due - time.monotonic()) <= 0:
                break
            time.sleep(min(left, 0.002))
    end = time.monotonic() + 5
    # TCP sends again later and later
    while time.monotonic() < end + 30 and any(
            s.echoed < s.wrote and not s.broken or s.got < s.sent and time.monotonic() < end for s in sources):
        time.sleep(0.01)
        for s in sources:
            s.receive()
    print(json.dumps({s.source: s.report() for s in sources}))


if sys.argv[1] == "echo":
    echo(sys.argv[2], int(sys.argv[3]))
else:
    run(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
