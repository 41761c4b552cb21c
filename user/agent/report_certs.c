/* SPDX-License-Identifier: GPL-2.0-only */
/* The certificates of the configuration, each once, with who uses it. Shape: ctl/json.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "crypto/x509.h"
#include "agent.h"
#include "report_impl.h"

/* Entries in the order in which they come, and by their names. */
struct certs {
	json_t *list, *by_name;
};

/* The entry of that certificate in that use; made if absent. */
static json_t *entry(struct certs *l, const struct cert_info *i, const char *use)
{
	char name[2 * CERT_DN_STR + 128], key[32];
	json_t *o;

	snprintf(name, sizeof(name), "%s\n%s\n%s\n%s", use, i->subject, i->issuer, i->serial);
	o = json_object_get(l->by_name, name);
	if (o)
		return o;
	o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:[]}", "subject", i->subject, "issuer",
		      i->issuer, "serial", i->serial, "use", use, "not_before",
		      (json_int_t)i->not_before, "not_after", (json_int_t)i->not_after, "key",
		      i->key_known ? key_info_format(&i->key, key) : "not supported", "conns");
	json_array_append_new(l->list, o);
	json_object_set(l->by_name, name, o);
	return o;
}

static json_t *add(struct certs *list, const struct cert *c, const char *use, const char *conn,
		   int64_t now)
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
	return o;
}

/* The response that goes along with it. Connections may have another each: the first one's is
 * shown, and its files are what the log tells of. */
static void set_ocsp(json_t *o, const struct cred_ocsp_info *info)
{
	static const char *const words[] = {
		[CRED_OCSP_NOT_WANTED] = NULL,	 [CRED_OCSP_NONE] = "none",
		[CRED_OCSP_GOOD] = "good",	 [CRED_OCSP_STALE] = "stale",
		[CRED_OCSP_EARLY] = "early",	 [CRED_OCSP_REVOKED] = "revoked",
		[CRED_OCSP_UNKNOWN] = "unknown", [CRED_OCSP_FOREIGN] = "foreign",
	};

	if (json_is_object(json_object_get(o, "ocsp")))
		return;
	set(o, "ocsp", NULL);
	if (info->state == CRED_OCSP_NOT_WANTED)
		return;
	set(o, "ocsp",
	    json_pack("{s:s, s:o, s:o}", "state", words[info->state], "from",
		      info->from ? json_integer((json_int_t)info->from) : json_null(), "until",
		      info->until ? json_integer((json_int_t)info->until) : json_null()));
}

static void add_ours(struct certs *list, const struct ike_conn_cfg *c, int64_t now)
{
	struct cred_ocsp_info info;

	for (size_t k = 0; k < c->n_creds; k++)
		for (size_t n = 0; n < cred_count(c->creds[k]); n++) {
			json_t *o = add(list, cred_cert(c->creds[k], n), n ? "intermediate" : "own",
					c->name, now);

			cred_ocsp_look(c->creds[k], n, c->trust, now, &info);
			set_ocsp(o, &info);
		}
}

json_t *report_certs(struct agent *a)
{
	struct certs certs = { json_array(), json_object() }, *list = &certs;
	int64_t now = (int64_t)time(NULL);
	json_t *o = json_object();

	for (size_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];

		add_ours(list, c, now);
		for (size_t k = 0; c->trust && k < trust_count(c->trust); k++)
			add(list, trust_cert(c->trust, k), "ca", c->name, now);
		for (size_t k = 0; c->trust && k < trust_pins(c->trust); k++)
			add(list, trust_pin(c->trust, k), "peer", c->name, now);
	}
	json_object_set_new(o, "now_sec", json_integer((json_int_t)now));
	json_object_set_new(o, "certs", certs.list);
	json_decref(certs.by_name);
	return o;
}

/* ---- warnings ---- */

enum { SOON_SEC = 14 * 86400, MOMENT_STR = 32 };
#define ALWAYS INT64_MIN

static const char *moment(int64_t at, const char *format, char buf[MOMENT_STR])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, MOMENT_STR, format, &tm))
		strcpy(buf, "?");
	return buf;
}

static int64_t least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

/* What has ended, and what will soon; since: only what has come to that since then. */
static void ends_warn(struct agent *a, int64_t since)
{
	json_t *o = report_certs(a), *c;
	int64_t now = json_integer_value(json_object_get(o, "now_sec"));
	size_t i;

	a->ends_next = INT64_MAX;
	json_array_foreach(json_object_get(o, "certs"), i, c)
	{
		int64_t end = json_integer_value(json_object_get(c, "not_after"));
		int64_t soon = end - SOON_SEC, last = end < now ? end : soon;
		const json_t *conns = json_object_get(c, "conns");
		char day[MOMENT_STR];

		if (end >= now)
			a->ends_next = least(a->ends_next, soon >= now ? soon : end);
		if (last >= now || last < since)
			continue;
		log_warning("certificate \"%s\" (%s, connection %s%s) %s on %s: renew it, then "
			    "braid reload",
			    json_string_value(json_object_get(c, "subject")),
			    json_string_value(json_object_get(c, "use")),
			    json_string_value(json_array_get(conns, 0)),
			    json_array_size(conns) > 1 ? " and others" : "",
			    end < now ? "expired" : "expires", moment(end, "%F", day));
	}
	json_decref(o);
}

/* A response of ours that a peer will not take, and why. */
static void ocsp_tell(const struct cert *c, const char *conn, const struct cred_ocsp_info *o)
{
	char why[128] = "", at[MOMENT_STR];
	struct cert_info i;

	switch (o->state) {
	case CRED_OCSP_NOT_WANTED:
	case CRED_OCSP_GOOD:
		return;
	case CRED_OCSP_NONE:
		snprintf(why, sizeof(why), "is about it, of %zu in the files of ocsp",
			 o->responses);
		break;
	case CRED_OCSP_STALE:
		snprintf(why, sizeof(why), "is outdated since %s UTC",
			 moment(o->until, "%F %R", at));
		break;
	case CRED_OCSP_EARLY:
		snprintf(why, sizeof(why), "does not count before %s UTC",
			 moment(o->from, "%F %R", at));
		break;
	case CRED_OCSP_REVOKED:
		strcpy(why, "says that it is revoked");
		break;
	case CRED_OCSP_UNKNOWN:
		strcpy(why, "says that its issuer does not know it");
		break;
	case CRED_OCSP_FOREIGN:
		strcpy(why, "is signed neither by its issuer nor by whom that appointed");
		break;
	}
	cert_describe(c, &i);
	log_warning("certificate \"%s\" (connection %s): %s OCSP response %s; renew the file, then "
		    "braid reload",
		    i.subject, conn, o->state == CRED_OCSP_NONE ? "no" : "its", why);
}

/* Connections share what their files and names have in common. */
static bool seen_before(const struct ike_cfg *cfg, size_t n, const struct cred *cred)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < cfg->conns[i].n_creds; k++)
			if (cfg->conns[i].creds[k] == cred)
				return true;
	return false;
}

/* What is wrong for any reason; since: only what became outdated since then. */
static void ocsp_warn(const struct agent *a, int64_t since, int64_t now)
{
	const struct ike_cfg *cfg = &a->conf->ike;
	struct cred_ocsp_info info;

	for (size_t i = 0; i < cfg->n_conns; i++) {
		const struct ike_conn_cfg *c = &cfg->conns[i];

		for (size_t k = 0; k < c->n_creds; k++)
			for (size_t n = 0; n < cred_count(c->creds[k]); n++) {
				int64_t until = cred_ocsp_until(c->creds[k], n);

				if ((since != ALWAYS && (until < since || until >= now)) ||
				    seen_before(cfg, i, c->creds[k]))
					continue;
				cred_ocsp_look(c->creds[k], n, c->trust, now, &info);
				ocsp_tell(cred_cert(c->creds[k], n), c->name, &info);
			}
	}
}

void certs_warn(struct agent *a)
{
	a->certs_looked = (int64_t)time(NULL);
	ends_warn(a, ALWAYS);
	ocsp_warn(a, ALWAYS, a->certs_looked);
}

void certs_look(struct agent *a)
{
	int64_t last = a->certs_looked, now = (int64_t)time(NULL);

	a->certs_looked = now;
	ocsp_warn(a, last, now);
	if (now > a->ends_next)
		ends_warn(a, last);
}
