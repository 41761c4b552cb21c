#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_react.py RESULTS JSONL: silence after another address, by what is done about it."""
import json
import statistics
import sys

TIMES = 2.9  # quicker than renegotiation
MOVES = ("mmx", "mmx_named", "mmx_second", "mobike")


def ratios(by, medians, where, out):
    for n in (n for n in MOVES if n in medians):
        texts = []
        for other in (o for o in medians if o not in MOVES):
            ratio = medians[other] / medians[n]
            texts.append(f"{ratio:.1f} ({other})")
            out.write(json.dumps({**where, "candidate": n, "ms": medians[n], "against": other,
                                  "renegotiate_ms": medians[other], "runs": len(by[n]),
                                  "ratio": ratio, "at_least": TIMES}) + "\n")
        print(f"    {n} is quicker by: " + ", ".join(texts) + f" (wanted: {TIMES})")


def main():
    values = {}
    with open(sys.argv[1]) as f:
        for line in f:
            name, delay, way, gap = line.rstrip("\n").split("\t")
            values.setdefault((int(delay), way), {}).setdefault(name, []).append(float(gap))
    with open(sys.argv[2], "w") as f:
        for (delay, way), by in sorted(values.items()):
            print(f"{delay / 1000:g} ms each way, " + ("from the host" if way == "there" else "to the host"))
            medians = {n: statistics.median(v) for n, v in by.items()}
            for n, v in by.items():
                print(f"  {n:12} {medians[n]:8.1f} ms ({min(v):.1f} to {max(v):.1f}; {len(v)} runs)")
            ratios(by, medians, {"delay_usec": delay, "way": way}, f)


if __name__ == "__main__":
    main()
