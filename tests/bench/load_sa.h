/* SPDX-License-Identifier: GPL-2.0-only */
/* The Child SA number id between two engines that are told the same keys: side a and side b. */
#ifndef BRAID_BENCH_LOAD_SA_H
#define BRAID_BENCH_LOAD_SA_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "abi/steer.h"
#include "crypto/alg.h"
#include "esp/proto.h"

/* For the inner addresses 10.0.0.0 + id at both ends; in the path group id. */
static inline void load_sa(struct engine_sa *s, uint32_t id, bool a)
{
	enum { KEY = 20 };

	*s = (struct engine_sa){
		.h = { .seq = 1, .type = ENGINE_SA_ADD },
		.id = id,
		.spi_in = STEER_SPI(a ? 0xa0 : 0xb0, id),
		.spi_out = STEER_SPI(a ? 0xb0 : 0xa0, id),
		.mark = STEER_MARK(0, 0, id),
		.encr_id = ENCR_AES_GCM_16,
		.key_bits = 128,
		.key_len = KEY,
		.family = 4,
		.flags = ENGINE_SA_ENCAP | ENGINE_SA_PROBES,
		.group = id,
		.n_ts_local = 1,
		.n_ts_remote = 1,
		.ts_local[0] = { .first = addr_v4(0x0a000000 + id),
				 .last = addr_v4(0x0a000000 + id),
				 .port_last = 65535 },
	};
	s->ts_remote[0] = s->ts_local[0];
	memset(s->key_in, a ? 1 : 2, KEY);
	memset(s->key_out, a ? 2 : 1, KEY);
}

#endif
