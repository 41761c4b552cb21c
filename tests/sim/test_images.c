/* SPDX-License-Identifier: GPL-2.0-only */
/* Images for an agent that comes after this one: which are handed out, and when. */
#include <criterion/criterion.h>

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

	while (ike_image_next(s->side[A].ike, &key, image, sizeof(image), &len, s->now)) {
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
