/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/ipwords.h"
#include "ctl/flow_args.h"

struct out {
	json_t *args;
	char *error;
	size_t len;
};

static int bad(const struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(const struct out *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->error, o->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. */
static bool split(const char *word, char addr[64], const char **ret_port)
{
	const char *from = word, *end, *colon = strrchr(word, ':');
	bool brackets = word[0] == '[';

	*ret_port = NULL;
	if (brackets) {
		from++;
		end = strchr(word, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*ret_port = end[1] ? end + 2 : NULL;
	} else if (colon && colon == strchr(word, ':')) {
		end = colon;
		*ret_port = colon + 1;
	} else {
		end = word + strlen(word);
	}
	if (end - from >= 64)
		return false;
	memcpy(addr, from, (size_t)(end - from));
	addr[end - from] = '\0';
	return true;
}

static int endpoint(struct out *o, const char *word, const char *key, const char *port_key,
		    bool ports, uint8_t *family)
{
	uint16_t first = 0, last = 0;
	const char *port;
	char text[64];
	struct addr a;

	if (!split(word, text, &port) || addr_parse(text, &a) < 0)
		return bad(o, "\"%.80s\" is no address, nor one with a port", word);
	if (*family && *family != a.family)
		return bad(o, "\"%.80s\" is of another IP version than the first address", word);
	*family = a.family;
	if (port && !ports)
		return bad(o, "\"%.80s\": only tcp, udp and sctp have ports", word);
	if (port && (!ports_parse(port, &first, &last) || first != last))
		return bad(o, "\"%.80s\": a port is 0 to 65535", word);
	json_object_set_new(o->args, key, json_string(text));
	json_object_set_new(o->args, port_key, json_integer(first));
	return 0;
}

static int further(struct out *o, const char *key, const char *word)
{
	unsigned long long n;
	char *end;
	int dscp;

	if (!word)
		return bad(o, "%s without a value", key);
	if (!strcmp(key, "dscp")) {
		dscp = dscp_parse(word);
		if (dscp < 0)
			return bad(o, "\"%.40s\" is no DSCP: ef, af41, cs5 or 0 to 63", word);
		json_object_set_new(o->args, key, json_integer(dscp));
	} else if (!strcmp(key, "mark")) {
		n = strtoull(word, &end, 0);
		if (word[0] < '0' || word[0] > '9' || *end || n > UINT32_MAX)
			return bad(o, "\"%.40s\" is no mark", word);
		json_object_set_new(o->args, key, json_integer((json_int_t)n));
	} else if (!strcmp(key, "cgroup")) {
		json_object_set_new(o->args, key, json_string(word));
	} else {
		return bad(o, "\"%.40s\" is none of dscp, mark and cgroup", key);
	}
	return 0;
}

int flow_args(char *const *words, json_t **ret_args, char *ret_error, size_t error_len)
{
	struct out o = { json_object(), ret_error, error_len };
	uint8_t protocol, family = 0;
	int r = o.args ? 0 : -ENOMEM;

	if (r == 0 && (!words[0] || !words[1] || !words[2]))
		r = bad(&o, "a flow is PROTOCOL LOCAL[:PORT] REMOTE[:PORT]");
	if (r == 0 && !protocol_parse(words[0], &protocol))
		r = bad(&o, "\"%.40s\" is no protocol: its name or 0 to 255", words[0]);
	if (r == 0) {
		bool ports = protocol_has_ports(protocol);

		json_object_set_new(o.args, "protocol", json_integer(protocol));
		r = endpoint(&o, words[1], "local", "local_port", ports, &family);
		if (r == 0)
			r = endpoint(&o, words[2], "remote", "remote_port", ports, &family);
	}
	for (size_t i = 3; r == 0 && words[i]; i += 2)
		r = further(&o, words[i], words[i + 1]);
	if (r < 0)
		json_decref(o.args);
	else
		*ret_args = o.args;
	return r;
}
