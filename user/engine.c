/* SPDX-License-Identifier: GPL-2.0-only */
/* braid-esp: packets in, packets out. See esp/proto.h for what the agent tells it. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sanitize.h"
#include "base/version.h"
#include "engine/engine.h"
#include "esp/client.h"
#include "net/linkwatch.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: braid-esp [-d DIR] [-f] [-v]\n"
	"  -d, --state-dir DIR   directory of engine.sock (default /run/braid)\n"
	"  -f, --foreground      do not go into the background\n"
	"  -v, --verbose         more log lines\n"
	"  -V, --version\n"
	"  -h, --help\n";

struct options {
	const char *dir;
	bool foreground;
};

/* Keys are in this process's memory: no core dump, no tracing, no swap if we may. */
static void guard_memory(void)
{
	struct rlimit none = { 0, 0 }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit nice = { ENGINE_NICE_LIMIT, ENGINE_NICE_LIMIT };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NICE, &nice); /* or without; see prefer_control */
	if (SANITIZED)
		return;
	prctl(PR_SET_DUMPABLE, 0);
	/* With a limit every later allocation could fail. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0 ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_debug("memory may be swapped: %s", strerror(errno));
}

/* A socket file nobody answers on is left over from a crash. */
static int listen_at(const char *dir, struct sockaddr_un *ret_sun, int *ret_fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, r = 0;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/engine.sock", dir) >=
	    sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	if (engine_connect(sun.sun_path, &fd) == 0) {
		close(fd);
		return -EADDRINUSE;
	}
	unlink(sun.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	old = umask(0177);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 4) < 0)
		r = -errno;
	umask(old);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_sun = sun;
	*ret_fd = fd;
	return 0;
}

static int engine_init(struct engine *e)
{
	int pair[2], buf = 8 << 20, r;

	memset(e, 0, sizeof(*e));
	e->raw4 = e->raw6 = e->stop_fd = -1;
	for (int i = 0; i < ENGINE_WORKERS_MAX; i++)
		e->sock[i].udp4 = e->sock[i].udp6 = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	e->note_rx = pair[0];
	e->note_tx = pair[1];
	if (setsockopt(e->note_tx, SOL_SOCKET, SO_SNDBUFFORCE, &buf, sizeof(buf)) < 0)
		setsockopt(e->note_tx, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	/* without it silence tells, a few probes later */
	e->watching = linkwatch_open(&e->links) == 0;
	e->paths = paths_new();
	if (!e->paths)
		return -ENOMEM;
	r = sad_init(&e->sad);
	return r;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "state-dir", required_argument, NULL, 'd' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "d:fvVh", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			o->dir = optarg;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'v':
			log_set_level(LOG_DEBUG_);
			break;
		case 'V':
			puts("braid-esp " BRAID_VERSION);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "braid-esp: unexpected argument \"%s\"\n%s", argv[optind], usage);
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .dir = "/run/braid" };
	static struct engine e;
	struct sockaddr_un sun;
	int fd = -1, r;

	parse(argc, argv, &o);
	r = listen_at(o.dir, &sun, &fd);
	if (r == -EADDRINUSE) {
		log_error("another engine serves %s/engine.sock already", o.dir);
		return 1;
	}
	if (r < 0) {
		log_error("cannot listen on %s/engine.sock: %s", o.dir, strerror(-r));
		return 1;
	}
	if (!o.foreground && daemon(0, 0) < 0) {
		log_error("cannot go into the background: %s", strerror(errno));
		return 1;
	}
	/* Our log may be a pipe whose reader has died. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	guard_memory();
	r = engine_init(&e);
	e.sock_path = sun.sun_path;
	if (r == 0)
		r = server_run(&e, fd);
	paths_free(e.paths);
	if (r < 0)
		log_error("engine stops: %s", strerror(-r));
	return r < 0;
}
