/* SPDX-License-Identifier: GPL-2.0-only */
/* What is decided about paths, for log and events: a line each that explains it. Who saw the
 * reason, from which state to which, how long the former one had lasted, how long nothing of the
 * peer had come. Events are always sent; of the log lines a peer has its share, however its paths
 * flap. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"

enum { LINES_BURST = 50 };
#define LINES_INTERVAL (10 * USEC_PER_SEC)

static const char *const seers[] = {
	[BY_NETLINK] = "netlink", [BY_ENGINE] = "engine",     [BY_PROBES] = "probes",
	[BY_PEER] = "peer",	  [BY_OPERATOR] = "operator", [BY_IKE] = "ike",
	[BY_AGENT] = "agent",
};

const char *decided_by_name(enum decided_by by)
{
	return seers[by];
}

static void say(struct peer *p, const char *text)
{
	uint32_t suppressed = 0;

	if (!log_limit_ok(&p->lines, agent_now(), LINES_BURST, LINES_INTERVAL, &suppressed))
		return;
	if (suppressed)
		log_info("%s: %s (%u lines of this kind left out before)", p->conn, text,
			 suppressed);
	else
		log_info("%s: %s", p->conn, text);
}

void decision_publish(struct agent *a, json_t *o, const struct decision *d)
{
	if (!o)
		return;
	json_object_set_new(o, "by", json_string(seers[d->by]));
	if (d->from)
		json_object_set_new(o, "from", json_string(d->from));
	if (d->to)
		json_object_set_new(o, "to", json_string(d->to));
	if (d->lasted)
		json_object_set_new(o, "lasted_usec", json_integer((json_int_t)d->lasted));
	if (d->silent)
		json_object_set_new(o, "silent_usec", json_integer((json_int_t)d->silent));
	control_publish(a, o);
}

/* "0.31 s", "2 m 11 s": short ones exactly, as they are what a detection takes. */
static const char *span(usec_t t, char buf[32])
{
	unsigned long long sec = t / USEC_PER_SEC;

	if (sec < 60)
		snprintf(buf, 32, "%.3f s", (double)t / USEC_PER_SEC);
	else if (sec < 3600)
		snprintf(buf, 32, "%llu m %llu s", sec / 60, sec % 60);
	else
		snprintf(buf, 32, "%llu h %llu m", sec / 3600, sec / 60 % 60);
	return buf;
}

static const char *uplink_name(const struct agent *a, const struct path *p)
{
	return p->uplink >= 0 ? a->uplinks[p->uplink].name : NULL;
}

void path_decided(struct agent *a, struct path *p, enum ctl_event kind, const struct decision *d)
{
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR], lasted[32], silent[32], text[512];
	const char *now = kind == CTL_EV_PATH_REMOVED ? "removed" : path_state_name(p->state);
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "path %s (%s to %s) %s: %s (%s", p->name,
			     udp_addr_format(&p->local, from), udp_addr_format(&p->remote, to), now,
			     p->why, seers[d->by]);
	if (d->silent && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "; nothing heard for %s",
				      span(d->silent, silent));
	if (d->from && d->lasted && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "; was %s for %s", d->from,
				      span(d->lasted, lasted));
	if (n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ")");
	say(p->peer, text);
	decision_publish(a,
			 control_event_new(a, kind, p->peer->conn, NULL, p->name, uplink_name(a, p),
					   path_state_name(p->state), p->why, text),
			 d);
}

void path_said(struct agent *a, struct path *p, enum ctl_event kind, enum decided_by by,
	       const char *what)
{
	const struct decision d = { .by = by };
	char text[320];

	snprintf(text, sizeof(text), "path %s %s (%s)", p->name, what, seers[by]);
	say(p->peer, text);
	decision_publish(a,
			 control_event_new(a, kind, p->peer->conn, NULL, p->name, uplink_name(a, p),
					   path_state_name(p->state), what, text),
			 &d);
}

void relation_moves(struct agent *a, struct peer *p, const char *what, const struct decision *d,
		    const char *why)
{
	char text[512], silent[32];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%s from %s to %s: %s (%s", what, d->from, d->to,
			     why, seers[d->by]);
	if (d->silent && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "; nothing heard for %s",
				      span(d->silent, silent));
	if (n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ")");
	say(p, text);
	decision_publish(a,
			 control_event_new(a, CTL_EV_PATH_MOVED, p->conn, NULL, d->to, NULL, NULL,
					   why, text),
			 d);
}

void relation_said(struct agent *a, struct peer *p, enum decided_by by, const char *fmt, ...)
{
	const struct decision d = { .by = by };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(p, text);
	decision_publish(
		a,
		control_event_new(a, CTL_EV_PROGRESS, p->conn, NULL, NULL, NULL, NULL, NULL, text),
		&d);
}

void class_said(struct agent *a, struct peer *p, const char *class, const char *text,
		const char *why, const struct decision *d)
{
	json_t *o = control_event_new(a, CTL_EV_CLASS, p->conn, NULL, NULL, NULL, NULL, why, text);

	say(p, text);
	if (o)
		json_object_set_new(o, "class", json_string(class));
	decision_publish(a, o, d);
}

void relation_preferred(struct agent *a, struct peer *p, const char *path, bool preferred)
{
	const char *what = preferred
				   ? "preferred by the operator: it is used while it works"
				   : "preferred no more, by the operator: the best uplink is used";
	const struct decision d = { .by = BY_OPERATOR };
	char text[320];

	snprintf(text, sizeof(text), "path %s %s", path, what);
	say(p, text);
	decision_publish(a,
			 control_event_new(a, CTL_EV_PATH_PREFERRED, p->conn, NULL, path, NULL,
					   NULL, what, text),
			 &d);
}
