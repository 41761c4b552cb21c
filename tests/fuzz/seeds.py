#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""seeds.py CAPTURES CORPUS: seeds of the targets msg, inner, auth and ike from what was on the wire.

CAPTURES is what CAPTURES=DIR tests/interop/test_strongswan.sh leaves: DIR/*/cap* and, in DIR/*/keys, the
keys as braid exports them, with which tshark decrypts. A seed is named by its exchange and an excerpt
of its hash, so that the same message of many runs stays one of a length and order of payloads.
"""
import glob
import hashlib
import json
import os
import subprocess
import sys

EXCHANGES = {34: "sa_init", 35: "auth", 36: "create", 37: "info"}


def find(node, key):
    """Every value under that key, wherever it is."""
    if isinstance(node, dict):
        for k, v in node.items():
            if k == key:
                yield v
            else:
                yield from find(v, key)
    elif isinstance(node, list):
        for v in node:
            yield from find(v, key)


def messages(capture):
    env = dict(os.environ, WIRESHARK_CONFIG_DIR=os.path.join(os.path.dirname(capture), "keys"))
    out = subprocess.run(["tshark", "-n", "-r", capture, "-Y", "isakmp",
                          "-T", "json", "-x"], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True)
    for frame in json.loads(out.stdout, object_pairs_hook=pairs):
        raw = next(find(frame, "udp.payload_raw"), None)
        plain = next(find(frame, "isakmp.enc.decrypted_raw"), None)
        if raw:
            msg = bytes.fromhex(raw[0])
            yield msg[4:] if msg[:4] == bytes(4) else msg, bytes.fromhex(plain[0]) if plain else None


def pairs(items):
    """Keys that stand several times in an object are all kept."""
    out = {}
    for k, v in items:
        out[k] = out[k] + [v] if k in out and isinstance(out[k], list) and k.endswith("_tree") else v
    return out


class Corpus:
    def __init__(self, top):
        self.top, self.shapes = top, set()

    def put(self, target, what, shape, octets):
        """One of a shape is enough."""
        if (target, what, shape) in self.shapes or not octets:
            return
        self.shapes.add((target, what, shape))
        name = f"wire_{what}_{hashlib.sha256(octets).hexdigest()[:8]}"
        with open(os.path.join(self.top, target, name), "wb") as f:
            f.write(octets)


def chain(first, octets):
    """Types of a chain of payloads, and where it ends."""
    types, at = [], 0
    while first and at + 4 <= len(octets):
        types.append(first)
        first, length = octets[at], int.from_bytes(octets[at + 2:at + 4], "big")
        if length < 4:
            break
        at += length
    return tuple(types), octets[:at]


def main():
    corpus = Corpus(sys.argv[2])
    for capture in sorted(glob.glob(os.path.join(sys.argv[1], "*", "cap*"))):
        for msg, plain in messages(capture):
            exchange, response = msg[18], msg[19] >> 5 & 1
            what = EXCHANGES.get(exchange, "other") + ("_response" if response else "")
            types, _ = chain(msg[16], msg[28:])
            corpus.put("msg", what, types, msg)
            if exchange == 34:
                corpus.put("auth", what, types, bytes([response << 1, msg[16]]) + msg[28:])
            if plain is None or msg[16] != 46:
                continue
            types, plain = chain(msg[28], plain)
            corpus.put("inner", what, types, bytes([msg[28]]) + plain)
            if exchange == 35:
                corpus.put("auth", what, types, bytes([1 | response << 1, msg[28]]) + plain)
            elif len(plain) < 250 and exchange > 35:
                step = bytes([0, exchange - 34, 2, msg[28]]) + plain
                corpus.put("ike", what, types, bytes([2 + response, len(step)]) + step)


main()
