/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic selectors in swanctl's form: ADDRS or dynamic, then [PROTOCOL/PORTS]. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_impl.h"

static bool parse_number(const char *t, unsigned long max, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)*t))
		return false;
	*ret = strtoul(t, &end, 10);
	return !*end && *ret <= max;
}

static bool parse_protocol(const char *t, uint8_t *ret)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} names[] = {
		{ "any", 0 },
		{ "icmp", IPPROTO_ICMP },
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "icmpv6", IPPROTO_ICMPV6 },
		{ "ipv6-icmp", IPPROTO_ICMPV6 },
		{ "gre", IPPROTO_GRE },
		{ "sctp", IPPROTO_SCTP },
	};
	unsigned long n;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcasecmp(t, names[i].name)) {
			*ret = names[i].protocol;
			return true;
		}
	}
	if (!parse_number(t, 255, &n))
		return false;
	*ret = (uint8_t)n;
	return true;
}

static bool parse_ports(char *t, uint16_t *ret_first, uint16_t *ret_last)
{
	char *dash = strchr(t, '-');
	unsigned long first, last;

	if (!strcasecmp(t, "any")) {
		*ret_first = 0;
		*ret_last = 65535;
		return true;
	}
	if (dash)
		*dash = '\0';
	if (!parse_number(t, 65535, &first))
		return false;
	last = first;
	if (dash && (!parse_number(dash + 1, 65535, &last) || last < first))
		return false;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return true;
}

/* RFC 7296 3.13.1: ports mean something to these; with protocol 0 they would select nothing. */
static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

int val_ts(struct parse *p, const struct val *v, struct ike_ts *ret)
{
	struct ike_ts ts = { .port_last = 65535 };
	size_t len = strlen(v->text);
	char text[160], *bracket, *slash;
	struct val *addrs;
	int r = 0;

	if (len >= sizeof(text))
		goto bad;
	memcpy(text, v->text, len + 1);
	bracket = strchr(text, '[');
	if (bracket) {
		if (text[len - 1] != ']')
			goto bad;
		text[len - 1] = '\0';
		*bracket++ = '\0';
		slash = strchr(bracket, '/');
		if (slash)
			*slash++ = '\0';
		if (!parse_protocol(bracket, &ts.protocol))
			return val_fail(p, v,
					"found protocol \"%.40s\", expected its name or 0 to 255",
					bracket);
		if (slash && !has_ports(ts.protocol) && strcasecmp(slash, "any"))
			return val_fail(p, v,
					"found ports with protocol \"%.40s\", expected tcp, udp "
					"or sctp before them",
					bracket);
		if (slash && !parse_ports(slash, &ts.port_first, &ts.port_last))
			return val_fail(
				p, v,
				"found a port in \"%.60s\" that is none, expected 0 to 65535 "
				"or a range as 1024-2048",
				v->text);
	}
	if (!strcmp(text, "dynamic")) {
		ts.dynamic = true;
		*ret = ts;
		return 0;
	}
	/* the address part alone, at the same place */
	addrs = malloc(sizeof(*addrs) + strlen(text) + 1);
	if (!addrs)
		goto bad;
	addrs->file = v->file;
	addrs->line = v->line;
	strcpy(addrs->text, text);
	r = val_range(p, addrs, &ts.first, &ts.last);
	free(addrs);
	if (r == 0)
		*ret = ts;
	return r;
bad:
	return val_fail(p, v,
			"found \"%.60s\", expected a selector as 10.1.0.0/24[tcp/80] or dynamic",
			v->text);
}
