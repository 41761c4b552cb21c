/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands about interfaces: the peer is asked for one action of MMX, or a path is probed, and its
 * answer ends the request. What the commands mean: ctl/mmx_args.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consent.h"
#include "control_impl.h"
#include "mmx_agent.h"

/* ---- which relation ---- */

/* That line, or the first of the connection; its peers must not be several. 0: the request has
 * ended. */
static uint64_t line_meant(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const json_t *line = json_object_get(args, "line");
	const char *conn = control_arg(args, "conn");
	const struct peer *found = NULL;

	if (!line && !conn) {
		ctl_reply_done(req, CTL_USAGE, "a connection's name is missing");
		return 0;
	}
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if ((conn && strcmp(p->conn, conn) != 0) ||
		    (line && p->line != (uint64_t)json_integer_value(line)))
			continue;
		if (found && found->family != p->family) {
			ctl_reply_done(req, CTL_REFUSED,
				       "%.64s has several peers: name the line of the one that is "
				       "meant, as NAME#LINE; see braid sas",
				       conn);
			return 0;
		}
		if (!found || p->line < found->line)
			found = p;
	}
	if (!found)
		ctl_reply_done(req, CTL_NOT_FOUND, "%.64s is not up, or has no such line",
			       conn ? conn : "it");
	return found ? found->line : 0;
}

/* The relation, what is known of it, and an operation; NULL: the request has ended. */
static struct op *begin(struct agent *a, struct ctl_req *req, const json_t *args,
			uint64_t *ret_line, struct mmx_view *ret_view)
{
	uint64_t line = line_meant(a, req, args);
	struct op *op;
	int err;

	if (!line)
		return NULL;
	err = mmx_view_init(a, line, ret_view);
	if (err) {
		if (err == -ENOENT)
			ctl_reply_done(req, CTL_REFUSED,
				       "the multi-interface extension (mmx) is not agreed on with "
				       "that peer");
		else
			ctl_reply_done(req, CTL_FAILED, "out of memory");
		return NULL;
	}
	op = control_op_new(a, req);
	if (!op) {
		mmx_view_clear(ret_view);
		ctl_reply_done(req, CTL_FAILED, "too many operations are running");
	}
	*ret_line = line;
	return op;
}

/* The core took it, or why not. */
static void started(struct agent *a, struct op *op, int err, const json_t *args)
{
	char text[CTL_MMX_WHY_MAX];

	if (!err)
		control_op_limit(a, op, args);
	else if (err == -EOPNOTSUPP)
		control_op_end(op, CTL_REFUSED, "one of the two ends does not do that");
	else if (err == -E2BIG)
		control_op_end(op, CTL_REFUSED, "that is more than the peer takes");
	else if (err == -ENOENT)
		control_op_end(op, CTL_NOT_FOUND, "the IKE SA is not up any more");
	else if (err == -EBUSY || err == -EALREADY)
		control_op_end(op, CTL_REFUSED, "as many probes as may be are under way");
	else if (err == -EINVAL)
		control_op_end(op, CTL_USAGE, "there is no such path between endpoints of the two");
	else {
		snprintf(text, sizeof(text), "%s", strerror(-err));
		control_op_end(op, CTL_FAILED, text);
	}
	agent_drain(a);
}

/* ---- commands ---- */

void control_mmx_list(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *conn = control_arg(args, "conn");

	if (conn && !agent_conn(a, conn)) {
		ctl_reply_done(req, CTL_NOT_FOUND, "no connection \"%.64s\" in %s", conn,
			       a->opt.conf_file);
		return;
	}
	mmx_list(a, req, conn);
	ctl_reply_done(req, CTL_OK, NULL);
}

/* What waits for programs that are asked first. */
struct wish {
	uint32_t op;
	uint64_t line;
	const char *cmd; /* static */
	json_t *args;
};

/* op 0: nobody waits for its end any more; the word was given all the same. */
static void ask_now(struct agent *a, const struct wish *w)
{
	struct op *op = control_op_find(a, w->op);
	uint32_t number = op ? op->id : ++a->next_op;
	uint8_t spis[4 * CTL_MMX_SPIS_MAX];
	char why[CTL_MMX_WHY_MAX] = "the IKE SA is not up any more";
	struct mmx_action action;
	struct mmx_view view;
	int err = mmx_view_init(a, w->line, &view);

	if (!err) {
		err = ctl_mmx_action(w->cmd, w->args, &view.v, spis, &action, why);
		mmx_view_clear(&view);
	}
	if (err && op)
		control_op_end(op,
			       err == -ENOENT	? CTL_NOT_FOUND
			       : err == -ENOMEM ? CTL_FAILED
						: CTL_USAGE,
			       err == -ENOMEM ? strerror(ENOMEM) : why);
	if (err)
		return;
	err = ike_mmx_ask(a->ike, w->line, &action, 1, number, agent_now());
	if (!err && peer_find(a, w->line))
		mmx_steer_word(a, peer_find(a, w->line), &action, number);
	if (op)
		started(a, op, err, w->args);
}

static void on_consent(struct agent *a, void *ctx, enum consent_end end)
{
	struct wish *w = ctx;

	if (end != CONSENT_CANCELLED)
		ask_now(a, w);
	json_decref(w->args);
	free(w);
}

/* Which of our addresses it would take out of use; 0: none, or it is not understood. */
static size_t leaving(const struct wish *w, const struct mmx_view *view,
		      struct addr ret[CONSENT_ADDRS_MAX])
{
	uint8_t spis[4 * CTL_MMX_SPIS_MAX];
	char why[CTL_MMX_WHY_MAX];
	struct mmx_action action;

	if (ctl_mmx_action(w->cmd, w->args, &view->v, spis, &action, why))
		return 0;
	return ctl_mmx_leaving(&action, &view->v, CONSENT_ADDRS_MAX, ret);
}

static void ask(struct agent *a, struct ctl_req *req, const char *cmd, const json_t *args)
{
	struct wish at_once = { .cmd = cmd, .args = (json_t *)args }, *w;
	struct addr addrs[CONSENT_ADDRS_MAX];
	struct consent_what what = { .addrs = addrs, .by = BY_OPERATOR, .why = cmd };
	struct mmx_view view;
	struct op *op = begin(a, req, args, &at_once.line, &view);
	unsigned asked;

	if (!op)
		return;
	at_once.op = op->id;
	what.n_addrs = leaving(&at_once, &view, addrs);
	what.line = at_once.line;
	what.conn = peer_find(a, at_once.line)->conn;
	mmx_view_clear(&view);
	w = what.n_addrs ? malloc(sizeof(*w)) : NULL;
	if (!w) {
		ask_now(a, &at_once);
		return;
	}
	*w = at_once;
	json_incref(w->args);
	control_op_limit(a, op, args);
	asked = consent_ask(a, &what, on_consent, w);
	if (asked)
		control_consent_awaited(req, what.conn, asked);
}

#define COMMAND(name, word)                                                                        \
	void control_mmx_##name(struct agent *a, struct ctl_req *req, const json_t *args)          \
	{                                                                                          \
		ask(a, req, word, args);                                                           \
	}
COMMAND(add, "mmx-add")
COMMAND(remove, "mmx-remove")
COMMAND(update, "mmx-update")
COMMAND(check, "mmx-check")
COMMAND(alternates, "mmx-alternates")
COMMAND(failover, "mmx-failover")
COMMAND(add_interface, "mmx-add-interface")
COMMAND(delete_interface, "mmx-delete-interface")

void control_mmx_probe(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const struct peer *p;
	char why[CTL_MMX_WHY_MAX];
	struct mmx_view view;
	uint64_t line;
	struct op *op = begin(a, req, args, &line, &view);
	uint32_t path = 0;
	bool keep = json_is_true(json_object_get(args, "keep"));
	int err;

	if (!op)
		return;
	p = peer_find(a, line);
	err = ctl_mmx_path(args, &view.v, p && p->role_i, &path, why);
	mmx_view_clear(&view);
	if (err) {
		control_op_end(op, err == -ENOENT ? CTL_NOT_FOUND : CTL_USAGE, why);
		return;
	}
	started(a, op, ike_mmx_probe(a->ike, line, path, keep, op->id, agent_now()), args);
}

/* ---- their ends ---- */

static json_t *result_json(const struct ike_mmx_result *r)
{
	char code[32], status[32];

	return json_pack("{s:s, s:s, s:o, s:s?, s:i, s:o, s:b, s:b, s:o}", "action",
			 ctl_mmx_code_word(r->code, code), "status",
			 ctl_mmx_status_word(r->status, status), "detail",
			 r->detail ? json_integer(r->detail) : json_null(), "why",
			 ctl_mmx_refusal_text(r->status, r->detail), "affected", (int)r->affected,
			 "valid_sec", r->valid_sec ? json_integer(r->valid_sec) : json_null(),
			 "pending", (r->flags & MMX_RESULT_RR_PENDING) != 0, "renegotiate",
			 (r->flags & MMX_RESULT_RENEGOTIATE) != 0, "limit",
			 r->limit_which ? json_integer(r->limit) : json_null());
}

static enum ctl_code answered(struct ctl_req *req, const struct ike_mmx_answer *answer,
			      char why[CTL_MMX_WHY_MAX])
{
	const struct ike_mmx_result *r = &answer->r[0];
	const char *detail = ctl_mmx_refusal_text(r->status, r->detail);
	char code[32], status[32];

	if (!answer->n) {
		snprintf(why, CTL_MMX_WHY_MAX, "the peer said nothing to it");
		return CTL_FAILED;
	}
	ctl_reply_data(req, result_json(r));
	snprintf(why, CTL_MMX_WHY_MAX, "%s: %s%s%s", ctl_mmx_code_word(r->code, code),
		 ctl_mmx_status_word(r->status, status), detail ? ": " : "", detail ? detail : "");
	return r->status == MMX_OK || r->status == MMX_PARTIAL ? CTL_OK : CTL_PEER_REFUSED;
}

static enum ctl_code probed(struct ctl_req *req, const struct ike_mmx_probed *p,
			    char why[CTL_MMX_WHY_MAX])
{
	char seen[ADDR_PORT_STR], path[16];

	snprintf(path, sizeof(path), "%u-%u", p->path >> 16, p->path & 0xffff);
	snprintf(why, CTL_MMX_WHY_MAX,
		 p->stranger ? "on path %s somebody answers who says that he does not know this "
			       "IKE SA; nobody proves that"
			     : "nobody answers on path %s",
		 path);
	if (!p->rtt) {
		ctl_reply_data(req, json_pack("{s:s, s:b}", "path", path, "stranger", p->stranger));
		return CTL_NO_ANSWER;
	}
	ctl_reply_data(req, json_pack("{s:s, s:I, s:b, s:s?}", "path", path, "rtt_usec",
				      (json_int_t)p->rtt, "nat", p->nat, "seen",
				      p->seen.ip.family ? udp_addr_format(&p->seen, seen) : NULL));
	return CTL_OK;
}

enum ctl_code control_mmx_ended(struct ctl_req *req, const struct ike_output *o,
				char why[CTL_MMX_WHY_MAX])
{
	return o->event == IKE_EV_MMX_PROBED ? probed(req, o->probed, why)
					     : answered(req, o->mmx, why);
}
