/* SPDX-License-Identifier: GPL-2.0-only */
/* The certificates of the configuration, each once, with who uses it. Shape: ctl/json.h. */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "crypto/x509.h"
#include "agent.h"

static bool same(const json_t *o, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && !strcmp(s, text);
}

/* The entry of that certificate in that use; made if absent. */
static json_t *entry(json_t *list, const struct cert_info *i, const char *use)
{
	json_t *o;
	size_t k;
	char key[32];

	json_array_foreach(list, k, o)
	{
		if (same(o, "subject", i->subject) && same(o, "issuer", i->issuer) &&
		    same(o, "serial", i->serial) && same(o, "use", use))
			return o;
	}
	o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:[]}", "subject", i->subject, "issuer",
		      i->issuer, "serial", i->serial, "use", use, "not_before",
		      (json_int_t)i->not_before, "not_after", (json_int_t)i->not_after, "key",
		      i->key_known ? key_info_format(&i->key, key) : "not supported", "conns");
	json_array_append_new(list, o);
	return o;
}

static void add(json_t *list, const struct cert *c, const char *use, const char *conn, int64_t now)
{
	struct cert_info i;
	json_t *o;

	cert_describe(c, &i);
	o = entry(list, &i, use);
	json_object_set_new(o, "state",
			    json_string(now < i.not_before  ? "not yet valid"
					: now > i.not_after ? "expired"
							    : "valid"));
	json_array_append_new(json_object_get(o, "conns"), json_string(conn));
}

json_t *report_certs(struct agent *a)
{
	json_t *o = json_object(), *list = json_array();
	int64_t now = (int64_t)time(NULL);

	for (size_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];

		for (size_t k = 0; k < c->n_creds; k++)
			for (size_t n = 0; n < cred_count(c->creds[k]); n++)
				add(list, cred_cert(c->creds[k], n), n ? "intermediate" : "own",
				    c->name, now);
		for (size_t k = 0; c->trust && k < trust_count(c->trust); k++)
			add(list, trust_cert(c->trust, k), "ca", c->name, now);
		for (size_t k = 0; c->trust && k < trust_pins(c->trust); k++)
			add(list, trust_pin(c->trust, k), "peer", c->name, now);
	}
	json_object_set_new(o, "now_sec", json_integer((json_int_t)now));
	json_object_set_new(o, "certs", list);
	return o;
}

/* What has ended, and what will soon. */
enum { SOON_SEC = 14 * 86400 };

void certs_warn(struct agent *a)
{
	json_t *o = report_certs(a), *c;
	json_int_t now = json_integer_value(json_object_get(o, "now_sec"));
	size_t i;

	json_array_foreach(json_object_get(o, "certs"), i, c)
	{
		time_t end = (time_t)json_integer_value(json_object_get(c, "not_after"));
		const json_t *conns = json_object_get(c, "conns");
		char day[32];
		struct tm tm;

		if (end > now + SOON_SEC)
			continue;
		gmtime_r(&end, &tm);
		strftime(day, sizeof(day), "%F", &tm);
		log_warning("certificate \"%s\" (%s, connection %s%s) %s on %s: renew it, then "
			    "braid reload",
			    json_string_value(json_object_get(c, "subject")),
			    json_string_value(json_object_get(c, "use")),
			    json_string_value(json_array_get(conns, 0)),
			    json_array_size(conns) > 1 ? " and others" : "",
			    end < now ? "expired" : "expires", day);
	}
	json_decref(o);
}
