/* SPDX-License-Identifier: GPL-2.0-only */
/* IP packets to this host itself, whose header is ours: as if they had come in. Thread: one. */
#ifndef BRAID_NET_RAW_H
#define BRAID_NET_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* family 4 or 6. Non-blocking, close-on-exec. 0 or -errno; needs CAP_NET_RAW, here only. */
int raw_open(uint8_t family, int *ret_fd);

struct raw_head {
	struct addr src, dst; /* dst: of this host; src: any */
	uint8_t protocol, tos;
};

/* 0 or -errno. */
int raw_send(int fd, const struct raw_head *head, const void *buf, size_t len);

#endif
