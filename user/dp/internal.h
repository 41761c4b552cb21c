/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of dp share; nobody else includes it. */
#ifndef BRAID_DP_INTERNAL_H
#define BRAID_DP_INTERNAL_H

#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdarg.h>
#include <sys/types.h>

#include "base/explain.h"
#include "base/usec.h"
#include "dp/dp.h"
#include "dp/ring.h"
#include "dp/spi.h"

struct bpf_object;
struct dp_classify;
struct ring_buffer;
struct inner;
struct shield;
struct steer_shield;
struct steer_tc;
struct steer_xdp;

/* tc filters of ours: fixed, so that they are found again and foreign ones are left alone. */
enum {
	DP_TC_PRIORITY = 16978,
	DP_SHIELD_PRIORITY = 16979,
	DP_REPLY_PRIORITY = 16980,
	DP_TC_HANDLE = 1
};

/* A mapped array: entry i is at base + i * stride. */
struct dp_array {
	void *base;
	size_t stride, len;
};

/* What was made so that there is a pin directory. */
struct dp_bpffs {
	bool mounted;
	unsigned mount_dirs, pin_dirs; /* directories up to the mount point; below it */
};

struct dp {
	struct dp_options opt; /* strings below */
	/* Made by this dp_open: goes again if the start fails. */
	struct dp_bpffs made_fs;
	bool made_pins, made_device;
	char pin_dir[256];
	char steer_dev[IF_NAMESIZE];
	uint32_t steer_ifindex;
	uint32_t peer_ifindex;	/* its other end; 0: it has none */
	uint32_t reply_ifindex; /* classify_reply is at its ingress */
	uint32_t inner_ifindex; /* the XFRM interface, where packets are to be classified */
	bool classify_needed, classify_failed; /* there; and could not be attached */
	int lock_fd;			       /* on the pin directory, while we live */
	int n_cpus;
	uint32_t sa_stat_n;	    /* SAs counted, per CPU */
	struct steer_intake intake; /* as the map has it */

	struct steer_tc *tc;
	struct steer_xdp *xdp;
	struct shield *shield;
	struct steer_shield *both;    /* NULL: not needed so far */
	struct dp_classify *classify; /* NULL: not needed so far */
	struct inner *inner;	      /* the same */
	struct dp_array sa_in, sa_out, group_cur, group, path_cur, path, rx_hint, sa_stat;
	int path_stat_fd, drops_fd, rx_path_fd, uplink_fd;
	void *percpu; /* scratch: one value per CPU */

	struct spi_alloc spi;
	uint32_t *sa_head, *sa_next; /* sa_id -> index: chains over indices, 0 ends */
	struct slot_ring path_slots, group_slots;
	uint32_t path_next_id, group_next_id;
	/* paths whose addresses another path has, which receives for both: a bit for each */
	uint64_t rx_behind[STEER_PATHS_MAX / 64];
	uint32_t n_rx_behind;

	struct ring_buffer *events;
	dp_event_fn *event_fn;
	void *event_ctx;
	struct ring_buffer *held;
	dp_held_fn *held_fn;
	void *held_ctx;
};

static inline void *dp_entry(const struct dp_array *a, uint32_t i)
{
	return (char *)a->base + (size_t)i * a->stride;
}

static inline union steer_path_word *dp_path_cur(const struct dp *dp, uint32_t id)
{
	return dp_entry(&dp->path_cur, id);
}

static inline union steer_path_word dp_path_load(const struct dp *dp, uint32_t id)
{
	return (union steer_path_word){ .word = __atomic_load_n(&dp_path_cur(dp, id)->word,
								__ATOMIC_ACQUIRE) };
}

usec_t dp_now(void);
/* load.c: pin paths and sizes for every map of an opened object. 0 or -errno. */
int dp_pin_maps(const struct dp *dp, struct bpf_object *obj);
/* What libbpf or libxdp says, to the debug log. Returns 0. */
int dp_log_library(const char *fmt, va_list ap);

/* bpffs.c: pin_dir exists on a bpffs afterwards; *made is filled on failure too. */
int dp_bpffs_prepare(const char *pin_dir, struct dp_bpffs *made, char *ret_error, size_t len);
void dp_bpffs_undo(const char *pin_dir, const struct dp_bpffs *made);
bool dp_bpffs_is(const char *dir);
/* Nobody else has the directory until ret_fd is closed, or -EBUSY. */
int dp_bpffs_lock(const char *pin_dir, int *ret_fd, char *ret_error, size_t len);

/* publish.c: allocators from what the maps hold. 0 or -ENOMEM. */
int dp_adopt(struct dp *dp);
/* hold.c. 0 or -ENOMEM. */
int dp_hold_open(struct dp *dp);
void dp_hold_close(struct dp *dp);
/* publish.c: the SA with that inbound SPI, if it is there and the programs do not see it yet. */
void dp_sa_show(struct dp *dp, uint32_t spi);
void dp_forget(struct dp *dp);

/* intake.c: as the options say. 0 or -errno with a sentence. */
int dp_intake_put(struct dp *dp, char *ret_error, size_t len);
/* Does the classifier make marks? 0 or -errno. */
int dp_intake_classified(struct dp *dp, bool classified);

/* classify.c */
void dp_classify_close(struct dp *dp);
void dp_inner_close(struct dp *dp);
/* The programs, loaded once. 0 or -errno with a sentence. */
int dp_classify_open(struct dp *dp, char *ret_error, size_t len);
/* What comes next needs classes, flow slots or lines, which so far nobody has asked for. A failure
 * is logged: everything is of class 0 and slot 0 then. */
void dp_classify_need(struct dp *dp);
/* NULL: not loaded. */
struct classify *dp_classify_programs(struct dp *dp);

/* rx_key.c: packets with that key count for the path, unless another one has it: then this one
 * waits. The first path on a hint keeps it; further ones are found by the hash table alone. 0 or
 * -errno. */
struct steer_rx_key dp_rx_key(const struct steer_path *p);
int dp_rx_remember(struct dp *dp, const struct steer_rx_key *key, uint32_t path_id);
/* Its record has another key by now; one that waits for this one has it. */
void dp_rx_forget(struct dp *dp, const struct steer_rx_key *key, uint32_t path_id);
/* It waits for nothing any more. */
void dp_rx_leave(struct dp *dp, uint32_t path_id);
/* Which paths wait, from the maps. */
void dp_rx_adopt(struct dp *dp);

/* steerdev.c: 0 or -errno with a sentence, and then no device that was not there before. *ret_peer:
 * the other end of a pair, or 0. */
int dp_steerdev_create(const struct dp_options *opt, uint32_t *ret_ifindex, uint32_t *ret_peer,
		       bool *ret_made, char *ret_error, size_t len);
int dp_steerdev_delete(const char *name);

/* netlink.c: one request, its answers to cb (may be NULL), the acknowledgement. 0 or -errno. */
int dp_nl_request(struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx);

/* filter.c: is the filter in our place ours, its program's name beginning so? 1, 0: the place is
 * free, -EBUSY: somebody else's, other -errno. */
int dp_filter_ours(uint32_t ifindex, bool egress, int priority, const char *prog);
/* A queue at the root: a device without one sends what is to be encrypted at the last moment
 * (esp4_offload) as it is, where the kernel would rather wait (`again` of validate_xmit_xfrm,
 * Linux 6.1). 0 or -errno. */
int dp_queue_put(uint32_t ifindex);
/* The clsact qdisc, if no filter is left in it. 0 or -errno. */
int dp_clsact_remove_empty(uint32_t ifindex);

/* attach.c: whether packets of a device have an Ethernet header; true where that cannot be told. */
bool dp_has_ether(uint32_t ifindex);

/* attach.c: a filter of ours, in place of an earlier one in one step. *ret_created: its qdisc was
 * made; *ret_qdisc_fails: it could not be. prefix: of the program's name. 0 or -errno. */
int dp_tc_attach(uint32_t ifindex, enum bpf_tc_attach_point point, int priority, int prog_fd,
		 const char *prefix, bool *ret_created, bool *ret_qdisc_fails);
int dp_tc_detach(uint32_t ifindex, enum bpf_tc_attach_point point, int priority, const char *prefix,
		 bool own_clsact);
/* attach.c: the shield into the program at the ingress of an uplink, or out of it. 1, 0: there is
 * no such program by tc, or -errno. */
int dp_uplink_shield(struct dp *dp, uint32_t ifindex, bool on);
/* shield.c: the program that does both, loaded once. 0 or -errno. */
int dp_shield_both(struct dp *dp, int *ret_fd);
/* shield.c: are there rules? */
bool dp_shield_any(const struct dp *dp);
/* shield.c: maps of an opened object with its code. 0 or -errno. */
int dp_shield_maps(const struct dp *dp, struct bpf_object *obj);
void dp_shield_close(struct dp *dp);
/* shield.c: a program of its own at the ingress. 0 or -errno. */
int dp_shield_in_alone(struct dp *dp, uint32_t ifindex);
int dp_attach_steer(struct dp *dp, char *ret_error, size_t len);
/* Every uplink the pinned record names. */
int dp_detach_all(const char *pin_dir);

/* xdp.c. The dispatcher pins to the system's bpffs, where other XDP tools look for it, or else to
 * ours: to be called once before the others. */
void dp_xdp_prepare(const char *pin_dir);
/* Again on an attached device: no change. 0 or -errno, -EBUSY: somebody else holds the device;
 * *ret_why: how, or why not. */
int dp_xdp_attach(struct dp *dp, uint32_t ifindex, bool generic, char *ret_why, size_t why_len);
/* Takes ours out and leaves those beside it; 0 also when it is not there. */
int dp_xdp_detach(uint32_t ifindex);

#endif
