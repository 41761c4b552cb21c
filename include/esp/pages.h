/* SPDX-License-Identifier: GPL-2.0-only */
/* Zeroed pages that cost memory only once they are written to: for what an SA needs with its first
 * packet, and an idle one does not. Thread: one takes and gives; any may write.
 */
#ifndef BRAID_ESP_PAGES_H
#define BRAID_ESP_PAGES_H

#include <stddef.h>

enum { PAGES_OCTETS = 4096 };

/* NULL: none left. */
void *pages_take(void);
/* NULL is fine. Wiped, its memory goes back to the system. */
void pages_give(void *page);

#endif
