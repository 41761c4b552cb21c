/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet thread: its TUN queue on one side, its outer sockets on the other. Runs each packet to
 * completion, drains to EAGAIN, waits for nothing else. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include <linux/types.h>
#include "abi/steer.h"
#include "crypto/aead.h"
#include "crypto/rng.h"
#include "engine/engine.h"
#include "esp/flow.h"
#include "esp/segment.h"
#include "esp/tos.h"
#include "esp/toobig.h"
#include "worker_impl.h"

enum { TUN_BURST = 64, TUN_BUF = 80 << 10, EVENTS = 8 };

/* The IP header behind the virtio header is aligned. */
enum { TUN_PAD = 16 - sizeof(struct virtio_net_hdr) };

enum source { SRC_TUN, SRC_UDP4, SRC_UDP6, SRC_RAW4, SRC_RAW6, SRC_KICK, SRC_STOP };

/* How long what waits may outstay its time in an idle thread. */
enum { HOLD_CHECK_MSEC = 1100 };

/* Between two words about a peer whose address changes all the time. */
#define MOVED_PAUSE_USEC (100 * USEC_PER_MSEC)

/* Where the packet being worked on came from; addresses are looked up only when needed. */
struct arrival {
	int msg;
	uint16_t port;
	uint8_t tos;		 /* of the outer header */
	const struct held *held; /* it has waited: this says the rest, not msg */
};

static usec_t coarse_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

/* False: full, the control thread is behind. */
static bool note(const struct engine *e, struct engine_hdr *h, size_t len)
{
	h->seq = 0;
	h->version = ENGINE_PROTO_VERSION;
	return send(e->note_tx, h, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void engine_tell_limits(const struct engine *e, struct sa *sa, unsigned reached)
{
	for (unsigned which = SA_SOFT; which <= SA_HARD; which <<= 1) {
		struct engine_limit m = { .h.type = ENGINE_EV_SA_LIMIT,
					  .id = sa->id,
					  .hard = which == SA_HARD };

		/* else the next packet tells */
		if (reached & which && !note(e, &m.h, sizeof(m)))
			sa_untell(sa, which);
	}
}

int engine_route(struct engine *e, uint8_t family, bool encap, int index,
		 const struct udp_dest **ret_dest)
{
	if (family == 4) {
		*ret_dest = encap ? &e->dest4 : &e->raw_dest4;
		return encap ? e->sock[index].udp4 : e->raw4;
	}
	*ret_dest = encap ? &e->dest6 : &e->raw_dest6;
	return encap ? e->sock[index].udp6 : e->raw6;
}

/* Outbound */

/* Segments that fit one message of this packet size. */
static uint32_t burst_size(bool encap, size_t esp_max)
{
	uint32_t n = (uint32_t)(UDP_MSG_MAX / esp_max);

	/* Protocol 50 has no segmentation offload. */
	if (!encap)
		return 1;
	return n > UDP_GSO_SEGS ? UDP_GSO_SEGS : n;
}

void worker_send(struct worker *w, const struct departure *d, struct segment *s)
{
	struct sa *sa = d->sa;
	struct sa_counters *c = &sa->counters[w->index];
	struct aead *enc = sa_enc(sa, w->index);
	const struct esp_format *f = &sa->out;
	uint8_t nh = s->in.family == 4 ? ESP_NH_IPV4 : ESP_NH_IPV6;
	size_t pad_to = sa_pad_to(sa, d->max),
	       max = segment_max(s) < pad_to ? pad_to : segment_max(s);
	size_t esp_max = esp_len(f, max);
	uint32_t left = s->count, burst;
	const struct udp_dest *dest;
	bool encap = sa_encap(sa);
	int fd = engine_route(w->e, sa->family, encap, w->index, &dest);

	if (!enc) {
		w->c.crypto_errors++;
		return;
	}
	if (esp_max > UDP_MSG_MAX) {
		w->c.drop_malformed++;
		return;
	}
	for (burst = burst_size(encap, esp_max); left > 0; left -= burst) {
		uint8_t *room, *p;
		unsigned reached;
		uint64_t seq;
		bool ok;

		if (burst > left)
			burst = left;
		room = p = udp_txq_room(&w->tx, burst * esp_max);
		ok = sa_take_seq(sa, burst, burst * max, &seq, &reached);
		if (reached)
			engine_tell_limits(w->e, sa, reached);
		if (!ok) {
			w->c.drop_limit += left;
			return;
		}
		for (uint32_t i = 0; i < burst; i++) {
			size_t n = segment_next(s, p + f->hdr), m = esp_tfc(p + f->hdr, n, pad_to);

			if (esp_encap(enc, f, seq + i, p, m, nh) < 0) {
				w->c.crypto_errors++;
				return;
			}
			c->out_packets++;
			c->out_octets += n;
			p += esp_len(f, m);
		}
		udp_txq_add(&w->tx, fd, dest, d->mark, s->in.tos & sa->tos_mask, (size_t)(p - room),
			    encap ? esp_max : 0, burst);
	}
	c->last_out = w->now;
	sa_sends(sa, w->now);
}

/* Do answers go by the line of what they answer? */
static bool sa_follows(const struct sa *sa)
{
	return sa_has_siblings(sa) && !(sa->flags & ENGINE_SA_ROLE_I);
}

/* Whose packet it is: of the SA the policy finds, or of the one whose path its flow takes. */
static bool depart(struct worker *w, const struct inner *in, struct departure *ret_d)
{
	struct sa *sa = sad_out(&w->e->sad, &w->cache, in);
	const struct steer_view *v;
	uint32_t slot, line;
	uint64_t hash;

	if (!sa)
		return false;
	hash = flow_hash(in, w->e->flow_seed);
	slot = FLOW_SLOT(hash);
	v = sa_has_siblings(sa) ? atomic_load_explicit(&w->e->view, memory_order_acquire) : NULL;
	if (v) {
		const struct siblings *t = &w->e->sad.siblings;

		line = sa_follows(sa) ? replies_line(&t->replies, sa->sibling.selectors, hash) : 0;
		if (line)
			slot = siblings_slot(v, sa, line, slot);
		sa = siblings_choose(t, v, sa, slot, w->now);
	}
	*ret_d = (struct departure){
		.sa = sa,
		.mark = sa->mark | sa->cut[in->df] | STEER_MARK(0, slot, 0),
		.max = sa_inner_max(sa),
	};
	return true;
}

static void outbound(struct worker *w, uint8_t *buf, size_t len)
{
	const struct virtio_net_hdr *vh = (const void *)buf;
	struct departure d;
	struct segment s;

	if (len < sizeof(*vh) || segment_init(&s, vh, buf + sizeof(*vh), len - sizeof(*vh)) < 0) {
		w->c.drop_malformed++;
		return;
	}
	w->c.tun_rx_packets += s.count;
	w->c.tun_rx_octets += len - sizeof(*vh);
	if (!depart(w, &s.in, &d)) {
		/* RFC 4301 5.1: what no policy covers is discarded, never sent in clear. */
		w->c.drop_no_policy++;
		return;
	}
	if (mss_carried(s.pkt, &s.in))
		mss_clamp(buf + sizeof(*vh), &s.in, d.max);
	if (segment_max(&s) > d.max)
		worker_oversize(w, &d, &s);
	else
		worker_send(w, &d, &s);
}

/* The library's read is a cancellation point, which costs two atomic operations a packet. */
static ssize_t tun_read(int fd, void *buf, size_t len)
{
	return syscall(SYS_read, fd, buf, len);
}

static void tun_burst(struct worker *w)
{
	for (int i = 0; i < TUN_BURST; i++) {
		ssize_t n = tun_read(w->tun_fd, w->tun_buf + TUN_PAD, TUN_BUF - TUN_PAD);

		/* The device was deleted under us: stop looking at it. */
		if (n < 0 && errno == EBADFD)
			epoll_ctl(w->ep, EPOLL_CTL_DEL, w->tun_fd, NULL);
		if (n <= 0)
			break;
		outbound(w, w->tun_buf + TUN_PAD, (size_t)n);
	}
	udp_txq_flush(&w->tx);
}

/* Inbound */

static void tun_emit(void *ctx, const struct iovec *pieces, int n, size_t packets)
{
	struct worker *w = ctx;
	ssize_t r = writev(w->tun_fd, pieces, n);

	if (r < 0) {
		w->c.drop_tun += packets;
		return;
	}
	w->c.tun_tx_packets += packets;
	w->c.tun_tx_octets += (size_t)r - pieces[0].iov_len;
}

static void arrival_addrs(struct worker *w, const struct arrival *a, struct udp_addr *ret_local,
			  struct udp_addr *ret_remote, uint32_t *ret_ifindex)
{
	if (!a->held) {
		udp_rxq_addrs(&w->rx, a->msg, a->port, ret_local, ret_remote, ret_ifindex);
		return;
	}
	*ret_local = a->held->local;
	*ret_remote = a->held->remote;
	*ret_ifindex = a->held->ifindex;
}

static uint64_t arrival_from(const struct worker *w, const struct arrival *a)
{
	return a->held ? a->held->from : udp_rxq_from(&w->rx, a->msg);
}

static void ike_datagram(struct worker *w, const struct arrival *a, const uint8_t *p, size_t len)
{
	_Alignas(struct engine_dgram) uint8_t buf[sizeof(struct engine_dgram) + ENGINE_DGRAM_MAX];
	struct engine_dgram *d = (void *)buf;

	/* RFC 3948 2.2: the non-ESP marker precedes an IKE header. */
	if (len < 4 + 28 || len - 4 > ENGINE_DGRAM_MAX) {
		w->c.drop_short++;
		return;
	}
	memset(d, 0, sizeof(*d));
	d->h.type = ENGINE_EV_IKE_RECV;
	udp_rxq_addrs(&w->rx, a->msg, a->port, &d->local, &d->remote, &d->ifindex);
	d->len = (uint32_t)(len - 4);
	memcpy(d->data, p + 4, len - 4);
	note(w->e, &d->h, sizeof(*d) + d->len);
}

static void dummy(struct worker *w, const struct arrival *a, struct sa *sa, const uint8_t *p,
		  size_t len)
{
	struct note_probe n = { .h.type = NOTE_PROBE, .sa_id = sa->id };
	struct probe probe;

	sa->counters[w->index].dummies++;
	if (!(sa->flags & ENGINE_SA_PROBES) || probe_decode(p, len, &probe) < 0)
		return;
	arrival_addrs(w, a, &n.local, &n.remote, &n.ifindex);
	n.received = engine_now();
	memcpy(n.data, p, PROBE_LEN);
	note(w->e, &n.h, sizeof(n));
}

/* Tell the control thread of valid packets: the first, then once a second, or sooner when they come
 * from elsewhere. Of that only the newest packet may tell, and a peer with probes tells by those.
 */
static void seen(struct worker *w, const struct arrival *a, struct sa *sa, uint64_t seq)
{
	usec_t last = atomic_load_explicit(&sa->seen, memory_order_relaxed);
	bool newest = a->port && !(sa->flags & (ENGINE_SA_PROBES | ENGINE_SA_NO_REPLAY)) &&
		      seq == atomic_load_explicit(&sa->replay.top, memory_order_relaxed);
	uint64_t from = newest ? arrival_from(w, a) : 0;
	bool moved = newest && from != atomic_load_explicit(&sa->from, memory_order_relaxed);
	struct engine_seen n = { .h.type = ENGINE_EV_SA_SEEN, .id = sa->id };

	sa->counters[w->index].last_in = w->now;
	if (last && w->now < last + (moved ? MOVED_PAUSE_USEC : USEC_PER_SEC))
		return;
	if (!atomic_compare_exchange_strong(&sa->seen, &last, w->now))
		return;
	if (newest) {
		atomic_store_explicit(&sa->from, from, memory_order_relaxed);
		arrival_addrs(w, a, &n.local, &n.remote, &n.ifindex);
	}
	note(w->e, &n.h, sizeof(n));
}

/* DSCP and ECN that the outer header brought. False: the packet is to be dropped. */
static bool take_tos(struct worker *w, const struct arrival *a, struct sa *sa, uint8_t *pkt,
		     const struct inner *in)
{
	bool dscp = sa->flags & ENGINE_SA_DSCP_IN;
	uint8_t tos;

	if (!dscp && !(a->tos & TOS_ECN))
		return true;
	if (!tos_decap(in->tos, a->tos, dscp, &tos)) {
		sa->counters[w->index].drop_ecn++;
		w->c.drop_ecn++;
		return false;
	}
	if (tos != in->tos)
		tos_set(pkt, in->family, tos);
	return true;
}

/* Verified and decrypted: deliver. */
static void deliver(struct worker *w, const struct arrival *a, struct sa *sa, uint8_t *text,
		    size_t len, uint8_t nh)
{
	struct sa_counters *c = &sa->counters[w->index];
	struct inner in;

	if (nh == ESP_NH_DUMMY) {
		dummy(w, a, sa, text, len);
		return;
	}
	/* RFC 4303 2.6: tunnel mode carries IPv4 or IPv6, named rightly. */
	if ((nh != ESP_NH_IPV4 && nh != ESP_NH_IPV6) || inner_parse(text, len, false, &in) < 0 ||
	    (in.family == 4) != (nh == ESP_NH_IPV4)) {
		c->drop_malformed++;
		w->c.drop_malformed++;
		return;
	}
	if (!sa_inbound_ok(sa, &in)) {
		c->drop_ts++;
		w->c.drop_ts++;
		return;
	}
	if (!take_tos(w, a, sa, text, &in))
		return;
	if (sa_follows(sa))
		replies_heard(&w->e->sad.siblings.replies, sa->sibling.selectors,
			      flow_hash_reply(&in, w->e->flow_seed), sa->sibling.line, w->now);
	if (mss_carried(text, &in))
		mss_clamp(text, &in, sa_inner_max(sa));
	c->in_packets++;
	c->in_octets += in.len;
	coalesce_add(&w->co, text, &in);
}

/* No SA has this SPI. True: it is for one that is about to be, and waits or finds no room. */
static bool await_sa(struct worker *w, const struct arrival *a, const uint8_t *p, size_t len)
{
	struct held m = { .arrived = w->now,
			  .spi = esp_spi(p),
			  .len = len > HOLD_OCTETS ? UINT16_MAX : (uint16_t)len,
			  .port = a->port,
			  .tos = a->tos };

	if (a->held || !sad_expected(&w->e->sad, m.spi))
		return false;
	m.from = udp_rxq_from(&w->rx, a->msg);
	arrival_addrs(w, a, &m.local, &m.remote, &m.ifindex);
	if (!hold_put(&w->hold, &m, p)) {
		w->c.drop_hold_full++;
		return true;
	}
	/* Seen by worker_kick, or we see the SA: hold_run comes after it. */
	atomic_store(&w->holding, true);
	w->c.held++;
	return true;
}

static void inbound_esp(struct worker *w, const struct arrival *a, uint8_t *p, size_t len)
{
	struct sa *sa = sad_in(&w->e->sad, esp_spi(p));
	struct sa_counters *c;
	struct aead *dec;
	size_t text_len = 0;
	unsigned reached;
	uint64_t seq;
	uint8_t nh;
	bool replay, ok;
	int r;

	if (!sa && await_sa(w, a, p, len))
		return;
	if (!sa)
		sa = sad_in(&w->e->sad, esp_spi(p));
	if (!sa) {
		w->c.drop_unknown_spi++;
		return;
	}
	c = &sa->counters[w->index];
	if (!esp_shape_ok(&sa->in, len)) {
		c->drop_malformed++;
		w->c.drop_malformed++;
		return;
	}
	replay = !(sa->flags & ENGINE_SA_NO_REPLAY);
	seq = sa->in.esn ? replay_esn(&sa->replay, esp_seq_low(p)) : esp_seq_low(p);
	if (replay && !replay_check(&sa->replay, seq)) {
		c->drop_replay++;
		w->c.drop_replay++;
		return;
	}
	dec = sa_dec(sa, w->index);
	r = dec ? esp_decap(dec, &sa->in, seq, p, len, &text_len, &nh) : -EIO;
	if (r == -EBADMSG) {
		c->drop_integrity++;
		w->c.drop_integrity++;
		return;
	}
	if (r == -EIO) {
		w->c.crypto_errors++;
		return;
	}
	/* The ICV was right from here on. With replay protection off the window still follows,
	 * for the high half of an ESN. */
	if (!replay_commit(&sa->replay, seq) && replay) {
		c->drop_replay++;
		w->c.drop_replay++;
		return;
	}
	ok = sa_took(sa, seq, text_len, &reached);
	if (reached)
		engine_tell_limits(w->e, sa, reached);
	if (!ok) {
		w->c.drop_limit++;
		return;
	}
	seen(w, a, sa, seq);
	if (r < 0) {
		c->drop_malformed++;
		w->c.drop_malformed++;
		return;
	}
	deliver(w, a, sa, p + sa->in.hdr, text_len, nh);
}

/* True: it waits on. */
static bool judge_held(void *ctx, const struct held *m, uint8_t *p)
{
	struct worker *w = ctx;
	struct arrival a = { .port = m->port, .tos = m->tos, .held = m };

	if (w->now > m->arrived + HOLD_USEC) {
		w->c.drop_hold_late++;
		return false;
	}
	if (!sad_in(&w->e->sad, m->spi) && sad_expected(&w->e->sad, m->spi))
		return true;
	inbound_esp(w, &a, p, m->len);
	return false;
}

static void hold_run(struct worker *w)
{
	if (w->hold.n == 0)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	hold_sift(&w->hold, judge_held, w);
	coalesce_flush(&w->co);
	atomic_store(&w->holding, w->hold.n > 0);
}

void worker_kick(struct worker *w)
{
	/* What was changed is seen by hold_run, or we see that it is needed. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&w->holding))
		eventfd_write(w->kick_fd, 1);
}

/* One datagram of port 4500, RFC 3948. */
static void inbound_udp(struct worker *w, const struct arrival *a, uint8_t *p, size_t len)
{
	w->c.udp_rx++;
	if (len == 1 && p[0] == 0xff) {
		w->c.keepalives++;
		return;
	}
	if (len < ESP_HEADER) {
		w->c.drop_short++;
		return;
	}
	if (esp_spi(p) == 0)
		ike_datagram(w, a, p, len);
	else
		inbound_esp(w, a, p, len);
}

static void udp_burst(struct worker *w, int fd)
{
	int n = udp_rxq_recv(&w->rx, fd);

	for (int i = 0; i < n; i++) {
		struct arrival a = { .msg = i, .port = w->e->cfg.port };
		size_t len, gso;
		uint8_t *p = udp_rxq_get(&w->rx, i, &len, &gso, &a.tos);

		for (size_t off = 0; off < len; off += gso)
			inbound_udp(w, &a, p + off, len - off < gso ? len - off : gso);
	}
	coalesce_flush(&w->co);
}

/* Plain ESP. A raw IPv4 socket shows the IP header, a raw IPv6 socket does not. */
static void raw_burst(struct worker *w, int fd, bool v4)
{
	int n = udp_rxq_recv(&w->rx, fd);

	for (int i = 0; i < n; i++) {
		struct arrival a = { .msg = i };
		size_t len, gso, ihl = 0;
		uint8_t *p = udp_rxq_get(&w->rx, i, &len, &gso, &a.tos);

		if (v4 && len >= 20)
			ihl = (p[0] & 15u) * 4u;
		if (len < ihl + ESP_HEADER || (v4 && ihl < 20))
			w->c.drop_short++;
		else
			inbound_esp(w, &a, p + ihl, len - ihl);
	}
	coalesce_flush(&w->co);
}

static bool serve(struct worker *w, enum source src)
{
	eventfd_t kicks;

	switch (src) {
	case SRC_TUN:
		tun_burst(w);
		return true;
	case SRC_UDP4:
		udp_burst(w, w->sock.udp4);
		return true;
	case SRC_UDP6:
		udp_burst(w, w->sock.udp6);
		return true;
	case SRC_RAW4:
		raw_burst(w, w->e->raw4, true);
		return true;
	case SRC_RAW6:
		raw_burst(w, w->e->raw6, false);
		return true;
	case SRC_KICK:
		eventfd_read(w->kick_fd, &kicks); /* awake, which was the point */
		return true;
	case SRC_STOP:
		return false;
	}
	return false;
}

/* Wait for packets; with busy polling look for some time before going to sleep. */
static int wait_events(struct worker *w, struct epoll_event *ev)
{
	usec_t spin = w->e->cfg.busy_poll, end;
	int n;

	if (spin) {
		end = engine_now() + spin;
		do {
			n = epoll_wait(w->ep, ev, EVENTS, 0);
		} while (n == 0 && engine_now() < end);
		if (n != 0)
			return n;
	}
	return epoll_wait(w->ep, ev, EVENTS, w->hold.n ? HOLD_CHECK_MSEC : -1);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event ev[EVENTS];
	bool go = true;

	while (go) {
		int n = wait_events(w, ev);

		if (n < 0 && errno != EINTR)
			break;
		w->now = coarse_now();
		epoch_enter(&w->e->sad.epoch, w->index);
		hold_run(w); /* before what came later */
		for (int i = 0; i < n; i++)
			go &= serve(w, ev[i].data.u32);
		hold_run(w);
		epoch_leave(&w->e->sad.epoch, w->index);
	}
	return NULL;
}

static int watch(struct worker *w, int fd, enum source src)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = src };

	if (fd < 0)
		return 0;
	return epoll_ctl(w->ep, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void worker_free(struct worker *w)
{
	if (w->ep >= 0)
		close(w->ep);
	if (w->kick_fd >= 0)
		close(w->kick_fd);
	udp_txq_clear(&w->tx);
	udp_rxq_clear(&w->rx);
	hold_clear(&w->hold);
	free(w->tun_buf);
	free(w->scratch);
	free(w);
}

static int prepare(struct worker *w)
{
	struct engine *e = w->e;
	int r;

	w->tun_fd = e->tun.fd[w->index];
	w->sock = e->sock[w->index];
	w->ep = epoll_create1(EPOLL_CLOEXEC);
	w->tun_buf = aligned_alloc(4096, TUN_BUF);
	w->scratch = aligned_alloc(4096, TUN_BUF);
	w->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->ep < 0 || w->kick_fd < 0 || !w->tun_buf || !w->scratch)
		return -ENOMEM;
	r = rng_bytes(&w->frag_id, sizeof(w->frag_id));
	if (r < 0)
		return r;
	coalesce_init(&w->co, e->tun.uso, tun_emit, w);
	r = udp_txq_init(&w->tx);
	if (r == 0)
		r = udp_rxq_init(&w->rx);
	if (r == 0)
		r = hold_init(&w->hold);
	if (r == 0)
		r = watch(w, w->kick_fd, SRC_KICK);
	if (r == 0)
		r = watch(w, w->tun_fd, SRC_TUN);
	if (r == 0)
		r = watch(w, w->sock.udp4, SRC_UDP4);
	if (r == 0)
		r = watch(w, w->sock.udp6, SRC_UDP6);
	if (r == 0 && w->index == 0)
		r = watch(w, e->raw4, SRC_RAW4);
	if (r == 0 && w->index == 0)
		r = watch(w, e->raw6, SRC_RAW6);
	if (r == 0)
		r = watch(w, e->stop_fd, SRC_STOP);
	return r;
}

int worker_start(struct engine *e, int index, struct worker **ret_worker)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
	sigset_t all, old;
	int r;

	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->e = e;
	w->index = index;
	w->ep = w->kick_fd = -1;
	r = prepare(w);
	if (r == 0) {
		/* Signals are the control thread's. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		r = -pthread_create(&w->thread, NULL, run, w);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (r < 0) {
		worker_free(w);
		return r;
	}
	*ret_worker = w;
	return 0;
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	/* Plaintext was in these. */
	secret_wipe(w->tun_buf, TUN_BUF);
	secret_wipe(w->scratch, TUN_BUF);
	worker_free(w);
}

void worker_counters(const struct worker *w, struct worker_counters *c, uint64_t *ret_tx,
		     uint64_t *ret_drop_send)
{
	*c = w->c;
	*ret_tx = w->tx.stats.datagrams;
	*ret_drop_send = w->tx.stats.dropped;
}
