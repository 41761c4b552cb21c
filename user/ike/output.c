/* SPDX-License-Identifier: GPL-2.0-only */
/* The output queue of the core, and its log lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike/mmx.h"
#include "ike_private.h"
#include "ike/mmx.h"
#include "mobike.h"
#include "parts.h"

static struct out *out_new(struct ike *ike, const struct ike_sa *sa, enum ike_output_kind kind,
			   size_t len)
{
	struct out *o = calloc(1, sizeof(*o) + len);

	if (!o)
		return NULL;
	o->o.kind = kind;
	if (sa) {
		o->o.family = family_told(sa);
		o->o.auth = sa->family;
		o->o.line = sa->line;
		o->o.clone_of = sa->clone_of;
		o->o.spi_i = sa->spi_i;
		o->o.spi_r = sa->spi_r;
		o->o.role_i = sa->role_i;
		o->o.path = *mobike_esp_path(sa);
		o->o.encap = child_encap(sa);
		if (sa->conn)
			snprintf(o->o.conn, sizeof(o->o.conn), "%s", sa->conn->c.name);
	}
	list_append(&ike->outs, &o->node);
	return o;
}

static void out_free(struct out *o)
{
	if (!o)
		return;
	if (o->child) {
		secret_wipe(o->child, sizeof(*o->child));
		free(o->child);
	}
	free(o->extra);
	free(o);
}

void outs_free(struct ike *ike)
{
	list_for_each_safe (it, tmp, &ike->outs) {
		list_remove(it);
		out_free(list_entry(it, struct out, node));
	}
	out_free(ike->shown);
	ike->shown = NULL;
}

const struct ike_output *ike_next_output(struct ike *ike)
{
	out_free(ike->shown);
	ike->shown = NULL;
	if (list_empty(&ike->outs))
		return NULL;
	ike->shown = list_entry(ike->outs.next, struct out, node);
	list_remove(&ike->shown->node);
	return &ike->shown->o;
}

/* A datagram that cannot be queued is one the network lost: retransmission covers it. */
static bool send_one(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		     const uint8_t *buf, size_t len, bool whole)
{
	struct out *o = out_new(ike, sa, IKE_OUT_SEND, len);

	if (sa)
		sa->last_tx = ike->now;
	if (!o)
		return false;
	if (len)
		memcpy(o->buf, buf, len);
	o->o.buf = o->buf;
	o->o.len = len;
	o->o.path = *path;
	o->o.marker = path_marker(path);
	o->o.whole = whole;
	return true;
}

void out_keepalive(struct ike *ike, struct ike_sa *sa, const struct ike_path *path)
{
	if (send_one(ike, sa, path, NULL, 0, false))
		COUNT(ike, sa, keepalives_tx);
}

static void send_all(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		     const uint8_t *buf, size_t len, bool whole)
{
	struct rd r = rd_init(buf, len);

	while (rd_left(&r)) {
		struct rd look = r;
		struct ike_hdr h;
		size_t n = ike_hdr_get(&look, &h) ? 0 : h.length;
		const uint8_t *message = n ? rd_bytes(&r, n) : NULL;

		if (!message)
			return;
		if (!send_one(ike, sa, path, message, n, whole))
			continue;
		ike->counters.tx++;
		if (sa)
			sa->conn->tally->c.tx++;
	}
}

void out_send(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, const uint8_t *buf,
	      size_t len)
{
	send_all(ike, sa, path, buf, len, false);
}

void out_send_whole(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		    const uint8_t *buf, size_t len)
{
	send_all(ike, sa, path, buf, len, true);
}

void out_size(struct ike *ike, const struct ike_sa *sa, uint16_t octets, enum ike_size size)
{
	struct out *o = out_new(ike, sa, IKE_OUT_SIZE, 0);

	if (!o)
		return;
	o->o.octets = octets;
	o->o.size = size;
}

/* With a copy of what only that kind has. */
static struct out *out_with(struct ike *ike, const struct ike_sa *sa, enum ike_output_kind kind,
			    const void *extra, size_t len)
{
	void *copy = malloc(len);
	struct out *o = copy ? out_new(ike, sa, kind, 0) : NULL;

	if (!o) {
		free(copy);
		return NULL;
	}
	memcpy(copy, extra, len);
	o->extra = copy;
	return o;
}

bool out_binding(struct ike *ike, const struct ike_sa *sa, const struct ike_binding *b)
{
	struct out *o = out_with(ike, sa, IKE_OUT_BINDING, b, sizeof(*b));

	if (o)
		o->o.binding = o->extra;
	return o;
}

bool out_child_bind(struct ike *ike, const struct ike_sa *sa, uint32_t child_id, uint32_t bind_to)
{
	struct out *o = out_new(ike, sa, IKE_OUT_CHILD_BIND, 0);

	if (!o)
		return false;
	o->o.child_id = child_id;
	o->o.bind_to = bind_to;
	return true;
}

void out_mmx_answered(struct ike *ike, const struct ike_sa *sa, uint32_t op,
		      const struct ike_mmx_answer *a, const char *text)
{
	struct out *o = out_with(ike, sa, IKE_OUT_EVENT, a, sizeof(*a));

	if (!o)
		return;
	o->o.event = IKE_EV_MMX_ANSWERED;
	o->o.op = op;
	o->o.mmx = o->extra;
	snprintf(o->text, sizeof(o->text), "%s", text);
	o->o.text = o->text;
	log_ike(sa, LOG_INFO_, "%s", o->text);
}

int out_child_add(struct ike *ike, const struct ike_sa *sa, const struct child_sa_out *c)
{
	struct child_sa_out *copy = malloc(sizeof(*copy));
	struct out *o = copy ? out_new(ike, sa, IKE_OUT_CHILD_ADD, 0) : NULL;

	if (!o) {
		free(copy);
		return -ENOMEM;
	}
	*copy = *c;
	o->child = copy;
	o->o.child = copy;
	o->o.child_id = c->id;
	return 0;
}

int out_child_ts(struct ike *ike, const struct ike_sa *sa, uint32_t child_id,
		 const struct ike_child_ts *ts)
{
	struct ike_child_ts *copy = malloc(sizeof(*copy));
	struct out *o = copy ? out_new(ike, sa, IKE_OUT_CHILD_TS, 0) : NULL;

	if (!o) {
		free(copy);
		return -ENOMEM;
	}
	*copy = *ts;
	o->extra = copy;
	o->o.ts = copy;
	o->o.child_id = child_id;
	return 0;
}

void out_child_del(struct ike *ike, const struct ike_sa *sa, const struct child_sa *c)
{
	struct out *o = out_new(ike, sa, IKE_OUT_CHILD_DEL, 0);

	if (!o)
		return;
	o->o.child_id = c->id;
	o->o.replaced = c->replaced || c->state == CHILD_REKEYED;
}

static struct out *event_new(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
			     uint32_t op, const char *fmt, va_list ap)
{
	struct out *o = out_new(ike, sa, IKE_OUT_EVENT, 0);

	if (!o)
		return NULL;
	o->o.event = kind;
	o->o.op = op;
	vsnprintf(o->text, sizeof(o->text), fmt, ap);
	o->o.text = o->text;
	return o;
}

void out_event(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
	       uint32_t child_id, uint32_t op, const char *fmt, ...)
{
	struct out *o;
	va_list ap;

	va_start(ap, fmt);
	o = event_new(ike, sa, kind, op, fmt, ap);
	va_end(ap);
	if (!o)
		return;
	o->o.child_id = child_id;
	if (!sa)
		return;
	if (kind == IKE_EV_IKE_DOWN && sa->state >= IKE_ESTABLISHED && !family_others(ike, sa))
		o->o.session = ike->now - sa->session;
	if (kind == IKE_EV_FAILED || kind == IKE_EV_IKE_DOWN) {
		o->o.failure = sa->failure;
		o->o.notify = sa->failure_notify;
	}
	log_ike(sa, kind == IKE_EV_FAILED ? LOG_WARN_ : LOG_INFO_, "%s", o->text);
}

void out_session(struct ike *ike, const struct ike_sa *sa, uint64_t family, usec_t since,
		 const char *why)
{
	struct out *o = out_new(ike, sa, IKE_OUT_EVENT, 0);
	char id[128];

	if (!o)
		return;
	hash_for_each (it, tmp, &ike->families, family)
		hash_entry(it, struct ike_sa, by_family)->session_told = true;
	snprintf(o->text, sizeof(o->text), "session with %s ended: %s",
		 id_format(sa->remote_id, id), why);
	o->o.event = IKE_EV_SESSION;
	o->o.text = o->text;
	o->o.auth = family;
	o->o.session = ike->now - since;
}

void out_move_refused(struct ike *ike, const struct ike_sa *sa, uint16_t notify, const char *fmt,
		      ...)
{
	struct out *o;
	va_list ap;

	va_start(ap, fmt);
	o = event_new(ike, sa, IKE_EV_MOVE_REFUSED, 0, fmt, ap);
	va_end(ap);
	if (!o)
		return;
	o->o.notify = notify;
	log_ike(sa, LOG_WARN_, "%s", o->text);
}

static struct out *path_event(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
			      uint32_t op, const struct ike_path *path, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
static struct out *path_event(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
			      uint32_t op, const struct ike_path *path, const char *fmt, ...)
{
	struct out *o;
	va_list ap;

	va_start(ap, fmt);
	o = event_new(ike, sa, kind, op, fmt, ap);
	va_end(ap);
	if (o)
		o->o.path = *path;
	return o;
}

void out_path_tested(struct ike *ike, const struct ike_sa *sa, const struct task *t, usec_t rtt)
{
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];
	struct out *o = path_event(ike, sa, IKE_EV_PATH_TESTED, t->op, &t->tested, "%s to %s %s",
				   udp_addr_format(&t->tested.local, from),
				   udp_addr_format(&t->tested.remote, to),
				   rtt ? "works" : "does not answer");

	if (o)
		o->o.rtt = rtt;
}

void out_path_answered(struct ike *ike, const struct ike_sa *sa, const struct ike_path *path)
{
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];

	path_event(ike, sa, IKE_EV_PATH_ANSWERED, 0, path, "an answer came over %s to %s",
		   udp_addr_format(&path->local, from), udp_addr_format(&path->remote, to));
}

void out_mmx_probed(struct ike *ike, const struct ike_sa *sa, uint32_t op,
		    const struct ike_mmx_probed *probed)
{
	struct ike_mmx_probed *copy = malloc(sizeof(*copy));
	struct out *o =
		copy ? path_event(ike, sa, IKE_EV_MMX_PROBED, op, mobike_esp_path(sa),
				  "path %u-%u %s", probed->path >> 16, probed->path & 0xffff,
				  probed->rtt ? "works" : "does not answer")
		     : NULL;

	if (!o) {
		free(copy);
		return;
	}
	*copy = *probed;
	o->extra = copy;
	o->o.probed = copy;
	log_ike(sa, LOG_DEBUG_, "%s", o->text);
}

void out_step(struct ike *ike, const struct ike_sa *sa, const struct task *t, const char *fmt, ...)
{
	struct out *o;
	va_list ap;

	if (!t->op && t->kind != TASK_IKE_INIT && t->kind != TASK_IKE_AUTH)
		return;
	va_start(ap, fmt);
	o = event_new(ike, sa, IKE_EV_STEP, t->op, fmt, ap);
	va_end(ap);
	if (o)
		log_ike(sa, LOG_DEBUG_, "%s", o->text);
}

void log_ike(const struct ike_sa *sa, enum log_level level, const char *fmt, ...)
{
	char text[400], peer[ADDR_PORT_STR];
	va_list ap;

	if (level > log_get_level())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_msg(level, "%s[%016" PRIx64 "_i %016" PRIx64 "_r %s]: %s",
		sa->conn ? sa->conn->c.name : "-", sa->spi_i, sa->spi_r,
		udp_addr_format(&sa->path.remote, peer), text);
}

bool log_strangers(struct ike *ike, enum log_level level)
{
	uint32_t suppressed;

	if (level > log_get_level() ||
	    !log_limit_ok(&ike->strangers, ike->now, 10, 10 * USEC_PER_SEC, &suppressed))
		return false;
	if (suppressed)
		log_msg(LOG_WARN_, "%u lines about unauthenticated datagrams suppressed",
			suppressed);
	return true;
}

void log_stranger(struct ike *ike, const struct ike_path *path, const char *fmt, ...)
{
	char text[300], peer[ADDR_PORT_STR];
	va_list ap;

	if (!log_strangers(ike, LOG_WARN_))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_msg(LOG_WARN_, "%s: %s", udp_addr_format(&path->remote, peer), text);
}
