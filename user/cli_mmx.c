/* SPDX-License-Identifier: GPL-2.0-only */
/* braid mmx: interfaces of both ends, and what the SAs of a relation use of them. */
#include <stdio.h>
#include <string.h>

#include "ctl/show.h"
#include "cli_impl.h"

/* Options, and the member of the request that each is. */
static const struct {
	const char *name, *member;
	enum { YES, WORD, WORDS } kind;
} options[] = {
	{ "hard", "hard", YES },
	{ "best-effort", "best_effort", YES },
	{ "parallel", "parallel", YES },
	{ "prune", "prune", YES },
	{ "all", "all", YES },
	{ "here", "here", YES },
	{ "observed", "observed", YES },
	{ "keep", "keep", YES },
	{ "peer", "side", WORD },
	{ "to", "to", WORD },
	{ "from", "from", WORDS },
	{ "inner", "inner", WORDS },
	{ "inner-old", "inner_old", WORDS },
	{ "spi", "spis", WORDS },
};

void cli_mmx_option(struct cli *c, const char *name, const char *word)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		json_t *v, *list;

		if (strcmp(options[i].name, name) != 0)
			continue;
		c->mmx = c->mmx ? c->mmx : json_object();
		if (options[i].kind == YES) {
			v = json_true();
		} else if (!strcmp(name, "peer")) {
			v = json_string("peer");
		} else if (options[i].kind == WORDS) {
			list = json_object_get(c->mmx, options[i].member);
			v = list ? json_incref(list) : json_array();
			json_array_append_new(v, json_string(word));
		} else {
			v = json_string(word);
		}
		json_object_set_new(c->mmx, options[i].member, v);
		c->mmx_option = options[i].name;
	}
}

/* Beside what the options say. */
static json_t *args_of(struct cli *c, const char *name)
{
	json_t *args = cli_args_of("conn", name);

	if (c->mmx)
		json_object_update(args, c->mmx);
	if (c->ike)
		json_object_set_new(args, "ike", json_true());
	json_object_set_new(args, "timeout_usec",
			    json_integer((json_int_t)c->timeout_sec * 1000000));
	return args;
}

static json_t *words_from(char **argv)
{
	json_t *list = json_array();

	for (; *argv; argv++)
		json_array_append_new(list, json_string(*argv));
	return list;
}

/* What is behind the relation's name. */
static const struct action {
	const char *word, *usage;
	int least, most; /* words behind the name */
	const char *member[2];
} actions[] = {
	{ "add", "NAME ENDPOINT...", 1, 8, { "new" } },
	{ "remove", "NAME ENDPOINT...", 1, 8, { "old" } },
	{ "update", "NAME OLD NEW", 2, 2, { "old", "new" } },
	{ "alternates", "NAME ENDPOINT [ALTERNATE...]", 1, 9, { "old", "alternates" } },
	{ "failover", "NAME OLD NEW", 2, 2, { "old", "new" } },
	{ "add-interface", "NAME ENDPOINT", 1, 1, { "new" } },
	{ "delete-interface", "NAME ENDPOINT", 1, 1, { "old" } },
};

static const struct action *action_find(const char *word)
{
	for (size_t i = 0; word && i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(actions[i].word, word))
			return &actions[i];
	return NULL;
}

static int words(char **argv)
{
	int n = 0;

	while (argv[n])
		n++;
	return n;
}

/* argv: NAME and what follows. */
static int act(struct cli *c, const struct action *a, char **argv, bool check)
{
	int n = words(argv) - 1, timeout = (int)c->timeout_sec * 1000 + ANSWER_MSEC;
	char text[128], cmd[48];
	json_t *args;

	if (n < a->least || n > a->most) {
		snprintf(text, sizeof(text), "mmx %s%s %s", check ? "check " : "", a->word,
			 a->usage);
		return cli_bad_usage(text);
	}
	args = args_of(c, argv[0]);
	if (!a->member[1])
		json_object_set_new(args, a->member[0], words_from(argv + 1));
	else
		json_object_set_new(args, a->member[0], json_string(argv[1]));
	if (a->member[1])
		json_object_set_new(args, a->member[1], words_from(argv + 2));
	if (check)
		json_object_set_new(args, "action", json_string(a->word));
	snprintf(cmd, sizeof(cmd), "mmx-%s", check ? "check" : a->word);
	return cli_show_within(c, cmd, args, timeout, show_mmx_result);
}

static int probe(struct cli *c, char **argv)
{
	int n = words(argv), timeout = (int)c->timeout_sec * 1000 + ANSWER_MSEC;
	json_t *args;

	if (n != 2 && n != 3)
		return cli_bad_usage("mmx probe NAME PATH, or NAME OURS THEIRS");
	args = args_of(c, argv[0]);
	if (n == 2) {
		json_object_set_new(args, "path", json_string(argv[1]));
	} else {
		json_object_set_new(args, "local", json_string(argv[1]));
		json_object_set_new(args, "remote", json_string(argv[2]));
	}
	return cli_show_within(c, "mmx-probe", args, timeout, show_mmx_probe);
}

static int list(struct cli *c, char **argv)
{
	json_t *args = argv[0] ? json_pack("{s:s}", "conn", argv[0]) : NULL;

	if (words(argv) > 1)
		return cli_bad_usage("mmx list [NAME]");
	return cli_show(c, "mmx-list", args, show_mmx_list);
}

int cmd_mmx(struct cli *c, char **argv)
{
	const struct action *a = action_find(argv[0]);

	if (!strcmp(argv[0], "list"))
		return list(c, argv + 1);
	if (argv[1] && !strcmp(argv[0], "probe"))
		return probe(c, argv + 1);
	if (a && argv[1])
		return act(c, a, argv + 1, false);
	a = argv[1] && argv[2] && !strcmp(argv[0], "check") ? action_find(argv[1]) : NULL;
	if (a)
		return act(c, a, argv + 2, true);
	return cli_bad_usage("mmx list, probe, update, add, remove, alternates, failover, "
			     "add-interface, delete-interface, or check and one of these");
}
