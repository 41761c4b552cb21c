/* SPDX-License-Identifier: GPL-2.0-only */
/* Log lines: what happened, to whom, what is done next. One sink per process.
 *
 * Library-like modules (base, crypto, ikemsg, esp) return errors and do not log. Nothing reachable
 * from the network logs without log_limited. Never pass key material. Thread: any.
 */
#ifndef BRAID_BASE_LOG_H
#define BRAID_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum log_level { LOG_ERR_ = 0, LOG_WARN_ = 1, LOG_INFO_ = 2, LOG_DEBUG_ = 3 };

/* Receives one finished line without a newline. */
typedef void log_sink_fn(void *ctx, enum log_level level, const char *line);

/* NULL sink: stderr, prefixed for the service manager ("<3>") when stderr is not a terminal. */
void log_set_sink(log_sink_fn *sink, void *ctx);
void log_set_level(enum log_level max);
enum log_level log_get_level(void);
/* "error", "warning", "info", "debug"; 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)	 log_msg(LOG_ERR_, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARN_, __VA_ARGS__)
#define log_info(...)	 log_msg(LOG_INFO_, __VA_ARGS__)
#define log_debug(...)	 log_msg(LOG_DEBUG_, __VA_ARGS__)

/* Token bucket for lines a stranger can cause; zeroed to begin with. Time is passed in. */
struct log_limit {
	usec_t window_start;
	uint32_t used;
	uint32_t suppressed;
};
/* True if one more line may be written now (at most burst per interval). When a new interval opens
 * after suppression, *ret_suppressed says how many lines were dropped. */
bool log_limit_ok(struct log_limit *l, usec_t now, uint32_t burst, usec_t interval_usec,
		  uint32_t *ret_suppressed);

#endif
