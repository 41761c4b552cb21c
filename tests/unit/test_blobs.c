/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp/blobs.h"

static struct blob_parts p;
static uint8_t data[3 * ENGINE_BLOB_MAX + 7];
static unsigned sent;
static unsigned stop_after;

static int carry(void *ctx, struct engine_blob *m, size_t len)
{
	int r = blob_parts_add(&p, m, len);

	cr_assert_leq(len, sizeof(*m) + ENGINE_BLOB_MAX);
	cr_assert_eq(r, m->more ? -EAGAIN : 0);
	*(int *)ctx = r;
	return ++sent == stop_after ? -EPIPE : 0;
}

static void setup(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
}

TestSuite(blobs, .init = setup);

Test(blobs, of_every_length)
{
	static const size_t lens[] = {
		0, 1, ENGINE_BLOB_MAX - 1, ENGINE_BLOB_MAX, ENGINE_BLOB_MAX + 1, sizeof(data)
	};
	static const unsigned parts[] = { 1, 1, 1, 1, 2, 4 };

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int last = -1;

		sent = 0;
		cr_assert_eq(blob_send(17, data, lens[i], carry, &last), 0);
		cr_assert_eq(last, 0);
		cr_assert_eq(sent, parts[i], "%u parts", sent);
		cr_assert_eq(p.key, 17);
		cr_assert_eq(p.len, lens[i]);
		cr_assert_eq(p.have, lens[i]);
		cr_assert(!memcmp(p.data, data, lens[i]));
		blob_parts_clear(&p);
		cr_assert_null(p.data);
	}
}

/* The sender died after the first part; the next one begins anew, and is whole. */
Test(blobs, interrupted)
{
	int last = -1;

	stop_after = 1;
	cr_assert_eq(blob_send(17, data, sizeof(data), carry, &last), -EPIPE);
	cr_assert_eq(last, -EAGAIN);
	blob_parts_clear(&p);
	stop_after = 0;
	cr_assert_eq(blob_send(17, data + 1, sizeof(data) - 1, carry, &last), 0);
	cr_assert(!memcmp(p.data, data + 1, sizeof(data) - 1));
	blob_parts_clear(&p);
}

/* Parts that are none of what has come. */
Test(blobs, of_another)
{
	static const struct {
		uint64_t key;
		uint32_t len, more;
		size_t extra;
	} wrong[] = {
		{ 18, 10, 90, 10 },
		{ 17, 10, 91, 10 },
		{ 17, 10, 89, 10 },
		{ 17, 0, 100, 0 },
		{ 17, 10, 90, 9 },
		{ 17, ENGINE_BLOB_MAX + 1, 0, ENGINE_BLOB_MAX + 1 },
		{ 17, 101, UINT32_MAX - 0, 101 },
	};
	static uint64_t buf[(sizeof(struct engine_blob) + sizeof(data)) / 8 + 1];
	struct engine_blob *m = (void *)buf;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		*m = (struct engine_blob){ .key = 17, .len = 10, .more = 100 };
		cr_assert_eq(blob_parts_add(&p, m, sizeof(*m) + 10), -EAGAIN);
		*m = (struct engine_blob){ .key = wrong[i].key,
					   .len = wrong[i].len,
					   .more = wrong[i].more };
		cr_assert_eq(blob_parts_add(&p, m, sizeof(*m) + wrong[i].extra), -EINVAL, "%u", i);
		cr_assert_null(p.data, "dropped");
	}
	/* nor one beyond the bound */
	*m = (struct engine_blob){ .key = 17, .len = 10, .more = BLOB_OCTETS_MAX };
	cr_assert_eq(blob_parts_add(&p, m, sizeof(*m) + 10), -EINVAL);
}
