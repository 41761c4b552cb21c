/* SPDX-License-Identifier: GPL-2.0-only */
/* Several TCP streams at once, with CUBIC, each as fast as it can be.
 *
 *     streams receive ADDRESS PORT STREAMS        one JSON object when all have ended
 *     streams send ADDRESS PORT STREAMS SECONDS   for so long, or until SIGTERM
 *
 * Stream I, from 1, goes with DSCP I, both ways, by which its packets are known outside of a tunnel
 * that copies it. All octets are compared with what was sent. For each stream: index, octets, wrong
 * (the first octet that is not what it should be, from 1, or null) and how many octets came in each
 * of the bins, bin_usec long, since begin_usec (CLOCK_REALTIME). unfinished: streams that did not
 * end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/usec.h"

enum {
	STREAMS_MAX = 63,
	BIN_USEC = 10 * 1000,
	BINS = 120 * 100,
	PERIOD = 251 * 4096, /* after so many octets they are the same again */
	CHUNK = 64 << 10,
	WAIT_MSEC = 60 * 1000,
};

struct stream {
	uint8_t index;
	uint64_t octets;
	bool bad;
	uint64_t wrong;
	uint32_t bins[BINS];
};

static uint8_t pattern[PERIOD + CHUNK];
static struct stream streams[STREAMS_MAX];
static volatile sig_atomic_t stopped;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static usec_t now_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		die(ip);
	return a;
}

static void pattern_fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < PERIOD; i++) {
		x = x * 1103515245 + 12345;
		pattern[i] = (uint8_t)(x >> 16);
	}
	memcpy(pattern + PERIOD, pattern, CHUNK);
}

/* ---- receive ---- */

static void check(struct stream *s, const uint8_t *got, size_t n)
{
	const uint8_t *want = pattern + s->octets % PERIOD;

	if (s->bad || !memcmp(got, want, n))
		return;
	s->bad = true;
	for (size_t i = 0; i < n && got[i] == want[i]; i++)
		s->wrong = s->octets + i + 1;
}

/* False at its end. */
static bool take(int fd, struct stream *s, usec_t begin)
{
	static uint8_t buf[CHUNK];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	usec_t bin;

	if (n <= 0)
		return false;
	check(s, buf, (size_t)n);
	s->octets += (size_t)n;
	bin = (now_real() - begin) / BIN_USEC;
	if (bin < BINS)
		s->bins[bin] += (uint32_t)n;
	return true;
}

static void print_stream(const struct stream *s, unsigned bins)
{
	printf("{\"index\":%u,\"octets\":%" PRIu64 ",\"wrong\":", s->index, s->octets);
	if (s->bad)
		printf("%" PRIu64, s->wrong);
	else
		printf("null");
	printf(",\"bins\":[");
	for (unsigned i = 0; i < bins; i++)
		printf("%s%u", i ? "," : "", s->bins[i]);
	printf("]}");
}

static int receive(struct sockaddr_in at, unsigned n)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct pollfd fds[STREAMS_MAX];
	usec_t begin, last;
	unsigned open = n;
	int tos;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, STREAMS_MAX) < 0)
		die("listen");
	for (unsigned i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ accept(listener, NULL, NULL), POLLIN, 0 };
		if (fds[i].fd < 0 || recv(fds[i].fd, &streams[i].index, 1, 0) != 1)
			die("accept");
		tos = streams[i].index << 2;
		setsockopt(fds[i].fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	}
	begin = last = now_real();
	while (open && poll(fds, n, WAIT_MSEC) > 0)
		for (unsigned i = 0; i < n; i++) {
			if (!fds[i].revents)
				continue;
			if (!take(fds[i].fd, &streams[i], begin)) {
				fds[i].fd = -1;
				open--;
			}
			last = now_real();
		}
	printf("{\"begin_usec\":%" PRIu64 ",\"bin_usec\":%u,\"unfinished\":%u,\"streams\":[", begin,
	       BIN_USEC, open);
	last = (last - begin) / BIN_USEC + 1;
	for (unsigned i = 0; i < n; i++) {
		printf("%s", i ? "," : "");
		print_stream(&streams[i], last < BINS ? (unsigned)last : BINS);
	}
	printf("]}\n");
	return 0;
}

/* ---- send ---- */

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static int connected(struct sockaddr_in to, uint8_t index)
{
	static const char cubic[] = "cubic";
	int fd = socket(AF_INET, SOCK_STREAM, 0), tos = index << 2, wait = WAIT_MSEC;

	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cubic, sizeof(cubic)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait, sizeof(wait)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || send(fd, &index, 1, 0) != 1)
		die("connect");
	return fd;
}

static int send_all(struct sockaddr_in to, unsigned n, usec_t usec)
{
	struct pollfd fds[STREAMS_MAX];
	usec_t end;
	ssize_t r;

	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){ connected(to, (uint8_t)(i + 1)), POLLOUT, 0 };
	signal(SIGTERM, stop);
	for (end = now_real() + usec; !stopped && now_real() < end;) {
		if (poll(fds, n, 100) < 0 && errno != EINTR)
			die("poll");
		for (unsigned i = 0; i < n; i++) {
			if (!fds[i].revents)
				continue;
			r = send(fds[i].fd, pattern + streams[i].octets % PERIOD, CHUNK,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
			if (r > 0)
				streams[i].octets += (size_t)r;
			else if (errno != EAGAIN)
				die("send");
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool receives = argc > 4 && !strcmp(argv[1], "receive");
	unsigned n = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;

	if (!n || n > STREAMS_MAX || (!receives && argc < 6)) {
		fprintf(stderr, "usage: streams receive ADDRESS PORT STREAMS\n"
				"       streams send ADDRESS PORT STREAMS SECONDS\n");
		return 2;
	}
	pattern_fill();
	if (receives)
		return receive(address(argv[2], argv[3]), n);
	return send_all(address(argv[2], argv[3]), n,
			(usec_t)(strtod(argv[5], NULL) * USEC_PER_SEC));
}
