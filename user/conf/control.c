/* SPDX-License-Identifier: GPL-2.0-only */
/* control { }: who else may use the control socket. Names become numbers here, once: the kernel
 * vouches for numbers. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "conf_impl.h"

enum { NSS_OCTETS = 65536 }; /* for an entry of a large group */
#define CONSENT_WAIT	 (2 * USEC_PER_SEC)
#define CONSENT_WAIT_MAX (30 * USEC_PER_SEC)

/* NULL: there is no such user or group, or none can be asked. */
static bool user_id(const char *name, char *buf, uint32_t *ret_id)
{
	struct passwd pw, *found = NULL;

	if (getpwnam_r(name, &pw, buf, NSS_OCTETS, &found) || !found)
		return false;
	*ret_id = found->pw_uid;
	return true;
}

static bool group_id(const char *name, char *buf, uint32_t *ret_id)
{
	struct group gr, *found = NULL;

	if (getgrnam_r(name, &gr, buf, NSS_OCTETS, &found) || !found)
		return false;
	*ret_id = found->gr_gid;
	return true;
}

/* "ops", "@netadm", "1000", "@100" */
static int add(struct parse *p, const struct val *v, enum permit_level level)
{
	struct permit *permit = &p->conf->permit;
	bool group = v->text[0] == '@', known;
	const char *name = v->text + group;
	uint32_t id = 0;
	char *buf, *end;

	if (permit->n == PERMIT_MAX)
		return val_fail(p, v, "found more than %d users and groups, expected fewer",
				PERMIT_MAX);
	if (name[0] >= '0' && name[0] <= '9') {
		unsigned long long n = strtoull(name, &end, 10);

		known = !*end && n < UINT32_MAX;
		id = (uint32_t)n;
	} else {
		buf = malloc(NSS_OCTETS);
		if (!buf)
			return -ENOMEM;
		known = *name && (group ? group_id(name, buf, &id) : user_id(name, buf, &id));
		free(buf);
	}
	if (!known)
		return val_fail(p, v, "found \"%.60s\", expected a user or @group of this host",
				v->text);
	permit->list[permit->n++] =
		(struct permit_entry){ .id = id, .group = group, .level = level };
	return 0;
}

static int add_list(struct parse *p, const struct sec *s, const char *key, enum permit_level level)
{
	int r = 0;

	for (size_t i = 0; i < sec_count(s, key) && r == 0; i++)
		r = add(p, sec_nth(s, key, i), level);
	return r;
}

static int build(struct parse *p, const struct sec *s, void *ctx)
{
	uint64_t wait = CONSENT_WAIT, most = CONSENT_WAIT_MAX;
	const struct val *v = sec_get(s, "consent_wait");
	struct sec *seen = ctx;
	int r;

	if (seen->cfg)
		return conf_fail(p, s->file, s->line,
				 "found a second section \"control\" (%s:%d), expected it once",
				 seen->file->name, seen->line);
	*seen = *s;
	r = add_list(p, s, "admins", PERMIT_ADMIN);
	if (r == 0)
		r = add_list(p, s, "readers", PERMIT_READ);
	if (r == 0)
		r = val_duration(p, v, 0, 60 * USEC_PER_SEC, &wait);
	if (r == 0)
		r = val_duration(p, sec_get(s, "consent_wait_max"), 0, 600 * USEC_PER_SEC, &most);
	if (r == 0 && v && wait > most)
		r = val_fail(p, v, "found \"%s\", more than consent_wait_max", v->text);
	p->conf->consent_wait_usec = (uint32_t)wait;
	p->conf->consent_wait_max_usec = (uint32_t)(most > wait ? most : wait);
	return r;
}

int conf_build_control(struct parse *p)
{
	struct sec seen = { 0 };

	p->conf->consent_wait_usec = CONSENT_WAIT;
	p->conf->consent_wait_max_usec = CONSENT_WAIT_MAX;
	return secs_each(p, "control", build, &seen);
}
