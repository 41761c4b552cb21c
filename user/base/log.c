/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { LOG_LINE_MAX = 1024 };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static log_sink_fn *sink_fn;
static void *sink_ctx;
static enum log_level level_max = LOG_INFO_;

static void sink_stderr(enum log_level level, const char *line)
{
	/* sd-daemon(3) prefixes: error 3, warning 4, info 6, debug 7 */
	static const char syslog_level[] = { '3', '4', '6', '7' };
	char out[LOG_LINE_MAX + 16];
	int n;

	if (isatty(STDERR_FILENO))
		n = snprintf(out, sizeof(out), "%s%s\n", level <= LOG_WARN_ ? "! " : "", line);
	else
		n = snprintf(out, sizeof(out), "<%c>%s\n", syslog_level[level], line);
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		return; /* nowhere left to say it */
}

void log_set_sink(log_sink_fn *sink, void *ctx)
{
	sink_fn = sink;
	sink_ctx = ctx;
}

void log_set_level(enum log_level max)
{
	level_max = max;
}

enum log_level log_get_level(void)
{
	return level_max;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
		if (!strcmp(text, level_names[i])) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;

	if (level > level_max)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* One event, one line: what a peer sent must not forge another. */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (sink_fn)
		sink_fn(sink_ctx, level, line);
	else
		sink_stderr(level, line);
}

bool log_limit_ok(struct log_limit *l, usec_t now, uint32_t burst, usec_t interval,
		  uint32_t *ret_suppressed)
{
	*ret_suppressed = 0;
	if (now - l->window_start >= interval) {
		*ret_suppressed = l->suppressed;
		l->window_start = now;
		l->used = 0;
		l->suppressed = 0;
	}
	if (l->used >= burst) {
		l->suppressed++;
		return false;
	}
	l->used++;
	return true;
}
