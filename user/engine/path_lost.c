/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths whose interface, link or address is lost: taken out at once, at both ends. Control thread.
 */
#include <linux/types.h>

#include "abi/steer.h"
#include "paths_impl.h"

/* How often the peer is told that a link or address is lost, as this may be lost, too; how long
 * after one another. */
enum { LOST_TELLS = 3, LOST_AGAIN = 20 * 1000 };

static uint16_t interval_msec(const struct path *p)
{
	usec_t msec = p->st.cfg.interval / USEC_PER_MSEC;

	return msec < UINT16_MAX ? (uint16_t)msec : UINT16_MAX;
}

/* Of what is lost here the peer would learn from silence only, and if it probes seldom of silence
 * late: say so on the paths that are left. */
void path_tell_lost(struct engine *e, struct path *p, usec_t now)
{
	struct sa *sa = sad_sender(&e->sad, p->cfg.sa_id);
	struct probe probe = { .kind = PROBE_LOST, .epids = p->cfg.epids };

	if (p->lost != ENGINE_LOST_HERE) {
		probe.flags = PROBE_SILENT;
		probe.count = interval_msec(p);
	}
	p->tells--;
	p->tell_at = now + LOST_AGAIN;
	if (!sa || !e->configured)
		return;
	for (struct company c = path_company(e, p->cfg.group, p); c.at; path_company_next(&c))
		if (c.at->st.state != STEER_PATH_DOWN)
			path_send_probe(e, sa, &probe, PROBE_LEN, c.at->cfg.id, NULL, 0);
}

/* The store. */
static void lose(struct engine *e, struct path *p, enum engine_lost how, struct list *lost,
		 usec_t now)
{
	if (!probe_path_fail(&p->st, now))
		return;
	path_publish(e, p);
	list_append(lost, &p->due_node);
	e->no_link += how != ENGINE_LOST_UNHEARD;
	p->sla = (struct sla){ 0 };
	p->lost = how;
	p->tells = how == ENGINE_LOST_HERE ? LOST_TELLS : 0;
	p->tell_at = now;
}

/* And what follows from it, when all that are lost have been taken out. */
static void after(struct engine *e, struct list *lost, usec_t now)
{
	list_for_each_safe (it, tmp, lost) {
		struct path *p = list_entry(it, struct path, due_node);

		list_remove(&p->due_node);
		path_changed(e, p, now);
		path_arm(e, p);
	}
}

/* Once: if that is lost, the peer's own probes tell. */
void path_silent(struct path *p, usec_t now)
{
	p->lost = ENGINE_LOST_NOT;
	p->tells = 1;
	p->tell_at = now;
}

/* When all that are lost are known to be: nothing is told on those. */
static void tell_losses(struct engine *e, usec_t now)
{
	list_for_each (it, &e->paths->all) {
		struct path *p = list_entry(it, struct path, node);

		if (p->tells && now >= p->tell_at)
			path_tell_lost(e, p, now);
	}
}

void paths_link_lost(struct engine *e, uint32_t ifindex, const struct addr *local, usec_t now)
{
	struct list lost;

	list_init(&lost);
	list_for_each (it, &e->paths->all) {
		struct path *p = list_entry(it, struct path, node);

		if (p->cfg.ifindex == ifindex && (!local || addr_equal(local, &p->cfg.local.ip)))
			lose(e, p, ENGINE_LOST_HERE, &lost, now);
	}
	after(e, &lost, now);
	tell_losses(e, now);
}

void paths_check_links(struct engine *e, const struct linkwatch_here *here, usec_t now)
{
	struct list lost;

	list_init(&lost);
	list_for_each (it, &e->paths->all) {
		struct path *p = list_entry(it, struct path, node);

		if (p->cfg.ifindex && !linkwatch_is_here(here, p->cfg.ifindex, &p->cfg.local.ip))
			lose(e, p, ENGINE_LOST_HERE, &lost, now);
	}
	after(e, &lost, now);
	tell_losses(e, now);
}

void path_told_lost(struct engine *e, const struct note_probe *n, const struct probe *probe,
		    uint64_t realm)
{
	enum engine_lost how = probe->flags & PROBE_SILENT ? ENGINE_LOST_UNHEARD : ENGINE_LOST_PEER;
	struct list lost;

	list_init(&lost);
	hash_for_each (it, tmp, &e->paths->by_line, realm) {
		struct path *p = hash_entry(it, struct path, by_line);

		/* what came on it has not lost it */
		if (p->cfg.epids != probe->epids || path_came(p, n))
			continue;
		/* of silence those know best who ask most often */
		if (how == ENGINE_LOST_PEER || probe->count < interval_msec(p))
			lose(e, p, how, &lost, n->received);
	}
	after(e, &lost, n->received);
}
