/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/raw.h"

enum { HOPS = 64 };

int raw_open(uint8_t family, int *ret_fd)
{
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* The kernel writes length and checksum. */
static size_t head4(const struct raw_head *h, struct iphdr *ip)
{
	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .tos = h->tos, .ttl = HOPS, .protocol = h->protocol
	};
	memcpy(&ip->saddr, h->src.b, 4);
	memcpy(&ip->daddr, h->dst.b, 4);
	return sizeof(*ip);
}

static size_t head6(const struct raw_head *h, size_t len, struct ip6_hdr *ip)
{
	*ip = (struct ip6_hdr){ 0 };
	ip->ip6_flow = htonl(6u << 28 | (uint32_t)h->tos << 20);
	ip->ip6_plen = htons((uint16_t)len);
	ip->ip6_nxt = h->protocol;
	ip->ip6_hlim = HOPS;
	memcpy(&ip->ip6_src, h->src.b, 16);
	memcpy(&ip->ip6_dst, h->dst.b, 16);
	return sizeof(*ip);
}

int raw_send(int fd, const struct raw_head *head, const void *buf, size_t len)
{
	struct udp_addr to = { .ip = head->dst };
	union {
		struct iphdr v4;
		struct ip6_hdr v6;
	} ip;
	struct iovec iov[2] = { { &ip, 0 }, { (void *)buf, len } };
	struct sockaddr_storage ss;
	struct msghdr mh = { .msg_name = &ss, .msg_iov = iov, .msg_iovlen = 2 };

	if (len > UINT16_MAX - sizeof(ip))
		return -EMSGSIZE;
	mh.msg_namelen = udp_addr_to_sockaddr(&to, &ss);
	if (!mh.msg_namelen)
		return -EAFNOSUPPORT;
	iov[0].iov_len = head->dst.family == 4 ? head4(head, &ip.v4) : head6(head, len, &ip.v6);
	return sendmsg(fd, &mh, 0) < 0 ? -errno : 0;
}
