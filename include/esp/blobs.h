/* SPDX-License-Identifier: GPL-2.0-only */
/* Blobs between agent and engine: images of IKE SAs, opaque here. What is longer than one message
 * carries goes in parts, one right after the other, each of which tells how many octets follow; it
 * is one again when the last has come, so that nobody ever sees half of it. All of it is wiped.
 * Thread: one.
 */
#ifndef BRAID_ESP_BLOBS_H
#define BRAID_ESP_BLOBS_H

#include <stddef.h>
#include <stdint.h>

#include "esp/proto.h"

enum { BLOB_OCTETS_MAX = 8 << 20 };

/* All zero at first, and again when what was put together is taken. */
struct blob_parts {
	uint64_t key;
	uint8_t *data; /* owned */
	size_t len, have;
};

/* A message of len octets. 0: p has all of it; -EAGAIN: more follows; -EINVAL, -ENOMEM: it does not
 * go with what came before or is too long, and p is empty. */
int blob_parts_add(struct blob_parts *p, const struct engine_blob *m, size_t len);
void blob_parts_clear(struct blob_parts *p);
/* Whoever takes data wipes and frees it; NULL is fine. */
void blob_free(uint8_t *data, size_t len);

/* Hand each part to send, until one returns an error, which is returned; 0. Length 0 is one part.
 */
int blob_send(uint64_t key, const uint8_t *data, size_t len,
	      int (*send)(void *ctx, struct engine_blob *m, size_t len), void *ctx);

#endif
