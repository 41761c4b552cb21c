/* SPDX-License-Identifier: GPL-2.0-only */
/* delay_relay IF1 IF2 SECONDS USEC [USEC-BACK]: a wire between two interfaces, mostly ends of veth
 * pairs, that is that long in time: each frame leaves the other one USEC microseconds after it
 * came, in order; frames from IF2 to IF1 after USEC-BACK, if that is given. For kernels without
 * netem.
 *
 * Says "ready", then obeys lines of its standard input:
 *
 *     delay USEC [USEC-BACK]             from the next frame on; never overtaking earlier ones
 *     loss PERMILLE PERMILLE-BACK SEED   loses so many, each with that chance; the same for the
 * same SEED stat                               frames of both directions so far, as a line of JSON
 *
 * It ends with that input, or after SECONDS, with such a line. Super-packets and checksums not yet
 * made pass as they are; a super-packet is one frame, and lost whole. It measures from when the
 * kernel got a frame, so that being scheduled late is made up for. A queue holds QUEUE octets; what
 * does not fit is dropped and counted. One process, one thread; its interfaces need no address. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUE = 32 << 20,
	BATCH = 64,
	FRAME = 65536 + 64 + sizeof(struct virtio_net_hdr),
	SOCKET_BUF = 16 << 20,
	LINE = 128,
	WAYS = 2,
};
#define NSEC	 1000000000ull
#define LATE_MAX NSEC /* a stamp older than that is one of another clock */

/* In the queue, before each frame; len 0: the rest up to the end is unused. */
struct entry {
	uint64_t due;
	uint32_t len, pad;
};

struct way {
	int in, out;
	uint64_t delay; /* ns */
	uint64_t last_due;
	unsigned lose; /* permille */
	uint64_t rng;
	uint8_t *queue;
	uint64_t head, tail; /* octets ever taken from it and put into it */
	uint64_t relayed, lost, full, refused;
};

static struct way ways[WAYS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t clock_nsec(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* ---- the queue ---- */

static struct entry *entry_at(const struct way *w, uint64_t pos)
{
	return (struct entry *)(w->queue + pos % QUEUE);
}

static uint64_t room_for(uint32_t len)
{
	return sizeof(struct entry) +
	       (len + sizeof(struct entry) - 1) / sizeof(struct entry) * sizeof(struct entry);
}

static void put(struct way *w, uint64_t due, const void *frame, uint32_t len)
{
	uint64_t need = room_for(len), rest;

	if (w->head == w->tail)
		w->head = w->tail = 0; /* what is used again is in the cache */
	rest = QUEUE - w->tail % QUEUE;
	if (w->tail - w->head + need + (rest < need ? rest : 0) > QUEUE) {
		w->full++;
		return;
	}
	if (rest < need) {
		*entry_at(w, w->tail) = (struct entry){ .len = 0 };
		w->tail += rest;
	}
	*entry_at(w, w->tail) = (struct entry){ .due = due, .len = len };
	memcpy(entry_at(w, w->tail) + 1, frame, len);
	w->tail += need;
}

/* The entry at *pos, or the one after the unused rest; NULL: there is none. */
static struct entry *next(const struct way *w, uint64_t *pos)
{
	if (*pos != w->tail && !entry_at(w, *pos)->len)
		*pos += QUEUE - *pos % QUEUE;
	return *pos == w->tail ? NULL : entry_at(w, *pos);
}

/* ---- in ---- */

static bool lose(struct way *w)
{
	if (!w->lose)
		return false;
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (w->rng >> 32) % 1000 < w->lose;
}

/* How long ago the kernel got it. */
static uint64_t age(struct msghdr *m, uint64_t now_real)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct timespec ts;
	uint64_t at;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
		return 0;
	memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	at = (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
	return at < now_real && now_real - at < LATE_MAX ? now_real - at : 0;
}

static void take(struct way *w)
{
	static uint8_t buf[BATCH][FRAME];
	static uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t now, real, due;
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ buf[i], sizeof(buf[i]) };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
						.msg_iovlen = 1,
						.msg_control = control[i],
						.msg_controllen = sizeof(control[i]) };
	}
	n = recvmmsg(w->in, m, BATCH, MSG_DONTWAIT, NULL);
	now = clock_nsec(CLOCK_MONOTONIC);
	real = clock_nsec(CLOCK_REALTIME);
	for (int i = 0; i < n; i++) {
		if (m[i].msg_hdr.msg_flags & MSG_TRUNC) {
			w->refused++;
			continue;
		}
		if (lose(w)) {
			w->lost++;
			continue;
		}
		due = now - age(&m[i].msg_hdr, real) + w->delay;
		if (due < w->last_due)
			due = w->last_due;
		w->last_due = due;
		put(w, due, buf[i], m[i].msg_len);
	}
}

/* ---- out ---- */

/* Sends what is due by then; when the next one is, UINT64_MAX: none is there. */
static uint64_t give(struct way *w, uint64_t now)
{
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t pos, ends[BATCH];
	struct entry *e;
	int n, sent;

	for (;;) {
		pos = w->head;
		for (n = 0; n < BATCH && (e = next(w, &pos)) && e->due <= now; n++) {
			iov[n] = (struct iovec){ e + 1, e->len };
			m[n].msg_hdr = (struct msghdr){ .msg_iov = &iov[n], .msg_iovlen = 1 };
			pos += room_for(e->len);
			ends[n] = pos;
		}
		if (!n)
			break;
		sent = sendmmsg(w->out, m, (unsigned)n, MSG_DONTWAIT);
		if (sent <= 0) { /* the first one cannot be sent: as a wire that is cut */
			w->refused++;
			w->head = ends[0];
		} else {
			w->relayed += (unsigned)sent;
			w->head = ends[sent - 1];
		}
	}
	e = next(w, &pos);
	return e ? e->due : UINT64_MAX;
}

/* ---- set-up, and what one may say ---- */

static void set_delay(const char *there, const char *back)
{
	ways[0].delay = strtoull(there, NULL, 10) * 1000;
	ways[1].delay = strtoull(back ? back : there, NULL, 10) * 1000;
}

static int open_end(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, size = SOCKET_BUF;
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };

	if (fd < 0 || !at.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(name);
	return fd;
}

static void set_up(int argc, char **argv)
{
	struct sched_param real_time = { .sched_priority = 1 };

	for (int i = 0; i < WAYS; i++)
		ways[i].in = open_end(argv[1 + i]);
	for (int i = 0; i < WAYS; i++) {
		ways[i].out = ways[!i].in;
		ways[i].queue = mmap(NULL, QUEUE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (ways[i].queue == MAP_FAILED)
			die("queue");
	}
	set_delay(argv[4], argc > 5 ? argv[5] : NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_FIFO, &real_time); /* without it, it is less exact */
	printf("ready\n");
	fflush(stdout);
}

static void stat_line(void)
{
	for (int i = 0; i < WAYS; i++)
		printf("%s\"%s\":{\"relayed\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"full\":%" PRIu64
		       ",\"refused\":%" PRIu64 "}%s",
		       i ? "," : "{", i ? "back" : "there", ways[i].relayed, ways[i].lost,
		       ways[i].full, ways[i].refused, i ? "}\n" : "");
	fflush(stdout);
}

static void obey(const char *line)
{
	char there[32], back[32];
	unsigned lose_there, lose_back;
	uint64_t seed;

	switch (sscanf(line, "delay %31[0-9] %31[0-9]", there, back)) {
	case 1:
		set_delay(there, NULL);
		return;
	case 2:
		set_delay(there, back);
		return;
	}
	if (sscanf(line, "loss %u %u %" SCNu64, &lose_there, &lose_back, &seed) == 3) {
		for (unsigned i = 0; i < WAYS; i++) {
			ways[i].lose = i ? lose_back : lose_there;
			ways[i].rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + 2 * i;
			ways[i].rng |= 1; /* it would stay 0 */
		}
	} else if (!strcmp(line, "stat")) {
		stat_line();
	} else {
		fprintf(stderr, "not understood: %s\n", line);
	}
}

/* False at its end. */
static bool listen_to(int fd)
{
	static char line[LINE];
	static size_t len;
	ssize_t n = read(fd, line + len, sizeof(line) - 1 - len);
	char *end;

	if (n <= 0)
		return false;
	len += (size_t)n;
	line[len] = 0;
	while ((end = strchr(line, '\n'))) {
		*end = 0;
		obey(line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
	return len < sizeof(line) - 1;
}

int main(int argc, char **argv)
{
	uint64_t end;

	if (argc < 5) {
		fprintf(stderr, "usage: delay_relay IF1 IF2 SECONDS USEC [USEC-BACK]\n");
		return 1;
	}
	set_up(argc, argv);
	end = clock_nsec(CLOCK_MONOTONIC) + strtoull(argv[3], NULL, 10) * NSEC;
	for (;;) {
		uint64_t now = clock_nsec(CLOCK_MONOTONIC), until = end, due;
		struct pollfd fds[] = { { ways[0].in, POLLIN, 0 },
					{ ways[1].in, POLLIN, 0 },
					{ STDIN_FILENO, POLLIN, 0 } };
		struct timespec ts;

		if (now >= end)
			break;
		for (int i = 0; i < WAYS; i++) {
			due = give(&ways[i], now);
			until = due < until ? due : until;
		}
		now = clock_nsec(CLOCK_MONOTONIC);
		until = until > now ? until - now : 0;
		ts = (struct timespec){ (time_t)(until / NSEC), (long)(until % NSEC) };
		if (ppoll(fds, 3, &ts, NULL) < 0 && errno != EINTR)
			die("ppoll");
		for (int i = 0; i < WAYS; i++)
			if (fds[i].revents)
				take(&ways[i]);
		if (fds[2].revents && !listen_to(STDIN_FILENO))
			break;
	}
	stat_line();
	return 0;
}
