/* SPDX-License-Identifier: GPL-2.0-only */
/* Path probes: the private payload of a dummy packet (Next Header 59) and the state machine of one
 * probed path. Without sockets and clock; the caller sends, receives and passes the time.
 *
 *     "BRP1" | kind (1) | flags (1) | 0 (2) | EPID_I (2) | EPID_R (2) | nonce (8) |
 *     sender's clock, usec (8) | observed: family (1) | 0 (1) | port (2) | address (16)
 *
 * The answer echoes nonce and clock and tells the source the request came from. Thread: one.
 */
#ifndef BRAID_ESP_PROBE_H
#define BRAID_ESP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/usec.h"

enum { PROBE_LEN = 48 };

enum probe_kind { PROBE_REQUEST = 1, PROBE_ANSWER = 2 };
enum probe_flags {
	PROBE_JOIN = 1 << 0,  /* please use this path */
	PROBE_LEAVE = 1 << 1, /* stop sending on it */
};

struct probe {
	uint8_t kind, flags;
	uint32_t epids; /* EPID_I << 16 | EPID_R */
	uint8_t nonce[8];
	uint64_t t_sent;
	struct udp_addr observed;
};

/* Write PROBE_LEN octets. */
void probe_encode(const struct probe *p, uint8_t *buf);
/* 0, or -EBADMSG: a dummy packet of some other kind. Octets after PROBE_LEN are ignored. */
int probe_decode(const uint8_t *buf, size_t len, struct probe *ret_probe);

/* As many requests may be under way at once: an RTT of 2.5 s at an interval of 10 ms. */
enum { PROBE_PENDING = 256, PROBE_HISTORY = 100 };

struct probe_config {
	usec_t interval;
	uint8_t down_after; /* unanswered in a row: DOWN */
	uint8_t up_after;   /* answers in a row: UP again */
};

/* One path. state is an enum steer_path_state value. */
struct probe_path {
	struct probe_config cfg;
	uint8_t state;
	bool verified;		/* a nonce of ours came back: return routability */
	uint8_t answered;	/* requests in a row that were answered, since the path was down */
	uint64_t last_answered; /* number of the youngest answered request; from 1 */
	uint64_t open;		/* number of the oldest request not counted as lost */
	usec_t verdict;		/* when silence makes the path down; USEC_NEVER: not yet */
	usec_t next;		/* when to send the next request */
	usec_t since;		/* of the state */
	uint64_t tx, rx;	/* tx is the number of the youngest request */
	uint32_t rtt, rtt_min, jitter; /* usec, RFC 6298 smoothing; 0 = unknown */
	struct probe_pending {
		uint8_t nonce[8];
		bool answered;
		usec_t sent;
	} pending[PROBE_PENDING];	/* by number */
	uint8_t history[PROBE_HISTORY]; /* ring: 1 lost */
	unsigned history_n;
};

void probe_path_init(struct probe_path *p, const struct probe_config *cfg, usec_t now);

/* Requests without an answer an RTT and an interval after they were sent count as lost. down_after
 * silent ones in a row, the last one RTT old, make the path down. Call when probe_path_deadline is
 * reached, and before reading the state. Returns true if the state changed. */
bool probe_path_tick(struct probe_path *p, usec_t now);
/* True if a request is due. */
bool probe_path_due(const struct probe_path *p, usec_t now);
/* Record that a request with this nonce is handed to the socket. Its first octet is set to where
 * the request is remembered; the other seven are the caller's, random. */
void probe_path_sent(struct probe_path *p, uint8_t nonce[8], usec_t now);
/* An authenticated answer. Returns true if the state changed. False and nothing else happens when
 * the nonce is not one of ours. */
bool probe_path_answer(struct probe_path *p, const uint8_t nonce[8], usec_t now, bool *ret_ours);
/* When to call tick or send next. */
usec_t probe_path_deadline(const struct probe_path *p);
/* Of the last PROBE_HISTORY requests since the first answer. */
uint32_t probe_path_loss_permille(const struct probe_path *p);

#endif
