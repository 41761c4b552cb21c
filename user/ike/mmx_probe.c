/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes of ours (MMX 6): does a path work, is there a NAT on it, and does the peer receive there?
 *
 *   SK{ N(MMX_PATH), N(NAT_DETECTION_*) or N(NO_NATS_ALLOWED), N(COOKIE2) }  -->
 *      <--  SK{ N(MMX_PATH), N(NAT_DETECTION_*), N(COOKIE2) }
 *
 * The request goes over the path itself, and moves nothing. One that is not answered there goes
 * over the IKE SA's pair, the same octets, so that its Message ID becomes free: then the answer
 * shows nothing. Probes leave room in the window for what is about more than one path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "mmx.h"

enum { PROBE_TRIES = 3, PROBES_WAITING_MAX = 32 };
static const usec_t PROBE_TIMEOUT = USEC_PER_SEC;

/* ---- how many, and how fast ---- */

static bool alone(const struct ike_sa *sa)
{
	return list_empty(&sa->inflight);
}

/* Message IDs between the oldest that is not answered and the next. */
static uint32_t span(const struct ike_sa *sa)
{
	return alone(sa) ? 0
			 : sa->next_request -
				   list_entry(sa->inflight.next, struct task, node)->msg_id;
}

/* When as many as may be in a second were sent, by all IKE SAs of the family together; 0: they were
 * not. */
static usec_t last_full(const struct ike_sa *sa)
{
	usec_t newest[MMX_PROBES_PER_SEC] = { 0 }; /* latest first */

	hash_for_each (it, tmp, &sa->ike->families, sa->family) {
		const struct mmx *x = hash_entry(it, struct ike_sa, by_family)->mmx;

		for (unsigned i = 0; x && i < MMX_PROBES_PER_SEC; i++) {
			unsigned k = MMX_PROBES_PER_SEC;

			while (k && newest[k - 1] < x->sent[i])
				k--;
			if (k == MMX_PROBES_PER_SEC)
				continue;
			memmove(&newest[k + 1], &newest[k],
				(MMX_PROBES_PER_SEC - 1 - k) * sizeof(newest[0]));
			newest[k] = x->sent[i];
		}
	}
	return newest[MMX_PROBES_PER_SEC - 1];
}

usec_t mmx_probe_at(const struct ike_sa *sa)
{
	const struct mmx *x = sa->mmx;

	if (!x)
		return USEC_NEVER;
	/* a peer that takes one request at a time is probed when there is nothing else */
	if (span(sa) + 1 >= sa->peer_window && (x->deal.window > 1 || !alone(sa)))
		return USEC_NEVER;
	return last_full(sa) + USEC_PER_SEC;
}

static void count(struct ike *ike, struct mmx *x)
{
	x->sent[x->n_sent++ % MMX_PROBES_PER_SEC] = ike->now;
}

/* ---- requester ---- */

static struct task *probe_of(const struct ike_sa *sa, uint32_t path, unsigned *ret_n)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };
	struct task *found = NULL;

	*ret_n = 0;
	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			struct task *t = list_entry(it, struct task, node);

			if (t->kind != TASK_MMX_PROBE || (t->probing->lost && !i))
				continue;
			++*ret_n;
			found = t->probing->path == path ? t : found;
		}
	}
	return found;
}

int mmx_probe_want(struct ike_sa *sa, struct mmx *x, uint32_t path, struct task **ret_t)
{
	struct ike_path on;
	struct task *t;
	unsigned n;

	if (!mmx_path_addrs(sa, x, path, &on))
		return -EINVAL;
	t = probe_of(sa, path, &n);
	if (t) {
		*ret_t = t;
		return 0;
	}
	if (n >= PROBES_WAITING_MAX)
		return -EBUSY;
	t = task_new(sa, TASK_MMX_PROBE, 0);
	if (!t)
		return -ENOMEM;
	t->probing = calloc(1, sizeof(*t->probing));
	if (!t->probing) {
		task_free(sa->ike, t);
		return -ENOMEM;
	}
	t->probing->path = path;
	*ret_t = t;
	return 0;
}

int ike_mmx_probe(struct ike *ike, uint64_t line, uint32_t path, bool keep, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	struct task *t;
	int ret;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	if (!sa->mmx)
		return -EOPNOTSUPP;
	ret = mmx_probe_want(sa, sa->mmx, path, &t);
	if (ret)
		return ret;
	if (t->op || (keep && !t->probing->keep && task_in_flight(t)))
		return -EALREADY;
	t->op = op;
	t->probing->keep |= keep;
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}

int mmx_probe_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	struct mmx_probing *p = t->probing;
	struct mmx_path probe = { .kind = MMX_PATH_PROBE,
				  .epid_i = (uint16_t)(p->path >> 16),
				  .epid_r = (uint16_t)p->path };

	if (!sa->mmx || !mmx_path_addrs(sa, sa->mmx, p->path, &t->tested)) {
		if (sa->mmx)
			mmx_rr_failed(ike, sa, sa->mmx, p);
		task_end(ike, sa, t, IKE_EV_FAILED, 0, "there is no such path any more");
		return -ECANCELED;
	}
	if (rng_bytes(p->nonce, sizeof(p->nonce)))
		return -EIO;
	p->token = sa->mmx->deal.caps & MMX_CAP_TOKEN;
	probe.flags = (p->token ? MMX_PATH_WANT_TOKEN : 0) | (p->keep ? MMX_PATH_KEEP : 0);
	memcpy(probe.nonce, p->nonce, sizeof(probe.nonce));
	mmx_path_put(m, &probe);
	if (sa->natt_peer)
		natd_put(&(struct part_ctx){ .ike = ike, .sa = sa, .path = &t->tested, .m = m });
	nonat_put_on(sa, &t->tested, m);
	t->testing = true;
	if (!t->timeout) /* doubt.c has its own */
		t->timeout = PROBE_TIMEOUT;
	p->began = ike->now;
	count(ike, sa->mmx);
	return cookie2_put(t, m);
}

/* Its answer came on the path that it went over, and it went over no other. */
static bool came_back(const struct task *t, const struct ike_path *path)
{
	return !t->probing->lost && t->n_via == 1 && path_same(path, &t->tested);
}

/* What the peer says of it. False: it does not know that path. */
static bool get_answer(const struct task *t, const struct ike_msg *in, struct mmx_path *ret_p)
{
	const struct notify *n = msg_notify(in, N_MMX_PATH);
	const struct mmx_probing *p = t->probing;

	return n && mmx_path_get(n, ret_p) == MMX_OK && ret_p->kind == MMX_PATH_ANSWER &&
	       mmx_path_id(ret_p->epid_i, ret_p->epid_r) == p->path &&
	       secret_equal(ret_p->nonce, p->nonce, sizeof(p->nonce));
}

static void take_answer(struct ike *ike, struct mmx *x, struct task *t, const struct ike_msg *in,
			const struct ike_path *path, struct ike_mmx_probed *probed)
{
	struct mmx_lists lists = mmx_lists_of(x);
	struct mmx_path_seen seen = { .path = t->probing->path,
				      .peer = t->tested.remote,
				      .own = t->tested.local,
				      .keep = t->probing->keep,
				      .at = ike->now,
				      .sent = ike->now };
	const struct mmx_ep *observed;
	struct mmx_path answer;
	bool moved, nat_remote = false;

	natd_look(in, path, &seen.nat_own, &nat_remote);
	seen.nat = seen.nat_own || nat_remote;
	if (mmx_paths_see(&x->paths, &lists, &seen, &moved) == MMX_OK)
		mmx_paths_verify(&x->paths, seen.path, &seen.peer, ike->now);
	probed->nat = seen.nat;
	if (!get_answer(t, in, &answer))
		return;
	mmx_token_keep(x, &answer, t->probing->began);
	observed = mmx_next_ep(&answer.tlvs, MMX_ROLE_OBSERVED, NULL);
	if (observed)
		probed->seen = (struct udp_addr){ observed->addr, observed->port };
}

static void lost(struct ike *ike, struct mmx *x, const struct task *t)
{
	const struct mmx_path_seen never = { .path = t->probing->path,
					     .peer = t->tested.remote,
					     .own = t->tested.local,
					     .at = ike->now };
	struct mmx_lists lists = mmx_lists_of(x);
	bool moved;

	if (!mmx_paths_find(&x->paths, never.path))
		mmx_paths_see(&x->paths, &lists, &never, &moved);
	mmx_paths_lost(&x->paths, never.path, ike->now);
}

/* An answer that came by another way shows nothing; one that came late, over the path itself, that
 * it works. */
enum task_end mmx_probe_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path)
{
	struct ike_mmx_probed probed = { .path = t->probing->path };
	struct ike_sa *owner = line_owner(ike, sa->line);
	struct mmx *x = owner ? owner->mmx : NULL;

	if (!cookie2_returned(ike, sa, t, in)) {
		if (t->op)
			out_event(ike, sa, IKE_EV_FAILED, 0, t->op, "%s", sa->why);
		return TASK_FREE;
	}
	if (!x)
		return TASK_FREE;
	if (msg_notify(in, N_UNEXPECTED_NAT_DETECTED)) {
		log_ike(sa, LOG_WARN_, "a NAT is on the path %u-%u", t->probing->path >> 16,
			t->probing->path & 0xffff);
		probed.nat = true;
		lost(ike, x, t);
	} else if (came_back(t, path)) {
		probed.rtt = ike->now - t->probing->began;
		take_answer(ike, x, t, in, path, &probed);
		mmx_rr_shown(owner, t->probing);
	} else if (t->probing->lost) {
		return TASK_FREE; /* that it is, was told */
	}
	mmx_rr_failed(ike, owner, x, t->probing);
	out_mmx_probed(ike, sa, t->op, &probed);
	mmx_publish(ike, owner);
	mmx_ask_wake(owner);
	return TASK_FREE;
}

/* Something else waits for the Message ID of this one, which is the oldest. */
static bool in_the_way(const struct ike_sa *sa, const struct task *t)
{
	if (sa->inflight.next != &t->node || span(sa) < sa->peer_window)
		return false;
	list_for_each (it, &sa->pending)
		if (list_entry(it, struct task, node)->kind != TASK_MMX_PROBE)
			return true;
	return false;
}

/* It goes on as another request, if that can be had. */
static bool begin_anew(struct ike_sa *sa, struct task *t)
{
	struct task *next;

	t->probing->lost = true; /* or it would be found */
	if (!sa->mmx || mmx_probe_want(sa, sa->mmx, t->probing->path, &next) ||
	    task_in_flight(next) || next->op) {
		t->probing->lost = false;
		return false;
	}
	next->op = t->op;
	next->probing->keep |= t->probing->keep;
	next->probing->tried = t->probing->tried + t->tries;
	next->probing->stranger |= t->probing->stranger;
	t->op = 0;
	while (t->probing->n_rr)
		mmx_rr_add(next->probing, &t->probing->rr[--t->probing->n_rr]);
	return true;
}

void mmx_probes_move(struct ike_sa *old, struct ike_sa *sa)
{
	list_for_each (it, &old->inflight) {
		struct task *t = list_entry(it, struct task, node);

		if (t->kind == TASK_MMX_PROBE && !t->probing->lost && begin_anew(sa, t))
			t->testing = false;
	}
}

void mmx_probe_unanswered(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	struct ike_mmx_probed probed = { .path = t->probing->path,
					 .stranger = t->probing->stranger };
	bool tried = t->probing->tried + t->tries >= PROBE_TRIES;

	if (!tried && !in_the_way(sa, t)) {
		if (sa->mmx)
			count(ike, sa->mmx);
		return;
	}
	t->testing = false;
	if (tried || !begin_anew(sa, t)) {
		t->probing->lost = true;
		if (sa->mmx) {
			lost(ike, sa->mmx, t);
			mmx_rr_failed(ike, sa, sa->mmx, t->probing);
			mmx_publish(ike, sa);
			mmx_ask_wake(sa);
		}
		out_mmx_probed(ike, sa, t->op, &probed);
		t->op = 0;
	}
	t->tries = 0;
	t->timeout = sa->conn->c.retransmit_timeout;
}
