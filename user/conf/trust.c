/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom we believe to be the peer: "cacerts", "certs", "crls", "ocsp" of the section "remote", and
 * words of "auth". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "creds_impl.h"
#include "crypto/auth.h"
#include "crypto/x509.h"

/* Keys of "remote" that name files. */
static const struct {
	const char *key, *what, *form;
	int (*add)(struct trust *t, const uint8_t *file, size_t len);
	size_t (*must)(const struct trust *t); /* not without one: it is a condition */
} kinds[] = {
	{ "cacerts", "certificate", "PEM or DER", trust_add_cas, trust_count },
	{ "certs", "certificate", "PEM or DER", trust_add_pins, trust_pins },
	{ "crls", "CRL", "PEM or DER", trust_add_crls, NULL },
	{ "ocsp", "successful OCSP response", "one in DER", trust_add_ocsp, NULL },
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct target {
	struct trust *t;
	size_t kind;
};

static int add_blob(struct parse *p, const struct val *v, const struct blob *b, void *ctx)
{
	const struct target *to = ctx;
	int err = kinds[to->kind].add(to->t, b->p, b->len);

	switch (err) {
	case 0:
	case -ENOMEM:
		return err;
	case -EINVAL:
		return val_fail(p, v,
				"found a certificate in \"%.200s\" that is no CA's, expected CAs",
				b->name);
	case -E2BIG:
		return val_fail(p, v, "found more than %d %s, expected fewer", TRUST_CAS_MAX,
				kinds[to->kind].key);
	default:
		return val_fail(p, v, "found no %s in \"%.200s\", expected %s",
				kinds[to->kind].what, b->name, kinds[to->kind].form);
	}
}

static int read_all(struct parse *p, const struct sec *remote, struct trust *t)
{
	struct target to = { .t = t };
	int r = 0;

	for (; to.kind < N_KINDS && r == 0; to.kind++) {
		const char *key = kinds[to.kind].key;

		for (size_t i = 0; i < sec_count(remote, key) && r == 0; i++)
			r = blobs_each(p, sec_nth(remote, key, i), add_blob, &to);
		/* a pattern without files would ask less of the peer than no pattern */
		if (r == 0 && sec_count(remote, key) && kinds[to.kind].must &&
		    !kinds[to.kind].must(t))
			r = val_fail(
				p, sec_nth(remote, key, 0),
				"found no file of \"%.200s\", expected %s to name at least one",
				sec_nth(remote, key, 0)->text, key);
	}
	return r;
}

static const char *const policies[] = { [CRL_OFF] = "off",
					[CRL_IFPRESENT] = "relaxed",
					[CRL_IFURI] = "ifuri",
					[CRL_STRICT] = "strict",
					NULL };

const char *conf_revocation_word(enum crl_policy policy)
{
	return policies[policy];
}

int conf_build_theirs(struct parse *p, const struct sec *conn, struct kept *kept,
		      struct ike_conn_cfg *c)
{
	struct sec remote = sec_sub(conn, "remote", 0);
	const char *keys[N_KINDS + 1] = { NULL };
	unsigned policy = CRL_IFPRESENT;
	int r = val_word(p, sec_get(&remote, "revocation"), policies, &policy);
	const struct kept_one *one;
	char *key;

	if (r < 0)
		return r;
	for (size_t i = 0; i < N_KINDS; i++)
		keys[i] = kinds[i].key;
	key = kept_key(p, &remote, keys, policies[policy]);
	if (!key)
		return p->err ? p->err : -ENOMEM;
	one = kept_find(kept, key);
	c->trust = one ? trust_ref(one->trust) : trust_new(policy);
	if (!c->trust)
		r = -ENOMEM;
	else if (!one)
		r = read_all(p, &remote, c->trust);
	if (!one && r == 0)
		kept_add(kept, key, NULL, c->trust);
	free(key);
	return r;
}

/* The first word of each is the one we show. */
static const struct {
	const char *word;
	enum sig_hash hash;
} hashes[] = {
	{ "sha256", SIG_HASH_SHA2_256 },   { "sha384", SIG_HASH_SHA2_384 },
	{ "sha512", SIG_HASH_SHA2_512 },   { "sha2_256", SIG_HASH_SHA2_256 },
	{ "sha2_384", SIG_HASH_SHA2_384 }, { "sha2_512", SIG_HASH_SHA2_512 },
};

const char *conf_hash_word(unsigned hash)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++)
		if (hashes[i].hash == hash)
			return hashes[i].word;
	return NULL;
}

static uint32_t hash_bit(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++)
		if (strlen(hashes[i].word) == len && !strncmp(hashes[i].word, word, len))
			return 1u << hashes[i].hash;
	return 0;
}

bool conf_auth_word(const char *word, struct auth_word *ret)
{
	static const struct {
		const char *word;
		uint8_t types;
		uint32_t rule;
	} words[] = {
		{ "pubkey", 0, 0 },
		{ "rsa", 1 << KEY_RSA, 0 },
		{ "rsa/pss", 1 << KEY_RSA, SIG_RULE_PSS },
		{ "ecdsa", 1 << KEY_ECDSA, 0 },
		{ "ed25519", 1 << KEY_ED25519, 0 },
		{ "ed448", 1 << KEY_ED448, 0 },
	};
	size_t len = strcspn(word, "-"), i = 0;
	struct auth_word w = { .bits = 0 };
	bool sized, hashed;

	while (i < sizeof(words) / sizeof(*words) &&
	       (strlen(words[i].word) != len || strncmp(words[i].word, word, len)))
		i++;
	if (i == sizeof(words) / sizeof(*words))
		return false;
	w.types = words[i].types;
	w.rule = words[i].rule;
	sized = w.types & (1 << KEY_RSA | 1 << KEY_ECDSA);
	hashed = sized || !w.types;
	while (word[len] == '-') {
		uint32_t hash;
		char *rest;

		word += len + 1;
		len = strcspn(word, "-");
		hash = hash_bit(word, len);
		if (hash && hashed) {
			w.rule |= hash;
			continue;
		}
		/* the number comes first */
		if (!sized || w.bits || w.rule & SIG_HASHES || *word < '1' || *word > '9')
			return false;
		w.bits = (uint16_t)strtoul(word, &rest, 10);
		if (rest != word + len || len > 4 || w.bits > KEY_RSA_BITS_MAX)
			return false;
	}
	/* as swanctl has it: with a hash, "rsa" alone is PKCS#1 v1.5 */
	if (w.types == 1 << KEY_RSA && w.rule & SIG_HASHES && !(w.rule & SIG_RULE_PSS))
		w.rule |= SIG_RULE_PKCS1;
	*ret = w;
	return true;
}
