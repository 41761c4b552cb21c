/* SPDX-License-Identifier: GPL-2.0-only */
/* The steering device: NOARP, large MTU (GSO super-packets pass), the stable pair as address and
 * peer, so that the kernel routes the pair's remote side to it. For the engine a dummy, or one end
 * of a veth pair where the kernel has no dummy; then nothing ever arrives at the other end. For ESP
 * of the kernel's always a pair: what cannot be steered as it leaves is as it arrives at the other
 * end.
 */
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "internal.h"

#define ALIAS "braid steering device"

enum { MTU_LARGEST = 65535 };

static struct ifinfomsg *link_msg(char *buf, uint16_t type, uint16_t flags,
				  struct nlmsghdr **ret_nlh)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	*ret_nlh = nlh;
	return ifi;
}

/* What is known of an existing device. */
struct link_facts {
	uint32_t ifindex;
	bool ours; /* carries our alias */
	bool veth;
};

static int info_attr(const struct nlattr *attr, void *ctx)
{
	struct link_facts *f = ctx;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		f->veth = !strcmp(mnl_attr_get_str(attr), "veth");
	return MNL_CB_OK;
}

static int link_attr(const struct nlattr *attr, void *ctx)
{
	struct link_facts *f = ctx;

	if (mnl_attr_get_type(attr) == IFLA_IFALIAS)
		f->ours = !strcmp(mnl_attr_get_str(attr), ALIAS);
	if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
		mnl_attr_parse_nested(attr, info_attr, f);
	return MNL_CB_OK;
}

static int link_reply(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_facts *f = ctx;

	f->ifindex = ifi->ifi_index;
	mnl_attr_parse(nlh, sizeof(*ifi), link_attr, f);
	return MNL_CB_OK;
}

/* 0, -ENODEV or another -errno. */
static int link_get(const char *name, struct link_facts *ret_facts)
{
	struct link_facts f = { 0 };
	struct nlmsghdr *nlh;
	char buf[512];
	int err;

	link_msg(buf, RTM_GETLINK, 0, &nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	err = dp_nl_request(nlh, link_reply, &f);
	if (!err)
		*ret_facts = f;
	return err;
}

void dp_steer_peer(const char *name, char ret_peer[16])
{
	snprintf(ret_peer, 16, "%.*sp", 16 - 2, name);
}

static int link_create(const char *name, const char *kind)
{
	struct nlattr *info, *data, *peer;
	char buf[1024], pname[IF_NAMESIZE];
	struct nlmsghdr *nlh;

	link_msg(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &nlh);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	if (!strcmp(kind, "veth")) {
		dp_steer_peer(name, pname);
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
		mnl_attr_put_strz(nlh, IFLA_IFNAME, pname);
		mnl_attr_nest_end(nlh, peer);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	return dp_nl_request(nlh, NULL, NULL);
}

/* No link-local address: nothing of the host's own leaves by this device. */
static int link_no_linklocal(uint32_t ifindex)
{
	struct nlattr *spec, *inet6;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	char buf[512];

	ifi = link_msg(buf, RTM_NEWLINK, 0, &nlh);
	ifi->ifi_index = ifindex;
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	return dp_nl_request(nlh, NULL, NULL);
}

static int link_up(uint32_t ifindex, uint32_t mtu)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	char buf[512];

	ifi = link_msg(buf, RTM_NEWLINK, 0, &nlh);
	ifi->ifi_index = ifindex;
	ifi->ifi_flags = IFF_UP | IFF_NOARP;
	ifi->ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, ALIAS);
	return dp_nl_request(nlh, NULL, NULL);
}

/* Address with peer: the kernel adds the route to the peer by itself. */
static int addr_add(uint32_t ifindex, const struct addr *local, const struct addr *remote)
{
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;
	char buf[512];
	int err;

	if (!local->family)
		return 0;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	*ifa = (struct ifaddrmsg){ .ifa_family = local->family == 4 ? AF_INET : AF_INET6,
				   .ifa_prefixlen = addr_len(local) * 8,
				   .ifa_index = ifindex };
	mnl_attr_put(nlh, IFA_LOCAL, addr_len(local), local->b);
	mnl_attr_put(nlh, IFA_ADDRESS, addr_len(remote), remote->b);
	if (local->family == 6)
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD);
	err = dp_nl_request(nlh, NULL, NULL);
	return err == -EEXIST ? 0 : err;
}

/* The kernel completes IPv6 addresses in the background, and their routes with them: wait, so that
 * what follows dp_open can send. 0 or -errno. */
static int wait_route6(uint32_t ifindex, const struct addr *remote)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	const usec_t end = dp_now() + USEC_PER_SEC;
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htobe16(4500) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), dev = ifindex, err;

	if (fd < 0)
		return -errno;
	memcpy(&to.sin6_addr, remote->b, sizeof(to.sin6_addr));
	err = setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, &(uint32_t){ htobe32(dev) }, 4);
	while (!err && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		if (dp_now() > end) {
			err = -1;
			break;
		}
		nanosleep(&pause, NULL);
	}
	err = err ? -errno : 0;
	close(fd);
	return err;
}

/* The other end of a veth pair must be up for a carrier. *ret_peer: 0: there is none. */
static int peer_up(const char *name, uint32_t mtu, uint32_t *ret_peer)
{
	struct link_facts peer;
	char pname[IF_NAMESIZE];
	int err;

	dp_steer_peer(name, pname);
	err = link_get(pname, &peer);
	if (err)
		return err == -ENODEV ? 0 : err; /* a dummy has none */
	link_no_linklocal(peer.ifindex);
	*ret_peer = peer.ifindex;
	return link_up(peer.ifindex, mtu);
}

static int link_delete(uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	char buf[512];

	ifi = link_msg(buf, RTM_DELLINK, 0, &nlh);
	ifi->ifi_index = ifindex;
	return dp_nl_request(nlh, NULL, NULL);
}

static int create_failed(const char *name, bool pair, int err, char *ret_error, size_t len)
{
	char pname[IF_NAMESIZE];

	dp_steer_peer(name, pname);
	if (err == -EOPNOTSUPP)
		return explain(ret_error, len, err,
			       "creating the steering device %s: %s (the kernel needs the %s "
			       "driver)",
			       name, strerror(-err), pair ? "veth" : "dummy or the veth");
	if (err == -EEXIST)
		return explain(ret_error, len, err,
			       "creating the steering device %s: there is a device %s, which is to "
			       "be its other end: remove or rename it",
			       name, pname);
	return explain(ret_error, len, err, "creating the steering device %s: %s", name,
		       strerror(-err));
}

/* Made by us, with its other end where it was. */
static bool is_pair(const char *name, const struct link_facts *f)
{
	struct link_facts peer;
	char pname[IF_NAMESIZE];

	dp_steer_peer(name, pname);
	return f->veth && !link_get(pname, &peer) && peer.veth;
}

static int find_or_create(const char *name, bool pair, struct link_facts *ret_facts, bool *ret_made,
			  char *ret_error, size_t len)
{
	struct link_facts f = { 0 };
	int err = link_get(name, &f);
	bool made = err == -ENODEV, again = !err && f.ours && pair && !is_pair(name, &f);

	if (again) {
		log_info("%s is no veth pair, which ESP of the kernel's needs: made anew", name);
		err = link_delete(f.ifindex);
		if (err)
			return explain(ret_error, len, err,
				       "removing %s, which is no veth pair: %s", name,
				       strerror(-err));
	}
	if (made || again) {
		err = pair ? -EOPNOTSUPP : link_create(name, "dummy");
		if (err == -EOPNOTSUPP)
			err = link_create(name, "veth");
		if (err)
			return create_failed(name, pair, err, ret_error, len);
		err = link_get(name, &f);
		f.ours = true;
	}
	if (err)
		return explain(ret_error, len, err, "steering device %s: %s", name, strerror(-err));
	if (!f.ours)
		return explain(ret_error, len, -EEXIST,
			       "device %s exists and is not ours (its alias is not \"%s\")", name,
			       ALIAS);
	*ret_made = made;
	*ret_facts = f;
	return 0;
}

static uint32_t mtu_made(const struct dp_options *opt)
{
	return opt->steer_mtu ? opt->steer_mtu : MTU_LARGEST;
}

/* The other end of a pair stays as it is: what has entered comes out there. */
int dp_steer_mtu(const struct dp *dp, uint32_t mtu)
{
	return link_up(dp->steer_ifindex, mtu ? mtu : mtu_made(&dp->opt));
}

/* ---- further addresses ---- */

static struct nlmsghdr *route_msg(char *buf, uint16_t type, uint16_t flags, const struct addr *to,
				  struct rtmsg **ret_rt)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	*ret_rt = mnl_nlmsg_put_extra_header(nlh, sizeof(**ret_rt));
	(*ret_rt)->rtm_family = to->family == 4 ? AF_INET : AF_INET6;
	(*ret_rt)->rtm_dst_len = (uint8_t)(addr_len(to) * 8);
	mnl_attr_put(nlh, RTA_DST, addr_len(to), to->b);
	return nlh;
}

struct route_facts {
	uint32_t ifindex, bits;
};

static int route_reply(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct route_facts *f = ctx;
	const struct nlattr *a;

	f->bits = rt->rtm_dst_len;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		if (mnl_attr_get_type(a) == RTA_OIF)
			f->ifindex = mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

/* Where it leads now; nowhere: of no device. */
static struct route_facts route_get(const struct addr *to)
{
	struct route_facts f = { 0 };
	struct rtmsg *rt;
	char buf[512];
	struct nlmsghdr *nlh = route_msg(buf, RTM_GETROUTE, 0, to, &rt);

	rt->rtm_flags = RTM_F_FIB_MATCH;
	return dp_nl_request(nlh, route_reply, &f) ? (struct route_facts){ 0 } : f;
}

/* Only what leads to our device. */
static int route_change(const struct dp *dp, uint16_t type, uint16_t flags, const struct addr *to)
{
	struct rtmsg *rt;
	char buf[512];
	struct nlmsghdr *nlh = route_msg(buf, type, flags, to, &rt);

	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_scope = to->family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_OIF, dp->steer_ifindex);
	return dp_nl_request(nlh, NULL, NULL);
}

int dp_steer_route(const struct dp *dp, const struct addr *to)
{
	struct route_facts f;

	if (!to->family) /* it would be a default route */
		return -EADDRNOTAVAIL;
	f = route_get(to);
	if (f.ifindex == dp->steer_ifindex)
		return 0;
	if (f.bits == addr_len(to) * 8)
		return -EEXIST;
	return route_change(dp, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, to);
}

int dp_steer_unroute(const struct dp *dp, const struct addr *to)
{
	int err = to->family ? route_change(dp, RTM_DELROUTE, 0, to) : -EADDRNOTAVAIL;

	return err == -ESRCH ? 0 : err;
}

static int set_up(const struct dp_options *opt, uint32_t ifindex, uint32_t *ret_peer,
		  char *ret_error, size_t len)
{
	uint32_t mtu = mtu_made(opt);
	const char *name = opt->steer_dev;
	int err, err6;

	link_no_linklocal(ifindex); /* without IPv6 in the kernel there is nothing to do */
	err = peer_up(name, mtu, ret_peer);
	if (!err)
		err = link_up(ifindex, mtu);
	if (err)
		return explain(ret_error, len, err, "setting up %s: %s", name, strerror(-err));
	err = addr_add(ifindex, &opt->stable4_local, &opt->stable4_remote);
	if (err)
		return explain(ret_error, len, err, "IPv4 address of %s: %s", name, strerror(-err));
	err6 = addr_add(ifindex, &opt->stable6_local, &opt->stable6_remote);
	if (!err6 && opt->stable6_local.family)
		err6 = wait_route6(ifindex, &opt->stable6_remote);
	if (err6 == -EAFNOSUPPORT && opt->stable4_local.family)
		return 0; /* a kernel without IPv6, as the engine says */
	if (err6 && opt->stable4_local.family)
		log_warning("%s goes without its IPv6 address: %s", name, strerror(-err6));
	else if (err6)
		return explain(ret_error, len, err6, "IPv6 address of %s: %s", name,
			       strerror(-err6));
	return 0;
}

int dp_steerdev_create(const struct dp_options *opt, uint32_t *ret_ifindex, uint32_t *ret_peer,
		       bool *ret_made, char *ret_error, size_t len)
{
	struct link_facts f = { 0 };
	uint32_t peer = 0;
	bool made = false;
	int err = find_or_create(opt->steer_dev, opt->kernel_esp, &f, &made, ret_error, len);

	if (!err)
		err = set_up(opt, f.ifindex, &peer, ret_error, len);
	if (!err && opt->kernel_esp) {
		err = dp_queue_put(f.ifindex);
		if (err)
			explain(ret_error, len, err, "a queue for %s (pfifo, CONFIG_NET_SCHED): %s",
				opt->steer_dev, strerror(-err));
	}
	if (err && made)
		link_delete(f.ifindex);
	if (err)
		return err;
	*ret_ifindex = f.ifindex;
	*ret_peer = peer;
	*ret_made = made;
	return 0;
}

int dp_steerdev_delete(const char *name)
{
	struct link_facts f;
	int err = link_get(name, &f);

	if (err == -ENODEV)
		return 0;
	if (err)
		return err;
	if (!f.ours)
		return -EEXIST;
	return link_delete(f.ifindex);
}
