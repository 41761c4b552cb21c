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

#include "abi/classify.h"
#include "abi/steer.h"
#include "base/addr.h"
#include "base/usec.h"

enum dp_attach { DP_ATTACH_AUTO, DP_ATTACH_TC, DP_ATTACH_XDP, DP_ATTACH_XDP_GENERIC };

struct class_rule;
struct dp;
struct hold_packet;
struct line_group;
struct engine_fds;
struct engine_maps;

struct dp_options {
	const char *pin_dir;   /* on a bpffs, e.g. /sys/fs/bpf/braid; created, 0700 */
	const char *steer_dev; /* "braid0": created if absent */
	uint32_t steer_mtu;    /* 0: the largest that fits */
	/* ESP is the kernel's: the steering device is a veth pair. What is encrypted at its egress
	 * is steered there (steer_tc_out), the rest by steer_tc at the ingress of its other end,
	 * where packets are as they will be on the wire even if the kernel leaves encryption to
	 * the last device (esp4_offload, esp6_offload). A device that was made for
	 * the other kind of ESP is taken over, or made anew where it is no pair. */
	bool kernel_esp;
	uint32_t sa_max; /* power of two, <= STEER_SA_MAX */
	struct addr stable4_local, stable4_remote, stable6_local, stable6_remote;
	enum dp_attach attach; /* ingress on uplinks */
	/* Decryption by the kernel of what came by XDP: over the CPUs that this process may run on.
	 */
	enum steer_spread spread;
	bool drop_unknown; /* ESP for an SPI that is not ours: nobody else here has any */
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
/* Larger packets do not enter it, whose senders are told. 0: as it was made. 0 or -errno. */
int dp_steer_mtu(const struct dp *dp, uint32_t mtu);
/* What goes to that address enters it too, as what goes to the stable remote does. 0, -EEXIST: it
 * is one of the host's own, or somebody has routed it elsewhere, or another -errno. */
int dp_steer_route(const struct dp *dp, const struct addr *to);
/* No more; nothing of others' is removed. 0 or -errno. */
int dp_steer_unroute(const struct dp *dp, const struct addr *to);

/* What policy protects in transport mode (abi/shield.h): on the uplinks it is attached to, such
 * packets go into that device instead of out, and are not let in in clear. The maps are pinned, the
 * programs stay when the agent goes. */
struct dp_shield_rule {
	struct addr local, remote;				     /* local: family 0: any */
	uint8_t protocol;					     /* 0: any */
	uint16_t local_first, local_last, remote_first, remote_last; /* ports; host order */
};
/* In place of all that there were, without a gap for those that stay; they are put in another
 * order. Of a peer with more than SHIELD_RULES_MAX everything is protected. 0 or first -errno. */
int dp_shield_rules(struct dp *dp, struct dp_shield_rule *rules, size_t n);
/* Beside those that there are. 0 or -errno. */
int dp_shield_rule_add(struct dp *dp, const struct dp_shield_rule *rule);
/* What is in the map, of an agent before too. */
typedef void dp_shield_rule_fn(void *ctx, const struct dp_shield_rule *rule);
void dp_shield_each(struct dp *dp, dp_shield_rule_fn *fn, void *ctx);
/* The engine's; 0: there is none, and what is protected is dropped. 0 or -errno. */
int dp_shield_device(struct dp *dp, uint32_t ifindex);
/* Again: the newer programs take the place of the older ones. 0 or -errno. */
int dp_shield_attach(struct dp *dp, uint32_t ifindex);
int dp_shield_detach(struct dp *dp, uint32_t ifindex);
/* It outlives dp_flush, which takes the steering away: beside that, no longer in one program with
 * it. 0 or first -errno; where that cannot be dp_flush lets both be. */
int dp_shield_stays(struct dp *dp);
/* Of whoever it was. 0 or first -errno. */
int dp_shield_clear(uint32_t ifindex);

/* Transport mode where ESP is the kernel's (abi/inner.h). What comes in by the SA with that SPI, by
 * the device that it is attached to, gets these addresses; until then, those before where its
 * checksum wants them; before may be NULL. The map is pinned. 0 or -errno. */
struct dp_inner {
	struct addr src, dst; /* the peer's, ours */
	uint16_t repair;      /* esp/transport.h */
};
int dp_inner_attach(struct dp *dp, uint32_t ifindex);
int dp_inner_put(struct dp *dp, uint32_t spi, const struct dp_inner *now,
		 const struct dp_inner *before, usec_t before_until);
void dp_inner_del(struct dp *dp, uint32_t spi);

/* SPIs are allocated here, since they are indices. 0 or -ENOSPC. */
int dp_spi_alloc(struct dp *dp, uint32_t *ret_spi);
void dp_spi_free(struct dp *dp, uint32_t spi);
/* Take note of an SPI that an adopted SA already uses. */
int dp_spi_reserve(struct dp *dp, uint32_t spi);

/* A pair of SAs. With kernel_esp they are the kernel's: what comes in gets the stable destination
 * of that family, without STEER_SA_RESTORE_DST being asked for. */
struct dp_sa {
	uint32_t id, spi_in, spi_out;
	uint32_t group;
	uint8_t family; /* of the stable pair: 4, 6; 0: 4 where there is one */
	uint8_t flags;	/* enum steer_sa_flags */
};
/* *ret_out_index: for the mark. Written before the SA may send. 0 or -errno; -EAFNOSUPPORT: there
 * is no stable pair of that family. */
int dp_sa_add(struct dp *dp, const struct dp_sa *sa, uint32_t *ret_out_index);
/* Its SPI is free again. */
void dp_sa_del(struct dp *dp, uint32_t sa_id);
/* ESP of the kernel's that comes before its SA (abi/hold.h): what has that inbound SPI waits, and
 * an SA that is added with it is not shown to the programs; or neither any more. 0 or -errno: it
 * does not wait, or was not awaited. */
int dp_await(struct dp *dp, uint32_t spi, bool on);
bool dp_awaits(const struct dp *dp, uint32_t spi);
/* What has come, oldest first; borrowed. */
typedef void dp_held_fn(void *ctx, const struct hold_packet *p);
void dp_held_drain(struct dp *dp, dp_held_fn *fn, void *ctx);
/* Has an SA in the maps this inbound SPI? Any SPI, a stranger's too. */
bool dp_spi_installed(const struct dp *dp, uint32_t spi);
/* Same SA after adoption: find its outbound index. -ENOENT. */
int dp_sa_find(struct dp *dp, uint32_t sa_id, uint32_t *ret_out_index);

/* How ESP of an SA of the kernel's leaves: STEER_SA_WRAP and STEER_SA_WRAP_BY_PATH, or neither: one
 * store. 0 or -ENOENT. */
int dp_sa_wrap(struct dp *dp, uint32_t sa_id, uint8_t sa_flags);

/* It goes over the paths of another group from now on: one store. 0, -ENOENT or -EINVAL. */
int dp_sa_regroup(struct dp *dp, uint32_t sa_id, uint32_t group);

/* Group an outbound SA points at, and that group's current record of class 0. -ENOENT. */
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

/* Groups come in blocks, one for each class (abi/steer.h), and go by the id of class 0's, which has
 * to be there first: it stands in for classes that have none.
 *
 * Flow slots keep their paths from record to record, so far as the weights allow (flowtab_update).
 * Groups that are to have equal tables are written one after the other, each like the first. */
struct dp_member {
	uint32_t path, line; /* struct steer_group */
	uint16_t weight;
};
struct dp_group_want {
	enum steer_mode mode;
	uint8_t klass, copies; /* copies: REDUNDANT */
	uint8_t patience;      /* BOND: as in struct steer_group */
	uint32_t like;	       /* id of class 0: the table starts from that group's of the same
				* class; 0, or it has none: from its own */
	size_t n;	       /* <= STEER_MEMBERS_MAX */
	const struct dp_member *members; /* borrowed */
};
/* id 0 allocates a block. What is as it was before costs no store. 0 or -errno. */
int dp_group_put(struct dp *dp, uint32_t id, const struct dp_group_want *want, uint32_t *ret_id);
/* Nothing of that class goes anywhere from now on: it costs no record, and cannot fail but for a
 * group that is not there: -ENOENT. */
int dp_group_nowhere(struct dp *dp, uint32_t id, uint8_t klass);
/* The record as it is. -ENOENT. */
int dp_group_get(const struct dp *dp, uint32_t id, uint8_t klass, struct steer_group *ret_group);
/* All classes, or one of them, which goes as class 0 from now on. -ENOENT. */
int dp_group_del(struct dp *dp, uint32_t id);
int dp_group_del_class(struct dp *dp, uint32_t id, uint8_t klass);

/* Traffic classes (steer/class.h) of what enters the inner device. The engine's is attached to once
 * the engine has the program that chooses its queues; an XFRM interface (kernel_esp), where packets
 * get their flow slot, too, as soon as that matters: when there are rules, lines, or a group whose
 * members share flows. The programs are loaded with the first call; what an agent before has left
 * in the maps goes on until there is another table. */
/* Is there anything of them, of ours or of an agent before? */
bool dp_classify_left(const struct dp *dp);
/* Before the device has traffic: a queueing discipline that is made later loses packets, since the
 * kernel stops the device for that. 0 or -errno. */
int dp_classify_prepare(uint32_t ifindex);
/* *ret_fd: the program for ENGINE_CLASSES, borrowed. workers: queues of each class. 0 or -errno
 * with a sentence; so does attach. */
int dp_classify_program(struct dp *dp, uint32_t workers, int *ret_fd, char *ret_error, size_t len);
int dp_classify_attach(struct dp *dp, uint32_t ifindex, char *ret_error, size_t len);
/* With kernel_esp the device is the XFRM interface: dp_classify_attach loads what it needs by
 * itself, and what makes it matter later attaches it first. The flow of such a packet, for
 * CLASSIFY_SLOT: 0, or -ENOENT: nothing is loaded. */
int dp_classify_flow(const struct dp *dp, const struct classify_packet *p, uint64_t *ret_flow);
/* Lines of IKE SAs whose SAs have the same selectors, for the kernel's ESP (abi/lines.h): what the
 * classifier finds the line by, from now on, also when the agent is gone. 0 or -errno. The prefix
 * of remote addresses that they have; the inbound SPI of an SA of such a line, flows by which are
 * answered by that line: ifindex is the XFRM interface's; -EOPNOTSUPP: this kernel does not tell.
 */
int dp_line_remote_put(struct dp *dp, const struct addr *remote, uint8_t len,
		       const struct line_group *to);
void dp_line_remote_del(struct dp *dp, const struct addr *remote, uint8_t len);
int dp_line_spi_put(struct dp *dp, uint32_t ifindex, uint32_t spi, uint32_t line);
void dp_line_spi_del(struct dp *dp, uint32_t spi);
/* The line that a packet of this flow answers by; 0: none. */
uint32_t dp_line_replied(struct dp *dp, const struct classify_packet *p, uint64_t flow);
/* What an agent before has left goes, but for what they want to keep. */
typedef bool dp_line_remote_keep_fn(void *ctx, const struct addr *remote, uint8_t len);
typedef bool dp_line_spi_keep_fn(void *ctx, uint32_t spi);
void dp_lines_sweep(struct dp *dp, dp_line_remote_keep_fn *remote, dp_line_spi_keep_fn *spi,
		    void *ctx);
/* In place of all rules, in one step. cgroups: ids, as for rules_build. 0 or -errno; -EAGAIN: too
 * many tables within a second. */
int dp_classify_put(struct dp *dp, const struct class_rule *rules, const uint64_t *cgroups,
		    size_t n);
/* Which class has which number: names that can be read beside the maps, and that the next agent
 * numbers its classes by. get: before anything is loaded, too; -ENOENT: nobody has told. */
int dp_classify_names_put(struct dp *dp, const struct classify_name names[STEER_CLASSES]);
int dp_classify_names_get(const struct dp *dp, struct classify_name ret_names[STEER_CLASSES]);
/* What fell under a rule, or under none (CLASSIFY_NO_RULE), since this dp_open; also under earlier
 * tables, if the rule has stayed. -ENOENT. */
int dp_classify_stat(struct dp *dp, uint32_t rule, struct classify_stat *ret_stat);
/* The table that counts, for rules_lookup; NULL: none. */
const struct classify_table *dp_classify_table(const struct dp *dp);

/* After adoption: remove every record that keep does not claim, so that what an agent and an engine
 * left that died together is in nobody's way. A group is claimed with all its classes. */
enum dp_kind { DP_SA, DP_GROUP, DP_PATH };
typedef bool dp_keep_fn(void *ctx, enum dp_kind kind, uint32_t id);
void dp_sweep(struct dp *dp, dp_keep_fn *keep, void *ctx);

/* What goes to the engine with ENGINE_MAPS: number of entries, descriptors (borrowed). */
void dp_engine_maps(const struct dp *dp, struct engine_maps *ret_maps, struct engine_fds *ret_fds);
/* Poll descriptor of the events ring buffer and its drain: fn per event. */
typedef void dp_event_fn(void *ctx, const struct steer_event *ev);
int dp_events_fd(struct dp *dp);
int dp_events_drain(struct dp *dp, dp_event_fn *fn, void *ctx);

/* Flow slots for n members by weight, from a table as it is (0: a slot has no path yet). Slots of
 * paths that are no members get others, and of the rest as few as exact shares take. Pure. */
void flowtab_update(uint16_t flow[STEER_FLOW_SLOTS], const uint32_t *path_ids,
		    const uint16_t *weights, size_t n);

#endif
