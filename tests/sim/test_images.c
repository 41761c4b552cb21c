/* SPDX-License-Identifier: GPL-2.0-only */
/* Images for an agent that comes after this one: which are handed out, and when. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duo_assert.h"
#include "sim.h"

static uint8_t image[65536];

/* What has changed on side A: images, and ends. */
struct news {
	unsigned images, ends;
	uint64_t image_key, end_key;
};

static struct news look(struct sim *s)
{
	struct news n = { 0 };
	uint64_t key;
	size_t len;

	while (ike_image_next(s->side[A].ike, &key, image, sizeof(image), &len, s->now) == 1) {
		*(len ? &n.image_key : &n.end_key) = key;
		(*(len ? &n.images : &n.ends))++;
	}
	return n;
}

static struct sim *up(uint64_t seed)
{
	struct sim *s = sim_new(seed, false);

	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	return s;
}

Test(images, one_for_each_change)
{
	struct sim *s = up(1);
	struct news n = look(s);
	uint64_t first;

	cr_assert_eq(n.images + n.ends, 0, "nothing is established");
	sim_settle(s, 5 * USEC_PER_SEC);
	n = look(s);
	cr_assert(n.images == 1 && n.ends == 0);
	first = n.image_key;
	n = look(s);
	cr_assert_eq(n.images + n.ends, 0, "nothing has changed");
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	n = look(s);
	cr_assert(n.images == 1 && n.image_key == first, "a request is on the wire");
	sim_settle(s, 5 * USEC_PER_SEC);
	n = look(s);
	cr_assert(n.images == 1 && n.ends == 0 && n.image_key == first);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 3, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	n = look(s);
	cr_assert(n.images == 1 && n.image_key != first, "the new one");
	cr_assert(n.ends == 1 && n.end_key == first, "the old one");
	sim_free(s);
}

/* An end is told once, however late it is asked for, and then nothing is left. */
Test(images, an_end_is_not_lost)
{
	struct sim *s = up(2);
	struct news n;

	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(look(s).images, 1);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 120 * USEC_PER_SEC);
	cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER, "it does not keep anybody awake");
	n = look(s);
	cr_assert(n.images == 0 && n.ends == 1);
	cr_assert_neq(ike_deadline(s->side[A].ike), USEC_NEVER, "it may be freed now");
	sim_settle(s, 120 * USEC_PER_SEC);
	cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER);
	n = look(s);
	cr_assert_eq(n.images + n.ends, 0);
	sim_free(s);
}

/* What was never handed out needs no end; what is forgotten is handed out again. */
Test(images, forgotten)
{
	struct sim *s = up(3);
	struct news n;

	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(look(s).images, 1);
	ike_images_forget(s->side[A].ike);
	n = look(s);
	cr_assert(n.images == 1 && n.ends == 0);
	ike_images_forget(s->side[A].ike);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 120 * USEC_PER_SEC);
	n = look(s);
	cr_assert_eq(n.images + n.ends, 0);
	cr_assert_eq(ike_deadline(s->side[A].ike), USEC_NEVER);
	sim_free(s);
}

/* An agent that took an image over owes its end as well. */
Test(images, taken_over)
{
	struct sim *s = up(4);
	struct news n;

	sim_settle(s, 5 * USEC_PER_SEC);
	sim_restart(s, A);
	n = look(s);
	cr_assert(n.images == 1 && n.ends == 0);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 120 * USEC_PER_SEC);
	cr_assert_eq(look(s).ends, 1);
	sim_free(s);
}

/* ---- the longest ---- */

static struct ike_child_cfg *longest_children(const struct ike_child_cfg *like)
{
	struct ike_child_cfg *c = calloc(IKE_CHILDREN_MAX, sizeof(*c));

	cr_assert_not_null(c);
	for (unsigned i = 0; i < IKE_CHILDREN_MAX; i++) {
		c[i] = *like;
		snprintf(c[i].name, sizeof(c[i].name), "%048u", i);
		c[i].n_local_ts = c[i].n_remote_ts = IKE_TS_MAX;
		for (unsigned k = 0; k < IKE_TS_MAX; k++) {
			struct ike_ts ts = { .port_last = 65535 };

			ts.first.family = 6;
			memcpy(ts.first.b, "\x20\x01\x0d\xb8", 4);
			ts.first.b[5] = (uint8_t)k;
			ts.last = ts.first;
			ts.last.b[15] = 0xff;
			c[i].local_ts[k] = c[i].remote_ts[k] = ts;
		}
	}
	return c;
}

/* 200 Child SAs with 16 selectors of IPv6 each way: as long as images get by what peers agree on.
 * Too little room costs nothing, and the successor has all of it. */
Test(images, of_200_children_with_all_selectors)
{
	static uint8_t room[400000], again[400000];
	struct duo *d = new_duo();
	struct ike_child_cfg *cfg = longest_children(&d->side[DUO_I].child);
	struct ike_child_info before, after;
	uint64_t key;
	size_t len;

	cr_assert_eq(duo_start(d), 0);
	for (unsigned who = 0; who < 2; who++) {
		d->side[who].conn.children = cfg;
		d->side[who].conn.n_children = IKE_CHILDREN_MAX;
		cr_assert_eq(ike_reload(d->e[who].ike, &d->side[who].cfg, d->now), 0);
	}
	for (unsigned i = 0; i < IKE_CHILDREN_MAX; i++) {
		struct ike_path path = duo_path(DUO_I, 500);

		cr_assert_eq(ike_up(d->e[DUO_I].ike, "duo", cfg[i].name, &path, 1, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
	}
	cr_assert_eq(d->e[DUO_R].child_adds, IKE_CHILDREN_MAX);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(ike_image_next(d->e[DUO_I].ike, &key, room, 200000, &len, d->now),
			     -ENOBUFS);
	cr_assert_eq(ike_image_next(d->e[DUO_I].ike, &key, room, sizeof(room), &len, d->now), 1);
	cr_assert_gt(len, 200000);
	cr_assert_eq(ike_image_next(d->e[DUO_I].ike, &key, again, sizeof(again), &len, d->now), 0);
	len = duo_image(d, DUO_I, room, sizeof(room));
	cr_assert(ike_child_at(d->e[DUO_I].ike, 0, IKE_CHILDREN_MAX - 1, &before));
	duo_restore(d, DUO_I, room, len);
	cr_assert(ike_child_at(d->e[DUO_I].ike, 0, IKE_CHILDREN_MAX - 1, &after));
	cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
	cr_assert_eq(duo_image(d, DUO_I, again, sizeof(again)), len);
	/* and it goes on from there, with new keys too */
	for (unsigned who = 0; who < 2; who++) {
		/* to the responder, which knows one by its selectors, all are the first */
		cr_assert_eq(ike_rekey(d->e[who].ike, "duo", cfg[who ? 0 : 3].name, 2, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
		cr_assert_eq(d->e[who].failures, 0, "%s", d->e[who].failure);
		cr_assert(ike_child_at(d->e[who].ike, 0, IKE_CHILDREN_MAX - 1, &after));
		cr_assert(!ike_child_at(d->e[who].ike, 0, IKE_CHILDREN_MAX, &after));
	}
	cr_assert_eq(ike_down(d->e[DUO_I].ike, "duo", cfg[7].name, 2, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_settle(d));
	cr_assert(!ike_child_at(d->e[DUO_R].ike, 0, IKE_CHILDREN_MAX - 1, &after));
	duo_free(d);
	free(cfg);
}
