/* SPDX-License-Identifier: GPL-2.0-only */
/* Events, and questions whether an address may leave. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "impl.h"

enum { ADDRS_MAX = 64 };

struct braid_watch {
	struct ctl_client *client;
	char *path; /* answers go over a connection of their own */
	braid_event_fn *event_fn;
	braid_consent_fn *consent_fn;
	void *ctx;
};

/* The first line of an answer tells whether there will be others: wait for it. */
static int first_reply(struct ctl_client *c)
{
	json_t *reply;
	int r = ctl_recv(c, ANSWER_MSEC, &reply);

	if (r <= 0)
		return r == 0		 ? BRAID_ERR_CLOSED
		       : r == -ETIMEDOUT ? BRAID_ERR_TIMEOUT
		       : r == -EBADMSG	 ? BRAID_ERR_PROTOCOL
					 : r;
	r = lib_end_error(reply, NULL);
	json_decref(reply);
	return r;
}

static int watch_new(const char *path, const char *cmd, json_t *args, void *ctx,
		     struct braid_watch **ret_w)
{
	struct braid_watch *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (!w)
		goto out;
	w->path = strdup(path ? path : BRAID_SOCKET_DEFAULT);
	w->ctx = ctx;
	if (!w->path)
		goto out;
	r = lib_connect(w->path, &w->client);
	if (r == 0)
		r = ctl_send(w->client, cmd, args);
	if (r == 0)
		r = first_reply(w->client);
out:
	json_decref(args);
	if (r < 0)
		braid_watch_close(w);
	else
		*ret_w = w;
	return r;
}

int braid_watch_open(const char *path, braid_event_fn *fn, void *ctx, struct braid_watch **ret_w)
{
	int r = watch_new(path, "events", NULL, ctx, ret_w);

	if (r == 0)
		(*ret_w)->event_fn = fn;
	return r;
}

int braid_consent_open(const char *path, const char *conn, braid_consent_fn *fn, void *ctx,
		       struct braid_watch **ret_w)
{
	int r = watch_new(path, "consent", lib_of_conn(conn), ctx, ret_w);

	if (r == 0)
		(*ret_w)->consent_fn = fn;
	return r;
}

void braid_watch_close(struct braid_watch *w)
{
	if (!w)
		return;
	ctl_client_free(w->client);
	free(w->path);
	free(w);
}

int braid_watch_fd(const struct braid_watch *w)
{
	return ctl_client_fd(w->client);
}

/* ---- answers ---- */

static int answer(struct braid_watch *w, uint64_t token, const char *word)
{
	struct braid *b;
	int r = braid_connect(w->path, &b);

	if (r < 0)
		return r;
	r = lib_run(b, "consent-answer",
		    json_pack("{s:I, s:s}", "token", (json_int_t)token, "answer", word),
		    ANSWER_MSEC, NULL);
	braid_close(b);
	return r;
}

int braid_consent_yes(struct braid_watch *w, uint64_t token)
{
	return answer(w, token, "yes");
}

/* ---- what has come ---- */

static void tell(struct braid_watch *w, const json_t *o)
{
	char *json = json_dumps(o, JSON_COMPACT);
	const struct braid_event ev = {
		.kind = get_str(o, "kind"),
		.text = get_str(o, "text"),
		.conn = get_str(o, "conn"),
		.child = get_str(o, "child"),
		.path = get_str(o, "path"),
		.uplink = get_str(o, "uplink"),
		.state = get_str(o, "state"),
		.why = get_str(o, "why"),
		.time_usec = get_num(o, "time_usec"),
		.json = json ? json : "",
	};

	w->event_fn(w->ctx, &ev);
	free(json);
}

static void ask(struct braid_watch *w, const json_t *o)
{
	const json_t *list = json_object_get(o, "addresses");
	bool gone = !strcmp(get_str(o, "kind"), "address-gone");
	const char *addrs[ADDRS_MAX];
	struct braid_leaving what = {
		.gone = gone,
		.token = get_num(o, "token"),
		.conn = get_str(o, "conn"),
		.line = get_num(o, "line"),
		.addresses = addrs,
		.uplink = get_str(o, "uplink"),
		.by = get_str(o, "by"),
		.why = get_str(o, "why"),
		.wait_usec = get_num(o, "wait_usec"),
		.text = get_str(o, "text"),
	};
	enum braid_answer said;

	if (!gone && strcmp(get_str(o, "kind"), "address-leaving"))
		return;
	for (size_t i = 0; i < json_array_size(list) && i < ADDRS_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text)
			addrs[what.n_addresses++] = text;
	}
	said = w->consent_fn(w->ctx, &what);
	/* An agent that has not waited any longer does not mind. */
	if (what.token)
		answer(w, what.token, said == BRAID_WAIT ? "wait" : "yes");
}

int braid_watch_dispatch(struct braid_watch *w, int timeout_msec)
{
	json_t *reply;
	int n = 0, r;

	while ((r = ctl_recv(w->client, n ? 0 : timeout_msec, &reply)) > 0) {
		const json_t *event = json_object_get(reply, "event");
		bool done = json_is_true(json_object_get(reply, "done"));

		if (event && w->event_fn)
			tell(w, event);
		else if (event)
			ask(w, event);
		n += event != NULL;
		json_decref(reply);
		if (done)
			return BRAID_ERR_CLOSED;
	}
	if (r == -ETIMEDOUT)
		return n;
	return r == 0 ? BRAID_ERR_CLOSED : r == -EBADMSG ? BRAID_ERR_PROTOCOL : r;
}
