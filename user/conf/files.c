/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that the configuration names, and what is made of them for several connections. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "creds_impl.h"
#include "crypto/x509.h"

/* ---- files ---- */

void blob_clear(struct blob *b)
{
	secret_wipe(b->p, b->len);
	free(b->p);
	b->p = NULL;
}

static int fail_long(struct parse *p, const struct val *v, size_t len)
{
	return val_fail(p, v, "found a file name of %zu octets, expected fewer than %d", len,
			PATH_OCTETS);
}

int path_of(struct parse *p, const struct val *v, char out[PATH_OCTETS])
{
	const char *slash = strrchr(v->file->name, '/');
	int dir = v->text[0] == '/' || !slash ? 0 : (int)(slash - v->file->name) + 1;

	if (snprintf(out, PATH_OCTETS, "%.*s%s", dir, v->file->name, v->text) < PATH_OCTETS)
		return 0;
	return fail_long(p, v, strlen(v->text) + (size_t)dir);
}

static int fail_read(struct parse *p, const struct val *v, const char *why)
{
	return val_fail(p, v, "found \"%.200s\", expected a file that can be read: %s", v->text,
			why);
}

static int read_path(struct parse *p, const struct val *v, bool private, struct blob *b)
{
	struct stat st;
	int fd, r = 0;
	ssize_t n;

	b->p = NULL;
	fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = fail_read(p, v, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > CONF_FILE_OCTETS_MAX) {
		r = fail_read(p, v, "not a regular file, or too large");
	} else if (private) {
		r = conf_check_mode(p, v->file, v->line, "private key", b->path, st.st_mode & 07777,
				    st.st_uid);
	}
	if (r == 0 && !(b->p = malloc(CONF_FILE_OCTETS_MAX)))
		r = -ENOMEM;
	for (b->len = 0; r == 0; b->len += (size_t)n) {
		n = read(fd, b->p + b->len, CONF_FILE_OCTETS_MAX - b->len);
		if (n < 0)
			r = fail_read(p, v, strerror(errno));
		if (n <= 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	if (r < 0)
		blob_clear(b);
	return r;
}

int blob_read(struct parse *p, const struct val *v, bool private, struct blob *b)
{
	int r = path_of(p, v, b->path);

	b->p = NULL;
	b->name = v->text;
	return r < 0 ? r : read_path(p, v, private, b);
}

int blobs_each(struct parse *p, const struct val *v, blob_fn *fn, void *ctx)
{
	bool is_pattern = strpbrk(v->text, "*?[");
	char pattern[PATH_OCTETS];
	struct blob b;
	glob_t g;
	int r = path_of(p, v, pattern);

	if (r < 0)
		return r;
	/* a name that is no pattern stays as it is, so that one that is missing is a mistake */
	r = glob(pattern, is_pattern ? 0 : GLOB_NOCHECK, NULL, &g);
	if (r)
		return r == GLOB_NOMATCH   ? 0
		       : r == GLOB_NOSPACE ? -ENOMEM
					   : fail_read(p, v, "its directory is not");
	for (size_t i = 0; i < g.gl_pathc && r == 0; i++) {
		if (snprintf(b.path, PATH_OCTETS, "%s", g.gl_pathv[i]) >= PATH_OCTETS) {
			r = fail_long(p, v, strlen(g.gl_pathv[i]));
			break;
		}
		b.name = is_pattern ? b.path : v->text;
		r = read_path(p, v, false, &b);
		if (r == 0)
			r = fn(p, v, &b, ctx);
		blob_clear(&b);
	}
	globfree(&g);
	return r;
}

/* ---- what several connections name is read once ---- */

void kept_clear(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->all[i].key);
		cred_unref(k->all[i].cred);
		trust_unref(k->all[i].trust);
	}
	free(k->all);
}

const struct kept_one *kept_find(const struct kept *k, const char *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->all[i].key, key))
			return &k->all[i];
	return NULL;
}

void kept_add(struct kept *k, const char *key, struct cred *cred, struct trust *trust)
{
	struct kept_one *all = realloc(k->all, (k->n + 1) * sizeof(*all));

	if (all)
		k->all = all;
	if (!all || !(all[k->n].key = strdup(key)))
		return;
	all[k->n].cred = cred_ref(cred);
	all[k->n++].trust = trust_ref(trust);
}

char *kept_key(struct parse *p, const struct sec *s, const char *const *keys, const char *word)
{
	char *text = NULL, path[PATH_OCTETS];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int r = 0;

	if (!f)
		return NULL;
	fputs(word, f);
	for (; *keys; keys++) {
		for (size_t i = 0; i < sec_count(s, *keys) && r == 0; i++) {
			r = path_of(p, sec_nth(s, *keys, i), path);
			fprintf(f, "\n%s %s", *keys, r == 0 ? path : "");
		}
	}
	if (fclose(f) || r < 0) {
		free(text);
		return NULL;
	}
	return text;
}
