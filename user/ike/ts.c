/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic selectors: resolving, narrowing, checking (RFC 7296 2.9, 3.13). */
#include <string.h>

#include "child_sa.h"
#include "ike_private.h"

static struct addr all_ones(uint8_t family)
{
	struct addr a = { .family = family };

	memset(a.b, 0xff, addr_len(&a));
	return a;
}

uint8_t ts_resolve(const struct ike_ts *cfg, uint8_t n, const struct addr *dyn, uint8_t n_dyn,
		   struct ike_ts out[IKE_TS_MAX])
{
	uint8_t k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!cfg[i].dynamic) {
			if (k < IKE_TS_MAX)
				out[k++] = cfg[i];
			continue;
		}
		for (unsigned j = 0; j < n_dyn && k < IKE_TS_MAX; j++) {
			out[k] = cfg[i];
			out[k].first = out[k].last = dyn[j];
			out[k++].dynamic = false;
		}
	}
	return k;
}

/* While the virtual address is still being asked for, "dynamic" is the whole family: the responder
 * narrows it to what it assigns (2.19 does so too). */
uint8_t ts_local_wanted(const struct ike_conn_cfg *conn, const struct ike_child_cfg *cfg,
			struct ike_ts out[IKE_TS_MAX])
{
	struct addr any[IKE_VIPS_MAX];
	bool v4 = false, v6 = false;
	uint8_t n = 0, k;

	for (unsigned i = 0; i < conn->n_vips; i++) {
		bool *had = conn->vips[i].family == 4 ? &v4 : &v6;

		if (!*had)
			any[n++] = (struct addr){ .family = conn->vips[i].family };
		*had = true;
	}
	k = ts_resolve(cfg->local_ts, cfg->n_local_ts, any, n, out);
	for (unsigned i = 0; i < k; i++) {
		struct addr zero = { .family = out[i].first.family };

		if (addr_equal(&out[i].first, &zero) && addr_equal(&out[i].last, &zero))
			out[i].last = all_ones(zero.family);
	}
	return k;
}

void ts_local(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
	      struct ike_ts out[IKE_TS_MAX], uint8_t *ret_n)
{
	if (sa->n_own_vips)
		*ret_n = ts_resolve(cfg->local_ts, cfg->n_local_ts, sa->own_vips, sa->n_own_vips,
				    out);
	else if (sa->state == IKE_INIT_SENT || sa->state == IKE_AUTH_SENT)
		*ret_n = sa->conn->c.n_vips ? ts_local_wanted(&sa->conn->c, cfg, out)
					    : ts_resolve(cfg->local_ts, cfg->n_local_ts,
							 &sa->path.local.ip, 1, out);
	else
		*ret_n = ts_resolve(cfg->local_ts, cfg->n_local_ts, &sa->path.local.ip, 1, out);
}

void ts_remote(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
	       struct ike_ts out[IKE_TS_MAX], uint8_t *ret_n)
{
	if (sa->n_peer_vips)
		*ret_n = ts_resolve(cfg->remote_ts, cfg->n_remote_ts, sa->peer_vips,
				    sa->n_peer_vips, out);
	else
		*ret_n = ts_resolve(cfg->remote_ts, cfg->n_remote_ts, &sa->path.remote.ip, 1, out);
}

void ts_put(struct ts_list *out, const struct ike_ts *in, uint8_t n)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < n && out->n < MSG_TS_MAX; i++)
		out->ts[out->n++] = (struct ts){ .protocol = in[i].protocol,
						 .port_first = in[i].port_first,
						 .port_last = in[i].port_last,
						 .first = in[i].first,
						 .last = in[i].last };
}

static bool opaque(uint16_t first, uint16_t last)
{
	return first > last;
}

/* OPAQUE (65535..0) stands for "no port visible" and lies only within "any port". */
static bool ports_cut(uint16_t af, uint16_t al, uint16_t bf, uint16_t bl, uint16_t *ret_first,
		      uint16_t *ret_last)
{
	if (opaque(af, al) || opaque(bf, bl)) {
		bool fits = (opaque(af, al) || (af == 0 && al == 65535)) &&
			    (opaque(bf, bl) || (bf == 0 && bl == 65535));

		*ret_first = 65535;
		*ret_last = 0;
		return fits;
	}
	*ret_first = af > bf ? af : bf;
	*ret_last = al < bl ? al : bl;
	return *ret_first <= *ret_last;
}

static bool cut(const struct ts *a, const struct ike_ts *b, struct ike_ts *ret)
{
	struct ike_ts r = { 0 };

	if (a->first.family != b->first.family || addr_cmp(&a->first, &a->last) > 0)
		return false;
	if (a->protocol && b->protocol && a->protocol != b->protocol)
		return false;
	r.protocol = a->protocol ? a->protocol : b->protocol;
	if (!ports_cut(a->port_first, a->port_last, b->port_first, b->port_last, &r.port_first,
		       &r.port_last))
		return false;
	r.first = addr_cmp(&a->first, &b->first) > 0 ? a->first : b->first;
	r.last = addr_cmp(&a->last, &b->last) < 0 ? a->last : b->last;
	if (addr_cmp(&r.first, &r.last) > 0)
		return false;
	*ret = r;
	return true;
}

static bool same_as_wire(const struct ike_ts *a, const struct ts *b)
{
	return a->protocol == b->protocol && a->port_first == b->port_first &&
	       a->port_last == b->port_last && addr_equal(&a->first, &b->first) &&
	       addr_equal(&a->last, &b->last);
}

static bool within(const struct ike_ts *a, const struct ike_ts *b)
{
	struct ts w = { .protocol = a->protocol,
			.port_first = a->port_first,
			.port_last = a->port_last,
			.first = a->first,
			.last = a->last };
	struct ike_ts r;

	return cut(&w, b, &r) && same_as_wire(&r, &w);
}

bool ts_all_within(const struct ike_ts *a, uint8_t n_a, const struct ike_ts *b, uint8_t n_b)
{
	for (unsigned i = 0; i < n_a; i++) {
		bool fits = false;

		for (unsigned k = 0; k < n_b && !fits; k++)
			fits = within(&a[i], &b[k]);
		if (!fits)
			return false;
	}
	return true;
}

/* Keep the list free of selectors that another one covers. */
static uint8_t add_unique(struct ike_ts out[IKE_TS_MAX], uint8_t n, const struct ike_ts *t)
{
	uint8_t k = 0;

	for (unsigned i = 0; i < n; i++)
		if (within(t, &out[i]))
			return n;
	for (unsigned i = 0; i < n; i++)
		if (!within(&out[i], t))
			out[k++] = out[i];
	if (k < IKE_TS_MAX)
		out[k++] = *t;
	return k;
}

uint8_t ts_narrow(const struct ts_list *peer, const struct ike_ts *own, uint8_t n,
		  struct ike_ts out[IKE_TS_MAX], bool *ret_more)
{
	uint8_t k = 0;

	*ret_more = false;
	for (unsigned i = 0; i < peer->n; i++) {
		bool whole = false;

		for (unsigned j = 0; j < n; j++) {
			struct ike_ts r;

			if (!cut(&peer->ts[i], &own[j], &r))
				continue;
			k = add_unique(out, k, &r);
			whole = whole || same_as_wire(&r, &peer->ts[i]);
		}
		*ret_more = *ret_more || !whole;
	}
	return k;
}

bool ts_keeps_first(const struct ts_list *peer, const struct ike_ts *out, uint8_t n)
{
	for (unsigned i = 0; i < n; i++) {
		struct ike_ts r;

		if (peer->n && cut(&peer->ts[0], &out[i], &r) && same_as_wire(&r, &peer->ts[0]))
			return true;
	}
	return false;
}

uint8_t ts_accept(const struct ts_list *got, const struct ike_ts *own, uint8_t n,
		  struct ike_ts out[IKE_TS_MAX])
{
	uint8_t k = 0;

	for (unsigned i = 0; i < got->n; i++) {
		const struct ts *t = &got->ts[i];
		bool fits = false;

		for (unsigned j = 0; j < n && !fits; j++) {
			struct ike_ts r;

			fits = cut(t, &own[j], &r) && same_as_wire(&r, t);
			if (fits && k < IKE_TS_MAX)
				out[k++] = r;
			else
				fits = false; /* nor is more than can be installed */
		}
		if (!fits)
			return 0; /* wider than ours: never accepted (2.9) */
	}
	return k;
}
