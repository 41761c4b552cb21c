#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bad datagrams from a router on the path to a host: hostile.py DEVICE VICTIM PEER CAPTURE KIND

They come from PEER's address, if not from anywhere. The capture is of that device, of what PEER sent
to VICTIM. Kinds: garbage, replay, flip-esp, flip-ike, spi, version, early, huge, fragments, flood."""
import logging
import random
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import IP, UDP, Ether, Raw, conf, fragment, rdpcap  # noqa: E402

dev, victim, peer, capture, kind = sys.argv[1:6]
rand = random.Random(1)
frames = rdpcap(capture)
towards = [f for f in frames if IP in f and f[IP].dst == victim]
ether = Ether(src=towards[0].src, dst=towards[0].dst)
sock = conf.L2socket(iface=dev)
UDP_MAX = 65507
EXCHANGE, FLAGS, MSG_ID, LENGTH = 18, 19, 20, 24
INITIATOR, RESPONSE = 0x08, 0x20


def out(pkt):
    sock.send(pkt)


def udp(payload, port, src=peer, sport=None):
    out(ether / IP(src=src, dst=victim) / UDP(sport=sport or port, dport=port) / Raw(payload))


def ike(exchange, spi_r=b"\0" * 8, version=0x20, length=None, body=b"", flags=INITIATOR, mid=0, spi_i=None):
    spi_i = spi_i or rand.randbytes(8)
    return spi_i + spi_r + struct.pack("!BBBBII", 33 if body else 0, version, exchange, flags, mid,
                                       length if length is not None else 28 + len(body)) + body


def resend(frame):
    """With new checksums: the sender's may have been left to a device that is not there."""
    del frame[IP].chksum
    if UDP in frame:
        del frame[UDP].chksum
    out(frame)


def payloads(marker):
    """Of UDP datagrams to port 4500: IKE with its marker cut off, or ESP."""
    for f in towards:
        if UDP in f and f[UDP].dport == 4500 and len(f[UDP].payload) > 32:
            p = bytearray(bytes(f[UDP].payload))
            if (p[:4] == bytes(4)) == marker:
                yield f, p[4:] if marker else p


def last_ike():
    """SPIs and flags of an IKE SA that lives: of the last message to port 4500."""
    return list(payloads(True))[-1][1]


def in_fragments(payload, port, size=1480):
    pkt = IP(src=peer, dst=victim, id=rand.randrange(65536)) / UDP(sport=port, dport=port) / Raw(payload)
    return fragment(pkt, fragsize=size)


def huge(payload, port):
    for f in in_fragments(payload, port):
        out(ether / f)


def esp_header(seq):
    return bytes(list(payloads(False))[-1][1][:4]) + struct.pack("!I", seq)


def live_header(length):
    h = bytearray(last_ike()[:28])
    h[LENGTH:LENGTH + 4] = struct.pack("!I", length)
    return bytes(h)


if kind == "garbage":
    for n in list(range(0, 120)) + [500, 1400]:
        for port in (500, 4500):
            udp(rand.randbytes(n), port)
        udp(b"\0\0\0\0" + rand.randbytes(n), 4500)
        out(ether / IP(src=peer, dst=victim, proto=50) / Raw(rand.randbytes(n)))
    for length in (0, 27, 29, 0xffffffff):
        udp(ike(34, length=length), 500)
elif kind == "replay":
    for f in towards:
        resend(f)
elif kind == "flip-esp":
    # One bit wrong behind the header, with a sequence number that was not seen yet.
    for f, p in payloads(False):
        p[4:8] = struct.pack("!I", 0x10000 + rand.randrange(4096))
        p[rand.randrange(8, len(p))] ^= 1 << rand.randrange(8)
        udp(p, 4500)
elif kind == "flip-ike":
    # As the next request, whichever number that has, one bit wrong in what is encrypted.
    p = last_ike()
    p[rand.randrange(32, len(p))] ^= 1 << rand.randrange(8)
    p[FLAGS] &= ~RESPONSE
    for mid in range(16):
        p[MSG_ID:MSG_ID + 4] = struct.pack("!I", mid)
        udp(b"\0\0\0\0" + p, 4500)
elif kind == "spi":
    for _ in range(500):
        udp(struct.pack("!II", rand.randrange(256, 2 ** 32), 1) + rand.randbytes(80), 4500)
        udp(ike(37, spi_r=rand.randbytes(8), body=rand.randbytes(40)), 500)
elif kind == "version":
    for v in (0x00, 0x10, 0x30, 0xf0):
        udp(ike(34, version=v, body=rand.randbytes(40)), 500)
        udp(b"\0\0\0\0" + ike(35, version=v, body=rand.randbytes(40)), 4500)
elif kind == "early":
    for exchange in (35, 36, 37, 43):
        for flags in (INITIATOR, RESPONSE, 0, INITIATOR | RESPONSE):
            for _ in range(10):
                udp(ike(exchange, spi_r=rand.randbytes(8), body=rand.randbytes(60), mid=1, flags=flags), 500)
                udp(b"\0\0\0\0" + ike(exchange, body=rand.randbytes(60), mid=1, flags=flags), 4500)
elif kind == "huge":
    for n in (1473, 4000, 9000, 32768, 64972, 65000, 65001, 65400, UDP_MAX):
        huge(rand.randbytes(n), 500)
        huge(ike(34, body=rand.randbytes(n - 28)), 500)
        huge(struct.pack("!I", rand.randrange(256, 2 ** 32)) + rand.randbytes(n - 4), 4500)
        huge(b"\0\0\0\0" + rand.randbytes(n - 4), 4500)
        huge(b"\0\0\0\0" + ike(34, body=rand.randbytes(n - 32)), 4500)
        # to an IKE SA and to a Child SA that live
        huge(b"\0\0\0\0" + live_header(n - 4) + rand.randbytes(n - 32), 4500)
        huge(esp_header(0x20000 + n) + rand.randbytes(n - 8), 4500)
        for f in fragment(IP(src=peer, dst=victim, proto=50, id=rand.randrange(65536)) /
                          Raw(esp_header(0x40000 + n) + rand.randbytes(n - 8)), fragsize=1480):
            out(ether / f)
elif kind == "fragments":
    for port, head in ((500, ike(34, length=2000)), (4500, b"\0\0\0\0" + live_header(1996)),
                       (4500, esp_header(0x30000))):
        whole = head + rand.randbytes(2000 - len(head))
        for size in (8, 64, 1000):  # whole, in order and not
            parts = in_fragments(whole, port, size)
            for f in parts:
                out(ether / f)
            parts = in_fragments(whole, port, size)
            for f in reversed(parts):
                out(ether / f)
        for alone in (0, 1, -1):  # one of three or more, the others never come
            for _ in range(50):
                out(ether / in_fragments(whole, port, 640)[alone])
        for _ in range(20):  # the second once more, 8 octets earlier, with other octets
            parts = in_fragments(whole, port, 640)
            over = parts[1].copy()
            over[IP].frag -= 1
            over[IP].payload = Raw(rand.randbytes(640))
            for f in (parts[0], parts[1], over, *parts[2:]):
                out(ether / f)
    # beyond 65,535 octets, and a first fragment too short for a header
    out(ether / IP(src=peer, dst=victim, proto=17, id=7, frag=8189) / Raw(rand.randbytes(1400)))
    for proto in (17, 50):
        for n in range(0, 9):
            out(ether / IP(src=peer, dst=victim, proto=proto, flags="MF", id=n) / Raw(rand.randbytes(n)))
elif kind == "flood":
    init = next(f for f in towards if UDP in f and f[UDP].dport == 500 and bytes(f[UDP].payload)[EXCHANGE] == 34)
    body = bytes(init[UDP].payload)
    for i in range(3000):
        udp(rand.randbytes(8) + body[8:], 500, src="192.0.2.%d" % (130 + i % 60), sport=1024 + i)
else:
    sys.exit("unknown kind " + kind)
