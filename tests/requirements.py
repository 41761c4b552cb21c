#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""requirements.py [--quiet] LIST...: which test proves which statement of the lists.

A test names the ID of a statement in the comment before it, in its body, or at the head of its file;
a script anywhere. Fails on a statement that has neither test nor reason, on a reason for one that has
a test, and on a name that no list has. Instead of a reason there may be statements that say the same
("see: ID..."): their tests are its.
"""
import bisect
import collections
import os
import re
import signal
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))
ID = re.compile(r"(?<![\w.-])([A-Z]+)-((?:A|\d+(?:\.\d+)*)-\d+|\d+)(?![\w.-]*\d)")
TEST = re.compile(r"^(?:Parameterized)?Test\((\w+), (\w+)", re.M)


class Statement:
    def __init__(self, where, text):
        self.where, self.text = where, text
        self.reason = None  # "n/a: ..." or "later: ..."
        self.see = []  # statements that say the same
        self.tests = []


def read_list(name, statements):
    last = None
    with open(name, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            fields = line.rstrip("\n").split("\t")
            if not fields[0] and len(fields) == 2 and last:
                if not re.match(r"(n/a|later|see): \S", fields[1]) or last.reason or last.see:
                    sys.exit(f"{name}:{n}: neither n/a: nor later: nor see:, or a second one")
                if fields[1].startswith("see:"):
                    last.see = fields[1].split()[1:]
                else:
                    last.reason = fields[1]
            elif len(fields) == 3 and ID.fullmatch(fields[0]) and fields[0] not in statements:
                last = statements[fields[0]] = Statement(fields[1], fields[2])
            elif line.strip() and not line.startswith("#"):
                sys.exit(f"{name}:{n}: ID, where, statement wanted, each ID once")


class Source:
    """Tells to which test of a file an offset belongs."""

    def __init__(self, name, text):
        self.name = os.path.relpath(name, TESTS)
        self.tests = [(m.start(), f"{m[1]}.{m[2]}") for m in TEST.finditer(text)]
        # the head: up to the first line of code
        code = re.search(r"^[#s]", text, re.M)
        self.head = code.start() if self.tests and code else 0
        self.ends = [m.start() for m in re.finditer(r"^}", text, re.M)]

    def test_at(self, offset):
        if offset < self.head or not self.tests:
            return self.name
        i = bisect.bisect_right([t[0] for t in self.tests], offset)
        if i:
            ends = self.ends[bisect.bisect(self.ends, self.tests[i - 1][0]):]
            if ends and offset < ends[0]:
                return f"{self.name}:{self.tests[i - 1][1]}"
        # before a test, or in something that the tests after it use
        return f"{self.name}:{self.tests[i][1]}" if i < len(self.tests) else self.name


def scan(statements):
    prefixes = {i.split("-")[0] for i in statements}
    unknown = []
    for top, dirs, files in os.walk(TESTS):
        dirs[:] = sorted(d for d in dirs if d not in ("corpus", "requirements", "__pycache__"))
        for f in sorted(files):
            if not f.endswith((".c", ".h", ".sh", ".py")) or f == os.path.basename(__file__):
                continue
            with open(os.path.join(top, f), encoding="utf-8") as fd:
                text = fd.read()
            source = Source(os.path.join(top, f), text)
            for m in ID.finditer(text):
                if m[0] in statements:
                    test = source.test_at(m.start())
                    if test not in statements[m[0]].tests:
                        statements[m[0]].tests.append(test)
                elif m[1] in prefixes:
                    unknown.append(f"{source.name}: {m[0]} is in no list")
    return unknown


def follow(statements):
    """Give those that say the same as others the tests of these."""
    wrong = []
    for i, s in statements.items():
        for other in s.see:
            if other not in statements or statements[other].see:
                wrong.append(f"{i} says to see {other}, which is in no list or says to see others")
            elif not statements[other].tests:
                wrong.append(f"{i} says to see {other}, which has no test")
            else:
                s.tests += [t for t in statements[other].tests if t not in s.tests]
    return wrong


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "| head" is no error
    quiet = sys.argv[1:2] == ["--quiet"]
    statements = {}
    for name in sys.argv[2 if quiet else 1:]:
        read_list(name, statements)
    wrong = scan(statements)
    wrong += follow(statements)
    count = collections.Counter()
    for i, s in statements.items():
        if s.tests and s.reason:
            wrong.append(f"{i} has a test and says \"{s.reason}\"")
        elif not s.tests and not s.reason:
            wrong.append(f"{i} has neither test nor reason: {s.text}")
        count["tested" if s.tests else (s.reason or "open").split(":")[0]] += 1
        if not quiet:
            # a long second column gets the line for itself
            print(f"{i:15}{s.where}\n{'':28}{s.text}" if len(s.where) > 12 else
                  f"{i:15}{s.where:13}{s.text}")
            for line in s.tests or [s.reason or "open"]:
                print(f"{'':28}{line}")
    if not quiet:
        print(", ".join(f"{n} {what}" for what, n in sorted(count.items())),
              f"of {len(statements)} statements")
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


sys.exit(main())
