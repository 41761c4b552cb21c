/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of an SA beside what the kernel tells, kept in a sealed file for the agent that
 * comes after: as the structure is, with its version. Keys are in it only while the outbound
 * direction is not in the kernel yet. Pure. */
#ifndef BRAID_KESP_RECORD_H
#define BRAID_KESP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/proto.h"
#include "xfrm/xfrm.h"

enum sa_stage {
	SA_DEFERRED = 1, /* inbound only; the outbound keys are still here */
	SA_ACTIVE = 2,
	SA_REPLACED = 3, /* another one sends in its place */
	SA_RETIRED = 4,	 /* the agent says so */
};

enum { STABLE_REMOTES = 4 }; /* addresses that outbound states may go to */
enum { RECORD_VERSION = 3, RECORD_SELECTORS_MAX = 256 };

struct sa_record {
	uint32_t version;
	uint32_t reqid;	     /* inbound: of all with these selectors */
	uint32_t reqid_out;  /* of those of them that are of its line */
	uint32_t stage;	     /* enum sa_stage */
	uint32_t encap;	     /* enum engine_encap */
	uint32_t remote;     /* outbound: on that one of the stable remotes (stable.c) */
	uint64_t order;	     /* of adding */
	struct engine_sa sa; /* header unused */
};

/* Whatever keys there are. */
void record_wipe_keys(struct sa_record *r);
/* 0 or -EINVAL: of another version, or not what a record can be. */
int record_read(const uint8_t *data, size_t len, struct sa_record *ret_r);
/* "sa-0000002a" */
void record_name(uint32_t id, char ret_name[16]);

/* The same traffic on the same pair of addresses. */
bool record_same_selectors(const struct engine_sa *a, const struct engine_sa *b);
uint64_t record_selectors_key(const struct engine_sa *sa);
/* Those of the kernel for what it sends. Number, or -E2BIG, -EINVAL: there is none. */
int record_selectors(const struct engine_sa *sa, struct xfrm_sel ret[RECORD_SELECTORS_MAX]);

#endif
