/* SPDX-License-Identifier: GPL-2.0-only */
/* braid top: paths, classes and events, on a terminal, until "q". */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/usec.h"
#include "ctl/client.h"
#include "ctl/show.h"
#include "cli_impl.h"

enum { EVENTS = 64, EVENT_LEN = 256 };
enum { PLAIN, GOOD, WARN, BAD };

struct screen {
	struct cli *c;
	struct ctl_client *events; /* NULL: none are shown */
	struct top *top;
	bool curves, paused, gone; /* gone: no agent answers */
	int scroll;
	char *text; /* of the last look that was answered */
	size_t n_events, first;
	char list[EVENTS][EVENT_LEN]; /* a ring */
};

/* ---- what happens ---- */

static void note_event(struct screen *s, const json_t *event)
{
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);

	if (!mem)
		return;
	show_event(mem, event);
	fclose(mem);
	text[strcspn(text, "\n")] = '\0';
	if (s->n_events == EVENTS)
		s->first = (s->first + 1) % EVENTS;
	else
		s->n_events++;
	snprintf(s->list[(s->first + s->n_events - 1) % EVENTS], EVENT_LEN, "%s", text);
	free(text);
}

static void subscribe(struct screen *s)
{
	if (ctl_connect(s->c->sock, &s->events) < 0)
		s->events = NULL;
	else
		ctl_send(s->events, "events", NULL);
}

static void take_events(struct screen *s)
{
	json_t *reply;
	int r;

	while (s->events && (r = ctl_recv(s->events, 0, &reply)) != -ETIMEDOUT) {
		if (r == -EINTR) /* the terminal has another size */
			continue;
		if (r <= 0) {
			ctl_client_free(s->events);
			s->events = NULL;
			return;
		}
		if (json_object_get(reply, "event"))
			note_event(s, json_object_get(reply, "event"));
		json_decref(reply);
	}
}

/* ---- what there is ---- */

/* Without a word on the terminal. Returns whether the agent has answered. */
static bool ask(struct cli *c, const char *cmd, json_t **ret_data)
{
	int r = c->client ? ctl_send(c->client, cmd, NULL) : -ENOTCONN;
	bool done = false;

	while (r >= 0 && !done) {
		json_t *reply;

		do
			r = ctl_recv(c->client, ANSWER_MSEC, &reply);
		while (r == -EINTR);
		if (r <= 0)
			return false;
		if (json_object_get(reply, "data"))
			*ret_data =
				ctl_join(*ret_data, json_incref(json_object_get(reply, "data")));
		done = json_is_true(json_object_get(reply, "done"));
		json_decref(reply);
	}
	return done && *ret_data;
}

/* An agent that goes is waited for: what was seen last stays. */
static void look(struct screen *s)
{
	json_t *paths = NULL, *steering = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *mem = NULL;

	if (!s->c->client && ctl_connect(s->c->sock, &s->c->client) < 0)
		s->c->client = NULL;
	s->gone = !ask(s->c, "paths", &paths) || !ask(s->c, "steering", &steering);
	if (s->gone) {
		ctl_client_free(s->c->client);
		s->c->client = NULL;
	} else {
		if (!s->events)
			subscribe(s);
		mem = open_memstream(&text, &len);
	}
	if (mem) {
		show_top(mem, s->top, paths, steering, s->curves);
		fclose(mem);
		free(s->text);
		s->text = text;
	}
	json_decref(paths);
	json_decref(steering);
}

/* ---- drawing ---- */

static int colour_of(const char *line)
{
	static const struct {
		const char *word;
		int colour;
	} words[] = { { " down", BAD },	     { " used up", BAD },  { " degraded", WARN },
		      { " disabled", WARN }, { " unknown", WARN }, { " up ", GOOD },
		      { " up,", GOOD } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(line, words[i].word))
			return words[i].colour;
	return PLAIN;
}

/* Octets of the first COLS characters: curses would go on in the next row. */
static int cut(const char *line)
{
	int n = 0;

	for (int cols = 0; line[n]; n++)
		if (((unsigned char)line[n] & 0xc0) != 0x80 && ++cols > COLS)
			break;
	return n;
}

static void put_line(int y, const char *line, attr_t attr, short colour)
{
	if (y < 0 || y >= LINES)
		return;
	move(y, 0);
	clrtoeol();
	attr_set(attr, colour, NULL);
	addnstr(line, cut(line));
	attr_set(A_NORMAL, 0, NULL);
}

static void head(const struct screen *s)
{
	time_t now = time(NULL);
	struct tm tm;
	char line[160], at[32];

	localtime_r(&now, &tm);
	strftime(at, sizeof(at), "%H:%M:%S", &tm);
	snprintf(line, sizeof(line),
		 " braid top  %s  every %.1f s%s   q quit  p pause  arrows scroll", at,
		 s->c->watch_msec / 1000.0,
		 s->gone     ? "  NO AGENT ANSWERS"
		 : s->paused ? "  PAUSED"
			     : "");
	put_line(0, line, A_REVERSE, 0);
	for (int x = (int)strlen(line); x < COLS; x++)
		mvaddch(0, x, ' ' | A_REVERSE);
}

/* The lines of the last look between the head and the events. */
static void body(struct screen *s, int rows)
{
	int y = 1, n = 0, lines = 0;
	bool titles = true;

	for (const char *p = s->text; p && (p = strchr(p, '\n')); p++)
		lines++;
	if (s->scroll > lines - rows)
		s->scroll = lines > rows ? lines - rows : 0;
	for (char *p = s->text, *end; p && *p; p = end + 1) {
		end = strchr(p, '\n');
		if (!end)
			break;
		*end = '\0';
		if (n++ >= s->scroll && y <= rows)
			put_line(y++, p, titles ? A_BOLD : A_NORMAL,
				 (short)(titles ? PLAIN : colour_of(p)));
		titles = !*p;
		*end = '\n';
	}
}

static void draw(struct screen *s)
{
	int below = LINES > 24 ? 8 : LINES > 12 ? 4 : 0; /* little room is for paths */

	if (s->n_events < (size_t)below)
		below = s->n_events ? (int)s->n_events + 1 : 0;
	erase();
	head(s);
	body(s, LINES - 1 - below);
	if (below)
		put_line(LINES - below, "LAST EVENTS", A_BOLD, PLAIN);
	for (int i = 1; i < below; i++) {
		size_t k = s->n_events - (size_t)(below - i);

		put_line(LINES - below + i, s->list[(s->first + k) % EVENTS], A_NORMAL, PLAIN);
	}
	refresh();
}

/* ---- the terminal ---- */

static void start(void)
{
	initscr();
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(GOOD, COLOR_GREEN, -1);
	init_pair(WARN, COLOR_YELLOW, -1);
	init_pair(BAD, COLOR_RED, -1);
}

static usec_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

/* False: to the end. */
static bool key(struct screen *s, int k)
{
	switch (k) {
	case 'q':
	case 'Q':
		return false;
	case 'p':
	case ' ':
		s->paused = !s->paused;
		break;
	case KEY_UP:
		s->scroll -= s->scroll > 0;
		break;
	case KEY_DOWN:
		s->scroll++;
		break;
	case KEY_HOME:
		s->scroll = 0;
		break;
	case '+':
		s->c->watch_msec = s->c->watch_msec > 60000 ? 60000 : s->c->watch_msec * 2;
		break;
	case '-':
		s->c->watch_msec = s->c->watch_msec < 200 ? 100 : s->c->watch_msec / 2;
		break;
	}
	return true;
}

static void run(struct screen *s)
{
	usec_t next = 0;
	int k;

	do {
		usec_t now = monotonic();

		if (!s->paused && now >= next) {
			look(s);
			next = now + (usec_t)s->c->watch_msec * USEC_PER_MSEC;
		}
		take_events(s);
		draw(s);
		timeout(100);
		k = getch();
	} while (key(s, k));
}

int cmd_top(struct cli *c, char **argv)
{
	struct screen s = { .c = c };

	(void)argv;
	if (c->json)
		return cli_bad_usage("top is for a terminal; see paths --watch --json");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_bad_usage("top needs a terminal; see paths --watch");
	setlocale(LC_CTYPE, "");
	s.curves = !strcmp(nl_langinfo(CODESET), "UTF-8");
	s.top = top_new();
	if (!s.top)
		return EXIT_FAILED;
	subscribe(&s);
	start();
	run(&s);
	endwin();
	top_free(s.top);
	free(s.text);
	ctl_client_free(s.events);
	return EXIT_OK;
}
