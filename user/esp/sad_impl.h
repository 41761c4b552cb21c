/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the SAD: sa.c, sad.c, sad_ts.c. */
#ifndef BRAID_ESP_SAD_IMPL_H
#define BRAID_ESP_SAD_IMPL_H

#include "esp/sad.h"

/* Selectors as a request names them. */
struct sel_request {
	const struct engine_ts *local, *remote;
	uint8_t n_local, n_remote;
	bool transport;
	const struct addr *told_local, *told_remote;
};

/* sa.c: octets of what stands behind a struct sa_sel, and both from a request. 0 or -EINVAL. */
size_t sel_room(uint8_t n_local, uint8_t n_remote);
int sel_fill(struct sa_sel *s, void *room, const struct sel_request *req, struct sa *sa);

/* sad.c: an SA's selectors among the policies; 0 or -ENOMEM. Not siblings. */
int sad_sel_show(struct sad *sad, struct sa *sa, struct sa_sel *s, bool in_ranges);
void sad_sel_hide(struct sad *sad, struct sa *sa, struct sa_sel *s, bool in_ranges);
/* Nothing of it can be reached any more: free it when nobody looks at it. */
void sad_sel_retire(struct sad *sad, struct sa_sel *s);
void sad_sa_retire(struct sad *sad, struct sa *sa);
/* What its largest packet is now. */
void sad_fit(struct sa *sa);

static inline bool sel_has_range(const struct sa_sel *s)
{
	return s->n_exact < s->n_remote;
}

#endif
