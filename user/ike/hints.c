/* SPDX-License-Identifier: GPL-2.0-only */
/* What unprotected messages say about IKE SAs and Child SAs (RFC 7296 1.5, 2.4, 2.21.4).
 *
 * A peer that lost its state answers our requests with INVALID_IKE_SPI, and our ESP with
 * INVALID_SPI. Anybody can send that, so nothing ends by it; but it makes us ask sooner than
 * silence would. Only what a token proves (qcd.c) ends an IKE SA at once. None of it is answered.
 */
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

enum {
	LOST_SPIS_SEC = 2,    /* of these notifications of a source are looked at a second */
	LOST_SPIS_ALL = 20,   /* of all: each costs a look at every Child SA */
	TOLD_SPIS_SEC = 4,    /* are sent to a source a second */
	CHECK_PAUSE_SEC = 10, /* between two liveness checks they cause */
	DISOWNED_MIN = 3,     /* tries that were all disowned, and otherwise not answered */
};

#define STEP_MAX USEC_PER_SEC

/* Between the tries of a request that is disowned. */
static usec_t step(const struct ike_sa *sa)
{
	usec_t t = sa->conn->c.retransmit_timeout;

	return t < STEP_MAX ? t : STEP_MAX;
}

bool hint_disowned_long(const struct ike *ike, const struct task *t)
{
	return t->suspect_until && t->suspect_until <= ike->now && t->n_disowned >= DISOWNED_MIN;
}

/* "repeated attempts to contact it have gone unanswered" (2.4): the request is repeated faster, and
 * after DISOWNED_MIN tries that brought nothing else the peer is believed to have begun anew. Not
 * by what is said at an address that is only tested: it may be somebody else's by now. */
static void disowned(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		     const struct ike_msg *in)
{
	struct task *t = task_in_flight_as(sa, in->hdr.msg_id, in->hdr.exchange);

	if (t && t->testing) {
		if (t->probing && addr_equal(&path->remote.ip, &t->tested.remote.ip))
			t->probing->stranger = true;
		return;
	}
	/* of a rekey that the peer asked for it may be us who know first */
	if (!t || !sa->heard || t->disowned_try == t->tries)
		return;
	t->disowned_try = t->tries;
	t->n_disowned++;
	if (!t->suspect_until) {
		t->suspect_until = ike->now + DISOWNED_MIN * step(sa);
		log_ike(sa, LOG_INFO_,
			"the peer says that it does not know this IKE SA, which nobody proved: "
			"asked again");
	}
	if (ike->now + step(sa) < t->next_send)
		t->next_send = ike->now + step(sa);
	ike_sa_touch(sa);
}

/* Is the peer there? Asked now, unless that was done a moment ago. */
static void check(struct ike *ike, struct ike_sa *sa)
{
	if (sa->state != IKE_ESTABLISHED || ike->now < sa->next_check)
		return;
	sa->next_check = ike->now + CHECK_PAUSE_SEC * USEC_PER_SEC;
	list_for_each (it, &sa->inflight) {
		struct task *t = list_entry(it, struct task, node);
		usec_t soonest = t->next_send - t->timeout + step(sa);

		t->next_send = soonest > ike->now ? soonest : ike->now;
	}
	ike_sa_touch(sa);
	if (sa->n_inflight || !task_new(sa, TASK_LIVENESS, 0))
		return;
	log_ike(sa, LOG_INFO_, "the peer seems to have lost a Child SA: is it alive?");
	window_run(ike, sa);
}

static struct ike_sa *sender_on(const struct ike *ike, uint32_t spi_out)
{
	list_for_each (it, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		list_for_each (ci, &sa->children)
			if (list_entry(ci, struct child_sa, node)->spi_out == spi_out)
				return sa;
	}
	return NULL;
}

static bool listen_to(struct ike *ike, const struct ike_path *path)
{
	uint32_t suppressed;

	return limits_ok(&ike->lost_spis, source_key(&path->remote.ip), ike->now, LOST_SPIS_SEC,
			 USEC_PER_SEC) &&
	       log_limit_ok(&ike->lost_spis_all, ike->now, LOST_SPIS_ALL, USEC_PER_SEC,
			    &suppressed);
}

static void lost_spi(struct ike *ike, const struct ike_path *path, const struct ike_msg *in,
		     const struct notify *n)
{
	struct rd r = rd_init(n->data.p, n->data.len);
	uint32_t spi = rd_u32(&r);
	struct ike_sa *sa;

	if (r.err || rd_left(&r) || !listen_to(ike, path))
		return;
	sa = sender_on(ike, spi);
	if (!sa)
		return;
	count_errors_in(ike, sa, in);
	check(ike, sa);
	mmx_doubt(sa, &path->remote);
}

bool hint_receive(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		  const uint8_t *buf, size_t len)
{
	const struct notify *lost;
	struct ike_msg in;
	uint8_t critical;

	if (msg_decode(buf, len, &in, &critical) != MSG_OK || in.has_sk || in.has_skf)
		return false;
	lost = msg_notify(&in, N_INVALID_SPI);
	if (in.hdr.flags & IKE_FLAG_RESPONSE) {
		if (!sa || !ike_sa_alive(sa) || !msg_notify(&in, N_INVALID_IKE_SPI))
			return false;
		count_errors_in(ike, sa, &in);
		if (qcd_proves(sa, &in)) /* silently: nobody is there to hear a Delete (6290 4.5) */
			ike_sa_close(ike, sa, false,
				     "the peer lost it, which its token (QCD) proves");
		else
			disowned(ike, sa, path, &in);
	} else if (lost && in.hdr.exchange == INFORMATIONAL) {
		lost_spi(ike, path, &in, lost);
	} else {
		return false;
	}
	return true;
}

/* The SPIs of the header mean nothing to its receiver (1.5). */
bool ike_esp_unknown(struct ike *ike, const struct ike_path *path, uint32_t spi, usec_t now)
{
	struct ike_hdr hdr = { .version = IKE_VERSION_2_0,
			       .exchange = INFORMATIONAL,
			       .flags = IKE_FLAG_INITIATOR };
	struct ike_path to = *path;
	uint8_t buf[64], data[4];
	struct wr w = wr_init(data, sizeof(data));
	struct msg_wr m = msg_begin(buf, sizeof(buf), &hdr);

	ike->now = now;
	if (window_hurry(ike, spi))
		return true;
	if (!path->remote.port || !limits_ok(&ike->told_spis, source_key(&path->remote.ip), now,
					     TOLD_SPIS_SEC, USEC_PER_SEC))
		return false;
	to.local.port = PORT_NATT;
	wr_u32(&w, spi);
	msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_SPI, data, sizeof(data));
	out_send(ike, NULL, &to, buf, msg_end(&m));
	count_error(ike, NULL, N_INVALID_SPI, true);
	return false;
}
