/* SPDX-License-Identifier: GPL-2.0-only */
/* A family of cloned IKE SAs is authenticated anew: all of its lines go on. */
#include "clone_assert.h"

enum { LINES = 3 };

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static struct sim *reauths(uint64_t seed, uint8_t window)
{
	struct sim *s = pooled(seed, 9);

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		s->side[i].conn[0].window = window;
		s->side[i].conn[0].reauth_time = 1000 * USEC_PER_SEC;
		s->side[i].conn[0].over_time = 200 * USEC_PER_SEC;
	}
	return s;
}

/* A's lines as they are: each has its pair of addresses, its virtual address, and Child SAs. */
struct line {
	uint64_t line;
	struct addr local, vip;
	unsigned children;
};

static void look(const struct sim *s, struct line l[LINES])
{
	for (unsigned i = 0; i < LINES; i++) {
		struct ike_sa_info sa = nth(s, A, i);

		l[i] = (struct line){ .line = sa.line,
				      .local = sa.path.local.ip,
				      .vip = sa.vips[0],
				      .children = sa.n_children };
	}
}

/* The first line, one with two Child SAs elsewhere, one without elsewhere. */
static struct sim *family(struct sim *s, struct line l[LINES])
{
	struct ike_path to = { .local = { .ip = sim_addr("203.0.113.10"), .port = 4500 } };

	up_with(s);
	for (unsigned i = 1; i < LINES; i++) {
		struct ike_sa_info clone = cloned(s, i & 1 ? A : B, 10 + i);

		if (!(i & 1))
			clone = nth(s, A, i);
		to.local.ip.b[3]++;
		cr_assert_eq(ike_path_change(core(s, A), clone.line, &to, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		for (unsigned k = 0; k < 2 && (i & 1); k++) {
			cr_assert_eq(ike_up_line(core(s, A), clone.line, k ? "more" : "net", 20 + k,
						 s->now),
				     0);
			sim_settle(s, USEC_PER_SEC);
		}
	}
	paired(s, LINES, 3);
	look(s, l);
	return s;
}

static const struct line *line_of(const struct line l[LINES], uint64_t number)
{
	for (unsigned i = 0; i < LINES; i++)
		if (l[i].line == number)
			return &l[i];
	cr_assert_fail("line %u is another one", (unsigned)number);
	return NULL;
}

static void same_lines(const struct sim *s, const struct line before[LINES])
{
	struct line l[LINES];

	look(s, l);
	for (unsigned i = 0; i < LINES; i++) {
		const struct line *b = line_of(before, l[i].line);

		cr_assert(addr_equal(&l[i].local, &b->local));
		/* without a Child SA there is nothing to ask with, and it shares */
		cr_assert(addr_equal(&l[i].vip, &b->vip));
		cr_assert_eq(l[i].children, b->children);
	}
}

/* From here to where the next authentication is over: at no time has a line fewer Child SAs in use
 * at A, whose new ones replace the old, or fewer at B, than it should have. */
static void over_it(struct sim *s, const struct line l[LINES])
{
	usec_t end = nth(s, A, 0).reauth_at + 60 * USEC_PER_SEC;

	while (s->now < end) {
		sim_run(s, 5 * USEC_PER_MSEC);
		cr_assert_geq(s->side[A].n_children, 3);
		cr_assert_geq(s->side[B].n_children, 3);
		for (unsigned i = 0; i < LINES; i++) {
			unsigned n = 0;
			struct ike_sa_info sa;

			for (size_t k = 0; ike_sa_at(core(s, A), k, &sa); k++)
				n += sa.line == l[i].line ? sa.n_children : 0;
			cr_assert_geq(n, l[i].children, "line %u is interrupted",
				      (unsigned)l[i].line);
		}
		if (nth(s, A, 0).reauth_at > end)
			break; /* and some time to settle */
	}
	sim_run(s, 40 * USEC_PER_SEC);
}

/* [CLONE-18] [CLONE-45]: make before break for each line; it keeps its number, its addresses of
 * both kinds and its Child SAs, and one authentication is enough. */
Test(clone_reauth, all_lines, .timeout = 60)
{
	for (unsigned window = 1; window <= 8; window += 7) {
		struct line l[LINES];
		struct sim *s = family(reauths(1, (uint8_t)window), l);
		uint64_t before = nth(s, A, 0).family;

		for (unsigned round = 2; round < 4; round++) {
			over_it(s, l);
			paired(s, LINES, 3);
			same_lines(s, l);
			cr_assert_neq(nth(s, A, 0).family, before);
			before = nth(s, A, 0).family;
			cr_assert_eq(s->exchanges[A][IKE_AUTH], round);
		}
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_DOWN, 0), 0);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 0), 2 * LINES);
		all_alive(s, LINES, 3);
		sim_free(s);
	}
}

/* One datagram of all that is lost, doubled or late. [CLONE-45] */
Test(clone_reauth, under_loss, .timeout = 120)
{
	for (unsigned i = 0; i < 60; i++) {
		struct line l[LINES];
		struct sim *s = family(reauths(100 + i, i & 1 ? 8 : 1), l);

		sim_run(s, nth(s, A, 0).reauth_at - s->now - 1);
		*(i % 3 == 0   ? &s->lose
		  : i % 3 == 1 ? &s->duplicate
			       : &s->late) = UINT64_C(1) << (s->sent + i / 3);
		over_it(s, l);
		paired(s, LINES, 3);
		same_lines(s, l);
		all_alive(s, LINES, 3);
		sim_free(s);
	}
}

/* After a restart the agent drops what the core does not know: Child SAs that were replaced, SPIs
 * of set-ups that were not over. */
static void adopt(struct sim *s, unsigned side)
{
	struct sim_side *d = &s->side[side];

	for (unsigned i = 0; i < d->n_children; i++) {
		struct ike_child_info c;
		bool known = false;

		for (size_t k = 0; k < ike_sa_count(d->ike); k++)
			for (size_t j = 0; ike_child_at(d->ike, k, j, &c); j++)
				known |= c.id == d->children[i].id;
		if (!known)
			d->children[i--] = d->children[--d->n_children];
	}
	d->spis = (int)d->n_children;
}

/* Either agent begins anew somewhere on the way. [CLONE-45] [CLONE-35] */
Test(clone_reauth, restarts, .timeout = 120)
{
	for (unsigned i = 0; i < 60; i++) {
		struct line l[LINES];
		struct sim *s = reauths(200 + i, i & 2 ? 8 : 1);

		/* of a set-up that A forgot B finds out by itself */
		s->side[B].conn[0].dpd_delay = 100 * USEC_PER_SEC;
		family(s, l);
		sim_run(s, nth(s, A, 0).reauth_at - s->now);
		sim_run(s, (i / 2) * 5 * USEC_PER_MSEC);
		sim_restart(s, i & 1);
		/* what was half done by A is done once more, when its lifetime says so */
		sim_run(s, 700 * USEC_PER_SEC);
		adopt(s, A);
		paired(s, LINES, 3);
		same_lines(s, l);
		all_alive(s, LINES, 3);
		sim_free(s);
	}
}

/* The peer's rekeys, and clones and moves of ours, meanwhile. */
Test(clone_reauth, among_others, .timeout = 120)
{
	for (unsigned i = 0; i < 40; i++) {
		struct line l[LINES];
		struct sim *s = family(reauths(300 + i, i & 1 ? 8 : 1), l);
		struct ike_path to = { .local = { .ip = sim_addr("203.0.113.77"), .port = 4500 } };

		sim_run(s, nth(s, A, 0).reauth_at - s->now);
		sim_run(s, (i / 4) * 10 * USEC_PER_MSEC);
		if (i % 4 == 0)
			ike_rekey_line(core(s, B), nth(s, B, (i / 4) % LINES).line, 9, s->now);
		else if (i % 4 == 1)
			ike_rekey(core(s, B), "c", "more", 9, s->now);
		else
			cr_assert_eq(ike_path_change(core(s, A), l[1].line, &to, s->now), 0);
		if (i % 4 >= 2)
			l[1].local = to.local.ip;
		sim_run(s, 400 * USEC_PER_SEC);
		paired(s, LINES, 3);
		same_lines(s, l);
		all_alive(s, LINES, 3);
		sim_free(s);
	}
}

/* [CLONE-46]: what the peer does not let us have again ends with its authentication, and is said.
 */
Test(clone_reauth, refused_lines)
{
	for (unsigned i = 0; i < 2; i++) {
		struct line l[LINES];
		struct sim *s = family(reauths(400, 1), l);

		if (i)
			s->side[B].conn[0].clone = false;
		else
			s->side[B].conn[0].ike_sas_max = 2;
		sim_reload(s, B);
		sim_run(s, nth(s, A, 0).reauth_at + 60 * USEC_PER_SEC - s->now);
		paired(s, i ? 1 : 2, i ? 1 : 3);
		cr_assert_eq(nth(s, A, 0).line, l[0].line);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), i ? 2 : 1);
		all_alive(s, i ? 1 : 2, i ? 1 : 3);
		sim_free(s);
	}
}

/* Of the line that ends while it is being continued nothing stays. */
Test(clone_reauth, down_meanwhile, .timeout = 60)
{
	for (unsigned i = 0; i < 16; i++) {
		struct line l[LINES];
		struct sim *s = family(reauths(500 + i, i & 1 ? 8 : 1), l);

		sim_run(s, nth(s, A, 0).reauth_at - s->now);
		sim_run(s, i * 10 * USEC_PER_MSEC);
		cr_assert_eq(ike_down_line(core(s, A), l[1].line, 30, s->now), 0);
		sim_run(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 30), 1);
		paired(s, LINES - 1, 1);
		all_alive(s, LINES - 1, 1);
		sim_free(s);
	}
}

/* What comes from or goes to A's first address is lost. */
static void drop_first(struct sim *s, struct sim_packet *p)
{
	struct addr first = sim_path(s, A).local.ip;

	p->used = !addr_equal(&p->src.ip, &first) && !addr_equal(&p->dst.ip, &first);
}

static bool elsewhere(void *ctx, const char *conn, struct ike_path *ret_path)
{
	(void)conn;
	*ret_path = sim_path(((struct sim_side *)ctx)->sim, A);
	ret_path->local.ip = sim_addr("203.0.113.77");
	return true;
}

/* The first line's pair is dead when the time comes: the new one is set up from elsewhere, and the
 * peer hears of the old one's end over that, too, or it would go on sending on it. [CLONE-45] */
Test(clone_reauth, from_elsewhere)
{
	for (unsigned window = 1; window <= 8; window += 7) {
		struct line l[LINES];
		struct sim *s = reauths(600, (uint8_t)window);

		s->other_path = elsewhere;
		family(s, l);
		sim_run(s, nth(s, A, 0).reauth_at - s->now - USEC_PER_SEC);
		s->on_wire = drop_first;
		sim_run(s, 30 * USEC_PER_SEC);
		paired(s, LINES, 3);
		for (unsigned i = 0; i < LINES; i++)
			cr_assert_eq(nth(s, B, i).family, nth(s, B, 0).family);
		l[0].local = sim_addr("203.0.113.77");
		same_lines(s, l);
		all_alive(s, LINES, 3);
		sim_free(s);
	}
}
