/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/explain.h"
#include "net/udp_gso.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { SOCKET_BUF = 16 << 20, WAIT_FOR_ROOM_MSEC = 2 };

static void big_buffers(int fd)
{
	int n = SOCKET_BUF;

	/* Beyond the administrator's limit only with CAP_NET_ADMIN; as much as we get otherwise. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

static int set(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v)) < 0 ? -errno : 0;
}

/* What comes with each message: its addresses, its DSCP and ECN. */
static int recv_info(int fd, int family)
{
	int r = family == 4 ? set(fd, IPPROTO_IP, IP_PKTINFO, 1)
			    : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);

	if (r < 0)
		return r;
	return family == 4 ? set(fd, IPPROTO_IP, IP_RECVTOS, 1)
			   : set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

void udp_allow_fragments(int fd, int family, bool allow)
{
	if (family == 4)
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, allow ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
	else
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		    allow ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
}

bool udp_gro_on(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, &len) == 0 && on;
}

static int bind_port(int fd, int family, uint16_t port, char *ret_why, size_t len)
{
	struct udp_addr any = { .ip = { .family = (uint8_t)family }, .port = port };
	struct sockaddr_storage ss;

	if (bind(fd, (struct sockaddr *)&ss, udp_addr_to_sockaddr(&any, &ss)) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return explain(ret_why, len, -errno,
			       "UDP port %u is in use by another program; is another IPsec daemon "
			       "running? Stop it first",
			       port);
	return explain(ret_why, len, -errno, "UDP port %u cannot be bound: %s", port,
		       strerror(errno));
}

int udp_gso_open(int family, uint16_t port, int *ret_fd, char *ret_why, size_t why_len)
{
	int fd, r = 0;

	fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return explain(ret_why, why_len, -errno, "no UDP socket over IPv%d: %s", family,
			       strerror(errno));
	big_buffers(fd);
	if (family == 6)
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0)
		r = recv_info(fd, family);
	if (r < 0)
		explain(ret_why, why_len, r, "a UDP socket over IPv%d cannot be set up: %s", family,
			strerror(-r));
	if (r == 0) {
		r = set(fd, IPPROTO_UDP, UDP_SEGMENT, 0); /* asks; sizes come with each message */
		if (r < 0)
			explain(ret_why, why_len, r,
				"this kernel cannot segment UDP datagrams (UDP_SEGMENT: %s), which "
				"every packet sent needs: use a newer kernel",
				strerror(-r));
	}
	/* Without it all works, slowly. */
	set(fd, IPPROTO_UDP, UDP_GRO, 1);
	/* The steering decides where it goes: do not let a path MTU learned for the stable pair
	 * get in the way, and never fragment here. */
	udp_allow_fragments(fd, family, false);
	if (r == 0)
		r = bind_port(fd, family, port, ret_why, why_len);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int esp_raw_open(int family, int *ret_fd)
{
	int fd, r;

	fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    IPPROTO_ESP);
	if (fd < 0)
		return -errno;
	big_buffers(fd);
	udp_allow_fragments(fd, family, false);
	r = recv_info(fd, family);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Large pages where the system has them: the buffers are walked from end to end all the time. */
static void *buffer(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, n, MADV_HUGEPAGE);
	return p;
}

int udp_txq_init(struct udp_txq *q)
{
	memset(q, 0, sizeof(*q));
	q->arena = buffer(UDP_TX_ARENA);
	return q->arena ? 0 : -ENOMEM;
}

void udp_txq_clear(struct udp_txq *q)
{
	if (q->arena)
		munmap(q->arena, UDP_TX_ARENA);
	q->arena = NULL;
}

uint8_t *udp_txq_room(struct udp_txq *q, size_t len)
{
	if (q->used + len > UDP_TX_ARENA || q->n == UDP_TX_MSGS)
		udp_txq_flush(q);
	return q->arena + q->used;
}

static struct cmsghdr *put_cmsg(struct msghdr *m, int level, int type, const void *v, size_t n)
{
	struct cmsghdr *c = (void *)((uint8_t *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), v, n);
	m->msg_controllen += CMSG_SPACE(n);
	return c;
}

/* Mark and source address of a message; m->msg_control has room for UDP_CONTROL octets. */
static void put_control(struct msghdr *m, const struct udp_dest *dest, unsigned ifindex,
			const uint32_t *mark)
{
	m->msg_controllen = 0;
	if (mark)
		put_cmsg(m, SOL_SOCKET, SO_MARK, mark, sizeof(*mark));
	if (dest->from.family == 4 || (ifindex && dest->to.ss_family == AF_INET)) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)ifindex };

		memcpy(&pi.ipi_spec_dst, dest->from.b, 4);
		put_cmsg(m, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (dest->from.family == 6 || ifindex) {
		struct in6_pktinfo pi = { .ipi6_ifindex = ifindex };

		memcpy(&pi.ipi6_addr, dest->from.b, 16);
		put_cmsg(m, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
}

static void put_tos(struct msghdr *m, const struct udp_dest *dest, uint8_t tos)
{
	int v = tos;

	if (dest->to.ss_family == AF_INET)
		put_cmsg(m, IPPROTO_IP, IP_TOS, &v, sizeof(v));
	else
		put_cmsg(m, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v));
}

static bool join(struct udp_txq *q, int fd, const struct udp_dest *dest, uint32_t mark, uint8_t tos,
		 size_t len, size_t gso, unsigned segs)
{
	struct iovec *iov;
	unsigned i;

	if (q->n == 0)
		return false;
	i = q->n - 1;
	iov = &q->iov[i];
	if (!q->info[i].open || q->info[i].fd != fd || q->info[i].mark != mark ||
	    q->info[i].tos != tos || q->msg[i].msg_hdr.msg_name != (void *)&dest->to ||
	    gso > q->info[i].gso || (segs > 1 && gso != q->info[i].gso) ||
	    q->info[i].segs + segs > UDP_GSO_SEGS || iov->iov_len + len > UDP_MSG_MAX)
		return false;
	iov->iov_len += len;
	q->info[i].segs = (uint16_t)(q->info[i].segs + segs);
	q->info[i].open = iov->iov_len == (size_t)q->info[i].segs * q->info[i].gso;
	return true;
}

void udp_txq_add(struct udp_txq *q, int fd, const struct udp_dest *dest, uint32_t mark, uint8_t tos,
		 size_t len, size_t gso, unsigned segs)
{
	unsigned i = q->n;
	struct msghdr *m = &q->msg[i].msg_hdr;

	if (!join(q, fd, dest, mark, tos, len, gso, segs)) {
		q->iov[i] = (struct iovec){ .iov_base = q->arena + q->used, .iov_len = len };
		*m = (struct msghdr){
			.msg_name = (void *)&dest->to,
			.msg_namelen = dest->to_len,
			.msg_iov = &q->iov[i],
			.msg_iovlen = 1,
			.msg_control = q->control[i],
		};
		put_control(m, dest, 0, &mark);
		if (tos)
			put_tos(m, dest, tos);
		q->info[i].fd = fd;
		q->info[i].mark = mark;
		q->info[i].tos = tos;
		q->info[i].gso = (uint16_t)gso;
		q->info[i].segs = (uint16_t)segs;
		q->info[i].open = gso && len == segs * gso;
		q->n++;
	}
	q->used += len;
}

/* The device or the route refuses super-packets: one datagram at a time. */
static void send_singly(struct udp_txq *q, unsigned i)
{
	struct msghdr m = q->msg[i].msg_hdr;
	struct iovec iov;

	/* UDP_SEGMENT is the last control message. */
	m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	for (size_t off = 0; off < q->iov[i].iov_len; off += iov.iov_len) {
		iov.iov_base = (uint8_t *)q->iov[i].iov_base + off;
		iov.iov_len = q->iov[i].iov_len - off;
		if (iov.iov_len > q->info[i].gso)
			iov.iov_len = q->info[i].gso;
		m.msg_iov = &iov;
		if (sendmsg(q->info[i].fd, &m, MSG_DONTWAIT) < 0)
			q->stats.dropped++;
		else
			q->stats.datagrams++;
	}
}

/* What to do about message i, which was refused. True: try it again. */
static bool refused(struct udp_txq *q, unsigned i, int err, bool again)
{
	struct pollfd p = { .fd = q->info[i].fd, .events = POLLOUT };

	switch (err) {
	case EINTR:
		return true;
	case ECONNREFUSED:
		/* An ICMP error for an earlier packet; this one was not sent. */
		if (!again)
			return true;
		break;
	case EAGAIN:
		/* The uplink is slower than we are; give it a moment, not more. */
		if (!again && poll(&p, 1, WAIT_FOR_ROOM_MSEC) > 0)
			return true;
		break;
	case EIO:
	case EINVAL:
		if (q->info[i].segs > 1) {
			send_singly(q, i);
			return false;
		}
		break;
	default:
		break;
	}
	q->stats.dropped += q->info[i].segs;
	return false;
}

void udp_txq_flush(struct udp_txq *q)
{
	unsigned i = 0, end;
	bool again = false;

	for (i = 0; i < q->n; i++) {
		if (q->info[i].segs > 1)
			put_cmsg(&q->msg[i].msg_hdr, IPPROTO_UDP, UDP_SEGMENT, &q->info[i].gso,
				 sizeof(uint16_t));
	}
	for (i = 0; i < q->n;) {
		int sent;

		for (end = i + 1; end < q->n && q->info[end].fd == q->info[i].fd; end++)
			;
		sent = sendmmsg(q->info[i].fd, &q->msg[i], end - i, MSG_DONTWAIT);
		if (sent > 0) {
			for (int k = 0; k < sent; k++)
				q->stats.datagrams += q->info[i + (unsigned)k].segs;
			i += (unsigned)sent;
			again = false;
			continue;
		}
		again = refused(q, i, errno, again);
		if (!again)
			i++;
	}
	q->n = 0;
	q->used = 0;
}

int udp_send_one(int fd, const struct udp_dest *dest, unsigned ifindex, const uint32_t *mark,
		 const struct iovec *iov, size_t n_iov)
{
	_Alignas(8) uint8_t control[UDP_CONTROL] = { 0 };
	struct msghdr m = {
		.msg_name = (void *)&dest->to,
		.msg_namelen = dest->to_len,
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = n_iov,
		.msg_control = control,
	};
	ssize_t n;

	put_control(&m, dest, ifindex, mark);
	n = sendmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0 && errno == ECONNREFUSED)
		n = sendmsg(fd, &m, MSG_DONTWAIT);
	return n < 0 ? -errno : 0;
}

/* In one piece, each aligned as it was in the first. */
enum { RX_HEAD = 64, RX_OCTETS = RX_HEAD + UDP_RX_MSGS * UDP_RX_BUF };
_Static_assert((int)RX_HEAD >= (int)UDP_RX_HEAD && UDP_RX_BUF - UDP_MSG_MAX >= UDP_RX_HEAD,
	       "room before a message");

int udp_rxq_init(struct udp_rxq *q)
{
	memset(q, 0, sizeof(*q));
	q->buf = buffer(RX_OCTETS);
	if (!q->buf)
		return -ENOMEM;
	for (int i = 0; i < UDP_RX_MSGS; i++) {
		/* each ends with what no message of UDP reaches: UDP_RX_HEAD of the next one */
		q->iov[i].iov_base = q->buf + RX_HEAD + (size_t)i * UDP_RX_BUF;
		q->iov[i].iov_len = UDP_RX_BUF;
		q->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &q->from[i],
			.msg_iov = &q->iov[i],
			.msg_iovlen = 1,
			.msg_control = q->control[i],
		};
	}
	return 0;
}

void udp_rxq_clear(struct udp_rxq *q)
{
	if (q->buf)
		munmap(q->buf, RX_OCTETS);
	q->buf = NULL;
}

int udp_rxq_recv(struct udp_rxq *q, int fd)
{
	int n;

	for (int i = 0; i < UDP_RX_MSGS; i++) {
		q->msg[i].msg_hdr.msg_namelen = sizeof(q->from[i]);
		q->msg[i].msg_hdr.msg_controllen = UDP_CONTROL;
	}
	do
		n = recvmmsg(fd, q->msg, UDP_RX_MSGS, MSG_DONTWAIT, NULL);
	while (n < 0 && (errno == EINTR || errno == ECONNREFUSED));
	return n < 0 ? 0 : n;
}

uint8_t *udp_rxq_get(struct udp_rxq *q, int i, size_t *ret_len, size_t *ret_gso, uint8_t *ret_tos)
{
	struct msghdr *m = &q->msg[i].msg_hdr;
	size_t len = q->msg[i].msg_len, gso = len;
	uint8_t tos = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int v;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			tos = *CMSG_DATA(c);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			tos = (uint8_t)v;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			if (v > 0)
				gso = (size_t)v;
		}
	}
	*ret_len = m->msg_flags & MSG_TRUNC ? 0 : len;
	*ret_gso = gso;
	*ret_tos = tos;
	return q->iov[i].iov_base;
}

uint64_t udp_rxq_from(const struct udp_rxq *q, int i)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&q->from[i];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&q->from[i];
	uint64_t half[2];

	if (v4->sin_family == AF_INET)
		return UINT64_C(1) << 63 | (uint64_t)v4->sin_addr.s_addr << 16 | v4->sin_port;
	memcpy(half, &v6->sin6_addr, sizeof(half));
	return ((half[0] ^ v6->sin6_port) * UINT64_C(0x9e3779b97f4a7c15) ^ half[1]) | 1;
}

void udp_rxq_addrs(struct udp_rxq *q, int i, uint16_t local_port, struct udp_addr *ret_local,
		   struct udp_addr *ret_remote, uint32_t *ret_ifindex)
{
	struct msghdr *m = &q->msg[i].msg_hdr;

	memset(ret_local, 0, sizeof(*ret_local));
	memset(ret_remote, 0, sizeof(*ret_remote));
	*ret_ifindex = 0;
	udp_addr_from_sockaddr((struct sockaddr *)&q->from[i], ret_remote);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct in_pktinfo p4;
		struct in6_pktinfo p6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&p4, CMSG_DATA(c), sizeof(p4));
			ret_local->ip = addr_from_bytes(4, (uint8_t *)&p4.ipi_addr);
			*ret_ifindex = (uint32_t)p4.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&p6, CMSG_DATA(c), sizeof(p6));
			ret_local->ip = addr_from_bytes(6, (uint8_t *)&p6.ipi6_addr);
			*ret_ifindex = p6.ipi6_ifindex;
		}
	}
	ret_local->port = local_port;
}
