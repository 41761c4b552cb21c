/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by rtnl.c (what is), rtnl_route.c (where it leads), rtnl_cmd.c (changing) and
 * rtnl_source.c (source routes). */
#ifndef BRAID_NET_RTNL_PRIVATE_H
#define BRAID_NET_RTNL_PRIVATE_H

#include <libmnl/libmnl.h>

#include "net/rtnl.h"

struct rtnl_addr_row {
	uint32_t ifindex;
	bool usable;
	enum rtnl_addr_rank rank;
	struct addr addr;
	/* IPv4 may have one address several times, each with another prefix or peer */
	struct addr net;
	uint8_t len;
};

struct rtnl_neigh_row {
	uint32_t ifindex;
	struct addr addr;
	uint8_t mac[6];
};

/* A unicast route by one link. hop family 0: everything there is a neighbour. */
struct rtnl_route_row {
	uint32_t ifindex, metric;
	uint32_t object; /* with ifindex 0: where it leads says that nexthop object */
	uint8_t len;
	struct addr net, hop;
};

/* Rows of one kind, grown by doubling; order is of no meaning. */
struct rtnl_table {
	void *rows;
	size_t n, cap, row_octets;
};

struct rtnl {
	struct mnl_socket *follow, *ask;
	uint32_t seq;
	rtnl_change_fn *fn;
	void *ctx;
	struct rtnl_table links, addrs, neighs, routes;
	bool routes_known; /* routes are what the kernel had a moment ago */
};

enum {
	RTNL_CMD_MAX = 512,
	/* Of source routes: the table is this and the number of the interface. */
	RTNL_SOURCE_TABLE = 0x62720000,
	RTNL_SOURCE_PRIORITY = 98,
};

/* Zeroed, or NULL without memory. */
void *rtnl_row_add(struct rtnl_table *t);
/* Send nlh and run cb over the answers until done or acknowledged. 0 or -errno. */
int rtnl_ask(struct rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx);

static inline uint8_t rtnl_af(const struct addr *a)
{
	return a->family == 4 ? 2 /* AF_INET */ : 10 /* AF_INET6 */;
}

static inline void rtnl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	mnl_attr_put(nlh, type, addr_len(a), a->b);
}

#endif
