/* SPDX-License-Identifier: GPL-2.0-only */
/* tc filters as netlink shows them. A program's name is read there, since a descriptor from its id
 * would take CAP_SYS_ADMIN. */
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

enum { QUEUE_PACKETS = 1000 };

static struct tcmsg *tc_msg(char *buf, uint16_t type, uint16_t flags, uint32_t ifindex,
			    struct nlmsghdr **ret_nlh)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	*ret_nlh = nlh;
	return tcm;
}

/* Ours, by the name libbpf gave the filter: its program's, and an id. */
struct owner {
	const char *prog;
	bool found, ours;
};

static int owner_option(const struct nlattr *attr, void *ctx)
{
	struct owner *o = ctx;

	if (mnl_attr_get_type(attr) == TCA_BPF_NAME)
		o->ours = !strncmp(mnl_attr_get_str(attr), o->prog, strlen(o->prog));
	return MNL_CB_OK;
}

static int owner_attr(const struct nlattr *attr, void *ctx)
{
	if (mnl_attr_get_type(attr) == TCA_OPTIONS)
		mnl_attr_parse_nested(attr, owner_option, ctx);
	return MNL_CB_OK;
}

static int owner_reply(const struct nlmsghdr *nlh, void *ctx)
{
	struct owner *o = ctx;

	o->found = true;
	mnl_attr_parse(nlh, sizeof(struct tcmsg), owner_attr, o);
	return MNL_CB_OK;
}

int dp_filter_ours(uint32_t ifindex, bool egress, int priority, const char *prog)
{
	struct owner o = { .prog = prog };
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	char buf[512];
	int err;

	tcm = tc_msg(buf, RTM_GETTFILTER, 0, ifindex, &nlh);
	tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	tcm->tcm_handle = DP_TC_HANDLE;
	tcm->tcm_info = TC_H_MAKE((uint32_t)priority << 16, htobe16(ETH_P_ALL));
	err = dp_nl_request(nlh, owner_reply, &o);
	if (err == -ENOENT || err == -EINVAL) /* no filter; no qdisc */
		return 0;
	if (err)
		return err;
	return o.found && o.ours ? 1 : -EBUSY;
}

static int count_reply(const struct nlmsghdr *nlh, void *ctx)
{
	(void)nlh;
	++*(int *)ctx;
	return MNL_CB_OK;
}

int dp_clsact_remove_empty(uint32_t ifindex)
{
	const uint32_t parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				     TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	char buf[512];
	int filters = 0, err;

	for (int i = 0; i < 2; i++) {
		tcm = tc_msg(buf, RTM_GETTFILTER, NLM_F_DUMP, ifindex, &nlh);
		tcm->tcm_parent = parents[i];
		err = dp_nl_request(nlh, count_reply, &filters);
		if (err)
			return err;
	}
	if (filters)
		return 0;
	tcm = tc_msg(buf, RTM_DELQDISC, 0, ifindex, &nlh);
	tcm->tcm_parent = TC_H_CLSACT;
	tcm->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(nlh, TCA_KIND, "clsact");
	err = dp_nl_request(nlh, NULL, NULL);
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

int dp_queue_put(uint32_t ifindex)
{
	const struct tc_fifo_qopt opt = { .limit = QUEUE_PACKETS };
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;
	char buf[512];

	tcm = tc_msg(buf, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, ifindex, &nlh);
	tcm->tcm_parent = TC_H_ROOT;
	mnl_attr_put_strz(nlh, TCA_KIND, "pfifo");
	mnl_attr_put(nlh, TCA_OPTIONS, sizeof(opt), &opt);
	return dp_nl_request(nlh, NULL, NULL);
}

int dp_explain_attach(const char *device, bool qdisc, int err, char *ret_error, size_t len)
{
	if (err == -ENOENT || err == -EOPNOTSUPP)
		return explain(ret_error, len, err, "this kernel has no %s: load that module",
			       qdisc ? "clsact queueing discipline (sch_ingress, "
				       "CONFIG_NET_SCH_INGRESS)"
				     : "BPF classifier of tc (cls_bpf, CONFIG_NET_CLS_BPF)");
	if (err == -EPERM)
		return explain(ret_error, len, err,
			       "no program can be attached to %s: CAP_NET_ADMIN is missing; run as "
			       "root or grant it",
			       device);
	if (err == -EBUSY)
		return explain(ret_error, len, err,
			       "a filter of somebody else has our place on %s (priority %d): "
			       "remove it",
			       device, DP_TC_PRIORITY);
	return explain(ret_error, len, err, "%s on %s: %s",
		       qdisc ? "making the clsact queueing discipline" : "attaching steer_tc",
		       device, strerror(-err));
}
