/* SPDX-License-Identifier: GPL-2.0-only */
/* braid steering: rules and what they caught, the classes of each relation, budgets; and where one
 * flow would go now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ipwords.h"
#include "bindings.h"
#include "report_impl.h"
#include "report_steering.h"
#include "steer.h"

/* ---- rules ---- */

struct text {
	size_t n;
	char *buf;
	size_t len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	if (t->n && t->n + 1 < t->len)
		t->buf[t->n++] = ' ';
	va_start(ap, fmt);
	if (t->n < t->len)
		t->n += (size_t)vsnprintf(t->buf + t->n, t->len - t->n, fmt, ap);
	va_end(ap);
}

static void add_dscp(struct text *t, uint64_t dscp)
{
	char word[IPWORD_STR], list[160] = "";
	size_t n = 0;

	for (unsigned i = 0; i < 64 && n < sizeof(list); i++)
		if (dscp >> i & 1)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? "," : "",
					      dscp_format((uint8_t)i, word));
	if (n)
		add(t, "dscp %s", list);
}

static void add_ports(struct text *t, const char *which, const uint16_t ports[2])
{
	if (ports[0] == ports[1])
		add(t, "%s %u", which, ports[0]);
	else if (ports[0] || ports[1] != UINT16_MAX)
		add(t, "%s %u-%u", which, ports[0], ports[1]);
}

static void add_prefix(struct text *t, const char *which, const struct addr *a, uint8_t len)
{
	char text[ADDR_STR];

	if (a->family)
		add(t, "%s %s/%u", which, addr_format(a, text), len);
}

/* As it is written in the configuration. */
static const char *match_text(const struct class_rule *r, char *buf, size_t len)
{
	struct text t = { .buf = buf, .len = len };
	char word[IPWORD_STR];

	add_dscp(&t, r->dscp);
	if (r->protocol)
		add(&t, "protocol %s", protocol_format(r->protocol, word));
	add_prefix(&t, "local", &r->local, r->local_len);
	add_ports(&t, "local_port", r->local_port);
	add_prefix(&t, "remote", &r->remote, r->remote_len);
	add_ports(&t, "remote_port", r->remote_port);
	if (r->mark_mask == UINT32_MAX)
		add(&t, "mark 0x%x", r->mark);
	else if (r->mark_mask)
		add(&t, "mark 0x%x/0x%x", r->mark, r->mark_mask);
	if (r->cgroup[0])
		add(&t, "cgroup %s", r->cgroup);
	if (!t.n)
		add(&t, "everything");
	return buf;
}

static json_t *rule_json(const struct agent *a, size_t i)
{
	const struct class_rule *r = &a->conf->classes.rules[i];
	json_t *o = json_object();
	char text[512];

	set_int(o, "number", i + 1);
	set_str(o, "class", a->conf->classes.classes[r->klass].name);
	set_str(o, "match", match_text(r, text, sizeof(text)));
	set_int(o, "line", r->line);
	return o;
}

json_t *report_rules(struct agent *a)
{
	json_t *l = json_array();

	for (size_t i = 0; i < a->conf->classes.n_rules; i++) {
		struct classify_stat stat = { 0 };
		json_t *o = rule_json(a, i);

		dp_classify_stat(a->dp, (uint32_t)i, &stat);
		set_int(o, "packets", stat.packets);
		set_int(o, "octets", stat.octets);
		json_array_append_new(l, o);
	}
	return l;
}

/* ---- classes ---- */

static const char *uplink_name(const struct agent *a, const struct path *p)
{
	return p->uplink >= 0 ? a->uplinks[p->uplink].name : NULL;
}

struct sum {
	uint64_t shares, working, packets, octets; /* working: shares of paths that work */
};

static bool works(enum steer_path_state state)
{
	return state == STEER_PATH_UP || state == STEER_PATH_DEGRADED;
}

static json_t *path_json(struct agent *a, const struct path *p, uint8_t klass, uint16_t share,
			 const char *why, struct sum *sum)
{
	struct steer_class_stat stat;
	json_t *o = json_object();

	classes_count(a, p, klass, &stat);
	set_int(o, "id", p->id);
	set_str(o, "name", p->name);
	set_str(o, "uplink", uplink_name(a, p));
	set_str(o, "state", path_state_name(p->state));
	set_int(o, "share_permille", share); /* of the sum, in a moment */
	set_int(o, "packets", stat.packets);
	set_int(o, "octets", stat.octets);
	set_or_null(o, "carries_bps", p->traffic.capacity.full_at ? p->traffic.capacity.bps : 0);
	set_str(o, "why", why);
	sum->shares += share;
	sum->working += works(p->state) ? share : 0;
	sum->packets += stat.packets;
	sum->octets += stat.octets;
	return o;
}

/* What a path that does not work was to carry goes over those that do. */
static void set_shares(struct agent *a, json_t *paths, const struct sum *sum)
{
	uint64_t all = sum->working ? sum->working : sum->shares;
	json_t *p;
	size_t i;

	json_array_foreach(paths, i, p)
	{
		uint64_t share = (uint64_t)json_integer_value(json_object_get(p, "share_permille"));
		const struct path *path =
			path_find(a, (uint32_t)json_integer_value(json_object_get(p, "id")));

		if (sum->working && path && !works(path->state))
			share = 0;
		set_int(p, "share_permille", all ? 1000 * share / all : 0);
	}
}

/* By a plan. */
static json_t *seen_json(struct agent *a, const struct steer_class *c, uint8_t klass,
			 struct sum *sum)
{
	json_t *l = json_array();

	for (uint8_t i = 0; i < c->n; i++) {
		const struct path *p = path_find(a, c->seen[i].path);

		if (p)
			json_array_append_new(
				l, path_json(a, p, klass, c->seen[i].share,
					     plan_why_text((enum plan_why)c->seen[i].why), sum));
	}
	return l;
}

/* By the record in the maps: there is no plan, flows go by weight. */
static json_t *members_json(struct agent *a, const struct steer_group *g, uint8_t klass,
			    struct sum *sum)
{
	json_t *l = json_array();

	for (uint8_t i = 0; i < g->n_members; i++) {
		const struct path *p = path_find(a, g->path[i]);
		const char *word = p ? report_standby_word(p) : NULL;

		if (p)
			json_array_append_new(l, path_json(a, p, klass, g->weight[i],
							   g->weight[i] ? "by its weight" : word,
							   sum));
	}
	return l;
}

static const char *in_force(const struct steer_group *g)
{
	static const char *const words[] = {
		[STEER_MODE_FLOW_HASH] = "flow-hash",
		[STEER_MODE_ACTIVE_STANDBY] = "active-standby",
		[STEER_MODE_REDUNDANT] = "redundant",
		[STEER_MODE_BOND] = "bond",
	};

	return g->mode < sizeof(words) / sizeof(*words) ? words[g->mode] : NULL;
}

/* "wlan-1 to ran-1: loss 4.1 % above 1.0 % for 3.0 s" */
static void set_reason(struct agent *a, json_t *o, const struct steer_class *c)
{
	const struct path *from = path_find(a, c->plan.from), *to = path_find(a, c->plan.to);
	char reason[PLAN_REASON_MAX];

	plan_reason_text(&c->plan.reason, reason);
	if (from && to && from != to)
		set(o, "why", json_sprintf("%s to %s: %s", from->name, to->name, reason));
	else
		set_str(o, "why", reason);
	set_usec(o, "since_usec", c->plan.since ? c->plan.since : USEC_NEVER);
}

static json_t *class_json(struct agent *a, const struct peer *p, const struct binding *b,
			  uint8_t klass)
{
	struct class_cfg buf;
	const struct class_cfg *cfg = asks_in_force(a, p, klass, &buf);
	const struct steer_class *c = steer_class_of(a, p, b, klass);
	struct steer_group g = { 0 };
	struct sum sum = { 0 };
	json_t *o, *paths;

	if ((klass && !cfg) || dp_group_get(a->dp, b ? b->group : p->group, klass, &g) < 0)
		return NULL;
	o = json_object();
	paths = c ? seen_json(a, c, klass, &sum) : members_json(a, &g, klass, &sum);
	set_shares(a, paths, &sum);
	set_str(o, "name", a->conf->classes.classes[klass].name);
	set_str(o, "mode", conf_mode_words[cfg ? cfg->mode : CLASS_BALANCE]);
	set_str(o, "in_force", in_force(&g));
	set_or_null(o, "copies", g.copies);
	set_or_null(o, "reorder_usec", g.patience * STEER_PATIENCE_USEC);
	set_int(o, "packets", sum.packets);
	set_int(o, "octets", sum.octets);
	if (c)
		set_reason(a, o, c);
	else
		set_str(o, "why", "no section asks for anything else");
	set(o, "paths", paths);
	return o;
}

static void relation(struct agent *a, const struct peer *p, const struct binding *b, json_t *out)
{
	json_t *o = json_object(), *classes = json_array();

	for (uint8_t k = 0; k < a->conf->classes.n_classes; k++) {
		json_t *c = class_json(a, p, b, k);

		if (c)
			json_array_append_new(classes, c);
	}
	set_str(o, "conn", p->conn);
	set_int(o, "line", p->line);
	set_int(o, "family_lines", p->family->n_lines);
	set_or_null(o, "binding", b ? b->id : 0);
	set(o, "classes", classes);
	set(o, "asks", report_asks(a, p->line));
	json_array_append_new(out, o);
}

void report_steering(struct agent *a, const struct peer *p, json_t *out)
{
	if (p->group)
		relation(a, p, NULL, out);
	list_for_each (it, &p->bindings) {
		const struct binding *b = list_entry(it, struct binding, node);

		if (b->group)
			relation(a, p, b, out);
	}
}

/* ---- budgets ---- */

json_t *report_budgets(struct agent *a)
{
	static const char *const periods[] = { NULL, "day", "week", "month" };
	json_t *l = json_array();

	for (size_t i = 0; i < a->n_uplinks; i++) {
		const struct uplink *u = &a->uplinks[i];
		const struct budget_cfg *b = &u->cfg.budget;
		uint64_t used = 0;
		json_t *o;

		if (b->period == BUDGET_NONE)
			continue;
		traffic_used(a, u, &used); /* nothing before the first look at counters */
		o = json_object();
		set_str(o, "uplink", u->name);
		set_int(o, "octets", b->octets);
		set_int(o, "used_octets", used);
		set_str(o, "period", periods[b->period]);
		set_str(o, "state",
			used >= b->octets					       ? "used up"
			: b->warn_percent && used >= b->octets / 100 * b->warn_percent ? "warned"
										       : "left");
		set_str(o, "action", b->action == BUDGET_STOP ? "stop" : "standby");
		json_array_append_new(l, o);
	}
	return l;
}

/* ---- one flow ---- */

static json_t *flow_path(const struct agent *a, const struct path *p, const char *why)
{
	json_t *o = json_object();

	set_str(o, "name", p->name);
	set_str(o, "uplink", uplink_name(a, p));
	set_str(o, "state", path_state_name(p->state));
	set_str(o, "why", why);
	return o;
}

/* In the order of the record: those with a share and in that state, until there are enough. */
static void add_further(struct agent *a, const struct steer_group *g, uint32_t first, json_t *paths,
			size_t most, enum steer_path_state state)
{
	for (uint8_t i = 0; i < g->n_members && json_array_size(paths) < most; i++) {
		const struct path *p = path_find(a, g->path[i]);

		if (p && p->id != first && p->state == state && g->weight[i])
			json_array_append_new(paths, flow_path(a, p, NULL));
	}
}

static bool listed(const json_t *paths, const char *name)
{
	const json_t *p;
	size_t i;

	json_array_foreach(paths, i, p) if (!strcmp(json_string_value(json_object_get(p, "name")),
						    name)) return true;
	return false;
}

static json_t *others(struct agent *a, const struct steer_class *c, const struct steer_group *g,
		      const json_t *paths)
{
	json_t *l = json_array();

	for (uint8_t i = 0; c && i < c->n; i++) {
		const struct path *o = path_find(a, c->seen[i].path);
		bool carries = g->mode == STEER_MODE_FLOW_HASH && c->seen[i].why == PLAN_CARRIES;

		if (o && !listed(paths, o->name))
			json_array_append_new(
				l,
				flow_path(a, o,
					  carries ? "other flows go there"
						  : plan_why_text((enum plan_why)c->seen[i].why)));
	}
	for (uint8_t i = 0; !c && i < g->n_members; i++) {
		const struct path *o = path_find(a, g->path[i]);

		if (o && !listed(paths, o->name))
			json_array_append_new(l, flow_path(a, o,
							   g->weight[i] ? "other flows go there"
									: report_standby_word(o)));
	}
	return l;
}

static void set_path(struct agent *a, const struct peer *p, const struct child *child,
		     uint8_t klass, const struct engine_flow_info *f, json_t *o)
{
	const struct binding *b = child->binding;
	const struct steer_class *c = steer_class_of(a, p, b, klass);
	const struct path *path = path_find(a, f->path);
	json_t *paths = json_array();
	struct steer_group g = { 0 };

	if (dp_group_get(a->dp, b ? b->group : p->group, klass, &g) < 0)
		dp_group_get(a->dp, b ? b->group : p->group, 0, &g);
	if (path)
		json_array_append_new(paths, flow_path(a, path, path->why));
	if (path && g.mode == STEER_MODE_REDUNDANT) { /* as pick_copy (abi/pick.h) */
		add_further(a, &g, f->path, paths, g.copies, STEER_PATH_UP);
		add_further(a, &g, f->path, paths, g.copies, STEER_PATH_DEGRADED);
	} else if (!path && g.mode == STEER_MODE_BOND) {
		add_further(a, &g, 0, paths, STEER_MEMBERS_MAX, STEER_PATH_UP);
	}
	if (!json_array_size(paths))
		set_str(o, "why", "no path of the class can be used");
	else if (c)
		set_reason(a, o, c);
	else
		set(o, "why", json_sprintf("slot %u of the flow table is this path's", f->slot));
	set(o, "others", others(a, c, &g, paths));
	set(o, "paths", paths);
}

json_t *report_flow(struct agent *a, const char *flow, uint32_t rule, uint8_t klass,
		    const struct engine_flow_info *f)
{
	const struct child *child = NULL;
	struct class_cfg buf;
	const struct class_cfg *cfg;
	struct peer *p = NULL;
	json_t *o = json_object();
	char spi[16];

	child = f->sa_id ? agent_child_find(a, f->sa_id, &p) : NULL;
	cfg = child ? asks_in_force(a, p, klass, &buf) : &a->conf->classes.classes[klass];
	set_str(o, "flow", flow);
	set(o, "rule", rule < a->conf->classes.n_rules ? rule_json(a, rule) : NULL);
	set_str(o, "class", a->conf->classes.classes[klass].name);
	set_str(o, "mode", conf_mode_words[cfg ? cfg->mode : CLASS_BALANCE]);
	if (!child) {
		set_str(o, "why",
			f->blocked ? "it is blocked: a transport SA with these selectors has gone"
				   : "no policy covers it: it is not carried");
		return o;
	}
	snprintf(spi, sizeof(spi), "%08x", child->spi_out);
	set_str(o, "conn", p->conn);
	set_str(o, "child", child->name);
	set_str(o, "spi_out", spi);
	set_int(o, "slot", f->slot);
	set_path(a, p, child, klass, f, o);
	return o;
}
