/* SPDX-License-Identifier: GPL-2.0-only */
/* The new IKE SA that a CREATE_CHILD_SA exchange makes, both roles (RFC 7296 1.3.2, 2.18; RFC 7791
 * 5.2): the same for a rekey, which then takes the old one's place, and for a clone, which does
 * not.
 */
#include <errno.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mobike.h"
#include "parts.h"

/* Of the same line, or a clone that begins one; initiator: of this exchange. */
static struct ike_sa *successor_new(struct ike *ike, const struct ike_sa *old, bool initiator,
				    bool clone)
{
	struct ike_sa *sa = ike_sa_new(ike, old->conn, true, old);

	if (!sa)
		return NULL;
	if (id_keep(&sa->local_id, old->local_id) || id_keep(&sa->remote_id, old->remote_id) ||
	    mobike_inherit(old, sa)) {
		ike_sa_free(ike, sa);
		return NULL;
	}
	sa->initiator = initiator;
	sa->role_i = old->role_i;
	sa->clone_ok = old->clone_ok;
	sa->clones_refused = old->clones_refused;
	sa->clone_of = old->clone_of;
	sa->bundle = old->bundle;
	sa->session = old->session;
	sa->carried = old->carried;
	sa->peer_probes = old->peer_probes;
	sa->peer_udp = old->peer_udp;
	sa->fragments = old->fragments;
	sa->reauth_at = old->reauth_at;
	sa->auth_ends_at = old->auth_ends_at;
	sa->n_own_vips = old->n_own_vips;
	sa->n_peer_vips = old->n_peer_vips;
	memcpy(sa->own_vips, old->own_vips, sizeof(sa->own_vips));
	memcpy(sa->peer_vips, old->peer_vips, sizeof(sa->peer_vips));
	sa->vips_no_more = old->vips_no_more;
	sa->vips_more = old->vips_more;
	if (clone) {
		sa->line = ++ike->last_line;
		sa->clone_of = old->line;
	} else {
		sa->vips_of_line = old->vips_of_line;
		sa->reauths_tried = old->reauths_tried;
		sa->reauth_of = old->reauth_of;
		sa->session_before = old->session_before;
	}
	/* alive, but nobody's yet: take_over or clone_begin makes it ESTABLISHED */
	sa->state = IKE_REKEYED;
	return sa;
}

/* ---- requester ---- */

int successor_offer(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct sa_payload offer;
	const uint8_t *pub;
	size_t len;

	if (!t->spi_ike && ike_spi_new(ike, &t->spi_ike))
		return -EIO;
	/* the group in use is the one the peer is known to accept */
	if (!t->ke_group)
		t->ke_group = sa->suite.ke;
	if (!suite_has_ke(PROTO_IKE, conn->proposals, conn->n_proposals, t->ke_group))
		t->ke_group = suite_first_ke(PROTO_IKE, conn->proposals, conn->n_proposals);
	ke_free(t->ke);
	t->ke = ke_new(t->ke_group);
	if (!t->ke || nonce_new(&t->ni))
		return -EIO;
	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 8, t->spi_ike, true);
	msg_put_sa(m, &offer);
	msg_put_nonce(m, t->ni.b, t->ni.len);
	pub = ke_public(t->ke, &len);
	msg_put_ke(m, t->ke_group, pub, len);
	return 0;
}

bool successor_other_group(const struct ike_sa *sa, struct task *t, const struct notify *err)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	uint16_t group;

	if (!err || err->type != N_INVALID_KE_PAYLOAD || err->data.len != 2 ||
	    t->rounds++ >= INIT_ROUNDS_MAX)
		return false;
	group = (uint16_t)(err->data.p[0] << 8 | err->data.p[1]);
	if (group == t->ke_group ||
	    !suite_has_ke(PROTO_IKE, conn->proposals, conn->n_proposals, group))
		return false;
	t->ke_group = group;
	return true;
}

struct ike_sa *successor_made(struct ike *ike, struct ike_sa *old, struct task *t,
			      const struct ike_msg *in)
{
	const struct ike_conn_cfg *conn = &old->conn->c;
	struct secret gir = { .len = 0 };
	struct sa_payload offer;
	struct suite suite;
	struct ike_sa *sa;
	uint64_t spi_r;

	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 8, t->spi_ike, true);
	if (!t->ke || !in->has_sa || !in->has_ke || !in->has_nonce ||
	    !suite_accept(&offer, &in->sa, &suite, &spi_r) || !spi_r ||
	    suite.ke != ke_group(t->ke) || in->ke_group != suite.ke ||
	    ke_derive(t->ke, in->ke.p, in->ke.len, &gir))
		return NULL;
	sa = successor_new(ike, old, true, t->kind == TASK_IKE_CLONE);
	if (!sa)
		goto out;
	if (t->reauth_line) {
		sa->line = t->reauth_line;
		sa->reauth_of = old->reauth_of;
	}
	sa->spi_i = t->spi_ike;
	sa->spi_r = spi_r;
	sa->suite = suite;
	sa->ni = t->ni;
	if (!nonce_set(&sa->nr, in->nonce) ||
	    ike_sa_derive(sa, &gir, &old->keys.sk_d, old->suite.prf)) {
		ike_sa_free(ike, sa);
		sa = NULL;
		goto out;
	}
	ike_sa_insert(ike, sa);
	parts_process(
		&(struct part_ctx){ .ike = ike, .sa = sa, .place = AT_REKEY_RESPONSE, .in = in });
out:
	secret_clear(&gir);
	return sa;
}

/* ---- responder ---- */

/* 0; -EBADMSG for a nonce or key exchange value that is none. */
static int answer_sa(struct ike *ike, struct ike_sa *old, const struct ike_msg *in, bool clone,
		     const struct suite *suite, uint64_t spi_i, struct ke *ke,
		     struct ike_sa **ret_sa)
{
	struct secret gir = { .len = 0 };
	struct ike_sa *sa;
	int ret = ke ? ke_derive(ke, in->ke.p, in->ke.len, &gir) : -EIO;

	if (ret)
		return ret;
	ret = -ENOMEM;
	sa = successor_new(ike, old, false, clone);
	if (!sa)
		goto out;
	sa->suite = *suite;
	sa->spi_i = spi_i;
	ret = -EBADMSG;
	if (nonce_set(&sa->ni, in->nonce))
		ret = ike_spi_new(ike, &sa->spi_r);
	if (!ret)
		ret = nonce_new(&sa->nr);
	if (!ret)
		ret = ike_sa_derive(sa, &gir, &old->keys.sk_d, old->suite.prf);
	if (ret) {
		ike_sa_free(ike, sa);
		goto out;
	}
	ike_sa_insert(ike, sa);
	*ret_sa = sa;
	ret = 0;
out:
	secret_clear(&gir);
	return ret;
}

static void put_answer(const struct ike_sa *sa, uint8_t number, const struct ke *ke,
		       struct msg_wr *m)
{
	struct sa_payload answer;
	const uint8_t *pub;
	size_t len;

	suite_answer(&answer, PROTO_IKE, &sa->suite, number, 8, sa->spi_r);
	msg_put_sa(m, &answer);
	msg_put_nonce(m, sa->nr.b, sa->nr.len);
	pub = ke_public(ke, &len);
	msg_put_ke(m, sa->suite.ke, pub, len);
}

int successor_answer(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in, bool clone,
		     struct msg_wr *m, struct ike_sa **ret_sa)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct suite suite;
	uint64_t spi_i;
	uint8_t number;
	struct ke *ke;
	int ret;

	if (!suite_select(&in->sa, PROTO_IKE, 8, conn->proposals, conn->n_proposals, true,
			  in->ke_group, &suite, &number, &spi_i) ||
	    !spi_i) {
		log_ike(sa, LOG_WARN_,
			"the peer's %s of the IKE SA offers nothing acceptable: answered "
			"NO_PROPOSAL_CHOSEN",
			clone ? "clone" : "rekey");
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return -EPROTO;
	}
	if (!in->has_ke || in->ke_group != suite.ke) {
		uint8_t group[2] = { (uint8_t)(suite.ke >> 8), (uint8_t)suite.ke };

		msg_put_notify(m, PROTO_NONE, NULL, 0, N_INVALID_KE_PAYLOAD, group, 2);
		return -EPROTO;
	}
	ke = ke_new(suite.ke);
	ret = answer_sa(ike, sa, in, clone, &suite, spi_i, ke, ret_sa);
	if (!ret) {
		put_answer(*ret_sa, number, ke, m);
		parts_build(&(struct part_ctx){
			.ike = ike, .sa = *ret_sa, .place = AT_REKEY_RESPONSE, .in = in, .m = m });
	}
	ke_free(ke);
	return ret;
}
