/* SPDX-License-Identifier: GPL-2.0-only */
/* Time: microseconds of CLOCK_MONOTONIC. The protocol core is handed `now`, it never asks. */
#ifndef BRAID_BASE_USEC_H
#define BRAID_BASE_USEC_H

#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_NEVER    UINT64_MAX
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)

#endif
