/* SPDX-License-Identifier: GPL-2.0-only */
/* Relations with multipath = mmx: what ike/mmx_plan.h thinks best is carried out, one step at a
 * time. Packets have left a path that failed before: the maps know other members of the binding.
 *
 * What happens only marks a relation to be looked at. What the peer refused, and which probes were
 * answered, is remembered for a while; what Child SAs are for, as long as the agent lives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "bindings.h"
#include "consent.h"
#include "mmx_steer_impl.h"

/* Of a probe: so long it is believed, and so long one that was silent is left alone, at first. */
#define BELIEVED   (30 * USEC_PER_SEC)
#define WAIT_FIRST (2 * USEC_PER_SEC)
#define WAIT_LAST  (300 * USEC_PER_SEC)
#define SOON	   (200 * USEC_PER_MSEC) /* something else is in the way */
#define OPENED	   (20 * USEC_PER_SEC)	 /* a NAT's mapping may be another one after that */
#define FRESH	   (45 * USEC_PER_SEC)	 /* tokens are good for a little longer */
#define GIVEN_UP   (120 * USEC_PER_SEC)	 /* no answer came, the IKE SA was rekeyed, say */

/* ---- which relations ---- */

bool mmx_steers(const struct agent *a, const struct peer *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->conn);

	return c && c->multipath == IKE_MULTIPATH_MMX && ike_mmx_on(a->ike, p->line, NULL);
}

/* Wake up for it: no other one is looked at for that. */
static void look_at(struct agent *a, struct mmx_steer *s, usec_t at)
{
	usec_t now = agent_now();

	if (at < s->next)
		s->next = at;
	if (s->next == USEC_NEVER || (a->mmx_wake && a->mmx_wake <= s->next))
		return;
	a->mmx_wake = s->next > now ? s->next : now;
	agent_timer(a->mmx_timer, a->mmx_wake - now);
}

/* While it is looked at: it is woken up for afterwards. */
static void look_by(struct mmx_steer *s, usec_t at)
{
	if (at < s->next)
		s->next = at;
}

/* Made if it is to be; NULL: it is not, or there is no memory. */
static struct mmx_steer *steer_get(struct agent *a, struct peer *p)
{
	struct mmx_steer *s = p->steer;

	if (s || !mmx_steers(a, p))
		return s;
	s = calloc(1, sizeof(*s));
	if (!s) {
		log_error("%s: out of memory; its addresses stay as they are", p->conn);
		return NULL;
	}
	s->peer = p;
	s->next = USEC_NEVER;
	list_append(&a->mmx_steers, &s->node);
	p->steer = s;
	return s;
}

static void steer_free(struct mmx_steer *s)
{
	s->peer->steer = NULL;
	list_remove(&s->node);
	free(s);
}

void mmx_steer_leave(struct peer *p)
{
	if (p->steer)
		steer_free(p->steer);
}

/* ---- what failed, and what was tried ---- */

static usec_t longer(usec_t wait)
{
	if (!wait)
		return WAIT_FIRST;
	return 2 * wait < WAIT_LAST ? 2 * wait : WAIT_LAST;
}

static struct mmx_bar *bar_find(struct mmx_steer *s, const struct mmx_asked *what)
{
	for (size_t i = 0; i < s->n_bars; i++)
		if (s->bars[i].what.code == what->code && s->bars[i].what.old == what->old &&
		    s->bars[i].what.new == what->new)
			return &s->bars[i];
	return NULL;
}

static void bar(struct mmx_steer *s, const struct mmx_asked *what)
{
	struct mmx_bar *b = bar_find(s, what);

	if (!b) {
		if (s->n_bars == MMX_BARS_MAX)
			memmove(&s->bars[0], &s->bars[1], --s->n_bars * sizeof(s->bars[0]));
		b = &s->bars[s->n_bars++];
		*b = (struct mmx_bar){ .what = *what };
	}
	b->wait = longer(b->wait);
	b->until = agent_now() + b->wait;
}

static void unbar(struct mmx_steer *s, const struct mmx_asked *what)
{
	struct mmx_bar *b = bar_find(s, what);

	if (b)
		*b = s->bars[--s->n_bars];
}

static bool is_barred(void *ctx, uint8_t code, uint16_t old, uint16_t new)
{
	struct mmx_look *k = ctx;
	const struct mmx_asked what = { .code = code, .old = old, .new = new };
	const struct mmx_bar *b = bar_find(k->s, &what);

	if (!b || b->until <= k->now)
		return false;
	look_by(k->s, b->until);
	return true;
}

/* What has not ended for so long does not end any more. */
static struct mmx_tried *tried_find(struct mmx_steer *s, uint32_t path)
{
	for (size_t i = 0; i < s->n_tried; i++) {
		struct mmx_tried *t = &s->tried[i];

		if (t->path != path)
			continue;
		if (t->op && agent_now() - t->at > GIVEN_UP) {
			t->op = 0;
			t->wait = longer(t->wait);
			t->at = agent_now();
		}
		return t;
	}
	return NULL;
}

/* Takes the place of the one that is the longest ago. */
static struct mmx_tried *tried_get(struct mmx_steer *s, uint32_t path)
{
	struct mmx_tried *t = tried_find(s, path);

	if (t)
		return t;
	if (s->n_tried < MMX_TRIED_MAX) {
		t = &s->tried[s->n_tried++];
	} else {
		t = &s->tried[0];
		for (size_t i = 1; i < s->n_tried; i++)
			if (s->tried[i].at < t->at)
				t = &s->tried[i];
	}
	*t = (struct mmx_tried){ .path = path };
	return t;
}

/* ---- what is known of a pair ---- */

static const struct path *path_with(const struct peer *p, uint32_t id)
{
	list_for_each (it, &p->paths) {
		const struct path *path = list_entry(it, struct path, node);

		if (path->epid_i == id >> 16 && path->epid_r == (id & 0xffff))
			return path;
	}
	return NULL;
}

/* Of what the engine probes that counts, once something came there: that the peer is known to
 * receive is of another time, maybe. That of IKE works as long as IKE does. */
static enum mmx_path_state seen_by_engine(struct mmx_look *k, const struct path *path)
{
	if (!path)
		return MMX_PATH_UNTRIED;
	if (path->gone || path->state == STEER_PATH_DOWN)
		return MMX_PATH_SILENT;
	if (path->disabled)
		return MMX_PATH_WAITING;
	if (!path_works(path) || (path->probed ? !path_heard(k->a, path) : !path->main))
		return MMX_PATH_UNTRIED;
	return MMX_PATH_WORKS;
}

static enum mmx_path_state seen_by_ike(struct mmx_look *k, uint32_t path)
{
	const struct mmx_tried *t = tried_find(k->s, path);

	if (!t)
		return MMX_PATH_UNTRIED;
	if (t->op) {
		look_by(k->s, t->at + GIVEN_UP + SOON);
		return MMX_PATH_WAITING;
	}
	if (t->works)
		return k->now - t->at < BELIEVED ? MMX_PATH_WORKS : MMX_PATH_UNTRIED;
	if (k->now - t->at >= t->wait)
		return MMX_PATH_UNTRIED;
	look_by(k->s, t->at + t->wait);
	return MMX_PATH_SILENT;
}

/* It answers no more: what was heard before counts no more either. */
static void fell_silent(struct mmx_look *k, uint32_t path)
{
	struct mmx_tried *t = tried_get(k->s, path);

	if (t->op || (t->wait && !t->works))
		return;
	t->works = false;
	t->at = k->now;
	t->wait = longer(t->wait);
}

static enum mmx_path_state state_of(void *ctx, uint32_t path)
{
	struct mmx_look *k = ctx;
	enum mmx_path_state s = seen_by_engine(k, path_with(k->p, path));

	if (s == MMX_PATH_SILENT)
		fell_silent(k, path);
	return s == MMX_PATH_UNTRIED ? seen_by_ike(k, path) : s;
}

/* ---- the look ---- */

/* True: it may be used; one that has come back waits as its fail_back says. */
static bool settled(struct agent *a, struct mmx_look *k, const struct uplink *u, uint16_t epid)
{
	usec_t wait = uplink_fail_back(a, u), since = 0;

	for (size_t i = 0; i < k->s->n_up; i++)
		if (k->s->up[i].epid == epid)
			since = k->s->up[i].since;
	if (!since || k->now - since >= wait)
		return true;
	look_by(k->s, since + wait);
	return false;
}

/* ---- the operator's word ---- */

static bool is_held(const struct mmx_steer *s, uint16_t epid)
{
	for (size_t i = 0; i < s->n_held; i++)
		if (s->held[i] == epid)
			return true;
	return false;
}

static void hold(struct mmx_steer *s, uint16_t epid, bool on)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_held; i++)
		if (s->held[i] != epid)
			s->held[kept++] = s->held[i];
	s->n_held = kept;
	if (on && s->n_held < MMX_ENDS_MAX)
		s->held[s->n_held++] = epid;
}

static void word_add(struct mmx_word *w, uint16_t epid, bool held)
{
	if (!epid || w->n == MMX_WORD_ENDS_MAX)
		return;
	w->ends[w->n].epid = epid;
	w->ends[w->n++].held = held;
}

static void word_add_all(struct agent *a, const struct peer *p, const struct mmx_ep *ep, bool held,
			 struct mmx_word *w)
{
	const struct mmx_iface *own;
	uint32_t generation;
	unsigned n = 0;

	if (!(ep->flags & MMX_EP_IFID)) {
		word_add(w, ep->epid, held);
		return;
	}
	own = ike_mmx_ifaces(a->ike, p->line, false, &n, &generation);
	for (unsigned i = 0; own && i < n; i++)
		for (unsigned e = 0; own[i].ifid == ep->epid && e < own[i].n; e++)
			word_add(w, own[i].ep[e].epid, held);
}

void mmx_steer_word(struct agent *a, struct peer *p, const struct mmx_action *action, uint32_t op)
{
	bool takes = action->code == MMX_REMOVE || action->code == MMX_DEL_IF ||
		     action->code == MMX_UPDATE;
	struct mmx_word w = { .op = op };
	const struct mmx_tlv *t = NULL;
	struct mmx_steer *s = p->steer;

	if (!s || action->flags & MMX_ACTION_CHECK)
		return;
	while ((t = mmx_next(&action->tlvs, MMX_TLV_EP, t)))
		if (!t->ep.side && takes && t->ep.role == MMX_ROLE_OLD)
			word_add_all(a, p, &t->ep, true, &w);
	while ((t = mmx_next(&action->tlvs, MMX_TLV_EP, t)))
		if (!t->ep.side && t->ep.role == MMX_ROLE_NEW)
			word_add_all(a, p, &t->ep, false, &w);
	if (s->n_words == MMX_WORDS_MAX)
		memmove(&s->words[0], &s->words[1], --s->n_words * sizeof(s->words[0]));
	s->words[s->n_words++] = w;
}

/* The peer has done it, or not: then all is as it was. */
static void word_ends(struct mmx_steer *s, const struct ike_output *o)
{
	const struct ike_mmx_result *r = o->mmx && o->mmx->n ? &o->mmx->r[0] : NULL;
	bool done = o->event == IKE_EV_MMX_ANSWERED && r &&
		    (r->status == MMX_OK || r->status == MMX_PARTIAL);

	for (size_t i = 0; i < s->n_words; i++) {
		const struct mmx_word w = s->words[i];

		if (w.op != o->op)
			continue;
		s->n_words--;
		memmove(&s->words[i], &s->words[i + 1], (s->n_words - i) * sizeof(w));
		for (size_t k = 0; done && k < w.n; k++)
			hold(s, w.ends[k].epid, w.ends[k].held);
		return;
	}
}

/* ---- escapes ---- */

/* All that its SAs use is gone: nothing is gained by waiting for what else there is. */
static bool nothing_left(const struct mmx_look *k)
{
	for (unsigned e = 0; e < k->n_own; e++)
		if (k->own[e].up && mmx_look_bound(k, k->own[e].epid))
			return false;
	return true;
}

/* Since when each endpoint of ours is there; those that were when it began are not waited for. */
static void note_up(struct mmx_look *k)
{
	struct mmx_steer *s = k->s;
	bool first = !s->noted;
	size_t kept = 0;

	s->noted = true;
	for (size_t i = 0; i < s->n_up; i++)
		for (unsigned e = 0; e < k->n_own; e++)
			if (k->own[e].epid == s->up[i].epid && k->own[e].up) {
				s->up[kept++] = s->up[i];
				break;
			}
	s->n_up = kept;
	for (unsigned e = 0; e < k->n_own; e++) {
		size_t i = 0;

		while (i < s->n_up && s->up[i].epid != k->own[e].epid)
			i++;
		if (!k->own[e].up || i < s->n_up || s->n_up == MMX_ENDS_MAX)
			continue;
		s->up[s->n_up].epid = k->own[e].epid;
		s->up[s->n_up++].since = first ? 0 : k->now;
	}
}

/* Not so long ago; one that is silent is left alone for longer and longer. */
static bool was_asked(struct mmx_look *k, uint32_t path, usec_t ago)
{
	const struct mmx_tried *t = tried_find(k->s, path);
	usec_t wait = t && t->works ? ago : t ? t->wait : 0;

	if (t && t->op)
		return true;
	if (!t || k->now - t->at >= wait)
		return false;
	look_by(k->s, t->at + wait);
	return true;
}

static bool is_opened(void *ctx, uint32_t path)
{
	return was_asked(ctx, path, OPENED);
}

static bool is_fresh(void *ctx, uint32_t path)
{
	return was_asked(ctx, path, FRESH);
}

/* A NAT of ours has forgotten: what was probed since is told as it was seen. */
static void tell_mapping(struct mmx_look *k, struct mmx_step *s)
{
	uint16_t epid = k->s->remapped;
	struct mmx_tlvs *t = &s->action.tlvs;

	k->s->remapped = 0;
	*s = (struct mmx_step){
		.kind = MMX_STEP_ASK,
		.action = { .code = MMX_UPDATE },
		.old = epid,
		.new = epid,
		.why = "its NAT has another mapping",
	};
	mmx_add(t, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = epid };
	mmx_add(t, MMX_TLV_EP)->ep =
		(struct mmx_ep){ .role = MMX_ROLE_NEW, .flags = MMX_EP_AS_OBSERVED, .epid = epid };
	mmx_add(t, MMX_TLV_SEL)->sel = (struct mmx_sel){ .kind = MMX_SEL_OLD };
}

/* An endpoint of ours that works is taken out of use, as the configuration has its uplink no more:
 * programs are asked before. What happens to their answer is a change, and leads to another look.
 */
static bool may_leave(struct agent *a, const struct mmx_look *k, const struct mmx_step *step)
{
	if (step->peers || !step->old || step->old == step->new)
		return true;
	list_for_each (it, &k->p->bindings) {
		struct binding *b = list_entry(it, struct binding, node);

		for (uint8_t i = 0; i < b->n; i++) {
			uint32_t id = b->paths[i].is.id;
			struct path *p = b->paths[i].path;

			if (p && p->uplink < 0 &&
			    (k->p->role_i ? id >> 16 : id & 0xffff) == step->old &&
			    !consent_path_may_go(a, p, "its uplink is not configured any more"))
				return false;
		}
	}
	return true;
}

static bool carry_out(struct agent *a, struct mmx_look *k, struct mmx_step *step)
{
	struct mmx_asked what = { step->action.code, step->old, step->new, step->peers };
	struct mmx_steer *s = k->s;
	uint32_t op = ++a->next_op;
	struct mmx_tried *t;
	int err;

	if (step->kind == MMX_STEP_PROBE) {
		err = ike_mmx_probe(a->ike, k->p->line, step->path, step->keep, op, k->now);
		t = tried_get(s, step->path);
		t->at = k->now;
		t->works = false;
		t->op = err ? 0 : op;
		if (err)
			t->wait = err == -EBUSY ? SOON : longer(t->wait);
		return true;
	}
	if (!may_leave(a, k, step))
		return false;
	if (step->action.code == MMX_ADD_IF)
		err = mmx_tunnel_new(a, k, step->new, step->to, op);
	else
		err = -ENOENT;
	if (err == -ENOENT)
		err = ike_mmx_ask(a->ike, k->p->line, &step->action, 1, op, k->now);
	if (err) {
		bar(s, &what);
		return err != -ENOENT;
	}
	k->p->hasty = event_pending(a->settle_timer, EV_TIMEOUT, NULL);
	mmx_steer_say(a, k->p, &what, step->why);
	s->asked = what;
	s->op = op;
	s->asked_at = k->now;
	return false;
}

static void look(struct agent *a, struct mmx_steer *s)
{
	struct peer *p = s->peer;
	struct mmx_look k = { .a = a, .s = s, .p = p, .now = agent_now() };
	struct mmx_step step;
	bool escape;

	if (s->op && k.now - s->asked_at > GIVEN_UP)
		s->op = 0;
	if (list_empty(&p->children) || p->ending || !mmx_look_new(&k))
		return;
	note_up(&k);
	escape = nothing_left(&k);
	for (unsigned e = 0; e < k.n_own; e++)
		k.own[e].up &=
			escape || mmx_look_bound(&k, k.own[e].epid) ||
			(!is_held(s, k.own[e].epid) && settled(a, &k, k.uplinks[e], k.own[e].epid));
	k.plan.state = state_of;
	k.plan.barred = is_barred;
	k.plan.opened = is_opened;
	k.plan.fresh = is_fresh;
	k.plan.ctx = &k;
	/* several probes may be under way, and one request */
	for (int i = 0; i < MMX_STEPS_MAX && !s->op; i++) {
		if (s->remapped)
			tell_mapping(&k, &step);
		else
			mmx_plan_next(&k.plan, &step);
		if (step.kind == MMX_STEP_NONE || !carry_out(a, &k, &step))
			break;
	}
	mmx_look_free(&k);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;
	usec_t now = agent_now();

	(void)fd;
	(void)what;
	a->mmx_wake = 0;
	if (a->stopping)
		return;
	list_for_each_safe (it, tmp, &a->mmx_steers) {
		struct mmx_steer *s = list_entry(it, struct mmx_steer, node);

		if (s->next > now)
			continue;
		s->next = USEC_NEVER;
		if (mmx_steers(a, s->peer))
			look(a, s);
		else
			steer_free(s);
	}
	list_for_each (it, &a->mmx_steers)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list has it no more */
		look_at(a, list_entry(it, struct mmx_steer, node), USEC_NEVER);
	agent_drain(a);
}

/* ---- what happens ---- */

static void on_answered(struct agent *a, struct mmx_steer *s, const struct ike_output *o)
{
	const struct ike_mmx_result *r = o->mmx && o->mmx->n ? &o->mmx->r[0] : NULL;
	struct peer *p = s->peer;

	s->op = 0;
	if (r && (r->status == MMX_OK || r->status == MMX_PARTIAL)) {
		if (r->code == MMX_ADD_IF && !r->affected)
			bar(s, &s->asked); /* there is nothing to derive from now */
		else
			unbar(s, &s->asked);
		return;
	}
	bar(s, &s->asked);
	mmx_steer_say_refused(a, p, &s->asked, r, o->text);
}

static void on_probed(struct mmx_steer *s, const struct ike_output *o)
{
	for (size_t i = 0; i < s->n_tried; i++) {
		struct mmx_tried *t = &s->tried[i];

		if (!t->op || t->op != o->op)
			continue;
		t->op = 0;
		t->at = agent_now();
		t->works = o->event == IKE_EV_MMX_PROBED && o->probed && o->probed->rtt;
		t->wait = t->works ? 0 : longer(t->wait);
		if (t->works) {
			t->nat = o->probed->nat;
			if (t->nat && t->seen.ip.family && o->probed->seen.ip.family &&
			    !udp_addr_equal(&t->seen, &o->probed->seen))
				s->remapped = (uint16_t)(o->role_i ? t->path >> 16 : t->path);
			t->seen = o->probed->seen;
		}
	}
}

/* IKE asks over what SAs use by itself, too, where there is doubt. */
static void on_checked(struct mmx_steer *s, const struct ike_mmx_probed *probed)
{
	struct mmx_tried *t =
		probed->rtt ? tried_find(s, probed->path) : tried_get(s, probed->path);

	if (!t || t->op)
		return;
	t->at = agent_now();
	t->works = probed->rtt;
	t->wait = t->works ? 0 : longer(t->wait);
}

void mmx_steer_event(struct agent *a, const struct ike_output *o)
{
	struct peer *p = peer_find(a, o->line);
	struct mmx_steer *s = p ? steer_get(a, p) : NULL;

	if (!s)
		return;
	if (o->op && (o->event == IKE_EV_MMX_ANSWERED || o->event == IKE_EV_FAILED))
		word_ends(s, o);
	if (o->op && o->op == s->op) {
		if (o->event == IKE_EV_MMX_ANSWERED || o->event == IKE_EV_FAILED)
			on_answered(a, s, o);
		else if (o->event == IKE_EV_CHILD_UP)
			s->op = 0;
	} else if (o->op && (o->event == IKE_EV_MMX_PROBED || o->event == IKE_EV_FAILED)) {
		on_probed(s, o);
	} else if (o->event == IKE_EV_MMX_PROBED && o->probed) {
		on_checked(s, o->probed);
	}
	/* what was agreed to may have come to nothing: not at once again */
	look_at(a, s, o->event == IKE_EV_MMX_CHANGED && s->asked.code ? agent_now() + SOON : 0);
}

void mmx_steer_changed(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct mmx_steer *s = steer_get(a, list_entry(it, struct peer, node));

		if (s)
			look_at(a, s, 0);
	}
}

void mmx_steer_path(struct agent *a, const struct peer *p)
{
	if (p->steer)
		look_at(a, p->steer, 0);
}

int mmx_steer_open(struct agent *a)
{
	a->mmx_timer = evtimer_new(a->base, on_timer, a);
	return a->mmx_timer ? 0 : -ENOMEM;
}

void mmx_steer_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->mmx_steers)
		steer_free(list_entry(it, struct mmx_steer, node));
}
