/* SPDX-License-Identifier: GPL-2.0-only */
/* Who has been heard, and who has reached a limit. The kernel tells of limits by itself; the rest
 * is asked for, some SAs each second, so that thousands cost no more than hundreds. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "kesp_impl.h"

enum { LOOKS = 256 };

/* On the clock of this process. */
static usec_t monotonic(uint64_t real_sec)
{
	struct timespec real;
	uint64_t ago;

	clock_gettime(CLOCK_REALTIME, &real);
	ago = real_sec < (uint64_t)real.tv_sec ? (uint64_t)real.tv_sec - real_sec : 0;
	ago *= USEC_PER_SEC;
	return kesp_now() > ago ? kesp_now() - ago : 1;
}

void poll_take(struct sa_count *c, const struct xfrm_sa_info *i)
{
	if (i->last_used_sec)
		c->last = monotonic(i->last_used_sec);
	else if (i->packets != c->packets) /* older kernels do not tell */
		c->last = kesp_now();
	c->octets = i->octets;
	c->packets = i->packets;
	c->seq = i->seq;
	c->replay = i->left_behind + i->replayed;
	c->duplicates = i->replayed;
	c->integrity_failed = i->integrity_failed;
}

static void limit(struct kesp *k, struct kesp_sa *s, bool hard)
{
	uint32_t flag = hard ? ENGINE_SA_HARD_HIT : ENGINE_SA_SOFT_HIT;
	struct engine_limit m = { .id = s->r.sa.id, .hard = hard };

	if (s->r.sa.flags & flag)
		return;
	s->r.sa.flags |= flag;
	sa_save(k, s);
	kesp_tell(k, &m, ENGINE_EV_SA_LIMIT, sizeof(m));
}

static bool reached(const struct sa_count *c, uint64_t octets, uint64_t packets)
{
	return (octets && c->octets >= octets) || (packets && c->packets >= packets);
}

static void seen(struct kesp *k, struct kesp_sa *s)
{
	struct engine_seen m = { .id = s->r.sa.id };

	if (s->in.packets == s->told)
		return;
	s->told = s->in.packets;
	kesp_tell(k, &m, ENGINE_EV_SA_SEEN, sizeof(m));
}

static void half(struct kesp *k, struct kesp_sa *s, bool out)
{
	struct sa_count *c = out ? &s->out : &s->in;
	const struct engine_sa *sa = &s->r.sa;
	struct xfrm_sa_info i;
	int err = xfrm_sa_get(k->x, sa_dst(k, s, out), out ? sa->spi_out : sa->spi_in, &i);

	if (!err)
		poll_take(c, &i);
	/* expired, and the message was lost; or somebody has taken it away */
	if (err == -ESRCH)
		limit(k, s, true);
	if (out && err == -ESRCH) {
		s->has_out = false;
		sa_sends(k, s, false);
	}
	if (!err && reached(c, sa->soft_octets, sa->soft_packets))
		limit(k, s, false);
}

void poll_sa(struct kesp *k, struct kesp_sa *s)
{
	half(k, s, false);
	if (s->has_out)
		half(k, s, true);
	seen(k, s);
}

void poll_some(struct kesp *k)
{
	size_t n = k->n_sas < LOOKS ? k->n_sas : LOOKS;

	while (n--) {
		struct kesp_sa *s = list_entry(k->sas.next, struct kesp_sa, node);

		list_remove(&s->node);
		list_append(&k->sas, &s->node);
		poll_sa(k, s);
	}
}

static void found(void *ctx, const struct xfrm_sa_info *i)
{
	struct kesp *k = ctx;
	bool out;
	struct kesp_sa *s = sa_of_state(k, &i->dst, i->spi, &out);

	if (s)
		poll_take(out ? &s->out : &s->in, i);
}

int poll_all(struct kesp *k)
{
	return k->n_sas ? xfrm_sa_dump(k->x, k->if_id, found, k) : 0;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
	struct kesp *k = ctx;
	struct kesp_sa *s;
	bool out;

	if (ev->kind != XFRM_EV_EXPIRE)
		return;
	s = sa_of_state(k, &ev->dst, ev->spi, &out);
	if (!s || ev->if_id != (sa_direct(s) ? 0 : k->if_id))
		return;
	if (ev->hard && out) {
		s->has_out = false;
		sa_sends(k, s, false);
	}
	limit(k, s, ev->hard);
}

void poll_events(struct kesp *k)
{
	int err = xfrm_events_drain(k->x, on_event, k);

	if (err == -ENOBUFS)
		log_debug("some of what the kernel said of its SAs was lost; they are looked at "
			  "one after the other");
}
