/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything the shield does, as inline functions: find out what a packet of this host is and
 * whether policy protects it. Transport mode has no route of its own for that to be told by.
 *
 * Nothing here is on the way of ESP and IKE, as they nearly always are, but one look at the
 * headers. What cannot be told is taken for protected: the engine then drops what no SA covers.
 */
#ifndef BRAID_BPF_SHIELD_H
#define BRAID_BPF_SHIELD_H

#include "drop.h"
#include "parse.h"
#include "abi/shield.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHIELD_PEERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct shield_key);
	__type(value, struct shield_peer);
} shield SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} shield_dev SEC(".maps");

enum { NEXT_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_DSTOPTS = 60 };

struct shield_flow {
	struct shield_key key;
	struct steer_addr local;
	__u8 proto;
	bool later;  /* a fragment without ports */
	bool unsure; /* extension headers: protocol and ports are not known */
	bool ports;
	__u16 lport, rport;
	__u32 l4; /* offset behind the IP header; 0: none */
};

/* Offsets count from the IP header of the packet, wherever that is. */
static __always_inline long shield_load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET);
}

static __always_inline bool shield_has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

/* out: from us, else to us. */
static __always_inline void shield_ports(struct __sk_buff *skb, bool out, struct shield_flow *f)
{
	__be16 port[2];
	__u8 type[2];

	if (f->later || f->unsure)
		return;
	if (shield_has_ports(f->proto) && !shield_load(skb, f->l4, port, sizeof(port))) {
		f->lport = bpf_ntohs(port[out ? 0 : 1]);
		f->rport = bpf_ntohs(port[out ? 1 : 0]);
		f->ports = true;
	} else if ((f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6) &&
		   !shield_load(skb, f->l4, type, sizeof(type))) {
		f->lport = f->rport = (__u16)(type[0] << 8 | type[1]);
		f->ports = true;
	}
}

static __always_inline long shield_parse4(struct __sk_buff *skb, __u32 off, bool out,
					  struct shield_flow *f)
{
	struct iphdr ip;

	if (shield_load(skb, off, &ip, sizeof(ip)) || ip.version != 4)
		return -1;
	f->key.family = 4;
	*(__u32 *)f->key.remote.b = out ? ip.daddr : ip.saddr;
	*(__u32 *)f->local.b = out ? ip.saddr : ip.daddr;
	f->proto = ip.protocol;
	f->later = ip.frag_off & bpf_htons(IP_MF_OFFSET & 0x1fff);
	f->l4 = off + ip.ihl * 4;
	return 0;
}

static __always_inline long shield_parse6(struct __sk_buff *skb, __u32 off, bool out,
					  struct shield_flow *f)
{
	struct ipv6hdr ip;
	__u8 frag[4];

	if (shield_load(skb, off, &ip, sizeof(ip)) || ip.version != 6)
		return -1;
	f->key.family = 6;
	__builtin_memcpy(&f->key.remote, out ? &ip.daddr : &ip.saddr, 16);
	__builtin_memcpy(&f->local, out ? &ip.saddr : &ip.daddr, 16);
	f->proto = ip.nexthdr;
	f->l4 = off + sizeof(ip);
	if (f->proto == NEXT_FRAGMENT && !shield_load(skb, f->l4, frag, sizeof(frag))) {
		f->proto = frag[0];
		f->later = frag[2] || frag[3] & 0xf8;
		f->l4 += 8;
	}
	f->unsure = f->proto == NEXT_HOP || f->proto == NEXT_ROUTING || f->proto == NEXT_FRAGMENT ||
		    f->proto == NEXT_DSTOPTS;
	return 0;
}

static __always_inline long shield_parse(struct __sk_buff *skb, __u32 off, bool v4, bool out,
					 struct shield_flow *f)
{
	long err;

	__builtin_memset(f, 0, sizeof(*f));
	err = v4 ? shield_parse4(skb, off, out, f) : shield_parse6(skb, off, out, f);
	if (!err)
		shield_ports(skb, out, f);
	return err;
}

static __always_inline bool shield_is_ike(__u16 port)
{
	return port == PORT_IKE || port == PORT_NATT;
}

static __always_inline bool shield_bypass_ports(__u8 proto, const __be16 *port, bool out)
{
	return proto == IPPROTO_ESP ||
	       (proto == IPPROTO_UDP && shield_is_ike(bpf_ntohs(port[out ? 0 : 1])));
}

/* By the headers that nearly all packets have, in the linear part behind Ethernet's: ESP or IKE,
 * whoever it is to or from, as shield_bypass would say? Else nothing is known. */
static __always_inline bool shield_passes4(struct __sk_buff *skb, bool out)
{
	const struct iphdr *ip = CTX_LOAD(skb, data) + L2_ETHER;
	const __be16 *port = (const void *)(ip + 1);

	return (void *)(port + 2) <= CTX_LOAD(skb, data_end) && *(const __u8 *)ip == 0x45 &&
	       !(ip->frag_off & bpf_htons(IP_MF_OFFSET)) &&
	       shield_bypass_ports(ip->protocol, port, out);
}

static __always_inline bool shield_passes6(struct __sk_buff *skb, bool out)
{
	const struct ipv6hdr *ip = CTX_LOAD(skb, data) + L2_ETHER;
	const __be16 *port = (const void *)(ip + 1);

	return (void *)(port + 2) <= CTX_LOAD(skb, data_end) && ip->version == 6 &&
	       shield_bypass_ports(ip->nexthdr, port, out);
}

/* Of a device without a link-layer header it is not sure where packets begin: those that XFRM has
 * decrypted still have the header of the one they came in by. */
static __always_inline bool shield_passes(struct __sk_buff *skb, __u32 l2, bool v4, bool out)
{
	const struct ethhdr *eth = CTX_LOAD(skb, data);

	if (l2 != L2_ETHER || (void *)(eth + 1) > CTX_LOAD(skb, data_end) ||
	    eth->h_proto != (__u16)skb->protocol)
		return false;
	return v4 ? shield_passes4(skb, out) : shield_passes6(skb, out);
}

/* The peer that it is from or to, by one look at the address. NULL: nobody of ours. */
static __always_inline struct shield_peer *shield_peer_of(struct __sk_buff *skb, bool v4, bool out)
{
	struct shield_key key = { .family = v4 ? 4 : 6 };
	__u32 off = v4 ? (out ? 16 : 12) : (out ? 24 : 8);

	if (shield_load(skb, off, key.remote.b, v4 ? 4 : 16))
		return 0;
	return bpf_map_lookup_elem(&shield, &key);
}

static __always_inline bool shield_same(const struct steer_addr *a, const struct steer_addr *b)
{
	const __u64 *x = (const __u64 *)a->b, *y = (const __u64 *)b->b;

	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline bool shield_within(__u16 port, __u16 first, __u16 last)
{
	return port >= first && port <= last;
}

static __always_inline bool shield_any_ports(const struct shield_rule *r)
{
	return !r->local_first && r->local_last == 0xffff && !r->remote_first &&
	       r->remote_last == 0xffff;
}

static __always_inline bool shield_fits(const struct shield_rule *r, const struct shield_flow *f)
{
	if (!r->any_local && !shield_same(&r->local, &f->local))
		return false;
	if (f->unsure)
		return true;
	if (r->protocol && r->protocol != f->proto)
		return false;
	if (!f->ports || shield_any_ports(r))
		return true; /* a fragment may belong to it */
	return shield_within(f->lport, r->local_first, r->local_last) &&
	       shield_within(f->rport, r->remote_first, r->remote_last);
}

static __always_inline bool shield_covers(const struct shield_peer *p, const struct shield_flow *f)
{
	for (__u32 i = 0; i < SHIELD_RULES_MAX; i++) {
		if (i >= p->n)
			break;
		if (shield_fits(&p->rule[i], f))
			return true;
	}
	return false;
}

/* What makes protection possible: ESP, IKE, and the neighbour's address (RFC 4861: 133 to 137). */
static __always_inline bool shield_bypass(const struct shield_flow *f)
{
	if (f->unsure)
		return false;
	if (f->proto == IPPROTO_ESP)
		return true;
	if (f->proto == IPPROTO_UDP)
		return f->ports && shield_is_ike(f->lport);
	return f->proto == IPPROTO_ICMPV6 && f->key.family == 6 && f->ports &&
	       shield_within(f->lport >> 8, 133, 137);
}

static __always_inline bool shield_is_error(const struct shield_flow *f)
{
	__u8 type = f->lport >> 8;

	if (!f->ports)
		return false;
	if (f->proto == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	return f->proto == IPPROTO_ICMPV6 && type < 128;
}

/* An error about a packet that was protected quotes it. Of what we send: about what came in. */
static __always_inline bool shield_quotes(struct __sk_buff *skb, bool v4,
					  const struct shield_peer *p, const struct shield_flow *f)
{
	struct shield_flow about;

	return shield_is_error(f) && !shield_parse(skb, f->l4 + 8, v4, false, &about) &&
	       !shield_bypass(&about) && shield_covers(p, &about);
}

/* A later fragment of a long IKE message: by the socket that it is from. */
static __always_inline bool shield_from_ike(struct __sk_buff *skb, const struct shield_flow *f)
{
	struct bpf_sock *sk;

	/* by a load of its own: CTX_LOAD */
	asm volatile("%0 = *(u64 *)(%1 + %2)"
		     : "=r"(sk)
		     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, sk)));
	if (!f->later || f->proto != IPPROTO_UDP || !sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	return sk && shield_is_ike(sk->src_port);
}

enum shield_verdict { SHIELD_PASS, SHIELD_PROTECT };

static __always_inline enum shield_verdict shield_out_verdict(struct __sk_buff *skb, __u32 l2)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct shield_peer *p;
	struct shield_flow f;

	if (!v4 && skb->protocol != bpf_htons(ETH_P_IPV6))
		return SHIELD_PASS;
	if (shield_passes(skb, l2, v4, true))
		return SHIELD_PASS;
	p = shield_peer_of(skb, v4, true);
	if (!p)
		return SHIELD_PASS;
	if (shield_parse(skb, 0, v4, true, &f))
		return SHIELD_PROTECT;
	if (shield_bypass(&f) || shield_from_ike(skb, &f))
		return SHIELD_PASS;
	return shield_covers(p, &f) || shield_quotes(skb, v4, p, &f) ? SHIELD_PROTECT : SHIELD_PASS;
}

/* A later fragment alone is nothing: its first one has the ports. */
static __always_inline enum shield_verdict shield_in_verdict(struct __sk_buff *skb, __u32 l2)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	struct shield_peer *p;
	struct shield_flow f;

	if (!v4 && skb->protocol != bpf_htons(ETH_P_IPV6))
		return SHIELD_PASS;
	if (shield_passes(skb, l2, v4, false))
		return SHIELD_PASS;
	p = shield_peer_of(skb, v4, false);
	if (!p || shield_parse(skb, 0, v4, false, &f) || f.later || shield_bypass(&f))
		return SHIELD_PASS;
	return shield_covers(p, &f) ? SHIELD_PROTECT : SHIELD_PASS;
}

#endif
