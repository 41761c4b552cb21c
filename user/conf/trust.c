/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom we believe to be the peer: "cacerts", "crls", "ocsp", "auth" of the section "remote". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "creds_impl.h"
#include "crypto/x509.h"

/* Keys of "remote" that name files. */
static const struct {
	const char *key, *what, *form;
	int (*add)(struct trust *t, const uint8_t *file, size_t len);
} kinds[] = {
	{ "cacerts", "certificate", "PEM or DER", trust_add_cas },
	{ "crls", "CRL", "PEM or DER", trust_add_crls },
	{ "ocsp", "successful OCSP response", "one in DER", trust_add_ocsp },
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
		return val_fail(p, v, "found more than %d CAs, expected fewer", TRUST_CAS_MAX);
	default:
		return val_fail(p, v, "found no %s in \"%.200s\", expected %s",
				kinds[to->kind].what, b->name, kinds[to->kind].form);
	}
}

static int read_all(struct parse *p, const struct sec *remote, struct trust *t)
{
	struct target to = { .t = t };
	int r = 0;

	for (; to.kind < N_KINDS && r == 0; to.kind++)
		for (size_t i = 0; i < sec_count(remote, kinds[to.kind].key) && r == 0; i++)
			r = blobs_each(p, sec_nth(remote, kinds[to.kind].key, i), add_blob, &to);
	return r;
}

int conf_build_theirs(struct parse *p, const struct sec *conn, struct kept *kept,
		      struct ike_conn_cfg *c)
{
	static const char *const policies[] = { [CRL_OFF] = "off",
						[CRL_IFPRESENT] = "relaxed",
						[CRL_IFURI] = "ifuri",
						[CRL_STRICT] = "strict",
						NULL };
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
