/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of a packet thread: worker.c, oversize.c. */
#ifndef BRAID_ENGINE_WORKER_IMPL_H
#define BRAID_ENGINE_WORKER_IMPL_H

#include <linux/types.h>
#include <pthread.h>

#include "abi/steer.h"
#include "engine/engine.h"
#include "esp/coalesce.h"
#include "esp/flow.h"
#include "esp/hold.h"

struct segment;

struct worker {
	struct engine *e;
	int index;
	pthread_t thread;
	int ep, tun_fd;
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
	unsigned errors;     /* ICMP errors that may be sent now */
	usec_t errors_since; /* when that was counted */
};

/* What leaves: the SA that carries it, what the steering is to do with its packets (abi/steer.h),
 * and sa_inner_max as it was when that was looked at. */
struct departure {
	struct sa *sa;
	uint32_t mark, max;
};

/* Cut, encrypt and queue what fits. */
void worker_send(struct worker *w, const struct departure *d, struct segment *s);
/* The same for packets that do not fit the path. */
void worker_oversize(struct worker *w, const struct departure *d, struct segment *s);

#endif
