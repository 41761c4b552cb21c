/* SPDX-License-Identifier: GPL-2.0-only */
/* Sections "secret": read, and matched with connections by their identities. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf_impl.h"

int conf_check_mode(struct parse *p, const struct conf_file *at, int line, const char *what,
		    const char *name, unsigned mode, unsigned uid)
{
	if (mode & 077)
		return conf_fail(p, at, line,
				 "found a %s in a file of mode %04o, expected one that only its "
				 "owner can read: chmod 0600 %s",
				 what, mode, name);
	if (uid != 0 && uid != geteuid())
		return conf_fail(p, at, line,
				 "found a %s in a file of user %u, expected root's or our own: "
				 "chown root %s",
				 what, uid, name);
	return 0;
}

static int check_file(struct parse *p, const struct sec *s)
{
	return conf_check_mode(p, s->file, s->line, "secret", s->file->name, s->file->mode,
			       s->file->uid);
}

static bool id_equal(const struct ike_id *a, const struct ike_id *b)
{
	return a->type == b->type && a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* How well a secret fits, as swanctl: -1 not at all, 0 it names nobody, 1 us, 2 the peer, 3 both.
 */
static int score(struct parse *p, const struct sec *s, const struct ike_conn_cfg *c)
{
	size_t n = sec_count(s, "id");
	bool us = false, peer = false;

	for (size_t i = 0; i < n; i++) {
		struct ike_id id = { 0 };

		if (val_id(p, sec_nth(s, "id", i), &id) < 0)
			return -1;
		us |= id.type == 0 || id_equal(&id, &c->local_id);
		peer |= id.type == 0 || (c->remote_id.type && id_equal(&id, &c->remote_id));
	}
	return n == 0 ? 0 : us || peer ? 2 * peer + us : -1;
}

static int check_secret(struct parse *p, const struct sec *s)
{
	struct secret scratch = { .len = 0 };
	struct ike_id id;
	int r = check_file(p, s);

	if (r == 0 && !sec_get(s, "secret"))
		r = conf_fail(p, s->file, s->line,
			      "found secret \"%s\" without secret, expected it", s->name);
	if (r == 0)
		r = val_secret(p, sec_get(s, "secret"), &scratch);
	secret_clear(&scratch);
	for (size_t i = 0; i < sec_count(s, "id") && r == 0; i++)
		r = val_id(p, sec_nth(s, "id", i), &id);
	return r;
}

static int match(struct parse *p, const struct sec *conn, struct ike_conn_cfg *c)
{
	struct sec best = { 0 }, rival = { 0 };
	int best_score = -1;
	char us[IKE_ID_MAX + 8], peer[IKE_ID_MAX + 8];

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, "secret"); i++) {
			struct sec s = sec_sub(&root, "secret", i);
			int n = score(p, &s, c);

			if (n < best_score || n < 0)
				continue;
			rival = n == best_score ? best : (struct sec){ 0 };
			best = s;
			best_score = n;
		}
	}
	conf_id_text(&c->local_id, us, sizeof(us));
	conf_id_text(&c->remote_id, peer, sizeof(peer));
	if (!best.cfg)
		return conf_fail(p, conn->file, conn->line,
				 "found no secret for connection \"%s\", expected a section secret "
				 "with id = {\"%.60s\"} or {\"%.60s\"}",
				 c->name, peer, us);
	if (rival.cfg)
		return conf_fail(
			p, best.file, best.line,
			"found secret \"%s\" as good as \"%s\" for connection \"%s\" (%.60s, "
			"%.60s), expected one",
			best.name, rival.name, c->name, us, peer);
	return val_secret(p, sec_get(&best, "secret"), &c->psk);
}

int conf_build_secrets(struct parse *p)
{
	size_t n = 0;
	int r = 0;

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, "secret") && r == 0; i++) {
			struct sec s = sec_sub(&root, "secret", i);

			r = check_secret(p, &s);
		}
	}
	/* in the order in which conf.c filled them */
	for (size_t f = 0; f < p->n_read && r == 0; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, "connection") && r == 0; i++) {
			struct sec s = sec_sub(&root, "connection", i);
			struct ike_conn_cfg *c = &p->conf->ike.conns[n++];

			if (c->local_auth == AUTH_BY_PSK || c->remote_auth == AUTH_BY_PSK)
				r = match(p, &s, c);
		}
	}
	return r;
}
