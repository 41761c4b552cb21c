/* SPDX-License-Identifier: GPL-2.0-only */
/* How large a packet one path carries: a search by authenticated probes that are padded to a size
 * and never fragmented, after the ideas of RFC 8899. No word of a router is needed or believed.
 *
 * Until there is evidence against it the MTU is what the link allows: nothing is lost where that is
 * right, which the first probe shows within a round trip. Where it is not answered, although
 * smaller probes are, the MTU falls to a size that is nearly always right, and is searched upwards
 * from there. The found size is confirmed again and again (a black hole opens without notice), and
 * after some time a larger one is tried.
 *
 * Without sockets and clock. Sizes are octets of IP packets. Thread: one.
 */
#ifndef BRAID_ESP_PMTU_H
#define BRAID_ESP_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum {
	PMTU_BASE = 1280,    /* tried when the largest does not pass */
	PMTU_FLOOR4 = 576,   /* less is not looked for: RFC 8899 5.1.2 */
	PMTU_FLOOR6 = 1280,  /* RFC 8200 5 */
	PMTU_CEILING = 9216, /* nor is more */
	PMTU_TRIES = 3,	     /* RFC 8899 5.1.2, MAX_PROBES, on a path that loses nothing */
	PMTU_TRIES_MAX = 10, /* on one that does */
};

/* Which packet sizes there are: ESP pads to multiples. */
struct pmtu_grid {
	uint16_t offset; /* octets of headers and ICV */
	uint16_t unit;	 /* of what is encrypted */
};

/* What the caller knows of the path, for each call. */
struct pmtu_view {
	usec_t timeout; /* after which a probe counts as lost */
	usec_t confirm; /* between two confirmations */
	usec_t raise;	/* between two attempts at a larger size */
	uint8_t tries;	/* lost in a row before a size counts as too large */
	bool usable;	/* small probes are answered; else nothing is sent or judged */
	bool idle;	/* no packets have gone since the last confirmation: it needs none */
	struct pmtu_grid grid;
};

enum pmtu_phase {
	PMTU_CONFIRM, /* is the size in use right? The first probe too */
	PMTU_FALL,    /* it is not: does the base size pass, or the floor? */
	PMTU_RISE,    /* does the largest, or the next larger one? */
	PMTU_SEARCH,  /* between `mtu`, which passes, and `bad`, which does not */
	PMTU_REST,
};

struct pmtu {
	uint16_t mtu;	/* to be used */
	uint16_t limit; /* of the link or the configuration */
	uint16_t floor;
	uint16_t bad;	 /* the least size that did not pass; limit + 1: none */
	uint16_t size;	 /* of the probe being tried, 0: none */
	uint8_t phase;	 /* enum pmtu_phase */
	uint8_t tried;	 /* how often, unanswered */
	bool waiting;	 /* for an answer */
	bool step;	 /* PMTU_RISE: the largest did not pass, the next larger one is tried */
	usec_t deadline; /* of the answer */
	usec_t next_confirm, next_raise;
	uint8_t nonce[8];
};

/* limit: octets; family of the path. */
void pmtu_init(struct pmtu *p, uint16_t limit, uint8_t family, usec_t now);
/* It was so much before, as somebody knows who is gone: to be used, and to be confirmed first. */
void pmtu_assume(struct pmtu *p, uint16_t mtu, usec_t now);
/* The link allows more or less now. True: p->mtu changed. */
bool pmtu_limit(struct pmtu *p, uint16_t limit, usec_t now);
/* It may have changed (the path was down): do not wait for the timers, nor for packets. */
void pmtu_recheck(struct pmtu *p, usec_t now);
/* It may be less now, as somebody says who may be anybody: one probe of the size in use, and a
 * search only if that does not pass. */
void pmtu_confirm(struct pmtu *p, usec_t now);

/* Judge what is late. True: p->mtu changed. */
bool pmtu_tick(struct pmtu *p, const struct pmtu_view *v, usec_t now);
/* Octets of the IP packet to be sent as a probe now; 0: none. Call after pmtu_tick; pmtu_sent
 * follows, whether sending succeeded or not. */
uint16_t pmtu_due(struct pmtu *p, const struct pmtu_view *v, usec_t now);
void pmtu_sent(struct pmtu *p, const struct pmtu_view *v, const uint8_t nonce[8], usec_t now);
/* Is it the nonce of the probe under way? */
bool pmtu_asked(const struct pmtu *p, const uint8_t nonce[8]);
/* It was answered. True: p->mtu changed. */
bool pmtu_answered(struct pmtu *p, const struct pmtu_view *v, usec_t now);
/* The probe under way is lost, which the caller found out before its time was over. True: p->mtu
 * changed. */
bool pmtu_lost(struct pmtu *p, const struct pmtu_view *v, usec_t now);
/* Nothing came of it, not even that: it is due again. */
void pmtu_void(struct pmtu *p);
/* When to call again. */
usec_t pmtu_deadline(const struct pmtu *p, const struct pmtu_view *v);

#endif
