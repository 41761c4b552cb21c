/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs do with ESP that arrives, beyond steering: on which CPUs it is decrypted, and
 * whether what is for nobody may pass; and whether marks are to be believed. */
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/log.h"
#include "internal.h"
#include "steer_tc.skel.h"

/* Packets of one SA that wait on all CPUs together are to fit its replay window. */
enum { WAITING_MAX = 4096, WAITING_CPU_MAX = 512, WAITING_CPU_MIN = 64 };

static uint32_t waiting(uint32_t n_cpus)
{
	uint32_t n = WAITING_MAX / n_cpus;

	return n > WAITING_CPU_MAX ? WAITING_CPU_MAX : n < WAITING_CPU_MIN ? WAITING_CPU_MIN : n;
}

/* The process's own CPUs, as far as packets can be handed to them. */
static void cpus_of(const struct dp *dp, struct steer_intake *in)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int i = 0; i < STEER_CPUS_MAX && i < dp->n_cpus; i++)
		if (CPU_ISSET(i, &set))
			in->cpu[in->n_cpus++] = (uint8_t)i;
}

/* A CPU's queue is made anew only where it is to be another: what waits in it would be late. */
static int cpu_put(int fd, uint32_t cpu, uint32_t queue)
{
	uint32_t have = 0;

	if (!bpf_map_lookup_elem(fd, &cpu, &have) && have == queue)
		return 0;
	return bpf_map_update_elem(fd, &cpu, &queue, BPF_ANY);
}

static int spread(struct dp *dp, struct steer_intake *in, char *ret_error, size_t len)
{
	int fd = bpf_map__fd(dp->tc->maps.cpus), err;

	cpus_of(dp, in);
	if (in->n_cpus < 2) {
		log_info("decryption is not spread: there is one CPU for it");
		in->n_cpus = 0;
		return 0;
	}
	for (uint32_t i = 0; i < in->n_cpus; i++) {
		err = cpu_put(fd, in->cpu[i], waiting(in->n_cpus));
		if (err)
			return explain(ret_error, len, err,
				       "spreading decryption: CPU %u takes no packets from others: "
				       "%s",
				       in->cpu[i], strerror(-err));
	}
	in->spread = dp->opt.spread;
	return 0;
}

static int put(struct dp *dp, const struct steer_intake *in)
{
	uint32_t key = 0;
	int err = bpf_map_update_elem(bpf_map__fd(dp->tc->maps.intake), &key, in, BPF_ANY);

	if (!err)
		dp->intake = *in;
	return err;
}

int dp_intake_put(struct dp *dp, char *ret_error, size_t len)
{
	struct steer_intake in = { .drop_unknown = dp->opt.drop_unknown };
	struct steer_intake before = { 0 };
	bool xdp = dp->opt.attach == DP_ATTACH_XDP || dp->opt.attach == DP_ATTACH_XDP_GENERIC;
	uint32_t key = 0, cpu;
	int fd = bpf_map__fd(dp->tc->maps.cpus), err = 0;

	/* the classifier of a run before goes on */
	if (!bpf_map_lookup_elem(bpf_map__fd(dp->tc->maps.intake), &key, &before))
		in.classified = before.classified;
	if (dp->opt.spread != STEER_SPREAD_OFF && dp->opt.kernel_esp && xdp)
		err = spread(dp, &in, ret_error, len);
	if (err)
		return err;
	err = put(dp, &in);
	if (err)
		return explain(ret_error, len, err, "writing the map intake: %s", strerror(-err));
	if (in.spread == STEER_SPREAD_OFF) /* of a run before: nothing is handed to them any more */
		for (cpu = 0; cpu < STEER_CPUS_MAX && cpu < (uint32_t)dp->n_cpus; cpu++)
			bpf_map_delete_elem(fd, &cpu);
	return 0;
}

int dp_intake_classified(struct dp *dp, bool classified)
{
	struct steer_intake in = dp->intake;

	in.classified = classified;
	return put(dp, &in);
}
