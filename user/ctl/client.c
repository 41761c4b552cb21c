/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/client.h"

struct ctl_client {
	int fd;
	json_int_t id; /* of the current request */
	char *buf;
	size_t len, cap, scanned; /* octets; no newline before scanned */
};

int ctl_connect(const char *path, struct ctl_client **ret_client)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ctl_client *c;
	int r;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		r = -errno;
		ctl_client_free(c);
		return r;
	}
	*ret_client = c;
	return 0;
}

void ctl_client_free(struct ctl_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	/* The reply to `keys` passed through here. */
	if (c->buf)
		explicit_bzero(c->buf, c->cap);
	free(c->buf);
	free(c);
}

int ctl_client_fd(const struct ctl_client *c)
{
	return c->fd;
}

int ctl_send(struct ctl_client *c, const char *cmd, const json_t *args)
{
	json_t *req = json_pack("{s:i, s:I, s:s}", "v", CTL_VERSION, "id", ++c->id, "cmd", cmd);
	char *text = NULL;
	size_t len, off = 0;
	int r = -ENOMEM;

	if (!req || (args && json_object_update_missing(req, (json_t *)args) < 0))
		goto out;
	text = json_dumps(req, JSON_COMPACT);
	if (!text)
		goto out;
	len = strlen(text);
	text[len++] = '\n'; /* in place of the terminator: not a string any more */
	r = 0;
	while (off < len && r == 0) {
		ssize_t n = send(c->fd, text + off, len - off, MSG_NOSIGNAL);

		if (n >= 0)
			off += (size_t)n;
		else if (errno == EPIPE)
			break; /* what the agent said before it closed is to be read */
		else if (errno != EINTR)
			r = -errno;
	}
out:
	free(text);
	json_decref(req);
	return r;
}

static int64_t now_msec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Room for another piece, up to CTL_REPLY_MAX. No realloc: it could leave keys behind. */
static int grow(struct ctl_client *c)
{
	size_t cap = c->cap ? c->cap * 2 : 16384;
	char *buf;

	if (c->len < c->cap)
		return 0;
	if (cap > CTL_REPLY_MAX)
		return -EBADMSG;
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	if (c->buf) {
		memcpy(buf, c->buf, c->len);
		explicit_bzero(c->buf, c->cap);
		free(c->buf);
	}
	c->buf = buf;
	c->cap = cap;
	return 0;
}

/* 1: more octets; 0: end; -ETIMEDOUT; -errno. */
static int fill(struct ctl_client *c, int64_t deadline_msec)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int64_t wait = deadline_msec < 0 ? -1 : deadline_msec - now_msec();
	ssize_t n;
	int r = grow(c);

	if (r < 0)
		return r;
	r = poll(&p, 1, deadline_msec >= 0 && wait < 0 ? 0 : (int)wait);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	c->len += (size_t)n;
	return n > 0;
}

/* 1: a reply of the current request; 0: of another one, forget it. */
static int decode(struct ctl_client *c, size_t line_len, json_t **ret_reply)
{
	json_t *reply = json_loadb(c->buf, line_len, 0, NULL);
	const json_t *id = json_object_get(reply, "id");

	if (!reply || json_integer_value(json_object_get(reply, "v")) != CTL_VERSION) {
		json_decref(reply);
		return -EBADMSG;
	}
	/* null: the agent could not tell which request it refuses; there is only one. */
	if (json_is_integer(id) && json_integer_value(id) != c->id) {
		json_decref(reply);
		return 0;
	}
	*ret_reply = reply;
	return 1;
}

int ctl_recv(struct ctl_client *c, int timeout_msec, json_t **ret_reply)
{
	int64_t deadline = timeout_msec < 0 ? -1 : now_msec() + timeout_msec;

	for (;;) {
		char *nl = c->len > c->scanned
				   ? memchr(c->buf + c->scanned, '\n', c->len - c->scanned)
				   : NULL;
		int r;

		if (nl) {
			size_t used = (size_t)(nl - c->buf) + 1;

			r = decode(c, used - 1, ret_reply);
			memmove(c->buf, c->buf + used, c->len - used);
			c->len -= used;
			c->scanned = 0;
			if (r != 0)
				return r;
			continue;
		}
		c->scanned = c->len;
		r = fill(c, deadline);
		if (r <= 0)
			return r;
	}
}

json_t *ctl_join(json_t *data, json_t *piece)
{
	const char *key;
	json_t *v;

	if (!data)
		return piece;
	json_object_foreach(piece, key, v)
	{
		json_t *old = json_object_get(data, key);

		if (json_is_array(old) && json_is_array(v))
			json_array_extend(old, v);
		else
			json_object_set(data, key, v);
	}
	json_decref(piece);
	return data;
}
