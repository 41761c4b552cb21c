/* SPDX-License-Identifier: GPL-2.0-only */
/* xfrm without a kernel: selectors, algorithms, and messages there and back, cut short or with
 * lengths that lie. What the kernel makes of them: tests/bpf/test_xfrm.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../../user/xfrm/xfrm_impl.h"
#include "crypto/alg.h"

static struct addr parse(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

/* ---- algorithms ---- */

Test(xfrm, algorithms_of_ikev2)
{
	static const struct {
		uint16_t encr, bits, integ;
		const char *encr_name, *integ_name;
		uint16_t key, integ_key, icv_bits;
	} want[] = {
		{ ENCR_AES_GCM_16, 128, 0, "rfc4106(gcm(aes))", NULL, 20, 0, 128 },
		{ ENCR_AES_GCM_16, 192, 0, "rfc4106(gcm(aes))", NULL, 28, 0, 128 },
		{ ENCR_AES_GCM_16, 256, 0, "rfc4106(gcm(aes))", NULL, 36, 0, 128 },
		{ ENCR_AES_GCM_12, 256, 0, "rfc4106(gcm(aes))", NULL, 36, 0, 96 },
		{ ENCR_AES_GCM_8, 128, 0, "rfc4106(gcm(aes))", NULL, 20, 0, 64 },
		{ ENCR_CHACHA20_POLY1305, 0, 0, "rfc7539esp(chacha20,poly1305)", NULL, 36, 0, 128 },
		{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, "cbc(aes)", "hmac(sha1)", 16, 20, 96 },
		{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, "cbc(aes)", "hmac(sha256)", 32, 32,
		  128 },
		{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, "cbc(aes)", "hmac(sha384)", 32, 48,
		  192 },
		{ ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_512_256, "cbc(aes)", "hmac(sha512)", 24, 64,
		  256 },
		{ ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, "ecb(cipher_null)", "hmac(sha256)", 0, 32,
		  128 },
	};
	struct xfrm_algorithm alg;

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		cr_assert_eq(xfrm_algorithm(want[i].encr, want[i].bits, want[i].integ, &alg), 0,
			     "%zu", i);
		cr_assert_str_eq(alg.encr, want[i].encr_name);
		if (want[i].integ_name)
			cr_assert_str_eq(alg.integ, want[i].integ_name);
		else
			cr_assert_null(alg.integ);
		cr_assert_eq(alg.aead, !want[i].integ);
		cr_assert_eq(alg.key_octets, want[i].key, "%zu", i);
		cr_assert_eq(alg.integ_octets, want[i].integ_key, "%zu", i);
		cr_assert_eq(alg.icv_bits, want[i].icv_bits, "%zu", i);
	}
}

Test(xfrm, algorithms_that_are_none)
{
	static const uint16_t none[][3] = {
		{ ENCR_AES_GCM_16, 0, 0 },
		{ ENCR_AES_GCM_16, 100, 0 },
		{ ENCR_AES_GCM_16, 128, INTEG_HMAC_SHA2_256_128 }, /* it has an ICV of its own */
		{ ENCR_AES_GCM_16, 128, 999 },
		{ ENCR_AES_CBC, 128, 0 }, /* without integrity */
		{ ENCR_AES_CBC, 128, 999 },
		{ ENCR_NONE, 0, INTEG_HMAC_SHA2_256_128 },
		{ 3, 0, INTEG_HMAC_SHA1_96 }, /* 3DES */
	};
	struct xfrm_algorithm alg;

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		cr_assert_eq(xfrm_algorithm(none[i][0], none[i][1], none[i][2], &alg), -ENOSYS,
			     "%zu", i);
}

/* ---- selectors ---- */

enum { SELS_MAX = 128 };
static struct xfrm_sel sels[SELS_MAX];

static struct xfrm_range range(const char *first, const char *last, uint8_t protocol,
			       uint16_t port_first, uint16_t port_last)
{
	return (struct xfrm_range){ parse(first), parse(last), protocol, port_first, port_last };
}

static int select_(struct xfrm_range src, struct xfrm_range dst)
{
	memset(sels, 0xff, sizeof(sels));
	return xfrm_selectors(&src, &dst, sels, SELS_MAX);
}

static void is_prefix(const struct addr *a, uint8_t len, const char *want)
{
	char text[ADDR_STR], both[ADDR_STR + 8];

	snprintf(both, sizeof(both), "%s/%u", addr_format(a, text), len);
	cr_assert_str_eq(both, want);
}

Test(xfrm, prefixes_are_one_selector)
{
	cr_assert_eq(select_(range("10.1.0.0", "10.1.255.255", 0, 0, 65535),
			     range("0.0.0.0", "255.255.255.255", 17, 0, 65535)),
		     1);
	is_prefix(&sels->src, sels->src_len, "10.1.0.0/16");
	is_prefix(&sels->dst, sels->dst_len, "0.0.0.0/0");
	cr_assert_eq(sels->protocol, 17);
	cr_assert_eq(sels->sport_mask, 0);
	cr_assert_eq(sels->dport_mask, 0);
	cr_assert_eq(select_(range("fd00::", "fd00::ffff", 0, 0, 65535),
			     range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 0, 65535)),
		     1);
	is_prefix(&sels->src, sels->src_len, "fd00::/112");
	is_prefix(&sels->dst, sels->dst_len, "::/0");
}

Test(xfrm, ranges_are_several)
{
	static const char *const want[] = { "10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31",
					    "10.0.0.6/32" };

	cr_assert_eq(select_(range("10.0.0.1", "10.0.0.6", 0, 0, 65535),
			     range("10.9.0.9", "10.9.0.10", 0, 0, 65535)),
		     8);
	for (int i = 0; i < 8; i++) {
		is_prefix(&sels[i].src, sels[i].src_len, want[i / 2]);
		is_prefix(&sels[i].dst, sels[i].dst_len, i % 2 ? "10.9.0.10/32" : "10.9.0.9/32");
	}
	/* the longest list there is */
	cr_assert_eq(select_(range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 0, 0, 65535),
			     range("::1", "::1", 0, 0, 65535)),
		     -E2BIG);
}

static bool port_in(const struct xfrm_sel *s, uint16_t port)
{
	return !((port ^ s->dport) & s->dport_mask);
}

Test(xfrm, each_port_of_a_range_is_in_one_selector)
{
	static const uint16_t ports[][2] = { { 80, 80 },       { 1024, 65535 }, { 1, 65534 },
					     { 0, 1023 },      { 5000, 5999 },	{ 0, 0 },
					     { 65535, 65535 }, { 32767, 32768 } };

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		int n = select_(range("10.0.0.1", "10.0.0.1", 6, 0, 65535),
				range("10.0.0.2", "10.0.0.2", 6, ports[i][0], ports[i][1]));

		cr_assert(n >= 1 && n <= 30, "%zu: %d", i, n);
		for (uint32_t port = 0; port <= 65535; port++) {
			int in = 0;

			for (int k = 0; k < n; k++)
				in += port_in(&sels[k], (uint16_t)port);
			cr_assert_eq(in, port >= ports[i][0] && port <= ports[i][1],
				     "%zu: %u in %d", i, port, in);
		}
		cr_assert_eq(sels->sport_mask, 0);
	}
}

Test(xfrm, ports_of_both_sides)
{
	cr_assert_eq(select_(range("10.0.0.1", "10.0.0.1", 17, 53, 53),
			     range("10.0.0.2", "10.0.0.2", 0, 4, 11)),
		     2);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(sels[i].protocol, 17);
		cr_assert_eq(sels[i].sport, 53);
		cr_assert_eq(sels[i].sport_mask, 0xffff);
		cr_assert_eq(sels[i].dport, i ? 8 : 4);
		cr_assert_eq(sels[i].dport_mask, 0xfffc);
	}
	/* OPAQUE: no ports in the packet, which the kernel sees as port 0 */
	cr_assert_eq(select_(range("10.0.0.1", "10.0.0.1", 17, 65535, 0),
			     range("10.0.0.2", "10.0.0.2", 17, 0, 65535)),
		     1);
	cr_assert_eq(sels->sport, 0);
	cr_assert_eq(sels->sport_mask, 0xffff);
}

Test(xfrm, type_and_code_of_icmp)
{
	struct xfrm_range any = range("10.0.0.1", "10.0.0.1", 1, 0, 65535),
			  echo = range("10.0.0.2", "10.0.0.2", 1, 0x0800, 0x0800),
			  unreachable = range("10.0.0.2", "10.0.0.2", 1, 0x0300, 0x03ff);

	cr_assert_eq(select_(any, echo), 1);
	cr_assert_eq(sels->sport, 8);
	cr_assert_eq(sels->sport_mask, 0xff);
	cr_assert_eq(sels->dport, 0);
	cr_assert_eq(sels->dport_mask, 0xff);
	cr_assert_eq(select_(unreachable, any), 1);
	cr_assert_eq(sels->sport, 3);
	cr_assert_eq(sels->sport_mask, 0xff);
	cr_assert_eq(sels->dport_mask, 0);
	cr_assert_eq(select_(any, any), 1);
	cr_assert_eq(sels->sport_mask, 0);
	cr_assert_eq(sels->dport_mask, 0);
	cr_assert_eq(select_(unreachable, echo), 0, "no packet is of both types");
	echo.port_first = 65535;
	echo.port_last = 0;
	cr_assert_eq(select_(any, echo), 0, "ICMP has a type always");
}

Test(xfrm, what_no_packet_can_be)
{
	struct xfrm_range v4 = range("10.0.0.1", "10.0.0.1", 6, 0, 65535),
			  udp = range("10.0.0.2", "10.0.0.2", 17, 0, 65535),
			  v6 = range("fd00::1", "fd00::1", 6, 0, 65535),
			  reversed = range("10.0.0.2", "10.0.0.1", 6, 0, 65535), none = { 0 };

	cr_assert_eq(select_(v4, udp), 0);
	cr_assert_eq(select_(v4, v6), 0);
	cr_assert_eq(select_(v4, reversed), -EINVAL);
	cr_assert_eq(select_(none, none), -EINVAL);
}

/* ---- states ---- */

static char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
static uint8_t key[XFRM_KEY_MAX], integ[XFRM_KEY_MAX];

static struct xfrm_sa example(void)
{
	for (int i = 0; i < XFRM_KEY_MAX; i++) {
		key[i] = (uint8_t)(i + 1);
		integ[i] = (uint8_t)(i + 101);
	}
	return (struct xfrm_sa){ .spi = 0x12345678,
				 .reqid = 77,
				 .if_id = 0x6272,
				 .src = parse("198.18.0.1"),
				 .dst = parse("198.18.0.2"),
				 .encr_id = ENCR_AES_GCM_16,
				 .key_bits = 256,
				 .key_len = 36,
				 .key = key,
				 .integ = integ };
}

static const struct nlattr *attr_of(const struct nlmsghdr *nlh, size_t header, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, header) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static const void *sa_attr(const struct nlmsghdr *nlh, uint16_t type, size_t octets)
{
	const struct nlattr *a = attr_of(nlh, sizeof(struct xfrm_usersa_info), type);

	cr_assert(a, "attribute %u is missing", type);
	cr_assert_eq(mnl_attr_get_payload_len(a), octets, "attribute %u", type);
	return mnl_attr_get_payload(a);
}

static bool has_sa_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	return attr_of(nlh, sizeof(struct xfrm_usersa_info), type) != NULL;
}

Test(xfrm, outbound_state_there_and_back)
{
	struct xfrm_sa sa = example();
	const struct xfrm_usersa_info *info;
	const struct xfrm_algo_aead *aead;
	struct xfrm_sa_info back;
	struct nlmsghdr *nlh;

	sa.flags = XFRM_F_OUT | XFRM_F_NO_DSCP_OUT | XFRM_F_DF_CLEAR;
	sa.mark = 0x123;
	sa.mark_mask = 0xfffff;
	sa.soft_octets = 1000;
	sa.hard_packets = 5;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	cr_assert_eq(nlh->nlmsg_type, XFRM_MSG_NEWSA);
	info = mnl_nlmsg_get_payload(nlh);
	cr_assert_eq(info->lft.soft_byte_limit, 1000);
	cr_assert_eq(info->lft.hard_byte_limit, XFRM_INF);
	cr_assert_eq(info->lft.soft_packet_limit, XFRM_INF);
	cr_assert_eq(info->lft.hard_packet_limit, 5);
	cr_assert_eq(info->mode, XFRM_MODE_TUNNEL);
	cr_assert(info->flags & XFRM_STATE_AF_UNSPEC, "a tunnel is for both families");
	cr_assert_eq(info->sel.family, 0);
	aead = sa_attr(nlh, XFRMA_ALG_AEAD, sizeof(*aead) + 36);
	cr_assert_eq(aead->alg_key_len, 288);
	cr_assert_eq(aead->alg_icv_len, 128);
	cr_assert_arr_eq(aead->alg_key, key, 36);
	cr_assert(!has_sa_attr(nlh, XFRMA_REPLAY_ESN_VAL), "what is sent is not checked");

	cr_assert_eq(xfrm_parse_sa(nlh, &back), 0);
	cr_assert_eq(back.spi, sa.spi);
	cr_assert_eq(back.reqid, sa.reqid);
	cr_assert_eq(back.if_id, sa.if_id);
	cr_assert_eq(back.flags, sa.flags);
	cr_assert_eq(back.mark, sa.mark);
	cr_assert_eq(back.mark_mask, sa.mark_mask);
	cr_assert(addr_equal(&back.src, &sa.src));
	cr_assert(addr_equal(&back.dst, &sa.dst));
}

Test(xfrm, inbound_state_with_a_window)
{
	struct xfrm_sa sa = example();
	const struct xfrm_replay_state_esn *w;
	struct xfrm_sa_info back;
	struct nlmsghdr *nlh;

	sa.src = parse("fd00::1");
	sa.dst = parse("fd00::2");
	sa.flags = XFRM_F_ESN | XFRM_F_BEET | XFRM_F_DSCP_IN;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -EINVAL, "of what family?");
	sa.inner_src = parse("10.0.0.1");
	sa.inner_dst = parse("10.0.0.2");
	sa.replay_window = 100000;
	sa.mark = sa.mark_mask = 0xff; /* means nothing here */
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	w = sa_attr(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(*w) + 128 * 4);
	cr_assert_eq(w->bmp_len, 128);
	cr_assert_eq(w->replay_window, 4096);
	cr_assert(!has_sa_attr(nlh, XFRMA_SET_MARK));
	cr_assert_eq(xfrm_parse_sa(nlh, &back), 0);
	cr_assert_eq(back.flags, sa.flags);
	cr_assert_eq(back.window, 4096);
	cr_assert(addr_equal(&back.dst, &sa.dst));

	/* without ESN as large, and none where none is wanted */
	sa.flags = 0;
	sa.replay_window = 65;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	w = sa_attr(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(*w) + 3 * 4);
	cr_assert_eq(w->replay_window, 65);
	sa.replay_window = 0;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	cr_assert(!has_sa_attr(nlh, XFRMA_REPLAY_ESN_VAL));
	sa.flags = XFRM_F_ESN;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	w = sa_attr(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(*w) + 4);
	cr_assert_eq(w->replay_window, XFRM_REPLAY_LEAST);
}

Test(xfrm, cipher_and_integrity)
{
	struct xfrm_sa sa = example();
	const struct xfrm_algo_auth *auth;
	const struct xfrm_algo *crypt;
	struct nlmsghdr *nlh;

	sa.encr_id = ENCR_AES_CBC;
	sa.key_len = 32;
	sa.integ_id = INTEG_HMAC_SHA2_512_256;
	sa.integ_len = 64;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	crypt = sa_attr(nlh, XFRMA_ALG_CRYPT, sizeof(*crypt) + 32);
	cr_assert_str_eq(crypt->alg_name, "cbc(aes)");
	cr_assert_eq(crypt->alg_key_len, 256);
	cr_assert_arr_eq(crypt->alg_key, key, 32);
	auth = sa_attr(nlh, XFRMA_ALG_AUTH_TRUNC, sizeof(*auth) + 64);
	cr_assert_str_eq(auth->alg_name, "hmac(sha512)");
	cr_assert_eq(auth->alg_key_len, 512);
	cr_assert_eq(auth->alg_trunc_len, 256);
	cr_assert_arr_eq(auth->alg_key, integ, 64);
	cr_assert(!has_sa_attr(nlh, XFRMA_ALG_AEAD));
}

Test(xfrm, what_is_no_state)
{
	struct xfrm_sa sa = example();
	struct nlmsghdr *nlh;

	sa.key_len = 32; /* no salt */
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -EINVAL);
	sa = example();
	sa.integ_len = 32;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -EINVAL);
	sa = example();
	sa.src = parse("fd00::1");
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -EINVAL);
	sa = example();
	sa.spi = 0;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -EINVAL);
	sa = example();
	sa.encr_id = 3;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), -ENOSYS);
}

Test(xfrm, numbers_of_a_state)
{
	struct xfrm_replay_state_esn esn = { .oseq = 7, .oseq_hi = 2, .replay_window = 4096 };
	const struct xfrm_replay_state old = { .seq = 41 };
	struct xfrm_usersa_info *info;
	struct xfrm_sa_info back;
	struct nlmsghdr *nlh = xfrm_message(buf, XFRM_MSG_NEWSA, 0, sizeof(*info), &info);

	info->family = AF_INET;
	info->curlft = (struct xfrm_lifetime_cur){
		.bytes = 1ull << 40, .packets = 3, .add_time = 5, .use_time = 6
	};
	info->stats = (struct xfrm_stats){ .replay_window = 1, .replay = 2, .integrity_failed = 3 };
	mnl_attr_put(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(esn), &esn);
	mnl_attr_put_u64(nlh, XFRMA_LASTUSED, 99);
	cr_assert_eq(xfrm_parse_sa(nlh, &back), 0);
	cr_assert_eq(back.octets, 1ull << 40);
	cr_assert_eq(back.packets, 3);
	cr_assert_eq(back.add_sec, 5);
	cr_assert_eq(back.use_sec, 6);
	cr_assert_eq(back.last_used_sec, 99);
	cr_assert_eq(back.seq, 2ull << 32 | 7);
	cr_assert_eq(back.left_behind, 1);
	cr_assert_eq(back.replayed, 2);
	cr_assert_eq(back.integrity_failed, 3);
	nlh = xfrm_message(buf, XFRM_MSG_NEWSA, 0, sizeof(*info), &info);
	info->family = AF_INET6;
	mnl_attr_put(nlh, XFRMA_REPLAY_VAL, sizeof(old), &old);
	cr_assert_eq(xfrm_parse_sa(nlh, &back), 0);
	cr_assert_eq(back.seq, 41);
	info->family = AF_UNIX;
	cr_assert_eq(xfrm_parse_sa(nlh, &back), -EBADMSG);
}

/* ---- policies ---- */

static struct xfrm_policy example_policy(void)
{
	return (struct xfrm_policy){
		.dir = XFRM_OUT,
		.sel = { .src = parse("10.1.0.0"),
			 .src_len = 16,
			 .dst = parse("10.2.0.0"),
			 .dst_len = 16,
			 .protocol = 6,
			 .sport = 80,
			 .sport_mask = 0xffff,
			 .dport = 1024,
			 .dport_mask = 0xfc00 },
		.if_id = 0x6272,
		.priority = 1000,
		.reqid = 77,
		.src = parse("fd00::1"), /* of the tunnel: another family than the packets */
		.dst = parse("fd00::2"),
	};
}

static void same_sel(const struct xfrm_sel *a, const struct xfrm_sel *b)
{
	cr_assert(addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst));
	cr_assert(a->src_len == b->src_len && a->dst_len == b->dst_len);
	cr_assert_eq(a->protocol, b->protocol);
	cr_assert(a->sport == b->sport && a->sport_mask == b->sport_mask);
	cr_assert(a->dport == b->dport && a->dport_mask == b->dport_mask);
}

Test(xfrm, policy_there_and_back)
{
	struct xfrm_policy p = example_policy(), back;
	const struct xfrm_userpolicy_info *info;
	const struct xfrm_user_tmpl *t;
	struct nlmsghdr *nlh;

	for (p.dir = XFRM_IN; p.dir <= XFRM_FWD; p.dir++) {
		cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), 0);
		cr_assert_eq(nlh->nlmsg_type, XFRM_MSG_UPDPOLICY);
		cr_assert_eq(xfrm_parse_policy(nlh, &back), 0);
		cr_assert_eq(back.dir, p.dir);
		same_sel(&back.sel, &p.sel);
		cr_assert_eq(back.if_id, p.if_id);
		cr_assert_eq(back.priority, p.priority);
		cr_assert_eq(back.reqid, p.reqid);
		cr_assert(!back.block && !back.beet);
		cr_assert(addr_equal(&back.src, &p.src) && addr_equal(&back.dst, &p.dst));
	}
	p.dir = XFRM_OUT;
	p.beet = true;
	cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), 0);
	info = mnl_nlmsg_get_payload(nlh);
	cr_assert_eq(info->lft.hard_byte_limit, XFRM_INF);
	t = mnl_attr_get_payload(attr_of(nlh, sizeof(*info), XFRMA_TMPL));
	cr_assert_eq(t->optional, 0);
	cr_assert_eq(t->family, AF_INET6);
	cr_assert_eq(t->mode, XFRM_MODE_BEET);
	cr_assert_eq(t->ealgos, UINT32_MAX);
	cr_assert_eq(xfrm_parse_policy(nlh, &back), 0);
	cr_assert(back.beet);
}

Test(xfrm, policy_that_drops)
{
	struct xfrm_policy p = example_policy(), back;
	struct nlmsghdr *nlh;

	p.block = true;
	cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), 0);
	cr_assert_null(attr_of(nlh, sizeof(struct xfrm_userpolicy_info), XFRMA_TMPL));
	cr_assert_eq(xfrm_parse_policy(nlh, &back), 0);
	cr_assert(back.block);
	p.block = false;
	p.dst = parse("198.18.0.2");
	cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), -EINVAL);
	p = example_policy();
	p.sel.dst_len = 33;
	cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), -EINVAL);
	p.sel.dst = parse("fd00::");
	cr_assert_eq(xfrm_put_policy_del(buf, &p, &nlh), -EINVAL);
}

/* ---- events ---- */

static struct nlmsghdr *expire(void *to)
{
	struct xfrm_user_expire *exp;
	struct nlmsghdr *nlh = xfrm_message(to, XFRM_MSG_EXPIRE, 0, sizeof(*exp), &exp);
	const struct addr dst = parse("198.18.0.2");

	exp->state.id.spi = htonl(0x1234);
	exp->state.id.proto = 50;
	exp->state.family = AF_INET;
	xfrm_put_addr(&exp->state.id.daddr, &dst);
	exp->hard = 1;
	mnl_attr_put_u32(nlh, XFRMA_IF_ID, 5);
	return nlh;
}

static struct nlmsghdr *acquire(void *to)
{
	struct xfrm_user_tmpl t = { .family = AF_INET6 };
	struct xfrm_policy p = example_policy();
	struct xfrm_user_acquire *acq;
	struct nlmsghdr *nlh = xfrm_message(to, XFRM_MSG_ACQUIRE, 0, sizeof(*acq), &acq);

	acq->id.proto = 50;
	xfrm_put_addr(&acq->id.daddr, &p.dst);
	xfrm_put_addr(&t.id.daddr, &p.dst);
	xfrm_put_sel(&acq->sel, &p.sel);
	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(t), &t);
	mnl_attr_put_u32(nlh, XFRMA_IF_ID, 6);
	return nlh;
}

Test(xfrm, events)
{
	const struct addr v4 = parse("198.18.0.2"), v6 = parse("fd00::2");
	struct xfrm_policy p = example_policy();
	struct nlmsghdr *nlh = expire(buf);
	struct xfrm_user_expire *exp;
	struct xfrm_event ev;

	cr_assert_eq(xfrm_parse_event(nlh, &ev), 0);
	cr_assert_eq(ev.kind, XFRM_EV_EXPIRE);
	cr_assert_eq(ev.spi, 0x1234);
	cr_assert_eq(ev.if_id, 5);
	cr_assert(ev.hard);
	cr_assert(addr_equal(&ev.dst, &v4));
	exp = mnl_nlmsg_get_payload(nlh);
	exp->state.id.spi = 0; /* a question of the kernel's that was not answered */
	cr_assert_eq(xfrm_parse_event(nlh, &ev), -EBADMSG);
	cr_assert_eq(xfrm_parse_event(acquire(buf), &ev), 0);
	cr_assert_eq(ev.kind, XFRM_EV_ACQUIRE);
	cr_assert_eq(ev.if_id, 6);
	cr_assert(addr_equal(&ev.dst, &v6), "the family is the template's");
	same_sel(&ev.sel, &p.sel);
	nlh->nlmsg_type = XFRM_MSG_NEWSA;
	cr_assert_eq(xfrm_parse_event(nlh, &ev), -EBADMSG);
}

/* ---- messages that lie ---- */

static int parse_any(const struct nlmsghdr *nlh)
{
	struct xfrm_policy p;
	struct xfrm_sa_info info;
	struct xfrm_event ev;

	switch (nlh->nlmsg_type) {
	case XFRM_MSG_NEWSA:
		return xfrm_parse_sa(nlh, &info);
	case XFRM_MSG_UPDPOLICY:
		return xfrm_parse_policy(nlh, &p);
	}
	return xfrm_parse_event(nlh, &ev);
}

/* In memory of just that size (in whole words, as netlink counts), so that reading on is found. */
static int parse_cut(const struct nlmsghdr *nlh, uint32_t len)
{
	struct nlmsghdr *cut = malloc(MNL_ALIGN(len));
	int err;

	memcpy(cut, nlh, len);
	cut->nlmsg_len = len;
	err = parse_any(cut);
	free(cut);
	return err;
}

/* Every length, and every attribute with lengths that are not its own. */
static void lie(struct nlmsghdr *nlh, size_t header)
{
	static const uint16_t lengths[] = { 0, 1, 3, 4, 5, 7, 8, 11, 0x7fff, 0xffff };
	struct nlattr *a;

	cr_assert_eq(parse_cut(nlh, nlh->nlmsg_len), 0);
	for (uint32_t len = sizeof(*nlh); len < nlh->nlmsg_len; len++) {
		int err = parse_cut(nlh, len);

		cr_assert(err == 0 || err == -EBADMSG);
		if (len < MNL_NLMSG_HDRLEN + header)
			cr_assert_eq(err, -EBADMSG, "%u octets", len);
	}
	mnl_attr_for_each(a, nlh, header)
	{
		uint16_t len = a->nla_len;

		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			int err;

			a->nla_len = lengths[i];
			err = parse_cut(nlh, nlh->nlmsg_len);
			cr_assert(err == 0 || err == -EBADMSG);
		}
		a->nla_len = len;
	}
}

Test(xfrm, lengths_that_lie)
{
	struct xfrm_policy p = example_policy();
	struct xfrm_sa sa = example();
	struct nlmsghdr *nlh;

	sa.flags = XFRM_F_OUT | XFRM_F_ESN | XFRM_F_NO_DSCP_OUT;
	sa.mark_mask = 0xff;
	cr_assert_eq(xfrm_put_sa(buf, &sa, &nlh), 0);
	mnl_attr_put_u64(nlh, XFRMA_LASTUSED, 1);
	lie(nlh, sizeof(struct xfrm_usersa_info));
	cr_assert_eq(xfrm_put_policy(buf, &p, &nlh), 0);
	lie(nlh, sizeof(struct xfrm_userpolicy_info));
	lie(expire(buf), sizeof(struct xfrm_user_expire));
	lie(acquire(buf), sizeof(struct xfrm_user_acquire));
}

Test(xfrm, attributes_that_are_too_short)
{
	static const uint16_t types[] = { XFRMA_IF_ID,	       XFRMA_SET_MARK,
					  XFRMA_SET_MARK_MASK, XFRMA_LASTUSED,
					  XFRMA_REPLAY_VAL,    XFRMA_REPLAY_ESN_VAL,
					  XFRMA_SA_EXTRA_FLAGS };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct xfrm_usersa_info *info;
		struct nlmsghdr *nlh = xfrm_message(buf, XFRM_MSG_NEWSA, 0, sizeof(*info), &info);
		struct xfrm_sa_info back;

		info->family = AF_INET;
		mnl_attr_put_u16(nlh, types[i], 1);
		cr_assert_eq(xfrm_parse_sa(nlh, &back), -EBADMSG, "attribute %u", types[i]);
	}
}
