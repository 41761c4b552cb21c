/* SPDX-License-Identifier: GPL-2.0-only */
/* Two peers that rekey, clone, delete, create and move at the same time: every interleaving of both
 * peers' actions and of the datagrams they cause, each with every single loss or duplicate of a
 * datagram (RFC 7296 2.8.1, 2.8.2, 2.25.1, 2.25.2; RFC 4555 3.5).
 *
 * A run is a row of choices: which side acts, which datagram arrives next (they may overtake each
 * other), what the network does to one that is sent, whether a lost one's sender repeats it early.
 * All rows are tried, by repeating the run with the last choice changed. Timers without a choice
 * fire when nothing else can happen. Cores start from the images of one set-up, and the packet
 * tables of both sides are the engine's own: after each step a packet from either side must find an
 * SA that the other has.
 *
 * COLLIDE=full tries more ties of the nonces, and more faults while somebody moves.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "crypto/aead.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "sim_assert.h"

enum {
	STEPS_MAX = 400,
	FAULTS_IN_FIRST = 14,
	FAULTS_OF_MOVES = 8,
	ORDER_OF_MOVES = 7,
	IMAGE_MAX = 60000,
	OP = 50,
	QUIET_SEC = 400
};

enum act { REKEY_CHILD, REKEY_IKE, DELETE_CHILD, DELETE_IKE, CREATE_CHILD, MOVE, CLONE, NOTHING };
enum fault { FINE, LOST, TWICE };

struct scenario {
	enum act act[SIM_SIDES];
	unsigned ike, children; /* left at the end */
	bool moves, move_on;	/* who moves does so twice */
	bool or_none;		/* or none at either */
};

/* Where they move: A is I, and what it does last is how it ends. */
static const char *const places[SIM_SIDES][2] = { { "203.0.113.44", "203.0.113.45" },
						  { "198.51.100.7", "198.51.100.8" } };

/* ---- choices ---- */

static struct {
	uint8_t chosen[STEPS_MAX], of[STEPS_MAX];
	unsigned at, n;
} row;

static unsigned choose(unsigned of)
{
	if (of < 2)
		return 0;
	cr_assert(row.at < STEPS_MAX, "no end in sight");
	if (row.at == row.n)
		row.chosen[row.n++] = 0;
	row.of[row.at] = (uint8_t)of;
	return row.chosen[row.at++];
}

static bool next_row(void)
{
	row.n = row.at;
	while (row.n && row.chosen[row.n - 1] + 1 >= row.of[row.n - 1])
		row.n--;
	if (!row.n)
		return false;
	row.chosen[row.n - 1]++;
	return true;
}

/* ---- the packet tables ---- */

static struct sad sads[SIM_SIDES];

static void copy_ts(struct engine_ts *to, const struct ike_ts *from, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		to[i] = (struct engine_ts){ from[i].protocol,	0,
					    from[i].port_first, from[i].port_last,
					    from[i].first,	from[i].last };
}

static void install(struct sad *sad, const struct child_sa_out *o)
{
	struct engine_sa r = { .id = o->id,
			       .replaces = o->replaces,
			       .spi_in = o->spi_in,
			       .spi_out = o->spi_out,
			       .flags = o->out_deferred ? ENGINE_SA_DEFER_OUT : 0,
			       .encr_id = o->encr_id,
			       .key_bits = o->encr_key_bits,
			       .family = 4,
			       .n_ts_local = o->n_ts_local,
			       .n_ts_remote = o->n_ts_remote,
			       .key_len = (uint8_t)o->key_in.len };
	struct sa *sa;

	memcpy(r.key_in, o->key_in.b, o->key_in.len);
	memcpy(r.key_out, o->key_out.b, o->key_out.len);
	copy_ts(r.ts_local, o->ts_local, o->n_ts_local);
	copy_ts(r.ts_remote, o->ts_remote, o->n_ts_remote);
	cr_assert_eq(sa_new(&r, AEAD_DRIVER_OPENSSL, 1, &sa), 0);
	cr_assert_eq(sad_add(sad, sa), 0);
}

static void on_child(struct sim *s, unsigned side, const struct ike_output *o)
{
	(void)s;
	if (o->kind == IKE_OUT_CHILD_ADD)
		install(&sads[side], o->child);
	else
		cr_assert_eq(sad_del(&sads[side], o->child_id), 0);
	sad_reclaim(&sads[side]);
}

/* A packet from this side: NULL, or what keeps it from arriving. */
static const char *send_packet(struct sim *s, unsigned from, bool heard)
{
	static const uint8_t hosts[SIM_SIDES][4] = { { 10, 1, 0, 1 }, { 10, 2, 0, 1 } };
	struct inner in = { .family = 4,
			    .proto = 17,
			    .has_ports = true,
			    .src = (uint8_t *)hosts[from],
			    .dst = (uint8_t *)hosts[!from] };
	struct sad_cache cache = { 0 };
	struct sa *out = sad_out(&sads[from], &cache, &in);
	struct sa *at = out ? sad_in(&sads[!from], out->spi_out) : NULL;

	if (!out)
		return "no SA to send on";
	if (!at)
		return "the SA it is sent on is not there at the peer";
	if (heard) {
		cr_assert_eq(sad_out_on(&sads[!from], at->id), 0);
		ike_esp_seen(s->side[!from].ike, at->id, s->now);
	}
	return NULL;
}

/* ---- one run ---- */

static struct {
	struct sim *sim;
	uint8_t image[SIM_SIDES][IMAGE_MAX];
	size_t len[SIM_SIDES];
	struct child_sa_out child[SIM_SIDES];
	uint32_t next_spi[SIM_SIDES];
	usec_t now;
} base;

static void set_up(bool mobike, unsigned window)
{
	struct sim *s = base.sim = sim_new(7, false);

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		s->side[i].conn[0].mobike = mobike;
		s->side[i].conn[0].clone = true;
		s->side[i].conn[0].ike_sas_max = 8;
		s->side[i].conn[0].window = (uint8_t)window;
	}
	up_with(s);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		base.len[i] = ike_export(s->side[i].ike, 0, base.image[i], IMAGE_MAX, s->now);
		cr_assert(base.len[i]);
		base.child[i] = s->side[i].children[0];
		base.child[i].out_deferred = false;
		base.next_spi[i] = s->side[i].next_spi;
	}
	base.now = s->now;
	s->on_child = on_child;
}

static void reset(struct sim *s, uint64_t seed)
{
	sim_seed(seed);
	s->now = base.now;
	s->sent = s->lose = s->duplicate = 0;
	for (unsigned i = 0; i < SIM_WIRE; i++)
		s->wire[i].used = false;
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		struct sim_side *d = &s->side[i];

		sim_fresh(s, i);
		cr_assert_eq(ike_import(d->ike, base.image[i], base.len[i], s->now), 0);
		d->n_children = 1;
		d->children[0] = base.child[i];
		d->spis = 1;
		d->next_spi = base.next_spi[i];
		d->n_events = 0;
		sad_clear(&sads[i]);
		cr_assert_eq(sad_init(&sads[i]), 0);
		install(&sads[i], &base.child[i]);
	}
}

static unsigned faults; /* datagrams that may be lost or doubled, the first ones */
static unsigned order;	/* and those that may overtake each other */
static bool talking;	/* packets flow after every step, else they only could */
static struct {
	unsigned acted[SIM_SIDES]; /* how often */
	uint64_t seen;		   /* datagrams the network has judged */
	bool faulty;
	unsigned repeater; /* side that may repeat a lost datagram early; SIM_SIDES: none */
} now;

/* No operation of which the end is told; so that there is one all the same. */
static int move(struct sim *s, unsigned side, const char *to)
{
	struct sim_side *d = &s->side[side];
	struct ike_path p = { .local = { .ip = sim_addr(to) } };
	struct ike_sa_info i;

	if (now.acted[side] == 1)
		d->events[d->n_events++] =
			(struct sim_event){ .kind = IKE_EV_IKE_UP, .op = OP + side };
	if (ike_sa_at(d->ike, 0, &i))
		ike_path_change(d->ike, i.line, &p, s->now);
	return 0;
}

static int clone(struct sim *s, unsigned side)
{
	struct ike_sa_info i;

	if (!ike_sa_at(s->side[side].ike, 0, &i))
		return -ENOENT;
	return ike_clone(s->side[side].ike, i.line, OP + side, s->now);
}

static void act(struct sim *s, unsigned side, enum act what)
{
	struct ike *ike = s->side[side].ike;
	uint32_t op = OP + side;
	int r = -1;

	now.acted[side]++;
	switch (what) {
	case MOVE:
		r = move(s, side, places[side][now.acted[side] - 1]);
		break;
	case NOTHING:
		return;
	case CLONE:
		r = clone(s, side);
		break;
	case REKEY_CHILD:
		r = ike_rekey(ike, "c", "net", op, s->now);
		break;
	case REKEY_IKE:
		r = ike_rekey(ike, "c", NULL, op, s->now);
		break;
	case DELETE_CHILD:
		r = ike_down(ike, "c", "net", op, s->now);
		break;
	case DELETE_IKE:
		r = ike_down(ike, "c", NULL, op, s->now);
		break;
	case CREATE_CHILD:
		r = sim_up(s, side, "more", op);
		break;
	}
	if (r) /* the other's action left nothing to do */
		s->side[side].events[s->side[side].n_events++] =
			(struct sim_event){ .kind = IKE_EV_FAILED, .op = op };
}

/* What the network does to the datagrams that have just been sent. */
static void judge(struct sim *s)
{
	for (unsigned i = 0; i < SIM_WIRE; i++) {
		struct sim_packet *p = &s->wire[i];

		if (!p->used || p->number < now.seen || p->number >= faults || now.faulty)
			continue;
		switch ((enum fault)choose(3)) {
		case FINE:
			break;
		case LOST:
			p->used = false;
			now.faulty = true;
			/* who waits for the answer: the sender of a request */
			now.repeater = p->buf[19] & IKE_FLAG_RESPONSE ? p->to : !p->to;
			break;
		case TWICE:
			now.faulty = true;
			for (unsigned k = 0; k < SIM_WIRE; k++) {
				struct sim_packet *q = &s->wire[k];

				if (q->used)
					continue;
				free(q->buf);
				*q = *p;
				q->buf = malloc(p->len);
				memcpy(q->buf, p->buf, p->len);
				break;
			}
			break;
		}
	}
	now.seen = s->sent;
}

/* Copies are alike: one of them is choice enough. */
static bool copy_before(const struct sim *s, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (s->wire[k].used && s->wire[k].number == s->wire[i].number)
			return true;
	return false;
}

static bool tick_first(struct sim *s)
{
	usec_t at = s->now + QUIET_SEC * USEC_PER_SEC;
	unsigned side = SIM_SIDES;

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		usec_t d = ike_deadline(s->side[i].ike);

		if (d < at) {
			at = d;
			side = i;
		}
	}
	if (side == SIM_SIDES)
		return false;
	s->now = at > s->now ? at : s->now;
	ike_tick(s->side[side].ike, s->now);
	return true;
}

static void tick(struct sim *s, unsigned side)
{
	usec_t d = ike_deadline(s->side[side].ike);

	if (d < s->now + 2 * USEC_PER_SEC) {
		s->now = d > s->now ? d : s->now;
		ike_tick(s->side[side].ike, s->now);
	}
	now.repeater = SIM_SIDES;
}

/* Some other one was sent before it and is still under way. */
static bool overtaken(const struct sim *s, unsigned i)
{
	for (unsigned k = 0; k < SIM_WIRE; k++)
		if (s->wire[k].used && s->wire[k].number < s->wire[i].number)
			return true;
	return false;
}

/* False: nothing can happen any more. */
static bool one_step(struct sim *s, const struct scenario *sc)
{
	int can[2 * SIM_SIDES + SIM_WIRE]; /* side that acts; 10 + side: repeats; 20 + datagram */
	unsigned n = 0;
	int what;

	for (int i = 0; i < SIM_SIDES; i++)
		if (sc->act[i] != NOTHING &&
		    now.acted[i] < (sc->act[i] == MOVE && sc->move_on ? 2u : 1u))
			can[n++] = i;
	if (now.repeater < SIM_SIDES)
		can[n++] = 10 + (int)now.repeater;
	for (unsigned i = 0; i < SIM_WIRE; i++)
		if (s->wire[i].used && !copy_before(s, i) && (s->sent <= order || !overtaken(s, i)))
			can[n++] = 20 + (int)i;
	if (!n)
		return tick_first(s);
	what = can[choose(n)];
	if (what >= 20)
		sim_deliver(s, &s->wire[what - 20]);
	else if (what >= 10)
		tick(s, (unsigned)what - 10);
	else
		act(s, (unsigned)what, sc->act[what]);
	return true;
}

static bool deletes(const struct scenario *sc)
{
	for (unsigned i = 0; i < SIM_SIDES; i++)
		if (sc->act[i] == DELETE_CHILD || sc->act[i] == DELETE_IKE)
			return true;
	return false;
}

static char wrong[256];

#define WRONG(...) snprintf(wrong, sizeof(wrong), __VA_ARGS__)

static bool is_at(const struct udp_addr *a, const char *where)
{
	struct addr b = sim_addr(where);

	return addr_equal(&a->ip, &b);
}

/* Of that line. */
static const struct sim_event *last_move(const struct sim_side *d, uint64_t line)
{
	for (unsigned i = d->n_events; i-- > 0;)
		if (d->events[i].line == line &&
		    (d->events[i].kind == IKE_EV_MOVED || d->events[i].kind == IKE_EV_PEER_MOVED))
			return &d->events[i];
	return NULL;
}

/* Whoever rekeyed: both ends use the pair that A chose, for IKE and for ESP. */
static void check_pair(struct sim *s, const struct scenario *sc, const struct ike_sa_info *sa)
{
	const struct sim_event *a = last_move(&s->side[A], sa[A].line),
			       *b = last_move(&s->side[B], sa[B].line);
	const char *at = places[A][sc->move_on];

	if (sc->act[A] != MOVE || !sc->ike)
		return;
	if (!is_at(&sa[A].path.local, at) || !is_at(&sa[B].path.remote, at))
		WRONG("the IKE SA did not move");
	if (!a || !is_at(&a->path.local, at) || !b || !is_at(&b->path.remote, at))
		WRONG("the Child SAs did not move");
}

/* Each IKE SA of A is at B too, and where A says. */
static void check_pairs(struct sim *s, const struct scenario *sc)
{
	struct ike_sa_info a, b;
	bool found = true;

	for (size_t i = 0; found && ike_sa_at(s->side[A].ike, i, &a); i++) {
		found = false;
		for (size_t k = 0; !found && ike_sa_at(s->side[B].ike, k, &b); k++)
			found = a.spi_i == b.spi_i && a.spi_r == b.spi_r;
		if (!found)
			WRONG("two different IKE SAs");
		else if (strcmp(a.state, "ESTABLISHED") || strcmp(b.state, "ESTABLISHED"))
			WRONG("an IKE SA is %s, %s", a.state, b.state);
		else if (sc->act[B] != MOVE && !addr_equal(&a.path.local.ip, &b.path.remote.ip))
			WRONG("the ends of an IKE SA are elsewhere");
	}
}

/* The same IKE SAs at each end, and the same Child SAs in core and packet table. */
static void check_end(struct sim *s, const struct scenario *sc)
{
	struct ike_sa_info sa[SIM_SIDES] = { 0 };

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		struct sim_side *d = &s->side[i];

		if (sim_op_ends(d, OP + i) != (sc->act[i] != NOTHING))
			WRONG("%c: its operation ended %u times", "AB"[i], sim_op_ends(d, OP + i));
		if (!deletes(sc) &&
		    sim_count(d, IKE_EV_CHILD_DOWN, 0) + sim_count(d, IKE_EV_IKE_DOWN, 0))
			WRONG("%c says that something is down", "AB"[i]);
		if (ike_sa_count(d->ike) != sc->ike && (!sc->or_none || ike_sa_count(d->ike)))
			WRONG("%c has %zu IKE SAs", "AB"[i], ike_sa_count(d->ike));
		if (d->spis != (int)sc->children)
			WRONG("%c holds %d SPIs", "AB"[i], d -> spis);
		if (sads[i].n != sc->children)
			WRONG("%c: %zu SAs in the engine", "AB"[i], sads[i].n);
		ike_sa_at(d->ike, 0, &sa[i]);
		if (sa[i].family_children != sc->children)
			WRONG("%c: %u Child SAs in the core", "AB"[i], sa[i].family_children);
	}
	if (ike_sa_count(s->side[A].ike) != ike_sa_count(s->side[B].ike))
		WRONG("one has more IKE SAs than the other");
	check_pairs(s, sc);
	if (!wrong[0] && !sim_mirrored(s, sc->children))
		WRONG("the Child SAs do not match");
	if (!wrong[0])
		check_pair(s, sc, sa);
}

static void check_traffic(struct sim *s, const struct scenario *sc)
{
	for (unsigned i = 0; i < SIM_SIDES && !deletes(sc) && !wrong[0]; i++) {
		const char *why = send_packet(s, i, talking);

		if (why)
			WRONG("a packet from %c is lost: %s", "AB"[i], why);
	}
}

static void run(const struct scenario *sc, uint64_t seed)
{
	struct sim *s = base.sim;

	reset(s, seed);
	memset(&now, 0, sizeof(now));
	now.repeater = SIM_SIDES;
	wrong[0] = 0;
	row.at = 0;
	do {
		sim_drain(s, A);
		sim_drain(s, B);
		judge(s);
		check_traffic(s, sc);
	} while (!wrong[0] && one_step(s, sc));
	if (!wrong[0])
		check_end(s, sc);
}

static void every_row(const struct scenario *sc)
{
	static const char *const names[] = {
		"Child SA rekey",    "IKE SA rekey", "Child SA delete", "IKE SA delete",
		"Child SA creation", "move",	     "clone",		"nothing"
	};
	unsigned long runs = 0;

	unsigned variants = getenv("COLLIDE") ? 8 : sc->moves ? 1 : 4;

	order = sc->moves && !getenv("COLLIDE") ? ORDER_OF_MOVES : UINT_MAX;
	faults = sc->moves && !getenv("COLLIDE") ? FAULTS_OF_MOVES : FAULTS_IN_FIRST;
	if (sc->moves && sc->move_on && sc->act[B] != NOTHING)
		order = faults = ORDER_OF_MOVES - 2;
	for (unsigned variant = 0; variant < variants; variant++) {
		row.n = 0;
		talking = variant & 1;
		do {
			run(sc, variant / 2);
			runs++;
			if (wrong[0]) {
				char first[sizeof(wrong)];

				strcpy(first, wrong);
				setenv("SIM_LOG", "1", 1);
				run(sc, variant / 2);
				cr_assert_fail("%s x %s, variant %u, run %lu: %s",
					       names[sc->act[A]], names[sc->act[B]], variant, runs,
					       first);
			}
		} while (next_row());
	}
	fprintf(stderr, "%s x %s: %lu interleavings\n", names[sc->act[A]], names[sc->act[B]], runs);
}

static void tear_down(void)
{
	for (unsigned i = 0; i < SIM_SIDES; i++)
		sad_clear(&sads[i]);
	sim_free(base.sim);
}

static void both_ways(struct scenario *sc)
{
	enum act a = sc->act[A], b = sc->act[B];

	set_up(false, 1);
	every_row(sc);
	if (a != b) {
		sc->act[A] = b;
		sc->act[B] = a;
		every_row(sc);
	}
	tear_down();
}

static void collide(enum act a, enum act b, unsigned ike, unsigned children)
{
	struct scenario sc = { { a, b }, ike, children, false, false, false };

	both_ways(&sc);
}

/* A moves while B does something, and B, which is R, while A does; one request at a time, and
 * several. */
static void collide_move(enum act what, unsigned ike, unsigned children)
{
	struct scenario sc = { { MOVE, what }, ike, children, true, false, false };

	for (unsigned window = 1; window <= 4; window += 3) {
		set_up(true, window);
		sc.act[A] = MOVE;
		sc.act[B] = what;
		every_row(&sc);
		if (what != MOVE && what != NOTHING) {
			sc.act[A] = what;
			sc.act[B] = MOVE;
			every_row(&sc);
		}
		tear_down();
	}
}

TestSuite(collide, .timeout = 600);

/* [REK-4] [REK-5] [REK-6] [REK-8] */
Test(collide, child_rekeys)
{
	collide(REKEY_CHILD, REKEY_CHILD, 1, 1);
}

/* [REK-7] [REK-8] [REK-15] */
Test(collide, ike_rekeys)
{
	collide(REKEY_IKE, REKEY_IKE, 1, 1);
}

/* [REK-10] [REK-13] */
Test(collide, child_rekey_and_delete)
{
	collide(REKEY_CHILD, DELETE_CHILD, 1, 0);
}

/* [REK-11] */
Test(collide, ike_rekey_and_delete)
{
	collide(REKEY_IKE, DELETE_IKE, 0, 0);
}

/* [REK-9] [REK-12] */
Test(collide, child_rekey_and_ike_rekey)
{
	collide(REKEY_CHILD, REKEY_IKE, 1, 1);
}

/* [REK-9] [REK-18] */
Test(collide, child_creation_and_ike_rekey)
{
	collide(CREATE_CHILD, REKEY_IKE, 1, 2);
}

/* [REK-9] [INF-7] */
Test(collide, child_delete_and_ike_rekey)
{
	collide(DELETE_CHILD, REKEY_IKE, 1, 0);
}

/* [REK-11] [INF-5] */
Test(collide, child_rekey_and_ike_delete)
{
	collide(REKEY_CHILD, DELETE_IKE, 0, 0);
}

/* [INF-3] */
Test(collide, deletes)
{
	collide(DELETE_CHILD, DELETE_CHILD, 1, 0);
	collide(DELETE_IKE, DELETE_IKE, 0, 0);
	collide(DELETE_CHILD, DELETE_IKE, 0, 0);
}

/* [MOB-8] [MOB-16] [MOB-22] DES-5.5.2-2, DES-6.2-2 */
Test(collide, moves)
{
	struct scenario sc = { { MOVE, NOTHING }, 1, 1, true, true, false };

	collide_move(MOVE, 1, 1);
	for (unsigned window = 1; window <= 4; window += 3) {
		set_up(true, window);
		every_row(&sc);
		tear_down();
	}
}

/* [MOB-18] [MOB-5] */
Test(collide, move_and_ike_rekey)
{
	collide_move(REKEY_IKE, 1, 1);
}

/* [MOB-18] [MOB-8] */
Test(collide, two_moves_and_ike_rekey)
{
	struct scenario sc = { { MOVE, REKEY_IKE }, 1, 1, true, true, false };

	set_up(true, 1);
	every_row(&sc);
	tear_down();
}

/* [MOB-13] */
Test(collide, move_and_child_rekey)
{
	collide_move(REKEY_CHILD, 1, 1);
}

/* [MOB-4] [MOB-12] */
Test(collide, move_and_child_creation)
{
	collide_move(CREATE_CHILD, 1, 2);
}

Test(collide, move_and_child_delete)
{
	collide_move(DELETE_CHILD, 1, 0);
}

Test(collide, move_and_ike_delete)
{
	collide_move(DELETE_IKE, 0, 0);
}

/* [CLONE-30] */
Test(collide, clones)
{
	collide(CLONE, CLONE, 3, 1);
}

/* [CLONE-31] */
Test(collide, clone_and_ike_rekey)
{
	collide(CLONE, REKEY_IKE, 2, 1);
}

/* [CLONE-12] [CLONE-32] */
Test(collide, clone_and_child_creation)
{
	collide(CLONE, CREATE_CHILD, 2, 2);
}

/* [CLONE-12] [CLONE-32] */
Test(collide, clone_and_child_rekey)
{
	collide(CLONE, REKEY_CHILD, 2, 1);
}

/* [CLONE-12] [CLONE-32] */
Test(collide, clone_and_child_delete)
{
	collide(CLONE, DELETE_CHILD, 2, 0);
}

/* Whoever deletes all there is may do so before there is a clone. [CLONE-22] [CLONE-37] */
Test(collide, clone_and_ike_delete)
{
	struct scenario sc = { { CLONE, DELETE_IKE }, 1, 0, false, false, true };

	both_ways(&sc);
}

/* [CLONE-33] */
Test(collide, move_and_clone)
{
	collide_move(CLONE, 2, 1);
}
