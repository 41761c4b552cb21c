/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to install an SA, as an agent makes them. */
#ifndef BRAID_TESTS_UNIT_SA_REQUEST_H
#define BRAID_TESTS_UNIT_SA_REQUEST_H

#include <linux/types.h>

#include <criterion/criterion.h>

#include "abi/steer.h"
#include "crypto/alg.h"
#include "esp/proto.h"

static inline struct engine_ts ts(const char *prefix)
{
	struct engine_ts t = { .port_last = UINT16_MAX };
	struct addr a;
	uint8_t len;

	cr_assert_eq(addr_parse_prefix(prefix, &a, &len), 0);
	addr_prefix_range(&a, len, &t.first, &t.last);
	return t;
}

static inline struct engine_sa request(uint32_t id, const char *local, const char *remote)
{
	struct engine_sa r = {
		.id = id,
		.spi_in = STEER_SPI(1, id),
		.spi_out = STEER_SPI(2, id),
		.mark = STEER_MARK(0, 0, id),
		.flags = ENGINE_SA_ENCAP,
		.encr_id = ENCR_AES_GCM_16,
		.key_bits = 128,
		.family = 4,
		.n_ts_local = 1,
		.n_ts_remote = 1,
		.key_len = 20,
	};

	r.ts_local[0] = ts(local);
	r.ts_remote[0] = ts(remote);
	return r;
}

#endif
