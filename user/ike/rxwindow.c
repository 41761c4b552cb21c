/* SPDX-License-Identifier: GPL-2.0-only */
/* The receiving half of the window (RFC 7296 2.1-2.3): which of the peer's requests are new, and
 * what the answered ones were answered with; SET_WINDOW_SIZE, by which each side says how many of
 * the other's requests it takes at a time.
 *
 * One at a time until the exchange in which the size was told is over, and on a rekeyed IKE SA
 * until it is told again. The sending half is in window.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_private.h"
#include "parts.h"

int rxwin_open(struct ike_sa *sa, unsigned size)
{
	struct response_cache *fresh;

	if (size <= sa->window)
		return 0; /* it never shrinks */
	fresh = calloc(size, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	for (unsigned i = 0; i < sa->window; i++)
		if (sa->cache[i].buf)
			fresh[sa->cache[i].msg_id % size] = sa->cache[i];
	free(sa->cache);
	sa->cache = fresh;
	sa->window = (uint8_t)size;
	return 0;
}

void rxwin_clear(struct ike_sa *sa)
{
	for (unsigned i = 0; i < sa->window; i++)
		free(sa->cache[i].buf);
	free(sa->cache);
	sa->cache = NULL;
	sa->window = 0;
}

/* Bit n of `ahead` is request expected + 1 + n. */
static bool seen_ahead(const struct ike_sa *sa, uint32_t msg_id)
{
	uint32_t n = msg_id - sa->expected_request - 1;

	return n < IKE_WINDOW_MAX && sa->ahead >> n & 1;
}

bool rxwin_new(const struct ike_sa *sa, uint32_t msg_id)
{
	/* the window ends where the numbers do: they never begin anew (2.2) */
	return msg_id >= sa->expected_request && msg_id < MSG_ID_LAST &&
	       msg_id - sa->expected_request < sa->window && !seen_ahead(sa, msg_id);
}

void rxwin_taken(struct ike_sa *sa, uint32_t msg_id)
{
	uint32_t n = msg_id - sa->expected_request;

	if (n) {
		sa->ahead |= UINT32_C(1) << (n - 1);
		return;
	}
	do {
		sa->expected_request++;
		n = sa->ahead & 1;
		sa->ahead >>= 1;
	} while (n);
}

struct response_cache *rxwin_answered(struct ike_sa *sa, uint32_t msg_id)
{
	struct response_cache *c = &sa->cache[msg_id % sa->window];

	if (sa->expected_request - 1 - msg_id >= sa->window && !seen_ahead(sa, msg_id))
		return NULL;
	return c->buf && c->msg_id == msg_id ? c : NULL;
}

void rxwin_answer(struct ike_sa *sa, uint32_t msg_id, const uint8_t *hash, uint8_t *buf, size_t len)
{
	/* the peer sent this request, so it has the answer to the one a window before (2.3) */
	struct response_cache *c = &sa->cache[msg_id % sa->window];

	free(c->buf);
	*c = (struct response_cache){ .msg_id = msg_id, .buf = buf, .len = len };
	memcpy(c->hash, hash, SHA256_OCTETS);
}

/* ---- SET_WINDOW_SIZE ---- */

void rxwin_build(struct part_ctx *c)
{
	unsigned size = c->sa->conn->c.window;
	uint8_t data[4];
	struct wr w = wr_init(data, sizeof(data));

	if (size < 2 || (c->place == AT_INFO_RESPONSE && !msg_notify(c->in, N_SET_WINDOW_SIZE)) ||
	    rxwin_open(c->sa, size))
		return;
	wr_u32(&w, size);
	msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_SET_WINDOW_SIZE, data, sizeof(data));
}

/* What the peer takes limits what we send, and it cannot take it back. */
void rxwin_process(struct part_ctx *c)
{
	const struct notify *n = msg_notify(c->in, N_SET_WINDOW_SIZE);
	struct rd r;
	uint32_t size;

	if (!n || n->data.len != sizeof(size))
		return;
	r = rd_init(n->data.p, n->data.len);
	size = rd_u32(&r);
	if (size > c->sa->conn->c.window)
		size = c->sa->conn->c.window;
	if (size > c->sa->peer_window)
		c->sa->peer_window = (uint8_t)size;
}
