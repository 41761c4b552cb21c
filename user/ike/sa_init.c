/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_SA_INIT, both roles (RFC 7296 1.2, 2.6, 2.7, 2.10): the one unprotected exchange.
 *
 *   I: HDR, [N(COOKIE),] SA, KE, Ni, N(NAT_DETECTION_*)  -->
 *   R:                          <--  HDR, SA, KE, Nr, N(NAT_DETECTION_*)
 *                         or    <--  HDR, N(COOKIE) | N(INVALID_KE_PAYLOAD) | N(error)
 *
 * Nothing here is believed yet: no answer but the three that are acted on ends an attempt at once,
 * and a responder keeps no state before it has seen a valid cookie when it is busy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "parts.h"

/* ---- initiator ---- */

int sa_init_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct sa_payload offer;
	const uint8_t *pub;
	size_t len;

	if (!t->ke_group)
		t->ke_group = suite_first_ke(PROTO_IKE, conn->proposals, conn->n_proposals);
	if (t->ke && ke_group(t->ke) != t->ke_group) {
		ke_free(t->ke);
		t->ke = NULL;
	}
	if (!t->ke && !(t->ke = ke_new(t->ke_group)))
		return -EIO;
	if (!sa->ni.len && nonce_new(&sa->ni))
		return -EIO;
	/* the cookie first, everything else unchanged (2.6) */
	if (sa->cookie_len)
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_COOKIE, sa->cookie, sa->cookie_len);
	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 0, 0, true);
	msg_put_sa(m, &offer);
	pub = ke_public(t->ke, &len);
	msg_put_ke(m, t->ke_group, pub, len);
	msg_put_nonce(m, sa->ni.b, sa->ni.len);
	parts_build(&(struct part_ctx){
		.ike = ike, .sa = sa, .place = AT_INIT_REQUEST, .path = &sa->path, .m = m });
	return 0;
}

/* Repeat the request with what the responder asked for. */
static void again(struct ike *ike, struct ike_sa *sa, struct task *t, const char *what)
{
	uint8_t rounds = t->rounds + 1;

	if (rounds > INIT_ROUNDS_MAX) {
		log_stranger(ike, &sa->path,
			     "%s: no further answer to COOKIE or INVALID_KE_PAYLOAD after %u",
			     sa->conn->c.name, t->rounds);
		return;
	}
	out_step(ike, sa, t, "the peer asks for %s", what);
	task_reset_packet(sa, t);
	t->rounds = rounds;
	window_run(ike, sa);
}

/* Nobody answers here. An IKE SA that is nothing but a question yet begins anew from elsewhere:
 * with other octets all through, or a late answer to the old ones would be taken for one to the
 * new. */
bool sa_init_elsewhere(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	usec_t timeout = t->timeout;
	unsigned tries = t->tries;
	char from[ADDR_PORT_STR], peer[ADDR_PORT_STR];
	struct ike_path to;
	uint64_t spi;

	if (t->unprotected_error || sa->bundle || !ike->env.other_path ||
	    !ike->env.other_path(ike->env.ctx, sa->conn->c.name, &to) ||
	    (udp_addr_equal(&to.local, &sa->path.local) &&
	     udp_addr_equal(&to.remote, &sa->path.remote)) ||
	    ike_spi_new(ike, &spi))
		return false;
	out_step(ike, sa, t, "no answer from %s to IKE_SA_INIT, asked from %s now, %u of %u",
		 udp_addr_format(&sa->path.remote, peer), udp_addr_format(&to.local, from), tries,
		 sa->conn->c.retransmit_tries);
	ike_sa_withdraw(ike, sa);
	sa->spi_i = spi;
	ike_sa_insert(ike, sa);
	sa->path = to;
	sa->cookie_len = 0;
	sa->ni.len = 0;
	ke_free(t->ke);
	t->ke = NULL;
	t->rounds = 0;
	task_reset_packet(sa, t);
	t->tries = tries;
	t->timeout = timeout;
	window_run(ike, sa);
	return true;
}

/* An error nobody authenticated: keep trying for a while, then say what it was (2.21.1). */
static void doubt(struct ike *ike, struct ike_sa *sa, struct task *t, uint16_t type)
{
	bool told = t->unprotected_error;

	t->unprotected_error = type;
	if (told) /* whoever can send one can send thousands */
		return;
	log_stranger(ike, &sa->path, "%s: unprotected %s in answer to IKE_SA_INIT; still trying",
		     sa->conn->c.name, notify_name(type));
	out_step(ike, sa, t,
		 "%s in answer to IKE_SA_INIT, which anybody could have sent: still trying",
		 notify_name(type));
	if (!t->give_up)
		t->give_up = ike->now + 3 * sa->conn->c.retransmit_timeout;
}

static void notified(struct ike *ike, struct ike_sa *sa, struct task *t, const struct ike_msg *in)
{
	const struct notify *cookie = msg_notify(in, N_COOKIE);
	const struct notify *ke = msg_notify(in, N_INVALID_KE_PAYLOAD);
	const struct notify *err = msg_error_notify(in);
	const struct ike_conn_cfg *conn = &sa->conn->c;

	if (cookie && cookie->data.len >= 1 && cookie->data.len <= COOKIE_MAX) {
		memcpy(sa->cookie, cookie->data.p, cookie->data.len);
		sa->cookie_len = (uint8_t)cookie->data.len;
		COUNT(ike, sa, cookies_rx);
		again(ike, sa, t, "a cookie");
	} else if (ke && ke->data.len == 2) {
		uint16_t group = (uint16_t)(ke->data.p[0] << 8 | ke->data.p[1]);

		/* only a group we offered, or an attacker chooses for us (1.2) */
		if (group == t->ke_group ||
		    !suite_has_ke(PROTO_IKE, conn->proposals, conn->n_proposals, group)) {
			doubt(ike, sa, t, N_INVALID_KE_PAYLOAD);
			return;
		}
		t->ke_group = group;
		again(ike, sa, t, "another key exchange group"); /* the cookie stays in (2.6.1) */
	} else if (err) {
		doubt(ike, sa, t, err->type);
	}
}

static int init_accept(struct ike *ike, struct ike_sa *sa, struct task *t, const struct ike_msg *in,
		       const struct ike_path *path)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct sa_payload offer;
	struct secret gir = { .len = 0 };
	struct suite suite;
	uint64_t spi;
	int ret;

	suite_offer(&offer, PROTO_IKE, conn->proposals, conn->n_proposals, 0, 0, true);
	if (!suite_accept(&offer, &in->sa, &suite, &spi) || suite.ke != t->ke_group ||
	    in->ke_group != t->ke_group || !nonce_set(&sa->nr, in->nonce))
		return -EBADMSG;
	ret = ke_derive(t->ke, in->ke.p, in->ke.len, &gir);
	if (ret)
		return ret;
	sa->suite = suite;
	sa->spi_r = in->hdr.spi_r;
	ret = ike_sa_derive(sa, &gir, NULL, 0);
	secret_clear(&gir);
	if (!ret)
		parts_process(&(struct part_ctx){
			.ike = ike, .sa = sa, .place = AT_INIT_RESPONSE, .in = in, .path = path });
	return ret;
}

void sa_init_response(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		      const uint8_t *buf, size_t len)
{
	struct task *t = task_find(sa, TASK_IKE_INIT, 0), *auth;
	char suite[IKE_SUITE_STR];
	struct ike_msg in;
	uint8_t critical;

	if (!t || msg_decode(buf, len, &in, &critical) != MSG_OK) {
		COUNT(ike, sa, dropped_syntax);
		return;
	}
	count_message(ike, sa, IKE_SA_INIT, true, false);
	count_errors_in(ike, sa, &in);
	if (!in.has_sa || !in.has_ke || !in.has_nonce || !in.hdr.spi_r) {
		notified(ike, sa, t, &in);
		return;
	}
	if (init_accept(ike, sa, t, &in, path)) {
		sa->spi_r = 0;
		doubt(ike, sa, t, N_NO_PROPOSAL_CHOSEN);
		return;
	}
	sa->init_resp = malloc(len);
	auth = sa->init_resp ? task_new(sa, TASK_IKE_AUTH, t->op) : NULL;
	if (!auth) {
		ike_sa_close(ike, sa, false, "out of memory");
		return;
	}
	memcpy(sa->init_resp, buf, len);
	sa->init_resp_len = len;
	memcpy(auth->child_name, t->child_name, sizeof(auth->child_name));
	auth->wish = t->wish;
	t->wish = NULL;
	suite_format(&sa->suite, PROTO_IKE, suite);
	out_step(ike, sa, t, "IKE_SA_INIT answered: %s%s", suite,
		 sa->nat_local	  ? ", we are behind a NAT"
		 : sa->nat_remote ? ", the peer is behind a NAT"
				  : "");
	t->op = 0;
	task_end(ike, sa, t, IKE_EV_FAILED, 0, "");
	/* always when the peer knows NAT traversal: no later change of port is needed then */
	if (sa->natt_peer)
		natd_float(sa);
	ike_sa_state(ike, sa, IKE_AUTH_SENT, "IKE_SA_INIT answered");
	window_run(ike, sa);
}

/* ---- responder ---- */

/* A stateless answer: SPIr 0, Message ID 0, one notification. */
static void answer_notify(struct ike *ike, const struct ike_path *path, const struct ike_hdr *h,
			  uint16_t type, const void *data, size_t n)
{
	struct ike_hdr hdr = { .spi_i = h->spi_i,
			       .spi_r = h->spi_r,
			       .version = IKE_VERSION_2_0,
			       .exchange = h->exchange,
			       .flags = IKE_FLAG_RESPONSE |
					(h->flags & IKE_FLAG_INITIATOR ? 0 : IKE_FLAG_INITIATOR),
			       .msg_id = h->msg_id };
	uint8_t buf[256];
	struct msg_wr m = msg_begin(buf, sizeof(buf), &hdr);
	size_t len;

	msg_put_notify(&m, PROTO_NONE, NULL, 0, type, data, n);
	if (type == N_INVALID_IKE_SPI)
		qcd_answer(ike, h, &m);
	len = msg_end(&m);
	if (!len)
		return;
	out_send(ike, NULL, path, buf, len);
	count_message(ike, NULL, h->exchange, true, true);
	count_error(ike, NULL, type, true);
}

/* Of each of the two kinds of answers that end things, to one source in a second. */
enum { REPLIES_SEC = 4 };

static bool allowed(struct ike *ike, struct limits *l, const struct ike_path *path)
{
	return limits_ok(l, source_key(&path->remote.ip), ike->now, REPLIES_SEC, USEC_PER_SEC);
}

static bool reply_allowed(struct ike *ike, const struct ike_path *path)
{
	return allowed(ike, &ike->replies, path);
}

void sa_init_bad_version(struct ike *ike, const struct ike_path *path, const struct ike_hdr *h)
{
	ike->counters.dropped_version++;
	if (!(h->flags & IKE_FLAG_RESPONSE) && reply_allowed(ike, path))
		answer_notify(ike, path, h, N_INVALID_MAJOR_VERSION, NULL, 0);
}

/* It may tell a peer that we have forgotten it; nobody believes it at once (2.21.4). */
void sa_init_stray(struct ike *ike, const struct ike_path *path, const struct ike_hdr *h)
{
	uint64_t own = h->flags & IKE_FLAG_INITIATOR ? h->spi_r : h->spi_i;

	ike->counters.dropped_spi++;
	/* only what was made with the keys of an IKE SA asks for it: what is unprotected may be
	 * such an answer itself (1.5) */
	if (!(h->flags & IKE_FLAG_RESPONSE) &&
	    (h->next_payload == PLD_SK || h->next_payload == PLD_SKF) &&
	    /* nor where our own rekey is under way, whose outcome the peer knows before us */
	    !task_offering_ike(ike, own) && allowed(ike, &ike->strays, path))
		answer_notify(ike, path, h, N_INVALID_IKE_SPI, NULL, 0);
}

static bool retransmitted(struct ike *ike, const struct ike_path *path, const uint8_t *hash)
{
	hash_for_each (it, tmp, &ike->inits, hash_octets(hash, SHA256_OCTETS)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_init);

		if (memcmp(sa->init_hash, hash, SHA256_OCTETS))
			continue;
		/* the whole packet is what counts: SPIi and address may be shared (2.1) */
		COUNT(ike, sa, retransmits_rx);
		if (sa->state == IKE_HALF_OPEN)
			out_send(ike, sa, path, sa->init_resp, sa->init_resp_len);
		return true;
	}
	return false;
}

/* By a seeded 64-bit number of the source: two sources do not meet there. */
static uint32_t half_open_from(const struct ike *ike, const struct addr *a)
{
	uint32_t n = 0;

	hash_for_each (it, tmp, &ike->sources, source_key(a))
		n++;
	return n;
}

/* True: there is room, and the sender showed that it receives what we send to it. */
static bool admit(struct ike *ike, const struct ike_path *path, const struct ike_msg *in)
{
	uint8_t cookie[COOKIE_OCTETS];

	if (ike->half_open >= ike->cookie_threshold &&
	    !cookie_valid(ike, in, path, msg_notify(in, N_COOKIE))) {
		/* a wrong cookie is no cookie (2.6) */
		if (!cookie_make(ike, in, path, cookie)) {
			answer_notify(ike, path, &in->hdr, N_COOKIE, cookie, sizeof(cookie));
			ike->counters.cookies_sent++;
		}
		return false;
	}
	if (ike->half_open >= ike->half_open_max) {
		ike->counters.half_open_refused++;
		return false;
	}
	if (ike->block_threshold && half_open_from(ike, &path->remote.ip) >= ike->block_threshold) {
		ike->counters.half_open_blocked++;
		log_stranger(ike, path, "%u half-open IKE SAs of this address: no more of it",
			     ike->block_threshold);
		return false;
	}
	return true;
}

/* The first connection that fits the addresses and the proposals. Which one it really is, the
 * identities in IKE_AUTH say. */
static struct conn *choose(struct ike *ike, const struct ike_path *path, const struct ike_msg *in,
			   struct suite *ret_suite, uint8_t *ret_number, bool *ret_any)
{
	*ret_any = false;
	list_for_each (it, &ike->conns) {
		struct conn *c = list_entry(it, struct conn, node);
		uint64_t spi;

		if (!conn_fits_path(&c->c, path))
			continue;
		*ret_any = true;
		if (suite_select(&in->sa, PROTO_IKE, 0, c->c.proposals, c->c.n_proposals, true,
				 in->ke_group, ret_suite, ret_number, &spi))
			return c;
	}
	return NULL;
}

static int init_answer(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in, uint8_t number,
		       const struct ike_path *path)
{
	struct ike_hdr hdr = { .spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .version = IKE_VERSION_2_0,
			       .exchange = IKE_SA_INIT,
			       .flags = IKE_FLAG_RESPONSE };
	struct secret gir = { .len = 0 };
	struct sa_payload answer;
	struct ke *ke = ke_new(sa->suite.ke);
	struct msg_wr m;
	const uint8_t *pub;
	size_t len;
	int ret;

	ret = ke ? ke_derive(ke, in->ke.p, in->ke.len, &gir) : -EIO;
	if (!ret)
		ret = ike_sa_derive(sa, &gir, NULL, 0);
	secret_clear(&gir);
	if (ret)
		goto out;
	m = msg_begin(ike->sealed, sizeof(ike->sealed), &hdr);
	suite_answer(&answer, PROTO_IKE, &sa->suite, number, 0, 0);
	msg_put_sa(&m, &answer);
	pub = ke_public(ke, &len);
	msg_put_ke(&m, sa->suite.ke, pub, len);
	msg_put_nonce(&m, sa->nr.b, sa->nr.len);
	parts_build(&(struct part_ctx){
		.ike = ike, .sa = sa, .place = AT_INIT_RESPONSE, .in = in, .path = path, .m = &m });
	len = msg_end(&m);
	sa->init_resp = len ? malloc(len) : NULL;
	if (!sa->init_resp) {
		ret = -ENOMEM;
		goto out;
	}
	memcpy(sa->init_resp, ike->sealed, len);
	sa->init_resp_len = len;
out:
	ke_free(ke);
	return ret;
}

static int half_open_new(struct ike *ike, struct conn *conn, const struct ike_path *path,
			 const struct ike_msg *in, const struct suite *suite, uint8_t number,
			 const uint8_t *buf, size_t len, const uint8_t *hash)
{
	struct ike_sa *sa = ike_sa_new(ike, conn, false, NULL);
	int ret;

	if (!sa)
		return -ENOMEM;
	sa->path = *path;
	sa->spi_i = in->hdr.spi_i;
	sa->suite = *suite;
	sa->expires = ike->now + ike->half_open_timeout;
	sa->expected_request = 1; /* IKE_SA_INIT used 0 */
	memcpy(sa->init_hash, hash, SHA256_OCTETS);
	ret = ike_spi_new(ike, &sa->spi_r);
	if (!ret && !nonce_set(&sa->ni, in->nonce))
		ret = -EBADMSG;
	if (!ret)
		ret = nonce_new(&sa->nr);
	if (!ret) {
		parts_process(&(struct part_ctx){
			.ike = ike, .sa = sa, .place = AT_INIT_REQUEST, .in = in, .path = path });
		ret = init_answer(ike, sa, in, number, path);
	}
	if (!ret && !(sa->init_req = malloc(len)))
		ret = -ENOMEM;
	if (ret) {
		ike_sa_free(ike, sa);
		return ret;
	}
	memcpy(sa->init_req, buf, len);
	sa->init_req_len = len;
	ike_sa_insert(ike, sa);
	hash_add(&ike->inits, &sa->by_init, hash_octets(hash, SHA256_OCTETS));
	out_send(ike, sa, path, sa->init_resp, sa->init_resp_len);
	conn->tally->c.exchanges[0].requests_rx++;
	count_message(ike, sa, IKE_SA_INIT, true, true);
	return 0;
}

static void refuse(struct ike *ike, const struct ike_path *path, const struct ike_msg *in, bool any)
{
	log_stranger(ike, path,
		     any ? "IKE_SA_INIT offers no proposal that a connection for it accepts; "
			   "answered NO_PROPOSAL_CHOSEN"
			 : "IKE_SA_INIT fits no connection; answered NO_PROPOSAL_CHOSEN");
	if (reply_allowed(ike, path))
		answer_notify(ike, path, &in->hdr, N_NO_PROPOSAL_CHOSEN, NULL, 0);
}

void sa_init_request(struct ike *ike, const struct ike_path *path, const uint8_t *buf, size_t len)
{
	uint8_t hash[SHA256_OCTETS], number, critical;
	struct chunk whole = { buf, len };
	enum msg_verdict verdict;
	struct suite suite;
	struct conn *conn;
	struct ike_msg in;
	bool any;
	int ret;

	if (len > IKE_INIT_MAX) {
		ike->counters.dropped_syntax++;
		return;
	}
	if (sha256_digest(&whole, 1, hash) || retransmitted(ike, path, hash))
		return;
	verdict = msg_decode(buf, len, &in, &critical);
	if (verdict == MSG_UNSUPPORTED_CRITICAL && reply_allowed(ike, path))
		answer_notify(ike, path, &in.hdr, N_UNSUPPORTED_CRITICAL_PAYLOAD, &critical, 1);
	if (verdict != MSG_OK || !in.has_sa || !in.has_ke || !in.has_nonce ||
	    in.nonce.len < NONCE_MIN || in.nonce.len > NONCE_MAX || in.hdr.msg_id != 0) {
		ike->counters.dropped_syntax++;
		return;
	}
	count_message(ike, NULL, IKE_SA_INIT, false, false);
	if (!admit(ike, path, &in))
		return;
	conn = choose(ike, path, &in, &suite, &number, &any);
	if (!conn) {
		refuse(ike, path, &in, any);
		return;
	}
	if (suite.ke != in.ke_group) {
		uint8_t group[2] = { (uint8_t)(suite.ke >> 8), (uint8_t)suite.ke };

		answer_notify(ike, path, &in.hdr, N_INVALID_KE_PAYLOAD, group, sizeof(group));
		return;
	}
	ret = half_open_new(ike, conn, path, &in, &suite, number, buf, len, hash);
	if (ret == -EBADMSG && reply_allowed(ike, path))
		answer_notify(ike, path, &in.hdr, N_INVALID_SYNTAX, NULL, 0);
}
