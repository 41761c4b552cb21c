#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_handover.py RESULTS JSONL: medians, worst and ratios of bench_handover.sh's measurements.
Exit code 1 if braid let a packet in clear leave, or not everything was captured."""
import json
import statistics
import sys

from report import load, machine

CASES = {
    "link": "link down", "carrier": "carrier lost", "address": "address removed",
    "gateway": "gateway's address lost", "blackhole": "middle of the path gone, links up",
    "brownout": "a third of the packets lost on the path", "rebinding": "NAT forgets its mappings",
    "planned": "path taken out by the operator, and put back",
    "preferred": "another path preferred by the operator, and not any more", "failback": "a lost uplink returns",
}
LIMIT_LOST, BUSY = 5, 4  # ms
WAYS = {"there": "host to gateway", "back": "gateway to host"}
RTT_AND_SPACING = 2  # ms: the round trip here, and the distance of the stream's packets


def probes(name):
    return int(name.rpartition("-")[2])


def targets(names):
    """(case, candidate, measure, limit)"""
    braids = [n for n in names if n.startswith(("braid-", "clone-"))]
    for n in braids:
        for case in ("planned", "preferred", "failback"):
            yield case, n, "lost", 0
        for case in ("link", "address"):
            yield case, n, "gap", LIMIT_LOST
        limit = 3 * probes(n) + RTT_AND_SPACING
        yield "blackhole", n, "gap", 50 if probes(n) == 10 else limit


class Results:
    def __init__(self, path):
        self.values, self.names = load(path)
        self.lines = []

    def get(self, name, measure):
        v = self.values.get(measure, {}).get(name, [])
        return [x / 1000 for x in v] if measure.endswith(("-gap", "-quiet", "-pause", "-noticed")) else v

    def table(self, case):
        print(f"\n{CASES[case]}")
        for way, title in WAYS.items():
            base = self.get("charon", f"{case}-{way}-gap")
            print(f"  {title:<16}{'silent for, ms':>16}{'(worst)':>11}{'lost':>9}{'(worst)':>9}"
                  f"   times as long")
            for n in self.names:
                gap, lost = (self.get(n, f"{case}-{way}-{m}") for m in ("gap", "lost"))
                if not gap:
                    continue
                ratio = statistics.median(base) / statistics.median(gap) if base else None
                silent = len(self.get(n, f"{case}-{way}-silent"))
                print(f"    {n:<14}{statistics.median(gap):>16,.1f}{max(gap):>11,.1f}"
                      f"{statistics.median(lost):>9,.0f}{max(lost):>9,.0f}"
                      + (f"   charon {ratio:,.1f}" if ratio and n != "charon" else "")
                      + (f"   not over at the end, {silent} of {len(gap)}" if silent else ""))
                self.lines.append({
                    "bench": "handover", "case": case, "way": way, "candidate": n,
                    "gap_ms": statistics.median(gap), "gap_ms_worst": max(gap),
                    "lost": statistics.median(lost), "lost_worst": max(lost), "rounds": len(gap),
                    "not_over": silent, "charon_gap_ratio": ratio, "machine": machine()})
        noticed = self.get("charon", f"{case}-noticed")
        if noticed:
            print(f"  charon gave its peer up after {statistics.median(noticed):,.0f} ms")

    def verdict(self, what, ok, of):
        print(f"  {what:<66} {'reached' if ok == of else 'NOT REACHED'} ({ok} of {of} rounds)")
        self.lines.append({"bench": "handover", "target": what, "reached": ok == of, "rounds": of,
                           "rounds_reached": ok})

    def verdicts(self):
        print("\nTargets, of every round")
        for case, n, measure, limit in targets(self.names):
            for way, title in WAYS.items():
                v = self.get(n, f"{case}-{way}-{measure}")
                unit = "packets lost" if measure == "lost" else "ms silent"
                if v:
                    self.verdict(f"{n}: {CASES[case]}, {title}: <= {limit} {unit}",
                                 sum(x <= limit for x in v), len(v))
        for way, title in WAYS.items():
            ours = self.get("braid-10", f"blackhole-{way}-gap")
            for what, theirs in (("silent", self.get("charon", f"blackhole-{way}-gap")),
                                 ("until it notices", self.get("charon", "blackhole-noticed"))):
                if ours and theirs:
                    self.verdict(f"charon: middle gone, {title}: >= 20 times braid-10, {what}",
                                 sum(x >= 20 * statistics.median(ours) for x in theirs), len(theirs))

    def reached(self):
        ok = [line["reached"] for line in self.lines if "target" in line]
        print(f"  {sum(ok)} of {len(ok)} targets reached")

    def total(self, name, measure):
        return sum(sum(by.get(name, [])) for m, by in self.values.items() if m.endswith(measure))

    def clear(self):
        """Of all cases: whether the proof holds for braid."""
        ok = True
        print("\nPackets in clear on any uplink, of those captured")
        for n in self.names:
            in_clear, captured, missed = (self.total(n, f"-{m}") for m in ("in_clear", "captured", "missed"))
            held = in_clear == 0 and missed == 0 and captured > 0
            ok = ok and (held or not n.startswith(("braid", "clone")))
            print(f"  {n:<14}{in_clear:>9,.0f} of {captured:>11,.0f}"
                  + (f", {missed:,.0f} not captured" if missed else ""))
            self.lines.append({"bench": "handover", "candidate": n, "in_clear": in_clear,
                               "captured": captured, "missed": missed})
        return ok


def main():
    r = Results(sys.argv[1])
    print(f"\nA stream of 1,000 packets a second in each direction; {machine()}")
    quiet = [x for m in r.values for n in r.names if m.endswith("-quiet") for x in r.get(n, m)]
    pause = [x for m in r.values for n in r.names if m.endswith("-pause") for x in r.get(n, m)]
    print(f"Silent while nothing happens: {statistics.median(quiet):.1f} ms, at most {max(quiet):.1f};"
          f" the sender was late by at most {max(pause) - 1:.1f} ms")
    if max(quiet) > BUSY:
        print(f"Something else runs here: a limit of {LIMIT_LOST} ms says little")
    for case in CASES:
        if any(m.startswith(f"{case}-") for m in r.values):
            r.table(case)
    r.verdicts()
    r.reached()
    ok = r.clear()
    with open(sys.argv[2], "w") as f:
        for line in r.lines:
            f.write(json.dumps(line) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
