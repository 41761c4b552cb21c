/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs of an added interface: see mmx_born.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mmx_born.h"

/* ---- what there is ---- */

static int by_spi_in(const void *x, const void *y)
{
	uint32_t a = (*(struct child_sa *const *)x)->spi_in;
	uint32_t b = (*(struct child_sa *const *)y)->spi_in;

	return a < b ? -1 : a > b;
}

static int by_spi_out(const void *x, const void *y)
{
	uint32_t a = (*(struct child_sa *const *)x)->spi_out;
	uint32_t b = (*(struct child_sa *const *)y)->spi_out;

	return a < b ? -1 : a > b;
}

static struct mmx_child seen_by_both(const struct child_sa *c, const struct mmx_born_view *v,
				     bool we_are_a)
{
	return (struct mmx_child){
		.spi_a = we_are_a ? c->spi_in : c->spi_out,
		.spi_b = we_are_a ? c->spi_out : c->spi_in,
		.protocol = PROTO_ESP,
		.transport = c->mode == CHILD_TRANSPORT,
		.suspended = c->additional, /* of several for CPUs the first one is a parent */
		.busy = c->state != CHILD_INSTALLED,
		.binding = c->binding && c->binding->b.own ? &c->binding->b : &v->inherited,
		.n_ts_a = we_are_a ? c->n_ts_local : c->n_ts_remote,
		.n_ts_b = we_are_a ? c->n_ts_remote : c->n_ts_local,
		.ts_a = we_are_a ? c->ts_local : c->ts_remote,
		.ts_b = we_are_a ? c->ts_remote : c->ts_local,
	};
}

void mmx_born_view_clear(struct mmx_born_view *v)
{
	free(v->c);
	free(v->all);
}

/* Is a request of ours under way that makes one, or ends one? */
static bool being_changed(const struct ike_sa *sa)
{
	list_for_each (it, &sa->inflight) {
		enum task_kind kind = list_entry(it, struct task, node)->kind;

		if (kind == TASK_CHILD_NEW || kind == TASK_CHILD_REKEY || kind == TASK_CHILD_DELETE)
			return true;
	}
	return false;
}

bool mmx_born_view_make(const struct ike_sa *sa, const struct mmx *x, bool we_are_a,
			struct mmx_born_view *ret_v)
{
	struct mmx_born_view v = { .inherited = { .own = false }, .unsettled = being_changed(sa) };

	v.c = calloc(sa->n_children + 1u, sizeof(struct child_sa *));
	v.all = calloc(sa->n_children + 1u, sizeof(*v.all));
	if (!v.c || !v.all) {
		mmx_born_view_clear(&v);
		return false;
	}
	mmx_binding_own(&v.inherited, x->ike->b.ends[MMX_I].epid[0], x->ike->b.ends[MMX_R].epid[0]);
	*ret_v = v;
	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		ret_v->unsettled |= c->state != CHILD_INSTALLED || !c->installed;
		if (c->installed)
			ret_v->c[ret_v->n++] = c;
	}
	qsort(ret_v->c, ret_v->n, sizeof(*ret_v->c), we_are_a ? by_spi_in : by_spi_out);
	for (size_t i = 0; i < ret_v->n; i++)
		ret_v->all[i] = seen_by_both(ret_v->c[i], ret_v, we_are_a);
	return true;
}

/* ---- what is asked for ---- */

static const struct mmx_list *list_of(const struct mmx *x, enum mmx_owner owner)
{
	return &x->list[owner];
}

static enum mmx_owner other(enum mmx_owner owner)
{
	return owner == MMX_I ? MMX_R : MMX_I;
}

/* The number that is meant: of an interface its first one, of that family if there is one to be
 * kept to. 0: none. */
static uint16_t number_of(const struct mmx *x, enum mmx_owner owner, const struct mmx_ep *ep,
			  uint8_t family)
{
	const struct mmx_iface *f;

	if (!ep || (!ep->epid && !ep->addr.family))
		return x->ike->b.ends[owner].epid[0];
	if (!(ep->flags & MMX_EP_IFID))
		return ep->epid;
	f = mmx_list_iface(list_of(x, owner), ep->epid);
	for (unsigned i = 0; f && i < f->n; i++)
		if (!family || f->ep[i].addr.family == family)
			return f->ep[i].epid;
	return 0;
}

static const struct addr *addr_of(const struct mmx *x, enum mmx_owner owner, uint16_t epid)
{
	const struct mmx_iface_ep *ep = mmx_list_ep(list_of(x, owner), epid, NULL);

	return ep ? &ep->addr : NULL;
}

/* The two addresses as they look from here, which a NAT may have changed. */
static void look_from_here(const struct ike_sa *sa, const struct mmx *x, struct mmx_add_if *d,
			   const struct addr *here, const struct addr *there)
{
	bool we_are_a = d->a == mmx_we(sa);
	uint32_t path = d->a == MMX_I ? mmx_path_id(d->add.new, d->add.to)
				      : mmx_path_id(d->add.to, d->add.new);
	struct ike_path p;

	d->add.new_addr = *here;
	d->add.to_addr = *there;
	if (mmx_path_addrs(sa, x, path, &p))
		*(we_are_a ? &d->add.to_addr : &d->add.new_addr) = p.remote.ip;
}

static enum mmx_status endpoints(const struct ike_sa *sa, const struct mmx *x,
				 const struct mmx_action *a, struct mmx_add_if *d)
{
	const struct mmx_ep *new = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);
	const struct mmx_ep *to = mmx_next_ep(&a->tlvs, MMX_ROLE_TO, NULL);
	const struct addr *here, *there;

	d->add.new = number_of(x, d->a, new, 0);
	here = addr_of(x, d->a, d->add.new);
	if (!here)
		return MMX_UNKNOWN_ADDRESS;
	d->add.to = number_of(x, other(d->a), to, here->family);
	there = addr_of(x, other(d->a), d->add.to);
	if (!there)
		return MMX_UNKNOWN_ADDRESS;
	if (here->family != there->family)
		return MMX_FAMILY;
	look_from_here(sa, x, d, here, there);
	d->binding = (struct mmx_binding){ .own = true };
	d->binding.ends[d->a] = (struct mmx_ends){ 1, { d->add.new } };
	d->binding.ends[other(d->a)] = (struct mmx_ends){ 1, { d->add.to } };
	return MMX_OK;
}

/* The interface that an endpoint of A is on, or is. */
static uint16_t iface_of(const struct mmx *x, enum mmx_owner a, const struct mmx_ep *ep)
{
	const struct mmx_iface *f = NULL;

	if (ep->flags & MMX_EP_IFID)
		return mmx_list_iface(list_of(x, a), ep->epid) ? ep->epid : 0;
	mmx_list_ep(list_of(x, a), number_of(x, a, ep, 0), &f);
	return f ? f->ifid : 0;
}

static enum mmx_status sources(const struct mmx *x, const struct mmx_action *a,
			       struct mmx_add_if *d)
{
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_SRC, ep));) {
		uint16_t ifid = iface_of(x, d->a, ep);

		if (!ifid)
			return MMX_UNKNOWN_ADDRESS;
		d->add.src[d->add.n_src++] = ifid;
	}
	if (!d->add.n_src)
		mmx_add_default_src(&d->add, list_of(x, d->a));
	return MMX_OK;
}

static bool has_family(const uint8_t *families, unsigned n, uint8_t family)
{
	for (unsigned i = 0; i < n; i++)
		if (families[i] == family)
			return true;
	return false;
}

/* Old ones are all that A has, unless it says which. Of the new ones some may be asked for: one of
 * each family of the old ones, in their order. Until they are known they are the address that no
 * selector has. */
static enum mmx_status inner(const struct mmx_action *a, const struct addr *vips, unsigned n_vips,
			     struct mmx_add_if *d)
{
	struct mmx_add *add = &d->add;
	unsigned wanted = 0;

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_INNER_OLD, ep));)
		add->inner_old[add->n_inner_old++] = ep->addr;
	for (unsigned i = 0; !mmx_next_ep(&a->tlvs, MMX_ROLE_INNER_OLD, NULL) && i < n_vips; i++)
		add->inner_old[add->n_inner_old++] = vips[i];
	for (const struct mmx_ep *ep = NULL;
	     (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_INNER_NEW, ep));) {
		if (ep->flags & MMX_EP_ASSIGN)
			wanted++;
		else
			add->inner_new[add->n_inner_new++] = ep->addr;
	}
	for (unsigned i = 0; d->n_asked < wanted && i < add->n_inner_old; i++) {
		uint8_t family = add->inner_old[i].family;

		if (has_family(d->asked, d->n_asked, family))
			continue;
		d->asked[d->n_asked++] = family;
		add->inner_new[add->n_inner_new++] = (struct addr){ .family = family };
	}
	return d->n_asked < wanted ? MMX_ADDRESS_FAILURE : MMX_OK;
}

/* What the action says, with what holds where it says nothing. */
enum mmx_status mmx_add_if_understand(const struct ike_sa *sa, const struct mmx *x,
				      const struct mmx_action *a, struct mmx_add_if *d)
{
	bool we_are_a = d->a == mmx_we(sa);
	const struct mmx_tlv *only = mmx_next(&a->tlvs, MMX_TLV_SEL, NULL);
	enum mmx_status status;

	d->add = (struct mmx_add){ .a = d->a, .parallel = a->flags & MMX_ACTION_PARALLEL };
	if (only)
		d->add.only = only->sel.spis;
	status = endpoints(sa, x, a, d);
	if (status == MMX_OK)
		status = sources(x, a, d);
	if (status == MMX_OK)
		status = inner(a, we_are_a ? sa->own_vips : sa->peer_vips,
			       we_are_a ? sa->n_own_vips : sa->n_peer_vips, d);
	return status;
}

/* ---- what comes of it ---- */

/* Both ends have the same SAs and the same parents if it is the same. */
static int digest(struct mmx_add_if *d, const struct mmx_born_view *v, const uint32_t *order,
		  size_t n_order)
{
	struct mmx_sa_entry *all = calloc(v->n + 1, sizeof(*all));
	uint32_t *parents = calloc(n_order + 1, sizeof(*parents));
	size_t n = 0;
	int ret = all && parents ? 0 : -ENOMEM;

	for (size_t i = 0; !ret && i < v->n; i++) {
		const struct mmx_child *c = &v->all[i];

		if (child_in_use(v->c[i]))
			all[n++] = (struct mmx_sa_entry){ c->protocol, c->transport, c->spi_a,
							  c->spi_b };
	}
	for (size_t i = 0; !ret && i < n_order; i++)
		parents[i] = v->all[order[i]].spi_a;
	if (!ret)
		ret = mmx_parents_digest(&d->keys, all, n, parents, n_order, d->digest);
	d->n_parents = (uint16_t)n_order;
	free(parents);
	free(all);
	return ret;
}

static void born_clear(struct ike *ike, struct mmx_add_if *d)
{
	for (size_t i = 0; d->born && i < d->n; i++) {
		struct child_sa *c = d->born[i].c;

		if (!c)
			continue;
		if (c->spi_in)
			ike->env.spi_free(ike->env.ctx, c->spi_in);
		child_free(c);
	}
	free(d->born);
	free(d->spis);
	d->born = NULL;
	d->spis = NULL;
	d->n = 0;
}

void mmx_add_if_free(struct ike *ike, struct mmx_add_if *d)
{
	if (!d)
		return;
	born_clear(ike, d);
	mmx_keys_clear(&d->keys);
	free(d);
}

/* May it have a child of its own? last: whose configuration was looked at before. */
static enum mmx_status parent_check(const struct ike_sa *sa, const struct mmx *x,
				    const struct child_sa *c, const struct ike_child_cfg **last,
				    uint16_t *ret_detail)
{
	const struct ike_child_cfg *cfg = conn_child(sa->conn, c->name);

	if (c->mode == CHILD_TRANSPORT && !(x->deal.caps & MMX_CAP_TRANSPORT))
		return MMX_UNSUPPORTED;
	if (!cfg) { /* its configuration is gone: what there is stays */
		*ret_detail = MMX_POLICY_ADMIN;
		return MMX_LOCAL_POLICY;
	}
	if (cfg != *last && suite_needs_ke(cfg->proposals, cfg->n_proposals)) {
		*ret_detail = MMX_POLICY_STRONGER;
		return MMX_LOCAL_POLICY;
	}
	*last = cfg;
	return MMX_OK;
}

/* What the peer's identity may have here, then what is protected here, as for any other SA. */
static enum mmx_status policies(const struct ike_sa *sa, const struct child_deal *d)
{
	struct ike_ts ts[IKE_TS_MAX];
	uint8_t n;

	ts_remote(sa, d->cfg, ts, &n);
	if (!ts_all_within(d->ts_remote, d->n_ts_remote, ts, n))
		return MMX_PAD_DENIED;
	ts_local(sa, d->cfg, ts, &n);
	return ts_all_within(d->ts_local, d->n_ts_local, ts, n) ? MMX_OK : MMX_SPD_MISMATCH;
}

/* All that it has from its parent. */
static void deal_of(const struct ike_sa *sa, const struct mmx_add_if *a,
		    const struct mmx_child *parent, const struct child_sa *c,
		    struct child_deal *ret)
{
	bool we_are_a = a->a == mmx_we(sa);

	ret->cfg = conn_child(sa->conn, c->name);
	ret->suite = c->suite;
	ret->mode = c->mode;
	ret->no_tfc = c->no_tfc;
	ret->n_ts_local = c->n_ts_local;
	ret->n_ts_remote = c->n_ts_remote;
	mmx_derive_ts(parent, &a->add, we_are_a ? ret->ts_local : ret->ts_remote,
		      we_are_a ? ret->ts_remote : ret->ts_local);
}

/* The object without its peer's SPI, which is not told yet, and with an SPI of ours. It goes no
 * later than its parent would. */
static enum mmx_status bear(struct ike *ike, struct ike_sa *sa, struct mmx_add_if *a,
			    const struct mmx_child *parent, const struct child_sa *c, bool check,
			    struct child_deal *deal)
{
	struct mmx_born *b = &a->born[a->n];
	enum mmx_status status = MMX_OK;

	deal_of(sa, a, parent, c, deal);
	if (c->mode == CHILD_TRANSPORT)
		status = mmx_transport_check(sa, c, &a->binding, &a->detail, &a->renegotiate);
	else if (a->a != mmx_we(sa) && !(check && a->n_asked))
		status = policies(sa, deal);
	if (status != MMX_OK || check)
		return status;
	b->parent_a = parent->spi_a;
	b->parent_b = parent->spi_b;
	b->c = child_new(ike, sa, deal);
	if (!b->c)
		return MMX_BUSY;
	a->n++;
	if (c->rekey_at < b->c->rekey_at)
		b->c->rekey_at = c->rekey_at;
	if (c->ends_at < b->c->ends_at)
		b->c->ends_at = c->ends_at;
	if (a->given.len) {
		b->c->spi_in = mmx_spi(a->given, a->n - 1);
	} else if (ike->env.spi_alloc(ike->env.ctx, &b->c->spi_in)) {
		b->c->spi_in = 0;
		return MMX_BUSY;
	}
	return MMX_OK;
}

/* Enough room for them? limit_max: of one action. */
enum mmx_status mmx_add_if_limits(const struct ike *ike, const struct ike_sa *sa,
				  struct mmx_add_if *a, size_t n, uint16_t limit_max)
{
	unsigned there = family_children(ike, sa->family), max = child_sas_max(sa);
	unsigned room = there < max ? max - there : 0;

	if (n <= limit_max && n <= room)
		return MMX_OK;
	a->limit = room < limit_max ? (uint16_t)room : limit_max;
	return MMX_TOO_MANY;
}

enum mmx_status mmx_add_if_bear(struct ike *ike, struct ike_sa *sa, const struct mmx *x,
				struct mmx_add_if *a, const struct mmx_born_view *v,
				const struct mmx_chosen *ch, bool check)
{
	const struct ike_child_cfg *cfg = NULL;
	struct child_deal *deal = calloc(1, sizeof(*deal));
	enum mmx_status status = MMX_OK;
	struct wr w;

	a->born = calloc(ch->n + 1, sizeof(*a->born));
	a->spis = malloc(4 * ch->n + 1);
	if (!deal || !a->born || !a->spis)
		status = MMX_BUSY;
	for (size_t i = 0; status == MMX_OK && i < ch->n; i++)
		status = parent_check(sa, x, v->c[ch->order[i]], &cfg, &a->detail);
	for (size_t i = 0; status == MMX_OK && i < ch->n; i++)
		status = bear(ike, sa, a, &v->all[ch->order[i]], v->c[ch->order[i]], check, deal);
	w = wr_init(a->spis, 4 * ch->n);
	for (size_t i = 0; status == MMX_OK && i < a->n; i++)
		wr_u32(&w, a->born[i].c->spi_in);
	free(deal);
	return status;
}

enum mmx_status mmx_add_if_choose(struct mmx_add_if *a, const struct mmx *x,
				  const struct mmx_born_view *v, struct mmx_chosen *ret)
{
	enum mmx_status status;

	ret->n = 0;
	ret->order = calloc(v->n + 1, sizeof(*ret->order));
	if (!ret->order)
		return MMX_BUSY;
	status = mmx_derive_parents(v->all, v->n, &a->add, list_of(x, a->a), ret->order, &ret->n);
	if (status == MMX_OK && digest(a, v, ret->order, ret->n))
		status = MMX_BUSY;
	return status;
}

struct mmx_add_if *mmx_add_if_new(const struct ike_sa *sa, enum mmx_owner a)
{
	struct mmx_add_if *d = calloc(1, sizeof(*d));
	struct secret sk_d;
	int ret;

	if (!d)
		return NULL;
	d->a = a;
	ret = secret_set(&sk_d, sa->keys.sk_d.b, sa->keys.sk_d.len);
	if (!ret)
		ret = mmx_keys_init(&d->keys, sa->suite.prf, &sk_d);
	secret_clear(&sk_d);
	if (!ret)
		return d;
	free(d);
	return NULL;
}

int mmx_add_if_install(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_add_if *a)
{
	struct mmx_shared *s = mmx_shared_get(&x->table, &a->binding);
	struct child_deal deal = { .initiator = a->a == mmx_we(sa),
				   .deferred = a->a != mmx_we(sa) };
	struct child_sa_out out;
	uint8_t keymat[CHILD_KEYMAT_MAX];
	int ret = s ? 0 : -ENOMEM;
	uint32_t told = s ? mmx_tell(ike, sa, s) : 0;

	memset(&out, 0, sizeof(out));
	for (size_t i = 0; !ret && i < a->n; i++) {
		struct child_sa *c = a->born[i].c;
		struct mmx_derived d = {
			.j = (uint32_t)i + 1,
			.protocol = PROTO_ESP,
			.parent_spi_a = a->born[i].parent_a,
			.parent_spi_b = a->born[i].parent_b,
			.spi_a = deal.initiator ? c->spi_in : c->spi_out,
			.spi_b = deal.initiator ? c->spi_out : c->spi_in,
		};
		size_t len = child_keymat_octets(&c->suite);

		deal.cfg = conn_child(sa->conn, c->name);
		deal.no_tfc = c->no_tfc;
		deal.binding = s;
		ret = len && deal.cfg ? mmx_keymat(&a->keys, &d, keymat, len) : -EINVAL;
		if (!ret)
			ret = child_add(ike, sa, &deal, c, keymat, told, &out);
		if (ret)
			break;
		s->refs++;
		a->born[i].c = NULL;
		a->born[i].id = c->id;
	}
	secret_wipe(&out, sizeof(out));
	secret_wipe(keymat, sizeof(keymat));
	mmx_shared_put(&x->table, s, 1);
	return ret;
}

bool mmx_add_if_peer_spis(struct mmx_add_if *d, const struct mmx_tlvs *tlvs, bool of_a)
{
	const struct mmx_tlv *t = mmx_next(tlvs, MMX_TLV_SPIS, NULL);

	if (t && mmx_spi_count(t->spis) != d->n)
		return false;
	for (size_t i = 0; i < d->n; i++) {
		struct mmx_born *b = &d->born[i];
		uint32_t j = (uint32_t)i + 1;

		if (t)
			b->c->spi_out = mmx_spi(t->spis, i);
		else if (of_a ? mmx_spi_a(&d->keys, j, b->parent_a, &b->c->spi_out)
			      : mmx_spi_b(&d->keys, j, b->parent_b, &b->c->spi_out))
			return false;
		if (b->c->spi_out < ESP_SPI_MIN)
			return false;
	}
	return true;
}
