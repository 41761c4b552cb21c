/* SPDX-License-Identifier: GPL-2.0-only */
/* An SA: its record, its states in the kernel and its policies, which come and go together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"
#include "base/log.h"
#include "base/secret.h"
#include "dp/dp.h"
#include "kesp_impl.h"

enum { SAS_MAX = 65536 };
enum { DEFER_SEC = 10, SIBLING_SEC = 1 };

/* Without ESN sequence numbers end, and time is needed to do something about it. */
enum { SEQ_RESERVE = 1u << 27 };
#define SEQ_LAST UINT32_MAX

/* ---- finding ---- */

struct kesp_sa *sa_find(const struct kesp *k, uint32_t id)
{
	struct hash_node *n = hash_find(&k->by_id, id);

	return n ? hash_entry(n, struct kesp_sa, by_id) : NULL;
}

uint64_t sa_spi_key(uint8_t family, uint32_t spi)
{
	return (uint64_t)family << 32 | spi;
}

struct kesp_sa *sa_by_spi(const struct kesp *k, uint8_t family, uint32_t spi)
{
	struct hash_node *n = hash_find(&k->by_spi_in, sa_spi_key(family, spi));

	return n ? hash_entry(n, struct kesp_sa, by_spi_in) : NULL;
}

const struct addr *sa_dst(const struct kesp *k, const struct kesp_sa *s, bool out)
{
	return out ? stable_remote(k, s->r.sa.family, s->r.remote)
		   : stable_local(k, s->r.sa.family);
}

static bool is_direct(const struct engine_sa *sa)
{
	return sa->flags & ENGINE_SA_DIRECT;
}

bool sa_direct(const struct kesp_sa *s)
{
	return is_direct(&s->r.sa);
}

struct policies *sa_policies(struct kesp *k, const struct kesp_sa *s)
{
	return sa_direct(s) ? &k->direct : &k->policies;
}

struct kesp_sa *sa_of_state(const struct kesp *k, const struct addr *dst, uint32_t spi,
			    bool *ret_out)
{
	*ret_out = !addr_equal(dst, stable_local(k, dst->family));
	if (!*ret_out)
		return sa_by_spi(k, dst->family, spi);
	hash_for_each (it, tmp, &k->by_spi_out, sa_spi_key(dst->family, spi)) {
		struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_spi_out);

		if (addr_equal(dst, sa_dst(k, s, true)))
			return s;
	}
	return NULL;
}

struct kesp_sa *sa_sibling(const struct kesp *k, const struct engine_sa *sa, enum sa_stage stage,
			   bool any_line)
{
	struct kesp_sa *best = NULL;

	hash_for_each (it, tmp, &k->by_selectors, record_selectors_key(sa)) {
		struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_selectors);

		if (s->r.sa.id != sa->id && s->r.stage == stage &&
		    (any_line || s->r.sa.line == sa->line) &&
		    (!s->r.sa.cpu || s->r.sa.cpu == sa->cpu) &&
		    (stage == SA_DEFERRED || s->has_out) && record_same_selectors(&s->r.sa, sa) &&
		    (!best || best->r.order < s->r.order))
			best = s;
	}
	return best;
}

static uint32_t new_reqid(struct kesp *k, const struct engine_sa *sa)
{
	uint32_t n = k->next_reqid++;

	return is_direct(sa) ? xfrm_direct_reqid(k->if_id, n) : n;
}

/* SAs with the same selectors share their place in the policies: inbound states all of them,
 * outbound ones those of one line of IKE SAs, so that each line has a policy of its own, and to one
 * address, for that is the policy's. */
static void share_reqids(struct kesp *k, struct sa_record *r)
{
	hash_for_each (it, tmp, &k->by_selectors, record_selectors_key(&r->sa)) {
		const struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_selectors);

		if (!record_same_selectors(&s->r.sa, &r->sa) || sa_direct(s) != is_direct(&r->sa))
			continue;
		r->reqid = s->r.reqid;
		if (s->r.sa.line == r->sa.line && s->r.remote == r->remote)
			r->reqid_out = s->r.reqid_out;
	}
	if (!r->reqid)
		r->reqid = new_reqid(k, &r->sa);
	if (!r->reqid_out)
		r->reqid_out = new_reqid(k, &r->sa);
}

/* ---- the kernel's states ---- */

static uint64_t at_most(uint64_t limit, uint64_t max)
{
	return limit && limit < max ? limit : max;
}

static void limit_packets(struct engine_sa *sa)
{
	if (sa->flags & ENGINE_SA_ESN)
		return;
	sa->soft_packets = at_most(sa->soft_packets, SEQ_LAST - SEQ_RESERVE);
	sa->hard_packets = at_most(sa->hard_packets, SEQ_LAST);
}

static uint32_t window(const struct engine_sa *sa)
{
	if (sa->flags & ENGINE_SA_NO_REPLAY)
		return 0;
	return sa->replay_window && sa->replay_window < XFRM_REPLAY_MAX ? sa->replay_window
									: XFRM_REPLAY_MAX;
}

static int state_add(struct kesp *k, const struct sa_record *r, bool out)
{
	const struct engine_sa *sa = &r->sa;
	struct xfrm_sa x = {
		.spi = out ? sa->spi_out : sa->spi_in,
		.reqid = out ? r->reqid_out : r->reqid,
		.if_id = is_direct(sa) ? 0 : k->if_id,
		.flags = (out ? XFRM_F_OUT : 0) | (sa->flags & ENGINE_SA_ESN ? XFRM_F_ESN : 0) |
			 (sa->flags & ENGINE_SA_DSCP_OUT ? 0 : XFRM_F_NO_DSCP_OUT) |
			 (sa->flags & ENGINE_SA_DSCP_IN ? XFRM_F_DSCP_IN : 0) |
			 (sa->flags & ENGINE_SA_DF_CLEAR ? XFRM_F_DF_CLEAR : 0),
		.src = out ? *stable_local(k, sa->family) : *stable_remote(k, sa->family, 0),
		.dst = out ? *stable_remote(k, sa->family, r->remote)
			   : *stable_local(k, sa->family),
		.encr_id = sa->encr_id,
		.key_bits = sa->key_bits,
		.integ_id = sa->integ_id,
		.key_len = sa->key_len,
		.integ_len = sa->integ_len,
		.replay_window = out ? 0 : window(sa),
		.soft_octets = sa->soft_octets,
		.hard_octets = sa->hard_octets,
		.soft_packets = sa->soft_packets,
		.hard_packets = sa->hard_packets,
		.key = out ? sa->key_out : sa->key_in,
		.integ = out ? sa->integ_out : sa->integ_in,
	};

	if (out) {
		x.mark = STEER_MARK_INDEX(sa->mark);
		/* no classifier has been there: what else is in a mark is the application's */
		x.mark_mask = is_direct(sa) ? UINT32_MAX : STEER_MARK(0, 0, UINT32_MAX);
		x.cpu = (uint16_t)sa->cpu;
	}
	if (sa->flags & ENGINE_SA_TRANSPORT) {
		x.flags |= XFRM_F_BEET;
		x.inner_src = (out ? sa->ts_local : sa->ts_remote)[0].first;
		x.inner_dst = (out ? sa->ts_remote : sa->ts_local)[0].first;
	}
	return xfrm_sa_add(k->x, &x);
}

static void add_count(struct sa_count *sum, const struct sa_count *c)
{
	sum->octets += c->octets;
	sum->packets += c->packets;
	sum->replay += c->replay;
	sum->duplicates += c->duplicates;
	sum->integrity_failed += c->integrity_failed;
}

static void state_del(struct kesp *k, struct kesp_sa *s, bool out)
{
	uint32_t spi = out ? s->r.sa.spi_out : s->r.sa.spi_in;
	struct xfrm_sa_info i;

	if (!xfrm_sa_get(k->x, sa_dst(k, s, out), spi, &i))
		poll_take(out ? &s->out : &s->in, &i);
	xfrm_sa_del(k->x, sa_dst(k, s, out), spi);
}

/* By the keys of r. */
static int out_add(struct kesp *k, struct kesp_sa *s, const struct sa_record *r)
{
	int err = state_add(k, r, true);

	s->has_out = !err;
	if (err == -EEXIST)
		log_warning("%s: the kernel has an SA with the SPI %08x to the stable address "
			    "already, which is not ours",
			    r->sa.name, r->sa.spi_out);
	return err;
}

int sa_out_add(struct kesp *k, struct kesp_sa *s)
{
	int err = out_add(k, s, &s->r);

	if (!err)
		sa_sends(k, s, true);
	return err;
}

void sa_out_del(struct kesp *k, struct kesp_sa *s)
{
	sa_sends(k, s, false);
	if (s->has_out)
		state_del(k, s, true);
	s->has_out = false;
}

/* ---- records and tables ---- */

int sa_save(struct kesp *k, const struct kesp_sa *s)
{
	char name[16];

	record_name(s->r.sa.id, name);
	return sealed_write(&k->images, name, NULL, 0, &s->r, sizeof(s->r));
}

static struct kesp_sa *sa_new(struct kesp *k, const struct sa_record *r)
{
	struct kesp_sa *s = calloc(1, sizeof(*s));
	const struct engine_sa *sa = &r->sa;

	if (!s)
		return NULL;
	s->r = *r;
	list_init(&s->waiting);
	list_append(&k->sas, &s->node);
	hash_add(&k->by_id, &s->by_id, sa->id);
	hash_add(&k->by_spi_in, &s->by_spi_in, sa_spi_key(sa->family, sa->spi_in));
	hash_add(&k->by_spi_out, &s->by_spi_out, sa_spi_key(sa->family, sa->spi_out));
	hash_add(&k->by_selectors, &s->by_selectors, record_selectors_key(sa));
	if (sa->group)
		hash_add(&k->by_group, &s->by_group, sa->group);
	k->n_sas++;
	stable_used(k, r, 1);
	kesp_look(k);
	return s;
}

void sa_forget(struct kesp *k, struct kesp_sa *s)
{
	add_count(&k->gone_in, &s->in);
	add_count(&k->gone_out, &s->out);
	hash_remove(&k->by_id, &s->by_id);
	hash_remove(&k->by_spi_in, &s->by_spi_in);
	hash_remove(&k->by_spi_out, &s->by_spi_out);
	hash_remove(&k->by_selectors, &s->by_selectors);
	hash_remove(&k->by_group, &s->by_group);
	list_remove(&s->node);
	list_remove(&s->waiting);
	record_wipe_keys(&s->r);
	stable_used(k, &s->r, -1);
	free(s);
	k->n_sas--;
}

struct policy_to sa_policy_to(const struct kesp *k, const struct kesp_sa *s)
{
	const struct engine_sa *sa = &s->r.sa;

	return (struct policy_to){ .reqid = s->r.reqid,
				   .local = *stable_local(k, sa->family),
				   .remote = *stable_remote(k, sa->family, 0),
				   .remote_out = *stable_remote(k, sa->family, s->r.remote),
				   .beet = sa->flags & ENGINE_SA_TRANSPORT,
				   .reqid_out = s->r.reqid_out,
				   .line = sa_direct(s) ? 0 : STEER_LINE(sa->line) };
}

static int policies_of(struct kesp *k, const struct kesp_sa *s, bool take)
{
	struct xfrm_sel sel[RECORD_SELECTORS_MAX];
	struct policy_to to = sa_policy_to(k, s);
	int n = record_selectors(&s->r.sa, sel);

	if (n < 0)
		return n;
	if (take)
		return policies_take(sa_policies(k, s), sel, (size_t)n, &to);
	policies_drop(sa_policies(k, s), sel, (size_t)n, to.reqid_out);
	return 0;
}

/* Before the outbound state goes, after it came: policies lead to states that are there. */
void sa_sends(struct kesp *k, struct kesp_sa *s, bool on)
{
	struct xfrm_sel sel[RECORD_SELECTORS_MAX];
	int n;

	if (s->sends == on)
		return;
	s->sends = on;
	n = record_selectors(&s->r.sa, sel);
	if (n > 0)
		policies_sender(sa_policies(k, s), sel, (size_t)n, s->r.reqid_out, on);
	/* else CPUs that have used the one for all go on with it: it is kept with the policy */
	if (n > 0 && on && s->r.sa.cpu)
		policies_again(sa_policies(k, s), sel, (size_t)n, s->r.reqid_out);
	lines_follow(k, s);
}

/* ---- adding ---- */

static bool several(const struct engine_ts *t)
{
	return !addr_equal(&t->first, &t->last);
}

static bool overlap(const struct engine_ts *a, const struct engine_ts *b)
{
	return a->first.family == b->first.family && addr_cmp(&a->first, &b->last) <= 0 &&
	       addr_cmp(&b->first, &a->last) <= 0;
}

/* Without XFRM interfaces policies are for what comes in by any device: what goes between local
 * networks would be theirs, where remote ones take those in. And what this host sends by IPv6 is
 * looked up before its device is known. */
static bool plain_carries(const struct engine_sa *sa)
{
	if (sa->flags & ENGINE_SA_TRANSPORT)
		return false;
	for (uint32_t i = 0; i < sa->n_ts_local; i++) {
		if (sa->ts_local[i].first.family != 4)
			return false;
		for (uint32_t k = 0; k < sa->n_ts_remote; k++)
			if (several(&sa->ts_local[i]) && several(&sa->ts_remote[k]) &&
			    overlap(&sa->ts_local[i], &sa->ts_remote[k]))
				return false;
	}
	return true;
}

static int check(const struct kesp *k, const struct engine_sa *req)
{
	if (!k->configured)
		return -ENOTCONN;
	if (!req->id || req->n_ts_local > ENGINE_TS_MAX || req->n_ts_remote > ENGINE_TS_MAX ||
	    req->key_len > ENGINE_KEY_MAX || req->integ_len > ENGINE_KEY_MAX ||
	    (req->family != 4 && req->family != 6) || !stable_local(k, req->family)->family ||
	    req->name[sizeof(req->name) - 1])
		return -EINVAL;
	if (sa_find(k, req->id) || sa_by_spi(k, req->family, req->spi_in))
		return -EEXIST;
	if (k->opt.plain && !plain_carries(req))
		return -EOPNOTSUPP;
	return k->n_sas < SAS_MAX ? ts_check(req) : -ENOSPC;
}

/* What else sends in its place meanwhile? Else there is nothing to wait for. */
static bool defers(const struct kesp *k, const struct engine_sa *req)
{
	return req->flags & ENGINE_SA_DEFER_OUT && sa_sibling(k, req, SA_ACTIVE, true);
}

static struct kesp_sa *first_of_group(const struct kesp *k, uint32_t group)
{
	struct hash_node *n = group ? hash_find(&k->by_group, group) : NULL;

	return n ? hash_entry(n, struct kesp_sa, by_group) : NULL;
}

/* BY_PATH only ends by ENGINE_GROUP_ENCAP. */
static uint32_t encap_of(const struct kesp *k, const struct engine_sa *req)
{
	const struct kesp_sa *s = first_of_group(k, req->group);

	if (s && s->r.encap == ENGINE_ENCAP_BY_PATH)
		return ENGINE_ENCAP_BY_PATH;
	return req->flags & ENGINE_SA_ENCAP ? ENGINE_ENCAP_UDP : ENGINE_ENCAP_NONE;
}

static int wrap(struct kesp *k, const struct kesp_sa *s)
{
	static const uint8_t flags[] = {
		[ENGINE_ENCAP_NONE] = 0,
		[ENGINE_ENCAP_UDP] = STEER_SA_WRAP,
		[ENGINE_ENCAP_BY_PATH] = STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH,
	};

	return k->opt.dp ? dp_sa_wrap(k->opt.dp, s->r.sa.id, flags[s->r.encap]) : 0;
}

/* With IPv6 policies would catch the search for neighbours (RFC 4861), too. */
static bool may_be_direct(const struct engine_sa *req)
{
	return is_direct(req) && req->flags & ENGINE_SA_TRANSPORT && req->family == 4 &&
	       req->ts_local[0].first.family == 4;
}

static void record_of(struct kesp *k, const struct engine_sa *req, uint32_t remote,
		      struct sa_record *r)
{
	*r = (struct sa_record){
		.version = RECORD_VERSION,
		.stage = defers(k, req) ? SA_DEFERRED : SA_ACTIVE,
		.encap = encap_of(k, req),
		.remote = remote,
		.order = k->next_order++,
		.sa = *req,
	};
	r->sa.h = (struct engine_hdr){ 0 };
	if (!may_be_direct(req))
		r->sa.flags &= ~(uint32_t)ENGINE_SA_DIRECT;
	if (k->opt.plain)
		r->sa.flags |= ENGINE_SA_DIRECT;
	share_reqids(k, r);
	limit_packets(&r->sa);
	r->sa.flags &= ~(uint32_t)(ENGINE_SA_SOFT_HIT | ENGINE_SA_HARD_HIT);
}

/* The record first, without what the kernel is given now; inbound before policies, for the peer may
 * send already. */
static int install(struct kesp *k, struct kesp_sa *s, const struct sa_record *r)
{
	bool deferred = r->stage == SA_DEFERRED;
	int err = sa_save(k, s);

	if (err)
		return err;
	err = ts_show(k, &r->sa);
	if (!err)
		err = state_add(k, r, false);
	if (err)
		goto no_in;
	if (!deferred)
		err = out_add(k, s, r);
	if (!err)
		err = policies_of(k, s, true);
	if (err)
		goto no_policy;
	err = wrap(k, s);
	if (!err) {
		await_shown(k, s);
		sa_sends(k, s, !deferred);
		return 0;
	}
	policies_of(k, s, false);
no_policy:
	sa_out_del(k, s);
	state_del(k, s, false);
no_in:
	ts_hide(k, &r->sa);
	return err;
}

static void unsave(struct kesp *k, uint32_t id)
{
	char name[16];

	record_name(id, name);
	sealed_remove(&k->images, name);
}

static int route(struct kesp *k, const struct engine_sa *sa, uint32_t remote)
{
	const struct addr *to = stable_remote(k, sa->family, remote);
	int err = stable_route(k, sa->family, remote);
	char text[ADDR_STR];

	if (err)
		log_warning("%s: %s, where its ESP is to go, is not led to the steering device: %s",
			    sa->name, to->family ? addr_format(to, text) : "an address",
			    err == -EEXIST ? "it is this host's own, or has a route elsewhere"
			    : err == -EADDRNOTAVAIL ? "there is none after the stable pair"
						    : strerror(-err));
	return err;
}

int sa_add(struct kesp *k, const struct engine_sa *req)
{
	struct sa_record r;
	struct kesp_sa *s;
	uint32_t remote;
	int err = check(k, req);

	if (err)
		return err;
	err = stable_choose(k, req, &remote);
	if (err)
		log_warning("%s: the peer has chosen the SPI %08x, as %d others have, and the "
			    "kernel has no place for more",
			    req->name, req->spi_out, STABLE_REMOTES);
	if (!err)
		err = route(k, req, remote);
	if (err)
		return err;
	record_of(k, req, remote, &r);
	s = sa_new(k, &r);
	if (!s) {
		record_wipe_keys(&r);
		return -ENOMEM;
	}
	secret_wipe(s->r.sa.key_in, sizeof(s->r.sa.key_in));
	secret_wipe(s->r.sa.integ_in, sizeof(s->r.sa.integ_in));
	if (r.stage != SA_DEFERRED)
		record_wipe_keys(&s->r);
	err = install(k, s, &r);
	record_wipe_keys(&r);
	if (err) {
		unsave(k, req->id);
		sa_forget(k, s);
		return err;
	}
	if (r.stage == SA_DEFERRED)
		rekey_defer(k, s,
			    kesp_now() + (req->replaces ? DEFER_SEC : SIBLING_SEC) * USEC_PER_SEC);
	else
		rekey_done(k, s);
	sa_group_encap(k, req->group, r.encap);
	sa_group_room(k, req->group, req->room);
	return 0;
}

static void reqid_used(struct kesp *k, const struct kesp_sa *s, uint32_t reqid)
{
	uint32_t n = sa_direct(s) ? reqid & XFRM_DIRECT_N : reqid;

	if (k->next_reqid <= n)
		k->next_reqid = n + 1;
}

/* Of the time when there were XFRM interfaces, or there were none: the kernel is another. */
static bool of_other_times(const struct kesp *k, const struct engine_sa *sa)
{
	return k->opt.plain ? !is_direct(sa) : is_direct(sa) && !(sa->flags & ENGINE_SA_TRANSPORT);
}

struct kesp_sa *sa_restore(struct kesp *k, const struct sa_record *r)
{
	struct kesp_sa *s;

	if (of_other_times(k, &r->sa)) {
		unsave(k, r->sa.id);
		return NULL;
	}
	s = sa_find(k, r->sa.id) ? NULL : sa_new(k, r);
	if (s && policies_of(k, s, true)) {
		sa_forget(k, s);
		return NULL;
	}
	if (!s)
		return NULL;
	route(k, &s->r.sa, r->remote); /* the device may be another one */
	await_shown(k, s);
	reqid_used(k, s, r->reqid);
	reqid_used(k, s, r->reqid_out);
	if (k->next_order <= r->order)
		k->next_order = r->order + 1;
	return s;
}

/* ---- changing and removing ---- */

/* The kernel is never without an outbound state that another can send on. */
static void stop_sending(struct kesp *k, struct kesp_sa *s)
{
	if (s->has_out && s->r.stage == SA_ACTIVE)
		rekey_heir(k, s);
	sa_out_del(k, s);
}

/* Policies first: from then on its packets are dropped, and are never in clear. */
void sa_remove(struct kesp *k, struct kesp_sa *s)
{
	uint32_t id = s->r.sa.id;

	policies_of(k, s, false);
	stop_sending(k, s);
	state_del(k, s, false);
	ts_hide(k, &s->r.sa);
	unsave(k, id);
	lines_leave(k, s);
	sa_forget(k, s);
	k->room_dirty = true;
}

int sa_del(struct kesp *k, uint32_t id)
{
	struct kesp_sa *s = sa_find(k, id);

	if (!s)
		return -ENOENT;
	sa_remove(k, s);
	return 0;
}

/* Policies stay: what is under way is checked against them. */
int sa_retire(struct kesp *k, uint32_t id)
{
	struct kesp_sa *s = sa_find(k, id);

	if (!s)
		return -ENOENT;
	stop_sending(k, s);
	list_remove(&s->waiting);
	record_wipe_keys(&s->r);
	s->r.stage = SA_RETIRED;
	sa_save(k, s);
	return 0;
}

static int set_encap(struct kesp *k, struct kesp_sa *s, uint32_t encap)
{
	uint32_t before = s->r.encap;
	int err;

	if (before == encap)
		return 0;
	s->r.encap = encap;
	err = wrap(k, s);
	if (!err)
		err = sa_save(k, s);
	if (err)
		s->r.encap = before;
	room_lower(k, s);
	k->room_dirty = true;
	return err;
}

int sa_group_encap(struct kesp *k, uint32_t group, uint32_t encap)
{
	int first = 0;

	if (group >= STEER_GROUPS_MAX || encap > ENGINE_ENCAP_BY_PATH)
		return -EINVAL;
	if (!group)
		return 0;
	hash_for_each (it, tmp, &k->by_group, group) {
		int err = set_encap(k, hash_entry(it, struct kesp_sa, by_group), encap);

		first = first ? first : err;
	}
	return first;
}

/* Not worth a record: a new agent tells it again. */
int sa_group_room(struct kesp *k, uint32_t group, uint32_t room)
{
	hash_for_each (it, tmp, &k->by_group, group) {
		struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_group);

		s->r.sa.room = room;
		room_lower(k, s);
	}
	k->room_dirty = true;
	return first_of_group(k, group) ? 0 : -ENOENT;
}

int sa_group(struct kesp *k, uint32_t id, uint32_t group)
{
	struct kesp_sa *s = sa_find(k, id), *other = first_of_group(k, group);
	int err;

	if (!s)
		return -ENOENT;
	if (!group || group >= STEER_GROUPS_MAX)
		return -EINVAL;
	if (s->r.sa.group == group)
		return 0;
	hash_remove(&k->by_group, &s->by_group);
	hash_add(&k->by_group, &s->by_group, group);
	s->r.sa.group = group;
	if (other) {
		s->r.sa.room = other->r.sa.room;
		s->r.encap = other->r.encap;
	}
	room_lower(k, s);
	k->room_dirty = true;
	lines_follow(k, s);
	err = wrap(k, s);
	return err ? err : sa_save(k, s);
}
