/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ipwords.h"

struct word {
	const char *name;
	uint8_t number;
};

/* The first of a number is the one that is shown. */
static const struct word dscps[] = {
	{ "default", 0 }, { "df", 0 },	  { "be", 0 },	  { "le", 1 },	  { "cs1", 8 },
	{ "af11", 10 },	  { "af12", 12 }, { "af13", 14 }, { "cs2", 16 },  { "af21", 18 },
	{ "af22", 20 },	  { "af23", 22 }, { "cs3", 24 },  { "af31", 26 }, { "af32", 28 },
	{ "af33", 30 },	  { "cs4", 32 },  { "af41", 34 }, { "af42", 36 }, { "af43", 38 },
	{ "cs5", 40 },	  { "va", 44 },	  { "ef", 46 },	  { "cs6", 48 },  { "cs7", 56 },
};

static const struct word protocols[] = {
	{ "any", 0 },		{ "icmp", IPPROTO_ICMP },     { "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP }, { "icmpv6", IPPROTO_ICMPV6 }, { "ipv6-icmp", IPPROTO_ICMPV6 },
	{ "gre", IPPROTO_GRE }, { "sctp", IPPROTO_SCTP },
};

#define N(array) (sizeof(array) / sizeof(*(array)))

static const struct word *by_name(const struct word *w, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(w[i].name, text))
			return &w[i];
	return NULL;
}

static const char *format(const struct word *w, size_t n, uint8_t number, char buf[IPWORD_STR])
{
	snprintf(buf, IPWORD_STR, "%u", number);
	for (size_t i = n; i-- > 0;)
		if (w[i].number == number)
			snprintf(buf, IPWORD_STR, "%s", w[i].name);
	return buf;
}

static bool number(const char *t, int base, unsigned long max, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)*t))
		return false;
	*ret = strtoul(t, &end, base);
	return !*end && *ret <= max;
}

int dscp_parse(const char *text)
{
	const struct word *w = by_name(dscps, N(dscps), text);
	unsigned long n;

	if (w)
		return w->number;
	return number(text, 0, 63, &n) ? (int)n : -1;
}

const char *dscp_format(uint8_t dscp, char buf[IPWORD_STR])
{
	return format(dscps, N(dscps), dscp, buf);
}

bool protocol_parse(const char *text, uint8_t *ret_protocol)
{
	const struct word *w = by_name(protocols, N(protocols), text);
	unsigned long n;

	if (!w && !number(text, 10, 255, &n))
		return false;
	*ret_protocol = w ? w->number : (uint8_t)n;
	return true;
}

const char *protocol_format(uint8_t protocol, char buf[IPWORD_STR])
{
	return format(protocols, N(protocols), protocol, buf);
}

bool protocol_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

bool ports_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last)
{
	const char *dash = strchr(text, '-');
	unsigned long first, last;
	char from[8];

	if (!strcasecmp(text, "any")) {
		*ret_first = 0;
		*ret_last = UINT16_MAX;
		return true;
	}
	if (!dash) {
		if (!number(text, 10, UINT16_MAX, &first))
			return false;
		last = first;
	} else {
		if ((size_t)(dash - text) >= sizeof(from))
			return false;
		snprintf(from, sizeof(from), "%.*s", (int)(dash - text), text);
		if (!number(from, 10, UINT16_MAX, &first) ||
		    !number(dash + 1, 10, UINT16_MAX, &last) || last < first)
			return false;
	}
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return true;
}
