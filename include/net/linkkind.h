/* SPDX-License-Identifier: GPL-2.0-only */
/* What kind of link an interface is, as far as the kernel tells: by its hardware type, by the kind
 * it was made as (IFLA_INFO_KIND) and by DEVTYPE in sysfs. Thread: any. */
#ifndef BRAID_NET_LINKKIND_H
#define BRAID_NET_LINKKIND_H

struct rtnl_link;

enum link_kind {
	LINK_KIND_OTHER, /* loopback, bridges, tunnels, dummies and whatever else */
	LINK_KIND_WLAN,
	LINK_KIND_RAN,	 /* cellular modems; PPP, too */
	LINK_KIND_WIRED, /* Ethernet; VLANs, bonds and the like of it; the veth of a container */
};

#define LINKKIND_SYSFS "/sys/class/net"

/* sysfs: directory with one for each interface. */
enum link_kind linkkind_of(const struct rtnl_link *l, const char *sysfs);

#endif
