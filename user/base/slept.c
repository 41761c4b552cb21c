/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>

#include "base/slept.h"

int slept_look(struct slept *s, usec_t before, usec_t boottime, usec_t after, usec_t *ret_slept)
{
	usec_t ahead = boottime > before ? boottime - before : 0;
	usec_t slept = s->looked && ahead > s->ahead ? ahead - s->ahead : 0;

	if (after - before > SLEPT_APART)
		return -EAGAIN;
	if (s->looked && slept < SLEPT_LEAST)
		slept = 0;
	else
		*s = (struct slept){ true, ahead };
	*ret_slept = slept;
	return 0;
}
