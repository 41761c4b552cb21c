#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Both ends' ESP is the kernel's, one is strongSwan's: the initiator, this one and then the other, loses its address and
# goes on from another by MOBIKE; a TCP connection lives. The rest is make interop-vm's.
exec "$(dirname "$0")/../interop/quick" strongswan BACKENDS=kernel AUTHS=psk PHASES=moves
