#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""streams_seen.py DIR [ROUTER]: what a run of bench_aggregate.sh, in which ROUTER was cut, says; as lines
"MEASURE<TAB>VALUE". Rates are Mbit/s, times ms."""
import json
import os
import sys

ROUTERS = ("r1", "r2")
ADDRESSES = {"r1": "192.0.2.", "r2": "198.51.100."}


def read(directory, name):
    with open(os.path.join(directory, name)) as f:
        return f.read()


class Run:
    def __init__(self, directory):
        self.dir = directory
        seen = json.loads(read(directory, "streams"))
        if seen["unfinished"] or any(s["wrong"] is not None for s in seen["streams"]):
            sys.exit("streams did not arrive as they were sent")
        self.begin, self.bin = seen["begin_usec"] / 1e6, seen["bin_usec"] / 1e6
        self.bins = {s["index"]: s["bins"] for s in seen["streams"]}
        self.wire, self.window = {}, None
        for r in ROUTERS:
            (t0, o0), (t1, o1) = (map(float, line.split()) for line in read(directory, f"{r}.octets").splitlines())
            self.wire[r] = (o1 - o0) * 8 / (t1 - t0) / 1e6
            self.window = (t0, t1)
        # Of each stream, where most packets of its data and of its acknowledgements went.
        count = {r: json.loads(read(directory, r)) for r in ROUTERS}
        self.data, self.acks = ({i: max(ROUTERS, key=lambda r: count[r][way].get(str(i), 0)) for i in self.bins}
                                for way in ("out", "in"))

    def slice(self, i, t0, t1):
        a, b = (round((t - self.begin) / self.bin) for t in (t0, t1))
        v = self.bins[i][max(a, 0):b]
        return v + [0] * (b - max(a, 0) - len(v))

    def rate(self, streams, t0, t1):
        bins = [self.slice(i, t0, t1) for i in streams]
        return sum(map(sum, bins)) * 8 / (len(bins[0]) * self.bin) / 1e6

    def slowest(self, streams, t0, t1, length):
        """The lowest rate over so long between two times."""
        starts = range(int((t1 - t0 - length) / self.bin))
        return min(self.rate(streams, t0 + i * self.bin, t0 + i * self.bin + length) for i in starts)

    def silence(self, i, t0, t1):
        """The longest time without an octet of it."""
        longest = now = 0
        for octets in self.slice(i, t0, t1):
            now = 0 if octets else now + 1
            longest = max(longest, now)
        return 1000 * self.bin * longest

    def noticed(self, end, cut, at):
        """When an end took the path out of use."""
        for line in read(self.dir, end).splitlines():
            e = json.loads(line)
            if e.get("kind") == "path-state" and e["to"] == "down" and ADDRESSES[cut] in e["text"] and (
                    e["realtime_usec"] / 1e6 >= at):
                return e["realtime_usec"] / 1e6
        sys.exit(f"{end} did not notice that {cut} is cut")


def whole(run):
    rates = [run.rate([i], *run.window) for i in run.bins]
    out = {"goodput": run.rate(run.bins, *run.window), "stream-least": min(rates), "stream-most": max(rates),
           "silent": max(run.silence(i, *run.window) for i in run.bins)}
    for r in ROUTERS:
        out[f"wire-{r}"] = run.wire[r]
        out[f"streams-{r}"] = sum(on == r for on in run.data.values())
    return out


def with_cut(run, cut):
    at, end = float(read(run.dir, "cut")), run.window[1]
    noticed = {e: run.noticed(e, cut, at) for e in ("user", "gw")}
    first = min(noticed.values())  # until then none of the others has come to them
    out = {f"noticed-{e}": 1000 * (t - at) for e, t in noticed.items()}
    out["goodput-after"] = run.rate(run.bins, end - 1, end)
    groups = {"stay": [i for i in run.bins if cut not in (run.data[i], run.acks[i])],
              "acks": [i for i in run.bins if run.data[i] != cut and run.acks[i] == cut],
              "moved": [i for i in run.bins if run.data[i] == cut]}
    for name, streams in groups.items():
        out[name] = len(streams)
        if streams:
            before = run.rate(streams, run.window[0], at)
            out[f"{name}-until-noticed"] = run.rate(streams, at, first) / before
            out[f"{name}-usual"] = run.slowest(streams, run.window[0], at, first - at) / before
            out[f"{name}-silent"] = max(run.silence(i, at, end) for i in streams)
    return out


def main():
    run = Run(sys.argv[1])
    out = with_cut(run, *sys.argv[2:]) if len(sys.argv) > 2 else whole(run)
    for measure, value in out.items():
        print(f"{measure}\t{value:.6g}")


if __name__ == "__main__":
    main()
