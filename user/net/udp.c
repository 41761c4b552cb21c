/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/xfrm.h> /* behind netinet/in.h, whose structures it would make its own */

#include "net/udp.h"

int udp_open(uint8_t family, uint16_t port, int *ret_fd)
{
	struct udp_addr any = { .ip = { .family = family }, .port = port };
	struct sockaddr_storage ss;
	unsigned len = udp_addr_to_sockaddr(&any, &ss);
	int fd, one = 1, ok;

	if (!len)
		return -EAFNOSUPPORT;
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family == 4)
		ok = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) == 0;
	else
		ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0 &&
		     setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) == 0;
	if (!ok || bind(fd, (struct sockaddr *)&ss, len) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int udp_bypass(int fd, uint8_t family)
{
	static const uint8_t dirs[] = { XFRM_POLICY_IN, XFRM_POLICY_OUT };
	struct xfrm_userpolicy_info p = {
		.sel.family = family == 4 ? AF_INET : AF_INET6,
		.lft.soft_byte_limit = XFRM_INF,
		.lft.hard_byte_limit = XFRM_INF,
		.lft.soft_packet_limit = XFRM_INF,
		.lft.hard_packet_limit = XFRM_INF,
		.action = XFRM_POLICY_ALLOW,
	};

	for (size_t i = 0; i < sizeof(dirs); i++) {
		p.dir = dirs[i];
		if (setsockopt(fd, family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
			       family == 4 ? IP_XFRM_POLICY : IPV6_XFRM_POLICY, &p, sizeof(p)))
			return -errno;
	}
	return 0;
}

static void read_pktinfo(struct msghdr *mh, struct udp_meta *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			m->local.ip = addr_from_bytes(4, (const uint8_t *)&pi.ipi_addr);
			m->ifindex = (uint32_t)pi.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			m->local.ip = addr_from_bytes(6, pi.ipi6_addr.s6_addr);
			m->ifindex = pi.ipi6_ifindex;
		}
	}
}

int udp_recv(int fd, uint16_t local_port, void *buf, size_t cap, struct udp_meta *ret_meta)
{
	union {
		char b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 64];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage from;
	struct iovec iov = { buf, cap };
	struct msghdr mh = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct udp_meta m = { 0 };
	ssize_t n = recvmsg(fd, &mh, 0);
	int err;

	if (n < 0)
		return -errno;
	if (mh.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	err = udp_addr_from_sockaddr((struct sockaddr *)&from, &m.remote);
	if (err)
		return err;
	read_pktinfo(&mh, &m);
	m.local.port = local_port;
	*ret_meta = m;
	return (int)n;
}

int udp_send(int fd, const struct udp_meta *meta, const void *buf, size_t len)
{
	union {
		char b[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = { .b = { 0 } };
	struct sockaddr_storage to;
	struct iovec iov = { (void *)buf, len };
	struct msghdr mh = {
		.msg_name = &to,
		.msg_namelen = udp_addr_to_sockaddr(&meta->remote, &to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
	};
	struct cmsghdr *c = &control.align;

	if (!mh.msg_namelen)
		return -EAFNOSUPPORT;
	if (meta->remote.ip.family == 4) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)meta->ifindex };

		memcpy(&pi.ipi_spec_dst, meta->local.ip.b, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		mh.msg_controllen = CMSG_SPACE(sizeof(pi));
	} else {
		struct in6_pktinfo pi = { .ipi6_ifindex = meta->ifindex };

		memcpy(&pi.ipi6_addr, meta->local.ip.b, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		mh.msg_controllen = CMSG_SPACE(sizeof(pi));
	}
	/* The first send after an ICMP error reports that error and is lost: once more. */
	if (sendmsg(fd, &mh, 0) < 0 && (errno != ECONNREFUSED || sendmsg(fd, &mh, 0) < 0))
		return -errno;
	return 0;
}
