/* SPDX-License-Identifier: GPL-2.0-only */
/* Inbound: which SA and path a parsed ESP packet belongs to, and its counters. */
#ifndef BRAID_BPF_ESP_H
#define BRAID_BPF_ESP_H

#include "drop.h"
#include "hold.h"
#include "maps.h"
#include "parse.h"
#include "wrap.h"

enum esp_verdict {
	ESP_PASS, /* not ours, or ours and nothing to do */
	ESP_OURS, /* *ret_sa is the SA */
	ESP_DROP,
	ESP_AWAITED, /* ours, by an SA that will be there soon: hold.h */
};

static __always_inline void esp_copy_addrs(const struct parsed *p, struct steer_addr *src,
					   struct steer_addr *dst)
{
	if (p->family == 4) {
		*src = *dst = (struct steer_addr){ 0 };
		*(__u32 *)src->b = p->ip4->saddr;
		*(__u32 *)dst->b = p->ip4->daddr;
	} else {
		__builtin_memcpy(src->b, &p->ip6->saddr, sizeof(src->b));
		__builtin_memcpy(dst->b, &p->ip6->daddr, sizeof(dst->b));
	}
}

/* A hint for the agent; at most one per kind, CPU and interval. */
static __always_inline void esp_event(enum steer_event_kind kind, const struct parsed *p,
				      __u32 ifindex)
{
	struct steer_event *ev = event_begin(kind, ifindex);

	if (!ev)
		return;
	ev->spi = bpf_ntohl(p->esp->spi);
	ev->family = p->family;
	ev->sport = p->udp ? p->udp->source : 0;
	esp_copy_addrs(p, &ev->src, &ev->dst);
	bpf_ringbuf_submit(ev, 0);
}

/* The path id of a packet's addresses by the hint: 0 = not there. */
static __always_inline __u32 esp_path_hint4(const struct parsed *p, __u32 ifindex)
{
	__u32 local = p->ip4->daddr, remote = p->ip4->saddr;
	__u32 key = steer_rx_hash(ifindex, local, remote);
	struct steer_rx_hint *h = bpf_map_lookup_elem(&rx_hint, &key);

	if (!h || h->key.ifindex != ifindex || h->key.family != 4 ||
	    *(__u32 *)h->key.local.b != local || *(__u32 *)h->key.remote.b != remote)
		return 0;
	return *(volatile __u32 *)&h->path;
}

static __always_inline bool esp_same6(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static __always_inline __u32 esp_path_hint6(const struct parsed *p, __u32 ifindex)
{
	__u32 key = steer_rx_hash(ifindex, p->ip6->daddr.in6_u.u6_addr32[3],
				  p->ip6->saddr.in6_u.u6_addr32[3]);
	struct steer_rx_hint *h = bpf_map_lookup_elem(&rx_hint, &key);

	if (!h || h->key.ifindex != ifindex || h->key.family != 6 ||
	    !esp_same6(h->key.local.b, &p->ip6->daddr) ||
	    !esp_same6(h->key.remote.b, &p->ip6->saddr))
		return 0;
	return *(volatile __u32 *)&h->path;
}

/* 0: no path has these addresses. */
static __always_inline __u32 esp_path(const struct parsed *p, __u32 ifindex)
{
	struct steer_rx_key key = { .ifindex = ifindex, .family = p->family };
	__u32 id = p->family == 4 ? esp_path_hint4(p, ifindex) : esp_path_hint6(p, ifindex), *found;

	if (id)
		return id;
	esp_copy_addrs(p, &key.remote, &key.local);
	found = bpf_map_lookup_elem(&rx_path, &key);
	return found ? *found : 0;
}

/* ESP that is for no SA of ours: somebody else's, on this host or behind it, unless the operator
 * says that there is nobody. In UDP, between addresses of a path of ours, only the engine may still
 * know it. */
static __always_inline enum esp_verdict esp_unknown(const struct parsed *p, __u32 ifindex)
{
	__u32 key = 0;
	const struct steer_intake *in = bpf_map_lookup_elem(&intake, &key);

	if (in && in->drop_unknown)
		return ESP_DROP;
	return kernel_esp && p->udp && esp_path(p, ifindex) ? ESP_DROP : ESP_PASS;
}

static __always_inline struct steer_sa_in *esp_sa_at(__u32 index)
{
	return bpf_map_lookup_elem(&sa_in, &index);
}

/* SPI -> SA by index. The entry holds the whole SPI to compare. */
static __always_inline enum esp_verdict esp_find_sa(const struct parsed *p, __u32 ifindex,
						    struct steer_sa_in **ret_sa)
{
	__u32 spi = bpf_ntohl(p->esp->spi);
	struct steer_sa_in *sa = esp_sa_at(STEER_SPI_INDEX(spi));
	__u32 have = sa ? *(volatile __u32 *)&sa->spi : 0;

	if (have == spi && sa) {
		*ret_sa = sa;
		return ESP_OURS;
	}
	if (!have) {
		if (kernel_esp && hold_awaits(spi))
			return ESP_AWAITED;
		drop_count(DROP_UNKNOWN_SPI);
		esp_event(STEER_EV_UNKNOWN_SPI, p, ifindex);
		return esp_unknown(p, ifindex);
	}
	drop_count(DROP_STALE_SPI);
	return p->udp ? ESP_DROP : esp_unknown(p, ifindex);
}

static __always_inline void esp_count_on(__u32 path_id, __u32 segs, __u32 octets)
{
	struct steer_path_stat *st = bpf_map_lookup_elem(&path_stat, &path_id);
	__u64 now;

	if (!st)
		return;
	st->rx_packets += segs;
	st->rx_octets += octets;
	now = bpf_jiffies64(); /* the coarse clock moves with it, but for a tick or two */
	if (now == st->rx_last_tick)
		return;
	st->rx_last_tick = now;
	st->rx_last_nsec = bpf_ktime_get_coarse_ns();
}

/* Received on which path: for its counters and the time of its last sign of life. */
static __always_inline void esp_count_path(const struct parsed *p, __u32 ifindex, __u32 segs,
					   __u32 octets)
{
	__u32 id = esp_path(p, ifindex);

	if (id)
		esp_count_on(id, segs, octets);
	else
		esp_event(STEER_EV_NEW_SOURCE, p, ifindex);
}

static __always_inline void esp_count_sa(__u32 spi, __u32 segs, __u32 octets)
{
	struct steer_sa_stat *st = sa_stat_of(STEER_SPI_INDEX(spi));

	if (!st)
		return;
	st->in_packets += segs;
	st->in_octets += octets;
}

/* Look up and count: what XDP and tc ingress have in common. */
static __always_inline enum esp_verdict esp_receive(const struct parsed *p, __u32 ifindex,
						    __u32 segs, struct steer_sa_in **ret_sa)
{
	enum esp_verdict v = esp_find_sa(p, ifindex, ret_sa);
	__u32 octets;

	if (v != ESP_OURS)
		return v;
	octets = parsed_octets(p, segs);
	esp_count_path(p, ifindex, segs, octets);
	if (!kernel_esp) /* XFRM counts its own */
		esp_count_sa(bpf_ntohl(p->esp->spi), segs, octets);
	return ESP_OURS;
}

#endif
