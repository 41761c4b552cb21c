/* SPDX-License-Identifier: GPL-2.0-only */
/* Several lines of IKE SAs may have SAs with the same selectors, one for each path (RFC 7791): each
 * carries what goes over the paths of its line. The choice is the classifier's, before the kernel
 * looks for an SA (bpf/lib/lines.h): by a packet's remote address it finds the group of paths of
 * one of these SAs, which has the main paths of all their lines (esp/siblings.h), by its flow the
 * path, and by that the line, which the policies ask for (policy.h). Here it is told which prefixes
 * these are; where there is one line only, nothing. At the end that is not I of the family it notes
 * by which SPI, and so which line, a flow comes, for what answers it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/lines.h"
#include "base/log.h"
#include "dp/dp.h"
#include "kesp_impl.h"

/* A prefix, as SAs with some selectors have it. Others may have the same one: the group of any of
 * them is told, and of one family all are as good. */
struct remote {
	struct hash_node by_prefix;
	struct addr addr;
	uint8_t len;
	uint32_t reqid; /* whose it is */
	struct line_group to;
};

static uint64_t key_of(const struct addr *a, uint8_t len)
{
	return hash_octets(a->b, sizeof(a->b)) * 3 + ((uint64_t)a->family << 8 | len);
}

/* reqid 0: of any. */
static struct remote *find(const struct kesp *k, const struct addr *a, uint8_t len, uint32_t reqid)
{
	hash_for_each (it, tmp, &k->remotes, key_of(a, len)) {
		struct remote *r = hash_entry(it, struct remote, by_prefix);

		if ((!reqid || r->reqid == reqid) && r->len == len && addr_equal(&r->addr, a))
			return r;
	}
	return NULL;
}

static void complain(struct kesp *k, const char *what, int err)
{
	if (!k->lines_failed)
		log_warning("SAs with the same selectors: %s: %s", what, strerror(-err));
	k->lines_failed = true;
}

static void tell(struct kesp *k, const struct remote *r)
{
	int err = dp_line_remote_put(k->opt.dp, &r->addr, r->len, &r->to);

	if (err)
		complain(k, "the youngest carries what is for all of them", err);
}

static void remote_put(struct kesp *k, const struct xfrm_sel *sel, uint32_t reqid,
		       const struct line_group *to)
{
	struct remote *r = find(k, &sel->dst, sel->dst_len, reqid);

	if (r && r->to.group == to->group && r->to.flags == to->flags)
		return;
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r) {
			complain(k, "the youngest carries what is for all of them", -ENOMEM);
			return;
		}
		r->addr = sel->dst;
		r->len = sel->dst_len;
		r->reqid = reqid;
		hash_add(&k->remotes, &r->by_prefix, key_of(&r->addr, r->len));
	}
	r->to = *to;
	tell(k, r);
}

static void remote_del(struct kesp *k, const struct xfrm_sel *sel, uint32_t reqid)
{
	struct remote *r = find(k, &sel->dst, sel->dst_len, reqid), *other;

	if (!r)
		return;
	hash_remove(&k->remotes, &r->by_prefix);
	other = find(k, &r->addr, r->len, 0);
	if (other)
		tell(k, other);
	else
		dp_line_remote_del(k->opt.dp, &r->addr, r->len);
	free(r);
}

static void tell_spi(struct kesp *k, struct kesp_sa *s, bool want)
{
	int err = 0;

	if (s->told_spi == want)
		return;
	if (want)
		err = dp_line_spi_put(k->opt.dp, k->ifindex, s->r.sa.spi_in, s->r.sa.line);
	else
		dp_line_spi_del(k->opt.dp, s->r.sa.spi_in);
	if (err)
		complain(k, "answers do not follow what they answer", err);
	else
		s->told_spi = want;
}

/* The youngest that sends, of several lines that do; NULL: there are not several. */
static const struct kesp_sa *youngest(const struct kesp *k, const struct engine_sa *sa)
{
	const struct kesp_sa *best = NULL;
	bool several = false;

	hash_for_each (it, tmp, &k->by_selectors, record_selectors_key(sa)) {
		const struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_selectors);

		if (!s->sends || !s->r.sa.line || sa_direct(s) ||
		    !record_same_selectors(&s->r.sa, sa))
			continue;
		several |= best && best->r.sa.line != s->r.sa.line;
		if (!best || best->r.order < s->r.order)
			best = s;
	}
	return several ? best : NULL;
}

static void follow(struct kesp *k, const struct sa_record *of)
{
	const struct kesp_sa *best = youngest(k, &of->sa);
	const bool follows = best && !(best->r.sa.flags & ENGINE_SA_ROLE_I);
	const struct line_group to = { best ? best->r.sa.group : 0, follows ? LINE_FOLLOWS : 0 };
	struct xfrm_sel sel[RECORD_SELECTORS_MAX];
	int n = record_selectors(&of->sa, sel);

	hash_for_each (it, tmp, &k->by_selectors, record_selectors_key(&of->sa)) {
		struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_selectors);

		if (record_same_selectors(&s->r.sa, &of->sa))
			tell_spi(k, s, follows);
	}
	for (int i = 0; i < n; i++) {
		if (best)
			remote_put(k, &sel[i], of->reqid, &to);
		else
			remote_del(k, &sel[i], of->reqid);
	}
}

void lines_follow(struct kesp *k, struct kesp_sa *s)
{
	if (k->opt.dp && s->r.sa.line && !sa_direct(s))
		follow(k, &s->r);
}

void lines_leave(struct kesp *k, struct kesp_sa *s)
{
	hash_remove(&k->by_selectors, &s->by_selectors);
	if (!k->opt.dp)
		return;
	tell_spi(k, s, false);
	lines_follow(k, s);
}

static void remote_free(struct hash_node *n)
{
	free(hash_entry(n, struct remote, by_prefix));
}

void lines_forget(struct kesp *k)
{
	hash_empty(&k->remotes, remote_free);
}

/* ---- after a restart ---- */

static bool keep_remote(void *ctx, const struct addr *remote, uint8_t len)
{
	return find(ctx, remote, len, 0);
}

static bool keep_spi(void *ctx, uint32_t spi)
{
	struct kesp *k = ctx;

	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct kesp_sa *s = sa_by_spi(k, family, spi);

		if (s && s->told_spi)
			return true;
	}
	return false;
}

void lines_settle(struct kesp *k)
{
	if (k->opt.dp)
		dp_lines_sweep(k->opt.dp, keep_remote, keep_spi, k);
}
