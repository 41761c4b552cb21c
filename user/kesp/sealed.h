/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory of sealed files: AES-256-GCM, the file's name and the format's version authenticated
 * with it. A file is there in full or not at all: written under another name, then renamed. Only
 * root reads them, and only with the key. Thread: one.
 */
#ifndef BRAID_KESP_SEALED_H
#define BRAID_KESP_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "key.h"

enum { SEALED_MAX = (8 << 20) + 4096, SEALED_NAME = 64 };

struct sealed {
	int dir; /* -1: closed */
	uint8_t key[IMAGE_KEY_OCTETS];
};

/* state_dir/images, made if absent (0700). -EPERM: it is not ours alone. */
int sealed_open(struct sealed *d, const char *state_dir, const uint8_t key[IMAGE_KEY_OCTETS]);
void sealed_close(struct sealed *d); /* wipes the key */

/* Both parts as one, in place of what there was. 0 or -errno, and then what there was is there. */
int sealed_write(const struct sealed *d, const char *name, const void *head, size_t head_len,
		 const void *data, size_t len);
/* -ENOENT; -EBADMSG: damaged, cut, not ours or of another key. The caller wipes and frees
 * (blob_free). */
int sealed_read(const struct sealed *d, const char *name, uint8_t **ret_data, size_t *ret_len);
/* None is fine. */
int sealed_remove(const struct sealed *d, const char *name);

/* Each file's name; fn may remove it. What a write has left half done is removed. */
typedef void sealed_fn(void *ctx, const char *name);
int sealed_each(const struct sealed *d, sealed_fn *fn, void *ctx);

/* All files of it and the directory; none is fine. */
int sealed_clean(const char *state_dir);

#endif
