/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom we believe to be the peer: "cacerts", "certs", "crls", "ocsp" of the section "remote". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "creds_impl.h"
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

const char *conf_revocation_word(unsigned policy)
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
