/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may ask what of the agent: a list of users and groups, and what it says of somebody whom the
 * kernel vouches for. Root and the agent's own user may do everything, list or none.
 * Thread: any; nothing here is kept or changed.
 */
#ifndef BRAID_BASE_PERMIT_H
#define BRAID_BASE_PERMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PERMIT_MAX = 64 }; /* users and groups in a list */

/* Each includes what stands before it. */
enum permit_level {
	PERMIT_NONE,
	PERMIT_READ,  /* what changes nothing */
	PERMIT_ADMIN, /* everything */
};

struct permit_entry {
	uint32_t id;
	bool group; /* id is a group's, else a user's */
	enum permit_level level;
};

struct permit {
	size_t n; /* 0: root and the agent's own user only */
	struct permit_entry list[PERMIT_MAX];
};

/* Somebody, by the kernel's word. */
struct permit_who {
	uint32_t uid, gid;
	size_t n_groups;
	const uint32_t *groups; /* supplementary ones; borrowed */
};

/* The highest level that an entry gives. self: the agent's own user. */
enum permit_level permit_level(const struct permit *p, uint32_t self, const struct permit_who *who);

#endif
