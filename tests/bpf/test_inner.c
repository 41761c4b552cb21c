/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode behind XFRM: packets get the addresses that their SA has now, or had before, and
 * checksums that fit them; nothing else of them changes. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "harness.h"
#include "abi/inner.h"
#include "base/addr.h"
#include "inner_prog.skel.h"

/* Of the state, of the SA now, and before. */
static const char *const ends[][3][2] = {
	{ { "198.18.0.1", "198.18.0.2" },
	  { "192.0.2.2", "192.0.2.66" },
	  { "192.0.2.9", "192.0.2.66" } },
	{ { "fd00::1", "fd00::2" },
	  { "2001:db8::2", "2001:db8::66" },
	  { "2001:db8::9", "2001:db8::66" } },
};
enum { STATE, NOW, BEFORE };

static struct inner_prog *prog;

static void start(void)
{
	int err;

	libbpf_set_print(NULL);
	if (geteuid() != 0)
		cr_skip_test("needs root (CAP_BPF, CAP_NET_ADMIN)");
	prog = inner_prog__open();
	cr_assert(prog);
	err = inner_prog__load(prog);
	if (err == -EPERM)
		cr_skip_test("needs CAP_BPF and CAP_NET_ADMIN");
	cr_assert_eq(err, 0, "inner_prog does not load: %s", strerror(-err));
}

static void stop(void)
{
	inner_prog__destroy(prog);
}

TestSuite(inner, .init = start, .fini = stop);

static struct inner_ends ends_of(int six, int which)
{
	struct inner_ends e = { .repair = 0 };
	struct addr a;

	cr_assert_eq(addr_parse(ends[six][which][0], &a), 0);
	memcpy(e.src.b, a.b, addr_len(&a));
	cr_assert_eq(addr_parse(ends[six][which][1], &a), 0);
	memcpy(e.dst.b, a.b, addr_len(&a));
	return e;
}

static void any(uint32_t is)
{
	uint32_t key = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(prog->maps.inner_any), &key, &is, BPF_ANY), 0);
}

static void put(int six, uint64_t before_until_nsec, uint16_t repair)
{
	struct inner_sa sa = { .now = ends_of(six, NOW),
			       .before = ends_of(six, BEFORE),
			       .before_until_nsec = before_until_nsec,
			       .family = six ? 6 : 4 };
	__be32 spi = 0;

	any(1);
	sa.now.repair = repair;
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(prog->maps.inner), &spi, &sa, BPF_ANY), 0);
}

static uint64_t soon(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((uint64_t)t.tv_sec + 1000) * 1000000000;
}

/* A datagram between these, as its sender made it. */
static size_t made(int six, int which, size_t payload, bool no_check, uint8_t buf[PKT_MAX])
{
	return pkt_build(&(struct pkt){ .family = six ? 6 : 4,
					.udp = true,
					.no_check = no_check,
					.payload = payload,
					.src = ends[six][which][0],
					.dst = ends[six][which][1] },
			 buf);
}

/* And as it comes out of the state. */
static struct run came(int six, int which, size_t payload, bool no_check)
{
	size_t hdr = PKT_ETHER + (six ? 40 : 20);
	uint8_t buf[PKT_MAX], header[PKT_MAX];
	size_t len = made(six, which, payload, no_check, buf);

	made(six, STATE, payload, no_check, header);
	memcpy(buf, header, hdr);
	return run_tc(prog->progs.inner_of, buf, len, 0, 0, 0);
}

static void is_made(const struct run *r, int six, int which, size_t payload, bool no_check)
{
	uint8_t want[PKT_MAX];
	size_t len = made(six, which, payload, no_check, want);

	cr_assert_eq(r->verdict, 0);
	cr_assert_eq(r->len, len);
	cr_assert_eq(memcmp(r->out, want, len), 0, "v%d, %zu octets", six ? 6 : 4, payload);
	cr_assert(pkt_sums_ok(r->out, r->len));
}

static const size_t payloads[] = { 0, 1, 103, 104, 105, 1300 };
enum { N = sizeof(payloads) / sizeof(*payloads) };

Test(inner, addresses_of_now)
{
	for (int six = 0; six < 2; six++) {
		put(six, 0, 0);
		for (int i = 0; i < N; i++) {
			struct run r = came(six, NOW, payloads[i], false);

			is_made(&r, six, NOW, payloads[i], false);
		}
	}
}

/* Nothing is looked up where there is none. */
Test(inner, unless_there_are_none)
{
	struct run r;

	put(0, 0, 0);
	any(0);
	r = came(0, NOW, 100, false);
	cr_assert(pkt_has_addrs(r.out, ends[0][STATE][0], ends[0][STATE][1]));
}

/* For a while both are taken, and the checksum tells which. */
Test(inner, addresses_of_before)
{
	for (int six = 0; six < 2; six++) {
		for (int i = 0; i < N; i++) {
			struct run r;

			put(six, soon(), 0);
			r = came(six, BEFORE, payloads[i], false);
			is_made(&r, six, BEFORE, payloads[i], false);
			r = came(six, NOW, payloads[i], false);
			is_made(&r, six, NOW, payloads[i], false);
			put(six, 1, 0);
			r = came(six, BEFORE, payloads[i], false);
			cr_assert_not(pkt_sums_ok(r.out, r.len), "it is over");
			cr_assert(pkt_has_addrs(r.out, ends[six][NOW][0], ends[six][NOW][1]));
		}
	}
}

Test(inner, without_a_checksum)
{
	struct run r;

	put(0, soon(), 0);
	r = came(0, NOW, 100, true);
	is_made(&r, 0, NOW, 100, true);
}

static uint32_t sum_of(const struct inner_ends *e)
{
	const uint16_t *w = (const uint16_t *)e;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(e->src) * 2 / 2; i++)
		sum += w[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* RFC 3948 3.1.2: the peer has made it with addresses that a NAT has changed. */
Test(inner, checksums_behind_a_nat)
{
	for (int six = 0; six < 2; six++) {
		struct inner_ends here = ends_of(six, NOW), there = ends_of(six, BEFORE);
		uint32_t repair = sum_of(&there) + (uint16_t)~sum_of(&here);

		put(six, 0, (uint16_t)((repair & 0xffff) + (repair >> 16)));
		for (int i = 0; i < N; i++) {
			struct run r = came(six, BEFORE, payloads[i], false);

			is_made(&r, six, NOW, payloads[i], false);
		}
	}
	put(0, 0, 0x1234);
	is_made(&(struct run[]){ came(0, NOW, 100, true) }[0], 0, NOW, 100, true);
}

Test(inner, another_ip_version)
{
	put(1, 0, 0);
	cr_assert_eq(came(0, NOW, 100, false).verdict, -1);
	put(0, 0, 0);
	cr_assert_eq(came(1, NOW, 100, false).verdict, -1);
}
