/* SPDX-License-Identifier: GPL-2.0-only */
/* The core's life, its way in for datagrams, and its timers.
 *
 * Timers, all served by ike_tick and summed up by ike_deadline:
 *   task.next_send, .give_up, .not_before   retransmission, giving up, waiting (window.c)
 *   ike_sa.expires                          half-open, lingering, superseded IKE SAs
 *   ike_sa.last_rx + dpd_delay              liveness check
 * The cookie secret changes when it is used after its time (cookie.c), without a timer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_private.h"

static int pools_copy(const struct ike_cfg *cfg, struct pool **ret_pools)
{
	struct pool *p = calloc(cfg->n_pools + 1u, sizeof(*p));

	if (!p)
		return -ENOMEM;
	for (unsigned i = 0; i < cfg->n_pools; i++) {
		p[i].c = cfg->pools[i];
		p[i].hint = cfg->pools[i].first;
	}
	*ret_pools = p;
	return 0;
}

int ike_reload(struct ike *ike, const struct ike_cfg *cfg, usec_t now)
{
	struct pool *pools;
	struct list conns;
	int ret;

	ike->now = now;
	ret = pools_copy(cfg, &pools);
	if (ret)
		return ret;
	ret = conns_copy(cfg, &conns);
	if (ret) {
		free(pools);
		return ret;
	}
	conns_free(&ike->conns);
	list_for_each_safe (it, tmp, &conns) {
		list_remove(it);
		list_append(&ike->conns, it);
	}
	free(ike->pools);
	ike->pools = pools;
	ike->n_pools = cfg->n_pools;
	ike->cookie_threshold = cfg->cookie_threshold ? cfg->cookie_threshold : 10;
	ike->half_open_max = cfg->half_open_max ? cfg->half_open_max : 1000;
	ike->half_open_timeout =
		cfg->half_open_timeout ? cfg->half_open_timeout : 30 * USEC_PER_SEC;
	return 0;
}

struct ike *ike_new(const struct ike_cfg *cfg, const struct ike_env *env, usec_t now)
{
	static const char vid_text[] = "braid ESP path probe v1";
	struct chunk in = { vid_text, sizeof(vid_text) - 1 };
	uint8_t digest[SHA256_OCTETS];
	struct ike *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->env = *env;
	list_init(&ike->conns);
	list_init(&ike->leases);
	list_init(&ike->sas);
	list_init(&ike->dirty);
	list_init(&ike->outs);
	for (unsigned i = 0; i < SA_BUCKETS; i++)
		list_init(&ike->table[i]);
	for (unsigned i = 0; i < 256; i++)
		list_init(&ike->inits[i]);
	if (sha256_digest(&in, 1, digest) || rng_bytes(ike->cookie_secret, 64) ||
	    ike_reload(ike, cfg, now)) {
		ike_free(ike);
		return NULL;
	}
	memcpy(ike->probe_vid, digest, PROBE_VID_OCTETS);
	return ike;
}

void ike_free(struct ike *ike)
{
	if (!ike)
		return;
	list_for_each_safe (it, tmp, &ike->sas)
		ike_sa_free(ike, list_entry(it, struct ike_sa, node));
	outs_free(ike);
	conns_free(&ike->conns);
	list_for_each_safe (it, tmp, &ike->leases) {
		list_remove(it);
		free(list_entry(it, struct lease, node));
	}
	free(ike->pools);
	secret_wipe(ike, sizeof(*ike));
	free(ike);
}

/* The IKE SA is found by our own SPI, never by address; the Initiator flag says which it is. */
static void receive(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len,
		    const struct ike_hdr *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
	bool response = h->flags & IKE_FLAG_RESPONSE;
	uint64_t own = from_initiator ? h->spi_r : h->spi_i;
	struct ike_sa *sa;

	if (h->exchange == IKE_SA_INIT && from_initiator && !response && h->spi_i && !h->spi_r) {
		sa_init_request(ike, path, buf, len);
		return;
	}
	sa = own ? ike_sa_find(ike, own) : NULL;
	if (!sa || sa->initiator == from_initiator ||
	    (sa->initiator ? sa->state != IKE_INIT_SENT && h->spi_r != sa->spi_r
			   : h->spi_i != sa->spi_i)) {
		ike->counters.dropped_spi++;
		return;
	}
	if (response)
		window_response(ike, sa, path, buf, len, h);
	else if (h->exchange != IKE_SA_INIT)
		window_request(ike, sa, path, buf, len, h);
	else
		ike->counters.dropped_window++;
}

void ike_recv(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len, usec_t now)
{
	struct rd r = rd_init(buf, len);
	struct ike_hdr h;

	ike->now = now;
	ike->counters.rx++;
	if (len > IKE_MSG_MAX || ike_hdr_get(&r, &h) || h.length != len)
		ike->counters.dropped_syntax++;
	else if (h.version >> 4 > IKE_VERSION_2_0 >> 4)
		sa_init_bad_version(ike, path, &h);
	else if (h.version >> 4 < IKE_VERSION_2_0 >> 4)
		ike->counters.dropped_version++;
	else
		receive(ike, path, buf, len, &h);
	ike_reap(ike);
}

static usec_t liveness_at(const struct ike_sa *sa)
{
	if (sa->state != IKE_ESTABLISHED || !sa->conn->c.dpd_delay || sa->n_inflight ||
	    task_find(sa, TASK_LIVENESS, 0))
		return USEC_NEVER;
	return sa->last_rx + sa->conn->c.dpd_delay;
}

static void expire(struct ike *ike, struct ike_sa *sa)
{
	switch (sa->state) {
	case IKE_HALF_OPEN:
		ike_sa_free(ike, sa);
		break;
	case IKE_REKEYED:
		ike_sa_close(ike, sa, false, "the peer did not delete it after the rekey");
		break;
	default:
		break;
	}
}

void ike_tick(struct ike *ike, usec_t now)
{
	ike->now = now;
	list_for_each_safe (it, tmp, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		if (sa->expires <= now && sa->state != IKE_CLOSED) {
			expire(ike, sa);
			continue;
		}
		if (!ike_sa_alive(sa))
			continue;
		if (liveness_at(sa) <= now)
			task_new(sa, TASK_LIVENESS, 0);
		window_tick(ike, sa);
		if (ike_sa_alive(sa))
			window_run(ike, sa);
	}
	ike_reap(ike);
}

usec_t ike_deadline(const struct ike *ike)
{
	usec_t d = USEC_NEVER;

	list_for_each (it, &ike->sas) {
		const struct ike_sa *sa = list_entry(it, struct ike_sa, node);
		usec_t w = window_deadline(sa), l = liveness_at(sa);

		d = w < d ? w : d;
		d = l < d ? l : d;
		if (!ike_sa_owed(sa) || sa->state != IKE_CLOSED)
			d = sa->expires < d ? sa->expires : d;
	}
	return d;
}
