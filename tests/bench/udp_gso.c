/* SPDX-License-Identifier: GPL-2.0-only */
/* An application that leaves segmentation to the kernel: UDP_SEGMENT out, UDP_GRO in.
 *
 *   udp_gso send ADDRESS PORT SECONDS
 *   udp_gso recv ADDRESS PORT          until it is terminated; then prints packets per second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
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

enum { SEGMENT = 1372, SEGMENTS = 44 };

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
	fprintf(stderr, "udp_gso: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void receive(int fd)
{
	static char buf[65536];
	double first = 0, last = 0;
	unsigned long long octets = 0;

	while (!stop) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0)
			continue;
		last = now();
		if (first == 0)
			first = last;
		octets += (unsigned long long)n;
	}
	printf("%.0f\n", last > first ? (double)(octets / SEGMENT) / (last - first) : 0.0);
}

static void transmit(int fd, double seconds)
{
	static char buf[SEGMENT * SEGMENTS];
	double end = now() + seconds;

	/* The far side may not have come up yet, or the queue be full: neither ends the run. */
	while (now() < end)
		if (send(fd, buf, sizeof(buf), 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS)
			die("send");
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sigaction sa = { .sa_handler = on_signal };
	int fd, gso = SEGMENT, on = 1, buf = 8 << 20, sender;

	sender = argc == 5 && !strcmp(argv[1], "send");
	if ((!sender && (argc != 4 || strcmp(argv[1], "recv"))) ||
	    inet_pton(AF_INET, argv[2], &sin.sin_addr) != 1) {
		fputs("usage: udp_gso recv ADDRESS PORT | send ADDRESS PORT SECONDS\n", stderr);
		return 2;
	}
	sin.sin_port = htons((uint16_t)atoi(argv[3]));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	if (sender) {
		if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso)) < 0)
			die("UDP_SEGMENT");
		if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
			die("connect");
		transmit(fd, atof(argv[4]));
		return 0;
	}
	/* Without SA_RESTART: the signal ends recv(). */
	sigaction(SIGTERM, &sa, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buf, sizeof(buf));
	if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		die("UDP_GRO");
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("bind");
	receive(fd);
	return 0;
}
