/* SPDX-License-Identifier: GPL-2.0-only */
/* Two UDP streams between two hosts, one in each direction, while something happens on the way:
 * what of them was lost, the longest time without a packet, and whether any packet went in clear.
 *
 *     stream_watch [OPTION...] NETNS-A ADDRESS-A NETNS-B ADDRESS-B NETNS:INTERFACE...
 *
 * The interfaces are all that protected packets may leave by: the first is the one by which A's
 * stream shall go, the second B's, before anything happens; of some ports tried, those are taken
 * that go there. Everything on all of them is captured: a packet from or to one of the two
 * addresses, or with the mark that every packet of the streams carries, is one in clear.
 *
 *     -b COMMAND  before the streams, and after the ports are chosen
 *     -e COMMAND  what happens, while they run
 *     -d MSEC     streams run for so long after it (2000)...
 *     -m MSEC     ... and, while one of them does not arrive, up to that (0)
 *     -i USEC     between two packets of a stream (1000)
 *
 * Commands are bash's. One JSON object is printed, for each direction: packets sent, lost, doubled,
 * out of order; the longest times in microseconds between two that arrived, since the event ("gap")
 * and before it ("quiet"), by the kernel's stamps and less what the next one was sent late, and
 * between two that were sent ("pause"). by: the interface that carried most of it at the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/usec.h"

enum {
	UPLINKS_MAX = 8,
	SEQ_MAX = 1 << 18,
	PAYLOAD = 200,
	PAYLOAD_CHOICE = 700,
	INNER = 28,
	FRAME = 1 << 17,
	PORT = 20000,
	TRIES = 256,
	CHOICE_PACKETS = 3,
	PRIORITY = 10,
	QUIET = 400 * 1000,   /* streams before the event */
	SILENCE = 300 * 1000, /* not arriving: nothing for so long */
	DRAIN = 500 * 1000,
	RECEIVE = 8 << 20,
};

static const uint8_t mark[16] = "\xb7stream \x9a mark\xe3";

struct packet {
	uint8_t mark[sizeof(mark)];
	uint32_t seq;
};

struct end {
	const char *netns;
	struct in_addr addr;
};

struct uplink {
	const char *name; /* NETNS:INTERFACE */
	int fd;
	unsigned frames; /* as long as those looked for that left there since it was set to 0 */
	unsigned long long captured;
};

struct stream {
	int tx, rx;
	uint32_t next; /* to send */
	uint32_t received, doubled, disordered, youngest;
	usec_t due, sent_last, pause, arrived_last, gap, quiet;
	usec_t sent_at[SEQ_MAX]; /* by the clock of the stamps, less the interval */
	bool arrives;		 /* at the end */
	uint8_t seen[SEQ_MAX];
};

static struct end ends[2];
static struct uplink uplinks[UPLINKS_MAX];
static size_t n_uplinks;
static struct stream streams[2] = { { .tx = -1, .rx = -1 }, { .tx = -1, .rx = -1 } };
static unsigned long long in_clear;
static size_t looked_for = PAYLOAD;
static uint8_t frame[FRAME];
static bool happened;

static void die(const char *what)
{
	fprintf(stderr, "stream_watch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static usec_t clock_usec(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

static usec_t now(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

/* ---- sockets in other namespaces ---- */

static void enter(const char *netns, size_t len)
{
	static int home = -1;
	char path[128];
	int fd;

	if (home < 0)
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/run/netns/%.*s", (int)len, netns);
	fd = len ? open(path, O_RDONLY | O_CLOEXEC) : home;
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	if (len)
		close(fd);
}

static void leave(void)
{
	enter("", 0);
}

static void room(int fd)
{
	int octets = RECEIVE;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof(octets)) < 0)
		die("SO_RCVBUFFORCE");
}

static void capture(struct uplink *u, const char *name)
{
	const char *colon = strchr(name, ':');
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

	if (!colon) {
		errno = EINVAL;
		die(name);
	}
	enter(name, (size_t)(colon - name));
	u->name = name;
	u->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sll.sll_ifindex = (int)if_nametoindex(colon + 1);
	if (u->fd < 0 || !sll.sll_ifindex)
		die(name);
	room(u->fd);
	if (bind(u->fd, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		die(name);
	leave();
}

static int open_end(const struct end *own, const struct end *peer, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr = own->addr },
			   to = from;
	int fd, on = 1;

	to.sin_addr = peer->addr;
	enter(own->netns, strlen(own->netns));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die(own->netns);
	room(fd);
	leave();
	return fd;
}

/* ---- what leaves by the uplinks ---- */

static bool is_inner(uint32_t addr)
{
	return addr == ends[0].addr.s_addr || addr == ends[1].addr.s_addr;
}

static bool clear_frame(const uint8_t *f, size_t len)
{
	struct iphdr ip;

	if (len >= ETH_HLEN + sizeof(ip) && f[12] == 8 && f[13] == 0) {
		memcpy(&ip, f + ETH_HLEN, sizeof(ip));
		if (is_inner(ip.saddr) || is_inner(ip.daddr))
			return true;
	}
	return memmem(f, len, mark, sizeof(mark)) != NULL;
}

static void read_uplink(struct uplink *u)
{
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(u->fd, frame, sizeof(frame), 0, (struct sockaddr *)&from,
			     &from_len)) >= 0 ||
	       errno == ENETDOWN) {
		if (n < 0)
			continue; /* said once when the link goes down */
		u->captured++;
		in_clear += clear_frame(frame, (size_t)n);
		if (from.sll_pkttype == PACKET_OUTGOING)
			u->frames += (unsigned)((size_t)n / (looked_for + INNER)); /* UDP GSO */
		from_len = sizeof(from);
	}
}

static unsigned long long missed(void)
{
	unsigned long long sum = 0;

	for (size_t i = 0; i < n_uplinks; i++) {
		struct tpacket_stats st = { 0 };
		socklen_t len = sizeof(st);

		if (getsockopt(uplinks[i].fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) < 0)
			die("PACKET_STATISTICS");
		sum += st.tp_drops;
	}
	return sum;
}

/* The one of that end by which most of the frames left, counted from now on anew. */
static struct uplink *busiest(size_t end)
{
	struct uplink *most = NULL;

	for (size_t i = end; i < n_uplinks; i += 2)
		if (uplinks[i].frames && (!most || uplinks[i].frames > most->frames))
			most = &uplinks[i];
	return most;
}

static void count_anew(void)
{
	for (size_t i = 0; i < n_uplinks; i++)
		uplinks[i].frames = 0;
}

/* ---- the streams ---- */

static void send_one(int fd, uint32_t seq, size_t len)
{
	uint8_t buf[PAYLOAD_CHOICE] = { 0 };
	struct packet p = { .seq = seq };

	memcpy(p.mark, mark, sizeof(mark));
	memcpy(buf, &p, sizeof(p));
	/* what cannot be sent is lost */
	(void)!send(fd, buf, len, 0);
}

static void send_due(struct stream *s, usec_t interval)
{
	usec_t t;

	while (s->next < SEQ_MAX && (t = now()) >= s->due) {
		if (s->sent_last && t - s->sent_last > s->pause)
			s->pause = t - s->sent_last;
		s->sent_last = t;
		s->due += interval;
		s->sent_at[s->next] = clock_usec(CLOCK_REALTIME) - interval;
		send_one(s->tx, s->next++, PAYLOAD);
	}
}

/* Since the last one arrived, or since the one after it should have been sent, had it been in time.
 */
static usec_t silent(const struct stream *s, usec_t at)
{
	usec_t since = s->arrived_last;

	if (s->youngest + 1 < s->next && s->sent_at[s->youngest + 1] > since)
		since = s->sent_at[s->youngest + 1];
	return s->arrived_last && at > since ? at - since : 0;
}

static void arrived(struct stream *s, uint32_t seq, usec_t at)
{
	usec_t *longest = happened ? &s->gap : &s->quiet, gap = silent(s, at);

	if (seq >= s->next)
		return;
	s->doubled += s->seen[seq];
	s->received += !s->seen[seq];
	s->disordered += !s->seen[seq] && s->received > 1 && seq < s->youngest;
	s->seen[seq] = 1;
	if (seq > s->youngest)
		s->youngest = seq;
	if (gap > *longest)
		*longest = gap;
	if (at > s->arrived_last)
		s->arrived_last = at;
}

static usec_t stamp_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct timespec t;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
	}
	return clock_usec(CLOCK_REALTIME);
}

static void receive(struct stream *s)
{
	uint8_t buf[PAYLOAD_CHOICE];
	char control[128];
	struct packet p;

	for (;;) {
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(s->rx, &m, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n != PAYLOAD)
			continue; /* an ICMP error, or of the choice of ports */
		memcpy(&p, buf, sizeof(p));
		if (memcmp(p.mark, mark, sizeof(mark)) == 0)
			arrived(s, p.seq, stamp_of(&m));
	}
}

/* Wait for packets, not beyond that time. */
static void look(usec_t until)
{
	struct pollfd fds[UPLINKS_MAX + 2];
	usec_t t = now(), left = until > t ? until - t : 0;
	struct timespec ts = { (time_t)(left / USEC_PER_SEC), (long)(left % USEC_PER_SEC) * 1000 };
	size_t n = 0;

	for (size_t i = 0; i < n_uplinks; i++)
		fds[n++] = (struct pollfd){ .fd = uplinks[i].fd, .events = POLLIN };
	for (size_t i = 0; i < 2; i++)
		fds[n++] = (struct pollfd){ .fd = streams[i].rx, .events = POLLIN };
	if (ppoll(fds, n, &ts, NULL) <= 0)
		return;
	for (size_t i = 0; i < n_uplinks; i++)
		if (fds[i].revents)
			read_uplink(&uplinks[i]);
	for (size_t i = 0; i < 2; i++)
		if (fds[n_uplinks + i].revents)
			receive(&streams[i]);
}

static bool arrives(const struct stream *s)
{
	return clock_usec(CLOCK_REALTIME) < s->arrived_last + SILENCE;
}

static void run_until(usec_t end, usec_t interval)
{
	for (usec_t t = now(); t < end; t = now()) {
		usec_t next = end;

		for (size_t i = 0; i < 2; i++) {
			send_due(&streams[i], interval);
			if (streams[i].due < next)
				next = streams[i].due;
		}
		look(next);
	}
}

/* Silence at the end is a gap as well. */
static void drain(void)
{
	usec_t end = now() + DRAIN, at = clock_usec(CLOCK_REALTIME);

	for (size_t i = 0; i < 2; i++) {
		struct stream *s = &streams[i];

		s->arrives = arrives(s);
		if (!s->arrives && silent(s, at) > s->gap)
			s->gap = silent(s, at);
	}
	while (now() < end &&
	       (streams[0].received < streams[0].next || streams[1].received < streams[1].next))
		look(end);
}

/* ---- choice of ports ---- */

/* Does what this socket sends leave by the first uplink of its end? */
static bool leaves_first(int fd, size_t end)
{
	usec_t until = now() + 20 * USEC_PER_MSEC;

	count_anew();
	for (uint32_t i = 0; i < CHOICE_PACKETS; i++)
		send_one(fd, i, PAYLOAD_CHOICE);
	while (now() < until && uplinks[end].frames < CHOICE_PACKETS)
		look(until);
	return uplinks[end].frames >= CHOICE_PACKETS && busiest(end) == &uplinks[end];
}

static void choose(void)
{
	bool found[2] = { false, false };

	looked_for = PAYLOAD_CHOICE;
	for (uint16_t k = 0; k < TRIES && !(found[0] && found[1]); k++) {
		int fd[2];
		bool kept = false;

		for (size_t i = 0; i < 2; i++)
			fd[i] = open_end(&ends[i], &ends[!i], (uint16_t)(PORT + k));
		for (size_t i = 0; i < 2 && !kept; i++) {
			if (found[i] || !leaves_first(fd[i], i))
				continue;
			streams[i].tx = fd[i];
			streams[i].rx = fd[!i];
			kept = found[i] = true;
		}
		for (size_t i = 0; i < 2 && !kept; i++)
			close(fd[i]);
	}
	if (!found[0] || !found[1]) {
		fprintf(stderr, "stream_watch: nothing %s leaves by %s\n",
			found[0] ? "back" : "there", uplinks[found[0]].name);
		exit(1);
	}
	looked_for = PAYLOAD;
}

/* ---- all of it ---- */

/* A shell that waits for a line before it does that: to start one takes long enough to be seen in
 * the streams. ret_go: where the line is to be written. */
static pid_t prepare(const char *command, int *ret_go)
{
	char line[1024];
	int go[2];
	pid_t pid;

	snprintf(line, sizeof(line), "read -r && { %s; }", command);
	if (pipe2(go, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		dup2(go[0], STDIN_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execlp("bash", "bash", "-c", line, (char *)NULL);
		_exit(127);
	}
	close(go[0]);
	*ret_go = go[1];
	return pid;
}

static void go(int fd)
{
	if (write(fd, "\n", 1) != 1)
		die("write");
}

static void ended(pid_t pid, const char *command)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "stream_watch: it failed: %s\n", command);
		exit(1);
	}
}

static void print_stream(const char *name, size_t i)
{
	const struct stream *s = &streams[i];
	const struct uplink *by = busiest(i);

	printf("\"%s\":{\"sent\":%u,\"lost\":%u,\"doubled\":%u,\"disordered\":%u,\"gap\":%llu,"
	       "\"quiet\":%llu,\"pause\":%llu,\"arrives\":%s,\"by\":\"%s\"},",
	       name, s->next, s->next - s->received, s->doubled, s->disordered,
	       (unsigned long long)s->gap, (unsigned long long)s->quiet,
	       (unsigned long long)s->pause, s->arrives ? "true" : "false",
	       by ? strchr(by->name, ':') + 1 : "");
}

static void print(void)
{
	putchar('{');
	print_stream("there", 0);
	print_stream("back", 1);
	printf("\"captured\":{");
	for (size_t i = 0; i < n_uplinks; i++)
		printf("%s\"%s\":%llu", i ? "," : "", strchr(uplinks[i].name, ':') + 1,
		       uplinks[i].captured);
	printf("},\"missed\":%llu,\"in_clear\":%llu}\n", missed(), in_clear);
}

static void usage(void)
{
	fputs("usage: stream_watch [-b COMMAND] [-e COMMAND] [-d MSEC] [-m MSEC] [-i USEC]\n"
	      "           NETNS-A ADDRESS-A NETNS-B ADDRESS-B NETNS:INTERFACE...\n",
	      stderr);
	exit(2);
}

/* event: where the word for it is written, or -1. */
static void watch(int event, usec_t least, usec_t most, usec_t interval)
{
	usec_t began = now();

	streams[0].due = streams[1].due = began;
	run_until(began + QUIET, interval);
	happened = true;
	if (event >= 0)
		go(event);
	began = now();
	run_until(began + least, interval);
	while (now() < began + most && !(arrives(&streams[0]) && arrives(&streams[1])))
		run_until(now() + SILENCE, interval);
	count_anew();
	run_until(now() + SILENCE, interval);
	drain();
}

int main(int argc, char **argv)
{
	struct sched_param priority = { .sched_priority = PRIORITY };
	const char *before = NULL, *event = NULL;
	usec_t least = 2000, most = 0, interval = 1000;
	int c, fd = -1;
	pid_t pid = -1;

	while ((c = getopt(argc, argv, "b:e:d:m:i:")) != -1)
		switch (c) {
		case 'b':
			before = optarg;
			break;
		case 'e':
			event = optarg;
			break;
		case 'd':
			least = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			most = strtoull(optarg, NULL, 10);
			break;
		case 'i':
			interval = strtoull(optarg, NULL, 10);
			break;
		default:
			usage();
		}
	argv += optind;
	argc -= optind;
	if (argc < 6 || argc > 4 + UPLINKS_MAX || interval == 0 ||
	    inet_pton(AF_INET, argv[1], &ends[0].addr) != 1 ||
	    inet_pton(AF_INET, argv[3], &ends[1].addr) != 1)
		usage();
	ends[0].netns = argv[0];
	ends[1].netns = argv[2];
	for (int i = 4; i < argc; i++)
		capture(&uplinks[n_uplinks++], argv[i]);
	choose();
	if (before) {
		pid = prepare(before, &fd);
		go(fd);
		ended(pid, before);
		close(fd);
		fd = -1;
	}
	if (event)
		pid = prepare(event, &fd);
	/* where that is not allowed the figures say more of this program */
	sched_setscheduler(0, SCHED_FIFO, &priority);
	mlockall(MCL_CURRENT);
	watch(fd, least * USEC_PER_MSEC, most * USEC_PER_MSEC, interval);
	if (event)
		ended(pid, event);
	print();
	return 0;
}
