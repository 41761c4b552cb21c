/* SPDX-License-Identifier: GPL-2.0-only */
/* The peer's probes (MMX 6), and what is told of them. They move nothing: where a probe came from
 * is remembered, and becomes of use when the peer has shown that it receives there.
 *
 * An answer is about as long as what it answers, so that nobody makes much of it.
 */
#include <string.h>

#include "mmx.h"

static void put_status(struct msg_wr *m, enum mmx_status status)
{
	mmx_result_put(m, &(struct mmx_result){ .status = (uint16_t)status });
}

/* A probe that was not answered is sent over another path at last: what it tells is then not of
 * the one it names. An address and port of another endpoint's show it. */
static bool strayed(const struct ike_sa *sa, const struct mmx *x, const struct mmx_path *p,
		    const struct udp_addr *from)
{
	enum mmx_owner they = mmx_peer(sa);
	uint16_t epid = they == MMX_I ? p->epid_i : p->epid_r;

	if (udp_addr_equal(from, &sa->path.remote) && epid != mmx_current(sa, x, they))
		return true;
	for (unsigned i = 0; i < x->paths.n; i++) {
		const struct mmx_path_seen *s = &x->paths.p[i];
		uint16_t of = (uint16_t)(they == MMX_I ? s->path >> 16 : s->path);

		if (of != epid && udp_addr_equal(&s->seen, from))
			return true;
	}
	return false;
}

/* It came to the endpoint of ours that it names. */
static bool right_end(const struct ike_sa *sa, const struct mmx *x, const struct mmx_path *p,
		      const struct ike_path *path)
{
	enum mmx_owner we = mmx_we(sa);
	const struct mmx_iface_ep *e =
		mmx_list_ep(&x->list[we], we == MMX_I ? p->epid_i : p->epid_r, NULL);

	return e && addr_equal(&e->addr, &path->local.ip);
}

/* Where NAT traversal is off, what is announced is what is seen. */
static bool nat_refused(struct part_ctx *c, const struct ike_sa *sa, const struct mmx *x,
			const struct mmx_path *p)
{
	enum mmx_owner they = mmx_peer(sa);
	const struct mmx_iface_ep *e =
		mmx_list_ep(&x->list[they], they == MMX_I ? p->epid_i : p->epid_r, NULL);

	c->refusal = nonat_check(c->in, c->path);
	if (!c->refusal && !sa->natt_peer && e && !addr_equal(&e->addr, &c->path->remote.ip))
		c->refusal = N_UNEXPECTED_NAT_DETECTED;
	return c->refusal;
}

static enum mmx_status see(struct part_ctx *c, struct ike_sa *sa, struct mmx *x,
			   const struct mmx_path *p)
{
	struct mmx_lists lists = mmx_lists_of(x);
	struct mmx_path_seen seen = { .path = mmx_path_id(p->epid_i, p->epid_r),
				      .peer = c->path->remote,
				      .own = c->path->local,
				      .at = c->ike->now };
	bool nat_remote = false, moved = false;
	enum mmx_status status;

	natd_look(c->in, c->path, &seen.nat_own, &nat_remote);
	seen.nat = seen.nat_own || nat_remote;
	status = mmx_paths_see(&x->paths, &lists, &seen, &moved);
	if (moved) {
		char at[ADDR_PORT_STR];

		log_ike(sa, LOG_INFO_, "path %u-%u: the peer is seen as %s now", p->epid_i,
			p->epid_r, udp_addr_format(&seen.peer, at));
	}
	return status;
}

bool mmx_here_strayed(const struct ike_sa *sa, const struct mmx *x, uint16_t epid,
		      const struct addr *from)
{
	const struct mmx_list *l = &x->list[mmx_peer(sa)];

	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++)
			if (l->iface[i].ep[k].epid != epid &&
			    addr_equal(&l->iface[i].ep[k].addr, from))
				return true;
	return false;
}

void mmx_seen_here(struct part_ctx *c, struct ike_sa *sa, struct mmx *x, uint16_t epid)
{
	uint16_t ours = mmx_current(sa, x, mmx_we(sa));
	struct mmx_path p = { .epid_i = sa->role_i ? ours : epid,
			      .epid_r = sa->role_i ? epid : ours };

	if (right_end(sa, x, &p, c->path))
		see(c, sa, x, &p);
}

/* ---- tokens ---- */

static struct mmx_token_facts facts(const struct ike_sa *sa, const struct mmx_path_seen *seen)
{
	return (struct mmx_token_facts){
		.family = sa->family, .path = seen->path, .observed = seen->seen, .own = seen->own
	};
}

/* As many as there are answers that may be repeated: the windows of two IKE SAs. */
static void give_token(const struct part_ctx *c, const struct ike_sa *sa, struct mmx *x,
		       struct mmx_path *a, uint8_t token[MMX_TOKEN_OCTETS])
{
	uint32_t path = mmx_path_id(a->epid_i, a->epid_r), serial;
	struct mmx_token_facts f = facts(sa, mmx_paths_find(&x->paths, path));

	if (mmx_token_make(&x->tokens, &f, c->ike->now, token, &serial))
		return;
	mmx_add(&a->tlvs, MMX_TLV_TOKEN)->token = (struct mmx_token){
		.epid_i = a->epid_i, .epid_r = a->epid_r, .b = { token, MMX_TOKEN_OCTETS }
	};
	x->given[x->n_given++ % MMX_GIVEN_MAX] = (struct mmx_given){ .spi = ike_sa_own_spi(c->sa),
								     .msg_id = c->in->hdr.msg_id,
								     .serial = serial,
								     .to = c->path->remote };
}

void mmx_answer_repeated(struct ike *ike, struct ike_sa *sa, uint32_t msg_id,
			 const struct ike_path *path)
{
	const struct ike_sa *owner = line_owner(ike, sa->line);
	struct mmx *x = owner ? owner->mmx : NULL;

	for (unsigned i = 0; x && i < MMX_GIVEN_MAX; i++) {
		const struct mmx_given *g = &x->given[i];

		if (g->spi == ike_sa_own_spi(sa) && g->msg_id == msg_id &&
		    !udp_addr_equal(&g->to, &path->remote))
			mmx_token_void(&x->tokens, g->serial);
	}
}

void mmx_tokens_take(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_tlvs *tlvs)
{
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(tlvs, MMX_TLV_TOKEN, t));) {
		uint32_t path = mmx_path_id(t->token.epid_i, t->token.epid_r);
		const struct mmx_path_seen *seen = mmx_paths_find(&x->paths, path);
		struct mmx_token_facts f;

		if (!seen)
			continue;
		f = facts(sa, seen);
		if (!mmx_token_check(&x->tokens, &f, ike->now, t->token.b))
			continue; /* as if there was none */
		mmx_paths_verify(&x->paths, path, &f.observed, ike->now);
		ike_sa_touch(sa);
	}
}

void mmx_token_keep(struct mmx *x, const struct mmx_path *answer, usec_t sent)
{
	const struct mmx_tlv *t = mmx_next(&answer->tlvs, MMX_TLV_TOKEN, NULL);
	struct mmx_held *h = NULL;

	if (!t)
		return;
	for (unsigned i = 0; i < MMX_HELD_MAX; i++)
		if (x->held[i].path == mmx_path_id(answer->epid_i, answer->epid_r))
			h = &x->held[i];
	if (!h)
		h = &x->held[x->n_held++ % MMX_HELD_MAX];
	*h = (struct mmx_held){ .path = mmx_path_id(answer->epid_i, answer->epid_r),
				.until = sent + (MMX_TOKEN_LIFE_SEC - 5) *
							USEC_PER_SEC, /* it has to get there */
				.len = (uint8_t)t->token.b.len };
	memcpy(h->b, t->token.b.p, h->len);
}

struct bytes mmx_token_held(const struct mmx *x, uint32_t path, usec_t now)
{
	for (unsigned i = 0; i < MMX_HELD_MAX; i++)
		if (x->held[i].path == path && x->held[i].until > now)
			return (struct bytes){ x->held[i].b, x->held[i].len };
	return (struct bytes){ NULL, 0 };
}

void mmx_tokens_add(const struct ike_sa *sa, const struct mmx *x, struct mmx_tlvs *tlvs)
{
	const struct mmx_list *theirs = &x->list[mmx_peer(sa)];
	const struct mmx_ep *ep = NULL;

	if (!(x->deal.caps & MMX_CAP_TOKEN))
		return;
	while ((ep = mmx_next_ep(tlvs, MMX_ROLE_NEW, ep)))
		for (unsigned i = 0; !ep->side && i < theirs->n; i++)
			for (unsigned k = 0; k < theirs->iface[i].n; k++) {
				uint16_t peer = theirs->iface[i].ep[k].epid;
				uint32_t path = sa->role_i ? mmx_path_id(ep->epid, peer)
							   : mmx_path_id(peer, ep->epid);
				struct bytes b = mmx_token_held(x, path, sa->ike->now);
				struct mmx_tlv *t = b.len ? mmx_add(tlvs, MMX_TLV_TOKEN) : NULL;

				if (t)
					t->token = (struct mmx_token){ (uint16_t)(path >> 16),
								       (uint16_t)path, b };
			}
}

/* ---- answers ---- */

static struct mmx_path answer_to(const struct mmx_path *p)
{
	struct mmx_path a = { .kind = MMX_PATH_ANSWER, .epid_i = p->epid_i, .epid_r = p->epid_r };

	memcpy(a.nonce, p->nonce, sizeof(a.nonce));
	return a;
}

/* What is seen of the peer, and that it is there if it can read this. */
static void answer(const struct part_ctx *c, const struct ike_sa *sa, struct mmx *x,
		   const struct mmx_path *p, bool known)
{
	struct mmx_path a = answer_to(p);
	uint8_t token[MMX_TOKEN_OCTETS];

	mmx_add(&a.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_OBSERVED,
							    .side = 1,
							    .port = c->path->remote.port,
							    .addr = c->path->remote.ip };
	if (known && p->flags & MMX_PATH_WANT_TOKEN && x->deal.caps & MMX_CAP_TOKEN)
		give_token(c, sa, x, &a, token);
	mmx_path_put(c->m, &a);
}

void mmx_probe_answer(struct part_ctx *c)
{
	struct ike_sa *sa = line_owner(c->ike, c->sa->line);
	struct mmx *x = sa ? sa->mmx : NULL;
	const struct notify *n = msg_notify(c->in, N_MMX_PATH);
	enum mmx_status status;
	struct mmx_path p;

	if (!x || !n)
		return;
	status = mmx_path_get(n, &p);
	if (status == MMX_OK && p.kind != MMX_PATH_PROBE)
		status = MMX_MALFORMED;
	if (status != MMX_OK) {
		put_status(c->m, status);
		return;
	}
	if (nat_refused(c, sa, x, &p))
		return;
	if (strayed(sa, x, &p, &c->path->remote)) {
		struct mmx_path a = answer_to(&p);

		mmx_path_put(c->m, &a);
		return;
	}
	status = right_end(sa, x, &p, c->path) ? see(c, sa, x, &p) : MMX_UNKNOWN_ADDRESS;
	answer(c, sa, x, &p, status == MMX_OK);
	if (status != MMX_OK)
		put_status(c->m, status);
}
