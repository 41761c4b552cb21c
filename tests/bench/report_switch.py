#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_switch.py RESULTS JSONL: medians, worst and ratios of bench_switch.sh's measurements."""
import json
import statistics
import sys

from report import load, machine

PACKET = 100  # usec between two packets of part 1: nothing less can be told apart
WITHIN = 2    # times the cost with one SA
# of part 1: measure, title, unit, decimals
MAPS = [("store", "the agent's store", "ns", 0), ("agent", "last packet by the old path after it", "us", 0),
        ("back", "the same for the way back", "us", 0),
        ("link", "link down: from the last by one to the first by the other", "us", 0),
        ("agent-octets", "octets changed in the maps", "", 0), ("agent-lost", "packets lost by the store", "", 0),
        ("back-lost", "packets lost on the way back", "", 0),
        ("link-lost", "packets lost when the link goes", "", 0),
        ("quiet", "system calls of the engine in a while", "", 0),
        ("calls", "the same, and the link goes", "", 0)]
DAEMONS = [("moved", "last packet from the old address", "ms", 1), ("calls", "system calls", "", 0),
           ("lost", "packets lost", "", 0)]


class Results:
    def __init__(self, path):
        self.values, self.names = load(path)
        self.lines, self.verdicts = [], []

    def get(self, name, measure, n):
        return self.values.get(f"{measure}-{n}", {}).get(name, [])

    def sizes(self, name, measure):
        return sorted(int(m.rpartition("-")[2]) for m, by in self.values.items()
                      if m.rpartition("-")[0] == measure and name in by)

    def row(self, name, measure, title, unit, digits):
        cells = []
        for n in self.sizes(name, measure):
            v = self.get(name, measure, n)
            median = statistics.median(v)
            cells.append(f"{median:,.{digits}f} ({max(v):,.{digits}f})")
            self.lines.append({"bench": "switch", "candidate": name, "measure": measure, "sas": n,
                               "median": median, "worst": max(v), "unit": unit, "rounds": len(v),
                               "machine": machine()})
        print(f"  {title + (', ' + unit if unit else ''):<60}" + "".join(f"{c:>18}" for c in cells))

    def ratio(self, name, measure, least=0.0):
        """Of the largest size to the smallest, with what cannot be told apart taken as equal."""
        sizes = self.sizes(name, measure)
        few, many = (max(statistics.median(self.get(name, measure, n)), least) for n in (sizes[0], sizes[-1]))
        return sizes[0], sizes[-1], many / few

    def verdict(self, name, measure, title, least=0.0):
        few, many, ratio = self.ratio(name, measure, least)
        ok = ratio <= WITHIN
        self.verdicts.append(f"  {name + ': ' + title:<54} {many:>7,} SAs to {few}: {ratio:6.2f} times, "
                             f"at most {WITHIN}: {'reached' if ok else 'NOT REACHED'}")
        self.lines.append({"bench": "switch", "candidate": name, "target": measure, "ratio": ratio,
                           "limit": WITHIN, "reached": ok})

    def each(self, name, measure):
        sizes = self.sizes(name, measure)
        first, last = (statistics.median(self.get(name, measure, n)) for n in (sizes[0], sizes[-1]))
        return (last - first) / (sizes[-1] - sizes[0])


def maps(r):
    sizes = r.sizes("maps", "agent")
    if not sizes:
        return
    print("\nOne group of paths, the real engine, programs and maps: median (worst)\n"
          f"  {'SAs on the path':<60}" + "".join(f"{n:>18,}" for n in sizes))
    for row in MAPS:
        r.row("maps", *row)
    if len(sizes) > 1:
        r.verdict("maps", "store", "the store")
        r.verdict("maps", "agent", "last packet by the old path", PACKET)
        r.verdict("maps", "back", "last packet before the way back", PACKET)
        r.verdict("maps", "link", "link down, silence", PACKET)
        r.verdict("maps", "agent-octets", "octets changed in the maps")
        r.verdict("maps", "calls", "system calls of the engine, link down")


def daemons(r):
    for name, what in (("braid", "braid at both ends, `braid path disable`"),
                       ("charon", "strongSwan at both ends, kernel-libipsec, a better route")):
        sizes = r.sizes(name, "moved")
        if not sizes:
            continue
        print(f"\n{what}: median (worst)\n  {'Child SAs':<60}" + "".join(f"{n:>18,}" for n in sizes))
        for row in DAEMONS:
            r.row(name, *row)
        if len(sizes) > 1:
            ms, calls = r.each(name, "moved"), r.each(name, "calls")
            print(f"  each further Child SA: {ms:.2f} ms, {calls:.1f} system calls")
            r.lines.append({"bench": "switch", "candidate": name, "each_ms": ms, "each_calls": calls})
            if name == "braid":
                r.verdict(name, "moved", "last packet from the old address")
                r.verdict(name, "calls", "system calls of agent and engine")


def main():
    r = Results(sys.argv[1])
    print(f"\nWhat moving SAs to another path costs; {machine()}")
    maps(r)
    daemons(r)
    if r.verdicts:
        print("\nIndependent of the number of SAs?")
        print("\n".join(r.verdicts))
    with open(sys.argv[2], "w") as f:
        for line in r.lines:
            f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
