/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet thread's way in: from its sockets, by SPI to an SA, checked, decrypted, put together and
 * into the TUN device. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/types.h>
#include "abi/steer.h"
#include "crypto/aead.h"
#include "esp/tos.h"
#include "esp/toobig.h"
#include "esp/transport.h"
#include "depart.h"
#include "worker_impl.h"

/* Packets in transport mode get their IP header where their ESP header was. What is before that is
 * free too, so far: behind a message of UDP; the trailer and the shortest ICV of the packet before
 * it in the same message. */
enum { ROOM_MESSAGE = UDP_RX_HEAD, ROOM_JOINED = 2 + 8 };
/* Between two words about a peer whose address changes all the time. */
#define MOVED_PAUSE_USEC (100 * USEC_PER_MSEC)

/* Where the packet being worked on came from; addresses are looked up only when needed. */
struct arrival {
	int msg;
	uint16_t port;
	uint8_t tos;		 /* of the outer header */
	size_t room;		 /* octets before the packet that nobody needs */
	const struct held *held; /* it has waited: this says the rest, not msg */
};

void worker_tun_emit(void *ctx, const struct iovec *pieces, int n, size_t packets)
{
	struct worker *w = ctx;
	ssize_t r = writev(w->tun_fd[0], pieces, n);

	if (r < 0) {
		w->c.drop_tun += packets;
		return;
	}
	w->c.tun_tx_packets += packets;
	w->c.tun_tx_octets += (size_t)r - pieces[0].iov_len;
}

void worker_flush(struct worker *w)
{
	coalesce_flush(&w->co);
	w->lifted = 0;
	bonded_flushed(w);
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
	worker_note(w->e, &d->h, sizeof(*d) + d->len);
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
	worker_note(w->e, &n.h, sizeof(n));
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
	worker_note(w->e, &n.h, sizeof(n));
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

/* What followed an IP header. */
struct payload {
	const uint8_t *p;
	size_t len;
	uint8_t nh;
};

/* The addresses of a packet that came by this SA; where it has several, those of the path. For a
 * while after a change, those that it was made with: its path may be another one's, before and
 * after. */
static const struct transport *ends_of(struct worker *w, const struct arrival *a,
				       const struct sa *sa, const struct payload *text,
				       struct transport *here)
{
	const struct transport *t = sa_transport(sa);
	const struct sa_sel *old = sa_old_sel(sa, w->now);
	struct udp_addr local, remote;
	uint32_t ifindex;

	if (t->many || (old && old->transport.many)) {
		arrival_addrs(w, a, &local, &remote, &ifindex);
		*here = transport_between(&local.ip, &remote.ip);
		if (t->many)
			return here;
	}
	if (!old || transport_fits(t, text->nh, text->p, text->len))
		return t;
	if (old->transport.many)
		return transport_fits(here, text->nh, text->p, text->len) ? here : t;
	return transport_fits(&old->transport, text->nh, text->p, text->len) ? &old->transport : t;
}

/* Transport mode: the packet that stood behind this header. NULL: there is none. room: octets
 * before it that nobody needs. */
static uint8_t *put_on(struct worker *w, const struct arrival *a, const struct sa *sa,
		       uint8_t *text, size_t len, size_t room, uint8_t nh, size_t *ret_len)
{
	struct transport here;
	const struct payload payload = { text, len, nh };
	const struct transport *t = ends_of(w, a, sa, &payload, &here);
	size_t hdr = transport_header_len(t);

	if (room < hdr) {
		if (len > LIFT_OCTETS - hdr)
			return NULL;
		if (w->lifted + hdr + len > LIFT_OCTETS)
			worker_flush(w);
		memcpy(w->lift + w->lifted + hdr, text, len);
		text = w->lift + w->lifted + hdr;
		w->lifted += hdr + len;
	}
	*ret_len = hdr + len;
	return transport_header(t, nh, a->tos, text, len) ? text - hdr : NULL;
}

static bool parse_text(const struct sa *sa, const uint8_t *pkt, size_t len, uint8_t nh,
		       struct inner *ret_in)
{
	if (!pkt || inner_parse(pkt, len, false, ret_in) < 0)
		return false;
	if (sa_is_transport(sa))
		return !ret_in->fragment;
	/* RFC 4303 2.6: tunnel mode carries IPv4 or IPv6, named rightly. */
	return nh == (ret_in->family == 4 ? ESP_NH_IPV4 : ESP_NH_IPV6);
}

/* Transport mode: ESP comes from the host that the packet inside is of, and its ICV covers all but
 * the addresses; those are the SA's, unless it has several. A tunnel may bring what was damaged
 * before. */
static bool is_sound(const struct worker *w, const struct sa *sa)
{
	const struct transport *t = sa_transport(sa);

	return t->family && !t->many && !sa_old_sel(sa, w->now);
}

/* Which path it came by. */
static uint64_t came_from(struct worker *w, const struct arrival *a)
{
	struct udp_addr local, remote;
	uint32_t ifindex;

	if (!a->held && w->came_msg == a->msg)
		return w->came_from;
	arrival_addrs(w, a, &local, &remote, &ifindex);
	w->came_msg = a->held ? -1 : a->msg;
	w->came_from = hash_octets(&local.ip, sizeof(local.ip)) + arrival_from(w, a);
	w->came_from += !w->came_from;
	return w->came_from;
}

/* Has it a number to be put in order by? Then it is taken care of. */
static bool bonded(struct worker *w, const struct arrival *a, struct sa *sa, uint8_t *text,
		   size_t len, const struct inner *in)
{
	struct bonded_packet p = { .pkt = text, .len = in->len };

	if (!(sa->flags & ENGINE_SA_PROBES) || sa_is_transport(sa) ||
	    !bond_trailer_get(text + in->len, len - in->len, &p.place))
		return false;
	p.from = came_from(w, a);
	bonded_arrived(w, sa, &p);
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
	if (sa_is_transport(sa)) {
		text = put_on(w, a, sa, text, len, a->room + sa->in.hdr, nh, &len);
	}
	if (!parse_text(sa, text, len, nh, &in)) {
		c->drop_malformed++;
		w->c.drop_malformed++;
		return;
	}
	if (!sa_inbound_ok(sa, &in) && !sa_inbound_late_ok(sa, &in, w->now)) {
		c->drop_ts++;
		w->c.drop_ts++;
		return;
	}
	if (!sa_is_transport(sa) && !take_tos(w, a, sa, text, &in))
		return;
	if (depart_follows(sa))
		replies_heard(&w->e->sad.siblings.replies, sa->sibling.selectors,
			      flow_hash_reply(&in, w->e->flow_seed), sa->sibling.line, w->now);
	if (mss_carried(text, &in))
		mss_clamp(text, &in, sa_bonded_max(sa));
	c->in_packets++;
	c->in_octets += in.len;
	if (bonded(w, a, sa, text, len, &in))
		return;
	coalesce_add(&w->co, text, &in, is_sound(w, sa));
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

/* Seen before, or too old. */
static void refuse(struct worker *w, struct sa *sa, uint64_t seq)
{
	bool seen = replay_seen(&sa->replay, seq);
	struct sa_counters *c = &sa->counters[w->index];

	c->drop_replay++;
	w->c.drop_replay++;
	c->duplicates += seen;
	w->c.duplicates += seen;
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
		refuse(w, sa, seq);
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
		refuse(w, sa, seq);
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

void worker_hold_run(struct worker *w)
{
	if (w->hold.n == 0)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	hold_sift(&w->hold, judge_held, w);
	worker_flush(w);
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

void worker_udp_burst(struct worker *w, int fd)
{
	int n = udp_rxq_recv(&w->rx, fd);

	w->came_msg = -1;
	for (int i = 0; i < n; i++) {
		struct arrival a = { .msg = i, .port = w->e->cfg.port };
		size_t len, gso;
		uint8_t *p = udp_rxq_get(&w->rx, i, &len, &gso, &a.tos);

		for (size_t off = 0; off < len; off += gso) {
			a.room = off ? ROOM_JOINED : ROOM_MESSAGE;
			inbound_udp(w, &a, p + off, len - off < gso ? len - off : gso);
		}
	}
	worker_flush(w);
}

/* Plain ESP. A raw IPv4 socket shows the IP header, a raw IPv6 socket does not. */
void worker_raw_burst(struct worker *w, int fd, bool v4)
{
	int n = udp_rxq_recv(&w->rx, fd);

	w->came_msg = -1;
	for (int i = 0; i < n; i++) {
		struct arrival a = { .msg = i };
		size_t len, gso, ihl = 0;
		uint8_t *p = udp_rxq_get(&w->rx, i, &len, &gso, &a.tos);

		if (v4 && len >= 20)
			ihl = (p[0] & 15u) * 4u;
		a.room = v4 ? ihl : 0;
		if (len < ihl + ESP_HEADER || (v4 && ihl < 20))
			w->c.drop_short++;
		else
			inbound_esp(w, &a, p + ihl, len - ihl);
	}
	worker_flush(w);
}
