/* SPDX-License-Identifier: GPL-2.0-only */
/* Control socket: what a client may do to the agent, which is nothing. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

#include "base/log.h"
#include "ctl/client.h"
#include "ctl/server.h"

static struct event_base *base;
static struct ctl_server *server;
static char dir[64], path[96];
static struct ctl_req *held[64];
static size_t n_held, n_gone;

static void quiet(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level, (void)line;
}

static void on_gone(void *ctx, struct ctl_req *req)
{
	(void)ctx;
	n_gone++;
	for (size_t i = 0; i < n_held; i++)
		if (held[i] == req)
			held[i] = NULL;
	ctl_reply_done(req, CTL_OK, NULL);
}

static void handler(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args)
{
	(void)ctx;
	if (!strcmp(cmd, "echo")) {
		ctl_reply_progress(req, "thinking about %s", cmd);
		ctl_reply_data(req, json_pack("{s:O}", "got", json_object_get(args, "x")));
		ctl_reply_done(req, CTL_OK, NULL);
	} else if (!strcmp(cmd, "hold")) {
		held[n_held++] = req;
		ctl_req_on_gone(req, on_gone, NULL);
	} else if (!strcmp(cmd, "keep")) { /* like hold, but nobody is told */
		held[n_held++] = req;
	} else if (!strcmp(cmd, "end")) {
		ctl_reply_done(req, CTL_OK, NULL);
		event_base_loopbreak(base);
	} else if (!strcmp(cmd, "events")) {
		ctl_req_subscribe(req);
	} else if (!strcmp(cmd, "big")) {
		char *s = malloc(1 << 20);

		memset(s, 'x', (1 << 20) - 1);
		s[(1 << 20) - 1] = '\0';
		for (int i = 0; i < 64; i++)
			ctl_reply_data(req, json_string(s));
		ctl_reply_done(req, CTL_OK, NULL);
		free(s);
	} else {
		ctl_reply_done(req, CTL_USAGE, "unknown command \"%s\"", cmd);
	}
}

static void setup(void)
{
	log_set_sink(quiet, NULL);
	n_held = n_gone = 0;
	base = event_base_new();
	strcpy(dir, "/tmp/braid-test-ctl-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ctl.sock", dir);
	cr_assert_eq(ctl_server_new(base, path, handler, NULL, &server), 0);
}

static void teardown(void)
{
	ctl_server_free(server);
	event_base_free(base);
	cr_assert_eq(access(path, F_OK), -1, "the socket stayed");
	rmdir(dir);
}

TestSuite(ctl, .init = setup, .fini = teardown, .timeout = 20);

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int pair(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	cr_assert_eq(ctl_server_adopt(server, sv[0]), 0);
	return sv[1];
}

static void put(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn();
}

/* All that can be read now. */
static const char *get(int fd)
{
	static char buf[65536];
	ssize_t n;

	turn();
	n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static struct ctl_counters count(void)
{
	struct ctl_counters c;

	ctl_server_counters(server, &c);
	return c;
}

Test(ctl, request_reply)
{
	int fd = pair();

	put(fd, "{\"v\":1,\"id\":7,\"cmd\":\"nope\"}\n");
	cr_assert_str_eq(get(fd),
			 "{\"v\":1,\"id\":7,\"done\":true,\"error\":{\"code\":\"usage\",\"text\":"
			 "\"unknown command \\\"nope\\\"\"}}\n");
	put(fd, "{\"v\":1,\"id\":8,\"cmd\":\"echo\",\"x\":[1,null]}\n");
	const char *r = get(fd);
	cr_assert(strstr(r, "\"kind\":\"progress\",\"text\":\"thinking about echo\""), "%s", r);
	cr_assert(strstr(r, "\"time_usec\":"), "%s", r);
	cr_assert(strstr(r, "{\"v\":1,\"id\":8,\"data\":{\"got\":[1,null]},\"done\":false}\n"),
		  "%s", r);
	cr_assert(strstr(r, "{\"v\":1,\"id\":8,\"done\":true,\"error\":null}\n"), "%s", r);
	close(fd);
}

Test(ctl, octet_by_octet_and_several_in_one_write)
{
	const char *req = "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}\n";
	int fd = pair();

	for (const char *p = req; *p; p++) {
		cr_assert_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
		turn();
	}
	cr_assert(strstr(get(fd), "\"id\":1,\"done\":true"));
	put(fd, "{\"v\":1,\"id\":2,\"cmd\":\"nope\"}\n\r\n\n{\"v\":1,\"id\":3,\"cmd\":\"nope\"}\n{"
		"\"v\"");
	const char *r = get(fd);
	cr_assert(strstr(r, "\"id\":2,\"done\":true") && strstr(r, "\"id\":3,\"done\":true"), "%s",
		  r);
	cr_assert_eq(count().requests, 3);
	close(fd);
}

Test(ctl, garbage_gets_an_answer_each_and_costs_nothing)
{
	static const char *const bad[] = {
		"hello\n",
		"[1,2]\n",
		"\"x\"\n",
		"{\"v\":1,\"id\":1}\n",
		"{\"v\":1,\"cmd\":\"echo\"}\n",
		"{\"v\":2,\"id\":1,\"cmd\":\"echo\"}\n",
		"{\"v\":\"1\",\"id\":1,\"cmd\":\"echo\"}\n",
		"{\"v\":1,\"id\":1,\"cmd\":5}\n",
		"{\"v\":1,\"id\":1,\"id\":2,\"cmd\":\"echo\"}\n",
		"{\"v\":1,\"id\":99999999999999999999,\"cmd\":\"echo\"}\n",
		"{\"v\":1,\"id\":1,\"cmd\":\"\xff\xfe\"}\n",
	};
	int fd = pair();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(fd, bad[i]);
		const char *r = get(fd);
		cr_assert(strstr(r, "\"id\":null,\"done\":true,\"error\":{\"code\":\"usage\""),
			  "%s -> %s", bad[i], r);
	}
	cr_assert_eq(count().requests, 0);
	put(fd, "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}\n");
	cr_assert(strstr(get(fd), "\"id\":1,\"done\":true"));
	close(fd);
}

/* [VUL-23] */
Test(ctl, deep_json_is_refused)
{
	char *deep = malloc(30000);
	int fd = pair();

	memset(deep, '[', 29998);
	strcpy(deep + 29998, "\n");
	put(fd, deep);
	cr_assert(strstr(get(fd), "\"code\":\"usage\""));
	free(deep);
	close(fd);
}

/* [VUL-23] */
Test(ctl, longest_line_is_served_and_a_longer_one_ends_the_connection)
{
	char *line = malloc(CTL_LINE_MAX + 2);
	int fd = pair();
	size_t off = 0, n;

	memset(line, ' ', CTL_LINE_MAX);
	memcpy(line, "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}", 27);
	line[CTL_LINE_MAX - 1] = '\n';
	for (off = 0; off < CTL_LINE_MAX; off += n) {
		n = CTL_LINE_MAX - off > 4096 ? 4096 : CTL_LINE_MAX - off;
		cr_assert_eq(send(fd, line + off, n, MSG_NOSIGNAL), (ssize_t)n);
		turn();
	}
	cr_assert(strstr(get(fd), "\"id\":1,\"done\":true"));
	memset(line, 'a', CTL_LINE_MAX + 1);
	for (off = 0; off < CTL_LINE_MAX + 1; off += n) {
		n = CTL_LINE_MAX + 1 - off > 4096 ? 4096 : CTL_LINE_MAX + 1 - off;
		if (send(fd, line + off, n, MSG_NOSIGNAL) < 0)
			break;
		turn();
	}
	cr_assert(strstr(get(fd), "line longer than 65536 octets"));
	cr_assert_eq(recv(fd, line, 1, MSG_DONTWAIT), 0, "still connected");
	cr_assert_eq(count().clients, 0);
	free(line);
	close(fd);
}

Test(ctl, client_vanishes_with_requests_in_flight)
{
	int fd = pair();

	put(fd, "{\"v\":1,\"id\":1,\"cmd\":\"hold\"}\n{\"v\":1,\"id\":2,\"cmd\":\"keep\"}\n"
		"{\"v\":1,\"id\":3,\"cmd\":\"events\"}\n");
	cr_assert_eq(n_held, 2);
	cr_assert(ctl_req_alive(held[1]));
	close(fd);
	turn();
	cr_assert_eq(n_gone, 1);
	cr_assert_eq(count().clients, 0);
	/* The handle nobody was told about is still good, and silent. */
	cr_assert_not(ctl_req_alive(held[1]));
	ctl_reply_progress(held[1], "nobody hears this");
	ctl_reply_data(held[1], json_object());
	ctl_reply_done(held[1], CTL_FAILED, "nor this");
	ctl_publish(server, json_pack("{s:s}", "kind", "path-state"));
}

Test(ctl, server_ends_before_its_requests)
{
	struct ctl_server *s;
	char other[96];
	int sv[2];

	snprintf(other, sizeof(other), "%s/other.sock", dir);
	cr_assert_eq(ctl_server_new(base, other, handler, NULL, &s), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	cr_assert_eq(ctl_server_adopt(s, sv[0]), 0);
	put(sv[1], "{\"v\":1,\"id\":1,\"cmd\":\"keep\"}\n{\"v\":1,\"id\":2,\"cmd\":\"hold\"}\n");
	ctl_server_free(s);
	cr_assert_eq(n_gone, 1);
	ctl_reply_done(held[0], CTL_OK, NULL);
	close(sv[1]);
}

Test(ctl, half_closed_client_still_gets_its_answer)
{
	int fd = pair();

	cr_assert_gt(send(fd, "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}\n", 28, 0), 0);
	shutdown(fd, SHUT_WR);
	cr_assert(strstr(get(fd), "\"id\":1,\"done\":true"));
	turn();
	cr_assert_eq(count().clients, 0);
	close(fd);
}

Test(ctl, slow_reader_loses_events_and_is_told_how_many)
{
	int slow = pair(), fast = pair();
	uint64_t lost;

	put(slow, "{\"v\":1,\"id\":1,\"cmd\":\"events\"}\n");
	put(fast, "{\"v\":1,\"id\":1,\"cmd\":\"events\"}\n");
	for (int i = 0; i < 8000; i++) {
		ctl_publish(server, json_pack("{s:s, s:i, s:s}", "kind", "path-state", "n", i,
					      "text", "about a hundred octets, as events are"));
		if (i % 50 == 0)
			cr_assert(*get(fast));
	}
	lost = count().events_lost;
	cr_assert_gt(lost, 0);
	cr_assert_eq(count().clients, 2);
	/* It reads again: everything kept, then the count of what was not. */
	char want[64];
	snprintf(want, sizeof(want), "\"count\":%llu", (unsigned long long)lost);
	bool told = false;
	for (int i = 0; i < 1000 && !told; i++) {
		const char *r = get(slow);
		told = strstr(r, "\"kind\":\"lost\"") && strstr(r, want);
	}
	cr_assert(told, "not told about %llu", (unsigned long long)lost);
	close(slow);
	close(fast);
}

/* [VUL-23] */
Test(ctl, replies_nobody_reads_end_the_connection)
{
	int fd = pair(), other = pair();

	put(fd, "{\"v\":1,\"id\":1,\"cmd\":\"big\"}\n");
	turn();
	cr_assert_eq(count().clients_dropped, 1);
	cr_assert_eq(count().clients, 1);
	put(other, "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}\n");
	cr_assert(strstr(get(other), "\"done\":true"));
	close(fd);
	close(other);
}

/* [VUL-23] */
Test(ctl, requests_in_flight_are_bounded)
{
	int fd = pair();

	for (int i = 0; i < CTL_REQS_MAX; i++)
		put(fd, "{\"v\":1,\"id\":1,\"cmd\":\"hold\"}\n");
	cr_assert_str_eq(get(fd), "");
	put(fd, "{\"v\":1,\"id\":1,\"cmd\":\"hold\"}\n");
	cr_assert(strstr(get(fd), "more than 16 requests at once"));
	close(fd);
	turn();
	cr_assert_eq(n_gone, CTL_REQS_MAX);
}

static int dial(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* [VUL-23] */
Test(ctl, clients_are_bounded)
{
	int fds[CTL_CLIENTS_MAX];

	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		fds[i] = dial(), turn();
	int extra = dial();
	cr_assert(strstr(get(extra), "too many clients"));
	close(extra);
	close(fds[0]);
	turn();
	fds[0] = dial();
	put(fds[0], "{\"v\":1,\"id\":1,\"cmd\":\"nope\"}\n");
	cr_assert(strstr(get(fds[0]), "\"done\":true"));
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	turn();
	cr_assert_eq(count().clients, 0);
}

Test(ctl, socket_is_private_and_taken_only_once)
{
	struct ctl_server *s;
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(ctl_server_new(base, path, handler, NULL, &s), -EADDRINUSE);
}

/* [VUL-23] */
Test(ctl, other_users_are_refused)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to become somebody else");
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_assert_eq(seteuid(65534), 0);
	int fd = dial();
	cr_assert_eq(seteuid(0), 0); /* the credentials are those at connect(2) */
	turn();
	cr_assert(strstr(get(fd), "only root and the agent's own user may connect"));
	cr_assert_eq(count().clients, 0);
	close(fd);
}

Test(ctl, stale_socket_is_replaced_and_a_file_is_not)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ctl_server *s;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/stale", dir);
	cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	cr_assert_eq(ctl_server_new(base, un.sun_path, handler, NULL, &s), 0);
	ctl_server_free(s);
	FILE *f = fopen(un.sun_path, "w");
	fclose(f);
	cr_assert_eq(ctl_server_new(base, un.sun_path, handler, NULL, &s), -EEXIST);
	unlink(un.sun_path);
}

Test(ctl, client_library)
{
	struct ctl_client *c;
	json_t *reply = NULL, *args = json_pack("{s:s}", "x", "y");

	cr_assert_eq(ctl_connect(path, &c), 0);
	cr_assert_eq(ctl_send(c, "echo", args), 0);
	turn();
	cr_assert_eq(ctl_recv(c, 1000, &reply), 1);
	cr_assert(json_object_get(reply, "event"));
	json_decref(reply);
	cr_assert_eq(ctl_recv(c, 1000, &reply), 1);
	cr_assert_str_eq(json_string_value(json_object_get(json_object_get(reply, "data"), "got")),
			 "y");
	json_decref(reply);
	cr_assert_eq(ctl_recv(c, 1000, &reply), 1);
	cr_assert(json_is_true(json_object_get(reply, "done")));
	json_decref(reply);
	cr_assert_eq(ctl_recv(c, 10, &reply), -ETIMEDOUT);
	json_decref(args);
	ctl_client_free(c);
	cr_assert_eq(ctl_connect("/tmp/no/such.sock", &c), -ENOENT);
}

Test(ctl, client_against_a_strange_agent)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ctl_client *c;
	json_t *reply;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/strange", dir);
	cr_assert_eq(bind(l, (struct sockaddr *)&un, sizeof(un)), 0);
	cr_assert_eq(listen(l, 1), 0);
	cr_assert_eq(ctl_connect(un.sun_path, &c), 0);
	fd = accept(l, NULL, NULL);
	cr_assert_eq(ctl_send(c, "status", NULL), 0);
	/* An answer to something else, garbage, another version, half a line and the end. */
	dprintf(fd, "{\"v\":1,\"id\":99,\"done\":true}\nxx\n{\"v\":2,\"id\":1}\n{\"v\":1");
	cr_assert_eq(ctl_recv(c, 1000, &reply), -EBADMSG);
	cr_assert_eq(ctl_recv(c, 1000, &reply), -EBADMSG);
	close(fd);
	cr_assert_eq(ctl_recv(c, 1000, &reply), 0);
	ctl_client_free(c);
	close(l);
	unlink(un.sun_path);
}

/* Words are what other programs compare with: each its own, each code with its exit status. */
Test(ctl, words)
{
	static const struct {
		enum ctl_code code;
		const char *word;
		int exit;
	} codes[] = {
		{ CTL_FAILED, "failed", 1 },
		{ CTL_NOT_FOUND, "not-found", 1 },
		{ CTL_USAGE, "usage", 2 },
		{ CTL_REFUSED, "refused", 4 },
		{ CTL_TIMEOUT, "timeout", 5 },
		{ CTL_NO_ANSWER, "no-answer", 6 },
		{ CTL_AUTH_FAILED, "auth-failed", 7 },
		{ CTL_PEER_REFUSED, "peer-refused", 8 },
		{ CTL_DENIED, "denied", 9 },
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		cr_expect_str_eq(ctl_code_word(codes[i].code), codes[i].word);
		cr_expect_eq(ctl_code_exit(codes[i].word), codes[i].exit, "%s", codes[i].word);
	}
	cr_assert_str_eq(ctl_code_word(CTL_OK), "");
	cr_assert_eq(ctl_code_exit("from the future"), 1);
	cr_assert_str_eq(ctl_event_word(CTL_EV_PATH_STATE), "path-state");
	for (int i = CTL_EV_PROGRESS; i <= CTL_EV_LOST; i++) {
		cr_assert(*ctl_event_word((enum ctl_event)i), "event %d", i);
		for (int k = CTL_EV_PROGRESS; k < i; k++)
			cr_assert_str_neq(ctl_event_word((enum ctl_event)i),
					  ctl_event_word((enum ctl_event)k));
	}
}

/* Who asks for the end hears that it comes. */
Test(ctl, last_answer)
{
	static const char request[] = "{\"v\":1,\"id\":3,\"cmd\":\"end\"}\n";
	int fd = pair();

	cr_assert_eq(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
		     (ssize_t)sizeof(request) - 1);
	cr_assert_eq(event_base_dispatch(base), 0);
	ctl_server_free(server);
	server = NULL;
	cr_assert(strstr(get(fd), "\"done\":true"));
	close(fd);
}
