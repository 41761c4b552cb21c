/* SPDX-License-Identifier: GPL-2.0-only */
/* Between files.c, creds.c and trust.c of conf. File names are relative to the file they stand in.
 */
#ifndef BRAID_CONF_CREDS_IMPL_H
#define BRAID_CONF_CREDS_IMPL_H

#include "conf_impl.h"

enum { PATH_OCTETS = 512 };

struct blob {
	uint8_t *p;
	size_t len;
	const char *name; /* as a mistake calls it */
	char path[PATH_OCTETS];
};

int path_of(struct parse *p, const struct val *v, char out[PATH_OCTETS]);
/* The whole file; private: nobody else may be able to read it. blob_clear wipes. */
int blob_read(struct parse *p, const struct val *v, bool private, struct blob *b);
void blob_clear(struct blob *b);
/* Each file that a name, which may be a pattern, stands for: 0, or what fn said first. */
typedef int blob_fn(struct parse *p, const struct val *v, const struct blob *b, void *ctx);
int blobs_each(struct parse *p, const struct val *v, blob_fn *fn, void *ctx);

/* What several connections name is read once. */
struct kept {
	size_t n;
	struct kept_one {
		char *key; /* owned: which files, and what for */
		struct cred *cred;
		struct trust *trust;
	} * all;
};

void kept_clear(struct kept *k);
const struct kept_one *kept_find(const struct kept *k, const char *key);
/* Takes references of its own. Without memory it is read again, nothing worse. */
void kept_add(struct kept *k, const char *key, struct cred *cred, struct trust *trust);
/* The names of all files under those keys, after a word. The caller frees it; NULL: no memory, or a
 * mistake that was reported. */
char *kept_key(struct parse *p, const struct sec *s, const char *const *keys, const char *word);

/* trust.c: of the section "remote" of a connection that takes certificates. */
int conf_build_theirs(struct parse *p, const struct sec *conn, struct kept *kept,
		      struct ike_conn_cfg *c);

#endif
