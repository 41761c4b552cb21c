/* SPDX-License-Identifier: GPL-2.0-only */
/* Nanoseconds per packet of the steering programs, by test run, against a bare parse-and-pass
 * program of the same parser: with 100, 10,000 and 1,000,000 SAs of which every packet hits one at
 * random; of each mode, and what it adds to the plain one of the same run; and of the classifying
 * one, all of it, with 64 rules of all kinds. Prints a table and writes JSON lines to
 * <build>/bench/bpf.jsonl. Arguments: that directory, and which parts (sizes modes classes).
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "abi/steer.h"
#include "bench_prog.skel.h"
#include "steer/class.h"
#include "steer/rules.h"

enum {
	RUNS = 9,
	REPEAT = 1000000,
	WARM = 200000,
	PATHS = 16,
	DOWN_PATH,
	CALIBRATIONS = 15,
	SLOW_MAX = 150
};

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_bpf: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void *map_of(const struct bpf_map *map)
{
	size_t stride = (bpf_map__value_size(map) + 7) & ~7ul;
	void *p = mmap(NULL, stride * bpf_map__max_entries(map), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		die("mmap", errno);
	return p;
}

/* How packets are steered. */
struct mode {
	enum steer_mode mode;
	uint32_t first, classes; /* of packets: those with odd numbers have no group of their own */
	/* REDUNDANT: wanted; with two of them the other path is down: the looking costs, no copy */
	uint8_t copies;
};

/* Paths 1..n with a cached MAC, groups of two of them, SAs in turn on the groups. */
static void fill(struct bench_prog *b, uint32_t n_sas, const struct mode *m)
{
	struct steer_sa_in *in = map_of(b->maps.sa_in);
	struct steer_sa_out *out = map_of(b->maps.sa_out);
	char *path = map_of(b->maps.path), *group = map_of(b->maps.group);
	char *path_cur = map_of(b->maps.path_cur), *group_cur = map_of(b->maps.group_cur);
	uint32_t n = n_sas < PATHS ? n_sas : PATHS;

	for (uint32_t i = 1; i <= n; i++) {
		struct steer_path *p = (void *)(path + i * STEER_STRIDE(struct steer_path));
		struct steer_group *g = (void *)(group + i * STEER_STRIDE(struct steer_group));
		struct steer_path_cur *pc = (void *)(path_cur + i * STEER_STRIDE(*pc));

		*p = (struct steer_path){ .id = i,
					  .ifindex = 1,
					  .family = 4,
					  .flags = STEER_PATH_MAC | STEER_PATH_ENCAP,
					  .sport = htons(4500),
					  .dport = htons(4500) };
		*(uint32_t *)p->src.b = htonl(0xc0000201);
		*(uint32_t *)p->dst.b = htonl(0xcb007100 + i);
		*pc = (struct steer_path_cur){ .slot = i, .state = STEER_PATH_UP };
		uint32_t other = m->copies > 1 ? DOWN_PATH : i % n + 1;

		*g = (struct steer_group){ .id = STEER_GROUP_BLOCK * i,
					   .mode = m->mode,
					   .n_members = 2,
					   .copies = m->copies,
					   .path = { i, other },
					   .weight = { 1, 1 } };
		for (int s = 0; s < STEER_FLOW_SLOTS; s++)
			g->flow[s] = (uint16_t)(m->copies > 1 ? i : g->path[s & 1]);
		for (uint32_t k = 0; k < STEER_CLASSES; k += 2) {
			struct steer_group_cur *gc =
				(void *)(group_cur + STEER_GROUP_OF(g->id, k) * STEER_STRIDE(*gc));

			*gc = (struct steer_group_cur){ .slot = i };
		}
	}
	for (uint32_t i = 1; i <= n_sas; i++) {
		in[i] = (struct steer_sa_in){
			.spi = STEER_SPI(1, i), .sa_id = i, .family = 4, .owner = STEER_OWNER_ENGINE
		};
		out[i] = (struct steer_sa_out){ .sa_id = i,
						.group = STEER_GROUP_BLOCK * (i % n + 1) };
	}
}

static void put_rx(struct bench_prog *b, const struct steer_rx_key *key, __u32 id)
{
	struct steer_rx_hint hint = { .path = id, .key = *key };
	__u32 h = steer_rx_hash(key->ifindex, *(const __u32 *)key->local.b,
				*(const __u32 *)key->remote.b);

	bpf_map_update_elem(bpf_map__fd(b->maps.rx_path), key, &id, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(b->maps.rx_hint), &h, &hint, BPF_ANY);
}

static struct bench_prog *load(uint32_t n_sas, const struct mode *m)
{
	struct bench_prog *b = bench_prog__open();
	struct steer_rx_key key = { .family = 4 };
	__u32 id = 1;
	int err;

	if (!b)
		die("open", errno);
	b->rodata->n_sas = n_sas;
	b->rodata->first_class = m->first;
	b->rodata->classes = m->classes;
	for (uint32_t size = 128;; size *= 2) {
		if (size <= n_sas)
			continue;
		bpf_map__set_max_entries(b->maps.sa_in, size);
		bpf_map__set_max_entries(b->maps.sa_out, size);
		b->rodata->sa_stat_n = size < STEER_SA_STAT_MAX ? size : STEER_SA_STAT_MAX;
		bpf_map__set_max_entries(b->maps.sa_stat,
					 b->rodata->sa_stat_n * libbpf_num_possible_cpus());
		break;
	}
	b->rodata->classify_l3 = 14;
	err = bench_prog__load(b);
	if (err)
		die(err == -EPERM ? "needs CAP_BPF and CAP_NET_ADMIN" : "load", err);
	fill(b, n_sas, m);
	*(uint32_t *)key.remote.b = htonl(0xc6336402);
	*(uint32_t *)key.local.b = htonl(0xc0000201);
	for (int ifindex = 0; ifindex < 2; ifindex++) { /* XDP test runs and tc ones differ */
		key.ifindex = ifindex;
		put_rx(b, &key, id);
	}
	/* further paths, so that the hash is not a table of one */
	for (uint32_t i = 2; i < 512; i++) {
		*(uint32_t *)key.remote.b = htonl(0xcb007100 + i);
		put_rx(b, &key, i);
	}
	return b;
}

/* segs: 0, or a super-packet of so many segments. */
static uint32_t ns_of(const struct bpf_program *prog, int repeat, int want, int segs, bool v6)
{
	static const uint8_t head[] = { 2,    0,    0,	  0,	0,    1,    2,	  0,
					0,    0,    0,	  2,	8,    0, /* Ethernet */
					0x45, 0,    0x05, 0xaa, 0,    0,    0x40, 0,
					64,   17,   0xb1, 0xfa, /* IPv4, 1450 octets */
					198,  51,   100,  2,	192,  0,    2,	  1,
					0x11, 0x94, 0x11, 0x94, 0x05, 0x96, 0x12, 0x34,
					0x00, 0x10, 0,	  1,	0,    0,    0,	  7 };
	static const uint8_t
		head6[] = { 2,	  0,	0,    0,    0,	  1,	2,    0,    0,	  0,
			    0,	  2,	0x86, 0xdd,			  /* Ethernet */
			    0x60, 0,	0,    0,    0x05, 0x82, 17,   64, /* IPv6, 1450 octets */
			    0x20, 0x01, 0x0d, 0xb8, 0,	  0,	0,    0,    0,	  0,
			    0,	  0,	0,    0,    0,	  2,	0x20, 0x01, 0x0d, 0xb8,
			    0,	  1,	0,    0,    0,	  0,	0,    0,    0,	  0,
			    0,	  1,	0x11, 0x94, 0x11, 0x94, 0x05, 0x82, 0x12, 0x34 };
	static uint8_t pkt[1464], out[2048];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = pkt, .data_size_in = sizeof(pkt),
		    .data_out = out, .data_size_out = sizeof(out), .repeat = repeat);
	struct __sk_buff skb = { .gso_segs = segs, .gso_size = segs ? 1400 / segs : 0 };
	int err;

	if (segs) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	memcpy(pkt, v6 ? head6 : head, v6 ? sizeof(head6) : sizeof(head));
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	if (err)
		die("test run", err);
	if ((int)opts.retval != want) {
		fprintf(stderr, "bench_bpf: %s: verdict %d, not %d\n", bpf_program__name(prog),
			(int)opts.retval, want);
		exit(1);
	}
	return opts.duration;
}

static int cmp(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

struct series {
	int v[RUNS];
};

static int median(struct series *s)
{
	qsort(s->v, RUNS, sizeof(*s->v), cmp);
	return s->v[RUNS / 2];
}

struct pair {
	const char *what;
	const struct bpf_program *base, *full;
	int base_verdict, full_verdict, segs;
	bool v6;
};

static int failures;

static uint32_t base_ns(const struct pair *p)
{
	return ns_of(p->base, REPEAT, p->base_verdict, p->segs, p->v6);
}

/* What the bare program takes when nobody else slows the processor down. */
static uint32_t best_base(const struct pair *p)
{
	uint32_t best = base_ns(p);

	for (int i = 1; i < CALIBRATIONS; i++) {
		uint32_t n = base_ns(p);

		best = n < best ? n : best;
	}
	return best;
}

/* Base and program in turn. On shared machines the processor's speed changes by a factor of two for
 * minutes; a run counts only if the bare program before and after it had its full speed. When that
 * does not come for long, the runs count as they are. Returns how many did not count. */
static int collect(const struct pair *p, struct series *base, struct series *full,
		   struct series *diff)
{
	uint32_t limit = best_base(p) * 6 / 5 + 1, before, after;
	int n = 0, left = SLOW_MAX;

	ns_of(p->full, WARM, p->full_verdict, p->segs, p->v6);
	for (before = base_ns(p); n < RUNS; before = after) {
		full->v[n] = ns_of(p->full, REPEAT, p->full_verdict, p->segs, p->v6);
		after = base_ns(p);
		if ((before > limit || after > limit) && left > 0) {
			left--;
			continue;
		}
		base->v[n] = after;
		diff->v[n] = full->v[n] - after;
		n++;
	}
	return SLOW_MAX - left;
}

/* more: than that; else than the bare program. Returns by how much. */
static int measure(FILE *json, const struct pair *p, const char *with, const int *more, int limit,
		   const char *machine)
{
	struct series base, full, diff;
	int b, f, d, slow, wanted;

	slow = collect(p, &base, &full, &diff);
	b = median(&base);
	f = median(&full);
	d = median(&diff);
	wanted = more ? d - *more : d;
	printf("%-26s %12s  bare %4d  program %4d (%d-%d)  above bare %4d (%d-%d)", p->what, with,
	       b, f, full.v[0], full.v[RUNS - 1], d, diff.v[0], diff.v[RUNS - 1]);
	if (more)
		printf(", plain %4d", wanted);
	printf(" ns, at most %d: %s", limit, wanted <= limit ? "reached" : "NOT REACHED");
	if (slow)
		printf("; %d slow runs left out", slow);
	putchar('\n');
	fflush(stdout);
	failures += wanted > limit;
	fprintf(json,
		"{\"what\":\"%s, %s at random\",\"value\":%d,\"unit\":\"ns/packet\","
		"\"against\":\"bare parser %d "
		"ns\",\"ratio\":%.2f,\"above\":%d,\"target\":\"%s\",\"target_above\":%d,"
		"\"target_value\":%d,\"reached\":%s,"
		"\"runs\":%d,\"slow_runs\":%d,\"min\":%d,\"max\":%d,\"machine\":\"%s\"}\n",
		p->what, with, f, b, (double)f / (b ? b : 1), d,
		more ? "above plain steer_tc" : "above bare", limit, wanted,
		wanted <= limit ? "true" : "false", RUNS, slow, full.v[0], full.v[RUNS - 1],
		machine);
	return d;
}

/* Every packet must have taken the whole way. */
static void check_counters(struct bench_prog *b)
{
	int n = libbpf_num_possible_cpus();
	__u64 *v = calloc(n, sizeof(*v)), drops = 0;

	for (__u32 r = 0; r < DROP_MAX; r++) {
		if (bpf_map_lookup_elem(bpf_map__fd(b->maps.drops), &r, v))
			die("drops", errno);
		for (int i = 0; i < n; i++)
			drops += v[i];
	}
	free(v);
	if (drops) {
		fprintf(stderr, "bench_bpf: %llu packets were dropped\n",
			(unsigned long long)drops);
		exit(1);
	}
}

/* 64 of all kinds; most packets fall under one of the last. */
static void fill_rules(struct bench_prog *b)
{
	static struct class_rule rules[CLASS_RULES_MAX];
	static struct classify_table table;
	static uint64_t cgroups[CLASS_RULES_MAX];
	const struct classify_cur cur = { .slot = 1, .workers = 1 };
	uint32_t slot = 1, key = 0;
	struct class_rule *r;

	for (unsigned i = 0; i < CLASS_RULES_MAX; i++) {
		r = &rules[i];
		*r = (struct class_rule){ .klass = (uint8_t)(i % STEER_CLASSES),
					  .local_port = { 0, UINT16_MAX },
					  .remote_port = { 0, UINT16_MAX } };
		if (i % 4 == 0) { /* addresses, of both families */
			addr_parse(i % 8 ? "2001:db8::" : "198.51.100.0", &r->local);
			r->local.b[i % 8 ? 15 : 3] = (uint8_t)i;
			r->local_len = i % 8 ? 126 : 30;
		} else if (i % 4 == 1) { /* ports */
			r->protocol = 17;
			r->local_port[0] = (uint16_t)(i * 500);
			r->local_port[1] = (uint16_t)(i * 500 + 300);
		} else if (i % 4 == 2) { /* marks */
			r->mark = i * 3;
			r->mark_mask = 0xff;
		} else if (i % 8 == 3) {
			r->dscp = UINT64_C(1) << (i % 64);
		} else {
			snprintf(r->cgroup, sizeof(r->cgroup), "c%u", i);
			cgroups[i] = 1000 + i;
		}
	}
	rules_build(rules, CLASS_RULES_MAX, cgroups, &table);
	if (bpf_map_update_elem(bpf_map__fd(b->maps.class_table), &slot, &table, BPF_ANY) ||
	    bpf_map_update_elem(bpf_map__fd(b->maps.class_cur), &key, &cur, BPF_ANY))
		die("rules", errno);
}

static void bench_classes(FILE *json, const char *machine)
{
	struct bench_prog *b = load(1, &(struct mode){ STEER_MODE_FLOW_HASH, 0, 1, 0 });
	const struct pair pairs[] = {
		{ "classify_tc, IPv4", b->progs.base_class, b->progs.full_class, -1, -1, 0, false },
		{ "classify_tc, IPv6", b->progs.base_class, b->progs.full_class, -1, -1, 0, true },
	};

	fill_rules(b);
	for (size_t k = 0; k < sizeof(pairs) / sizeof(*pairs); k++)
		measure(json, &pairs[k], "64 rules", NULL, 60, machine);
	bench_prog__destroy(b);
}

static void programs(FILE *json, uint32_t n_sas, const char *machine)
{
	struct bench_prog *b = load(n_sas, &(struct mode){ STEER_MODE_FLOW_HASH, 0, 1, 0 });
	const struct pair pairs[] = {
		{ "steer_tc", b->progs.base_out, b->progs.full_out, 0, 7, 0, false },
		{ "steer_tc, super-packet", b->progs.base_out, b->progs.full_out, 0, 7, 4, false },
		{ "steer_in", b->progs.base_in, b->progs.full_in, -1, -1, 0, false },
		{ "steer_xdp", b->progs.base_xdp, b->progs.full_xdp, 2, 2, 0, false },
	};
	char with[32];

	snprintf(with, sizeof(with), "%u SAs", n_sas);
	for (size_t k = 0; k < sizeof(pairs) / sizeof(*pairs); k++)
		measure(json, &pairs[k], with, NULL, n_sas > 10000 ? 130 : 20, machine);
	check_counters(b);
	bench_prog__destroy(b);
}

/* Whatever the mode, 15 ns more at most. */
static void modes(FILE *json, const char *machine)
{
	static const struct {
		const char *what;
		struct mode mode;
	} ways[] = {
		{ "steer_tc, plain", { STEER_MODE_FLOW_HASH, 0, 1, 0 } },
		{ "steer_tc, any class", { STEER_MODE_FLOW_HASH, 0, STEER_CLASSES, 0 } },
		{ "steer_tc, flow hash", { STEER_MODE_FLOW_HASH, 2, 1, 0 } },
		{ "steer_tc, standby", { STEER_MODE_ACTIVE_STANDBY, 2, 1, 0 } },
		{ "steer_tc, no copies now", { STEER_MODE_REDUNDANT, 2, 1, 1 } },
		{ "steer_tc, no path for copy", { STEER_MODE_REDUNDANT, 2, 1, 2 } },
		{ "steer_tc, bonding", { STEER_MODE_BOND, 2, 1, 0 } },
	};
	int plain = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct bench_prog *b = load(100, &ways[i].mode);
		const struct pair p = { ways[i].what, b->progs.base_out, b->progs.full_out, 0, 7, 0,
					false };

		if (i == 0)
			plain = measure(json, &p, "100 SAs", NULL, 20, machine);
		else
			measure(json, &p, "100 SAs", &plain, 15, machine);
		check_counters(b);
		bench_prog__destroy(b);
	}
}

/* Asked for, or nothing is. */
static bool part(char **argv, const char *name)
{
	if (!argv[0] || !argv[1] || !argv[2])
		return true;
	for (char **arg = argv + 2; *arg; arg++)
		if (!strcmp(*arg, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "build/bench";
	static const uint32_t sizes[] = { 100, 10000, 1000000 };
	char file[512], machine[200];
	struct utsname u;
	FILE *json;

	uname(&u);
	snprintf(machine, sizeof(machine), "%s %s, %d CPUs", u.machine, u.release,
		 libbpf_num_possible_cpus());
	mkdir(dir, 0777);
	snprintf(file, sizeof(file), "%s/bpf.jsonl", dir);
	json = fopen(file, "w");
	if (!json)
		die(file, errno);
	printf("ns per packet by test run, medians of %d runs of %d packets (min-max)\n", RUNS,
	       REPEAT);
	for (size_t i = 0; part(argv, "sizes") && i < sizeof(sizes) / sizeof(*sizes); i++)
		programs(json, sizes[i], machine);
	if (part(argv, "modes"))
		modes(json, machine);
	if (part(argv, "classes"))
		bench_classes(json, machine);
	fclose(json);
	printf("%s; written to %s\n",
	       failures ? "some figures are over their target" : "all on target", file);
	return 0;
}
