#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_xfrm.py RESULTS: what steer_xfrm.sh measured: medians, ratios of the same round, and what was wanted of them."""
import collections
import statistics
import sys

# measure: unit, ratios above 1 are better
UDP = {"udp64": "64 octets", "udp512": "512 octets", "udp1400": "1400 octets", "udp2": "1372 octets, two sockets"}
MEASURES = {m: f"packets/s, {text}" for m, text in UDP.items()}
MEASURES |= {m + "_cpu": f"us of processor a packet, {text}" for m, text in UDP.items()}
MEASURES |= {"tcp": "Mbit/s, one TCP stream", "tcp_cpu": "s of processor a GB, one TCP stream"}
# candidate, beside which, measures, least (None: no more than) , most
WANTED = [
    ("steered", "xfrm", ["udp64", "udp512", "udp1400", "udp2", "tcp"], 0.95, None),
    ("two-paths", "steered", ["udp64", "udp512", "udp1400", "udp2", "tcp"], None, None),
    ("wireguard", "xfrm", ["udp1400", "tcp"], None, None),
    ("transport", "policy", ["udp64_cpu", "udp512_cpu", "udp1400_cpu", "tcp_cpu"], None, 0.80),
    ("transport", "xfrm", ["udp64_cpu", "udp512_cpu", "udp1400_cpu", "tcp_cpu"], None, 0.80),
    ("policy", "xfrm", ["udp1400_cpu", "tcp_cpu"], None, None),
    ("beet", "policy", ["udp64_cpu", "udp512_cpu", "udp1400_cpu", "tcp_cpu"], None, 0.80),
    ("beet", "xfrm", ["udp64_cpu", "udp512_cpu", "udp1400_cpu", "tcp_cpu"], None, 0.80),
]

runs = collections.defaultdict(list)
with open(sys.argv[1], encoding="utf-8") as f:
    for line in f:
        candidate, measure, value = line.split("\t")
        runs[measure, candidate].append(float(value))

for (measure, candidate), values in sorted(runs.items()):
    phase, name = ("offload_", measure[8:]) if measure.startswith("offload_") else ("", measure)
    print(f"# {MEASURES[name]}{', esp4_offload' if phase else ''}: {candidate} {statistics.median(values):.4g} "
          f"({min(values):.4g} to {max(values):.4g}) of {len(values)}")

for phase in "", "offload_":
    for candidate, base, measures, least, most in WANTED:
        for m in measures:
            ours, theirs = runs.get((phase + m, candidate)), runs.get((phase + m, base))
            if not ours or not theirs:
                continue
            ratios = [a / b for a, b in zip(ours, theirs) if b]
            if not ratios:
                continue
            ratio = statistics.median(ratios)
            q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            word = ""
            if least is not None:
                word = f": {'reached' if ratio >= least else 'NOT REACHED'} ({least} wanted)"
            elif most is not None:
                word = f": {'reached' if ratio <= most else 'NOT REACHED'} (at most {most} wanted)"
            print(f"ok - {candidate} / {base}, {MEASURES[m]}{', esp4_offload' if phase else ''}: "
                  f"{ratio:.3f} ({q[0]:.3f} to {q[2]:.3f}, of {len(ratios)}){word}")
