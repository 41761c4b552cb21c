/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/steer.h"
#include "esp/flow.h"
#include "esp/sad.h"

struct policy_bucket {
	uint8_t addr[16];
	uint8_t family;
	struct sa *sa;
	uint32_t next; /* index + 1, in order; 0 = end */
};

struct policy {
	uint64_t generation;
	uint32_t mask, n_ranges;
	uint32_t *head; /* by hash of an exact remote address: index + 1 */
	struct policy_bucket *bucket;
	struct sa **ranges; /* SAs with anything but exact addresses, in order */
	struct policy *next_retired;
	uint64_t free_mark;
};

int sad_init(struct sad *sad)
{
	memset(sad, 0, sizeof(*sad));
	epoch_init(&sad->epoch);
	/* Untouched pages of the array cost nothing. */
	sad->in = mmap(NULL, STEER_SA_MAX * sizeof(*sad->in), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sad->in == MAP_FAILED) {
		sad->in = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void policy_free(struct policy *p)
{
	if (!p)
		return;
	free(p->head);
	free(p->bucket);
	free(p->ranges);
	free(p);
}

static uint32_t hash_addr(uint8_t family, const uint8_t *addr)
{
	uint64_t h = family, w = 0;

	for (size_t i = 0; i < (family == 4 ? 4u : 16u); i += 4) {
		uint32_t a;

		memcpy(&a, addr + i, 4);
		w = w << 32 | a;
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return (uint32_t)(h >> 32);
}

static bool exact(const struct sa_ts *ts)
{
	return memcmp(ts->first, ts->last, 16) == 0;
}

struct sa *sad_find(const struct sad *sad, uint32_t id)
{
	for (size_t i = 0; i < sad->n; i++)
		if (sad->all[i]->id == id)
			return sad->all[i];
	return NULL;
}

static void mark_superseded(struct sad *sad)
{
	for (size_t i = 0; i < sad->n; i++)
		sad->all[i]->superseded = false;
	for (size_t i = 0; i < sad->n; i++) {
		struct sa *sa = sad->all[i], *old;

		if (sa->replaces == 0)
			continue;
		old = sad_find(sad, sa->replaces);
		if (!old)
			sa->deferred = false; /* nobody left to send for it */
		else if (!sa->deferred)
			old->superseded = true;
	}
}

static void fill(struct policy *p, struct sad *sad)
{
	uint32_t n = 0;

	/* Backwards, as each is put in front of its chain. */
	for (size_t i = sad->n; i-- > 0;) {
		struct sa *sa = sad->all[i];

		if (sa->deferred || sa->superseded)
			continue;
		for (int t = 0; t < sa->n_ts_remote; t++) {
			const struct sa_ts *ts = &sa->ts_remote[t];
			uint32_t *head;

			if (!exact(ts))
				continue;
			head = &p->head[hash_addr(ts->family, ts->first) & p->mask];
			memcpy(p->bucket[n].addr, ts->first, 16);
			p->bucket[n].family = ts->family;
			p->bucket[n].sa = sa;
			p->bucket[n].next = *head;
			*head = ++n;
		}
	}
	for (size_t i = 0; i < sad->n; i++) {
		struct sa *sa = sad->all[i];
		bool range = false;

		for (int t = 0; t < sa->n_ts_remote; t++)
			range |= !exact(&sa->ts_remote[t]);
		if (range && !sa->deferred && !sa->superseded)
			p->ranges[p->n_ranges++] = sa;
	}
}

/* Make a new snapshot of the policy and publish it. On failure the old one stays. */
static int rebuild(struct sad *sad)
{
	struct policy *p = calloc(1, sizeof(*p)), *old;
	size_t n_exact = 0, size = 16;

	if (!p)
		return -ENOMEM;
	mark_superseded(sad);
	for (size_t i = 0; i < sad->n; i++)
		for (int t = 0; t < sad->all[i]->n_ts_remote; t++)
			n_exact += exact(&sad->all[i]->ts_remote[t]);
	while (size < 2 * n_exact)
		size *= 2;
	p->mask = (uint32_t)size - 1;
	p->head = calloc(size, sizeof(*p->head));
	p->bucket = calloc(n_exact + 1, sizeof(*p->bucket));
	p->ranges = calloc(sad->n + 1, sizeof(*p->ranges));
	if (!p->head || !p->bucket || !p->ranges) {
		policy_free(p);
		return -ENOMEM;
	}
	fill(p, sad);
	p->generation = ++sad->generation;
	old = atomic_exchange(&sad->policy, p);
	if (old) {
		old->free_mark = epoch_advance(&sad->epoch);
		old->next_retired = sad->retired_policy;
		sad->retired_policy = old;
	}
	return 0;
}

static bool cached(const struct sad_cache *c, const struct policy *p, const struct inner *in)
{
	size_t n = in->family == 4 ? 4 : 16;

	return c->generation == p->generation && c->family == in->family && c->proto == in->proto &&
	       c->has_ports == in->has_ports && c->sport == in->sport && c->dport == in->dport &&
	       memcmp(c->addrs, in->src, n) == 0 && memcmp(c->addrs + 16, in->dst, n) == 0;
}

static struct sa *look_up(const struct policy *p, const struct inner *in)
{
	size_t n = in->family == 4 ? 4 : 16;
	uint32_t i = p->head[hash_addr(in->family, in->dst) & p->mask];

	for (; i; i = p->bucket[i - 1].next) {
		const struct policy_bucket *b = &p->bucket[i - 1];

		if (b->family == in->family && memcmp(b->addr, in->dst, n) == 0 &&
		    sa_outbound_ok(b->sa, in))
			return b->sa;
	}
	for (i = 0; i < p->n_ranges; i++)
		if (sa_outbound_ok(p->ranges[i], in))
			return p->ranges[i];
	return NULL;
}

struct sa *sad_out(const struct sad *sad, struct sad_cache *c, const struct inner *in)
{
	const struct policy *p = atomic_load_explicit(&sad->policy, memory_order_acquire);
	size_t n = in->family == 4 ? 4 : 16;

	if (!p)
		return NULL;
	if (cached(c, p, in))
		return c->sa;
	c->sa = look_up(p, in);
	c->generation = p->generation;
	c->family = in->family;
	c->proto = in->proto;
	c->has_ports = in->has_ports;
	c->sport = in->sport;
	c->dport = in->dport;
	memcpy(c->addrs, in->src, n);
	memcpy(c->addrs + 16, in->dst, n);
	return c->sa;
}

/* Keep all[] sorted by order; a successor comes right after what it replaces. */
static int insert(struct sad *sad, struct sa *sa)
{
	struct sa *old = sa->replaces ? sad_find(sad, sa->replaces) : NULL;
	size_t at = sad->n;

	if (sad->n == sad->cap) {
		size_t cap = sad->cap ? sad->cap * 2 : 64;
		struct sa **all = realloc(sad->all, cap * sizeof(*all));

		if (!all)
			return -ENOMEM;
		sad->all = all;
		sad->cap = cap;
	}
	sa->order = old ? old->order : sad->next_order++;
	while (at > 0 && sad->all[at - 1]->order > sa->order)
		at--;
	memmove(&sad->all[at + 1], &sad->all[at], (sad->n - at) * sizeof(*sad->all));
	sad->all[at] = sa;
	sad->n++;
	return 0;
}

static void remove_at(struct sad *sad, size_t i)
{
	memmove(&sad->all[i], &sad->all[i + 1], (sad->n - i - 1) * sizeof(*sad->all));
	sad->n--;
}

static size_t index_of(const struct sad *sad, const struct sa *sa)
{
	size_t i = 0;

	while (sad->all[i] != sa)
		i++;
	return i;
}

int sad_add(struct sad *sad, struct sa *sa)
{
	_Atomic(struct sa *) *slot = &sad->in[STEER_SPI_INDEX(sa->spi_in)];
	int r;

	if (sad_find(sad, sa->id) || atomic_load(slot))
		return -EEXIST;
	r = insert(sad, sa);
	if (r < 0)
		return r;
	/* Inbound first: the peer may send as soon as it has our answer. */
	atomic_store_explicit(slot, sa, memory_order_release);
	r = rebuild(sad);
	if (r < 0) {
		remove_at(sad, index_of(sad, sa));
		atomic_store(slot, NULL);
		/* A packet thread may already have seen it; the caller frees it at once. */
		uint64_t mark = epoch_advance(&sad->epoch);

		while (!epoch_passed(&sad->epoch, mark))
			;
	}
	return r;
}

struct sa *sad_sender(const struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id);

	/* Forward to the newest successor that is in use; bounded by the number of SAs. */
	for (size_t hop = 0; sa && sa->superseded && hop < sad->n; hop++)
		for (size_t i = 0; i < sad->n; i++)
			if (sad->all[i]->replaces == sa->id && !sad->all[i]->deferred) {
				sa = sad->all[i];
				break;
			}
	/* Or back to the predecessor while it is deferred. */
	for (size_t hop = 0; sa && sa->deferred && hop < sad->n; hop++)
		sa = sad_find(sad, sa->replaces);
	return sa;
}

int sad_del(struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id);
	size_t i;
	int r;

	if (!sa)
		return -ENOENT;
	i = index_of(sad, sa);
	remove_at(sad, i);
	r = rebuild(sad);
	if (r < 0) {
		memmove(&sad->all[i + 1], &sad->all[i], (sad->n - i) * sizeof(*sad->all));
		sad->all[i] = sa;
		sad->n++;
		return r;
	}
	atomic_store(&sad->in[STEER_SPI_INDEX(sa->spi_in)], NULL);
	sa->free_mark = epoch_advance(&sad->epoch);
	sa->next_retired = sad->retired;
	sad->retired = sa;
	return 0;
}

int sad_out_on(struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id);
	int r;

	if (!sa)
		return -ENOENT;
	if (!sa->deferred)
		return 0;
	sa->deferred = false;
	r = rebuild(sad);
	if (r < 0)
		sa->deferred = true;
	return r;
}

bool sad_reclaim(struct sad *sad)
{
	struct policy **p = &sad->retired_policy;
	struct sa **s = &sad->retired;

	while (*p) {
		struct policy *old = *p;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			p = &old->next_retired;
			continue;
		}
		*p = old->next_retired;
		policy_free(old);
	}
	while (*s) {
		struct sa *old = *s;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			s = &old->next_retired;
			continue;
		}
		*s = old->next_retired;
		sa_free(old);
	}
	return sad->retired || sad->retired_policy;
}

void sad_clear(struct sad *sad)
{
	sad_reclaim(sad);
	for (size_t i = 0; i < sad->n; i++)
		sa_free(sad->all[i]);
	free(sad->all);
	policy_free(atomic_load(&sad->policy));
	if (sad->in)
		munmap((void *)sad->in, STEER_SA_MAX * sizeof(*sad->in));
	memset(sad, 0, sizeof(*sad));
}
