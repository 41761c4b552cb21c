/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys and certificates of ours: "certs" and sections "private" and "token". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "creds_impl.h"
#include "crypto/x509.h"
#include "ikemsg/ikemsg.h"

/* ---- sections "private" ---- */

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
		pkey_drop(k);
	return r;
}

/* 1: it was the one, and the credential has its key. */
static int offer(struct cred *cred, struct pkey *k)
{
	if (!k)
		return 0;
	if (cred_take_key(cred, k))
		return 1;
	pkey_drop(k);
	return 0;
}

static int private_offer(struct parse *p, const struct sec *s, void *ctx)
{
	struct pkey *k;
	int r = private_load(p, s, &k);

	return r ? r : offer(ctx, k);
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

/* ---- sections "token" ---- */

enum { HANDLE_OCTETS_MAX = 64, SLOT_MAX = INT32_MAX };

/* "slot_1-id_0a" */
static int token_name(struct parse *p, const struct sec *s, char *out, size_t cap)
{
	const struct val *handle = sec_get(s, "handle"), *slot = sec_get(s, "slot");
	size_t len = strlen(handle->text);
	uint64_t n = 0;
	int r = val_uint(p, slot, 0, SLOT_MAX, &n);

	if (r < 0)
		return r;
	if (!len || len % 2 || len > 2 * HANDLE_OCTETS_MAX ||
	    strspn(handle->text, "0123456789abcdefABCDEF") != len)
		return val_fail(p, handle,
				"found handle \"%.60s\", expected the key's CKA_ID in hex digits",
				handle->text);
	if (slot)
		snprintf(out, cap, "slot_%u-id_%s", (unsigned)n, handle->text);
	else
		snprintf(out, cap, "id_%s", handle->text);
	return 0;
}

static int fail_token(struct parse *p, const struct sec *s, int err, const char *why)
{
	switch (err) {
	case -ENOSYS:
		return conf_fail(p, s->file, s->line,
				 "found token \"%.60s\", expected OpenSSL to have the engine "
				 "pkcs11: install libengine-pkcs11-openssl",
				 s->name);
	case -EBUSY:
		return conf_fail(
			p, s->file, s->line,
			"found another module in token \"%.60s\", expected the one that is in "
			"use: braidd can have one, for several take p11-kit-proxy.so",
			s->name);
	case -ENOTSUP:
		return conf_fail(p, s->file, s->line,
				 "found a key of another kind in token \"%.60s\", expected RSA (%d "
				 "to %d bits) or ECDSA on P-256, P-384 or P-521",
				 s->name, KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	case -EIO:
		return conf_fail(p, s->file, s->line,
				 "found no usable key by token \"%.60s\", expected one: %s",
				 s->name, why);
	default:
		return err;
	}
}

static int token_load(struct parse *p, const struct sec *s, struct pkey **ret_key)
{
	static const char *const keys[] = { "module", "handle", "pin" };
	char name[2 * HANDLE_OCTETS_MAX + 32], why[KEY_WHY_MAX];
	struct secret pin = { .len = 0 };
	int r = 0, err;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && r == 0; i++)
		if (!sec_get(s, keys[i]))
			r = conf_fail(p, s->file, s->line,
				      "found token \"%.60s\" without %s, expected it", s->name,
				      keys[i]);
	if (r == 0)
		r = conf_check_mode(p, s->file, s->line, "pin", s->file->name, s->file->mode,
				    s->file->uid);
	if (r == 0 && sec_get(s, "module")->text[0] != '/')
		r = val_fail(p, sec_get(s, "module"),
			     "found module \"%.200s\", expected its full path",
			     sec_get(s, "module")->text);
	if (r == 0)
		r = token_name(p, s, name, sizeof(name));
	if (r == 0)
		r = val_secret(p, sec_get(s, "pin"), &pin);
	if (r == 0) {
		err = pkey_token(sec_get(s, "module")->text, name, &pin, ret_key, why);
		r = err ? fail_token(p, s, err, why) : 0;
	}
	secret_clear(&pin);
	return r;
}

static int token_check(struct parse *p, const struct sec *s, void *ctx)
{
	struct pkey *k;
	int r = token_load(p, s, &k);

	(void)ctx;
	if (r == 0)
		pkey_drop(k);
	return r;
}

static int token_offer(struct parse *p, const struct sec *s, void *ctx)
{
	struct pkey *k;
	int r = token_load(p, s, &k);

	return r ? r : offer(ctx, k);
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
	r = secs_each(p, "private", private_of_file, &w);
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
		r = secs_each(p, "private", private_offer, c);
		if (r == 0)
			r = secs_each(p, "token", token_offer, c);
		if (r == 0)
			r = val_fail(p, v,
				     "found no private key for certificate \"%.200s\", expected a "
				     "section private \"NAME\" { file = ... } with it, or a token",
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

static int add_response(struct parse *p, const struct val *v, const struct blob *b, void *ctx)
{
	int err = cred_add_ocsp(ctx, b->p, b->len);

	switch (err) {
	case 0:
	case -ENOENT: /* of another certificate: the names may stand for all there are */
		return 0;
	case -E2BIG:
		return val_fail(p, v, "found more than %d OCSP responses, expected fewer",
				CERT_CHAIN_MAX);
	case -EBADMSG:
		return val_fail(p, v,
				"found no successful OCSP response in \"%.200s\", expected one in "
				"DER",
				b->name);
	default:
		return err;
	}
}

/* A certificate of section "local", with the OCSP responses that are about its chain. */
static int cred_get(struct parse *p, const struct sec *local, const struct val *v,
		    struct kept *kept, struct cred **ret_cred)
{
	static const char *const responses[] = { "ocsp", NULL };
	const struct kept_one *one;
	char path[PATH_OCTETS], *key;
	int r = path_of(p, v, path);
	struct cred *cred;

	if (r < 0)
		return r;
	key = kept_key(p, local, responses, path);
	if (!key)
		return p->err ? p->err : -ENOMEM;
	one = kept_find(kept, key);
	if (one) {
		*ret_cred = cred_ref(one->cred);
		goto out;
	}
	r = cred_read(p, v, &cred);
	if (r < 0)
		goto out;
	if (sec_count(local, "ocsp"))
		cred_want_ocsp(cred);
	for (size_t i = 0; i < sec_count(local, "ocsp") && r == 0; i++)
		r = blobs_each(p, sec_nth(local, "ocsp", i), add_response, cred);
	if (r < 0) {
		cred_unref(cred);
		goto out;
	}
	kept_add(kept, key, cred, NULL);
	*ret_cred = cred;
out:
	free(key);
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
			return val_fail(p, v,
					"found certificate \"%.200s\" without a subject of at "
					"most %d octets to be our id, expected id = one of its "
					"names",
					v->text, IKE_ID_MAX);
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

/* Ours must be as our "auth" says it is. */
static int check_kind(struct parse *p, const struct sec *local, const struct val *v,
		      const struct cred *cred)
{
	struct key_info i = pkey_info(cred_key(cred));
	struct auth_word w;
	char text[32];

	if (!conf_auth_word(sec_get(local, "auth")->text, &w) ||
	    ((!w.types || w.types & 1u << i.type) && i.bits >= w.bits))
		return 0;
	return val_fail(p, v, "found certificate \"%.200s\" with a key %s, expected auth = %s",
			v->text, key_info_format(&i, text), sec_get(local, "auth")->text);
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

		r = cred_get(p, &local, v, kept, &c->creds[i]);
		if (r < 0)
			break;
		c->n_creds++;
		r = check_id(p, &local, v, c, c->creds[i]);
		if (r == 0)
			r = check_kind(p, &local, v, c->creds[i]);
	}
	return r;
}

/* What connections are built with, in the order in which conf.c filled them. */
struct builder {
	struct kept kept;
	size_t n;
};

static int build_conn(struct parse *p, const struct sec *s, void *ctx)
{
	struct builder *b = ctx;
	struct ike_conn_cfg *c = &p->conf->ike.conns[b->n++];
	int r = 0;

	if (c->local_auth == AUTH_BY_PUBKEY)
		r = build_ours(p, s, &b->kept, c);
	if (r == 0 && c->remote_auth == AUTH_BY_PUBKEY)
		r = conf_build_theirs(p, s, &b->kept, c);
	return r;
}

int conf_build_creds(struct parse *p)
{
	struct builder b = { .n = 0 };
	int r = secs_each(p, "private", private_check, NULL);

	if (r == 0)
		r = secs_each(p, "token", token_check, NULL);
	if (r == 0)
		r = secs_each(p, "connection", build_conn, &b);
	kept_clear(&b.kept);
	return r;
}
