/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys and certificates: "certs" of us, "cacerts" and "crls" for the peer, sections "private". File
 * names are relative to the file they stand in. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf_impl.h"
#include "crypto/x509.h"
#include "ikemsg/ikemsg.h"

enum { PATH_OCTETS = 512 };

/* ---- files ---- */

struct blob {
	uint8_t *p;
	size_t len;
	char path[PATH_OCTETS];
};

static void blob_clear(struct blob *b)
{
	secret_wipe(b->p, b->len);
	free(b->p);
	b->p = NULL;
}

static int path_of(struct parse *p, const struct val *v, char out[PATH_OCTETS])
{
	const char *slash = strrchr(v->file->name, '/');
	int dir = v->text[0] == '/' || !slash ? 0 : (int)(slash - v->file->name) + 1;

	if (snprintf(out, PATH_OCTETS, "%.*s%s", dir, v->file->name, v->text) < PATH_OCTETS)
		return 0;
	return val_fail(p, v, "found a file name of %zu octets, expected fewer than %d",
			strlen(v->text) + (size_t)dir, PATH_OCTETS);
}

static int fail_read(struct parse *p, const struct val *v, const char *why)
{
	return val_fail(p, v, "found \"%.200s\", expected a file that can be read: %s", v->text,
			why);
}

/* private: nobody else may be able to read it. */
static int blob_read(struct parse *p, const struct val *v, bool private, struct blob *b)
{
	struct stat st;
	ssize_t n;
	int fd, r;

	b->p = NULL;
	r = path_of(p, v, b->path);
	if (r < 0)
		return r;
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

/* ---- sections "private" ---- */

/* fn for each of them until it returns something else than 0, which is returned. */
typedef int private_fn(struct parse *p, const struct sec *s, void *ctx);

static int privates_each(struct parse *p, private_fn *fn, void *ctx)
{
	int r = 0;

	for (size_t f = 0; f < p->n_read; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, "private") && r == 0; i++) {
			struct sec s = sec_sub(&root, "private", i);

			r = fn(p, &s, ctx);
		}
	}
	return r;
}

/* Its passphrase: NULL if it has none. */
static int passphrase(struct parse *p, const struct sec *s, struct secret *buf,
		      struct secret **ret_pass)
{
	const struct val *v = sec_get(s, "secret");

	*ret_pass = v ? buf : NULL;
	return v ? val_secret(p, v, buf) : 0;
}

static int fail_key(struct parse *p, const struct val *v, bool pass, int err)
{
	switch (err) {
	case -EKEYREJECTED:
		return val_fail(p, v, "found \"%.200s\", which is encrypted, expected %s", v->text,
				pass ? "its secret to be right" : "secret = its passphrase");
	case -ENOTSUP:
		return val_fail(p, v,
				"found a key of another kind in \"%.200s\", expected RSA (%d to %d "
				"bits), ECDSA on P-256, P-384 or P-521, Ed25519 or Ed448",
				v->text, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	case -E2BIG:
		return val_fail(p, v, "found too many certificates in \"%.200s\", expected %d",
				v->text, CERT_CHAIN_MAX);
	case -ENOMEM:
		return err;
	default:
		return val_fail(p, v, "found no private key in \"%.200s\", expected PEM or PKCS#12",
				v->text);
	}
}

/* *ret_key NULL: it is PKCS#12, which is read as a certificate. */
static int private_load(struct parse *p, const struct sec *s, struct pkey **ret_key)
{
	const struct val *v = sec_get(s, "file");
	struct secret buf = { .len = 0 }, *pass;
	struct cred *c = NULL;
	struct blob b;
	int r = passphrase(p, s, &buf, &pass), err;

	*ret_key = NULL;
	if (r == 0)
		r = blob_read(p, v, true, &b);
	if (r == 0) {
		err = pkey_load(b.p, b.len, pass, ret_key);
		if (err == -EBADMSG)
			err = cred_load(b.p, b.len, pass, &c);
		if (!err && c && !cred_has_key(c))
			err = -EBADMSG;
		r = err ? fail_key(p, v, pass, err) : 0;
		cred_unref(c);
		blob_clear(&b);
	}
	secret_clear(&buf);
	return r;
}

static int private_check(struct parse *p, const struct sec *s, void *ctx)
{
	struct pkey *k;
	int r = 0;

	(void)ctx;
	if (sec_get(s, "secret"))
		r = conf_check_mode(p, s->file, s->line, "secret", s->file->name, s->file->mode,
				    s->file->uid);
	if (r == 0 && !sec_get(s, "file"))
		r = conf_fail(p, s->file, s->line, "found private \"%s\" without file, expected it",
			      s->name);
	if (r == 0)
		r = private_load(p, s, &k);
	if (r == 0)
		pkey_free(k);
	return r;
}

/* 1: it was the one, and the credential has its key. */
static int private_offer(struct parse *p, const struct sec *s, void *ctx)
{
	struct cred *cred = ctx;
	struct pkey *k;
	int r = private_load(p, s, &k);

	if (r || !k)
		return r;
	if (cred_take_key(cred, k))
		return 1;
	pkey_free(k);
	return 0;
}

struct same_file {
	const char *path;
	struct secret *buf, *pass;
};

static int private_of_file(struct parse *p, const struct sec *s, void *ctx)
{
	struct same_file *w = ctx;
	char path[PATH_OCTETS];
	int r = path_of(p, sec_get(s, "file"), path);

	if (r || strcmp(path, w->path))
		return r;
	r = passphrase(p, s, w->buf, &w->pass);
	return r ? r : 1;
}

/* ---- what several connections name is read once ---- */

struct kept {
	size_t n;
	struct kept_one {
		char *key; /* owned: which files, and what for */
		struct cred *cred;
		struct trust *trust;
	} * all;
};

static void kept_clear(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->all[i].key);
		cred_unref(k->all[i].cred);
		trust_unref(k->all[i].trust);
	}
	free(k->all);
}

static const struct kept_one *kept_find(const struct kept *k, const char *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->all[i].key, key))
			return &k->all[i];
	return NULL;
}

/* Takes references of its own. Without memory it is read again, nothing worse. */
static void kept_add(struct kept *k, const char *key, struct cred *cred, struct trust *trust)
{
	struct kept_one *all = realloc(k->all, (k->n + 1) * sizeof(*all));

	if (all)
		k->all = all;
	if (!all || !(all[k->n].key = strdup(key)))
		return;
	all[k->n].cred = cred_ref(cred);
	all[k->n++].trust = trust_ref(trust);
}

/* The names of all files under those keys, after a word. The caller frees it; NULL: no memory, or a
 * mistake that was reported. */
static char *kept_key(struct parse *p, const struct sec *s, const char *const *keys,
		      const char *word)
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

/* ---- ours ---- */

static int cred_read(struct parse *p, const struct val *v, struct cred **ret_cred)
{
	struct secret buf = { .len = 0 };
	struct cred *c = NULL;
	struct blob b;
	int r = blob_read(p, v, false, &b), err;

	if (r < 0)
		return r;
	struct same_file w = { b.path, &buf, NULL };
	r = privates_each(p, private_of_file, &w);
	if (r >= 0) {
		err = cred_load(b.p, b.len, w.pass, &c);
		r = 0;
		if (err == -EBADMSG)
			r = val_fail(
				p, v,
				"found no certificate in \"%.200s\", expected PEM, DER or PKCS#12",
				v->text);
		else if (err)
			r = fail_key(p, v, w.pass, err);
	}
	secret_clear(&buf);
	blob_clear(&b);
	if (r == 0 && !cred_has_key(c)) {
		r = privates_each(p, private_offer, c);
		if (r == 0)
			r = val_fail(p, v,
				     "found no private key for certificate \"%.200s\", expected a "
				     "section private \"NAME\" { file = ... } with it",
				     v->text);
		else if (r == 1)
			r = 0;
	}
	if (r < 0)
		cred_unref(c);
	else
		*ret_cred = c;
	return r;
}

static int cred_get(struct parse *p, const struct val *v, struct kept *kept, struct cred **ret_cred)
{
	const struct kept_one *one;
	char path[PATH_OCTETS];
	int r = path_of(p, v, path);

	if (r < 0)
		return r;
	one = kept_find(kept, path);
	if (one) {
		*ret_cred = cred_ref(one->cred);
		return 0;
	}
	r = cred_read(p, v, ret_cred);
	if (r == 0)
		kept_add(kept, path, *ret_cred, NULL);
	return r;
}

/* Our identity must be one that the certificate proves. */
static int check_id(struct parse *p, const struct sec *local, const struct val *v,
		    struct ike_conn_cfg *c, const struct cred *cred)
{
	const struct cert *end = cred_cert(cred, 0);
	struct cert_info info;
	size_t len;

	if (!sec_get(local, "id") && !c->local_id.type) {
		if (cert_subject(end, c->local_id.data, sizeof(c->local_id.data), &len))
			return val_fail(
				p, v,
				"found certificate \"%.200s\" without a subject that can be "
				"an id, expected id = one of its names",
				v->text);
		c->local_id.type = ID_DER_ASN1_DN;
		c->local_id.len = (uint16_t)len;
	}
	if (ike_id_in_cert(&c->local_id, end))
		return 0;
	cert_describe(end, &info);
	return val_fail(
		p, sec_get(local, "id") ? sec_get(local, "id") : v,
		"found our id, which certificate \"%.100s\" (%.100s) does not have, expected "
		"its subject or one of its subjectAltName",
		v->text, info.subject);
}

static int build_ours(struct parse *p, const struct sec *conn, struct kept *kept,
		      struct ike_conn_cfg *c)
{
	struct sec local = sec_sub(conn, "local", 0);
	size_t n = sec_count(&local, "certs");
	int r = 0;

	if (n > IKE_CREDS_MAX)
		return val_fail(p, sec_nth(&local, "certs", IKE_CREDS_MAX),
				"found %zu values of \"certs\", expected at most %d", n,
				IKE_CREDS_MAX);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct val *v = sec_nth(&local, "certs", i);

		r = cred_get(p, v, kept, &c->creds[i]);
		if (r < 0)
			break;
		c->n_creds++;
		r = check_id(p, &local, v, c, c->creds[i]);
	}
	return r;
}

/* ---- the peer's ---- */

static int add_file(struct parse *p, const struct val *v, struct trust *t, bool crl)
{
	struct blob b;
	int r = blob_read(p, v, false, &b), err;

	if (r < 0)
		return r;
	err = crl ? trust_add_crls(t, b.p, b.len) : trust_add_cas(t, b.p, b.len);
	blob_clear(&b);
	switch (err) {
	case 0:
	case -ENOMEM:
		return err;
	case -EINVAL:
		return val_fail(p, v,
				"found a certificate in \"%.200s\" that is no CA's, expected CAs",
				v->text);
	case -E2BIG:
		return val_fail(p, v, "found more than %d CAs, expected fewer", TRUST_CAS_MAX);
	default:
		return val_fail(p, v, "found no %s in \"%.200s\", expected PEM or DER",
				crl ? "CRL" : "certificate", v->text);
	}
}

static int build_theirs(struct parse *p, const struct sec *conn, struct kept *kept,
			struct ike_conn_cfg *c)
{
	static const char *const files[] = { "cacerts", "crls", NULL };
	static const char *const policies[] = {
		[CRL_OFF] = "off", [CRL_IFPRESENT] = "ifpresent", [CRL_STRICT] = "strict", NULL
	};
	struct sec remote = sec_sub(conn, "remote", 0);
	unsigned policy = CRL_IFPRESENT;
	int r = val_word(p, sec_get(&remote, "crl"), policies, &policy);

	const struct kept_one *one;
	char *key;

	if (r < 0)
		return r;
	key = kept_key(p, &remote, files, policies[policy]);
	if (!key)
		return p->err ? p->err : -ENOMEM;
	one = kept_find(kept, key);
	c->trust = one ? trust_ref(one->trust) : trust_new(policy);
	if (!c->trust)
		r = -ENOMEM;
	for (size_t i = 0; !one && i < sec_count(&remote, "cacerts") && r == 0; i++)
		r = add_file(p, sec_nth(&remote, "cacerts", i), c->trust, false);
	for (size_t i = 0; !one && i < sec_count(&remote, "crls") && r == 0; i++)
		r = add_file(p, sec_nth(&remote, "crls", i), c->trust, true);
	if (!one && r == 0)
		kept_add(kept, key, NULL, c->trust);
	free(key);
	return r;
}

bool conf_key_word(const char *word, uint8_t *ret_types, uint16_t *ret_bits)
{
	static const struct {
		const char *word;
		uint8_t types;
	} words[] = {
		{ "pubkey", 0 },
		{ "rsa", 1 << KEY_RSA },
		{ "ecdsa", 1 << KEY_ECDSA },
		{ "ed25519", 1 << KEY_ED25519 },
		{ "ed448", 1 << KEY_ED448 },
	};
	const char *dash = strchr(word, '-');
	size_t len = dash ? (size_t)(dash - word) : strlen(word);
	unsigned long bits = 0;
	char *end;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].word) != len || strncmp(words[i].word, word, len))
			continue;
		if (dash) {
			bits = strtoul(dash + 1, &end, 10);
			if (*end || end == dash + 1 ||
			    !(words[i].types & (1 << KEY_RSA | 1 << KEY_ECDSA)) ||
			    bits > KEY_RSA_BITS_MAX)
				return false;
		}
		*ret_types = words[i].types;
		*ret_bits = (uint16_t)bits;
		return true;
	}
	return false;
}

int conf_build_creds(struct parse *p)
{
	int r = privates_each(p, private_check, NULL);
	struct kept kept = { .n = 0 };
	size_t n = 0;

	/* in the order in which conf.c filled them */
	for (size_t f = 0; f < p->n_read && r == 0; f++) {
		struct sec root = sec_root(&p->files[f]);

		for (size_t i = 0; i < sec_count(&root, "connection") && r == 0; i++) {
			struct sec s = sec_sub(&root, "connection", i);
			struct ike_conn_cfg *c = &p->conf->ike.conns[n++];

			if (c->local_auth == AUTH_BY_PUBKEY)
				r = build_ours(p, &s, &kept, c);
			if (r == 0 && c->remote_auth == AUTH_BY_PUBKEY)
				r = build_theirs(p, &s, &kept, c);
		}
	}
	kept_clear(&kept);
	return r;
}
