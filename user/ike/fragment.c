/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE fragmentation (RFC 7383): protected messages that are too large for one datagram, both ways.
 *
 * A message is cut once, at a size that every path carries, and what was cut is what is kept and
 * sent again; it is never cut anew for a smaller MTU (2.5.1 lets us). Of the peer's, one message at
 * a time is put together per IKE SA and direction: at most FRAGMENTS_MAX fragments,
 * FRAG_OCTETS_STRANGER octets from a peer that has not authenticated and IKE_MSG_MAX from one that
 * has, FRAG_LIFE after the last new one. Nothing is kept of a fragment whose checksum was not
 * right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ikemsg/skf.h"
#include "ike_private.h"
#include "parts.h"

enum {
	FRAGMENTS_MAX = 64,	      /* a bit each in reassembly.have */
	FRAG_OCTETS_STRANGER = 16384, /* any certificate chain we can use fits */
	FRAG_SIZE_IP4 = 576,	      /* octets of IP datagrams (2.5.1) */
	FRAG_SIZE_IP6 = 1280,
	IP4_OCTETS = 20,
	IP6_OCTETS = 40,
	UDP_OCTETS = 8,
	MARKER_OCTETS = 4,
};

#define FRAG_LIFE (30 * USEC_PER_SEC)

struct reassembly {
	uint32_t msg_id;
	uint8_t exchange, first; /* type of the first inner payload: in fragment 1 */
	uint16_t total;
	uint64_t have; /* bit n: fragment n + 1 */
	size_t octets;
	usec_t expires;
	uint8_t hash[SHA256_OCTETS]; /* of the datagram with fragment 1 */
	struct {
		uint8_t *p; /* owned, decrypted */
		size_t len;
	} part[FRAGMENTS_MAX];
};

/* ---- negotiation ---- */

void frag_build(struct part_ctx *c)
{
	if (c->sa->conn->c.fragmentation == IKE_FRAGMENT_NO)
		return;
	/* a response repeats it only if the request had it (2.3) */
	if (c->place == AT_INIT_REQUEST || c->sa->fragments)
		msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_IKEV2_FRAGMENTATION_SUPPORTED, NULL, 0);
}

void frag_process(struct part_ctx *c)
{
	c->sa->fragments = c->sa->conn->c.fragmentation != IKE_FRAGMENT_NO &&
			   msg_notify(c->in, N_IKEV2_FRAGMENTATION_SUPPORTED);
}

/* ---- sending ---- */

size_t frag_around(const struct ike_sa *sa)
{
	return (size_t)(sa->path.remote.ip.family == 6 ? IP6_OCTETS : IP4_OCTETS) + UDP_OCTETS +
	       (path_marker(&sa->path) ? MARKER_OCTETS : 0);
}

/* What a datagram may hold of IKE. */
static size_t message_octets(const struct ike_sa *sa)
{
	bool v6 = sa->path.remote.ip.family == 6;
	size_t size = sa->conn->c.fragment_size, around = frag_around(sa);

	if (!size)
		size = v6 ? FRAG_SIZE_IP6 : FRAG_SIZE_IP4;
	return size > around ? size - around : 0;
}

/* How many fragments the inner_len octets become, and the octets of each but the last. 0: none, the
 * message goes as a whole. */
static uint16_t cut(const struct ike_sa *sa, size_t inner_len, size_t *ret_part)
{
	bool force = sa->conn->c.fragmentation == IKE_FRAGMENT_FORCE && inner_len > 1;
	size_t max = message_octets(sa), part = skf_room(&sa->sizes, max), total;

	if (!sa->fragments || (!force && sk_sealed_octets(&sa->sizes, inner_len) <= max))
		return 0;
	if (force && inner_len <= part)
		part = (inner_len + 1) / 2;
	total = part ? (inner_len + part - 1) / part : SIZE_MAX;
	if (total > FRAGMENTS_MAX) { /* larger ones then: IP may cut them, the peer's limit not */
		part = (inner_len + FRAGMENTS_MAX - 1) / FRAGMENTS_MAX;
		total = (inner_len + part - 1) / part;
	}
	*ret_part = part;
	return (uint16_t)total;
}

size_t frag_seal(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *hdr, bool whole,
		 uint8_t first, const uint8_t *inner, size_t len)
{
	size_t part, done = 0;
	uint16_t total = whole ? 0 : cut(sa, len, &part);

	if (!total)
		return sk_seal(sa->aead_out, &sa->sizes, hdr, first, inner, len, sa->iv_counter++,
			       ike->sealed, sizeof(ike->sealed));
	for (uint16_t i = 0; i < total; i++) {
		size_t from = i * part, n = len - from < part ? len - from : part;

		n = skf_seal(sa->aead_out, &sa->sizes, hdr, i + 1, total, first, inner + from, n,
			     sa->iv_counter++, ike->sealed + done, sizeof(ike->sealed) - done);
		if (!n)
			return 0;
		done += n;
	}
	COUNT_N(ike, sa, fragments_tx, total);
	return done;
}

/* ---- receiving ---- */

static struct reassembly **place(struct ike_sa *sa, const struct ike_hdr *h)
{
	return &sa->reassembly[!!(h->flags & IKE_FLAG_RESPONSE)];
}

static void drop(struct ike *ike, struct reassembly **r)
{
	if (!*r)
		return;
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++) {
		if ((*r)->part[i].p)
			secret_wipe((*r)->part[i].p, (*r)->part[i].len);
		free((*r)->part[i].p);
	}
	ike->counters.fragment_octets -= (*r)->octets;
	free(*r);
	*r = NULL;
}

void frag_clear(struct ike *ike, struct ike_sa *sa)
{
	drop(ike, &sa->reassembly[0]);
	drop(ike, &sa->reassembly[1]);
}

void frag_done(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *h)
{
	struct reassembly **r = place(sa, h);

	if (*r && (*r)->msg_id == h->msg_id)
		drop(ike, r);
}

void frag_tick(struct ike *ike, struct ike_sa *sa)
{
	for (unsigned i = 0; i < 2; i++) {
		struct reassembly **r = &sa->reassembly[i];

		if (*r && (*r)->expires <= ike->now)
			drop(ike, r);
	}
}

usec_t frag_deadline(const struct ike_sa *sa)
{
	usec_t d = USEC_NEVER;

	for (unsigned i = 0; i < 2; i++)
		if (sa->reassembly[i] && sa->reassembly[i]->expires < d)
			d = sa->reassembly[i]->expires;
	return d;
}

/* Nothing here is authentic yet: only what needs no work is found out (2.6). */
static bool wanted(struct ike_sa *sa, const struct ike_msg *in)
{
	const struct reassembly *r = *place(sa, &in->hdr);

	if (!sa->fragments || in->skf_total > FRAGMENTS_MAX)
		return false;
	/* payloads outside of SKF may be in the first fragment only (2.5.3) */
	if (in->skf_number > 1 && in->n_order > 1)
		return false;
	if (!r)
		return true;
	if (r->msg_id != in->hdr.msg_id || r->exchange != in->hdr.exchange)
		return false;
	return in->skf_total > r->total ||
	       (in->skf_total == r->total && !(r->have >> (in->skf_number - 1) & 1));
}

bool frag_wanted(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in)
{
	if (wanted(sa, in))
		return true;
	COUNT(ike, sa, dropped_fragments);
	return false;
}

bool frag_repeats(struct ike_sa *sa, uint8_t *buf, size_t len)
{
	uint8_t critical, *text;
	struct ike_msg in;
	size_t n;

	return sa->fragments && msg_decode(buf, len, &in, &critical) == MSG_OK && in.has_skf &&
	       in.skf_number == 1 && !sk_open(sa->aead_in, &sa->sizes, buf, len, &in, &text, &n);
}

static struct reassembly *reassembly_of(struct ike *ike, struct ike_sa *sa,
					const struct ike_msg *in)
{
	struct reassembly **r = place(sa, &in->hdr);

	if (*r && in->skf_total > (*r)->total)
		drop(ike, r); /* cut anew, for a smaller MTU: what we have does not fit (2.6) */
	if (!*r && (*r = calloc(1, sizeof(**r)))) {
		(*r)->msg_id = in->hdr.msg_id;
		(*r)->exchange = in->hdr.exchange;
		(*r)->total = in->skf_total;
	}
	return *r;
}

static size_t octets_max(const struct ike_sa *sa)
{
	return sa->state == IKE_HALF_OPEN || sa->state == IKE_AUTH_SENT ? FRAG_OCTETS_STRANGER
									: IKE_MSG_MAX;
}

/* All are there: one after the other. */
static void join(struct ike *ike, const struct reassembly *r)
{
	struct wr w = wr_init(ike->whole, sizeof(ike->whole));

	for (unsigned i = 0; i < r->total; i++)
		wr_bytes(&w, r->part[i].p, r->part[i].len);
}

int frag_take(struct ike *ike, struct ike_sa *sa, struct ike_msg *in, uint8_t *hash,
	      const uint8_t *text, size_t len, uint8_t **ret_inner, size_t *ret_len)
{
	struct reassembly *r = reassembly_of(ike, sa, in);
	unsigned i = in->skf_number - 1u;
	struct ike_hdr hdr = in->hdr;
	uint8_t *copy;

	COUNT(ike, sa, fragments_rx);
	copy = r && len && r->octets + len <= octets_max(sa) ? malloc(len) : NULL;
	if (!copy) { /* empty, too much, or no memory: this message will never be whole */
		COUNT(ike, sa, dropped_fragments);
		drop(ike, place(sa, &hdr));
		return -ENOBUFS;
	}
	memcpy(copy, text, len);
	r->part[i].p = copy;
	r->part[i].len = len;
	r->have |= UINT64_C(1) << i;
	r->octets += len;
	ike->counters.fragment_octets += len;
	r->expires = ike->now + FRAG_LIFE;
	timer_touch(sa);
	if (!i) {
		r->first = in->sk_next;
		memcpy(r->hash, hash, SHA256_OCTETS);
	}
	if (r->have != UINT64_MAX >> (FRAGMENTS_MAX - r->total))
		return -EAGAIN;
	/* what stood outside of the fragments is none of ours to know */
	memset(in, 0, sizeof(*in));
	in->hdr = hdr;
	in->sk_next = r->first;
	memcpy(hash, r->hash, SHA256_OCTETS);
	join(ike, r);
	*ret_inner = ike->whole;
	*ret_len = r->octets;
	drop(ike, place(sa, &hdr));
	return 0;
}
