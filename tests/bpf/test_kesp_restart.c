/* SPDX-License-Identifier: GPL-2.0-only */
/* What outlives the agent, and what is left when all is to end. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/alg.h"
#include "esp/blobs.h"
#include "kesp_pair.h"

TestSuite(kesp_restart, .init = pair_setup, .fini = pair_teardown);

struct listed {
	unsigned sas, blobs;
	struct engine_sa_info sa[8];
	uint64_t key[8];
	struct blob_parts coming;
	size_t octets;
};

static void on_listed(void *ctx, struct engine_hdr *h, size_t len)
{
	struct engine_blob *b = (void *)h;
	struct listed *l = ctx;

	if (h->type == ENGINE_SA_INFO)
		l->sa[l->sas++ % 8] = *(struct engine_sa_info *)h;
	if (h->type == ENGINE_BLOB && !blob_parts_add(&l->coming, b, len)) {
		l->key[l->blobs++ % 8] = b->key;
		for (size_t i = 0; i < l->coming.len; i++)
			cr_assert_eq(l->coming.data[i], (uint8_t)(b->key + i));
		l->octets += l->coming.len;
		blob_parts_clear(&l->coming);
	}
}

static struct listed list(struct end *e)
{
	struct engine_hdr h;
	struct listed l = { 0 };

	cr_assert_eq(request(e, &h, ENGINE_LIST, sizeof(h), on_listed, &l), 0);
	return l;
}

static int blob_part(void *ctx, struct engine_blob *m, size_t len)
{
	return request(ctx, m, ENGINE_BLOB_PUT, len, NULL, NULL);
}

static void blob(struct end *e, uint64_t key, size_t len)
{
	uint8_t *data = malloc(len);

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(key + i);
	cr_assert_eq(blob_send(key, data, len, blob_part, e), 0);
	free(data);
}

static void restart(struct end *e)
{
	kesp_close(e->k);
	e->k = NULL;
	open_end(e);
}

Test(kesp_restart, a_restart_takes_all_over_and_traffic_goes_on)
{
	struct listed l;
	uint32_t n = 0, got, seen = 0;

	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	add(&west, 2, 1, ENGINE_SA_DEFER_OUT);
	blob(&west, 7, 100);
	blob(&west, 3, 3 * ENGINE_BLOB_MAX);
	blob(&west, 9, 5);
	blob(&west, 7, 50); /* in place of the first, and now the last */
	for (; n < 10; n++)
		send_one(&west, n);
	kesp_close(west.k);
	west.k = NULL;
	for (; n < 20; n++)
		send_one(&west, n);
	open_end(&west);
	for (; n < 30; n++)
		send_one(&west, n);
	for (uint32_t i = 0; i < n; i++) {
		wait_for(recv_one(&east, &got));
		cr_assert_lt(got, n);
		seen |= 1u << got;
	}
	cr_assert_eq(seen, (1u << n) - 1, "%x",
		     seen); /* two processors may put them in another order */
	l = list(&west);
	cr_assert_eq(l.sas, 2);
	cr_assert_eq(l.sa[0].id, 1);
	cr_assert_str_eq(l.sa[0].name, "home/net-1");
	cr_assert_eq(l.sa[0].spi_in, sa_of(&west, 1, 0, 0).spi_in);
	cr_assert_eq(l.sa[0].out_packets, 30);
	cr_assert_eq(l.sa[0].out_active, 1);
	cr_assert_eq(l.sa[1].replaces, 1);
	cr_assert_eq(l.sa[1].out_active, 0);
	cr_assert_eq(l.blobs, 3);
	cr_assert_eq(l.key[0], 3);
	cr_assert_eq(l.key[1], 9);
	cr_assert_eq(l.key[2], 7);
	cr_assert_eq(l.octets, 3 * ENGINE_BLOB_MAX + 5 + 50);
	/* the rekey that was under way ends as it would have */
	cr_assert_eq(add(&east, 2, 1, 0), 0);
	carries(&east, &west);
	wait_for(info(&west, 2).out_active);
	carries(&west, &east);
	cr_assert_eq(info(&west, 2).out_packets, 1);
	/* and nobody has keys in memory or files that are not needed: a second start is the same */
	restart(&west);
	carries(&west, &east);
	cr_assert_eq(list(&west).sas, 2);
}

Test(kesp_restart, what_has_no_record_or_no_state_goes)
{
	struct xfrm_sa stray = { .spi = 0x7777,
				 .reqid = 99,
				 .if_id = if_id(),
				 .flags = XFRM_F_ESN,
				 .encr_id = ENCR_AES_GCM_16,
				 .key_bits = 128,
				 .key_len = KEY,
				 .replay_window = 64 };
	struct xfrm_policy pol = { .dir = XFRM_OUT, .if_id = if_id(), .priority = 5, .reqid = 99 };
	uint8_t key[KEY] = { 1 };
	struct engine_sa sa = sa_of(&west, 1, 0, 0);
	struct xfrm_sa_info i;
	char cmd[512];

	stray.key = key;
	addr_parse("10.9.0.2", &stray.src);
	addr_parse("10.9.0.1", &stray.dst);
	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	add(&west, 2, 0, 0);
	add(&west, 3, 0, 0);
	add(&west, 4, 0, 0);
	blob(&west, 7, 100);
	blob(&west, 8, 100);
	kesp_close(west.k);
	west.k = NULL;
	cr_assert_eq(xfrm_sa_add(west.x, &stray), 0);
	stray.if_id++; /* somebody else's */
	stray.spi++;
	cr_assert_eq(xfrm_sa_add(west.x, &stray), 0);
	pol.src = stray.dst;
	pol.dst = stray.src;
	addr_parse("10.7.0.0", &pol.sel.src);
	addr_parse("10.8.0.0", &pol.sel.dst);
	pol.sel.src_len = pol.sel.dst_len = 16;
	cr_assert_eq(xfrm_policy_put(west.x, &pol), 0);
	/* SA 2: damaged, 3: cut, 4: not in the kernel; an image of another uptime */
	snprintf(cmd, sizeof(cmd),
		 "cd %s/images && printf x | dd of=sa-00000002 bs=1 seek=99 conv=notrunc "
		 "status=none && truncate -s 300 sa-00000003 && cp ike-0000000000000007 "
		 "ike-0000000000000009 && : >rubbish",
		 west.state);
	sh(cmd);
	sa = sa_of(&west, 4, 0, 0);
	cr_assert_eq(xfrm_sa_del(west.x, &stray.dst, sa.spi_in), 0);
	open_end(&west);
	cr_assert_eq(states(&west), 2);
	cr_assert_eq(policies(&west), 3);
	cr_assert_eq(files(&west, "sa-"), 1);
	cr_assert_eq(list(&west).blobs, 2);
	cr_assert_eq(files(&west, "ike-"), 2);
	cr_assert_eq(xfrm_sa_get(west.x, &stray.dst, stray.spi, &i), 0);
	carries(&west, &east);
	carries(&east, &west);
}

Test(kesp_restart, another_uptime_s_files_are_nothing)
{
	char pin[128];

	add(&west, 1, 0, 0);
	blob(&west, 7, 100);
	kesp_close(west.k);
	west.k = NULL;
	snprintf(pin, sizeof(pin), "%s/image_key", west.pins);
	cr_assert_eq(unlink(pin), 0);
	open_end(&west);
	cr_assert_eq(list(&west).sas, 0);
	cr_assert_eq(list(&west).blobs, 0);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(policies(&west), 0);
	cr_assert_eq(files(&west, ""), 0);
}

static bool has(const char *fmt, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), fmt, name);
	return access(path, F_OK) == 0;
}

Test(kesp_restart, shutdown_leaves_nothing)
{
	struct engine_hdr h;

	add(&west, 1, 0, 0);
	add(&west, 2, 1, ENGINE_SA_DEFER_OUT);
	blob(&west, 7, 100);
	cr_assert(has("%s/image_key", west.pins));
	enter(&west);
	cr_assert_eq(request(&west, &h, ENGINE_SHUTDOWN, sizeof(h), NULL, NULL), 0);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(policies(&west), 0);
	cr_assert_not(has("%s/image_key", west.pins));
	cr_assert_not(has("%s/images", west.state));
	sh("! ip link show tunk0 2>/dev/null");
}

Test(kesp_restart, flush_without_an_agent)
{
	add(&west, 1, 0, 0);
	kesp_close(west.k);
	west.k = NULL;
	enter(&west);
	cr_assert_eq(kesp_flush(west.state, west.pins, "tunk0"), 0);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(policies(&west), 0);
	cr_assert_not(has("%s/image_key", west.pins));
	cr_assert_not(has("%s/images", west.state));
	cr_assert_eq(kesp_flush(west.state, west.pins, "tunk0"), 0);
}
