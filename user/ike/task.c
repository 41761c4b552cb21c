/* SPDX-License-Identifier: GPL-2.0-only */
/* Tasks: what we want from the peer, one request each. They wait in `pending` until the window lets
 * them go (window.c), are in `inflight` until the answer comes, and are found by what they are
 * about.
 */
#include <stdlib.h>

#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"

/* By what they want. Which exchange stands where, and where those will that are not there yet: the
 * table in README.md. */
const struct task_ops task_ops[TASK_KINDS] = {
	[TASK_IKE_INIT] = { "IKE_SA_INIT", IKE_SA_INIT, sa_init_build, NULL },
	[TASK_IKE_AUTH] = { "IKE_AUTH", IKE_AUTH, auth_build, auth_done },
	[TASK_CHILD_NEW] = { "new Child SA", CREATE_CHILD_SA, child_new_build, child_new_done },
	[TASK_CHILD_REKEY] = { "Child SA rekey", CREATE_CHILD_SA, child_new_build, child_new_done },
	[TASK_CHILD_DELETE] = { "Child SA delete", INFORMATIONAL, child_delete_build,
				child_delete_done },
	[TASK_IKE_REKEY] = { "IKE SA rekey", CREATE_CHILD_SA, ike_rekey_build, ike_rekey_done },
	[TASK_IKE_DELETE] = { "IKE SA delete", INFORMATIONAL, ike_delete_build, ike_delete_done },
	[TASK_LIVENESS] = { "liveness check", INFORMATIONAL, liveness_build, liveness_done },
	[TASK_AUTH_FAILED] = { "authentication failure", INFORMATIONAL, auth_failed_build,
			       auth_failed_done },
	[TASK_SIZE] = { "MTU probe", INFORMATIONAL, size_build, size_done },
	[TASK_UPDATE] = { "address update", INFORMATIONAL, update_build, update_done },
	[TASK_ROUTABILITY] = { "return routability check", INFORMATIONAL, routability_build,
			       routability_done },
	[TASK_ADDRS] = { "list of addresses", INFORMATIONAL, addrs_build, addrs_done },
	[TASK_PATH_TEST] = { "path test", INFORMATIONAL, path_test_build, path_test_done },
	[TASK_IKE_CLONE] = { "IKE SA clone", CREATE_CHILD_SA, clone_request_build, clone_done },
	[TASK_MMX_PROBE] = { "path probe", INFORMATIONAL, mmx_probe_build, mmx_probe_done },
	[TASK_MMX] = { "MMX request", INFORMATIONAL, mmx_ask_build, mmx_ask_done },
};

struct task *task_new(struct ike_sa *sa, enum task_kind kind, uint32_t op)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->kind = kind;
	t->op = op;
	t->sa = sa;
	list_append(&sa->pending, &t->node);
	ike_sa_touch(sa);
	return t;
}

void task_free(struct ike *ike, struct task *t)
{
	list_remove(&t->node);
	hash_remove(&ike->offered, &t->by_spi);
	if (t->spi_in)
		ike->env.spi_free(ike->env.ctx, t->spi_in);
	ke_free(t->ke);
	mmx_ask_free(ike, t->mmx);
	free(t->packet);
	free(t->large);
	free(t->probing);
	free(t->wish);
	secret_wipe(t, sizeof(*t));
	free(t);
}

struct task *task_find(const struct ike_sa *sa, enum task_kind kind, uint32_t child_id)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			struct task *t = list_entry(it, struct task, node);

			if (t->kind == kind && t->child_id == child_id)
				return t;
		}
	}
	return NULL;
}

void task_offers(struct ike *ike, struct task *t)
{
	if (!t->by_spi.link && (t->spi_ike || t->spi_in))
		hash_add(&ike->offered, &t->by_spi, t->spi_ike ? t->spi_ike : t->spi_in);
}

static struct task *offering(const struct ike *ike, uint64_t key, uint64_t spi_ike, uint32_t spi_in)
{
	hash_for_each (it, tmp, &ike->offered, key) {
		struct task *t = hash_entry(it, struct task, by_spi);

		if (task_in_flight(t) && t->spi_ike == spi_ike && t->spi_in == spi_in)
			return t;
	}
	return NULL;
}

struct task *task_offering_ike(const struct ike *ike, uint64_t spi)
{
	return offering(ike, spi, spi, 0);
}

struct task *task_offering_child(const struct ike *ike, uint32_t spi)
{
	return offering(ike, spi, 0, spi);
}

struct task *task_in_flight_as(const struct ike_sa *sa, uint32_t msg_id, uint8_t exchange)
{
	list_for_each (it, &sa->inflight) {
		struct task *t = list_entry(it, struct task, node);

		if (t->msg_id == msg_id)
			return task_ops[t->kind].exchange == exchange ? t : NULL;
	}
	return NULL;
}

void task_first(struct ike_sa *sa, struct task *t)
{
	list_remove(&t->node);
	list_append(sa->pending.next, &t->node);
}

struct task *task_pending(const struct ike_sa *sa, enum task_kind kind)
{
	list_for_each (it, &sa->pending) {
		struct task *t = list_entry(it, struct task, node);

		if (t->kind == kind)
			return t;
	}
	return NULL;
}

void task_want(struct ike_sa *sa, enum task_kind kind)
{
	struct task *t;

	if (task_pending(sa, kind))
		return;
	t = task_new(sa, kind, 0);
	if (t)
		task_first(sa, t);
}

void task_end(struct ike *ike, struct ike_sa *sa, struct task *t, enum ike_event_kind kind,
	      uint32_t child_id, const char *text)
{
	if (t->op)
		out_event(ike, sa, kind, child_id, t->op, "%s", text);
	if (task_in_flight(t))
		sa->n_inflight--;
	task_free(ike, t);
	ike_sa_touch(sa);
}

void task_reset_packet(struct ike_sa *sa, struct task *t)
{
	if (task_in_flight(t))
		sa->n_inflight--;
	free(t->packet);
	t->packet = NULL;
	t->packet_len = 0;
	t->tries = 0;
	t->timeout = 0;
	t->quick = 0;
	t->give_up = 0;
	/* it was answered: what others said of that request is of no account for the next */
	t->disowned_try = t->n_disowned = 0;
	t->suspect_until = 0;
	t->n_via = 0;
	list_remove(&t->node);
	list_append(&sa->pending, &t->node);
}

/* Random part, so that two peers that refuse each other's requests do not meet again (2.25). */
bool task_back_off(struct ike *ike, struct task *t)
{
	uint32_t r = 0;

	if (++t->temporary > TEMPORARY_MAX)
		return false;
	if (rng_bytes(&r, sizeof(r)))
		r = 0;
	t->not_before = ike->now + (USEC_PER_SEC << (t->temporary - 1)) + r % USEC_PER_SEC;
	return true;
}
