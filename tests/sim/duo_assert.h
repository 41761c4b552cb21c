/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests over tests/sim/duo.h say often, with criterion. */
#ifndef BRAID_TESTS_DUO_ASSERT_H
#define BRAID_TESTS_DUO_ASSERT_H

#include <criterion/criterion.h>

#include "base/log.h"
#include "duo.h"

/* Not started yet. */
static inline struct duo *new_duo(void)
{
	struct duo *d = duo_new();

	log_set_level(LOG_ERR_);
	cr_assert_not_null(d);
	d->side[DUO_R].conn.n_remote_addrs = 0; /* the responder serves anybody */
	return d;
}

static inline struct ike_hdr hdr_of(const uint8_t *buf, size_t len)
{
	struct rd r = rd_init(buf, len);
	struct ike_hdr h = { .length = 0 };

	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	return h;
}

/* Of an INFORMATIONAL request that the initiator of this IKE SA might send. */
static inline struct ike_hdr request_hdr(const struct ike_sa_info *info, uint32_t msg_id)
{
	return (struct ike_hdr){ .spi_i = info->spi_i,
				 .spi_r = info->spi_r,
				 .version = IKE_VERSION_2_0,
				 .exchange = INFORMATIONAL,
				 .flags = IKE_FLAG_INITIATOR,
				 .msg_id = msg_id };
}

/* A message nobody protected: a header and one notification. */
static inline void assert_plain_notify(struct duo_msg *m, const struct ike_hdr *to, uint16_t type)
{
	static struct ike_msg msg;
	uint8_t critical;

	cr_assert_eq(msg_decode(m->buf, m->len, &msg, &critical), MSG_OK);
	cr_assert(!msg.has_sk);
	cr_assert_eq(msg.n_order, 1);
	cr_assert_eq(msg.n_notifies, 1);
	cr_assert_eq(msg.notifies[0].type, type, "%s instead of %s",
		     notify_name(msg.notifies[0].type), notify_name(type));
	cr_assert_eq(msg.notifies[0].protocol, 0); /* [INF-9] */
	/* [INF-13]: same SPIs and Message ID, Response flag */
	cr_assert_eq(msg.hdr.version, IKE_VERSION_2_0);
	cr_assert_eq(msg.hdr.spi_i, to->spi_i);
	cr_assert_eq(msg.hdr.spi_r, to->spi_r);
	cr_assert_eq(msg.hdr.exchange, to->exchange);
	cr_assert_eq(msg.hdr.msg_id, to->msg_id);
	cr_assert(msg.hdr.flags & IKE_FLAG_RESPONSE);
	cr_assert_neq(msg.hdr.flags & IKE_FLAG_INITIATOR, to->flags & IKE_FLAG_INITIATOR);
}

#endif
