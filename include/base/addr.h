/* SPDX-License-Identifier: GPL-2.0-only */
/* IP addresses, address ranges and transport addresses, without sockets.
 *
 * family is 0 (none), 4 or 6. Addresses are octets in network order. Ports are host order.
 * Thread: any.
 */
#ifndef BRAID_BASE_ADDR_H
#define BRAID_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct sockaddr_storage;

enum { ADDR_STR = 48, ADDR_PORT_STR = 56 };

struct addr {
	uint8_t family; /* 0, 4, 6 */
	uint8_t b[16];	/* first 4 octets for IPv4, rest zero */
};

struct prefix {
	struct addr addr;
	uint8_t len;
};

/* A UDP transport address. */
struct udp_addr {
	struct addr ip;
	uint16_t port; /* host order */
};

static inline size_t addr_len(const struct addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}
struct addr addr_v4(uint32_t host_order);
struct addr addr_from_bytes(uint8_t family, const uint8_t *b);
bool addr_equal(const struct addr *a, const struct addr *b);
/* memcmp order; families sort first. */
int addr_cmp(const struct addr *a, const struct addr *b);
bool udp_addr_equal(const struct udp_addr *a, const struct udp_addr *b);
/* Unicast, not unspecified, not loopback, not multicast, not limited broadcast. Link-local is
 * usable only if link_local_ok. */
bool addr_usable(const struct addr *a, bool link_local_ok);
/* Of a network's own, which others reach by a translator only: RFC 1918, 6598, 4193. */
bool addr_private(const struct addr *a);
/* "192.0.2.1" or "2001:db8::1"; 0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret_addr);
/* "a/len" or plain address (full length); 0 or -EINVAL. Host bits are kept as given. */
int addr_parse_prefix(const char *text, struct addr *ret_addr, uint8_t *ret_len);
/* Writes into the caller's buffer and returns it. "-" for family 0. */
const char *addr_format(const struct addr *a, char buf[ADDR_STR]);
/* "192.0.2.1:4500", "[2001:db8::1]:4500" */
const char *udp_addr_format(const struct udp_addr *a, char buf[ADDR_PORT_STR]);
/* First and last address of a prefix. */
void addr_prefix_range(const struct addr *a, uint8_t len, struct addr *ret_first,
		       struct addr *ret_last);
/* A range (first <= last) as the fewest prefixes, none of them shorter than len_min. Returns how
 * many; 0: more than max. */
size_t addr_range_prefixes(const struct addr *first, const struct addr *last, uint8_t len_min,
			   struct prefix *ret, size_t max);
/* Adds one; false on wrap. */
bool addr_next(struct addr *a);
/* Fill ss and return its length; 0 for family 0. */
unsigned udp_addr_to_sockaddr(const struct udp_addr *a, struct sockaddr_storage *ret_ss);
/* 0 or -EAFNOSUPPORT; IPv4-mapped IPv6 becomes IPv4. */
int udp_addr_from_sockaddr(const struct sockaddr *sa, struct udp_addr *ret_addr);

#endif
