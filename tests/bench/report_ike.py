#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_ike.py RESULTS JSONL: medians, spread and ratios of bench_ike.sh's measurements."""
import json
import re
import statistics
import sys

from report import load, machine, show

# A measure is a kind, how the sides prove themselves, and a number: responder-rate-psk-1000.
TITLES = {
    "initiator-rate": ("set-ups per second and core, as initiator, {}, {} connections", ""),
    "responder-rate": ("set-ups per second and core, as responder, {}, {} SAs", ""),
    "alone-rate": ("the same without Child SAs, {}, {} SAs", ""),
    "end-rate": ("ends per second and core, {}, {} SAs", ""),
    "octets": ("memory of an idle one, {}, of {}", "octets"),
    "idle": ("processor time while nothing happens, {}, {} SAs", "ms a second"),
    "kept": ("memory kept after all have gone, {}, {} SAs", "% of what they had"),
    "set-up-quiet": ("a set-up, one after the other", "us"),
    "set-up-flood": ("a set-up beside {1} requests a second from elsewhere", "us"),
    "flood-factor": ("times as long beside {1} requests a second as without", ""),
}
# kind, against (None: the value itself), at least / at most, limit
TARGETS = [("initiator-rate", "charon", ">=", 2), ("responder-rate", "charon", ">=", 2),
           ("octets", "charon", "<=", 0.5), ("kept", None, "<=", 10),
           ("flood-factor", None, "<=", 2)]
AUTH = {"psk": "shared keys", "cert": "certificates", None: ""}


def parts(measure):
    kind, auth, number = re.fullmatch(r"(.*?)(?:-(psk|cert))?(?:-(\d+))?", measure).groups()
    return kind, auth, int(number or 0)


def order(measure):
    kind, auth, number = parts(measure)
    return list(TITLES).index(kind), number, list(AUTH).index(auth)


def main():
    values, names = load(sys.argv[1])
    median = {m: {n: statistics.median(v) for n, v in by.items()} for m, by in values.items()}
    lines, verdicts = [], []
    print(f"\nMedians (lowest-highest); {machine()}")
    for m in sorted(values, key=order):
        kind, auth, number = parts(m)
        title, unit = TITLES[kind]
        print(f"\n{title.format(AUTH[auth], number)}{', ' + unit if unit else ''}")
        for n in names:
            v = values[m].get(n)
            if not v:
                continue
            other = median[m].get("charon") if n != "charon" else None
            ratio = median[m][n] / other if other else None
            print(f"  {n:<8} {show(median[m][n]):>10} ({show(min(v))}-{show(max(v))})"
                  + (f"   {ratio:.2f} times charon" if ratio else ""))
            lines.append({"bench": "ike", "measure": m, "candidate": n, "median": median[m][n],
                          "min": min(v), "max": max(v), "rounds": len(v),
                          "ratio_to_charon": ratio, "machine": machine()})
        for target, against, op, limit in TARGETS:
            if target != kind or "braid" not in median[m]:
                continue
            x = median[m]["braid"] / (median[m][against] if against else 1)
            ok = x >= limit if op == ">=" else x <= limit
            verdicts.append(f"  {m:<26} {x:8.2f} {'times ' + against if against else '':<13} "
                            f"{op} {limit:<5} {'reached' if ok else 'MISSED'}")
    print("\nTargets")
    print("\n".join(verdicts))
    with open(sys.argv[2], "w") as f:
        for line in lines:
            f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
