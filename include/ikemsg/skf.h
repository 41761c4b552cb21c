/* SPDX-License-Identifier: GPL-2.0-only */
/* The Encrypted Fragment payload: a part of a payload chain as a whole message (RFC 7383 2.5).
 * Opened by sk_open, as SK is; putting fragments together again is ike's. Thread: any. */
#ifndef BRAID_IKEMSG_SKF_H
#define BRAID_IKEMSG_SKF_H

#include <stddef.h>
#include <stdint.h>

struct aead;
struct aead_sizes;
struct ike_hdr;

/* The most octets of a payload chain that fit into a message of that many; 0: none do. */
size_t skf_room(const struct aead_sizes *s, size_t message_octets);
/* Fragment `number` of `total`, both from 1. inner_first is written into the first one only. Each
 * needs an iv_counter of its own. Returns octets, or 0 as sk_seal does. */
size_t skf_seal(struct aead *a, const struct aead_sizes *s, const struct ike_hdr *hdr,
		uint16_t number, uint16_t total, uint8_t inner_first, const uint8_t *part,
		size_t part_len, uint64_t iv_counter, uint8_t *out, size_t cap);

#endif
