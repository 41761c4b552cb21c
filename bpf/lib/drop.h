/* SPDX-License-Identifier: GPL-2.0-only */
/* Counted exits and rate-limited events. */
#ifndef BRAID_BPF_DROP_H
#define BRAID_BPF_DROP_H

#include "maps.h"

static __always_inline void drop_count(enum drop_reason reason)
{
	__u32 key = reason;
	__u64 *n = bpf_map_lookup_elem(&drops, &key);

	if (n)
		*n += 1;
}

enum { EVENT_INTERVAL_NSEC = 10 * 1000 * 1000 }; /* per kind and CPU */

/* True if an event of this kind may be sent now. */
static __always_inline bool event_due(enum steer_event_kind kind)
{
	__u32 key = kind;
	__u64 now = bpf_ktime_get_coarse_ns();
	__u64 *next = bpf_map_lookup_elem(&event_next, &key);

	if (!next || now < *next)
		return false;
	*next = now + EVENT_INTERVAL_NSEC;
	return true;
}

/* One to fill in and to submit; NULL: not now, or no room. */
static __always_inline struct steer_event *event_begin(enum steer_event_kind kind, __u32 ifindex)
{
	struct steer_event *ev;

	if (!event_due(kind))
		return 0;
	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev)
		return 0;
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->ifindex = ifindex;
	return ev;
}

#endif
