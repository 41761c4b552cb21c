/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies against a kernel that is an array, and can fail. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "../../user/kesp/policy.h"

enum { IF_ID = 7 };

static struct xfrm_policy kernel[256];
static size_t n_kernel;
static int fail_after; /* puts that succeed; -1: all */
static unsigned puts_done;
static struct policies ps;

static bool same(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
	return a->dir == b->dir && a->if_id == b->if_id && addr_equal(&a->sel.src, &b->sel.src) &&
	       addr_equal(&a->sel.dst, &b->sel.dst) && a->sel.src_len == b->sel.src_len &&
	       a->sel.dst_len == b->sel.dst_len && a->sel.protocol == b->sel.protocol &&
	       a->sel.sport == b->sel.sport && a->sel.dport == b->sel.dport && a->mark == b->mark &&
	       a->mark_mask == b->mark_mask;
}

static struct xfrm_policy *in_kernel(const struct xfrm_policy *p)
{
	for (size_t i = 0; i < n_kernel; i++)
		if (same(&kernel[i], p))
			return &kernel[i];
	return NULL;
}

static int put(void *ctx, const struct xfrm_policy *p)
{
	struct xfrm_policy *have = in_kernel(p);

	(void)ctx;
	if (!fail_after)
		return -ENOBUFS;
	if (fail_after > 0)
		fail_after--;
	puts_done++;
	if (!have)
		have = &kernel[n_kernel++];
	*have = *p;
	return 0;
}

static int del(void *ctx, const struct xfrm_policy *p)
{
	struct xfrm_policy *have = in_kernel(p);

	(void)ctx;
	if (!have)
		return -ENOENT;
	*have = kernel[--n_kernel];
	return 0;
}

static void setup(void)
{
	n_kernel = 0;
	fail_after = -1;
	puts_done = 0;
	policies_init(&ps, IF_ID, put, del, NULL);
}

static void teardown(void)
{
	policies_clear(&ps);
}

TestSuite(policy, .init = setup, .fini = teardown);

static struct xfrm_sel net(uint8_t local, uint8_t remote)
{
	return (struct xfrm_sel){ .src = addr_v4(0x0a000000u | (uint32_t)local << 8),
				  .dst = addr_v4(0x0a000000u | (uint32_t)remote << 8),
				  .src_len = 24,
				  .dst_len = 24 };
}

static struct policy_to to(uint32_t reqid)
{
	return (struct policy_to){ .reqid = reqid,
				   .local = addr_v4(0xc6120001),
				   .remote = addr_v4(0xc6120002),
				   .remote_out = addr_v4(0xc6120002) };
}

static int take(const struct xfrm_sel *sel, size_t n, uint32_t reqid)
{
	const struct policy_to t = to(reqid);

	return policies_take(&ps, sel, n, &t);
}

/* The reqid of the policy for packets that we send. */
static uint32_t out_reqid(const struct xfrm_sel *sel)
{
	struct xfrm_policy p = { .dir = XFRM_OUT, .if_id = IF_ID, .sel = *sel };
	const struct xfrm_policy *k = in_kernel(&p);

	return k ? k->reqid : 0;
}

Test(policy, one_in_each_direction)
{
	struct xfrm_sel s = net(1, 2);
	struct xfrm_policy in = { .dir = XFRM_IN, .if_id = IF_ID, .sel = net(2, 1) }, *k;

	s.protocol = in.sel.protocol = 6;
	s.sport = in.sel.dport = 80;
	s.sport_mask = in.sel.dport_mask = 0xffff;
	cr_assert_eq(take(&s, 1, 5), 0);
	cr_assert_eq(n_kernel, 3);
	cr_assert_eq(out_reqid(&s), 5);
	k = in_kernel(&in);
	cr_assert(k);
	cr_assert_eq(k->reqid, 5);
	cr_assert_eq(k->sel.dport_mask, 0xffff);
	cr_assert_eq(k->sel.sport_mask, 0);
	cr_assert(addr_equal(&k->src, &(struct addr){ 4, { 0xc6, 0x12, 0, 2 } }));
	in.dir = XFRM_FWD;
	cr_assert(in_kernel(&in));
	policies_drop(&ps, &s, 1, 5);
	cr_assert_eq(n_kernel, 0);
}

Test(policy, types_of_icmp_are_not_turned)
{
	struct xfrm_sel s = net(1, 2);
	struct xfrm_policy in = { .dir = XFRM_IN, .if_id = IF_ID, .sel = net(2, 1) };

	s.protocol = in.sel.protocol = 1;
	s.sport = in.sel.sport = 8;
	s.sport_mask = s.dport_mask = 0xffff;
	cr_assert_eq(take(&s, 1, 5), 0);
	cr_assert(in_kernel(&in));
}

Test(policy, a_rekey_asks_nothing_of_the_kernel)
{
	const struct xfrm_sel s[] = { net(1, 2), net(1, 3) };

	take(s, 2, 5);
	cr_assert_eq(puts_done, 6);
	take(s, 2, 5);
	policies_drop(&ps, s, 2, 5);
	cr_assert_eq(puts_done, 6);
	cr_assert_eq(n_kernel, 6);
	policies_drop(&ps, s, 2, 5);
	cr_assert_eq(n_kernel, 0);
}

Test(policy, the_newest_counts_and_then_the_one_before)
{
	const struct xfrm_sel s = net(1, 2);

	take(&s, 1, 5);
	take(&s, 1, 6);
	take(&s, 1, 7);
	cr_assert_eq(out_reqid(&s), 7);
	cr_assert_eq(n_kernel, 3);
	policies_drop(&ps, &s, 1, 6);
	cr_assert_eq(out_reqid(&s), 7);
	policies_drop(&ps, &s, 1, 7);
	cr_assert_eq(out_reqid(&s), 5);
	policies_drop(&ps, &s, 1, 9); /* of nobody */
	policies_drop(&ps, &s, 1, 5);
	cr_assert_eq(n_kernel, 0);
}

Test(policy, an_older_one_that_comes_again_is_the_newest)
{
	const struct xfrm_sel s = net(1, 2);

	take(&s, 1, 5);
	take(&s, 1, 6);
	take(&s, 1, 5);
	cr_assert_eq(out_reqid(&s), 5);
	policies_drop(&ps, &s, 1, 5);
	cr_assert_eq(out_reqid(&s), 5);
	policies_drop(&ps, &s, 1, 5);
	cr_assert_eq(out_reqid(&s), 6);
}

Test(policy, shared_selectors_stay_for_the_other)
{
	const struct xfrm_sel a[] = { net(1, 2), net(1, 3) }, b[] = { net(1, 3), net(1, 4) };

	take(a, 2, 5);
	take(b, 2, 6);
	cr_assert_eq(n_kernel, 9);
	cr_assert_eq(out_reqid(&a[1]), 6);
	policies_drop(&ps, b, 2, 6);
	cr_assert_eq(n_kernel, 6);
	cr_assert_eq(out_reqid(&a[1]), 5);
}

/* Whichever put fails, everything is as it was before. */
Test(policy, a_failure_leaves_nothing)
{
	const struct xfrm_sel s[] = { net(1, 2), net(1, 3), net(1, 4) };
	const struct xfrm_sel had = net(1, 3);

	for (int n = 0; n < 9; n++) {
		setup();
		take(&had, 1, 4);
		fail_after = n;
		cr_assert_eq(take(s, 3, 5), -ENOBUFS, "put %d", n);
		fail_after = -1;
		cr_assert_eq(policies_settle(&ps), 0); /* what failed while it was put back */
		cr_assert_eq(n_kernel, 3, "put %d: %zu", n, n_kernel);
		cr_assert_eq(out_reqid(&had), 4, "put %d", n);
		policies_drop(&ps, &had, 1, 4);
		cr_assert_eq(n_kernel, 0);
		policies_clear(&ps);
	}
}

Test(policy, after_a_restart_only_what_is_missing_is_put)
{
	const struct xfrm_sel s[] = { net(1, 2), net(1, 3), net(1, 4) };
	const struct xfrm_sel stray = net(1, 9);
	struct xfrm_policy was[16];
	size_t n;

	take(s, 2, 5);
	take(&stray, 1, 6);
	policies_clear(&ps);
	policies_init(&ps, IF_ID, put, del, NULL);
	ps.quiet = true;
	puts_done = 0;
	take(s, 1, 5);
	take(&s[1], 1, 8); /* by another reqid */
	take(&s[2], 1, 5); /* not in the kernel */
	cr_assert_eq(puts_done, 0);
	n = n_kernel;
	memcpy(was, kernel, n * sizeof(was[0]));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(policies_found(&ps, &was[i], 1000), was[i].reqid != 6);
	cr_assert_eq(policies_settle(&ps), 0);
	cr_assert_eq(puts_done, 6);
	cr_assert_eq(out_reqid(&s[0]), 5);
	cr_assert_eq(out_reqid(&s[1]), 8);
	cr_assert_eq(out_reqid(&s[2]), 5);
}

Test(policy, a_packet_goes_by_the_most_special)
{
	struct xfrm_sel wide = net(1, 2), host = net(1, 2), packet, web = net(1, 2);

	wide.dst_len = 16;
	host.dst = addr_v4(0x0a000207);
	host.dst_len = 32;
	web.protocol = 6;
	web.dport = 80;
	web.dport_mask = 0xffff;
	take(&wide, 1, 1);
	take(&host, 1, 2);
	take(&web, 1, 3);
	packet = (struct xfrm_sel){
		.src = addr_v4(0x0a000105), .dst = addr_v4(0x0a000207), .protocol = 6, .dport = 80
	};
	cr_assert_eq(policies_reqid(&ps, &packet), 2);
	packet.dst = addr_v4(0x0a000208);
	cr_assert_eq(policies_reqid(&ps, &packet), 3);
	packet.dport = 81;
	cr_assert_eq(policies_reqid(&ps, &packet), 1);
	packet.src = addr_v4(0x0a000205);
	cr_assert_eq(policies_reqid(&ps, &packet), 0);
}

static struct xfrm_policy *of(const struct xfrm_sel *sel, enum xfrm_dir dir)
{
	struct xfrm_policy p = { .dir = dir, .if_id = IF_ID, .sel = *sel };

	return in_kernel(&p);
}

/* An SA has other selectors now: nothing else sends what it had for a while, and what is under way
 * is taken in for another. */
Test(policy, what_is_left_is_blocked)
{
	const struct policy_rest rest = { 100, 200 };
	struct xfrm_sel s = net(1, 2), in = net(2, 1);

	take(&s, 1, 5);
	policies_leave(&ps, &s, 1, 5, &rest);
	cr_assert(of(&s, XFRM_OUT)->block);
	cr_assert_eq(of(&in, XFRM_IN)->reqid, 5);
	cr_assert_not(of(&in, XFRM_IN)->block);
	cr_assert_eq(policies_reqid(&ps, &s), 0);
	policies_expire(&ps, 99);
	cr_assert_eq(n_kernel, 3);
	policies_expire(&ps, 100);
	cr_assert_eq(n_kernel, 1, "only the block");
	policies_expire(&ps, 200);
	cr_assert_eq(n_kernel, 0);
	cr_assert_eq(ps.n_left, 0);
}

/* An SA that comes ends the block; while another one has the selectors there is none. */
Test(policy, no_block_before_an_sa)
{
	const struct policy_rest rest = { 100, 200 };
	struct xfrm_sel s = net(1, 2);

	take(&s, 1, 5);
	policies_leave(&ps, &s, 1, 5, &rest);
	cr_assert_eq(take(&s, 1, 6), 0);
	cr_assert_not(of(&s, XFRM_OUT)->block);
	cr_assert_eq(out_reqid(&s), 6);
	cr_assert_eq(ps.n_left, 0);
	take(&s, 1, 7);
	policies_leave(&ps, &s, 1, 7, &rest);
	cr_assert_eq(out_reqid(&s), 6);
	policies_expire(&ps, 300);
	cr_assert_eq(n_kernel, 3);
	policies_drop(&ps, &s, 1, 6);
	cr_assert_eq(n_kernel, 0);
}

/* The agent dies meanwhile: the next one keeps the block, for as long as one lasts at most. */
Test(policy, a_block_outlives_the_agent)
{
	const struct policy_rest rest = { 100, 200 };
	struct xfrm_policy was[3];
	struct xfrm_sel s = net(1, 2);
	size_t n;

	take(&s, 1, 5);
	policies_leave(&ps, &s, 1, 5, &rest);
	n = n_kernel;
	memcpy(was, kernel, sizeof(was));
	policies_clear(&ps);
	policies_init(&ps, IF_ID, put, del, NULL);
	ps.quiet = true;
	for (size_t i = 0; i < n; i++)
		if (!policies_found(&ps, &was[i], 1000))
			del(NULL, &was[i]);
	cr_assert_eq(policies_settle(&ps), 0);
	cr_assert(of(&s, XFRM_OUT)->block);
	policies_expire(&ps, 1000);
	cr_assert_eq(n_kernel, 0);
}

/* ---- lines ---- */

enum { ALL = 1, LINE_A = 11, LINE_B = 12, OUT_A = 101, OUT_B = 102, OUT_C = 103 };

static const struct xfrm_policy *line_policy(const struct xfrm_sel *sel, uint32_t line)
{
	struct xfrm_policy p = { .dir = XFRM_OUT, .if_id = IF_ID, .sel = *sel };

	p.mark = line;
	p.mark_mask = 0xfffff;
	return in_kernel(&p);
}

static uint32_t line_reqid(const struct xfrm_sel *sel, uint32_t line)
{
	const struct xfrm_policy *k = line_policy(sel, line);

	return k ? k->reqid : 0;
}

static void take_line(const struct xfrm_sel *sel, uint32_t out, uint32_t line)
{
	struct policy_to t = to(ALL);

	t.reqid_out = out;
	t.line = line;
	cr_assert_eq(policies_take(&ps, sel, 1, &t), 0);
}

static void two_lines(const struct xfrm_sel *s)
{
	take_line(s, OUT_A, LINE_A);
	policies_sender(&ps, s, 1, OUT_A, true);
	take_line(s, OUT_B, LINE_B);
	policies_sender(&ps, s, 1, OUT_B, true);
}

Test(policy, each_line_that_sends_has_one)
{
	const struct xfrm_sel s = net(1, 2);
	const struct xfrm_policy *any, *line;
	struct xfrm_policy in = { .dir = XFRM_IN, .if_id = IF_ID, .sel = net(2, 1) };

	take_line(&s, OUT_A, LINE_A);
	policies_sender(&ps, &s, 1, OUT_A, true);
	cr_assert_eq(n_kernel, 3, "alone it needs none");
	take_line(&s, OUT_B, LINE_B);
	cr_assert_eq(n_kernel, 3, "one that cannot send needs none");
	cr_assert_eq(out_reqid(&s), OUT_A, "the rest goes by what can send");
	policies_sender(&ps, &s, 1, OUT_B, true);
	cr_assert_eq(n_kernel, 5);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_A);
	cr_assert_eq(line_reqid(&s, LINE_B), OUT_B);
	cr_assert_eq(out_reqid(&s), OUT_B);
	any = in_kernel(&(struct xfrm_policy){ .dir = XFRM_OUT, .if_id = IF_ID, .sel = s });
	line = line_policy(&s, LINE_A);
	cr_assert_lt(line->priority, any->priority, "the line's is asked first");
	cr_assert_eq(in_kernel(&in)->reqid, ALL, "what comes in comes by any of them");
	policies_drop(&ps, &s, 1, OUT_B);
	cr_assert_eq(n_kernel, 3);
	cr_assert_eq(out_reqid(&s), OUT_A);
	policies_drop(&ps, &s, 1, OUT_A);
	cr_assert_eq(n_kernel, 0);
}

Test(policy, what_sends_no_more_has_none)
{
	const struct xfrm_sel s = net(1, 2);

	two_lines(&s);
	policies_sender(&ps, &s, 1, OUT_B, false);
	cr_assert_eq(n_kernel, 3);
	cr_assert_eq(out_reqid(&s), OUT_A);
	policies_sender(&ps, &s, 1, OUT_B, true);
	cr_assert_eq(line_reqid(&s, LINE_B), OUT_B);
	/* a rekey: two of one line, then one */
	puts_done = 0;
	take_line(&s, OUT_A, LINE_A);
	policies_sender(&ps, &s, 1, OUT_A, true);
	policies_sender(&ps, &s, 1, OUT_A, false);
	policies_drop(&ps, &s, 1, OUT_A);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_A);
	cr_assert_eq(out_reqid(&s), OUT_A, "the newest");
	cr_assert_eq(puts_done, 1);
	policies_drop(&ps, &s, 1, OUT_A);
	policies_drop(&ps, &s, 1, OUT_B);
	cr_assert_eq(n_kernel, 0);
}

/* A line may have that selector in SAs of several sets. */
Test(policy, a_line_has_one_for_a_selector)
{
	const struct xfrm_sel s = net(1, 2);

	two_lines(&s);
	take_line(&s, OUT_C, LINE_A);
	policies_sender(&ps, &s, 1, OUT_C, true);
	cr_assert_eq(n_kernel, 5);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_C);
	policies_sender(&ps, &s, 1, OUT_C, false);
	cr_assert_eq(n_kernel, 5);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_A);
	policies_sender(&ps, &s, 1, OUT_C, true);
	policies_drop(&ps, &s, 1, OUT_C);
	cr_assert_eq(n_kernel, 5);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_A);
	take_line(&s, OUT_C, LINE_A);
	policies_sender(&ps, &s, 1, OUT_C, true);
	policies_drop(&ps, &s, 1, OUT_A);
	cr_assert_eq(line_reqid(&s, LINE_A), OUT_C);
	policies_drop(&ps, &s, 1, OUT_B);
	cr_assert_eq(n_kernel, 3);
	policies_drop(&ps, &s, 1, OUT_C);
	cr_assert_eq(n_kernel, 0);
}

/* No failure leaves one behind, or one line without any policy that can send. */
Test(policy, lines_when_puts_fail)
{
	const struct xfrm_sel s = net(1, 2);

	for (int n = 0; n < 6; n++) {
		setup();
		take_line(&s, OUT_A, LINE_A);
		policies_sender(&ps, &s, 1, OUT_A, true);
		take_line(&s, OUT_B, LINE_B);
		fail_after = n;
		policies_sender(&ps, &s, 1, OUT_B, true);
		cr_assert_eq(ps.unsettled, n < 3, "put %d", n);
		cr_assert_neq(out_reqid(&s), 0);
		fail_after = -1;
		cr_assert_eq(policies_settle(&ps), 0);
		cr_assert_eq(n_kernel, 5, "put %d", n);
		cr_assert_eq(line_reqid(&s, LINE_A), OUT_A);
		cr_assert_eq(line_reqid(&s, LINE_B), OUT_B);
		policies_drop(&ps, &s, 1, OUT_A);
		policies_drop(&ps, &s, 1, OUT_B);
		cr_assert_eq(n_kernel, 0);
		policies_clear(&ps);
	}
}

Test(policy, lines_after_a_restart)
{
	const struct xfrm_sel s = net(1, 2);
	struct xfrm_policy was[16];
	unsigned strays = 0;
	size_t n;

	two_lines(&s);
	kernel[n_kernel++] = (struct xfrm_policy){
		.dir = XFRM_OUT, .if_id = IF_ID, .sel = s, .mark = 99, .mark_mask = 0xfffff
	};
	policies_clear(&ps);
	policies_init(&ps, IF_ID, put, del, NULL);
	ps.quiet = true;
	puts_done = 0;
	two_lines(&s);
	n = n_kernel;
	memcpy(was, kernel, n * sizeof(was[0]));
	for (size_t i = 0; i < n; i++)
		if (!policies_found(&ps, &was[i], 0)) {
			cr_assert_eq(was[i].mark, 99);
			del(NULL, &was[i]);
			strays++;
		}
	cr_assert_eq(strays, 1);
	cr_assert_eq(policies_settle(&ps), 0);
	cr_assert_eq(puts_done, 0);
	cr_assert_eq(n_kernel, 5);
	policies_drop(&ps, &s, 1, OUT_A);
	cr_assert_eq(n_kernel, 3);
}

/* ---- of the host's own routes: without if_id ---- */

static size_t without_if_id(enum xfrm_dir dir)
{
	size_t n = 0;

	for (size_t i = 0; i < n_kernel; i++)
		n += !kernel[i].if_id && kernel[i].dir == dir && !kernel[i].block;
	return n;
}

Test(policy, without_an_interface_only_what_can_be_sent_has_a_policy)
{
	const struct xfrm_policy others = { .dir = XFRM_OUT, .sel = net(3, 4) };
	struct xfrm_sel s = net(1, 2), t = net(3, 4);

	policies_init(&ps, 0, put, del, NULL);
	cr_assert_eq(take(&s, 1, 5), 0);
	cr_expect_eq(without_if_id(XFRM_IN), 1);
	cr_expect_eq(without_if_id(XFRM_OUT), 0, "the shield takes it meanwhile");
	policies_sender(&ps, &s, 1, 5, true);
	cr_expect_eq(without_if_id(XFRM_OUT), 1);
	policies_sender(&ps, &s, 1, 5, false);
	cr_expect_eq(without_if_id(XFRM_OUT), 0);
	cr_expect_eq(without_if_id(XFRM_IN), 1, "it still comes in");

	put(NULL, &others);
	cr_assert_eq(take(&t, 1, 6), 0);
	policies_drop(&ps, &t, 1, 6);
	cr_expect_not_null(in_kernel(&others), "that was never ours");
}

Test(policy, without_an_interface_nothing_is_blocked_that_moved)
{
	const struct policy_rest rest = { .in_until = 100, .block_until = 200 };
	struct xfrm_sel s = net(1, 2);

	policies_init(&ps, 0, put, del, NULL);
	cr_assert_eq(take(&s, 1, 5), 0);
	policies_sender(&ps, &s, 1, 5, true);
	policies_leave(&ps, &s, 1, 5, &rest);
	cr_expect_eq(n_kernel, 2, "%zu", n_kernel);
	cr_expect_eq(without_if_id(XFRM_OUT), 0);
	policies_expire(&ps, 150);
	cr_expect_eq(n_kernel, 0);
}

Test(policy, those_without_an_interface_are_told_by_their_reqid)
{
	uint32_t reqid = xfrm_direct_reqid(0x12345678, 9);

	cr_expect_eq(reqid & XFRM_DIRECT_N, 9);
	cr_expect(xfrm_is_of(0x12345678, 0, reqid));
	cr_expect_not(xfrm_is_of(0x22345678, 0, reqid), "another instance's");
	cr_expect_not(xfrm_is_of(0x12345678, 7, reqid));
	cr_expect_not(xfrm_is_of(0x12345678, 0, 9));
	cr_expect(xfrm_is_of(7, 7, 9));
}
