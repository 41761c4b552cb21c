/* SPDX-License-Identifier: GPL-2.0-only */
/* What a restarted agent reads back: any octets under a right checksum, which is added here, as is
 * the beginning that says which version it is. What was imported must export and live on. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/prf.h"
#include "../sim/duo.h"

enum { BEGIN_OCTETS = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin_of_now(uint8_t begin[BEGIN_OCTETS])
{
	static uint8_t image[65536];
	struct duo *x = duo_new();

	if (!x || duo_start(x) || !duo_establish(x))
		abort();
	duo_image(x, DUO_R, image, sizeof(image));
	memcpy(begin, image, BEGIN_OCTETS);
	duo_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct duo *d;
	static uint8_t image[65536], begin[BEGIN_OCTETS];
	struct chunk body = { image, 0 };
	struct ike *ike;

	if (!d) {
		log_set_level(LOG_ERR_);
		d = duo_new();
		if (!d || duo_start(d))
			abort();
		begin_of_now(begin);
	}
	ike = ike_new(&d->side[DUO_R].cfg, &d->e[DUO_R].env, d->now);
	if (!ike)
		abort();
	if (size > sizeof(image) - SHA256_OCTETS)
		size = sizeof(image) - SHA256_OCTETS;
	if (size)
		memcpy(image, data, size);
	if (size >= BEGIN_OCTETS)
		memcpy(image, begin, BEGIN_OCTETS);
	body.len = size;
	if (sha256_digest(&body, 1, image + size))
		abort();
	if (!ike_import(ike, image, size + SHA256_OCTETS, d->now)) {
		ike_export(ike, 0, image, sizeof(image), d->now);
		ike_rekey(ike, "duo", NULL, 1, d->now);
		ike_tick(ike, d->now + 100 * USEC_PER_SEC);
	}
	ike_free(ike);
	return 0;
}
