#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check_docs.py: what programs take and give has its words in the manual pages, and no others.

Keys of the configuration by section, options of the programs, commands of braid, members of its JSON,
commands of the control socket, who may ask them and how they end, reasons of drops, kinds of events; in README.md the names of files, make targets and commands.
"""
import glob
import os
import re
import sys

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
wrong = []


def read(name):
    with open(name, encoding="utf-8") as f:
        return f.read()


def page(name):
    return re.sub(r'^\.\\".*\n', "", read(f"user/man/{name}"), flags=re.M)


def plain(roff):
    return re.sub(r"\\f.|\\e|\\&|\\\(dq", "", roff).replace("\\-", "-")


def same(what, code, doc, where):
    """Two sets of names. What either has and the other has not is wrong."""
    if not code:
        wrong.append(f"{what}: none found in the source; is this script out of date?")
    for name in sorted(code - doc):
        wrong.append(f"{where}: {what} {name} is not described")
    for name in sorted(doc - code):
        wrong.append(f"{where}: {what} {name} does not exist")


def conf_keys():
    source = read("user/conf/parse.c")
    code = {}
    for table, body in re.findall(r"cfg_opt_t (\w+)_opts\[\] = \{(.*?)CFG_END", source, re.S):
        for key in re.findall(r'\b(?:ONE|LIST)\("(\w+)"\)', body):
            code.setdefault(table, set()).add(key)
    doc, section, depth, outer = {}, None, [], None
    for line in page("braid.conf.5").splitlines():
        if m := re.match(r"\.S[hs] (.*)", line):
            title = m[1].split()[0].lower()
            section = {"first": "root"}.get(title, title if title in code else None)
            depth = []
        elif m := re.match(r"\.Ic (child|path) ", line):
            section = m[1]
        elif line.startswith(".Bl"):
            depth.append(outer or section)
            outer = None
        elif line.startswith(".El"):
            section = depth.pop() if depth else section
        elif (m := re.match(r"\.It Ic (\w+) \{", line)) and m[1] in code:
            section, outer = m[1], outer or section
        elif outer and line.startswith(".It"):
            section, outer = outer, None  # described elsewhere
            doc.setdefault(section, set()).update(re.findall(r"[\w]+", line[7:]))
        elif section and (m := re.match(r"\.It Ic (.*)", line)):
            doc.setdefault(section, set()).update(re.findall(r"[\w]+", m[1]))
    for table in sorted(code.keys() | doc.keys()):
        same(f"key of {table}", code.get(table, set()), doc.get(table, set()), "braid.conf(5)")


def options():
    for source, name in (("main", "braidd"), ("engine", "braid-esp"), ("cli", "braid")):
        code = set(re.findall(r'\{ "([\w-]+)", (?:no|required|optional)_argument', read(f"user/{source}.c")))
        doc = set(re.findall(r"-([a-z][\w-]+)", " ".join(
            re.findall(r"^\.(?:It|Op|Pq)? ?.*\bFl .*", page(f"{name}.8"), re.M))))
        same("option", code, doc & (code | {d for d in doc if len(d) > 1}), f"{name}(8)")


def commands():
    code = set(re.findall(r'\{ "(\w+)", \d, \d+, cmd_', read("user/cli.c"))) | {"help"}
    doc = page("braid.8").split(".Ss Commands")[1].split("\n.Sh")[0]
    same("command", code, set(re.findall(r"^\.It Cm (\w+)", doc, re.M)), "braid(8)")
    words = re.search(r"'' \) words='([^']*)'|''\) words='([^']*)'", read("user/completion/braid.bash"))
    same("command", code, set((words[1] or words[2]).split()), "braid.bash")
    for word in re.findall(r"`braid ([a-z]+)", read("README.md")):
        if word not in code:
            wrong.append(f"README.md: there is no braid {word}")


def members():
    code, literals = set(), set()
    for name in glob.glob("user/agent/*.c") + glob.glob("user/ctl/*.c"):
        text = read(name)
        literals |= set(re.findall(r'"([a-z]\w*)"', text))
        if "/report" in name:
            code |= set(re.findall(r'\b(?:set|set_\w+|add_time)\(\w+, "(\w+)"', text))
            for pack in re.findall(r'json_pack\([^;]*;', text):
                code |= set(re.findall(r'"([a-z]\w*)",', pack))
    listed = re.search(r"#define FOREACH_IKE_COUNTER(.*?)\n\n", read("include/ike/ike.h"), re.S)[1]
    code |= set(re.findall(r"\b(?:ALL|CONN)\((\w+)\)", listed))
    # what requests carry and events, besides
    code |= set(re.findall(r"\bN\((\w+)\);", read("user/agent/report_stats.c")))
    literals |= code | set(re.findall(r'"(\w+)"', read("user/cli.c")))
    text = page("braid-control.7")
    doc = {w for line in re.findall(r"^\.(?:It )?(?:Va|Pq Va) (.*)", text, re.M)
           for w in re.findall(r"\b[a-z][a-z_0-9]*\b", line)}
    told = set(re.findall(r"\w+", text.replace(text.split("\n.Sh TYPES")[1].split("\n.Sh ")[0], "")))
    for name in sorted(code - told):
        wrong.append(f"braid-control(7): member {name} is not described")
    types = set(re.findall(r"\w+", text.split("\n.Sh TYPES")[1].split("\n.Sh ")[0])) | set(
        w for line in re.findall(r"^\.It Va (.*)", text, re.M) for w in re.findall(r"\w+", line))
    words = set(w for line in re.findall(r"^\.(?:It |Pq )?Cm (.*)", text, re.M) for w in re.findall(r"\w+", line))
    for name in sorted(code - types - words):
        if not re.search("_(usec|sec|octets|packets|permille|bytes)$", name):
            wrong.append(f"braid-control(7): member {name} has no type")
    for name in sorted(doc - literals):
        wrong.append(f"braid-control(7): member {name} does not exist")


def control_commands():
    """Each command of the socket has its entry, and readers may ask what the page says."""
    table = "".join(read(name) for name in glob.glob("user/agent/control*.c"))
    code = dict(re.findall(r'\{ "([\w-]+)", PERMIT_(READ|ADMIN), \w+ \}', table))
    text = page("braid-control.7")
    listed = text.split("\n.Sh COMMANDS")[1].split("\n.Sh ")[0]
    doc = set()
    for line in re.findall(r"^\.It Cm (.*)", listed, re.M):
        if line not in ("good", "stale , early", "revoked , unknown", "foreign", "none"):
            doc |= set(re.findall(r"[\w-]+", line))
    same("command", set(code), doc, "braid-control(7)")
    read_part = text.split("may only read may ask")[1].split("all else")[0]
    same("command for readers", {name for name, who in code.items() if who == "READ"},
         {w for line in re.findall(r"^\.Cm (.*)", read_part, re.M) for w in re.findall(r"[\w-]+", line)},
         "braid-control(7)")
    codes = re.search(r"#define FOREACH_CTL_CODE(.*?)\n\n", read("include/ctl/json.h"), re.S)[1]
    part = text.split("\nCodes:")[1].split("\n.Pp")[0]
    same("code", set(re.findall(r'X\(\w+, "([\w-]+)"', codes)),
         {w for line in re.findall(r"^\.Cm (.*)", part, re.M) for w in re.findall(r"[\w-]+", line)},
         "braid-control(7)")


def library():
    """Each function and error of libbraid has its place in its page."""
    header, text = read("include/braid/braid.h"), page("libbraid.3")
    same("function", set(re.findall(r"^BRAID_API .*?\b(braid_\w+)\(", header, re.M)),
         set(re.findall(r"\bFn (braid_\w+)", text)), "libbraid(3)")
    constants = set(re.findall(r"\bBRAID_[A-Z_]+", header))
    for name in sorted(set(re.findall(r"\bBRAID_[A-Z_]+", text)) - constants):
        wrong.append(f"libbraid(3): there is no {name}")


def drops():
    code = set(re.findall(r"\bX\(([A-Z_]+), \"", read("include/abi/steer.h")))
    same("reason", code, set(re.findall(r"^\.It Va ([A-Z_]+)$", page("braid-control.7"), re.M)),
         "braid-control(7)")


def events():
    listed = re.search(r"#define FOREACH_CTL_EVENT(.*?)\n\n", read("include/ctl/json.h"), re.S)[1]
    code = set(re.findall(r'X\(\w+, "([\w-]+)"\)', listed))
    doc = page("braid-control.7").split("Kinds:")[1].split("\n.Sh")[0]
    same("event", code, set(re.findall(r"^\.Cm ([\w-]+)", doc, re.M)), "braid-control(7)")


def readme():
    text = read("README.md")
    for name in re.findall(r"`((?:user|bpf|tests|include)/[\w./*]+)`", text):
        if not glob.glob(name.replace("_x.c", "_*.c").replace("/x.c", "/*.c")):
            wrong.append(f"README.md: there is no {name}")
    known = {os.path.basename(n) for top in ("user", "tests") for n in glob.glob(f"{top}/**", recursive=True)}
    for name in re.findall(r"`(\w+\.(?:c|h|txt))`", text):
        if name not in known:
            wrong.append(f"README.md: there is no {name}")
    maps = "".join(read(name) for name in glob.glob("bpf/lib/*.h"))
    for row in re.findall(r"^\| (`\w+`.*?) \|", text.split("| maps (")[1].split("\n\n")[0], re.M):
        for name in re.findall(r"`(\w+)`", row):
            if not re.search(rf"\b{name} SEC|\}} {name}\b", maps):
                wrong.append(f"README.md: there is no map {name}")
    targets = set(re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.M))
    targets = {t for line in targets for t in line.split()}
    for name in re.findall(r"(?:^    |`|; )(?:sudo )?make ([a-z][a-z-]*)", text, re.M):
        if name not in targets:
            wrong.append(f"README.md: there is no make {name}")


if __name__ == "__main__":
    for check in (conf_keys, options, commands, members, control_commands, library, drops, events, readme):
        check()
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))
