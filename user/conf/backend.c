/* SPDX-License-Identifier: GPL-2.0-only */
/* dataplane { backend }: who encrypts, and what of the configuration only the engine can do. */
#include <string.h>

#include "conf_impl.h"
#include "crypto/alg.h"

/* With the kernel that is a mistake; else it is the reason why it is the engine, the first one. */
static int engine_only(struct parse *p, const struct conf_file *f, int line, const char *what,
		       const char *why)
{
	struct conf *c = p->conf;

	if (c->backend == CONF_BACKEND_KERNEL)
		return conf_fail(p, f, line,
				 "found %s, expected none of it beside backend = kernel: %s", what,
				 why);
	if (!c->engine_for[0])
		snprintf(c->engine_for, sizeof(c->engine_for), "%.120s:%d has %s: %s", f->name,
			 line, what, why);
	return 0;
}

static const char measures[] = "only the engine's probes measure paths";

static int key_engine_only(struct parse *p, const struct sec *s, const char *key, const char *why)
{
	const struct val *v = sec_get(s, key);
	char what[96];

	if (!v)
		return 0;
	snprintf(what, sizeof(what), "%s = %.40s", key, v->text);
	return engine_only(p, v->file, v->line, what, why);
}

static int section_engine_only(struct parse *p, const struct sec *s, const char *kind)
{
	struct sec sub = sec_sub(s, kind, 0);

	return sub.cfg ? engine_only(p, sub.file, sub.line, kind, measures) : 0;
}

static int look_at_uplink(struct parse *p, const struct sec *s, void *ctx)
{
	(void)ctx;
	return section_engine_only(p, s, "sla");
}

static const struct class_cfg *class_of(const struct classes_cfg *all, const char *name)
{
	for (size_t i = 0; i < all->n_classes; i++)
		if (!strcmp(all->classes[i].name, name))
			return &all->classes[i];
	return NULL;
}

static int look_at_class(struct parse *p, const struct sec *s, void *ctx)
{
	const struct class_cfg *c = class_of(&p->conf->classes, s->name);
	int r = section_engine_only(p, s, "sla");

	(void)ctx;
	if (r == 0)
		r = section_engine_only(p, s, "copies_when");
	if (r < 0 || !c)
		return r;
	if (c->mode == CLASS_BOND)
		return key_engine_only(p, s, "mode",
				       "the kernel does not put packets of several paths in order");
	if (c->mode == CLASS_DELAY)
		return key_engine_only(p, s, "mode", measures);
	return c->weights_measured ? key_engine_only(p, s, "weights", measures) : 0;
}

static bool several(const struct ike_ts *ts, uint8_t n)
{
	for (uint8_t i = 1; i < n; i++)
		if (ts[i].dynamic != ts[0].dynamic || !addr_equal(&ts[i].first, &ts[0].first))
			return true;
	return false;
}

static int look_at_child(struct parse *p, const struct sec *s, const struct ike_child_cfg *c)
{
	if (c->mode == CHILD_TRANSPORT &&
	    (several(c->local_ts, c->n_local_ts) || several(c->remote_ts, c->n_remote_ts)))
		return key_engine_only(p, s, "mode",
				       "in the kernel's ESP it is for one address on each side");
	return c->tfc ? key_engine_only(p, s, "tfc_padding", "only the engine pads packets") : 0;
}

static const struct ike_conn_cfg *conn_of(const struct ike_cfg *ike, const char *name)
{
	for (size_t i = 0; i < ike->n_conns; i++)
		if (!strcmp(ike->conns[i].name, name))
			return &ike->conns[i];
	return NULL;
}

/* Path probes are the default, but beside backend = kernel. */
static int look_at_connection(struct parse *p, const struct sec *s, void *ctx)
{
	static const char why[] = "the kernel's ESP does not answer path probes";
	const struct ike_conn_cfg *c = conn_of(&p->conf->ike, s->name);
	int r = 0;

	(void)ctx;
	if (!c)
		return 0;
	if (c->multipath == IKE_MULTIPATH_PROBES)
		r = sec_get(s, "multipath")
			    ? key_engine_only(p, s, "multipath", why)
			    : engine_only(p, s->file, s->line, "multipath = yes, the default", why);
	for (size_t i = 0; i < c->n_children && r == 0; i++) {
		struct sec child = sec_sub(s, "child", i);

		r = look_at_child(p, &child, &c->children[i]);
	}
	return r;
}

/* Who comes to be configured later, by a reload, shall not find that it needs the other one. */
const char *conf_engine_why(const struct conf *c)
{
	if (!c->engine_for[0] && c->backend == CONF_BACKEND_AUTO && !c->ike.n_conns)
		return "no connection is configured yet, and it can do whatever comes";
	return c->engine_for;
}

/* ---- what the kernel has to have ---- */

static void add_esp_alg(const struct conf_esp_alg *one, struct conf_esp_alg *all, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		if (all[i].encr_id == one->encr_id && all[i].key_bits == one->key_bits &&
		    all[i].integ_id == one->integ_id)
			return;
	if (*n < CONF_ESP_ALGS_MAX)
		all[(*n)++] = *one;
}

static void add_proposal(const struct ike_proposal *p, struct conf_esp_alg one,
			 struct conf_esp_alg *all, size_t *n)
{
	for (uint8_t e = 0; e < p->n_encr; e++) {
		one.encr_id = p->encr[e].id;
		one.key_bits = p->encr[e].key_bits;
		one.integ_id = INTEG_NONE;
		if (!p->n_integ)
			add_esp_alg(&one, all, n);
		for (uint8_t i = 0; i < p->n_integ; i++) {
			one.integ_id = p->integ[i].id;
			add_esp_alg(&one, all, n);
		}
	}
}

size_t conf_esp_algs(const struct conf *c, struct conf_esp_alg ret[CONF_ESP_ALGS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->ike.n_conns; i++) {
		const struct ike_conn_cfg *conn = &c->ike.conns[i];

		for (size_t j = 0; j < conn->n_children; j++) {
			const struct ike_child_cfg *child = &conn->children[j];
			const struct conf_esp_alg of = { .conn = conn->name, .child = child->name };

			for (uint8_t k = 0; k < child->n_proposals; k++)
				add_proposal(&child->proposals[k], of, ret, &n);
		}
	}
	return n;
}

int conf_check_backend(struct parse *p)
{
	int r = 0;

	if (p->conf->backend == CONF_BACKEND_ENGINE)
		return 0;
	r = secs_each(p, "uplink", look_at_uplink, NULL);
	if (r == 0)
		r = secs_each(p, "class", look_at_class, NULL);
	if (r == 0)
		r = secs_each(p, "connection", look_at_connection, NULL);
	return r;
}
