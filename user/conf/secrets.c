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

static int check_secret(struct parse *p, const struct sec *s, void *ctx)
{
	struct secret scratch = { .len = 0 };
	struct ike_id id;
	int r = check_file(p, s);

	(void)ctx;
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

/* The best of those seen, and one as good as that. */
struct choice {
	const struct ike_conn_cfg *conn;
	struct sec best, rival;
	int score;
};

static int consider(struct parse *p, const struct sec *s, void *ctx)
{
	struct choice *c = ctx;
	int n = score(p, s, c->conn);

	if (n < c->score || n < 0)
		return 0;
	c->rival = n == c->score ? c->best : (struct sec){ 0 };
	c->best = *s;
	c->score = n;
	return 0;
}

static int match(struct parse *p, const struct sec *conn, struct ike_conn_cfg *c)
{
	struct choice choice = { .conn = c, .score = -1 };
	const struct sec *best = &choice.best, *rival = &choice.rival;
	char us[IKE_ID_MAX + 8], peer[IKE_ID_MAX + 8];

	secs_each(p, "secret", consider, &choice);
	conf_id_text(&c->local_id, us, sizeof(us));
	conf_id_text(&c->remote_id, peer, sizeof(peer));
	if (!best->cfg)
		return conf_fail(p, conn->file, conn->line,
				 "found no secret for connection \"%s\", expected a section secret "
				 "with id = {\"%.60s\"} or {\"%.60s\"}",
				 c->name, peer, us);
	if (rival->cfg)
		return conf_fail(
			p, best->file, best->line,
			"found secret \"%s\" as good as \"%s\" for connection \"%s\" (%.60s, "
			"%.60s), expected one",
			best->name, rival->name, c->name, us, peer);
	return val_secret(p, sec_get(best, "secret"), &c->psk);
}

/* In the order in which conf.c filled them. */
static int build_conn(struct parse *p, const struct sec *s, void *ctx)
{
	struct ike_conn_cfg *c = &p->conf->ike.conns[(*(size_t *)ctx)++];

	return c->local_auth == AUTH_BY_PSK || c->remote_auth == AUTH_BY_PSK ? match(p, s, c) : 0;
}

int conf_build_secrets(struct parse *p)
{
	size_t n = 0;
	int r = secs_each(p, "secret", check_secret, NULL);

	return r < 0 ? r : secs_each(p, "connection", build_conn, &n);
}
