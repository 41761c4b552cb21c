/* SPDX-License-Identifier: GPL-2.0-only */
/* Images of the IKE SAs, kept for the agent that comes after this one: by the engine in its memory,
 * or in sealed files (kesp). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "esp/blobs.h"
#include "agent.h"

enum {
	ROOM_MIN = 32768
}; /* for one with some Child SAs; with 200 it takes hundreds of thousands */

static uint8_t *room;
static size_t cap;

static bool grow(void)
{
	size_t more = cap ? 2 * cap : ROOM_MIN;
	uint8_t *p = more <= BLOB_OCTETS_MAX ? malloc(more) : NULL;

	if (!p)
		return false;
	free(room); /* nothing is in it */
	room = p;
	cap = more;
	return true;
}

void images_keep(struct agent *a)
{
	size_t len, wipe = 0;
	uint64_t key;
	int ret = 0;

	while (engine_ready(a) && ret >= 0) {
		ret = ike_image_next(a->ike, &key, room, cap, &len, agent_now());
		if (!ret)
			break;
		if (ret == -ENOBUFS) {
			secret_wipe(room, wipe);
			wipe = 0;
			ret = grow() ? 0 : -ENOMEM;
			continue;
		}
		if (ret < 0)
			break;
		wipe = len > wipe ? len : wipe;
		engine_keep_image(a, key, room, len);
	}
	if (ret < 0)
		log_warning("the state of an IKE SA cannot be kept now: %s", strerror(-ret));
	if (wipe)
		secret_wipe(room, wipe);
}

void images_forget(struct agent *a)
{
	ike_images_forget(a->ike);
}
