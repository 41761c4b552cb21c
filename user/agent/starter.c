/* SPDX-License-Identifier: GPL-2.0-only */
/* Starts and ends the ESP engine. It is forked before anything is read, so it holds no secret, and
 * only what the agent asks for in one octet can be had from it; so braidd itself may be denied to
 * execute programs. It ends with the agent; the engine does not. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

#include "agent.h"

enum { END_MSEC = 3000 };
enum { CMD_START = 's', CMD_END = 'e' };

struct starter {
	int fd, signal_fd;
	const char *engine, *dir;
	pid_t child; /* 0: none */
};

static void say(const struct starter *s, enum starter_word word, int value)
{
	struct starter_said said = { .word = word, .value = value };

	/* Nobody there: the next read says so too. */
	(void)!send(s->fd, &said, sizeof(said), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* In a session of its own, with signals as they are by default. */
static int spawn_engine(struct starter *s)
{
	char *argv[] = { (char *)s->engine, "-f", "-d", (char *)s->dir, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	err = posix_spawn(&pid, s->engine, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (!err)
		s->child = pid;
	return -err;
}

static void reap(struct starter *s)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(s->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->child)
			continue;
		s->child = 0;
		say(s, STARTER_ENDED, status);
	}
}

static void end_engine(struct starter *s)
{
	struct pollfd p = { .fd = s->signal_fd, .events = POLLIN };

	if (!s->child) {
		say(s, STARTER_ENDED, 0);
		return;
	}
	kill(s->child, SIGTERM);
	if (poll(&p, 1, END_MSEC) <= 0) {
		kill(s->child, SIGKILL);
		poll(&p, 1, END_MSEC);
	}
	reap(s);
}

static void serve(struct starter *s)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN },
				       { .fd = s->signal_fd, .events = POLLIN } };
		char cmd;
		int err;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			reap(s);
		if (!p[0].revents)
			continue;
		if (recv(s->fd, &cmd, 1, 0) != 1)
			return;
		if (cmd == CMD_END) {
			end_engine(s);
			continue;
		}
		err = spawn_engine(s);
		say(s, err ? STARTER_REFUSED : STARTER_STARTED, err ? -err : s->child);
	}
}

/* The agent's signals are not ours: it may need us after them. */
static void run(struct starter *s)
{
	sigset_t child;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	s->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return;
	prctl(PR_SET_NAME, "braidd-starter");
	/* What an engine may have at most; it gives up most of that itself. */
	capng_get_caps_process();
	capng_clear(CAPNG_SELECT_BOUNDS);
	capng_updatev(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK,
		      CAP_SYS_RESOURCE, CAP_DAC_OVERRIDE, -1);
	capng_apply(CAPNG_SELECT_BOUNDS);
	serve(s);
}

int starter_new(const char *engine, const char *state_dir, int *ret_fd)
{
	struct starter s = { .engine = engine, .dir = state_dir };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int err = -errno;

		close(pair[0]);
		close(pair[1]);
		return err;
	}
	if (pid == 0) {
		close(pair[0]);
		s.fd = pair[1];
		run(&s);
		_exit(0);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}

int starter_wait(int fd, int msec, struct starter_said *ret_said)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct starter_said said;
	ssize_t n;

	if (poll(&p, 1, msec) <= 0)
		return -EAGAIN;
	n = recv(fd, &said, sizeof(said), MSG_DONTWAIT);
	if (n != sizeof(said))
		return -EPIPE;
	*ret_said = said;
	return 0;
}

static int ask(int fd, char cmd, enum starter_word until, struct starter_said *said)
{
	int err = send(fd, &cmd, 1, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;

	while (!err) {
		err = starter_wait(fd, 3 * END_MSEC, said);
		if (!err && (said->word == until || said->word == STARTER_REFUSED))
			break;
	}
	return err;
}

int starter_start(int fd)
{
	struct starter_said said;
	int err;

	/* how an earlier engine ended */
	while (starter_wait(fd, 0, &said) == 0)
		;
	err = ask(fd, CMD_START, STARTER_STARTED, &said);
	if (!err && said.word == STARTER_REFUSED)
		err = -said.value;
	return err;
}

void starter_end(int fd)
{
	struct starter_said said;

	ask(fd, CMD_END, STARTER_ENDED, &said);
}

void starter_leave(int fd)
{
	signal(SIGCHLD, SIG_IGN); /* nobody waits for it */
	close(fd);
}
