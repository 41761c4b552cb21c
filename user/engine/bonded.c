/* SPDX-License-Identifier: GPL-2.0-only */
/* Bonded packets that arrive: one packet thread puts those of an SA in order, whichever socket they
 * came by. Others decrypt and check, and hand over. Memory for packets that wait is the thread's,
 * for all its SAs, and so is what an SA needs: it is there from the start and takes room with the
 * first bonded packet, which is authenticated. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/types.h>
#include "base/secret.h"
#include "esp/flow.h"
#include "worker_impl.h"

enum { SWEEP_USEC = 1000 * 1000 };
/* What fits the usual links; larger ones where the TUN device takes them. */
enum { PLACE_LEAST = 2048, PLACE_MORE = 64, SAND = 64 };

/* ---- what streams ask for ---- */

static void emit(struct worker *w, uint8_t *pkt, size_t len)
{
	struct inner in;

	if (inner_parse(pkt, len, false, &in) == 0) /* it was before */
		coalesce_add(&w->co, pkt, &in, false);
}

static bool keep(void *ctx, uint32_t place)
{
	struct worker *w = ctx;
	struct bonded *b = &w->bonded;

	if (b->hand_len > b->place)
		return false;
	if (place >= b->used)
		b->used = place + 1u;
	memcpy(b->pool + place * b->place, b->hand, b->hand_len);
	b->len[place] = (uint32_t)b->hand_len;
	return true;
}

static void deliver(void *ctx, uint32_t place)
{
	struct worker *w = ctx;
	struct bonded *b = &w->bonded;

	if (place == REORDER_IN_HAND)
		emit(w, b->hand, b->hand_len);
	else
		emit(w, b->pool + place * b->place, b->len[place]);
}

static void write_out(void *ctx)
{
	worker_flush(ctx);
}

/* NULL: it is gone, or has another stream. */
static struct sa *sa_of(const struct worker *w, const struct stream *st)
{
	struct sa *sa = sad_in(&w->e->sad, st->spi);

	return sa && sa == st->sa && sa->stream == st ? sa : NULL;
}

static bool there(void *ctx, const struct stream *st)
{
	return sa_of(ctx, st);
}

static void ended(void *ctx, struct stream *st)
{
	struct sa *sa = sa_of(ctx, st);

	if (sa)
		sa->stream = NULL;
}

static const struct streams_ops ops = { keep, deliver, write_out, there, ended };

int bonded_init(struct worker *w)
{
	struct bonded *b = &w->bonded;
	size_t place = w->e->cfg.tun_mtu + PLACE_MORE;
	int r = streams_init(&b->streams, &ops, w);

	b->place = place < PLACE_LEAST ? PLACE_LEAST : (place + SAND - 1) & ~(size_t)(SAND - 1);
	b->pool = mmap(NULL, STREAMS_PLACES * b->place, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->pool == MAP_FAILED)
		b->pool = NULL;
	if (r < 0 || !b->pool)
		return -ENOMEM;
	return handover_init(&b->in, b->place);
}

void bonded_clear(struct worker *w)
{
	struct bonded *b = &w->bonded;

	streams_clear(&b->streams);
	if (b->pool) {
		secret_wipe(b->pool, b->used * b->place);
		munmap(b->pool, STREAMS_PLACES * b->place);
	}
	handover_clear(&b->in);
}

void bonded_flushed(struct worker *w)
{
	streams_written(&w->bonded.streams);
}

/* ---- those that arrive ---- */

static uint32_t peer_of(const struct sa *sa)
{
	return sa->group / STEER_GROUP_BLOCK;
}

static void sweep(struct worker *w)
{
	w->bonded.swept = w->now;
	streams_sweep(&w->bonded.streams);
}

/* One that begins late, or again, does not wait for what was before. */
static struct stream *stream_of(struct worker *w, struct sa *sa, uint32_t number)
{
	struct streams *s = &w->bonded.streams;
	struct stream *st = sa->stream;

	if (st)
		return st;
	if (s->n == STREAMS_MAX && w->now >= w->bonded.swept + SWEEP_USEC)
		sweep(w);
	st = streams_begin(s, peer_of(sa), sa->id, sa->bonded ? 0 : sa->replaces, w->now);
	if (st) {
		st->spi = sa->spi_in;
		st->sa = sa;
		if (sa->bonded)
			reorder_begin_at(&st->r, number);
	}
	sa->bonded = true;
	sa->stream = st;
	return st;
}

/* The thread that puts them in order: the one that had the first, or puts those in order that the
 * SA before brought. */
static unsigned owner_of(struct worker *w, struct sa *sa)
{
	uint8_t owner = atomic_load_explicit(&sa->bond_owner, memory_order_relaxed), none = 0;

	if (owner)
		return owner - 1u;
	owner = (uint8_t)(1 + peer_of(sa) % (uint32_t)w->e->n_workers);
	return atomic_compare_exchange_strong(&sa->bond_owner, &none, owner) ? owner - 1u
									     : none - 1u;
}

static void take(struct worker *w, struct sa *sa, const struct bonded_packet *p)
{
	struct stream *st = sa ? stream_of(w, sa, p->place.number) : NULL;
	struct bonded *b = &w->bonded;

	if (!st) {
		w->c.bond_full += sa != NULL;
		emit(w, p->pkt, p->len);
		return;
	}
	b->hand = p->pkt;
	b->hand_len = p->len;
	if (!streams_put(&b->streams, st, &p->place, p->from, w->now))
		w->c.drop_replay++;
}

void bonded_arrived(struct worker *w, struct sa *sa, const struct bonded_packet *p)
{
	unsigned owner = owner_of(w, sa);
	struct handover *h = &w->e->worker[owner]->bonded.in;
	struct handover_item *i;

	if (owner == (unsigned)w->index) {
		take(w, sa, p);
		return;
	}
	i = p->len <= w->bonded.place ? handover_claim(h, peer_of(sa)) : NULL;
	if (!i) {
		w->c.bond_full++;
		emit(w, p->pkt, p->len);
		return;
	}
	i->spi = sa->spi_in;
	i->place = p->place;
	i->from = p->from;
	i->len = (uint32_t)p->len;
	memcpy(i->data, p->pkt, p->len);
	handover_publish(h, i);
	w->bonded.gave |= 1u << owner;
}

void bonded_tell(struct worker *w)
{
	for (unsigned i = 0; w->bonded.gave; i++, w->bonded.gave >>= 1) {
		struct worker *o = w->e->worker[i];

		/* it looks after it has cleared that */
		if (w->bonded.gave & 1 && !atomic_exchange(&o->bonded.told, true))
			eventfd_write(o->kick_fd, 1);
	}
}

/* ---- the thread's round ---- */

static void take_handed_over(struct worker *w)
{
	struct handover_item *i;

	if (!atomic_load_explicit(&w->bonded.told, memory_order_relaxed))
		return;
	atomic_exchange(&w->bonded.told, false);
	while ((i = handover_take(&w->bonded.in))) {
		const struct bonded_packet p = { i->data, i->len, i->place, i->from };

		take(w, sad_in(&w->e->sad, i->spi), &p);
	}
	worker_flush(w);
	handover_done(&w->bonded.in);
}

void bonded_run(struct worker *w)
{
	struct bonded *b = &w->bonded;

	take_handed_over(w);
	if (!b->streams.n)
		return;
	streams_run(&b->streams, w->now);
	if (w->now >= b->swept + SWEEP_USEC)
		sweep(w);
	worker_flush(w);
}

int bonded_timeout(const struct worker *w)
{
	usec_t first = streams_deadline(&w->bonded.streams);

	if (first == USEC_NEVER)
		return -1;
	return first > w->now ? (int)((first - w->now) / USEC_PER_MSEC) + 1 : 0;
}
