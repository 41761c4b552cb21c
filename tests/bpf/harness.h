/* SPDX-License-Identifier: GPL-2.0-only */
/* The steering programs with maps of their own, unpinned and unattached; packets built from fields;
 * one packet through a program by test run; checksums verified by an independent sum.
 */
#ifndef BRAID_TESTS_BPF_HARNESS_H
#define BRAID_TESTS_BPF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "shield.skel.h"
#include "steer_shield.skel.h"
#include "steer_tc.skel.h"
#include "steer_xdp.skel.h"

enum { SA_MAX = 64, PKT_MAX = 2048, PKT_ETHER = 14 };

struct env {
	struct steer_tc *tc;
	struct steer_xdp *xdp; /* same maps */
	struct shield *shield; /* the same, and its own; NULL: not opened */
	struct steer_shield *both;
	int n_cpus;
};

/* A network and a mount namespace of the test's own, with a bpffs at that new directory; skips the
 * test, with the reason, where that cannot be. */
enum { BPFFS_DIR = 64 };
void bpffs_open(char ret_dir[BPFFS_DIR]);
void bpffs_close(const char *dir);

/* Skips the test, with the reason, where programs cannot be loaded. */
void env_open(struct env *e);
void env_open_kernel(struct env *e); /* for ESP of the kernel's */
/* Those of the same name are the same, where both have them. */
void maps_share(const struct bpf_object *from, struct bpf_object *obj);
void env_open_shield(struct env *e); /* beside one of these */
void env_close(struct env *e);

struct pkt {
	int family;	 /* 4, 6 */
	bool udp;	 /* ESP in UDP */
	uint8_t proto;	 /* instead of ESP or UDP */
	uint16_t vlan;	 /* a tag with this id */
	uint16_t frag;	 /* frag_off field, host order */
	uint8_t options; /* octets of IPv4 options, multiple of 4 */
	bool no_check;	 /* UDP checksum 0 */
	bool partial;	 /* UDP checksum holds the pseudo-header's sum, as for a super-packet */
	bool no_ether;	 /* starts at the IP header */
	uint16_t sport, dport;
	uint32_t spi, seq;
	size_t payload; /* octets behind the ESP header */
	const char *src, *dst;
};

/* Defaults for zero fields: 198.18.0.1 -> 198.18.0.2 or their IPv6 twins, ports 4500, SPI
 * 0x11111111. Returns the length. */
size_t pkt_build(const struct pkt *p, uint8_t buf[PKT_MAX]);
/* All checksums of an Ethernet frame are right (a UDP one of 0 counts as right in IPv4). */
bool pkt_sums_ok(const uint8_t *buf, size_t len);
/* The UDP field holds the plain pseudo-header sum. */
bool pkt_partial_ok(const uint8_t *buf, size_t len);

struct run {
	int verdict;
	uint8_t out[PKT_MAX];
	size_t len;
	uint32_t mark; /* tc: after the program */
};
struct run run_tc(const struct bpf_program *prog, const uint8_t *buf, size_t len, uint32_t mark,
		  uint32_t gso_segs, uint32_t gso_size);
struct run run_xdp(const struct bpf_program *prog, const uint8_t *buf, size_t len);

/* Records. Ids are slots here. */
void put_sa_out(struct env *e, uint32_t index, uint32_t sa_id, uint32_t group);
void put_sa_in(struct env *e, uint32_t spi, uint32_t sa_id, uint8_t family, uint8_t flags);
void put_path(struct env *e, uint32_t id, enum steer_path_state state, int family, uint8_t flags);
void set_path_state(struct env *e, uint32_t id, enum steer_path_state state);
void put_group(struct env *e, uint32_t id, const struct steer_group *g);
void put_rx_path(struct env *e, uint32_t ifindex, int family, const char *local, const char *remote,
		 uint32_t id);
/* The same where it is found at once. */
void put_rx_hint(struct env *e, uint32_t ifindex, int family, const char *local, const char *remote,
		 uint32_t id);
/* What put_path wrote: path id N has source .N, destination .100+N, ports 4000+N and 4100+N, MACs
 * ending in N. */
const char *path_src(uint32_t id, int family);
const char *path_dst(uint32_t id, int family);

struct steer_path_stat get_path_stat(struct env *e, uint32_t id);
struct steer_sa_stat get_sa_stat(struct env *e, uint32_t index);
uint64_t get_drop(struct env *e, enum drop_reason reason);
uint64_t get_drops_all(struct env *e);

/* Source, destination as text of a frame's outer header; protocol; ports. */
bool pkt_has_addrs(const uint8_t *buf, const char *src, const char *dst);

#endif
