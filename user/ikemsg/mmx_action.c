/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_ACTION and MMX_RESULT.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Action ID           |     Code      |     Flags     |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                          Generation                           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             TLVs                              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Action ID           |            Status             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Flags     |   RESERVED    |         Affected SAs          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             TLVs                              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "mmx_impl.h"

enum {
	ROLES = MMX_ROLE_OBSERVED + 1,
	CODES = MMX_QUERY + 1,
	EITHER = -1,
	/* What a selection may be of; that of OLD is also what none at all means. */
	SELS = 1 << MMX_SEL_IKE | 1 << MMX_SEL_SPIS | 1 << MMX_SEL_OLD | 1 << MMX_SEL_ALL,
};

/* How many endpoints of a role an action needs and may have. More than max are TOO_MANY if there is
 * a limit for them, MALFORMED otherwise. */
struct role_rule {
	uint8_t min, max;
	uint8_t limit; /* enum mmx_limit_which */
	bool many;     /* too many of it are a matter of limits, though no announced one */
};

struct code_rule {
	uint32_t tlvs;
	uint8_t sels;	    /* kinds, as bits */
	bool sel_needed;    /* none at all is not "bound to OLD" */
	int8_t side[ROLES]; /* 0: either, else 1 + the side the role must be of */
	struct role_rule role[ROLES];
};

#define COMMON	    (TLV(EP) | TLV(SEL) | TLV(TOKEN) | TLV(TEXT))
#define OF_SENDER   1
#define OF_RECEIVER 2
#define ROLE(role, least, most, ...)                                                               \
	[MMX_ROLE_##role] = { .min = (least), .max = (most), __VA_ARGS__ }
#define ONE(role)	     ROLE(role, 1, 1, )
#define MAYBE(role)	     ROLE(role, 0, 1, )
#define SIDE_OF(role, least) ROLE(role, least, MMX_SIDE_MAX, .limit = MMX_LIMIT_SIDE)

static const struct code_rule code_rules[CODES] = {
	[MMX_UPDATE] = { .tlvs = COMMON, .sels = SELS, .role = { ONE(OLD), SIDE_OF(NEW, 1) } },
	[MMX_ADD] = { .tlvs = COMMON,
		      .sels = SELS,
		      .sel_needed = true,
		      .role = { MAYBE(OLD), SIDE_OF(NEW, 1) } },
	[MMX_REMOVE] = { .tlvs = COMMON, .sels = SELS, .role = { SIDE_OF(OLD, 1) } },
	[MMX_SET_ALT] = { .tlvs = COMMON,
			  .sels = SELS,
			  .role = { ONE(OLD),
				    ROLE(ALT, 0, MMX_ALTS_MAX, .limit = MMX_LIMIT_ALTS) } },
	[MMX_ADD_IF] = { .tlvs = COMMON | TLV(NONCE) | TLV(SPIS) | TLV(DIGEST),
			 .sels = 1 << MMX_SEL_SPIS,
			 .side = { [MMX_ROLE_NEW] = OF_SENDER,
				   [MMX_ROLE_TO] = OF_RECEIVER,
				   [MMX_ROLE_SRC] = OF_SENDER,
				   [MMX_ROLE_INNER_OLD] = OF_SENDER,
				   [MMX_ROLE_INNER_NEW] = OF_SENDER },
			 .role = { ONE(NEW), MAYBE(TO),
				   ROLE(SRC, 0, MMX_IFACES_MAX, .limit = MMX_LIMIT_IFACES),
				   ROLE(INNER_OLD, 0, MMX_INNERS_MAX, .many = true),
				   ROLE(INNER_NEW, 0, 2, ) } },
	[MMX_DEL_IF] = { .tlvs = TLV(EP) | TLV(TEXT), .role = { ONE(OLD) } },
	[MMX_FAILOVER] = { .tlvs = COMMON, .sels = SELS, .role = { ONE(OLD), ONE(NEW) } },
	[MMX_QUERY] = { .tlvs = TLV(EP) | TLV(SEL) | TLV(TEXT),
			.sels = SELS,
			.sel_needed = true,
			.role = { MAYBE(OLD) } },
};

/* ---- the endpoints and selections of an action ---- */

static enum mmx_status sels_check(const struct mmx_action *a, const struct code_rule *rule)
{
	bool of_old = !rule->sel_needed && rule->sels & 1 << MMX_SEL_OLD, any = false;

	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&a->tlvs, MMX_TLV_SEL, t)); any = true) {
		if (!(rule->sels & 1 << t->sel.kind))
			return MMX_MALFORMED;
		of_old |= t->sel.kind == MMX_SEL_OLD;
	}
	if (rule->sel_needed && !any)
		return MMX_MALFORMED;
	return of_old && !mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL) ? MMX_MALFORMED : MMX_OK;
}

/* What takes the place of something, or protects it, is of the same side. */
static enum mmx_status sides_check(const struct mmx_action *a, const struct code_rule *rule)
{
	int side = EITHER;

	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&a->tlvs, MMX_TLV_EP, t));) {
		int8_t must = rule->side[t->ep.role];

		if (must ? t->ep.side != must - 1 : side != EITHER && t->ep.side != side)
			return MMX_MALFORMED;
		if (!must)
			side = t->ep.side;
	}
	return MMX_OK;
}

static enum mmx_status counts_check(const struct mmx_action *a, const struct code_rule *rule,
				    uint16_t *ret_limit)
{
	enum mmx_status status = MMX_OK;

	for (uint8_t role = MMX_ROLE_OLD; role < ROLES; role++) {
		const struct role_rule *r = &rule->role[role];
		unsigned n = mmx_count_eps(&a->tlvs, role, EITHER);

		if (n < r->min || (n > r->max && !r->limit && !r->many))
			return MMX_MALFORMED;
		if (n > r->max) {
			*ret_limit = r->limit;
			status = MMX_TOO_MANY;
		}
	}
	return status;
}

/* One endpoint is replaced by one; an interface by what each family gets. */
static bool replaced_by_one(const struct mmx_action *a)
{
	const struct mmx_ep *old = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL);

	return old->flags & MMX_EP_IFID || mmx_count_eps(&a->tlvs, MMX_ROLE_NEW, EITHER) == 1;
}

static bool has_nonce_and_digest(const struct mmx_action *a)
{
	return mmx_next(&a->tlvs, MMX_TLV_NONCE, NULL) && mmx_next(&a->tlvs, MMX_TLV_DIGEST, NULL);
}

static enum mmx_status check(const struct mmx_action *a, uint16_t *ret_limit)
{
	const struct code_rule *rule = &code_rules[a->code];
	enum mmx_status counts = counts_check(a, rule, ret_limit);

	if (counts == MMX_MALFORMED || a->flags & ~MMX_ACTION_FLAGS ||
	    sides_check(a, rule) != MMX_OK || sels_check(a, rule) != MMX_OK)
		return MMX_MALFORMED;
	if (a->code == MMX_UPDATE && !replaced_by_one(a))
		return MMX_MALFORMED;
	if (a->code == MMX_ADD_IF && !has_nonce_and_digest(a))
		return MMX_MALFORMED;
	return counts;
}

enum mmx_status mmx_action_get(const struct notify *n, struct mmx_action *ret_a)
{
	struct rd r = mmx_open(n);

	ret_a->limit = 0;
	ret_a->tlvs.n = 0;
	ret_a->id = rd_u16(&r);
	ret_a->code = rd_u8(&r);
	ret_a->flags = rd_u8(&r) & MMX_ACTION_FLAGS;
	ret_a->generation = rd_u32(&r);
	if (r.err)
		ret_a->id = ret_a->code = 0;
	if (!ret_a->id)
		return MMX_MALFORMED;
	if (!ret_a->code || ret_a->code >= CODES)
		return MMX_UNSUPPORTED;
	struct tlv_rules rules = { .wanted = code_rules[ret_a->code].tlvs };
	enum mmx_status status = mmx_tlvs_get(&r, &rules, &ret_a->tlvs);
	return status == MMX_OK ? check(ret_a, &ret_a->limit) : status;
}

void mmx_action_put(struct msg_wr *m, const struct mmx_action *a)
{
	bool known = a->id && a->code && a->code < CODES;
	struct tlv_rules rules = { .wanted = known ? code_rules[a->code].tlvs : 0 };
	enum mmx_status status = known ? mmx_tlvs_check(&a->tlvs, &rules) : MMX_UNSUPPORTED;
	uint16_t limit;

	mmx_begin(m, N_MMX_ACTION, status == MMX_OK ? check(a, &limit) : status);
	wr_u16(&m->w, a->id);
	wr_u8(&m->w, a->code);
	wr_u8(&m->w, a->flags);
	wr_u32(&m->w, a->generation);
	mmx_tlvs_put(&m->w, &a->tlvs);
	msg_pld_end(m);
}

/* ---- MMX_RESULT ---- */

static const struct tlv_rules result_rules = {
	.wanted = TLV(EP) | TLV(SEL) | TLV(NONCE) | TLV(SPIS) | TLV(DIGEST) | TLV(FAIL) |
		  TLV(VALID) | TLV(LIMIT) | TLV(TEXT),
	.groups = true,
};

static enum mmx_status result_check(const struct mmx_result *r)
{
	if (r->flags & ~MMX_RESULT_FLAGS)
		return MMX_MALFORMED;
	/* SAs by their SPIs, or the IKE SA: a set that only the request describes says nothing */
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&r->tlvs, MMX_TLV_SEL, t));)
		if (t->sel.kind != MMX_SEL_SPIS && t->sel.kind != MMX_SEL_IKE)
			return MMX_MALFORMED;
	return MMX_OK;
}

enum mmx_status mmx_result_get(const struct notify *n, struct mmx_result *ret_r)
{
	struct rd r = mmx_open(n);

	ret_r->id = rd_u16(&r);
	ret_r->status = rd_u16(&r);
	ret_r->flags = rd_u8(&r) & MMX_RESULT_FLAGS;
	rd_skip(&r, 1);
	ret_r->affected = rd_u16(&r);
	if (r.err)
		ret_r->id = ret_r->status = 0;
	enum mmx_status status = mmx_tlvs_get(&r, &result_rules, &ret_r->tlvs);
	return status == MMX_OK ? result_check(ret_r) : status;
}

void mmx_result_put(struct msg_wr *m, const struct mmx_result *r)
{
	enum mmx_status status = mmx_tlvs_check(&r->tlvs, &result_rules);

	mmx_begin(m, N_MMX_RESULT, status == MMX_OK ? result_check(r) : status);
	wr_u16(&m->w, r->id);
	wr_u16(&m->w, r->status);
	wr_u8(&m->w, r->flags);
	wr_u8(&m->w, 0);
	wr_u16(&m->w, r->affected);
	mmx_tlvs_put(&m->w, &r->tlvs);
	msg_pld_end(m);
}
