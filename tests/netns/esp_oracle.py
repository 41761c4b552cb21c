#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends packets made by Scapy's ESP to an engine: an oracle that shares no code with it.

usage: esp_oracle.py DST KIND      (run in the namespace of side a; keys as engine_drive installs)
"""
import socket
import sys

from scapy.layers.inet import ICMP, IP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw

SPI_B = 0x0B000001  # side b's inbound SPI of SA 1
KEY = bytes([2]) * 16 + bytes([2]) * 4


def sa(key=KEY):
    return SecurityAssociation(ESP, spi=SPI_B, crypt_algo="AES-GCM", crypt_key=key,
                               tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"))


def inner(src="10.1.0.1", dst="10.1.0.2"):
    return IP(bytes(IP(src=src, dst=dst) / ICMP(id=7, seq=1) / Raw(b"x" * 40)))


def esp(packet, seq, key=KEY):
    iv = seq.to_bytes(8, "big")
    return bytes(sa(key).encrypt(packet, seq_num=seq, iv=iv)[ESP])


def dummy(seq):
    """Next Header 59, made by hand: Scapy's tunnel mode always says 4."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    iv = seq.to_bytes(8, "big")
    head = SPI_B.to_bytes(4, "big") + seq.to_bytes(4, "big")
    text = b"noise..." + bytes([1, 2, 2, 59])
    return head + iv + AESGCM(KEY[:16]).encrypt(KEY[16:] + iv, text, head)


def main():
    dst, kind = sys.argv[1:3]
    base = 1 << 20  # ahead of the sender's own numbers
    good = esp(inner(), base)
    flipped = bytearray(esp(inner(), base + 1))
    flipped[30] ^= 1
    kinds = {
        "good": [good],
        "nocheck": [esp(inner(), base + 5)],
        "replay": [good, good],
        "integrity": [bytes(flipped)],
        "wrongkey": [esp(inner(), base + 2, bytes(20))],
        "far": [bytes(bytearray(esp(inner(), 1 << 30, bytes(20))))],
        "ts": [esp(inner(src="10.9.0.1"), base + 3)],
        "dummy": [dummy(base + 4)],
        "unknown": [b"\x0f" * 4 + good[4:]],
        "keepalive": [b"\xff"],
        "short": [b"abc"],
        "tiny": [good[:20]],
        "early": [esp(inner(), n) for n in range(1, 4)],
        "flood": [esp(inner(), n) for n in range(1, 301)],
        "ike": [bytes(4) + bytes(range(28)) + b"ike"],
    }
    if kind == "plain":  # early, protocol 50
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
        for p in kinds["early"]:
            raw.sendto(p, (dst, 0))
        return
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if kind == "nocheck":
        s.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
    for p in kinds[kind]:
        s.sendto(p, (dst, 4500))


main()
