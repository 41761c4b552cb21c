/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is: answers of the agent as structs, whose strings are those of the answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "impl.h"

/* ---- interfaces ---- */

static struct braid_interface *interface_new(struct held *h, const json_t *o, bool *failed)
{
	struct braid_interface *i = held_alloc(h, sizeof(*i), failed);

	if (!i)
		return NULL;
	i->name = get_str(o, "name");
	i->number = (unsigned)get_num(o, "id");
	i->device = get_str(o, "interface");
	i->kind = get_str(o, "kind");
	i->ifindex = (unsigned)get_num(o, "ifindex");
	i->up = get_flag(o, "up");
	i->metered = get_flag(o, "metered");
	i->preference = (unsigned)get_num(o, "preference");
	i->cost = (unsigned)get_num(o, "cost");
	i->weight = (unsigned)get_num(o, "weight");
	i->endpoints = lib_endpoints(h, json_object_get(o, "endpoints"), failed);
	return i;
}

int braid_interfaces(struct braid *b, struct braid_interfaces **ret_list)
{
	struct lib_list *l = calloc(1, sizeof(*l));
	const struct braid_interface **at;
	bool failed = false;
	json_t *data = NULL;
	const json_t *o;
	size_t i;
	int r;

	if (!l)
		return -ENOMEM;
	at = &l->as.interfaces.first;
	r = lib_run(b, "status", NULL, ANSWER_MSEC, &data);
	held_keep(&l->held, data);
	json_array_foreach(json_object_get(data, "uplinks"), i, o)
	{
		struct braid_interface *one = interface_new(&l->held, o, &failed);

		if (!one)
			break;
		*at = one;
		at = &one->next;
		l->as.interfaces.n++;
	}
	r = list_end(l, r, failed);
	if (r == 0)
		*ret_list = &l->as.interfaces;
	return r;
}

void braid_interfaces_free(struct braid_interfaces *list)
{
	list_free((struct lib_list *)list);
}

/* ---- paths ---- */

static struct braid_path *path_new(struct held *h, const json_t *o, bool initiator, bool *failed)
{
	struct braid_path *p = held_alloc(h, sizeof(*p), failed);

	if (!p)
		return NULL;
	p->id = (unsigned)get_num(o, "id");
	p->name = get_str(o, "name");
	p->conn = get_str(o, "conn");
	p->line = get_num(o, "line");
	p->uplink = get_str(o, "uplink");
	p->local = get_str(o, "local");
	p->remote = get_str(o, "remote");
	p->local_number = (unsigned)get_num(o, initiator ? "epid_i" : "epid_r");
	p->remote_number = (unsigned)get_num(o, initiator ? "epid_r" : "epid_i");
	p->state = get_str(o, "state");
	p->why = get_str(o, "why");
	p->verified = get_flag(o, "verified");
	p->preferred = get_flag(o, "preferred");
	p->in_use = get_num(o, "share") > 0;
	p->rtt_usec = (uint32_t)get_num(o, "rtt_usec");
	p->loss_permille = (unsigned)get_num(o, "loss_permille");
	p->mtu = (unsigned)get_num(o, "mtu");
	p->rx_packets = get_num(o, "rx_packets");
	p->rx_octets = get_num(o, "rx_octets");
	p->tx_packets = get_num(o, "tx_packets");
	p->tx_octets = get_num(o, "tx_octets");
	return p;
}

/* Endpoints are numbered by who initiated, which the IKE SA tells. */
static bool is_initiator(const json_t *sas, uint64_t line)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(sas, "ike_sas"), i, o)
	{
		if (get_num(o, "line") == line)
			return !strcmp(get_str(o, "role"), "I");
	}
	return false;
}

int braid_paths(struct braid *b, const char *conn, struct braid_paths **ret_list)
{
	struct lib_list *l = calloc(1, sizeof(*l));
	json_t *data = NULL, *sas = NULL;
	const struct braid_path **at;
	bool failed = false;
	const json_t *o;
	size_t i;
	int r;

	if (!l)
		return -ENOMEM;
	at = &l->as.paths.first;
	r = lib_run(b, "paths", lib_of_conn(conn), ANSWER_MSEC, &data);
	held_keep(&l->held, data);
	if (r == 0)
		r = lib_run(b, "sas", NULL, ANSWER_MSEC, &sas);
	held_keep(&l->held, sas);
	json_array_foreach(json_object_get(data, "paths"), i, o)
	{
		struct braid_path *p =
			path_new(&l->held, o, is_initiator(sas, get_num(o, "line")), &failed);

		if (!p)
			break;
		*at = p;
		at = &p->next;
		l->as.paths.n++;
	}
	r = list_end(l, r, failed);
	if (r == 0)
		*ret_list = &l->as.paths;
	return r;
}

void braid_paths_free(struct braid_paths *list)
{
	list_free((struct lib_list *)list);
}

/* ---- relations ---- */

/* What the agent has said about all of them. */
struct said {
	const json_t *paths, *mmx;
	struct held *held;
	bool failed;
};

static const char *path_between(const struct said *s, uint64_t line, const char *local,
				const char *remote)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(s->paths, "paths"), i, o)
	{
		if (get_num(o, "line") == line && !strcmp(get_str(o, "local"), local) &&
		    !strcmp(get_str(o, "remote"), remote))
			return get_str(o, "name");
	}
	return "";
}

/* Those of a list with "local", "remote" and "verified"; line: 0, or only those of that line. */
static const struct braid_pair *pairs_of(struct said *s, const json_t *list, uint64_t line,
					 bool all_of_them)
{
	const struct braid_pair *first = NULL, **at = &first;
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct braid_pair *p;

		if (!all_of_them && get_num(o, "line") != line)
			continue;
		if (get_flag(o, "boot")) /* none of its own: it helps until one is verified */
			continue;
		p = held_alloc(s->held, sizeof(*p), &s->failed);
		if (!p)
			break;
		p->local = get_str(o, "local");
		p->remote = get_str(o, "remote");
		p->path = path_between(s, line, p->local, p->remote);
		p->verified = get_flag(o, "verified");
		p->alternate = get_flag(o, "alternate");
		*at = p;
		at = &p->next;
	}
	return first;
}

static const json_t *mmx_of(const struct said *s, uint64_t line)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(s->mmx, "relations"), i, o)
	{
		if (get_num(o, "line") == line)
			return o;
	}
	return NULL;
}

/* What it is bound to, or, bound to nothing, all that its line may use. */
static const struct braid_pair *child_pairs(struct said *s, uint64_t line, uint64_t binding)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(mmx_of(s, line), "bindings"), i, o)
	{
		if (binding && get_num(o, "id") == binding)
			return pairs_of(s, json_object_get(o, "paths"), line, true);
	}
	return pairs_of(s, json_object_get(s->paths, "paths"), line, false);
}

static struct braid_child *child_new(struct said *s, const json_t *o, uint64_t line)
{
	struct braid_child *c = held_alloc(s->held, sizeof(*c), &s->failed);

	if (!c)
		return NULL;
	c->id = (unsigned)get_num(o, "id");
	c->name = get_str(o, "name");
	c->state = get_str(o, "state");
	c->mode = get_str(o, "mode");
	c->spi_in = (uint32_t)strtoul(get_str(o, "spi_in"), NULL, 16);
	c->spi_out = (uint32_t)strtoul(get_str(o, "spi_out"), NULL, 16);
	c->rx_packets = get_num(o, "rx_packets");
	c->rx_octets = get_num(o, "rx_octets");
	c->tx_packets = get_num(o, "tx_packets");
	c->tx_octets = get_num(o, "tx_octets");
	c->binding = get_num(o, "binding");
	c->pairs = child_pairs(s, line, c->binding);
	return c;
}

static struct braid_relation *relation_new(struct said *s, const json_t *o)
{
	struct braid_relation *rel = held_alloc(s->held, sizeof(*rel), &s->failed);
	const struct braid_child **at;
	const json_t *k;
	size_t i;

	if (!rel)
		return NULL;
	rel->conn = get_str(o, "conn");
	rel->line = get_num(o, "line");
	rel->family = get_num(o, "family");
	rel->state = get_str(o, "state");
	rel->initiator = !strcmp(get_str(o, "role"), "I");
	rel->local = get_str(o, "local");
	rel->remote = get_str(o, "remote");
	rel->local_id = get_str(o, "local_id");
	rel->remote_id = get_str(o, "remote_id");
	rel->mmx = get_flag(mmx_of(s, rel->line), "on");
	at = &rel->children;
	json_array_foreach(json_object_get(o, "children"), i, k)
	{
		struct braid_child *c = child_new(s, k, rel->line);

		if (!c)
			break;
		*at = c;
		at = &c->next;
	}
	return rel;
}

int braid_relations(struct braid *b, const char *conn, struct braid_relations **ret_list)
{
	struct lib_list *l = calloc(1, sizeof(*l));
	json_t *sas = NULL, *paths = NULL, *mmx = NULL;
	const struct braid_relation **at;
	struct said said = { 0 };
	const json_t *o;
	size_t i;
	int r;

	if (!l)
		return -ENOMEM;
	at = &l->as.relations.first;
	/* The one that knows names of connections first: it refuses those that there are not. */
	r = lib_run(b, "paths", lib_of_conn(conn), ANSWER_MSEC, &paths);
	held_keep(&l->held, paths);
	if (r == 0)
		r = lib_run(b, "sas", NULL, ANSWER_MSEC, &sas);
	held_keep(&l->held, sas);
	if (r == 0)
		r = lib_mmx_list(b, conn, &mmx);
	held_keep(&l->held, mmx);
	said = (struct said){ .paths = paths, .mmx = mmx, .held = &l->held };
	json_array_foreach(json_object_get(sas, "ike_sas"), i, o)
	{
		struct braid_relation *rel;

		if (conn && strcmp(get_str(o, "conn"), conn) != 0)
			continue;
		rel = relation_new(&said, o);
		if (!rel)
			break;
		*at = rel;
		at = &rel->next;
		l->as.relations.n++;
	}
	r = list_end(l, r, said.failed);
	if (r == 0)
		*ret_list = &l->as.relations;
	return r;
}

void braid_relations_free(struct braid_relations *list)
{
	list_free((struct lib_list *)list);
}
