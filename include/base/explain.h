/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors that somebody can mend carry a sentence beside their number: what is missing and what to
 * do. Whoever finds the error writes it, whoever asked logs it, once. Thread: any. */
#ifndef BRAID_BASE_EXPLAIN_H
#define BRAID_BASE_EXPLAIN_H

#include <stddef.h>

/* Write the sentence into the caller's buffer and return err (negative). */
int explain(char *ret_why, size_t len, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
