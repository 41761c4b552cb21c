/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet thread's way out: from the TUN device, by policy and flow to an SA, cut, encrypted and
 * sent. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/types.h>
#include "abi/steer.h"
#include "crypto/aead.h"
#include "esp/segment.h"
#include "esp/toobig.h"
#include "esp/transport.h"
#include "depart.h"
#include "worker_impl.h"

enum { TUN_BURST = 64 };
/* The IP header behind the virtio header is aligned. */
enum { TUN_PAD = 16 - sizeof(struct virtio_net_hdr) };

#define NO_SA_PAUSE_USEC (50 * USEC_PER_MSEC)

/* Segments that fit one message of this packet size. */
static uint32_t burst_size(bool encap, size_t esp_max)
{
	uint32_t n = (uint32_t)(UDP_MSG_MAX / esp_max);

	/* Protocol 50 has no segmentation offload. */
	if (!encap)
		return 1;
	return n > UDP_GSO_SEGS ? UDP_GSO_SEGS : n;
}

/* The header that stays behind in transport mode. Returns what the packets begin with then. */
static uint8_t take_off(const struct sa *sa, struct segment *s)
{
	size_t off;
	uint8_t nh;

	if (!sa_is_transport(sa))
		return s->in.family == 4 ? ESP_NH_IPV4 : ESP_NH_IPV6;
	transport_carries(s->pkt, &s->in, &off, &nh); /* asked before */
	segment_bare(s, off);
	return nh;
}

struct route worker_route(struct worker *w, const struct departure *d, uint32_t packets,
			  size_t octets)
{
	struct route r = { .mark = d->mark, .encap = d->encap };

	if (d->ways)
		bond_route(w, d, packets, octets, &r);
	r.fd = engine_route(w->e, d->sa->family, r.encap, w->index, &r.dest);
	return r;
}

size_t worker_trailer(const struct departure *d, struct route *r, uint8_t *p)
{
	if (!d->tail)
		return 0;
	bond_trailer_put(p, &r->place);
	r->place.number++;
	r->place.run += r->place.run < UINT8_MAX;
	return BOND_TRAILER;
}

/* What the packets of one departure have in common. */
struct sending {
	struct aead *enc;
	size_t pad_to, max, esp_max; /* inner packet and what follows it; ESP */
	uint8_t nh;
};

/* So many packets, in one message. False: no more. */
static bool send_burst(struct worker *w, const struct departure *d, struct segment *s,
		       const struct sending *t, struct route *r, uint32_t burst)
{
	struct sa *sa = d->sa;
	struct sa_counters *c = &sa->counters[w->index];
	const struct esp_format *f = &sa->out;
	uint8_t *room = udp_txq_room(&w->tx, burst * t->esp_max), *p = room;
	unsigned reached;
	uint64_t seq;
	bool ok = sa_take_seq(sa, burst, burst * t->max, &seq, &reached);

	if (reached)
		engine_tell_limits(w->e, sa, reached);
	if (!ok)
		return false;
	for (uint32_t i = 0; i < burst; i++) {
		size_t n = segment_next(s, p + f->hdr), m;

		m = n + worker_trailer(d, r, p + f->hdr + n);
		m = esp_tfc(p + f->hdr, m, t->pad_to);
		if (esp_encap(t->enc, f, seq + i, p, m, t->nh) < 0) {
			w->c.crypto_errors++;
			return false;
		}
		c->out_packets++;
		c->out_octets += n;
		p += esp_len(f, m);
	}
	udp_txq_add(&w->tx, r->fd, r->dest, r->mark, s->in.tos & sa->tos_mask, (size_t)(p - room),
		    r->encap ? t->esp_max : 0, burst);
	return true;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void worker_send(struct worker *w, const struct departure *d, struct segment *s)
{
	struct sa *sa = d->sa;
	struct sending t = { .enc = sa_enc(sa, w->index), .nh = take_off(sa, s) };
	uint32_t left = s->count;

	t.pad_to = sa_pad_to(sa, d->max + d->tail);
	t.max = segment_max(s) + d->tail;
	if (t.max < t.pad_to)
		t.max = t.pad_to;
	t.esp_max = esp_len(&sa->out, t.max);
	if (!t.enc) {
		w->c.crypto_errors++;
		return;
	}
	if (t.esp_max > UDP_MSG_MAX) {
		w->c.drop_malformed++;
		return;
	}
	while (left > 0) {
		uint32_t n = d->ways ? lesser(left, BOND_BURST) : left;
		struct route r = worker_route(w, d, n, n * t.esp_max);

		for (uint32_t burst; n > 0; n -= burst, left -= burst) {
			burst = lesser(n, burst_size(r.encap, t.esp_max));
			if (!send_burst(w, d, s, &t, &r, burst)) {
				w->c.drop_limit += left;
				return;
			}
		}
	}
	sa->counters[w->index].last_out = w->now;
	sa_sends(sa, w->now);
}

/* Transport mode with several addresses: the path is that of the packet's own pair, or there is
 * none.
 */
static void own_path(const struct steer_view *v, const struct inner *in, struct departure *d)
{
	uint32_t path = v ? transport_path(v, d->sa, (uint8_t)STEER_MARK_CLASS(d->mark), in) : 0;

	d->mark = STEER_MARK(STEER_MARK_KIND_PATH, STEER_MARK_CLASS(d->mark), path);
	d->encap = path && sa_encap_path(d->sa, v, path);
	d->nowhere = !path;
}

/* Whose packet it is: of the SA the policy finds, or of the one whose path its flow takes. */
static bool depart(struct worker *w, const struct inner *in, struct departure *ret_d)
{
	struct sa *sa = sad_out(&w->e->sad, &w->cache, in);
	const struct steer_view *v;
	uint32_t slot;

	if (!sa)
		return false;
	*ret_d = (struct departure){ .sa = sa };
	if (sa->blocks)
		return true;
	v = atomic_load_explicit(&w->e->view, memory_order_acquire);
	ret_d->mark = sa->cut[in->df];
	if (v && depart_may_bond(sa, w->now) && bond_depart(w, v, ret_d))
		return true;
	sa = depart_choose(w->e, v, sa, in, w->klass, w->now, &slot);
	*ret_d = (struct departure){
		.sa = sa,
		.mark = sa->mark | sa->cut[in->df] | STEER_MARK(w->klass, slot, 0),
		.max = sa_inner_max(sa),
		.encap = sa_encap_slot(sa, v, w->klass, slot),
	};
	if (sa_transport(sa)->many)
		own_path(v, in, ret_d);
	return true;
}

static bool carries(const struct departure *d, const struct segment *s)
{
	size_t off;
	uint8_t nh;

	return !sa_is_transport(d->sa) || transport_carries(s->pkt, &s->in, &off, &nh);
}

/* The agent may know how to get an SA for it: not every packet of a flood has to ask. */
static void tell_no_sa(struct worker *w, const struct inner *in)
{
	struct engine_no_sa m = { .h.type = ENGINE_EV_NO_SA };

	if (w->no_sa_told && w->now < w->no_sa_told + NO_SA_PAUSE_USEC)
		return;
	w->no_sa_told = w->now;
	m.local = addr_from_bytes(in->family, in->src);
	m.remote = addr_from_bytes(in->family, in->dst);
	worker_note(w->e, &m.h, sizeof(m));
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
		tell_no_sa(w, &s.in);
		return;
	}
	if (d.sa->blocks) {
		w->c.drop_blocked++;
		return;
	}
	if (d.nowhere || !carries(&d, &s)) {
		w->c.drop_transport++;
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

/* From the queue of a class. */
void worker_tun_burst(struct worker *w, uint8_t klass)
{
	int fd = w->tun_fd[klass];

	w->klass = klass;
	w->nsec = 0;
	for (int i = 0; i < TUN_BURST; i++) {
		ssize_t n = tun_read(fd, w->tun_buf + TUN_PAD, TUN_BUF - TUN_PAD);

		/* The device was deleted under us: stop looking at it. */
		if (n < 0 && errno == EBADFD)
			epoll_ctl(w->ep, EPOLL_CTL_DEL, fd, NULL);
		if (n <= 0)
			break;
		outbound(w, w->tun_buf + TUN_PAD, (size_t)n);
	}
	udp_txq_flush(&w->tx);
}
