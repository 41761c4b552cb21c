/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX: both sides announce it in IKE_AUTH, and what a line keeps of it (MMX 2).
 *
 *   I: SK{ ..., V, N(MOBIKE_SUPPORTED), N(MMX_SUPPORTED) }  -->
 *   R:    <--  SK{ ..., V, N(MOBIKE_SUPPORTED), N(MMX_SUPPORTED), N(MMX_IFACE)* }
 *
 * R says so only if I did. Without it MOBIKE and clones are there as ever: so I tells of its other
 * addresses in the form of RFC 4555, too.
 */
#include <stdlib.h>
#include <string.h>

#include "mmx.h"

/* What works here. */
enum {
	CAPS = MMX_CAP_IFACE | MMX_CAP_OUTER | MMX_CAP_UPDATE | MMX_CAP_ADDREMOVE | MMX_CAP_CHECK |
	       MMX_CAP_ALT | MMX_CAP_RESP_MOVE | MMX_CAP_TOKEN | MMX_CAP_DERIVE | MMX_CAP_DELIF |
	       MMX_CAP_TRANSPORT | MMX_CAP_QUERY,
};

static struct mmx_supported ours(const struct ike_sa *sa)
{
	return (struct mmx_supported){
		.major = MMX_MAJOR,
		.caps = CAPS,
		.ifaces_max = MMX_IFACES_MAX,
		.side_max = MMX_SIDE_MAX,
		.alts_max = MMX_ALTS_MAX,
		.actions_max = MMX_ACTIONS_MAX,
		.derived_max = sa->conn->c.derived_max ? sa->conn->c.derived_max : IKE_DERIVED_MAX,
		.window = sa->conn->c.window ? sa->conn->c.window : 1,
	};
}

/* The cautious reading of RFC 7296 3.12 is that no private number is sent before the peer's Vendor
 * ID was seen. */
bool mmx_wanted(const struct ike_sa *sa)
{
	const struct ike_conn_cfg *c = &sa->conn->c;

	return c->mmx != IKE_MMX_NO && conn_mobike(sa) &&
	       (!sa->role_i || !c->mmx_vid_in_init || sa->peer_mmx);
}

struct mmx *mmx_of(const struct ike *ike, const struct ike_sa *sa)
{
	const struct ike_sa *owner = line_owner(ike, sa->line);

	return owner ? owner->mmx : NULL;
}

/* ---- life ---- */

/* What the IKE SA is bound to has one endpoint of each side at first, as number 0 until it is
 * known. */
static bool bind_first(struct mmx *x)
{
	const struct mmx_binding none = { .own = false };
	const struct mmx_binding pair = { .own = true,
					  .ike = true,
					  .ends = { { .n = 1 }, { .n = 1 } } };

	x->inherited = mmx_shared_get(&x->table, &none);
	x->ike = mmx_shared_get(&x->table, &pair);
	return x->inherited && x->ike;
}

static void drop(struct mmx *x)
{
	if (!x)
		return;
	mmx_table_clear(&x->table);
	mmx_tokens_clear(&x->tokens);
	free(x);
}

struct mmx *mmx_empty(void)
{
	struct mmx *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	mmx_table_init(&x->table);
	if (!mmx_tokens_init(&x->tokens))
		return x;
	drop(x);
	return NULL;
}

/* NULL: no memory, or no randomness. */
static struct mmx *begin(const struct ike_sa *sa, const struct mmx_deal *deal)
{
	struct mmx *x = mmx_empty();

	if (!x)
		return NULL;
	if (!bind_first(x)) {
		drop(x);
		return NULL;
	}
	x->announced = ours(sa);
	x->deal = *deal;
	x->next_own = IKE_MMX_OWN_NUMBERS;
	return x;
}

void mmx_free(struct ike_sa *sa)
{
	drop(sa->mmx);
	sa->mmx = NULL;
}

void mmx_move(struct ike_sa *old, struct ike_sa *sa)
{
	mmx_free(sa);
	sa->mmx = old->mmx;
	old->mmx = NULL;
	mmx_probes_move(old, sa);
}

void mmx_copy(const struct ike_sa *old, struct ike_sa *sa)
{
	const struct mmx *from = old->mmx;
	struct mmx *x = from ? begin(sa, &from->deal) : NULL;

	if (!x)
		return;
	x->announced = from->announced;
	x->list[MMX_I] = from->list[MMX_I];
	x->list[MMX_R] = from->list[MMX_R];
	x->next_own = from->next_own;
	sa->mmx = x;
	mmx_ike_moved(sa->ike, sa);
}

/* ---- negotiation ---- */

void mmx_build(struct part_ctx *c)
{
	const struct mmx_supported s = ours(c->sa);

	if (c->place == AT_AUTH_REQUEST ? !mmx_wanted(c->sa) : !c->sa->mmx)
		return;
	msg_put_vendor(c->m, mmx_vid, sizeof(mmx_vid));
	mmx_supported_put(c->m, &s);
	if (c->place != AT_AUTH_RESPONSE)
		return;
	mmx_list_renew(c->sa, c->sa->mmx);
	mmx_list_put(c->sa, c->sa->mmx, c->m);
}

/* Of R's list what is wrong with it is not told: it is in a response. */
void mmx_process(struct part_ctx *c)
{
	const struct mmx_supported s = ours(c->sa);
	struct mmx_deal deal = mmx_negotiate(&s, c->in);
	enum mmx_limit_which limit;
	struct ike_sa *sa = c->sa;

	if (!mmx_wanted(sa) || !sa->mobike || !deal.major)
		return;
	sa->mmx = begin(sa, &deal);
	if (!sa->mmx)
		return;
	if (c->place == AT_AUTH_RESPONSE) {
		mmx_list_take(&sa->mmx->list[mmx_peer(sa)], c->in, MMX_IFACES_MAX, &limit);
		mmx_list_renew(sa, sa->mmx);
		addrs_queue(sa);
	}
	mmx_ike_moved(c->ike, sa);
	log_ike(sa, LOG_INFO_, "MMX version %u, capabilities %03x", deal.major, deal.caps);
}

bool mmx_missing(const struct ike_sa *sa, const struct ike_msg *in)
{
	const struct mmx_supported s = ours(sa);

	return sa->conn->c.mmx == IKE_MMX_REQUIRE && !mmx_negotiate(&s, in).major;
}

bool ike_mmx_on(const struct ike *ike, uint64_t line, uint32_t *ret_caps)
{
	const struct ike_sa *sa = line_owner(ike, line);

	if (!sa || !sa->mmx)
		return false;
	if (ret_caps)
		*ret_caps = sa->mmx->deal.caps;
	return true;
}

/* ---- Child SAs ---- */

void mmx_child_bind(struct child_sa *c, struct mmx_shared *s_or_null)
{
	struct mmx *x = c->sa->mmx;

	if (!x)
		return;
	c->binding = s_or_null ? s_or_null : x->inherited;
	if (!s_or_null)
		c->binding->refs++;
	x->n_transport += c->mode == CHILD_TRANSPORT;
}

void mmx_child_unbind(struct child_sa *c)
{
	if (c->binding && c->sa && c->sa->mmx) {
		mmx_shared_put(&c->sa->mmx->table, c->binding, 1);
		c->sa->mmx->n_transport -= c->mode == CHILD_TRANSPORT;
	}
	c->binding = NULL;
}
