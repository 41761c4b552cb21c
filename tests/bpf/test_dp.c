/* SPDX-License-Identifier: GPL-2.0-only */
/* The data plane as the agent sees it, in a network and a mount namespace of its own with a bpffs:
 * adoption, publication while packets run, allocation, attachment beside others, flush.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dp/dp.h"
#include "esp/client.h"
#include "esp/proto.h"
#include "harness.h"

static char base[BPFFS_DIR], pins[80], error[512];
static struct dp_options opt;
static struct dp *dp;

static void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static bool sh_ok(const char *cmd)
{
	return system(cmd) == 0;
}

static void setup(void)
{
	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/x/braid", base);
	opt = (struct dp_options){ .pin_dir = pins, .steer_dev = "braid0", .sa_max = 256 };
	addr_parse("198.18.0.1", &opt.stable4_local);
	addr_parse("198.18.0.2", &opt.stable4_remote);
	addr_parse("fd00:6272:6169:6400::1", &opt.stable6_local);
	addr_parse("fd00:6272:6169:6400::2", &opt.stable6_remote);
	sh("ip link set lo up; ip link add u0 type veth peer name u1; ip link set u0 up; "
	   "ip link set u1 up");
}

static void drop_caps(const uint32_t *caps, size_t n)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	cr_assert_eq(syscall(SYS_capget, &h, d), 0);
	for (size_t i = 0; i < n; i++)
		d[caps[i] / 32].effective &= ~(1u << caps[i] % 32);
	cr_assert_eq(syscall(SYS_capset, &h, d), 0);
}

/* Back to all that is permitted: cleaning up needs it. */
static void restore_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	for (int i = 0; i < 2; i++)
		d[i].effective = d[i].permitted;
	syscall(SYS_capset, &h, d);
}

static void teardown(void)
{
	restore_caps();
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(dp, .init = setup, .fini = teardown);

static void open_dp(void)
{
	int err = dp_open(&opt, &dp, error, sizeof(error));

	cr_assert_eq(err, 0, "%s", error);
}

static void reopen_dp(void)
{
	dp_close(dp);
	dp = NULL;
	open_dp();
}

static struct steer_path a_path(uint32_t id, uint32_t n)
{
	struct steer_path p = {
		.id = id, .family = 4, .ifindex = if_nametoindex("u0"), .mtu = n, .epids = n
	};

	p.src.b[0] = 192;
	p.dst.b[0] = 203;
	p.src.b[3] = p.dst.b[3] = n;
	return p;
}

static uint32_t put(uint32_t id, uint32_t n, int state)
{
	struct steer_path p = a_path(id, n);
	uint32_t got = 0;

	cr_assert_eq(dp_path_put(dp, &p, state, &got), 0);
	return got;
}

static int pinned(const char *name)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/%s", pins, name);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0, "%s", name);
	return fd;
}

/* A group of one path, of line 1000 + path. */
static int group_of(uint32_t path, uint32_t *ret_id)
{
	struct dp_member m = { .path = path, .line = 1000 + path, .weight = 1 };

	return dp_group_put(dp, 0, &(struct dp_group_want){ .n = 1, .members = &m }, ret_id);
}

static int add_sa(uint32_t id, uint32_t spi_in, uint32_t spi_out, uint32_t group, uint8_t flags,
		  uint32_t *ret_out)
{
	return dp_sa_add(dp, &(struct dp_sa){ id, spi_in, spi_out, group, .flags = flags },
			 ret_out);
}

/* Everything a restarted agent needs is in the pins; traffic's maps are the same ones. */
Test(dp, adoption)
{
	uint32_t spi, spi2, path, group, out, found, other;
	struct steer_group members;
	struct steer_path got;
	enum steer_path_state state;

	open_dp();
	cr_assert_eq(dp_spi_alloc(dp, &spi), 0);
	path = put(0, 9, STEER_PATH_DOWN);
	cr_assert_eq(group_of(path, &group), 0);
	cr_assert_eq(add_sa(77, spi, 0xabcdef, group, STEER_SA_ENCAP, &out), 0);
	reopen_dp();
	cr_assert_eq(dp_sa_find(dp, 77, &found), 0);
	cr_assert_eq(found, out);
	cr_assert_eq(dp_path_get(dp, path, &got, &state), 0);
	cr_assert_eq(state, STEER_PATH_DOWN);
	cr_assert_eq(got.epids, 9);
	cr_assert_eq(dp_sa_group(dp, out, &found, &members), 0);
	cr_assert_eq(found, group);
	cr_assert_eq(members.n_members, 1);
	cr_assert_eq(members.path[0], path);
	cr_assert_eq(members.line[0], 1000 + path);
	/* what is in use is not given out again */
	cr_assert_eq(dp_spi_reserve(dp, spi), 0);
	cr_assert_eq(dp_spi_alloc(dp, &spi2), 0);
	cr_assert_neq(STEER_SPI_INDEX(spi2), STEER_SPI_INDEX(spi));
	cr_assert_neq(put(0, 10, STEER_PATH_UP), path);
	cr_assert_eq(group_of(path, &other), 0);
	cr_assert_neq(other, group);
	dp_sa_del(dp, 77);
	cr_assert_eq(dp_sa_find(dp, 77, &found), -ENOENT);
}

/* SA 77 with its group and path are claimed, what else is there is not. */
static bool keep_some(void *ctx, enum dp_kind kind, uint32_t id)
{
	const uint32_t *ids = ctx;

	return kind == DP_SA ? id == 77 : id == ids[kind == DP_PATH];
}

Test(dp, sweep_after_adoption)
{
	const struct dp_member m = { .path = 1, .weight = 1 };
	const struct dp_group_want klass2 = { .klass = 2, .n = 1, .members = &m };
	uint32_t spi, spi2, path, path2, ids[2], group2, out, found;
	struct steer_group rec;
	enum steer_path_state state;
	struct steer_path got;

	open_dp();
	cr_assert_eq(dp_spi_alloc(dp, &spi), 0);
	cr_assert_eq(dp_spi_alloc(dp, &spi2), 0);
	path = put(0, 9, STEER_PATH_UP);
	path2 = put(0, 10, STEER_PATH_UP);
	cr_assert_eq(group_of(path, &ids[0]), 0);
	cr_assert_eq(group_of(path2, &group2), 0);
	cr_assert_eq(add_sa(77, spi, 1, ids[0], 0, &out), 0);
	cr_assert_eq(add_sa(78, spi2, 2, group2, 0, &out), 0);
	cr_assert_eq(dp_group_put(dp, ids[0], &klass2, &ids[0]), 0);
	cr_assert_eq(dp_group_put(dp, group2, &klass2, &group2), 0);
	reopen_dp();
	/* a new agent numbers its SAs from the beginning */
	cr_assert_eq(add_sa(78, spi2, 2, group2, 0, &out), -EEXIST);
	ids[1] = path;
	dp_sweep(dp, keep_some, ids);
	cr_assert_eq(dp_sa_find(dp, 77, &found), 0);
	cr_assert_eq(dp_path_get(dp, path, &got, &state), 0);
	cr_assert_eq(dp_group_get(dp, ids[0], 2, &rec), 0);
	cr_assert_eq(dp_group_get(dp, group2, 2, &rec), -ENOENT);
	cr_assert_eq(dp_group_del(dp, ids[0]), 0);
	cr_assert_eq(dp_sa_find(dp, 78, &found), -ENOENT);
	cr_assert_eq(dp_path_get(dp, path2, &got, &state), -ENOENT);
	cr_assert_eq(dp_group_del(dp, group2), -ENOENT);
	cr_assert_eq(add_sa(78, spi2, 2, 1, 0, &out), 0);
}

/* One living owner: a second is told, and what the first has stays as it is. */
Test(dp, second_owner_is_refused)
{
	struct dp *second = NULL;
	uint32_t path;

	open_dp();
	path = put(0, 3, STEER_PATH_UP);
	cr_assert_eq(dp_open(&opt, &second, error, sizeof(error)), -EBUSY);
	cr_assert(strstr(error, "another braidd uses it"), "%s", error);
	cr_assert_null(second);
	cr_assert(sh_ok("tc filter show dev braid0 egress | grep -q steer_tc"));
	cr_assert_eq(dp_path_state(dp, path, STEER_PATH_DOWN), 0);
	reopen_dp();
}

Test(dp, pins_are_private)
{
	struct stat st;

	open_dp();
	cr_assert_eq(stat(pins, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
}

/* Another size or version: nothing is touched, and the sentence says both sides. */
Test(dp, other_abi)
{
	struct steer_abi abi;
	__u32 key = 0;
	int fd;

	open_dp();
	dp_close(dp);
	dp = NULL;
	opt.sa_max = 512;
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EPROTO);
	cr_assert(strstr(error, "256 SAs") && strstr(error, "512") && strstr(error, "rm -r"), "%s",
		  error);
	opt.sa_max = 256;
	fd = pinned("abi");
	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &abi), 0);
	abi.version = 99;
	cr_assert_eq(bpf_map_update_elem(fd, &key, &abi, BPF_ANY), 0);
	close(fd);
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EPROTO);
	cr_assert(strstr(error, "version 99"), "%s", error);
	cr_assert_eq(dp_flush(&opt), 0);
	open_dp();
}

Test(dp, bad_options)
{
	opt.sa_max = 300;
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EINVAL);
	cr_assert(strstr(error, "power of two"), "%s", error);
	opt.sa_max = 256;
	opt.pin_dir = "relative";
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EINVAL);
	opt.pin_dir = pins;
	opt.steer_dev = "a-name-that-is-too-long";
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EINVAL);
	/* somebody's device of that name is left alone */
	opt.steer_dev = "u0";
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EEXIST);
	cr_assert(strstr(error, "not ours"), "%s", error);
	cr_assert_eq(dp_flush(&opt), -EEXIST);
	cr_assert(if_nametoindex("u0"));
}

Test(dp, missing_net_admin_is_named)
{
	const uint32_t caps[] = { CAP_NET_ADMIN };

	drop_caps(caps, 1);
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EPERM);
	cr_assert(strstr(error, "CAP_NET_ADMIN"), "%s", error);
}

Test(dp, missing_bpf_is_named)
{
	const uint32_t caps[] = { CAP_BPF, CAP_SYS_ADMIN };

	drop_caps(caps, 2);
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EPERM);
	cr_assert(strstr(error, "CAP_BPF"), "%s", error);
}

/* A start that fails later takes back what it made, and only that. */
Test(dp, abandoned)
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof(name), "%s", opt.steer_dev);
	open_dp();
	dp_abandon(dp);
	dp = NULL;
	cr_assert_eq(if_nametoindex(name), 0);
	cr_assert_eq(access(pins, F_OK), -1);
	open_dp();
	reopen_dp();
	dp_abandon(dp);
	dp = NULL;
	cr_assert_neq(if_nametoindex(name), 0);
	close(pinned("path_cur"));
	open_dp();
}

Test(dp, nothing_is_missing_here)
{
	cr_assert_eq(dp_probe(error, sizeof(error)), 0, "%s", error);
}

/* A kernel that lacks these cannot be had everywhere: its answers can. */
Test(dp, a_failed_attachment_is_explained)
{
	static const struct {
		bool qdisc;
		int err;
		const char *part;
	} answers[] = {
		{ true, -ENOENT, "CONFIG_NET_SCH_INGRESS" },
		{ true, -EOPNOTSUPP, "CONFIG_NET_SCH_INGRESS" },
		{ false, -ENOENT, "CONFIG_NET_CLS_BPF" },
		{ false, -EOPNOTSUPP, "CONFIG_NET_CLS_BPF" },
		{ true, -EPERM, "CAP_NET_ADMIN is missing" },
		{ false, -EBUSY, "somebody else" },
		{ false, -ENOMEM, "attaching steer_tc on u9: Cannot allocate memory" },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		cr_assert_eq(dp_explain_attach("u9", answers[i].qdisc, answers[i].err, error,
					       sizeof(error)),
			     answers[i].err);
		cr_assert(strstr(error, answers[i].part), "%s", error);
	}
}

/* No bpffs: one is mounted at the parent of the pin directory; if it cannot be, the sentence says
 * what to run. */
Test(dp, bpffs_missing)
{
	const uint32_t caps[] = { CAP_SYS_ADMIN };
	char dir[64] = "/tmp/braid-test-nofs-XXXXXX", pin[96];

	cr_assert(mkdtemp(dir));
	snprintf(pin, sizeof(pin), "%s/bpf/braid", dir);
	opt.pin_dir = pin;
	open_dp();
	cr_assert_eq(dp_flush(&opt), 0);
	dp_close(dp);
	dp = NULL;
	snprintf(pin, sizeof(pin), "%s/bpf", dir);
	cr_assert_eq(umount2(pin, MNT_DETACH), 0);
	snprintf(pin, sizeof(pin), "%s/bpf/braid", dir);
	drop_caps(caps, 1);
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EPERM);
	cr_assert(strstr(error, "mount -t bpf"), "%s", error);
	restore_caps();
	snprintf(pin, sizeof(pin), "%s/bpf", dir);
	rmdir(pin);
	rmdir(dir);
}

/* A reader never sees half a record. A path's mtu, epids and last octets are written equal. */
struct tear {
	struct dp *dp;
	volatile bool stop;
	uint64_t looks, torn;
	uint32_t id;
};

static void *read_records(void *arg)
{
	struct tear *t = arg;
	struct steer_path p;
	enum steer_path_state state;

	while (!t->stop) {
		if (dp_path_get(t->dp, t->id, &p, &state))
			continue;
		t->looks++;
		t->torn += p.mtu != p.epids || (p.mtu & 0xff) != p.src.b[3] ||
			   p.src.b[3] != p.dst.b[3];
	}
	return NULL;
}

Test(dp, publication_is_never_torn)
{
	struct tear t = { 0 };
	pthread_t reader;

	open_dp();
	t.dp = dp;
	t.id = put(0, 1, STEER_PATH_UP);
	cr_assert_eq(pthread_create(&reader, NULL, read_records, &t), 0);
	for (uint32_t i = 0; i < 3000; i++) /* fewer than there are slots */
		put(t.id, i & 0xff, -1);
	for (uint32_t i = 0; i < 100000; i++)
		cr_assert_eq(dp_path_state(dp, t.id, i & 1 ? STEER_PATH_UP : STEER_PATH_DOWN), 0);
	t.stop = true;
	pthread_join(reader, NULL);
	cr_assert_gt(t.looks, 100);
	cr_assert_eq(t.torn, 0);
}

/* The state can be changed by the engine in between: a new record keeps it. */
Test(dp, record_change_keeps_the_engines_state)
{
	enum steer_path_state state;
	struct steer_path got;
	struct steer_path_cur cur;
	struct engine_maps maps;
	struct engine_fds fds;
	uint32_t id;
	int fd;

	open_dp();
	id = put(0, 5, STEER_PATH_UP);
	dp_engine_maps(dp, &maps, &fds);
	cr_assert_eq(maps.entries[ENGINE_MAP_PATH_CUR], STEER_PATHS_MAX);
	cr_assert_eq(maps.entries[ENGINE_MAP_GROUP_CUR], STEER_GROUPS_MAX);
	cr_assert_eq(maps.entries[ENGINE_MAP_GROUP], STEER_GROUP_SLOTS);
	fd = fds.fd[ENGINE_MAP_PATH_CUR];
	cr_assert_eq(bpf_map_lookup_elem(fd, &id, &cur), 0);
	cur.state = STEER_PATH_DOWN;
	cr_assert_eq(bpf_map_update_elem(fd, &id, &cur, BPF_ANY), 0);
	put(id, 6, -1);
	cr_assert_eq(dp_path_get(dp, id, &got, &state), 0);
	cr_assert_eq(state, STEER_PATH_DOWN);
	cr_assert_eq(got.mtu, 6);
}

Test(dp, path_errors)
{
	struct steer_path p = a_path(0, 1), got;
	enum steer_path_state state;
	uint32_t id;

	open_dp();
	p.family = 0;
	cr_assert_eq(dp_path_put(dp, &p, 1, &id), -EINVAL);
	p = a_path(0, 1);
	p.ifindex = if_nametoindex("braid0"); /* would go round in circles */
	cr_assert_eq(dp_path_put(dp, &p, 1, &id), -EINVAL);
	p = a_path(STEER_PATHS_MAX, 1);
	cr_assert_eq(dp_path_put(dp, &p, 1, &id), -EINVAL);
	cr_assert_eq(dp_path_state(dp, 5, STEER_PATH_UP), -ENOENT);
	cr_assert_eq(dp_path_del(dp, 5), -ENOENT);
	cr_assert_eq(dp_path_get(dp, 0, &got, &state), -ENOENT);
	id = put(0, 1, STEER_PATH_UP);
	cr_assert_eq(dp_path_del(dp, id), 0);
	cr_assert_eq(dp_path_get(dp, id, &got, &state), -ENOENT);
	for (uint32_t i = 1; i < STEER_PATHS_MAX; i++)
		put(0, i, STEER_PATH_UP);
	p = a_path(0, 1);
	cr_assert_eq(dp_path_put(dp, &p, 1, &id), -ENOSPC);
}

/* The path that packets between the addresses of put(…, 7) count for; 0: none. */
static __u32 heard_by(int rx_path)
{
	struct steer_rx_key key = { .ifindex = if_nametoindex("u0"), .family = 4 };
	__u32 id;

	key.local.b[0] = 192;
	key.remote.b[0] = 203;
	key.local.b[3] = key.remote.b[3] = 7;
	return bpf_map_lookup_elem(rx_path, &key, &id) ? 0 : id;
}

/* rx_path follows the record, and a path does not take away what another has. */
Test(dp, receive_key_follows)
{
	__u32 a, b;
	int fd;

	open_dp();
	fd = pinned("rx_path");
	a = put(0, 7, STEER_PATH_UP);
	cr_assert_eq(heard_by(fd), a);
	put(a, 8, -1);
	cr_assert_eq(heard_by(fd), 0);
	put(a, 7, -1);
	b = put(0, 7, STEER_PATH_UP);
	cr_assert_eq(dp_path_del(dp, a), 0);
	cr_assert_eq(heard_by(fd), b);
	cr_assert_eq(dp_path_del(dp, b), 0);
	cr_assert_eq(heard_by(fd), 0);
	close(fd);
}

/* Of two paths with one key the first has it as long as it is there, or until it has another one;
 * an agent that takes over knows who waits. [CLONE-5] */
Test(dp, receive_key_is_inherited)
{
	__u32 a, b;
	int fd;

	open_dp();
	fd = pinned("rx_path");
	a = put(0, 7, STEER_PATH_UP);
	b = put(0, 7, STEER_PATH_UP);
	put(b, 7, -1);
	cr_assert_eq(heard_by(fd), a);
	put(b, 8, -1);
	cr_assert_eq(heard_by(fd), a);
	put(b, 7, -1);
	put(a, 9, -1);
	cr_assert_eq(heard_by(fd), b);
	put(a, 7, -1);
	reopen_dp();
	cr_assert_eq(dp_path_del(dp, b), 0);
	cr_assert_eq(heard_by(fd), a);
	cr_assert_eq(dp_path_del(dp, a), 0);
	cr_assert_eq(heard_by(fd), 0);
	close(fd);
}

Test(dp, sa_errors)
{
	uint32_t spi, out;

	open_dp();
	cr_assert_eq(dp_spi_alloc(dp, &spi), 0);
	cr_assert_not(dp_spi_installed(dp, spi));
	cr_assert_eq(add_sa(1, spi, 2, 1, 0, &out), 0);
	cr_assert(dp_spi_installed(dp, spi));
	cr_assert_not(dp_spi_installed(dp, spi ^ 0x00100000));
	cr_assert_not(dp_spi_installed(dp, 0));
	cr_assert_not(dp_spi_installed(dp, UINT32_MAX));
	cr_assert_eq(add_sa(1, spi, 2, 1, 0, &out), -EEXIST);
	cr_assert_eq(add_sa(2, spi, 2, 1, 0, &out), -EEXIST);
	cr_assert_eq(add_sa(2, spi ^ 0x00100000, 2, 1, 0, &out), -EEXIST);
	cr_assert_eq(add_sa(2, 0x100, 2, 1, 0, &out), -EINVAL);
	dp_sa_del(dp, 99);
	dp_sa_del(dp, 1);
	cr_assert_eq(add_sa(2, spi, 2, 1, 0, &out), 0);
}

Test(dp, another_group_of_an_sa)
{
	struct steer_group rec;
	uint32_t spi, first, second, out, found;

	open_dp();
	cr_assert_eq(group_of(1, &first), 0);
	cr_assert_eq(group_of(1, &second), 0);
	cr_assert_eq(dp_spi_alloc(dp, &spi), 0);
	cr_assert_eq(add_sa(5, spi, 2, first, 0, &out), 0);
	cr_assert_eq(dp_sa_regroup(dp, 5, second), 0);
	cr_assert_eq(dp_sa_group(dp, out, &found, &rec), 0);
	cr_assert_eq(found, second);
	cr_assert_eq(dp_sa_regroup(dp, 6, second), -ENOENT);
	cr_assert_eq(dp_sa_regroup(dp, 5, 0), -EINVAL);
	cr_assert_eq(dp_sa_regroup(dp, 5, STEER_GROUPS_MAX), -EINVAL);
}

/* ---- groups ---- */

static struct steer_group put_want(uint32_t *id, const struct dp_group_want *want)
{
	struct steer_group rec;

	cr_assert_eq(dp_group_put(dp, *id, want, id), 0);
	cr_assert_eq(*id % STEER_GROUP_BLOCK, 0);
	cr_assert_eq(dp_group_get(dp, *id, want->klass, &rec), 0);
	cr_assert_eq(rec.id, STEER_GROUP_OF(*id, want->klass));
	return rec;
}

static unsigned slots_of(const struct steer_group *g, uint32_t path)
{
	unsigned n = 0;

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n += g->flow[s] == path;
	return n;
}

static unsigned differ(const struct steer_group *a, const struct steer_group *b)
{
	unsigned n = 0;

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n += a->flow[s] != b->flow[s];
	return n;
}

/* From record to record slots move for quotas only, also after a restart. */
Test(dp, a_flow_table_is_kept)
{
	struct dp_member m[] = { { 1, 7, 3 }, { 2, 8, 1 } };
	struct dp_group_want want = { .n = 2, .members = m };
	struct steer_group was, is;
	uint32_t id = 0;

	open_dp();
	was = put_want(&id, &want);
	cr_assert_eq(slots_of(&was, 1), 192);
	m[0].weight = 1;
	is = put_want(&id, &want);
	cr_assert_eq(differ(&was, &is), 64);
	m[0].weight = 3;
	want.like = id; /* its own: no other word */
	was = put_want(&id, &want);
	cr_assert_eq(differ(&was, &is), 64);
	reopen_dp();
	m[1].path = 3;
	is = put_want(&id, &want);
	cr_assert_eq(differ(&was, &is), 64);
	cr_assert_eq(slots_of(&is, 3), 64);
	want.n = 1;
	is = put_want(&id, &want);
	cr_assert_eq(slots_of(&is, 1), STEER_FLOW_SLOTS);
}

/* What says nothing new takes no slot; a line is news. */
Test(dp, an_equal_record_is_no_store)
{
	struct dp_member m[] = { { 1, 7, 3 }, { 2, 8, 1 } };
	struct dp_group_want want = { .n = 2, .members = m };
	uint32_t id = 0;

	open_dp();
	cr_assert_eq(put_want(&id, &want).version, 0);
	for (uint32_t i = 0; i < 2 * STEER_GROUP_SLOTS; i++)
		cr_assert_eq(dp_group_put(dp, id, &want, &id), 0);
	cr_assert_eq(put_want(&id, &want).version, 0);
	m[1].line = 9;
	cr_assert_eq(put_want(&id, &want).version, 1);
}

/* Lines that come later, and had other members before, get the first one's table. */
Test(dp, groups_alike_have_equal_tables)
{
	struct dp_member m[] = { { 1, 7, 1 }, { 2, 8, 1 }, { 3, 9, 1 } };
	struct dp_group_want want = { .n = 3, .members = m };
	struct steer_group first, other, fresh;
	uint32_t a = 0, b = 0, c = 0;

	open_dp();
	put_want(&a, &want);
	want.n = 2;
	put_want(&b, &want);
	m[1].weight = 5;
	put_want(&a, &want);
	want.n = 3;
	first = put_want(&a, &want);
	other = put_want(&b, &want);
	cr_assert_gt(differ(&first, &other), 0);
	want.like = a;
	other = put_want(&b, &want);
	fresh = put_want(&c, &want);
	cr_assert_eq(differ(&first, &other) + differ(&first, &fresh), 0);
	cr_assert_neq(other.id, first.id);
}

/* A class for which there is no record does not go as class 0 does; that costs none, and the
 * records of the others are left alone. */
Test(dp, a_class_that_goes_nowhere)
{
	struct dp_member m = { 5, 7, 1 };
	struct dp_group_want want = { .n = 1, .members = &m };
	struct steer_group rec;
	uint32_t id = 0, first = 0, n = 0, group;

	open_dp();
	put_want(&first, &want);
	cr_assert_eq(dp_group_nowhere(dp, first, 0), -ENOENT);
	cr_assert_eq(dp_group_nowhere(dp, first + STEER_GROUP_BLOCK, 1), -ENOENT);
	for (group = 0; dp_group_put(dp, 0, &want, &group) == 0; group = 0)
		n++;
	cr_assert_lt(n, STEER_GROUPS_MAX / STEER_GROUP_BLOCK);
	id = first;
	for (uint8_t k = 1; k < STEER_CLASSES; k++) {
		cr_assert_eq(dp_group_nowhere(dp, id, k), 0);
		cr_assert_eq(dp_group_nowhere(dp, id, k), 0);
		cr_assert_eq(dp_group_get(dp, id, k, &rec), 0);
		cr_assert_eq(rec.n_members, 0);
		cr_assert_eq(rec.flow[7], 0);
	}
	cr_assert_eq(dp_group_get(dp, id, 0, &rec), 0);
	cr_assert_eq(rec.n_members, 1);
	/* back to one of its own, and away */
	want.klass = 2;
	cr_assert_eq(dp_group_put(dp, id, &want, &id), 0);
	cr_assert_eq(dp_group_get(dp, id, 2, &rec), 0);
	cr_assert_eq(rec.n_members, 1);
	cr_assert_eq(dp_group_get(dp, id, 3, &rec), 0);
	cr_assert_eq(rec.n_members, 0);
	cr_assert_eq(dp_group_del(dp, id), 0);
	cr_assert_eq(dp_group_get(dp, id, 3, &rec), -ENOENT);
}

/* One for each class in a block; a class that goes leaves the others, and all go with class 0. */
Test(dp, groups_of_classes)
{
	struct dp_member m[] = { { 5, 7, 1 }, { 6, 7, 1 }, { 7, 7, 0 } };
	struct dp_group_want want = { .n = 2, .members = m };
	struct steer_group rec;
	uint32_t id = 0, other = 0;

	open_dp();
	want.klass = 1;
	cr_assert_eq(dp_group_put(dp, 0, &want, &id), -EINVAL); /* class 0 is not there */
	cr_assert_eq(dp_group_put(dp, STEER_GROUP_BLOCK, &want, &id), -EINVAL);
	want.klass = 0;
	put_want(&id, &want);
	put_want(&other, &want);
	cr_assert_eq(other, id + STEER_GROUP_BLOCK);
	for (uint8_t k = 1; k < STEER_CLASSES; k++) {
		m[0].path = 10 + k;
		want.klass = k;
		want.mode = k == 4  ? STEER_MODE_BOND
			    : k % 2 ? STEER_MODE_ACTIVE_STANDBY
				    : STEER_MODE_REDUNDANT;
		want.copies = 2;
		want.patience = 9;
		want.n = 3;
		rec = put_want(&id, &want);
		cr_assert_eq(rec.mode, want.mode);
		cr_assert_eq(rec.copies, rec.mode == STEER_MODE_REDUNDANT ? 2 : 0);
		cr_assert_eq(rec.patience, rec.mode == STEER_MODE_BOND ? 9 : 0);
		if (rec.mode != STEER_MODE_BOND)
			cr_assert_eq(slots_of(&rec, 10 + k), STEER_FLOW_SLOTS);
	}
	want.klass = STEER_CLASSES;
	cr_assert_eq(dp_group_put(dp, id, &want, &id), -EINVAL);
	want.klass = 1;
	cr_assert_eq(dp_group_put(dp, id + 1, &want, &id), -EINVAL);
	cr_assert_eq(dp_group_del_class(dp, id, 3), 0);
	cr_assert_eq(dp_group_del_class(dp, id, 3), -ENOENT);
	cr_assert_eq(dp_group_get(dp, id, 3, &rec), -ENOENT);
	cr_assert_eq(dp_group_get(dp, id, 4, &rec), 0);
	cr_assert_eq(rec.path[0], 14);
	cr_assert_eq(dp_group_del(dp, id), 0);
	for (uint8_t k = 0; k < STEER_CLASSES; k++)
		cr_assert_eq(dp_group_get(dp, id, k, &rec), -ENOENT);
	cr_assert_eq(dp_group_get(dp, other, 0, &rec), 0);
	cr_assert_eq(dp_group_del(dp, id), -ENOENT);
}

/* The device, its addresses and the route to the pair's far side. */
Test(dp, steering_device)
{
	open_dp();
	cr_assert(sh_ok("ip -o link show braid0 | grep -q NOARP"));
	cr_assert(sh_ok("ip -o link show braid0 | grep -q 'mtu 65535'"));
	cr_assert(sh_ok("ip route get 198.18.0.2 | grep -q 'dev braid0 src 198.18.0.1'"));
	cr_assert(sh_ok("ip -6 route get fd00:6272:6169:6400::2 | grep -q 'dev braid0'"));
	cr_assert(sh_ok("tc filter show dev braid0 egress | grep -q steer_tc"));
	reopen_dp();
	cr_assert(sh_ok("test $(tc filter show dev braid0 egress | grep -c steer_tc) = 1"));
}

/* Ours beside a filter of somebody else, and gone without a trace of ours. */
Test(dp, foreign_filter_and_qdisc_stay)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = 5, .handle = 1);
	struct steer_tc *theirs;
	uint32_t u0, u1;
	char why[128];

	open_dp();
	u0 = if_nametoindex("u0");
	u1 = if_nametoindex("u1");
	theirs = steer_tc__open_and_load();
	cr_assert(theirs);
	hook.ifindex = u0;
	opts.prog_fd = bpf_program__fd(theirs->progs.steer_tc);
	cr_assert_eq(bpf_tc_hook_create(&hook), 0);
	cr_assert_eq(bpf_tc_attach(&hook, &opts), 0);
	for (int twice = 0; twice < 2; twice++) {
		cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
		cr_assert_eq(dp_uplink_attach(dp, u1, why, sizeof(why)), 0, "%s", why);
	}
	cr_assert(strstr(why, "tc ingress"));
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "tc");
	cr_assert_str_eq(dp_uplink_mode(dp, u1), "tc");
	cr_assert_str_eq(dp_uplink_mode(dp, 1), "none");
	cr_assert(sh_ok("test $(tc filter show dev u0 ingress | grep -c steer_in) = 1"));
	reopen_dp();
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "tc");
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);
	cr_assert_eq(dp_uplink_detach(dp, u1), 0);
	cr_assert(sh_ok("tc filter show dev u0 ingress | grep -q 'pref 5 .*steer_tc'"));
	cr_assert(!sh_ok("tc filter show dev u0 ingress | grep -q steer_in"));
	cr_assert(sh_ok("tc qdisc show dev u0 | grep -q clsact"));
	cr_assert(!sh_ok("tc qdisc show dev u1 | grep -q clsact"));
	steer_tc__destroy(theirs);
}

/* Flush takes what is ours, pins of others in the directory stay. */
Test(dp, flush)
{
	char why[128], file[128];
	struct stat st;
	int fd;

	open_dp();
	cr_assert_eq(dp_uplink_attach(dp, if_nametoindex("u0"), why, sizeof(why)), 0);
	fd = pinned("drops");
	snprintf(file, sizeof(file), "%s/theirs", pins);
	cr_assert_eq(bpf_obj_pin(fd, file), 0);
	close(fd);
	dp_close(dp);
	dp = NULL;
	cr_assert_eq(dp_flush(&opt), 0);
	cr_assert_eq(dp_flush(&opt), 0);
	cr_assert_eq(if_nametoindex("braid0"), 0);
	cr_assert(!sh_ok("tc qdisc show dev u0 | grep -q clsact"));
	cr_assert_eq(stat(file, &st), 0);
	cr_assert_eq(unlink(file), 0);
	snprintf(file, sizeof(file), "%s/sa_in", pins);
	cr_assert_neq(stat(file, &st), 0);
	open_dp();
	cr_assert_eq(dp_flush(&opt), 0);
	cr_assert_neq(stat(pins, &st), 0);
}

static void xdp_beside(enum dp_attach mode, const char *name)
{
	uint32_t u0 = if_nametoindex("u0");
	char why[160];

	opt.attach = mode;
	open_dp();
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(dp_uplink_mode(dp, u0), name, "%s", why);
	cr_assert(sh_ok("ip link show u0 | grep -q xdp"));
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	reopen_dp();
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(dp_uplink_mode(dp, u0), name, "%s", why);
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);
	cr_assert(!sh_ok("ip link show u0 | grep -q xdp"));
}

Test(dp, native_xdp_when_asked)
{
	xdp_beside(DP_ATTACH_XDP, "xdp");
}

Test(dp, generic_xdp_when_asked)
{
	xdp_beside(DP_ATTACH_XDP_GENERIC, "xdp-generic");
}

static int xdp_of_somebody(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, 2, NULL);

	cr_assert_geq(fd, 0);
	return fd;
}

/* Somebody's XDP program holds the device without a dispatcher: ours goes to tc and says why. Once
 * the place is free ours takes it; taken from it by force, ours goes to tc again. */
Test(dp, xdp_taken_falls_back_to_tc)
{
	uint32_t u0 = if_nametoindex("u0");
	int theirs = xdp_of_somebody();
	char why[192];

	cr_assert_eq(bpf_xdp_attach(u0, theirs, 0, NULL), 0);
	opt.attach = DP_ATTACH_XDP;
	open_dp();
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
		cr_assert_str_eq(dp_uplink_mode(dp, u0), "tc");
		cr_assert(strstr(why, "another XDP program"), "%s", why);
		cr_assert(sh_ok("ip link show u0 | grep -q 'name somebody'"));
		cr_assert(sh_ok("tc filter show dev u0 ingress | grep -q steer_in"));
		cr_assert_eq(bpf_xdp_detach(u0, 0, NULL), 0);
		cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
		cr_assert_str_eq(dp_uplink_mode(dp, u0), "xdp");
		cr_assert(!sh_ok("tc qdisc show dev u0 | grep -q clsact"));
		cr_assert_eq(bpf_xdp_attach(u0, theirs, 0, NULL), 0);
	}
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);
	cr_assert(!sh_ok("tc qdisc show dev u0 | grep -q clsact"));
	cr_assert(sh_ok("ip link show u0 | grep -q 'name somebody'"));
	close(theirs);
}

/* Ours from an earlier life, on maps that are gone with their pins: replaced. */
Test(dp, stale_xdp_is_replaced)
{
	struct steer_xdp *stale = steer_xdp__open_and_load();
	uint32_t u0 = if_nametoindex("u0");
	char why[192];

	cr_assert(stale);
	cr_assert_eq(bpf_xdp_attach(u0, bpf_program__fd(stale->progs.steer_xdp), 0, NULL), 0);
	steer_xdp__destroy(stale);
	opt.attach = DP_ATTACH_XDP;
	open_dp();
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "xdp", "%s", why);
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);
	cr_assert(!sh_ok("ip link show u0 | grep -q xdp"));
}

/* What the pins promise to readers: every map there, private, and with the types of key and value,
 * but for those that the kernel takes none for, by which bpftool prints fields. */
Test(dp, every_map_is_pinned_typed_and_private)
{
	static const char *const names[] = { "sa_in",	"sa_out",     "sa_stat", "group_cur",
					     "group",	"path_cur",   "path",	 "path_stat",
					     "rx_path", "rx_hint",    "frag_id", "drops",
					     "events",	"event_next", "uplink",	 "abi",
					     "shield",	"shield_dev", "intake",	 "cpus",
					     "frag_in", "awaited",    "held" };
	struct bpf_map_info info;
	__u32 len, key = 0;
	struct steer_abi abi;
	struct stat st;
	char file[128];
	int fd;

	open_dp();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fd = pinned(names[i]);
		snprintf(file, sizeof(file), "%s/%s", pins, names[i]);
		cr_assert_eq(stat(file, &st), 0);
		cr_assert_eq(st.st_mode & 0777, 0600, "%s", names[i]);
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		cr_assert_str_eq(info.name, names[i]);
		if (info.type != BPF_MAP_TYPE_RINGBUF && info.type != BPF_MAP_TYPE_CPUMAP)
			cr_assert(info.btf_id && info.btf_key_type_id && info.btf_value_type_id,
				  "%s is not typed", names[i]);
		close(fd);
	}
	fd = pinned("abi");
	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &abi), 0);
	cr_assert_eq(abi.version, STEER_ABI_VERSION);
	close(fd);
	snprintf(file, sizeof(file), "test $(ls %s | wc -l) = %zu", pins,
		 sizeof(names) / sizeof(*names));
	cr_assert(sh_ok(file), "a map that this test does not know");
}
