/* SPDX-License-Identifier: GPL-2.0-only */
/* The line in the mark of packets for the kernel's ESP: that of the path which the flow takes, as
 * user space finds it, too. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "abi/classify.h"
#include "abi/lines.h"
#include "base/addr.h"
#include "classify.skel.h"

enum { GROUP = 8, GROUP_SLOT = 3, PATH_A = 1, PATH_B = 2, UDP = 17 };
enum { LINE_A = 0x500001, LINE_B = 0x500002 }; /* more than a mark has room for */

static struct classify *prog;
static struct steer_group group;

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void path_is(uint32_t id, enum steer_path_state state)
{
	const struct steer_path_cur cur = { .slot = (uint16_t)(10 + id), .state = (uint8_t)state };

	put(prog->maps.path_cur, &id, &cur);
}

static void remote_is(const char *addr, uint32_t bits, uint32_t flags)
{
	struct line_prefix key = { .bits = LINE_BITS4 + bits };
	const struct line_group to = { GROUP, flags };
	struct addr a;

	addr_parse(addr, &a);
	key.addr[10] = key.addr[11] = 0xff;
	memcpy(key.addr + 12, a.b, 4);
	put(prog->maps.line_remote, &key, &to);
}

static void start(void)
{
	const struct classify_cur cur = { .seed = 42 };
	const struct steer_group_cur at = { GROUP_SLOT };
	uint32_t key = 0;
	int err;

	libbpf_set_print(NULL);
	if (geteuid() != 0)
		cr_skip_test("needs root (CAP_BPF, CAP_NET_ADMIN)");
	prog = classify__open();
	cr_assert(prog);
	prog->rodata->classify_l3 = 14;
	err = classify__load(prog);
	if (err == -EPERM)
		cr_skip_test("needs CAP_BPF and CAP_NET_ADMIN");
	cr_assert_eq(err, 0, "the classifier does not load: %s", strerror(-err));
	put(prog->maps.class_cur, &key, &cur);
	group = (struct steer_group){
		.id = GROUP,
		.n_members = 2,
		.path = { PATH_A, PATH_B },
		.line = { LINE_A, LINE_B },
		.weight = { 3, 1 },
	};
	for (uint32_t i = 0; i < STEER_FLOW_SLOTS; i++)
		group.flow[i] = i % 4 ? PATH_A : PATH_B;
	key = GROUP_SLOT;
	put(prog->maps.group, &key, &group);
	key = GROUP;
	put(prog->maps.group_cur, &key, &at);
	path_is(PATH_A, STEER_PATH_UP);
	path_is(PATH_B, STEER_PATH_UP);
	remote_is("10.2.0.0", 16, 0);
}

static void stop(void)
{
	classify__destroy(prog);
}

TestSuite(lines, .init = start, .fini = stop);

static struct classify_packet packet(uint16_t port)
{
	return (struct classify_packet){ .family = 4,
					 .protocol = UDP,
					 .has_ports = 1,
					 .local_port = port,
					 .remote_port = 53,
					 .local = { 10, 1, 0, 1 },
					 .remote = { 10, 2, 3, 4 } };
}

static uint32_t mark_of(const struct classify_packet *p)
{
	uint8_t buf[14 + 20 + 20] = { [12] = 8, [14] = 0x45 };
	struct __sk_buff skb = { .mark = UINT32_MAX }, out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buf, .data_size_in = sizeof(buf),
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .ctx_out = &out,
		    .ctx_size_out = sizeof(out), .repeat = 1);

	buf[23] = p->protocol;
	memcpy(buf + 26, p->local, 4);
	memcpy(buf + 30, p->remote, 4);
	buf[34] = (uint8_t)(p->local_port >> 8);
	buf[35] = (uint8_t)p->local_port;
	buf[37] = (uint8_t)p->remote_port;
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog->progs.classify_mark), &opts), 0);
	return out.mark;
}

/* Shares by weight, each flow always by the same line; nothing for others' addresses. */
Test(lines, a_flow_goes_by_the_line_of_its_path)
{
	unsigned by[2] = { 0 };

	for (uint16_t port = 0; port < 4000; port++) {
		struct classify_packet p = packet(port);
		uint32_t slot = CLASSIFY_SLOT(classify_flow(&p, 42)), mark = mark_of(&p);
		uint32_t line = slot % 4 ? LINE_A : LINE_B;

		cr_assert_eq(mark, STEER_MARK(0, slot, line), "port %u: %#x", port, mark);
		by[line == LINE_B]++;
		p.remote[1] = 3;
		cr_assert_eq(STEER_MARK_INDEX(mark_of(&p)), 0);
	}
	cr_assert(by[1] > 800 && by[1] < 1200, "%u of 4000", by[1]);
}

/* One store, and the next packet goes by the other; by none, if there is none. */
Test(lines, a_lost_path_is_avoided_at_once)
{
	static const enum steer_path_state lost[] = { STEER_PATH_DOWN, STEER_PATH_DISABLED };
	const struct classify_packet last = packet(1);

	for (unsigned i = 0; i < 2; i++) {
		path_is(PATH_B, lost[i]);
		for (uint16_t port = 0; port < 64; port++) {
			const struct classify_packet p = packet(port);

			cr_assert_eq(STEER_MARK_INDEX(mark_of(&p)), STEER_LINE(LINE_A));
		}
	}
	path_is(PATH_A, STEER_PATH_DOWN);
	cr_assert_eq(STEER_MARK_INDEX(mark_of(&last)), 0);
}

/* The longest prefix counts; a group that is gone is no line. */
Test(lines, prefixes)
{
	const struct classify_packet p = packet(7);
	struct line_prefix key = { .bits = 128, .addr = { [10] = 0xff, 0xff, 10, 2, 3, 4 } };
	struct line_group to = { GROUP + STEER_GROUP_BLOCK, 0 };

	cr_assert_neq(STEER_MARK_INDEX(mark_of(&p)), 0);
	put(prog->maps.line_remote, &key, &to);
	cr_assert_eq(STEER_MARK_INDEX(mark_of(&p)), 0);
	to.group = STEER_GROUPS_MAX;
	put(prog->maps.line_remote, &key, &to);
	cr_assert_eq(STEER_MARK_INDEX(mark_of(&p)), 0);
	to.group = GROUP;
	put(prog->maps.line_remote, &key, &to);
	cr_assert_neq(STEER_MARK_INDEX(mark_of(&p)), 0);
}

/* What answers a flow goes by the line it came by, at the end that follows: in a slot of its path,
 * so that steering agrees. */
Test(lines, answers_follow)
{
	for (uint16_t port = 0; port < 200; port++) {
		const uint32_t came = port % 2 ? LINE_A : LINE_B;
		const uint32_t path = port % 2 ? PATH_A : PATH_B;
		const struct classify_packet p = packet(port);
		uint64_t flow = classify_flow(&p, 42);
		const uint64_t noted = LINE_REPLY(LINE_TAG(flow), 5, STEER_LINE(came));
		const uint64_t other = LINE_REPLY(LINE_TAG(flow) + 1, 5, STEER_LINE(came));
		uint32_t place = LINE_PLACE(flow), plain, mark;

		plain = mark_of(&p);
		put(prog->maps.line_reply, &place, &noted);
		cr_assert_eq(mark_of(&p), plain, "this end does not follow");
		remote_is("10.2.0.0", 16, LINE_FOLLOWS);
		mark = mark_of(&p);
		cr_assert_eq(STEER_MARK_INDEX(mark), STEER_LINE(came));
		cr_assert_eq(group.flow[STEER_MARK_SLOT(mark)], path);
		put(prog->maps.line_reply, &place, &other);
		cr_assert_eq(mark_of(&p), plain, "another flow in that place");
		put(prog->maps.line_reply, &place, &noted);
		path_is(path, STEER_PATH_DOWN);
		cr_assert_neq(STEER_MARK_INDEX(mark_of(&p)), STEER_LINE(came), "its path is lost");
		path_is(path, STEER_PATH_UP);
		remote_is("10.2.0.0", 16, 0);
	}
}
