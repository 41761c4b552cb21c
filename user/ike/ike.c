/* SPDX-License-Identifier: GPL-2.0-only */
/* The core's life, and its way in for datagrams. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "ike_private.h"
#include "parts.h"

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
	ret = conns_copy(cfg, &ike->conns, &conns);
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
	ike->block_threshold = cfg->block_threshold;
	ike->half_open_timeout =
		cfg->half_open_timeout ? cfg->half_open_timeout : 30 * USEC_PER_SEC;
	return 0;
}

static const size_t tables[] = {
	offsetof(struct ike, spis),    offsetof(struct ike, families),
	offsetof(struct ike, lines),   offsetof(struct ike, named),
	offsetof(struct ike, peers),   offsetof(struct ike, inits),
	offsetof(struct ike, sources), offsetof(struct ike, children),
	offsetof(struct ike, leases),  offsetof(struct ike, leases_of),
	offsetof(struct ike, offered), offsetof(struct ike, by_peer_spi),
};
enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

static struct hash *table(struct ike *ike, unsigned i)
{
	return (struct hash *)((char *)ike + tables[i]);
}

static int vid_make(const char *text, uint8_t vid[VID_OCTETS])
{
	struct chunk in = { text, strlen(text) };
	uint8_t digest[SHA256_OCTETS];
	int ret = sha256_digest(&in, 1, digest);

	if (!ret)
		memcpy(vid, digest, VID_OCTETS);
	return ret;
}

struct ike *ike_new(const struct ike_cfg *cfg, const struct ike_env *env, usec_t now)
{
	struct ike *ike = calloc(1, sizeof(*ike));

	if (!ike)
		return NULL;
	ike->env = *env;
	list_init(&ike->conns);
	list_init(&ike->sas);
	list_init(&ike->dirty);
	list_init(&ike->outs);
	list_init(&ike->moved);
	for (unsigned i = 0; i < N_TABLES; i++)
		hash_init(table(ike, i));
	ike->spare = malloc(IKE_MSG_MAX);
	if (!ike->spare || vid_make("braid ESP path probe v1", ike->probe_vid) ||
	    vid_make("braid ESP in UDP v1", ike->udp_vid) ||
	    vid_make("braid stable transport v1", ike->stable_vid) ||
	    rng_bytes(ike->cookie_secret, 64) || ike_reload(ike, cfg, now)) {
		ike_free(ike);
		return NULL;
	}
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
	cp_clear(ike);
	for (unsigned i = 0; i < N_TABLES; i++)
		hash_clear(table(ike, i));
	heap_clear(&ike->timers);
	free(ike->pools);
	free(ike->spare);
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
	if (!sa && h->next_payload == PLD_NOTIFY && hint_receive(ike, NULL, path, buf, len)) {
		ike->counters.dropped_spi++;
		return;
	}
	if (!sa) {
		sa_init_stray(ike, path, h);
		return;
	}
	if (sa->initiator == from_initiator ||
	    (sa->initiator ? sa->state != IKE_INIT_SENT && h->spi_r != sa->spi_r
			   : h->spi_i != sa->spi_i)) {
		ike->counters.dropped_spi++;
		return;
	}
	sa->conn->tally->c.rx++;
	if (h->next_payload == PLD_NOTIFY && h->exchange != IKE_SA_INIT &&
	    hint_receive(ike, sa, path, buf, len))
		return;
	if (response)
		window_response(ike, sa, path, buf, len, h);
	else if (h->exchange != IKE_SA_INIT)
		window_request(ike, sa, path, buf, len, h);
	else
		COUNT(ike, sa, dropped_window);
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
