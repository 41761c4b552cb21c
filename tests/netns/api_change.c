/* SPDX-License-Identifier: GPL-2.0-only */
/* api_change SOCKET OPERATION CONN [KEY=VALUE...]: one call of libbraid, and what it returns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "braid/braid.h"

static const struct {
	const char *name;
	enum braid_action action;
	int (*fn)(struct braid *, const struct braid_change *, struct braid_result *);
} ops[] = {
	{ "update", BRAID_UPDATE, braid_update },
	{ "add", BRAID_ADD, braid_add },
	{ "remove", BRAID_REMOVE, braid_remove },
	{ "alternates", BRAID_SET_ALTERNATES, braid_set_alternates },
	{ "failover", BRAID_FAILOVER, braid_failover },
	{ "add-interface", BRAID_ADD_INTERFACE, braid_add_interface },
	{ "delete-interface", BRAID_DELETE_INTERFACE, braid_delete_interface },
};

static const char *alternates[8];
static bool check, keep;
static const char *local = "", *remote = "";

static void set(struct braid_change *c, const char *arg)
{
	static const struct {
		const char *word;
		unsigned flag;
	} flags[] = {
		{ "hard", BRAID_HARD },	       { "prune", BRAID_PRUNE },
		{ "peers", BRAID_PEERS },      { "ike", BRAID_IKE },
		{ "all", BRAID_ALL },	       { "parallel", BRAID_PARALLEL },
		{ "best", BRAID_BEST_EFFORT },
	};
	const struct {
		const char *key;
		const char **at;
	} texts[] = {
		{ "old=", &c->old_endpoint },
		{ "new=", &c->new_endpoint },
		{ "child=", &c->child },
		{ "inner=", &c->inner },
		{ "local=", &local },
		{ "remote=", &remote },
		{ "to=", &c->to },
		{ "from=", &c->from },
		{ "alt=", &alternates[c->n_alternates] },
	};

	check |= !strcmp(arg, "check");
	keep |= !strcmp(arg, "keep");
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(flags[i].word, arg))
			c->flags |= flags[i].flag;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!strncmp(texts[i].key, arg, strlen(texts[i].key)))
			*texts[i].at = arg + strlen(texts[i].key);
	c->n_alternates += !strncmp(arg, "alt=", 4);
}

/* What every Child SA is bound to, and what both sides have announced. */
static int list(struct braid *b, const char *conn)
{
	struct braid_announcements *told;
	struct braid_relations *rels;
	int r = braid_relations(b, conn, &rels);

	if (r < 0)
		return r;
	for (const struct braid_relation *rel = rels->first; rel; rel = rel->next)
		for (const struct braid_child *c = rel->children; c; c = c->next) {
			printf("child %s mmx=%d binding=%d", c->name, rel->mmx, c->binding != 0);
			for (const struct braid_pair *p = c->pairs; p; p = p->next)
				if (!p->alternate)
					printf(" %s>%s", p->local, p->remote);
			putchar('\n');
		}
	braid_relations_free(rels);
	r = braid_announcements(b, conn, &told);
	if (r < 0)
		return r;
	for (const struct braid_announcement *t = told->first; t; t = t->next) {
		for (const struct braid_announced *i = t->ours; i; i = i->next)
			printf("ours %s %s\n", i->name, i->endpoints->address);
		for (const struct braid_announced *i = t->peers; i; i = i->next)
			printf("peers %u %s\n", i->number, i->endpoints->address);
	}
	braid_announcements_free(told);
	return 0;
}

static int probe(struct braid *b, const char *conn)
{
	struct braid_probed p;
	int r = braid_probe(b, conn, local, remote, keep, &p);

	if (r == 0)
		printf("answered %d %d %s\n", p.rtt_usec > 0, p.nat, p.seen);
	return r;
}

int main(int argc, char **argv)
{
	struct braid_result result = { 0 };
	struct braid_change c = { .alternates = alternates };
	struct braid *b;
	int r = argc < 4 ? -1 : braid_connect(argv[1], &b);

	if (r < 0)
		return 2;
	c.conn = argv[3];
	for (int i = 4; i < argc; i++)
		set(&c, argv[i]);
	r = -1;
	if (!strcmp(argv[2], "list"))
		r = list(b, c.conn);
	else if (!strcmp(argv[2], "probe"))
		r = probe(b, c.conn);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (strcmp(ops[i].name, argv[2]))
			continue;
		r = check ? braid_check(b, ops[i].action, &c, &result) : ops[i].fn(b, &c, &result);
		printf("%s %u\n", result.status, result.affected);
	}
	if (r < 0)
		printf("%s: %s\n", braid_strerror(r), braid_error(b));
	braid_close(b);
	return r < 0;
}
