/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP by an SPI that a peer has been given and whose SA is not there yet: who answers
 * CREATE_CHILD_SA may send by the new SA at once (RFC 7296 2.8), and keys follow from the answer.
 * The kernel has nowhere to keep such packets, so they go to the agent as they are, which sends
 * them to XFRM once the SA is in. Never more than the ring holds; what does not fit is dropped.
 */
#ifndef BRAID_BPF_HOLD_H
#define BRAID_BPF_HOLD_H

#include "drop.h"
#include "maps.h"
#include "parse.h"

static __always_inline bool hold_awaits(__u32 spi)
{
	return bpf_map_lookup_elem(&awaited, &spi);
}

static __always_inline __u8 hold_tos(const struct parsed *p)
{
	return p->family == 4 ? p->ip4->tos : p->ip6->priority << 4 | p->ip6->flow_lbl[0] >> 4;
}

/* NULL: no room. */
static __always_inline struct hold_packet *hold_begin(const struct parsed *p)
{
	struct hold_packet *h = bpf_ringbuf_reserve(&held, sizeof(*h), 0);

	if (!h) {
		drop_count(DROP_UNKNOWN_SPI);
		return 0;
	}
	h->arrived_nsec = bpf_ktime_get_coarse_ns();
	h->spi = bpf_ntohl(p->esp->spi);
	h->len = p->ip_len - p->hdr_len;
	h->tos = hold_tos(p);
	return h;
}

static __always_inline void hold_end(struct hold_packet *h, long err)
{
	if (err) {
		bpf_ringbuf_discard(h, 0);
		drop_count(DROP_UNKNOWN_SPI);
	} else {
		bpf_ringbuf_submit(h, 0);
	}
}

/* Is it 1 to HOLD_PACKET_OCTETS? Less by one then, which is how the verifier of 6.1 sees it. */
#define HOLD_BOUND(len)                                                                            \
	({                                                                                         \
		(len)--;                                                                           \
		barrier_var(len);                                                                  \
		(len) < HOLD_PACKET_OCTETS;                                                        \
	})

/* at: of the ESP header. A super-packet is several. */
static __always_inline void hold_tc(struct __sk_buff *skb, const struct parsed *p)
{
	__u32 at = (void *)p->esp - CTX_LOAD(skb, data), len = p->ip_len - p->hdr_len;
	struct hold_packet *h = hold_begin(p);

	if (!h)
		return;
	if (skb->gso_size || !HOLD_BOUND(len)) {
		hold_end(h, -1);
		return;
	}
	hold_end(h, bpf_skb_load_bytes(skb, at, h->octets, len + 1));
}

static __always_inline void hold_xdp(struct xdp_md *ctx, const struct parsed *p)
{
	__u32 at = (void *)p->esp - CTX_LOAD(ctx, data), len = p->ip_len - p->hdr_len;
	struct hold_packet *h = hold_begin(p);

	if (!h)
		return;
	if (!HOLD_BOUND(len)) {
		hold_end(h, -1);
		return;
	}
	hold_end(h, bpf_xdp_load_bytes(ctx, at, h->octets, len + 1));
}

#endif
