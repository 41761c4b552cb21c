/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "ctl/json.h"

const char *ctl_code_word(enum ctl_code code)
{
	switch (code) {
	case CTL_OK:
		return "";
#define X(n, word, exit)                                                                           \
	case CTL_##n:                                                                              \
		return word;
		FOREACH_CTL_CODE(X)
#undef X
	}
	return "failed";
}

const char *ctl_event_word(enum ctl_event kind)
{
	switch (kind) {
#define X(n, word)                                                                                 \
	case CTL_EV_##n:                                                                           \
		return word;
		FOREACH_CTL_EVENT(X)
#undef X
	}
	return "unknown";
}

int ctl_code_exit(const char *word)
{
#define X(n, w, exit)                                                                              \
	if (!strcmp(word, w))                                                                      \
		return exit;
	FOREACH_CTL_CODE(X)
#undef X
	return 1;
}
