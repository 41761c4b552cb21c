/* SPDX-License-Identifier: GPL-2.0-only */
/* Bonded packets as peers with keys may send them: numbers, runs, ways and patience as they like,
 * of many SAs, and the thread that puts them in order. The input is steps of 13 octets:
 *
 *	kind | SA | from, 128: too long | milliseconds that pass before | packets, less one |
 *	what follows the inner packet (8)
 *
 * Kinds: 0 packets, one number after the other; 1 the same, and what follows is as it is, without
 * the magic put there; 2 time passes and what has waited too long is delivered; 3 the SA is gone.
 * Whatever comes: each packet is delivered once or was there twice, no place is used before what
 * was in it is written, nothing waits longer than can be asked for, and all is accounted for.
 */
#include <stdlib.h>
#include <string.h>

#include "esp/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 5 + BOND_TRAILER, SAS = 256, PACKETS_MAX = 30000 };
enum kind { PACKETS, RAW, TIME, GONE };

static struct streams all;
static struct stream *stream[SAS];
static bool gone[SAS], began[SAS];
static uint32_t place[STREAMS_PLACES], hand, n_packets;
static bool unwritten[STREAMS_PLACES], too_long;
static uint8_t state[PACKETS_MAX]; /* times it was delivered */
static usec_t now, since[PACKETS_MAX];
static uint32_t delivered, twice;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool keep(void *ctx, uint32_t i)
{
	(void)ctx;
	must(i < STREAMS_PLACES && !unwritten[i]);
	place[i] = hand;
	return !too_long;
}

static void deliver(void *ctx, uint32_t i)
{
	uint32_t p = i == REORDER_IN_HAND ? hand : place[i];

	(void)ctx;
	if (i != REORDER_IN_HAND) {
		must(i < STREAMS_PLACES && !unwritten[i]);
		unwritten[i] = true;
	}
	must(p < n_packets && !state[p]++);
	delivered++;
}

static void write_out(void *ctx)
{
	(void)ctx;
	memset(unwritten, 0, sizeof(unwritten));
	streams_written(&all);
}

static bool there(void *ctx, const struct stream *st)
{
	(void)ctx;
	return !gone[st->sa_id] && stream[st->sa_id] == st;
}

static void ended(void *ctx, struct stream *st)
{
	(void)ctx;
	must(stream[st->sa_id] == st);
	stream[st->sa_id] = NULL;
}

static const struct streams_ops ops = { keep, deliver, write_out, there, ended };

/* An SA of an odd number replaces the one before it; four are a peer's. */
static struct stream *stream_of(uint8_t sa, uint32_t number)
{
	uint32_t before = sa & 1 && !began[sa] ? sa - 1u : 0;

	if (stream[sa])
		return stream[sa];
	stream[sa] = streams_begin(&all, sa / 4, sa, before, now);
	if (stream[sa] && began[sa])
		reorder_begin_at(&stream[sa]->r, number);
	began[sa] = true;
	return stream[sa];
}

/* From a copy of no more octets than there are. */
static bool read_place(const uint8_t *tail, bool raw, struct bond_place *place)
{
	size_t len = raw ? tail[0] % (BOND_TRAILER + 1) : BOND_TRAILER;
	uint8_t *copy = malloc(len ? len : 1), again[BOND_TRAILER];
	bool ok;

	must(copy);
	memcpy(copy, tail, len);
	if (!raw)
		memcpy(copy, "\xb0\x4d", 2);
	ok = bond_trailer_get(copy, len, place);
	if (ok) {
		bond_trailer_put(again, place);
		must(!memcmp(again, copy, BOND_TRAILER));
	}
	free(copy);
	return ok;
}

static void put(uint8_t sa, uint64_t from, const struct bond_place *p)
{
	struct stream *st = stream_of(sa, p->number);

	if (!st || n_packets == PACKETS_MAX)
		return;
	hand = n_packets++;
	since[hand] = now;
	if (!streams_put(&all, st, p, from, now)) {
		must(!state[hand]++);
		twice++;
	}
}

static void packets(const uint8_t *step, bool raw)
{
	struct bond_place p;

	if (gone[step[1]] || !read_place(step + 5, raw, &p))
		return;
	too_long = step[2] & 0x80;
	for (int i = step[4]; i >= 0; i--) {
		put(step[1], 1 + step[2] % 16, &p);
		p.number++;
		p.run += p.run < UINT8_MAX;
	}
}

static void time_passes(void)
{
	streams_run(&all, now);
	must(streams_deadline(&all) > now);
	write_out(NULL);
}

static void check(void)
{
	uint32_t waiting = 0, places = 0, streams = 0;

	for (unsigned i = 0; i < all.n; i++) {
		waiting += all.stream[i]->r.waiting;
		must(all.holder[all.stream[i]->holder].peer == all.stream[i]->sa_id / 4);
	}
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		places += all.holder[i].places;
		streams += all.holder[i].streams;
	}
	must(waiting == places && streams == all.n);
	must(all.n_free + all.n_done + places == STREAMS_PLACES);
	must(delivered + twice + waiting == n_packets);
}

/* Nothing is left when the longest patience is over; nor when all SAs are gone. */
static void finish(bool by_time)
{
	if (by_time) {
		now += BOND_PATIENCE_MOST_USEC;
		streams_run(&all, now);
	} else {
		memset(gone, true, sizeof(gone));
		streams_sweep(&all);
		must(all.n == 0);
	}
	must(delivered + twice == n_packets);
	must(streams_deadline(&all) == USEC_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	must(!streams_init(&all, &ops, NULL));
	memset(stream, 0, sizeof(stream));
	memset(gone, 0, sizeof(gone));
	memset(began, 0, sizeof(began));
	memset(unwritten, 0, sizeof(unwritten));
	memset(state, 0, n_packets);
	n_packets = delivered = twice = 0;
	now = USEC_PER_SEC;
	for (size_t at = 0; at + STEP <= size; at += STEP) {
		const uint8_t *step = data + at;

		now += step[3] * USEC_PER_MSEC;
		switch ((enum kind)(step[0] & 3)) {
		case PACKETS:
			packets(step, false);
			break;
		case RAW:
			packets(step, true);
			break;
		case TIME:
			time_passes();
			break;
		case GONE:
			gone[step[1]] = true;
			streams_sweep(&all);
			stream[step[1]] = NULL;
			break;
		}
		check();
	}
	finish(size & 1);
	streams_clear(&all);
	return 0;
}
