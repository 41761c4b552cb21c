/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands about paths. A name means a path of any line, or a pair of addresses that a line could
 * move to; NAME#LINE the pair of that line. Where a family has several lines its paths share the
 * traffic, and preferring one is about that; where it has one, which moves, it moves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_impl.h"

/* A path, or a pair in standby of a line; neither: not found, and the request has ended. */
struct target {
	struct path *path;
	struct peer *peer;
	const struct standby *pair;
};

/* "ran-2#7": of line 7 alone. */
static const struct standby *pair_of_line(struct agent *a, const char *conn, const char *name,
					  struct peer **ret_peer)
{
	const char *mark = strrchr(name, '#');
	struct peer *p = mark ? peer_find(a, strtoull(mark + 1, NULL, 10)) : NULL;

	if (!p || (conn && strcmp(conn, p->conn) != 0))
		return NULL;
	for (size_t i = 0; p->standbys && i < p->standbys->n; i++) {
		char with_line[2 * IKE_NAME_MAX];

		path_line_name(p, p->standbys->list[i].name, with_line);
		if (strcmp(with_line, name) != 0)
			continue;
		*ret_peer = p;
		return &p->standbys->list[i];
	}
	return NULL;
}

static struct target target(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "name"), *conn = control_arg(args, "conn");
	struct target t = { 0 };

	if (name) {
		t.path = path_by_name(a, conn, name);
		t.pair = pair_of_line(a, conn, name, &t.peer);
		if (!t.pair)
			t.pair = standby_by_name(a, conn, name, &t.peer);
	}
	if (t.path && t.path->peer->family->n_lines > 1)
		t.pair = NULL; /* it is one of several */
	if (!t.path && t.pair && t.peer->family->n_lines > 1 && !strchr(name, '#')) {
		ctl_reply_done(req, CTL_REFUSED,
			       "%.150s: several IKE SAs could go there; name one, as %.150s#%llu",
			       name, name, (unsigned long long)t.peer->line);
		return (struct target){ 0 };
	}
	if (!t.path && !t.pair)
		ctl_reply_done(req, CTL_NOT_FOUND, "no path \"%.150s\"; see braid paths",
			       name ? name : "");
	return t;
}

static struct path *path_wanted(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "name");
	struct path *p = name ? path_by_name(a, control_arg(args, "conn"), name) : NULL;

	if (!p)
		ctl_reply_done(req, CTL_NOT_FOUND, "no path \"%.150s\"; see braid paths",
			       name ? name : "");
	return p;
}

static void set_disabled(struct agent *a, struct ctl_req *req, const json_t *args, bool disable)
{
	struct path *p = path_wanted(a, req, args);

	if (!p)
		return;
	if (disable && !family_works_besides(p->peer->family, p)) {
		ctl_reply_done(req, CTL_REFUSED, "%s is the only path of %s that is up", p->name,
			       p->peer->conn);
		return;
	}
	path_disable(a, p, disable);
	agent_drain(a);
	ctl_reply_done(req, CTL_OK, NULL);
}

void control_path_disable(struct agent *a, struct ctl_req *req, const json_t *args)
{
	set_disabled(a, req, args, true);
}

void control_path_enable(struct agent *a, struct ctl_req *req, const json_t *args)
{
	set_disabled(a, req, args, false);
}

/* One that the engine does not probe: IKE asks there before anything moves. */
static void prefer_pair(struct agent *a, struct ctl_req *req, struct peer *p,
			const struct standby *s, const json_t *args)
{
	struct op *op = control_op_new(a, req);
	int err;

	if (!op) {
		ctl_reply_done(req, CTL_FAILED, "too many operations are running");
		return;
	}
	err = standby_prefer(a, p, s, op->id);
	if (err)
		control_op_end(op, CTL_FAILED, strerror(-err));
	else
		control_op_limit(a, op, args);
	agent_drain(a);
}

void control_path_prefer(struct agent *a, struct ctl_req *req, const json_t *args)
{
	bool clear = json_is_true(json_object_get(args, "clear"));
	struct target t = target(a, req, args);

	if (t.pair && !clear) {
		prefer_pair(a, req, t.peer, t.pair, args);
		return;
	}
	if (t.pair) {
		standby_prefer_none(a, t.peer);
	} else if (!t.path) {
		return;
	} else if (clear) {
		path_prefer_none(a, t.path->peer->family);
	} else if (t.path->state != STEER_PATH_UP) {
		ctl_reply_done(req, CTL_REFUSED, "%s is %s: %s", t.path->name,
			       path_state_name(t.path->state), t.path->why);
		return;
	} else {
		path_prefer(a, t.path);
	}
	agent_drain(a);
	ctl_reply_done(req, CTL_OK, NULL);
}

void control_path_test(struct agent *a, struct ctl_req *req, const json_t *args)
{
	struct target t = target(a, req, args);

	if (t.path)
		path_test(a, req, t.path, args);
	else if (t.pair)
		path_test_standby(a, req, t.peer, t.pair, args);
}
