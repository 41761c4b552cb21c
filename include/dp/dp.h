/* SPDX-License-Identifier: GPL-2.0-only */
/* The steering data plane seen from the agent: BPF objects, maps, devices. Knows interfaces; knows
 * neither IKE nor keys. One instance per pin directory. Thread: the agent's; path_cur may also be
 * written by the engine (compare and exchange on one word).
 *
 * Survives restarts: everything is pinned; dp_open on an existing pin directory of the same ABI
 * version takes it over, with its paths, groups and SAs, without a gap in traffic. A directory
 * whose owner lives is refused.
 */
#ifndef BRAID_DP_DP_H
#define BRAID_DP_DP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "base/addr.h"

enum dp_attach { DP_ATTACH_AUTO, DP_ATTACH_TC, DP_ATTACH_XDP, DP_ATTACH_XDP_GENERIC };

struct dp;
struct engine_fds;
struct engine_maps;

struct dp_options {
	const char *pin_dir;   /* on a bpffs, e.g. /sys/fs/bpf/braid; created, 0700 */
	const char *steer_dev; /* "braid0": created if absent */
	uint32_t steer_mtu;    /* 0: the largest that fits */
	uint32_t sa_max;       /* power of two, <= STEER_SA_MAX */
	struct addr stable4_local, stable4_remote, stable6_local, stable6_remote;
	enum dp_attach attach; /* ingress on uplinks */
};

/* Loads programs, creates or adopts maps, creates the steering device with the stable addresses and
 * the routes to it, attaches steer_tc there. 0 or -errno; *ret_error is a sentence naming the
 * missing piece (capability, kernel feature, bpffs), in the caller's buffer. */
int dp_open(const struct dp_options *opt, struct dp **ret_dp, char *ret_error, size_t error_len);
/* Closes descriptors; pins, device and programs stay. NULL is fine. */
void dp_close(struct dp *dp);
/* For a start that fails later: closes, and takes back what this dp_open made (mount, pins, device,
 * programs). What it had found stays. NULL is fine. */
void dp_abandon(struct dp *dp);
/* What of the kernel the steering programs need and is not there, found by trying: -errno and a
 * sentence about the first such thing, 0 if nothing was found. */
int dp_probe(char *ret_error, size_t error_len);
/* The sentence for a device nothing can be attached to: qdisc tells whether the queueing discipline
 * could not be made, or the filter not be put into it. Returns err. */
int dp_explain_attach(const char *device, bool qdisc, int err, char *ret_error, size_t error_len);
/* Detach and remove everything that is ours and nothing that is not. 0 or first -errno. */
int dp_flush(const struct dp_options *opt);

/* Ingress program on an uplink: XDP or its tc twin. ret_why: one line for `braid paths`. Again on
 * an attached device: no change. 0 or -errno. */
int dp_uplink_attach(struct dp *dp, uint32_t ifindex, char *ret_why, size_t why_len);
int dp_uplink_detach(struct dp *dp, uint32_t ifindex);
/* Is there XDP to attach or to detach? The dispatcher's programs are found by their ids, for which
 * the kernel wants CAP_SYS_ADMIN. */
bool dp_uses_xdp(const struct dp *dp);
/* "tc", "xdp", "xdp-generic" or "none"; static. */
const char *dp_uplink_mode(const struct dp *dp, uint32_t ifindex);

/* Of the steering device, whatever it is called. */
uint32_t dp_steer_ifindex(const struct dp *dp);

/* SPIs are allocated here, since they are indices. 0 or -ENOSPC. */
int dp_spi_alloc(struct dp *dp, uint32_t *ret_spi);
void dp_spi_free(struct dp *dp, uint32_t spi);
/* Take note of an SPI that an adopted SA already uses. */
int dp_spi_reserve(struct dp *dp, uint32_t spi);

/* Outbound index for the mark: 0 or -ENOSPC. Entry is written before the SA may send. */
int dp_sa_add(struct dp *dp, uint32_t sa_id, uint32_t spi_in, uint32_t spi_out, uint32_t group,
	      uint8_t sa_flags, uint32_t *ret_out_index);
void dp_sa_del(struct dp *dp, uint32_t sa_id);
/* Has an SA in the maps this inbound SPI? Any SPI, a stranger's too. */
bool dp_spi_installed(const struct dp *dp, uint32_t spi);
/* Same SA after adoption: find its outbound index. -ENOENT. */
int dp_sa_find(struct dp *dp, uint32_t sa_id, uint32_t *ret_out_index);

/* Group an outbound SA points at, and that group's current record. -ENOENT. */
int dp_sa_group(struct dp *dp, uint32_t out_index, uint32_t *ret_id, struct steer_group *ret_group);

/* Paths: path_put makes a new record and publishes it with `state` in one store; path id 0 in
 * p->id allocates one. A change of record keeps the state when state is -1. */
int dp_path_put(struct dp *dp, const struct steer_path *p, int state, uint32_t *ret_id);
/* One word. -ENOENT. */
int dp_path_state(struct dp *dp, uint32_t id, enum steer_path_state state);
int dp_path_del(struct dp *dp, uint32_t id);
int dp_path_get(struct dp *dp, uint32_t id, struct steer_path *ret_path,
		enum steer_path_state *ret_state);
int dp_path_stat(struct dp *dp, uint32_t id, struct steer_path_stat *ret_stat); /* summed */
int dp_sa_stat(struct dp *dp, uint32_t out_index, struct steer_sa_stat *ret_stat);
void dp_drops(struct dp *dp, uint64_t ret_drops[DROP_MAX]); /* summed over CPUs */

/* The name of the steering device's other end, where it needs one. */
void dp_steer_peer(const char *steer_dev, char ret_peer[16]);

/* Groups: n <= STEER_MEMBERS_MAX; the flow table is computed here (dp/flowtab). id 0 allocates. */
struct dp_member {
	uint32_t path, line; /* struct steer_group */
	uint16_t weight;
};
int dp_group_put(struct dp *dp, uint32_t id, enum steer_mode mode, const struct dp_member *members,
		 size_t n, uint32_t *ret_id);
int dp_group_del(struct dp *dp, uint32_t id);

/* After adoption: remove every record that keep does not claim, so that what an agent and an engine
 * left that died together is in nobody's way. */
enum dp_kind { DP_SA, DP_GROUP, DP_PATH };
typedef bool dp_keep_fn(void *ctx, enum dp_kind kind, uint32_t id);
void dp_sweep(struct dp *dp, dp_keep_fn *keep, void *ctx);

/* What goes to the engine with ENGINE_MAPS: number of entries, descriptors (borrowed). */
void dp_engine_maps(const struct dp *dp, struct engine_maps *ret_maps, struct engine_fds *ret_fds);
/* Poll descriptor of the events ring buffer and its drain: fn per event. */
typedef void dp_event_fn(void *ctx, const struct steer_event *ev);
int dp_events_fd(struct dp *dp);
int dp_events_drain(struct dp *dp, dp_event_fn *fn, void *ctx);

/* Weighted flow table: slots for n members; only slots of changed members move between two calls
 * with similar input. Pure. */
void flowtab_fill(__u8 flow[STEER_FLOW_SLOTS], const uint32_t *path_ids, const uint16_t *weights,
		  size_t n);

#endif
