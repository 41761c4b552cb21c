/* SPDX-License-Identifier: GPL-2.0-only */
/* A network namespace for one test, which is a process of its own; it ends with it. */
#ifndef BRAID_TESTS_NS_H
#define BRAID_TESTS_NS_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

/* From here on the test is alone, with nothing but lo. */
static inline void ns_enter(void)
{
	if (unshare(CLONE_NEWNET))
		cr_skip_test("needs root for a network namespace");
}

/* ip(8), and it must work. */
__attribute__((format(printf, 1, 2))) static inline void ip(const char *fmt, ...)
{
	char cmd[256], args[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(cmd, sizeof(cmd), "PATH=$PATH:/usr/sbin:/sbin; ip %s", args);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

#endif
