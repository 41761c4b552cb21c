/* SPDX-License-Identifier: GPL-2.0-only */
/* braid: what an operator types. One request to the agent, shown as text or JSON. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/version.h"
#include "ctl/client.h"
#include "ctl/show.h"
#include "cli_impl.h"

enum { RATE_USEC = 300 * 1000 };

static void usage(FILE *to)
{
	fputs("Usage: braid [options] COMMAND\n\n"
	      "  up NAME[/CHILD]            bring a connection up, or one more of its children\n"
	      "  down NAME[/CHILD]          close it\n"
	      "  rekey NAME[/CHILD]         new keys for the IKE SA, or for one child\n"
	      "    NAME#LINE[/CHILD]        of one of several IKE SAs, see sas; also for clone\n"
	      "    --ike, --child NAME      for the IKE SA; for all children that are up\n"
	      "  clone NAME[/CHILD]         another IKE SA beside it, and that child on it\n"
	      "  status                     agent, engine, uplinks, connections\n"
	      "  sas                        IKE SAs and Child SAs\n"
	      "  paths [NAME]               every path, or those of a connection\n"
	      "    -w, --watch[=SECONDS]    a live table with rates and shares\n"
	      "  path disable|enable NAME   take a path out of use, bring it back\n"
	      "  path prefer NAME           all traffic of its relation goes there while it is up\n"
	      "    --clear                  no path of that relation is preferred any more\n"
	      "  path test NAME             some probes at once: answers, loss, round trip\n"
	      "    -c, --count N            so many (10)\n"
	      "    -i, --interval SECONDS   so long apart (0.1)\n"
	      "    -s, --size OCTETS        of IP packets, about\n"
	      "  steering [NAME]            traffic classes: rules, what they carry, which way, "
	      "why\n"
	      "    -w, --watch[=SECONDS]    live, with rates\n"
	      "  steering explain PROTOCOL LOCAL[:PORT] REMOTE[:PORT] [dscp D] [mark M] [cgroup "
	      "G]\n"
	      "                             the rule, class and path of a flow\n"
	      "  top                        paths and classes on the whole terminal, live\n"
	      "  conns [NAME]               connections as they are configured\n"
	      "  counters [NAME]            what IKE counted, of all and of each connection\n"
	      "    --reset                  these and those of stats begin at 0 again\n"
	      "  mmx list [NAME]            interfaces of both ends, and what SAs use of them\n"
	      "  mmx ACTION NAME ...        ask the peer to change that; see braid(8)\n"
	      "  certs                      certificates: whose, for what, until when\n"
	      "  stats                      counters and drop reasons\n"
	      "  events                     follow what happens\n"
	      "  reload                     read the configuration again\n"
	      "  keys --wireshark DIR       keys for a capture decoder, if the configuration "
	      "allows it\n"
	      "  flush                      remove what an agent that is gone has left\n"
	      "    --force                  stop the agent first, if there is one\n"
	      "  version, help\n\n"
	      "Options:\n"
	      "  -d, --state-dir DIR        of the agent (/run/braid)\n"
	      "  -j, --json                 JSON on standard output, a line each\n"
	      "  -t, --timeout SECONDS      for up, down, rekey and clone (60)\n\n"
	      "Exit codes: 0 done, 1 failed, 2 usage, 3 no agent, 4 refused, 5 timeout, 6 no "
	      "answer,\n7 authentication failed, 8 refused by the peer, 9 not permitted. See "
	      "braid(8).\n",
	      to);
}

int cli_bad_usage(const char *text)
{
	fprintf(stderr, "braid: %s; see braid help\n", text);
	return EXIT_USAGE;
}

void cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
	fflush(stdout);
}

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- one request ---- */

static int connect_agent(struct cli *c)
{
	int r, n = snprintf(c->sock, sizeof(c->sock), "%s/ctl.sock", c->state_dir);

	r = n < 0 || (size_t)n >= sizeof(c->sock) ? -ENAMETOOLONG
						  : ctl_connect(c->sock, &c->client);
	if (r == 0)
		return EXIT_OK;
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR) {
		fprintf(stderr,
			"braid: no agent answers at %s: is braidd running? (another state "
			"directory: -d "
			"DIR)\n",
			c->sock);
		return EXIT_NO_AGENT;
	}
	fprintf(stderr, "braid: %s: %s%s\n", c->sock, strerror(-r),
		r == -EACCES ? "; root, the agent's own user and whom its control { } names may"
			     : "");
	return EXIT_FAILED;
}

/* The end of a request: exit code, and why on standard error. */
static int end_of(struct cli *c, const json_t *reply)
{
	const json_t *error = json_object_get(reply, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));

	if (!error || json_is_null(error))
		return EXIT_OK;
	if (c->json) {
		json_t *o = json_pack("{s:O}", "error", error);

		cli_print_json(o);
		json_decref(o);
	}
	fprintf(stderr, "braid: %s\n", text && *text ? text : "failed, without a reason");
	return code ? ctl_code_exit(code) : EXIT_FAILED;
}

/* The same for what we find out ourselves. */
static int failed(struct cli *c, const char *code, const char *fmt, const char *name)
{
	json_t *reply =
		json_pack("{s:{s:s, s:o}}", "error", "code", code, "text", json_sprintf(fmt, name));
	int r = end_of(c, reply);

	json_decref(reply);
	return r;
}

int cli_refused(struct cli *c, const char *fmt, const char *name)
{
	return failed(c, "refused", fmt, name);
}

static int no_reply(struct cli *c, int r)
{
	if (r == -ETIMEDOUT) {
		fprintf(stderr, "braid: the agent at %s does not answer\n", c->sock);
		return EXIT_TIMEOUT;
	}
	if (r == 0)
		fprintf(stderr, "braid: the agent closed the connection\n");
	else if (r == -EBADMSG)
		fprintf(stderr, "braid: %s speaks another protocol version, or none\n", c->sock);
	else
		fprintf(stderr, "braid: %s: %s\n", c->sock, strerror(-r));
	return EXIT_FAILED;
}

static void on_event(struct cli *c, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *text = json_string_value(json_object_get(event, "text"));

	if (c->json)
		cli_print_json(event);
	else if (kind && text && !strcmp(kind, ctl_event_word(CTL_EV_PROGRESS)))
		printf("%s\n", text);
	else
		show_event(stdout, event);
	fflush(stdout);
}

int cli_run(struct cli *c, const char *cmd, json_t *args, int timeout_msec, json_t **ret_data)
{
	int r = ctl_send(c->client, cmd, args);

	json_decref(args);
	if (r < 0)
		return no_reply(c, r);
	for (;;) {
		json_t *reply, *data, *event;

		r = ctl_recv(c->client, timeout_msec, &reply);
		if (r <= 0)
			return no_reply(c, r);
		data = json_object_get(reply, "data");
		event = json_object_get(reply, "event");
		if (event)
			on_event(c, event);
		if (data && ret_data)
			*ret_data = ctl_join(*ret_data, json_incref(data));
		if (json_is_true(json_object_get(reply, "done"))) {
			r = end_of(c, reply);
			json_decref(reply);
			return r;
		}
		json_decref(reply);
	}
}

/* The '#' of NAME#LINE[/CHILD]; with something else behind it, it is a part of the name. */
static const char *line_mark(const char *name)
{
	size_t len = strcspn(name, "/");
	const char *mark = memrchr(name, '#', len);
	size_t digits = mark ? strspn(mark + 1, "0123456789") : 0;

	return digits && mark + 1 + digits == name + len ? mark : NULL;
}

json_t *cli_args_of(const char *key, const char *name)
{
	const char *slash = strchr(name, '/'), *mark = line_mark(name);
	size_t len = mark ? (size_t)(mark - name) : strcspn(name, "/");
	json_t *args = json_object();

	json_object_set_new(args, key, json_stringn(name, len));
	if (mark)
		json_object_set_new(args, "line",
				    json_integer((json_int_t)strtoull(mark + 1, NULL, 10)));
	if (slash)
		json_object_set_new(args, "child", json_string(slash + 1));
	return args;
}

/* ---- commands ---- */

int cli_show_within(struct cli *c, const char *cmd, json_t *args, int msec, show_fn *fn)
{
	json_t *data = NULL;
	int r = cli_run(c, cmd, args, msec, &data);

	if ((data || r == EXIT_OK) && c->json)
		cli_print_json(data);
	else if (data || r == EXIT_OK)
		fn(stdout, data);
	json_decref(data);
	return r;
}

int cli_show(struct cli *c, const char *cmd, json_t *args, show_fn *fn)
{
	return cli_show_within(c, cmd, args, ANSWER_MSEC, fn);
}

static int cmd_status(struct cli *c, char **argv)
{
	(void)argv;
	return cli_show(c, "status", NULL, show_status);
}

static int cmd_sas(struct cli *c, char **argv)
{
	(void)argv;
	return cli_show(c, "sas", NULL, show_sas);
}

static int cmd_stats(struct cli *c, char **argv)
{
	(void)argv;
	return cli_show(c, "stats", NULL, show_stats);
}

static json_t *conn_arg(char **argv)
{
	return argv[0] ? json_pack("{s:s}", "conn", argv[0]) : NULL;
}

static int cmd_conns(struct cli *c, char **argv)
{
	return cli_show(c, "conns", conn_arg(argv), show_conns);
}

static int cmd_counters(struct cli *c, char **argv)
{
	if (c->reset && argv[0])
		return cli_bad_usage("counters --reset is for all connections, and takes no name");
	if (c->reset)
		return cli_run(c, "counters-reset", NULL, ANSWER_MSEC, NULL);
	return cli_show(c, "counters", conn_arg(argv), show_counters);
}

static int cmd_certs(struct cli *c, char **argv)
{
	(void)argv;
	return cli_show(c, "certs", NULL, show_certs);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* One table of the live view, over the last one on a terminal. Returns its lines. */
static unsigned draw(live_fn *fn, const json_t *data, const json_t *before, unsigned above)
{
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);
	unsigned lines;

	if (!mem)
		return above;
	fn(mem, data, before);
	fclose(mem);
	lines = count_lines(text);
	if (isatty(STDOUT_FILENO) && above)
		printf("\033[%uA\033[J", above);
	else if (above)
		putchar('\n');
	fputs(text, stdout);
	fflush(stdout);
	free(text);
	return lines;
}

int cli_watch(struct cli *c, const char *cmd, json_t *args, live_fn *fn)
{
	json_t *before = NULL, *data = NULL;
	unsigned lines = 0;
	int r;

	for (;;) {
		r = cli_run(c, cmd, json_incref(args), ANSWER_MSEC, &data);
		if (r != EXIT_OK)
			break;
		if (c->json)
			cli_print_json(data);
		else
			lines = draw(fn, data, before, lines);
		json_decref(before);
		before = data;
		data = NULL;
		usleep(c->watch_msec * 1000);
	}
	json_decref(before);
	json_decref(data);
	json_decref(args);
	return r;
}

/* Of the terminal; 0: it is none. */
static size_t columns(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) ? w.ws_col : 0;
}

/* Nobody has looked lately: rates are known after another look. */
static bool without_rates(const json_t *data)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(data, "paths"), i,
			   p) if (json_is_null(json_object_get(p, "rate_usec"))) return true;
	return false;
}

static int cmd_paths(struct cli *c, char **argv)
{
	json_t *data = NULL;
	int r;

	if (c->watch)
		return cli_watch(c, "paths", conn_arg(argv), show_paths_live);
	r = cli_run(c, "paths", conn_arg(argv), ANSWER_MSEC, &data);
	if (r == EXIT_OK && !c->json && without_rates(data)) {
		json_decref(data);
		data = NULL;
		usleep(RATE_USEC);
		r = cli_run(c, "paths", conn_arg(argv), ANSWER_MSEC, &data);
	}
	if (r == EXIT_OK && c->json)
		cli_print_json(data);
	else if (r == EXIT_OK)
		show_paths_within(stdout, data, columns());
	json_decref(data);
	return r;
}

static int path_test(struct cli *c, const char *name)
{
	json_t *args = json_pack("{s:s}", "name", name), *data = NULL;
	int r;

	if (c->count)
		json_object_set_new(args, "count", json_integer(c->count));
	if (c->interval_usec)
		json_object_set_new(args, "interval_usec", json_integer(c->interval_usec));
	if (c->octets)
		json_object_set_new(args, "octets", json_integer(c->octets));
	r = cli_run(c, "path-test", args, (int)(c->interval_usec / 1000) + 2 * ANSWER_MSEC, &data);
	if (data && c->json)
		cli_print_json(data);
	else if (data)
		show_path_test(stdout, data);
	json_decref(data);
	return r;
}

static int cmd_path(struct cli *c, char **argv)
{
	static const char *const words[] = { "disable", "enable", "prefer" };
	bool test = !strcmp(argv[0], "test");
	char cmd[32];

	if (!test && (c->count || c->interval_usec || c->octets))
		return cli_bad_usage("only path test takes --count, --interval and --size");
	if (test && !c->clear)
		return path_test(c, argv[1]);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(argv[0], words[i]))
			continue;
		if (c->clear && strcmp(argv[0], "prefer"))
			return cli_bad_usage("only path prefer takes --clear");
		snprintf(cmd, sizeof(cmd), "path-%s", words[i]);
		return cli_run(c, cmd, json_pack("{s:s, s:b}", "name", argv[1], "clear", c->clear),
			       ANSWER_MSEC, NULL);
	}
	return cli_bad_usage("path disable, enable, prefer or test NAME");
}

/* The agent keeps the time; we wait a little longer for its word. */
static int operate(struct cli *c, const char *cmd, const char *name)
{
	json_t *args = cli_args_of("name", name);

	json_object_set_new(args, "timeout_usec",
			    json_integer((json_int_t)c->timeout_sec * 1000000));
	return cli_run(c, cmd, args, (int)c->timeout_sec * 1000 + ANSWER_MSEC, NULL);
}

static int cmd_up(struct cli *c, char **argv)
{
	return operate(c, "up", argv[0]);
}

static int cmd_down(struct cli *c, char **argv)
{
	return operate(c, "down", argv[0]);
}

/* The children of that connection that are up, as "NAME/CHILD"; NULL: there is no such connection.
 */
static json_t *children_up(const json_t *status, const char *conn)
{
	json_t *names = json_array();
	const json_t *o, *k;
	size_t i, j;

	json_array_foreach(json_object_get(status, "conns"), i, o)
	{
		if (strcmp(member(o, "name"), conn))
			continue;
		json_array_foreach(json_object_get(o, "children"), j,
				   k) if (!strcmp(member(k, "state"), "installed"))
			json_array_append_new(names,
					      json_sprintf("%s/%s", conn, member(k, "name")));
		return names;
	}
	json_decref(names);
	return NULL;
}

/* One after the other; the first failure is the exit code, and does not keep the rest from it. */
static int rekey_children(struct cli *c, const char *conn)
{
	json_t *status = NULL, *names, *name;
	int r = cli_run(c, "status", NULL, ANSWER_MSEC, &status);
	size_t i;

	names = children_up(status, conn);
	json_decref(status);
	if (r == EXIT_OK && !names)
		r = operate(c, "rekey", conn); /* the agent says what is wrong with it */
	else if (r == EXIT_OK && !json_array_size(names))
		r = failed(c, "not-found", "%s has no Child SA that is up", conn);
	json_array_foreach(names, i, name)
	{
		int one = operate(c, "rekey", json_string_value(name));

		r = r == EXIT_OK ? one : r;
	}
	json_decref(names);
	return r;
}

static int cmd_clone(struct cli *c, char **argv)
{
	return operate(c, "clone", argv[0]);
}

static int cmd_rekey(struct cli *c, char **argv)
{
	if (c->ike && (c->child || strchr(argv[0], '/')))
		return cli_bad_usage("rekey --ike takes a connection without a child");
	if (c->child && line_mark(argv[0]))
		return cli_bad_usage(
			"rekey --child takes a connection, or one child as NAME#LINE/CHILD");
	if (c->child && !strchr(argv[0], '/'))
		return rekey_children(c, argv[0]);
	return operate(c, "rekey", argv[0]);
}

static int cmd_events(struct cli *c, char **argv)
{
	(void)argv;
	return cli_run(c, "events", NULL, -1, NULL);
}

static int cmd_reload(struct cli *c, char **argv)
{
	(void)argv;
	return cli_run(c, "reload", NULL, ANSWER_MSEC, NULL);
}

static int cmd_keys(struct cli *c, char **argv)
{
	size_t ike, esp, skipped;
	json_t *data = NULL;
	int r;

	(void)argv;
	if (!c->wireshark_dir)
		return cli_bad_usage("keys --wireshark DIR");
	r = cli_run(c, "keys", NULL, ANSWER_MSEC, &data);
	if (r != EXIT_OK)
		goto out;
	r = wireshark_write(c->wireshark_dir, data, &ike, &esp, &skipped);
	if (r < 0) {
		fprintf(stderr, "braid: %s: %s\n", c->wireshark_dir, strerror(-r));
		r = EXIT_FAILED;
		goto out;
	}
	if (c->json) {
		printf("{\"ike\":%zu,\"esp\":%zu,\"skipped\":%zu}\n", ike, esp, skipped);
		goto out;
	}
	printf("%s: keys of %zu IKE SAs (ikev2_decryption_table) and %zu ESP SAs (esp_sa)\n",
	       c->wireshark_dir, ike, esp);
	if (skipped)
		printf("left out: %zu with an algorithm Wireshark does not decrypt\n", skipped);
out:
	json_decref(data);
	return r;
}

static void show_version(FILE *out, const json_t *data)
{
	const char *v = json_string_value(json_object_get(data, "version"));

	fprintf(out, "braidd %s, control protocol %lld, pid %lld\n", v ? v : "-",
		(long long)json_integer_value(json_object_get(data, "protocol")),
		(long long)json_integer_value(json_object_get(data, "pid")));
}

static int cmd_version(struct cli *c, char **argv)
{
	(void)argv;
	return cli_show(c, "version", NULL, show_version);
}

static const struct command {
	const char *name;
	int args_min, args_max;
	int (*fn)(struct cli *c, char **argv);
} commands[] = {
	{ "up", 1, 1, cmd_up },
	{ "down", 1, 1, cmd_down },
	{ "rekey", 1, 1, cmd_rekey },
	{ "clone", 1, 1, cmd_clone },
	{ "status", 0, 0, cmd_status },
	{ "sas", 0, 0, cmd_sas },
	{ "paths", 0, 1, cmd_paths },
	{ "path", 2, 2, cmd_path },
	{ "stats", 0, 0, cmd_stats },
	{ "events", 0, 0, cmd_events },
	{ "reload", 0, 0, cmd_reload },
	{ "keys", 0, 0, cmd_keys },
	{ "flush", 0, 0, cmd_flush },
	{ "version", 0, 0, cmd_version },
	{ "certs", 0, 0, cmd_certs },
	{ "conns", 0, 1, cmd_conns },
	{ "counters", 0, 1, cmd_counters },
	{ "mmx", 1, 12, cmd_mmx },
	{ "steering", 0, 10, cmd_steering },
	{ "top", 0, 0, cmd_top },
};

/* Options that only one command takes, and it is not this one. */
static int check_options(const struct cli *c, const char *cmd)
{
	const struct {
		bool given;
		const char *option, *only;
	} options[] = {
		{ c->watch && strcmp(cmd, "top") != 0 && strcmp(cmd, "steering") != 0, "watch",
		  "paths" },
		{ c->force, "force", "flush" },
		{ c->ike && strcmp(cmd, "mmx") != 0, "ike", "rekey" },
		{ c->child, "child", "rekey" },
		{ c->reset, "reset", "counters" },
		{ c->wireshark_dir, "wireshark", "keys" },
		{ c->clear, "clear", "path" },
		{ c->count, "count", "path" },
		{ c->octets, "size", "path" },
		{ c->interval_usec, "interval", "path" },
		{ c->mmx, c->mmx_option, "mmx" },
	};
	char text[128];

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (!options[i].given || !strcmp(cmd, options[i].only))
			continue;
		snprintf(text, sizeof(text), "%s does not take --%s", cmd, options[i].option);
		return cli_bad_usage(text);
	}
	return EXIT_OK;
}

static int dispatch(struct cli *c, int argc, char **argv)
{
	const struct command *cmd = NULL;
	char text[128];
	int r;

	if (argc == 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "help")) {
		usage(stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			cmd = &commands[i];
	if (!cmd) {
		snprintf(text, sizeof(text), "unknown command \"%.60s\"", argv[0]);
		return cli_bad_usage(text);
	}
	if (argc - 1 < cmd->args_min || argc - 1 > cmd->args_max) {
		snprintf(text, sizeof(text), "%s has %d arguments, expected %d%s", cmd->name,
			 argc - 1, cmd->args_min,
			 cmd->args_max > cmd->args_min + 1 ? " or more"
			 : cmd->args_max > cmd->args_min   ? " or one more"
							   : "");
		return cli_bad_usage(text);
	}
	r = check_options(c, cmd->name);
	if (r != EXIT_OK)
		return r;
	if (cmd->fn == cmd_version && !c->json)
		printf("braid %s\n", BRAID_VERSION);
	if (cmd->fn == cmd_flush)
		return cmd_flush(c, argv + 1);
	r = connect_agent(c);
	return r == EXIT_OK ? cmd->fn(c, argv + 1) : r;
}

/* False: not a number in that range. */
static bool number(const char *text, double min, double max, double *ret)
{
	char *end;
	double d = strtod(text, &end);

	if (end == text || *end || !(d >= min && d <= max))
		return false;
	*ret = d;
	return true;
}

enum { OPT_WIRESHARK = 256, OPT_FORCE, OPT_IKE, OPT_CHILD, OPT_RESET, OPT_CLEAR, OPT_MMX };

static const struct option options[] = {
	{ "state-dir", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "timeout", required_argument, NULL, 't' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "wireshark", required_argument, NULL, OPT_WIRESHARK },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "ike", no_argument, NULL, OPT_IKE },
	{ "child", no_argument, NULL, OPT_CHILD },
	{ "reset", no_argument, NULL, OPT_RESET },
	{ "clear", no_argument, NULL, OPT_CLEAR },
	{ "count", required_argument, NULL, 'c' },
	{ "interval", required_argument, NULL, 'i' },
	{ "size", required_argument, NULL, 's' },
	{ "hard", no_argument, NULL, OPT_MMX },
	{ "best-effort", no_argument, NULL, OPT_MMX },
	{ "parallel", no_argument, NULL, OPT_MMX },
	{ "prune", no_argument, NULL, OPT_MMX },
	{ "all", no_argument, NULL, OPT_MMX },
	{ "here", no_argument, NULL, OPT_MMX },
	{ "observed", no_argument, NULL, OPT_MMX },
	{ "keep", no_argument, NULL, OPT_MMX },
	{ "peer", no_argument, NULL, OPT_MMX },
	{ "to", required_argument, NULL, OPT_MMX },
	{ "from", required_argument, NULL, OPT_MMX },
	{ "inner", required_argument, NULL, OPT_MMX },
	{ "inner-old", required_argument, NULL, OPT_MMX },
	{ "spi", required_argument, NULL, OPT_MMX },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* A descriptor that is closed would be given to the control socket, which then gets our output. */
static int fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -errno : close(fd);
}

/* Whoever reads our output must not take the part for the whole. */
static int finish_output(int r)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r;
	fprintf(stderr, "braid: cannot write: %s\n", strerror(errno));
	return r == EXIT_OK ? EXIT_FAILED : r;
}

int main(int argc, char **argv)
{
	struct cli c = { .state_dir = "/run/braid",
			 .watch_msec = 1000,
			 .timeout_sec = CTL_UP_TIMEOUT_SEC };
	double d;
	int opt, r, at = 0;

	if (fill_descriptors() < 0)
		return EXIT_FAILED;
	while ((opt = getopt_long(argc, argv, "d:jt:w::c:i:s:Vh", options, &at)) != -1) {
		switch (opt) {
		case 'd':
			c.state_dir = optarg;
			break;
		case 'j':
			c.json = true;
			break;
		case 't':
			if (!number(optarg, 1, 3600, &d))
				return cli_bad_usage("--timeout takes 1 to 3600 seconds");
			c.timeout_sec = (unsigned)d;
			break;
		case 'w':
			c.watch = true;
			if (optarg && !number(optarg, 0.1, 3600, &d))
				return cli_bad_usage("--watch takes 0.1 to 3600 seconds");
			if (optarg)
				c.watch_msec = (unsigned)(d * 1000);
			break;
		case 'c':
			if (!number(optarg, 1, 1000, &d))
				return cli_bad_usage("--count takes 1 to 1000");
			c.count = (unsigned)d;
			break;
		case 'i':
			if (!number(optarg, 0.01, 60, &d))
				return cli_bad_usage("--interval takes 0.01 to 60 seconds");
			c.interval_usec = (unsigned)(d * 1e6);
			break;
		case 's':
			if (!number(optarg, 1, 9216, &d))
				return cli_bad_usage("--size takes 1 to 9216 octets");
			c.octets = (unsigned)d;
			break;
		case OPT_WIRESHARK:
			c.wireshark_dir = optarg;
			break;
		case OPT_FORCE:
			c.force = true;
			break;
		case OPT_IKE:
			c.ike = true;
			break;
		case OPT_CHILD:
			c.child = true;
			break;
		case OPT_RESET:
			c.reset = true;
			break;
		case OPT_CLEAR:
			c.clear = true;
			break;
		case OPT_MMX:
			cli_mmx_option(&c, options[at].name, optarg);
			break;
		case 'V':
			printf("braid %s\n", BRAID_VERSION);
			return finish_output(EXIT_OK);
		case 'h':
			usage(stdout);
			return finish_output(EXIT_OK);
		default:
			fputs("braid: see braid help\n", stderr);
			return EXIT_USAGE;
		}
	}
	r = dispatch(&c, argc - optind, argv + optind);
	json_decref(c.mmx);
	ctl_client_free(c.client);
	return finish_output(r);
}
