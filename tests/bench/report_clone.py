#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""report_clone.py RESULTS JSONL: medians, spread and ratios of bench_clone.sh's measurements. Exit code 1
if a clone carried a payload that authenticates, or not all of it could be decrypted."""
import json
import statistics
import sys

from report import load, machine, show

WAYS = {"each": "one after the other", "once": "all at once"}
KINDS = {"auto": "clones by configuration", "beside": "full IKE SAs by configuration", "clone": "clones",
         "spare": "spare clones", "full": "full IKE SAs", "swan": "full IKE SAs, strongSwan"}
LIMIT = {"time": 0.6, "cpu": 0.35}
DELAY = 20


class Results:
    def __init__(self, path):
        self.values, self.names = load(path)
        cells = {m.rsplit("-", m.count("-") - 1)[0] for m in self.values}
        self.delays = sorted({int(c.split("-")[0]) for c in cells})
        self.sizes = sorted({int(m.split("-")[1]) for m in self.values})
        self.lines = []

    def of(self, name, delay, n, measure):
        def values(n, measure):
            return self.values.get(f"{delay}-{n}-{measure}", {}).get(name, [])

        # less what the first one takes, which does not depend on how many follow
        first = [x for m in self.sizes for x in values(m, measure.replace("cpu-", "first-"))]
        less = statistics.median(first) if measure.startswith("cpu-") and first else 0
        return [x - less for x in values(n, measure)]

    def get(self, name, delay, n, *measures):
        """Of each round, the sum of the measures."""
        lists = [self.of(name, delay, n, m) for m in measures]
        return [sum(x) for x in zip(*lists)]

    def median(self, *what):
        v = self.get(*what)
        return statistics.median(v) if v else None

    def show_table(self, title, unit, delay, *measures):
        print(f"\n{title}, {unit}")
        print(f"  {'tunnels':<48}" + "".join(f"{n:>26}" for n in self.sizes))
        for name in self.names:
            kind, way = name.split("-")
            row = ""
            if not any(self.get(name, delay, n, *measures) for n in self.sizes):
                continue
            for n in self.sizes:
                v = self.get(name, delay, n, *measures)
                row += f"{show(statistics.median(v)):>9} {f'({show(min(v))}-{show(max(v))})':<16}" if v else f"{'':26}"
                if v:
                    self.lines.append({"bench": "clone", "what": title, "unit": unit, "candidate": name,
                                       "tunnels": n, "delay_ms_each_way": delay, "median": statistics.median(v),
                                       "min": min(v), "max": max(v), "rounds": len(v), "machine": machine()})
            print(f"  {f'{KINDS[kind]}, {WAYS[way]}':<48}{row}")

    def verdict(self, title, value, limit):
        """limit None: only to compare."""
        ok = limit is None or value <= limit
        said = "" if limit is None else f"(<= {limit}) {'reached' if ok else 'NOT REACHED'}"
        print(f"  {title:<86} {value:5.2f} {said}".rstrip())
        line = {"bench": "clone", "ratio": title, "value": value}
        self.lines.append(line if limit is None else line | {"limit": limit, "reached": ok})

    def compare(self, limit, delay, ours, theirs, *measures):
        for n in self.sizes:
            a, b = self.median(ours, delay, n, *measures), self.median(theirs, delay, n, *measures)
            if a is not None and b:
                def name(x):
                    return f"{KINDS[x.split('-')[0]]} {WAYS[x.split('-')[1]]}"
                self.verdict(f"{n}: {name(ours)} / {name(theirs)}", a / b, limit)

    def payloads(self):
        print("\nPayloads of clones that authenticate, of all messages decrypted")
        ok = True
        for name in self.names:
            total = {m: sum(sum(self.get(name, d, n, m)) for d in self.delays for n in self.sizes)
                     for m in ("encrypted", "decrypted", "auth", "cert", "exchanges")}
            if not total["encrypted"]:
                continue
            print(f"  {name:<12} {total['auth']:.0f} AUTH, {total['cert']:.0f} CERT in {total['encrypted']:.0f}"
                  f" messages, {total['decrypted']:.0f} decrypted; {total['exchanges']:.0f} messages of IKE_AUTH"
                  " in all rounds")
            self.lines.append({"bench": "clone", "candidate": name, **total})
            if name.startswith(("auto", "clone", "spare")):
                ok = ok and total["encrypted"] == total["decrypted"] and not (
                    total["auth"] or total["cert"] or total["exchanges"])
        return ok


def main():
    r = Results(sys.argv[1])
    print(f"\nFurther tunnels beside one that is up: medians (lowest-highest); {machine()}")
    for d in r.delays:
        r.show_table(f"Until both ends have the last one, {d} ms each way (a round trip takes {2 * d})", "ms", d, "time")
        r.show_table(f"Until packets of both ends go by the last one's own path, {d} ms each way", "ms", d, "moved")
    d = DELAY if DELAY in r.delays else r.delays[-1]
    r.show_table(f"Processor time of both ends, {d} ms each way", "ms", d, "cpu-user", "cpu-gw")
    for way, title in (("there", "from the host"), ("back", "to the host")):
        r.show_table(f"IKE messages {title}", "datagrams", d, f"messages-{way}")
        r.show_table(f"IKE octets {title}", "with IP headers", d, f"octets-{way}")
    print(f"\nTimes as long, {d} ms each way; what is asked for by configuration against one after the other")
    for ours, theirs in TIME_JUDGED:
        r.compare(LIMIT["time"], d, ours, theirs, "time")
    print("Spare clones, kept ready without a Child SA (clone_spare): one round trip against two, like for like")
    for ours, theirs in TIME_SPARE:
        r.compare(LIMIT["time"], d, ours, theirs, "time")
    print("Like for like without spare clones: both take two round trips, and what is left is the work")
    for ours, theirs in TIME_ALIKE:
        r.compare(None, d, ours, theirs, "time")
    print(f"\nTimes as much processor time of both ends, {d} ms each way")
    for ours, theirs in CPU_JUDGED:
        r.compare(LIMIT["cpu"], d, ours, theirs, "cpu-user", "cpu-gw")
    for ours, theirs in CPU_OTHERS:
        r.compare(None, d, ours, theirs, "cpu-user", "cpu-gw")
    ok = r.payloads()
    with open(sys.argv[2], "w") as f:
        for line in r.lines:
            f.write(json.dumps(line) + "\n")
    return 0 if ok else 1


# Clones are asked for together in the window of an IKE SA that is there; that full ones are set up
# one after the other is how a host does that has one after the other interface.
TIME_JUDGED = [("auto-once", "full-each"), ("clone-once", "full-each"), ("auto-once", "swan-each")]
TIME_SPARE = [("spare-once", "full-once"), ("spare-once", "swan-once")]
TIME_ALIKE = [("auto-once", "beside-once"), ("clone-once", "full-once"), ("clone-each", "full-each"),
              ("auto-once", "swan-once")]
CPU_JUDGED = [("auto-once", "beside-once"), ("clone-once", "full-once"), ("clone-each", "full-each")]
CPU_OTHERS = [("auto-once", "swan-once")]

if __name__ == "__main__":
    sys.exit(main())
