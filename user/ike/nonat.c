/* SPDX-License-Identifier: GPL-2.0-only */
/* NATs are kept out where NAT traversal is off (RFC 4555 3.9): NO_NATS_ALLOWED says which addresses
 * and ports the sender put into the packet, and whoever finds others in the header answers
 * UNEXPECTED_NAT_DETECTED and does nothing with them.
 *
 *   source address (4 or 16) | destination address (4 or 16) | source port (2) | destination port
 * (2)
 */
#include "mobike.h"

enum { NONAT_4 = 12, NONAT_6 = 36 };

void nonat_put_on(const struct ike_sa *sa, const struct ike_path *path, struct msg_wr *m)
{
	uint8_t data[NONAT_6];
	struct wr w = wr_init(data, sizeof(data));

	if (sa->natt_peer)
		return;
	wr_bytes(&w, path->local.ip.b, addr_len(&path->local.ip));
	wr_bytes(&w, path->remote.ip.b, addr_len(&path->remote.ip));
	wr_u16(&w, path->local.port);
	wr_u16(&w, path->remote.port);
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_NO_NATS_ALLOWED, data, w.len);
}

uint16_t nonat_check(const struct ike_msg *in, const struct ike_path *path)
{
	const struct notify *n = msg_notify(in, N_NO_NATS_ALLOWED);
	struct ike_path said;
	struct rd r;
	uint8_t family;

	if (!n)
		return 0;
	if (n->data.len != NONAT_4 && n->data.len != NONAT_6)
		return N_INVALID_SYNTAX;
	family = n->data.len == NONAT_4 ? 4 : 6;
	if (family != path->local.ip.family)
		return N_UNEXPECTED_NAT_DETECTED;
	r = rd_init(n->data.p, n->data.len);
	said.remote.ip = addr_from_bytes(family, rd_bytes(&r, family == 4 ? 4 : 16));
	said.local.ip = addr_from_bytes(family, rd_bytes(&r, family == 4 ? 4 : 16));
	said.remote.port = rd_u16(&r);
	said.local.port = rd_u16(&r);
	return path_same(&said, path) ? 0 : N_UNEXPECTED_NAT_DETECTED;
}

/* Somebody may have changed one packet only: "retry the operation several times using new
 * INFORMATIONAL requests", as often as an unanswered one. */
bool nonat_again(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	if (!task_proves_pair(sa, t))
		return true; /* our own doing: it was sent from elsewhere as well */
	if (t->rounds++ >= sa->conn->c.retransmit_tries) {
		log_ike(sa, LOG_WARN_,
			"%s: the peer sees other addresses than ours: there is a NAT",
			task_ops[t->kind].name);
		return false;
	}
	t->not_before = ike->now + sa->conn->c.retransmit_timeout;
	return true;
}
