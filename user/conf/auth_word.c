/* SPDX-License-Identifier: GPL-2.0-only */
/* Words of "auth": which key and which signature, as "rsa/pss-3072-sha256". */
#include <stdlib.h>
#include <string.h>

#include "conf_impl.h"
#include "crypto/auth.h"

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
