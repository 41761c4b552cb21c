/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"

struct addr addr_v4(uint32_t host)
{
	struct addr a = { .family = 4 };

	for (int i = 0; i < 4; i++)
		a.b[i] = (uint8_t)(host >> (24 - 8 * i));
	return a;
}

struct addr addr_from_bytes(uint8_t family, const uint8_t *b)
{
	struct addr a = { .family = family };

	memcpy(a.b, b, addr_len(&a));
	return a;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, addr_len(a));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

bool udp_addr_equal(const struct udp_addr *a, const struct udp_addr *b)
{
	return a->port == b->port && addr_equal(&a->ip, &b->ip);
}

static bool all_zero(const uint8_t *b, size_t n)
{
	while (n && !*b)
		b++, n--;
	return n == 0;
}

bool addr_usable(const struct addr *a, bool link_local_ok)
{
	const uint8_t *b = a->b;

	if (a->family == 4) {
		/* 0/8, 127/8, 224/4 and above */
		if (b[0] == 0 || b[0] == 127 || b[0] >= 224)
			return false;
		return link_local_ok || !(b[0] == 169 && b[1] == 254);
	}
	if (a->family != 6 || b[0] == 0xff)
		return false;
	if (all_zero(b, 15) && b[15] <= 1) /* :: and ::1 */
		return false;
	if (all_zero(b, 10) && b[10] == 0xff && b[11] == 0xff) /* IPv4-mapped */
		return false;
	return link_local_ok || !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

bool addr_private(const struct addr *a)
{
	const uint8_t *b = a->b;

	if (a->family == 6)
		return (b[0] & 0xfe) == 0xfc;
	return a->family == 4 &&
	       (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
		(b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64));
}

int addr_parse(const char *text, struct addr *ret_addr)
{
	struct addr a = { .family = 4 };

	if (inet_pton(AF_INET, text, a.b) != 1) {
		memset(&a, 0, sizeof(a));
		a.family = 6;
		if (inet_pton(AF_INET6, text, a.b) != 1)
			return -EINVAL;
	}
	*ret_addr = a;
	return 0;
}

int addr_parse_prefix(const char *text, struct addr *ret_addr, uint8_t *ret_len)
{
	const char *slash = strchr(text, '/');
	char host[ADDR_STR];
	struct addr a;
	unsigned long len;
	char *end;

	if (!slash)
		slash = text + strlen(text);
	if ((size_t)(slash - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	if (addr_parse(host, &a) < 0)
		return -EINVAL;
	len = addr_len(&a) * 8;
	if (*slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		unsigned long max = len;
		len = strtoul(slash + 1, &end, 10);
		if (*end || len > max)
			return -EINVAL;
	}
	*ret_addr = a;
	*ret_len = (uint8_t)len;
	return 0;
}

const char *addr_format(const struct addr *a, char buf[ADDR_STR])
{
	if (!a->family || !inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, ADDR_STR))
		strcpy(buf, "-");
	return buf;
}

const char *udp_addr_format(const struct udp_addr *a, char buf[ADDR_PORT_STR])
{
	char ip[ADDR_STR];

	addr_format(&a->ip, ip);
	snprintf(buf, ADDR_PORT_STR, a->ip.family == 6 ? "[%.45s]:%u" : "%.45s:%u", ip, a->port);
	return buf;
}

void addr_prefix_range(const struct addr *a, uint8_t len, struct addr *ret_first,
		       struct addr *ret_last)
{
	struct addr first = *a, last = *a;

	for (size_t i = 0; i < addr_len(a); i++) {
		size_t kept = len > 8 * i ? len - 8 * i : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		first.b[i] &= mask;
		last.b[i] |= (uint8_t)~mask;
	}
	*ret_first = first;
	*ret_last = last;
}

bool addr_next(struct addr *a)
{
	for (size_t i = addr_len(a); i-- > 0;)
		if (++a->b[i])
			return true;
	return false;
}

size_t addr_range_prefixes(const struct addr *first, const struct addr *last, uint8_t len_min,
			   struct prefix *ret, size_t max)
{
	uint8_t bits = (uint8_t)(addr_len(first) * 8);
	struct addr at = *first;
	size_t n = 0;

	for (;;) {
		struct addr lo, hi;
		uint8_t len = bits;

		/* the largest block that starts here and ends within the range */
		while (len > len_min) {
			addr_prefix_range(&at, (uint8_t)(len - 1), &lo, &hi);
			if (!addr_equal(&lo, &at) || addr_cmp(&hi, last) > 0)
				break;
			len--;
		}
		if (n == max)
			return 0;
		ret[n++] = (struct prefix){ at, len };
		addr_prefix_range(&at, len, &lo, &hi);
		if (addr_cmp(&hi, last) >= 0 || !addr_next(&hi))
			return n;
		at = hi;
	}
}

unsigned udp_addr_to_sockaddr(const struct udp_addr *a, struct sockaddr_storage *ret_ss)
{
	memset(ret_ss, 0, sizeof(*ret_ss));
	if (a->ip.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip.b, 4);
		return sizeof(*in);
	}
	if (a->ip.family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip.b, 16);
		return sizeof(*in6);
	}
	return 0;
}

int udp_addr_from_sockaddr(const struct sockaddr *sa, struct udp_addr *ret_addr)
{
	struct udp_addr a = { 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		a.ip = addr_from_bytes(4, (const uint8_t *)&in->sin_addr);
		a.port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
		const uint8_t *b = in6->sin6_addr.s6_addr;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			a.ip = addr_from_bytes(4, b + 12);
		else
			a.ip = addr_from_bytes(6, b);
		a.port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret_addr = a;
	return 0;
}
