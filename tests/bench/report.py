#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report.py RESULTS JSONL: medians, spread and ratios of bench_throughput.sh's measurements."""
import json
import os
import statistics
import sys

UNITS = {"tcp1": "Gbit/s", "tcp4": "Gbit/s", "udp": "packets/s", "udp_gso": "packets/s"}
TITLES = {
    "tcp1": "TCP, one stream", "tcp4": "TCP, four streams", "udp": "UDP, 1372 octets",
    "udp_gso": "UDP, 1372 octets, application GSO",
    "cpu_send_tcp1": "sender's processor time, one stream",
    "cpu_recv_tcp1": "receiver's processor time, one stream",
    "cpu_send_tcp4": "sender's processor time, four streams",
    "cpu_recv_tcp4": "receiver's processor time, four streams",
}
# measure, candidate, against (None: the value itself), at least / at most, limit
TARGETS = [
    (m, *rest) for m in ("tcp1", "tcp4") for rest in (
        ("braid", "raw", ">=", 0.26), ("braid", "raw-off", ">=", 0.60),
        ("braid", "strongswan", ">=", 10), ("braid", "wireguard", ">=", 10),
        ("braid-evp", "strongswan", ">=", 7))
] + [
    ("cpu_send_tcp1", "braid", None, "<=", 0.9), ("cpu_recv_tcp1", "braid", None, "<=", 0.5),
    ("udp", "braid", "strongswan", ">=", 7), ("udp_gso", "braid", None, ">=", 700000),
]


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    u = os.uname()
    return f"{u.machine} {u.release}, {os.cpu_count()} x {model}"


def load(path):
    values, names = {}, []
    with open(path) as f:
        for line in f:
            name, measure, value = line.rstrip("\n").split("\t")
            values.setdefault(measure, {}).setdefault(name, []).append(float(value))
            if name not in names:
                names.append(name)
    return values, names


def show(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.2f}" if x < 100 else f"{x:.1f}"


def main():
    values, names = load(sys.argv[1])
    median = {m: {n: statistics.median(v) for n, v in by.items()} for m, by in values.items()}
    where = machine()
    lines = []
    print(f"\nMedians (lowest-highest); {where}")
    for m, title in TITLES.items():
        unit = UNITS.get(m, "s/GB")
        print(f"\n{title}, {unit}")
        for n in names:
            v = values.get(m, {}).get(n)
            if not v:
                continue
            mid = median[m][n]
            ratios = []
            for base in names:
                other = median[m].get(base)
                if base == n or not other or not n.startswith("braid") or base == "braid-evp":
                    continue
                ratios.append(f"{mid / other:.2f} {base}")
                lines.append((m, n, base, mid / other))
            print(f"  {n:<11} {show(mid):>11} ({show(min(v))}-{show(max(v))})"
                  + (f"   times: {', '.join(ratios)}" if ratios else ""))
            if not ratios:
                lines.append((m, n, None, None))
    with open(sys.argv[2], "w") as f:
        for m, n, base, ratio in lines:
            v = values[m][n]
            f.write(json.dumps({
                "what": f"{TITLES[m]}, {n}", "value": median[m][n],
                "unit": UNITS.get(m, "s/GB"), "against": base,
                "ratio": None if ratio is None else round(ratio, 3), "runs": len(v),
                "min": min(v), "max": max(v), "machine": where}) + "\n")
    print("\nTargets")
    missed = 0
    for m, n, base, sense, limit in TARGETS:
        got = median[m][n] / (median[m][base] if base else 1)
        met = got >= limit if sense == ">=" else got <= limit
        missed += not met
        print(f"  {'met ' if met else 'MISS'} {TITLES[m]}: {n}"
              + (f" / {base}" if base else "") + f" = {show(got)} ({sense} {limit:,})")
    print(f"\n{'all targets met' if not missed else f'{missed} targets missed'}; "
          f"written to {sys.argv[2]}")


if __name__ == "__main__":
    main()
