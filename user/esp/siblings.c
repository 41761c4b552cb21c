/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/lines.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "esp/siblings.h"

enum { HEADS = 1 << 16 };

/* All SAs with the same selectors. */
struct selectors {
	struct hash_node by_octets;
	struct list sas;
	uint64_t number;
	uint32_t lines; /* that have an SA to send on */
};

int siblings_init(struct siblings *t)
{
	void *p = mmap(NULL, HEADS * sizeof(*t->head), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(t, 0, sizeof(*t));
	hash_init(&t->by_selectors);
	if (p == MAP_FAILED)
		return -ENOMEM;
	t->head = p;
	return replies_init(&t->replies);
}

static void free_selectors(struct hash_node *n)
{
	free(hash_entry(n, struct selectors, by_octets));
}

void siblings_clear(struct siblings *t)
{
	hash_empty(&t->by_selectors, free_selectors);
	hash_clear(&t->by_selectors);
	if (t->head)
		munmap((void *)t->head, HEADS * sizeof(*t->head));
	replies_clear(&t->replies);
	memset(t, 0, sizeof(*t));
}

/* ---- equal selectors: the control thread ---- */

static bool ts_equal(const struct sa_ts *a, const struct sa_ts *b)
{
	return a->family == b->family && a->protocol == b->protocol &&
	       a->port_first == b->port_first && a->port_last == b->port_last &&
	       memcmp(a->first, b->first, sizeof(a->first)) == 0 &&
	       memcmp(a->last, b->last, sizeof(a->last)) == 0;
}

static int count(const struct sa_ts *ts, int n, const struct sa_ts *what)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += ts_equal(&ts[i], what);
	return found;
}

/* In any order: they mean the same. */
static bool same_set(const struct sa_ts *a, int na, const struct sa_ts *b, int nb)
{
	for (int i = 0; na == nb && i < na; i++)
		if (count(a, na, &a[i]) != count(b, nb, &a[i]))
			return false;
	return na == nb;
}

bool siblings_equal(const struct sa *a, const struct sa *b)
{
	const struct sa_sel *x = sa_sel_of(a), *y = sa_sel_of(b);

	return same_set(x->local, x->n_local, y->local, y->n_local) &&
	       same_set(x->remote, x->n_remote, y->remote, y->n_remote);
}

/* The same for any order. */
static uint64_t number_of(const struct sa_ts *ts, int n)
{
	uint64_t sum = (uint64_t)n;

	for (int i = 0; i < n; i++)
		sum += hash_octets(ts[i].first, sizeof(ts[i].first)) +
		       3 * hash_octets(ts[i].last, sizeof(ts[i].last)) +
		       ((uint64_t)ts[i].family << 40 | (uint64_t)ts[i].protocol << 32 |
			(uint32_t)ts[i].port_first << 16 | ts[i].port_last);
	return sum;
}

static struct selectors *find_equal(const struct siblings *t, const struct sa *sa, uint64_t key)
{
	hash_for_each (it, tmp, &t->by_selectors, key) {
		struct selectors *s = hash_entry(it, struct selectors, by_octets);

		if (siblings_equal(list_entry(s->sas.next, struct sa, sibling.node), sa))
			return s;
	}
	return NULL;
}

int siblings_join(struct siblings *t, struct sa *sa)
{
	const struct sa_sel *sel = sa_sel_of(sa);
	uint64_t key =
		5 * number_of(sel->local, sel->n_local) + number_of(sel->remote, sel->n_remote);
	struct selectors *s;

	if (!sa->sibling.line)
		return 0;
	s = find_equal(t, sa, key);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		list_init(&s->sas);
		s->number = ++t->last_number;
		hash_add(&t->by_selectors, &s->by_octets, key);
	}
	list_append(&s->sas, &sa->sibling.node);
	sa->sibling.of = s;
	sa->sibling.selectors = s->number;
	return 0;
}

void siblings_leave(struct siblings *t, struct sa *sa)
{
	struct selectors *s = sa->sibling.of;

	if (!s)
		return;
	list_remove(&sa->sibling.node);
	sa->sibling.of = NULL;
	if (!list_empty(&s->sas))
		return;
	hash_remove(&t->by_selectors, &s->by_octets);
	free(s);
}

/* ---- the chains ---- */

static _Atomic(struct sa *) *head_of(const struct siblings *t, uint64_t selectors, uint32_t line)
{
	uint64_t h = (selectors ^ (uint64_t)line << 32 ^ line) * UINT64_C(0x9e3779b97f4a7c15);

	return &t->head[h >> 48];
}

static struct sa *next_in(struct sa *sa, uint64_t selectors, uint32_t line)
{
	while (sa && (sa->sibling.selectors != selectors || sa->sibling.line != line))
		sa = atomic_load_explicit(&sa->sibling.next, memory_order_acquire);
	return sa;
}

static struct sa *first_of(const struct siblings *t, uint64_t selectors, uint32_t line)
{
	return next_in(atomic_load_explicit(head_of(t, selectors, line), memory_order_acquire),
		       selectors, line);
}

/* Lines come and go rarely, and there are few: what it means is written down for each SA. */
static void mark_all(const struct selectors *s)
{
	list_for_each (it, &s->sas)
		atomic_store_explicit(&list_entry(it, struct sa, sibling.node)->has_siblings,
				      s->lines > 1, memory_order_relaxed);
}

void siblings_show(struct siblings *t, struct sa *sa)
{
	struct sibling *me = &sa->sibling;
	_Atomic(struct sa *) *link;
	struct sa *next;

	if (!me->of)
		return;
	if (!first_of(t, me->selectors, me->line) && ++me->of->lines == 2)
		mark_all(me->of);
	atomic_store_explicit(&sa->has_siblings, me->of->lines > 1, memory_order_relaxed);
	link = head_of(t, me->selectors, me->line);
	while ((next = *link) && next->order <= sa->order)
		link = &next->sibling.next;
	/* A reader that still stands on it, which was here before, goes on in the same chain. */
	atomic_store_explicit(&me->next, next, memory_order_release);
	atomic_store_explicit(link, sa, memory_order_release);
}

void siblings_hide(struct siblings *t, struct sa *sa)
{
	struct sibling *me = &sa->sibling;
	_Atomic(struct sa *) *link;

	if (!me->of)
		return;
	link = head_of(t, me->selectors, me->line);
	while (*link != sa)
		link = &(*link)->sibling.next;
	atomic_store_explicit(link, me->next, memory_order_release);
	if (!first_of(t, me->selectors, me->line) && --me->of->lines == 1)
		mark_all(me->of);
}

/* ---- choosing: packet threads ---- */

static __u32 word_of(const void *ctx, __u32 path_id)
{
	const _Atomic uint32_t *word = steer_path_word(ctx, path_id);

	return word ? atomic_load_explicit(word, memory_order_relaxed) : 0;
}

static bool used_up(const struct sa *sa)
{
	return atomic_load_explicit(&sa->reached, memory_order_relaxed) & SA_HARD;
}

/* The peer may not have it yet (RFC 7296 2.8). */
static bool too_new(const struct sa *sa, usec_t now)
{
	return sa->sibling.waits && now < sa->sibling.waits_until &&
	       !atomic_load_explicit(&sa->seen, memory_order_relaxed);
}

static struct sa *sender_of(const struct siblings *t, uint64_t selectors, uint32_t line, usec_t now)
{
	struct sa *sa = first_of(t, selectors, line);

	while (sa && (used_up(sa) || too_new(sa, now)))
		sa = next_in(atomic_load_explicit(&sa->sibling.next, memory_order_acquire),
			     selectors, line);
	return sa;
}

bool siblings_may_send(const struct sa *sa, usec_t now)
{
	return !used_up(sa) && !too_new(sa, now);
}

uint64_t siblings_pick(const struct steer_view *v, uint32_t group, uint8_t klass,
		       uint32_t flow_slot)
{
	const struct steer_group *g = steer_group_of(v, group, klass);
	uint64_t pick = g ? pick_own(g, flow_slot, word_of, v) : 0;

	return pick || !g ? pick : pick_fallback(g, flow_slot, word_of, v);
}

struct sa *siblings_choose(const struct siblings *t, const struct steer_view *v, struct sa *found,
			   uint8_t klass, uint32_t flow_slot, usec_t now)
{
	const struct steer_group *g = steer_group_of(v, found->group, klass);
	const uint64_t selectors = found->sibling.selectors;
	struct sa *sa;
	uint64_t pick;
	uint32_t line;

	if (!g)
		return found;
	pick = pick_own(g, flow_slot, word_of, v);
	pick = pick ? pick : pick_fallback(g, flow_slot, word_of, v);
	line = line_of_path(g, PICK_PATH(pick));
	if (line == found->sibling.line && !used_up(found))
		return found;
	sa = sender_of(t, selectors, line, now);
	/* any SA's ESP may go over any path: better one that does not fit than none */
	for (int i = 0; !sa && used_up(found) && i < STEER_MEMBERS_MAX && i < g->n_members; i++)
		sa = sender_of(t, selectors, g->line[i], now);
	return sa ? sa : found;
}

uint32_t siblings_slot(const struct steer_view *v, const struct sa *found, uint32_t line,
		       uint8_t klass, uint32_t flow_slot)
{
	const struct steer_group *g = steer_group_of(v, found->group, klass);

	return g ? line_slot(g, line, flow_slot, word_of, v) : flow_slot;
}

uint32_t transport_path(const struct steer_view *v, const struct sa *sa, uint8_t klass,
			const struct inner *in)
{
	const struct steer_group *g = steer_group_of(v, sa->group, klass);
	size_t n = in->family == 4 ? 4 : 16;

	for (int i = 0; g && i < STEER_MEMBERS_MAX && i < g->n_members; i++) {
		const struct steer_path *p = steer_path_record(v, word_of(v, g->path[i]));

		if (p && p->family == in->family && !memcmp(p->src.b, in->src, n) &&
		    !memcmp(p->dst.b, in->dst, n))
			return g->path[i];
	}
	return 0;
}
