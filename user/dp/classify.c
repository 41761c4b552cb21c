/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes: their programs, loaded when there are rules for the first time; the table, which
 * is replaced as a whole; what each rule has counted, also by tables before. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "classify.skel.h"
#include "internal.h"
#include "steer/class.h"
#include "steer/rules.h"

enum { STATS = CLASSIFY_RULES_MAX + 1, PAGE = 4096 };

struct dp_classify {
	struct classify *prog;
	struct classify_cur *cur; /* mapped */
	struct slot_ring slots;
	/* of the table that counts */
	size_t n;
	struct class_rule rules[CLASSIFY_RULES_MAX];
	struct classify_stat before[STATS];
	struct classify_table table; /* scratch */
};

/* A kernel without sockets' cgroups has not the function either. */
static bool kernel_knows_cgroups(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_ancestor_cgroup_id,
				       NULL) == 1;
}

static bool kernel_knows_xfrm(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_get_xfrm_state,
				       NULL) == 1;
}

static int load(struct dp *dp, struct dp_classify *c, char *ret_error, size_t len)
{
	int err;

	c->prog = classify__open();
	if (!c->prog)
		return explain(ret_error, len, -errno, "the classifying programs: %s",
			       strerror(errno));
	err = dp_pin_maps(dp, c->prog->obj);
	c->prog->rodata->classify_knows_cgroups = kernel_knows_cgroups();
	c->prog->rodata->lines_knows_xfrm = dp->opt.kernel_esp && kernel_knows_xfrm();
	if (!err)
		err = classify__load(c->prog);
	if (err)
		return explain(ret_error, len, err,
			       "the kernel refuses the classifying programs: %s; with braidd -v "
			       "its own words are in the log",
			       strerror(-err));
	c->cur = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(c->prog->maps.class_cur), 0);
	if (c->cur == MAP_FAILED) {
		err = -errno;
		c->cur = NULL;
		return explain(ret_error, len, err, "mapping class_cur: %s", strerror(-err));
	}
	/* of an agent before: flows stay where they are */
	if (!c->cur->seed && getrandom(&c->cur->seed, sizeof(c->cur->seed), 0) < 0)
		return explain(ret_error, len, -errno, "no random numbers: %s", strerror(errno));
	return 0;
}

static void clear(struct dp_classify *c)
{
	if (!c)
		return;
	if (c->cur)
		munmap(c->cur, PAGE);
	classify__destroy(c->prog);
	slot_ring_clear(&c->slots);
	free(c);
}

int dp_classify_open(struct dp *dp, char *ret_error, size_t len)
{
	struct dp_classify *c;
	int err;

	if (dp->classify)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c || slot_ring_init(&c->slots, CLASSIFY_TABLES) < 0) {
		free(c);
		return explain(ret_error, len, -ENOMEM, "out of memory for traffic classes");
	}
	err = load(dp, c, ret_error, len);
	if (err) {
		clear(c);
		return err;
	}
	slot_ring_mark(&c->slots, c->cur->slot); /* of an agent before */
	dp->classify = c;
	return 0;
}

struct classify *dp_classify_programs(struct dp *dp)
{
	return dp->classify ? dp->classify->prog : NULL;
}

void dp_classify_close(struct dp *dp)
{
	clear(dp->classify);
	dp->classify = NULL;
}

bool dp_classify_left(const struct dp *dp)
{
	char file[300];

	snprintf(file, sizeof(file), "%s/class_cur", dp->pin_dir);
	return dp->classify || access(file, F_OK) == 0;
}

int dp_classify_program(struct dp *dp, uint32_t workers, int *ret_fd, char *ret_error, size_t len)
{
	int err = dp_classify_open(dp, ret_error, len);

	if (err)
		return err;
	__atomic_store_n(&dp->classify->cur->workers, workers, __ATOMIC_RELEASE);
	*ret_fd = bpf_program__fd(dp->classify->prog->progs.class_queue);
	return 0;
}

int dp_classify_prepare(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	return err == -EEXIST ? 0 : err;
}

static int attach(const struct bpf_program *prog, uint32_t ifindex, char *ret_error, size_t len)
{
	char name[IF_NAMESIZE] = "";
	bool created, qdisc;
	int err = dp_tc_attach(ifindex, BPF_TC_EGRESS, DP_TC_PRIORITY, bpf_program__fd(prog),
			       bpf_program__name(prog), &created, &qdisc);

	if_indextoname(ifindex, name);
	return err ? dp_explain_attach(name, qdisc, err, ret_error, len) : 0;
}

/* Marks are believed once they are made here, and not before. */
static int attach_mark(struct dp *dp, char *ret_error, size_t len)
{
	int err =
		attach(dp->classify->prog->progs.classify_mark, dp->inner_ifindex, ret_error, len);

	if (err)
		return err;
	err = dp_intake_classified(dp, true);
	return err ? explain(ret_error, len, err, "writing the map intake: %s", strerror(-err)) : 0;
}

/* Costs nothing per packet before it has a use. One that is there stays. */
static int attach_kernel(struct dp *dp, uint32_t ifindex, char *ret_error, size_t len)
{
	int err = dp_classify_open(dp, ret_error, len);

	if (err)
		return err;
	dp->inner_ifindex = ifindex;
	if (dp->classify_needed ||
	    dp_filter_ours(ifindex, true, DP_TC_PRIORITY,
			   bpf_program__name(dp->classify->prog->progs.classify_mark)) == 1)
		return attach_mark(dp, ret_error, len);
	err = dp_intake_classified(dp, false);
	return err ? explain(ret_error, len, err, "writing the map intake: %s", strerror(-err)) : 0;
}

int dp_classify_attach(struct dp *dp, uint32_t ifindex, char *ret_error, size_t len)
{
	if (dp->opt.kernel_esp)
		return attach_kernel(dp, ifindex, ret_error, len);
	if (!dp->classify)
		return -EINVAL;
	return attach(dp->classify->prog->progs.classify_tc, ifindex, ret_error, len);
}

void dp_classify_need(struct dp *dp)
{
	bool first = !dp->classify_needed;
	char why[256];

	if ((dp->classify_needed && !dp->classify_failed) || !dp->opt.kernel_esp)
		return;
	dp->classify_needed = true;
	dp->classify_failed = dp->inner_ifindex && attach_mark(dp, why, sizeof(why));
	if (dp->classify_failed && first)
		log_warning("all traffic is of class default and of one flow: %s", why);
}

int dp_classify_flow(const struct dp *dp, const struct classify_packet *p, uint64_t *ret_flow)
{
	if (!dp->opt.kernel_esp || !dp->classify)
		return -ENOENT;
	*ret_flow = classify_flow(p, dp->classify->cur->seed);
	return 0;
}

/* What this table's rule has counted, over all CPUs. */
static struct classify_stat counted(const struct dp *dp, uint32_t slot, uint32_t rule)
{
	uint32_t key = slot * STATS + rule;
	struct classify_stat *v = calloc((size_t)dp->n_cpus, sizeof(*v)), sum = { 0 };

	if (v && !bpf_map_lookup_elem(bpf_map__fd(dp->classify->prog->maps.rule_stat), &key, v))
		for (int i = 0; i < dp->n_cpus; i++) {
			sum.packets += v[i].packets;
			sum.octets += v[i].octets;
		}
	free(v);
	return sum;
}

int dp_classify_stat(struct dp *dp, uint32_t rule, struct classify_stat *ret_stat)
{
	struct dp_classify *c = dp->classify;
	struct classify_stat s;

	if (!c || (rule >= c->n && rule != CLASSIFY_NO_RULE))
		return -ENOENT;
	s = counted(dp, c->cur->slot, rule);
	s.packets += c->before[rule].packets;
	s.octets += c->before[rule].octets;
	*ret_stat = s;
	return 0;
}

static int reset_counters(struct dp *dp, uint32_t slot)
{
	struct classify_stat *zero = calloc((size_t)dp->n_cpus, sizeof(*zero));
	int err = zero ? 0 : -ENOMEM;

	for (uint32_t key = slot * STATS; !err && key < (slot + 1) * STATS; key++)
		err = bpf_map_update_elem(bpf_map__fd(dp->classify->prog->maps.rule_stat), &key,
					  zero, BPF_ANY);
	free(zero);
	return err;
}

/* What it asks of packets, not what is done with them. */
static bool same_rule(const struct class_rule *a, const struct class_rule *b)
{
	return a->protocol == b->protocol && a->local_len == b->local_len &&
	       a->remote_len == b->remote_len && addr_equal(&a->local, &b->local) &&
	       addr_equal(&a->remote, &b->remote) &&
	       !memcmp(a->local_port, b->local_port, sizeof(a->local_port)) &&
	       !memcmp(a->remote_port, b->remote_port, sizeof(a->remote_port)) &&
	       a->dscp == b->dscp && a->mark == b->mark && a->mark_mask == b->mark_mask &&
	       !strcmp(a->cgroup, b->cgroup);
}

/* Rules that stay go on counting from where they were. */
static void carry_over(struct dp *dp, const struct class_rule *rules, size_t n)
{
	struct dp_classify *c = dp->classify;
	struct classify_stat before[STATS] = { 0 };
	bool taken[CLASSIFY_RULES_MAX] = { false };

	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < c->n; k++)
			if (!taken[k] && same_rule(&rules[i], &c->rules[k])) {
				dp_classify_stat(dp, k, &before[i]);
				taken[k] = true;
				break;
			}
	if (c->cur->slot)
		dp_classify_stat(dp, CLASSIFY_NO_RULE, &before[CLASSIFY_NO_RULE]);
	memcpy(c->before, before, sizeof(before));
	if (n)
		memcpy(c->rules, rules, n * sizeof(*rules));
	c->n = n;
}

int dp_classify_put(struct dp *dp, const struct class_rule *rules, const uint64_t *cgroups,
		    size_t n)
{
	struct dp_classify *c = dp->classify;
	usec_t now = dp_now();
	uint32_t slot, old;
	int err;

	if (!c || n > CLASSIFY_RULES_MAX)
		return -EINVAL;
	if (n)
		dp_classify_need(dp);
	err = slot_ring_take(&c->slots, now, &slot);
	if (err)
		return err;
	rules_build(rules, n, cgroups, &c->table);
	err = reset_counters(dp, slot);
	if (!err)
		err = bpf_map_update_elem(bpf_map__fd(c->prog->maps.class_table), &slot, &c->table,
					  BPF_ANY);
	if (err) {
		slot_ring_leave(&c->slots, slot, now);
		return err;
	}
	carry_over(dp, rules, n);
	old = c->cur->slot;
	__atomic_store_n(&c->cur->slot, slot, __ATOMIC_RELEASE);
	slot_ring_leave(&c->slots, old, now);
	return 0;
}

int dp_classify_names_put(struct dp *dp, const struct classify_name names[STEER_CLASSES])
{
	int err = dp->classify ? 0 : -EINVAL;

	for (uint32_t k = 0; k < STEER_CLASSES && !err; k++)
		err = bpf_map_update_elem(bpf_map__fd(dp->classify->prog->maps.class_name), &k,
					  &names[k], BPF_ANY);
	return err;
}

int dp_classify_names_get(const struct dp *dp, struct classify_name ret_names[STEER_CLASSES])
{
	char file[300];
	int fd, err = 0;

	snprintf(file, sizeof(file), "%s/class_name", dp->pin_dir);
	fd = bpf_obj_get(file);
	if (fd < 0)
		return fd;
	for (uint32_t k = 0; k < STEER_CLASSES && !err; k++) {
		err = bpf_map_lookup_elem(fd, &k, &ret_names[k]);
		ret_names[k].name[sizeof(ret_names[k].name) - 1] = '\0';
	}
	close(fd);
	return err;
}

const struct classify_table *dp_classify_table(const struct dp *dp)
{
	return dp->classify && dp->classify->cur->slot ? &dp->classify->table : NULL;
}
