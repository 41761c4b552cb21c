/* SPDX-License-Identifier: GPL-2.0-only */
/* Replay window: [ESP-2] [ESP-3] [ESP-4] [ESP-5]. Tables of one line per packet. */
#include <pthread.h>

#include <criterion/criterion.h>

#include "esp/replay.h"

enum { OK = 1, NO = 0 };

struct step {
	uint64_t seq;
	int ok;
};

static void play(struct replay *w, const struct step *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool checked = replay_check(w, s[i].seq);

		cr_assert_eq(checked, s[i].ok, "step %zu: check of %llu", i,
			     (unsigned long long)s[i].seq);
		/* What check refuses, commit refuses too. */
		cr_assert_eq(replay_commit(w, s[i].seq), s[i].ok, "step %zu: commit of %llu", i,
			     (unsigned long long)s[i].seq);
	}
}

#define PLAY(w, ...)                                                                               \
	do {                                                                                       \
		static const struct step s[] = { __VA_ARGS__ };                                    \
		play(w, s, sizeof(s) / sizeof(*s));                                                \
	} while (0)

Test(replay, zero_is_never_valid)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	PLAY(&w, { 0, NO }, { 1, OK }, { 0, NO }, { 1, NO });
}

Test(replay, order_does_not_matter_within_the_window)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 64), 0);
	PLAY(&w, { 1, OK }, { 5, OK }, { 3, OK }, { 4, OK }, { 2, OK }, { 3, NO }, { 64, OK },
	     { 1, NO }, { 6, OK }, { 65, OK }, { 2, NO }, { 7, OK });
}

Test(replay, edges_of_the_default_window)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	PLAY(&w, { 9000, OK }, { 9000 - 8191, OK }, { 9000 - 8192, NO }, { 9000 - 8191, NO },
	     { 9001, OK }, { 9001 - 8191, OK }, { 9000, NO }, { 1, NO });
}

Test(replay, small_windows_are_32)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 1), 0);
	PLAY(&w, { 100, OK }, { 69, OK }, { 68, NO });
}

Test(replay, jump_over_several_rings)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	PLAY(&w, { 1, OK }, { 1u << 20, OK }, { 1, NO }, { (1u << 20) - 8191, OK },
	     { (1u << 20) - 16384, NO }, { (1u << 20) + 16384, OK }, { 1u << 20, NO },
	     { (1u << 20) + 16384 - 8000, OK }, { (1u << 20) + 16384 - 8000, NO });
}

/* Of what is refused: copies are told from what is too old. */
Test(replay, copies_and_old_ones)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 64), 0);
	PLAY(&w, { 100, OK }, { 37, OK }, { 37, NO }, { 36, NO });
	cr_assert(replay_seen(&w, 100));
	cr_assert(replay_seen(&w, 37), "the lower edge");
	cr_assert_not(replay_seen(&w, 36), "left of the window");
	cr_assert_not(replay_seen(&w, 0));
	PLAY(&w, { 101, OK }, { 37, NO });
	cr_assert_not(replay_seen(&w, 37), "the window has moved on");
	replay_clear(&w);
}

Test(replay, every_number_once)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	for (uint64_t i = 1; i < 100000; i++) {
		cr_assert(replay_check(&w, i));
		cr_assert(replay_commit(&w, i));
		cr_assert_not(replay_check(&w, i));
		cr_assert_not(replay_commit(&w, i));
	}
}

Test(replay, check_alone_changes_nothing)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	cr_assert(replay_commit(&w, 10));
	cr_assert(replay_check(&w, UINT64_C(1) << 40));
	cr_assert_eq(w.top, 10);
	PLAY(&w, { 9, OK }, { 11, OK });
}

/* RFC 4303 A2: the high half, with the window in one subspace and across two. */
Test(replay, esn_high_half)
{
	static const struct {
		uint64_t top;
		uint32_t low;
		uint64_t expect;
	} t[] = {
		{ 0, 1, 1 },
		{ 0, 0xfffffff0,
		  0xfffffff0 }, /* before the first wrap there is no lower subspace */
		{ 100, 50, 50 },
		{ 0xfffffff0, 0xffffff00, 0xffffff00 },
		{ 0xfffffff0, 5, 0x100000005 },		 /* case A, beyond the wrap */
		{ 0x100000005, 0xfffffff0, 0xfffffff0 }, /* case B, before it */
		{ 0x100000005, 6, 0x100000006 },
		{ 0x100000005, 0xffffe006, 0xffffe006 },  /* its lower edge */
		{ 0x100000005, 0xffffe005, 0x1ffffe005 }, /* left of it */
		{ 0x500002000, 0x2001, 0x500002001 },
		{ 0x500002000, 0x0000, 0x600000000 }, /* left of the window: next */
		{ 0x500001fff, 0x0000, 0x500000000 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct replay w;

		cr_assert_eq(replay_init(&w, 0), 0);
		w.top = t[i].top;
		cr_assert_eq(replay_esn(&w, t[i].low), t[i].expect, "line %zu: %llx", i,
			     (unsigned long long)replay_esn(&w, t[i].low));
	}
}

Test(replay, esn_across_the_wrap)
{
	struct replay w;

	cr_assert_eq(replay_init(&w, 0), 0);
	for (uint64_t s = 0xfffffff0; s < 0x100000010; s++) {
		cr_assert_eq(replay_esn(&w, (uint32_t)s), s);
		cr_assert(replay_commit(&w, s));
	}
	cr_assert_not(replay_check(&w, replay_esn(&w, 0xfffffff5)));
}

enum { THREADS = 4, NUMBERS = 200000 };

static struct replay shared;

static void *hammer(void *arg)
{
	uintptr_t accepted = 0;

	(void)arg;
	for (uint64_t i = 1; i <= NUMBERS; i++)
		accepted += replay_commit(&shared, i);
	return (void *)accepted;
}

/* [ESP-5]: of several threads exactly one accepts each number. */
Test(replay, threads_accept_each_number_once)
{
	pthread_t t[THREADS];
	uintptr_t sum = 0;

	cr_assert_eq(replay_init(&shared, 0), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, hammer, NULL);
	for (int i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(t[i], &r);
		sum += (uintptr_t)r;
	}
	cr_assert_eq(sum, NUMBERS);
	cr_assert_eq(shared.top, NUMBERS);
}
