#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Both ends' ESP is the kernel's, the responder's is strongSwan's: set-up, rekeys of both SAs by either end under TCP and
# UDP of which nothing may be lost, Deletes. The rest is make interop-vm's.
exec "$(dirname "$0")/../interop/quick" strongswan BACKENDS=kernel AUTHS=psk ROLES=initiator PHASES=life
