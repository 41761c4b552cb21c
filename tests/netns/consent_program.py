#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""consent_program.py SOCKET yes|silent|wait [ARGUMENT]: a program that is asked before addresses leave.

Prints every line it gets. yes: says so at once; silent: never; wait: asks for ARGUMENT microseconds (0: as long
as there is), and says yes when it gets SIGUSR1. say REQUEST instead: sends that, prints all of the answer.
"""
import json
import signal
import socket
import sys

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
how = sys.argv[2]
if how == "say":
    s.sendall(sys.argv[3].encode() + b"\n")
    for line in s.makefile():
        print(line, end="", flush=True)
        if json.loads(line)["done"]:
            break
    sys.exit()
usec = int(sys.argv[3]) if len(sys.argv) > 3 else 0
tokens, n = [], 1


def send(cmd, **args):
    global n
    n += 1
    s.sendall(json.dumps(dict(v=1, id=n, cmd=cmd, **args)).encode() + b"\n")


def on_signal(_sig, _frame):
    for token in tokens:
        send("consent-answer", token=token, answer="yes")


signal.signal(signal.SIGUSR1, on_signal)
send("consent")
for line in s.makefile():
    print(line, end="", flush=True)
    event = json.loads(line).get("event", {})
    if event.get("kind") != "address-leaving" or "token" not in event:
        continue
    tokens.append(event["token"])
    if how == "yes":
        send("consent-answer", token=event["token"], answer="yes")
    elif how == "wait":
        send("consent-answer", token=event["token"], answer="wait", **({"wait_usec": usec} if usec else {}))
