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

#include "base/explain.h"
#include "net/tun.h"

/* Younger than the headers we build with. */
enum { TUN_OFFLOAD_USO4 = 0x20, TUN_OFFLOAD_USO6 = 0x40 };

static int explain_node(int err, char *ret_why, size_t len)
{
	switch (-err) {
	case ENOENT:
		return explain(ret_why, len, err,
			       "/dev/net/tun is missing: load the tun module (CONFIG_TUN), or make "
			       "the node: mknod /dev/net/tun c 10 200");
	case ENODEV:
	case ENXIO:
		return explain(ret_why, len, err,
			       "this kernel has no TUN driver: load the tun module (CONFIG_TUN)");
	case EPERM:
	case EACCES:
		return explain(ret_why, len, err,
			       "/dev/net/tun cannot be opened: %s; allow this device to the "
			       "service or container",
			       strerror(-err));
	}
	return explain(ret_why, len, err, "/dev/net/tun cannot be opened: %s", strerror(-err));
}

static int explain_device(const char *name, int err, char *ret_why, size_t len)
{
	if (err == -EPERM)
		return explain(ret_why, len, err,
			       "CAP_NET_ADMIN is missing: needed to make the tunnel device %s; run "
			       "as root or grant it",
			       name);
	if (if_nametoindex(name))
		return explain(ret_why, len, err,
			       "a device named %s exists already and is not ours: remove it, or "
			       "choose another name (dataplane, tun)",
			       name);
	return explain(ret_why, len, err,
		       "the tunnel device %s cannot be made: %s; the TUN driver must know multiple "
		       "queues and virtio headers",
		       name, strerror(-err));
}

static int open_queue(struct tun *t, const char *name, int *ret_fd, char *ret_why, size_t len)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	unsigned base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int fd, r;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return explain(ret_why, len, -EINVAL, "device name %s is too long", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return explain_node(-errno, ret_why, len);
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = explain_device(name, -errno, ret_why, len);
		goto fail;
	}
	/* A kernel without USO refuses the whole set. */
	t->uso = ioctl(fd, TUNSETOFFLOAD, base | TUN_OFFLOAD_USO4 | TUN_OFFLOAD_USO6) == 0;
	if (!t->uso && ioctl(fd, TUNSETOFFLOAD, base) < 0) {
		r = explain(ret_why, len, -errno,
			    "the TUN driver of this kernel has no segmentation offload: %s",
			    strerror(errno));
		goto fail;
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	*ret_fd = fd;
	return 0;
fail:
	close(fd);
	return r;
}

static int set_queue(int fd, short flag)
{
	struct ifreq ifr = { .ifr_flags = flag };

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

/* It exists, but no packet goes there. */
static int open_idle(struct tun *t, char *ret_why, size_t len)
{
	int fd, r = open_queue(t, t->name, &fd, ret_why, len);

	if (r < 0)
		return r;
	r = set_queue(fd, IFF_DETACH_QUEUE);
	if (r < 0) {
		close(fd);
		return explain(ret_why, len, r, "a queue of %s cannot be set aside: %s", t->name,
			       strerror(-r));
	}
	t->fd[t->n_queues + t->n_idle++] = fd;
	return 0;
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

int tun_open(struct tun *t, const char *name, int queues, int idle, unsigned mtu,
	     unsigned gso_octets, unsigned gso_segs, char *ret_why, size_t why_len)
{
	int r = 0;

	memset(t, 0, sizeof(*t));
	if (queues < 1 || idle < 0 || queues + idle > TUN_QUEUES_MAX)
		return explain(ret_why, why_len, -EINVAL, "%d queues for a TUN device", queues);
	for (int i = 0; i < queues && r == 0; i++) {
		r = open_queue(t, i == 0 ? name : t->name, &t->fd[i], ret_why, why_len);
		t->n_queues += r == 0;
	}
	for (int i = 0; i < idle && r == 0; i++)
		r = open_idle(t, ret_why, why_len);
	if (r == 0) {
		r = link_set(t->name, mtu, gso_octets, gso_segs);
		if (r < 0)
			explain(ret_why, why_len, r, "%s cannot be set up: %s", t->name,
				strerror(-r));
	}
	if (r < 0)
		tun_close(t);
	return r;
}

int tun_steer(struct tun *t, int prog_fd, char *ret_why, size_t why_len)
{
	int r = ioctl(t->fd[0], TUNSETSTEERINGEBPF, &prog_fd) < 0 ? -errno : 0;

	if (r < 0)
		return explain(ret_why, why_len, r,
			       "the TUN driver of this kernel lets no program choose queues "
			       "(TUNSETSTEERINGEBPF: %s)",
			       strerror(-r));
	/* in order: a queue gets the next number */
	while (t->n_idle > 0) {
		r = set_queue(t->fd[t->n_queues], IFF_ATTACH_QUEUE);
		if (r < 0)
			return explain(ret_why, why_len, r, "a queue of %s cannot be used: %s",
				       t->name, strerror(-r));
		t->n_queues++;
		t->n_idle--;
	}
	return 0;
}

void tun_close(struct tun *t)
{
	for (int i = 0; i < t->n_queues + t->n_idle; i++)
		close(t->fd[i]);
	t->n_queues = t->n_idle = 0;
}
