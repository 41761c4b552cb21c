/* SPDX-License-Identifier: GPL-2.0-only */
/* Other pairs of addresses than the IKE SA's: tested while that works, and tried when it does not
 * (RFC 4555 3.10, 3.11).
 *
 * A test is an INFORMATIONAL request over the pair, at which nothing moves. What is not answered
 * there after TEST_TRIES goes over the IKE SA's pair like any other request, for the window is full
 * until it is answered. A request that nobody answers is sent over whatever pair the owner of the
 * core names, the same octets; the pair that the answer came on works, and which one the SAs use
 * from now on is the owner's choice again.
 */
#include <errno.h>

#include "mmx.h"

enum { TEST_TRIES = 2, ASK_AFTER = 2, UNCHECKED_TRIES = 3 };

/* ---- tests ---- */

int ike_path_test(struct ike *ike, uint64_t line, const struct ike_path *path, uint32_t op,
		  usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	struct task *t;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	if (!sa->mobike)
		return -EOPNOTSUPP;
	if (task_find(sa, TASK_PATH_TEST, 0))
		return -EALREADY;
	t = task_new(sa, TASK_PATH_TEST, op);
	if (!t)
		return -ENOMEM;
	t->tested = *path;
	path_complete(&t->tested, &sa->path);
	if (t->tested.local.ip.family != t->tested.remote.ip.family) {
		task_free(ike, t);
		return -EINVAL;
	}
	t->testing = true;
	window_run(ike, sa);
	ike_reap(ike);
	return 0;
}

int path_test_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m)
{
	if (sa->natt_peer)
		natd_put(&(struct part_ctx){ .ike = ike, .sa = sa, .path = &t->tested, .m = m });
	return 0;
}

enum task_end path_test_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path)
{
	(void)in;
	(void)path;
	if (t->testing && t->n_via == 1)
		out_path_tested(ike, sa, t, ike->now - t->first_send);
	else if (t->testing)
		out_path_tested(ike, sa, t, 0); /* of which pair was that the answer? */
	return TASK_FREE;
}

/* ---- unanswered requests ---- */

int ike_try_path(struct ike *ike, uint64_t line, const struct ike_path *path, usec_t now)
{
	int ret = -ENOENT;

	ike->now = now;
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_line);
		struct ike_path to = *path;

		if (!ike_sa_alive(sa) || !sa->mobike)
			continue;
		path_complete(&to, &sa->path);
		if (to.local.ip.family != to.remote.ip.family)
			return -EINVAL;
		window_resend(ike, sa, &to);
		ret = 0;
	}
	ike_reap(ike);
	return ret;
}

/* "it is suggested that responders continue retransmitting IKEv2 requests for at least five minutes
 * before giving up" (3.11): I is to find a pair that works. */
bool pair_patient(const struct ike *ike, const struct ike_sa *sa, const struct task *t)
{
	return sa->mobike && !sa->role_i && sa->state == IKE_ESTABLISHED &&
	       ike->now - t->first_send < sa->conn->c.mobike_patience;
}

void pair_unanswered(struct ike *ike, struct ike_sa *sa, struct task *t)
{
	if (!sa->mobike || sa->state != IKE_ESTABLISHED)
		return;
	if (t->testing && t->kind == TASK_MMX_PROBE) {
		mmx_probe_unanswered(ike, sa, t);
		return;
	}
	if (t->testing) {
		if (t->tries < TEST_TRIES && list_empty(&sa->pending))
			return;
		out_path_tested(ike, sa, t, 0);
		t->testing = false;
		t->tries = 0;
		t->op = 0;
		return;
	}
	/* ESP came from there, but nobody answers: one that kept a packet may have sent it */
	if (t->kind == TASK_ROUTABILITY && sa->mobike->by_esp && t->tries >= UNCHECKED_TRIES) {
		struct ike_path back = sa->mobike->esp;

		log_ike(sa, LOG_INFO_, "no answer from the address that ESP came from");
		mobike_pair(ike, sa->line, &back);
		return;
	}
	if (t->kind == TASK_ROUTABILITY && mobike_unchecked(sa) && t->tries >= UNCHECKED_TRIES)
		routability_failed(ike, sa);
	if (t->tries >= ASK_AFTER)
		out_event(ike, sa, IKE_EV_UNANSWERED, 0, 0, "%s is not answered: %u tries",
			  task_ops[t->kind].name, t->tries);
	if (t->tries >= ASK_AFTER && t->kind != TASK_ROUTABILITY && t->kind != TASK_UPDATE)
		mmx_send_elsewhere(ike, sa, t);
}

/* What was not asked in vain on the pair in use says nothing against that: the answer to a request
 * from before a move, or a late one to a test. */
void pair_answered(struct ike *ike, struct ike_sa *sa, const struct task *t,
		   const struct ike_path *path)
{
	if (!sa->mobike || sa->state != IKE_ESTABLISHED || t->testing || t->tries < ASK_AFTER ||
	    path_same(path, &sa->path))
		return;
	for (unsigned i = 0; i < t->n_via; i++)
		if (path_same(path, &t->via[i]))
			out_path_answered(ike, sa, &t->via[i]);
}
