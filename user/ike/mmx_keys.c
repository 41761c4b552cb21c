/* SPDX-License-Identifier: GPL-2.0-only */
/* Derivation of Child SAs for an added interface: see mmx_keys.h. Labels are ASCII without an end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/prf.h"
#include "mmx_keys.h"

enum { SA_ENTRY_OCTETS = 1 + 4 + 4 + 1, TUNNEL = 1, TRANSPORT = 2, DERIVED_OCTETS = 4 + 1 + 4 * 4 };

#define LABEL(text)                                                                                \
	(struct chunk)                                                                             \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define OCTETS(array)                                                                              \
	(struct chunk)                                                                             \
	{                                                                                          \
		array, sizeof(array)                                                               \
	}

int mmx_keys_init(struct mmx_keys *ret_k, uint16_t prf, const struct secret *sk_d)
{
	struct chunk label = LABEL("IKEv2 MMX v1 derive");
	uint8_t k[PRF_MAX_OCTETS];
	size_t octets;
	int r = prf_lookup(prf, &octets) ? 0 : -EINVAL;

	if (!r)
		r = prf_compute(prf, sk_d->b, sk_d->len, &label, 1, k);
	if (!r) {
		memset(ret_k, 0, sizeof(*ret_k));
		ret_k->prf = prf;
		r = secret_set(&ret_k->k, k, octets);
	}
	secret_wipe(k, sizeof(k));
	return r;
}

void mmx_keys_clear(struct mmx_keys *k)
{
	secret_wipe(k, sizeof(*k));
}

/* The first four octets, which are no secret. */
static int spi(const struct mmx_keys *k, const struct chunk *in, size_t n, uint32_t *ret_spi)
{
	uint8_t out[PRF_MAX_OCTETS];
	int r = prf_compute(k->prf, k->k.b, k->k.len, in, n, out);

	if (!r) {
		struct rd rd = rd_init(out, 4);

		*ret_spi = rd_u32(&rd);
	}
	return r;
}

/* j and the parent's SPI, which end the input of either SPI. */
static void end_of_spi(uint8_t out[8], uint32_t j, uint32_t parent)
{
	struct wr w = wr_init(out, 8);

	wr_u32(&w, j);
	wr_u32(&w, parent);
}

int mmx_spi_a(const struct mmx_keys *k, uint32_t j, uint32_t parent_spi_a, uint32_t *ret_spi)
{
	uint8_t end[8];
	struct chunk in[] = { LABEL("SPI A"), OCTETS(k->na), OCTETS(end) };

	end_of_spi(end, j, parent_spi_a);
	return spi(k, in, 3, ret_spi);
}

int mmx_spi_b(const struct mmx_keys *k, uint32_t j, uint32_t parent_spi_b, uint32_t *ret_spi)
{
	uint8_t end[8];
	struct chunk in[] = { LABEL("SPI B"), OCTETS(k->na), OCTETS(k->nb), OCTETS(end) };

	end_of_spi(end, j, parent_spi_b);
	return spi(k, in, 4, ret_spi);
}

int mmx_keymat(const struct mmx_keys *k, const struct mmx_derived *d, uint8_t *ret_keymat,
	       size_t len)
{
	uint8_t end[DERIVED_OCTETS];
	struct chunk in[] = { LABEL("child"), OCTETS(k->na), OCTETS(k->nb), OCTETS(end) };
	struct wr w = wr_init(end, sizeof(end));

	wr_u32(&w, d->j);
	wr_u8(&w, d->protocol);
	wr_u32(&w, d->parent_spi_a);
	wr_u32(&w, d->parent_spi_b);
	wr_u32(&w, d->spi_a);
	wr_u32(&w, d->spi_b);
	return prf_plus(k->prf, k->k.b, k->k.len, in, 4, ret_keymat, len);
}

static size_t list_put(struct wr *w, const struct mmx_sa_entry *all, size_t n_all,
		       const uint32_t *parents, size_t n_parents)
{
	wr_u16(w, (uint16_t)n_all);
	for (size_t i = 0; i < n_all; i++) {
		wr_u8(w, all[i].protocol);
		wr_u32(w, all[i].spi_a);
		wr_u32(w, all[i].spi_b);
		wr_u8(w, all[i].transport ? TRANSPORT : TUNNEL);
	}
	wr_u16(w, (uint16_t)n_parents);
	for (size_t i = 0; i < n_parents; i++)
		wr_u32(w, parents[i]);
	return w->len;
}

int mmx_parents_digest(const struct mmx_keys *k, const struct mmx_sa_entry *all, size_t n_all,
		       const uint32_t *parents, size_t n_parents,
		       uint8_t ret_digest[MMX_DIGEST_OCTETS])
{
	size_t len = 2 + n_all * SA_ENTRY_OCTETS + 2 + n_parents * 4;
	uint8_t out[PRF_MAX_OCTETS], *list;

	if (n_all > UINT16_MAX || n_parents > UINT16_MAX)
		return -EMSGSIZE;
	for (size_t i = 1; i < n_all; i++)
		if (all[i].spi_a <= all[i - 1].spi_a)
			return -EINVAL;
	list = malloc(len);
	if (!list)
		return -ENOMEM;
	struct wr w = wr_init(list, len);
	struct chunk in[] = { LABEL("parents"),
			      { list, list_put(&w, all, n_all, parents, n_parents) } };
	int r = prf_compute(k->prf, k->k.b, k->k.len, in, 2, out);
	free(list);
	if (!r)
		memcpy(ret_digest, out, MMX_DIGEST_OCTETS);
	return r;
}
