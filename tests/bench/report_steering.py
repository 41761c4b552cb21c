#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_steering.py RESULTS JSONL PROBES_MS JITTER_SECONDS: bench_steering.sh's measurements, a function for each part."""
import json
import statistics
import sys

from report import load, machine


class Results:
    def __init__(self, path, probes, jitter):
        self.probes, self.jitter = probes, jitter
        self.values, self.names = load(path)
        self.lines = []

    def get(self, name, measure):
        return self.values.get(measure, {}).get(name, [])

    def say(self, name, measure, digits=1):
        v = self.get(name, measure)
        if not v:
            return "-"
        self.lines.append({"bench": "steering", "candidate": name, "what": measure, "median": statistics.median(v),
                           "min": min(v), "max": max(v), "runs": len(v), "machine": machine()})
        return f"{statistics.median(v):.{digits}f} ({min(v):.{digits}f}-{max(v):.{digits}f})"

    def verdict(self, what, ok, of):
        print(f"    {what:<72} {'reached' if ok == of else 'NOT REACHED'} ({ok} of {of} runs)")
        self.lines.append({"bench": "steering", "target": what, "reached": ok == of, "runs": of, "runs_reached": ok})


# title, at least that share of the sum of both alone
BOND = {"equal": ("equal delays", 0.85), "10-40": ("10 and 40 ms one way, the faster wire the shorter", 0.70),
        "found": ("equal delays, rates found out", None)}

SUM = 0.97        # of what both wires carry alone
LOSS, NEAR = 0.1, 0.2
INTERVALS = 5


def bond(r):
    for name, (title, least) in BOND.items():
        if not r.get(name, "bond-both"):
            continue
        print(f"\n  one TCP stream, {title}: goodput in Mbit/s, median (lowest-highest)")
        print(f"    alone {r.say(name, 'bond-fast')} and {r.say(name, 'bond-slow')}; bonded "
              f"{r.say(name, 'bond-both')}; late {r.say(name, 'bond-late', 0)} packets")
        of = [b / (x + y) for b, x, y in zip(*(r.get(name, f"bond-{m}") for m in ("both", "fast", "slow")))]
        if least:
            r.verdict(f"bonded / sum of both alone = {statistics.median(of):.3f} >= {least}",
                      sum(x >= least for x in of), len(of))
        else:
            print(f"    bonded / sum of both alone = {statistics.median(of):.3f}")


def balance(r):
    both, *alone = (r.get("balance", f"balance-{m}") for m in ("both", "fast", "slow"))
    if not both:
        return
    print("\n  TCP streams over wires of 200 and 50 Mbit/s, weights 4 and 1: goodput in Mbit/s, median (lowest-highest)")
    print(f"    alone {r.say('balance', 'balance-fast')} and {r.say('balance', 'balance-slow')}; together "
          f"{r.say('balance', 'balance-both')}")
    of = [b / (x + y) for b, x, y in zip(both, *alone)]
    r.verdict(f"together / sum of both alone = {statistics.median(of):.3f} >= {SUM}", sum(x >= SUM for x in of), len(of))


def redundant(r):
    lost = r.get("lossy", "redundant-lost")
    if not lost:
        return
    sent, product = r.get("lossy", "redundant-sent"), LOSS * LOSS
    print(f"\n  each packet over two paths, of each of which a tenth is lost: {r.say('lossy', 'redundant-lost', 0)} of "
          f"{sent[0]:.0f} are lost; without loss {r.say('whole', 'redundant-lost', 0)} of "
          f"{r.get('whole', 'redundant-sent')[0]:.0f}")
    of = [x / n / product for x, n in zip(lost, sent)]
    r.verdict(f"lost / product of both = {statistics.median(of):.2f}, from {1 - NEAR:.1f} to {1 + NEAR:.1f}",
              sum(abs(x - 1) <= NEAR for x in of), len(of))
    twice = [x for name in ("whole", "lossy", "cut-r1", "cut-r2") for x in r.get(name, "redundant-twice")]
    r.verdict(f"came twice: {sum(twice):.0f}", sum(not x for x in twice), len(twice))
    cut = [x for name in ("cut-r1", "cut-r2") for x in r.get(name, "redundant-lost")]
    r.verdict(f"lost when either path is cut: {sum(cut):.0f}", sum(not x for x in cut), len(cut))


def delay(r):
    steps = r.get("step", "delay-intervals")
    if not steps:
        return
    print(f"\n  smallest-delay, probes {r.probes} ms apart: the other path is taken after "
          f"{r.say('step', 'delay-intervals')} intervals; in {r.jitter} s of jitter {r.say('jitter', 'delay-switches', 0)} "
          "switches")
    r.verdict(f"follows a step within {INTERVALS} intervals", sum(x <= INTERVALS for x in steps), len(steps))
    for name, title, most in (("step", "a step is one switch", 1), ("jitter", "none by jitter", 0)):
        v = r.get(name, "delay-switches")
        r.verdict(title, sum(x <= most for x in v), len(v))


def main():
    r = Results(sys.argv[1], int(sys.argv[3]), int(sys.argv[4]))
    print(f"\nSteering; {machine()}")
    for part in (bond, balance, redundant, delay):
        part(r)
    with open(sys.argv[2], "w") as f:
        for line in r.lines:
            f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
