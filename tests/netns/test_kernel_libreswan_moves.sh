#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Both ends' ESP is the kernel's, one is Libreswan's: the initiator, this one and then the other, loses its address and
# goes on from another by MOBIKE; a TCP connection lives. The rest is make interop-vm's.
exec "$(dirname "$0")/../interop/quick" libreswan BACKENDS=kernel AUTHS=psk SUITES=gcm ROLES= LIVES=
