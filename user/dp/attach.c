/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs onto devices. tc: clsact, fixed priority and handle; filters and the qdisc of others
 * stay. XDP (xdp.c) where it is asked for and possible; else tc ingress, and the reason is said.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "steer_tc.skel.h"
#include "steer_xdp.skel.h"

/* Replaces a filter of ours in one step, so adoption has no gap. */
int dp_tc_attach(uint32_t ifindex, enum bpf_tc_attach_point point, int priority, int prog_fd,
		 const char *prefix, bool *ret_created, bool *ret_qdisc_fails)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DP_TC_HANDLE, .priority = (uint32_t)priority,
		    .prog_fd = prog_fd);
	int err = bpf_tc_hook_create(&hook), have;

	*ret_qdisc_fails = err && err != -EEXIST;
	if (*ret_qdisc_fails)
		return err;
	*ret_created = !err;
	have = dp_filter_ours(ifindex, point == BPF_TC_EGRESS, priority, prefix);
	if (have < 0)
		return have;
	if (have)
		opts.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &opts);
}

int dp_tc_detach(uint32_t ifindex, enum bpf_tc_attach_point point, int priority, const char *prefix,
		 bool own_clsact)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DP_TC_HANDLE, .priority = (uint32_t)priority);
	int have = dp_filter_ours(ifindex, point == BPF_TC_EGRESS, priority, prefix);
	int err = have > 0 ? bpf_tc_detach(&hook, &opts) : have == -EBUSY ? 0 : have;

	if (err || !own_clsact)
		return err;
	return dp_clsact_remove_empty(ifindex);
}

/* Where steer_tc goes: what enters the device, or what comes out of its other end. */
struct steer_place {
	uint32_t ifindex; /* 0: there is no such place */
	enum bpf_tc_attach_point point;
};

static int attach_steer_at(struct steer_place at, const struct bpf_program *prog, char *ret_error,
			   size_t len)
{
	char name[IF_NAMESIZE] = "";
	bool created, qdisc;
	int err = dp_tc_attach(at.ifindex, at.point, DP_TC_PRIORITY, bpf_program__fd(prog),
			       "steer_tc", &created, &qdisc);

	if_indextoname(at.ifindex, name);
	return err ? dp_explain_attach(name, qdisc, err, ret_error, len) : 0;
}

/* Of ESP of the kernel's the other end of the pair sees all that its egress has left. */
int dp_attach_steer(struct dp *dp, char *ret_error, size_t len)
{
	const struct steer_place device = { dp->steer_ifindex, BPF_TC_EGRESS };
	const struct steer_place peer = { dp->peer_ifindex, BPF_TC_INGRESS };
	bool kernel = dp->opt.kernel_esp;
	int err = kernel ? attach_steer_at(peer, dp->tc->progs.steer_tc, ret_error, len) : 0;

	if (!err)
		err = attach_steer_at(device,
				      kernel ? dp->tc->progs.steer_tc_out : dp->tc->progs.steer_tc,
				      ret_error, len);
	if (err || kernel || !peer.ifindex)
		return err;
	/* of a run with ESP of the kernel's */
	err = dp_tc_detach(peer.ifindex, peer.point, DP_TC_PRIORITY, "steer_tc", true);
	return err ? explain(ret_error, len, err,
			     "taking the steering program off the ingress of interface %u: %s",
			     peer.ifindex, strerror(-err))
		   : 0;
}

bool dp_has_ether(uint32_t ifindex)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ether = true;

	if (fd >= 0 && if_indextoname(ifindex, ifr.ifr_name) && !ioctl(fd, SIOCGIFHWADDR, &ifr))
		ether = ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
			ifr.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	if (fd >= 0)
		close(fd);
	return ether;
}

/* Has its ingress the program that steers and shields? 1, 0 or -errno. */
static int in_shields(uint32_t ifindex)
{
	int have = dp_filter_ours(ifindex, false, DP_TC_PRIORITY, "steer_in_shield");

	return have == -EBUSY || have == -ENODEV ? 0 : have;
}

static int attach_in(struct dp *dp, uint32_t ifindex, bool shield, bool *ret_created)
{
	const struct bpf_program *alone =
		dp_has_ether(ifindex) ? dp->xdp->progs.steer_in : dp->xdp->progs.steer_in_l3;
	int fd = bpf_program__fd(alone), err = shield ? dp_shield_both(dp, &fd) : 0;
	bool qdisc;

	return err ? err
		   : dp_tc_attach(ifindex, BPF_TC_INGRESS, DP_TC_PRIORITY, fd, "steer_in",
				  ret_created, &qdisc);
}

/* Before that program goes: the shield stays. Without rules of ours it knows others, on maps that
 * are lost, and does not go. */
static int keep_shield(struct dp *dp, uint32_t ifindex)
{
	int have = in_shields(ifindex);

	return have > 0 && dp_shield_any(dp) ? dp_shield_in_alone(dp, ifindex)
					     : (have < 0 ? have : 0);
}

static int uplink_tc(struct dp *dp, uint32_t ifindex, struct steer_uplink *ret_rec)
{
	bool created = false;
	int have = in_shields(ifindex), err = have < 0 ? have : 0;

	/* One that is there on maps that are lost knows rules, and the new maps have none yet:
	 * dp_shield_attach or dp_shield_detach replaces it. */
	if (!err && (!have || dp_shield_any(dp)))
		err = attach_in(dp, ifindex, have, &created);
	if (err)
		return err;
	if (ret_rec->mode != STEER_UPLINK_TC)
		ret_rec->own_clsact = created;
	ret_rec->mode = STEER_UPLINK_TC;
	return 0;
}

static struct steer_uplink uplink_get(const struct dp *dp, uint32_t ifindex)
{
	struct steer_uplink rec = { 0 };

	bpf_map_lookup_elem(dp->uplink_fd, &ifindex, &rec);
	return rec;
}

/* Not the shield with it. */
static int uplink_tc_detach(uint32_t ifindex, bool own_clsact)
{
	int both = in_shields(ifindex);
	int alone = both > 0 ? dp_filter_ours(ifindex, false, DP_SHIELD_PRIORITY, "shield_in") : 0;

	if (both < 0 || (alone < 0 && alone != -EBUSY))
		return both < 0 ? both : alone;
	return both > 0 && alone <= 0 ? 0
				      : dp_tc_detach(ifindex, BPF_TC_INGRESS, DP_TC_PRIORITY,
						     "steer_in", own_clsact);
}

/* XDP as asked for. Where that cannot be: the reason, and tc ingress takes its place. */
static int uplink_xdp(struct dp *dp, uint32_t ifindex, struct steer_uplink *rec, char *ret_why,
		      size_t why_len)
{
	bool generic = dp->opt.attach == DP_ATTACH_XDP_GENERIC;
	__u8 mode = generic ? STEER_UPLINK_XDP_GENERIC : STEER_UPLINK_XDP;
	int err;

	dp_xdp_prepare(dp->pin_dir);
	if (rec->mode != mode) /* in the other mode, or on maps that are lost */
		dp_xdp_detach(ifindex);
	err = dp_xdp_attach(dp, ifindex, generic, ret_why, why_len);
	if (err && rec->mode == mode)
		dp_xdp_detach(ifindex); /* replaced by force: its pins stayed */
	if (err)
		return err;
	/* only now: packets are counted twice rather than not */
	if (rec->mode == STEER_UPLINK_TC && !keep_shield(dp, ifindex))
		uplink_tc_detach(ifindex, rec->own_clsact);
	*rec = (struct steer_uplink){ .mode = mode };
	return 0;
}

__attribute__((format(printf, 3, 4))) static void why_more(char *why, size_t len, const char *fmt,
							   ...)
{
	size_t at = strlen(why);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why + at, len - at, fmt, ap);
	va_end(ap);
}

static int leave_xdp(struct dp *dp, uint32_t ifindex, __u8 mode)
{
	return mode == STEER_UPLINK_XDP || mode == STEER_UPLINK_XDP_GENERIC
		       ? dp_uplink_detach(dp, ifindex)
		       : 0;
}

int dp_uplink_attach(struct dp *dp, uint32_t ifindex, char *ret_why, size_t why_len)
{
	struct steer_uplink rec = uplink_get(dp, ifindex);
	int err = -1;

	if (ifindex == dp->steer_ifindex || (dp->peer_ifindex && ifindex == dp->peer_ifindex))
		return -EINVAL;
	if (dp->opt.attach == DP_ATTACH_XDP || dp->opt.attach == DP_ATTACH_XDP_GENERIC) {
		err = uplink_xdp(dp, ifindex, &rec, ret_why, why_len);
	} else {
		int stays = leave_xdp(dp, ifindex, rec.mode);

		if (stays) {
			snprintf(ret_why, why_len, "not attached: XDP does not go: %s",
				 strerror(-stays));
			return stays;
		}
		snprintf(ret_why, why_len, "%s",
			 dp->opt.attach == DP_ATTACH_TC
				 ? "tc ingress, as configured"
				 : "tc ingress: keeps GRO for the engine, which XDP would undo");
	}
	if (dp->intake.n_cpus && !err)
		why_more(ret_why, why_len, "; decrypted by %u CPUs, %s", dp->intake.n_cpus,
			 dp->opt.spread == STEER_SPREAD_SA ? "each SA by one of them"
							   : "each SA by all of them");
	else if (dp->intake.n_cpus)
		why_more(ret_why, why_len, "; so decryption is not spread over CPUs");
	if (err)
		err = uplink_tc(dp, ifindex, &rec);
	if (err) {
		snprintf(ret_why, why_len, "not attached: %s",
			 err == -EBUSY ? "a foreign filter has our place" : strerror(-err));
		return err;
	}
	return bpf_map_update_elem(dp->uplink_fd, &ifindex, &rec, BPF_ANY);
}

static int uplink_detach(uint32_t ifindex, const struct steer_uplink *rec)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		return 0; /* gone, and the program with it */
	switch ((enum steer_uplink_mode)rec->mode) {
	case STEER_UPLINK_NONE:
		return 0;
	case STEER_UPLINK_TC:
		return uplink_tc_detach(ifindex, rec->own_clsact);
	case STEER_UPLINK_XDP:
	case STEER_UPLINK_XDP_GENERIC:
		return dp_xdp_detach(ifindex);
	}
	return -EINVAL;
}

int dp_uplink_detach(struct dp *dp, uint32_t ifindex)
{
	struct steer_uplink rec = uplink_get(dp, ifindex);
	int err;

	dp_xdp_prepare(dp->pin_dir);
	err = rec.mode == STEER_UPLINK_TC ? keep_shield(dp, ifindex) : 0;
	if (!err)
		err = uplink_detach(ifindex, &rec);
	if (!err)
		bpf_map_delete_elem(dp->uplink_fd, &ifindex);
	return err;
}

int dp_uplink_shield(struct dp *dp, uint32_t ifindex, bool on)
{
	bool created;
	int err;

	if (uplink_get(dp, ifindex).mode != STEER_UPLINK_TC || (on && !dp_has_ether(ifindex)))
		return 0;
	err = on ? 1 : in_shields(ifindex);
	if (err > 0)
		err = attach_in(dp, ifindex, on, &created);
	return err ? err : 1;
}

int dp_shield_stays(struct dp *dp)
{
	__u32 ifindex, *last = NULL;
	int err = 0;

	while (!bpf_map_get_next_key(dp->uplink_fd, last, &ifindex)) {
		int one = keep_shield(dp, ifindex);

		err = err ? err : one;
		last = &ifindex;
	}
	return err;
}

int dp_detach_all(const char *pin_dir)
{
	struct steer_uplink rec;
	char file[300];
	__u32 ifindex;
	int fd, err, first = 0;

	dp_xdp_prepare(pin_dir);
	snprintf(file, sizeof(file), "%s/uplink", pin_dir);
	fd = bpf_obj_get(file);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	while (!bpf_map_get_next_key(fd, NULL, &ifindex)) {
		err = bpf_map_lookup_elem(fd, &ifindex, &rec);
		if (!err)
			err = uplink_detach(ifindex, &rec);
		if (err && !first)
			first = err;
		bpf_map_delete_elem(fd, &ifindex);
	}
	close(fd);
	return first;
}

bool dp_uses_xdp(const struct dp *dp)
{
	bool xdp = dp->opt.attach == DP_ATTACH_XDP || dp->opt.attach == DP_ATTACH_XDP_GENERIC;
	__u32 ifindex, *last = NULL;

	while (!xdp && !bpf_map_get_next_key(dp->uplink_fd, last, &ifindex)) {
		__u8 mode = uplink_get(dp, ifindex).mode;

		xdp = mode == STEER_UPLINK_XDP || mode == STEER_UPLINK_XDP_GENERIC;
		last = &ifindex;
	}
	return xdp;
}

const char *dp_uplink_mode(const struct dp *dp, uint32_t ifindex)
{
	switch ((enum steer_uplink_mode)uplink_get(dp, ifindex).mode) {
	case STEER_UPLINK_NONE:
		return "none";
	case STEER_UPLINK_TC:
		return "tc";
	case STEER_UPLINK_XDP:
		return "xdp";
	case STEER_UPLINK_XDP_GENERIC:
		return "xdp-generic";
	}
	return "none";
}
