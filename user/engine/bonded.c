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

/* SAs that a thread puts in order; others' packets pass as they come. */
enum { STREAMS = 64, SWEEP_USEC = 1000 * 1000 };
/* What fits the usual links; larger ones where the TUN device takes them. */
enum { PLACE_LEAST = 2048, PLACE_MORE = 64, SAND = 64 };

struct bond_stream {
	uint32_t spi, sa_id;
	struct sa *sa; /* compared only */
	struct reorder r;
};

int bonded_init(struct worker *w)
{
	struct bonded *b = &w->bonded;
	size_t place = w->e->cfg.tun_mtu + PLACE_MORE;

	b->place = place < PLACE_LEAST ? PLACE_LEAST : (place + SAND - 1) & ~(size_t)(SAND - 1);
	b->stream = calloc(STREAMS, sizeof(struct bond_stream *));
	b->streams = mmap(NULL, STREAMS * sizeof(struct bond_stream), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->streams == MAP_FAILED)
		b->streams = NULL;
	b->pool = mmap(NULL, BONDED_PLACES * b->place, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->pool == MAP_FAILED)
		b->pool = NULL;
	if (!b->stream || !b->streams || !b->pool)
		return -ENOMEM;
	for (unsigned i = 0; i < STREAMS; i++)
		b->stream[i] = &b->streams[i];
	while (b->n_free < BONDED_PLACES) {
		b->free[b->n_free] = (uint16_t)(BONDED_PLACES - 1 - b->n_free);
		b->n_free++;
	}
	return handover_init(&b->in, b->place);
}

void bonded_clear(struct worker *w)
{
	struct bonded *b = &w->bonded;

	free(b->stream);
	if (b->streams)
		munmap(b->streams, STREAMS * sizeof(struct bond_stream));
	if (b->pool) {
		secret_wipe(b->pool, b->used * b->place);
		munmap(b->pool, BONDED_PLACES * b->place);
	}
	handover_clear(&b->in);
}

/* ---- delivery ---- */

static void emit(struct worker *w, uint8_t *pkt, size_t len)
{
	struct inner in;

	if (inner_parse(pkt, len, false, &in) == 0) /* it was before */
		coalesce_add(&w->co, pkt, &in, false);
}

static bool keep(void *ctx, uint32_t *ret_handle)
{
	struct worker *w = ctx;
	struct bonded *b = &w->bonded;
	uint16_t i;

	if (b->hand_len > b->place)
		return false;
	if (!b->n_free && b->n_done)
		worker_flush(w); /* what was delivered is still to be written */
	if (!b->n_free)
		return false;
	i = b->free[--b->n_free];
	if (i >= b->used)
		b->used = i + 1u;
	memcpy(b->pool + i * b->place, b->hand, b->hand_len);
	b->len[i] = (uint32_t)b->hand_len;
	*ret_handle = i;
	return true;
}

static void deliver(void *ctx, uint32_t handle)
{
	struct worker *w = ctx;
	struct bonded *b = &w->bonded;

	if (handle == REORDER_IN_HAND) {
		emit(w, b->hand, b->hand_len);
		return;
	}
	emit(w, b->pool + handle * b->place, b->len[handle]);
	b->done[b->n_done++] = (uint16_t)handle;
}

static const struct reorder_ops ops = { keep, deliver };

void bonded_flushed(struct worker *w)
{
	struct bonded *b = &w->bonded;

	while (b->n_done)
		b->free[b->n_free++] = b->done[--b->n_done];
}

/* ---- streams ---- */

static void count(struct worker *w, struct reorder *r)
{
	w->c.bond_waited += r->stats.waited;
	w->c.bond_missed += r->stats.missed;
	w->c.bond_late += r->stats.late;
	w->c.bond_full += r->stats.full;
	memset(&r->stats, 0, sizeof(r->stats));
}

static void end(struct worker *w, unsigned i)
{
	struct bonded *b = &w->bonded;
	struct bond_stream *s = b->stream[i];

	reorder_flush(&s->r, &ops, w);
	count(w, &s->r);
	b->stream[i] = b->stream[--b->n_streams];
	b->stream[b->n_streams] = s; /* behind those in use: for another one */
	for (unsigned k = 0; k < b->n_streams; k++)
		if (b->stream[k]->r.before == &s->r)
			b->stream[k]->r.before = NULL;
}

/* SAs that are gone. */
static void sweep(struct worker *w)
{
	struct bonded *b = &w->bonded;

	b->swept = w->now;
	for (unsigned i = b->n_streams; i-- > 0;) {
		struct bond_stream *s = b->stream[i];
		const struct sa *sa = sad_in(&w->e->sad, s->spi);

		if (!sa || sa != s->sa || sa->stream != s)
			end(w, i);
	}
}

static struct reorder *before(const struct bonded *b, const struct sa *sa)
{
	for (unsigned i = 0; sa->replaces && i < b->n_streams; i++)
		if (b->stream[i]->sa_id == sa->replaces)
			return &b->stream[i]->r;
	return NULL;
}

static struct bond_stream *stream_of(struct worker *w, struct sa *sa)
{
	struct bonded *b = &w->bonded;
	struct bond_stream *s = sa->stream;

	if (s)
		return s;
	if (b->n_streams == STREAMS && w->now >= b->swept + SWEEP_USEC)
		sweep(w);
	if (b->n_streams == STREAMS)
		return NULL;
	s = b->stream[b->n_streams];
	s->spi = sa->spi_in;
	s->sa_id = sa->id;
	s->sa = sa;
	reorder_init(&s->r, before(b, sa));
	b->n_streams++;
	sa->stream = s;
	return s;
}

/* The thread that puts them in order: the one that had the first, or puts those in order that the
 * SA before brought. */
static unsigned owner_of(struct worker *w, struct sa *sa)
{
	uint8_t owner = atomic_load_explicit(&sa->bond_owner, memory_order_relaxed), none = 0;

	if (owner)
		return owner - 1u;
	owner = (uint8_t)(1 + sa->group / STEER_GROUP_BLOCK % (uint32_t)w->e->n_workers);
	return atomic_compare_exchange_strong(&sa->bond_owner, &none, owner) ? owner - 1u
									     : none - 1u;
}

static void take(struct worker *w, struct sa *sa, const struct bonded_packet *p)
{
	struct bond_stream *s = sa ? stream_of(w, sa) : NULL;
	struct bonded *b = &w->bonded;

	if (!s) {
		w->c.bond_full += sa != NULL;
		emit(w, p->pkt, p->len);
		return;
	}
	b->hand = p->pkt;
	b->hand_len = p->len;
	if (!reorder_put(&s->r, &p->place, p->from, w->now, &ops, w))
		w->c.drop_replay++;
	count(w, &s->r);
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
	i = p->len <= w->bonded.place ? handover_claim(h) : NULL;
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
	if (!b->n_streams)
		return;
	for (unsigned i = 0; b->n_free + b->n_done < BONDED_PLACES && i < b->n_streams; i++) {
		struct reorder *r = &b->stream[i]->r;

		if (w->now < reorder_deadline(r))
			continue;
		reorder_run(r, w->now, &ops, w);
		count(w, r);
	}
	if (w->now >= b->swept + SWEEP_USEC)
		sweep(w);
	worker_flush(w);
}

int bonded_timeout(const struct worker *w)
{
	const struct bonded *b = &w->bonded;
	usec_t first = USEC_NEVER;

	if (b->n_free == BONDED_PLACES)
		return -1;
	for (unsigned i = 0; i < b->n_streams; i++) {
		usec_t d = reorder_deadline(&b->stream[i]->r);

		first = d < first ? d : first;
	}
	if (first == USEC_NEVER)
		return -1;
	return first > w->now ? (int)((first - w->now) / USEC_PER_MSEC) + 1 : 0;
}
