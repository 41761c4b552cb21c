/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tun.h"

/* Younger than the headers we build with. */
enum { TUN_OFFLOAD_USO4 = 0x20, TUN_OFFLOAD_USO6 = 0x40 };

static int open_queue(struct tun *t, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	unsigned base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int fd, r;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -EINVAL;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		goto fail;
	/* A kernel without USO refuses the whole set. */
	t->uso = ioctl(fd, TUNSETOFFLOAD, base | TUN_OFFLOAD_USO4 | TUN_OFFLOAD_USO6) == 0;
	if (!t->uso && ioctl(fd, TUNSETOFFLOAD, base) < 0)
		goto fail;
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	t->fd[t->n_queues++] = fd;
	return 0;
fail:
	r = -errno;
	close(fd);
	return r;
}

static int link_set(const char *name, unsigned mtu, unsigned gso_octets, unsigned gso_segs)
{
	uint64_t buf[256];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *h;
	struct ifinfomsg *ifi;
	ssize_t n;
	int r = 0;

	if (!nl)
		return -errno;
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	ifi->ifi_index = (int)if_nametoindex(name);
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	mnl_attr_put_u32(h, IFLA_GSO_MAX_SIZE, gso_octets);
	mnl_attr_put_u32(h, IFLA_GSO_MAX_SEGS, gso_segs);
	mnl_attr_put_u32(h, IFLA_TXQLEN, 1000);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ||
	    (n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) < 0 ||
	    mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		r = -errno;
	mnl_socket_close(nl);
	return r;
}

int tun_open(struct tun *t, const char *name, int queues, unsigned mtu, unsigned gso_octets,
	     unsigned gso_segs)
{
	int r = 0;

	memset(t, 0, sizeof(*t));
	if (queues < 1 || queues > TUN_QUEUES_MAX)
		return -EINVAL;
	for (int i = 0; i < queues && r == 0; i++)
		r = open_queue(t, i == 0 ? name : t->name);
	if (r == 0)
		r = link_set(t->name, mtu, gso_octets, gso_segs);
	if (r < 0)
		tun_close(t);
	return r;
}

void tun_close(struct tun *t)
{
	for (int i = 0; i < t->n_queues; i++)
		close(t->fd[i]);
	t->n_queues = 0;
}
