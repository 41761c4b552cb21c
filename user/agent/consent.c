/* SPDX-License-Identifier: GPL-2.0-only */
/* A question has a token for each program that is asked, so that an answer names both. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "consent.h"
#include "control_impl.h"

struct program {
	struct ctl_req *req;	 /* NULL: a free place */
	char conn[IKE_NAME_MAX]; /* of this connection only; "": of all */
};

struct question {
	struct list node;
	struct agent *a;
	struct event *timer;
	usec_t asked;
	bool late;
	consent_done_fn *done;
	void *ctx;
	char text[256];
	struct {
		uint32_t token; /* 0: not asked, or it has said yes */
		usec_t until;
	} of[CONSENT_PROGRAMS_MAX];
};

struct consent {
	struct program programs[CONSENT_PROGRAMS_MAX];
	struct list questions;
	size_t n_questions;
	uint32_t next_token;
};

/* ---- questions ---- */

static void question_end(struct question *q, enum consent_end end)
{
	struct agent *a = q->a;
	consent_done_fn *done = q->done;
	void *ctx = q->ctx;

	list_remove(&q->node);
	a->consent->n_questions--;
	event_free(q->timer);
	free(q);
	done(a, ctx, end);
}

/* Nobody is waited for any more: go on. Else to the next moment somebody is given up at. */
static void question_step(struct question *q)
{
	usec_t now = agent_now(), next = USEC_NEVER;

	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		if (q->of[i].token && q->of[i].until <= now) {
			log_info("%s: a program that was asked has not said yes in time; going on",
				 q->text);
			q->of[i].token = 0;
			q->late = true;
		}
		if (q->of[i].token && q->of[i].until < next)
			next = q->of[i].until;
	}
	if (next == USEC_NEVER)
		question_end(q, q->late ? CONSENT_LATE : CONSENT_GIVEN);
	else
		agent_timer(q->timer, next - now);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct question *q = ctx;
	struct agent *a = q->a;

	(void)fd;
	(void)what;
	question_step(q);
	agent_drain(a);
}

/* A program has gone: it is not waited for. */
static void program_leave(struct agent *a, struct program *p)
{
	const size_t i = (size_t)(p - a->consent->programs);

	p->req = NULL;
	/* Going on with one may end others. */
	for (bool again = true; again;) {
		again = false;
		list_for_each (it, &a->consent->questions) {
			struct question *q = list_entry(it, struct question, node);

			if (!q->of[i].token)
				continue;
			q->of[i].token = 0;
			q->late = true;
			again = true;
			question_step(q);
			break;
		}
	}
}

/* ---- what programs are told ---- */

static json_t *addr_list(const struct consent_what *what)
{
	size_t n = what->n_addrs < CONSENT_ADDRS_MAX ? what->n_addrs : CONSENT_ADDRS_MAX;

	return report_addrs(what->addrs, n);
}

static void describe(const struct consent_what *what, const char *verb, char *buf, size_t len)
{
	char addr[ADDR_STR];
	size_t used = (size_t)snprintf(buf, len, "%s: ", what->conn);

	for (size_t i = 0; i < what->n_addrs && i < CONSENT_ADDRS_MAX && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s", i ? ", " : "",
					 addr_format(&what->addrs[i], addr));
	if (used < len)
		snprintf(buf + used, len - used, " %s: %s (%s)", verb, what->why,
			 decided_by_name(what->by));
}

static json_t *event_of(struct agent *a, const struct consent_what *what, enum ctl_event kind,
			const char *text)
{
	json_t *o = control_event_new(a, kind, what->conn, NULL, NULL, what->uplink, NULL,
				      what->why, text);

	if (!o)
		return NULL;
	json_object_set_new(o, "addresses", addr_list(what));
	json_object_set_new(o, "by", json_string(decided_by_name(what->by)));
	if (what->line)
		json_object_set_new(o, "line", json_integer((json_int_t)what->line));
	return o;
}

static bool is_for(const struct program *p, const char *conn)
{
	return p->req && (!p->conn[0] || !strcmp(p->conn, conn));
}

void consent_gone(struct agent *a, const struct consent_what *what)
{
	char text[256];

	if (!a->consent)
		return;
	describe(what, "gone", text, sizeof(text));
	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		const struct program *p = &a->consent->programs[i];

		if (is_for(p, what->conn))
			ctl_reply_event(p->req, event_of(a, what, CTL_EV_ADDRESS_GONE, text));
	}
}

static struct consent_what of_path(const struct agent *a, const struct path *p, enum decided_by by,
				   const char *why)
{
	return (struct consent_what){
		.conn = p->peer->conn,
		.line = p->peer->line,
		.addrs = &p->local.ip,
		.n_addrs = 1,
		.uplink = p->uplink >= 0 ? a->uplinks[p->uplink].name : NULL,
		.by = by,
		.why = why,
	};
}

void consent_path_gone(struct agent *a, const struct path *p, const char *why)
{
	const struct consent_what what = of_path(a, p, BY_NETLINK, why);

	/* once for an address that several paths have */
	list_for_each (it, &p->peer->paths) {
		const struct path *o = list_entry(it, struct path, node);

		if (o == p)
			break;
		if (addr_equal(&o->local.ip, &p->local.ip))
			return;
	}
	consent_gone(a, &what);
}

static struct question *question_new(struct agent *a, consent_done_fn *done, void *ctx)
{
	struct question *q;

	if (a->consent->n_questions == CONSENT_ASKS_MAX)
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->timer = evtimer_new(a->base, on_timer, q);
	if (!q->timer) {
		free(q);
		return NULL;
	}
	q->a = a;
	q->asked = agent_now();
	q->done = done;
	q->ctx = ctx;
	list_append(&a->consent->questions, &q->node);
	a->consent->n_questions++;
	return q;
}

unsigned consent_ask(struct agent *a, const struct consent_what *what, consent_done_fn *done,
		     void *ctx)
{
	struct consent *c = a->consent;
	bool wait = a->conf->consent_wait_usec > 0;
	struct question *q = NULL;
	char text[256];
	unsigned n = 0;

	describe(what, "about to leave", text, sizeof(text));
	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		struct program *p = &c->programs[i];
		json_t *o;

		if (!is_for(p, what->conn))
			continue;
		if (!q && wait)
			q = question_new(a, done, ctx);
		if (!q && wait) {
			log_warning("%s: nobody is asked: %zu questions are open, or there is no "
				    "memory",
				    text, c->n_questions);
			wait = false;
		}
		o = event_of(a, what, CTL_EV_ADDRESS_LEAVING, text);
		if (q && o) {
			q->of[i].token = ++c->next_token ? c->next_token : ++c->next_token;
			q->of[i].until = q->asked + a->conf->consent_wait_usec;
			json_object_set_new(o, "token", json_integer(q->of[i].token));
			json_object_set_new(o, "wait_usec",
					    json_integer(a->conf->consent_wait_usec));
			n++;
		}
		ctl_reply_event(p->req, o);
	}
	if (!q) {
		done(a, ctx, CONSENT_GIVEN);
		return 0;
	}
	memcpy(q->text, text, sizeof(text));
	/* Not here, whatever has happened to them meanwhile: the caller still builds on it. */
	agent_timer(q->timer, n ? a->conf->consent_wait_usec : 0);
	return n;
}

/* ---- paths ---- */

struct going {
	uint64_t line;
	struct addr local;
};

static void on_path_consent(struct agent *a, void *ctx, enum consent_end end)
{
	struct going *g = ctx;
	struct peer *peer = end == CONSENT_CANCELLED ? NULL : peer_find(a, g->line);

	if (peer) {
		list_for_each (it, &peer->paths) {
			struct path *p = list_entry(it, struct path, node);

			if (p->leaving == PATH_ASKED_ABOUT && addr_equal(&p->local.ip, &g->local))
				p->leaving = PATH_MAY_GO;
		}
		paths_soon(a);
	}
	free(g);
}

bool consent_path_may_go(struct agent *a, struct path *p, const char *why)
{
	const struct consent_what what = of_path(a, p, BY_AGENT, why);
	struct going *g;

	if (p->leaving != PATH_STAYS)
		return p->leaving == PATH_MAY_GO;
	g = malloc(sizeof(*g));
	if (!g)
		return true;
	*g = (struct going){ p->peer->line, p->local.ip };
	list_for_each (it, &p->peer->paths) {
		struct path *o = list_entry(it, struct path, node);

		if (addr_equal(&o->local.ip, &g->local))
			o->leaving = PATH_ASKED_ABOUT;
	}
	consent_ask(a, &what, on_path_consent, g);
	return p->leaving == PATH_MAY_GO;
}

/* ---- commands ---- */

void control_consent_awaited(struct ctl_req *req, const char *conn, unsigned asked)
{
	ctl_reply_progress(req, "%s: %u program%s asked first", conn, asked,
			   asked > 1 ? "s are" : " is");
}

static void on_gone(void *ctx, struct ctl_req *req)
{
	struct agent *a = ctx;

	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		if (a->consent->programs[i].req != req)
			continue;
		program_leave(a, &a->consent->programs[i]);
		break;
	}
	ctl_reply_done(req, CTL_OK, NULL);
	agent_drain(a);
}

void control_consent(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *conn = control_arg(args, "conn");

	if (conn && !agent_conn(a, conn)) {
		ctl_reply_done(req, CTL_NOT_FOUND, "no connection \"%.64s\" in %s", conn,
			       a->opt.conf_file);
		return;
	}
	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		struct program *p = &a->consent->programs[i];

		if (p->req)
			continue;
		p->req = req;
		snprintf(p->conn, sizeof(p->conn), "%s", conn ? conn : "");
		ctl_req_on_gone(req, on_gone, a);
		ctl_reply_data(req,
			       json_pack("{s:I, s:I}", "wait_usec",
					 (json_int_t)a->conf->consent_wait_usec, "wait_max_usec",
					 (json_int_t)a->conf->consent_wait_max_usec));
		return;
	}
	ctl_reply_done(req, CTL_REFUSED, "%d programs are asked already", CONSENT_PROGRAMS_MAX);
}

static struct question *question_find(struct agent *a, json_int_t token, size_t *ret_program)
{
	list_for_each (it, &a->consent->questions) {
		struct question *q = list_entry(it, struct question, node);

		for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
			if (!token || q->of[i].token != token)
				continue;
			*ret_program = i;
			return q;
		}
	}
	return NULL;
}

void control_consent_answer(struct agent *a, struct ctl_req *req, const json_t *args)
{
	json_int_t token = json_integer_value(json_object_get(args, "token"));
	json_int_t more = json_integer_value(json_object_get(args, "wait_usec"));
	const char *answer = control_arg(args, "answer");
	bool yes = answer && !strcmp(answer, "yes");
	usec_t now = agent_now(), most;
	struct question *q;
	size_t i = 0;

	if (!yes && (!answer || strcmp(answer, "wait"))) {
		ctl_reply_done(req, CTL_USAGE, "\"answer\" is \"yes\" or \"wait\"");
		return;
	}
	q = question_find(a, token, &i);
	if (!q) {
		ctl_reply_done(req, CTL_NOT_FOUND,
			       "nothing is asked with token %lld: it was answered, or waited for "
			       "long enough",
			       (long long)token);
		return;
	}
	if (yes) {
		q->of[i].token = 0;
		ctl_reply_done(req, CTL_OK, NULL);
	} else {
		most = q->asked + a->conf->consent_wait_max_usec;
		q->of[i].until = more > 0 && (usec_t)more < most - now ? now + (usec_t)more : most;
		ctl_reply_data(
			req,
			json_pack("{s:I}", "wait_usec",
				  (json_int_t)(q->of[i].until > now ? q->of[i].until - now : 0)));
		ctl_reply_done(req, CTL_OK, NULL);
	}
	question_step(q);
	agent_drain(a);
}

/* ---- life ---- */

int consent_open(struct agent *a)
{
	a->consent = calloc(1, sizeof(*a->consent));
	if (!a->consent)
		return -ENOMEM;
	list_init(&a->consent->questions);
	return 0;
}

void consent_close(struct agent *a)
{
	struct consent *c = a->consent;

	if (!c)
		return;
	while (!list_empty(&c->questions))
		/* Each leaves the list before it is freed, which the analyser does not see. */
		question_end(/* NOLINT(clang-analyzer-unix.Malloc) */
			     list_entry(c->questions.next, struct question, node),
			     CONSENT_CANCELLED);
	for (size_t i = 0; i < CONSENT_PROGRAMS_MAX; i++) {
		if (!c->programs[i].req)
			continue;
		ctl_req_on_gone(c->programs[i].req, NULL, NULL);
		ctl_reply_done(c->programs[i].req, CTL_OK, NULL);
	}
	free(c);
	a->consent = NULL;
}
