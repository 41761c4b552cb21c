/* SPDX-License-Identifier: GPL-2.0-only */
/* Probed paths: sends requests, answers the peer's, judges silence, and takes a path out of use in
 * the steering maps by one compare-and-exchange. Control thread. */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "crypto/rng.h"
#include "paths_impl.h"

/* Size probes: how much later than usual an answer may come, in how many probe intervals the size
 * in use is confirmed. */
enum { LATE_USEC = 100 * 1000, CONFIRM_INTERVALS = 5, LOSS_PER_TRY = 50 };

struct paths *paths_new(void)
{
	struct paths *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bond = calloc(STEER_PATHS_MAX, sizeof(*p->bond));
	if (!p->bond) {
		free(p);
		return NULL;
	}
	list_init(&p->all);
	hash_init(&p->by_id);
	hash_init(&p->by_group);
	hash_init(&p->by_line);
	return p;
}

static void path_free(struct path *p)
{
	free(p->st.pending);
	free(p);
}

void paths_free(struct paths *p)
{
	if (!p)
		return;
	list_for_each_safe (it, tmp, &p->all)
		path_free(list_entry(it, struct path, node));
	hash_clear(&p->by_id);
	hash_clear(&p->by_group);
	hash_clear(&p->by_line);
	heap_clear(&p->timers);
	free(p->bond);
	free(p);
}

struct path *path_find(const struct engine *e, uint32_t id)
{
	struct hash_node *n = hash_find(&e->paths->by_id, id);

	return n ? hash_entry(n, struct path, by_id) : NULL;
}

/* As it is shown and written into the maps. */
static uint8_t state_of(const struct path *p)
{
	return p->st.state == STEER_PATH_UP && p->sla.worse ? STEER_PATH_DEGRADED : p->st.state;
}

static usec_t deadline(const struct path *p)
{
	usec_t d = probe_path_deadline(&p->st);

	if (p->tells && p->tell_at < d)
		d = p->tell_at;
	return d < p->mtu_at ? d : p->mtu_at;
}

void path_arm(struct engine *e, struct path *p)
{
	heap_set(&e->paths->timers, &p->timer, deadline(p));
}

/* An answer rarely brings a deadline forward. One that was put off is found not to be due. */
static void arm_earlier(struct engine *e, struct path *p)
{
	if (deadline(p) < p->timer.due)
		path_arm(e, p);
}

/* The path's word where the steering programs read it; NULL if it is not ours to write. */
static _Atomic uint32_t *word_of(const struct engine *e, const struct path *p)
{
	const struct steer_view *v = atomic_load(&e->view);

	return p->cfg.manage && v ? steer_path_word(v, p->cfg.id) : NULL;
}

/* ---- how large packets may be ---- */

static uint16_t link_mtu(const struct engine_path *c)
{
	return c->mtu < PMTU_CEILING ? (uint16_t)c->mtu : PMTU_CEILING;
}

/* Do packets go there? The operator's word is in the map. */
static bool in_use(const struct engine *e, const struct path *p)
{
	_Atomic uint32_t *word = word_of(e, p);
	union steer_path_word w = { .word = word ? atomic_load(word) : 0 };

	/* nothing is known yet of the path an SA begins with */
	return p->peer_want != ENGINE_WANT_NOT && p->cfg.mtu &&
	       (p->st.state == STEER_PATH_UP || p->st.state == STEER_PATH_UNKNOWN) &&
	       w.cur.state != STEER_PATH_DISABLED;
}

static uint32_t room_of(const struct engine *e, const struct path *p)
{
	return in_use(e, p) ? (uint32_t)p->mtu.mtu - path_ip_header(p) : SA_ROOM_ANY;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The SAs of a group may use any of its paths: the least counts. While none can be used, those of
 * other lines that stand in; without them, what was true last. */
static void fit_group(struct engine *e, uint32_t group)
{
	uint32_t least = SA_ROOM_ANY;

	hash_for_each (it, tmp, &e->paths->by_group, group)
		least = lesser(least, room_of(e, hash_entry(it, struct path, by_group)));
	if (least == SA_ROOM_ANY)
		for (struct company c = path_company(e, group, NULL); c.at; path_company_next(&c))
			least = lesser(least, room_of(e, c.at));
	if (group && least != SA_ROOM_ANY)
		sad_group_room(&e->sad, group, least);
}

/* False: not looked for, or there is nothing to ask with. */
static bool mtu_view(const struct engine *e, const struct path *p, struct pmtu_view *v)
{
	const struct sa *sa = p->cfg.mtu ? sad_sender(&e->sad, p->cfg.sa_id) : NULL;
	uint32_t more = probe_path_loss_permille(&p->st) / LOSS_PER_TRY;

	if (!sa || !e->configured)
		return false;
	*v = (struct pmtu_view){
		.timeout = p->st.rtt + 4 * p->st.jitter + LATE_USEC,
		.confirm = CONFIRM_INTERVALS * p->st.cfg.interval,
		.raise = p->cfg.raise_sec ? p->cfg.raise_sec * USEC_PER_SEC : USEC_NEVER / 2,
		.tries = (uint8_t)(more < PMTU_TRIES_MAX - PMTU_TRIES ? PMTU_TRIES + more
								      : PMTU_TRIES_MAX),
		.usable = p->st.state == STEER_PATH_UP && p->st.verified,
		.idle = sad_group_sent(&e->sad, p->cfg.group) == p->sent,
		.grid = path_grid(e, p, sa),
	};
	return true;
}

static void tell(struct engine *e, const struct path *p);

/* Of the search only its end is news. */
static void mtu_changed(struct engine *e, struct path *p, bool changed)
{
	if (changed)
		fit_group(e, p->cfg.group);
	if (p->mtu.phase != PMTU_REST || p->mtu_told == p->mtu.mtu)
		return;
	p->mtu_told = p->mtu.mtu;
	tell(e, p);
}

/* Room for the requests under way, before the interval may become shorter. On failure the path
 * remembers as many as it did. */
static void ring_fit(struct path *p, usec_t interval)
{
	unsigned n = probe_pending_for(interval);
	struct probe_pending *old = p->st.pending, *ring;

	if (n <= p->st.n_pending)
		return;
	ring = calloc(n, sizeof(*ring));
	if (!ring)
		return;
	probe_path_ring(&p->st, ring, n);
	free(old);
}

static void index_path(struct engine *e, struct path *p)
{
	hash_add(&e->paths->by_group, &p->by_group, p->cfg.group);
	hash_add(&e->paths->by_line, &p->by_line, path_realm(p->cfg.line, p->cfg.group));
}

int paths_add(struct engine *e, const struct engine_path *req, usec_t now)
{
	struct probe_config pc = {
		.interval = req->interval_usec,
		.down_after = req->down_after,
		.up_after = req->up_after,
		.back_after = req->back_usec,
	};
	unsigned n = probe_pending_for(req->interval_usec);
	struct path *p = path_find(e, req->id);
	struct probe_pending *ring;

	if (req->id == 0 || req->id >= STEER_PATHS_MAX || req->interval_usec == 0)
		return -EINVAL;
	if (p) {
		/* Another SA, other addresses: what was measured stays. */
		p->cfg = *req;
		path_rate_set(e, p);
		ring_fit(p, pc.interval);
		probe_path_config(&p->st, &pc);
		hash_remove(&e->paths->by_group, &p->by_group);
		hash_remove(&e->paths->by_line, &p->by_line);
		index_path(e, p);
		p->mtu_at = 0;
		pmtu_limit(&p->mtu, link_mtu(req), now);
		path_arm(e, p);
		fit_group(e, req->group);
		return 0;
	}
	if (e->paths->by_id.n >= STEER_PATHS_MAX)
		return -ENOSPC;
	if (heap_reserve(&e->paths->timers, e->paths->by_id.n + 1) < 0)
		return -ENOMEM;
	p = calloc(1, sizeof(*p));
	ring = calloc(n, sizeof(*ring));
	if (!p || !ring) {
		free(ring);
		free(p);
		return -ENOMEM;
	}
	p->cfg = *req;
	p->peer_want = ENGINE_WANT_USE;
	p->wish = req->join ? PROBE_JOIN : 0;
	path_rate_set(e, p);
	probe_path_init(&p->st, &pc, ring, n, now);
	pmtu_init(&p->mtu, link_mtu(req), req->remote.ip.family, now);
	p->mtu_told = p->mtu.mtu;
	list_append(&e->paths->all, &p->node);
	hash_add(&e->paths->by_id, &p->by_id, req->id);
	index_path(e, p);
	path_arm(e, p);
	fit_group(e, req->group);
	return 0;
}

int paths_del(struct engine *e, uint32_t id)
{
	struct path *p = path_find(e, id);

	if (!p)
		return -ENOENT;
	list_remove(&p->node);
	hash_remove(&e->paths->by_id, &p->by_id);
	hash_remove(&e->paths->by_group, &p->by_group);
	hash_remove(&e->paths->by_line, &p->by_line);
	heap_remove(&e->paths->timers, &p->timer);
	heap_trim(&e->paths->timers, e->paths->by_id.n);
	fit_group(e, p->cfg.group);
	path_free(p);
	return 0;
}

void paths_sa_gone(struct engine *e, uint32_t sa_id)
{
	const struct sa *heir = sad_heir(&e->sad, sa_id);

	if (!heir)
		return;
	hash_for_each (it, tmp, &e->paths->by_line, sa_realm(heir)) {
		struct path *p = hash_entry(it, struct path, by_line);

		if (p->cfg.sa_id == sa_id)
			p->cfg.sa_id = heir->id;
	}
}

/* Flags without a word on it change nothing. */
static uint8_t want_of(uint8_t flags, uint8_t was)
{
	if (flags & PROBE_LEAVE)
		return ENGINE_WANT_NOT;
	if (flags & PROBE_JOIN)
		return flags & PROBE_STANDBY ? ENGINE_WANT_STANDBY : ENGINE_WANT_USE;
	return was;
}

static void fill_info(const struct path *p, struct engine_path_info *i)
{
	memset(i, 0, sizeof(*i));
	i->id = p->cfg.id;
	i->epids = p->cfg.epids;
	i->sa_id = p->cfg.sa_id;
	i->state = state_of(p);
	i->worse = p->sla.worse;
	i->returning = p->st.state == STEER_PATH_DOWN && p->st.back;
	i->peer_want = p->peer_want;
	i->want = want_of(p->wish, ENGINE_WANT_USE);
	i->lost = p->lost;
	i->one_way = p->one_way;
	i->verified = p->st.verified;
	i->rtt_usec = p->st.rtt;
	i->rtt_min_usec = p->st.rtt_min;
	i->rtt_jitter_usec = p->st.jitter;
	i->loss_permille = probe_path_loss_permille(&p->st);
	i->loss_there_permille = i->loss_back_permille = ENGINE_LOSS_UNKNOWN;
	probe_path_loss_ways(&p->st, &i->loss_there_permille, &i->loss_back_permille);
	i->loss_felt_permille = probe_path_loss_felt(&p->st);
	i->rtt_last_usec = p->st.rtt_last;
	i->measured_usec = p->st.measured;
	i->probes_tx = p->st.tx;
	i->probes_rx = p->st.rx;
	i->since_usec = p->st.since;
	i->heard_usec = p->heard;
	i->local = p->cfg.local;
	i->remote = p->cfg.remote;
	i->observed = p->observed;
	i->mtu = p->cfg.mtu ? p->mtu.mtu : 0;
}

void paths_each(struct engine *e, void (*fn)(void *ctx, struct engine_path_info *info), void *ctx)
{
	list_for_each (it, &e->paths->all) {
		struct engine_path_info i;

		fill_info(list_entry(it, struct path, node), &i);
		fn(ctx, &i);
	}
}

/* Does another path that stands in for it carry traffic? */
static bool has_company(const struct engine *e, const struct path *p)
{
	for (struct company c = path_company(e, p->cfg.group, p); c.at; path_company_next(&c)) {
		_Atomic uint32_t *word = word_of(e, c.at);
		union steer_path_word w = { .word = word ? atomic_load(word) : 0 };

		if (w.cur.slot &&
		    (w.cur.state == STEER_PATH_UP || w.cur.state == STEER_PATH_DEGRADED))
			return true;
	}
	return false;
}

/* The last path of a group that falls silent stays the last resort, "unknown": silence is no proof,
 * and nothing can be lost that sending nothing at all would have saved. */
void path_publish(struct engine *e, const struct path *p)
{
	_Atomic uint32_t *word = word_of(e, p);
	bool last = p->st.state == STEER_PATH_DOWN && !has_company(e, p);
	union steer_path_word old, new;

	if (!word)
		return;
	old.word = atomic_load(word);
	do {
		new = old;
		new.cur.state = state_of(p);
		new.cur.gen++;
		if (last && old.cur.state != STEER_PATH_DOWN)
			new.cur.state = STEER_PATH_UNKNOWN;
		if (old.cur.slot == 0 || old.cur.state == STEER_PATH_DISABLED ||
		    old.cur.state == new.cur.state)
			return;
	} while (!atomic_compare_exchange_weak(word, &old.word, new.word));
}

static void tell_as(struct engine *e, const struct path *p, uint16_t type)
{
	struct engine_path_info i;

	fill_info(p, &i);
	i.h.type = type;
	e->event(e, &i.h, sizeof(i));
}

static void tell(struct engine *e, const struct path *p)
{
	tell_as(e, p, ENGINE_EV_PATH);
}

/* For those that choose by it: each probe's word. */
static void tell_measured(struct engine *e, const struct path *p)
{
	if (p->cfg.measured)
		tell_as(e, p, ENGINE_EV_MEASURED);
}

/* What the answers say of its quality. Returns true if it became degraded or ceased to be. */
static bool grade(struct path *p, usec_t now)
{
	const struct engine_path *c = &p->cfg;
	struct sla_config sc = {
		.most = { c->sla_delay_usec, c->sla_jitter_usec, c->sla_loss_permille },
		.ease = c->sla_ease < 100 ? (uint8_t)c->sla_ease : 99,
		.hold = c->sla_hold_usec,
		.clear = c->sla_clear_usec,
	};
	struct sla_values v = { p->st.rtt, p->st.jitter, probe_path_loss_felt(&p->st) };

	if (p->st.state == STEER_PATH_UP)
		return sla_update(&p->sla, &sc, &v, now);
	p->sla = (struct sla){ 0 };
	return false;
}

void path_changed(struct engine *e, struct path *p, usec_t now)
{
	if (p->st.state != STEER_PATH_DOWN)
		p->lost = p->tells = 0;
	path_publish(e, p);
	for (struct company c = path_company(e, p->cfg.group, p); c.at; path_company_next(&c)) {
		struct path *o = c.at;

		if (o->st.state != STEER_PATH_DOWN)
			continue;
		/* One that works: those that were the last resort are no more. One that does not:
		 * another one that returns is not waited for. */
		if (p->st.state == STEER_PATH_UP)
			path_publish(e, o);
		else if (probe_path_need(&o->st, !has_company(e, o), now))
			path_changed(e, o, now);
	}
	fit_group(e, p->cfg.group);
	pmtu_recheck(&p->mtu, now);
	p->mtu_at = 0;
	tell(e, p);
}

static bool has_port(const struct udp_dest *d)
{
	return d->to.ss_family == AF_INET ? ((const struct sockaddr_in *)&d->to)->sin_port
					  : ((const struct sockaddr_in6 *)&d->to)->sin6_port;
}

int path_send_probe(struct engine *e, struct sa *sa, const struct probe *probe, size_t len,
		    uint32_t path, const struct udp_dest *straight, unsigned ifindex)
{
	uint32_t mark = STEER_MARK(STEER_MARK_KIND_PATH, STEER_CLASS_NONE, path);
	const struct udp_dest *dest;
	struct iovec iov = { .iov_base = e->probe_buf };
	uint8_t family = straight && !path ? straight->from.family : sa->family;
	bool encap = straight && !path ? has_port(straight)
				       : sa_encap_path(sa, atomic_load(&e->view), path);
	int self = e->n_workers, fd = engine_route(e, family, encap, 0, &dest);
	struct aead *enc = sa_enc(sa, self);
	unsigned reached;
	uint64_t seq;
	bool ok;

	iov.iov_len = esp_len(&sa->out, len);
	if (iov.iov_len > sizeof(e->probe_buf) || fd < 0 || !enc)
		return -EINVAL;
	ok = sa_take_seq(sa, 1, len, &seq, &reached);
	if (reached)
		engine_tell_limits(e, sa, reached);
	if (!ok)
		return -EOVERFLOW;
	memset(e->probe_buf, 0, sa->out.hdr + len);
	probe_encode(probe, e->probe_buf + sa->out.hdr);
	if (esp_encap(enc, &sa->out, seq, e->probe_buf, len, ESP_NH_DUMMY) < 0)
		return -EIO;
	return path ? udp_send_one(fd, dest, 0, &mark, &iov, 1)
		    : udp_send_one(fd, straight, ifindex, NULL, &iov, 1);
}

static void request(struct engine *e, struct path *p, usec_t now)
{
	struct sa *sa = sad_sender(&e->sad, p->cfg.sa_id);
	struct probe probe = { .kind = PROBE_REQUEST, .flags = p->wish, .epids = p->cfg.epids };

	/* Without an SA (or a nonce) there is nothing to ask with: the path counts as silent. */
	if (rng_bytes(probe.nonce, sizeof(probe.nonce)) < 0 || !e->configured || !sa) {
		probe_path_sent(&p->st, probe.nonce, now);
		return;
	}
	probe.t_sent = engine_now();
	probe_path_sent(&p->st, probe.nonce, probe.t_sent);
	/* A send that fails is a probe that is not answered. */
	path_send_probe(e, sa, &probe, PROBE_LEN, p->cfg.id, NULL, 0);
}

/* A probe as long as an IP packet of so many octets. */
static void request_sized(struct engine *e, struct path *p, const struct pmtu_view *v,
			  uint16_t octets, usec_t now)
{
	struct sa *sa = sad_sender(&e->sad, p->cfg.sa_id);
	struct probe probe = {
		.kind = PROBE_REQUEST,
		.flags = p->wish | PROBE_SIZED,
		.epids = p->cfg.epids,
		.t_sent = now,
	};
	/* what the grid counts as headers, and pad length and next header */
	size_t len = octets - v->grid.offset - 2u;

	if (rng_bytes(probe.nonce, sizeof(probe.nonce)) == 0 && octets > v->grid.offset + PROBE_LEN)
		path_send_probe(e, sa, &probe, len, p->cfg.id, NULL, 0);
	pmtu_sent(&p->mtu, v, probe.nonce, now);
}

static void mtu_run(struct engine *e, struct path *p, usec_t now)
{
	struct pmtu_view v;
	uint16_t octets;

	p->mtu_at = p->cfg.mtu ? now + USEC_PER_SEC : USEC_NEVER;
	if (!mtu_view(e, p, &v))
		return;
	mtu_changed(e, p, pmtu_tick(&p->mtu, &v, now));
	octets = pmtu_due(&p->mtu, &v, now);
	if (octets) {
		p->sent = sad_group_sent(&e->sad, p->cfg.group);
		request_sized(e, p, &v, octets, now);
	}
	p->mtu_at = pmtu_deadline(&p->mtu, &v);
}

static void run(struct engine *e, struct path *p, usec_t now)
{
	unsigned lost = p->st.history_lost;
	bool change = probe_path_tick(&p->st, now);

	if (p->st.history_lost != lost)
		tell_measured(e, p);
	if (grade(p, now) || change)
		path_changed(e, p, now);
	if (change)
		path_silent(p, now);
	if (probe_path_due(&p->st, now))
		request(e, p, now);
	if (p->tells && now >= p->tell_at)
		path_tell_lost(e, p, now);
	if (now >= p->mtu_at)
		mtu_run(e, p, now);
	path_arm(e, p);
}

usec_t paths_run(struct engine *e, usec_t now)
{
	struct heap *timers = &e->paths->timers;
	struct heap_node *n;
	struct list due;

	list_init(&due);
	while ((n = heap_first(timers)) && n->due <= now) {
		heap_remove(timers, n);
		list_append(&due, &heap_entry(n, struct path, timer)->due_node);
	}
	/* each once, though it may be due again */
	while (!list_empty(&due)) {
		struct path *p = list_entry(due.next, struct path, due_node);

		list_remove(&p->due_node);
		run(e, p, now);
	}
	n = heap_first(timers);
	return n ? n->due : USEC_NEVER;
}

int paths_want(struct engine *e, uint32_t id, enum engine_want want, usec_t now)
{
	static const uint8_t wish[] = {
		[ENGINE_WANT_NOT] = PROBE_LEAVE,
		[ENGINE_WANT_USE] = PROBE_JOIN,
		[ENGINE_WANT_STANDBY] = PROBE_JOIN | PROBE_STANDBY,
	};
	struct path *p = path_find(e, id);

	if (!p)
		return -ENOENT;
	if (want >= sizeof(wish))
		return -EINVAL;
	p->wish = wish[want];
	fit_group(e, p->cfg.group);
	request(e, p, now);
	path_arm(e, p);
	return 0;
}

static void wish_of_peer(struct engine *e, struct path *p, const struct probe *probe)
{
	uint8_t want = want_of(probe->flags, p->peer_want);

	if (want == p->peer_want)
		return;
	p->peer_want = want;
	fit_group(e, p->cfg.group);
	tell(e, p);
}

/* A source no path has: answered, as it is authenticated and the answer is no longer than the
 * question, but nothing else is sent there before the agent makes a path of it and a nonce of ours
 * came back. */
static void stranger(struct engine *e, const struct note_probe *n, const struct probe *probe,
		     uint32_t group)
{
	struct engine_join j = {
		.h.type = ENGINE_EV_JOIN,
		.sa_id = n->sa_id,
		.epids = probe->epids,
		.ifindex = n->ifindex,
		.use = !(probe->flags & PROBE_LEAVE),
		.local = n->local,
		.remote = n->remote,
	};

	if (probe->flags & (PROBE_JOIN | PROBE_LEAVE) &&
	    joins_take(&e->paths->joins, group, probe->epids, &n->remote, n->received))
		e->event(e, &j.h, sizeof(j));
}

/* Another one, over which answers get to the peer. */
static const struct path *other_way(const struct engine *e, const struct path *p)
{
	for (struct company c = path_company(e, p->cfg.group, p); c.at; path_company_next(&c))
		if (c.at->st.state == STEER_PATH_UP)
			return c.at;
	return NULL;
}

/* I names the paths, and says so of one that it has not, or no more: R is not to send there, though
 * its probes are answered. */
static bool disowned(const struct engine *e, const struct sa *sa, uint32_t epids)
{
	/* R knows EPID_I by a request of I's only */
	if (!(sa->flags & ENGINE_SA_ROLE_I) || !(epids >> 16))
		return false;
	hash_for_each (it, tmp, &e->paths->by_line, sa_realm(sa))
		if (hash_entry(it, struct path, by_line)->cfg.epids == epids)
			return false;
	return true;
}

static void answer(struct engine *e, const struct note_probe *n, const struct probe *probe,
		   const struct path *p)
{
	struct sa *sa = sad_sender(&e->sad, n->sa_id);
	struct probe a = *probe;
	struct udp_dest to = { .from = n->local.ip };
	const struct path *other;

	if (!sa || !e->configured)
		return;
	a.kind = PROBE_ANSWER;
	a.flags = p ? p->wish : disowned(e, sa, probe->epids) ? PROBE_LEAVE : 0;
	a.count = p ? p->count : 0;
	a.observed = n->remote;
	to.to_len = udp_addr_to_sockaddr(&n->remote, &to.to);
	path_send_probe(e, sa, &a, PROBE_LEN, p ? p->cfg.id : 0, &to, n->ifindex);
	/* What comes on it says nothing about what goes: where nothing of ours gets through the
	 * peer is to know that its own packets do. */
	other = p && p->st.state == STEER_PATH_DOWN ? other_way(e, p) : NULL;
	if (other)
		path_send_probe(e, sa, &a, PROBE_LEN, other->cfg.id, &to, 0);
}

/* True: it was an answer to one of these. */
static bool answered_sized(struct engine *e, struct path *p, const struct probe *probe, usec_t now)
{
	struct pmtu_view v;

	if (!pmtu_asked(&p->mtu, probe->nonce))
		return false;
	p->mtu_at = 0;
	if (mtu_view(e, p, &v))
		mtu_changed(e, p, pmtu_answered(&p->mtu, &v, now));
	return true;
}

static void on_request(struct engine *e, const struct note_probe *n, const struct probe *probe,
		       const struct sa *sa)
{
	struct path *p = NULL;

	hash_for_each (it, tmp, &e->paths->by_line, sa_realm(sa)) {
		struct path *o = hash_entry(it, struct path, by_line);

		if (o->cfg.epids == probe->epids && path_came(o, n))
			p = o;
	}
	if (p)
		p->heard = n->received;
	if (p && !(probe->flags & PROBE_SIZED))
		p->count = probe_count_next(p->count);
	answer(e, n, probe, p);
	if (p)
		wish_of_peer(e, p, probe);
	else
		stranger(e, n, probe, sa->group);
}

/* True: it was the answer to a request on this path. */
static bool on_answer(struct engine *e, const struct note_probe *n, const struct probe *probe,
		      struct path *p)
{
	bool change, ours, first = !p->st.verified, returned = p->st.back;
	bool way = p->one_way;

	if (p->cfg.epids != probe->epids)
		return false;
	if (answered_sized(e, p, probe, n->received)) {
		path_arm(e, p);
		return true;
	}
	if (p->st.state == STEER_PATH_DOWN)
		p->st.needed = !has_company(e, p);
	change = probe_path_answer(&p->st, probe->nonce, probe->count, n->received, &ours);
	if (!ours)
		return false;
	p->observed = probe->observed;
	p->one_way = !path_came(p, n);
	if (!p->one_way)
		p->heard = n->received;
	path_rate_look(e, p, n->received);
	if (grade(p, n->received) || change)
		path_changed(e, p, n->received);
	else if (first || (p->st.back && !returned) || p->one_way != way)
		tell(e, p);
	tell_measured(e, p);
	wish_of_peer(e, p, probe);
	arm_earlier(e, p);
	return true;
}

void paths_probe(struct engine *e, const struct note_probe *n)
{
	/* A peer has a say in its own paths only, whatever address it writes into a packet. */
	const struct sa *sa = sad_find(&e->sad, n->sa_id);
	struct probe probe;

	if (!sa || probe_decode(n->data, sizeof(n->data), &probe) < 0)
		return;
	if (probe.kind == PROBE_REQUEST) {
		on_request(e, n, &probe, sa);
		return;
	}
	if (probe.kind == PROBE_LOST) {
		path_told_lost(e, n, &probe, sa_realm(sa));
		return;
	}
	if (path_answered_ping(e, n, &probe))
		return;
	hash_for_each (it, tmp, &e->paths->by_line, sa_realm(sa))
		if (on_answer(e, n, &probe, hash_entry(it, struct path, by_line)))
			return;
}
