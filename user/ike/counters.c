/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted, of all and of each connection. */
#include <errno.h>
#include <string.h>

#include "ike_private.h"

enum { STATUS_TYPES = 16384 }; /* notify types from here on are no errors (3.10.1) */

static void count_in(struct ike_counters *c, uint8_t exchange, bool response, bool tx)
{
	struct ike_exchange_counters *x;

	if (exchange < IKE_SA_INIT || exchange >= IKE_SA_INIT + IKE_EXCHANGES)
		return;
	x = &c->exchanges[exchange - IKE_SA_INIT];
	if (tx)
		++*(response ? &x->responses_tx : &x->requests_tx);
	else
		++*(response ? &x->responses_rx : &x->requests_rx);
}

void count_message(struct ike *ike, const struct ike_sa *sa, uint8_t exchange, bool response,
		   bool tx)
{
	count_in(&ike->counters, exchange, response, tx);
	if (sa)
		count_in(&sa->conn->tally->c, exchange, response, tx);
}

void count_error(struct ike *ike, const struct ike_sa *sa, uint16_t type, bool tx)
{
	unsigned at = type < IKE_ERRORS ? type : 0;

	if (type >= STATUS_TYPES)
		return;
	++*(tx ? &ike->counters.errors_tx[at] : &ike->counters.errors_rx[at]);
	if (sa)
		++*(tx ? &sa->conn->tally->c.errors_tx[at] : &sa->conn->tally->c.errors_rx[at]);
}

void count_errors_in(struct ike *ike, const struct ike_sa *sa, const struct ike_msg *in)
{
	for (unsigned i = 0; i < in->n_notifies; i++)
		count_error(ike, sa, in->notifies[i].type, false);
}

void ike_counters_get(const struct ike *ike, struct ike_counters *ret_counters)
{
	*ret_counters = ike->counters;
	ret_counters->half_open = ike->half_open;
}

int ike_conn_counters(const struct ike *ike, const char *conn, struct ike_counters *ret_counters)
{
	const struct conn *c = conn_find(ike, conn);

	if (!c)
		return -ENOENT;
	*ret_counters = c->tally->c;
	return 0;
}

void ike_counters_reset(struct ike *ike)
{
	uint64_t held = ike->counters.fragment_octets;

	memset(&ike->counters, 0, sizeof(ike->counters));
	ike->counters.fragment_octets = held;
	list_for_each (it, &ike->conns) {
		struct conn *c = list_entry(it, struct conn, node);

		memset(&c->tally->c, 0, sizeof(c->tally->c));
	}
}
