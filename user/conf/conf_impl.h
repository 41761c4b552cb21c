/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of conf: values with their place, and how mistakes are reported.
 *
 * libConfuse reads sections, lists and strings; each value is kept as text with file and line, and
 * made into what it means by the functions here, so that every mistake is found at its own line. */
#ifndef BRAID_CONF_CONF_IMPL_H
#define BRAID_CONF_CONF_IMPL_H

#include <stdarg.h>
#include <confuse.h>

#include "conf/conf.h"

#ifndef CONF_FILE_OCTETS /* less of it is allocated for every input of a fuzzer */
#define CONF_FILE_OCTETS (1 << 20)
#endif
enum { CONF_FILES_MAX = 64, CONF_FILE_OCTETS_MAX = CONF_FILE_OCTETS };

struct conf_file {
	char *name;
	unsigned mode; /* permission bits */
	unsigned uid;
	uint64_t dev, ino;
	int included_line; /* where, in included_by; 0 for the first */
	const struct conf_file *included_by;
	cfg_t *root;
};

struct val {
	const struct conf_file *file;
	int line;
	char text[];
};

/* A section with its place: line of "{" and of "}". */
struct sec {
	cfg_t *cfg;
	const struct conf_file *file;
	int line, end;
	const char *kind; /* "connection" */
	const char *name; /* title, or NULL */
};

struct parse {
	struct conf *conf;
	char *error; /* CONF_ERROR_MAX octets; the first mistake stays */
	int err;
	unsigned ends; /* marks of the end seen in the file that is read */
	size_t n_files, n_read;
	struct conf_file files[CONF_FILES_MAX];
	size_t n_seen, cap_seen;
	const cfg_opt_t **seen; /* options already set: a second time is a mistake */
};

/* mistake.c: the one at a place; returns -EINVAL. "found X, expected Y". */
int conf_fail(struct parse *p, const struct conf_file *f, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The first CONF_WARNINGS_MAX are kept. */
void conf_warn(struct parse *p, const struct conf_file *f, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What libConfuse says of a section. */
void conf_mistake(struct parse *p, const struct conf_file *f, cfg_t *cfg, const char *fmt,
		  va_list ap);
/* A word that is no key of that section, with what is near, or all there is to choose from. */
void conf_unknown_key(struct parse *p, const struct conf_file *f, cfg_t *cfg, const char *word);
#define val_fail(p, v, ...) conf_fail(p, (v)->file, (v)->line, __VA_ARGS__)

/* Keys of ours that nobody writes: the line a section begins in; and what is put behind every file,
 * since libConfuse takes the end of the file for the end of a section. */
#define START_KEY "{start}"
#define END_KEY	  ":end-of-file:"

/* parse.c: files and libConfuse. 0 or -errno. */
int conf_parse_files(struct parse *p, const char *file);
void conf_parse_clear(struct parse *p); /* wipes values */

/* Access to a parsed section. */
const struct val *sec_get(const struct sec *s, const char *key); /* NULL: not there */
size_t sec_count(const struct sec *s, const char *key);
bool sec_empty(const struct sec *s, const char *key); /* a list that is there, with nothing in it */
const struct val *sec_nth(const struct sec *s, const char *key, size_t i);
struct sec sec_sub(const struct sec *s, const char *kind, size_t i); /* cfg NULL: not there */
struct sec sec_root(const struct conf_file *f);
/* fn for each section of that kind, of all files in turn, until it returns something else than 0,
 * which is returned. */
typedef int sec_fn(struct parse *p, const struct sec *s, void *ctx);
int secs_each(struct parse *p, const char *kind, sec_fn *fn, void *ctx);

/* value.c: a NULL value leaves *ret as it is and returns 0; else 0 or -EINVAL, reported. */
int val_uint(struct parse *p, const struct val *v, uint64_t min, uint64_t max, uint64_t *ret);
/* A number and one of the units. False: it is not. cmp: strcmp or strcasecmp. */
struct val_unit {
	const char *name;
	uint64_t is;
};
bool val_in_units(const struct val *v, const struct val_unit *units, size_t n_units,
		  int (*cmp)(const char *, const char *), uint64_t *ret);
int val_duration(struct parse *p, const struct val *v, uint64_t min_usec, uint64_t max_usec,
		 uint64_t *ret_usec);
/* A number of octets, also with k, m, g or t (of 1024). */
int val_octets(struct parse *p, const struct val *v, uint64_t max, uint64_t *ret);
int val_double(struct parse *p, const struct val *v, double min, double max, double *ret);
int val_bool(struct parse *p, const struct val *v, bool *ret);
/* words: NULL terminated; *ret is the index. */
int val_word(struct parse *p, const struct val *v, const char *const *words, unsigned *ret);
int val_addr(struct parse *p, const struct val *v, uint8_t family_or_0, struct addr *ret);
int val_name(struct parse *p, const struct val *v, char ret[IKE_NAME_MAX]);
int val_device(struct parse *p, const struct val *v, char ret[16]);
int val_id(struct parse *p, const struct val *v, struct ike_id *ret);
int val_range(struct parse *p, const struct val *v, struct addr *ret_first, struct addr *ret_last);
int val_secret(struct parse *p, const struct val *v, struct secret *ret);
/* "a.b@c", "%any": how people write it. */
const char *conf_id_text(const struct ike_id *id, char *buf, size_t len);
/* Nearest word by edits, or NULL when none is near. */
const char *conf_nearest(const char *word, const char *const *words, size_t n);

/* selector.c */
int val_ts(struct parse *p, const struct val *v, struct ike_ts *ret);
int val_protocol(struct parse *p, const struct val *v, uint8_t *ret);
int val_ports(struct parse *p, const struct val *v, uint16_t *ret_first, uint16_t *ret_last);
/* proposal.c: one word list becomes one or two proposals; "default" several. */
int val_proposal(struct parse *p, const struct val *v, bool esp, struct ike_proposal *out,
		 uint8_t max, uint8_t *n);
void conf_default_proposals(bool esp, struct ike_proposal *out, uint8_t *n);

/* Between two probes of a path. */
#define CONF_PROBE_MIN (10 * USEC_PER_MSEC)
#define CONF_PROBE_MAX (10 * USEC_PER_SEC)

/* conf.c: fn for every section of a kind; titles must differ across files too. */
typedef int conf_section_fn(struct parse *p, const struct sec *s, size_t i);
int conf_each(struct parse *p, const char *kind, size_t max, conf_section_fn *fn);
/* conf.c: the name of a section. uplink.c: section number i. */
int conf_title(struct parse *p, const struct sec *s, char ret[IKE_NAME_MAX]);
int conf_build_uplink(struct parse *p, const struct sec *s, size_t i);

/* control.c */
int conf_build_control(struct parse *p);

/* quality.c: how an uplink is watched and how good it must be. */
int conf_build_quality(struct parse *p, const struct sec *s, struct conf_uplink *u);
/* sla { }; without it no limits. */
int conf_build_sla(struct parse *p, const struct sec *s, struct class_sla *ret);

/* budget.c */
int conf_build_budget(struct parse *p, const struct sec *s, struct conf_uplink *u);

/* class.c: after the uplinks; and after the connections. */
int conf_build_classes(struct parse *p);
int conf_check_classes(struct parse *p);

/* backend.c: after all that may need the engine. */
int conf_check_backend(struct parse *p);

/* life.c */
int conf_build_ike_life(struct parse *p, const struct sec *s, struct ike_conn_cfg *c);
int conf_build_child_life(struct parse *p, const struct sec *s, struct ike_child_cfg *c);

/* connection.c, secrets.c */
int conf_build_connection(struct parse *p, const struct sec *s, struct ike_conn_cfg *c);
int conf_build_secrets(struct parse *p);
/* The file that holds it (secret, private) must be readable by its owner alone. */
int conf_check_mode(struct parse *p, const struct conf_file *at, int line, const char *what,
		    const char *name, unsigned mode, unsigned uid);

/* creds.c: after all files are read. */
int conf_build_creds(struct parse *p);
/* auth_word.c: what "rsa/pss-3072-sha256" and the like allow; false: no such word. */
struct auth_word {
	uint8_t types; /* mask of 1 << enum key_type; 0: any */
	uint16_t bits;
	uint32_t rule; /* crypto/auth.h */
};
bool conf_auth_word(const char *word, struct auth_word *ret);

#endif
