/* SPDX-License-Identifier: GPL-2.0-only */
/* The control thread: serves one agent at a time, forwards what packet threads report, runs the
 * path probes. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "abi/steer.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "engine/engine.h"
#include "esp/blobs.h"
#include "esp/client.h"
#include "net/linkwatch.h"
#include "depart.h"

enum {
	BLOBS_MAX = 65536,
	RESULT_WAIT_MSEC = 5000,
	AGAIN_USEC = 10000,
	IKE_UNFRAGMENTED = 1200,
	TRIM_SAS = 256
};

struct blob {
	struct hash_node by_key;
	struct list node;
	size_t len;
	uint8_t *data; /* owned */
};

struct server {
	struct engine *e;
	int listen_fd, agent_fd, signal_fd;
	bool stop;
	usec_t started;
	struct hash blobs;
	struct list blob_list; /* in the order they came in */
	struct blob_parts coming;
	size_t most_sas;	  /* since memory was last given back */
	struct engine_fds passed; /* came with the message being served */
	uint64_t buf[ENGINE_MSG_MAX / 8];
};

static struct server *server; /* the one, for engine.event */

static void agent_gone(struct server *s)
{
	if (s->agent_fd >= 0)
		close(s->agent_fd);
	s->agent_fd = -1;
	sad_expect_none(&s->e->sad);
	blob_parts_clear(&s->coming);
}

/* Events may be lost, results may not. */
static void put(struct server *s, struct engine_hdr *h, size_t len, bool must)
{
	struct pollfd p = { .fd = s->agent_fd, .events = POLLOUT };
	int r;

	if (s->agent_fd < 0)
		return;
	r = engine_send(s->agent_fd, h, len, NULL);
	if (r == -EAGAIN && must && poll(&p, 1, RESULT_WAIT_MSEC) > 0)
		r = engine_send(s->agent_fd, h, len, NULL);
	if (r < 0 && (must || r != -EAGAIN)) {
		log_warning("agent does not take our messages (%s), waiting for another one",
			    strerror(-r));
		agent_gone(s);
	}
}

static void on_event(struct engine *e, struct engine_hdr *msg, size_t len)
{
	(void)e;
	msg->seq = 0;
	put(server, msg, len, false);
}

static void result(struct server *s, uint32_t seq, int error)
{
	struct engine_result r = { .h = { .seq = seq, .type = ENGINE_RESULT }, .error = error };

	put(s, &r.h, sizeof(r), true);
}

static int hello(struct server *s, const struct engine_hdr *req)
{
	struct engine_hello h = {
		.h = { .seq = req->seq, .type = ENGINE_HELLO_INFO },
		.pid = (uint32_t)getpid(),
		.workers = (uint32_t)s->e->n_workers,
		.started_usec = s->started,
	};

	strncpy(h.crypto, aead_driver_name(AEAD_DRIVER_BEST), sizeof(h.crypto) - 1);
	memcpy(h.tun, s->e->tun.name, sizeof(h.tun));
	put(s, &h.h, sizeof(h), true);
	return 0;
}

static int config(struct server *s, const struct engine_config *c)
{
	struct engine_why why = { .h = { .seq = c->h.seq, .type = ENGINE_WHY } };
	int r = engine_configure(s->e, c, why.text, sizeof(why.text));

	if (r < 0)
		put(s, &why.h, sizeof(why), true);
	return r;
}

static int classes(struct server *s, const struct engine_hdr *h)
{
	struct engine_why why = { .h = { .seq = h->seq, .type = ENGINE_WHY } };
	int r = engine_classes(s->e, &s->passed, why.text, sizeof(why.text));

	if (r < 0)
		put(s, &why.h, sizeof(why), true);
	return r;
}

static void expect(struct engine *e, uint32_t spi, bool on)
{
	sad_expect(&e->sad, spi, on);
	for (int i = 0; !on && i < e->n_workers; i++)
		worker_kick(e->worker[i]);
}

static int sa_install(struct server *s, const struct engine_sa *req)
{
	struct engine *e = s->e;
	struct sa *sa;
	int r;

	/* The number of contexts is known only then. */
	if (!e->configured)
		return -ENOTCONN;
	r = engine_can_send(e, req);
	if (r < 0)
		return r;
	r = sa_new(req, e->cfg.crypto_driver, e->n_workers + 1, &sa);
	if (r < 0)
		return r;
	/* longer packets than that do not come */
	if (sa->tfc > e->cfg.tun_mtu)
		sa->tfc = e->cfg.tun_mtu;
	sa->sibling.waits_until = engine_now() + SIBLING_WAIT_USEC;
	r = sad_add(&e->sad, sa);
	if (r < 0)
		sa_free(sa);
	return r;
}

static int sa_add(struct server *s, const struct engine_sa *req)
{
	int r = sa_install(s, req);

	expect(s->e, req->spi_in, false);
	return r;
}

static void sa_info(struct server *s, const struct sa *sa, uint32_t seq)
{
	const struct sa_sel *sel = sa_sel_of(sa);
	struct engine_sa_info i = {
		.h = { .seq = seq, .type = ENGINE_SA_INFO },
		.id = sa->id,
		.replaces = sa->replaces,
		.spi_in = sa->spi_in,
		.spi_out = sa->spi_out,
		.mark = sa->mark,
		.flags = (sa->flags & ~(uint32_t)ENGINE_SA_ENCAP) |
			 (sa_encap(sa) ? ENGINE_SA_ENCAP : 0) |
			 (sa->reached & SA_SOFT ? ENGINE_SA_SOFT_HIT : 0) |
			 (sa->reached & SA_HARD ? ENGINE_SA_HARD_HIT : 0),
		.encr_id = sa->encr_id,
		.key_bits = sa->key_bits,
		.integ_id = sa->integ_id,
		.family = sa->family,
		.out_active = !sa->deferred && !sa->superseded,
		.seq_out = sa->seq_out,
		.seq_in_high = sa->replay.top,
		.line = sa->sibling.line,
		.n_ts_local = sel->n_local,
		.n_ts_remote = sel->n_remote,
	};
	struct sa_counters c;

	sa_sum(sa, &c);
	i.in_packets = c.in_packets;
	i.in_octets = c.in_octets;
	i.out_packets = c.out_packets;
	i.out_octets = c.out_octets;
	i.drop_replay = c.drop_replay;
	i.duplicates = c.duplicates;
	i.drop_integrity = c.drop_integrity;
	i.drop_malformed = c.drop_malformed;
	i.drop_ts = c.drop_ts;
	i.drop_ecn = c.drop_ecn;
	i.dummies = c.dummies;
	i.last_in_usec = c.last_in;
	i.last_out_usec = c.last_out;
	sa_ts_wire(sel->local, sel->n_local, i.ts_local);
	sa_ts_wire(sel->remote, sel->n_remote, i.ts_remote);
	memcpy(i.driver, sa->driver, sizeof(i.driver));
	memcpy(i.name, sa->name, sizeof(i.name));
	put(s, &i.h, sizeof(i), true);
}

struct path_out {
	struct server *s;
	uint32_t seq;
};

static void path_info(void *ctx, struct engine_path_info *i)
{
	struct path_out *o = ctx;

	i->h.type = ENGINE_PATH_INFO;
	i->h.seq = o->seq;
	put(o->s, &i->h, sizeof(*i), true);
}

struct blob_out {
	struct server *s;
	uint32_t seq;
};

static int blob_part(void *ctx, struct engine_blob *m, size_t len)
{
	struct blob_out *o = ctx;

	m->h = (struct engine_hdr){ .seq = o->seq, .type = ENGINE_BLOB };
	put(o->s, &m->h, len, true);
	return 0;
}

static void blob_info(struct server *s, const struct blob *b, uint32_t seq)
{
	struct blob_out o = { s, seq };

	blob_send(b->by_key.key, b->data, b->len, blob_part, &o);
}

static void counters(struct server *s, uint32_t seq)
{
	struct engine_counters k = { .h = { .seq = seq, .type = ENGINE_COUNTERS } };

	for (int i = 0; i < s->e->n_workers; i++) {
		struct worker_counters c;
		uint64_t tx, dropped;

		worker_counters(s->e->worker[i], &c, &tx, &dropped);
		k.tun_rx_packets += c.tun_rx_packets;
		k.tun_rx_octets += c.tun_rx_octets;
		k.tun_tx_packets += c.tun_tx_packets;
		k.tun_tx_octets += c.tun_tx_octets;
		k.udp_rx_datagrams += c.udp_rx;
		k.udp_tx_datagrams += tx;
		k.drop_no_policy += c.drop_no_policy;
		k.drop_unknown_spi += c.drop_unknown_spi;
		k.drop_short += c.drop_short;
		k.drop_replay += c.drop_replay;
		k.duplicates += c.duplicates;
		k.drop_integrity += c.drop_integrity;
		k.drop_malformed += c.drop_malformed;
		k.drop_ts += c.drop_ts;
		k.drop_ecn += c.drop_ecn;
		k.drop_limit += c.drop_limit;
		k.drop_too_big += c.drop_too_big;
		k.fragmented += c.fragmented;
		k.drop_send += dropped;
		k.drop_tun += c.drop_tun;
		k.keepalives += c.keepalives;
		k.crypto_errors += c.crypto_errors;
		k.held += c.held;
		k.drop_hold_full += c.drop_hold_full;
		k.drop_hold_late += c.drop_hold_late;
		k.drop_transport += c.drop_transport;
		k.drop_blocked += c.drop_blocked;
		k.bond_waited += c.bond_waited;
		k.bond_missed += c.bond_missed;
		k.bond_late += c.bond_late;
		k.bond_full += c.bond_full;
		k.bond_yielded += c.bond_yielded;
		k.bond_ended += c.bond_ended;
	}
	k.no_link = s->e->no_link;
	put(s, &k.h, sizeof(k), true);
}

static void list_paths(struct server *s, uint32_t seq)
{
	struct path_out o = { s, seq };

	paths_each(s->e, path_info, &o);
}

static int sa_get(struct server *s, uint32_t id, uint32_t seq)
{
	const struct sa *sa = sad_find(&s->e->sad, id);

	if (!sa)
		return -ENOENT;
	sa_info(s, sa, seq);
	return 0;
}

static void list_all(struct server *s, uint32_t seq, bool stats)
{
	for (size_t i = 0; i < s->e->sad.n; i++)
		sa_info(s, s->e->sad.all[i], seq);
	list_paths(s, seq);
	if (stats)
		counters(s, seq);
	else
		list_for_each (it, &s->blob_list)
			blob_info(s, list_entry(it, struct blob, node), seq);
}

static void blob_del(struct server *s, uint64_t key)
{
	struct hash_node *n = hash_find(&s->blobs, key);
	struct blob *b = n ? hash_entry(n, struct blob, by_key) : NULL;

	if (!b)
		return;
	hash_remove(&s->blobs, n);
	list_remove(&b->node);
	blob_free(b->data, b->len);
	free(b);
}

/* Its place is taken when all of it is here. */
static int blob_put(struct server *s, const struct engine_blob *m, size_t len)
{
	struct blob *b;
	int ret = blob_parts_add(&s->coming, m, len);

	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	blob_del(s, m->key);
	b = s->blobs.n < BLOBS_MAX ? calloc(1, sizeof(*b)) : NULL;
	if (!b) {
		blob_parts_clear(&s->coming);
		return s->blobs.n < BLOBS_MAX ? -ENOMEM : -ENOSPC;
	}
	b->data = s->coming.data;
	b->len = s->coming.len;
	s->coming = (struct blob_parts){ 0 };
	list_append(&s->blob_list, &b->node);
	hash_add(&s->blobs, &b->by_key, m->key);
	return 0;
}

/* RFC 3948 2.2: marker and message from port 4500. An error shows as a missing reply. */
static void ike_send(struct server *s, const struct engine_dgram *d, size_t len)
{
	static const uint8_t marker[4], keepalive[1] = { 0xff };
	struct iovec iov[2] = { { (void *)marker, 4 }, { (void *)d->data, d->len } };
	struct udp_dest to = { .from = d->local.ip };
	bool cut = d->len > IKE_UNFRAGMENTED && !d->whole;
	int fd;

	if (!s->e->configured || len < sizeof(*d) + d->len)
		return;
	to.to_len = udp_addr_to_sockaddr(&d->remote, &to.to);
	fd = d->remote.ip.family == 6 ? s->e->sock[0].udp6 : s->e->sock[0].udp4;
	if (!to.to_len || fd < 0)
		return;
	if (d->len == 0)
		iov[0] = (struct iovec){ (void *)keepalive, 1 };
	/* ESP is never fragmented, a long IKE message may have to be. */
	if (cut)
		udp_allow_fragments(fd, d->remote.ip.family, true);
	udp_send_one(fd, &to, d->ifindex, NULL, iov, 2);
	if (cut)
		udp_allow_fragments(fd, d->remote.ip.family, false);
}

/* Without raw sockets (the start said so) it stays in UDP. */
static int group_encap(struct engine *e, const struct engine_group_encap *m)
{
	if (m->encap != ENGINE_ENCAP_UDP && e->raw4 < 0 && e->raw6 < 0)
		return -EPROTONOSUPPORT;
	return sad_group_encap(&e->sad, m->group, (enum engine_encap)m->encap);
}

static int flow(struct server *s, const struct engine_flow *m)
{
	struct engine_flow_info info = { .h = { .seq = m->h.seq, .type = ENGINE_FLOW_INFO } };
	int r = explain_flow(s->e, m, &info);

	if (!r)
		put(s, &info.h, sizeof(info), true);
	return r;
}

static int serve(struct server *s, const struct engine_hdr *h, size_t len)
{
	struct engine *e = s->e;
	const struct engine_id *id = (const void *)h;
	const struct engine_path_want *want = (const void *)h;
	const struct engine_group_room *room = (const void *)h;
	const struct engine_sa_group *group = (const void *)h;

	switch ((enum engine_msg_type)h->type) {
	case ENGINE_HELLO:
		return hello(s, h);
	case ENGINE_CONFIG:
		return config(s, (const void *)h);
	case ENGINE_MAPS:
		return maps_take(e, (const void *)h, &s->passed);
	case ENGINE_CLASSES:
		return classes(s, h);
	case ENGINE_SA_ADD:
		return sa_add(s, (const void *)h);
	case ENGINE_SA_DEL:
		paths_sa_gone(e, id->id);
		return sad_del(&e->sad, id->id);
	case ENGINE_SA_RETIRE:
		paths_sa_gone(e, id->id);
		return sad_retire(&e->sad, id->id);
	case ENGINE_SA_OUT_ON:
		return sad_out_on(&e->sad, id->id);
	case ENGINE_PATH_ADD:
		return paths_add(e, (const void *)h, engine_now());
	case ENGINE_PATH_DEL:
		return paths_del(e, id->id);
	case ENGINE_PATH_WANT:
		return paths_want(e, want->id, want->want, engine_now());
	case ENGINE_PATH_PING:
		return paths_ping(e, (const void *)h);
	case ENGINE_BLOB_PUT:
		return blob_put(s, (const void *)h, len);
	case ENGINE_BLOB_DEL:
		blob_del(s, ((const struct engine_blob *)h)->key);
		return 0;
	case ENGINE_LIST:
		list_all(s, h->seq, false);
		return 0;
	case ENGINE_STATS:
		list_all(s, h->seq, true);
		return 0;
	case ENGINE_SA_GET:
		return sa_get(s, id->id, h->seq);
	case ENGINE_PATHS:
		list_paths(s, h->seq);
		counters(s, h->seq);
		return 0;
	case ENGINE_SA_TS:
		return sad_ts(&e->sad, (const void *)h, engine_now());
	case ENGINE_GROUP_ROOM:
		return sad_group_told(&e->sad, room->group, room->room);
	case ENGINE_GROUP_ENCAP:
		return group_encap(e, (const void *)h);
	case ENGINE_FLOW:
		return flow(s, (const void *)h);
	case ENGINE_SA_GROUP:
		return sad_regroup(&e->sad, group->id, group->group);
	case ENGINE_SHUTDOWN:
		s->stop = true;
		return 0;
	case ENGINE_IKE_SEND:
	case ENGINE_SPI:
	case ENGINE_RESULT:
	case ENGINE_HELLO_INFO:
	case ENGINE_SA_INFO:
	case ENGINE_PATH_INFO:
	case ENGINE_BLOB:
	case ENGINE_COUNTERS:
	case ENGINE_WHY:
	case ENGINE_FLOW_INFO:
	case ENGINE_EV_IKE_RECV:
	case ENGINE_EV_SA_SEEN:
	case ENGINE_EV_PATH:
	case ENGINE_EV_JOIN:
	case ENGINE_EV_SA_LIMIT:
	case ENGINE_EV_PONG:
	case ENGINE_EV_NO_SA:
	case ENGINE_EV_MEASURED:
		break;
	}
	return -EOPNOTSUPP;
}

/* Like engine_recv, and keeps the descriptors that came along. */
static int receive(struct server *s)
{
	struct iovec iov = { .iov_base = s->buf, .iov_len = sizeof(s->buf) };
	union {
		char b[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct engine_hdr *h = (void *)s->buf;
	ssize_t n = recvmsg(s->agent_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (s->passed.n < ENGINE_FDS_MAX)
				s->passed.fd[s->passed.n++] = fd;
			else
				close(fd);
		}
	}
	if (n == 0)
		return -EPIPE;
	if (m.msg_flags & MSG_TRUNC || (size_t)n < sizeof(*h) ||
	    h->version != ENGINE_PROTO_VERSION || engine_msg_min(h->type) > (size_t)n)
		return -EBADMSG;
	return (int)n;
}

static void on_agent(struct server *s)
{
	/* Bounded, so that probes are on time. */
	for (int i = 0; i < 64 && s->agent_fd >= 0; i++) {
		const struct engine_hdr *h = (void *)s->buf;
		int n = receive(s);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			log_info("agent has gone (%s), traffic goes on", strerror(-n));
			agent_gone(s);
		} else if (h->type == ENGINE_IKE_SEND) {
			ike_send(s, (const void *)h, (size_t)n);
		} else if (h->type == ENGINE_SPI) {
			const struct engine_spi *m = (const void *)h;

			expect(s->e, m->spi, m->expected);
		} else {
			uint32_t seq = h->seq;
			int r = serve(s, h, (size_t)n);

			secret_wipe(s->buf, (size_t)n);
			result(s, seq, r);
		}
		while (s->passed.n)
			close(s->passed.fd[--s->passed.n]);
	}
}

static void on_connect(struct server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int buf = 4 << 20;
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid())) {
		log_warning("refused a connection of user %u", peer.uid);
		close(fd);
		return;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buf, sizeof(buf)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (s->agent_fd >= 0)
		log_info("agent %d takes over from another one", peer.pid);
	agent_gone(s);
	s->agent_fd = fd;
}

static void on_notes(struct server *s)
{
	struct engine_hdr *h = (void *)s->buf;

	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(s->e->note_rx, s->buf, sizeof(s->buf), MSG_DONTWAIT);

		if (n < (ssize_t)sizeof(*h))
			return;
		if (h->type == NOTE_PROBE) {
			paths_probe(s->e, (const void *)h);
			continue;
		}
		/* The peer uses the new SA: so may we. */
		if (h->type == ENGINE_EV_SA_SEEN)
			sad_out_on(&s->e->sad, ((const struct engine_seen *)h)->id);
		put(s, h, (size_t)n, false);
	}
}

static void on_link_lost(void *ctx, uint32_t ifindex, const struct addr *local)
{
	paths_link_lost(ctx, ifindex, local, engine_now());
}

static void on_links(struct engine *e)
{
	struct linkwatch_here here;

	if (linkwatch_read(&e->links, on_link_lost, e) == -ENOBUFS)
		e->links_unsure = true;
	if (!e->links_unsure || linkwatch_look(&e->links, &here) < 0)
		return;
	e->links_unsure = false;
	paths_check_links(e, &here, engine_now());
	linkwatch_here_clear(&here);
}

static int wait_for(struct server *s, usec_t deadline, struct pollfd *p)
{
	usec_t now = engine_now(), d = deadline > now ? deadline - now : 0;
	struct timespec ts = { (time_t)(d / USEC_PER_SEC), (long)(d % USEC_PER_SEC) * 1000 };

	p[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = s->e->note_rx, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = s->agent_fd, .events = POLLIN };
	p[3] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
	p[4] = (struct pollfd){ .fd = s->e->watching ? s->e->links.fd : -1, .events = POLLIN };
	return ppoll(p, 5, deadline == USEC_NEVER ? NULL : &ts, NULL);
}

static void clear(struct server *s)
{
	agent_gone(s);
	close(s->listen_fd);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	while (!list_empty(&s->blob_list))
		blob_del(s, list_entry(s->blob_list.next, struct blob, node)->by_key.key);
	hash_clear(&s->blobs);
	engine_unconfigure(s->e);
	maps_clear(s->e);
	sad_clear(&s->e->sad);
	secret_wipe(s->buf, sizeof(s->buf));
	free(s);
	server = NULL;
}

/* The allocator keeps what was freed, for the next thousand SAs, which may never come. */
static void trim(struct server *s)
{
	size_t n = s->e->sad.n;

	if (n > s->most_sas)
		s->most_sas = n;
	if (s->most_sas < n + TRIM_SAS || n > s->most_sas / 2)
		return;
	malloc_trim(0);
	s->most_sas = n;
}

int server_run(struct engine *e, int listen_fd)
{
	struct server *s = calloc(1, sizeof(*s));
	sigset_t signals;

	if (!s)
		return -ENOMEM;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	*s = (struct server){
		.e = e,
		.listen_fd = listen_fd,
		.agent_fd = -1,
		.started = engine_now(),
		.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK),
	};
	hash_init(&s->blobs);
	list_init(&s->blob_list);
	server = s;
	e->event = on_event;
	while (!s->stop) {
		usec_t now, deadline, unblock;
		struct pollfd p[5];
		bool left;

		/* Answers that have arrived count before silence is judged. */
		on_notes(s);
		now = engine_now();
		deadline = paths_run(e, now);
		unblock = sad_unblock(&e->sad, now);
		deadline = unblock < deadline ? unblock : deadline;
		left = sad_reclaim(&e->sad);
		left |= maps_reclaim(e);
		if ((left || e->links_unsure) && now + AGAIN_USEC < deadline)
			deadline = now + AGAIN_USEC;
		trim(s);
		if (wait_for(s, deadline, p) < 0)
			continue;
		/* p[1], the notes, are read above. */
		if (p[0].revents)
			s->stop = true;
		/* before the agent, who may remove a path for the same reason: the peer is told */
		if (p[4].revents || e->links_unsure)
			on_links(e);
		if (p[2].revents && s->agent_fd == p[2].fd)
			on_agent(s);
		if (p[3].revents)
			on_connect(s);
	}
	/* Before the socket is closed: afterwards the name may be a new engine's. */
	unlink(e->sock_path);
	clear(s);
	return 0;
}
