/* SPDX-License-Identifier: GPL-2.0-only */
/* What a running agent has made in this machine, and whose ESP it is: a file beside its socket, for
 * the agent that comes next and for `braid flush`, since the configuration may be another one then.
 * It goes at an orderly end. */
#ifndef BRAID_CTL_LEFTOVER_H
#define BRAID_CTL_LEFTOVER_H

#include <stdbool.h>

struct leftover {
	bool kernel; /* ESP is the kernel's; else the engine's */
	char tun[16], steer[16];
	char pin_dir[192];
};

/* 0 or -errno; -ENAMETOOLONG. */
int leftover_write(const char *state_dir, const struct leftover *l);
/* 0; -ENOENT; -EBADMSG: not what leftover_write writes; another -errno. */
int leftover_read(const char *state_dir, struct leftover *ret);
void leftover_remove(const char *state_dir); /* none is fine */

#endif
