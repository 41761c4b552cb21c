/* SPDX-License-Identifier: GPL-2.0-only */
/* class "NAME" { }: traffic classes, what belongs to them and how it goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ipwords.h"
#include "conf_impl.h"
#include "steer/plan.h"

enum { MSEC = 1000 };
#define HOUR_USEC   (3600 * USEC_PER_SEC)
#define MINUTE_USEC (60 * USEC_PER_SEC)

/* ---- match { }: a rule ---- */

static int match_dscp(struct parse *p, const struct sec *s, struct class_rule *rule)
{
	if (sec_empty(s, "dscp"))
		return conf_fail(
			p, s->file, s->line,
			"found dscp with nothing in it, expected ef, af41, cs5 or 0 to 63");
	for (size_t i = 0; i < sec_count(s, "dscp"); i++) {
		const struct val *v = sec_nth(s, "dscp", i);
		int n = dscp_parse(v->text);

		if (n < 0)
			return val_fail(p, v, "found \"%.60s\", expected ef, af41, cs5 or 0 to 63",
					v->text);
		rule->dscp |= UINT64_C(1) << n;
	}
	return 0;
}

static int match_prefix(struct parse *p, const struct val *v, struct addr *ret, uint8_t *ret_len)
{
	struct addr a, first, last;
	uint8_t len;

	if (!v)
		return 0;
	if (addr_parse_prefix(v->text, &a, &len) < 0)
		return val_fail(p, v, "found \"%.60s\", expected an address or a prefix", v->text);
	addr_prefix_range(&a, len, &first, &last);
	*ret = first;
	*ret_len = len;
	return 0;
}

/* 0 would be any, and of IPv6 it is a header that is stepped over. */
static int match_protocol(struct parse *p, const struct val *v, uint8_t *ret)
{
	int r = val_protocol(p, v, ret);

	if (r < 0 || !v || *ret)
		return r;
	return val_fail(p, v, "found protocol 0, expected another one, or none for any");
}

static int match_ports(struct parse *p, const struct val *v, uint8_t protocol, uint16_t ret[2])
{
	if (!v)
		return 0;
	if (!protocol_has_ports(protocol))
		return val_fail(p, v, "found ports, expected protocol = tcp, udp or sctp as well");
	return val_ports(p, v, &ret[0], &ret[1]);
}

static int match_mark(struct parse *p, const struct val *v, struct class_rule *rule)
{
	unsigned long long mark, mask = UINT32_MAX;
	char *end;

	if (!v)
		return 0;
	errno = 0;
	mark = strtoull(v->text, &end, 0);
	if (*end == '/' && end != v->text)
		mask = strtoull(end + 1, &end, 0);
	if (v->text[0] < '0' || v->text[0] > '9' || *end || errno || mark > UINT32_MAX || !mask ||
	    mask > UINT32_MAX || mark & ~mask)
		return val_fail(p, v, "found \"%.60s\", expected a mark as 0x10 or 0x10/0xff",
				v->text);
	rule->mark = (uint32_t)mark;
	rule->mark_mask = (uint32_t)mask;
	return 0;
}

static int match_cgroup(struct parse *p, const struct val *v, struct class_rule *rule)
{
	const char *t;

	if (!v)
		return 0;
	t = v->text + strspn(v->text, "/");
	if (!*t || strstr(t, "..") || strlen(t) >= sizeof(rule->cgroup))
		return val_fail(p, v,
				"found \"%.60s\", expected a control group as "
				"system.slice/sip.service, below the mount of cgroup2",
				v->text);
	strcpy(rule->cgroup, t);
	return 0;
}

static int build_rule(struct parse *p, const struct sec *s, uint8_t klass)
{
	struct classes_cfg *all = &p->conf->classes;
	struct class_rule *rule = &all->rules[all->n_rules];
	int r;

	if (all->n_rules == CLASS_RULES_MAX)
		return conf_fail(p, s->file, s->line,
				 "found more than %d sections match, expected fewer",
				 CLASS_RULES_MAX);
	*rule = (struct class_rule){
		.klass = klass,
		.local_port = { 0, UINT16_MAX },
		.remote_port = { 0, UINT16_MAX },
		.line = (unsigned)s->line,
	};
	r = match_dscp(p, s, rule);
	if (r == 0)
		r = match_protocol(p, sec_get(s, "protocol"), &rule->protocol);
	if (r == 0)
		r = match_ports(p, sec_get(s, "local_port"), rule->protocol, rule->local_port);
	if (r == 0)
		r = match_ports(p, sec_get(s, "remote_port"), rule->protocol, rule->remote_port);
	if (r == 0)
		r = match_prefix(p, sec_get(s, "local"), &rule->local, &rule->local_len);
	if (r == 0)
		r = match_prefix(p, sec_get(s, "remote"), &rule->remote, &rule->remote_len);
	if (r == 0 && rule->local.family && rule->remote.family &&
	    rule->local.family != rule->remote.family)
		r = val_fail(p, sec_get(s, "remote"),
			     "found local and remote of two IP versions, expected one");
	if (r == 0)
		r = match_mark(p, sec_get(s, "mark"), rule);
	if (r == 0)
		r = match_cgroup(p, sec_get(s, "cgroup"), rule);
	all->n_rules += r == 0;
	return r;
}

static int build_rules(struct parse *p, const struct sec *s, uint8_t klass)
{
	size_t n = sec_count(s, "match");
	int r = 0;

	if (!klass && n)
		return conf_fail(p, s->file, s->line,
				 "found match in class \"default\", which is for what no other is "
				 "for, expected none");
	if (klass && !n)
		return conf_fail(p, s->file, s->line,
				 "found class \"%s\" without match, expected at least one",
				 s->name);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct sec match = sec_sub(s, "match", i);

		r = build_rule(p, &match, klass);
	}
	return r;
}

/* ---- which uplinks ---- */

static int where(struct parse *p, const struct val *v, struct class_where *ret)
{
	unsigned kind = UPLINK_ANY;

	for (size_t i = 0; i < p->conf->n_uplinks; i++) {
		if (strcmp(p->conf->uplinks[i].name, v->text))
			continue;
		strcpy(ret->name, v->text);
		return 0;
	}
	for (size_t i = 1; conf_kind_words[i]; i++)
		if (!strcmp(conf_kind_words[i], v->text))
			kind = (unsigned)i;
	if (kind == UPLINK_ANY)
		return val_fail(p, v,
				"found \"%.60s\", expected the name of an uplink, or wlan, ran, "
				"wired or satellite",
				v->text);
	ret->kind = (uint8_t)kind;
	return 0;
}

static int wheres(struct parse *p, const struct sec *s, const char *key,
		  struct class_where list[CLASS_LIST_MAX], uint8_t *ret_n)
{
	size_t n = sec_count(s, key);
	int r = 0;

	if (n > CLASS_LIST_MAX)
		return val_fail(p, sec_nth(s, key, CLASS_LIST_MAX),
				"found %zu values of \"%s\", expected at most %d", n, key,
				CLASS_LIST_MAX);
	for (size_t i = 0; i < n && r == 0; i++)
		r = where(p, sec_nth(s, key, i), &list[i]);
	*ret_n = (uint8_t)n;
	return r;
}

/* ---- how ---- */

static int build_sla(struct parse *p, const struct sec *class, struct class_cfg *c)
{
	struct sec s = sec_sub(class, "sla", 0);

	return conf_build_sla(p, &s, &c->sla);
}

/* What another mode would not look at is a mistake. */
static int only_with(struct parse *p, const struct sec *s, const struct class_cfg *c,
		     enum class_mode mode, const char *key)
{
	const struct val *v = sec_get(s, key);

	if (!v || c->mode == mode)
		return 0;
	return val_fail(p, v, "found %s beside mode = %s, expected mode = %s", key,
			conf_mode_words[c->mode], conf_mode_words[mode]);
}

static int section_only_with(struct parse *p, const struct sec *s, const struct class_cfg *c,
			     enum class_mode mode, const char *kind)
{
	struct sec sub = sec_sub(s, kind, 0);

	if (!sub.cfg || c->mode == mode)
		return 0;
	return conf_fail(p, sub.file, sub.line, "found %s beside mode = %s, expected mode = %s",
			 kind, conf_mode_words[c->mode], conf_mode_words[mode]);
}

static int build_balance(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	static const char *const words[] = { "configured", "measured", NULL };
	unsigned weights = 0;
	int r = only_with(p, s, c, CLASS_BALANCE, "weights");

	if (r == 0)
		r = val_word(p, sec_get(s, "weights"), words, &weights);
	c->weights_measured = weights;
	return r;
}

static int build_overflow(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	uint64_t percent = c->mode == CLASS_PRIORITY ? 80 : 0;
	int r = only_with(p, s, c, CLASS_PRIORITY, "overflow");

	if (r == 0)
		r = val_uint(p, sec_get(s, "overflow"), 0, 100, &percent);
	c->overflow_permille = (uint16_t)(percent * 10);
	return r;
}

static int build_delay(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	uint64_t percent = 10, usec = MSEC;
	int r = only_with(p, s, c, CLASS_DELAY, "delay_percent");

	if (r == 0)
		r = only_with(p, s, c, CLASS_DELAY, "delay_margin");
	if (r == 0)
		r = val_uint(p, sec_get(s, "delay_percent"), 0, 90, &percent);
	if (r == 0)
		r = val_duration(p, sec_get(s, "delay_margin"), 0, MINUTE_USEC, &usec);
	c->delay_percent = (uint8_t)percent;
	c->delay_usec = (uint32_t)usec;
	return r;
}

static int build_copies(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	struct sec when = sec_sub(s, "copies_when", 0);
	uint64_t copies = 2, percent = 0, jitter = 0;
	int r = only_with(p, s, c, CLASS_REDUNDANT, "copies");

	if (r == 0)
		r = section_only_with(p, s, c, CLASS_REDUNDANT, "copies_when");
	if (r == 0)
		r = val_uint(p, sec_get(s, "copies"), 2, STEER_MEMBERS_MAX, &copies);
	if (r == 0)
		r = val_uint(p, sec_get(&when, "loss"), 1, 99, &percent);
	if (r == 0)
		r = val_duration(p, sec_get(&when, "jitter"), MSEC, MINUTE_USEC, &jitter);
	if (r == 0 && when.cfg && !percent && !jitter)
		r = conf_fail(p, when.file, when.line,
			      "found copies_when without a limit, expected loss or jitter");
	c->copies = (uint8_t)copies;
	c->copies_loss_permille = (uint32_t)percent * 10;
	c->copies_jitter_usec = (uint32_t)jitter;
	return r;
}

static int build_reorder(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	struct sec reorder = sec_sub(s, "reorder", 0);
	const uint64_t most = STEER_PATIENCE_MAX * STEER_PATIENCE_USEC;
	uint64_t usec = most;
	int r = section_only_with(p, s, c, CLASS_BOND, "reorder");

	if (r == 0)
		r = val_duration(p, sec_get(&reorder, "time"), STEER_PATIENCE_USEC, most, &usec);
	c->reorder_usec = (uint32_t)usec;
	return r;
}

const char *const conf_mode_words[] = {
	[CLASS_BALANCE] = "balance",
	[CLASS_STANDBY] = "active-standby",
	[CLASS_PRIORITY] = "priority",
	[CLASS_DELAY] = "smallest-delay",
	[CLASS_REDUNDANT] = "redundant",
	[CLASS_BOND] = "bond",
	[CLASS_MODES] = NULL,
};

static int build_mode(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	unsigned mode = CLASS_BALANCE;
	int r = val_word(p, sec_get(s, "mode"), conf_mode_words, &mode);

	c->mode = (enum class_mode)mode;
	if (r == 0)
		r = build_balance(p, s, c);
	if (r == 0)
		r = build_overflow(p, s, c);
	if (r == 0)
		r = build_delay(p, s, c);
	if (r == 0)
		r = build_copies(p, s, c);
	return r < 0 ? r : build_reorder(p, s, c);
}

static int build_policy(struct parse *p, const struct sec *s, struct class_cfg *c)
{
	uint64_t hold = 2 * USEC_PER_SEC;
	int r = c->mode == CLASS_DELAY && sec_get(s, "prefer")
			? val_fail(p, sec_get(s, "prefer"),
				   "found prefer beside mode = smallest-delay, which goes by the "
				   "delay alone; expected another mode, or never")
			: 0;

	if (r == 0)
		r = wheres(p, s, "prefer", c->prefer, &c->n_prefer);
	if (r == 0)
		r = wheres(p, s, "never", c->never, &c->n_never);
	if (r == 0)
		r = val_bool(p, sec_get(s, "never_metered"), &c->never_metered);
	if (r == 0)
		r = val_bool(p, sec_get(s, "only_trusted"), &c->only_trusted);
	if (r == 0)
		r = val_duration(p, sec_get(s, "hold"), 0, HOUR_USEC, &hold);
	c->hold_usec = (uint32_t)hold;
	return r < 0 ? r : build_sla(p, s, c);
}

/* What is not said is as the class itself has it. */
static int build_ask(struct parse *p, const struct sec *class, const struct class_cfg *c,
		     struct class_ask *ask)
{
	struct sec s = sec_sub(class, "ask", 0);
	uint64_t copies = c->mode == CLASS_REDUNDANT ? c->copies : 2;
	unsigned mode = c->mode;
	const struct val *v = sec_get(&s, "copies");
	int r = val_word(p, sec_get(&s, "mode"), conf_mode_words, &mode);

	ask->wanted = s.cfg != NULL;
	ask->mode = (enum class_mode)mode;
	if (r == 0 && v && ask->mode != CLASS_REDUNDANT)
		r = val_fail(p, v, "found copies beside mode = %s, expected mode = redundant",
			     conf_mode_words[mode]);
	if (r == 0)
		r = val_uint(p, v, 2, STEER_MEMBERS_MAX, &copies);
	ask->copies = ask->mode == CLASS_REDUNDANT ? (uint8_t)copies : 0;
	if (r == 0 && sec_get(&s, "prefer"))
		return wheres(p, &s, "prefer", ask->prefer, &ask->n_prefer);
	ask->n_prefer = c->n_prefer;
	memcpy(ask->prefer, c->prefer, sizeof(ask->prefer));
	return r;
}

/* ---- all of it ---- */

static int build_class(struct parse *p, const struct sec *s, size_t i)
{
	struct classes_cfg *all = &p->conf->classes;
	bool first = !strcmp(s->name, "default");
	struct class_cfg *c;
	uint8_t klass = 0;
	char name[IKE_NAME_MAX];
	int r = conf_title(p, s, name);

	(void)i;
	if (r < 0)
		return r;
	if (strlen(s->name) >= CLASS_NAME_MAX)
		return conf_fail(p, s->file, s->line,
				 "found a name of %zu characters, expected at most %d",
				 strlen(s->name), CLASS_NAME_MAX - 1);
	if (!first && all->n_classes == STEER_CLASSES)
		return conf_fail(p, s->file, s->line,
				 "found more than %d sections class besides \"default\", expected "
				 "fewer",
				 STEER_CLASSES - 1);
	if (!first)
		klass = all->n_classes;
	c = &all->classes[klass];
	strcpy(c->name, s->name);
	r = build_rules(p, s, klass);
	if (r == 0)
		r = build_mode(p, s, c);
	if (r == 0)
		r = build_policy(p, s, c);
	if (r == 0)
		r = build_ask(p, s, c, &all->asks[klass]);
	if (first)
		all->default_given = true;
	else
		all->n_classes++;
	return r;
}

int conf_build_classes(struct parse *p)
{
	p->conf->classes.n_classes = 1;
	strcpy(p->conf->classes.classes[0].name, "default");
	return conf_each(p, "class", STEER_CLASSES, build_class);
}

static uint8_t number_of(const struct classes_cfg *all, const char *name)
{
	for (uint8_t k = 1; k < all->n_classes; k++)
		if (!strcmp(all->classes[k].name, name))
			return k;
	return 0;
}

/* One that meant nothing before, if there is any. */
static uint8_t number_free(const struct classes_cfg *before, const bool taken[STEER_CLASSES])
{
	uint8_t free = 0;

	for (uint8_t k = STEER_CLASSES - 1; k; k--)
		if (!taken[k] &&
		    (!free || !before->classes[k].name[0] || before->classes[free].name[0]))
			free = k;
	return free;
}

void conf_keep_classes(struct conf *c, const struct conf *before)
{
	struct classes_cfg *all = &c->classes, was = *all;
	bool taken[STEER_CLASSES] = { true };
	uint8_t to[STEER_CLASSES] = { 0 };

	for (uint8_t k = 1; k < was.n_classes; k++) {
		to[k] = number_of(&before->classes, was.classes[k].name);
		taken[to[k]] = true;
		memset(&all->classes[k], 0, sizeof(all->classes[k]));
		memset(&all->asks[k], 0, sizeof(all->asks[k]));
	}
	for (uint8_t k = 1; k < was.n_classes; k++) {
		if (!to[k])
			to[k] = number_free(&before->classes, taken);
		taken[to[k]] = true;
		all->classes[to[k]] = was.classes[k];
		all->asks[to[k]] = was.asks[k];
		if (all->n_classes <= to[k])
			all->n_classes = (uint8_t)(to[k] + 1);
	}
	for (size_t i = 0; i < was.n_rules; i++)
		all->rules[i].klass = to[was.rules[i].klass];
}

/* By what the configuration says: an uplink that names no kind may be of any. */
static bool goes_nowhere(const struct conf *conf, const struct class_cfg *c)
{
	for (size_t i = 0; i < conf->n_uplinks; i++) {
		const struct conf_uplink *u = &conf->uplinks[i];
		const struct plan_path p = {
			.uplink = u->name,
			.kind = (uint8_t)u->kind,
			.metered = u->metered,
			.trusted = u->trusted,
		};
		enum plan_why why;

		if (plan_may(c, &p, &why))
			return false;
	}
	return true;
}

static int warn_nowhere(struct parse *p, const struct sec *s, void *ctx)
{
	const struct classes_cfg *all = &p->conf->classes;

	(void)ctx;
	for (size_t i = 0; i < all->n_classes; i++)
		if (!strcmp(all->classes[i].name, s->name) &&
		    goes_nowhere(p->conf, &all->classes[i]))
			conf_warn(
				p, s->file, s->line,
				"class \"%s\" goes nowhere: never, never_metered and "
				"only_trusted leave it none of the uplinks; what belongs to it is "
				"dropped",
				s->name);
	return 0;
}

/* Bonding puts its numbers behind inner packets, where tunnel mode has room for them. */
static int check_bond(struct parse *p, const struct sec *s, void *ctx)
{
	const struct ike_conn_cfg *conn = ctx;
	const struct classes_cfg *all = &p->conf->classes;

	for (size_t i = 0; i < all->n_classes; i++)
		if (!strcmp(all->classes[i].name, s->name) && all->classes[i].mode == CLASS_BOND)
			return val_fail(
				p, sec_get(s, "mode"),
				"found mode = bond, which needs tunnel mode, and connection "
				"\"%s\" has a child in another one; expected another mode, "
				"or steering = false there",
				conn->name);
	return 0;
}

/* grant = all, none, or classes by name. */
static int check_grant(struct parse *p, const struct sec *s, void *ctx)
{
	struct ike_conn_cfg *conn = ctx;
	size_t n = strcmp(conn->name, s->name) ? 0 : sec_count(s, "grant");

	if (n && conn->mmx == IKE_MMX_NO)
		return val_fail(p, sec_get(s, "grant"),
				"found grant, which is for peers that ask by the multi-interface "
				"extension, expected mmx = yes beside it");
	for (size_t i = 0; i < n; i++) {
		const struct val *v = sec_nth(s, "grant", i);
		const struct classes_cfg *all = &p->conf->classes;
		bool is_default = !strcmp(v->text, "default") && all->default_given;

		if (n == 1 && (!strcmp(v->text, "all") || !strcmp(v->text, "none"))) {
			conn->grant_all = v->text[0] == 'a';
			return 0;
		}
		if (!is_default && !number_of(all, v->text))
			return val_fail(p, v,
					"found \"%.60s\", expected the name of a class, or all or "
					"none",
					v->text);
		if (conn->n_grants == IKE_GRANTS_MAX)
			return val_fail(p, v, "found more than %d classes, expected fewer",
					IKE_GRANTS_MAX);
		strcpy(conn->grants[conn->n_grants++], v->text);
	}
	return 0;
}

int conf_check_classes(struct parse *p)
{
	for (size_t i = 0; i < p->conf->ike.n_conns; i++) {
		struct ike_conn_cfg *c = &p->conf->ike.conns[i];
		bool transport = false;
		int r = 0;

		for (size_t k = 0; k < c->n_children; k++)
			transport |= c->children[k].mode != CHILD_TUNNEL;
		if (transport && c->steering)
			r = secs_each(p, "class", check_bond, c);
		if (r == 0)
			r = secs_each(p, "connection", check_grant, c);
		if (r < 0)
			return r;
	}
	return secs_each(p, "class", warn_nowhere, NULL);
}
