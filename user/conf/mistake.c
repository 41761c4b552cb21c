/* SPDX-License-Identifier: GPL-2.0-only */
/* Mistakes in a configuration: where, what was found, what was expected. Also those that libConfuse
 * finds, in our words. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_impl.h"

int conf_fail(struct parse *p, const struct conf_file *f, int line, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!p->err) {
		p->err = -EINVAL;
		n = snprintf(p->error, CONF_ERROR_MAX, "%s:%d: ", f->name, line);
		if (n > 0 && n < CONF_ERROR_MAX) {
			va_start(ap, fmt);
			vsnprintf(p->error + n, (size_t)(CONF_ERROR_MAX - n), fmt, ap);
			va_end(ap);
		}
	}
	return -EINVAL;
}

void conf_warn(struct parse *p, const struct conf_file *f, int line, const char *fmt, ...)
{
	struct conf *c = p->conf;
	va_list ap;
	char *text;
	int n;

	if (c->n_warnings == CONF_WARNINGS_MAX)
		return;
	text = c->warnings[c->n_warnings++];
	n = snprintf(text, CONF_ERROR_MAX, "%s:%d: ", f->name, line);
	if (n <= 0 || n >= CONF_ERROR_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text + n, (size_t)(CONF_ERROR_MAX - n), fmt, ap);
	va_end(ap);
}

static const char *place(cfg_t *cfg, char *buf, size_t len)
{
	const char *name = cfg_name(cfg), *title = cfg_title(cfg);

	if (!strcmp(name, "root"))
		snprintf(buf, len, "the file");
	else if (title)
		snprintf(buf, len, "%s \"%.60s\"", name, title);
	else
		snprintf(buf, len, "%s", name);
	return buf;
}

/* What other implementations have a key for, and this one has a reason not to. */
static bool fail_never(struct parse *p, const struct conf_file *f, cfg_t *cfg, const char *word)
{
	static const char *const offload[] = { "hw_offload", "nic_offload", "offload" };

	for (size_t i = 0; i < sizeof(offload) / sizeof(*offload); i++) {
		if (strcmp(word, offload[i]))
			continue;
		conf_fail(p, f, cfg->line,
			  "found \"%s\", expected the line left out: a network card finds an SA by "
			  "the addresses on the wire, and those of an SA here are on none "
			  "(braid.conf(5), KERNEL)",
			  word);
		return true;
	}
	return false;
}

void conf_unknown_key(struct parse *p, const struct conf_file *f, cfg_t *cfg, const char *word)
{
	const char *keys[32], *near;
	char where[96], list[400] = "";
	size_t n = 0, used = 0;

	for (unsigned i = 0; i < cfg_num(cfg) && n < 32; i++) {
		const char *name = cfg_opt_name(cfg_getnopt(cfg, i));

		if (strcmp(name, START_KEY) && strcmp(name, END_KEY))
			keys[n++] = name;
	}
	place(cfg, where, sizeof(where));
	near = conf_nearest(word, keys, n);
	if (near) {
		conf_fail(p, f, cfg->line,
			  "found \"%.60s\", expected a key of %s (did you mean \"%s\"?)", word,
			  where, near);
		return;
	}
	for (size_t i = 0; i < n && used < sizeof(list) - 32; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 keys[i]);
	conf_fail(p, f, cfg->line, "found \"%.60s\", expected a key of %s: %s", word, where, list);
}

/* What stands between the first and the last quote of libConfuse's message. */
static void quoted(const char *text, char *ret, size_t len)
{
	const char *a = strchr(text, '\''), *b = strrchr(text, '\'');
	size_t n = a && b > a ? (size_t)(b - a - 1) : 0;

	if (n >= len)
		n = len - 1;
	if (n)
		memcpy(ret, a + 1, n);
	ret[n] = '\0';
}

enum { SAY_MAX = 400 };

static const char *expand(const char *template, const char *word, const char *where, char *ret)
{
	size_t n = 0;

	for (const char *t = template; *t && n < SAY_MAX - 1; t++) {
		const char *in = *t == '@' ? word : *t == '#' ? where : NULL;

		if (!in) {
			ret[n++] = *t;
			continue;
		}
		while (*in && n < SAY_MAX - 1)
			ret[n++] = *in++;
	}
	ret[n] = '\0';
	return ret;
}

void conf_mistake(struct parse *p, const struct conf_file *f, cfg_t *cfg, const char *fmt,
		  va_list ap)
{
	static const struct {
		const char *theirs, *ours; /* @: the word, #: the section */
	} say[] = {
		{ "missing equal sign", "found no \"=\" after \"@\", expected @ = ..." },
		{ "unexpected closing brace",
		  "found \"}\" of no section, expected a key or section" },
		{ "premature end of file", "found the end of the file in #, expected \"}\"" },
		{ "missing opening brace", "found no \"{\" after @, expected @ ... {" },
		{ "missing title", "found @ without a name, expected @ \"NAME\" {" },
		{ "found duplicate title", "found a second section \"@\", expected another name" },
		{ "attempt to append", "found \"+=\", expected @ = ... (it is no list)" },
		{ "missing parenthesis", "found no \"(\", expected @(\"FILE\")" },
		{ "syntax error in call", "found no file name, expected @(\"FILE\")" },
		{ "unterminated string",
		  "found a string without its end, expected a closing quote" },
		{ "unexpected token", "found \"@\" in #, expected a key, a value or \"}\"" },
	};
	char text[256], word[128], where[96], ours[SAY_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	quoted(text, word, sizeof(word));
	place(cfg, where, sizeof(where));
	if (!strcmp(word, END_KEY)) {
		conf_fail(p, f, cfg->line, "found the end of the file in %s, expected \"}\"",
			  where);
		return;
	}
	if (!strncmp(text, "no such option", 14)) {
		if (!fail_never(p, f, cfg, word))
			conf_unknown_key(p, f, cfg, word);
		return;
	}
	for (size_t i = 0; i < sizeof(say) / sizeof(*say); i++) {
		if (strncmp(text, say[i].theirs, strlen(say[i].theirs)))
			continue;
		conf_fail(p, f, cfg->line, "%s", expand(say[i].ours, word, where, ours));
		return;
	}
	conf_fail(p, f, cfg->line, "found a mistake in %s, expected key = value: %s", where, text);
}
