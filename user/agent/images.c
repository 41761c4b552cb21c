/* SPDX-License-Identifier: GPL-2.0-only */
/* Images of the IKE SAs, kept by the engine for the agent that comes after this one. */
#include "base/secret.h"
#include "agent.h"

void images_keep(struct agent *a)
{
	static uint8_t buf[ENGINE_BLOB_MAX];
	size_t len, wipe = 0;
	uint64_t key;

	while (a->engine_fd >= 0 &&
	       ike_image_next(a->ike, &key, buf, sizeof(buf), &len, agent_now())) {
		wipe = len > wipe ? len : wipe;
		engine_keep_image(a, key, buf, len);
	}
	secret_wipe(buf, wipe);
}

void images_forget(struct agent *a)
{
	ike_images_forget(a->ike);
}
