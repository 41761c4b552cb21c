/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the command braid share. */
#ifndef BRAID_CLI_IMPL_H
#define BRAID_CLI_IMPL_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* Exit codes, also in braid(8) and FOREACH_CTL_CODE. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_AGENT = 3,
	EXIT_REFUSED = 4,
	EXIT_TIMEOUT = 5
};

enum { ANSWER_MSEC = 10000 };

struct ctl_client;

struct cli {
	const char *state_dir;
	bool json, watch, force, ike, child, reset, clear;
	unsigned watch_msec;
	unsigned timeout_sec;
	unsigned count, interval_usec, octets; /* of a test; 0: as usual */
	const char *wireshark_dir;
	json_t *mmx;		/* members of its request that options have given; NULL: none */
	const char *mmx_option; /* the last of them */
	char sock[256];
	struct ctl_client *client;
};

typedef void show_fn(FILE *out, const json_t *data);
typedef void live_fn(FILE *out, const json_t *data, const json_t *before_or_null);

int cli_bad_usage(const char *text);
/* Refused by us, not by the agent: told as the agent's refusals are; the exit code. */
int cli_refused(struct cli *c, const char *fmt, const char *name);
/* One request, followed to its end; the exit code. args is taken. *ret_data, if wanted, is the
 * caller's, also with a failure. */
int cli_run(struct cli *c, const char *cmd, json_t *args, int timeout_msec, json_t **ret_data);
void cli_print_json(const json_t *value);
/* Its answer, shown, also what came of it with a failure; args is taken. */
int cli_show_within(struct cli *c, const char *cmd, json_t *args, int timeout_msec, show_fn *fn);
/* The same for what the agent answers at once. */
int cli_show(struct cli *c, const char *cmd, json_t *args, show_fn *fn);
/* Its answers, one after the other until one fails, drawn over each other on a terminal. args:
 * taken. */
int cli_watch(struct cli *c, const char *cmd, json_t *args, live_fn *fn);
/* Members of a request about NAME[#LINE][/CHILD], the name as that key. */
json_t *cli_args_of(const char *key, const char *name);

/* ---- cli_flush.c: connects by itself ---- */

int cmd_flush(struct cli *c, char **argv);

/* ---- cli_steering.c, cli_top.c ---- */

int cmd_steering(struct cli *c, char **argv);
int cmd_top(struct cli *c, char **argv);

/* ---- cli_mmx.c ---- */

int cmd_mmx(struct cli *c, char **argv);
/* An option that only mmx takes: its name, and its word or NULL. */
void cli_mmx_option(struct cli *c, const char *name, const char *word_or_null);

#endif
