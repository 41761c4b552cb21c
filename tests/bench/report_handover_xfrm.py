#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_handover_xfrm.py RESULTS: medians and worst of handover_xfrm.sh's measurements. Exit code 1 if braid
let a packet in clear leave."""
import statistics
import sys

from report import load, machine
from report_handover import CASES, WAYS


def main():
    values, names = load(sys.argv[1])
    print(f"\nAn uplink is lost where ESP is the kernel's; {machine()}")
    for case, title in CASES.items():
        if f"{case}-there-gap" not in values:
            continue
        print(f"\n{title}\n  {'':<30}{'silent for, ms':>16}{'(worst)':>10}{'lost':>8}{'(worst)':>10}{'before, ms':>12}")
        for way, whither in WAYS.items():
            for n in names:
                gap, lost, quiet = (values[f"{case}-{way}-{m}"].get(n, []) for m in ("gap", "lost", "quiet"))
                if not gap:
                    continue
                silent = len(values.get(f"{case}-{way}-silent", {}).get(n, []))
                print(f"  {whither:<18}{n:<12}{statistics.median(gap) / 1000:>16,.0f}{max(gap) / 1000:>10,.0f}"
                      f"{statistics.median(lost):>8,.0f}{max(lost):>10,.0f}{statistics.median(quiet) / 1000:>12,.0f}"
                      f"   {len(gap)} rounds" + (f", not over at the end in {silent}" if silent else ""))
    clear = {n: sum(sum(v.get(n, [])) for m, v in values.items() if m.endswith("-in_clear")) for n in names}
    print("\nPackets in clear: " + ", ".join(f"{n} {int(c)}" for n, c in clear.items()))
    return any(c for n, c in clear.items() if n.startswith("braid"))


if __name__ == "__main__":
    sys.exit(main())
