/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine's control thread: whatever an agent says, message by message (type, length in two
 * octets, that many octets after the header), and what peers' probes say (type NOTE). The engine
 * counts as configured, without packet threads. The system calls of its loop end here instead of in
 * a kernel: the connection, its messages, and SIGTERM behind the last of them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "base/log.h"
#include "base/wire.h"
#include "engine/engine.h"
#include "esp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOTE = 254, MESSAGES_MAX = 48 };
/* none of a kernel's */
enum { FD_LISTEN = 1000000, FD_AGENT, FD_SIGNAL, FD_NOTES, FD_UDP, FD_LAST = FD_UDP };

static struct rd in;
static unsigned said;
static bool connected;
/* Steering maps in which the first paths are each other's company, in the first groups. */
enum { FIRST = STEER_MEMBERS_MAX };
static struct {
	int fd;
	uint8_t *at;
} maps[ENGINE_MAP_N];

/* ---- what the engine calls ---- */

int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *ts, const sigset_t *mask);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_unlink(const char *name);
int __wrap_close(int fd);
int __wrap_malloc_trim(size_t pad);
int __real_close(int fd);

int __wrap_ppoll(struct pollfd *p, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
	bool over = !rd_left(&in) || said >= MESSAGES_MAX;

	(void)ts, (void)mask;
	for (nfds_t i = 0; i < n; i++)
		p[i].revents = (p[i].fd == FD_SIGNAL && over) || (p[i].fd == FD_AGENT && !over) ||
					       (p[i].fd == FD_LISTEN && !connected)
				       ? POLLIN
				       : 0;
	return 1;
}

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	(void)fd, (void)a, (void)len, (void)flags;
	connected = true;
	return FD_AGENT;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	(void)fd, (void)level, (void)name;
	memset(value, 0, *len);
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd, (void)level, (void)name, (void)value, (void)len;
	return 0;
}

/* The next message, unless it is a note. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct engine_hdr h = { .seq = said, .version = ENGINE_PROTO_VERSION };
	struct cmsghdr *c = m->msg_control;
	struct rd look = in, body;
	size_t len, room = m->msg_iov->iov_len;
	uint8_t *to = m->msg_iov->iov_base;

	(void)flags;
	if (fd != FD_AGENT)
		abort();
	h.type = rd_u8(&look);
	len = rd_u16(&look);
	if (look.err || h.type == NOTE || said >= MESSAGES_MAX) {
		if (h.type != NOTE)
			in = rd_init(NULL, 0);
		errno = EAGAIN;
		return -1;
	}
	said++;
	body = rd_sub(&look, len < rd_left(&look) ? len : rd_left(&look));
	len = rd_left(&body);
	in = look;
	if (len > room - sizeof(h)) {
		len = room - sizeof(h);
		m->msg_flags |= MSG_TRUNC;
	}
	memcpy(to, &h, sizeof(h));
	if (len)
		memcpy(to + sizeof(h), rd_bytes(&body, len), len);
	m->msg_controllen = 0;
	if (h.type == ENGINE_MAPS) {
		int pass[ENGINE_MAP_N];

		for (int i = 0; i < ENGINE_MAP_N; i++)
			pass[i] = dup(maps[i].fd);

		*c = (struct cmsghdr){ CMSG_LEN(sizeof(pass)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), pass, sizeof(pass));
		m->msg_controllen = CMSG_SPACE(sizeof(pass));
	}
	return (ssize_t)(sizeof(h) + len);
}

/* A probe that a packet thread has decrypted: which SA, and what is in it. */
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	struct note_probe n = { .h = { .type = NOTE_PROBE } };
	struct rd look = in, body;

	(void)flags;
	if (fd != FD_NOTES || len < sizeof(n))
		abort();
	if (rd_u8(&look) != NOTE || said >= MESSAGES_MAX) {
		errno = EAGAIN;
		return -1;
	}
	said++;
	len = rd_u16(&look);
	body = rd_sub(&look, len < rd_left(&look) ? len : rd_left(&look));
	in = look;
	n.sa_id = rd_u8(&body);
	n.ifindex = rd_u8(&body);
	n.received = engine_now();
	n.local = (struct udp_addr){ .ip = addr_v4(0xc0000200u | rd_u8(&body)), .port = 4500 };
	n.remote = (struct udp_addr){ .ip = addr_v4(0xc6336400u | rd_u8(&body)), .port = 4500 };
	len = rd_left(&body) < sizeof(n.data) ? rd_left(&body) : sizeof(n.data);
	if (len)
		memcpy(n.data, rd_bytes(&body, len), len);
	memcpy(buf, &n, sizeof(n));
	return sizeof(n);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t n = 0;

	(void)flags;
	if (fd != FD_AGENT && fd != FD_UDP)
		abort();
	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	return (ssize_t)n;
}

int __wrap_signalfd(int fd, const sigset_t *mask, int flags)
{
	(void)fd, (void)mask, (void)flags;
	return FD_SIGNAL;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how, (void)set, (void)old;
	return 0;
}

int __wrap_unlink(const char *name)
{
	(void)name;
	return 0;
}

/* Who is sent away comes again. */
int __wrap_close(int fd)
{
	if (fd == FD_AGENT)
		connected = false;
	return fd >= FD_LISTEN && fd <= FD_LAST ? 0 : __real_close(fd);
}

int __wrap_malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}

/* ---- the target ---- */

static void open_engine(struct engine *e)
{
	memset(e, 0, sizeof(*e));
	e->raw4 = e->raw6 = e->stop_fd = -1;
	for (int i = 0; i < ENGINE_WORKERS_MAX; i++)
		e->sock[i].udp4 = e->sock[i].udp6 = -1;
	for (int i = 0; i < TUN_QUEUES_MAX; i++)
		e->tun.fd[i] = -1;
	e->sock[0].udp4 = FD_UDP;
	e->dest4.to_len = sizeof(struct sockaddr_in);
	e->configured = true;
	e->sock_path = "";
	e->note_rx = e->note_tx = FD_NOTES;
	e->paths = paths_new();
	if (!e->paths || sad_init(&e->sad))
		abort();
}

/* As an agent would have written them; the engine has changed states since. */
static void fill_maps(void)
{
	struct steer_group g = { .id = 1, .n_members = FIRST };

	for (int i = 0; i < ENGINE_MAP_N && !maps[i].at; i++) {
		maps[i].fd = memfd_create("map", MFD_CLOEXEC);
		if (maps[i].fd < 0 || ftruncate(maps[i].fd, 1 << 30))
			abort();
		maps[i].at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, maps[i].fd, 0);
		if (maps[i].at == MAP_FAILED)
			abort();
	}
	for (uint32_t i = 0; i < FIRST; i++) {
		union steer_path_word w = { .cur = { .slot = 1, .state = STEER_PATH_UP } };
		uint32_t id = i + 1, record = 1;

		g.path[i] = g.line[i] = id;
		memcpy(maps[ENGINE_MAP_PATH_CUR].at + id * STEER_STRIDE(struct steer_path_cur), &w,
		       sizeof(w));
		memcpy(maps[ENGINE_MAP_GROUP_CUR].at + id * STEER_STRIDE(struct steer_group_cur),
		       &record, sizeof(record));
	}
	memcpy(maps[ENGINE_MAP_GROUP].at + STEER_STRIDE(g), &g, sizeof(g));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine e;

	log_set_level(LOG_ERR_);
	fill_maps();
	open_engine(&e);
	in = rd_init(data, size);
	said = 0;
	connected = false;
	if (server_run(&e, FD_LISTEN))
		abort();
	paths_free(e.paths);
	return 0;
}
