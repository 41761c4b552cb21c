#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""page_types.py PAGE [FILE...]: members of the control protocol, as agents wrote them into these files, a
JSON text a line, against section TYPES of its manual page.

A member that the page does not have, or with another type, is wrong. Without files: prints what was seen.
"""
import json
import re
import sys

KINDS = {"Numbers": "number", "Flags": "flag", "Text": "text", "Lists": "list", "Objects": "object"}
# objects whose members are names of something else: of counters, reasons, exchanges, notifications
NUMBER = re.compile(r".*_(usec|sec|octets|packets|permille|bytes)$")


def page_types(name):
    with open(name, encoding="utf-8") as f:
        text = f.read()
    section = text.split("\n.Sh TYPES\n")[1].split("\n.Sh ")[0]
    types = {}
    for title, body in re.findall(r"^\.It (\w+)(.*?)(?=^\.It |^\.El)", section, re.M | re.S):
        for line in re.findall(r"^\.Va (.*)", body, re.M):
            for word in re.findall(r"\w+", line):
                types.setdefault(word, set()).add(KINDS[title])
    for line in re.findall(r"^\.It Va (.*)", text, re.M):  # counters, each with its meaning
        for word in re.findall(r"\w+", line):
            types.setdefault(word, set()).add("number")
    return types


def kind(value):
    if isinstance(value, bool):
        return "flag"
    for python, word in ((str, "text"), ((int, float), "number"), (list, "list"), (dict, "object")):
        if isinstance(value, python):
            return word
    return None


def walk(value, seen):
    """Names in capitals are those of exchanges, notifications and reasons, not of members."""
    if isinstance(value, list):
        for item in value:
            walk(item, seen)
    if isinstance(value, dict):
        for name, item in value.items():
            if kind(item) and not name[0].isupper():
                seen.setdefault(name, set()).add(kind(item))
            walk(item, seen)


def main():
    seen = {}
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as f:
            for line in f:
                walk(json.loads(line), seen)
    types = page_types(sys.argv[1])
    wrong = [f"{name}: {k} in an answer, not in the page" for name in sorted(seen)
             for k in sorted(seen[name] - types.get(name, set()))
             if not (k == "number" and NUMBER.match(name))]
    for line in wrong:
        print(line)
    print(f"{len(seen)} members, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
