#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_aggregate.py RESULTS JSONL PROBES_MS QUEUE_MS: bench_aggregate.sh's measurements. Exit code 1 if
anything went in clear."""
import json
import statistics
import sys

from report import load, machine

MODES = {"clone": "an IKE SA and Child SAs for each uplink (multipath = clone)",
         "yes": "the Child SAs of one IKE SA (multipath = yes)"}
WAYS = {"there": "from the host", "back": "to the host"}
RATES = {"r1": 200, "r2": 50}
GROUPS = {"stay": "data and acknowledgements by the other one", "acks": "data by the other one, acknowledgements by it",
          "moved": "data by it"}
SUM, UNDISTURBED = 0.97, 0.97


class Results:
    def __init__(self, path, probes, queue):
        self.values, self.names = load(path)
        self.bound = 3 * probes + queue
        self.queue = queue
        self.lines = []

    def get(self, name, measure):
        return self.values.get(measure, {}).get(name, [])

    def say(self, name, way, measure, digits=1):
        v = self.get(name, f"{way}-{measure}")
        if not v:
            return "-"
        self.lines.append({"bench": "aggregate", "candidate": name, "way": way, "what": measure,
                           "median": statistics.median(v), "min": min(v), "max": max(v), "runs": len(v),
                           "machine": machine()})
        return f"{statistics.median(v):.{digits}f} ({min(v):.{digits}f}-{max(v):.{digits}f})"

    def verdict(self, what, ok, of):
        print(f"    {what:<72} {'reached' if ok == of else 'NOT REACHED'} ({ok} of {of} runs)")
        self.lines.append({"bench": "aggregate", "target": what, "reached": ok == of, "runs": of,
                           "runs_reached": ok})

    def together(self, name, way):
        print(f"\n  {WAYS[way]}: goodput in Mbit/s, median (lowest-highest)")
        print(f"    alone {self.say(name, way, 'r1-goodput')} and {self.say(name, way, 'r2-goodput')}; together "
              f"{self.say(name, way, 'both-goodput')}")
        print(f"    on the wires, of {RATES['r1']} and {RATES['r2']}: {self.say(name, way, 'both-wire-r1')} and "
              f"{self.say(name, way, 'both-wire-r2')}")
        print(f"    streams on them {self.say(name, way, 'both-streams-r1', 0)} and "
              f"{self.say(name, way, 'both-streams-r2', 0)}; the slowest {self.say(name, way, 'both-stream-least')}, "
              f"the fastest {self.say(name, way, 'both-stream-most')}")
        both, *alone = (self.get(name, f"{way}-{m}-goodput") for m in ("both", "r1", "r2"))
        of = [b / (x + y) for b, x, y in zip(both, *alone)]
        self.verdict(f"together / sum of both alone = {statistics.median(of):.3f} >= {SUM}",
                     sum(x >= SUM for x in of), len(of))
        wires = [(x + y) / sum(RATES.values()) for x, y in zip(*(self.get(name, f"{way}-both-wire-{r}") for r in RATES))]
        self.verdict(f"on the wires / what they are shaped to = {statistics.median(wires):.3f} >= {SUM}",
                     sum(x >= SUM for x in wires), len(wires))

    def cut(self, name, way, r):
        m = f"cut-{r}"
        print(f"\n  {WAYS[way]}, the uplink of {RATES[r]} Mbit/s is cut: out of use after "
              f"{self.say(name, way, f'{m}-noticed-user', 0)} ms at the host, "
              f"{self.say(name, way, f'{m}-noticed-gw', 0)} ms at the gateway; {self.say(name, way, f'{m}-goodput-after')}"
              " Mbit/s a second later")
        print(f"    without a cut no stream is silent for more than {self.say(name, way, 'both-silent', 0)} ms")
        for g, title in GROUPS.items():
            print(f"    {title + ':':<50} {self.say(name, way, f'{m}-{g}', 0)} streams; times the rate until then "
                  f"{self.say(name, way, f'{m}-{g}-until-noticed', 2)}, without a cut at least "
                  f"{self.say(name, way, f'{m}-{g}-usual', 2)}; silent for {self.say(name, way, f'{m}-{g}-silent', 0)} ms")
        noticed = self.get(name, f"{way}-{m}-noticed-user") + self.get(name, f"{way}-{m}-noticed-gw")
        self.verdict(f"out of use after three probes and a round trip, {self.bound} ms",
                     sum(x <= self.bound for x in noticed), len(noticed))
        for g in ("stay", "acks") if name == "clone" else ():
            v, usual = (self.get(name, f"{way}-{m}-{g}-{what}") for what in ("until-noticed", "usual"))
            if v:
                self.verdict(f"{GROUPS[g]}: until then >= {UNDISTURBED}, or as at times without",
                             sum(x >= min(u, UNDISTURBED) for x, u in zip(v, usual)), len(v))


def main():
    r = Results(sys.argv[1], int(sys.argv[3]), int(sys.argv[4]))
    print(f"\nTCP streams over uplinks shaped to 200 and 50 Mbit/s; {machine()}")
    for name in r.names:
        if name not in MODES:
            continue
        print(f"\n{MODES[name]}")
        for way in WAYS:
            r.together(name, way)
        for way in WAYS:
            for router in RATES:
                r.cut(name, way, router)
    clear = r.get("all", "clear")
    print(f"\nPackets in clear on any uplink: {clear[0]:.0f}")
    r.lines.append({"bench": "aggregate", "in_clear": clear[0]})
    with open(sys.argv[2], "w") as f:
        for line in r.lines:
            f.write(json.dumps(line) + "\n")
    return 1 if clear[0] else 0


if __name__ == "__main__":
    sys.exit(main())
