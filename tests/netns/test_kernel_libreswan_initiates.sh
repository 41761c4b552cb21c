#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# As test_kernel_libreswan.sh; it is Libreswan that initiates.
exec "$(dirname "$0")/../interop/quick" libreswan BACKENDS=kernel AUTHS=psk SUITES=gcm ROLES= LIVES=responder LIFE=rekeys MOVES=responder
