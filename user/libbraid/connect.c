/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections, requests, and what may go wrong with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impl.h"

/* Words of the control protocol. */
static const struct {
	const char *word;
	int error;
} codes[] = {
	{ "failed", BRAID_ERR_FAILED },
	{ "not-found", BRAID_ERR_NOT_FOUND },
	{ "usage", BRAID_ERR_USAGE },
	{ "refused", BRAID_ERR_REFUSED },
	{ "timeout", BRAID_ERR_TIMEOUT },
	{ "no-answer", BRAID_ERR_NO_ANSWER },
	{ "auth-failed", BRAID_ERR_AUTH_FAILED },
	{ "peer-refused", BRAID_ERR_PEER_REFUSED },
	{ "denied", BRAID_ERR_DENIED },
};

const char *braid_strerror(int error)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (codes[i].error == error)
			return codes[i].word;
	switch (error) {
	case BRAID_OK:
		return "done";
	case BRAID_ERR_UNSUPPORTED:
		return "unknown to this agent";
	case BRAID_ERR_NO_AGENT:
		return "no agent answers";
	case BRAID_ERR_CLOSED:
		return "the agent closed the connection";
	case BRAID_ERR_PROTOCOL:
		return "another version of the control protocol, or none";
	default:
		return error < 0 && error > -4096 ? strerror(-error) : "unknown error";
	}
}

int lib_connect(const char *path, struct ctl_client **ret_client)
{
	int r = ctl_connect(path ? path : BRAID_SOCKET_DEFAULT, ret_client);

	return r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR ? BRAID_ERR_NO_AGENT : r;
}

int braid_connect(const char *path, struct braid **ret_b)
{
	struct braid *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->timeout_msec = OPERATION_MSEC;
	r = lib_connect(path, &b->client);
	if (r < 0) {
		free(b);
		return r;
	}
	*ret_b = b;
	return 0;
}

void braid_close(struct braid *b)
{
	if (!b)
		return;
	ctl_client_free(b->client);
	free(b);
}

const char *braid_error(const struct braid *b)
{
	return b->error;
}

void braid_set_timeout(struct braid *b, unsigned msec)
{
	b->timeout_msec = msec;
}

void braid_set_progress(struct braid *b, braid_progress_fn *fn, void *ctx)
{
	b->progress = fn;
	b->progress_ctx = ctx;
}

int lib_end_error(const json_t *reply, char text[ERROR_TEXT_MAX])
{
	const json_t *error = json_object_get(reply, "error");
	const char *code = get_str(error, "code"), *said = get_str(error, "text");
	int r = BRAID_ERR_FAILED;

	if (text)
		text[0] = '\0';
	if (!error || json_is_null(error))
		return 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (!strcmp(codes[i].word, code))
			r = codes[i].error;
	if (r == BRAID_ERR_USAGE && !strncmp(said, "unknown command", 15)) {
		r = BRAID_ERR_UNSUPPORTED;
		if (text)
			snprintf(text, ERROR_TEXT_MAX,
				 "this agent is older than the library, or does not do that: %s",
				 said);
	} else if (text) {
		snprintf(text, ERROR_TEXT_MAX, "%s", *said ? said : "failed, without a reason");
	}
	return r;
}

/* Nothing came: what ctl_recv or ctl_send returned. */
static int no_reply(struct braid *b, int r)
{
	if (r == 0)
		r = BRAID_ERR_CLOSED;
	else if (r == -ETIMEDOUT)
		r = BRAID_ERR_TIMEOUT;
	else if (r == -EBADMSG)
		r = BRAID_ERR_PROTOCOL;
	snprintf(b->error, sizeof(b->error), "%s",
		 r == BRAID_ERR_TIMEOUT ? "the agent does not answer" : braid_strerror(r));
	return r;
}

int lib_run(struct braid *b, const char *command, json_t *args, unsigned timeout_msec,
	    json_t **ret_data)
{
	json_t *data = NULL, *reply = NULL;
	int r = ctl_send(b->client, command, args);

	json_decref(args);
	b->error[0] = '\0';
	if (r < 0)
		return no_reply(b, r);
	for (bool done = false; !done; json_decref(reply)) {
		json_t *piece, *event;

		r = ctl_recv(b->client, (int)timeout_msec, &reply);
		if (r <= 0) {
			json_decref(data);
			return no_reply(b, r);
		}
		piece = json_object_get(reply, "data");
		event = json_object_get(reply, "event");
		if (event && b->progress)
			b->progress(b->progress_ctx, get_str(event, "text"));
		if (piece)
			data = ctl_join(data, json_incref(piece));
		done = json_is_true(json_object_get(reply, "done"));
		if (done)
			r = lib_end_error(reply, b->error);
	}
	if (ret_data)
		*ret_data = data;
	else
		json_decref(data);
	return r;
}

int lib_operate(struct braid *b, const char *command, json_t *args, json_t **ret_data)
{
	json_t *with_time = args ? args : json_object();

	if (json_object_set_new(with_time, "timeout_usec",
				json_integer((json_int_t)b->timeout_msec * 1000))) {
		json_decref(with_time);
		return -ENOMEM;
	}
	return lib_run(b, command, with_time, b->timeout_msec + ANSWER_MSEC, ret_data);
}

json_t *lib_of_conn(const char *conn)
{
	json_t *o = conn ? json_pack("{s:s}", "conn", conn) : NULL;

	return conn && !o ? json_pack("{s:s}", "conn", "") : o;
}

int lib_bad_argument(struct braid *b)
{
	snprintf(b->error, sizeof(b->error), "an argument is missing, or is no UTF-8");
	return -EINVAL;
}

int braid_request(struct braid *b, const char *command, const char *args_json, char **ret_json)
{
	json_t *args = args_json ? json_loads(args_json, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *data = NULL;
	int r;

	if (args_json && !json_is_object(args)) {
		json_decref(args);
		snprintf(b->error, sizeof(b->error), "the arguments are no JSON object");
		return -EINVAL;
	}
	r = lib_run(b, command, args, b->timeout_msec + ANSWER_MSEC, &data);
	if (r == 0 && ret_json) {
		*ret_json = data ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
		if (!*ret_json)
			r = -ENOMEM;
	}
	json_decref(data);
	return r;
}
