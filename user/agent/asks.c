/* SPDX-License-Identifier: GPL-2.0-only */
/* Each end steers what it sends. What peers are asked to do with what they send, class by class, by
 * lists of MMX; and what a peer may ask of us: the mode of a class of that name, for what goes to
 * that peer, where its connection grants it. All else that is configured of the class stays. What
 * is in force follows from both lists, which a restarted agent still has, and the configuration. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "bindings.h"
#include "steer.h"

enum { OVERFLOW_PERMILLE = 800 }; /* as without a word in the configuration */

static const uint8_t modes[CLASS_MODES] = {
	[CLASS_BALANCE] = MMX_CLASS_BALANCE,	 [CLASS_STANDBY] = MMX_CLASS_STANDBY,
	[CLASS_PRIORITY] = MMX_CLASS_PRIORITY,	 [CLASS_DELAY] = MMX_CLASS_DELAY,
	[CLASS_REDUNDANT] = MMX_CLASS_REDUNDANT, [CLASS_BOND] = MMX_CLASS_BOND,
};

/* CLASS_MODES: we know none of that number. */
static enum class_mode mode_of(uint8_t number)
{
	enum class_mode m = CLASS_BALANCE;

	while (m < CLASS_MODES && modes[m] != number)
		m++;
	return m;
}

const char *asks_mode(uint8_t number)
{
	const char *word = conf_mode_words[mode_of(number)];

	return word ? word : "unknown";
}

/* ---- what we ask for ---- */

static void add_uplink(struct mmx_class *c, const struct uplink *u)
{
	if (!u->ifid || u->ifid >= IKE_MMX_OWN_NUMBERS || c->n_prefer == MMX_PREFER_MAX)
		return;
	for (unsigned i = 0; i < c->n_prefer; i++)
		if (c->prefer[i] == u->ifid)
			return;
	c->prefer[c->n_prefer++] = u->ifid;
}

void asks_tell(struct agent *a, const struct ike_conn_cfg *conn)
{
	const struct classes_cfg *all = &a->conf->classes;
	struct mmx_classes l = { .n = 0 };

	for (uint8_t k = 0; k < all->n_classes; k++) {
		const struct class_ask *ask = &all->asks[k];
		struct mmx_class c = { .mode = modes[ask->mode], .copies = ask->copies };

		if (!ask->wanted || !steer_wanted(a, conn->name, k))
			continue;
		strcpy(c.name, all->classes[k].name);
		for (unsigned i = 0; i < ask->n_prefer; i++)
			for (size_t u = 0; u < a->n_uplinks; u++) {
				const struct class_where *w = &ask->prefer[i];
				struct uplink *up = &a->uplinks[u];

				if (w->name[0] ? !strcmp(w->name, up->cfg.name)
					       : w->kind == uplink_kind(a, up))
					add_uplink(&c, up);
			}
		mmx_classes_add(&l, &c);
	}
	ike_classes_ask(a->ike, conn->name, &l, agent_now());
}

/* ---- what we are asked for ---- */

static bool grants(const struct ike_conn_cfg *c, const char *class)
{
	for (unsigned i = 0; i < c->n_grants; i++)
		if (!strcmp(c->grants[i], class))
			return true;
	return c->grant_all;
}

static const struct class_cfg *class_named(const struct agent *a, const char *conn,
					   const char *name)
{
	for (uint8_t k = 0; k < STEER_CLASSES; k++) {
		const struct class_cfg *c = steer_wanted(a, conn, k);

		if (c && !strcmp(c->name, name))
			return c;
	}
	return NULL;
}

/* Bonding puts its numbers behind inner packets, where tunnel mode has room for them. */
static bool all_tunnels(const struct ike_conn_cfg *c)
{
	for (unsigned i = 0; i < c->n_children; i++)
		if (c->children[i].mode != CHILD_TUNNEL)
			return false;
	return true;
}

/* Whoever may not ask for it does not learn whether there is such a class. */
static struct mmx_class decide(const struct agent *a, const char *conn, const struct mmx_class *ask)
{
	const struct ike_conn_cfg *cfg = agent_conn(a, conn);
	const struct class_cfg *c = class_named(a, conn, ask->name);
	enum class_mode mode = mode_of(ask->mode);
	struct mmx_class is = *ask;

	is.copies = 0;
	if (!cfg || !grants(cfg, ask->name))
		is.state = MMX_CLASS_NOT_GRANTED;
	else if (!c)
		is.state = MMX_CLASS_NO_CLASS;
	else if (mode == CLASS_MODES || (mode == CLASS_BOND && !all_tunnels(cfg)))
		is.state = MMX_CLASS_NO_MODE;
	else
		is.state = MMX_CLASS_GRANTED;
	if (is.state == MMX_CLASS_GRANTED && mode == CLASS_REDUNDANT)
		is.copies = ask->copies < 2		      ? c->copies
			    : ask->copies > STEER_MEMBERS_MAX ? STEER_MEMBERS_MAX
							      : ask->copies;
	return is;
}

/* False: nothing was asked of it, or it is refused. */
static bool granted(const struct agent *a, const struct peer *p, const char *class,
		    struct mmx_class *ret)
{
	const struct mmx_classes *l = ike_classes(a->ike, p->line, true);
	const struct mmx_class *ask = l ? mmx_classes_find(l, true, class) : NULL;

	if (!ask)
		return false;
	*ret = decide(a, p->conn, ask);
	return ret->state == MMX_CLASS_GRANTED;
}

const struct class_cfg *asks_in_force(const struct agent *a, const struct peer *p, uint8_t klass,
				      struct class_cfg *buf)
{
	const struct class_cfg *c = steer_wanted(a, p->conn, klass);
	struct mmx_class is;

	if (!c || !granted(a, p, c->name, &is))
		return c;
	memcpy(buf, c, sizeof(*buf)); /* it is hashed as it is */
	buf->mode = mode_of(is.mode);
	if (is.copies)
		buf->copies = is.copies;
	if (buf->mode == CLASS_PRIORITY && c->mode != CLASS_PRIORITY)
		buf->overflow_permille = OVERFLOW_PERMILLE;
	return buf;
}

uint8_t asks_place(const struct agent *a, const struct path *p, uint8_t klass)
{
	const struct class_cfg *c = steer_wanted(a, p->peer->conn, klass);
	uint16_t epid = p->peer->role_i ? p->epid_r : p->epid_i;
	const struct mmx_iface *l;
	struct mmx_class is;
	uint32_t generation;
	uint8_t place = 0;
	unsigned n = 0;

	if (!c || !granted(a, p->peer, c->name, &is) || !is.n_prefer)
		return 0;
	l = ike_mmx_ifaces(a->ike, p->peer->line, true, &n, &generation);
	for (; place < is.n_prefer; place++)
		for (unsigned i = 0; i < n; i++)
			for (unsigned e = 0; l[i].ifid == is.prefer[place] && e < l[i].n; e++)
				if (l[i].ep[e].epid == epid)
					return place;
	return place;
}

/* ---- telling ---- */

/* "class voice: redundant by the peer's wish" */
static void say(struct agent *a, struct peer *p, const struct mmx_class *c, bool by_peer)
{
	struct decision d = { .by = by_peer ? BY_PEER : BY_AGENT };
	const char *why = c->state == MMX_CLASS_GRANTED ? "granted" : asks_refusal(c->state);
	char text[160];

	snprintf(text, sizeof(text), "class %s: %s, %s: %s%s", c->name, asks_mode(c->mode),
		 by_peer ? "as the peer asks us to send it" : "as we ask the peer to send it",
		 c->state == MMX_CLASS_GRANTED ? "" : "refused, ", why);
	class_said(a, p, c->name, text, why, &d);
}

static void say_end(struct agent *a, struct peer *p, const struct mmx_class *c)
{
	struct decision d = { .by = BY_PEER };
	char text[160];

	snprintf(text, sizeof(text), "class %s: the peer asks for %s no more", c->name,
		 asks_mode(c->mode));
	class_said(a, p, c->name, text, "no more asked for", &d);
}

static bool needs_rates(const struct agent *a, const struct peer *p)
{
	struct class_cfg buf;

	for (uint8_t k = 0; k < STEER_CLASSES; k++)
		if (asks_in_force(a, p, k, &buf) == &buf && plan_needs_rates(&buf))
			return true;
	return false;
}

/* Its paths are measured as the modes in force need it. */
static void plan_again(struct agent *a, struct peer *p)
{
	if (!a->rates_asked && needs_rates(a, p)) {
		a->rates_asked = true;
		traffic_plan(a);
	}
	list_for_each (it, &p->paths) {
		struct path *path = list_entry(it, struct path, node);

		if (path->probed)
			path_probe(a, path);
	}
	steer_soon(a, p->family);
}

static bool told(const struct mmx_classes *l, const struct mmx_class *c)
{
	const struct mmx_class *o = mmx_classes_find(l, false, c->name);

	return o && o->state == c->state && o->mode == c->mode && o->copies == c->copies;
}

static void answer(struct agent *a, struct peer *p, const struct mmx_classes *asked)
{
	const struct mmx_classes *ours = ike_classes(a->ike, p->line, false);
	struct mmx_classes before = *ours, now = { .n = 0 };

	for (unsigned i = 0; i < asked->n; i++) {
		struct mmx_class is;

		if (asked->s[i].state != MMX_CLASS_ASKED)
			continue;
		is = decide(a, p->conn, &asked->s[i]);
		mmx_classes_add(&now, &is);
	}
	if (ike_classes_answer(a->ike, p->line, &now, agent_now()) <= 0)
		return;
	for (unsigned i = 0; i < now.n; i++)
		if (!told(&before, &now.s[i]))
			say(a, p, &now.s[i], true);
	for (unsigned i = 0; i < before.n; i++)
		if (before.s[i].state != MMX_CLASS_ASKED &&
		    !mmx_classes_find(&now, false, before.s[i].name))
			say_end(a, p, &before.s[i]);
	plan_again(a, p);
}

/* What the peer has answered to us. */
static void hear(struct agent *a, struct peer *p, const struct mmx_classes *theirs)
{
	struct mmx_classes answers = { .n = 0 };
	uint64_t heard;

	for (unsigned i = 0; i < theirs->n; i++)
		if (theirs->s[i].state != MMX_CLASS_ASKED)
			mmx_classes_add(&answers, &theirs->s[i]);
	heard = answers.n ? hash_octets(answers.s, answers.n * sizeof(answers.s[0])) : 0;
	if (heard == p->asks_heard)
		return;
	p->asks_heard = heard;
	for (unsigned i = 0; i < answers.n; i++)
		say(a, p, &answers.s[i], false);
}

void asks_look(struct agent *a, struct peer *p)
{
	const struct mmx_classes *theirs = ike_classes(a->ike, p->line, true);
	struct mmx_classes l;

	if (!theirs)
		return;
	l = *theirs;
	answer(a, p, &l);
	hear(a, p, &l);
}

void asks_reload(struct agent *a)
{
	a->rates_asked = false;
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		asks_look(a, p);
		a->rates_asked |= needs_rates(a, p);
	}
	traffic_plan(a);
}

/* ---- in words ---- */

const char *asks_refusal(uint8_t state)
{
	switch ((enum mmx_class_state)state) {
	case MMX_CLASS_ASKED:
		return "not answered";
	case MMX_CLASS_GRANTED:
		return NULL;
	case MMX_CLASS_NOT_GRANTED:
		return "by its policy";
	case MMX_CLASS_NO_CLASS:
		return "there is no such class";
	case MMX_CLASS_NO_MODE:
		return "there is no such mode, or not for that traffic";
	}
	return "for a reason that is not known here";
}
