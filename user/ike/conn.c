/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections: the counted copy of the configuration, and identities. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_private.h"

static void conn_defaults(struct ike_conn_cfg *c)
{
	if (!c->retransmit_timeout)
		c->retransmit_timeout = 2 * USEC_PER_SEC;
	if (c->retransmit_base < 1.0)
		c->retransmit_base = 1.8;
	if (!c->retransmit_tries)
		c->retransmit_tries = 10;
}

/* The counters of that name, or new ones. at: where to begin to look, since most connections stand
 * where they stood before. */
static struct tally *tally_of(const struct list *old, const char *name, const struct list **at)
{
	const struct list *it = *at, *begin = *at;
	struct tally *t;

	do {
		const struct conn *c = it == old ? NULL : list_entry(it, struct conn, node);

		it = it->next;
		if (c && !strcmp(c->c.name, name)) {
			*at = it;
			c->tally->refs++;
			return c->tally;
		}
	} while (it != begin);
	t = calloc(1, sizeof(*t));
	if (t)
		t->refs = 1;
	return t;
}

static void tally_unref(struct tally *t)
{
	if (!t || --t->refs)
		return;
	free(t->ifaces);
	free(t->asked);
	free(t);
}

int conns_copy(const struct ike_cfg *cfg, const struct list *old, struct list *ret_conns)
{
	const struct list *at = old->next;
	struct list conns;

	list_init(&conns);
	for (unsigned i = 0; i < cfg->n_conns; i++) {
		const struct ike_conn_cfg *from = &cfg->conns[i];
		struct conn *c = calloc(1, sizeof(*c));

		if (!c)
			goto nomem;
		c->refs = 1;
		c->c = *from;
		c->c.children = NULL;
		for (unsigned k = 0; k < from->n_creds; k++)
			cred_ref(from->creds[k]);
		trust_ref(from->trust);
		list_append(&conns, &c->node);
		c->tally = tally_of(old, from->name, &at);
		if (!c->tally)
			goto nomem;
		if (from->n_children) {
			c->c.children = malloc(from->n_children * sizeof(*from->children));
			if (!c->c.children)
				goto nomem;
			memcpy(c->c.children, from->children,
			       from->n_children * sizeof(*from->children));
		}
		conn_defaults(&c->c);
	}
	list_init(ret_conns);
	list_for_each_safe (it, tmp, &conns) {
		list_remove(it);
		list_append(ret_conns, it);
	}
	return 0;
nomem:
	conns_free(&conns);
	return -ENOMEM;
}

void conns_free(struct list *conns)
{
	list_for_each_safe (it, tmp, conns) {
		list_remove(it);
		conn_unref(list_entry(it, struct conn, node));
	}
}

struct conn *conn_ref(struct conn *c)
{
	c->refs++;
	return c;
}

void conn_unref(struct conn *c)
{
	if (!c || --c->refs)
		return;
	free(c->c.children);
	for (unsigned k = 0; k < c->c.n_creds; k++)
		cred_unref(c->c.creds[k]);
	trust_unref(c->c.trust);
	secret_clear(&c->c.psk);
	tally_unref(c->tally);
	free(c);
}

struct conn *conn_find(const struct ike *ike, const char *name)
{
	list_for_each (it, &ike->conns) {
		struct conn *c = list_entry(it, struct conn, node);

		if (!strcmp(c->c.name, name))
			return c;
	}
	return NULL;
}

static bool addr_listed(const struct addr *a, const struct addr *list, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (addr_equal(a, &list[i]))
			return true;
	return n == 0;
}

bool conn_fits_path(const struct ike_conn_cfg *c, const struct ike_path *path)
{
	return addr_listed(&path->local.ip, c->local_addrs, c->n_local_addrs) &&
	       addr_listed(&path->remote.ip, c->remote_addrs, c->n_remote_addrs);
}

/* NULL name: the connection's first Child SA. */
const struct ike_child_cfg *conn_child(const struct conn *c, const char *name)
{
	for (unsigned i = 0; i < c->c.n_children; i++)
		if (!name || !strcmp(c->c.children[i].name, name))
			return &c->c.children[i];
	return NULL;
}

bool ike_conn_transport(const struct ike_conn_cfg *c)
{
	for (unsigned i = 0; i < c->n_children; i++)
		if (c->children[i].mode != CHILD_TRANSPORT)
			return false;
	return c->n_children;
}

bool id_equal(const struct ike_id *a, const struct ike_id *b)
{
	return a->type == b->type && a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static const struct ike_id nobody;

void id_drop(const struct ike_id **at)
{
	if (*at != &nobody)
		free((void *)*at);
	*at = &nobody;
}

int id_keep(const struct ike_id **at, const struct ike_id *id)
{
	size_t len = offsetof(struct ike_id, data) + id->len;
	void *copy = malloc(len);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, id, len);
	id_drop(at);
	*at = copy;
	return 0;
}

void id_copy(struct ike_id *out, const struct ike_id *id)
{
	memset(out, 0, sizeof(*out));
	memcpy(out, id, offsetof(struct ike_id, data) + id->len);
}

static bool is_text(const struct ike_id *id)
{
	return id->type == ID_FQDN || id->type == ID_RFC822_ADDR;
}

bool ike_id_is_pattern(const struct ike_id *id)
{
	if (id->type == ID_DER_ASN1_DN)
		return dn_has_wildcard(id->data, id->len);
	return id->type == 0 || (is_text(id) && id->len && id->data[0] == '*');
}

bool id_matches(const struct ike_id *want, const struct ike_id *got)
{
	if (want->type == 0)
		return true;
	if (want->type != got->type)
		return false;
	if (want->type == ID_DER_ASN1_DN)
		return dn_matches(want->data, want->len, got->data, got->len);
	/* "*.example.org" is every name with something before that */
	if (ike_id_is_pattern(want))
		return got->len >= want->len &&
		       !memcmp(want->data + 1, got->data + got->len - (want->len - 1),
			       want->len - 1u);
	return id_equal(want, got);
}

const char *id_format(const struct ike_id *id, char buf[128])
{
	struct addr a = { 0 };
	char text[ADDR_STR];
	size_t n = 0;

	if ((id->type == ID_IPV4_ADDR && id->len == 4) ||
	    (id->type == ID_IPV6_ADDR && id->len == 16)) {
		a = addr_from_bytes(id->len == 4 ? 4 : 6, id->data);
		snprintf(buf, 128, "%s", addr_format(&a, text));
		return buf;
	}
	if (id->type == ID_DER_ASN1_DN) {
		dn_format(id->data, id->len, buf, 128);
		return buf;
	}
	for (unsigned i = 0; i < id->len && n < 120; i++)
		buf[n++] = id->data[i] >= 0x20 && id->data[i] < 0x7f ? (char)id->data[i] : '?';
	buf[n] = 0;
	return buf;
}
