/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of a packet thread: worker.c, worker_out.c, worker_in.c, oversize.c and those
 * of bonding. */
#ifndef BRAID_ENGINE_WORKER_IMPL_H
#define BRAID_ENGINE_WORKER_IMPL_H

#include <linux/types.h>
#include <pthread.h>

#include "abi/steer.h"
#include "engine/engine.h"
#include "esp/bond.h"
#include "esp/coalesce.h"
#include "esp/flow.h"
#include "esp/handover.h"
#include "esp/hold.h"
#include "esp/streams.h"

struct segment;

/* What a packet thread has to put bonded packets in order. */
struct bonded {
	struct handover in;
	_Atomic bool told; /* there is something in it */
	uint32_t gave;	   /* threads that were handed something, by bit */
	uint8_t *pool;
	size_t place, used; /* octets of each place; places ever used */
	usec_t swept;
	uint8_t *hand; /* the packet in hand */
	size_t hand_len;
	struct streams streams;
	uint32_t len[STREAMS_PLACES];
};

struct worker {
	struct engine *e;
	int index;
	pthread_t thread;
	int ep;
	int tun_fd[STEER_CLASSES]; /* of each class; all but the first are idle at first */
	uint8_t klass;		   /* of what is read now */
	struct engine_sockets sock;
	usec_t now; /* of this batch */
	uint8_t *tun_buf;
	struct sad_cache cache;
	struct udp_txq tx;
	struct udp_rxq rx;
	struct coalesce co;
	int kick_fd;	      /* readable when the hold is to be looked at */
	_Atomic bool holding; /* something is in it */
	struct hold hold;
	struct worker_counters c;
	uint8_t *scratch;    /* one packet, before it is cut; as large as tun_buf */
	uint32_t frag_id;    /* of IPv6 fragments */
	uint8_t *lift;	     /* packets that got a header and had no room for it, until the flush */
	size_t lifted;	     /* octets in it */
	unsigned errors;     /* ICMP errors that may be sent now */
	usec_t errors_since; /* when that was counted */
	usec_t no_sa_told;
	uint64_t nsec;				/* of this batch, exactly; 0: nobody has asked */
	struct bond_way way[STEER_MEMBERS_MAX]; /* of the departure being worked on */
	int came_msg;				/* whose source this is; -1: none */
	uint64_t came_from;
	struct bonded bonded;
};

/* What leaves: the SA that carries it, what the steering is to do with its packets (abi/steer.h),
 * and sa_inner_max as it was when that was looked at. */
struct departure {
	struct sa *sa;
	uint32_t mark, max;
	bool nowhere;		/* no path has the packet's addresses */
	bool encap;		/* in UDP */
	uint8_t ways;		/* bonded: worker.way; 0: it is not */
	uint8_t tail;		/* octets behind each inner packet */
	uint32_t patience_usec; /* bonded: how long one may wait at the peer, at most */
};

/* Where a burst goes. */
struct route {
	const struct udp_dest *dest;
	uint32_t mark;
	int fd;
	bool encap;
	struct bond_place place; /* of its next packet */
};

/* A bonded packet that was checked. */
struct bonded_packet {
	uint8_t *pkt;
	size_t len;
	struct bond_place place;
	uint64_t from;
};

/* The route of a burst of so many packets and octets. */
struct route worker_route(struct worker *w, const struct departure *d, uint32_t packets,
			  size_t octets);
/* What follows the next packet of a burst, which ends before p. Returns octets. */
size_t worker_trailer(const struct departure *d, struct route *r, uint8_t *p);
/* Write what was delivered. */
void worker_flush(struct worker *w);
enum { TUN_BUF = 80 << 10, LIFT_OCTETS = 256 << 10 };

/* To the control thread. False: full, it is behind. */
bool worker_note(const struct engine *e, struct engine_hdr *h, size_t len);

/* ---- worker_in.c ---- */

/* What has come, of UDP or of protocol 50. */
void worker_udp_burst(struct worker *w, int fd);
void worker_raw_burst(struct worker *w, int fd, bool v4);
/* Of what waits for its SA, that whose SA has come or whose time is over. */
void worker_hold_run(struct worker *w);
/* For the coalescer. */
void worker_tun_emit(void *ctx, const struct iovec *pieces, int n, size_t packets);

/* ---- worker_out.c ---- */

/* From the queue of a class. */
void worker_tun_burst(struct worker *w, uint8_t klass);
/* Cut, encrypt and queue what fits. */
void worker_send(struct worker *w, const struct departure *d, struct segment *s);
/* The same for packets that do not fit the path. */
void worker_oversize(struct worker *w, const struct departure *d, struct segment *s);

/* ---- bond_out.c ---- */

/* If its class is bonded, fill in the rest of the departure. */
bool bond_depart(struct worker *w, const struct steer_view *v, struct departure *d);
/* Mark, encapsulation and numbers of a burst. */
void bond_route(struct worker *w, const struct departure *d, uint32_t packets, size_t octets,
		struct route *r);

/* ---- bonded.c ---- */

int bonded_init(struct worker *w);
void bonded_clear(struct worker *w);
void bonded_arrived(struct worker *w, struct sa *sa, const struct bonded_packet *p);
/* Threads that were handed something get to know of it. */
void bonded_tell(struct worker *w);
/* All that was delivered is written. */
void bonded_flushed(struct worker *w);
/* What others have handed over, what has waited too long. */
void bonded_run(struct worker *w);
/* Milliseconds until that is due; -1: never. */
int bonded_timeout(const struct worker *w);

#endif
