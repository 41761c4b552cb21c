/* SPDX-License-Identifier: GPL-2.0-only */
/* The control socket: what a client sends, cut into reads at every octet 0xff. The handler answers
 * like the agent's, at once, later, with a stream or not before the client has left. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "base/log.h"
#include "ctl/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct ctl_server *server;
static struct ctl_req *waiting;
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

static void drain(int fd)
{
	char buf[4096];

	event_base_loop(base, EVLOOP_NONBLOCK);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_counters c;
	int fd[2];

	if (!base)
		prepare();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0 ||
	    ctl_server_adopt(server, fd[0]))
		abort();
	while (size) {
		const uint8_t *cut = memchr(data, 0xff, size);
		size_t n = cut ? (size_t)(cut - data) : size;

		/* a client that was refused may be cut off already */
		if (n && send(fd[1], data, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		drain(fd[1]);
		if (cut)
			ctl_publish(server, json_pack("{s:s}", "kind", "fuzz"));
		data += cut ? n + 1 : n;
		size -= cut ? n + 1 : n;
	}
	shutdown(fd[1], SHUT_WR);
	drain(fd[1]);
	close(fd[1]);
	/* what it cannot know before it has been told twice */
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	ctl_server_counters(server, &c);
	if (c.clients || waiting)
		abort();
	return 0;
}
