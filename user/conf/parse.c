/* SPDX-License-Identifier: GPL-2.0-only */
/* Files, what may be written in them, and libConfuse. Each file is one parse: libConfuse's own
 * include keeps a global stack which a mistake in an included file would leave behind for the next
 * reload. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf_impl.h"

/* libConfuse's callbacks carry no context; configuration is read by one thread. */
static struct parse *cur;
static struct conf_file *cur_file;

#define END_CALL END_KEY "()"

/* ---- what may be written ---- */

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result);
static int on_list_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result);
static int on_start(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result);
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv);
static int on_end(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv);
static void val_free(void *v);

#define ONE(name)  CFG_PTR_CB(name, NULL, CFGF_NODEFAULT, on_value, val_free)
#define LIST(name) CFG_PTR_LIST_CB(name, NULL, CFGF_NONE, on_list_value, val_free)
/* A list whose default is parsed when the section opens: it notes the line of the "{". */
#define START CFG_PTR_LIST_CB(START_KEY, (void *)"{x}", CFGF_NONE, on_start, val_free)

static cfg_opt_t sla_opts[] = { START,	     ONE("delay"), ONE("jitter"),     ONE("loss"),
				ONE("hold"), ONE("clear"), ONE("hysteresis"), CFG_END() };
static cfg_opt_t budget_opts[] = { START,	ONE("octets"), ONE("period"), ONE("start"),
				   ONE("warn"), ONE("action"), CFG_END() };
static cfg_opt_t uplink_opts[] = { START,
				   ONE("interface"),
				   ONE("kind"),
				   LIST("exclude"),
				   ONE("weight"),
				   ONE("preference"),
				   ONE("cost"),
				   ONE("metered"),
				   ONE("gateway"),
				   ONE("mtu"),
				   ONE("probe_interval"),
				   ONE("fail_back"),
				   ONE("trusted"),
				   ONE("rate"),
				   CFG_SEC("sla", sla_opts, CFGF_MULTI),
				   CFG_SEC("budget", budget_opts, CFGF_MULTI),
				   CFG_END() };
static cfg_opt_t match_opts[] = {
	START,	      LIST("dscp"),  ONE("protocol"), ONE("local_port"), ONE("remote_port"),
	ONE("local"), ONE("remote"), ONE("mark"),     ONE("cgroup"),	 CFG_END()
};
static cfg_opt_t copies_when_opts[] = { START, ONE("loss"), ONE("jitter"), CFG_END() };
static cfg_opt_t reorder_opts[] = { START, ONE("time"), CFG_END() };
static cfg_opt_t ask_opts[] = { START, ONE("mode"), ONE("copies"), LIST("prefer"), CFG_END() };
static cfg_opt_t class_opts[] = { START,
				  ONE("mode"),
				  LIST("prefer"),
				  LIST("never"),
				  ONE("never_metered"),
				  ONE("only_trusted"),
				  ONE("weights"),
				  ONE("hold"),
				  ONE("overflow"),
				  ONE("delay_percent"),
				  ONE("delay_margin"),
				  ONE("copies"),
				  CFG_SEC("match", match_opts, CFGF_MULTI),
				  CFG_SEC("sla", sla_opts, CFGF_MULTI),
				  CFG_SEC("copies_when", copies_when_opts, CFGF_MULTI),
				  CFG_SEC("reorder", reorder_opts, CFGF_MULTI),
				  CFG_SEC("ask", ask_opts, CFGF_MULTI),
				  CFG_END() };
static cfg_opt_t local_opts[] = { START,	 ONE("id"),    ONE("auth"),
				  LIST("certs"), LIST("ocsp"), CFG_END() };
static cfg_opt_t remote_opts[] = { START,	    ONE("id"),	       ONE("auth"),
				   LIST("cacerts"), LIST("certs"),     LIST("crls"),
				   LIST("ocsp"),    ONE("revocation"), CFG_END() };
static cfg_opt_t child_opts[] = { START,
				  LIST("local_ts"),
				  LIST("remote_ts"),
				  LIST("esp_proposals"),
				  ONE("mode"),
				  ONE("stable_fallback"),
				  ONE("start_action"),
				  ONE("copy_dscp"),
				  ONE("df"),
				  ONE("tfc_padding"),
				  ONE("per_cpu"),
				  ONE("per_cpu_max"),
				  ONE("rekey_time"),
				  ONE("life_time"),
				  ONE("rand_time"),
				  ONE("rekey_bytes"),
				  ONE("life_bytes"),
				  ONE("rand_bytes"),
				  ONE("rekey_packets"),
				  ONE("life_packets"),
				  ONE("rand_packets"),
				  CFG_END() };
static cfg_opt_t path_opts[] = { START, ONE("uplink"), ONE("remote"), ONE("weight"), CFG_END() };
static cfg_opt_t connection_opts[] = {
	START,
	LIST("local_addrs"),
	LIST("remote_addrs"),
	ONE("remote_port"),
	ONE("version"),
	LIST("proposals"),
	LIST("vips"),
	LIST("pools"),
	ONE("dpd_delay"),
	ONE("silence"),
	ONE("keep_alive"),
	ONE("encap"),
	ONE("multipath"),
	ONE("steering"),
	LIST("grant"),
	ONE("probe_interval"),
	ONE("mmx"),
	ONE("mmx_vid_in_init"),
	ONE("tunnels"),
	ONE("mobike"),
	ONE("mobike_patience"),
	ONE("return_check"),
	ONE("clone"),
	ONE("clone_order"),
	ONE("clone_pairs"),
	ONE("clone_fallback"),
	ONE("clone_spare"),
	ONE("inner_address"),
	ONE("ike_sas_max"),
	ONE("child_sas_max"),
	ONE("derived_sas_max"),
	ONE("public_key_bits"),
	ONE("nat"),
	ONE("retransmit_timeout"),
	ONE("retransmit_base"),
	ONE("retransmit_tries"),
	ONE("rekey_time"),
	ONE("reauth_time"),
	ONE("over_time"),
	ONE("rand_time"),
	ONE("unique"),
	ONE("window"),
	ONE("ocsp"),
	ONE("fragmentation"),
	ONE("fragment_size"),
	CFG_SEC("local", local_opts, CFGF_MULTI),
	CFG_SEC("remote", remote_opts, CFGF_MULTI),
	CFG_SEC("child", child_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("path", path_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_END()
};
static cfg_opt_t pool_opts[] = { START, ONE("addrs"), LIST("dns"), CFG_END() };
static cfg_opt_t secret_opts[] = { START, LIST("id"), ONE("secret"), CFG_END() };
static cfg_opt_t private_opts[] = { START, ONE("file"), ONE("secret"), CFG_END() };
static cfg_opt_t token_opts[] = { START,	 ONE("module"), ONE("slot"),
				  ONE("handle"), ONE("pin"),	CFG_END() };
static cfg_opt_t paths_opts[] = { START,
				  ONE("probe_interval"),
				  ONE("down_after"),
				  ONE("up_after"),
				  ONE("fail_back"),
				  ONE("mtu_raise"),
				  ONE("standby_interval"),
				  CFG_END() };
static cfg_opt_t dataplane_opts[] = {
	START,		ONE("backend"),	   ONE("tun"),	      ONE("steer"),	  ONE("mtu"),
	ONE("sa_max"),	LIST("stable_v4"), LIST("stable_v6"), ONE("attach"),	  ONE("crypto"),
	ONE("workers"), ONE("busy_poll"),  ONE("spread"),     ONE("unknown_esp"), CFG_END()
};
static cfg_opt_t control_opts[] = {
	START,	  LIST("admins"), LIST("readers"), ONE("consent_wait"), ONE("consent_wait_max"),
	CFG_END()
};
/* Sections without a title are to be there once; still they are MULTI here: libConfuse would free
 * the first one, which we may remember options of, and takes an error while it makes another one
 * for our bug and aborts. only_once tells. */
static cfg_opt_t root_opts[] = {
	ONE("log_level"),
	ONE("allow_key_export"),
	ONE("cookie_threshold"),
	ONE("init_limit_half_open"),
	ONE("block_threshold"),
	ONE("half_open_timeout"),
	CFG_FUNC("include", on_include),
	CFG_FUNC(END_KEY, on_end),
	CFG_SEC("uplink", uplink_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("class", class_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("connection", connection_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("pool", pool_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("secret", secret_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("private", private_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("token", token_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("paths", paths_opts, CFGF_MULTI),
	CFG_SEC("dataplane", dataplane_opts, CFGF_MULTI),
	CFG_SEC("control", control_opts, CFGF_MULTI),
	CFG_END()
};

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	if (!cur->err)
		conf_mistake(cur, cur_file, cfg, fmt, ap);
}

/* ---- values ---- */

static void val_free(void *v)
{
	struct val *val = v;

	if (val)
		explicit_bzero(val->text, strlen(val->text)); /* it may be a secret */
	free(val);
}

static int keep(cfg_t *cfg, const char *text, void *result)
{
	if (!strcmp(text, END_KEY)) {
		conf_fail(cur, cur_file, cfg->line, "found the end of the file, expected a value");
		return -1;
	}
	size_t len = strlen(text);
	struct val *v = malloc(sizeof(*v) + len + 1);

	if (!v) {
		cur->err = -ENOMEM;
		snprintf(cur->error, CONF_ERROR_MAX, "%s: out of memory", cur_file->name);
		return -1;
	}
	v->file = cur_file;
	v->line = cfg->line;
	memcpy(v->text, text, len + 1);
	*(void **)result = v;
	return 0;
}

/* False the second time. */
static bool first_time(cfg_opt_t *opt)
{
	for (size_t i = 0; i < cur->n_seen; i++)
		if (cur->seen[i] == opt)
			return false;
	if (cur->n_seen == cur->cap_seen) {
		size_t cap = cur->cap_seen ? cur->cap_seen * 2 : 64;
		const cfg_opt_t **seen = realloc(cur->seen, cap * sizeof(*seen));

		if (!seen)
			return true; /* a duplicate goes unnoticed, nothing worse */
		cur->seen = seen;
		cur->cap_seen = cap;
	}
	cur->seen[cur->n_seen++] = opt;
	return true;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	if (!first_time(opt)) {
		conf_fail(cur, cur_file, cfg->line, "found \"%s\" a second time, expected it once",
			  opt->name);
		return -1;
	}
	return keep(cfg, text, result);
}

static int on_list_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	/* nvalues counts this one: 1 is the start of an assignment. */
	if (opt->nvalues <= 1 && !first_time(opt)) {
		conf_fail(cur, cur_file, cfg->line, "found \"%s\" a second time, expected it once",
			  opt->name);
		return -1;
	}
	return keep(cfg, text, result);
}

static int on_start(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	if (!first_time(opt)) {
		conf_unknown_key(cur, cur_file, cfg, START_KEY);
		return -1;
	}
	return keep(cfg, text, result);
}

/* ---- files ---- */

static int add_file(const char *name, int line)
{
	struct conf_file *f;

	if (cur->n_files == CONF_FILES_MAX)
		return conf_fail(cur, cur_file, line, "found more than %d files, expected fewer",
				 CONF_FILES_MAX);
	f = &cur->files[cur->n_files];
	f->name = strdup(name);
	if (!f->name)
		return -ENOMEM;
	f->included_by = cur_file;
	f->included_line = line;
	cur->n_files++;
	return 0;
}

static int include_one(cfg_t *cfg, const char *pattern)
{
	const char *slash = strrchr(cur_file->name, '/');
	char path[512];
	glob_t g;
	int n, r;

	if (pattern[0] == '/' || !slash)
		n = snprintf(path, sizeof(path), "%s", pattern);
	else
		n = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - cur_file->name),
			     cur_file->name, pattern);
	if (n < 0 || (size_t)n >= sizeof(path))
		return conf_fail(cur, cur_file, cfg->line,
				 "found a file name of %d octets, expected fewer than %zu", n,
				 sizeof(path));
	if (!strpbrk(path, "*?["))
		return add_file(path, cfg->line);
	r = glob(path, 0, NULL, &g);
	if (r == GLOB_NOMATCH)
		return 0; /* an empty directory of snippets is fine */
	if (r != 0)
		return conf_fail(cur, cur_file, cfg->line,
				 "found \"%s\", expected a directory that can be read", pattern);
	for (size_t i = 0; i < g.gl_pathc && r == 0; i++)
		r = add_file(g.gl_pathv[i], cfg->line);
	globfree(&g);
	return r;
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	(void)opt;
	if (argc == 1)
		return include_one(cfg, argv[0]) < 0;
	conf_fail(cur, cur_file, cfg->line,
		  "found include with %d names, expected include(\"FILE\")", argc);
	return 1;
}

static int on_end(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	(void)cfg, (void)opt, (void)argc, (void)argv;
	cur->ends++;
	return 0;
}

static int fail_file(struct parse *p, const struct conf_file *f, int err, const char *what)
{
	if (p->err)
		return p->err;
	p->err = err;
	if (f->included_by)
		snprintf(p->error, CONF_ERROR_MAX,
			 "%s:%d: found include of \"%s\", expected a file that can be read: %s",
			 f->included_by->name, f->included_line, f->name, what);
	else
		snprintf(p->error, CONF_ERROR_MAX, "%s: cannot be read: %s", f->name, what);
	return err;
}

/* The whole file, with room for END_CALL. 0 or -errno, reported. */
static int slurp(struct parse *p, struct conf_file *f, char **ret_text, size_t *ret_len)
{
	int fd = open(f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	struct stat st;
	char *text = NULL;
	size_t len = 0;

	if (fd < 0)
		return fail_file(p, f, -errno, strerror(errno));
	if (fstat(fd, &st) < 0) {
		r = fail_file(p, f, -errno, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		r = fail_file(p, f, -EISDIR, "not a regular file");
		goto out;
	}
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	text = malloc(CONF_FILE_OCTETS_MAX + sizeof(END_CALL) + 1);
	if (!text) {
		r = fail_file(p, f, -ENOMEM, strerror(ENOMEM));
		goto out;
	}
	for (ssize_t n = 1; n > 0 && len <= CONF_FILE_OCTETS_MAX; len += (size_t)n) {
		n = read(fd, text + len, CONF_FILE_OCTETS_MAX + 1 - len);
		if (n < 0) {
			r = fail_file(p, f, -errno, strerror(errno));
			goto out;
		}
	}
	if (len > CONF_FILE_OCTETS_MAX) {
		r = fail_file(p, f, -EFBIG, "larger than 1 MiB");
		goto out;
	}
	*ret_text = text;
	*ret_len = len;
	close(fd);
	return 0;
out:
	if (text)
		secret_wipe(text, len);
	free(text);
	close(fd);
	return r;
}

static int check_twice(struct parse *p, const struct conf_file *f)
{
	for (const struct conf_file *o = p->files; o < f; o++)
		if (o->dev == f->dev && o->ino == f->ino)
			return conf_fail(p, f->included_by, f->included_line,
					 "found \"%s\" a second time, expected each file once",
					 f->name);
	return 0;
}

/* Comments become spaces: libConfuse counts the line of a comment twice, and does not say where a
 * string or comment without end began. 0 or -EINVAL, reported. */
static int blank_comments(struct parse *p, const struct conf_file *f, char *text, size_t len)
{
	int line = 1, start = 0; /* line where the string or comment began */
	char in = 0;		 /* '"', '\'', '#' to the end of the line, '*' to its end */
	bool token = false;	 /* in an unquoted word: a "//" there is no comment */

	for (size_t i = 0; i < len; i++) {
		char c = text[i], next = i + 1 < len ? text[i + 1] : '\0';

		line += c == '\n';
		if (in == '"' || in == '\'') {
			if (c == '\\' && next)
				line += text[++i] == '\n';
			else if (c == in)
				in = 0;
			continue;
		}
		if (in == 0 && !token && c == '/' && next == '*') {
			in = '*';
			start = line;
			text[i++] = ' ';
			text[i] = ' '; /* this star does not end it */
			continue;
		}
		if (in == 0) {
			if (c == '"' || c == '\'')
				in = c;
			else if (c == '#' || (!token && c == '/' && next == '/'))
				in = '#';
			token = !in && !strchr(" \t\r\n(){}=+,", c);
			start = line;
		} else if (in == '#' && c == '\n') {
			in = 0;
		} else if (in == '*' && c == '*' && next == '/') {
			in = 0;
			text[i++] = ' ';
			text[i] = ' ';
		}
		if ((in == '#' || in == '*') && c != '\n')
			text[i] = ' ';
	}
	if (in == '"' || in == '\'')
		return conf_fail(p, f, start,
				 "found a string without its end, expected a closing quote");
	if (in == '*')
		return conf_fail(p, f, start, "found a comment without its end, expected \"*/\"");
	return 0;
}

/* Of cfg, and of the sections inside it. */
static int only_once(struct parse *p, const struct conf_file *f, cfg_t *cfg)
{
	int r = 0;

	for (unsigned i = 0; i < cfg_num(cfg) && r == 0; i++) {
		cfg_opt_t *opt = cfg_getnopt(cfg, i);
		const char *name = cfg_opt_name(opt);

		if (opt->type != CFGT_SEC)
			continue;
		for (unsigned k = 0; k < cfg_opt_size(opt) && r == 0; k++) {
			cfg_t *sub = cfg_opt_getnsec(opt, k);
			const struct val *start = cfg_getnptr(sub, START_KEY, 0);

			/* either of several does */
			if (k && !cfg_title(sub) && strcmp(name, "match"))
				r = conf_fail(p, f, start ? start->line : sub->line,
					      "found a second section \"%s\", expected it once",
					      name);
			else
				r = only_once(p, f, sub);
		}
	}
	return r;
}

static int parse_text(struct parse *p, struct conf_file *f, char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);
	FILE *fp;
	int line = 1;

	for (const char *c = text; nul && c < nul; c++)
		line += *c == '\n';
	if (nul)
		return conf_fail(p, f, line, "found a NUL octet, expected text");
	if (blank_comments(p, f, text, len) < 0)
		return -EINVAL;
	/* on the last line if there is one that is not ended */
	if (len && text[len - 1] != '\n')
		text[len++] = '\n';
	memcpy(text + len, END_CALL, sizeof(END_CALL) - 1);
	len += sizeof(END_CALL) - 1;
	p->ends = 0;
	f->root = cfg_init(root_opts, CFGF_NONE);
	fp = fmemopen(text, len, "r");
	if (!f->root || !fp) {
		if (fp)
			fclose(fp);
		return fail_file(p, f, -ENOMEM, strerror(ENOMEM));
	}
	setvbuf(fp, NULL, _IONBF, 0); /* no further copy of secrets */
	cfg_set_error_function(f->root, on_error);
	free(f->root->filename);
	f->root->filename = strdup(f->name);
	cur_file = f;
	if (cfg_parse_fp(f->root, fp) != CFG_SUCCESS && !p->err)
		conf_fail(p, f, f->root->line, "found a mistake, expected key = value");
	else if (p->ends != 1)
		conf_fail(p, f, f->root->line, "found \"" END_KEY "\", expected a key or section");
	else
		only_once(p, f, f->root);
	fclose(fp);
	return p->err;
}

int conf_parse_files(struct parse *p, const char *file)
{
	cur = p;
	cur_file = NULL;
	if (add_file(file, 0) < 0)
		p->err = -ENOMEM;
	for (p->n_read = 0; p->n_read < p->n_files && !p->err; p->n_read++) {
		struct conf_file *f = &p->files[p->n_read];
		char *text = NULL;
		size_t len = 0;

		if (slurp(p, f, &text, &len) == 0) {
			if (check_twice(p, f) == 0)
				parse_text(p, f, text, len);
			secret_wipe(text, len);
			free(text);
		}
	}
	cur = NULL;
	return p->err;
}

void conf_parse_clear(struct parse *p)
{
	for (size_t i = 0; i < p->n_files; i++) {
		if (p->files[i].root)
			cfg_free(p->files[i].root);
		free(p->files[i].name);
	}
	free(p->seen);
}

/* ---- access ---- */

size_t sec_count(const struct sec *s, const char *key)
{
	return s->cfg ? cfg_size(s->cfg, key) : 0;
}

bool sec_empty(const struct sec *s, const char *key)
{
	const cfg_opt_t *o = s->cfg ? cfg_getopt(s->cfg, key) : NULL;

	return o && o->flags & CFGF_MODIFIED && !sec_count(s, key);
}

const struct val *sec_nth(const struct sec *s, const char *key, size_t i)
{
	return i < sec_count(s, key) ? cfg_getnptr(s->cfg, key, (unsigned)i) : NULL;
}

const struct val *sec_get(const struct sec *s, const char *key)
{
	return sec_nth(s, key, 0);
}

struct sec sec_sub(const struct sec *s, const char *kind, size_t i)
{
	struct sec sub = { .kind = kind, .file = s->file, .line = s->line, .end = s->end };
	const struct val *start;

	if (i >= sec_count(s, kind))
		return sub;
	sub.cfg = cfg_getnsec(s->cfg, kind, (unsigned)i);
	sub.name = cfg_title(sub.cfg);
	sub.end = sub.cfg->line;
	start = sec_get(&sub, START_KEY);
	sub.line = start ? start->line : sub.end;
	return sub;
}

struct sec sec_root(const struct conf_file *f)
{
	return (struct sec){
		.cfg = f->root, .file = f, .line = 1, .end = f->root->line, .kind = "file"
	};
}

int secs_each(struct parse *p, const char *kind, sec_fn *fn, void *ctx)
{
	int r = 0;

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, kind) && r == 0; i++) {
			struct sec s = sec_sub(&root, kind, i);

			r = fn(p, &s, ctx);
		}
	}
	return r;
}
