/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of rules as the agent sees them: counters that go on where a rule has stayed, tables that
 * rest before they are written again, and what another agent left. In a network and a mount
 * namespace of its own with a bpffs. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dp/dp.h"
#include "harness.h"
#include "steer/class.h"

#define ANY_PORTS .local_port = { 0, UINT16_MAX }, .remote_port = { 0, UINT16_MAX }

static char base[BPFFS_DIR], pins[80], error[512];
static struct dp_options opt;
static struct dp *dp;
static const uint64_t no_cgroups[CLASS_RULES_MAX];

static void open_dp(void)
{
	int err = dp_open(&opt, &dp, error, sizeof(error)), fd;

	if (err == -EPERM)
		cr_skip_test("%s", error);
	cr_assert_eq(err, 0, "%s", error);
	cr_assert_eq(dp_classify_program(dp, 2, &fd, error, sizeof(error)), 0, "%s", error);
}

static void setup(void)
{
	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/braid", base);
	opt = (struct dp_options){ .pin_dir = pins, .steer_dev = "braid0", .sa_max = 256 };
	addr_parse("198.18.0.1", &opt.stable4_local);
	addr_parse("198.18.0.2", &opt.stable4_remote);
	open_dp();
}

static void teardown(void)
{
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(dp_classes, .init = setup, .fini = teardown);

static uint32_t slot_now(void)
{
	struct classify_cur cur = { 0 };
	uint32_t key = 0;
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/class_cur", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &cur), 0);
	close(fd);
	cr_assert_eq(cur.workers, 2);
	return cur.slot;
}

/* As if so many packets of 100 octets had fallen under it, on each processor. */
static void hit(uint32_t rule, uint64_t packets)
{
	int n = libbpf_num_possible_cpus(), fd;
	struct classify_stat *v = calloc((size_t)n, sizeof(*v));
	uint32_t key = slot_now() * (CLASSIFY_RULES_MAX + 1) + rule;
	char file[128];

	snprintf(file, sizeof(file), "%s/rule_stat", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	for (int i = 0; i < n; i++)
		v[i] = (struct classify_stat){ packets, packets * 100 };
	cr_assert_eq(bpf_map_update_elem(fd, &key, v, BPF_ANY), 0);
	close(fd);
	free(v);
}

static uint64_t seen(uint32_t rule)
{
	struct classify_stat s = { 0 };

	cr_assert_eq(dp_classify_stat(dp, rule, &s), 0, "rule %u", rule);
	cr_assert_eq(s.octets, s.packets * 100);
	return s.packets / (uint64_t)libbpf_num_possible_cpus();
}

Test(dp_classes, counters_follow_their_rule)
{
	const struct class_rule a = { .klass = 1, .protocol = 6, ANY_PORTS },
				b = { .klass = 2, .protocol = 17, ANY_PORTS },
				c = { .klass = 3, .dscp = 2, ANY_PORTS };
	struct class_rule moved[] = { c, a };
	struct classify_stat s;

	moved[1].klass = 4; /* it goes another way, and is the same rule */
	moved[1].line = 7;
	cr_assert_eq(dp_classify_put(dp, (struct class_rule[]){ a, b }, no_cgroups, 2), 0);
	hit(0, 5);
	hit(1, 6);
	hit(CLASSIFY_NO_RULE, 7);
	cr_assert_eq(seen(0), 5);
	cr_assert_eq(seen(1), 6);
	cr_assert_eq(dp_classify_stat(dp, 2, &s), -ENOENT);
	cr_assert_eq(dp_classify_put(dp, moved, no_cgroups, 2), 0);
	cr_assert_eq(seen(0), 0, "a new one begins anew");
	cr_assert_eq(seen(1), 5);
	cr_assert_eq(seen(CLASSIFY_NO_RULE), 7);
	hit(1, 3);
	cr_assert_eq(seen(1), 8);
	cr_assert_eq(dp_classify_put(dp, NULL, no_cgroups, 0), 0);
	cr_assert_eq(dp_classify_stat(dp, 1, &s), -ENOENT);
	cr_assert_eq(dp_classify_table(dp)->n_rules, 0);
}

/* Who reads a table that was replaced has a second. */
Test(dp_classes, a_table_rests_before_it_is_written_again)
{
	const struct class_rule rule = { .klass = 1, ANY_PORTS };
	uint32_t slots[CLASSIFY_TABLES] = { 0 };
	int n = 0, err = 0;

	while (n < CLASSIFY_TABLES) {
		err = dp_classify_put(dp, &rule, no_cgroups, 1);
		if (err)
			break;
		slots[n++] = slot_now();
		for (int i = 0; i < n - 1; i++)
			cr_assert_neq(slots[i], slots[n - 1]);
	}
	if (n == CLASSIFY_TABLES)
		cr_skip_test("the machine takes more than a second for three tables");
	cr_assert_eq(err, -EAGAIN);
	cr_assert_eq(n, CLASSIFY_TABLES - 1);
	cr_assert_eq(slot_now(), slots[n - 1], "the last one counts on");
}

Test(dp_classes, the_next_agent_leaves_the_table_that_counts_alone)
{
	const struct class_rule rule = { .klass = 1, ANY_PORTS };
	uint32_t slot;

	cr_assert_eq(dp_classify_put(dp, &rule, no_cgroups, 1), 0);
	slot = slot_now();
	dp_close(dp);
	dp = NULL;
	open_dp();
	cr_assert(dp_classify_left(dp));
	cr_assert_eq(slot_now(), slot);
	cr_assert_eq(dp_classify_put(dp, &rule, no_cgroups, 1), 0);
	cr_assert_neq(slot_now(), slot);
}

Test(dp_classes, nothing_stays_of_them)
{
	const struct class_rule rule = { .klass = 1, ANY_PORTS };
	char file[128];

	cr_assert_eq(dp_classify_put(dp, &rule, no_cgroups, 1), 0);
	dp_close(dp);
	dp = NULL;
	cr_assert_eq(dp_flush(&opt), 0);
	snprintf(file, sizeof(file), "%s/class_table", pins);
	cr_assert_lt(access(file, F_OK), 0);
}

/* What the next agent numbers its classes by. */
Test(dp_classes, numbers_have_names)
{
	struct classify_name names[STEER_CLASSES] = { { "default" }, { "voice" } },
			     got[STEER_CLASSES];

	strcpy(names[STEER_CLASSES - 1].name, "a name of thirty-one characters");
	cr_assert_eq(dp_classify_names_put(dp, names), 0);
	memset(got, 0xff, sizeof(got));
	cr_assert_eq(dp_classify_names_get(dp, got), 0);
	cr_assert_eq(memcmp(names, got, sizeof(got)), 0);
}
