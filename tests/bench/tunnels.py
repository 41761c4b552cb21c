#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tunnels.py HOW N: brings N further tunnels up beside one that is up, and what that takes; for
bench_clone.sh, in the namespace between both ends, on the host's side of what delays.

HOW is auto-once (clones by configuration, the first IKE SA too), beside-once (full ones likewise),
clone-each, clone-once, full-each, full-once (braid), swan-each, swan-once (strongSwan). The
environment has IFACE (where to listen), USER_SOCK and GW_SOCK (control sockets), USER_PIDS and
GW_PIDS (processes whose time counts), SETTLE_MS; DECODE_DIR (empty), if everything is to be
decrypted, and BRAID, the program. Prints lines "MEASURE<TAB>VALUE".

Time is from the first request of the first of them on the wire until both ends have the last one's
Child SAs, and with auto-once until packets of both ends go by its own path; processor time from
just before until SETTLE_MS after that, of those by configuration with that of the first one, which
is also measured by itself."""
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

WAIT = 60
IKE_PORTS = (500, 4500)
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA = 34, 35, 36
# Connections' names begin so.
BY_CONFIG = {"auto": "a", "beside": "b"}
# As tshark says it.
PAYLOADS = {"encrypted": r"Payload: Encrypted", "decrypted": r"Decrypted Data", "auth": r"Payload: Authentication",
            "cert": r"Payload: Certificate \("}


class Braid:
    """The control socket of one braidd."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.buf, self.next_id, self.done, self.data, self.events = b"", 0, {}, {}, []

    def fileno(self):
        return self.s.fileno()

    def send(self, cmd, **args):
        self.next_id += 1
        self.s.sendall(json.dumps({"v": 1, "id": self.next_id, "cmd": cmd, **args}).encode() + b"\n")
        return self.next_id

    def read(self):
        got = self.s.recv(1 << 16)
        if not got:
            sys.exit("braidd is gone")
        *lines, self.buf = (self.buf + got).split(b"\n")
        for line in map(json.loads, lines):
            if line.get("event") and line["event"]["kind"] != "progress":
                self.events.append(line["event"])
            if "data" in line:
                self.data.setdefault(line["id"], []).append(line["data"])
            if line.get("done"):
                if line["error"]:
                    sys.exit(f"refused: {line['error']}")
                self.done[line["id"]] = time.time()

    def finish(self, *ids):
        end = time.time() + WAIT
        while not all(i in self.done for i in ids):
            if not select.select([self.s], [], [], end - time.time())[0]:
                sys.exit("no answer of braidd")
            self.read()

    def do(self, cmd, **args):
        i = self.send(cmd, **args)
        self.finish(i)
        return self.data.pop(i, [])

    def ike_sas(self):
        return [sa for part in self.do("sas") for sa in part["ike_sas"]]


class Swan:
    """strongSwan's control socket: each command on a connection of its own, of several at once."""
    REQUEST, RESPONSE, KEY_VALUE = 0, 1, 3

    def __init__(self, path):
        self.path = path

    def send(self, cmd, **args):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        body = struct.pack("BB", self.REQUEST, len(cmd)) + cmd.encode()
        for k, v in args.items():
            body += struct.pack("BB", self.KEY_VALUE, len(k)) + k.encode()
            body += struct.pack("!H", len(v)) + v.encode()
        s.sendall(struct.pack("!I", len(body)) + body)
        return s

    def finish(self, *socks):
        for s in socks:
            (left,) = struct.unpack("!I", s.recv(4, socket.MSG_WAITALL))
            answer = s.recv(left, socket.MSG_WAITALL)
            if answer[0] != self.RESPONSE or b"success\x00\x03yes" not in answer:
                sys.exit(f"strongSwan: {answer}")
            s.close()


class Capture:
    """IKE on the wire: (when, from the host, octets with IP header, exchange, is a response)."""

    def __init__(self, iface):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self.s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.s.bind((iface, 0x0003))
        self.s.setblocking(False)
        self.seen, self.packets = [], []

    def read(self):
        while True:
            try:
                data, control, _, at = self.s.recvmsg(4096, 64)
            except BlockingIOError:
                return self.seen
            sec, nsec = struct.unpack("ll", control[0][2])
            if at[1] != 0x0800 or data[9] != socket.IPPROTO_UDP:
                continue
            udp = data[(data[0] & 15) * 4:]
            if not set(struct.unpack("!HH", udp[:4])) & set(IKE_PORTS):
                continue
            ike = udp[8:]
            if 4500 in struct.unpack("!HH", udp[:4]):
                if ike[:4] != bytes(4):
                    continue
                ike = ike[4:]
            if len(ike) >= 28:
                self.packets.append(data)
                self.seen.append((sec + nsec / 1e9, at[2] == PACKET_OUTGOING,
                                  struct.unpack("!H", data[2:4])[0], ike[18], bool(ike[19] & 0x20)))

    def keep(self, path):
        """As pcap, of IP packets."""
        with open(path, "wb") as f:
            f.write(struct.pack("IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
            for (when, *_), data in zip(self.seen, self.packets[-len(self.seen):]):
                f.write(struct.pack("IIII", int(when), int(when % 1 * 1e6), len(data), len(data)) + data)


def cpu(pids):
    """Milliseconds so far."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    return total / 1e6


def wait_until(what, condition):
    end = time.time() + WAIT
    while not condition():
        if time.time() > end:
            sys.exit(f"not in time: {what}")
        time.sleep(0.02)


class BraidEnds:
    def __init__(self):
        self.user, self.gw = (Braid(os.environ[f"{e}_SOCK"]) for e in ("USER", "GW"))
        for b in self.user, self.gw:
            b.send("events")

    def children(self, b):
        return sum(c["state"] == "INSTALLED" for sa in b.ike_sas() for c in sa["children"])

    def heard(self, **kinds):
        """So many events of a kind at each end, without asking: answers take processor time."""
        end = time.time() + WAIT
        while missing := [b for b, kind in ((getattr(self, e), k) for e, k in kinds.items())
                          if len(self.times(b, kind[0])) < kind[1]]:
            ready = select.select(missing, [], [], max(0, end - time.time()))[0]
            if not ready:
                sys.exit(f"not in time: {kinds}")
            for b in ready:
                b.read()

    def have(self, children):
        wait_until(f"{children} Child SAs at both ends",
                   lambda: all(self.children(b) == children for b in (self.user, self.gw)))

    def up(self, name):
        self.user.do("up", name=name)
        self.heard(user=("child-up", 1), gw=("child-up", 1))

    def forget(self):
        for b in self.user, self.gw:
            b.events.clear()

    def base(self, how, n):
        if how not in BY_CONFIG:
            self.up("f0" if how == "full" else "m")
            self.have(1)
        if how == "spare":
            self.user.finish(*[self.user.send("clone", name="m") for _ in range(n)])
            wait_until("as many clones at both ends",
                       lambda: all(len(b.ike_sas()) == n + 1 for b in (self.user, self.gw)))
        self.forget()

    def first_cost(self, how, cost):
        """What the first one takes, where the measurement begins with it."""
        if how not in BY_CONFIG:
            return {}
        name = f"{BY_CONFIG[how]}0"
        took = cost(lambda: self.up(name))
        self.user.do("down", name=name)
        self.have(0)
        self.forget()
        return took

    def requests(self, how, n):
        if how == "spare":
            return [("up", {"name": "m", "line": int(sa["line"]), "child": "net"})
                    for sa in self.user.ike_sas() if not sa["children"]]
        return [("up", {"name": f"f{i + 1}"}) if how == "full" else ("clone", {"name": "m", "child": "net"})
                for i in range(n)]

    def go(self, how, order, n):
        if how in BY_CONFIG:
            return self.go_config(how, n)
        todo = self.requests(how, n)
        if order == "once":
            self.user.finish(*[self.user.send(cmd, **args) for cmd, args in todo])
        else:
            for cmd, args in todo:
                self.user.do(cmd, **args)
        self.heard(user=("child-up", n), gw=("child-up", n))
        return {"time": self.last("child-up", n)}

    def go_config(self, how, n):
        self.user.do("up", name=f"{BY_CONFIG[how]}{n}")
        self.heard(user=("child-up", n + 1), gw=("child-up", n + 1))
        done = {"time": self.last("child-up", n + 1)}
        if how == "auto":
            self.heard(user=("moved", n), gw=("peer-moved", n))
            done["moved"] = max(self.times(self.user, "moved") + self.times(self.gw, "peer-moved"))
        return done

    @staticmethod
    def times(b, kind):
        return [e["realtime_usec"] / 1e6 for e in b.events if e["kind"] == kind]

    def last(self, kind, n):
        times = [self.times(b, kind) for b in (self.user, self.gw)]
        if not all(len(t) == n for t in times):
            sys.exit(f"{times}: not {n} times {kind}")
        return max(map(max, times))

    def payloads(self, wire, directory):
        """How many messages there are and how many of them tshark decrypts, and payloads that authenticate."""
        pcap = os.path.join(directory, "pcap")
        wire.keep(pcap)
        run_dir = os.path.dirname(os.environ["USER_SOCK"])
        subprocess.run([os.environ["BRAID"], "-d", run_dir, "keys", "--wireshark", directory], check=True,
                       stdout=subprocess.DEVNULL)
        text = subprocess.run(["tshark", "-n", "-V", "-O", "isakmp", "-r", pcap], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=os.environ | {"WIRESHARK_CONFIG_DIR": directory}).stdout
        return {what: len(re.findall(pattern, text)) for what, pattern in PAYLOADS.items()}

    def check(self, n):
        self.have(n + 1)

    def end(self, how, n):
        for name in {"full": [f"f{i}" for i in range(n + 1)], "clone": ["m"], "spare": ["m"],
                     "auto": [f"a{n}"], "beside": [f"b{n}"]}[how]:
            self.user.do("down", name=name)
        self.have(0)


class SwanEnds:
    def __init__(self):
        self.user, self.gw = (Swan(os.environ[f"{e}_SOCK"]) for e in ("USER", "GW"))

    @staticmethod
    def first_cost(*_):
        return {}

    def base(self, *_):
        self.user.finish(self.user.send("initiate", child="f0", timeout="10000"))

    def go(self, _, order, n):
        names = [f"f{i + 1}" for i in range(n)]
        if order == "once":
            self.user.finish(*[self.user.send("initiate", child=c, timeout="10000") for c in names])
        else:
            for c in names:
                self.user.finish(self.user.send("initiate", child=c, timeout="10000"))
        return {"time": time.time()}

    @staticmethod
    def check(_):
        pass

    @staticmethod
    def payloads(*_):
        return {}

    def end(self, _, n):
        for i in range(n + 1):
            self.user.finish(self.user.send("terminate", ike=f"f{i}", timeout="10000"))


def main():
    (how, order), n = sys.argv[1].split("-"), int(sys.argv[2])
    pids = {e: os.environ[f"{e.upper()}_PIDS"].split() for e in ("user", "gw")}
    settle = int(os.environ["SETTLE_MS"]) / 1000
    ends = SwanEnds() if how == "swan" else BraidEnds()

    def cost(what):
        """Milliseconds of processor time, until a while after it."""
        before = {e: cpu(p) for e, p in pids.items()}
        what()
        time.sleep(settle)
        return {e: cpu(p) - before[e] for e, p in pids.items()}

    ends.base(how, n)
    first = ends.first_cost(how, cost)
    time.sleep(settle)
    wire, times = Capture(os.environ["IFACE"]), {}
    took = cost(lambda: times.update(ends.go(how, order, n)))
    seen = wire.read()
    ends.check(n)
    if how in BY_CONFIG:  # not the first one's
        first_of = {"auto": CREATE_CHILD_SA, "beside": IKE_SA_INIT}[how]
        at = [i for i, p in enumerate(seen) if p[3] == first_of and not p[4]]
        del seen[:at[how == "beside"]]
    out = {name: 1000 * (t - seen[0][0]) for name, t in times.items()}
    for e in pids:
        out[f"cpu-{e}"] = took[e]
        if first:
            out[f"first-{e}"] = first[e]
    for name, from_host in (("there", True), ("back", False)):
        octets = [p[2] for p in seen if p[1] == from_host]
        out[f"messages-{name}"], out[f"octets-{name}"] = len(octets), sum(octets)
    out["exchanges"] = sum(p[3] == IKE_AUTH for p in seen)
    if "DECODE_DIR" in os.environ:
        out |= ends.payloads(wire, os.environ["DECODE_DIR"])
    for measure, value in out.items():
        print(f"{measure}\t{value:.6g}")
    ends.end(how, n)


if __name__ == "__main__":
    main()
