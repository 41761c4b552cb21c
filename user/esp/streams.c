/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "esp/streams.h"

int streams_init(struct streams *s, const struct streams_ops *ops, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->ctx = ctx;
	s->stream = calloc(STREAMS_MAX, sizeof(struct stream *));
	s->mem = mmap(NULL, STREAMS_MAX * sizeof(struct stream), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->mem == MAP_FAILED)
		s->mem = NULL;
	if (!s->stream || !s->mem)
		return -ENOMEM;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		s->stream[i] = &s->mem[i];
	while (s->n_free < STREAMS_PLACES) {
		s->free[s->n_free] = (uint16_t)(STREAMS_PLACES - 1 - s->n_free);
		s->n_free++;
	}
	return 0;
}

void streams_clear(struct streams *s)
{
	free(s->stream);
	if (s->mem)
		munmap(s->mem, STREAMS_MAX * sizeof(struct stream));
	s->stream = NULL;
	s->mem = NULL;
}

/* ---- who holds what ---- */

static struct streams_holder *most_places(struct streams *s)
{
	struct streams_holder *most = &s->holder[s->putting->holder];

	for (unsigned i = 0; i < STREAMS_MAX; i++)
		if (s->holder[i].places > most->places)
			most = &s->holder[i];
	return most;
}

static struct streams_holder *most_streams(struct streams *s)
{
	struct streams_holder *most = &s->holder[0];

	for (unsigned i = 1; i < STREAMS_MAX; i++)
		if (s->holder[i].streams > most->streams)
			most = &s->holder[i];
	return most;
}

/* That of a peer; there are no more of them than streams. NULL: it has none, and there is no room.
 */
static struct streams_holder *holder_of(struct streams *s, uint32_t peer)
{
	struct streams_holder *none = NULL;

	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (s->holder[i].streams && s->holder[i].peer == peer)
			return &s->holder[i];
		if (!s->holder[i].streams)
			none = &s->holder[i];
	}
	return none;
}

static struct stream *longest(const struct streams *s, const struct streams_holder *h)
{
	struct stream *most = NULL;

	for (unsigned i = 0; i < s->n; i++) {
		struct stream *st = s->stream[i];

		if (&s->holder[st->holder] == h && (!most || st->r.waiting > most->r.waiting))
			most = st;
	}
	return most;
}

/* To deliver what waits in it, the packet that is being put would have to be somewhere. */
static bool comes_after(const struct stream *st, const struct stream *putting)
{
	for (const struct reorder *r = &st->r; r; r = r->before)
		if (r == &putting->r)
			return true;
	return false;
}

/* ---- places ---- */

static void deliver(void *ctx, uint32_t place)
{
	struct streams *s = ctx;

	s->ops->deliver(s->ctx, place);
	if (place == REORDER_IN_HAND)
		return;
	s->holder[s->of[place]].places--;
	s->done[s->n_done++] = (uint16_t)place;
}

static bool keep(void *ctx, uint32_t *ret_place);

static const struct reorder_ops ops = { keep, deliver };

static void add_up(struct streams *s, struct reorder *r)
{
	s->stats.waited += r->stats.waited;
	s->stats.missed += r->stats.missed;
	s->stats.late += r->stats.late;
	s->stats.full += r->stats.full;
	s->stats.yielded += r->stats.yielded;
	memset(&r->stats, 0, sizeof(r->stats));
}

/* So many at once that it need not be asked for each packet. */
static void yield(struct streams *s)
{
	struct stream *st = longest(s, most_places(s));

	if (!st || comes_after(st, s->putting))
		return;
	reorder_yield(&st->r, st->r.waiting / 8 + 1, &ops, s);
	add_up(s, &st->r);
	s->ops->write(s->ctx);
}

static bool keep(void *ctx, uint32_t *ret_place)
{
	struct streams *s = ctx;
	uint16_t i;

	if (!s->n_free && s->n_done)
		s->ops->write(s->ctx);
	if (!s->n_free)
		yield(s);
	if (!s->n_free)
		return false;
	i = s->free[s->n_free - 1];
	if (!s->ops->keep(s->ctx, i))
		return false;
	s->n_free--;
	s->of[i] = s->putting->holder;
	s->holder[s->of[i]].places++;
	*ret_place = i;
	return true;
}

void streams_written(struct streams *s)
{
	while (s->n_done)
		s->free[s->n_free++] = s->done[--s->n_done];
}

/* ---- streams ---- */

static void end(struct streams *s, unsigned i)
{
	struct stream *st = s->stream[i];

	reorder_flush(&st->r, &ops, s);
	add_up(s, &st->r);
	s->holder[st->holder].streams--;
	s->stream[i] = s->stream[--s->n];
	s->stream[s->n] = st; /* behind those in use: for another one */
	for (unsigned k = 0; k < s->n; k++)
		if (s->stream[k]->r.before == &st->r)
			s->stream[k]->r.before = NULL;
}

void streams_sweep(struct streams *s)
{
	for (unsigned i = s->n; i-- > 0;)
		if (!s->ops->there(s->ctx, s->stream[i]))
			end(s, i);
}

/* The most silent one; of one holder, or of any (NULL). */
static unsigned most_silent(const struct streams *s, const struct streams_holder *h)
{
	unsigned least = s->n;

	for (unsigned i = 0; i < s->n; i++) {
		const struct stream *st = s->stream[i];

		if (h && &s->holder[st->holder] != h)
			continue;
		if (least == s->n || st->heard < s->stream[least]->heard)
			least = i;
	}
	return least;
}

static void make_room(struct streams *s, const struct streams_holder *wants, usec_t now)
{
	unsigned i = most_silent(s, NULL);
	const struct streams_holder *most;

	if (now < s->stream[i]->heard + STREAMS_SILENT_USEC) {
		most = most_streams(s);
		if (most->streams < (wants ? wants->streams : 0) + 2)
			return;
		i = most_silent(s, most);
	}
	s->ops->ended(s->ctx, s->stream[i]);
	end(s, i);
	s->ended++;
}

static struct reorder *of_sa(const struct streams *s, uint32_t id)
{
	for (unsigned i = 0; id && i < s->n; i++)
		if (s->stream[i]->sa_id == id)
			return &s->stream[i]->r;
	return NULL;
}

struct stream *streams_begin(struct streams *s, uint32_t peer, uint32_t sa_id, uint32_t replaces,
			     usec_t now)
{
	struct streams_holder *h = holder_of(s, peer);
	struct stream *st;

	if (s->n == STREAMS_MAX)
		make_room(s, h, now);
	if (s->n == STREAMS_MAX)
		return NULL;
	h = holder_of(s, peer);
	st = s->stream[s->n];
	st->sa_id = sa_id;
	st->heard = now;
	st->holder = (uint8_t)(h - s->holder);
	h->peer = peer;
	h->streams++;
	reorder_init(&st->r, of_sa(s, replaces));
	s->n++;
	return st;
}

bool streams_put(struct streams *s, struct stream *st, const struct bond_place *place,
		 uint64_t from, usec_t now)
{
	bool once;

	s->putting = st;
	st->heard = now;
	once = reorder_put(&st->r, place, from, now, &ops, s);
	add_up(s, &st->r);
	return once;
}

usec_t streams_deadline(const struct streams *s)
{
	usec_t first = USEC_NEVER;

	if (s->n_free + s->n_done == STREAMS_PLACES)
		return first;
	for (unsigned i = 0; i < s->n; i++) {
		usec_t d = reorder_deadline(&s->stream[i]->r);

		first = d < first ? d : first;
	}
	return first;
}

void streams_run(struct streams *s, usec_t now)
{
	for (unsigned i = 0; s->n_free + s->n_done < STREAMS_PLACES && i < s->n; i++) {
		struct reorder *r = &s->stream[i]->r;

		if (now < reorder_deadline(r))
			continue;
		reorder_run(r, now, &ops, s);
		add_up(s, r);
	}
}
