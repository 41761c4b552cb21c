/* SPDX-License-Identifier: GPL-2.0-only */
/* The certificates of the configuration, each once, with who uses it. Shape: ctl/json.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "crypto/x509.h"
#include "agent.h"
#include "report_impl.h"

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

static json_t *add(json_t *list, const struct cert *c, const char *use, const char *conn,
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

static void add_ours(json_t *list, const struct ike_conn_cfg *c, int64_t now)
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
	json_t *o = json_object(), *list = json_array();
	int64_t now = (int64_t)time(NULL);

	for (size_t i = 0; i < a->conf->ike.n_conns; i++) {
		const struct ike_conn_cfg *c = &a->conf->ike.conns[i];

		add_ours(list, c, now);
		for (size_t k = 0; c->trust && k < trust_count(c->trust); k++)
			add(list, trust_cert(c->trust, k), "ca", c->name, now);
		for (size_t k = 0; c->trust && k < trust_pins(c->trust); k++)
			add(list, trust_pin(c->trust, k), "peer", c->name, now);
	}
	json_object_set_new(o, "now_sec", json_integer((json_int_t)now));
	json_object_set_new(o, "certs", list);
	return o;
}

/* ---- warnings ---- */

enum { SOON_SEC = 14 * 86400, MOMENT_STR = 32 };

static const char *moment(int64_t at, const char *format, char buf[MOMENT_STR])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, MOMENT_STR, format, &tm))
		strcpy(buf, "?");
	return buf;
}

/* What has ended, and what will soon. */
static void ends_warn(struct agent *a)
{
	json_t *o = report_certs(a), *c;
	json_int_t now = json_integer_value(json_object_get(o, "now_sec"));
	size_t i;

	json_array_foreach(json_object_get(o, "certs"), i, c)
	{
		json_int_t end = json_integer_value(json_object_get(c, "not_after"));
		const json_t *conns = json_object_get(c, "conns");
		char day[MOMENT_STR];

		if (end > now + SOON_SEC)
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

/* fresh: what is wrong for any reason; else what became outdated since the last look. */
static void ocsp_warn(struct agent *a, bool fresh)
{
	const struct ike_cfg *cfg = &a->conf->ike;
	int64_t now = (int64_t)time(NULL), last = a->certs_looked;
	struct cred_ocsp_info info;

	a->certs_looked = now;
	for (size_t i = 0; i < cfg->n_conns; i++) {
		const struct ike_conn_cfg *c = &cfg->conns[i];

		for (size_t k = 0; k < c->n_creds; k++)
			for (size_t n = 0; n < cred_count(c->creds[k]); n++) {
				int64_t until = cred_ocsp_until(c->creds[k], n);

				if ((!fresh && (until < last || until >= now)) ||
				    seen_before(cfg, i, c->creds[k]))
					continue;
				cred_ocsp_look(c->creds[k], n, c->trust, now, &info);
				ocsp_tell(cred_cert(c->creds[k], n), c->name, &info);
			}
	}
}

void certs_warn(struct agent *a)
{
	ends_warn(a);
	ocsp_warn(a, true);
}

void certs_look(struct agent *a)
{
	ocsp_warn(a, false);
}
