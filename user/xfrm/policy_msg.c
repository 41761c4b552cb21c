/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies and their selectors to and from the kernel's messages. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "xfrm_impl.h"

void xfrm_put_sel(struct xfrm_selector *to, const struct xfrm_sel *sel)
{
	xfrm_put_addr(&to->saddr, &sel->src);
	xfrm_put_addr(&to->daddr, &sel->dst);
	to->prefixlen_s = sel->src_len;
	to->prefixlen_d = sel->dst_len;
	to->family = xfrm_af(&sel->dst);
	to->proto = sel->protocol;
	to->sport = htons(sel->sport);
	to->sport_mask = htons(sel->sport_mask);
	to->dport = htons(sel->dport);
	to->dport_mask = htons(sel->dport_mask);
}

int xfrm_get_sel(const struct xfrm_selector *from, struct xfrm_sel *ret_sel)
{
	struct xfrm_sel sel = {
		.src = xfrm_get_addr(&from->saddr, from->family),
		.dst = xfrm_get_addr(&from->daddr, from->family),
		.src_len = from->prefixlen_s,
		.dst_len = from->prefixlen_d,
		.protocol = from->proto,
		.sport = ntohs(from->sport),
		.sport_mask = ntohs(from->sport_mask),
		.dport = ntohs(from->dport),
		.dport_mask = ntohs(from->dport_mask),
	};

	if (!sel.dst.family || sel.src_len > addr_len(&sel.dst) * 8 ||
	    sel.dst_len > addr_len(&sel.dst) * 8)
		return -EBADMSG;
	*ret_sel = sel;
	return 0;
}

static uint8_t put_dir(enum xfrm_dir dir)
{
	switch (dir) {
	case XFRM_IN:
		return XFRM_POLICY_IN;
	case XFRM_OUT:
		return XFRM_POLICY_OUT;
	case XFRM_FWD:
		return XFRM_POLICY_FWD;
	}
	return XFRM_POLICY_MAX;
}

static bool sel_ok(const struct xfrm_sel *sel)
{
	return sel->dst.family && sel->src.family == sel->dst.family &&
	       sel->src_len <= addr_len(&sel->src) * 8 && sel->dst_len <= addr_len(&sel->dst) * 8;
}

static void put_template(struct nlmsghdr *nlh, const struct xfrm_policy *p)
{
	struct xfrm_user_tmpl t = {
		.id.proto = IPPROTO_ESP,
		.family = xfrm_af(&p->dst),
		.reqid = p->reqid,
		.mode = p->beet ? XFRM_MODE_BEET : XFRM_MODE_TUNNEL,
		.aalgos = UINT32_MAX, /* whatever the SA has */
		.ealgos = UINT32_MAX,
		.calgos = UINT32_MAX,
	};

	xfrm_put_addr(&t.saddr, &p->src);
	xfrm_put_addr(&t.id.daddr, &p->dst);
	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(t), &t);
}

/* What tells it from others with its selector. */
static void put_names(struct nlmsghdr *nlh, const struct xfrm_policy *p)
{
	const struct xfrm_mark mark = { p->mark, p->mark_mask };

	if (p->if_id)
		mnl_attr_put_u32(nlh, XFRMA_IF_ID, p->if_id);
	if (p->mark_mask)
		mnl_attr_put(nlh, XFRMA_MARK, sizeof(mark), &mark);
}

int xfrm_put_policy(void *buf, const struct xfrm_policy *p, struct nlmsghdr **ret_nlh)
{
	struct xfrm_userpolicy_info *info;
	struct nlmsghdr *nlh;

	if (!sel_ok(&p->sel) || (!p->block && (!p->dst.family || p->src.family != p->dst.family)))
		return -EINVAL;
	nlh = xfrm_message(buf, XFRM_MSG_UPDPOLICY, NLM_F_ACK, sizeof(*info), &info);
	xfrm_put_sel(&info->sel, &p->sel);
	info->lft.soft_byte_limit = info->lft.hard_byte_limit = XFRM_INF;
	info->lft.soft_packet_limit = info->lft.hard_packet_limit = XFRM_INF;
	info->priority = p->priority;
	info->sel.ifindex = (int)p->dev;
	info->dir = put_dir(p->dir);
	info->action = p->block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
	info->share = XFRM_SHARE_ANY;
	if (!p->block)
		put_template(nlh, p);
	put_names(nlh, p);
	*ret_nlh = nlh;
	return 0;
}

int xfrm_put_policy_del(void *buf, const struct xfrm_policy *p, struct nlmsghdr **ret_nlh)
{
	struct xfrm_userpolicy_id *id;
	struct nlmsghdr *nlh;

	if (!sel_ok(&p->sel))
		return -EINVAL;
	nlh = xfrm_message(buf, XFRM_MSG_DELPOLICY, NLM_F_ACK, sizeof(*id), &id);
	xfrm_put_sel(&id->sel, &p->sel);
	id->sel.ifindex = (int)p->dev;
	id->dir = put_dir(p->dir);
	put_names(nlh, p);
	*ret_nlh = nlh;
	return 0;
}

static void get_template(const struct nlattr *a, struct xfrm_policy *p)
{
	struct xfrm_user_tmpl t;

	memcpy(&t, mnl_attr_get_payload(a), sizeof(t)); /* ours have one */
	p->beet = t.mode == XFRM_MODE_BEET;
	p->reqid = t.reqid;
	p->src = xfrm_get_addr(&t.saddr, t.family);
	p->dst = xfrm_get_addr(&t.id.daddr, t.family);
}

int xfrm_parse_policy(const struct nlmsghdr *nlh, struct xfrm_policy *ret_policy)
{
	const struct xfrm_userpolicy_info *info = mnl_nlmsg_get_payload(nlh);
	struct xfrm_policy p = { 0 };
	const struct nlattr *a;

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*info) || xfrm_get_sel(&info->sel, &p.sel))
		return -EBADMSG;
	switch (info->dir) {
	case XFRM_POLICY_IN:
		p.dir = XFRM_IN;
		break;
	case XFRM_POLICY_OUT:
		p.dir = XFRM_OUT;
		break;
	case XFRM_POLICY_FWD:
		p.dir = XFRM_FWD;
		break;
	default: /* of one socket */
		return -EBADMSG;
	}
	p.priority = info->priority;
	p.dev = (uint32_t)info->sel.ifindex;
	p.block = info->action == XFRM_POLICY_BLOCK;
	mnl_attr_for_each(a, nlh, sizeof(*info))
	{
		uint16_t len = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == XFRMA_IF_ID) {
			if (len < 4)
				return -EBADMSG;
			p.if_id = mnl_attr_get_u32(a);
		} else if (mnl_attr_get_type(a) == XFRMA_TMPL) {
			if (len < sizeof(struct xfrm_user_tmpl))
				return -EBADMSG;
			get_template(a, &p);
		} else if (mnl_attr_get_type(a) == XFRMA_MARK) {
			const struct xfrm_mark *mark = mnl_attr_get_payload(a);

			if (len < sizeof(*mark))
				return -EBADMSG;
			p.mark = mark->v;
			p.mark_mask = mark->m;
		}
	}
	*ret_policy = p;
	return 0;
}
