/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/usec.h"
#include "esp/client.h"
#include "esp/proto.h"

int engine_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t n = sizeof(peer);
	int fd, buf = 4 << 20, r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The largest message must fit; as root as much as we ask for. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buf, sizeof(buf)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	if (peer.uid != 0 && peer.uid != geteuid()) {
		close(fd);
		return -EPERM;
	}
	*ret_fd = fd;
	return 0;
}

int engine_send(int fd, struct engine_hdr *msg, size_t len, const struct engine_fds *fds)
{
	struct iovec iov = { .iov_base = msg, .iov_len = len };
	union {
		char b[CMSG_SPACE(ENGINE_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	msg->version = ENGINE_PROTO_VERSION;
	if (fds && fds->n && fds->n <= ENGINE_FDS_MAX) {
		size_t octets = fds->n * sizeof(int);
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(octets);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(octets);
		memcpy(CMSG_DATA(c), fds->fd, octets);
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int engine_recv(int fd, void *buf, size_t cap)
{
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	const struct engine_hdr *h = buf;
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (m.msg_flags & MSG_TRUNC || (size_t)n < sizeof(*h) || h->version != ENGINE_PROTO_VERSION)
		return -EBADMSG;
	/* A type we do not know is the caller's to ignore. */
	if (engine_msg_min(h->type) > (size_t)n)
		return -EBADMSG;
	return (int)n;
}

size_t engine_msg_min(uint16_t type)
{
	switch ((enum engine_msg_type)type) {
	case ENGINE_HELLO:
	case ENGINE_HELLO_INFO:
		return sizeof(struct engine_hello);
	case ENGINE_CONFIG:
		return sizeof(struct engine_config);
	case ENGINE_MAPS:
		return sizeof(struct engine_maps);
	case ENGINE_SA_ADD:
		return sizeof(struct engine_sa);
	case ENGINE_SA_DEL:
	case ENGINE_SA_OUT_ON:
	case ENGINE_SA_RETIRE:
	case ENGINE_PATH_DEL:
	case ENGINE_SA_GET:
		return sizeof(struct engine_id);
	case ENGINE_SPI:
		return sizeof(struct engine_spi);
	case ENGINE_EV_SA_LIMIT:
		return sizeof(struct engine_limit);
	case ENGINE_SA_TS:
		return sizeof(struct engine_sa_ts);
	case ENGINE_GROUP_ROOM:
		return sizeof(struct engine_group_room);
	case ENGINE_SA_GROUP:
		return sizeof(struct engine_sa_group);
	case ENGINE_GROUP_ENCAP:
		return sizeof(struct engine_group_encap);
	case ENGINE_PATH_ADD:
		return sizeof(struct engine_path);
	case ENGINE_PATH_PING:
		return sizeof(struct engine_ping);
	case ENGINE_EV_PONG:
		return sizeof(struct engine_pong);
	case ENGINE_PATH_WANT:
		return sizeof(struct engine_path_want);
	case ENGINE_IKE_SEND:
	case ENGINE_EV_IKE_RECV:
		return sizeof(struct engine_dgram);
	case ENGINE_BLOB_PUT:
	case ENGINE_BLOB_DEL:
	case ENGINE_BLOB:
		return sizeof(struct engine_blob);
	case ENGINE_LIST:
	case ENGINE_STATS:
	case ENGINE_SHUTDOWN:
	case ENGINE_PATHS:
	case ENGINE_CLASSES:
		return sizeof(struct engine_hdr);
	case ENGINE_RESULT:
		return sizeof(struct engine_result);
	case ENGINE_SA_INFO:
		return sizeof(struct engine_sa_info);
	case ENGINE_PATH_INFO:
	case ENGINE_EV_PATH:
	case ENGINE_EV_MEASURED:
		return sizeof(struct engine_path_info);
	case ENGINE_COUNTERS:
		return sizeof(struct engine_counters);
	case ENGINE_EV_NO_SA:
		return sizeof(struct engine_no_sa);
	case ENGINE_EV_JOIN:
		return sizeof(struct engine_join);
	case ENGINE_EV_SA_SEEN:
		return sizeof(struct engine_seen);
	case ENGINE_FLOW:
		return sizeof(struct engine_flow);
	case ENGINE_FLOW_INFO:
		return sizeof(struct engine_flow_info);
	case ENGINE_WHY:
		return sizeof(struct engine_why);
	}
	return 0;
}

static usec_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

int engine_call(int fd, struct engine_hdr *msg, size_t len, const struct engine_fds *fds,
		int timeout_msec,
		void (*on_msg)(void *ctx, const struct engine_hdr *msg, size_t len), void *ctx)
{
	static _Thread_local uint64_t buf[ENGINE_MSG_MAX / 8];
	usec_t end = now_usec() + (usec_t)timeout_msec * USEC_PER_MSEC;
	uint32_t seq = msg->seq;
	int r;

	r = engine_send(fd, msg, len, fds);
	if (r < 0)
		return r;
	for (;;) {
		const struct engine_result *res = (const void *)buf;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		usec_t now = now_usec();

		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((end - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
			return -errno;
		r = engine_recv(fd, buf, sizeof(buf));
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		if (res->h.type == ENGINE_RESULT && res->h.seq == seq)
			return res->error;
		if (on_msg)
			on_msg(ctx, &res->h, (size_t)r);
	}
}
