/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifying program and user space give every packet the same rule. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "../lib/random_rules.h"
#include "classify.skel.h"
#include "classify_prog.skel.h"
#include "harness.h"
#include "steer/rules.h"

enum { TCP = 6, UDP = 17, HOP = 0, ROUTING = 43, FRAGMENT = 44, DSTOPTS = 60 };

enum { ETHER = 14 }; /* of a test run's packets */

static struct classify_prog *prog, *slow;
static struct classify_table table;

/* l3: where it looks for the IP header in the linear part. */
static struct classify_prog *load_prog(uint32_t l3)
{
	struct classify_prog *p = classify_prog__open();
	int err;

	cr_assert(p);
	p->rodata->classify_l3 = l3;
	if (prog)
		bpf_map__reuse_fd(p->maps.class_table, bpf_map__fd(prog->maps.class_table));
	err = classify_prog__load(p);
	if (err == -EPERM)
		cr_skip_test("needs CAP_BPF and CAP_NET_ADMIN");
	cr_assert_eq(err, 0, "classify_prog does not load: %s", strerror(-err));
	return p;
}

static struct classify *load_classify(void)
{
	struct classify *c = classify__open();

	cr_assert(c);
	c->rodata->classify_l3 = ETHER;
	cr_assert_eq(classify__load(c), 0);
	return c;
}

static void start(void)
{
	libbpf_set_print(NULL);
	if (geteuid() != 0)
		cr_skip_test("needs root (CAP_BPF, CAP_NET_ADMIN)");
	prog = load_prog(ETHER);
	slow = load_prog(4096); /* never there: by the helper */
}

static void stop(void)
{
	classify_prog__destroy(slow);
	classify_prog__destroy(prog);
}

TestSuite(classify, .init = start, .fini = stop);

static void put_rules(const struct class_rule *rules, size_t n)
{
	static const uint64_t none[CLASS_RULES_MAX];
	uint32_t slot = 1;

	rules_build(rules, n, none, &table);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(prog->maps.class_table), &slot, &table, 0), 0);
}

/* How the packet is dressed, which must not matter. */
struct dress {
	unsigned options; /* IPv4: words of them; IPv6: extension headers */
	bool fragment;	  /* the first one */
	bool later;
	bool inside; /* IPv6: an extension header behind that of a fragment */
};

static uint8_t *put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *build4(const struct classify_packet *d, const struct dress *w, uint8_t *p)
{
	memset(p, 0, 20 + w->options * 4);
	p[0] = (uint8_t)(0x45 + w->options);
	p[1] = (uint8_t)(d->dscp << 2 | 1);
	put16(p + 2, 20 + w->options * 4 + 20);
	put16(p + 6, w->later ? 100 : w->fragment ? 0x2000 : 0);
	p[8] = 64;
	p[9] = d->protocol;
	memcpy(p + 12, d->local, 4);
	memcpy(p + 16, d->remote, 4);
	return p + 20 + w->options * 4;
}

static uint8_t *build6(const struct classify_packet *d, const struct dress *w, uint8_t *p)
{
	static const uint8_t kinds[] = { HOP, ROUTING, DSTOPTS };
	uint8_t *next = p + 6, *at = p + 40;

	memset(p, 0, 400);
	p[0] = (uint8_t)(0x60 | d->dscp >> 2);
	p[1] = (uint8_t)(d->dscp << 6 | 0x15);
	memcpy(p + 8, d->local, 16);
	memcpy(p + 24, d->remote, 16);
	for (unsigned i = 0; i < w->options; i++) {
		*next = kinds[i % 3];
		next = at;
		at[1] = (uint8_t)(i % 2);
		at += 8 + at[1] * 8;
	}
	if (w->fragment || w->later) {
		*next = FRAGMENT;
		next = at;
		put16(at + 2, w->later ? 0x88 : 1);
		at += 8;
	}
	if (w->inside) {
		*next = DSTOPTS;
		next = at;
		at += 8;
	}
	*next = d->protocol;
	return at;
}

/* What a program returns for it; *ret_mark (may be NULL): what it leaves there. */
static int run_packet(const struct bpf_program *of, const struct classify_packet *d,
		      const struct dress *w, uint32_t *ret_mark)
{
	uint8_t buf[600] = { 0 }, *l4;
	struct __sk_buff skb = { .mark = d->mark }, out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &out, .ctx_size_out = sizeof(out),
		    .repeat = 1);

	put16(buf + 12, d->family == 4 ? 0x0800 : 0x86dd);
	l4 = d->family == 4 ? build4(d, w, buf + 14) : build6(d, w, buf + 14);
	if (d->family == 6)
		put16(buf + 14 + 4, (unsigned)(l4 - buf - 14 - 40 + 20));
	put16(put16(l4, d->local_port), d->remote_port);
	opts.data_size_in = (uint32_t)(l4 + 20 - buf);
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(of), &opts), 0);
	if (ret_mark)
		*ret_mark = out.mark;
	return (int)opts.retval;
}

/* The rule it falls under, its class in the next octet; however the packet is read. */
static int bpf_rule(const struct classify_packet *d, const struct dress *w)
{
	int rule = run_packet(prog->progs.rule_of, d, w, NULL);

	cr_assert_eq(run_packet(slow->progs.rule_of, d, w, NULL), rule);
	return rule;
}

static int user_rule(struct classify_packet d, const struct dress *w)
{
	uint32_t rule;

	d.has_ports = d.has_ports && !w->fragment && !w->later;
	rule = rules_lookup(&table, &d, NULL, 0);
	return rules_class(&table, rule) << 8 | (int)rule;
}

Test(classify, bpf_and_user_space_agree_on_100000_packets)
{
	enum { TABLES = 100, PACKETS = 1000 };
	static struct random_rules r;

	for (unsigned k = 0; k < TABLES; k++) {
		random_rules(&r, 1000 + k, false);
		put_rules(r.rule, r.n);
		for (int i = 0; i < PACKETS; i++) {
			struct classify_packet d = random_packet(&r);
			struct dress w = { .options =
						   random_below(&r, 4) ? 0 : random_below(&r, 6) };
			int got, want;

			w.fragment = random_below(&r, 10) == 0;
			w.later = random_below(&r, 10) == 0;
			want = user_rule(d, &w);
			got = bpf_rule(&d, &w);
			cr_assert_eq(got, want,
				     "table %u, packet %d: IPv%u, protocol %u: rule %#x, not %#x",
				     k, i, d.family, d.protocol, got, want);
		}
	}
}

#define ANY_PORTS .local_port = { 0, UINT16_MAX }, .remote_port = { 0, UINT16_MAX }

/* A packet that nothing is known of is of the default class; of one that is cut off its addresses
 * count. */
Test(classify, what_cannot_be_read)
{
	const struct class_rule rules[] = {
		{ .klass = 2, .local_port = { 0, UINT16_MAX }, .remote_port = { 53, 53 } },
		{ .klass = 1, ANY_PORTS },
	};
	uint8_t buf[14 + 44] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .repeat = 1);
	static const struct {
		uint16_t type;
		uint8_t first, proto;
		uint32_t len;
		int rule;
	} cases[] = {
		{ 0x0800, 0x45, UDP, 14 + 24, 1 },     /* whole; the port is another one */
		{ 0x0800, 0x45, UDP, 14 + 20, 1 },     /* no ports there */
		{ 0x0800, 0x4f, UDP, 14 + 24, 1 },     /* longer options than packet */
		{ 0x0800, 0x65, UDP, 14 + 24, 64 },    /* versions differ */
		{ 0x0806, 0x45, UDP, 14 + 24, 64 },    /* no IP */
		{ 0x86dd, 0x60, UDP, 14 + 40, 1 },     /* no ports there */
		{ 0x86dd, 0x60, DSTOPTS, 14 + 40, 1 }, /* nor what was promised */
	};

	put_rules(rules, 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put16(buf + 12, cases[i].type);
		buf[14] = cases[i].first;
		buf[14 + (cases[i].type == 0x86dd ? 6 : 9)] = cases[i].proto;
		opts.data_size_in = cases[i].len;
		opts.data_size_out = 0;
		cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog->progs.rule_of), &opts), 0,
			     "case %zu: %s", i, strerror(errno));
		cr_assert_eq(opts.retval & 0xff, (uint32_t)cases[i].rule, "case %zu: rule %u", i,
			     opts.retval & 0xff);
	}
}

static struct classify_stat stat_of(struct classify *c, uint32_t slot, uint32_t rule)
{
	struct classify_stat *v = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*v)),
			     sum = { 0 };
	uint32_t key = slot * (CLASSIFY_RULES_MAX + 1) + rule;

	cr_assert(v);
	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(c->maps.rule_stat), &key, v), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.packets += v[i].packets;
		sum.octets += v[i].octets;
	}
	free(v);
	return sum;
}

/* The product's program: the table that counts, and what it counts. */
Test(classify, counts_by_rule_in_the_table_that_counts)
{
	const struct class_rule rule = { .klass = 5, .protocol = UDP, ANY_PORTS };
	struct classify *c = load_classify();
	uint8_t buf[14 + 86] = { 0 };
	struct __sk_buff skb = { .gso_size = 40, .gso_segs = 3 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .data_size_in = sizeof(buf),
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = 1);
	struct classify_cur cur = { 0 };
	uint32_t slot = 2, key = 0;

	put_rules(&rule, 1);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_table), &slot, &table, 0), 0);
	put16(buf + 12, 0x0800);
	buf[14] = 0x45;
	buf[14 + 9] = UDP;
	for (; cur.slot <= 2; cur.slot += 2) {
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_cur), &key, &cur, 0), 0);
		cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(c->progs.classify_tc), &opts),
			     0);
		cr_assert_eq((int)opts.retval, -1);
	}
	buf[14 + 9] = TCP;
	skb = (struct __sk_buff){ 0 };
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(c->progs.classify_tc), &opts), 0);
	cr_assert_eq(stat_of(c, 0, CLASSIFY_NO_RULE).packets, 0, "without a table nothing counts");
	cr_assert_eq(stat_of(c, 2, 0).packets, 3, "a super-packet is what it will be");
	cr_assert_eq(stat_of(c, 2, 0).octets, sizeof(buf));
	cr_assert_eq(stat_of(c, 2, CLASSIFY_NO_RULE).packets, 1);
	classify__destroy(c);
}

/* What goes with a packet through the kernel's encryption: class and flow slot, no index of an SA,
 * and nothing of the mark that it had. */
Test(classify, class_and_flow_in_the_mark)
{
	const struct class_rule rule = { .klass = 5, .protocol = UDP, ANY_PORTS };
	struct classify *c = load_classify();
	uint8_t buf[14 + 86] = { 0 };
	struct __sk_buff skb = { .mark = UINT32_MAX }, out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .data_size_in = sizeof(buf),
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .ctx_out = &out,
		    .ctx_size_out = sizeof(out), .repeat = 1);
	struct classify_cur cur = { .slot = 2 };
	uint32_t slot = 2, key = 0, slots = 0;

	put_rules(&rule, 1);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_table), &slot, &table, 0), 0);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_cur), &key, &cur, 0), 0);
	put16(buf + 12, 0x0800);
	buf[14] = 0x45;
	buf[14 + 9] = UDP;
	for (uint16_t port = 1; port <= 64; port++) {
		static bool seen[STEER_FLOW_SLOTS];

		put16(buf + 14 + 20, port);
		opts.ctx_size_out = sizeof(out);
		cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(c->progs.classify_mark), &opts),
			     0);
		cr_assert_eq((int)opts.retval, -1);
		cr_assert_eq(STEER_MARK_CLASS(out.mark), 5);
		cr_assert_eq(STEER_MARK_INDEX(out.mark), 0);
		slots += !seen[STEER_MARK_SLOT(out.mark)];
		seen[STEER_MARK_SLOT(out.mark)] = true;
	}
	cr_assert_gt(slots, 16, "64 flows are in %u slots", slots);
	classify__destroy(c);
}

static uint32_t mark_of(struct classify *c, const struct classify_packet *d, const struct dress *w)
{
	uint32_t mark;

	cr_assert_eq(run_packet(c->progs.classify_mark, d, w, &mark), -1);
	return mark;
}

/* Before the kernel's ESP: class and flow slot in the mark, and user space knows which; with rules
 * and without. */
Test(classify, marks_for_the_kernels_esp)
{
	enum { PACKETS = 3000 };
	static struct random_rules r;
	static uint32_t used[256];
	struct classify_cur cur = { .seed = 0x1234567890abcdefull };
	struct classify *c = load_classify();
	uint32_t slot = 2, key = 0, n = 0;

	random_rules(&r, 4711, false);
	put_rules(r.rule, r.n);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_table), &slot, &table, 0), 0);
	for (; cur.slot <= 2; cur.slot += 2) {
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_cur), &key, &cur, 0), 0);
		for (int i = 0; i < PACKETS; i++) {
			struct classify_packet d = random_packet(&r), known;
			struct dress w = { .fragment = i % 10 == 0, .later = i % 10 == 1 };
			uint32_t klass = cur.slot ? (uint32_t)user_rule(d, &w) >> 8 : 0;
			uint32_t mark = mark_of(c, &d, &w);

			known = d;
			known.has_ports = d.has_ports && !w.fragment && !w.later;
			cr_assert_eq(mark,
				     STEER_MARK(klass,
						CLASSIFY_SLOT(classify_flow(&known, cur.seed)), 0),
				     "packet %d: mark %#x", i, mark);
			used[STEER_MARK_SLOT(mark)]++;
		}
	}
	for (int i = 0; i < 256; i++)
		n += used[i] > 0;
	cr_assert_eq(n, 256, "%u slots are used", n);
	classify__destroy(c);
}

/* What only the first fragment has counts for none. */
Test(classify, fragments_are_of_one_class)
{
	const struct class_rule rules[] = {
		{ .protocol = UDP, ANY_PORTS },
		{ .protocol = DSTOPTS, ANY_PORTS },
	};
	const struct classify_packet d = { .family = 6, .protocol = UDP, .has_ports = 1 };
	const struct dress first = { .fragment = true, .inside = true };
	const struct dress later = { .later = true, .inside = true };

	put_rules(rules, 2);
	cr_assert_eq(bpf_rule(&d, &first), 1);
	cr_assert_eq(bpf_rule(&d, &later), 1);
}

/* All fragments of a packet go one way; another seed, another one for most flows. */
Test(classify, fragments_stay_together)
{
	struct classify_packet d = { .family = 4, .protocol = UDP, .has_ports = 1 };
	struct classify_cur cur = { .seed = 1 };
	struct classify *c = load_classify();
	uint32_t key = 0, moved = 0;

	for (unsigned i = 0; i < 200; i++) {
		const struct dress first = { .fragment = true }, later = { .later = true };
		uint32_t mark;

		d.family = i % 2 ? 6 : 4;
		d.remote[3] = (uint8_t)i;
		d.remote_port = (uint16_t)(i * 7);
		cur.seed = 1;
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_cur), &key, &cur, 0), 0);
		mark = mark_of(c, &d, &first);
		cr_assert_eq(mark_of(c, &d, &later), mark);
		cur.seed = 2;
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(c->maps.class_cur), &key, &cur, 0), 0);
		moved += mark_of(c, &d, &later) != mark;
	}
	cr_assert_gt(moved, 150);
	classify__destroy(c);
}
