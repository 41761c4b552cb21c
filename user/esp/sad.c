/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/pick.h"
#include "abi/steer.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "sad_impl.h"

enum { HEADS = 1 << 16, RANGES_MIN = 16 };

/* A path that carries less is none, and no inner packet has to be cut smaller: RFC 791 68 octets.
 */
enum { ROOM_LEAST = 256, INNER_LEAST = 68 };

/* Grows at its end in place; an SA that leaves leaves a hole, the next copy has none. */
struct sad_ranges {
	_Atomic uint32_t n;
	uint32_t cap;
	struct sad_ranges *next_retired;
	uint64_t free_mark;
	_Atomic(struct sa *) sa[];
};

static void *reserve(size_t octets)
{
	/* Untouched pages cost nothing. */
	void *p = mmap(NULL, octets, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int sad_init(struct sad *sad)
{
	memset(sad, 0, sizeof(*sad));
	epoch_init(&sad->epoch);
	hash_init(&sad->by_id);
	hash_init(&sad->by_replaces);
	hash_init(&sad->groups);
	atomic_init(&sad->generation, 1);
	sad->in = reserve(STEER_SA_MAX * sizeof(*sad->in));
	sad->head = reserve(HEADS * sizeof(*sad->head));
	sad->expected = reserve(STEER_SA_MAX * sizeof(*sad->expected));
	sad->encap = reserve(STEER_GROUPS_MAX * sizeof(*sad->encap));
	if (!siblings_init(&sad->siblings) && sad->in && sad->head && sad->expected && sad->encap)
		return 0;
	sad_clear(sad);
	return -ENOMEM;
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

static _Atomic(struct sa_exact *) *head_of(const struct sad *sad, uint8_t family,
					   const uint8_t *addr)
{
	return &sad->head[hash_addr(family, addr) & (HEADS - 1)];
}

/* ---- looking up: any thread ---- */

static bool cached(const struct sad_cache *c, uint64_t generation, const struct inner *in)
{
	size_t n = in->family == 4 ? 4 : 16;

	return c->generation == generation && c->family == in->family && c->proto == in->proto &&
	       c->has_ports == in->has_ports && c->sport == in->sport && c->dport == in->dport &&
	       memcmp(c->addrs, in->src, n) == 0 && memcmp(c->addrs + 16, in->dst, n) == 0;
}

/* A block has nothing to keep from an SA with the very same selectors, however young. */
static struct sa *look_up(const struct sad *sad, const struct inner *in)
{
	size_t n = in->family == 4 ? 4 : 16;
	struct sa *block = NULL;
	struct sa_exact *x =
		atomic_load_explicit(head_of(sad, in->family, in->dst), memory_order_acquire);
	struct sad_ranges *r;
	uint32_t n_ranges;

	for (; x; x = atomic_load_explicit(&x->next, memory_order_acquire)) {
		if (x->ts->family != in->family || memcmp(x->ts->first, in->dst, n) != 0 ||
		    !sa_outbound_ok(x->sa, in))
			continue;
		if (!x->sa->blocks && (!block || siblings_equal(block, x->sa)))
			return x->sa;
		block = block ? block : x->sa;
	}
	if (block)
		return block;
	r = atomic_load_explicit(&sad->ranges, memory_order_acquire);
	n_ranges = r ? atomic_load_explicit(&r->n, memory_order_acquire) : 0;
	for (uint32_t i = 0; i < n_ranges; i++) {
		struct sa *sa = atomic_load_explicit(&r->sa[i], memory_order_acquire);

		if (sa && sa_outbound_ok(sa, in))
			return sa;
	}
	return NULL;
}

struct sa *sad_out(const struct sad *sad, struct sad_cache *c, const struct inner *in)
{
	/* Read before what it stands for: a change in between makes the entry an old one. */
	uint64_t generation = atomic_load_explicit(&sad->generation, memory_order_acquire);
	size_t n = in->family == 4 ? 4 : 16;

	if (cached(c, generation, in))
		return c->sa;
	c->sa = look_up(sad, in);
	c->generation = generation;
	c->family = in->family;
	c->proto = in->proto;
	c->has_ports = in->has_ports;
	c->sport = in->sport;
	c->dport = in->dport;
	memcpy(c->addrs, in->src, n);
	memcpy(c->addrs + 16, in->dst, n);
	return c->sa;
}

/* ---- policies: the control thread ---- */

static struct sad_ranges *ranges_of(const struct sad *sad)
{
	return atomic_load_explicit(&sad->ranges, memory_order_relaxed);
}

/* The same without holes, and with sa at its place. 0 or -ENOMEM. */
static int ranges_copy(struct sad *sad, struct sa *sa)
{
	struct sad_ranges *old = ranges_of(sad), *r;
	uint32_t n = old ? old->n : 0, cap = RANGES_MIN, k = 0;

	while (cap < 2 * (n + 1))
		cap *= 2;
	r = calloc(1, sizeof(*r) + cap * sizeof(r->sa[0]));
	if (!r)
		return -ENOMEM;
	r->cap = cap;
	for (uint32_t i = 0; i < n; i++) {
		struct sa *o = old->sa[i];

		if (!o)
			continue;
		if (sa && o->order > sa->order) {
			r->sa[k++] = sa;
			sa = NULL;
		}
		r->sa[k++] = o;
	}
	if (sa)
		r->sa[k++] = sa;
	r->n = k;
	atomic_store_explicit(&sad->ranges, r, memory_order_release);
	if (old) {
		old->free_mark = epoch_advance(&sad->epoch);
		old->next_retired = sad->retired_ranges;
		sad->retired_ranges = old;
	}
	return 0;
}

static int ranges_add(struct sad *sad, struct sa *sa)
{
	struct sad_ranges *r = ranges_of(sad);
	struct sa *last = r && r->n ? r->sa[r->n - 1] : NULL;

	/* mostly the youngest: at the end, where there is room */
	if (!last || r->n == r->cap || last->order >= sa->order)
		return ranges_copy(sad, sa);
	r->sa[r->n] = sa;
	atomic_store_explicit(&r->n, r->n + 1, memory_order_release);
	return 0;
}

static void ranges_remove(struct sad *sad, const struct sa *sa)
{
	struct sad_ranges *r = ranges_of(sad);

	for (uint32_t i = 0; i < r->n; i++)
		if (r->sa[i] == sa)
			atomic_store_explicit(&r->sa[i], NULL, memory_order_release);
}

static void exact_add(struct sad *sad, struct sa_exact *x)
{
	_Atomic(struct sa_exact *) *link = head_of(sad, x->ts->family, x->ts->first);
	struct sa_exact *next;

	while ((next = *link) && next->sa->order <= x->sa->order)
		link = &next->next;
	/* A reader that still stands on x, which was here before, goes on in the same chain. */
	atomic_store_explicit(&x->next, next, memory_order_release);
	atomic_store_explicit(link, x, memory_order_release);
}

static void exact_remove(struct sad *sad, struct sa_exact *x)
{
	_Atomic(struct sa_exact *) *link = head_of(sad, x->ts->family, x->ts->first);

	while (*link != x)
		link = &(*link)->next;
	atomic_store_explicit(link, x->next, memory_order_release);
}

int sad_sel_show(struct sad *sad, struct sa *sa, struct sa_sel *s, bool in_ranges)
{
	int r = sel_has_range(s) && !in_ranges ? ranges_add(sad, sa) : 0;

	for (int i = 0; r == 0 && i < s->n_exact; i++)
		exact_add(sad, &s->exact[i]);
	return r;
}

void sad_sel_hide(struct sad *sad, struct sa *sa, struct sa_sel *s, bool in_ranges)
{
	if (sel_has_range(s) && !in_ranges)
		ranges_remove(sad, sa);
	for (int i = 0; i < s->n_exact; i++)
		exact_remove(sad, &s->exact[i]);
}

static int appear(struct sad *sad, struct sa *sa)
{
	int r = sad_sel_show(sad, sa, sa->sel, false);

	if (r < 0)
		return r;
	siblings_show(&sad->siblings, sa);
	sa->present = true;
	atomic_fetch_add(&sad->generation, 1);
	return 0;
}

static void disappear(struct sad *sad, struct sa *sa)
{
	sad_sel_hide(sad, sa, sa->sel, false);
	siblings_hide(&sad->siblings, sa);
	sa->present = false;
	atomic_fetch_add(&sad->generation, 1);
}

static bool superseded(const struct sad *sad, const struct sa *sa)
{
	hash_for_each (it, tmp, &sad->by_replaces, sa->id)
		if (!hash_entry(it, struct sa, by_replaces)->deferred)
			return true;
	return false;
}

/* Nothing is sent on it. */
static bool silent(const struct sa *sa)
{
	return sa->deferred || sa->superseded || sa->inbound_only;
}

/* Bring an SA into the policies if it belongs there; taking out comes later, so that between the
 * two its traffic has one SA or the other. 0 or -ENOMEM. */
static int show(struct sad *sad, struct sa *sa)
{
	sa->superseded = superseded(sad, sa);
	return silent(sa) || sa->present ? 0 : appear(sad, sa);
}

static void hide(struct sad *sad, struct sa *sa)
{
	sa->superseded = superseded(sad, sa);
	if (silent(sa) && sa->present)
		disappear(sad, sa);
}

/* ---- finding: the control thread ---- */

struct sa *sad_find(const struct sad *sad, uint32_t id)
{
	struct hash_node *n = hash_find(&sad->by_id, id);

	return n ? hash_entry(n, struct sa, by_id) : NULL;
}

struct sa *sad_heir(const struct sad *sad, uint32_t id)
{
	struct hash_node *n = hash_find(&sad->by_replaces, id);

	return n ? hash_entry(n, struct sa, by_replaces) : NULL;
}

/* ---- what fits the paths: the control thread ---- */

void sad_fit(struct sa *sa)
{
	const struct sa_group *g = sa->shared;
	uint32_t room = !g ? sa->room_own : g->room < g->room_told ? g->room : g->room_told;
	size_t max;

	if (room != SA_ROOM_ANY) {
		max = esp_inner_max(&sa->out, room - (sa_encap(sa) ? UDP_HEADER : 0));
		/* the packet's own header is the outer one */
		if (sa_is_transport(sa))
			max += transport_header_len(sa_transport(sa));
		room = max < INNER_LEAST ? INNER_LEAST : (uint32_t)max;
	}
	atomic_store_explicit(&sa->inner_max, room, memory_order_relaxed);
}

static uint32_t room_or_any(uint32_t room)
{
	return room < ROOM_LEAST ? SA_ROOM_ANY : room;
}

static struct sa_group *group_find(const struct sad *sad, uint32_t id)
{
	struct hash_node *n = id ? hash_find(&sad->groups, id) : NULL;

	return n ? hash_entry(n, struct sa_group, by_id) : NULL;
}

static void set_room(struct sa_group *g, uint32_t *which, uint32_t room)
{
	room = room_or_any(room);
	/* paths come and go more often than they differ */
	if (*which == room)
		return;
	*which = room;
	list_for_each (it, &g->sas)
		sad_fit(list_entry(it, struct sa, group_node));
}

int sad_group_told(struct sad *sad, uint32_t group, uint32_t room)
{
	struct sa_group *g = group_find(sad, group);

	if (!g)
		return -ENOENT;
	set_room(g, &g->room_told, room);
	return 0;
}

void sad_group_room(struct sad *sad, uint32_t group, uint32_t room)
{
	struct sa_group *g = group_find(sad, group);

	if (g)
		set_room(g, &g->room, room);
}

/* One store for all of them; that their largest packets are others comes after it. */
int sad_group_encap(struct sad *sad, uint32_t group, enum engine_encap how)
{
	struct sa_group *g = group_find(sad, group);

	if (!group || group >= STEER_GROUPS_MAX || how > ENGINE_ENCAP_BY_PATH)
		return -EINVAL;
	if (atomic_exchange(&sad->encap[group], (uint8_t)how) == how || !g)
		return 0;
	list_for_each (it, &g->sas)
		sad_fit(list_entry(it, struct sa, group_node));
	return 0;
}

/* Made if absent. NULL: group 0, or no memory. */
static struct sa_group *group_get(struct sad *sad, uint32_t id)
{
	struct sa_group *g = group_find(sad, id);

	if (!id || g)
		return g;
	g = aligned_alloc(_Alignof(struct sa_group), sizeof(*g));
	if (!g)
		return NULL;
	*g = (struct sa_group){ .room = SA_ROOM_ANY, .room_told = SA_ROOM_ANY };
	list_init(&g->sas);
	hash_add(&sad->groups, &g->by_id, id);
	return g;
}

static void group_enter(struct sa_group *g, struct sa *sa)
{
	if (g) {
		list_append(&g->sas, &sa->group_node);
		g->users++;
	}
	sa->shared = g;
}

static int join_group(struct sad *sad, struct sa *sa)
{
	struct sa_group *g = group_get(sad, sa->group);
	bool first = !g || list_empty(&g->sas);

	if (sa->group && !g)
		return -ENOMEM;
	group_enter(g, sa);
	sa->room_own = room_or_any(sa->room_own);
	sad_group_told(sad, sa->group, sa->room_own);
	if (sa->group && sa->group < STEER_GROUPS_MAX) {
		if (first || sad->encap[sa->group] != ENGINE_ENCAP_BY_PATH)
			sad_group_encap(sad, sa->group, (enum engine_encap)sa->own_encap);
		sa->encap = &sad->encap[sa->group];
	}
	sad_fit(sa);
	return 0;
}

static void leave_group(struct sad *sad, struct sa *sa)
{
	struct sa_group *g = sa->shared;

	if (!g)
		return;
	list_remove(&sa->group_node);
	if (list_empty(&g->sas))
		hash_remove(&sad->groups, &g->by_id);
}

/* The last SA of it is freed, or in another one. */
static void group_put(struct sad *sad, struct sa_group *g)
{
	if (!g || --g->users)
		return;
	g->next_retired = sad->retired_groups;
	sad->retired_groups = g;
}

static void free_sa(struct sad *sad, struct sa *sa)
{
	struct sa_group *g = sa->shared;

	sa_free(sa);
	group_put(sad, g);
}

int sad_regroup(struct sad *sad, uint32_t id, uint32_t group)
{
	struct sa *sa = sad_find(sad, id);
	struct sa_group *g, *old;

	if (!sa)
		return -ENOENT;
	if (!group || group >= STEER_GROUPS_MAX)
		return -EINVAL;
	if (sa->group == group)
		return 0;
	g = group_get(sad, group);
	if (!g)
		return -ENOMEM;
	if (list_empty(&g->sas)) { /* until it is told otherwise */
		sad_group_encap(sad, group, sa_encap_how(sa));
		g->room_told = sa->shared ? sa->shared->room_told : sa->room_own;
	}
	old = sa->shared;
	leave_group(sad, sa);
	group_enter(g, sa);
	sa->group = group;
	sa->encap = &sad->encap[group];
	sad_fit(sa);
	if (old)
		old->free_mark = epoch_advance(&sad->epoch);
	group_put(sad, old);
	return 0;
}

usec_t sad_group_sent(const struct sad *sad, uint32_t group)
{
	const struct sa_group *g = group_find(sad, group);

	return g ? atomic_load_explicit(&g->sent, memory_order_relaxed) : 0;
}

/* ---- how ESP is sent ---- */

static bool in_udp(const struct steer_view *v, uint32_t word)
{
	const struct steer_path *rec = steer_path_record(v, word);

	return !rec || !(rec->flags & STEER_PATH_PLAIN);
}

bool sa_encap_slot(const struct sa *sa, const struct steer_view *v, uint8_t klass,
		   uint32_t flow_slot)
{
	enum engine_encap how = sa_encap_how(sa);

	if (how != ENGINE_ENCAP_BY_PATH || !v)
		return how != ENGINE_ENCAP_NONE;
	return in_udp(v, PICK_WORD(siblings_pick(v, sa->group, klass, flow_slot)));
}

bool sa_encap_path(const struct sa *sa, const struct steer_view *v, uint32_t path)
{
	enum engine_encap how = sa_encap_how(sa);
	const _Atomic uint32_t *word = v ? steer_path_word(v, path) : NULL;

	if (how != ENGINE_ENCAP_BY_PATH || !word)
		return how != ENGINE_ENCAP_NONE;
	return in_udp(v, atomic_load_explicit(word, memory_order_relaxed));
}

/* ---- SAs to come: the control thread ---- */

static void expect(struct sad *sad, _Atomic uint32_t *slot, uint32_t spi)
{
	uint32_t was = atomic_load_explicit(slot, memory_order_relaxed);

	sad->n_expected += !!spi - !!was;
	/* after the SA, for a thread that finds neither */
	atomic_store_explicit(slot, spi, memory_order_release);
}

void sad_expect(struct sad *sad, uint32_t spi, bool on)
{
	_Atomic uint32_t *slot = &sad->expected[STEER_SPI_INDEX(spi)];

	if (on)
		expect(sad, slot, spi);
	else if (*slot == spi)
		expect(sad, slot, 0);
}

void sad_expect_none(struct sad *sad)
{
	for (uint32_t i = 0; sad->n_expected && i < STEER_SA_MAX; i++)
		if (sad->expected[i])
			expect(sad, &sad->expected[i], 0);
}

/* ---- adding and removing: the control thread ---- */

static int insert(struct sad *sad, struct sa *sa)
{
	if (sad->n == sad->cap) {
		size_t cap = sad->cap ? sad->cap * 2 : 64;
		struct sa **all = realloc(sad->all, cap * sizeof(*all));

		if (!all)
			return -ENOMEM;
		sad->all = all;
		sad->cap = cap;
	}
	if (siblings_join(&sad->siblings, sa) < 0)
		return -ENOMEM;
	if (join_group(sad, sa) < 0) {
		siblings_leave(&sad->siblings, sa);
		return -ENOMEM;
	}
	sa->at = sad->n;
	sad->all[sad->n++] = sa;
	hash_add(&sad->by_id, &sa->by_id, sa->id);
	if (sa->replaces)
		hash_add(&sad->by_replaces, &sa->by_replaces, sa->replaces);
	return 0;
}

static void remove_sa(struct sad *sad, struct sa *sa)
{
	struct sa *last = sad->all[--sad->n];

	sad->all[sa->at] = last;
	last->at = sa->at;
	hash_remove(&sad->by_id, &sa->by_id);
	hash_remove(&sad->by_replaces, &sa->by_replaces);
	leave_group(sad, sa);
}

void sad_sel_retire(struct sad *sad, struct sa_sel *s)
{
	s->free_mark = epoch_advance(&sad->epoch);
	s->next_retired = sad->retired_sel;
	sad->retired_sel = s;
}

void sad_sa_retire(struct sad *sad, struct sa *sa)
{
	sa->free_mark = epoch_advance(&sad->epoch);
	sa->next_retired = sad->retired;
	sad->retired = sa;
}

int sad_add(struct sad *sad, struct sa *sa)
{
	_Atomic(struct sa *) *slot = &sad->in[STEER_SPI_INDEX(sa->spi_in)];
	struct sa *old = sa->replaces ? sad_find(sad, sa->replaces) : NULL;
	int r;

	if (sad_find(sad, sa->id) || atomic_load(slot))
		return -EEXIST;
	/* A successor takes the place of what it replaces. */
	sa->order = old ? old->order : (sad->next_order += 2); /* a block goes between */
	if (!old || old->inbound_only)
		sa->deferred = false; /* nobody there to send for it */
	r = insert(sad, sa);
	if (r < 0)
		return r;
	/* Inbound first: the peer may send as soon as it has our answer. */
	atomic_store_explicit(slot, sa, memory_order_release);
	r = show(sad, sa);
	if (r < 0) {
		uint64_t mark;

		remove_sa(sad, sa);
		siblings_leave(&sad->siblings, sa);
		atomic_store(slot, NULL);
		/* A packet thread may already have seen it; the caller frees it at once. */
		mark = epoch_advance(&sad->epoch);
		while (!epoch_passed(&sad->epoch, mark))
			;
		group_put(sad, sa->shared);
		sa->shared = NULL;
		return r;
	}
	if (old)
		hide(sad, old);
	return 0;
}

struct sa *sad_sender(const struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id);

	/* Forward to the newest successor that is in use; bounded by the number of SAs. */
	for (size_t hop = 0; sa && sa->superseded && hop < sad->n; hop++) {
		struct sa *heir = NULL;

		hash_for_each (it, tmp, &sad->by_replaces, sa->id)
			if (!hash_entry(it, struct sa, by_replaces)->deferred)
				heir = hash_entry(it, struct sa, by_replaces);
		if (heir)
			sa = heir;
	}
	/* Or back to the predecessor while it is deferred. */
	for (size_t hop = 0; sa && sa->deferred && hop < sad->n; hop++)
		sa = sad_find(sad, sa->replaces);
	return sa && sa->inbound_only ? NULL : sa;
}

/* What replaces an SA that goes replaces from now on what that one replaced, should this still be
 * there: traffic never falls back to it. */
static void bequeath(struct sad *sad, const struct sa *gone, const struct sa *old)
{
	struct hash_node *n;

	while ((n = hash_find(&sad->by_replaces, gone->id))) {
		struct sa *heir = hash_entry(n, struct sa, by_replaces);

		hash_remove(&sad->by_replaces, n);
		heir->deferred = heir->deferred && gone->deferred && !old->inbound_only;
		heir->replaces = old->id;
		hash_add(&sad->by_replaces, n, old->id);
	}
}

static void undefer_heirs(struct sad *sad, uint32_t id)
{
	hash_for_each (it, tmp, &sad->by_replaces, id)
		hash_entry(it, struct sa, by_replaces)->deferred = false;
}

/* Everything that replaces `id` and may send. 0 or -ENOMEM. */
static int show_heirs(struct sad *sad, uint32_t id)
{
	int r = 0;

	hash_for_each (it, tmp, &sad->by_replaces, id)
		if (r == 0)
			r = show(sad, hash_entry(it, struct sa, by_replaces));
	return r;
}

int sad_del(struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id), *old;
	int r = 0;

	if (!sa)
		return -ENOENT;
	old = sa->replaces ? sad_find(sad, sa->replaces) : NULL;
	remove_sa(sad, sa);
	/* Others take its traffic over before it goes: its heirs, or what it has replaced. */
	if (old) {
		bequeath(sad, sa, old);
		r = show_heirs(sad, old->id);
		r = r ? r : show(sad, old);
	} else {
		undefer_heirs(sad, id);
		r = show_heirs(sad, id);
	}
	if (sa->present)
		disappear(sad, sa);
	siblings_leave(&sad->siblings, sa);
	atomic_store(&sad->in[STEER_SPI_INDEX(sa->spi_in)], NULL);
	sad_sa_retire(sad, sa);
	return r;
}

int sad_retire(struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id);
	int r;

	if (!sa)
		return -ENOENT;
	sa->inbound_only = true;
	undefer_heirs(sad, id);
	r = show_heirs(sad, id);
	hide(sad, sa);
	return r;
}

int sad_out_on(struct sad *sad, uint32_t id)
{
	struct sa *sa = sad_find(sad, id), *old;
	int r;

	if (!sa)
		return -ENOENT;
	if (!sa->deferred)
		return 0;
	sa->deferred = false;
	r = show(sad, sa);
	if (r < 0) {
		sa->deferred = true;
		return r;
	}
	old = sad_find(sad, sa->replaces);
	if (old)
		hide(sad, old);
	return 0;
}

bool sad_reclaim(struct sad *sad)
{
	struct sad_ranges **p = &sad->retired_ranges;
	struct sa_sel **q = &sad->retired_sel;
	struct sa **s = &sad->retired;
	struct sa_group **g = &sad->retired_groups;

	while (*p) {
		struct sad_ranges *old = *p;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			p = &old->next_retired;
			continue;
		}
		*p = old->next_retired;
		free(old);
	}
	while (*s) {
		struct sa *old = *s;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			s = &old->next_retired;
			continue;
		}
		*s = old->next_retired;
		free_sa(sad, old);
	}
	while (*g) {
		struct sa_group *old = *g;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			g = &old->next_retired;
			continue;
		}
		*g = old->next_retired;
		free(old);
	}
	while (*q) {
		struct sa_sel *old = *q;

		if (!epoch_passed(&sad->epoch, old->free_mark)) {
			q = &old->next_retired;
			continue;
		}
		*q = old->next_retired;
		free(old);
	}
	return sad->retired || sad->retired_ranges || sad->retired_groups || sad->retired_sel;
}

void sad_clear(struct sad *sad)
{
	sad_unblock(sad, USEC_NEVER);
	sad_reclaim(sad);
	for (size_t i = 0; i < sad->n; i++)
		free_sa(sad, sad->all[i]);
	sad_reclaim(sad);
	free(sad->all);
	free(atomic_load(&sad->ranges));
	if (sad->in)
		munmap((void *)sad->in, STEER_SA_MAX * sizeof(*sad->in));
	if (sad->head)
		munmap((void *)sad->head, HEADS * sizeof(*sad->head));
	if (sad->expected)
		munmap((void *)sad->expected, STEER_SA_MAX * sizeof(*sad->expected));
	if (sad->encap)
		munmap((void *)sad->encap, STEER_GROUPS_MAX * sizeof(*sad->encap));
	hash_clear(&sad->by_id);
	hash_clear(&sad->by_replaces);
	hash_clear(&sad->groups);
	siblings_clear(&sad->siblings);
	memset(sad, 0, sizeof(*sad));
}
