#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bad datagrams from a router on the path to a gateway: hostile.py DEVICE GATEWAY CAPTURE KIND

The capture is of that device. Kinds: garbage, replay, flip-esp, flip-ike, spi, version, early, flood."""
import logging
import random
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import IP, UDP, Ether, Raw, conf, rdpcap  # noqa: E402

dev, gateway, capture, kind = sys.argv[1:5]
rand = random.Random(1)
frames = rdpcap(capture)
towards = [f for f in frames if IP in f and f[IP].dst == gateway]
ether = Ether(src=towards[0].src, dst=towards[0].dst)
sock = conf.L2socket(iface=dev)


def out(pkt):
    sock.send(pkt)


def udp(payload, port, src="192.0.2.65", sport=None):
    out(ether / IP(src=src, dst=gateway) / UDP(sport=sport or port, dport=port) / Raw(payload))


def ike(exchange, spi_r=b"\0" * 8, version=0x20, length=None, body=b"", flags=0x08, mid=0, spi_i=None):
    spi_i = spi_i or rand.randbytes(8)
    return spi_i + spi_r + struct.pack("!BBBBII", 33 if body else 0, version, exchange, flags, mid,
                                       length if length is not None else 28 + len(body)) + body


def resend(frame, change=None):
    raw = bytearray(bytes(frame))
    if change and not change(raw, 14 + 20 + (8 if UDP in frame else 0)):
        return
    pkt = Ether(bytes(raw))
    del pkt[IP].chksum
    if UDP in pkt:
        del pkt[UDP].chksum
    out(pkt)


def is_ike(raw, start):
    return raw[start:start + 4] == bytes(4)


def flip_esp(raw, start):
    """One bit wrong behind the header, with a sequence number that was not seen yet."""
    if is_ike(raw, start) or len(raw) < start + 40:
        return False
    raw[start + 4:start + 8] = struct.pack("!I", 0x10000 + rand.randrange(4096))
    raw[rand.randrange(start + 8, len(raw))] ^= 1 << rand.randrange(8)
    return True


def flip_ike(raw, start):
    """An IKE_AUTH again as the next request, one bit wrong in what is encrypted."""
    if not is_ike(raw, start) or raw[start + 22] != 35:
        return False
    raw[start + 24:start + 28] = struct.pack("!I", 2)
    raw[rand.randrange(start + 36, len(raw))] ^= 1 << rand.randrange(8)
    return True


if kind == "garbage":
    for n in list(range(0, 120)) + [500, 1400]:
        for port in (500, 4500):
            udp(rand.randbytes(n), port)
        udp(b"\0\0\0\0" + rand.randbytes(n), 4500)
        out(ether / IP(src="192.0.2.65", dst=gateway, proto=50) / Raw(rand.randbytes(n)))
    for length in (0, 27, 29, 0xffffffff):
        udp(ike(34, length=length), 500)
    out(ether / IP(src="192.0.2.65", dst=gateway, flags="MF", proto=17) / Raw(rand.randbytes(64)))
elif kind == "replay":
    for f in towards:
        resend(f)
elif kind in ("flip-esp", "flip-ike"):
    for f in towards:
        if UDP in f and f[UDP].dport == 4500:
            resend(f, flip_esp if kind == "flip-esp" else flip_ike)
elif kind == "spi":
    for _ in range(500):
        udp(struct.pack("!II", rand.randrange(256, 2 ** 32), 1) + rand.randbytes(80), 4500)
        udp(ike(37, spi_r=rand.randbytes(8), body=rand.randbytes(40)), 500)
elif kind == "version":
    for v in (0x00, 0x10, 0x30, 0xf0):
        udp(ike(34, version=v, body=rand.randbytes(40)), 500)
elif kind == "early":
    for _ in range(100):
        udp(ike(35, spi_r=rand.randbytes(8), body=rand.randbytes(60), mid=1), 500)
        udp(b"\0\0\0\0" + ike(35, body=rand.randbytes(60), mid=1), 4500)
elif kind == "flood":
    init = next(f for f in towards if UDP in f and f[UDP].dport == 500)
    body = bytes(init[UDP].payload)
    for i in range(3000):
        udp(rand.randbytes(8) + body[8:], 500, src="192.0.2.%d" % (130 + i % 60), sport=1024 + i)
