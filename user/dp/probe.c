/* SPDX-License-Identifier: GPL-2.0-only */
/* Which piece of the kernel is missing: each is tried by itself, its version is never looked at. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

enum { RING_OCTETS = 1 << 16 };

static const struct {
	enum bpf_map_type type;
	__u32 flags, key, value, entries;
	const char *name;
} maps[] = {
	{ BPF_MAP_TYPE_ARRAY, 0, 4, 8, 1, "maps" },
	{ BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, 4, 8, 1, "arrays that can be mapped into memory" },
	{ BPF_MAP_TYPE_HASH, 0, 4, 8, 1, "hash maps" },
	{ BPF_MAP_TYPE_PERCPU_ARRAY, 0, 4, 8, 1, "arrays per CPU" },
	{ BPF_MAP_TYPE_RINGBUF, 0, 0, 0, RING_OCTETS, "ring buffers" },
};

static const struct {
	enum bpf_prog_type type;
	const char *name;
} progs[] = {
	{ BPF_PROG_TYPE_SCHED_CLS, "classifier programs for tc (CONFIG_NET_CLS_ACT)" },
	{ BPF_PROG_TYPE_XDP, "XDP programs" },
};

/* What bpf/lib calls, all from tc. */
#define FOREACH_HELPER(X)                                                                          \
	X(map_lookup_elem)                                                                         \
	X(get_smp_processor_id)                                                                    \
	X(ktime_get_coarse_ns)                                                                     \
	X(skb_pull_data)                                                                           \
	X(skb_change_proto)                                                                        \
	X(l4_csum_replace)                                                                         \
	X(redirect)                                                                                \
	X(redirect_neigh)                                                                          \
	X(ringbuf_reserve)                                                                         \
	X(ringbuf_submit)

static const struct {
	enum bpf_func_id id;
	const char *name;
} helpers[] = {
#define X(n) { BPF_FUNC_##n, "bpf_" #n },
	FOREACH_HELPER(X)
#undef X
};

static int missing(int err, const char *what, char *ret_error, size_t len)
{
	if (err == -ENOSYS)
		return explain(ret_error, len, err,
			       "this kernel has no bpf() system call (CONFIG_BPF_SYSCALL): use a "
			       "kernel with BPF");
	if (err == -EPERM)
		return explain(ret_error, len, err,
			       "the kernel does not permit BPF %s: grant CAP_BPF, CAP_PERFMON and "
			       "CAP_NET_ADMIN, and allow bpf() to this service or container",
			       what);
	if (err == -ENOMEM)
		return explain(ret_error, len, err, "no memory is left for BPF %s", what);
	return explain(ret_error, len, err, "BPF of this kernel has no %s (%s): use another kernel",
		       what, strerror(-err));
}

static int try_prog(enum bpf_prog_type type)
{
	static const struct bpf_insn end[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "braid_probe", "GPL", end, 2, NULL);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

int dp_probe(char *ret_error, size_t len)
{
	struct btf *btf;

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = maps[i].flags);
		int fd = bpf_map_create(maps[i].type, "braid_probe", maps[i].key, maps[i].value,
					maps[i].entries, &opts);

		if (fd < 0)
			return missing(fd, maps[i].name, ret_error, len);
		close(fd);
	}
	for (size_t i = 0; i < sizeof(progs) / sizeof(*progs); i++) {
		int err = try_prog(progs[i].type);

		if (err)
			return missing(err, progs[i].name, ret_error, len);
	}
	for (size_t i = 0; i < sizeof(helpers) / sizeof(*helpers); i++)
		if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, helpers[i].id, NULL) == 0)
			return missing(-EOPNOTSUPP, helpers[i].name, ret_error, len);
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return explain(ret_error, len, -errno,
			       "this kernel does not describe its types (BTF, "
			       "CONFIG_DEBUG_INFO_BTF), by which the steering programs are fitted "
			       "to it: /sys/kernel/btf/vmlinux is missing");
	btf__free(btf);
	return 0;
}
