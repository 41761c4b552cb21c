/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet thread: its TUN queue on one side (worker_out.c), its outer sockets on the other
 * (worker_in.c). Runs each packet to completion, drains to EAGAIN, waits for nothing else. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sanitize.h"
#include "base/secret.h"
#include <linux/types.h>
#include "abi/steer.h"
#include "crypto/rng.h"
#include "engine/engine.h"
#include "worker_impl.h"

enum { EVENTS = 8 };

/* Of TUN queues the class stands above. */
enum { SRC_BITS = 8 };
enum source { SRC_TUN, SRC_UDP4, SRC_UDP6, SRC_RAW4, SRC_RAW6, SRC_KICK, SRC_STOP };

/* How long what waits may outstay its time in an idle thread. */
enum { HOLD_CHECK_MSEC = 1100 };

static usec_t coarse_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

bool worker_note(const struct engine *e, struct engine_hdr *h, size_t len)
{
	h->seq = 0;
	h->version = ENGINE_PROTO_VERSION;
	return send(e->note_tx, h, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void engine_tell_limits(const struct engine *e, struct sa *sa, unsigned reached)
{
	for (unsigned which = SA_SOFT; which <= SA_HARD; which <<= 1) {
		struct engine_limit m = { .h.type = ENGINE_EV_SA_LIMIT,
					  .id = sa->id,
					  .hard = which == SA_HARD };

		/* else the next packet tells */
		if (reached & which && !worker_note(e, &m.h, sizeof(m)))
			sa_untell(sa, which);
	}
}

int engine_route(struct engine *e, uint8_t family, bool encap, int index,
		 const struct udp_dest **ret_dest)
{
	if (family == 4) {
		*ret_dest = encap ? &e->dest4 : &e->raw_dest4;
		return encap ? e->sock[index].udp4 : e->raw4;
	}
	*ret_dest = encap ? &e->dest6 : &e->raw_dest6;
	return encap ? e->sock[index].udp6 : e->raw6;
}

static bool serve(struct worker *w, uint32_t what)
{
	eventfd_t kicks;

	switch ((enum source)(what & ((1 << SRC_BITS) - 1))) {
	case SRC_TUN:
		worker_tun_burst(w, (uint8_t)(what >> SRC_BITS));
		return true;
	case SRC_UDP4:
		worker_udp_burst(w, w->sock.udp4);
		return true;
	case SRC_UDP6:
		worker_udp_burst(w, w->sock.udp6);
		return true;
	case SRC_RAW4:
		worker_raw_burst(w, w->e->raw4, true);
		return true;
	case SRC_RAW6:
		worker_raw_burst(w, w->e->raw6, false);
		return true;
	case SRC_KICK:
		eventfd_read(w->kick_fd, &kicks); /* awake, which was the point */
		return true;
	case SRC_STOP:
		return false;
	}
	return false;
}

/* Wait for packets; with busy polling look for some time before going to sleep. */
static int wait_events(struct worker *w, struct epoll_event *ev)
{
	usec_t spin = w->e->cfg.busy_poll, end;
	int n;

	if (spin) {
		end = engine_now() + spin;
		do {
			n = epoll_wait(w->ep, ev, EVENTS, 0);
		} while (n == 0 && engine_now() < end);
		if (n != 0)
			return n;
	}
	n = bonded_timeout(w);
	if (n < 0 && (w->hold.n || w->bonded.streams.n))
		n = HOLD_CHECK_MSEC;
	return epoll_wait(w->ep, ev, EVENTS, n);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event ev[EVENTS];
	bool go = true;

	while (go) {
		int n = wait_events(w, ev);

		if (n < 0 && errno != EINTR)
			break;
		w->now = coarse_now();
		epoch_enter(&w->e->sad.epoch, w->index);
		worker_hold_run(w); /* before what came later */
		for (int i = 0; i < n; i++)
			go &= serve(w, ev[i].data.u32);
		worker_hold_run(w);
		bonded_run(w);
		bonded_tell(w);
		epoch_leave(&w->e->sad.epoch, w->index);
	}
	return NULL;
}

static int watch(struct worker *w, int fd, uint32_t what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = what };

	if (fd < 0)
		return 0;
	return epoll_ctl(w->ep, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int worker_classes(struct worker *w)
{
	int r = 0;

	for (uint32_t klass = 1; klass < STEER_CLASSES && r == 0; klass++)
		r = watch(w, w->tun_fd[klass], SRC_TUN | klass << SRC_BITS);
	return r;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	bonded_clear(w);
	if (w->ep >= 0)
		close(w->ep);
	if (w->kick_fd >= 0)
		close(w->kick_fd);
	udp_txq_clear(&w->tx);
	udp_rxq_clear(&w->rx);
	hold_clear(&w->hold);
	free(w->tun_buf);
	free(w->scratch);
	free(w->lift);
	free(w);
}

static int prepare(struct worker *w)
{
	struct engine *e = w->e;
	int r;

	for (int klass = 0; klass < STEER_CLASSES; klass++)
		w->tun_fd[klass] = e->tun.fd[klass * e->n_workers + w->index];
	w->sock = e->sock[w->index];
	w->ep = epoll_create1(EPOLL_CLOEXEC);
	w->tun_buf = aligned_alloc(4096, TUN_BUF);
	w->scratch = aligned_alloc(4096, TUN_BUF);
	w->lift = aligned_alloc(4096, LIFT_OCTETS);
	w->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->ep < 0 || w->kick_fd < 0 || !w->tun_buf || !w->scratch || !w->lift)
		return -ENOMEM;
	r = rng_bytes(&w->frag_id, sizeof(w->frag_id));
	if (r < 0)
		return r;
	coalesce_init(&w->co, e->tun.uso, worker_tun_emit, w);
	r = udp_txq_init(&w->tx);
	if (r == 0)
		r = udp_rxq_init(&w->rx);
	if (r == 0)
		r = hold_init(&w->hold);
	if (r == 0)
		r = bonded_init(w);
	if (r == 0)
		r = watch(w, w->kick_fd, SRC_KICK);
	if (r == 0)
		r = watch(w, w->tun_fd[0], SRC_TUN);
	if (r == 0)
		r = watch(w, w->sock.udp4, SRC_UDP4);
	if (r == 0)
		r = watch(w, w->sock.udp6, SRC_UDP6);
	if (r == 0 && w->index == 0)
		r = watch(w, e->raw4, SRC_RAW4);
	if (r == 0 && w->index == 0)
		r = watch(w, e->raw6, SRC_RAW6);
	if (r == 0)
		r = watch(w, e->stop_fd, SRC_STOP);
	return r;
}

int worker_start(struct engine *e, int index, struct worker **ret_worker)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	sigset_t all, old;
	int r;

	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->e = e;
	w->index = index;
	w->ep = w->kick_fd = -1;
	r = prepare(w);
	if (r == 0) {
		/* Signals are the control thread's. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		r = -pthread_create(&w->thread, NULL, run, w);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (r < 0) {
		worker_free(w);
		return r;
	}
	*ret_worker = w;
	return 0;
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	/* Plaintext was in these. */
	secret_wipe(w->tun_buf, TUN_BUF);
	secret_wipe(w->scratch, TUN_BUF);
	secret_wipe(w->lift, LIFT_OCTETS);
}

READS_COUNTERS void worker_counters(const struct worker *w, struct worker_counters *c,
				    uint64_t *ret_tx, uint64_t *ret_drop_send)
{
	const struct streams *s = &w->bonded.streams;

	*c = w->c;
	c->bond_waited = s->stats.waited;
	c->bond_missed = s->stats.missed;
	c->bond_late = s->stats.late;
	c->bond_full += s->stats.full;
	c->bond_yielded = s->stats.yielded;
	c->bond_ended = s->ended;
	*ret_tx = w->tx.stats.datagrams;
	*ret_drop_send = w->tx.stats.dropped;
}
