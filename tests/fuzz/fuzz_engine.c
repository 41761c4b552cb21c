/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine's socket: whatever an agent says, message by message (type, length in two octets, that
 * many octets after the header). The engine counts as configured, without packet threads and with
 * sockets that lead nowhere; it has to serve on to its orderly end. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "base/log.h"
#include "base/wire.h"
#include "engine/engine.h"
#include "esp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct engine e;
	int listen_fd;
	struct sockaddr_un name;
	socklen_t name_len;
};

static void *serve(void *arg)
{
	struct run *r = arg;

	if (server_run(&r->e, r->listen_fd))
		abort();
	return NULL;
}

/* -1: it has ended. */
static int join(const struct run *r)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		abort();
	if (!connect(fd, (const struct sockaddr *)&r->name, r->name_len))
		return fd;
	close(fd);
	return -1;
}

/* Listens under a name the kernel chooses. */
static void open_engine(struct run *r)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct engine *e = &r->e;
	int pair[2];

	memset(e, 0, sizeof(*e));
	e->raw4 = e->raw6 = e->stop_fd = -1;
	for (int i = 0; i < ENGINE_WORKERS_MAX; i++)
		e->sock[i].udp4 = e->sock[i].udp6 = -1;
	for (int i = 0; i < TUN_QUEUES_MAX; i++)
		e->tun.fd[i] = -1;
	e->sock[0].udp4 = open("/dev/null", O_RDWR | O_CLOEXEC);
	e->dest4.to_len = sizeof(struct sockaddr_in);
	e->configured = true;
	e->sock_path = "/nonexistent/engine.sock";
	e->paths = paths_new();
	r->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!e->paths || sad_init(&e->sad) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) ||
	    bind(r->listen_fd, (struct sockaddr *)&un, sizeof(un.sun_family)) ||
	    listen(r->listen_fd, 4))
		abort();
	e->note_rx = pair[0];
	e->note_tx = pair[1];
	r->name_len = sizeof(r->name);
	if (getsockname(r->listen_fd, (struct sockaddr *)&r->name, &r->name_len))
		abort();
}

/* Until the result has come; false: the engine has hung up. */
static bool answered(int fd, uint32_t seq)
{
	static uint64_t buf[ENGINE_MSG_MAX / 8];
	const struct engine_hdr *h = (void *)buf;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		if (h->type == ENGINE_RESULT && h->seq == seq)
			return true;
	return false;
}

static bool say(int fd, uint16_t type, uint32_t seq, const uint8_t *body, size_t len, int pass_fd)
{
	static uint64_t msg[ENGINE_MSG_MAX / 8];
	struct engine_hdr *h = (void *)msg;

	*h = (struct engine_hdr){ .seq = seq, .type = type, .version = ENGINE_PROTO_VERSION };
	if (len)
		memcpy(h + 1, body, len);
	return !engine_send(fd, h, sizeof(*h) + len, pass_fd) &&
	       (type == ENGINE_IKE_SEND || answered(fd, seq));
}

static void end(const struct run *r)
{
	int fd = join(r);

	if (fd < 0)
		return;
	say(fd, ENGINE_SHUTDOWN, 1, NULL, 0, -1);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	static int map = -1;
	struct rd in = rd_init(data, size);
	bool connected = true;
	pthread_t thread;
	int fd;

	log_set_level(LOG_ERR_);
	if (map < 0 && ((map = memfd_create("map", MFD_CLOEXEC)) < 0 || ftruncate(map, 32 << 20)))
		abort();
	open_engine(&r);
	fd = join(&r);
	if (fd < 0 || pthread_create(&thread, NULL, serve, &r))
		abort();
	for (uint32_t seq = 1; connected && rd_left(&in); seq++) {
		uint16_t type = rd_u8(&in), len = rd_u16(&in);
		struct rd body;

		if (in.err)
			break;
		body = rd_sub(&in, len < rd_left(&in) ? len : rd_left(&in));
		len = (uint16_t)rd_left(&body);
		connected = say(fd, type, seq, rd_bytes(&body, len), len,
				type == ENGINE_MAPS ? map : -1);
	}
	close(fd);
	end(&r);
	if (pthread_join(thread, NULL))
		abort();
	paths_free(r.e.paths);
	/* the rest goes with the process, if it is one */
	if (r.e.path_cur)
		munmap((void *)r.e.path_cur,
		       (r.e.path_cur_entries * STEER_STRIDE(struct steer_path_cur) + 4095) &
			       ~(size_t)4095);
	close(r.e.note_rx);
	close(r.e.note_tx);
	return 0;
}
