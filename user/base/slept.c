/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/slept.h"

usec_t slept_look(struct slept *s, usec_t monotonic, usec_t boottime)
{
	usec_t ahead = boottime > monotonic ? boottime - monotonic : 0;
	usec_t slept = s->looked && ahead > s->ahead ? ahead - s->ahead : 0;

	if (s->looked && slept < SLEPT_LEAST)
		return 0;
	s->looked = true;
	s->ahead = ahead;
	return slept;
}
