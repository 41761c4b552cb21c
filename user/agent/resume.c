/* SPDX-License-Identifier: GPL-2.0-only */
/* After a suspend: everything may have changed, and timers of CLOCK_MONOTONIC have stood still. So
 * interfaces are read again, every path is probed, every peer asked, and what has outlived its time
 * goes, at once and not when the timers come to it.
 *
 * The kernel wakes us: a timer of CLOCK_REALTIME that is cancelled when that clock jumps, as it
 * does on resume and when somebody sets it. Which of them it was tells base/slept.h. The calendar
 * counts for certificates alone. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "agent.h"

static usec_t boot_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

/* Under load a look may fail now and then; what it misses the next one sees. */
static usec_t look(struct agent *a)
{
	enum { TRIES = 8 };
	usec_t before, boot, slept = 0;
	int err = -EAGAIN;

	for (int i = 0; err && i < TRIES; i++) {
		before = agent_now();
		boot = boot_now();
		err = slept_look(&a->slept, before, boot, agent_now(), &slept);
	}
	return slept;
}

static void probe_all(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths)
			path_probe_now(a, list_entry(pi, struct path, node));
	}
}

static void resume(struct agent *a, usec_t slept)
{
	int err;

	log_info("the machine slept for %llu s: interfaces, paths and peers are looked at again",
		 (unsigned long long)((slept + USEC_PER_SEC / 2) / USEC_PER_SEC));
	err = rtnl_resync(a->rtnl);
	if (err)
		log_warning("interfaces cannot be read again: %s", strerror(-err));
	probe_all(a);
	ike_slept(a->ike, slept, agent_now());
	agent_drain(a);
	conns_uplink_changed(a); /* no attempt waits any longer */
	conns_run(a);
}

void resume_look(struct agent *a)
{
	usec_t slept = look(a);

	if (slept)
		resume(a, slept);
}

static void on_clock(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) < 0 && errno != ECANCELED)
		return;
	resume_look(a);
	certs_look(a);
}

int resume_open(struct agent *a)
{
	/* in 200 years: only its cancellation is of use */
	const struct itimerspec never = { .it_value.tv_sec = INT64_C(1) << 33 };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	look(a);
	if (fd < 0 ||
	    timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL))
		goto fail;
	a->clock_ev = event_new(a->base, fd, EV_READ | EV_PERSIST, on_clock, a);
	if (!a->clock_ev || event_add(a->clock_ev, NULL))
		goto fail;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	return -ENOMEM;
}
