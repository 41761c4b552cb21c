/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel knows of links, addresses, next hops and neighbours, kept current by rtnetlink.
 *
 * One socket follows changes (an overrun is answered by reading everything again), one asks and
 * commands. Only facts: which link is an uplink, and what follows from a change, is the caller's.
 * Thread: one.
 */
#ifndef BRAID_NET_RTNL_H
#define BRAID_NET_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct rtnl;

enum rtnl_change {
	RTNL_CHANGE_LINK,
	RTNL_CHANGE_ADDR,
	RTNL_CHANGE_ROUTE, /* or a rule */
	RTNL_CHANGE_NEIGH,
	RTNL_CHANGE_SOURCE, /* a source route of ours went with what it needs */
	RTNL_CHANGE_TAKEN,  /* another program took away a route or a rule of ours */
};

/* ifindex 0: anything may have changed. */
typedef void rtnl_change_fn(void *ctx, enum rtnl_change what, uint32_t ifindex);

struct rtnl_link {
	uint32_t ifindex;
	char name[16];
	bool up;      /* administratively up with carrier */
	bool has_mac; /* an Ethernet address, and neighbours need one */
	uint8_t mac[6];
	uint32_t mtu;	/* octets */
	uint16_t type;	/* ARPHRD_... */
	char kind[16];	/* as which it was made: "veth", "bridge"; empty: hardware */
	uint32_t lower; /* interface it sits upon, of this host; 0: none */
	bool port;	/* of a bridge, a bond or the like */
};

/* For new use the first of what there is. Temporary ones (RFC 8981) change every day: what is to
 * last begins with a stable one. Deprecated ones (RFC 4862 5.5.4) serve what uses them. */
enum rtnl_addr_rank {
	RTNL_ADDR_STABLE,
	RTNL_ADDR_TEMPORARY,
	RTNL_ADDR_DEPRECATED,
	RTNL_ADDR_DEPRECATED_TEMPORARY,
	RTNL_ADDR_RANKS
};

struct rtnl_addr {
	struct addr addr;
	enum rtnl_addr_rank rank;
};

/* Opens both sockets and reads everything. 0 or -errno. */
int rtnl_new(rtnl_change_fn *fn, void *ctx, struct rtnl **ret_rtnl);
void rtnl_free(struct rtnl *r); /* NULL is fine */
/* To poll for reading; then call rtnl_process, which calls fn for each change that had come then.
 * Of those that come meanwhile it leaves some to the next call, so that a flood does not hold it.
 */
int rtnl_fd(const struct rtnl *r);
int rtnl_process(struct rtnl *r);
/* Read everything again, as after an overrun; fn hears that anything may have changed. 0 or -errno.
 */
int rtnl_resync(struct rtnl *r);

bool rtnl_link_by_name(const struct rtnl *r, const char *name, struct rtnl_link *ret_link);
/* One after the other, in no order, from 0 on. */
bool rtnl_link_at(const struct rtnl *r, size_t i, struct rtnl_link *ret_link);
bool rtnl_link_by_index(const struct rtnl *r, uint32_t ifindex, struct rtnl_link *ret_link);
/* Usable unicast addresses of a link, those of the best rank first: not link-local, tentative or
 * failed. Returns how many were written. */
size_t rtnl_addrs(const struct rtnl *r, uint32_t ifindex, struct rtnl_addr *ret_addrs, size_t max);
/* A usable address of this host within a range, of the best rank, on any link but except_ifindex;
 * for choosing the source of traffic into a tunnel. */
bool rtnl_addr_in_range(const struct rtnl *r, const struct addr *first, const struct addr *last,
			uint32_t except_ifindex, struct addr *ret_addr);
/* First hop towards dst out of that link, from src; dst itself if it is on the link. elsewhere: the
 * host's own rules and routes, source routes of ours aside, send it by another link. The hop may be
 * of the other family. Asks the kernel. 0; -ENETUNREACH; -errno. */
int rtnl_next_hop(struct rtnl *r, const struct addr *dst, const struct addr *src, uint32_t ifindex,
		  struct addr *ret_hop, bool *ret_elsewhere);
/* First hop of that link's own default route; all zero: it has none. -ENETUNREACH: no such route.
 */
int rtnl_default_hop(struct rtnl *r, uint8_t family, uint32_t ifindex, struct addr *ret_hop);
/* The link's other routes, each prefix once; hop family 0: neighbours. Returns how many there are,
 * which may be more than max. */
struct rtnl_route {
	struct addr net;
	uint8_t len;
	struct addr hop;
};
size_t rtnl_link_routes(struct rtnl *r, uint8_t family, uint32_t ifindex,
			struct rtnl_route *ret_routes, size_t max);
/* The link-layer address of a neighbour, if it is known to be good. */
bool rtnl_neigh(const struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t ret_mac[6]);
/* Have the kernel resolve a neighbour and keep it resolved. 0 or -errno. */
int rtnl_neigh_keep(struct rtnl *r, uint32_t ifindex, const struct addr *a);

/* A reverse path filter of IPv4 that asks only whether there is any route back. 0 or -errno. */
int rtnl_link_loose(struct rtnl *r, uint32_t ifindex);

/* Commands. -EEXIST is success for add, absence is success for del. */
int rtnl_addr_add(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len);
int rtnl_addr_del(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len);
/* A route to a prefix by a device, source address optional (family 0). Marked as ours by its
 * protocol number. */
enum { RTNL_PROTO = 98 };
int rtnl_route_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex,
		   const struct addr *src);
/* The same in place of the one that is there, which may be anybody's. */
int rtnl_route_set(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex,
		   const struct addr *src);
int rtnl_route_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex);
/* An unreachable route that answers when no better one does: traffic to a protected prefix must not
 * find the default route while there is no tunnel. */
int rtnl_guard_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len);
int rtnl_guard_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len);

/* Source routes: IKE and ESP (by protocol, and by the ports that RFC 7296 gives it) from that
 * address find their way to dst by that link, whatever else the host's routes say, and so strict
 * reverse path filters let in what comes from there. Nothing else is touched. A rule of each kind
 * for a source address, a table for a link. Both survive us. */
int rtnl_source_rule_add(struct rtnl *r, const struct addr *src, uint32_t ifindex);
int rtnl_source_rule_del(struct rtnl *r, const struct addr *src, uint32_t ifindex);
/* To a prefix; prefix_len 0: to anybody. hop: family 0, or of the destination itself, if it is on
 * the link. In place of one by another hop. */
int rtnl_source_route_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len,
			  const struct addr *hop, uint32_t ifindex);
int rtnl_source_route_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len,
			  uint32_t ifindex);
/* All of both that stand. fn: false: it goes. */
struct rtnl_source {
	bool rule;	  /* else a route */
	struct addr addr; /* of the rule's source, or a route's destination */
	uint8_t prefix_len;
	uint32_t ifindex;
};
int rtnl_source_sift(struct rtnl *r, bool (*fn)(void *ctx, const struct rtnl_source *s), void *ctx);

/* All guards and source routes there are, whoever set them for us. 0 or the first -errno. */
int rtnl_clear(struct rtnl *r);

#endif
