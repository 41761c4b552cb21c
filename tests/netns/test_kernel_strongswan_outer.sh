#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Both ends' ESP is the kernel's, one is strongSwan's: over IPv6, and in UDP through a NAT, each with a rekey under TCP and
# UDP, in both roles. The rest is make interop-vm's.
exec "$(dirname "$0")/../interop/quick" strongswan BACKENDS=kernel AUTHS=psk PHASES=outer
