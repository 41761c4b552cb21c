/* SPDX-License-Identifier: GPL-2.0-only */
/* Inner packets that are too large for the path. TCP super-packets are cut smaller than their
 * sender thought, datagrams into fragments where that is allowed; whoever can send less is told.
 * Rare: the sender's kernel remembers. */
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <unistd.h>

#include <linux/types.h>
#include "abi/steer.h"
#include "esp/flow.h"
#include "esp/ipfrag.h"
#include "esp/segment.h"
#include "esp/toobig.h"
#include "worker_impl.h"

/* ICMP errors: a second's worth at once, and as many in each second after it. */
enum { ERRORS_PER_SEC = 1000 };

static bool may_tell(struct worker *w)
{
	if (w->now >= w->errors_since + USEC_PER_SEC) {
		w->errors_since = w->now;
		w->errors = ERRORS_PER_SEC;
	}
	if (w->errors == 0)
		return false;
	w->errors--;
	return true;
}

/* To the sender of a packet, by the device it came from. */
static void tell(struct worker *w, const uint8_t *pkt, const struct inner *in, size_t max)
{
	static const struct virtio_net_hdr plain;
	uint8_t error[TOOBIG_MAX];
	struct iovec iov[2] = { { (void *)&plain, sizeof(plain) }, { error, 0 } };
	uint16_t mtu = max > UINT16_MAX ? UINT16_MAX : (uint16_t)max;

	/* Less than that no IPv6 host believes: what is smaller we cut. */
	if (in->family == 6 && mtu < IPFRAG_IPV6_MIN)
		mtu = IPFRAG_IPV6_MIN;
	if (in->len <= mtu || !may_tell(w))
		return;
	iov[1].iov_len = toobig_build(pkt, in, mtu, error);
	if (iov[1].iov_len && writev(w->tun_fd[0], iov, 2) < 0)
		w->c.drop_tun++;
}

static bool send_fragment(struct worker *w, const struct departure *d, struct ipfrag *f,
			  const struct inner *in)
{
	struct sa *sa = d->sa;
	uint8_t *p = udp_txq_room(&w->tx, esp_len(&sa->out, d->max + d->tail));
	size_t n = ipfrag_next(f, p + sa->out.hdr), padded, len;
	struct sa_counters *c = &sa->counters[w->index];
	struct aead *enc = sa_enc(sa, w->index);
	struct route r;
	unsigned reached;
	uint64_t seq;
	bool ok;

	if (n == 0)
		return false;
	r = worker_route(w, d, 1, esp_len(&sa->out, n + d->tail));
	padded = n + worker_trailer(d, &r, p + sa->out.hdr + n);
	padded = esp_tfc(p + sa->out.hdr, padded, sa_pad_to(sa, d->max + d->tail));
	ok = sa_take_seq(sa, 1, padded, &seq, &reached);
	if (reached)
		engine_tell_limits(w->e, sa, reached);
	if (!ok) {
		w->c.drop_limit++;
		return false;
	}
	if (!enc || esp_encap(enc, &sa->out, seq, p, padded,
			      in->family == 4 ? ESP_NH_IPV4 : ESP_NH_IPV6) < 0) {
		w->c.crypto_errors++;
		return false;
	}
	len = esp_len(&sa->out, padded);
	c->out_packets++;
	c->out_octets += n;
	c->last_out = w->now;
	sa_sends(sa, w->now);
	udp_txq_add(&w->tx, r.fd, r.dest, r.mark, in->tos & sa->tos_mask, len, r.encap ? len : 0,
		    1);
	return true;
}

/* One packet, in->len octets at pkt. */
static void datagram(struct worker *w, const struct departure *d, const uint8_t *pkt,
		     const struct inner *in)
{
	struct ipfrag f;

	/* RFC 4303 3.3.4: whole datagrams only in transport mode */
	if (sa_is_transport(d->sa) || !ipfrag_allowed(pkt, in->family, in->len) ||
	    ipfrag_init(&f, pkt, in->family, in->len, d->max, w->frag_id++) < 0) {
		w->c.drop_too_big++;
		tell(w, pkt, in, d->max);
		return;
	}
	w->c.fragmented++;
	while (send_fragment(w, d, &f, in))
		;
}

/* A super-packet of TCP has no borders: it is cut anew. Its sender is told all the same, since his
 * next single segment would be dropped. */
static void stream(struct worker *w, const struct departure *d, struct segment *s)
{
	struct segment first = *s;

	first.in.len = (uint32_t)segment_next(&first, w->scratch);
	tell(w, w->scratch, &first.in, d->max);
	if (!segment_resize(s, d->max)) {
		w->c.drop_too_big += s->count;
		return;
	}
	w->c.tun_rx_packets += s->count - first.count;
	worker_send(w, d, s);
}

void worker_oversize(struct worker *w, const struct departure *d, struct segment *s)
{
	struct inner in = s->in;

	if (s->hdr_len == 0) {
		datagram(w, d, s->pkt, &in);
		return;
	}
	if (s->proto == IPPROTO_TCP) {
		stream(w, d, s);
		return;
	}
	while ((in.len = (uint32_t)segment_next(s, w->scratch)))
		datagram(w, d, w->scratch, &in);
}
