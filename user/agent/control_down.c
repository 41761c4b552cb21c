/* SPDX-License-Identifier: GPL-2.0-only */
/* braid down: addresses leave a relation by the operator's word, so those programs are asked first
 * that want to be ready for it. */
#include <stdlib.h>
#include <string.h>

#include "consent.h"
#include "control_impl.h"

/* What waits for them. */
struct down {
	uint32_t op;
	uint64_t line; /* 0: the connection */
	json_t *args;
};

/* Are there others of that connection? */
static bool other_lines(const struct agent *a, const char *name, uint64_t line)
{
	const struct ike_sa *sa = ike_sa_first(a->ike);
	struct ike_sa_info i;

	for (; sa; sa = ike_sa_next(a->ike, sa)) {
		ike_sa_look(sa, &i);
		if (i.line != line && !strcmp(i.conn, name) && !strcmp(i.state, "ESTABLISHED"))
			return true;
	}
	return false;
}

/* op 0: nobody waits for its end any more; the word was given all the same. */
static void down(struct agent *a, const struct down *d)
{
	const char *name = control_arg(d->args, "name"), *child = control_arg(d->args, "child");
	struct op *op = control_op_find(a, d->op);
	uint32_t id = op ? op->id : 0;
	int err;

	if (d->line && other_lines(a, name, d->line)) {
		err = child ? ike_down_child(a->ike, d->line, child, id, agent_now())
			    : family_close_line(a, d->line, id);
	} else {
		conns_down(a, name, child);
		if (op)
			ctl_reply_progress(op->req, "%s%s%s: down until it is brought up again",
					   name, child ? "/" : "", child ? child : "");
		err = ike_down(a->ike, name, child, id, agent_now());
	}
	if (op)
		control_op_started(a, op, err, name, child, d->args);
}

static void on_consent(struct agent *a, void *ctx, enum consent_end end)
{
	struct down *d = ctx;

	const char *name = control_arg(d->args, "name");
	struct op *op = control_op_find(a, d->op);

	if (end != CONSENT_CANCELLED && agent_conn(a, name))
		down(a, d);
	else if (end != CONSENT_CANCELLED && op) /* a reload took it meanwhile */
		control_op_end(op, CTL_NOT_FOUND, "it is not in the configuration any more");
	json_decref(d->args);
	free(d);
}

/* Each address of ours that the relation uses, once. */
static size_t addrs_of(struct agent *a, const char *conn, uint64_t line,
		       struct addr ret[CONSENT_ADDRS_MAX])
{
	size_t n = 0;

	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		if (strcmp(p->conn, conn) || (line && p->line != line))
			continue;
		list_for_each (pi, &p->paths) {
			const struct addr *ip = &list_entry(pi, struct path, node)->local.ip;
			size_t k = 0;

			while (k < n && !addr_equal(&ret[k], ip))
				k++;
			if (k == n && n < CONSENT_ADDRS_MAX)
				ret[n++] = *ip;
		}
	}
	return n;
}

void control_down(struct agent *a, struct ctl_req *req, const json_t *args)
{
	struct addr addrs[CONSENT_ADDRS_MAX];
	struct down *d, at_once = { .args = (json_t *)args };
	struct consent_what what = { .addrs = addrs, .by = BY_OPERATOR, .why = "down" };
	struct op *op = control_op_begin(a, req, args, &at_once.line);
	unsigned asked;

	if (!op)
		return;
	at_once.op = op->id;
	what.conn = control_arg(args, "name");
	what.line = at_once.line;
	/* With a Child SA alone no address goes. */
	if (!control_arg(args, "child"))
		what.n_addrs = addrs_of(a, what.conn, what.line, addrs);
	d = what.n_addrs ? malloc(sizeof(*d)) : NULL;
	if (!d) {
		down(a, &at_once);
		return;
	}
	*d = at_once;
	json_incref(d->args);
	control_op_limit(a, op, args);
	asked = consent_ask(a, &what, on_consent, d);
	if (asked)
		control_consent_awaited(req, what.conn, asked);
}
