/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists that may have thousands of entries: a piece each time the loop comes round, while the
 * client reads, so that nobody waits for them and no buffer has to hold them. Entries that come or
 * go meanwhile may be in the list or not; none is there twice. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "agent.h"
#include "report_steering.h"

enum {
	PIECE = 64,		/* entries a message */
	UNREAD_MAX = 256 << 10, /* octets a client has not read: it has its turn */
	PAUSE_MSEC = 5,
};

struct long_list {
	struct list node; /* agent.long_lists */
	struct agent *a;
	struct ctl_req *req;
	struct event *ev;
	const char *key;
	bool (*piece)(struct long_list *l, json_t *out, size_t n); /* false: that was the last */
	uint64_t serial;					   /* SAs: done as far as this */
	size_t at, n_lines;
	uint64_t *lines;
	/* connections: at is the next one */
	json_t *(*of_conn)(struct agent *a, const struct ike_conn_cfg *c);
	char conn[IKE_NAME_MAX]; /* only that */
};

static void end(struct long_list *l, enum ctl_code code, const char *why)
{
	list_remove(&l->node);
	if (l->ev)
		event_free(l->ev);
	if (code == CTL_OK)
		ctl_reply_done(l->req, CTL_OK, NULL);
	else
		ctl_reply_done(l->req, code, "%s", why);
	free(l->lines);
	free(l);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	const struct timeval pause = { 0, PAUSE_MSEC * 1000 }, soon = { 0, 0 };
	struct long_list *l = ctx;
	json_t *list, *data;
	bool more;

	(void)fd;
	(void)what;
	if (!ctl_req_alive(l->req)) {
		end(l, CTL_FAILED, "the client left");
		return;
	}
	if (ctl_req_unread(l->req) > UNREAD_MAX) {
		event_add(l->ev, &pause);
		return;
	}
	list = json_array();
	more = l->piece(l, list, PIECE);
	data = json_object();
	json_object_set_new(data, "now_usec", json_integer((json_int_t)agent_now()));
	json_object_set_new(data, l->key, list);
	ctl_reply_data(l->req, data);
	if (more)
		event_add(l->ev, &soon);
	else
		end(l, CTL_OK, NULL);
}

static struct long_list *begin(struct agent *a, struct ctl_req *req, const char *key)
{
	struct long_list *l = calloc(1, sizeof(*l));

	if (!l) {
		ctl_reply_done(req, CTL_FAILED, "out of memory");
		return NULL;
	}
	l->a = a;
	l->req = req;
	l->key = key;
	list_append(&a->long_lists, &l->node);
	l->ev = evtimer_new(a->base, on_turn, l);
	if (l->ev)
		return l;
	end(l, CTL_FAILED, "out of memory");
	return NULL;
}

static bool sas_piece(struct long_list *l, json_t *out, size_t n)
{
	const struct ike_sa *sa = ike_sa_after(l->a->ike, l->serial);

	for (; sa && n; n--) {
		json_array_append_new(out, report_sa(l->a, sa));
		l->serial = ike_sa_serial(sa);
		sa = ike_sa_next(l->a->ike, sa);
	}
	return sa;
}

void long_list_sas(struct agent *a, struct ctl_req *req)
{
	struct long_list *l = begin(a, req, "ike_sas");

	if (!l)
		return;
	l->piece = sas_piece;
	on_turn(-1, 0, l);
}

static bool paths_piece(struct long_list *l, json_t *out, size_t n)
{
	while (l->at < l->n_lines && json_array_size(out) < n) {
		struct peer *p = peer_find(l->a, l->lines[l->at++]);

		if (p)
			report_family_paths(l->a, p->family, out);
	}
	return l->at < l->n_lines;
}

/* Over lines of IKE SAs, those of a connection; or over the first line of each family. */
static struct long_list *begin_lines(struct agent *a, struct ctl_req *req, const char *key,
				     const char *conn, bool families)
{
	struct long_list *l = begin(a, req, key);

	if (!l)
		return NULL;
	l->lines = calloc(a->lines.n + 1, sizeof(*l->lines));
	if (!l->lines) {
		end(l, CTL_FAILED, "out of memory");
		return NULL;
	}
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if ((!families || family_is_first(p)) && (!conn || !strcmp(conn, p->conn)))
			l->lines[l->n_lines++] = p->line;
	}
	return l;
}

void long_list_paths(struct agent *a, struct ctl_req *req, const char *conn)
{
	struct long_list *l = begin_lines(a, req, "paths", conn, true);

	if (!l)
		return;
	l->piece = paths_piece;
	ctl_reply_data(req, json_pack("{s:o}", "pairs", report_standbys(a, conn)));
	engine_paths(a); /* what it knows of those it probes */
	on_turn(-1, 0, l);
}

static bool steering_piece(struct long_list *l, json_t *out, size_t n)
{
	while (l->at < l->n_lines && json_array_size(out) < n) {
		struct peer *p = peer_find(l->a, l->lines[l->at++]);

		if (p)
			report_steering(l->a, p, out);
	}
	return l->at < l->n_lines;
}

void long_list_steering(struct agent *a, struct ctl_req *req, const char *conn)
{
	struct long_list *l = begin_lines(a, req, "relations", conn, false);

	if (!l)
		return;
	l->piece = steering_piece;
	on_turn(-1, 0, l);
}

static bool conns_piece(struct long_list *l, json_t *out, size_t n)
{
	const struct ike_cfg *cfg = &l->a->conf->ike;

	for (; l->at < cfg->n_conns && json_array_size(out) < n; l->at++)
		if (!l->conn[0] || !strcmp(l->conn, cfg->conns[l->at].name))
			json_array_append_new(out, l->of_conn(l->a, &cfg->conns[l->at]));
	return l->at < cfg->n_conns;
}

static void conns_list(struct agent *a, struct ctl_req *req, const char *conn,
		       json_t *(*of_conn)(struct agent *a, const struct ike_conn_cfg *c))
{
	struct long_list *l = begin(a, req, "conns");

	if (!l)
		return;
	l->piece = conns_piece;
	l->of_conn = of_conn;
	if (conn)
		snprintf(l->conn, sizeof(l->conn), "%s", conn);
	on_turn(-1, 0, l);
}

void long_list_conns(struct agent *a, struct ctl_req *req, const char *conn)
{
	if (!conn)
		ctl_reply_data(req, json_pack("{s:o}", "limits", report_limits(a)));
	conns_list(a, req, conn, report_conn);
}

void long_list_counters(struct agent *a, struct ctl_req *req, const char *conn)
{
	json_t *data = json_pack("{s:I}", "since_usec", (json_int_t)counters_since(a));

	if (!conn)
		json_object_set_new(data, "total", report_counters(a));
	ctl_reply_data(req, data);
	conns_list(a, req, conn, report_conn_counters);
}

void long_lists_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->long_lists)
		end(list_entry(it, struct long_list, node), CTL_FAILED, "the agent stops");
}
