/* SPDX-License-Identifier: GPL-2.0-only */
/* States to and from the kernel's messages. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/secret.h"
#include "xfrm_impl.h"

/* ---- to ---- */

static uint64_t limit(uint64_t n)
{
	return n ? n : XFRM_INF;
}

static void put_lifetimes(struct xfrm_lifetime_cfg *lft, const struct xfrm_sa *sa)
{
	lft->soft_byte_limit = limit(sa->soft_octets);
	lft->hard_byte_limit = limit(sa->hard_octets);
	lft->soft_packet_limit = limit(sa->soft_packets);
	lft->hard_packet_limit = limit(sa->hard_packets);
}

static uint8_t state_flags(uint32_t flags)
{
	/* a tunnel is for both families: without the flag a state is for its own only */
	return (uint8_t)((flags & XFRM_F_BEET ? 0 : XFRM_STATE_AF_UNSPEC) |
			 (flags & XFRM_F_ESN ? XFRM_STATE_ESN : 0) |
			 (flags & XFRM_F_DSCP_IN ? XFRM_STATE_DECAP_DSCP : 0) |
			 (flags & XFRM_F_DF_CLEAR ? XFRM_STATE_NOPMTUDISC : 0));
}

/* The selector of a BEET state is the header of what comes out of it. As a selector it fits any
 * packet of that IP version: the policies are what is narrow. */
static void put_inner(struct xfrm_selector *sel, const struct xfrm_sa *sa)
{
	sel->family = xfrm_af(&sa->inner_dst);
	xfrm_put_addr(&sel->saddr, &sa->inner_src);
	xfrm_put_addr(&sel->daddr, &sa->inner_dst);
}

static void put_info(struct xfrm_usersa_info *info, const struct xfrm_sa *sa)
{
	info->id.spi = htonl(sa->spi);
	info->id.proto = IPPROTO_ESP;
	xfrm_put_addr(&info->id.daddr, &sa->dst);
	xfrm_put_addr(&info->saddr, &sa->src);
	info->family = xfrm_af(&sa->dst);
	info->reqid = sa->reqid;
	info->mode = sa->flags & XFRM_F_BEET ? XFRM_MODE_BEET : XFRM_MODE_TUNNEL;
	if (sa->flags & XFRM_F_BEET)
		put_inner(&info->sel, sa);
	info->flags = state_flags(sa->cpu ? sa->flags & ~(uint32_t)XFRM_F_DSCP_IN : sa->flags);
	put_lifetimes(&info->lft, sa);
}

/* Also without ESN, for the other form has room for 32 packets. */
static void put_window(struct nlmsghdr *nlh, const struct xfrm_sa *sa)
{
	union {
		struct xfrm_replay_state_esn state;
		uint8_t room[sizeof(struct xfrm_replay_state_esn) + XFRM_REPLAY_MAX / 8];
	} w = { .room = { 0 } };
	uint32_t n = sa->flags & XFRM_F_OUT ? 0 : sa->replay_window;

	if (n > XFRM_REPLAY_MAX)
		n = XFRM_REPLAY_MAX;
	/* of a state with a direction the kernel takes none that it does not need */
	if (sa->flags & XFRM_F_ESN && n < XFRM_REPLAY_LEAST && !sa->cpu)
		n = XFRM_REPLAY_LEAST;
	if (!n && !(sa->cpu && sa->flags & XFRM_F_ESN))
		return;
	w.state.replay_window = n;
	w.state.bmp_len = (n + 31) / 32;
	mnl_attr_put(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(w.state) + w.state.bmp_len * 4, &w);
}

static void put_aead(struct nlmsghdr *nlh, const struct xfrm_algorithm *alg, const uint8_t *key)
{
	union {
		struct xfrm_algo_aead a;
		uint8_t room[sizeof(struct xfrm_algo_aead) + XFRM_KEY_MAX];
	} v = { .a = { .alg_key_len = alg->key_octets * 8u, .alg_icv_len = alg->icv_bits } };

	strcpy(v.a.alg_name, alg->encr);
	memcpy(v.a.alg_key, key, alg->key_octets);
	mnl_attr_put(nlh, XFRMA_ALG_AEAD, sizeof(v.a) + alg->key_octets, &v);
	secret_wipe(&v, sizeof(v));
}

static void put_crypt(struct nlmsghdr *nlh, const struct xfrm_algorithm *alg, const uint8_t *key)
{
	union {
		struct xfrm_algo a;
		uint8_t room[sizeof(struct xfrm_algo) + XFRM_KEY_MAX];
	} v = { .a = { .alg_key_len = alg->key_octets * 8u } };

	strcpy(v.a.alg_name, alg->encr);
	if (alg->key_octets)
		memcpy(v.a.alg_key, key, alg->key_octets);
	mnl_attr_put(nlh, XFRMA_ALG_CRYPT, sizeof(v.a) + alg->key_octets, &v);
	secret_wipe(&v, sizeof(v));
}

static void put_auth(struct nlmsghdr *nlh, const struct xfrm_algorithm *alg, const uint8_t *key)
{
	union {
		struct xfrm_algo_auth a;
		uint8_t room[sizeof(struct xfrm_algo_auth) + XFRM_KEY_MAX];
	} v = { .a = { .alg_key_len = alg->integ_octets * 8u, .alg_trunc_len = alg->icv_bits } };

	strcpy(v.a.alg_name, alg->integ);
	memcpy(v.a.alg_key, key, alg->integ_octets);
	mnl_attr_put(nlh, XFRMA_ALG_AUTH_TRUNC, sizeof(v.a) + alg->integ_octets, &v);
	secret_wipe(&v, sizeof(v));
}

static void put_rest(struct nlmsghdr *nlh, const struct xfrm_sa *sa)
{
	put_window(nlh, sa);
	if (sa->flags & XFRM_F_OUT && sa->mark_mask) {
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK, sa->mark);
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK_MASK, sa->mark_mask);
	}
	if (sa->flags & XFRM_F_OUT && sa->cpu) {
		mnl_attr_put_u8(nlh, ATTR_SA_DIR, SA_DIR_OUT);
		mnl_attr_put_u32(nlh, ATTR_SA_PCPU, sa->cpu - 1u);
	}
	if (sa->if_id)
		mnl_attr_put_u32(nlh, XFRMA_IF_ID, sa->if_id);
	if (sa->flags & XFRM_F_NO_DSCP_OUT)
		mnl_attr_put_u32(nlh, XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
}

int xfrm_put_sa(void *buf, const struct xfrm_sa *sa, struct nlmsghdr **ret_nlh)
{
	struct xfrm_usersa_info *info;
	struct xfrm_algorithm alg;
	struct nlmsghdr *nlh;
	int err = xfrm_algorithm(sa->encr_id, sa->key_bits, sa->integ_id, &alg);

	if (err)
		return err;
	if (!sa->dst.family || sa->src.family != sa->dst.family || !sa->spi ||
	    sa->key_len != alg.key_octets || sa->integ_len != alg.integ_octets)
		return -EINVAL;
	if (sa->flags & XFRM_F_BEET &&
	    (!sa->inner_dst.family || sa->inner_src.family != sa->inner_dst.family))
		return -EINVAL;
	nlh = xfrm_message(buf, XFRM_MSG_NEWSA, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
			   sizeof(*info), &info);
	put_info(info, sa);
	if (alg.aead) {
		put_aead(nlh, &alg, sa->key);
	} else {
		put_crypt(nlh, &alg, sa->key);
		put_auth(nlh, &alg, sa->integ);
	}
	put_rest(nlh, sa);
	*ret_nlh = nlh;
	return 0;
}

void xfrm_put_sa_id(struct xfrm_usersa_id *id, const struct addr *dst, uint32_t spi)
{
	id->spi = htonl(spi);
	id->proto = IPPROTO_ESP;
	id->family = xfrm_af(dst);
	xfrm_put_addr(&id->daddr, dst);
}

/* ---- from ---- */

static uint32_t flags_of(const struct xfrm_usersa_info *info)
{
	return (info->mode == XFRM_MODE_BEET ? XFRM_F_BEET : 0) |
	       (info->flags & XFRM_STATE_ESN ? XFRM_F_ESN : 0) |
	       (info->flags & XFRM_STATE_DECAP_DSCP ? XFRM_F_DSCP_IN : 0) |
	       (info->flags & XFRM_STATE_NOPMTUDISC ? XFRM_F_DF_CLEAR : 0);
}

/* Of the two numbers in it one stays 0, for a state is used in one direction. */
static void get_window(const struct nlattr *a, struct xfrm_sa_info *info)
{
	struct xfrm_replay_state_esn esn;
	struct xfrm_replay_state old;

	if (mnl_attr_get_type(a) == XFRMA_REPLAY_ESN_VAL) {
		memcpy(&esn, mnl_attr_get_payload(a), sizeof(esn));
		info->window = esn.replay_window;
		info->seq = (uint64_t)(esn.oseq_hi | esn.seq_hi) << 32 | esn.oseq | esn.seq;
	} else {
		memcpy(&old, mnl_attr_get_payload(a), sizeof(old));
		info->seq = old.oseq | old.seq;
	}
}

/* Octets that an attribute has at least; 0: not looked at. */
static size_t least(uint16_t type)
{
	switch (type) {
	case XFRMA_IF_ID:
	case XFRMA_SET_MARK:
	case XFRMA_SET_MARK_MASK:
	case XFRMA_SA_EXTRA_FLAGS:
	case ATTR_SA_PCPU:
		return 4;
	case XFRMA_LASTUSED:
		return 8;
	case XFRMA_REPLAY_VAL:
		return sizeof(struct xfrm_replay_state);
	case XFRMA_REPLAY_ESN_VAL:
		return sizeof(struct xfrm_replay_state_esn);
	}
	return 0;
}

static void get_attr(const struct nlattr *a, struct xfrm_sa_info *info)
{
	switch (mnl_attr_get_type(a)) {
	case XFRMA_IF_ID:
		info->if_id = mnl_attr_get_u32(a);
		break;
	case XFRMA_SET_MARK:
		info->mark = mnl_attr_get_u32(a);
		info->flags |= XFRM_F_OUT;
		break;
	case XFRMA_SET_MARK_MASK:
		info->mark_mask = mnl_attr_get_u32(a);
		break;
	case XFRMA_SA_EXTRA_FLAGS:
		if (mnl_attr_get_u32(a) & XFRM_SA_XFLAG_DONT_ENCAP_DSCP)
			info->flags |= XFRM_F_NO_DSCP_OUT;
		break;
	case ATTR_SA_PCPU:
		info->cpu = (uint16_t)(mnl_attr_get_u32(a) + 1);
		break;
	case XFRMA_LASTUSED:
		info->last_used_sec = mnl_attr_get_u64(a);
		break;
	case XFRMA_REPLAY_VAL:
	case XFRMA_REPLAY_ESN_VAL:
		get_window(a, info);
		break;
	}
}

int xfrm_parse_sa(const struct nlmsghdr *nlh, struct xfrm_sa_info *ret_info)
{
	const struct xfrm_usersa_info *from = mnl_nlmsg_get_payload(nlh);
	struct xfrm_sa_info info;
	const struct nlattr *a;

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*from))
		return -EBADMSG;
	info = (struct xfrm_sa_info){
		.spi = ntohl(from->id.spi),
		.reqid = from->reqid,
		.flags = flags_of(from),
		.src = xfrm_get_addr(&from->saddr, from->family),
		.dst = xfrm_get_addr(&from->id.daddr, from->family),
		.octets = from->curlft.bytes,
		.packets = from->curlft.packets,
		.add_sec = from->curlft.add_time,
		.use_sec = from->curlft.use_time,
		.window = from->replay_window,
		.left_behind = from->stats.replay_window,
		.replayed = from->stats.replay,
		.integrity_failed = from->stats.integrity_failed,
	};
	if (!info.dst.family)
		return -EBADMSG;
	mnl_attr_for_each(a, nlh, sizeof(*from))
	{
		size_t want = least(mnl_attr_get_type(a));

		if (!want)
			continue;
		if (mnl_attr_get_payload_len(a) < want)
			return -EBADMSG;
		get_attr(a, &info);
	}
	*ret_info = info;
	return 0;
}
