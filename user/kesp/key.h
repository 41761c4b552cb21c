/* SPDX-License-Identifier: GPL-2.0-only */
/* The key that images are sealed with, in a BPF map of one entry that is pinned: it outlives the
 * process and ends with the machine's uptime, as the kernel's SAs do. Nobody but root can read it.
 */
#ifndef BRAID_KESP_KEY_H
#define BRAID_KESP_KEY_H

#include <stdint.h>

enum { IMAGE_KEY_OCTETS = 32 };

/* Made, random, if there is none. pin_dir is there and on a bpffs. 0 or -errno. */
int image_key_get(const char *pin_dir, uint8_t ret_key[IMAGE_KEY_OCTETS]);
/* Overwritten and unpinned: what it sealed cannot be read any more. None is fine. */
int image_key_wipe(const char *pin_dir);

#endif
