/* SPDX-License-Identifier: GPL-2.0-only */
/* What a path is found to carry, by a queue that is simulated: time is a variable. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "steer/capacity.h"

enum { MSEC = 1000, SEC = 1000 * MSEC, STEP = MSEC, PROBES = 50 * MSEC, LOOKS = 250 * MSEC };
#define MBIT 1e6

/* A bottleneck with a queue, and those who send over it. */
static struct {
	double rate;	     /* bit/s */
	usec_t base, buffer; /* round trip without a queue; what the queue holds */
	double constant;     /* bit/s that heed nothing */
	double flows;	     /* that heed loss */
	double window;	     /* octets under way of those who heed; 0: nobody */
	/* what comes of it */
	double queue, sent, lost; /* octets */
	double noise;		  /* usec that round trips differ by */
} net;
static struct capacity c;
static struct capacity_look look;
static usec_t now, backed_off;
static uint32_t seed;

static void begin(void)
{
	c = (struct capacity){ 0 };
	look = (struct capacity_look){ 0 };
	now = 1000 * SEC;
	backed_off = 0;
	seed = 1;
	memset(&net, 0, sizeof(net));
	net.flows = 10;
	net.rate = 20 * MBIT;
	net.base = 20 * MSEC;
	net.buffer = 100 * MSEC;
}

TestSuite(capacity, .init = begin);

static double random_part(void)
{
	seed = seed * 1664525 + 1013904223;
	return (double)(seed >> 8) / (1 << 24);
}

static usec_t rtt(void)
{
	return net.base + (usec_t)(net.queue * 8 / net.rate * SEC + random_part() * net.noise);
}

/* A millisecond: windows grow by a segment each round trip, and are cut when something is lost. */
static void step(void)
{
	double room = net.rate * (double)net.buffer / 8 / SEC, in = net.constant / 8 / 1000;

	if (net.window > 0) {
		in += net.window / ((double)rtt() / STEP);
		net.window += net.flows * 1400.0 * STEP / (double)rtt();
	}
	net.sent += in;
	net.queue += in - net.rate / 8 / 1000;
	if (net.queue < 0)
		net.queue = 0;
	if (net.queue > room) {
		net.lost += net.queue - room;
		net.queue = room;
		if (now - backed_off > rtt())
			net.window *= 0.7;
		if (now - backed_off > rtt())
			backed_off = now;
	}
	now += STEP;
}

static void pass(usec_t time)
{
	for (usec_t end = now + time; now < end;) {
		step();
		if (now % PROBES == 0) {
			look.measured = now;
			look.rtt_usec = (uint32_t)rtt();
		}
		look.tx_octets = (uint64_t)net.sent;
		if (now % LOOKS == 0)
			capacity_look(&c, &look, now);
	}
}

static void about(double bps, int percent)
{
	cr_assert(c.full_at, "it was never full");
	cr_assert((double)c.bps >= bps * (100 - percent) / 100 &&
			  (double)c.bps <= bps * (100 + percent) / 100,
		  "%.2f Mbit/s, not %.2f", (double)c.bps / MBIT, bps / MBIT);
}

Test(capacity, of_a_path_that_is_filled)
{
	static const struct {
		double mbit;
		usec_t base, buffer;
	} cases[] = {
		{ 20, 20 * MSEC, 100 * MSEC },	{ 5, 40 * MSEC, 100 * MSEC },
		{ 1, 60 * MSEC, 400 * MSEC },	{ 200, 5 * MSEC, 50 * MSEC },
		{ 50, 30 * MSEC, 1000 * MSEC }, { 20, 2 * MSEC, 50 * MSEC },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin();
		net.rate = cases[i].mbit * MBIT;
		net.base = cases[i].base;
		net.buffer = cases[i].buffer;
		pass(2 * SEC); /* nothing is sent at first */
		net.window = 10000;
		pass(40 * SEC);
		about(net.rate, 15);
	}
}

Test(capacity, is_followed_down_and_up)
{
	pass(2 * SEC);
	net.window = 10000;
	pass(20 * SEC);
	net.rate = 5 * MBIT;
	net.queue /= 4;
	pass(20 * SEC);
	about(5 * MBIT, 20);
	net.rate = 20 * MBIT;
	pass(30 * SEC);
	about(20 * MBIT, 20);
}

Test(capacity, a_path_that_is_not_full_carries_at_least_what_it_does)
{
	net.constant = 8 * MBIT;
	net.noise = 6 * MSEC;
	pass(30 * SEC);
	cr_assert_eq(c.full_at, 0);
	cr_assert(c.bps > 7.5 * MBIT && c.bps < 9 * MBIT, "%.2f", (double)c.bps / MBIT);
	net.constant = 1 * MBIT;
	pass(30 * SEC);
	cr_assert(c.bps > 7.5 * MBIT, "less demand is not less capacity: %.2f",
		  (double)c.bps / MBIT);
}

/* What was once less is tried again: otherwise a path would keep the few flows that it has. */
Test(capacity, a_path_that_got_better_is_found_out_without_filling_it)
{
	net.rate = 2 * MBIT;
	net.flows = 2;
	pass(2 * SEC);
	net.window = 10000;
	pass(20 * SEC);
	about(2 * MBIT, 20);
	net.window = 0;
	net.rate = 20 * MBIT;
	net.constant = 4 * MBIT;
	pass(10 * SEC);
	cr_assert(c.bps > 3.8 * MBIT, "%.2f", (double)c.bps / MBIT);
}

Test(capacity, loss_and_noise_are_no_queue)
{
	pass(2 * SEC);
	net.window = 10000;
	pass(20 * SEC);
	about(20 * MBIT, 15);
	net.window = 0;
	net.constant = 2 * MBIT;
	net.noise = 8 * MSEC;
	look.loss_permille = 100;
	pass(60 * SEC);
	about(20 * MBIT, 15);
}

/* Another route: longer, and steady. */
Test(capacity, a_way_that_gets_longer_is_no_queue)
{
	pass(2 * SEC);
	net.window = 10000;
	pass(20 * SEC);
	net.window = 0;
	net.constant = 2 * MBIT;
	pass(2 * SEC);
	net.base = 60 * MSEC;
	pass(120 * SEC);
	about(20 * MBIT, 20);
}

Test(capacity, what_idles_tells_nothing)
{
	net.constant = 40000; /* probes and keepalives */
	net.noise = 50 * MSEC;
	pass(60 * SEC);
	cr_assert_eq(c.full_at, 0);
	cr_assert_eq(c.bps, 0);
}

/* So many flows that the queue is always at its end: it does not come and go, but it loses. */
Test(capacity, a_queue_that_always_overflows)
{
	net.rate = 2 * MBIT;
	net.flows = 40;
	pass(2 * SEC);
	net.window = 10000;
	look.loss_permille = 30;
	pass(20 * SEC);
	cr_assert(c.full_at);
}

/* Datagrams that heed no loss: with probes that tell of it, no more than what comes through. */
Test(capacity, what_is_lost_is_not_carried)
{
	net.rate = 5 * MBIT;
	pass(2 * SEC);
	net.window = 10000;
	pass(20 * SEC);
	about(5 * MBIT, 20);
	net.constant = 20 * MBIT;
	look.loss_permille = 750;
	pass(30 * SEC);
	cr_assert(c.bps < 6.5 * MBIT, "%.2f", (double)c.bps / MBIT);
}

/* Probes each 30 seconds, or none. */
Test(capacity, without_probes_nothing_is_told)
{
	net.window = 10000;
	for (usec_t end = now + 20 * SEC; now < end;) {
		step();
		look.tx_octets = (uint64_t)net.sent;
		capacity_look(&c, &look, now);
	}
	cr_assert_eq(c.full_at, 0);
	cr_assert_eq(c.bps, 0);
}
