/* SPDX-License-Identifier: GPL-2.0-only */
/* The control socket: what a client sends, cut into reads at every octet 0xff. The handler answers
 * like the agent's, at once, later, with a stream or not before the client has left. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>

#include "base/log.h"
#include "ctl/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS_MAX = 12, SUBSCRIBERS_MAX = 3 };

static struct event_base *base;
static struct ctl_server *server;
static struct ctl_req *waiting;
static int subscribers;
static char path[] = "/dev/shm/braid-fuzz.XXXXXX/ctl";

static void gone(void *ctx, struct ctl_req *req)
{
	(void)ctx;
	waiting = NULL;
	ctl_reply_done(req, CTL_FAILED, "the client left");
}

static void handle(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "name"));

	(void)ctx;
	switch (cmd[0]) {
	case 'e':
		if (subscribers++ >= SUBSCRIBERS_MAX)
			break;
		ctl_req_subscribe(req);
		return;
	case 'w':
		if (waiting)
			break;
		waiting = req;
		ctl_req_on_gone(req, gone, NULL);
		return;
	case 'p':
		ctl_reply_progress(req, "%s", name ? name : cmd);
		break;
	case 'd':
		ctl_reply_data(req, json_deep_copy(args));
		break;
	}
	ctl_reply_done(req, name ? CTL_OK : CTL_NOT_FOUND, name ? NULL : "no such thing: %s", cmd);
}

static void prepare(void)
{
	char *slash = strrchr(path, '/');

	log_set_level(LOG_ERR_);
	*slash = '\0';
	if (!mkdtemp(path))
		abort();
	*slash = '/';
	base = event_base_new();
	if (!base || ctl_server_new(base, path, handle, NULL, &server))
		abort();
	/* nobody connects by name */
	unlink(path);
	*slash = '\0';
	rmdir(path);
}

/* Without a kernel between: a pair of bufferevents instead of one of sockets. */
struct bufferevent *__wrap_bufferevent_socket_new(struct event_base *b, evutil_socket_t fd,
						  int options);
int __wrap_evutil_make_socket_nonblocking(evutil_socket_t fd);
int __wrap_evutil_make_socket_closeonexec(evutil_socket_t fd);

static struct bufferevent *client;

struct bufferevent *__wrap_bufferevent_socket_new(struct event_base *b, evutil_socket_t fd,
						  int options)
{
	struct bufferevent *pair[2];

	(void)fd;
	if (bufferevent_pair_new(b, options & ~BEV_OPT_CLOSE_ON_FREE, pair))
		abort();
	client = pair[1];
	return pair[0];
}

int __wrap_evutil_make_socket_nonblocking(evutil_socket_t fd)
{
	(void)fd;
	return 0;
}

int __wrap_evutil_make_socket_closeonexec(evutil_socket_t fd)
{
	(void)fd;
	return 0;
}

static void take(struct bufferevent *bev, void *ctx)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)ctx;
	evbuffer_drain(in, evbuffer_get_length(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_counters c;

	if (!base)
		prepare();
	subscribers = 0;
	if (ctl_server_adopt(server, -1))
		abort();
	bufferevent_setcb(client, take, NULL, NULL, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	for (int i = 0; i < CUTS_MAX && size; i++) {
		const uint8_t *cut = memchr(data, 0xff, size);
		size_t n = cut ? (size_t)(cut - data) : size;

		if (n && bufferevent_write(client, data, n))
			abort();
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (cut)
			ctl_publish(server, json_pack("{s:s}", "kind", "fuzz"));
		data += cut ? n + 1 : n;
		size -= cut ? n + 1 : n;
	}
	bufferevent_flush(client, EV_WRITE, BEV_FINISHED);
	event_base_loop(base, EVLOOP_NONBLOCK);
	bufferevent_free(client);
	/* what it cannot know before it has been told twice */
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	ctl_server_counters(server, &c);
	if (c.clients || waiting)
		abort();
	return 0;
}
