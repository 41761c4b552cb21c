/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands of the control socket and events to those who follow. Shapes: ctl/json.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/version.h"
#include "agent.h"
#include "control_impl.h"
#include "mmx_agent.h"

const char *control_arg(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* ---- operations that end later ---- */

static void op_gone(void *ctx, struct ctl_req *req)
{
	struct agent *a = ctx;

	for (size_t i = 0; i < AGENT_OPS_MAX; i++) {
		if (a->ops[i].id && a->ops[i].req == req)
			a->ops[i].id = 0;
	}
	ctl_reply_done(req, CTL_FAILED, "the client left");
}

struct op *control_op_new(struct agent *a, struct ctl_req *req)
{
	for (size_t i = 0; i < AGENT_OPS_MAX; i++) {
		if (a->ops[i].id)
			continue;
		a->ops[i] = (struct op){ .id = ++a->next_op, .req = req };
		ctl_req_on_gone(req, op_gone, a);
		return &a->ops[i];
	}
	return NULL;
}

struct op *control_op_find(struct agent *a, uint32_t id)
{
	for (size_t i = 0; id && i < AGENT_OPS_MAX; i++)
		if (a->ops[i].id == id)
			return &a->ops[i];
	return NULL;
}

void control_op_end(struct op *op, enum ctl_code code, const char *text)
{
	struct ctl_req *req = op->req;

	op->id = 0;
	ctl_req_on_gone(req, NULL, NULL);
	if (code == CTL_OK)
		ctl_reply_done(req, code, NULL);
	else
		ctl_reply_done(req, code, "%s", text);
}

void control_op_event(struct agent *a, const struct ike_output *o)
{
	static const enum ctl_code codes[] = {
		[IKE_FAIL_OTHER] = CTL_FAILED,
		[IKE_FAIL_NO_ANSWER] = CTL_NO_ANSWER,
		[IKE_FAIL_AUTH] = CTL_AUTH_FAILED,
		[IKE_FAIL_REFUSED] = CTL_PEER_REFUSED,
	};
	struct op *op = control_op_find(a, o->op);
	char why[CTL_MMX_WHY_MAX];
	enum ctl_code end;

	if (!op)
		return;
	if (o->event == IKE_EV_MMX_ANSWERED || o->event == IKE_EV_MMX_PROBED) {
		end = control_mmx_ended(op->req, o, why);
		control_op_end(op, end, why);
		return;
	}
	if (o->event != IKE_EV_FAILED)
		ctl_reply_progress(op->req, "%s", o->text);
	if (o->event == IKE_EV_STEP || (o->event == IKE_EV_CLONED && op->child[0]))
		return;
	if (o->event == IKE_EV_PATH_TESTED && !o->rtt)
		control_op_end(op, CTL_NO_ANSWER, o->text);
	else
		control_op_end(op, o->event == IKE_EV_FAILED ? codes[o->failure] : CTL_OK, o->text);
}

void control_op_cloned(struct agent *a, const struct ike_output *o)
{
	struct op *op = control_op_find(a, o->op);
	char text[200];
	int err;

	if (!op)
		return;
	err = ike_up_line(a->ike, o->line, op->child, op->id, agent_now());
	if (!err)
		return;
	snprintf(text, sizeof(text), "%s on the clone: %s", op->child,
		 err == -ENOENT ? "there is no such child" : strerror(-err));
	control_op_end(op, CTL_FAILED, text);
}

struct op_limit {
	struct agent *a;
	uint32_t op;
};

static void on_op_timeout(evutil_socket_t fd, short what, void *ctx)
{
	struct op_limit *l = ctx;
	struct op *op = control_op_find(l->a, l->op);

	(void)fd;
	(void)what;
	if (op)
		control_op_end(
			op, CTL_TIMEOUT,
			"no result in time; the attempt goes on (see braid events, braid status)");
	free(l);
}

void control_op_limit(struct agent *a, const struct op *op, const json_t *args)
{
	json_int_t usec = json_integer_value(json_object_get(args, "timeout_usec"));
	struct op_limit *l = malloc(sizeof(*l));
	struct timeval tv;

	if (!l)
		return;
	if (usec <= 0)
		usec = (json_int_t)CTL_UP_TIMEOUT_SEC * 1000000;
	*l = (struct op_limit){ a, op->id };
	tv = (struct timeval){ usec / 1000000, usec % 1000000 };
	if (event_base_once(a->base, -1, EV_TIMEOUT, on_op_timeout, l, &tv))
		free(l);
}

/* ---- commands ---- */

bool control_conn_wanted(struct agent *a, struct ctl_req *req, const char *name)
{
	if (!name)
		ctl_reply_done(req, CTL_USAGE, "a connection's name is missing");
	else if (!agent_conn(a, name))
		ctl_reply_done(req, CTL_NOT_FOUND, "no connection \"%.64s\" in %s", name,
			       a->opt.conf_file);
	else
		return true;
	return false;
}

void control_op_started(struct agent *a, struct op *op, int err, const char *name,
			const char *child, const json_t *args)
{
	char text[200];

	if (!err) {
		control_op_limit(a, op, args);
	} else if (err == -EALREADY) {
		ctl_reply_progress(op->req, "%s%s%s: nothing to do", name, child ? "/" : "",
				   child ? child : "");
		control_op_end(op, CTL_OK, NULL);
	} else if (err == -ENOENT) {
		snprintf(text, sizeof(text), "%s%s%s is not there", name, child ? "/" : "",
			 child ? child : "");
		control_op_end(op, CTL_NOT_FOUND, text);
	} else {
		snprintf(text, sizeof(text), "%s: %s", name, strerror(-err));
		control_op_end(op, CTL_FAILED, text);
	}
	agent_drain(a);
}

/* The line that is meant; 0: none is named. False: it is not one of that connection. */
static bool line_wanted(struct agent *a, struct ctl_req *req, const char *name, const json_t *args,
			uint64_t *ret_line)
{
	const json_t *line = json_object_get(args, "line");
	const struct ike_sa *sa = ike_sa_first(a->ike);
	struct ike_sa_info i;

	for (; line && sa; sa = ike_sa_next(a->ike, sa)) {
		ike_sa_look(sa, &i);
		if (i.line == (uint64_t)json_integer_value(line) && !strcmp(i.conn, name))
			break;
	}
	if (line && !sa) {
		ctl_reply_done(req, CTL_NOT_FOUND, "%.64s has no line %lld; see braid sas", name,
			       (long long)json_integer_value(line));
		return false;
	}
	*ret_line = line ? i.line : 0;
	return true;
}

struct op *control_op_begin(struct agent *a, struct ctl_req *req, const json_t *args,
			    uint64_t *ret_line)
{
	const char *name = control_arg(args, "name");
	struct op *op;

	if (!control_conn_wanted(a, req, name) || !line_wanted(a, req, name, args, ret_line))
		return NULL;
	op = control_op_new(a, req);
	if (!op)
		ctl_reply_done(req, CTL_FAILED, "too many operations are running");
	return op;
}

static void cmd_up(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "name"), *child = control_arg(args, "child");
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];
	const struct ike_conn_cfg *c;
	struct ike_path path;
	uint64_t line = 0;
	struct op *op = control_op_begin(a, req, args, &line);
	int err;

	if (!op)
		return;
	c = agent_conn(a, name);
	if (line) {
		conns_up(a, name, child);
		control_op_started(a, op, ike_up_line(a->ike, line, child, op->id, agent_now()),
				   name, child, args);
		return;
	}
	if (!c->n_remote_addrs) {
		control_op_end(op, CTL_REFUSED, "it has no remote_addrs: it waits for peers");
		return;
	}
	conns_up(a, name, child);
	if (!conns_first_path(a, c, &path)) {
		control_op_end(op, CTL_FAILED,
			       "no uplink has link, address and a route to the peer; see braid "
			       "status");
		return;
	}
	ctl_reply_progress(req, "%s: %s to %s", name, udp_addr_format(&path.local, from),
			   udp_addr_format(&path.remote, to));
	err = mmx_tunnel_first(a, name, child, &path, op->id);
	if (err == -EALREADY)
		conns_up_already(a, name, child);
	control_op_started(a, op, err, name, child, args);
}

static void cmd_rekey(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "name"), *child = control_arg(args, "child");
	uint64_t line = 0;
	struct op *op = control_op_begin(a, req, args, &line);
	int err;

	if (!op)
		return;
	if (!line)
		err = ike_rekey(a->ike, name, child, op->id, agent_now());
	else if (child)
		err = ike_rekey_child(a->ike, line, child, op->id, agent_now());
	else
		err = ike_rekey_line(a->ike, line, op->id, agent_now());
	control_op_started(a, op, err, name, child, args);
}

/* The line that the connection was set up as, or the oldest clone that is left of it; ret_peers:
 * how many families it has. */
static uint64_t conn_line(const struct agent *a, const char *name, size_t *ret_peers)
{
	const struct ike_sa *sa = ike_sa_first(a->ike);
	uint64_t family = 0, line = 0;
	struct ike_sa_info i;

	*ret_peers = 0;
	for (; sa; sa = ike_sa_next(a->ike, sa)) {
		ike_sa_look(sa, &i);
		if (strcmp(i.conn, name) || strcmp(i.state, "ESTABLISHED"))
			continue;
		*ret_peers += i.family != family && *ret_peers < 2;
		line = line ? line : i.line;
		family = family ? family : i.family;
	}
	return line;
}

static void cmd_clone(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "name"), *child = control_arg(args, "child");
	uint64_t line = 0;
	struct op *op = control_op_begin(a, req, args, &line);
	size_t peers = 1;
	int err;

	if (!op)
		return;
	if (!line)
		line = conn_line(a, name, &peers);
	if (peers > 1) {
		control_op_end(op, CTL_REFUSED,
			       "it has several peers: name a line of the one that is meant, as "
			       "NAME#LINE; see braid sas");
		return;
	}
	snprintf(op->child, sizeof(op->child), "%s", child ? child : "");
	err = ike_clone(a->ike, line, op->id, agent_now());
	if (err == -EOPNOTSUPP)
		control_op_end(op, CTL_REFUSED, "one of the two ends does not clone IKE SAs");
	else if (err == -EDQUOT)
		control_op_end(op, CTL_REFUSED,
			       "there are as many IKE SAs as may be, by ike_sas_max or the peer's "
			       "word");
	else
		control_op_started(a, op, err, name, NULL, args);
}

static void reply_json(struct ctl_req *req, json_t *data)
{
	if (!data) {
		ctl_reply_done(req, CTL_FAILED, "out of memory");
		return;
	}
	ctl_reply_data(req, data);
	ctl_reply_done(req, CTL_OK, NULL);
}

static void cmd_status(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	reply_json(req, report_status(a));
}

static void cmd_sas(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	long_list_sas(a, req);
}

static void cmd_paths(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "conn");

	if (!name || control_conn_wanted(a, req, name))
		long_list_paths(a, req, name);
}

static void cmd_conns(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "conn");

	if (!name || control_conn_wanted(a, req, name))
		long_list_conns(a, req, name);
}

static void cmd_counters(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "conn");

	if (!name || control_conn_wanted(a, req, name))
		long_list_counters(a, req, name);
}

static void cmd_counters_reset(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	counters_reset(a);
	ctl_reply_done(req, CTL_OK, NULL);
}

static void cmd_stats(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	reply_json(req, report_stats(a));
}

static void cmd_certs(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	reply_json(req, report_certs(a));
}

static void cmd_keys(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)args;
	if (!a->conf->allow_key_export) {
		ctl_reply_done(req, CTL_REFUSED,
			       "keys stay here: set allow_key_export = true in %s to allow it",
			       a->opt.conf_file);
		return;
	}
	log_warning("keys were exported for a capture decoder");
	reply_json(req, report_keys(a));
}

static void cmd_events(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)a;
	(void)args;
	/* From now on; whoever asked may act on that. */
	ctl_reply_data(req, json_pack("{s:I}", "now_usec", (json_int_t)agent_now()));
	ctl_req_subscribe(req);
}

static void cmd_reload(struct agent *a, struct ctl_req *req, const json_t *args)
{
	char err[CONF_ERROR_MAX];

	(void)args;
	if (agent_reload(a, err)) {
		ctl_reply_done(req, CTL_FAILED, "%s", err);
		return;
	}
	control_event(a, CTL_EV_RELOADED, NULL, NULL, NULL, NULL, NULL, NULL,
		      "configuration read again");
	ctl_reply_done(req, CTL_OK, NULL);
}

static void cmd_flush(struct agent *a, struct ctl_req *req, const json_t *args)
{
	size_t n = ike_sa_count(a->ike);

	if (n && !json_is_true(json_object_get(args, "force"))) {
		ctl_reply_done(req, CTL_REFUSED,
			       "%zu IKE SAs are up and would be closed; force it if that is meant",
			       n);
		return;
	}
	ctl_reply_progress(req,
			   "closing %zu IKE SAs, removing devices, programs and pins; braidd "
			   "stops",
			   n);
	ctl_reply_done(req, CTL_OK, NULL);
	agent_stop(a);
}

static void cmd_version(struct agent *a, struct ctl_req *req, const json_t *args)
{
	(void)a;
	(void)args;
	reply_json(req, json_pack("{s:s, s:i, s:i}", "version", BRAID_VERSION, "protocol",
				  CTL_VERSION, "pid", (int)getpid()));
}

static const struct {
	const char *name;
	enum permit_level who;
	cmd_fn *fn;
} commands[] = {
	{ "up", PERMIT_ADMIN, cmd_up },
	{ "down", PERMIT_ADMIN, control_down },
	{ "rekey", PERMIT_ADMIN, cmd_rekey },
	{ "clone", PERMIT_ADMIN, cmd_clone },
	{ "status", PERMIT_READ, cmd_status },
	{ "sas", PERMIT_READ, cmd_sas },
	{ "paths", PERMIT_READ, cmd_paths },
	{ "steering", PERMIT_READ, control_steering },
	{ "steering-explain", PERMIT_READ, control_steering_explain },
	{ "path-disable", PERMIT_ADMIN, control_path_disable },
	{ "path-enable", PERMIT_ADMIN, control_path_enable },
	{ "path-prefer", PERMIT_ADMIN, control_path_prefer },
	{ "path-test", PERMIT_ADMIN, control_path_test },
	{ "conns", PERMIT_READ, cmd_conns },
	{ "counters", PERMIT_READ, cmd_counters },
	{ "counters-reset", PERMIT_ADMIN, cmd_counters_reset },
	{ "stats", PERMIT_READ, cmd_stats },
	{ "certs", PERMIT_READ, cmd_certs },
	{ "keys", PERMIT_ADMIN, cmd_keys },
	{ "events", PERMIT_READ, cmd_events },
	{ "consent", PERMIT_ADMIN, control_consent },
	{ "consent-answer", PERMIT_ADMIN, control_consent_answer },
	{ "reload", PERMIT_ADMIN, cmd_reload },
	{ "flush", PERMIT_ADMIN, cmd_flush },
	{ "version", PERMIT_READ, cmd_version },
	{ "mmx-list", PERMIT_READ, control_mmx_list },
	{ "mmx-probe", PERMIT_ADMIN, control_mmx_probe },
	{ "mmx-add", PERMIT_ADMIN, control_mmx_add },
	{ "mmx-remove", PERMIT_ADMIN, control_mmx_remove },
	{ "mmx-update", PERMIT_ADMIN, control_mmx_update },
	{ "mmx-check", PERMIT_ADMIN, control_mmx_check },
	{ "mmx-alternates", PERMIT_ADMIN, control_mmx_alternates },
	{ "mmx-failover", PERMIT_ADMIN, control_mmx_failover },
	{ "mmx-add-interface", PERMIT_ADMIN, control_mmx_add_interface },
	{ "mmx-delete-interface", PERMIT_ADMIN, control_mmx_delete_interface },
};

/* Who asks, for people. */
static void denied(struct agent *a, struct ctl_req *req, const char *cmd)
{
	ctl_reply_done(req, CTL_DENIED,
		       "%s is for root and the admins of control { } in %s; user %u may only read",
		       cmd, a->opt.conf_file, ctl_req_uid(req));
}

void control_request(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, cmd))
			continue;
		if (ctl_req_level(req) < commands[i].who)
			denied(ctx, req, cmd);
		else
			commands[i].fn(ctx, req, args);
		return;
	}
	ctl_reply_done(req, CTL_USAGE, "unknown command \"%s\"", cmd);
}

/* Others than root come through the directory, too, which stays open then: its files have modes of
 * their own. */
void control_permit(struct agent *a)
{
	const struct permit *p = &a->conf->permit;
	int err = ctl_server_permit(a->ctl, p);
	struct stat st;

	if (!err && p->n && stat(a->opt.state_dir, &st) < 0)
		err = -errno;
	if (!err && p->n && (st.st_mode & 0111) != 0111 &&
	    chmod(a->opt.state_dir, (st.st_mode & 07777) | 0111) < 0)
		err = -errno;
	if (err)
		log_warning(
			"control socket: the mode of it or of %s cannot be changed: %s; who may "
			"use it is checked, but may not come that far",
			a->opt.state_dir, strerror(-err));
}

/* ---- events ---- */

static void put(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

json_t *control_event_new(struct agent *a, enum ctl_event kind, const char *conn, const char *child,
			  const char *path, const char *uplink, const char *state, const char *why,
			  const char *text)
{
	json_t *o;

	if (!a->ctl)
		return NULL;
	o = json_object();
	put(o, "kind", ctl_event_word(kind));
	put(o, "text", text);
	put(o, "conn", conn);
	put(o, "child", child);
	put(o, "path", path);
	put(o, "uplink", uplink);
	put(o, "state", state);
	put(o, "why", why);
	return o;
}

void control_publish(struct agent *a, json_t *event)
{
	if (event)
		ctl_publish(a->ctl, event);
}

void control_event(struct agent *a, enum ctl_event kind, const char *conn, const char *child,
		   const char *path, const char *uplink, const char *state, const char *why,
		   const char *text)
{
	control_publish(a, control_event_new(a, kind, conn, child, path, uplink, state, why, text));
}
