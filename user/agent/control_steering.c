/* SPDX-License-Identifier: GPL-2.0-only */
/* steering, steering-explain. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ipwords.h"
#include "steer/rules.h"
#include "control_impl.h"
#include "report_steering.h"

void control_steering(struct agent *a, struct ctl_req *req, const json_t *args)
{
	const char *name = control_arg(args, "conn");

	if (name && !control_conn_wanted(a, req, name))
		return;
	ctl_reply_data(req, json_pack("{s:o, s:o}", "rules", report_rules(a), "budgets",
				      report_budgets(a)));
	long_list_steering(a, req, name);
}

/* ---- one flow ---- */

static bool number(const json_t *args, const char *key, json_int_t most, uint32_t *ret)
{
	const json_t *v = json_object_get(args, key);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > most)
		return false;
	*ret = (uint32_t)json_integer_value(v);
	return true;
}

struct flow {
	struct addr local, remote;
	uint32_t protocol, local_port, remote_port, dscp, mark;
};

/* NULL: it is one; else what is wrong. */
static const char *flow_of(const json_t *args, struct flow *f)
{
	const char *local = control_arg(args, "local"), *remote = control_arg(args, "remote");

	*f = (struct flow){ 0 };
	if (!local || addr_parse(local, &f->local) < 0)
		return "local has to be an address";
	if (!remote || addr_parse(remote, &f->remote) < 0 || f->remote.family != f->local.family)
		return "remote has to be an address of the same IP version";
	if (!number(args, "protocol", 255, &f->protocol))
		return "protocol has to be a number from 0 to 255";
	if (!number(args, "local_port", 65535, &f->local_port) ||
	    !number(args, "remote_port", 65535, &f->remote_port))
		return "a port is a number from 0 to 65535";
	if (!number(args, "dscp", 63, &f->dscp))
		return "dscp has to be a number from 0 to 63";
	if (!number(args, "mark", UINT32_MAX, &f->mark))
		return "mark has to be a number of 32 bits";
	return NULL;
}

static void flow_text(const struct flow *f, const json_t *args, char *buf, size_t len)
{
	const char *cgroup = control_arg(args, "cgroup");
	char protocol[IPWORD_STR], dscp[IPWORD_STR], local[ADDR_PORT_STR], remote[ADDR_PORT_STR];
	struct udp_addr l = { f->local, (uint16_t)f->local_port },
			r = { f->remote, (uint16_t)f->remote_port };
	bool ports = protocol_has_ports((uint8_t)f->protocol);
	size_t n;

	n = (size_t)snprintf(buf, len, "%s %s %s", protocol_format((uint8_t)f->protocol, protocol),
			     ports ? udp_addr_format(&l, local) : addr_format(&f->local, local),
			     ports ? udp_addr_format(&r, remote) : addr_format(&f->remote, remote));
	if (n < len && f->dscp)
		n += (size_t)snprintf(buf + n, len - n, " dscp %s",
				      dscp_format((uint8_t)f->dscp, dscp));
	if (n < len && f->mark)
		n += (size_t)snprintf(buf + n, len - n, " mark 0x%x", f->mark);
	if (n < len && cgroup)
		snprintf(buf + n, len - n, " cgroup %s", cgroup);
}

/* Empty: there is nothing to note. */
static void note_cgroup(const char *cgroup, char *buf, size_t len)
{
	uint64_t ids[CLASSES_CGROUPS_MAX];
	size_t n = cgroup ? classes_cgroups(cgroup, ids) : 0;

	buf[0] = '\0';
	if (cgroup && (!n || !ids[n - 1]))
		snprintf(buf, len,
			 "there is no control group %.100s now: no rule that names it fits",
			 cgroup);
}

static uint32_t rule_of(const struct agent *a, const struct flow *f, const char *cgroup,
			uint8_t *ret_class)
{
	const struct classify_table *t = dp_classify_table(a->dp);
	struct classify_packet p = {
		.family = f->local.family,
		.protocol = (uint8_t)f->protocol,
		.dscp = (uint8_t)f->dscp,
		.has_ports = protocol_has_ports((uint8_t)f->protocol),
		.local_port = (uint16_t)f->local_port,
		.remote_port = (uint16_t)f->remote_port,
		.mark = f->mark,
	};
	uint64_t ids[CLASSES_CGROUPS_MAX];
	size_t n = cgroup ? classes_cgroups(cgroup, ids) : 0;
	uint32_t rule = CLASSIFY_NO_RULE;

	memcpy(p.local, f->local.b, sizeof(p.local));
	memcpy(p.remote, f->remote.b, sizeof(p.remote));
	*ret_class = 0;
	if (!t || a->classes_blind)
		return rule;
	rule = rules_lookup(t, &p, ids, n);
	*ret_class = rules_class(t, rule);
	return rule;
}

void control_steering_explain(struct agent *a, struct ctl_req *req, const json_t *args)
{
	struct engine_flow m = { 0 };
	struct engine_flow_info info;
	const char *wrong;
	char text[320], note[192];
	struct flow f;
	json_t *data;
	uint8_t klass;
	uint32_t rule;
	int err;

	wrong = flow_of(args, &f);
	if (wrong) {
		ctl_reply_done(req, CTL_USAGE, "%s", wrong);
		return;
	}
	rule = rule_of(a, &f, control_arg(args, "cgroup"), &klass);
	m.local = f.local;
	m.remote = f.remote;
	m.protocol = (uint8_t)f.protocol;
	m.klass = klass;
	m.local_port = (uint16_t)f.local_port;
	m.remote_port = (uint16_t)f.remote_port;
	err = engine_flow(a, &m, &info);
	if (err) {
		ctl_reply_done(req, CTL_FAILED, "the engine does not tell: %s", strerror(-err));
		return;
	}
	flow_text(&f, args, text, sizeof(text));
	data = report_flow(a, text, rule, klass, &info);
	note_cgroup(control_arg(args, "cgroup"), note, sizeof(note));
	json_object_set_new(data, "note", note[0] ? json_string(note) : json_null());
	ctl_reply_data(req, data);
	ctl_reply_done(req, CTL_OK, NULL);
}
