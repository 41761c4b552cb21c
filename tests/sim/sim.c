/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/rng.h"
#include "sim.h"

static uint64_t rng_state;

static int seeded(void *ctx, void *buf, size_t n)
{
	uint8_t *p = buf;

	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		rng_state ^= rng_state << 13;
		rng_state ^= rng_state >> 7;
		rng_state ^= rng_state << 17;
		p[i] = (uint8_t)(rng_state >> 24);
	}
	return 0;
}

static void quiet_sink(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (getenv("SIM_LOG"))
		fprintf(stderr, "%s\n", line);
}

static int spi_alloc(void *ctx, uint32_t *ret_spi)
{
	struct sim_side *d = ctx;

	if (d->no_spis)
		return -ENOSPC;
	*ret_spi = ++d->next_spi;
	d->spis++;
	return 0;
}

static void spi_free(void *ctx, uint32_t spi)
{
	struct sim_side *d = ctx;

	(void)spi;
	d->spis--;
}

static int64_t now_real(void *ctx)
{
	return ((struct sim_side *)ctx)->sim->real;
}

const struct ike_binding *sim_binding(const struct sim_side *d, uint32_t id)
{
	for (unsigned i = 0; i < d->n_bindings; i++)
		if (d->bindings[i].id == id)
			return &d->bindings[i];
	return NULL;
}

struct addr sim_addr(const char *text)
{
	struct addr a = { 0 };

	addr_parse(text, &a);
	return a;
}

struct ike_ts sim_ts(const char *prefix)
{
	struct ike_ts ts = { .port_last = 65535 };
	struct addr a;
	uint8_t len;

	if (!strcmp(prefix, "dynamic")) {
		ts.dynamic = true;
		return ts;
	}
	if (addr_parse_prefix(prefix, &a, &len))
		abort();
	addr_prefix_range(&a, len, &ts.first, &ts.last);
	return ts;
}

static struct ike_id fqdn(const char *name)
{
	struct ike_id id = { .type = ID_FQDN, .len = (uint16_t)strlen(name) };

	memcpy(id.data, name, id.len);
	return id;
}

static void child_cfg(struct ike_child_cfg *c, const char *name, const char *local,
		      const char *remote)
{
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->n_local_ts = c->n_remote_ts = 1;
	c->local_ts[0] = sim_ts(local);
	c->remote_ts[0] = sim_ts(remote);
}

static const char *const addrs[2][SIM_SIDES] = { { "192.0.2.1", "198.51.100.1" },
						 { "2001:db8:a::1", "2001:db8:b::1" } };

static void side_cfg(struct sim *s, unsigned i)
{
	struct sim_side *d = &s->side[i];
	struct ike_conn_cfg *c = &d->conn[0];

	d->sim = s;
	d->index = i;
	d->next_spi = 0x1000 * (i + 1);
	snprintf(c->name, sizeof(c->name), "c");
	c->n_remote_addrs = i == A;
	c->remote_addrs[0] = sim_addr(addrs[s->v6][B]);
	c->local_id = fqdn(i == A ? "a.example" : "b.example");
	c->remote_id = fqdn(i == A ? "b.example" : "a.example");
	secret_set(&c->psk, "secret", 6);
	c->encap = true;
	c->retransmit_timeout = USEC_PER_SEC;
	c->retransmit_base = 1.8;
	c->retransmit_tries = 6;
	c->n_children = 2;
	c->children = d->child[0];
	child_cfg(&d->child[0][0], "net", i == A ? "10.1.0.0/16" : "10.2.0.0/16",
		  i == A ? "10.2.0.0/16" : "10.1.0.0/16");
	child_cfg(&d->child[0][1], "more", i == A ? "10.3.0.0/16" : "10.4.0.0/16",
		  i == A ? "10.4.0.0/16" : "10.3.0.0/16");
	d->cfg.n_conns = 1;
	d->cfg.conns = d->conn;
	d->cfg.pools = d->pool;
}

void sim_seed(uint64_t seed)
{
	rng_state = 0x9e3779b97f4a7c15u ^ (seed * 0xbf58476d1ce4e5b9u);
}

struct sim *sim_new(uint64_t seed, bool v6)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	sim_seed(seed);
	rng_set_source(seeded, NULL);
	log_set_sink(quiet_sink, NULL);
	log_set_level(LOG_DEBUG_);
	s->now = 1000 * USEC_PER_SEC;
	s->delay = 10 * USEC_PER_MSEC;
	s->v6 = v6;
	side_cfg(s, A);
	side_cfg(s, B);
	return s;
}

static struct ike *core_new(struct sim *s, unsigned i)
{
	struct ike_env env = { .ctx = &s->side[i],
			       .spi_alloc = spi_alloc,
			       .spi_free = spi_free,
			       .other_path = s->other_path,
			       .now_real = now_real,
			       .cpus = s->side[i].cpus };
	struct ike *ike = ike_new(&s->side[i].cfg, &env, s->now);

	if (!ike)
		abort();
	return ike;
}

void sim_start(struct sim *s)
{
	for (unsigned i = 0; i < SIM_SIDES; i++)
		s->side[i].ike = core_new(s, i);
}

void sim_reload(struct sim *s, unsigned side)
{
	if (ike_reload(s->side[side].ike, &s->side[side].cfg, s->now))
		abort();
}

void sim_free(struct sim *s)
{
	for (unsigned i = 0; i < SIM_SIDES; i++)
		ike_free(s->side[i].ike);
	for (unsigned i = 0; i < SIM_WIRE; i++)
		free(s->wire[i].buf);
	free(s);
	rng_set_source(NULL, NULL);
}

struct ike_path sim_path(const struct sim *s, unsigned side)
{
	return (struct ike_path){
		.local = { .ip = sim_addr(addrs[s->v6][side]), .port = 500 },
		.remote = { .ip = sim_addr(addrs[s->v6][!side]), .port = 500 },
	};
}

int sim_up(struct sim *s, unsigned side, const char *child, uint32_t op)
{
	struct ike_path p = sim_path(s, side);

	return ike_up(s->side[side].ike, "c", child, &p, op, s->now);
}

/* ---- the link ---- */

static void put_on_wire(struct sim *s, unsigned to, const struct udp_addr *src,
			const struct udp_addr *dst, const uint8_t *buf, size_t len, usec_t due)
{
	for (unsigned i = 0; i < SIM_WIRE; i++) {
		struct sim_packet *p = &s->wire[i];

		if (p->used)
			continue;
		free(p->buf);
		*p = (struct sim_packet){ .used = true,
					  .to = to,
					  .due = due,
					  .number = s->sent,
					  .src = *src,
					  .dst = *dst,
					  .buf = malloc(len),
					  .len = len };
		memcpy(p->buf, buf, len);
		if (s->on_wire)
			s->on_wire(s, p);
		return;
	}
	abort();
}

static const struct addr *public_addr(void)
{
	static struct addr a;

	if (!a.family)
		a = sim_addr("203.0.113.9");
	return &a;
}

static uint16_t mapped(const struct sim *s, uint16_t port)
{
	return (uint16_t)(port + 10000 + s->nat_shift);
}

/* False: the NAT has no such mapping. */
static bool translate(const struct sim *s, unsigned from, struct udp_addr *src,
		      struct udp_addr *dst)
{
	if (!s->nat)
		return true;
	if (from == A) {
		src->ip = *public_addr();
		src->port = mapped(s, src->port);
		return true;
	}
	if (!addr_equal(&dst->ip, public_addr()))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t inside = i ? 4500 : 500;

		if (dst->port != mapped(s, inside))
			continue;
		dst->ip = sim_addr(addrs[0][A]);
		dst->port = inside;
		return true;
	}
	return false;
}

/* Dropped on the way for its size, without a word. */
static bool too_large(const struct sim *s, const struct ike_output *o)
{
	size_t octets = o->len + (s->v6 ? 48 : 28) + (o->marker ? 4 : 0);

	return s->mtu && o->whole && octets > s->mtu;
}

static void send_out(struct sim *s, unsigned from, const struct ike_output *o)
{
	struct udp_addr src = o->path.local, dst = o->path.remote;
	uint64_t bit = s->sent < 64 ? UINT64_C(1) << s->sent : 0;
	usec_t due = s->now + s->delay * (s->late & bit ? 4 : 1);

	if (!o->len) {
		s->keepalives[from]++;
		return;
	}
	/* the marker is there exactly when port 500 is not used */
	if (o->marker != (src.port != 500))
		abort();
	memcpy(s->last[from], o->buf, o->len);
	s->last_len[from] = o->len;
	s->last_path[from] = o->path;
	s->exchanges[from][o->buf[18] & 63]++;
	if (getenv("SIM_LOG"))
		fprintf(stderr, "%llu %c #%llu exchange %u id %u flags %02x len %zu%s\n",
			(unsigned long long)(s->now / 1000), "AB"[from],
			(unsigned long long)s -> sent, o -> buf[18], o -> buf[23], o -> buf[19],
			o -> len, s -> lose &bit || s -> cut[from] ? " LOST" : "");
	if (!(s->lose & bit) && !s->cut[from] && !too_large(s, o) &&
	    translate(s, from, &src, &dst)) {
		put_on_wire(s, !from, &src, &dst, o->buf, o->len, due);
		if (s->duplicate & bit)
			put_on_wire(s, !from, &src, &dst, o->buf, o->len, due + s->delay);
	}
	s->sent++;
}

static void binding(struct sim_side *d, const struct ike_binding *b)
{
	struct ike_binding *have = (struct ike_binding *)sim_binding(d, b->id);

	if (b->gone) {
		if (!have)
			abort();
		*have = d->bindings[--d->n_bindings];
		return;
	}
	if (!have && d->n_bindings == SIM_BINDINGS)
		abort();
	*(have ? have : &d->bindings[d->n_bindings++]) = *b;
}

/* Only what was told of is bound to. */
static void child_bind(struct sim_side *d, const struct ike_output *o)
{
	if (o->bind_to && !sim_binding(d, o->bind_to))
		abort();
	for (unsigned i = 0; i < d->n_children; i++)
		if (d->children[i].id == o->child_id)
			d->children[i].binding = o->bind_to;
}

static void child_ts(struct sim_side *d, const struct ike_output *o)
{
	for (unsigned i = 0; i < d->n_children; i++) {
		struct child_sa_out *c = &d->children[i];

		if (c->id != o->child_id)
			continue;
		c->n_ts_local = o->ts->n_local;
		c->n_ts_remote = o->ts->n_remote;
		memcpy(c->ts_local, o->ts->local, sizeof(c->ts_local));
		memcpy(c->ts_remote, o->ts->remote, sizeof(c->ts_remote));
		c->told_local = o->ts->told_local;
		c->told_remote = o->ts->told_remote;
	}
}

static void child_del(struct sim_side *d, uint32_t id)
{
	for (unsigned i = 0; i < d->n_children; i++) {
		if (d->children[i].id != id)
			continue;
		d->children[i] = d->children[--d->n_children];
		d->spis--;
		return;
	}
	fprintf(stderr, "CHILD_DEL of unknown id %u\n", id);
	abort();
}

void sim_drain(struct sim *s, unsigned side)
{
	struct sim_side *d = &s->side[side];
	const struct ike_output *o;

	while ((o = ike_next_output(d->ike))) {
		if (s->on_child && (o->kind == IKE_OUT_CHILD_ADD || o->kind == IKE_OUT_CHILD_DEL))
			s->on_child(s, side, o);
		switch (o->kind) {
		case IKE_OUT_SEND:
			send_out(s, side, o);
			break;
		case IKE_OUT_CHILD_ADD:
			if (d->n_children == SIM_CHILDREN)
				abort();
			if (o->child->binding && !sim_binding(d, o->child->binding))
				abort();
			d->children[d->n_children++] = *o->child;
			break;
		case IKE_OUT_CHILD_DEL:
			child_del(d, o->child_id);
			break;
		case IKE_OUT_EVENT:
			if (d->n_events == SIM_EVENTS)
				break;
			if (o->mmx)
				d->mmx = *o->mmx;
			if (o->probed)
				d->probed = *o->probed;
			d->events[d->n_events].kind = o->event;
			d->events[d->n_events].op = o->op;
			d->events[d->n_events].failure = o->failure;
			d->events[d->n_events].notify = o->notify;
			d->events[d->n_events].path = o->path;
			d->events[d->n_events].encap = o->encap;
			d->events[d->n_events].rtt = o->rtt;
			d->events[d->n_events].line = o->line;
			d->events[d->n_events].auth = o->auth;
			d->events[d->n_events].clone_of = o->clone_of;
			d->events[d->n_events].session = o->session;
			d->events[d->n_events].child_id = o->child_id;
			snprintf(d->events[d->n_events++].text, 320, "%s", o->text);
			break;
		case IKE_OUT_SIZE:
			d->n_sizes++;
			d->size_octets = o->octets;
			d->size = o->size;
			break;
		case IKE_OUT_BINDING:
			d->n_told++;
			binding(d, o->binding);
			break;
		case IKE_OUT_CHILD_BIND:
			child_bind(d, o);
			break;
		case IKE_OUT_CHILD_TS:
			child_ts(d, o);
			break;
		}
	}
}

static struct sim_packet *next_packet(struct sim *s)
{
	struct sim_packet *best = NULL;

	for (unsigned i = 0; i < SIM_WIRE; i++) {
		struct sim_packet *p = &s->wire[i];

		if (p->used && (!best || p->due < best->due ||
				(p->due == best->due && p->number < best->number)))
			best = p;
	}
	return best;
}

void sim_deliver(struct sim *s, struct sim_packet *p)
{
	struct ike_path path = { .local = p->dst, .remote = p->src };

	p->used = false;
	ike_recv(s->side[p->to].ike, &path, p->buf, p->len, s->now);
	sim_drain(s, p->to);
}

/* One datagram or timer that is due until `limit`; false if there is none. */
static bool step(struct sim *s, usec_t limit, bool timers)
{
	unsigned first = SIM_SIDES;
	struct sim_packet *p;
	usec_t t;

	sim_drain(s, A);
	sim_drain(s, B);
	p = next_packet(s);
	t = p ? p->due : USEC_NEVER;
	for (unsigned i = 0; timers && i < SIM_SIDES; i++) {
		usec_t d = ike_deadline(s->side[i].ike);

		if (d > limit || d >= t)
			continue;
		t = d;
		first = i;
	}
	if (first < SIM_SIDES) {
		s->now = t > s->now ? t : s->now;
		ike_tick(s->side[first].ike, s->now);
		sim_drain(s, first);
		return true;
	}
	if (!p || t > limit)
		return false;
	s->now = t > s->now ? t : s->now;
	sim_deliver(s, p);
	return true;
}

void sim_settle(struct sim *s, usec_t quiet)
{
	unsigned guard = 0;

	while (step(s, s->now + quiet, true))
		if (++guard > 100000)
			abort();
}

void sim_run(struct sim *s, usec_t duration)
{
	usec_t end = s->now + duration;
	unsigned guard = 0;

	while (step(s, end, true))
		if (++guard > 100000)
			abort();
	s->now = end;
}

void sim_steps(struct sim *s, unsigned n)
{
	while (n-- && step(s, USEC_NEVER - 1, false))
		;
}

void sim_fresh(struct sim *s, unsigned side)
{
	ike_free(s->side[side].ike);
	s->side[side].ike = core_new(s, side);
}

void sim_restart(struct sim *s, unsigned side)
{
	struct sim_side *d = &s->side[side];
	struct ike *fresh = core_new(s, side);
	static uint8_t image[200000];

	sim_drain(s, side);
	for (size_t i = 0; i < ike_sa_count(d->ike); i++) {
		size_t n = ike_export(d->ike, i, image, sizeof(image), s->now);

		if (n && ike_import(fresh, image, n, s->now))
			abort();
	}
	int spis = d->spis;
	ike_free(d->ike);
	d->spis = spis; /* the data plane keeps what it has */
	d->ike = fresh;
}

/* ---- looking at the outcome ---- */

unsigned sim_count(const struct sim_side *d, enum ike_event_kind kind, uint32_t op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_events; i++)
		n += d->events[i].kind == kind && (!op || d->events[i].op == op);
	return n;
}

unsigned sim_op_ends(const struct sim_side *d, uint32_t op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_events; i++)
		n += d->events[i].op == op && d->events[i].kind != IKE_EV_STEP;
	return n;
}

const struct sim_event *sim_last_event(const struct sim_side *d, enum ike_event_kind kind)
{
	for (unsigned i = d->n_events; i-- > 0;)
		if (d->events[i].kind == kind)
			return &d->events[i];
	return NULL;
}

const char *sim_text(const struct sim_side *d, enum ike_event_kind kind)
{
	const struct sim_event *e = sim_last_event(d, kind);

	return e ? e->text : "";
}

static bool same(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

static bool crossed(const struct child_sa_out *x, const struct child_sa_out *y)
{
	return x->spi_out == y->spi_in && x->spi_in == y->spi_out &&
	       same(&x->key_out, &y->key_in) && same(&x->key_in, &y->key_out) &&
	       same(&x->integ_out, &y->integ_in) && same(&x->integ_in, &y->integ_out) &&
	       !same(&x->key_in, &x->key_out) && x->encr_id == y->encr_id && x->esn == y->esn &&
	       x->encap == y->encap && x->mode == y->mode && x->n_ts_local == y->n_ts_remote &&
	       !memcmp(x->ts_local, y->ts_remote, sizeof(x->ts_local[0]) * x->n_ts_local);
}

bool sim_mirrored(const struct sim *s, unsigned n)
{
	const struct sim_side *a = &s->side[A], *b = &s->side[B];

	if (a->n_children != n || b->n_children != n) {
		fprintf(stderr, "Child SAs: %u and %u, expected %u\n", a->n_children, b->n_children,
			n);
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		bool found = false;

		for (unsigned j = 0; j < n; j++)
			found = found || crossed(&a->children[i], &b->children[j]);
		if (!found) {
			fprintf(stderr, "Child SA %08x has no mirror image\n",
				a->children[i].spi_in);
			return false;
		}
	}
	return true;
}
