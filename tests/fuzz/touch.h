/* SPDX-License-Identifier: GPL-2.0-only */
/* Read every octet a decoded message borrows, so that the sanitizer sees a bad one. */
#ifndef BRAID_TESTS_FUZZ_TOUCH_H
#define BRAID_TESTS_FUZZ_TOUCH_H

#include "ikemsg/ikemsg.h"

static volatile unsigned touched;

static inline void touch(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		touched += b.p[i];
}

static inline void touch_msg(const struct ike_msg *m)
{
	touch(m->ke);
	touch(m->nonce);
	touch(m->idi.body);
	touch(m->idi.data);
	touch(m->idr.body);
	touch(m->idr.data);
	touch(m->auth);
	touch(m->sk);
	for (unsigned i = 0; i < m->n_notifies; i++) {
		touch(m->notifies[i].spi);
		touch(m->notifies[i].data);
	}
	for (unsigned i = 0; i < m->n_deletes; i++)
		touch(m->deletes[i].spis);
	for (unsigned i = 0; i < m->n_vendors; i++)
		touch(m->vendors[i]);
	for (unsigned i = 0; i < m->n_certs; i++)
		touch(m->certs[i]);
	for (unsigned i = 0; i < m->n_certreqs; i++)
		touch(m->certreqs[i]);
	for (unsigned i = 0; i < m->cp.n; i++)
		touch(m->cp.a[i].value);
}

#endif
