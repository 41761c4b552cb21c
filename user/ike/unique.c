/* SPDX-License-Identifier: GPL-2.0-only */
/* How many IKE SAs a peer may have (RFC 7296 2.4), by the connection's `unique`, as swanctl has it:
 *
 *   no       INITIAL_CONTACT from it ends its older ones
 *   never    not even that, nor do we send it: several hosts have the identity
 *   replace  a new one ends the older ones in any case
 *   keep     a new one is refused while an older one is up, without INITIAL_CONTACT
 *
 * "It" is the authenticated identity, with the same one of ours and in the same connection; where
 * it is does not count, but for one thing. A reauthentication make before break (2.8.3) is a second
 * IKE SA of the same identity too, and nothing in it says so. It comes from the host that has the
 * old one, so from the address and the port that this one is used with now: from there a new one is
 * not refused, and the old one, which its initiator deletes by itself, has some time left. Another
 * host with the identity is told apart by its port even behind the same NAT.
 */
#include <string.h>

#include "ike_private.h"
#include "parts.h"

/* For the old one to end by itself, and take in what was sent on it. */
#define REPLACE_USEC (10 * USEC_PER_SEC)

static bool same_peer(const struct ike_sa *sa, const struct ike_sa *o)
{
	return o != sa && o->announced && ike_sa_alive(o) && id_equal(o->local_id, sa->local_id) &&
	       id_equal(o->remote_id, sa->remote_id) && !strcmp(o->conn->c.name, sa->conn->c.name);
}

/* Clones are of the host that the others of their family are of, wherever it has them. */
static bool same_place(const struct ike *ike, const struct ike_sa *sa, const struct ike_sa *o)
{
	hash_for_each (it, tmp, &ike->families, o->family) {
		const struct ike_sa *f = hash_entry(it, struct ike_sa, by_family);

		if (ike_sa_alive(f) && udp_addr_equal(&sa->path.remote, &f->path.remote))
			return true;
	}
	return false;
}

/* First request of a fresh relation: tell the peer to forget older ones. Not while another IKE SA
 * of the connection is up: that of a reauthentication, or one the peer began. Nor where others have
 * the identity too. */
void initial_contact_build(struct part_ctx *c)
{
	if (c->sa->conn->c.unique == IKE_UNIQUE_NEVER)
		return;
	hash_for_each (it, tmp, &c->ike->named, conn_key(c->sa->conn->c.name)) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_conn);

		if (o != c->sa && o->announced && ike_sa_alive(o) &&
		    !strcmp(o->conn->c.name, c->sa->conn->c.name))
			return;
	}
	msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_INITIAL_CONTACT, NULL, 0);
}

/* The peer is authenticated, and nothing is answered yet. */
void unique_process(struct part_ctx *c)
{
	bool anew = msg_notify(c->in, N_INITIAL_CONTACT);
	enum ike_unique unique = c->sa->conn->c.unique;

	if (unique == IKE_UNIQUE_NEVER || (!anew && unique == IKE_UNIQUE_NO))
		return;
	hash_for_each (it, tmp, &c->ike->peers, id_key(c->sa->remote_id)) {
		struct ike_sa *o = hash_entry(it, struct ike_sa, by_id);

		if (!same_peer(c->sa, o))
			continue;
		if (anew) {
			ike_sa_close(c->ike, o, false, "the peer started anew (INITIAL_CONTACT)");
		} else if (o->ends_at > c->ike->now + REPLACE_USEC ||
			   !same_place(c->ike, c->sa, o)) {
			o->ends_at =
				c->ike->now + (same_place(c->ike, c->sa, o) ? REPLACE_USEC : 0);
			ike_sa_touch(o);
			log_ike(o, LOG_INFO_, "the peer has a new IKE SA, which replaces it");
		}
	}
}

bool unique_admits(const struct ike *ike, const struct ike_sa *sa, const struct ike_msg *in)
{
	if (sa->conn->c.unique != IKE_UNIQUE_KEEP || msg_notify(in, N_INITIAL_CONTACT))
		return true;
	hash_for_each (it, tmp, &ike->peers, id_key(sa->remote_id)) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_id);

		if (same_peer(sa, o) && !same_place(ike, sa, o))
			return false;
	}
	return true;
}
