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
	b[4] = 3;
	cr_assert_eq(probe_decode(b, PROBE_LEN, &q), -EBADMSG);
}

struct world {
	struct probe_path p;
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
	probe_path_init(&w->p, &cfg, w->now);
}

/* Run until the state changes or the time is over. */
static bool run(struct world *w, usec_t until)
{
	for (; w->now < until; w->now += MS) {
		for (unsigned i = 0; i < w->n_back; i++) {
			bool ours;

			if (w->back[i].at != w->now)
				continue;
			if (probe_path_answer(&w->p, w->back[i].nonce, w->now, &ours))
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
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, t);
	for (uint64_t i = 1; i < 50; i++, t += INTERVAL) {
		usec_t rtt = i % 8 ? MS / 10 : 5 * MS;
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		for (usec_t at = t; at < t + rtt; at += MS / 10)
			probe_path_tick(&p, at);
		probe_path_answer(&p, n, t + rtt, &ours);
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
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, t);
	for (uint64_t i = 1; i < 40; i++, t += INTERVAL) {
		bool answer = i == 1 || (i > 8 && i % 2) || i >= 30;
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		if (answer)
			probe_path_answer(&p, n, t + RTT, &ours);
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
	cr_assert_not(probe_path_answer(&w.p, nonce, w.now, &ours));
	cr_assert_not(ours);
	cr_assert_not(w.p.verified);
	probe_path_sent(&w.p, nonce, w.now);
	cr_assert(probe_path_answer(&w.p, nonce, w.now + RTT, &ours));
	cr_assert(ours);
	probe_path_answer(&w.p, nonce, w.now + RTT, &ours);
	cr_assert_not(ours);
	cr_assert_eq(w.p.rx, 1);
}

Test(probe, late_answers_keep_it_up)
{
	struct probe_config cfg = { .interval = INTERVAL, .down_after = 3, .up_after = 2 };
	struct probe_path p;
	usec_t t = 1000 * MS;
	bool ours;

	probe_path_init(&p, &cfg, t);
	for (uint64_t i = 1; i < 50; i++, t += INTERVAL) {
		uint8_t n[8];

		memcpy(n, &i, 8);
		probe_path_tick(&p, t);
		probe_path_sent(&p, n, t);
		/* A path that suddenly takes longer: every answer is late at first. */
		probe_path_tick(&p, t + (i < 10 ? 1 : 80) * MS);
		probe_path_answer(&p, n, t + (i < 10 ? 1 : 80) * MS, &ours);
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
		struct probe_path p;
		bool ours;

		probe_path_init(&p, &cfg, start);
		for (usec_t t = start; !down && t < cut + 8 * rtts[i]; t += MS) {
			for (; back < n && t < cut && sent[back] + rtts[i] <= t; back++) {
				changes += probe_path_answer(&p, nonces[back], t, &ours);
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
