/* SPDX-License-Identifier: GPL-2.0-only */
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PORT = 9,
	FLOWS = 64,
	SPIS = 1 << 18,
	SNAP = 128,
	BATCH = 64,
	RCVBUF = 64 << 20,
	IN_FLIGHT_USEC = 100 * 1000
};
/* Outside and inside of ESP: IP and UDP; around that: SPI, sequence number, IV, pad length and next
 * header, ICV of AES-GCM. */
enum { HEADERS = 20 + 8, ESP_MORE = 8 + 8 + 2 + 16, ESP_ALIGN = 4 };
#define NSEC 1000000000ull

struct spi_seen {
	uint32_t spi;
	uint64_t last[TRAFFIC_SIDES]; /* absolute; 0: never */
};

static struct traffic_cfg cfg;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* under it */
static struct traffic_seen seen;
static struct spi_seen table[SPIS]; /* open addressing */
static uint64_t mark;
static _Atomic uint64_t sent;
static size_t esp; /* octets of one packet */
static atomic_bool paused = true;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* ---- into the tunnel ---- */

static void *send_all(void *arg)
{
	static char payload[1500];
	int fds[FLOWS];
	uint64_t step = NSEC / cfg.per_sec, due = now_real();
	uint32_t r = 1;

	(void)arg;
	for (int i = 0; i < FLOWS; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fds[i] < 0)
			die("socket");
	}
	for (;; due += step) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
		struct timespec ts = { (time_t)(due / NSEC), (long)(due % NSEC) };

		clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
		if (atomic_load(&paused))
			continue;
		if (now_real() > due + NSEC / 10)
			due = now_real(); /* do not make up for it in a burst */
		r = r * 1664525 + 1013904223;
		to.sin_addr.s_addr =
			htonl(cfg.first_dst + (uint32_t)((uint64_t)r * cfg.n_dst >> 32));
		if (sendto(fds[r >> 16 & (FLOWS - 1)], payload, cfg.payload, 0,
			   (struct sockaddr *)&to, sizeof(to)) > 0)
			atomic_fetch_add(&sent, 1);
	}
	return NULL;
}

/* ---- out of it ---- */

static struct spi_seen *of_spi(uint32_t spi)
{
	uint32_t i = spi * 2654435761u;

	while (table[i % SPIS].spi && table[i % SPIS].spi != spi)
		i++;
	table[i % SPIS].spi = spi;
	return &table[i % SPIS];
}

/* An IP packet, from the uplink's point of view; UDP encapsulation. */
static void on_packet(const uint8_t *p, size_t len, uint64_t at)
{
	uint32_t source, spi;

	/* probes have another length; a super-packet is several */
	if (p[0] != 0x45 || p[9] != IPPROTO_UDP || len <= HEADERS || (len - HEADERS) % esp)
		return;
	memcpy(&source, p + 12, 4);
	memcpy(&spi, p + 28, 4);
	for (int s = 0; s < TRAFFIC_SIDES; s++) {
		if (source != cfg.source[s] || !spi)
			continue;
		seen.side[s].packets += (len - HEADERS) / esp;
		if (at < mark)
			continue;
		if (!seen.side[s].first)
			seen.side[s].first = at;
		seen.side[s].last = at;
		of_spi(spi)->last[s] = at;
	}
}

static uint64_t stamp_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct timespec ts;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
	}
	return now_real();
}

static bool receive(int fd)
{
	uint8_t buf[SNAP], control[64];
	struct sockaddr_ll from;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return false; /* also a device that went down: it comes again */
	if (n >= 32 && from.sll_pkttype == PACKET_OUTGOING && from.sll_protocol == htons(ETH_P_IP))
		on_packet(buf, (size_t)n, stamp_of(&m));
	return true;
}

static int tap(const char *dev)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL), /* what is sent, too */
				  .sll_ifindex = (int)if_nametoindex(dev) };
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0), on = 1, room = RCVBUF;

	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		die(dev);
	return fd;
}

static void *receive_all(void *arg)
{
	struct pollfd p[TRAFFIC_SIDES];

	(void)arg;
	for (int s = 0; s < TRAFFIC_SIDES; s++)
		p[s] = (struct pollfd){ .fd = tap(cfg.dev[s]), .events = POLLIN };
	for (;;) {
		if (poll(p, TRAFFIC_SIDES, -1) < 0 && errno != EINTR)
			die("poll");
		pthread_mutex_lock(&lock);
		for (int s = 0; s < TRAFFIC_SIDES; s++)
			for (int i = 0; i < BATCH && receive(p[s].fd); i++)
				;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* ---- for the program ---- */

void traffic_start(const struct traffic_cfg *c)
{
	pthread_t t;

	cfg = *c;
	esp = (HEADERS + cfg.payload + ESP_MORE + ESP_ALIGN - 1) / ESP_ALIGN * ESP_ALIGN;
	if (pthread_create(&t, NULL, receive_all, NULL) || pthread_create(&t, NULL, send_all, NULL))
		die("thread");
}

void traffic_pause(void)
{
	atomic_store(&paused, true);
	usleep(IN_FLIGHT_USEC);
}

void traffic_resume(void)
{
	pthread_mutex_lock(&lock);
	for (int s = 0; s < TRAFFIC_SIDES; s++)
		seen.side[s].packets = 0;
	atomic_store(&sent, 0);
	pthread_mutex_unlock(&lock);
	atomic_store(&paused, false);
}

void traffic_mark(void)
{
	pthread_mutex_lock(&lock);
	for (int s = 0; s < TRAFFIC_SIDES; s++)
		seen.side[s].first = seen.side[s].last = 0;
	memset(table, 0, sizeof(table));
	mark = now_real();
	pthread_mutex_unlock(&lock);
}

void traffic_read(struct traffic_seen *ret_seen)
{
	pthread_mutex_lock(&lock);
	seen.sent = atomic_load(&sent);
	for (int s = 0; s < TRAFFIC_SIDES; s++) {
		seen.side[s].sas = seen.side[s].earliest_last = 0;
		for (uint32_t i = 0; i < SPIS; i++) {
			uint64_t last = table[i].last[s];

			if (!last)
				continue;
			seen.side[s].sas++;
			if (!seen.side[s].earliest_last || last < seen.side[s].earliest_last)
				seen.side[s].earliest_last = last;
		}
	}
	*ret_seen = seen;
	for (int s = 0; s < TRAFFIC_SIDES; s++) {
		if (!seen.side[s].first)
			continue;
		ret_seen->side[s].first -= mark;
		ret_seen->side[s].last -= mark;
		ret_seen->side[s].earliest_last -= mark;
	}
	pthread_mutex_unlock(&lock);
}
