/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of answers. What is NULL is null. */
#ifndef BRAID_AGENT_REPORT_IMPL_H
#define BRAID_AGENT_REPORT_IMPL_H

#include <stdint.h>

#include <jansson.h>

#include "base/addr.h"
#include "base/usec.h"

static inline void set(json_t *o, const char *key, json_t *v)
{
	json_object_set_new(o, key, v ? v : json_null());
}

static inline void set_int(json_t *o, const char *key, uint64_t v)
{
	set(o, key, json_integer((json_int_t)v));
}

static inline void set_str(json_t *o, const char *key, const char *v)
{
	set(o, key, v && v[0] ? json_string(v) : NULL);
}

/* null: never, none */
static inline void set_or_null(json_t *o, const char *key, uint64_t v)
{
	set(o, key, v ? json_integer((json_int_t)v) : NULL);
}

/* null: never, none */
static inline void set_usec(json_t *o, const char *key, usec_t at)
{
	set(o, key, at == USEC_NEVER ? NULL : json_integer((json_int_t)at));
}

static inline void set_udp(json_t *o, const char *key, const struct udp_addr *u)
{
	char text[ADDR_PORT_STR];

	set_str(o, key, u->ip.family ? udp_addr_format(u, text) : NULL);
}

struct agent;
struct path;
struct peer;

/* A word for why no flows are given to it while others work; NULL: some are. */
const char *report_standby_word(const struct path *p);
/* What is known of a line, into the answer about its IKE SA. */
void report_line(struct agent *a, const struct peer *p, json_t *sa);

#endif
