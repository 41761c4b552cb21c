/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets, and a request with its answers. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/explain.h"
#include "base/secret.h"
#include "xfrm_impl.h"

enum { EVENTS_RCVBUF = 1 << 20 };

static struct mnl_socket *open_socket(int bus, int flags, unsigned groups)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC | flags);
	int on = 1, err;

	if (!nl)
		return NULL;
	/* an error does not bring the request back, with its keys */
	mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &on, sizeof(on));
	if (mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) == 0)
		return nl;
	err = errno;
	mnl_socket_close(nl);
	errno = err;
	return NULL;
}

int xfrm_open(struct xfrm **ret_x, char *ret_error, size_t error_len)
{
	int size = EVENTS_RCVBUF, err = 0;
	struct xfrm *x = calloc(1, sizeof(*x));

	if (!x)
		return explain(ret_error, error_len, -ENOMEM, "no memory");
	x->ask = open_socket(NETLINK_XFRM, 0, 0);
	if (x->ask)
		x->events =
			open_socket(NETLINK_XFRM, SOCK_NONBLOCK, XFRMGRP_ACQUIRE | XFRMGRP_EXPIRE);
	if (x->ask && x->events) {
		setsockopt(mnl_socket_get_fd(x->events), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			   sizeof(size));
		*ret_x = x;
		return 0;
	}
	err = -errno;
	xfrm_close(x);
	if (err == -EPROTONOSUPPORT)
		return explain(ret_error, error_len, err,
			       "this kernel has no ESP of its own, or none to be set up by "
			       "netlink: load the xfrm_user module (CONFIG_XFRM_USER)");
	if (err == -EPERM)
		return explain(ret_error, error_len, err,
			       "CAP_NET_ADMIN is missing: needed for the kernel's SAs");
	return explain(ret_error, error_len, err, "netlink to XFRM: %s", strerror(-err));
}

void xfrm_close(struct xfrm *x)
{
	if (!x)
		return;
	if (x->ask)
		mnl_socket_close(x->ask);
	if (x->route)
		mnl_socket_close(x->route);
	if (x->events)
		mnl_socket_close(x->events);
	free(x);
}

struct nlmsghdr *xfrm_message(void *buf, uint16_t type, uint16_t flags, size_t header_len,
			      void *ret_header)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	void *header = mnl_nlmsg_put_extra_header(nlh, header_len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(ret_header, &header, sizeof(header));
	return nlh;
}

static int ask(struct mnl_socket *nl, uint32_t seq, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	char buf[XFRM_ANSWER_MAX] __attribute__((aligned(8)));
	ssize_t n;
	int ret;

	nlh->nlmsg_seq = seq;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			ret = MNL_CB_OK;
		else if (n < 0)
			return -errno;
		else if ((size_t)n >= sizeof(*nlh) && ((struct nlmsghdr *)buf)->nlmsg_seq != seq)
			ret = MNL_CB_OK; /* left over from an answer that was cut short */
		else
			ret = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), cb, ctx);
		if (ret < 0)
			ret = -errno;
		secret_wipe(buf, n < 0 ? 0 : (size_t)n);
	} while (ret > MNL_CB_STOP);
	return ret;
}

int xfrm_ask(struct xfrm *x, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	return ask(x->ask, ++x->seq, nlh, cb, ctx);
}

int xfrm_ask_route(struct xfrm *x, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	if (!x->route)
		x->route = open_socket(NETLINK_ROUTE, 0, 0);
	return x->route ? ask(x->route, ++x->seq, nlh, cb, ctx) : -errno;
}
