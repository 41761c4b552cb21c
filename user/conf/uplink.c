/* SPDX-License-Identifier: GPL-2.0-only */
/* uplink "NAME" { }: one interface, or every one that a pattern or a kind names. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "conf_impl.h"

static bool is_pattern(const char *interface)
{
	return strpbrk(interface, "*?[") != NULL;
}

bool conf_uplink_many(const struct conf_uplink *u)
{
	return !u->interface[0] || is_pattern(u->interface);
}

static bool fits(const struct conf_uplink *u, const char *interface, enum uplink_kind kind)
{
	for (size_t i = 0; i < u->n_exclude; i++)
		if (!fnmatch(u->exclude[i], interface, 0))
			return false;
	return u->interface[0] ? !fnmatch(u->interface, interface, 0)
			       : kind != UPLINK_ANY && u->kind == kind;
}

const struct conf_uplink *conf_uplink_of(const struct conf *c, const char *interface,
					 enum uplink_kind kind)
{
	for (size_t i = 0; i < c->n_uplinks; i++)
		if (!conf_uplink_many(&c->uplinks[i]) &&
		    !strcmp(c->uplinks[i].interface, interface))
			return &c->uplinks[i];
	for (size_t i = 0; i < c->n_uplinks; i++)
		if (conf_uplink_many(&c->uplinks[i]) && fits(&c->uplinks[i], interface, kind))
			return &c->uplinks[i];
	return NULL;
}

/* ---- reading ---- */

const char *const conf_kind_words[] = {
	[UPLINK_ANY] = "any",	  [UPLINK_WLAN] = "wlan",	    [UPLINK_RAN] = "ran",
	[UPLINK_WIRED] = "wired", [UPLINK_SATELLITE] = "satellite", [UPLINK_SATELLITE + 1] = NULL,
};

static int build_exclude(struct parse *p, const struct sec *s, struct conf_uplink *u)
{
	size_t n = sec_count(s, "exclude");
	int r = 0;

	if (n && !conf_uplink_many(u))
		return val_fail(p, sec_nth(s, "exclude", 0),
				"found exclude beside interface \"%s\", expected a pattern or a "
				"kind alone",
				u->interface);
	if (n > CONF_EXCLUDE_MAX)
		return val_fail(p, sec_nth(s, "exclude", CONF_EXCLUDE_MAX),
				"found %zu values of \"exclude\", expected at most %d", n,
				CONF_EXCLUDE_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = val_device(p, sec_nth(s, "exclude", i), u->exclude[i]);
	u->n_exclude = (uint8_t)n;
	return r;
}

/* What an earlier uplink takes, none is left of for this one. */
static int check_taken(struct parse *p, const struct sec *s, const struct conf_uplink *u,
		       const struct conf_uplink *before)
{
	const struct val *at = sec_get(s, u->interface[0] ? "interface" : "kind");

	if (strcmp(before->interface, u->interface) || before->n_exclude)
		return 0;
	if (u->interface[0])
		return val_fail(p, at, "found \"%s\", which is uplink \"%s\" already", u->interface,
				before->name);
	if (before->kind == u->kind)
		return val_fail(p, at, "found \"%s\", all of which is uplink \"%s\" already",
				at->text, before->name);
	return 0;
}

static int build_which(struct parse *p, const struct sec *s, struct conf_uplink *u)
{
	unsigned kind = UPLINK_ANY;
	int r = val_device(p, sec_get(s, "interface"), u->interface);

	if (r == 0)
		r = val_word(p, sec_get(s, "kind"), conf_kind_words, &kind);
	if (r < 0)
		return r;
	if (u->interface[0] &&
	    (!strcmp(u->interface, p->conf->tun) || !strcmp(u->interface, p->conf->steer)))
		return val_fail(p, sec_get(s, "interface"),
				"found \"%s\", a device of braid's own, expected another one",
				u->interface);
	u->kind = (enum uplink_kind)kind;
	if (!u->interface[0] && (kind == UPLINK_ANY || kind == UPLINK_SATELLITE))
		return conf_fail(p, s->file, s->line,
				 "found uplink \"%s\" without interface, expected it, or kind = "
				 "wlan, ran or wired",
				 s->name);
	return build_exclude(p, s, u);
}

int conf_build_uplink(struct parse *p, const struct sec *s, size_t i)
{
	struct conf *c = p->conf;
	struct conf_uplink *u = &c->uplinks[i];
	uint64_t weight = 1, preference = 0, cost = 0, mtu = 0;
	int r = conf_title(p, s, u->name);

	if (r == 0)
		r = build_which(p, s, u);
	if (r == 0)
		r = val_uint(p, sec_get(s, "weight"), 1, 65535, &weight);
	if (r == 0)
		r = val_uint(p, sec_get(s, "preference"), 0, 65535, &preference);
	if (r == 0)
		r = val_uint(p, sec_get(s, "cost"), 0, 65535, &cost);
	if (r == 0)
		r = val_bool(p, sec_get(s, "metered"), &u->metered);
	if (r == 0)
		r = val_addr(p, sec_get(s, "gateway"), 0, &u->gateway);
	if (r == 0)
		r = val_uint(p, sec_get(s, "mtu"), 576, 9216, &mtu);
	if (r == 0)
		r = conf_build_quality(p, s, u);
	if (r == 0)
		r = conf_build_budget(p, s, u);
	for (size_t k = 0; k < i && r == 0; k++)
		r = check_taken(p, s, u, &c->uplinks[k]);
	u->weight = (uint16_t)weight;
	u->preference = (uint16_t)preference;
	u->cost = (uint16_t)cost;
	u->mtu = (uint32_t)mtu;
	c->n_uplinks = (uint8_t)(i + 1);
	return r;
}
