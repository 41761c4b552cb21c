/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of proposals, read and shown (user/conf/proposal.c). */
#include <stdio.h>

#include <criterion/criterion.h>

#include "crypto/alg.h"
#include "../lib/conf_dir.h"

TestSuite(proposal, .init = dir_enter, .fini = dir_leave, .timeout = 60);

/* RFC 7296 3.3: combined-mode ciphers stand in proposals of their own. */
Test(proposal, kinds_of_ciphers_apart)
{
	struct conf *c = load_conn(
		"proposals = {\"aes256gcm16-aes128-sha256-prfsha384-ecp384-x25519\", \"default\"}",
		"esp_proposals = {\"aes128gcm16-ecp256-noesn\", \"aes256-sha512\"}");

	const struct ike_conn_cfg *h = &c->ike.conns[0];
	cr_assert_eq(h->n_proposals, 4);
	const struct ike_proposal *p = h->proposals;
	cr_assert_eq(p[0].n_encr, 1);
	cr_assert_eq(p[0].encr[0].id, ENCR_AES_GCM_16);
	cr_assert_eq(p[0].encr[0].key_bits, 256);
	cr_assert_eq(p[0].n_integ, 0);
	cr_assert_eq(p[0].n_ke, 2);
	cr_assert_eq(p[0].ke[1], KE_X25519);
	cr_assert_eq(p[1].encr[0].id, ENCR_AES_CBC);
	cr_assert_eq(p[1].n_integ, 1);
	cr_assert_eq(p[1].prf[0], PRF_HMAC_SHA2_384);
	const struct ike_proposal *e = h->children[0].proposals;
	cr_assert_eq(h->children[0].n_proposals, 2);
	cr_assert_eq(e[0].n_esn, 1);
	cr_assert_eq(e[0].esn[0], ESN_NO);
	cr_assert_eq(e[0].n_ke, 1);
	cr_assert_eq(e[1].n_esn, 2);
	cr_assert_eq(e[1].esn[0], ESN_YES);
	conf_free(c);
}

/* The defaults obey the same rule and name only what is there. */
Test(proposal, defaults)
{
	struct conf *c = load_conn("", "");

	for (int k = 0; k < 2; k++) {
		const struct ike_child_cfg *b = &c->ike.conns[0].children[0];
		const struct ike_proposal *list = k ? b->proposals : c->ike.conns[0].proposals;
		uint8_t n = k ? b->n_proposals : c->ike.conns[0].n_proposals;

		cr_assert_eq(n, 2);
		for (uint8_t i = 0; i < n; i++) {
			for (uint8_t j = 0; j < list[i].n_encr; j++) {
				struct encr_info info;

				cr_assert(encr_lookup(list[i].encr[j].id, list[i].encr[j].key_bits,
						      &info));
				cr_assert_eq(info.aead, list[i].n_integ == 0);
			}
			for (uint8_t j = 0; j < list[i].n_ke; j++) {
				size_t len;

				cr_assert(ke_lookup(list[i].ke[j], &len));
			}
		}
	}
	conf_free(c);
}

/* The hash of the integrity algorithm is the PRF if none is named. */
Test(proposal, prf_of_the_integrity_algorithm)
{
	struct conf *c = load_conn("proposals = {\"aes128-sha384-modp2048\"}", "");

	cr_assert_eq(c->ike.conns[0].proposals[0].n_prf, 1);
	cr_assert_eq(c->ike.conns[0].proposals[0].prf[0], PRF_HMAC_SHA2_384);
	conf_free(c);
}

/* What is shown of a proposal is the line that was read, the words of a kind together. */
Test(proposal, as_text)
{
	static const char *const lines[][2] = {
		{ "aes256gcm16-aes128gcm16-prfsha256-prfsha384-ecp256-x25519",
		  "aes256gcm16-aes128gcm16-prfsha256-prfsha384-ecp256-x25519" },
		{ "modp2048-aes128-sha256", "aes128-sha256-prfsha256-modp2048" },
	};
	char text[512], shown[CONF_PROPOSAL_STR];

	for (size_t i = 0; i < 2; i++) {
		struct conf *c;

		snprintf(text, sizeof(text), "proposals = {\"%s\"}", lines[i][0]);
		c = load_conn(text, "");
		cr_assert_eq(c->ike.conns[0].n_proposals, 1);
		cr_assert_str_eq(conf_proposal_text(&c->ike.conns[0].proposals[0], shown),
				 lines[i][1]);
		cr_assert_str_eq(
			conf_proposal_text(&c->ike.conns[0].children[0].proposals[0], shown),
			"aes256gcm16-aes128gcm16-chacha20poly1305-esn-noesn");
		conf_free(c);
	}
}
