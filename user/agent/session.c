/* SPDX-License-Identifier: GPL-2.0-only */
/* Accounting: what a family of IKE SAs carried, from its authentication to the end of its last one.
 *
 * The engine counts for each Child SA as long as it has it; before one leaves it, that is added up
 * here, by family. The record is written when the core says that the session ended and the last of
 * its Child SAs is gone, which may take some seconds more: what was replaced still takes in what is
 * under way. The sums are kept with the images of the IKE SAs, for the agent that comes after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "agent.h"
#include "report_impl.h"

struct session {
	struct hash_node by_family; /* in struct agent */
	struct ike_carried gone;    /* of the Child SAs that are */
	size_t lines;		    /* at most, at a time */
	size_t children;	    /* in the engine */
	bool ended;
	usec_t lasted;
	char conn[IKE_NAME_MAX];
	char text[320]; /* whose it was, and why it ended */
};

static struct session *session_get(struct agent *a, uint64_t family)
{
	struct hash_node *n = hash_find(&a->sessions, family);
	struct session *s = n ? hash_entry(n, struct session, by_family) : calloc(1, sizeof(*s));

	if (!n && s)
		hash_add(&a->sessions, &s->by_family, family);
	return s;
}

static void session_free(struct agent *a, struct session *s)
{
	hash_remove(&a->sessions, &s->by_family);
	free(s);
}

static void drop(struct hash_node *n)
{
	free(hash_entry(n, struct session, by_family));
}

void sessions_close(struct agent *a)
{
	hash_empty(&a->sessions, drop);
}

/* ---- the record ---- */

static void record(struct agent *a, const struct session *s)
{
	unsigned long long sec = s->lasted / USEC_PER_SEC;
	char text[640];
	json_t *o;

	snprintf(
		text, sizeof(text),
		"%s; it lasted %llu:%02llu:%02llu, with %zu IKE SA%s; received %llu octets in %llu "
		"packets, sent %llu in %llu",
		s->text, sec / 3600, sec / 60 % 60, sec % 60, s->lines, s->lines == 1 ? "" : "s",
		(unsigned long long)s->gone.rx_octets, (unsigned long long)s->gone.rx_packets,
		(unsigned long long)s->gone.tx_octets, (unsigned long long)s->gone.tx_packets);
	log_info("%s: %s", s->conn, text);
	o = control_event_new(a, CTL_EV_SESSION_ENDED, s->conn, NULL, NULL, NULL, NULL, NULL, text);
	set_int(o, "lasted_usec", s->lasted);
	set_int(o, "ike_sas", s->lines);
	set_int(o, "rx_octets", s->gone.rx_octets);
	set_int(o, "rx_packets", s->gone.rx_packets);
	set_int(o, "tx_octets", s->gone.tx_octets);
	set_int(o, "tx_packets", s->gone.tx_packets);
	control_publish(a, o);
}

static void finish(struct agent *a, struct session *s)
{
	if (!s->ended || s->children)
		return;
	record(a, s);
	session_free(a, s);
}

void session_end(struct agent *a, const struct ike_output *o)
{
	struct session *s = session_get(a, o->auth);

	if (!s) {
		log_info("%s: %s", o->conn, o->text);
		return;
	}
	s->ended = true;
	s->lasted = o->session;
	s->lines = s->lines ? s->lines : 1;
	snprintf(s->conn, sizeof(s->conn), "%s", o->conn);
	snprintf(s->text, sizeof(s->text), "%s", o->text);
	finish(a, s);
}

/* ---- what it counts ---- */

void session_child(struct agent *a, struct child *c, uint64_t family, size_t lines)
{
	struct session *s = session_get(a, family);

	c->session = s;
	if (!s)
		return;
	s->children++;
	s->lines = lines > s->lines ? lines : s->lines;
}

static void add(void *ctx, const struct engine_sa_info *info)
{
	struct ike_carried *sum = ctx;

	sum->rx_octets += info->in_octets;
	sum->rx_packets += info->in_packets;
	sum->tx_octets += info->out_octets;
	sum->tx_packets += info->out_packets;
}

void session_child_gone(struct agent *a, struct child *c)
{
	struct session *s = c->session;

	if (!s)
		return;
	c->session = NULL;
	engine_sa_get(a, c->id, add, &s->gone);
	s->children--;
	if (!s->ended)
		ike_carried_keep(a->ike, s->by_family.key, &s->gone);
	finish(a, s);
}

void session_restore(struct agent *a, const struct ike_sa_info *sa)
{
	struct session *s = session_get(a, sa->auth);

	if (s)
		s->gone = sa->carried;
}
