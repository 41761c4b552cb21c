#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Both ends' ESP is the kernel's, the initiator's is Libreswan's: set-up with a secret and AES-GCM, rekeys of both SAs by
# either end under TCP and UDP. The rest is make interop-vm's.
exec "$(dirname "$0")/../interop/quick" libreswan BACKENDS=kernel AUTHS=psk SUITES=gcm ROLES= LIVES=responder LIFE=rekeys MOVES=
