/* SPDX-License-Identifier: GPL-2.0-only */
/* From files to struct conf: top level, uplinks, pools, paths, data plane. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf_impl.h"
#include "crypto/x509.h"

/* A key of the first level, or of an untitled section, may stand in one file only. */
static int only(struct parse *p, const char *section, const char *key, const struct val **ret)
{
	const struct val *v = NULL;

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);
		struct sec s = section ? sec_sub(&root, section, 0) : root;
		const struct val *w = sec_get(&s, key);

		if (v && w)
			return val_fail(p, w,
					"found \"%s\" a second time (%s:%d), expected it once", key,
					v->file->name, v->line);
		v = w ? w : v;
	}
	*ret = v;
	return 0;
}

/* fn for every section of a kind; titles must differ across files too. */
int conf_each(struct parse *p, const char *kind, size_t max, conf_section_fn *fn)
{
	const struct sec *seen = NULL;
	struct sec *all = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t f = 0; f < p->n_read && r == 0; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, kind) && r == 0; i++) {
			struct sec s = sec_sub(&root, kind, i), *grown;

			seen = NULL;
			for (size_t k = 0; k < n; k++)
				if (!strcmp(all[k].name, s.name))
					seen = &all[k];
			if (seen)
				r = conf_fail(
					p, s.file, s.line,
					"found a second section \"%s\" (%s:%d), expected another "
					"name",
					s.name, seen->file->name, seen->line);
			else if (n == max)
				r = conf_fail(p, s.file, s.line,
					      "found more than %zu sections \"%s\", expected fewer",
					      max, kind);
			if (r < 0)
				break;
			grown = realloc(all, (n + 1) * sizeof(*all));
			if (!grown) {
				r = -ENOMEM;
				break;
			}
			all = grown;
			all[n] = s;
			r = fn(p, &s, n++);
		}
	}
	free(all);
	return r;
}

static size_t count(const struct parse *p, const char *kind)
{
	size_t n = 0;

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		n += sec_count(&root, kind);
	}
	return n;
}

int conf_title(struct parse *p, const struct sec *s, char ret[IKE_NAME_MAX])
{
	if (!s->name[0] || strlen(s->name) >= IKE_NAME_MAX)
		return conf_fail(p, s->file, s->line,
				 "found %s \"%.80s\", expected a name of 1 to %d octets", s->kind,
				 s->name, IKE_NAME_MAX - 1);
	strcpy(ret, s->name);
	return 0;
}

/* Host addresses of an IPv4 network: neither its own nor the broadcast address. */
static void trim_network(const char *text, struct ike_pool_cfg *pool)
{
	struct addr a;
	uint8_t len;

	if (strchr(text, '-') || addr_parse_prefix(text, &a, &len) < 0 || a.family != 4 || len > 30)
		return;
	pool->first.b[3] |= 1;
	pool->last.b[3] &= 0xfe;
}

static int build_pool(struct parse *p, const struct sec *s, size_t i)
{
	struct ike_cfg *ike = &p->conf->ike;
	struct ike_pool_cfg *pool = &ike->pools[i];
	const struct val *addrs = sec_get(s, "addrs");
	const size_t max = sizeof(pool->dns) / sizeof(*pool->dns);
	size_t n = sec_count(s, "dns");
	int r = conf_title(p, s, pool->name);

	if (r < 0)
		return r;
	if (!addrs)
		return conf_fail(p, s->file, s->line,
				 "found pool \"%s\" without addrs, expected it", s->name);
	if (n > max)
		return val_fail(p, sec_nth(s, "dns", max),
				"found %zu values of \"dns\", expected at most %zu", n, max);
	r = val_range(p, addrs, &pool->first, &pool->last);
	for (size_t k = 0; k < n && r == 0; k++)
		r = val_addr(p, sec_nth(s, "dns", k), 0, &pool->dns[k]);
	if (r < 0)
		return r;
	trim_network(addrs->text, pool);
	for (size_t k = 0; k < i; k++)
		if (ike->pools[k].first.family == pool->first.family &&
		    addr_cmp(&ike->pools[k].first, &pool->last) <= 0 &&
		    addr_cmp(&pool->first, &ike->pools[k].last) <= 0)
			return val_fail(p, addrs, "found \"%.60s\", which overlaps pool \"%s\"",
					addrs->text, ike->pools[k].name);
	pool->n_dns = (uint8_t)n;
	ike->n_pools = (uint16_t)(i + 1);
	return 0;
}

static int build_connection(struct parse *p, const struct sec *s, size_t i)
{
	p->conf->ike.n_conns = (uint16_t)(i + 1);
	return conf_build_connection(p, s, &p->conf->ike.conns[i]);
}

static int accept_title(struct parse *p, const struct sec *s, size_t i)
{
	(void)p, (void)s, (void)i; /* only the titles are looked at here */
	return 0;
}

static int get_uint(struct parse *p, const char *section, const char *key, uint64_t min,
		    uint64_t max, uint64_t *ret)
{
	const struct val *v;
	int r = only(p, section, key, &v);

	return r < 0 ? r : val_uint(p, v, min, max, ret);
}

static int get_duration(struct parse *p, const char *section, const char *key, uint64_t min,
			uint64_t max, uint64_t *ret)
{
	const struct val *v;
	int r = only(p, section, key, &v);

	return r < 0 ? r : val_duration(p, v, min, max, ret);
}

static int get_bool(struct parse *p, const char *section, const char *key, bool *ret)
{
	const struct val *v;
	int r = only(p, section, key, &v);

	return r < 0 ? r : val_bool(p, v, ret);
}

static int get_word(struct parse *p, const char *section, const char *key, const char *const *words,
		    unsigned *ret)
{
	const struct val *v;
	int r = only(p, section, key, &v);

	return r < 0 ? r : val_word(p, v, words, ret);
}

static int build_top(struct parse *p)
{
	static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
	struct conf *c = p->conf;
	uint64_t cookie = 10, half_open = 1000, block = 100, timeout = 30 * USEC_PER_SEC;
	unsigned level = LOG_INFO_;
	int r = get_word(p, NULL, "log_level", levels, &level);

	if (r == 0)
		r = get_bool(p, NULL, "allow_key_export", &c->allow_key_export);
	if (r == 0)
		r = get_uint(p, NULL, "cookie_threshold", 0, 100000, &cookie);
	if (r == 0)
		r = get_uint(p, NULL, "init_limit_half_open", 1, 100000, &half_open);
	if (r == 0)
		r = get_uint(p, NULL, "block_threshold", 0, 100000, &block);
	if (r == 0)
		r = get_duration(p, NULL, "half_open_timeout", USEC_PER_SEC, 600 * USEC_PER_SEC,
				 &timeout);
	strcpy(c->log_level, levels[level]);
	c->ike.cookie_threshold = (uint32_t)cookie;
	c->ike.half_open_max = (uint32_t)half_open;
	c->ike.block_threshold = (uint32_t)block;
	c->ike.half_open_timeout = timeout;
	return r;
}

static int build_paths(struct parse *p)
{
	uint64_t interval = USEC_PER_SEC, down = 3, up = 2, raise = 600 * USEC_PER_SEC,
		 back = USEC_PER_SEC, standby = 60 * USEC_PER_SEC;
	int r = get_duration(p, "paths", "probe_interval", CONF_PROBE_MIN, CONF_PROBE_MAX,
			     &interval);

	if (r == 0)
		r = get_uint(p, "paths", "down_after", 1, 100, &down);
	if (r == 0)
		r = get_uint(p, "paths", "up_after", 1, 100, &up);
	if (r == 0)
		r = get_duration(p, "paths", "fail_back", 0, 3600 * USEC_PER_SEC, &back);
	if (r == 0)
		r = get_duration(p, "paths", "mtu_raise", 0, 86400 * USEC_PER_SEC, &raise);
	if (r == 0)
		r = get_duration(p, "paths", "standby_interval", 0, 86400 * USEC_PER_SEC, &standby);
	p->conf->standby_sec = (uint32_t)((standby + USEC_PER_SEC - 1) / USEC_PER_SEC);
	p->conf->mtu_raise_sec = (uint32_t)(raise / USEC_PER_SEC);
	p->conf->probe_interval_usec = (uint32_t)interval;
	p->conf->probe_down_after = (uint8_t)down;
	p->conf->probe_up_after = (uint8_t)up;
	p->conf->fail_back_usec = (uint32_t)back;
	return r;
}

/* stable_v4 = {"LOCAL", "REMOTE"} */
static int build_stable(struct parse *p, const char *key, uint8_t family, struct addr *local,
			struct addr *remote)
{
	const struct val *first;
	struct sec s = { 0 };
	int r = only(p, "dataplane", key, &first);

	if (r < 0 || !first)
		return r;
	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		if (first->file == &p->files[f])
			s = sec_sub(&root, "dataplane", 0);
	}
	if (sec_count(&s, key) != 2)
		return val_fail(p, first,
				"found %zu addresses in \"%s\", expected {\"LOCAL\", \"REMOTE\"}",
				sec_count(&s, key), key);
	r = val_addr(p, first, family, local);
	if (r == 0)
		r = val_addr(p, sec_nth(&s, key, 1), family, remote);
	if (r == 0 && addr_equal(local, remote))
		r = val_fail(p, first, "found the same address twice in \"%s\", expected two", key);
	return r;
}

static int build_devices(struct parse *p)
{
	struct conf *c = p->conf;
	const struct val *tun, *steer;
	int r = only(p, "dataplane", "tun", &tun);

	if (r == 0)
		r = only(p, "dataplane", "steer", &steer);
	if (r == 0)
		r = val_device(p, tun, c->tun);
	if (r == 0)
		r = val_device(p, steer, c->steer);
	if (r == 0 && !strcmp(c->tun, c->steer))
		r = val_fail(p, steer ? steer : tun,
			     "found \"%s\" as tun and steer, expected two names", c->tun);
	return r;
}

/* Whose ESP is decrypted on which CPU, and what becomes of that of nobody. */
static int build_intake(struct parse *p)
{
	static const char *const spread_words[] = { "off", "sa", "packets", NULL };
	static const char *const unknown_words[] = { "pass", "drop", NULL };
	struct conf *c = p->conf;
	unsigned spread = CONF_SPREAD_OFF, unknown = 0;
	const struct val *v;
	int r = get_word(p, "dataplane", "spread", spread_words, &spread);

	if (r == 0)
		r = only(p, "dataplane", "spread", &v);
	if (r == 0 && spread != CONF_SPREAD_OFF && c->backend == CONF_BACKEND_ENGINE)
		r = val_fail(p, v,
			     "found \"%s\" beside the engine, whose packet threads are its "
			     "workers; expected backend = kernel",
			     v->text);
	if (r == 0 && spread != CONF_SPREAD_OFF && c->attach != CONF_ATTACH_XDP &&
	    c->attach != CONF_ATTACH_XDP_GENERIC)
		r = val_fail(p, v,
			     "found \"%s\", expected attach = xdp or xdp-generic beside it: at tc "
			     "ingress the CPU is decided already",
			     v->text);
	if (r == 0)
		r = get_word(p, "dataplane", "unknown_esp", unknown_words, &unknown);
	c->spread = spread;
	c->drop_unknown = unknown;
	return r;
}

static int build_dataplane(struct parse *p)
{
	static const char *const backend_words[] = { "auto", "kernel", "engine", NULL };
	static const char *const attach_words[] = { "auto", "tc", "xdp", "xdp-generic", NULL };
	static const char *const crypto_words[] = { "auto", "openssl", "ipsec-mb", NULL };
	struct conf *c = p->conf;
	uint64_t mtu = 1400, sa_max = 16384, workers = 0;
	unsigned backend = CONF_BACKEND_AUTO, attach = CONF_ATTACH_AUTO, crypto = CONF_CRYPTO_AUTO;
	const struct val *sa;
	int r = build_devices(p);

	if (r == 0)
		r = get_word(p, "dataplane", "backend", backend_words, &backend);
	if (r == 0)
		r = get_uint(p, "dataplane", "mtu", 576, 9000, &mtu);
	if (r == 0)
		r = get_uint(p, "dataplane", "sa_max", 64, STEER_SA_MAX, &sa_max);
	if (r == 0 && (sa_max & (sa_max - 1)) && only(p, "dataplane", "sa_max", &sa) == 0)
		r = val_fail(p, sa, "found \"%s\", expected a power of two", sa->text);
	if (r == 0)
		r = build_stable(p, "stable_v4", 4, &c->stable4_local, &c->stable4_remote);
	if (r == 0)
		r = build_stable(p, "stable_v6", 6, &c->stable6_local, &c->stable6_remote);
	if (r == 0)
		r = get_word(p, "dataplane", "attach", attach_words, &attach);
	if (r == 0)
		r = get_word(p, "dataplane", "crypto", crypto_words, &crypto);
	if (r == 0)
		r = get_uint(p, "dataplane", "workers", 0, 16, &workers);
	if (r == 0)
		r = get_bool(p, "dataplane", "busy_poll", &c->busy_poll);
	c->backend = backend;
	c->tun_mtu = (uint32_t)mtu;
	c->sa_max = (uint32_t)sa_max;
	c->workers = (uint8_t)workers;
	c->attach = attach;
	c->crypto = crypto;
	return r == 0 ? build_intake(p) : r;
}

static int build(struct parse *p)
{
	struct conf *c = p->conf;
	size_t n_conns = count(p, "connection"), n_pools = count(p, "pool");
	int r;

	c->ike.conns = calloc(n_conns ? n_conns : 1, sizeof(*c->ike.conns));
	c->ike.pools = calloc(n_pools ? n_pools : 1, sizeof(*c->ike.pools));
	if (!c->ike.conns || !c->ike.pools)
		return -ENOMEM;
	r = build_top(p);
	if (r == 0)
		r = build_paths(p);
	if (r == 0)
		r = build_dataplane(p);
	if (r == 0)
		r = conf_build_control(p);
	if (r == 0)
		r = conf_each(p, "uplink", CONF_UPLINKS_MAX, conf_build_uplink);
	if (r == 0 && c->n_uplinks == 0)
		r = conf_fail(
			p, &p->files[0], p->files[0].root->line,
			"found the end of the file, expected a section uplink \"NAME\" { interface "
			"= ... }");
	if (r == 0)
		r = conf_build_classes(p);
	if (r == 0)
		r = conf_each(p, "pool", 64, build_pool);
	if (r == 0)
		r = conf_each(p, "connection", 1024, build_connection);
	if (r == 0)
		r = conf_check_classes(p);
	if (r == 0)
		r = conf_check_backend(p);
	if (r == 0)
		r = conf_each(p, "secret", 4096, accept_title);
	if (r == 0)
		r = conf_each(p, "private", 1024, accept_title);
	if (r == 0)
		r = conf_each(p, "token", 64, accept_title);
	if (r == 0)
		r = conf_build_creds(p);
	return r < 0 ? r : conf_build_secrets(p);
}

static void defaults(struct conf *c)
{
	strcpy(c->tun, "braidtun0");
	strcpy(c->steer, "braid0");
	addr_parse("198.18.0.1", &c->stable4_local);
	addr_parse("198.18.0.2", &c->stable4_remote);
	addr_parse("fd00:6272:6169:6400::1", &c->stable6_local);
	addr_parse("fd00:6272:6169:6400::2", &c->stable6_remote);
}

int conf_load(const char *file, struct conf **ret_conf, char ret_error[CONF_ERROR_MAX])
{
	char error[CONF_ERROR_MAX] = "";
	struct conf *c = calloc(1, sizeof(*c));
	struct parse *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!c || !p)
		goto out;
	p->conf = c;
	p->error = error;
	defaults(c);
	r = conf_parse_files(p, file);
	if (r == 0)
		r = build(p);
out:
	if (r < 0) {
		if (!error[0])
			snprintf(error, sizeof(error), "%s: %s", file, strerror(-r));
		memcpy(ret_error, error, CONF_ERROR_MAX);
		conf_free(c);
	} else {
		*ret_conf = c;
	}
	if (p)
		conf_parse_clear(p);
	free(p);
	return r;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (uint16_t i = 0; i < c->ike.n_conns && c->ike.conns; i++) {
		for (uint8_t k = 0; k < c->ike.conns[i].n_creds; k++)
			cred_unref(c->ike.conns[i].creds[k]);
		trust_unref(c->ike.conns[i].trust);
		secret_clear(&c->ike.conns[i].psk);
		free(c->ike.conns[i].children);
	}
	free(c->ike.conns);
	free(c->ike.pools);
	free(c);
}
