/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic selectors in swanctl's form: ADDRS or dynamic, then [PROTOCOL/PORTS]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ipwords.h"
#include "conf_impl.h"

int val_protocol(struct parse *p, const struct val *v, uint8_t *ret)
{
	if (v && !protocol_parse(v->text, ret))
		return val_fail(p, v, "found protocol \"%.40s\", expected its name or 0 to 255",
				v->text);
	return 0;
}

int val_ports(struct parse *p, const struct val *v, uint16_t *ret_first, uint16_t *ret_last)
{
	if (v && !ports_parse(v->text, ret_first, ret_last))
		return val_fail(p, v,
				"found \"%.60s\", expected a port from 0 to 65535 or a range as "
				"1024-2048",
				v->text);
	return 0;
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
		if (!protocol_parse(bracket, &ts.protocol))
			return val_fail(p, v,
					"found protocol \"%.40s\", expected its name or 0 to 255",
					bracket);
		if (slash && !protocol_has_ports(ts.protocol) && strcasecmp(slash, "any"))
			return val_fail(p, v,
					"found ports with protocol \"%.40s\", expected tcp, udp "
					"or sctp before them",
					bracket);
		if (slash && !ports_parse(slash, &ts.port_first, &ts.port_last))
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
