/* SPDX-License-Identifier: GPL-2.0-only */
/* Path probes: codec, and a path's states in virtual time. */
#include <errno.h>
#include <string.h>

#include <linux/types.h>

#include <criterion/criterion.h>

#include "abi/steer.h"
#include "esp/probe.h"

enum { MS = 1000, INTERVAL = 100 * MS, RTT = 20 * MS };

Test(probe, codec)
{
	struct probe p = { .kind = PROBE_ANSWER,
			   .flags = PROBE_LEAVE,
			   .epids = 0x00030004,
			   .nonce = "abcdefg",
			   .t_sent = UINT64_C(0x0102030405060708) },
		     q;
	uint8_t b[PROBE_LEN + 8] = { 0 }, c[PROBE_LEN];

	p.observed.ip = addr_v4(0xc0000207);
	p.observed.port = 4501;
	probe_encode(&p, b);
	cr_assert_arr_eq(b, "BRP1\2\2\0\0\0\3\0\4abcdefg", 19);
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), 0);
	cr_assert_eq(q.epids, p.epids);
	cr_assert_eq(q.t_sent, p.t_sent);
	cr_assert(udp_addr_equal(&q.observed, &p.observed));
	probe_encode(&q, c);
	cr_assert_arr_eq(b, c, PROBE_LEN);
	/* Longer is fine, shorter or other is somebody else's dummy. */
	cr_assert_eq(probe_decode(b, PROBE_LEN + 8, &q), 0);
	for (size_t n = 0; n < PROBE_LEN; n++)
		cr_assert_eq(probe_decode(b, n, &q), -EBADMSG);
	b[0] ^= 1;
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), -EBADMSG);
	b[0] ^= 1;
	b[4] = PROBE_LOST;
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), 0);
	cr_assert_eq(q.kind, PROBE_LOST);
	b[4] = PROBE_LOST + 1;
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), -EBADMSG);
	b[4] = 0;
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), -EBADMSG);
}

struct world {
	struct probe_path p;
	struct probe_pending ring[PROBE_PENDING];
	usec_t now;
	bool alive;
	uint64_t n;
	struct {
		usec_t at;
		uint8_t nonce[8];
	} back[64];
	unsigned n_back;
};

static void world_init(struct world *w)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 3, .up_after = 2 };

	memset(w, 0, sizeof(*w));
	w->now = 1000 * MS;
	w->alive = true;
	probe_path_init(&w->p, &cfg, w->ring, probe_pending_for(INTERVAL), w->now);
}

/* Run until the state changes or the time is over. */
static bool run(struct world *w, usec_t until)
{
	for (; w->now < until; w->now += MS) {
		for (unsigned i = 0; i < w->n_back && i < 64; i++) {
			bool ours;

			if (w->back[i].at != w->now)
				continue;
			if (probe_path_answer(&w->p, w->back[i].nonce, 0, w->now, &ours))
				return true;
		}
		if (probe_path_deadline(&w->p) > w->now)
			continue;
		if (probe_path_tick(&w->p, w->now))
			return true;
		if (probe_path_due(&w->p, w->now)) {
			uint8_t nonce[8] = { 0 };

			memcpy(nonce, &(uint64_t){ ++w->n }, 8);
			probe_path_sent(&w->p, nonce, w->now);
			if (w->alive) {
				unsigned i = w->n_back++ % 64;

				w->back[i].at = w->now + RTT;
				memcpy(w->back[i].nonce, nonce, 8);
			}
		}
	}
	return false;
}

Test(probe, first_answer_makes_it_up_and_verified)
{
	struct world w;

	world_init(&w);
	cr_assert_not(w.p.verified);
	cr_assert(run(&w, w.now + INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert(w.p.verified);
	cr_assert_eq(w.p.rtt, RTT);
	cr_assert_eq(w.p.rtt_min, RTT);
}

Test(probe, down_within_three_intervals_and_a_round_trip)
{
	/* Whenever in the rhythm it fails. */
	for (usec_t phase = 0; phase < INTERVAL; phase += 7 * MS) {
		struct world w;
		usec_t cut;

		world_init(&w);
		run(&w, w.now + INTERVAL);
		cr_assert_not(run(&w, w.now + 20 * INTERVAL + phase));
		cut = w.now;
		w.alive = false;
		w.n_back = 0; /* answers on their way are lost too */
		cr_assert(run(&w, w.now + 10 * INTERVAL));
		cr_assert_eq(w.p.state, STEER_PATH_DOWN);
		cr_assert_leq(w.now - cut, 3 * INTERVAL + RTT + 2 * MS, "phase %llu: %llu",
			      (unsigned long long)phase, (unsigned long long)(w.now - cut));
	}
}

Test(probe, two_lost_probes_take_nothing_down)
{
	struct world w;

	world_init(&w);
	run(&w, w.now + INTERVAL);
	run(&w, w.now + 10 * INTERVAL);
	w.alive = false;
	cr_assert_not(run(&w, w.now + 2 * INTERVAL));
	w.alive = true;
	cr_assert_not(run(&w, w.now + 20 * INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert_gt(probe_path_loss_permille(&w.p), 0);
}

/* A machine that is busy for a moment loses nothing, and takes no path down. */
Test(probe, late_answers_are_no_loss)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 3, .up_after = 2 };
	struct probe_pending ring[PROBE_PENDING];
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, ring, probe_pending_for(INTERVAL), t);
	for (uint64_t i = 1; i < 50; i++, t += INTERVAL) {
		usec_t rtt = i % 8 ? MS / 10 : 5 * MS;
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		for (usec_t at = t; at < t + rtt; at += MS / 10)
			probe_path_tick(&p, at);
		probe_path_answer(&p, n, 0, t + rtt, &ours);
		cr_assert(ours);
		cr_assert_eq(probe_path_loss_permille(&p), 0, "probe %llu", (unsigned long long)i);
	}
}

/* Requests that the other side could not answer yet are not lost on the path; later ones are. */
Test(probe, loss_counts_from_the_first_answer)
{
	struct world w;

	world_init(&w);
	w.alive = false;
	run(&w, w.now + 2 * INTERVAL + RTT);
	w.alive = true;
	while (w.p.state != STEER_PATH_UP)
		cr_assert(run(&w, w.now + 4 * INTERVAL));
	cr_assert_not(run(&w, w.now + 16 * INTERVAL));
	cr_assert_gt(w.p.tx, w.p.rx + 1);
	cr_assert_eq(probe_path_loss_permille(&w.p), 0);
	w.alive = false;
	cr_assert_not(run(&w, w.now + 2 * INTERVAL));
	w.alive = true;
	cr_assert_not(run(&w, w.now + 10 * INTERVAL));
	cr_assert_gt(probe_path_loss_permille(&w.p), 0);
}

/* Of two requests one is lost, again and again: never two in a row. */
Test(probe, up_again_needs_no_loss_between)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 3, .up_after = 2 };
	struct probe_pending ring[PROBE_PENDING];
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, ring, probe_pending_for(INTERVAL), t);
	for (uint64_t i = 1; i < 40; i++, t += INTERVAL) {
		bool answer = i == 1 || (i > 8 && i % 2) || i >= 30;
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		if (answer)
			probe_path_answer(&p, n, 0, t + RTT, &ours);
		probe_path_tick(&p, t + RTT + MS);
		if (i > 8)
			cr_assert_eq(p.state, i < 30 ? STEER_PATH_DOWN : STEER_PATH_UP,
				     "probe %llu", (unsigned long long)i);
	}
}

Test(probe, up_again_needs_two_answers)
{
	struct world w;
	usec_t back;

	world_init(&w);
	run(&w, w.now + INTERVAL);
	w.alive = false;
	cr_assert(run(&w, w.now + 10 * INTERVAL));
	run(&w, w.now + 5 * INTERVAL);
	w.alive = true;
	back = w.now;
	cr_assert(run(&w, w.now + 10 * INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert_geq(w.now - back, INTERVAL);
	cr_assert_leq(w.now - back, 2 * INTERVAL + RTT);
}

Test(probe, a_nonce_counts_once_and_only_if_ours)
{
	struct world w;
	uint8_t nonce[8] = "12345678";
	bool ours;

	world_init(&w);
	cr_assert_not(probe_path_answer(&w.p, nonce, 0, w.now, &ours));
	cr_assert_not(ours);
	cr_assert_not(w.p.verified);
	probe_path_sent(&w.p, nonce, w.now);
	cr_assert(probe_path_answer(&w.p, nonce, 0, w.now + RTT, &ours));
	cr_assert(ours);
	probe_path_answer(&w.p, nonce, 0, w.now + RTT, &ours);
	cr_assert_not(ours);
	cr_assert_eq(w.p.rx, 1);
}

Test(probe, late_answers_keep_it_up)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 3, .up_after = 2 };
	struct probe_pending ring[PROBE_PENDING];
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, ring, probe_pending_for(INTERVAL), t);
	for (uint64_t i = 1; i < 50; i++, t += INTERVAL) {
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		/* A path that suddenly takes longer: every answer is late at first. */
		probe_path_tick(&p, t + (i < 10 ? 1 : 80) * MS);
		probe_path_answer(&p, n, 0, t + (i < 10 ? 1 : 80) * MS, &ours);
		cr_assert(ours);
		cr_assert_eq(p.state, STEER_PATH_UP, "probe %llu", (unsigned long long)i);
	}
	cr_assert(p.rtt > 70 * MS && p.rtt <= 80 * MS);
}

/* A round trip of many intervals is no silence: the path comes up and stays, loses nothing, and is
 * still left three intervals and a round trip after it fails. */
Test(probe, a_round_trip_longer_than_the_interval)
{
	const usec_t rtts[] = { 25 * MS, 35 * MS, 160 * MS, 700 * MS, 2400 * MS };
	const struct probe_config cfg = { .interval = 10 * MS, .down_after = 3, .up_after = 2 };

	for (size_t i = 0; i < sizeof(rtts) / sizeof(*rtts); i++) {
		const usec_t start = 1000 * MS, cut = start + 10 * rtts[i] + 5 * MS;
		static uint8_t nonces[4096][8];
		usec_t sent[4096], down = 0;
		unsigned n = 0, back = 0, changes = 0;
		struct probe_pending ring[PROBE_PENDING];
		struct probe_path p;
		bool ours;

		probe_path_init(&p, &cfg, ring, probe_pending_for(cfg.interval), start);
		for (usec_t t = start; !down && t < cut + 8 * rtts[i]; t += MS) {
			for (; back < n && t < cut && sent[back] + rtts[i] <= t; back++) {
				changes += probe_path_answer(&p, nonces[back], 0, t, &ours);
				cr_assert(ours, "RTT %llu: answer %u", (unsigned long long)rtts[i],
					  back);
			}
			if (probe_path_deadline(&p) > t)
				continue;
			if (probe_path_tick(&p, t)) {
				changes++;
				if (t > cut)
					down = t;
			}
			if (!probe_path_due(&p, t))
				continue;
			if (t < cut)
				cr_assert_eq(probe_path_loss_permille(&p), 0);
			sent[n] = t;
			memset(nonces[n], 0x5a, 8);
			probe_path_sent(&p, nonces[n++], t);
		}
		/* The longest ones are not waited for at first. */
		cr_assert_eq(changes, rtts[i] < 1000 * MS ? 2 : 3);
		cr_assert_eq(p.state, STEER_PATH_DOWN);
		cr_assert_leq(down - cut, 3 * cfg.interval + rtts[i] + MS, "RTT %llu: %llu",
			      (unsigned long long)rtts[i], (unsigned long long)(down - cut));
	}
}

/* Some seconds of requests, more of them where they are closer. */
Test(probe, what_is_remembered)
{
	cr_assert_eq(probe_pending_for(MS), PROBE_PENDING);
	cr_assert_eq(probe_pending_for(10 * MS), PROBE_PENDING);
	cr_assert_eq(probe_pending_for(100 * MS), 64);
	cr_assert_eq(probe_pending_for(10000 * MS), PROBE_PENDING_MIN);
}

/* The interval becomes shorter while requests are under way: they are still answered, those too old
 * for the ring are nobody's, and none takes another's place. */
Test(probe, another_ring)
{
	const struct probe_config cfg = { .interval = INTERVAL, .down_after = 200, .up_after = 2 };
	struct probe_pending small[PROBE_PENDING_MIN], large[PROBE_PENDING];
	uint8_t nonces[400][8];
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	memset(large, 0, sizeof(large));
	probe_path_init(&p, &cfg, small, PROBE_PENDING_MIN, t);
	for (unsigned i = 0; i < 300; i++, t += INTERVAL) {
		memset(nonces[i], 0x5a, 8);
		probe_path_sent(&p, nonces[i], t);
	}
	probe_path_answer(&p, nonces[299 - PROBE_PENDING_MIN], 0, t, &ours);
	cr_assert_not(ours, "forgotten");
	probe_path_answer(&p, nonces[290], 0, t, &ours);
	cr_assert(ours);
	probe_path_ring(&p, large, PROBE_PENDING);
	probe_path_answer(&p, nonces[290], 0, t, &ours);
	cr_assert_not(ours, "answered twice");
	probe_path_answer(&p, (const uint8_t[8]){ 200 }, 0, t, &ours);
	cr_assert_not(ours, "made up, for one that was forgotten");
	probe_path_answer(&p, nonces[291], 0, t, &ours);
	cr_assert(ours, "under way when the ring became larger");
	for (unsigned i = 300; i < 400; i++, t += INTERVAL) {
		memset(nonces[i], 0x5a, 8);
		probe_path_sent(&p, nonces[i], t);
	}
	probe_path_answer(&p, nonces[300], 0, t, &ours);
	cr_assert(ours, "remembered for longer");
	cr_assert_eq(p.rx, 3);
}

/* ---- directions ---- */

struct link {
	struct probe_path p;
	struct probe_pending ring[PROBE_PENDING];
	usec_t now;
	uint64_t n;
	uint16_t count; /* the other side's */
};

static void link_init(struct link *l)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 100, .up_after = 2 };

	*l = (struct link){ .now = 1000 * MS };
	probe_path_init(&l->p, &cfg, l->ring, probe_pending_for(INTERVAL), l->now);
}

/* One request each; of 10 the first so many are lost. */
static void exchange(struct link *l, unsigned requests, unsigned lost_there, unsigned lost_back)
{
	for (unsigned i = 0; i < requests; i++, l->now += INTERVAL) {
		uint8_t nonce[8];
		bool ours;

		memcpy(nonce, &(uint64_t){ ++l->n }, 8);
		probe_path_tick(&l->p, l->now);
		probe_path_sent(&l->p, nonce, l->now);
		if (i % 10 < lost_there)
			continue;
		l->count = probe_count_next(l->count);
		if (i % 10 < lost_there + lost_back)
			continue;
		probe_path_answer(&l->p, nonce, l->count, l->now + RTT, &ours);
		cr_assert(ours);
	}
}

static void ways(const struct link *l, uint32_t there, uint32_t back, uint32_t slack)
{
	uint32_t t = 9999, b = 9999;

	cr_assert(probe_path_loss_ways(&l->p, &t, &b));
	cr_assert(t + slack >= there && t <= there + slack, "there %u, not %u", t, there);
	cr_assert(b + slack >= back && b <= back + slack, "back %u, not %u", b, back);
}

Test(probe, loss_of_each_direction)
{
	struct link l;
	uint32_t t, b;

	link_init(&l);
	exchange(&l, 5, 0, 0);
	cr_assert_not(probe_path_loss_ways(&l.p, &t, &b), "of five requests");
	exchange(&l, 100, 0, 0);
	ways(&l, 0, 0, 0);
	exchange(&l, 200, 3, 0);
	ways(&l, 300, 0, 30);
	cr_assert_gt(probe_path_loss_felt(&l.p), 270);
	exchange(&l, 200, 0, 2);
	ways(&l, 0, 200, 30);
	/* it does not concern what we send */
	cr_assert_eq(probe_path_loss_felt(&l.p), 0);
	cr_assert_gt(probe_path_loss_permille(&l.p), 170);
	exchange(&l, 200, 2, 5);
	ways(&l, 200, 625, 40);
	exchange(&l, 200, 0, 0);
	ways(&l, 0, 0, 0);
}

Test(probe, counts_wrap_and_begin_anew)
{
	struct link l;

	link_init(&l);
	l.count = UINT16_MAX - 50;
	exchange(&l, 120, 1, 0);
	cr_assert_lt(l.count, 1000);
	ways(&l, 100, 0, 20);
	/* the peer has forgotten us, or another one answers there */
	exchange(&l, 100, 0, 0);
	l.count = 7;
	exchange(&l, 30, 0, 0);
	ways(&l, 0, 0, 0);
	l.count = 20000;
	exchange(&l, 30, 0, 0);
	ways(&l, 0, 0, 0);
}

Test(probe, a_peer_that_does_not_count)
{
	struct link l;
	uint32_t t, b;
	bool ours;

	link_init(&l);
	for (unsigned i = 0; i < 100; i++, l.now += INTERVAL) {
		uint8_t nonce[8];

		memcpy(nonce, &(uint64_t){ ++l.n }, 8);
		probe_path_tick(&l.p, l.now);
		probe_path_sent(&l.p, nonce, l.now);
		if (i % 4)
			probe_path_answer(&l.p, nonce, 0, l.now + RTT, &ours);
	}
	cr_assert_not(probe_path_loss_ways(&l.p, &t, &b));
	cr_assert_gt(probe_path_loss_felt(&l.p), 200);
}

/* Requests overtake each other on the way there, answers on the way back: nothing is lost. */
Test(probe, out_of_order_is_no_loss)
{
	struct link l;
	uint8_t a[8], b[8];

	link_init(&l);
	exchange(&l, 60, 0, 0);
	for (unsigned i = 0; i < 200; i++, l.now += 2 * INTERVAL) {
		uint16_t first = probe_count_next(l.count);
		bool ours, there = i & 1;

		l.count = probe_count_next(first);
		memcpy(a, &(uint64_t){ ++l.n }, 8);
		probe_path_sent(&l.p, a, l.now);
		memcpy(b, &(uint64_t){ ++l.n }, 8);
		probe_path_sent(&l.p, b, l.now + MS);
		probe_path_answer(&l.p, b, there ? first : l.count, l.now + RTT, &ours);
		probe_path_answer(&l.p, a, there ? l.count : first, l.now + RTT + MS, &ours);
		ways(&l, 0, 0, 0);
	}
}

/* ---- use again after a failure ---- */

static void fail(struct world *w)
{
	struct probe_config cfg = {
		.interval = INTERVAL, .down_after = 3, .up_after = 2, .back_after = 20 * INTERVAL
	};

	world_init(w);
	w->p.cfg = cfg;
	cr_assert(run(w, w->now + INTERVAL));
	w->alive = false;
	cr_assert(run(w, w->now + 10 * INTERVAL));
	cr_assert_eq(w->p.state, STEER_PATH_DOWN);
	cr_assert_eq(w->p.back, 0);
}

Test(probe, used_again_after_the_hold)
{
	struct world w;
	usec_t back;

	fail(&w);
	w.alive = true;
	back = w.now;
	cr_assert_not(run(&w, back + 19 * INTERVAL));
	cr_assert_neq(w.p.back, 0);
	cr_assert(run(&w, back + 22 * INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert_eq(w.p.back, 0);
	cr_assert_eq(probe_path_loss_permille(&w.p), 0, "what was lost before is past");
	/* the hold is for those that failed */
	cr_assert_not(run(&w, w.now + 50 * INTERVAL));
}

Test(probe, silence_begins_the_hold_anew)
{
	struct world w;

	fail(&w);
	for (int flap = 0; flap < 10; flap++) {
		w.alive = true;
		cr_assert_not(run(&w, w.now + 15 * INTERVAL));
		w.alive = false;
		cr_assert_not(run(&w, w.now + 5 * INTERVAL));
		cr_assert_eq(w.p.state, STEER_PATH_DOWN);
		cr_assert_eq(w.p.back, 0);
	}
	w.alive = true;
	cr_assert(run(&w, w.now + 23 * INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
}

Test(probe, no_hold_when_nothing_else_works)
{
	struct world w;

	fail(&w);
	cr_assert_not(probe_path_need(&w.p, true, w.now), "it does not answer");
	w.alive = true;
	cr_assert(run(&w, w.now + 3 * INTERVAL));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	/* the other one fails during the hold */
	fail(&w);
	w.alive = true;
	cr_assert_not(run(&w, w.now + 10 * INTERVAL));
	cr_assert_not(probe_path_need(&w.p, false, w.now));
	cr_assert(probe_path_need(&w.p, true, w.now));
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert_not(probe_path_need(&w.p, true, w.now));
}

Test(probe, settings_have_defaults_whenever_they_come)
{
	const struct probe_config zero = { 0 };
	struct world w;

	world_init(&w);
	run(&w, w.now + INTERVAL);
	probe_path_config(&w.p, &zero);
	cr_assert_eq(w.p.state, STEER_PATH_UP);
	cr_assert_eq(w.p.cfg.down_after, 3);
	cr_assert_eq(w.p.cfg.up_after, 2);
	cr_assert_eq(w.p.cfg.interval, MS);
}
