#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# test_strongswan_mobike.sh with as many Child SAs as the matrix asks for.
CHILDREN='1 10 100' exec "$(dirname "$0")/test_strongswan_mobike.sh"
