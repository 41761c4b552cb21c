/* SPDX-License-Identifier: GPL-2.0-only */
/* Path probes: the private payload of a dummy packet (Next Header 59) and the state machine of one
 * probed path. Without sockets and clock; the caller sends, receives and passes the time.
 *
 *     "BRP1" | kind (1) | flags (1) | count (2) | EPID_I (2) | EPID_R (2) | nonce (8) |
 *     sender's clock, usec (8) | observed: family (1) | 0 (1) | port (2) | address (16)
 *
 * The answer echoes nonce and clock, tells the source the request came from, and counts: how many
 * requests have come on this path, 1 to 65535 and from 1 again, those marked PROBE_SIZED left out;
 * 0: not counted, as in requests. So the asking side knows of what is missing whether it was lost
 * on the way there or back. Thread: one.
 */
#ifndef BRAID_ESP_PROBE_H
#define BRAID_ESP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/usec.h"

enum { PROBE_LEN = 48 };

/* LOST, without an answer: the path whose EPIDs these are has lost its link or address at the
 * sender's end, or, with SILENT, its requests, as many milliseconds apart as count says, are not
 * answered there. It comes on another path. */
enum probe_kind { PROBE_REQUEST = 1, PROBE_ANSWER = 2, PROBE_LOST = 3 };
enum probe_flags {
	PROBE_JOIN = 1 << 0,	/* please use this path */
	PROBE_LEAVE = 1 << 1,	/* stop sending on it */
	PROBE_SIZED = 1 << 2,	/* it looks for the path's MTU and may be lost for its size */
	PROBE_STANDBY = 1 << 3, /* with JOIN: but only while no other path works */
	PROBE_SILENT = 1 << 4,	/* of LOST */
};

struct probe {
	uint8_t kind, flags;
	uint16_t count;
	uint32_t epids; /* EPID_I << 16 | EPID_R */
	uint8_t nonce[8];
	uint64_t t_sent;
	struct udp_addr observed;
};

/* Write PROBE_LEN octets. */
void probe_encode(const struct probe *p, uint8_t *buf);
/* 0, or -EBADMSG: a dummy packet of some other kind. Octets after PROBE_LEN are ignored. */
int probe_decode(const uint8_t *buf, size_t len, struct probe *ret_probe);

/* The count after this one. */
static inline uint16_t probe_count_next(uint16_t count)
{
	return count == UINT16_MAX ? 1 : (uint16_t)(count + 1);
}

/* As many requests may be under way at once: an RTT of 2.5 s at an interval of 10 ms. */
/* Requests remembered: so many for some seconds, with whatever interval; a power of two. */
enum { PROBE_PENDING_MIN = 32, PROBE_PENDING = 256, PROBE_HISTORY = 100, PROBE_WAYS_MIN = 10 };

struct probe_config {
	usec_t interval;
	uint8_t down_after; /* unanswered in a row: DOWN */
	uint8_t up_after;   /* answers in a row: UP again, */
	usec_t back_after;  /* if it has answered for that long */
};

/* Since the first count: requests up to the youngest one whose answer had a count, those of them
 * that arrived, and those whose answer did. */
struct probe_ways {
	uint64_t sent, there, back;
};

/* A request; the first octet of its nonce is its number's. */
struct probe_pending {
	uint8_t nonce_rest[7];
	bool answered;
	usec_t sent;
};

/* One path. state is an enum steer_path_state value. */
struct probe_path {
	struct probe_config cfg;
	uint8_t state;
	bool verified;		/* a nonce of ours came back: return routability */
	bool needed;		/* nothing else carries traffic: back_after does not count */
	usec_t back;		/* DOWN: since when it answers again; 0: it does not */
	uint8_t answered;	/* requests in a row that were answered, since the path was down */
	uint64_t last_answered; /* number of the youngest answered request; from 1 */
	uint64_t open;		/* number of the oldest request not counted as lost */
	usec_t verdict;		/* when silence makes the path down; USEC_NEVER: not yet */
	usec_t next;		/* when to send the next request */
	usec_t since;		/* of the state */
	uint64_t tx, rx;	/* tx is the number of the youngest request */
	uint32_t rtt, rtt_min, jitter; /* usec, RFC 6298 smoothing; 0 = unknown */
	uint32_t rtt_last;	       /* of the youngest answer */
	usec_t measured;	       /* when it came; 0: none yet */
	struct probe_pending *pending; /* ring, by number; the caller's */
	unsigned n_pending;
	uint8_t history[PROBE_HISTORY]; /* ring: 1 lost */
	unsigned history_n, history_lost;
	uint16_t count;			 /* the youngest; 0: none yet */
	struct probe_ways ways, past[2]; /* now, and half a history apart */
};

/* How many requests to remember, most of the memory a path takes: what is under way on any path of
 * use is under way for some seconds. */
unsigned probe_pending_for(usec_t interval);
/* Zeros in cfg mean the defaults. ring: room for n requests, as probe_pending_for says. */
void probe_path_init(struct probe_path *p, const struct probe_config *cfg,
		     struct probe_pending *ring, unsigned n, usec_t now);
/* Another ring; the one before is not needed afterwards. */
void probe_path_ring(struct probe_path *p, struct probe_pending *ring, unsigned n);
/* Other settings; what was measured stays, and they count from the next request on. */
void probe_path_config(struct probe_path *p, const struct probe_config *cfg);

/* Requests without an answer an RTT and an interval after they were sent count as lost. down_after
 * silent ones in a row, the last one RTT old, make the path down. Call when probe_path_deadline is
 * reached, and before reading the state. Returns true if the state changed. */
bool probe_path_tick(struct probe_path *p, usec_t now);
/* True if a request is due. */
bool probe_path_due(const struct probe_path *p, usec_t now);
/* Record that a request with this nonce is handed to the socket. Its first octet is set to where
 * the request is remembered; the other seven are the caller's, random. */
void probe_path_sent(struct probe_path *p, uint8_t nonce[8], usec_t now);
/* An authenticated answer with its count. Returns true if the state changed. False and nothing else
 * happens when the nonce is not one of ours. */
bool probe_path_answer(struct probe_path *p, const uint8_t nonce[8], uint16_t count, usec_t now,
		       bool *ret_ours);
/* Tell it that nothing else carries traffic, or that something does. Returns true if the state
 * changed. */
bool probe_path_need(struct probe_path *p, bool needed, usec_t now);
/* Its link or address is lost, here or at the peer: down at once. Returns true if the state
 * changed. */
bool probe_path_fail(struct probe_path *p, usec_t now);
/* When to call tick or send next. */
usec_t probe_path_deadline(const struct probe_path *p);
/* Of the last PROBE_HISTORY requests since the path is up. */
uint32_t probe_path_loss_permille(const struct probe_path *p);
/* The same of the last 50 to 100 requests by direction: of ours, and of the answers. False: not
 * known, as the peer does not count or too few have come. */
bool probe_path_loss_ways(const struct probe_path *p, uint32_t *ret_there, uint32_t *ret_back);
/* What counts for those who send on it: what is lost on the way there if that is known, else both
 * ways; a few requests alone do not make a loss. */
uint32_t probe_path_loss_felt(const struct probe_path *p);

#endif
