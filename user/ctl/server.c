/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket: who may connect, how many, lines in. Replies are in reply.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "base/log.h"
#include "ctl/server.h"
#include "server_impl.h"

static usec_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

void ctl_client_settle(struct ctl_client_conn *c)
{
	if (!c->dead || c->busy)
		return;
	list_remove(&c->node);
	bufferevent_free(c->bev);
	free((void *)c->who.groups);
	free(c);
}

void ctl_client_drop(struct ctl_client_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	c->server->counters.clients--;
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	/* Every request loses its client first, so that a gone callback which ends others of the
	 * same client finds them in order. */
	list_for_each (it, &c->reqs)
		list_entry(it, struct ctl_req, node)->client = NULL;
	while (!list_empty(&c->reqs)) {
		struct ctl_req *req = list_entry(c->reqs.next, struct ctl_req, node);
		ctl_gone_fn *gone = req->gone;

		list_remove(&req->node);
		req->gone = NULL;
		if (req->subscribed)
			ctl_req_free(req);
		else if (gone)
			gone(req->gone_ctx, req);
	}
	ctl_client_settle(c);
}

/* A line that is no request has no id to answer to. */
static void refuse_line(struct ctl_client_conn *c, const char *text)
{
	json_t *reply = json_pack("{s:i, s:n, s:b, s:{s:s, s:s}}", "v", CTL_VERSION, "id", "done",
				  1, "error", "code", ctl_code_word(CTL_USAGE), "text", text);

	ctl_client_write(c, reply);
}

static void on_line(struct ctl_client_conn *c, const char *line, size_t len)
{
	struct ctl_server *s = c->server;
	json_error_t err;
	json_t *args = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);
	const char *cmd = NULL;
	char text[256];
	int v = 0;
	json_int_t id = 0;
	struct ctl_req *req = NULL;

	if (!args) {
		snprintf(text, sizeof(text), "not a JSON object on one line: %.160s", err.text);
		refuse_line(c, text);
		return;
	}
	if (json_unpack_ex(args, &err, 0, "{s:i, s:I, s:s}", "v", &v, "id", &id, "cmd", &cmd) < 0) {
		snprintf(text, sizeof(text), "a request has \"v\", \"id\" and \"cmd\": %.160s",
			 err.text);
		refuse_line(c, text);
		goto out;
	}
	if (v != CTL_VERSION) {
		snprintf(text, sizeof(text), "protocol version %d is not spoken here, %d is", v,
			 CTL_VERSION);
		refuse_line(c, text);
		goto out;
	}
	if (c->n_reqs >= CTL_REQS_MAX) {
		snprintf(text, sizeof(text), "more than %d requests at once", CTL_REQS_MAX);
		refuse_line(c, text);
		goto out;
	}
	req = calloc(1, sizeof(*req));
	if (!req) {
		refuse_line(c, "out of memory");
		goto out;
	}
	req->client = c;
	req->id = id;
	list_append(&c->reqs, &req->node);
	c->n_reqs++;
	s->counters.requests++;
	s->handler(s->handler_ctx, req, cmd, args);
out:
	json_decref(args);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct ctl_client_conn *c = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);

	c->busy++;
	while (!c->dead && !c->closing) {
		size_t len;
		char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);

		if (!line) {
			if (evbuffer_get_length(in) < CTL_LINE_MAX)
				break;
			/* No newline in sight: what follows cannot be told apart any more. */
			char text[64];
			snprintf(text, sizeof(text), "line longer than %d octets", CTL_LINE_MAX);
			c->closing = true;
			bufferevent_disable(bev, EV_READ);
			refuse_line(c, text);
			break;
		}
		if (len && !(len == 1 && line[0] == '\r'))
			on_line(c, line, len);
		free(line);
	}
	c->busy--;
	ctl_client_settle(c);
}

/* Called when the output ran empty. */
static void on_written(struct bufferevent *bev, void *ctx)
{
	struct ctl_client_conn *c = ctx;

	(void)bev;
	if (c->closing)
		ctl_client_drop(c);
	else
		ctl_client_report_lost(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct ctl_client_conn *c = ctx;

	if (what & BEV_EVENT_ERROR) {
		ctl_client_drop(c);
	} else if (what & BEV_EVENT_EOF) {
		/* `printf ... | nc -U` closes its side at once and still wants the answer. */
		if (c->n_reqs == 0 && evbuffer_get_length(bufferevent_get_output(bev)))
			c->closing = true;
		else
			ctl_client_drop(c);
	}
}

/* Takes fd and who. */
static int adopt(struct ctl_server *s, int fd, const struct permit_who *who)
{
	struct ctl_client_conn *c = calloc(1, sizeof(*c));

	if (!c || evutil_make_socket_nonblocking(fd) < 0)
		goto fail;
	evutil_make_socket_closeonexec(fd);
	c->bev = bufferevent_socket_new(s->base, fd,
					BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!c->bev)
		goto fail;
	c->server = s;
	c->who = *who;
	list_init(&c->reqs);
	list_append(&s->clients, &c->node);
	s->counters.clients++;
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CTL_LINE_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	return 0;
fail:
	free(c);
	free((void *)who->groups);
	close(fd);
	return -ENOMEM;
}

int ctl_server_adopt(struct ctl_server *s, int fd)
{
	const struct permit_who root = { 0 };

	return adopt(s, fd, &root);
}

static void refuse_client(struct ctl_server *s, int fd, const char *text)
{
	char line[256];
	uint32_t suppressed;
	int n = snprintf(line, sizeof(line),
			 "{\"v\":%d,\"id\":null,\"done\":true,\"error\":{\"code\":\"refused\","
			 "\"text\":\"%s\"}}\n",
			 CTL_VERSION, text);

	s->counters.clients_refused++;
	if (log_limit_ok(&s->limit, now_usec(), 5, 10 * USEC_PER_SEC, &suppressed))
		log_warning("control socket: client refused: %s", text);
	(void)!send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL); /* told or not */
	close(fd);
}

/* Who connected, as he was then. ret_who->groups: the caller's to free. 0 or -errno. */
static int credentials(int fd, struct permit_who *ret_who)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uint32_t *groups = NULL;

	_Static_assert(sizeof(gid_t) == sizeof(*groups), "the kernel writes gid_t");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	len = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) < 0 && errno != ERANGE)
		len = 0; /* a kernel that does not tell: then what he is first of all counts */
	if (len) {
		groups = malloc(len);
		if (!groups)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
			len = 0;
	}
	*ret_who = (struct permit_who){ cred.uid, cred.gid, len / sizeof(*groups), groups };
	return 0;
}

static size_t count_readers(const struct ctl_server *s)
{
	size_t n = 0;

	list_for_each (it, &s->clients) {
		const struct ctl_client_conn *c = list_entry(it, struct ctl_client_conn, node);

		n += !c->dead && permit_level(&s->permit, s->uid, &c->who) < PERMIT_ADMIN;
	}
	return n;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *ctx)
{
	struct ctl_server *s = ctx;
	struct permit_who who = { .uid = UINT32_MAX, .gid = UINT32_MAX };
	const char *why = NULL;

	(void)l, (void)sa, (void)len;
	switch (credentials(fd, &who) < 0 ? PERMIT_NONE : permit_level(&s->permit, s->uid, &who)) {
	case PERMIT_NONE:
		why = s->permit.n ? "only root, the agent's own user and those whom control { } "
				    "of its configuration names may connect"
				  : "only root and the agent's own user may connect";
		break;
	case PERMIT_READ: /* they shall not keep those away who are to mend things */
		if (count_readers(s) >= CTL_READERS_MAX)
			why = "too many clients that may only read";
		break;
	case PERMIT_ADMIN:
		break;
	}
	if (!why && s->counters.clients >= CTL_CLIENTS_MAX)
		why = "too many clients";
	if (why) {
		free((void *)who.groups);
		refuse_client(s, fd, why);
	} else if (adopt(s, fd, &who) < 0) {
		log_warning("control socket: client dropped: out of memory");
	}
}

enum permit_level ctl_req_level(const struct ctl_req *req)
{
	const struct ctl_client_conn *c = req->client;

	return c ? permit_level(&c->server->permit, c->server->uid, &c->who) : PERMIT_NONE;
}

uint32_t ctl_req_uid(const struct ctl_req *req)
{
	return req->client ? req->client->who.uid : UINT32_MAX;
}

int ctl_server_permit(struct ctl_server *s, const struct permit *p)
{
	bool was_open = s->permit.n > 0;

	s->permit = *p;
	/* One may be on the stack, in the request that asked for this: it goes when that is over.
	 */
	list_for_each (it, &s->clients) {
		struct ctl_client_conn *c = list_entry(it, struct ctl_client_conn, node);

		if (!c->dead && permit_level(p, s->uid, &c->who) == PERMIT_NONE)
			bufferevent_trigger_event(c->bev, BEV_EVENT_ERROR, BEV_OPT_DEFER_CALLBACKS);
	}
	if (was_open == (p->n > 0))
		return 0;
	return chmod(s->path, p->n ? 0666 : 0600) < 0 ? -errno : 0;
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct ctl_server *s = ctx;

	(void)fd, (void)what;
	evconnlistener_enable(s->listener);
}

/* Out of descriptors: waiting a second instead of spinning on a listener that stays readable. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
	struct ctl_server *s = ctx;
	const struct timeval second = { .tv_sec = 1 };
	uint32_t suppressed;

	if (log_limit_ok(&s->limit, now_usec(), 5, 10 * USEC_PER_SEC, &suppressed))
		log_warning("control socket: accept: %s; trying again in a second",
			    strerror(errno));
	evconnlistener_disable(l);
	evtimer_add(s->retry, &second);
}

/* Somebody answers: -EADDRINUSE. A socket file nobody listens on is removed. */
static int clear_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd, r;

	if (lstat(un->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)un, sizeof(*un));
	r = r == 0 ? -EADDRINUSE : errno == ECONNREFUSED ? 0 : -errno;
	close(fd);
	if (r == 0 && unlink(un->sun_path) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

static int listen_on(struct ctl_server *s, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t old;
	int fd, r;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	r = clear_stale(&un);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	old = umask(0177); /* 0600 from the first moment */
	r = bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
	umask(old);
	if (r < 0)
		goto fail;
	if (listen(fd, 16) < 0 || stat(path, &st) < 0) {
		r = -errno;
		goto fail;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->path = strdup(path);
	s->listener = evconnlistener_new(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (s->path && s->listener) {
		evconnlistener_set_error_cb(s->listener, on_accept_error);
		return 0;
	}
	r = -ENOMEM;
	if (s->listener)
		return r; /* it owns the descriptor */
fail:
	close(fd);
	return r;
}

int ctl_server_new(struct event_base *base, const char *path, ctl_handler_fn *handler, void *ctx,
		   struct ctl_server **ret_server)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->handler = handler;
	s->handler_ctx = ctx;
	s->uid = geteuid();
	list_init(&s->clients);
	s->retry = evtimer_new(base, on_retry, s);
	r = s->retry ? listen_on(s, path) : -ENOMEM;
	if (r < 0) {
		ctl_server_free(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

void ctl_server_free(struct ctl_server *s)
{
	struct stat st;

	if (!s)
		return;
	while (!list_empty(&s->clients)) {
		struct ctl_client_conn *c =
			list_entry(s->clients.next, struct ctl_client_conn, node);
		/* Each leaves the list before it is freed, which the analyser does not see. */
		struct evbuffer *out = /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
			bufferevent_get_output(c->bev);

		/* The loop that would have sent what was said last is over. */
		evbuffer_unfreeze(out, 1);
		evbuffer_write(out, bufferevent_getfd(c->bev));
		ctl_client_drop(c);
	}
	if (s->listener)
		evconnlistener_free(s->listener);
	if (s->retry)
		event_free(s->retry);
	/* Another agent may have taken the name meanwhile. */
	if (s->path && stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	free(s->path);
	free(s);
}

void ctl_server_counters(const struct ctl_server *s, struct ctl_counters *ret_counters)
{
	*ret_counters = s->counters;
}
