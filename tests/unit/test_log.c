/* SPDX-License-Identifier: GPL-2.0-only */
/* base/log: one event, one line, and not more of them than a stranger may cause. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/log.h"

static char last[2048];
static enum log_level last_level;
static unsigned lines;

static void sink(void *ctx, enum log_level level, const char *line)
{
	cr_assert_eq(ctx, last);
	last_level = level;
	lines++;
	snprintf(last, sizeof(last), "%s", line);
}

static void setup(void)
{
	log_set_sink(sink, last);
	log_set_level(LOG_INFO_);
}

static void teardown(void)
{
	log_set_sink(NULL, NULL);
}

TestSuite(log, .init = setup, .fini = teardown);

Test(log, levels)
{
	log_error("path %s: %d", "wlan-1", 7);
	cr_assert_str_eq(last, "path wlan-1: 7");
	cr_assert_eq(last_level, LOG_ERR_);
	log_info("info");
	cr_assert_eq(lines, 2);
	log_debug("not asked for");
	cr_assert_eq(lines, 2);
	log_set_level(LOG_DEBUG_);
	cr_assert_eq(log_get_level(), LOG_DEBUG_);
	log_debug("asked for");
	cr_assert_eq(lines, 3);
	log_set_level(LOG_ERR_);
	log_warning("not asked for");
	cr_assert_eq(lines, 3);
}

Test(log, level_words)
{
	static const char *const words[] = { "error", "warning", "info", "debug" };
	enum log_level l = LOG_WARN_;

	for (int i = 0; i < 4; i++) {
		cr_assert_eq(log_level_parse(words[i], &l), 0);
		cr_assert_eq((int)l, i);
	}
	cr_assert_eq(log_level_parse("Debug", &l), -EINVAL);
	cr_assert_eq(log_level_parse("", &l), -EINVAL);
	cr_assert_eq(l, LOG_DEBUG_, "the result was touched");
}

/* An identity or a vendor id of the peer must not forge a second line. */
Test(log, control_characters_are_shown_as_such)
{
	log_info("peer says %s", "a\nbraidd: all is well\r\x1b[2J\x7f\t\xc3\xbc");
	cr_assert_str_eq(last, "peer says a?braidd: all is well??[2J??\xc3\xbc");
}

Test(log, long_lines_are_cut)
{
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	cr_assert_eq(strlen(last), 1023);
	cr_assert_eq(lines, 1);
}

/* For the service manager: a priority before the line, sd-daemon(3). */
Test(log, standard_error)
{
	char buf[256];
	ssize_t n;
	int p[2];

	cr_assert_eq(pipe(p), 0);
	int saved = dup(STDERR_FILENO);
	dup2(p[1], STDERR_FILENO);
	log_set_sink(NULL, NULL);
	log_set_level(LOG_DEBUG_);
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	dup2(saved, STDERR_FILENO);
	close(p[1]);
	n = read(p[0], buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	cr_assert_str_eq(buf, "<3>e\n<4>w\n<6>i\n<7>d\n");
}

static unsigned allowed(struct log_limit *l, usec_t now, unsigned asked, uint32_t *ret_suppressed)
{
	unsigned n = 0;
	uint32_t suppressed;

	*ret_suppressed = 0;
	for (unsigned i = 0; i < asked; i++) {
		n += log_limit_ok(l, now, 3, USEC_PER_SEC, &suppressed);
		*ret_suppressed += suppressed;
	}
	return n;
}

Test(log, limit)
{
	struct log_limit l = { 0 };
	usec_t t = 5 * USEC_PER_SEC;
	uint32_t suppressed;

	cr_assert_eq(allowed(&l, t, 10, &suppressed), 3);
	cr_assert_eq(suppressed, 0, "told once the interval is over");
	cr_assert_eq(allowed(&l, t + USEC_PER_SEC - 1, 1, &suppressed), 0);
	cr_assert_eq(allowed(&l, t + USEC_PER_SEC, 1, &suppressed), 1);
	cr_assert_eq(suppressed, 8);
	cr_assert_eq(allowed(&l, t + USEC_PER_SEC, 9, &suppressed), 2, "the rest of the burst");
	/* nothing was said for an hour: a whole burst again, the old count once */
	cr_assert_eq(allowed(&l, t + 3600 * USEC_PER_SEC, 2, &suppressed), 2);
	cr_assert_eq(suppressed, 7);
	cr_assert_eq(allowed(&l, t + 3602 * USEC_PER_SEC, 1, &suppressed), 1);
	cr_assert_eq(suppressed, 0);
}

/* Time zero is a time like any other. */
Test(log, limit_at_the_start_of_time)
{
	struct log_limit l = { 0 };
	uint32_t suppressed;

	cr_assert_eq(allowed(&l, 0, 10, &suppressed), 3);
	cr_assert_eq(allowed(&l, 0, 10, &suppressed), 0);
}
