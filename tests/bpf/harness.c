/* SPDX-License-Identifier: GPL-2.0-only */
/* See harness.h. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "harness.h"

enum { CPUS_MAX = 256 };

void bpffs_open(char ret_dir[BPFFS_DIR])
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		cr_skip_test("needs root: network and mount namespaces, CAP_BPF");
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	strcpy(ret_dir, "/tmp/braid-test-bpf-XXXXXX");
	cr_assert(mkdtemp(ret_dir));
	cr_assert_eq(mount("bpf", ret_dir, "bpf", 0, NULL), 0);
}

void bpffs_close(const char *dir)
{
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static void size_maps(struct bpf_object *obj)
{
	static const char *const sized[] = { "sa_in", "sa_out", "sa_stat" };

	for (int i = 0; i < 3; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, sized[i]);
		uint32_t n = i < 2 ? SA_MAX : SA_MAX * libbpf_num_possible_cpus();

		cr_assert_eq(bpf_map__set_max_entries(map, n), 0);
	}
	cr_assert_eq(bpf_map__set_max_entries(bpf_object__find_map_by_name(obj, "cpus"),
					      libbpf_num_possible_cpus()),
		     0);
}

void maps_share(const struct bpf_object *from, struct bpf_object *obj)
{
	struct bpf_map *map, *shared;

	bpf_object__for_each_map(map, obj)
	{
		shared = bpf_object__find_map_by_name(from, bpf_map__name(map));
		if (shared && !bpf_map__is_internal(map))
			cr_assert_eq(bpf_map__reuse_fd(map, bpf_map__fd(shared)), 0);
	}
}

static void open_env(struct env *e, bool kernel_esp)
{
	int err;

	libbpf_set_print(quiet);
	if (geteuid() != 0)
		cr_skip_test("needs root (CAP_BPF, CAP_NET_ADMIN)");
	e->n_cpus = libbpf_num_possible_cpus();
	cr_assert(e->n_cpus > 0 && e->n_cpus <= CPUS_MAX);
	e->tc = steer_tc__open();
	e->xdp = steer_xdp__open();
	cr_assert(e->tc && e->xdp);
	size_maps(e->tc->obj);
	e->tc->rodata->sa_stat_n = e->xdp->rodata->sa_stat_n = SA_MAX;
	e->tc->rodata->kernel_esp = e->xdp->rodata->kernel_esp = kernel_esp;
	bpf_program__set_autoload(e->tc->progs.steer_tc_out, kernel_esp);
	err = steer_tc__load(e->tc);
	if (err == -EPERM)
		cr_skip_test("needs CAP_BPF and CAP_NET_ADMIN");
	cr_assert_eq(err, 0, "steer_tc does not load: %s", strerror(-err));
	maps_share(e->tc->obj, e->xdp->obj);
	err = steer_xdp__load(e->xdp);
	cr_assert_eq(err, 0, "steer_xdp does not load: %s", strerror(-err));
}

void env_open(struct env *e)
{
	open_env(e, false);
}

void env_open_kernel(struct env *e)
{
	open_env(e, true);
}

void env_open_shield(struct env *e)
{
	int err;

	e->shield = shield__open();
	cr_assert(e->shield);
	e->shield->rodata->kernel_esp = e->tc->rodata->kernel_esp;
	maps_share(e->tc->obj, e->shield->obj);
	err = shield__load(e->shield);
	cr_assert_eq(err, 0, "shield does not load: %s", strerror(-err));
	e->both = steer_shield__open();
	cr_assert(e->both);
	e->both->rodata->sa_stat_n = SA_MAX;
	e->both->rodata->kernel_esp = e->tc->rodata->kernel_esp;
	maps_share(e->tc->obj, e->both->obj);
	maps_share(e->shield->obj, e->both->obj);
	err = steer_shield__load(e->both);
	cr_assert_eq(err, 0, "steer_shield does not load: %s", strerror(-err));
}

void env_close(struct env *e)
{
	shield__destroy(e->shield);
	steer_shield__destroy(e->both);
	steer_tc__destroy(e->tc);
	steer_xdp__destroy(e->xdp);
}

static uint32_t sum16(const uint8_t *b, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (len & 1)
		sum += (uint32_t)b[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *b, uint16_t v)
{
	b[0] = v >> 8;
	b[1] = v;
}

static void put32(uint8_t *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b + 2, v);
}

static uint16_t get16(const uint8_t *b)
{
	return b[0] << 8 | b[1];
}

static size_t build_ip(const struct pkt *p, uint8_t *b, uint8_t proto, size_t l4_len)
{
	static const char *const def[2][2] = { { "198.18.0.1", "198.18.0.2" },
					       { "fd00:6272:6169:6400::1",
						 "fd00:6272:6169:6400::2" } };
	const char *src = p->src ?: def[p->family == 6][0], *dst = p->dst ?: def[p->family == 6][1];
	size_t hl = 20 + p->options;

	if (p->family == 6) {
		put32(b, 0x6b812345); /* traffic class 0xb8, some flow label */
		put16(b + 4, l4_len);
		b[6] = proto;
		b[7] = 64;
		cr_assert_eq(inet_pton(AF_INET6, src, b + 8), 1);
		cr_assert_eq(inet_pton(AF_INET6, dst, b + 24), 1);
		return 40;
	}
	b[0] = 0x40 | hl / 4;
	b[1] = 0xb8;
	put16(b + 2, hl + l4_len);
	put16(b + 4, 0x1234);
	put16(b + 6, p->frag);
	b[8] = 64;
	b[9] = proto;
	put16(b + 10, 0);
	cr_assert_eq(inet_pton(AF_INET, src, b + 12), 1);
	cr_assert_eq(inet_pton(AF_INET, dst, b + 16), 1);
	memset(b + 20, 1, p->options); /* NOP */
	put16(b + 10, ~sum16(b, hl, 0));
	return hl;
}

static uint32_t pseudo_sum(const uint8_t *ip, size_t l4_len, uint8_t proto)
{
	bool v6 = ip[0] >> 4 == 6;

	return sum16(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, l4_len + proto);
}

size_t pkt_build(const struct pkt *p, uint8_t buf[PKT_MAX])
{
	uint8_t proto = p->proto ?: p->udp ? 17 : 50;
	size_t l4_len = (p->udp ? 8 : 0) + 8 + p->payload, off = 0, hl;
	uint8_t *ip, *l4, *esp;

	memset(buf, 0, PKT_MAX);
	if (!p->no_ether) {
		memcpy(buf, "\x02\0\0\0\0\xaa\x02\0\0\0\0\xbb", 12);
		off = 12;
		if (p->vlan) {
			put16(buf + off, 0x8100);
			put16(buf + off + 2, p->vlan);
			off += 4;
		}
		put16(buf + off, p->family == 6 ? 0x86dd : 0x0800);
		off += 2;
	}
	ip = buf + off;
	hl = build_ip(p, ip, proto, l4_len);
	l4 = esp = ip + hl;
	if (p->udp) {
		put16(l4, p->sport ?: 4500);
		put16(l4 + 2, p->dport ?: 4500);
		put16(l4 + 4, l4_len);
		esp += 8;
	}
	put32(esp, p->spi ?: 0x11111111);
	put32(esp + 4, p->seq ?: 7);
	for (size_t i = 0; i < p->payload; i++)
		esp[8 + i] = i * 37 + 11;
	if (p->udp && p->partial)
		put16(l4 + 6, pseudo_sum(ip, l4_len, 17));
	else if (p->udp && !p->no_check)
		put16(l4 + 6, (uint16_t)~sum16(l4, l4_len, pseudo_sum(ip, l4_len, 17)) ?: 0xffff);
	return off + hl + l4_len;
}

static const uint8_t *find_ip(const uint8_t *buf)
{
	return buf + (get16(buf + 12) == 0x8100 ? 18 : 14);
}

bool pkt_sums_ok(const uint8_t *buf, size_t len)
{
	const uint8_t *ip = find_ip(buf);
	bool v6 = ip[0] >> 4 == 6;
	size_t hl = v6 ? 40 : (ip[0] & 15) * 4u, l4_len = len - (ip - buf) - hl;

	if (!v6 && sum16(ip, hl, 0) != 0xffff)
		return false;
	if ((v6 ? ip[6] : ip[9]) != 17)
		return true;
	if (!get16(ip + hl + 6))
		return !v6;
	return sum16(ip + hl, l4_len, pseudo_sum(ip, l4_len, 17)) == 0xffff;
}

bool pkt_partial_ok(const uint8_t *buf, size_t len)
{
	const uint8_t *ip = find_ip(buf);
	bool v6 = ip[0] >> 4 == 6;
	size_t hl = v6 ? 40 : (ip[0] & 15) * 4u, l4_len = len - (ip - buf) - hl;

	return (v6 || sum16(ip, hl, 0) == 0xffff) &&
	       get16(ip + hl + 6) == pseudo_sum(ip, l4_len, 17);
}

bool pkt_has_addrs(const uint8_t *buf, const char *src, const char *dst)
{
	const uint8_t *ip = find_ip(buf);
	bool v6 = ip[0] >> 4 == 6;
	uint8_t want[32];
	size_t n = v6 ? 16 : 4;

	return inet_pton(v6 ? AF_INET6 : AF_INET, src, want) == 1 &&
	       inet_pton(v6 ? AF_INET6 : AF_INET, dst, want + n) == 1 &&
	       !memcmp(v6 ? ip + 8 : ip + 12, want, 2 * n);
}

struct run run_tc(const struct bpf_program *prog, const uint8_t *buf, size_t len, uint32_t mark,
		  uint32_t gso_segs, uint32_t gso_size)
{
	struct __sk_buff in = { .mark = mark, .gso_segs = gso_segs, .gso_size = gso_size }, out;
	struct run r = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .data_size_in = len, .data_out = r.out,
		    .data_size_out = sizeof(r.out), .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &out, .ctx_size_out = sizeof(out));
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	cr_assert_eq(err, 0, "test run: %s", strerror(-err));
	r.verdict = (int)opts.retval;
	r.len = opts.data_size_out;
	r.mark = out.mark;
	return r;
}

struct run run_xdp(const struct bpf_program *prog, const uint8_t *buf, size_t len)
{
	struct run r = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .data_size_in = len, .data_out = r.out,
		    .data_size_out = sizeof(r.out));
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	cr_assert_eq(err, 0, "test run: %s", strerror(-err));
	r.verdict = (int)opts.retval;
	r.len = opts.data_size_out;
	return r;
}

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void put_sa_out(struct env *e, uint32_t index, uint32_t sa_id, uint32_t group)
{
	struct steer_sa_out sa = { .sa_id = sa_id, .group = group };

	update(e->tc->maps.sa_out, &index, &sa);
}

void put_sa_in(struct env *e, uint32_t spi, uint32_t sa_id, uint8_t family, uint8_t flags)
{
	struct steer_sa_in sa = { .spi = spi,
				  .sa_id = sa_id,
				  .owner = STEER_OWNER_ENGINE,
				  .family = family,
				  .flags = flags,
				  .sport = htons(4500),
				  .dport = htons(4500) };
	uint32_t index = STEER_SPI_INDEX(spi);
	int af = family == 4 ? AF_INET : AF_INET6;

	inet_pton(af, family == 4 ? "198.18.0.2" : "fd00:6272:6169:6400::2", sa.src.b);
	inet_pton(af, family == 4 ? "198.18.0.1" : "fd00:6272:6169:6400::1", sa.dst.b);
	update(e->tc->maps.sa_in, &index, &sa);
}

const char *path_src(uint32_t id, int family)
{
	static char s[8][24];

	snprintf(s[id % 8], sizeof(*s), family == 4 ? "192.0.2.%u" : "2001:db8:1::%u", id);
	return s[id % 8];
}

const char *path_dst(uint32_t id, int family)
{
	static char s[8][24];

	snprintf(s[id % 8], sizeof(*s), family == 4 ? "203.0.113.%u" : "2001:db8:2::%u", 100 + id);
	return s[id % 8];
}

void set_path_state(struct env *e, uint32_t id, enum steer_path_state state)
{
	struct steer_path_cur cur = { .slot = id, .state = state };

	update(e->tc->maps.path_cur, &id, &cur);
}

void put_path(struct env *e, uint32_t id, enum steer_path_state state, int family, uint8_t flags)
{
	struct steer_path p = { .id = id,
				.ifindex = 1,
				.family = family,
				.flags = flags,
				.sport = htons(4000 + id),
				.dport = htons(4100 + id) };
	int af = family == 4 ? AF_INET : AF_INET6;

	memcpy(p.smac, "\x02\x01\0\0\0", 5);
	memcpy(p.dmac, "\x02\x02\0\0\0", 5);
	p.smac[5] = p.dmac[5] = id;
	cr_assert_eq(inet_pton(af, path_src(id, family), p.src.b), 1);
	cr_assert_eq(inet_pton(af, path_dst(id, family), p.dst.b), 1);
	update(e->tc->maps.path, &id, &p);
	set_path_state(e, id, state);
}

void put_group(struct env *e, uint32_t id, const struct steer_group *g)
{
	struct steer_group_cur cur = { .slot = id };

	update(e->tc->maps.group, &id, g);
	update(e->tc->maps.group_cur, &id, &cur);
}

static struct steer_rx_key rx_key(uint32_t ifindex, int family, const char *local,
				  const char *remote)
{
	struct steer_rx_key key = { .ifindex = ifindex, .family = family };
	int af = family == 4 ? AF_INET : AF_INET6;

	cr_assert_eq(inet_pton(af, local, key.local.b), 1);
	cr_assert_eq(inet_pton(af, remote, key.remote.b), 1);
	return key;
}

void put_rx_path(struct env *e, uint32_t ifindex, int family, const char *local, const char *remote,
		 uint32_t id)
{
	struct steer_rx_key key = rx_key(ifindex, family, local, remote);

	update(e->tc->maps.rx_path, &key, &id);
}

void put_rx_hint(struct env *e, uint32_t ifindex, int family, const char *local, const char *remote,
		 uint32_t id)
{
	struct steer_rx_hint h = { .path = id, .key = rx_key(ifindex, family, local, remote) };
	size_t word = family == 4 ? 0 : 12;
	uint32_t l, r, at;

	memcpy(&l, h.key.local.b + word, sizeof(l));
	memcpy(&r, h.key.remote.b + word, sizeof(r));
	at = steer_rx_hash(ifindex, l, r);
	update(e->tc->maps.rx_hint, &at, &h);
}

struct steer_path_stat get_path_stat(struct env *e, uint32_t id)
{
	struct steer_path_stat v[CPUS_MAX], sum = { 0 };

	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(e->tc->maps.path_stat), &id, v), 0);
	for (int i = 0; i < e->n_cpus; i++) {
		sum.tx_packets += v[i].tx_packets;
		sum.tx_octets += v[i].tx_octets;
		sum.rx_packets += v[i].rx_packets;
		sum.rx_octets += v[i].rx_octets;
		if (v[i].rx_last_nsec > sum.rx_last_nsec)
			sum.rx_last_nsec = v[i].rx_last_nsec;
		for (int k = 0; k < STEER_CLASSES; k++) {
			sum.tx_class[k].packets += v[i].tx_class[k].packets;
			sum.tx_class[k].octets += v[i].tx_class[k].octets;
		}
	}
	return sum;
}

struct steer_sa_stat get_sa_stat(struct env *e, uint32_t index)
{
	struct steer_sa_stat v, sum = { 0 };

	for (int i = 0; i < e->n_cpus; i++) {
		uint32_t key = i * SA_MAX + index;

		cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(e->tc->maps.sa_stat), &key, &v), 0);
		sum.in_packets += v.in_packets;
		sum.in_octets += v.in_octets;
		sum.out_packets += v.out_packets;
		sum.out_octets += v.out_octets;
	}
	return sum;
}

uint64_t get_drop(struct env *e, enum drop_reason reason)
{
	__u64 v[CPUS_MAX], sum = 0;
	__u32 key = reason;

	cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(e->tc->maps.drops), &key, v), 0);
	for (int i = 0; i < e->n_cpus; i++)
		sum += v[i];
	return sum;
}

uint64_t get_drops_all(struct env *e)
{
	uint64_t sum = 0;

	for (int r = 0; r < DROP_MAX; r++)
		sum += get_drop(e, r);
	return sum;
}
