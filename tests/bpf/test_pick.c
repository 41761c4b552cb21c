/* SPDX-License-Identifier: GPL-2.0-only */
/* abi/pick.h compiled twice: the steering program and the engine find the same path in the same
 * record. Flows follow the weights, and a path that goes takes no other path's flows along.
 * [CLONE-71] [CLONE-72] */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dp/dp.h"
#include "esp/flow.h"
#include "harness.h"
#include "abi/pick.h"

enum { REDIRECT = 7, SA = 5, GROUP = 3, PATHS = 40, RECORDS = 400, LOOKS = 24, FLOWS = 100000 };

static struct env env;
static uint8_t pkt[PKT_MAX];
static size_t pkt_len;
static uint8_t states[PATHS + 1]; /* as published; NO_PATH: there is none */

enum { NO_PATH = 255 };

static void setup(void)
{
	env_open(&env);
	put_sa_out(&env, SA, 100, GROUP);
	for (uint32_t id = 1; id <= PATHS; id++) {
		put_path(&env, id, STEER_PATH_UP, 4, STEER_PATH_MAC);
		states[id] = STEER_PATH_UP;
	}
	pkt_len = pkt_build(&(struct pkt){ .family = 4 }, pkt);
}

static void teardown(void)
{
	env_close(&env);
}

TestSuite(pick, .init = setup, .fini = teardown);

static void set_state(uint32_t id, uint8_t state)
{
	struct steer_path_cur none = { 0 };

	states[id] = state;
	if (state != NO_PATH)
		set_path_state(&env, id, state);
	else
		cr_assert_eq(bpf_map__update_elem(env.tc->maps.path_cur, &id, sizeof(id), &none,
						  sizeof(none), BPF_ANY),
			     0);
}

/* ---- one answer of each ---- */

static __u32 read_word(const void *ctx, __u32 id)
{
	const uint8_t *s = ctx;
	union steer_path_word w = { .cur = { .slot = (uint16_t)id } };

	if (!id || id > PATHS || s[id] == NO_PATH)
		return 0;
	w.cur.state = s[id];
	return w.word;
}

static uint32_t by_header(const struct steer_group *g, uint32_t slot)
{
	uint64_t pick = pick_own(g, slot, read_word, states);

	pick = pick ? pick : pick_fallback(g, slot, read_word, states);
	cr_assert_eq(PICK_WORD(pick), read_word(states, PICK_PATH(pick)));
	return PICK_PATH(pick);
}

/* By its new source address: path id N has .N. */
static uint32_t by_program_in(uint32_t klass, uint32_t slot)
{
	struct run r =
		run_tc(env.tc->progs.steer_tc, pkt, pkt_len, STEER_MARK(klass, slot, SA), 0, 0);

	return r.verdict == REDIRECT ? r.out[PKT_ETHER + 15] : 0;
}

static uint32_t by_program(uint32_t slot)
{
	return by_program_in(0, slot);
}

/* ---- records ---- */

struct members {
	uint32_t path[STEER_MEMBERS_MAX];
	uint16_t weight[STEER_MEMBERS_MAX];
	size_t n;
};

/* As dp_group_put makes it. */
static struct steer_group record(const struct members *m)
{
	struct steer_group g = { .id = GROUP, .n_members = (uint8_t)m->n };

	memcpy(g.path, m->path, m->n * sizeof(g.path[0]));
	memcpy(g.weight, m->weight, m->n * sizeof(g.weight[0]));
	flowtab_update(g.flow, m->path, m->weight, m->n);
	return g;
}

/* Members as the agent may choose them, among them paths that are no more. */
static struct steer_group random_record(void)
{
	struct members m = { .n = 1 + (size_t)rand() % STEER_MEMBERS_MAX };
	struct steer_group g;
	uint32_t first = 1 + (uint32_t)rand() % PATHS;

	for (size_t i = 0; i < m.n; i++) {
		m.path[i] = 1 + (first + 7 * (uint32_t)i) % PATHS;
		m.weight[i] = rand() % 3 ? (uint16_t)(1 + rand() % 100) : 0;
	}
	g = record(&m);
	g.mode = (uint8_t)(rand() % (STEER_MODE_BOND + 1));
	g.copies = 1; /* of what is redundant: the one that is not a copy */
	return g;
}

Test(pick, program_and_header_agree)
{
	static const uint8_t any[] = {
		STEER_PATH_UNKNOWN, STEER_PATH_UP,	 STEER_PATH_UP, STEER_PATH_DEGRADED,
		STEER_PATH_DOWN,    STEER_PATH_DISABLED, NO_PATH,	7
	};
	unsigned none = 0, own = 0, other = 0;

	srand(4);
	for (int round = 0; round < RECORDS; round++) {
		uint32_t klass = (uint32_t)rand() % STEER_CLASSES;
		struct steer_group g = random_record();

		put_group(&env, STEER_GROUP_OF(GROUP, klass), &g);
		for (size_t i = 0; i < g.n_members; i++)
			set_state(g.path[i], any[(size_t)rand() % (round % 2 ? 8 : 3)]);
		for (int look = 0; look < LOOKS; look++) {
			uint32_t slot = (uint32_t)rand() % STEER_FLOW_SLOTS;
			uint32_t path = by_header(&g, slot);

			cr_assert_eq(by_program_in(klass, slot), path, "record %d, slot %u", round,
				     slot);
			*(!path ? &none : path == g.flow[slot] ? &own : &other) += 1;
		}
	}
	/* all three kinds were there */
	cr_assert(none > 50 && own > 1000 && other > 1000, "%u %u %u", none, own, other);
}

/* ---- flows ---- */

/* The slots that the engine gives to as many different flows. */
static const uint8_t *flow_slots(void)
{
	static uint8_t slots[FLOWS];
	uint8_t src[4] = { 10, 1, 0, 0 }, dst[4] = { 10, 2, 0, 1 };

	for (uint32_t i = 0; i < FLOWS; i++) {
		struct inner in = { .family = 4,
				    .proto = i & 1 ? 6 : 17,
				    .has_ports = true,
				    .sport = (uint16_t)(1024 + i / 50),
				    .dport = 443,
				    .src = src,
				    .dst = dst };

		src[3] = (uint8_t)(1 + i % 50);
		slots[i] = flow_slot(&in, 0x1234567812345678);
	}
	return slots;
}

/* Where the program sends each of them; *ret_n: how many on each path. */
static void place(const uint8_t *slots, uint8_t ret_path[FLOWS], unsigned ret_n[PATHS + 1])
{
	uint8_t path[STEER_FLOW_SLOTS];

	for (uint32_t s = 0; s < STEER_FLOW_SLOTS; s++)
		path[s] = (uint8_t)by_program(s);
	memset(ret_n, 0, (PATHS + 1) * sizeof(*ret_n));
	for (size_t i = 0; i < FLOWS; i++) {
		ret_path[i] = path[slots[i]];
		ret_n[ret_path[i]]++;
	}
}

static const struct members mixes[] = {
	{ { 1, 2 }, { 1, 1 }, 2 },
	{ { 7, 12 }, { 200, 50 }, 2 },
	{ { 3, 9, 4 }, { 3, 2, 1 }, 3 },
	{ { 11, 22, 33 }, { 10, 0, 5 }, 3 },
	{ { 5, 6, 7, 8, 20, 21, 22, 23 }, { 1, 2, 3, 4, 5, 6, 7, 8 }, 8 },
};

enum { MIXES = sizeof(mixes) / sizeof(mixes[0]) };

Test(pick, flows_follow_the_weights)
{
	const uint8_t *slots = flow_slots();
	static uint8_t path[FLOWS];
	unsigned n[PATHS + 1];

	for (size_t k = 0; k < MIXES; k++) {
		const struct members *m = &mixes[k];
		struct steer_group g = record(m);
		unsigned total = 0;

		put_group(&env, GROUP, &g);
		place(slots, path, n);
		for (size_t i = 0; i < m->n; i++)
			total += m->weight[i];
		for (size_t i = 0; i < m->n; i++) {
			double want = (double)FLOWS * m->weight[i] / total;

			cr_assert(n[m->path[i]] > want - 0.02 * FLOWS &&
					  n[m->path[i]] < want + 0.02 * FLOWS,
				  "mix %zu, path %u: %u flows of %.0f", k, m->path[i],
				  n[m->path[i]], want);
		}
		cr_assert_eq(n[0], 0);
	}
}

static unsigned moved(const uint8_t *a, const uint8_t *b, uint32_t except)
{
	unsigned n = 0;

	for (size_t i = 0; i < FLOWS; i++)
		n += a[i] != b[i] && a[i] != except;
	return n;
}

/* A word that says down, then one that says up: only its own flows move, all of them, and they
 * come back. */
Test(pick, only_the_lost_paths_flows_move)
{
	const uint8_t *slots = flow_slots();
	static uint8_t before[FLOWS], without[FLOWS], after[FLOWS];
	unsigned n[PATHS + 1], n_without[PATHS + 1], n_after[PATHS + 1];

	for (size_t k = 0; k < MIXES; k++) {
		struct steer_group g = record(&mixes[k]);

		put_group(&env, GROUP, &g);
		place(slots, before, n);
		for (size_t i = 0; i < mixes[k].n; i++) {
			uint32_t lost = mixes[k].path[i];

			set_state(lost, STEER_PATH_DOWN);
			place(slots, without, n_without);
			cr_assert_eq(n_without[lost] + n_without[0], 0);
			cr_assert_eq(moved(before, without, lost), 0, "mix %zu, path %u", k, lost);
			set_state(lost, STEER_PATH_UP);
			place(slots, after, n_after);
			cr_assert_arr_eq(before, after, sizeof(before));
		}
	}
}
