/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel tells: limits of states, and packets that no state is there for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "xfrm_impl.h"

/* More than the socket holds: read without an end, a flood would keep us here. */
enum { READS = 4096 };

static int parse_expire(const struct nlmsghdr *nlh, struct xfrm_event *ev)
{
	const struct xfrm_user_expire *exp = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*exp) || exp->state.id.proto != IPPROTO_ESP)
		return -EBADMSG;
	ev->kind = XFRM_EV_EXPIRE;
	ev->spi = ntohl(exp->state.id.spi);
	ev->hard = exp->hard;
	ev->dst = xfrm_get_addr(&exp->state.id.daddr, exp->state.family);
	/* a question of the kernel's own that got no answer in time: not a state */
	return ev->spi ? 0 : -EBADMSG;
}

static int parse_acquire(const struct nlmsghdr *nlh, struct xfrm_event *ev)
{
	const struct xfrm_user_acquire *acq = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;
	struct xfrm_user_tmpl t;

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*acq) || acq->id.proto != IPPROTO_ESP ||
	    xfrm_get_sel(&acq->sel, &ev->sel))
		return -EBADMSG;
	ev->kind = XFRM_EV_ACQUIRE;
	ev->dst = xfrm_get_addr(&acq->id.daddr, acq->sel.family);
	/* of a tunnel: its own family */
	mnl_attr_for_each(a, nlh, sizeof(*acq))
	{
		if (mnl_attr_get_type(a) != XFRMA_TMPL)
			continue;
		if (mnl_attr_get_payload_len(a) < sizeof(t))
			return -EBADMSG;
		memcpy(&t, mnl_attr_get_payload(a), sizeof(t));
		ev->dst = xfrm_get_addr(&t.id.daddr, t.family);
		break;
	}
	return 0;
}

static int get_if_id(const struct nlmsghdr *nlh, size_t header, uint32_t *ret_if_id)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, header)
	{
		if (mnl_attr_get_type(a) != XFRMA_IF_ID)
			continue;
		if (mnl_attr_get_payload_len(a) < 4)
			return -EBADMSG;
		*ret_if_id = mnl_attr_get_u32(a);
	}
	return 0;
}

int xfrm_parse_event(const struct nlmsghdr *nlh, struct xfrm_event *ret_ev)
{
	struct xfrm_event ev = { 0 };
	size_t header = 0;
	int err = -EBADMSG;

	if (nlh->nlmsg_type == XFRM_MSG_EXPIRE) {
		header = sizeof(struct xfrm_user_expire);
		err = parse_expire(nlh, &ev);
	} else if (nlh->nlmsg_type == XFRM_MSG_ACQUIRE) {
		header = sizeof(struct xfrm_user_acquire);
		err = parse_acquire(nlh, &ev);
	}
	if (!err)
		err = get_if_id(nlh, header, &ev.if_id);
	if (!err)
		*ret_ev = ev;
	return err;
}

int xfrm_events_fd(const struct xfrm *x)
{
	return mnl_socket_get_fd(x->events);
}

void xfrm_acquires_end(struct xfrm *x)
{
	int group = XFRMNLGRP_ACQUIRE;

	mnl_socket_setsockopt(x->events, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

struct listener {
	xfrm_event_fn *fn;
	void *ctx;
};

static int on_event(const struct nlmsghdr *nlh, void *ctx)
{
	const struct listener *l = ctx;
	struct xfrm_event ev;

	if (!xfrm_parse_event(nlh, &ev))
		l->fn(l->ctx, &ev);
	return MNL_CB_OK;
}

int xfrm_events_drain(struct xfrm *x, xfrm_event_fn *fn, void *ctx)
{
	char buf[XFRM_ANSWER_MAX] __attribute__((aligned(8)));
	struct listener l = { fn, ctx };
	int err = 0;

	for (int i = 0; i < READS; i++) {
		ssize_t n = mnl_socket_recvfrom(x->events, buf, sizeof(buf));

		if (n >= 0)
			mnl_cb_run(buf, (size_t)n, 0, 0, on_event, &l);
		else if (errno == ENOBUFS)
			err = -ENOBUFS;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return err;
}
