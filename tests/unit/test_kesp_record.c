/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/alg.h"
#include "../../user/kesp/kesp_impl.h"

static struct sa_record r;

static struct engine_ts range(const char *first, const char *last, uint8_t protocol, uint16_t port)
{
	struct engine_ts t = { .protocol = protocol,
			       .port_first = port,
			       .port_last = port ? port : 65535 };

	addr_parse(first, &t.first);
	addr_parse(last, &t.last);
	return t;
}

static void setup(void)
{
	r = (struct sa_record){
		.version = RECORD_VERSION,
		.reqid = 4,
		.stage = SA_DEFERRED,
		.sa = { .id = 42, .family = 4, .key_len = 36, .name = "home/net" }
	};
	memset(r.sa.key_out, 7, 36);
	r.sa.n_ts_local = r.sa.n_ts_remote = 1;
	r.sa.ts_local[0] = range("10.1.0.0", "10.1.0.255", 0, 0);
	r.sa.ts_remote[0] = range("10.2.0.0", "10.2.0.255", 0, 0);
}

TestSuite(record, .init = setup);

static int reads(const struct sa_record *from, size_t len)
{
	struct sa_record to;

	return record_read((const uint8_t *)from, len, &to);
}

Test(record, comes_back_as_it_was)
{
	struct sa_record to;

	cr_assert_eq(record_read((const uint8_t *)&r, sizeof(r), &to), 0);
	cr_assert_eq(memcmp(&r, &to, sizeof(r)), 0);
}

Test(record, what_cannot_be_one_is_refused)
{
	struct sa_record bad;

	cr_assert_eq(reads(&r, sizeof(r) - 1), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.version++, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.stage = 0, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.stage = SA_RETIRED + 1, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.encap = 3, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.sa.id = 0, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.sa.n_ts_local = ENGINE_TS_MAX + 1, &bad), sizeof(r)),
		     -EINVAL);
	cr_assert_eq(reads((bad = r, bad.sa.family = 5, &bad), sizeof(r)), -EINVAL);
	cr_assert_eq(reads((bad = r, bad.sa.name[95] = 'x', &bad), sizeof(r)), -EINVAL);
}

Test(record, no_key_is_left_once_wiped)
{
	const uint8_t none[ENGINE_KEY_MAX] = { 0 };

	record_wipe_keys(&r);
	cr_assert_arr_eq(r.sa.key_out, none, ENGINE_KEY_MAX);
	cr_assert_eq(r.sa.id, 42);
}

Test(record, selectors_are_told_apart)
{
	struct engine_sa o = r.sa;

	o.id++;
	cr_assert(record_same_selectors(&r.sa, &o));
	cr_assert_eq(record_selectors_key(&r.sa), record_selectors_key(&o));
	o.family = 6;
	cr_assert_not(record_same_selectors(&r.sa, &o));
	o = r.sa;
	o.ts_remote[0].port_last = 80;
	cr_assert_not(record_same_selectors(&r.sa, &o));
	o = r.sa;
	o.n_ts_local = 2;
	cr_assert_not(record_same_selectors(&r.sa, &o));
}

Test(record, selectors_of_the_kernel)
{
	struct xfrm_sel sel[RECORD_SELECTORS_MAX];

	cr_assert_eq(record_selectors(&r.sa, sel), 1);
	cr_assert_eq(sel[0].src_len, 24);
	cr_assert_eq(sel[0].dst_len, 24);
	cr_assert_eq(sel[0].dst.b[1], 2);
	cr_assert_eq(sel[0].protocol, 0);
	/* a protocol that only one end names is meant by both */
	r.sa.ts_remote[0] = range("10.2.0.0", "10.2.0.255", 6, 80);
	cr_assert_eq(record_selectors(&r.sa, sel), 1);
	cr_assert_eq(sel[0].protocol, 6);
	cr_assert_eq(sel[0].dport, 80);
	cr_assert_eq(sel[0].sport_mask, 0);
	/* each with each of the same family */
	r.sa.n_ts_remote = 2;
	r.sa.ts_remote[1] = range("2001:db8::", "2001:db8::ff", 0, 0);
	cr_assert_eq(record_selectors(&r.sa, sel), 1);
	r.sa.n_ts_local = 2;
	r.sa.ts_local[1] = range("2001:db8:1::", "2001:db8:1::2", 0, 0);
	cr_assert_eq(record_selectors(&r.sa, sel), 1 + 2);
	cr_assert_eq(sel[1].src_len, 127);
	cr_assert_eq(sel[2].src_len, 128);
	/* and other protocols at both ends go with each other in nothing */
	r.sa.n_ts_local = r.sa.n_ts_remote = 1;
	r.sa.ts_local[0].protocol = 17;
	cr_assert_eq(record_selectors(&r.sa, sel), -EINVAL);
}

Test(record, too_many_selectors)
{
	struct xfrm_sel sel[RECORD_SELECTORS_MAX];

	r.sa.n_ts_local = r.sa.n_ts_remote = ENGINE_TS_MAX;
	for (unsigned i = 0; i < ENGINE_TS_MAX; i++) {
		r.sa.ts_local[i] = range("10.1.0.0", "10.1.0.0", 0, 0);
		r.sa.ts_local[i].first.b[3] = r.sa.ts_local[i].last.b[3] = (uint8_t)(2 * i);
		r.sa.ts_remote[i] = r.sa.ts_local[i];
	}
	cr_assert_eq(record_selectors(&r.sa, sel), RECORD_SELECTORS_MAX);
	r.sa.ts_remote[3].last.b[3]++;
	r.sa.ts_remote[3].first.b[3]--;
	cr_assert_eq(record_selectors(&r.sa, sel), -E2BIG);
}

/* RFC 4303 2: header, IV, what is padded to a multiple of 4 or of the block, two octets, ICV. */
Test(record, room_for_inner_packets)
{
	struct engine_sa *sa = &r.sa;

	sa->encr_id = ENCR_AES_GCM_16;
	sa->key_bits = 128;
	cr_assert_eq(room_inner(sa, false), UINT32_MAX); /* not known */
	sa->room = 1480;
	cr_assert_eq(room_inner(sa, false), 1480 - 8 - 8 - 16 - 2);
	cr_assert_eq(room_inner(sa, true), 1480 - 8 - 8 - 8 - 16 - 2);
	sa->room = 1481;
	cr_assert_eq(room_inner(sa, false), 1480 - 8 - 8 - 16 - 2);
	sa->encr_id = ENCR_AES_CBC;
	sa->integ_id = INTEG_HMAC_SHA2_256_128;
	cr_assert_eq(room_inner(sa, false), (1481 - 8 - 16 - 16) / 16 * 16 - 2);
}
