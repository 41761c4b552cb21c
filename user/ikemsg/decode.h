/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to ikemsg: one decoder per payload type.
 *
 * Each gets a reader over exactly one payload body and must use it up: what is left over, or the
 * reader's error, makes the whole message INVALID_SYNTAX. Decoders borrow, they never allocate.
 */
#ifndef BRAID_IKEMSG_DECODE_H
#define BRAID_IKEMSG_DECODE_H

#include <errno.h>

#include "ikemsg/ikemsg.h"

static inline void rd_bad(struct rd *r)
{
	if (!r->err)
		r->err = -EBADMSG;
}

/* All that is left. A borrowed pointer, also for an empty rest. */
static inline struct bytes rd_rest(struct rd *r)
{
	size_t n = rd_left(r);
	const uint8_t *p = rd_bytes(r, n);

	return (struct bytes){ .p = p, .len = p ? n : 0 };
}

void sa_get(struct rd *r, struct sa_payload *sa);
void ke_get(struct rd *r, struct ike_msg *m);
void nonce_get(struct rd *r, struct ike_msg *m);
void id_get(struct rd *r, struct id_payload *id);
void auth_get(struct rd *r, struct ike_msg *m);
void notify_get(struct rd *r, struct ike_msg *m);
void delete_get(struct rd *r, struct ike_msg *m);
void ts_get(struct rd *r, struct ts_list *tsl);
void cp_get(struct rd *r, struct cfg_payload *cp);

#endif
