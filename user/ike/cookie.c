/* SPDX-License-Identifier: GPL-2.0-only */
/* Stateless cookies (RFC 7296 2.6): version | prf(secret, Ni | address | SPIi).
 *
 * The secret changes every COOKIE_LIFE; the one before is accepted as long again.
 */
#include <string.h>

#include "ike_private.h"
#include "parts.h"

#define COOKIE_LIFE (60 * USEC_PER_SEC)

static int cookie_compute(const uint8_t secret[32], uint8_t version, const struct ike_msg *in,
			  const struct ike_path *path, uint8_t out[COOKIE_OCTETS])
{
	uint8_t mac[PRF_MAX_OCTETS], spi[8];
	struct wr w = wr_init(spi, sizeof(spi));
	struct chunk parts[3] = {
		{ in->nonce.p, in->nonce.len },
		{ path->remote.ip.b, addr_len(&path->remote.ip) },
		{ spi, sizeof(spi) },
	};
	int ret;

	wr_u64(&w, in->hdr.spi_i);
	ret = prf_compute(PRF_HMAC_SHA2_256, secret, 32, parts, 3, mac);
	if (!ret) {
		out[0] = version;
		memcpy(out + 1, mac, COOKIE_OCTETS - 1);
	}
	return ret;
}

static int cookie_rotate(struct ike *ike)
{
	if (ike->cookie_rotated && ike->now - ike->cookie_rotated < COOKIE_LIFE)
		return 0;
	memcpy(ike->cookie_secret[1], ike->cookie_secret[0], 32);
	if (rng_bytes(ike->cookie_secret[0], 32))
		return -1;
	/* unused for two lives: what lies in [1] is too old as well */
	if (ike->cookie_rotated && ike->now - ike->cookie_rotated >= 2 * COOKIE_LIFE &&
	    rng_bytes(ike->cookie_secret[1], 32))
		return -1;
	ike->cookie_version++;
	ike->cookie_rotated = ike->now ? ike->now : 1;
	return 0;
}

int cookie_make(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		uint8_t out[COOKIE_OCTETS])
{
	if (cookie_rotate(ike))
		return -1;
	return cookie_compute(ike->cookie_secret[0], ike->cookie_version, in, path, out);
}

bool cookie_valid(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		  const struct notify *n)
{
	uint8_t want[COOKIE_OCTETS], back;

	if (!n || n->data.len != COOKIE_OCTETS || cookie_rotate(ike))
		return false;
	back = (uint8_t)(ike->cookie_version - n->data.p[0]);
	if (back > 1 || cookie_compute(ike->cookie_secret[back], n->data.p[0], in, path, want))
		return false;
	return secret_equal(want, n->data.p, COOKIE_OCTETS);
}
