/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules and routes of ours that another program took away: network managers do, with what they did
 * not set themselves, when they start. All of them are set again, at once; for one that insists
 * later each time, since both would do nothing else. */
#include <errno.h>

#include <event2/event.h>

#include "base/log.h"
#include "agent.h"

#define WAIT_LEAST (2 * USEC_PER_MSEC)
#define WAIT_MOST  (1 * USEC_PER_SEC)
#define CALM	   (10 * USEC_PER_SEC) /* without that: it begins with the least again */

void restore_soon(struct agent *a)
{
	usec_t now = agent_now();
	uint32_t suppressed;

	if (a->restore_due)
		return;
	if (now - a->restored_at > CALM)
		a->restore_wait = WAIT_LEAST;
	a->restore_due = true;
	agent_timer(a->restore_timer, a->restore_wait);
	if (log_limit_ok(&a->taken, now, 1, 60 * USEC_PER_SEC, &suppressed))
		log_warning("another program took away routes or rules of ours; they are set "
			    "again");
}

static void on_restore(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	a->restore_due = false;
	a->restored_at = agent_now();
	a->restore_wait = a->restore_wait < WAIT_MOST / 2 ? 2 * a->restore_wait : WAIT_MOST;
	a->sources_round++;
	guards_load(a, NULL); /* first, nothing leaves in clear text; and what peers come by */
	inner_again(a);
	agent_timer(a->settle_timer, 0); /* source routes of paths */
}

int restore_open(struct agent *a)
{
	a->restore_timer = evtimer_new(a->base, on_restore, a);
	return a->restore_timer ? 0 : -ENOMEM;
}
