/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions and commands by netlink, each on a socket of its own: they are few. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "internal.h"

enum { REPLY_MAX = 32768 };

int dp_nl_request(struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char *buf = malloc(REPLY_MAX);
	unsigned port;
	int err = -ENOMEM;
	ssize_t n;

	if (!nl)
		err = -errno;
	if (!nl || !buf)
		goto out;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	port = mnl_socket_get_portid(nl);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto fail;
	do {
		n = mnl_socket_recvfrom(nl, buf, REPLY_MAX);
		if (n < 0)
			goto fail;
		n = mnl_cb_run(buf, n, 1, port, cb, ctx);
		if (n < 0)
			goto fail;
	} while (n > MNL_CB_STOP);
	err = 0;
	goto out;
fail:
	err = -errno;
out:
	if (nl)
		mnl_socket_close(nl);
	free(buf);
	return err;
}
