/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory fails in the core: the linker sends its calls of malloc and calloc through here, and the
 * simulator's calls into the core, so that only what is asked for in there fails. For one file of a
 * program. */
#ifndef BRAID_TESTS_NOMEM_H
#define BRAID_TESTS_NOMEM_H

#include <stdlib.h>

#include "../lib/failing.h"
#include "ike/ike.h"

static unsigned inside;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __real_ike_recv(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len,
		     usec_t now);
void __wrap_ike_recv(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len,
		     usec_t now);
void __real_ike_tick(struct ike *ike, usec_t now);
void __wrap_ike_tick(struct ike *ike, usec_t now);

void *__wrap_malloc(size_t n)
{
	return inside && fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return inside && fails() ? NULL : __real_calloc(n, size);
}

void __wrap_ike_recv(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len,
		     usec_t now)
{
	inside++;
	__real_ike_recv(ike, path, buf, len, now);
	inside--;
}

void __wrap_ike_tick(struct ike *ike, usec_t now)
{
	inside++;
	__real_ike_tick(ike, now);
	inside--;
}

#endif
