/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths that the engine does not probe, for ESP is the kernel's or the peer knows no probes: where
 * packets go out and for a while none comes in, IKE asks whether the peer is there. Nothing follows
 * from silence itself, for traffic may be one-way; so one that answers is asked less and less often
 * until something comes in again. The counters are those of the steering programs; they are of
 * packets with an SPI of ours, which nobody has authenticated. */
#include <errno.h>

#include <event2/event.h>

#include "agent.h"
#include "base/log.h"
#include "mmx_agent.h"

/* Each path costs a system call. Thousands cost no more than hundreds: some at a time. */
enum { LOOKS = 256, LESS_OFTEN = 3 };
#define LOOK_LEAST (25 * USEC_PER_MSEC)
#define LOOK_MOST  (250 * USEC_PER_MSEC)
#define NONE_YET   (2 * USEC_PER_SEC)

static usec_t allowed(const struct agent *a, const struct path *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->peer->conn);

	return c && c->dpd_delay && !p->probed && !p->gone ? c->silence : 0;
}

static void ask(struct agent *a, struct path *p, usec_t now)
{
	int err;

	log_debug("%s: path %s: nothing has come in for %.1f s of what goes out; IKE asks",
		  p->peer->conn, p->name, (double)(now - p->silence.since) / USEC_PER_SEC);
	/* IKE's own pair by any request, which goes over others, too, when it is not answered */
	err = p->bound && !p->main ? ike_mmx_check(a->ike, p->peer->line,
						   (uint32_t)p->epid_i << 16 | p->epid_r, now)
				   : ike_check(a->ike, p->peer->line, now);
	if (err == -ENOMEM)
		log_error("%s: out of memory; the peer is not asked", p->peer->conn);
}

static void look(struct agent *a, struct path *p, usec_t most, usec_t now)
{
	struct path_silence *s = &p->silence;
	unsigned asked = s->asked < LESS_OFTEN ? s->asked : LESS_OFTEN;
	struct steer_path_stat st;

	if (dp_path_stat(a->dp, p->id, &st))
		return;
	if (st.rx_packets != s->rx)
		s->since = s->asked = 0;
	else if (st.tx_packets != s->tx && !s->since)
		s->since = now;
	s->tx = st.tx_packets;
	s->rx = st.rx_packets;
	if (!s->since || now - s->since < most << asked)
		return;
	ask(a, p, now);
	s->asked++;
	s->since = 0;
}

/* Returns when to look again; 0: there is nothing to look at. */
static usec_t look_at_some(struct agent *a)
{
	usec_t now = agent_now(), least = USEC_NEVER;
	size_t n = 0, end = a->silence_next + LOOKS;

	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);
			usec_t most = allowed(a, path);

			if (!most)
				continue;
			if (most < least)
				least = most;
			if (n >= a->silence_next && n < end)
				look(a, path, most, now);
			n++;
		}
	}
	a->silence_next = n > end ? end : 0;
	if (!n)
		return list_empty(&a->peers) ? 0 : NONE_YET;
	least /= 4;
	return least < LOOK_LEAST ? LOOK_LEAST : least > LOOK_MOST ? LOOK_MOST : least;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;
	usec_t wait = look_at_some(a);

	(void)fd;
	(void)what;
	agent_drain(a);
	if (wait)
		agent_timer(a->silence_timer, wait);
}

void silence_plan(struct agent *a)
{
	if (a->silence_timer && !event_pending(a->silence_timer, EV_TIMEOUT, NULL))
		agent_timer(a->silence_timer, LOOK_MOST);
}

int silence_open(struct agent *a)
{
	a->silence_timer = evtimer_new(a->base, on_timer, a);
	if (!a->silence_timer)
		return -ENOMEM;
	if (!list_empty(&a->peers))
		silence_plan(a);
	return 0;
}

void silence_close(struct agent *a)
{
	if (a->silence_timer)
		event_free(a->silence_timer);
}
