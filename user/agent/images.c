/* SPDX-License-Identifier: GPL-2.0-only */
/* Images of the IKE SAs, kept by the engine for the agent that comes after this one. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "agent.h"

static uint64_t key_of(const struct ike_sa_info *info)
{
	return info->initiator ? info->spi_i : info->spi_r; /* our own SPI */
}

/* Both lists are in the order of set-up: what is looked for is at place at, or not far behind. */
static struct image *image_find(struct agent *a, uint64_t key, size_t at)
{
	for (size_t i = 0; i < a->n_images; i++) {
		struct image *m = &a->images[(at + i) % a->n_images];

		if (m->key == key)
			return m;
	}
	return NULL;
}

static struct image *image_new(struct agent *a, uint64_t key)
{
	if (a->n_images == a->cap_images) {
		size_t cap = a->cap_images ? 2 * a->cap_images : 64;
		struct image *p = reallocarray(a->images, cap, sizeof(*p));

		if (!p)
			return NULL;
		a->images = p;
		a->cap_images = cap;
	}
	a->images[a->n_images] = (struct image){ .key = key };
	return &a->images[a->n_images++];
}

/* What is no more, or no longer set up: a later agent must not take it for alive. */
static void drop_unseen(struct agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_images; i++) {
		if (a->images[i].seen)
			a->images[n++] = a->images[i];
		else
			engine_keep_image(a, a->images[i].key, NULL, 0);
	}
	a->n_images = n;
}

void images_keep(struct agent *a)
{
	static uint8_t buf[ENGINE_BLOB_MAX];
	struct ike_sa_info info;
	usec_t now = agent_now();
	size_t wiped = 0;

	if (a->engine_fd < 0)
		return;
	for (size_t i = 0; i < a->n_images; i++)
		a->images[i].seen = false;
	for (size_t i = 0; i < ike_sa_count(a->ike); i++) {
		uint64_t seq = ike_export_seq(a->ike, i);
		struct image *m;
		size_t len;

		if (!ike_sa_at(a->ike, i, &info))
			continue;
		m = image_find(a, key_of(&info), i);
		if (m && m->seq == seq) {
			m->seen = true;
			continue;
		}
		len = ike_export(a->ike, i, buf, sizeof(buf), now);
		wiped = len > wiped ? len : wiped;
		if (len && !m)
			m = image_new(a, key_of(&info));
		if (!len || !m)
			continue;
		engine_keep_image(a, m->key, buf, len);
		m->seq = seq;
		m->seen = true;
	}
	drop_unseen(a);
	secret_wipe(buf, wiped);
}

void images_forget(struct agent *a)
{
	free(a->images);
	a->images = NULL;
	a->n_images = a->cap_images = 0;
}
