/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP as fast as one socket sends it, or at a rate, in datagrams of 1,372 octets, and a receiver
 * that is not what limits: large buffer, many datagrams per call.
 *
 *      udp_load recv ADDRESS PORT [gso]          until terminated; prints packets per second,
 * octets udp_load send ADDRESS PORT SECONDS [PER_SECOND [OCTETS]] [gso]
 *
 * gso: segmentation is left to the kernel, UDP_SEGMENT out and UDP_GRO in. PER_SECOND: datagrams,
 * some each millisecond.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { SEGMENT = 1372, SEGMENTS = 44, BATCH = 64, ROOM = 65536, SENDS_PER_LOOK = 16 };

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "udp_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void receive(int fd)
{
	static char buf[BATCH][ROOM];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH] = { 0 };
	double first = 0, last = 0;
	unsigned long long octets = 0;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = buf[i], .iov_len = ROOM };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	while (!stop) {
		int n = recvmmsg(fd, msg, BATCH, MSG_WAITFORONE, NULL);

		if (n <= 0)
			continue;
		last = now();
		if (first == 0)
			first = last;
		for (int i = 0; i < n; i++)
			octets += msg[i].msg_len;
	}
	printf("%.0f %llu\n", last > first ? (double)(octets / SEGMENT) / (last - first) : 0.0,
	       octets);
}

static void send_some(int fd, size_t len, unsigned n)
{
	static char buf[SEGMENT * SEGMENTS];

	/* The far side may not have come up yet, or the queue be full: neither ends the run. */
	while (n--)
		if (send(fd, buf, len, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS)
			die("send");
}

static void transmit(int fd, double seconds, size_t len)
{
	double end = now() + seconds;

	while (now() < end)
		send_some(fd, len, SENDS_PER_LOOK);
}

static void transmit_at(int fd, double seconds, size_t len, double per_second)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	double begin = now(), sent = 0, due;

	while (sent < per_second * seconds) {
		due = (now() - begin) * per_second;
		if (due > per_second * seconds)
			due = per_second * seconds;
		for (; sent < due; sent++)
			send_some(fd, len, 1);
		nanosleep(&pause, NULL);
	}
}

static void listen_on(int fd, const struct sockaddr_in *sin, bool gso)
{
	struct sigaction sa = { .sa_handler = on_signal }; /* ends a call that waits */
	int on = 1, buf = 8 << 20;

	sigaction(SIGTERM, &sa, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buf, sizeof(buf));
	if (gso && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		die("UDP_GRO");
	if (bind(fd, (const struct sockaddr *)sin, sizeof(*sin)) < 0)
		die("bind");
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	bool gso = argc > 4 && !strcmp(argv[argc - 1], "gso");
	int fd, segment = SEGMENT, words = argc - gso;
	bool sender = words >= 5 && words <= 7 && !strcmp(argv[1], "send");
	double rate = sender && words > 5 ? atof(argv[5]) : 0;
	size_t octets = sender && words > 6 ? (size_t)atoi(argv[6]) : SEGMENT;

	if ((!sender && (words != 4 || strcmp(argv[1], "recv"))) ||
	    inet_pton(AF_INET, argv[2], &sin.sin_addr) != 1) {
		fputs("usage: udp_load recv ADDRESS PORT [gso] | "
		      "send ADDRESS PORT SECONDS [PER_SECOND [OCTETS]] [gso]\n",
		      stderr);
		return 2;
	}
	sin.sin_port = htons((uint16_t)atoi(argv[3]));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	if (!sender) {
		listen_on(fd, &sin, gso);
		receive(fd);
		return 0;
	}
	if (gso && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
		die("UDP_SEGMENT");
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect");
	if (gso)
		octets = SEGMENT * SEGMENTS;
	if (octets > SEGMENT * SEGMENTS)
		octets = SEGMENT;
	if (rate > 0)
		transmit_at(fd, atof(argv[4]), octets, gso ? rate / SEGMENTS : rate);
	else
		transmit(fd, atof(argv[4]), octets);
	return 0;
}
