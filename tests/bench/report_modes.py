#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_modes.py RESULTS JSONL: processor time of transport mode against tunnel mode."""
import json
import statistics
import sys

TITLES = {"tcp": "TCP, one stream", "tcp8": "TCP, eight", "udp": "UDP, 1372 octets",
          "udp_gso": "UDP, the same, GSO", "small": "UDP, 100 octets", "flood": "UDP, 1372, flood",
          "flood512": "UDP, 512, flood", "flood64": "UDP, 64, flood"}
MOST = 0.8  # of the tunnel's


def main():
    values = {}
    with open(sys.argv[1]) as f:
        for line in f:
            name, measure, engines, machine = line.rstrip("\n").split("\t")
            values.setdefault(measure, {}).setdefault(name, []).append((float(engines), float(machine)))
    lines = []
    print("\nProcessor time, both hosts, ms; medians of %d rounds" % len(next(iter(values.values()))["tunnel"]))
    for measure, by in values.items():
        for what, at in (("engines", 0), ("machine", 1)):
            t, x = (statistics.median(v[at] for v in by[n]) for n in ("tunnel", "transport"))
            if not t:  # no engine
                continue
            line = {"measure": measure, "of": what, "tunnel_ms": t, "transport_ms": x, "ratio": x / t, "at_most": MOST}
            net = ""
            if what == "machine":
                clear = line["clear_ms"] = statistics.median(v[at] for v in by["clear"])
                net = f"; clear text {clear:.0f}"
                if clear < min(t, x):  # else something else was at work on the machine, too
                    line["ratio_of_protection"] = (x - clear) / (t - clear)
                    net += f": of what protection costs {line['ratio_of_protection']:.3f}"
            print(f"  {TITLES[measure]:18} {what:8} tunnel {t:8.0f}  transport {x:8.0f} per {'GB' if measure.startswith('tcp') else 'million packets':16}"
                  f" ratio {x / t:.3f}" + ("" if x / t <= MOST else f" (wanted: at most {MOST})") + net)
            lines.append(line)
    with open(sys.argv[2], "w") as f:
        for line in lines:
            f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
