/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs of several lines with the same selectors: who carries which flow, as rekeys, Deletes, limits
 * and lost paths come and go. [CLONE-70] [CLONE-71] [CLONE-73] */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "sa_request.h"
#include "abi/pick.h"
#include "crypto/aead.h"
#include "esp/flow.h"
#include "esp/sad.h"

enum { PATHS = 16, GROUPS = 16, SLOTS = STEER_FLOW_SLOTS };

static struct sad sad;

/* Maps as the kernel lays them out. */
static union {
	union steer_path_word w;
	uint8_t stride[STEER_STRIDE(struct steer_path_cur)];
} path_cur[PATHS];
static union {
	struct steer_group_cur c;
	uint8_t stride[STEER_STRIDE(struct steer_group_cur)];
} group_cur[GROUPS];
static union {
	struct steer_group g;
	uint8_t stride[STEER_STRIDE(struct steer_group)];
} group[GROUPS];
static union {
	struct steer_path p;
	uint8_t stride[STEER_STRIDE(struct steer_path)];
} paths[PATHS];
static const struct steer_view view = { .path_cur = (_Atomic uint32_t *)&path_cur[0].w.word,
					.group_cur = (const _Atomic uint32_t *)&group_cur[0].c.slot,
					.group = (const uint8_t *)group,
					.path = (const uint8_t *)paths,
					.paths = PATHS,
					.groups = GROUPS,
					.group_slots = GROUPS,
					.path_slots = PATHS };

static void set_path(uint32_t id, enum steer_path_state state)
{
	path_cur[id].w.cur = (struct steer_path_cur){ .slot = (uint16_t)id, .state = state };
}

/* Group `id`: path first + i is of line 10 + first + i, slots in turn. */
static void put_group(uint32_t id, uint32_t first, uint32_t n)
{
	struct steer_group *g = &group[id].g;

	*g = (struct steer_group){ .id = id, .n_members = (uint8_t)n };
	for (uint32_t i = 0; i < n; i++) {
		g->path[i] = first + i;
		g->line[i] = 10 + first + i;
		g->weight[i] = 1;
		set_path(first + i, STEER_PATH_UP);
	}
	for (uint32_t s = 0; s < SLOTS; s++)
		g->flow[s] = (uint16_t)(first + s % n);
	group_cur[id].c.slot = id;
}

static void setup(void)
{
	memset(path_cur, 0, sizeof(path_cur));
	memset(group_cur, 0, sizeof(group_cur));
	cr_assert_eq(sad_init(&sad), 0);
}

static void teardown(void)
{
	sad_clear(&sad);
}

TestSuite(siblings, .init = setup, .fini = teardown);

static struct sa *add(const struct engine_sa *r)
{
	struct sa *sa;

	cr_assert_eq(sa_new(r, AEAD_DRIVER_BEST, 2, &sa), 0);
	cr_assert_eq(sad_add(&sad, sa), 0);
	return sa;
}

/* Of line 10 + n, which has group n. */
static struct engine_sa of_line(uint32_t id, uint32_t n)
{
	struct engine_sa r = request(id, "10.1.0.0/16", "10.2.0.0/16");

	r.line = 10 + n;
	r.group = n;
	return r;
}

static struct sa *add_line(uint32_t id, uint32_t n)
{
	struct engine_sa r = of_line(id, n);

	return add(&r);
}

/* SAs 1 to n of as many lines over as many paths; each line with a group of all. */
static void family(uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		put_group(i, 1, n);
		add_line(i, i);
	}
}

static struct sa *found(void)
{
	static const uint8_t src[] = { 10, 1, 0, 1 }, dst[] = { 10, 2, 0, 1 };
	struct inner in = { .family = 4, .proto = 17, .src = src, .dst = dst };
	struct sad_cache cold = { 0 };

	return sad_out(&sad, &cold, &in);
}

static usec_t now;

/* The SA that a packet thread sends on. */
static uint32_t carrier(uint32_t slot)
{
	struct sa *sa = found();

	cr_assert_not_null(sa);
	return (sa_has_siblings(sa) ? siblings_choose(&sad.siblings, &view, sa, 0, slot, now) : sa)
		->id;
}

Test(siblings, each_flow_goes_by_the_sa_of_its_path)
{
	family(3);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 1 + s % 3);
	/* whichever of them is asked */
	for (uint32_t id = 1; id <= 3; id++)
		for (uint32_t s = 0; s < SLOTS; s++)
			cr_assert_eq(
				siblings_choose(&sad.siblings, &view, sad_find(&sad, id), 0, s, now)
					->id,
				1 + s % 3);
}

Test(siblings, a_lost_path_is_left_at_once_and_for_itself_alone)
{
	family(3);
	set_path(2, STEER_PATH_DOWN);
	for (uint32_t s = 0; s < SLOTS; s++) {
		if (s % 3 == 1)
			cr_assert_neq(carrier(s), 2);
		else
			cr_assert_eq(carrier(s), 1 + s % 3);
	}
	set_path(1, STEER_PATH_DOWN);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 3);
	/* with none at all the steering drops it, whosever it is */
	set_path(3, STEER_PATH_DOWN);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 1);
	set_path(2, STEER_PATH_UP);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 2);
}

static bool are_siblings(const struct engine_sa *r)
{
	struct sa *sa = add(r);
	bool both = sa_has_siblings(sa);

	cr_assert_eq(both, sa_has_siblings(sad_find(&sad, 1)));
	cr_assert_eq(sad_del(&sad, r->id), 0);
	cr_assert_not(sa_has_siblings(sad_find(&sad, 1)));
	return both;
}

Test(siblings, equal_selectors_of_different_lines_make_them)
{
	struct engine_sa first = of_line(1, 1), r;

	first.n_ts_local = first.n_ts_remote = 2;
	first.ts_local[1] = ts("10.8.0.0/16");
	first.ts_remote[1] = ts("10.9.0.0/16");
	add(&first);
	r = first;
	r.id = 2;
	r.spi_in = STEER_SPI(1, 2);
	r.line = 12;
	cr_assert(are_siblings(&r));
	/* the order means nothing */
	r.ts_local[0] = first.ts_local[1];
	r.ts_local[1] = first.ts_local[0];
	cr_assert(are_siblings(&r));
	/* one of them twice is not both */
	r.ts_local[1] = r.ts_local[0];
	cr_assert_not(are_siblings(&r));
	r.ts_local[1] = first.ts_local[0];
#define DIFFERS(field, value)                                                                      \
	do {                                                                                       \
		struct engine_sa q = r;                                                            \
		q.field = value;                                                                   \
		cr_assert_not(are_siblings(&q), #field);                                           \
	} while (0)
	DIFFERS(line, 11);
	DIFFERS(line, 0);
	DIFFERS(n_ts_remote, 1);
	DIFFERS(ts_remote[1].protocol, 6);
	DIFFERS(ts_remote[1].port_first, 1);
	DIFFERS(ts_remote[1].port_last, 1);
	DIFFERS(ts_remote[1].first.b[3], 1);
	DIFFERS(ts_remote[1].last.b[3], 1);
	/* and the two ends are not the same */
	memcpy(r.ts_local, first.ts_remote, sizeof(r.ts_local));
	memcpy(r.ts_remote, first.ts_local, sizeof(r.ts_remote));
	cr_assert_not(are_siblings(&r));
}

/* Two peers with the same networks behind them: the policy finds the first one's SA, and its flows
 * stay in that family. */
Test(siblings, strangers_with_equal_selectors_are_not_asked)
{
	family(2);
	for (uint32_t n = 5; n <= 6; n++) {
		put_group(n, 5, 2);
		add_line(n, n);
	}
	for (uint32_t s = 0; s < SLOTS; s++) {
		cr_assert_eq(carrier(s), 1 + s % 2);
		cr_assert_eq(
			siblings_choose(&sad.siblings, &view, sad_find(&sad, 5), 0, s, now)->id,
			5 + s % 2);
	}
	cr_assert_eq(sad_del(&sad, 2), 0);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 1);
}

/* With so many lines some share a chain by chance: others in it are passed over. */
Test(siblings, in_one_chain_with_others)
{
	enum { MANY = 1500 };

	put_group(1, 1, 2);
	for (uint32_t i = 0; i < MANY; i++) {
		struct engine_sa r = of_line(1 + i, 1);

		r.line = (1 + i) * UINT32_C(0x85ebca6b);
		add(&r);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		group[1].g.line[0] = (1 + i) * UINT32_C(0x85ebca6b);
		cr_assert_eq(carrier(0), 1 + i);
	}
}

/* The same lines have Child SAs for other traffic too. */
Test(siblings, each_for_its_own_traffic)
{
	enum { MANY = 100 };

	put_group(1, 1, 2);
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		struct engine_sa r = of_line(1 + i, 1 + i % 2);

		r.group = 1;
		r.ts_local[0] = ts("10.3.0.1/32");
		r.ts_local[0].first.b[3] = r.ts_local[0].last.b[3] = (uint8_t)(i / 2);
		add(&r);
	}
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		struct sa *sa = sad_find(&sad, 1 + i);

		cr_assert(sa_has_siblings(sa));
		for (uint32_t slot = 0; slot < 2; slot++)
			cr_assert_eq(siblings_choose(&sad.siblings, &view, sa, 0, slot, now)->id,
				     1 + i / 2 * 2 + slot);
	}
}

/* Two of one line: the one that the policy would find first. */
Test(siblings, the_older_of_two)
{
	family(2);
	add_line(7, 2);
	cr_assert_eq(carrier(1), 2);
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(carrier(1), 7);
	add_line(8, 2);
	cr_assert_eq(carrier(1), 7);
}

Test(siblings, a_successor_takes_the_place)
{
	struct engine_sa r = of_line(7, 2);

	family(2);
	r.replaces = 2;
	r.flags |= ENGINE_SA_DEFER_OUT;
	add(&r);
	cr_assert_eq(carrier(1), 2);
	cr_assert_eq(sad_out_on(&sad, 7), 0);
	cr_assert_eq(carrier(1), 7);
	cr_assert_eq(carrier(0), 1);
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(carrier(1), 7);
	/* of the one the policy finds */
	r = of_line(8, 1);
	r.replaces = 1;
	add(&r);
	cr_assert_eq(found()->id, 8);
	cr_assert_eq(carrier(0), 8);
	cr_assert_eq(carrier(1), 7);
	/* a successor that goes leaves it to what it has replaced */
	cr_assert_eq(sad_del(&sad, 8), 0);
	cr_assert_eq(carrier(0), 1);
	cr_assert_eq(carrier(1), 7);
}

Test(siblings, who_is_about_to_go_sends_no_more)
{
	struct engine_sa r = of_line(7, 2);

	family(2);
	r.replaces = 2;
	r.flags |= ENGINE_SA_DEFER_OUT;
	add(&r);
	cr_assert_eq(sad_retire(&sad, 2), 0);
	cr_assert_eq(carrier(1), 7);
	cr_assert_eq(sad_retire(&sad, 7), 0);
	cr_assert_eq(carrier(1), 1);
	cr_assert_not(sa_has_siblings(sad_find(&sad, 1)));
	cr_assert_eq(sad_retire(&sad, 1), 0);
	cr_assert_null(found());
}

Test(siblings, a_line_that_goes_leaves_the_flows_to_the_others)
{
	family(3);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(carrier(0), 2);
	cr_assert_eq(carrier(1), 2);
	cr_assert_eq(carrier(2), 3);
	cr_assert_eq(sad_del(&sad, 3), 0);
	cr_assert_not(sa_has_siblings(found()));
	cr_assert_eq(carrier(2), 2);
	add_line(4, 3);
	cr_assert_eq(carrier(2), 4);
}

/* RFC 7296 2.8: the peer may not have an SA yet that it waits for our answer to install. */
Test(siblings, one_that_the_peer_may_not_have_leaves_its_packets_to_others)
{
	struct engine_sa r = of_line(7, 3);
	struct sa *sa;

	family(3);
	cr_assert_eq(sad_del(&sad, 3), 0);
	r.flags |= ENGINE_SA_DEFER_OUT;
	now = 5;
	add(&r);
	sa = sad_find(&sad, 7);
	sa->sibling.waits_until = 10;
	cr_assert_eq(carrier(2), 1);
	now = 10;
	cr_assert_eq(carrier(2), 7, "for that long only");
	now = 9;
	atomic_store(&sa->seen, 8);
	cr_assert_eq(carrier(2), 7, "it brought a packet");
	now = 0;
}

/* [ESP-15] as long as one of them has a key that lasts, flows go on. */
Test(siblings, a_key_that_is_used_up_is_not_sent_on)
{
	struct engine_sa r = of_line(7, 2);

	family(3);
	atomic_fetch_or(&sad_find(&sad, 2)->reached, SA_HARD);
	cr_assert_eq(carrier(1), 1);
	/* two of one line, after it made a second one by itself */
	add(&r);
	cr_assert_eq(carrier(1), 7);
	atomic_fetch_or(&sad_find(&sad, 7)->reached, SA_SOFT);
	cr_assert_eq(carrier(1), 7);
	atomic_fetch_or(&sad_find(&sad, 7)->reached, SA_HARD);
	cr_assert_eq(carrier(1), 1);
	atomic_fetch_or(&sad_find(&sad, 1)->reached, SA_HARD);
	for (uint32_t s = 0; s < SLOTS; s++)
		cr_assert_eq(carrier(s), 3);
	atomic_fetch_or(&sad_find(&sad, 3)->reached, SA_HARD);
	cr_assert_eq(carrier(2), 1);
}

/* Of any slot, that of a line's path; not where it is lost, in standby or nobody's. */
Test(siblings, slots_of_a_line)
{
	struct sa *sa;

	family(3);
	group[1].g.weight[2] = 0;
	sa = sad_find(&sad, 1);
	for (uint32_t s = 0; s < SLOTS; s++) {
		uint32_t to = siblings_slot(&view, sa, 12, 0, s);

		cr_assert_eq(siblings_choose(&sad.siblings, &view, sa, 0, to, now)->id, 2);
		if (s % 3 == 1)
			cr_assert_eq(to, s);
		cr_assert_eq(siblings_slot(&view, sa, 13, 0, s), s);
		cr_assert_eq(siblings_slot(&view, sa, 99, 0, s), s);
	}
	set_path(2, STEER_PATH_DOWN);
	cr_assert_eq(siblings_slot(&view, sa, 12, 0, 0), 0);
	group_cur[1].c.slot = 0;
	cr_assert_eq(siblings_slot(&view, sa, 11, 0, 1), 1);
}

/* The group of the class says, or class 0's; UDP is a matter of the same path. */
Test(siblings, each_class_has_a_group)
{
	enum { CLASS = 3, WITHOUT = 5 };
	uint32_t other = STEER_GROUP_OF(1, CLASS);
	struct sa *sa;

	family(2);
	sa = sad_find(&sad, 1);
	put_group(other, 2, 1);
	paths[2].p.flags = STEER_PATH_ENCAP | STEER_PATH_PLAIN;
	cr_assert_eq(sad_group_encap(&sad, 1, ENGINE_ENCAP_BY_PATH), 0);
	for (uint32_t s = 0; s < SLOTS; s++) {
		cr_assert_eq(siblings_choose(&sad.siblings, &view, sa, CLASS, s, now)->id, 2);
		cr_assert_eq(siblings_choose(&sad.siblings, &view, sa, WITHOUT, s, now)->id,
			     1 + s % 2);
		cr_assert_eq(PICK_PATH(siblings_pick(&view, 1, CLASS, s)), 2);
		cr_assert_eq(PICK_PATH(siblings_pick(&view, 1, WITHOUT, s)), 1 + s % 2);
		cr_assert_not(sa_encap_slot(sa, &view, CLASS, s));
		cr_assert_eq(sa_encap_slot(sa, &view, WITHOUT, s), s % 2 == 0);
		cr_assert_eq(siblings_slot(&view, sa, 11, CLASS, s), s); /* not its line's */
	}
	group_cur[other].c.slot = 0;
	cr_assert_eq(siblings_choose(&sad.siblings, &view, sa, CLASS, 0, now)->id, 1);
	memset(paths, 0, sizeof(paths));
}

/* Where one carries all, the next one stands in for it with all flows. */
Test(siblings, one_for_all_flows)
{
	family(3);
	for (uint32_t mode = STEER_MODE_ACTIVE_STANDBY; mode <= STEER_MODE_REDUNDANT; mode++) {
		group[1].g.mode = (uint8_t)mode;
		for (uint32_t s = 0; s < STEER_FLOW_SLOTS; s++)
			group[1].g.flow[s] = 2;
		for (uint32_t s = 0; s < SLOTS; s++)
			cr_assert_eq(carrier(s), 2);
		set_path(2, STEER_PATH_DOWN);
		for (uint32_t s = 0; s < SLOTS; s++)
			cr_assert_eq(carrier(s), 1);
		set_path(2, STEER_PATH_UP);
	}
}

Test(siblings, without_a_record_the_policy_decides)
{
	struct steer_view none = { 0 };
	struct sa *sa;

	family(2);
	sa = sad_find(&sad, 1);
	cr_assert_eq(siblings_choose(&sad.siblings, &none, sa, 0, 1, now), sa);
	group_cur[1].c.slot = 0;
	cr_assert_eq(carrier(1), 1);
	group_cur[1].c.slot = GROUPS;
	cr_assert_eq(carrier(1), 1);
	/* numbers that lead out of the maps are no paths */
	group_cur[1].c.slot = 1;
	group[1].g.flow[1] = PATHS;
	group[1].g.path[1] = PATHS;
	cr_assert_eq(carrier(1), 1);
	group[1].g.n_members = 255;
	cr_assert_eq(carrier(1), 1);
}

/* Path 1 goes through a NAT, 2 does not: each packet as its path wants it, also when another one
 * takes it over. */
Test(siblings, encapsulation_by_path)
{
	struct sa *sa;

	put_group(1, 1, 2);
	paths[2].p.flags = STEER_PATH_ENCAP | STEER_PATH_PLAIN;
	sa = add_line(1, 1);
	cr_assert_eq(sad_group_encap(&sad, 1, ENGINE_ENCAP_BY_PATH), 0);
	cr_assert(sa_encap(sa), "room for a UDP header, for it may be there");
	cr_assert(sa_encap_slot(sa, &view, 0, 0));
	cr_assert_not(sa_encap_slot(sa, &view, 0, 1));
	cr_assert(sa_encap_path(sa, &view, 1));
	cr_assert_not(sa_encap_path(sa, &view, 2));
	set_path(1, STEER_PATH_DOWN);
	cr_assert_not(sa_encap_slot(sa, &view, 0, 0));
	set_path(1, STEER_PATH_UP);
	set_path(2, STEER_PATH_DOWN);
	cr_assert(sa_encap_slot(sa, &view, 0, 1));
	/* an SA that joins is no word about it */
	add_line(2, 1);
	cr_assert_eq(sa_encap_how(sa), ENGINE_ENCAP_BY_PATH);
	/* the same whatever paths say, and without maps what gets through everywhere */
	cr_assert(sa_encap_slot(sa, NULL, 0, 1));
	cr_assert(sa_encap_path(sa, NULL, 2));
	cr_assert(sa_encap_path(sa, &view, PATHS));
	group_cur[1].c.slot = 0;
	cr_assert(sa_encap_slot(sa, &view, 0, 1));
	cr_assert_eq(sad_group_encap(&sad, 1, ENGINE_ENCAP_NONE), 0);
	cr_assert_not(sa_encap_slot(sa, &view, 0, 0));
	cr_assert_not(sa_encap_path(sa, &view, 1));
	memset(paths, 0, sizeof(paths));
}

/* ---- threads ---- */

enum { ROUNDS = 300, ROUNDS_MAX = 100000, LOOKS = 20000, READERS = 2 };

static _Atomic bool over;

struct reader {
	pthread_t thread;
	int index;
	_Atomic uint64_t looks;
	uint64_t wrong;
};

static struct reader readers[READERS];

static bool all_have_looked(void)
{
	for (int i = 0; i < READERS; i++)
		if (atomic_load(&readers[i].looks) < LOOKS)
			return false;
	return true;
}

/* Somebody carries every packet, and it is one of this family. */
static void *read_on(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load(&over)) {
		epoch_enter(&sad.epoch, r->index);
		for (uint32_t s = 0; s < 64; s++) {
			struct sa *sa = found(), *by = sa;

			if (sa && sa_has_siblings(sa))
				by = siblings_choose(&sad.siblings, &view, sa, 0, s, now);
			atomic_fetch_add(&r->looks, 1);
			r->wrong += !by || by->sibling.line < 11 || by->sibling.line > 13 ||
				    sa_sel_of(by)->n_local != 1;
		}
		epoch_leave(&sad.epoch, r->index);
	}
	return NULL;
}

/* Rekey after rekey of lines 2 and 3, line 1 stays; 3 comes and goes. */
static void writer(void)
{
	uint32_t last = 2, third = 0;

	for (uint32_t id = 10; id < ROUNDS || (id < ROUNDS_MAX && !all_have_looked()); id++) {
		struct engine_sa r = of_line(id, id % 2 ? 3 : 2);

		if (id % 2) {
			if (third)
				cr_assert_eq(sad_del(&sad, third), 0);
			third = third ? 0 : id;
			if (third)
				add(&r);
		} else {
			r.replaces = last;
			add(&r);
			cr_assert_eq(sad_del(&sad, last), 0);
			last = id;
		}
		set_path(1 + id % 3, id % 5 ? STEER_PATH_UP : STEER_PATH_DOWN);
		sad_reclaim(&sad);
	}
}

Test(siblings, readers_meanwhile)
{
	for (uint32_t i = 1; i <= 3; i++)
		put_group(i, 1, 3);
	add_line(1, 1);
	add_line(2, 2);
	for (int i = 0; i < READERS; i++) {
		readers[i].index = i;
		cr_assert_eq(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	writer();
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		cr_assert_eq(readers[i].wrong, 0);
	}
	cr_assert(all_have_looked());
	while (sad_reclaim(&sad))
		;
}
