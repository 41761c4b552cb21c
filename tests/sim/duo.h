/* SPDX-License-Identifier: GPL-2.0-only */
/* Two IKE cores in one process, and an attacker's hands on the wire between them.
 *
 * Side 0 initiates, side 1 responds. Datagrams wait in `wire` until the test delivers, changes or
 * forgets them; time is a variable. No criterion in here, so that a fuzz target can use it too.
 */
#ifndef BRAID_TESTS_DUO_H
#define BRAID_TESTS_DUO_H

#include "ike/ike.h"
#include "ikemsg/ikemsg.h"

enum { DUO_I = 0, DUO_R = 1, DUO_WIRE_MAX = 64, DUO_MSG_MAX = 4096 };

/* What the calendar says, in seconds since 1970. */
#define DUO_REAL INT64_C(1800000000)

/* What one side is configured with; the test may change it before duo_start. */
struct duo_side {
	struct ike_cfg cfg;
	struct ike_conn_cfg conn;
	struct ike_child_cfg child;
	struct ike_pool_cfg pool;
};

struct duo_msg {
	int to;
	struct ike_path path; /* as the receiver sees it */
	size_t len;
	uint8_t buf[DUO_MSG_MAX];
};

struct duo_end {
	struct ike *ike;
	struct ike_env env;
	uint32_t next_spi;
	int spis; /* reserved and not given back */
	unsigned child_adds, child_dels, failures, path_events;
	char failure[320];	   /* text of the last IKE_EV_FAILED */
	struct child_sa_out child; /* last added */
	struct ike_path esp;	   /* where the last move sent its packets; family 0: none */
};

struct duo {
	struct duo_side side[2];
	struct duo_end e[2];
	usec_t now;
	struct duo_msg wire[DUO_WIRE_MAX];
	size_t n;
};

/* Heap object with both sides configured to fit each other; NULL when out of memory. */
struct duo *duo_new(void);
void duo_free(struct duo *d);
/* Make the cores. 0 or -ENOMEM. */
int duo_start(struct duo *d);
/* The same once more, at that time: nothing is left of what was. */
int duo_again(struct duo *d, usec_t now);

/* Let side 0 connect: its IKE_SA_INIT request is on the wire afterwards. 0 or -errno. */
int duo_up(struct duo *d);
/* The path by which side `who` sends on that port. */
struct ike_path duo_path(int who, uint16_t port);
/* Take the oldest datagram off the wire; false if there is none. */
bool duo_take(struct duo *d, struct duo_msg *ret_msg);
/* Hand octets to a side; what it answers goes onto the wire. Returns how many datagrams that is. */
size_t duo_give(struct duo *d, int to, const struct ike_path *path, const uint8_t *buf, size_t len);
static inline size_t duo_deliver(struct duo *d, const struct duo_msg *m)
{
	return duo_give(d, m->to, &m->path, m->buf, m->len);
}
/* Deliver until nothing is on the wire (or a bound is hit: false). */
bool duo_settle(struct duo *d);
/* Let time pass; both cores tick. */
void duo_wait(struct duo *d, usec_t usec);
/* Connect and settle; true if there is one Child SA on either side. */
bool duo_establish(struct duo *d);

/* What side `who` would leave for its successor, and that successor in its place. Both abort when
 * it cannot be done. */
size_t duo_image(const struct duo *d, int who, uint8_t *out, size_t cap);
void duo_restore(struct duo *d, int who, const uint8_t *image, size_t len);

/* IKE SAs of a side in that state ("ESTABLISHED"). */
unsigned duo_count(const struct duo *d, int who, const char *state);
struct ike_counters duo_counters(const struct duo *d, int who);
/* Decrypt a message between the two with the keys of side `who`'s established IKE SA number i,
 * which the test may do although nobody else may. The payloads borrow from *m. */
bool duo_open(const struct duo *d, int who, size_t i, struct duo_msg *m, struct ike_msg *ret_msg);
/* Decrypt a fragment the same way: the part of the chain it holds goes to out (DUO_MSG_MAX octets).
 * Returns its octets or 0. */
size_t duo_open_fragment(const struct duo *d, int who, size_t i, struct duo_msg *m,
			 struct ike_msg *ret_msg, uint8_t *out);
/* Seal an inner chain as side `who` would under its IKE SA number i. Returns octets or 0. */
size_t duo_seal(const struct duo *d, int who, size_t i, const struct ike_hdr *hdr, uint8_t first,
		const uint8_t *inner, size_t inner_len, uint8_t *out, size_t cap);
/* The same for one fragment of a chain (RFC 7383). */
size_t duo_seal_fragment(const struct duo *d, int who, size_t i, const struct ike_hdr *hdr,
			 uint16_t number, uint16_t total, uint8_t first, const uint8_t *part,
			 size_t part_len, uint8_t *out, size_t cap);

#endif
