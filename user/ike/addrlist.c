/* SPDX-License-Identifier: GPL-2.0-only */
/* Which other addresses each side has (RFC 4555 3.4, 3.6).
 *
 *   SK{ N(ADDITIONAL_IP4_ADDRESS)*, N(ADDITIONAL_IP6_ADDRESS)*, N(COOKIE2) }  -->
 *   SK{ N(NO_ADDITIONAL_ADDRESSES), N(COOKIE2) }                              -->
 *                                                      <--  SK{ N(COOKIE2) }
 *
 * and in IKE_AUTH. A list is complete and takes the place of the one before; the address that it
 * comes from belongs to it. An order is a preference. What to tell is the owner's choice, by
 * ike_addrs_set; the peer's list is shown by ike_sa_look and used by whoever chooses a pair.
 */
#include <errno.h>
#include <string.h>

#include "mmx.h"

/* Of I: so long a list waits for a move, which takes it along. */
#define ALONG_WAIT (50 * USEC_PER_MSEC)

static bool listed(const struct addr *list, unsigned n, const struct addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (addr_equal(&list[i], a))
			return true;
	return false;
}

/* ---- ours ---- */

static void addrs_list(struct ike_sa *sa, struct msg_wr *m)
{
	if (sa->mmx) {
		mmx_list_renew(sa, sa->mmx);
		mmx_list_put(sa, sa->mmx, m);
		return;
	}
	if (!addrs_put(sa, m))
		msg_put_notify(m, PROTO_NONE, NULL, 0, N_NO_ADDITIONAL_ADDRESSES, NULL, 0);
}

unsigned addrs_put(const struct ike_sa *sa, struct msg_wr *m)
{
	const struct tally *own = sa->conn->tally;
	unsigned n = 0;

	for (unsigned i = 0; i < own->n_addrs; i++) {
		const struct addr *a = &own->addrs[i];

		if (addr_equal(a, &sa->path.local.ip))
			continue;
		msg_put_notify(m, PROTO_NONE, NULL, 0,
			       a->family == 6 ? N_ADDITIONAL_IP6_ADDRESS : N_ADDITIONAL_IP4_ADDRESS,
			       a->b, addr_len(a));
		n++;
	}
	return n;
}

static void addrs_want(struct ike_sa *sa, usec_t at)
{
	struct task *t;

	task_want(sa, TASK_ADDRS); /* no memory: the peer knows what it knew */
	t = task_pending(sa, TASK_ADDRS);
	if (t)
		t->not_before = at;
	ike_sa_touch(sa);
}

void addrs_queue(struct ike_sa *sa)
{
	addrs_want(sa, 0);
}

void addrs_queue_along(struct ike_sa *sa)
{
	addrs_want(sa, sa->role_i ? sa->ike->now + ALONG_WAIT : 0);
}

/* One exchange instead of two: I's list may come in the request that has its update (3.5, 3.6). */
void addrs_along(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct task *waits = mmx_in_flight(sa) ? NULL : task_pending(sa, TASK_ADDRS);

	if (waits)
		task_free(ike, waits);
	t->with_list |= waits != NULL;
	if (t->with_list)
		addrs_list(sa, m);
}

int ike_addrs_set(struct ike *ike, const char *conn, const struct addr *addrs, unsigned n,
		  usec_t now)
{
	struct conn *c = conn_find(ike, conn);
	struct tally *own = c ? c->tally : NULL;

	ike->now = now;
	if (!c)
		return -ENOENT;
	if (n > IKE_ADDRS_MAX)
		n = IKE_ADDRS_MAX;
	if (n == own->n_addrs && (!n || !memcmp(own->addrs, addrs, n * sizeof(*addrs))))
		return 0;
	own->n_addrs = (uint8_t)n;
	if (n)
		memcpy(own->addrs, addrs, n * sizeof(*addrs));
	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);

		if (strcmp(sa->conn->c.name, conn) || !conn_mobike(sa) ||
		    (sa->state != IKE_ESTABLISHED && sa->state != IKE_AUTH_SENT) || sa->mmx)
			continue;
		addrs_queue_along(sa);
		window_run(ike, sa);
	}
	ike_reap(ike);
	return 0;
}

int addrs_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	if (!sa->mobike) {
		task_end(ike, sa, t, IKE_EV_STEP, 0, "");
		return -ECANCELED;
	}
	t->changes = sa->mobike->changes;
	addrs_list(sa, m);
	nonat_put(sa, m);
	return cookie2_put(t, m);
}

/* "the content of the address list depends on the source address of the request" (3.6) */
static bool several_sources(const struct task *t)
{
	for (unsigned i = 1; i < t->n_via; i++)
		if (!addr_equal(&t->via[i].local.ip, &t->via[0].local.ip))
			return true;
	return false;
}

enum task_end addrs_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			 const struct ike_msg *in, const struct ike_path *path)
{
	(void)path;
	if (!cookie2_returned(ike, sa, t, in) || sa->state != IKE_ESTABLISHED || !sa->mobike)
		return TASK_FREE;
	if (several_sources(t))
		return TASK_AGAIN;
	if (msg_notify(in, N_UNEXPECTED_NAT_DETECTED))
		return nonat_again(ike, sa, t) ? TASK_AGAIN : TASK_FREE;
	if (path_same(&sa->path, &sa->mobike->esp))
		return TASK_FREE;
	/* R went to another address of its own: this was the check as well */
	if (task_proves_pair(sa, t)) {
		if (!sa->role_i)
			sa->mobike->agreed = sa->path;
		mobike_arrived(ike, sa);
	} else if (!sa->role_i)
		routability_check(sa);
	return TASK_FREE;
}

/* ---- the peer's ---- */

bool addrs_present(const struct ike_msg *in)
{
	return msg_notify(in, N_ADDITIONAL_IP4_ADDRESS) ||
	       msg_notify(in, N_ADDITIONAL_IP6_ADDRESS) ||
	       msg_notify(in, N_NO_ADDITIONAL_ADDRESSES);
}

/* As many as are kept; the others, and what is no address, are left out. */
bool addrs_take(struct ike_sa *sa, const struct ike_msg *in, const struct ike_path *path)
{
	struct mobike *m = sa->mobike;
	struct addr list[IKE_PEER_ADDRS_MAX] = { path->remote.ip };
	unsigned n = 1;
	bool same;

	for (unsigned i = 0; i < in->n_notifies && n < IKE_PEER_ADDRS_MAX; i++) {
		const struct notify *p = &in->notifies[i];
		uint8_t family = p->type == N_ADDITIONAL_IP4_ADDRESS   ? 4
				 : p->type == N_ADDITIONAL_IP6_ADDRESS ? 6
								       : 0;
		struct addr a;

		if (!family || p->data.len != (family == 4 ? 4 : 16))
			continue;
		a = addr_from_bytes(family, p->data.p);
		if (!listed(list, n, &a))
			list[n++] = a;
	}
	same = n == m->n_peer && !memcmp(list, m->peer, n * sizeof(*list));
	m->n_peer = (uint8_t)n;
	memcpy(m->peer, list, sizeof(list));
	return !same;
}

unsigned ike_peer_addrs(const struct ike *ike, uint64_t line,
			struct addr ret_addrs[IKE_PEER_ADDRS_MAX])
{
	const struct ike_sa *sa = line_owner(ike, line);

	if (!sa || !sa->mobike)
		return 0;
	if (sa->mmx)
		return mmx_peer_addrs(sa, ret_addrs);
	memcpy(ret_addrs, sa->mobike->peer, sa->mobike->n_peer * sizeof(*ret_addrs));
	return sa->mobike->n_peer;
}

void addrs_request(struct part_ctx *c, struct ike_sa *sa)
{
	struct mobike *m = sa->mobike;
	uint32_t id = c->in->hdr.msg_id;

	if (m->listed && (sa != c->sa || id < m->list_id))
		return;
	if (sa == c->sa) {
		m->listed = true;
		m->list_id = id;
	}
	if (!addrs_take(sa, c->in, c->path))
		return;
	ike_sa_touch(sa);
	out_event(c->ike, sa, IKE_EV_PEER_ADDRS, 0, 0, "the peer has %u address%s%s", m->n_peer,
		  m->n_peer == 1 ? "" : "es",
		  listed(m->peer, m->n_peer, &sa->path.remote.ip) ? "" : ", not the one in use");
}
