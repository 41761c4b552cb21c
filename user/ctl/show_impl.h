/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of replies, as text wants them: what is missing or of another type is "-", 0 or false. */
#ifndef BRAID_CTL_SHOW_IMPL_H
#define BRAID_CTL_SHOW_IMPL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "ctl/table.h"

static inline const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && *s ? s : "-";
}

static inline uint64_t num(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static inline bool yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

/* "a, b" of a list of strings */
static inline const char *list(const json_t *o, const char *key, char *buf, size_t len)
{
	const json_t *l = json_object_get(o, key), *v;
	size_t i, n = 0;

	snprintf(buf, len, "-");
	json_array_foreach(l, i, v) if (json_is_string(v) && n < len - 1) n +=
		(size_t)snprintf(buf + n, len - n, "%s%s", n ? ", " : "", json_string_value(v));
	return buf;
}

static inline bool same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *v = json_object_get(a, key), *w = json_object_get(b, key);

	return (!v && !w) || json_equal(v, w);
}

/* The entry of another answer that is about the same, by one key or two; NULL: there is none. */
static inline const json_t *entry_like(const json_t *list, const char *key,
				       const char *key2_or_null, const json_t *of)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i,
			   e) if (same_member(e, of, key) &&
				  (!key2_or_null || same_member(e, of, key2_or_null))) return e;
	return NULL;
}

/* A time that is "since" something. */
static inline const char *age(const json_t *data, const json_t *o, const char *key,
			      char buf[UNIT_STR])
{
	uint64_t now = num(data, "now_usec"), then = num(o, key);

	if (!then || then > now) {
		strcpy(buf, "-");
		return buf;
	}
	return unit_age(now - then, buf);
}

/* What is known of MMX, of one IKE SA; nothing without. */
void show_mmx(FILE *out, const json_t *sa);
/* What is asked for, in the members asks of all relations, each line once; nothing without. */
void show_asks(FILE *out, const json_t *relations);
/* The interfaces alone, of the member mmx of one. */
void show_mmx_ifaces(FILE *out, const json_t *mmx);

#endif
