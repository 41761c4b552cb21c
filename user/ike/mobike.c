/* SPDX-License-Identifier: GPL-2.0-only */
/* MOBIKE: both sides announce it, and the pair of addresses changes (RFC 4555 3.2, 3.3, 3.5).
 *
 *   I: SK{ N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), N(COOKIE2) }  -->
 *   R:               <--  SK{ N(NAT_DETECTION_*), N(COOKIE2) }
 *     or             <--  SK{ N(UNACCEPTABLE_ADDRESSES), N(COOKIE2) }
 *     or             <--  SK{ N(UNEXPECTED_NAT_DETECTED), N(COOKIE2) }
 *
 * The addresses are those of the IP header of the request. R then checks that I receives there, and
 * only then do its Child SAs follow. I's follow at once to an address of R that is known to be R's,
 * else when the answer comes. Which pair is a good one is for the owner of the core to find out;
 * the core does as it is told by ike_path_change, and says what came of it by events.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "mmx.h"

/* ---- state ---- */

static void start(struct ike_sa *sa, const struct part_ctx *c)
{
	if (!sa->mobike)
		sa->mobike = calloc(1, sizeof(*sa->mobike)); /* no memory: it stays off */
	if (!sa->mobike)
		return;
	sa->mobike->esp = sa->mobike->agreed = sa->path;
	addrs_take(sa, c->in, c->path);
}

void mobike_free(struct ike_sa *sa)
{
	free(sa->mobike);
	sa->mobike = NULL;
}

int mobike_inherit(const struct ike_sa *old, struct ike_sa *sa)
{
	if (old->mobike && !sa->mobike) {
		sa->mobike = malloc(sizeof(*sa->mobike));
		if (!sa->mobike)
			return -ENOMEM;
	}
	sa->path = old->path;
	sa->natt_peer = old->natt_peer;
	sa->nat_local = old->nat_local;
	sa->nat_remote = old->nat_remote;
	if (!old->mobike)
		return 0;
	*sa->mobike = *old->mobike;
	/* Message IDs begin anew, and the hash is of other SPIs */
	sa->mobike->updated = sa->mobike->listed = sa->mobike->dest_known = false;
	return 0;
}

const struct ike_path *mobike_esp_path(const struct ike_sa *sa)
{
	return sa->mobike ? &sa->mobike->esp : &sa->path;
}

/* ---- negotiation ---- */

/* In the message with the SA payload (3.2); R answers in kind. */
void mobike_build(struct part_ctx *c)
{
	uint16_t type = c->place == AT_INFO_RESPONSE ? c->refusal : N_MOBIKE_SUPPORTED;
	bool say = c->place == AT_INFO_RESPONSE	 ? c->refusal
		   : c->place == AT_AUTH_REQUEST ? c->sa->conn->c.mobike
						 : c->sa->mobike != NULL;

	if (say)
		msg_put_notify(c->m, PROTO_NONE, NULL, 0, type, NULL, 0);
	if (!say || c->place == AT_INFO_RESPONSE)
		return;
	if (!c->sa->mmx)
		addrs_put(c->sa, c->m);
	if (c->place == AT_AUTH_REQUEST)
		nonat_put(c->sa, c->m);
}

/* ---- the pair ---- */

void mobike_pair(struct ike *ike, uint64_t line, const struct ike_path *path)
{
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_line);
		bool same = path_same(&sa->path, path);

		if (!ike_sa_alive(sa))
			continue;
		sa->path = *path;
		ike_sa_touch(sa);
		mmx_ike_moved(ike, sa);
		if (same)
			continue;
		if (sa->mobike) {
			sa->mobike->changes++;
			sa->mobike->by_esp = false;
		}
		window_resend(ike, sa, path);
	}
}

/* Transport mode has the addresses in its keys, as it were: those SAs stay as they are (1.2). */
static bool encap_follows(struct ike_sa *sa)
{
	bool encap = child_encap(sa), changed = false;

	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (c->mode == CHILD_TRANSPORT || c->encap == encap)
			continue;
		c->encap = encap;
		changed = true;
	}
	return changed;
}

void mobike_arrived(struct ike *ike, struct ike_sa *sa)
{
	enum ike_event_kind kind = sa->mobike->by_peer ? IKE_EV_PEER_MOVED : IKE_EV_MOVED;
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];
	struct ike_path old = sa->mobike->esp;
	bool encap;

	sa->mobike->esp = sa->path;
	encap = encap_follows(sa);
	ike_sa_touch(sa);
	mmx_publish(ike, sa);
	if (path_same(&old, &sa->path) && !encap)
		return;
	udp_addr_format(&sa->path.local, from);
	udp_addr_format(&sa->path.remote, to);
	out_event(ike, sa, kind, 0, 0, "%s: packets go from %s to %s now%s",
		  kind == IKE_EV_PEER_MOVED ? "the peer moved" : "moved", from, to,
		  child_encap(sa) ? ", ESP in UDP" : "");
}

/* ---- I ---- */

void update_queue(struct ike_sa *sa)
{
	task_want(sa, TASK_UPDATE); /* no memory: R is not told, and ESP tells it */
}

int update_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	if (!sa->mobike)
		return -EINVAL;
	t->changes = sa->mobike->changes;
	msg_put_notify(m, PROTO_NONE, NULL, 0, N_UPDATE_SA_ADDRESSES, NULL, 0);
	if (sa->natt_peer)
		natd_put(&(struct part_ctx){ .ike = ike, .sa = sa, .path = &sa->path, .m = m });
	nonat_put(sa, m);
	addrs_along(ike, sa, t, m);
	return cookie2_put(t, m);
}

/* "... the initiator MAY select another addresses and retry, ... or keep on using the previously
 * used addresses": those, until the owner of the core knows better. */
static void refused(struct ike *ike, struct ike_sa *sa, uint16_t type)
{
	struct mobike *mob = sa->mobike;
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];
	struct ike_path refused = sa->path, back = mob->agreed;

	mobike_pair(ike, sa->line, &back);
	mob->esp = back;
	mob->nat_guess = false;
	encap_follows(sa);
	out_move_refused(ike, sa, type, "the peer does not take the addresses %s, %s: %s",
			 udp_addr_format(&refused.local, from),
			 udp_addr_format(&refused.remote, to), notify_name(type));
}

enum task_end update_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			  const struct ike_msg *in, const struct ike_path *path)
{
	struct part_ctx c = { .ike = ike, .sa = sa, .in = in, .path = path };

	if (!cookie2_returned(ike, sa, t, in) || sa->state != IKE_ESTABLISHED || !sa->mobike)
		return TASK_FREE; /* after a rekey the new IKE SA has sent one of its own */
	if (t->changes != sa->mobike->changes) {
		if (t->with_list)
			addrs_queue(sa);
		update_queue(sa);
		return TASK_FREE;
	}
	/* R took the addresses of whichever copy came first (3.6) */
	if (!task_proves_pair(sa, t))
		return TASK_AGAIN;
	if (msg_notify(in, N_UNEXPECTED_NAT_DETECTED)) {
		if (nonat_again(ike, sa, t))
			return TASK_AGAIN;
		refused(ike, sa, N_UNEXPECTED_NAT_DETECTED);
		return TASK_FREE;
	}
	if (msg_notify(in, N_UNACCEPTABLE_ADDRESSES)) {
		refused(ike, sa, N_UNACCEPTABLE_ADDRESSES);
		if (t->with_list)
			addrs_queue(sa); /* it was not read */
		return TASK_FREE;
	}
	sa->mobike->nat_guess = false;
	natd_process(&c);
	natd_mapping(sa, in);
	sa->mobike->agreed = sa->path;
	log_ike(sa, LOG_INFO_, "the peer knows the new addresses");
	mobike_arrived(ike, sa);
	return TASK_FREE;
}

/* Whom R may be without asking it: the address it answers at, and those that its connection names.
 */
static bool remote_known(const struct ike_sa *sa)
{
	const struct ike_conn_cfg *c = &sa->conn->c;

	if (addr_equal(&sa->path.remote.ip, &sa->mobike->esp.remote.ip) ||
	    c->return_check != IKE_RETURN_BEFORE)
		return true;
	for (unsigned i = 0; i < c->n_remote_addrs; i++)
		if (addr_equal(&sa->path.remote.ip, &c->remote_addrs[i]))
			return true;
	return false;
}

/* "If ... the initiator either suspects or knows that a NAT is likely to be present, enables NAT
 * Traversal" (3.5): from a private address to a public one there is one. Where braid listens it
 * takes ESP both ways, so nothing is lost by the guess. */
static bool nat_likely(const struct ike_sa *sa)
{
	return sa->natt_peer && !path_same(&sa->path, &sa->mobike->agreed) &&
	       (sa->peer_probes ||
		(addr_private(&sa->path.local.ip) && !addr_private(&sa->path.remote.ip)));
}

static void tell_peer(struct ike *ike, struct ike_sa *sa)
{
	sa->mobike->by_peer = false;
	if (sa->role_i) {
		sa->mobike->nat_guess = nat_likely(sa);
		if (remote_known(sa))
			mobike_arrived(ike, sa);
		update_queue(sa);
		clones_moved(ike, sa);
	} else if (!addr_equal(&sa->path.local.ip, &sa->mobike->esp.local.ip)) {
		addrs_queue(sa); /* and an answer shows that the pair works */
	} else if (!path_same(&sa->path, &sa->mobike->esp)) {
		routability_check(sa);
	}
	window_run(ike, sa);
}

void path_complete(struct ike_path *p, const struct ike_path *old)
{
	if (!p->local.ip.family)
		p->local.ip = old->local.ip;
	if (!p->local.port)
		p->local.port = old->local.port;
	if (!p->remote.ip.family)
		p->remote = old->remote;
	if (!p->remote.port)
		p->remote.port = old->remote.port;
}

bool ike_can_move(const struct ike *ike, uint64_t line)
{
	const struct ike_sa *sa = line_owner(ike, line);

	return sa && sa->mobike;
}

bool ike_nats(const struct ike *ike, uint64_t line, bool *ret_local, bool *ret_remote)
{
	const struct ike_sa *sa = line_owner(ike, line);

	if (!sa || !sa->natt_peer)
		return false;
	*ret_local = sa->nat_local;
	*ret_remote = sa->nat_remote;
	return true;
}

void mobike_go(struct ike *ike, struct ike_sa *sa, const struct ike_path *to)
{
	struct ike_path p = *to;

	mobike_pair(ike, sa->line, &p);
	tell_peer(ike, sa);
}

int ike_path_change(struct ike *ike, uint64_t line, const struct ike_path *path, usec_t now)
{
	struct ike_path to = *path;
	struct ike_sa *sa = line_owner(ike, line);

	ike->now = now;
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *any = hash_entry(it, struct ike_sa, by_line);

		if (!sa && ike_sa_alive(any))
			sa = any;
	}
	if (!sa)
		return -ENOENT;
	path_complete(&to, &sa->path);
	if (to.local.ip.family != to.remote.ip.family)
		return -EINVAL;
	log_ike(sa, LOG_INFO_, "IKE datagrams take another path now");
	mobike_pair(ike, line, &to);
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *any = hash_entry(it, struct ike_sa, by_line);

		if (any->mobike && any->state == IKE_ESTABLISHED)
			tell_peer(ike, any);
	}
	ike_reap(ike);
	return 0;
}

/* ---- R ---- */

/* The connection says who may be where; a peer whose paths prove themselves by probes may be at any
 * address, as those are. */
bool mobike_acceptable(const struct ike_sa *sa, const struct ike_path *path)
{
	const struct ike_conn_cfg *c = &sa->conn->c;
	struct ike_path ours = *path;

	if (!c->multipath || !sa->peer_probes || !c->n_remote_addrs)
		return conn_fits_path(c, path);
	ours.remote.ip = c->remote_addrs[0];
	return conn_fits_path(c, &ours);
}

/* In the order of 3.5. sa: the IKE SA that owns the Child SAs; the request may have come on the one
 * before it. */
static void update_request(struct part_ctx *c, struct ike_sa *sa)
{
	uint32_t id = c->in->hdr.msg_id;
	struct part_ctx natd = { .ike = c->ike, .sa = sa, .in = c->in, .path = c->path };

	if (sa->mobike->updated && (sa != c->sa || id < sa->mobike->update_id))
		return; /* "the responder ... has already received a more recent" one */
	if (sa == c->sa) {
		sa->mobike->updated = true;
		sa->mobike->update_id = id;
	}
	c->refusal = nonat_check(c->in, c->path);
	if (c->refusal)
		return;
	if (!mobike_acceptable(sa, c->path)) {
		char to[ADDR_PORT_STR];

		log_ike(sa, LOG_WARN_,
			"the peer moves to %s, which its connection does not allow: answered "
			"UNACCEPTABLE_ADDRESSES",
			udp_addr_format(&c->path->remote, to));
		c->refusal = N_UNACCEPTABLE_ADDRESSES;
		return;
	}
	mobike_pair(c->ike, sa->line, c->path);
	sa->mobike->by_peer = true;
	natd_process(&natd);
	routability_moved(c->ike, sa, sa->conn->c.return_check);
	if (sa != c->sa)
		window_run(c->ike, sa);
}

/* Of a NAT that should not be there nothing is kept but a line in the log. I does not heed an
 * update: R never sends one. */
static void info_request(struct part_ctx *c)
{
	struct ike_sa *sa = line_owner(c->ike, c->sa->line);
	bool list;

	if (!sa || !sa->mobike)
		return;
	list = !sa->mmx && addrs_present(c->in);
	if (msg_notify(c->in, N_UPDATE_SA_ADDRESSES) && !sa->role_i)
		update_request(c, sa);
	else if (list)
		c->refusal = nonat_check(c->in, c->path);
	if (c->refusal == N_UNEXPECTED_NAT_DETECTED)
		log_ike(sa, LOG_WARN_, "a NAT changed the addresses of the peer's request");
	if (list && !c->refusal)
		addrs_request(c, sa);
}

void mobike_process(struct part_ctx *c)
{
	if (c->place == AT_INFO_REQUEST)
		info_request(c);
	else if (c->sa->conn->c.mobike && msg_notify(c->in, N_MOBIKE_SUPPORTED))
		start(c->sa, c);
}

/* ---- a rekey of the IKE SA ---- */

void mobike_resume(const struct ike_sa *old, struct ike_sa *sa)
{
	const struct task *update;

	if (!sa->mobike)
		return;
	/* R may have had it on the old one when that was no more the one that counts */
	update = task_find(old, TASK_UPDATE, 0);
	if (task_find(old, TASK_ADDRS, 0) || (update && update->with_list))
		addrs_queue(sa);
	if (update)
		update_queue(sa);
	if (!sa->role_i && (!path_same(&sa->path, &sa->mobike->esp) || mobike_unchecked(sa)))
		routability_check(sa);
}
