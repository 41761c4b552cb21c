/* SPDX-License-Identifier: GPL-2.0-only */
/* A list of the system calls a process may make from now on; others fail with EPERM. For all of its
 * threads, and whatever it may execute. No new privileges come by execution any more. */
#ifndef BRAID_BASE_SANDBOX_H
#define BRAID_BASE_SANDBOX_H

#include <stddef.h>

/* allowed: SCMP_SYS() numbers; ioctls: requests that ioctl() is allowed for, where it is not one of
 * those. 0 or -errno (a kernel without filters). Does nothing under a sanitizer, whose run time
 * asks for more. */
int sandbox_enter(const int *allowed, size_t n, const unsigned *ioctls, size_t n_ioctls);

#endif
