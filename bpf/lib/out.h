/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything steer_tc does, as inline functions. */
#ifndef BRAID_BPF_OUT_H
#define BRAID_BPF_OUT_H

#include "drop.h"
#include "maps.h"
#include "parse.h"
#include "path.h"
#include "rewrite.h"
#include "wrap.h"

enum { TC_ACT_UNSPEC = -1, TC_ACT_OK = 0, TC_ACT_SHOT = 2 };

/* Nothing leaves the steering device but through a path record. */
static __always_inline int out_drop(enum drop_reason why)
{
	drop_count(why);
	return TC_ACT_SHOT;
}

static __always_inline __u32 skb_segs(const struct __sk_buff *skb, __u32 gso_size)
{
	return gso_size ? skb->gso_segs ?: 1 : 1;
}

/* Parse; once more after pulling the headers into the linear part. */
static __always_inline enum parse_result out_parse_here(struct __sk_buff *skb, struct parsed *p)
{
	void *data = CTX_LOAD(skb, data), *end = CTX_LOAD(skb, data_end);

	return kernel_esp ? parse_made(data, end, p) : parse_out(data, end, p);
}

static __always_inline enum parse_result out_parse(struct __sk_buff *skb, struct parsed *p)
{
	enum parse_result res = out_parse_here(skb, p);
	__u32 want;

	if (res != PARSE_SHORT || CTX_LOAD(skb, data_end) - CTX_LOAD(skb, data) >= skb->len)
		return res;
	want = L2_ETHER + sizeof(struct ipv6hdr) + sizeof(struct udphdr);
	if (bpf_skb_pull_data(skb, skb->len < want ? skb->len : want))
		return PARSE_BAD;
	return out_parse_here(skb, p);
}

/* RFC 4301 8.1: the SA wants routers to fragment it. The segments of a super-packet get consecutive
 * identifications, from this one on. */
static __always_inline void out_cut(struct iphdr *ip, __u32 path_id, __u32 segs)
{
	__u32 key = path_id % STEER_FRAG_IDS, *next = bpf_map_lookup_elem(&frag_id, &key);

	if (next)
		rewrite_cut(ip, bpf_htons((__u16)__sync_fetch_and_add(next, segs)));
}

/* Addresses, ports, MACs; cut: number of packets that get no DF, or 0. 0, or the reason to drop. */
static __always_inline int out_rewrite(struct __sk_buff *skb, struct parsed *p,
				       const struct steer_path *path, __u32 cut,
				       enum drop_reason *ret_why)
{
	__u32 gso_size = skb->gso_size;
	bool maybe_partial = p->udp && !gso_size && rewrite_maybe_partial(p);
	__u16 diff;

	if (path->family == p->family) {
		diff = rewrite_addrs(p, &path->src, &path->dst);
	} else {
		*ret_why = DROP_FAMILY;
		/* IPv6 wants a UDP checksum and we cannot invent one (RFC 8200 8.1). */
		if (p->udp && !p->udp->check)
			return -1;
		if (rewrite_family(skb, p, path, &diff))
			return -1;
	}
	if (cut && path->family == 4)
		out_cut(p->l3, path->id, cut);
	*ret_why = DROP_REWRITE;
	return rewrite_rest(skb, p, path, diff, gso_size, maybe_partial);
}

static __always_inline __u32 out_octets(const struct parsed *p, const struct steer_path *path,
					__u32 segs)
{
	__u32 octets = parsed_octets(p, segs);

	if (path->family != p->family)
		octets += path->family == 4 ? -20 * segs : 20 * segs;
	return octets;
}

/* Is ESP of such an SA of the kernel's to be in UDP on that path? */
static __always_inline bool out_wraps(__u32 sa_flags, const struct steer_path *path)
{
	return sa_flags & STEER_SA_WRAP &&
	       !(sa_flags & STEER_SA_WRAP_BY_PATH && path->flags & STEER_PATH_PLAIN);
}

static __always_inline int out_wrap(struct __sk_buff *skb, struct parsed *p,
				    const struct steer_path *path)
{
	bool ports = path->flags & STEER_PATH_ENCAP;

	return wrap_on(skb, p, ports ? path->sport : bpf_htons(PORT_NATT),
		       ports ? path->dport : bpf_htons(PORT_NATT));
}

/* The same for what XFRM has made: protocol 50, never a super-packet. Routers may cut too what is
 * larger than the path's MTU: XFRM has asked the steering device for its, and goes beyond only
 * where it must, for IPv6's least. */
static __always_inline int out_rewrite_kernel(struct __sk_buff *skb, struct parsed *p,
					      const struct steer_path *path, bool wraps,
					      bool may_cut, enum drop_reason *ret_why)
{
	__u32 octets;
	__u16 diff;

	*ret_why = DROP_BAD_PACKET;
	if (skb->gso_size)
		return -1;
	*ret_why = DROP_REWRITE;
	if (wraps && out_wrap(skb, p, path))
		return -1;
	octets = out_octets(p, path, 1);
	if (path->family == p->family) {
		rewrite_addrs(p, &path->src, &path->dst);
	} else if (rewrite_family(skb, p, path, &diff)) {
		*ret_why = DROP_FAMILY;
		return -1;
	}
	if (path->family == 4 && (may_cut || (path->mtu && octets > path->mtu)))
		out_cut(p->l3, path->id, 1);
	if (path->flags & STEER_PATH_MAC)
		rewrite_macs(p->eth, path);
	if (p->udp && path->family == 6)
		wrap_check6(skb, p->udp, &path->src, &path->dst);
	return 0;
}

static __always_inline void out_count_path(__u32 path_id, __u32 klass, __u32 segs, __u32 octets)
{
	struct steer_path_stat *st = bpf_map_lookup_elem(&path_stat, &path_id);

	if (!st)
		return;
	st->tx_packets += segs;
	st->tx_octets += octets;
	/* A class has three bits: the compiler would ask whether it is 7, which the verifier of 6.1
	 * does not take for a bound. */
	barrier_var(klass);
	if (klass >= STEER_CLASSES)
		return;
	st->tx_class[klass].packets += segs;
	st->tx_class[klass].octets += octets;
}

static __always_inline void out_count_sa(__u32 index, __u32 segs, __u32 octets)
{
	struct steer_sa_stat *st = sa_stat_of(index);

	if (!st)
		return;
	st->out_packets += segs;
	st->out_octets += octets;
}

static __always_inline int out_send(struct __sk_buff *skb, const struct steer_path *path)
{
	skb->mark = 0; /* ours alone: rules of the host on the uplink must not meet it */
	if (path->flags & (STEER_PATH_MAC | STEER_PATH_NOARP))
		return bpf_redirect(path->ifindex, 0);
	return bpf_redirect_neigh(path->ifindex, 0, 0, 0);
}

/* One copy, of an SA with these flags, for that path. The engine has made the packet for its own
 * path, in UDP or not: on one of the other kind there is none. What is the kernel's is not in UDP
 * yet, and comes by at the ingress of the pair's other end. */
static __noinline int out_copy(struct __sk_buff *skb, __u32 word, __u32 mark, __u32 sa_flags,
			       __u32 first_flags)
{
	const __u64 where = kernel_esp ? BPF_F_INGRESS : 0;
	struct steer_path *path = path_record(word);

	if (!path)
		return -1;
	if (kernel_esp && out_wraps(sa_flags, path))
		mark |= STEER_MARK(0, STEER_MARK_WRAPPED, 0);
	if (!kernel_esp && (path->flags ^ first_flags) & STEER_PATH_PLAIN)
		return -1;
	skb->mark = mark;
	return bpf_clone_redirect(skb, skb->ifindex, where) < 0 ? -1 : 0;
}

/* Over the members in that state. Returns how many copies are left. */
static __always_inline __u32 out_copies_in(struct __sk_buff *skb, const struct steer_group *g,
					   const struct steer_path *first, __u32 what,
					   __u32 sa_flags, enum steer_path_state state, __u32 left)
{
	for (__u32 i = 0; i < STEER_MEMBERS_MAX && i < g->n_members && left; i++) {
		__u64 pick = pick_copy(g, i, first->id, state, path_word, 0);

		if (!pick)
			continue;
		if (out_copy(skb, PICK_WORD(pick),
			     STEER_MARK(STEER_MARK_KIND_PATH, what, PICK_PATH(pick)), sa_flags,
			     first->flags))
			drop_count(DROP_COPY);
		left--;
	}
	return left;
}

/* Copies for other paths than that one: each comes by here again, as it is now, with a mark that
 * names its path. So MACs, neighbours, IP versions and super-packets are nothing special. */
static __noinline void out_copies(struct __sk_buff *skb, struct steer_group *g,
				  struct steer_path *first, __u32 what, __u32 sa_flags)
{
	__u32 left = out_copies_in(skb, g, first, what, sa_flags, STEER_PATH_UP, g->copies - 1u);

	if (left)
		out_copies_in(skb, g, first, what, sa_flags, STEER_PATH_DEGRADED, left);
}

/* Counted as it is sent. */
static __always_inline int out_sent(struct __sk_buff *skb, __u32 mark,
				    const struct steer_path *path, __u32 segs, __u32 octets)
{
	out_count_path(path->id, STEER_MARK_CLASS(mark), segs, octets);
	if (!kernel_esp && STEER_MARK_KIND(mark) != STEER_MARK_KIND_PATH)
		out_count_sa(STEER_MARK_INDEX(mark), segs, octets);
	return out_send(skb, path);
}

/* Once the path is known, of what XFRM has made. */
static __noinline int out_kernel(struct __sk_buff *skb, struct steer_path *path, __u32 mark,
				 __u32 sa_flags)
{
	enum drop_reason why;
	struct parsed p;

	if (!path || out_parse(skb, &p) != PARSE_ESP)
		return out_drop(DROP_BAD_PACKET);
	if (out_rewrite_kernel(skb, &p, path, out_wraps(sa_flags, path), STEER_MARK_MAY_CUT(mark),
			       &why))
		return out_drop(why);
	return out_sent(skb, mark, path, 1, out_octets(&p, path, 1));
}

static __always_inline int out_steer(struct __sk_buff *skb, __u32 mark)
{
	__u32 octets, segs, sa_flags;
	struct steer_group *copied;
	struct steer_path *path;
	enum drop_reason why;
	struct parsed p;

	path = path_of_mark(mark, &copied, &sa_flags, &why);
	if (!path)
		return out_drop(why);
	if (copied)
		out_copies(skb, copied, path, STEER_MARK_WHAT(mark), sa_flags);
	if (out_parse(skb, &p) != PARSE_ESP)
		return out_drop(DROP_BAD_PACKET);
	segs = skb_segs(skb, skb->gso_size);
	octets = out_octets(&p, path, segs);
	if (out_rewrite(skb, &p, path, STEER_MARK_MAY_CUT(mark) ? segs : 0, &why))
		return out_drop(why);
	return out_sent(skb, mark, path, segs, octets);
}

/* The mark of what XFRM has made. Without a classifier before it the application's own may be left
 * in it. */
static __always_inline __u32 out_mark_kernel(const struct __sk_buff *skb)
{
	__u32 key = 0, mark = (__u64)CTX_LOAD(skb, mark);
	const struct steer_intake *in;

	if (mark == STEER_MARK_INDEX(mark))
		return mark;
	in = bpf_map_lookup_elem(&intake, &key);
	return in && in->classified ? mark : STEER_MARK_INDEX(mark);
}

/* What nearly all of it is: IPv4 in IPv4, whole and small enough. The same as out_kernel does with
 * it, with fewer comparisons. TC_ACT_UNSPEC: nothing is done. */
static __always_inline int out_plain4(struct __sk_buff *skb, __u32 mark)
{
	__u32 sa_flags, octets;
	struct steer_path *path;
	struct parsed p;
	bool wraps;

	if (STEER_MARK_KIND(mark) & STEER_MARK_KIND_CUT || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	path = path_plain(mark, &sa_flags);
	if (!path || path->family != 4 || !(path->flags & STEER_PATH_MAC) || skb->gso_size ||
	    parse_made(CTX_LOAD(skb, data), CTX_LOAD(skb, data_end), &p) != PARSE_ESP ||
	    p.family != 4)
		return TC_ACT_UNSPEC;
	wraps = out_wraps(sa_flags, path);
	octets = p.ip_len + (wraps ? WRAP_LEN : 0);
	if (path->mtu && octets > path->mtu)
		return TC_ACT_UNSPEC;
	if (wraps && out_wrap(skb, &p, path))
		return out_drop(DROP_REWRITE);
	rewrite_only4(p.ip4, *(const __u32 *)path->src.b, *(const __u32 *)path->dst.b);
	rewrite_only_macs(p.eth, path);
	out_count_path(path->id, STEER_MARK_CLASS(mark), 1, octets);
	skb->mark = 0; /* as in out_send */
	return bpf_redirect(path->ifindex, 0);
}

/* Of what XFRM has made. early: copies are left to the other end of the pair, where they are made.
 */
static __always_inline int out_steer_kernel(struct __sk_buff *skb, __u32 mark, bool early)
{
	struct steer_group *copied;
	struct steer_path *path;
	enum drop_reason why;
	__u32 sa_flags;
	int act;

	act = early ? out_plain4(skb, mark) : TC_ACT_UNSPEC;
	if (act != TC_ACT_UNSPEC)
		return act;
	if (early) {
		/* Anew: what the short way has found out of it the verifier need not know, or it
		 * looks at the long one twice. */
		skb->mark = mark;
		mark = (__u64)CTX_LOAD(skb, mark);
	}
	path = path_of_mark(mark, &copied, &sa_flags, &why);
	if (!path)
		return out_drop(why);
	if (copied && early)
		return TC_ACT_UNSPEC;
	if (copied)
		out_copies(skb, copied, path, STEER_MARK_WHAT(mark), sa_flags);
	return out_kernel(skb, path, mark, sa_flags);
}

#endif
