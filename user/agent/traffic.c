/* SPDX-License-Identifier: GPL-2.0-only */
/* What goes over paths and uplinks, by the counters of the steering programs: rates, for classes
 * that spill, and budgets of uplinks, which outlive us in a file. Of a path that an earlier agent
 * left, what its counters have gained since the file was written counts, too. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "steer.h"
#include "steer/budget.h"

enum { RATE_MSEC = 250, RATE_LINE_USEC = 200, COUNT_SEC = 1, SAVE_SEC = 10, SMOOTH = 4 };

/* Of an uplink, by name: it may go and return. */
struct used {
	struct list node;
	char name[IKE_NAME_MAX];
	struct budget budget;
};

/* Of a path, as the file has it. */
struct saved {
	struct list node;
	uint32_t id;
	uint64_t octets;
};

static struct used *used_find(const struct agent *a, const char *name)
{
	list_for_each (it, &a->budgets) {
		struct used *u = list_entry(it, struct used, node);

		if (!strcmp(u->name, name))
			return u;
	}
	return NULL;
}

static struct used *used_get(struct agent *a, const char *name)
{
	struct used *u = used_find(a, name);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	snprintf(u->name, sizeof(u->name), "%s", name);
	list_append(&a->budgets, &u->node);
	return u;
}

enum plan_budget traffic_budget(const struct agent *a, const struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	const struct used *used = u && u->cfg.budget.octets ? used_find(a, u->name) : NULL;

	if (!used || !budget_spent(&used->budget, &u->cfg.budget))
		return PLAN_BUDGET_LEFT;
	return u->cfg.budget.action == BUDGET_STOP ? PLAN_BUDGET_STOPPED : PLAN_BUDGET_USED;
}

bool traffic_used(const struct agent *a, const struct uplink *u, uint64_t *ret_octets)
{
	const struct used *used = u->cfg.budget.octets ? used_find(a, u->name) : NULL;

	*ret_octets = used ? used->budget.used : 0;
	return used;
}

uint64_t traffic_uplink_bps(const struct agent *a, const struct path *p)
{
	return p->uplink >= 0 ? a->uplinks[p->uplink].tx_bps : p->traffic.tx_bps;
}

uint64_t traffic_class_bps(const struct path *p, uint8_t klass)
{
	return p->traffic.load.class_bps[klass];
}

/* ---- the file ---- */

/* systemd's directory outlives the machine's power. False: its name is too long. */
static bool file_name(const struct agent *a, char file[AGENT_PATH_MAX])
{
	const char *dir = getenv("STATE_DIRECTORY");
	int n = snprintf(file, AGENT_PATH_MAX, "%s/budgets", dir && *dir ? dir : a->opt.state_dir);

	return n > 0 && n < AGENT_PATH_MAX;
}

static void write_all(const struct agent *a, FILE *f)
{
	list_for_each (it, &a->budgets) {
		const struct used *u = list_entry(it, struct used, node);

		fprintf(f, "used %" PRId64 " %" PRIu64 " %d %s\n", u->budget.period, u->budget.used,
			u->budget.warned, u->name);
		if (u->budget.behind)
			fprintf(f, "behind %" PRId64 " %s\n", u->budget.behind, u->name);
	}
	list_for_each (it, &a->peers) {
		const struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			const struct path *path = list_entry(pi, struct path, node);

			fprintf(f, "path %u %" PRIu64 "\n", path->id, path->traffic.octets);
		}
	}
}

/* Whole, or not at all. */
static void save(struct agent *a)
{
	char file[AGENT_PATH_MAX], fresh[AGENT_PATH_MAX + 8];
	int fd, err = 0;
	FILE *f;

	a->budgets_saved = agent_now();
	if (list_empty(&a->budgets) || !file_name(a, file))
		return;
	snprintf(fresh, sizeof(fresh), "%s.new", file);
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		err = errno;
		if (fd >= 0)
			close(fd);
	} else {
		write_all(a, f);
		/* or the new name may come before what is in the file */
		if (fflush(f) || fsync(fd))
			err = errno;
		fclose(f);
		if (!err && rename(fresh, file))
			err = errno;
	}
	if (err && !a->budgets_unsaved)
		log_warning("%s: %s; what uplinks have carried of their budgets would not outlive "
			    "braidd",
			    file, strerror(err));
	a->budgets_unsaved = err != 0;
}

static void load_line(struct agent *a, const char *line)
{
	struct budget b = { 0 };
	struct saved *s;
	struct used *u;
	int warned = 0, at = 0;
	int64_t behind;
	uint32_t id;
	uint64_t octets;

	if (sscanf(line, "used %" SCNd64 " %" SCNu64 " %d %n", &b.period, &b.used, &warned, &at) ==
		    3 &&
	    at && line[at]) {
		b.warned = warned;
		u = used_get(a, line + at);
		if (u)
			u->budget = b;
	} else if (sscanf(line, "behind %" SCNd64 " %n", &behind, &at) == 1 && at && line[at]) {
		u = used_get(a, line + at);
		if (u)
			u->budget.behind = behind;
	} else if (sscanf(line, "path %" SCNu32 " %" SCNu64, &id, &octets) == 2) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		s->id = id;
		s->octets = octets;
		list_append(&a->saved_paths, &s->node);
	}
}

static void load(struct agent *a)
{
	char file[AGENT_PATH_MAX], line[64 + IKE_NAME_MAX];
	FILE *f = file_name(a, file) ? fopen(file, "re") : NULL;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		load_line(a, line);
	}
	if (f)
		fclose(f);
}

/* ---- counting ---- */

void traffic_adopt(struct agent *a, struct path *p)
{
	struct steer_path_stat st;
	uint64_t now = 0;

	if (!dp_path_stat(a->dp, p->id, &st))
		now = st.tx_octets + st.rx_octets;
	p->traffic.octets = now;
	list_for_each (it, &a->saved_paths) {
		const struct saved *s = list_entry(it, struct saved, node);

		if (s->id == p->id && s->octets <= now)
			p->traffic.octets = s->octets;
	}
}

/* Of the calendar here: months begin at midnight. */
static int64_t local_sec(void)
{
	time_t now = time(NULL);
	struct tm tm;

	return localtime_r(&now, &tm) ? (int64_t)now + tm.tm_gmtoff : (int64_t)now;
}

static void tell(struct agent *a, const struct uplink *u, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "uplink %s: %s", u->name, what);
	log_warning("%s", text);
	control_event(a, CTL_EV_BUDGET, NULL, NULL, NULL, u->name, NULL, what, text);
}

/* Returns true if it may be used in another way from now on. */
static bool spend(struct agent *a, const struct uplink *u, uint64_t octets)
{
	const struct budget_cfg *c = &u->cfg.budget;
	struct used *used = c->octets ? used_get(a, u->name) : NULL;
	unsigned told;
	char what[112];
	bool out;

	if (!used)
		return false;
	out = budget_spent(&used->budget, c);
	told = budget_add(&used->budget, c, octets, local_sec());
	if (told & BUDGET_NEW_PERIOD)
		tell(a, u, "a new period of its budget begins");
	if (told & BUDGET_WARN) {
		snprintf(what, sizeof(what), "%.0f %% of its budget is used: %.1f of %.1f MiB",
			 100 * (double)used->budget.used / (double)c->octets,
			 (double)used->budget.used / (1 << 20), (double)c->octets / (1 << 20));
		tell(a, u, what);
	}
	if (told & BUDGET_OUT)
		tell(a, u,
		     c->action == BUDGET_STOP ? "its budget is used up: nothing goes there any more"
					      : "its budget is used up: it stands by");
	if (told)
		a->budgets_saved = 0;
	return budget_spent(&used->budget, c) != out;
}

static uint64_t smooth(uint64_t old, uint64_t octets, usec_t span)
{
	uint64_t now = (uint64_t)((double)octets * 8 * USEC_PER_SEC / (double)span);

	return ((SMOOTH - 1) * old + now) / SMOOTH;
}

/* What has gone since it was last looked at. */
static uint64_t count(struct agent *a, struct path *p, usec_t now)
{
	struct path_traffic *t = &p->traffic;
	struct steer_path_stat st;
	uint64_t octets;
	usec_t span = now - t->at;

	if (dp_path_stat(a->dp, p->id, &st))
		return 0;
	octets = st.tx_octets + st.rx_octets - t->octets;
	if (t->at && span)
		t->tx_bps = smooth(t->tx_bps, st.tx_octets - t->tx, span);
	for (size_t k = 0; k < STEER_CLASSES; k++) {
		uint64_t class = st.tx_class[k].octets;

		if (t->at && span)
			t->load.class_bps[k] =
				smooth(t->load.class_bps[k], class - t->class_octets[k], span);
		t->class_octets[k] = class;
	}
	capacity_look(&t->capacity,
		      &(struct capacity_look){ st.tx_octets, p->info.measured_usec,
					       p->info.rtt_last_usec, p->info.loss_felt_permille },
		      now);
	t->octets += octets;
	t->tx = st.tx_octets;
	t->at = now;
	return octets;
}

void traffic_from_here(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);
			struct steer_path_stat st;

			if (!a->traffic_every && !dp_path_stat(a->dp, path->id, &st))
				path->traffic.octets = st.tx_octets + st.rx_octets;
		}
	}
}

/* Has what some path of it carries changed? All of them are told then. */
static bool family_moved(const struct agent *a, struct family *f)
{
	bool moved = false;

	list_for_each (li, &f->lines) {
		struct peer *p = list_entry(li, struct peer, in_family);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			path->traffic.load.uplink_bps = traffic_uplink_bps(a, path);
			if (!load_moved(&path->traffic.told, &path->traffic.load, a->traffic_rates))
				continue;
			path->traffic.told = path->traffic.load;
			moved = true;
		}
	}
	return moved;
}

/* all: uplinks may be used in another way from now on. */
static void plan_again(struct agent *a, bool all)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		if (family_is_first(p) && ((a->traffic_rates && family_moved(a, p->family)) || all))
			family_sync(a, p->family);
	}
}

void traffic_path_gone(struct agent *a, struct path *p)
{
	uint64_t octets = a->traffic_every && p->uplink >= 0 ? count(a, p, agent_now()) : 0;

	if (octets)
		spend(a, &a->uplinks[p->uplink], octets);
}

static void look(struct agent *a)
{
	uint64_t octets[CONF_UPLINKS_MAX] = { 0 }, bps[CONF_UPLINKS_MAX] = { 0 };
	usec_t now = agent_now();
	bool changed = false;

	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);
			uint64_t more = count(a, path, now);

			if (path->uplink < 0)
				continue;
			octets[path->uplink] += more;
			bps[path->uplink] += path->traffic.tx_bps;
		}
	}
	for (size_t i = 0; i < a->n_uplinks; i++) {
		a->uplinks[i].tx_bps = bps[i];
		changed |= spend(a, &a->uplinks[i], octets[i]);
	}
	if (changed || a->traffic_rates)
		plan_again(a, changed);
	if (!a->budgets_saved || now - a->budgets_saved >= SAVE_SEC * USEC_PER_SEC)
		save(a);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	look(a);
	agent_drain(a);
	traffic_plan(a);
}

/* Each line costs a system call for each of its paths, some microseconds. */
void traffic_plan(struct agent *a)
{
	bool budgets = false;

	a->traffic_rates = a->rates_asked ? UINT8_MAX : 0; /* of any class */
	for (uint8_t k = 0; k < a->conf->classes.n_classes; k++)
		if ((k || a->conf->classes.default_given) &&
		    plan_needs_rates(&a->conf->classes.classes[k]))
			a->traffic_rates |= (uint8_t)(1 << k);
	for (size_t i = 0; i < a->n_uplinks; i++)
		budgets |= a->uplinks[i].cfg.budget.octets != 0;
	a->traffic_every = a->traffic_rates
				   ? RATE_MSEC * USEC_PER_MSEC + RATE_LINE_USEC * a->lines.n
			   : budgets ? COUNT_SEC * USEC_PER_SEC
				     : 0;
	if (a->traffic_every)
		agent_timer(a->traffic_timer, a->traffic_every);
	else
		event_del(a->traffic_timer);
}

int traffic_open(struct agent *a)
{
	a->traffic_timer = evtimer_new(a->base, on_timer, a);
	if (!a->traffic_timer)
		return -ENOMEM;
	load(a);
	return 0;
}

void traffic_close(struct agent *a)
{
	save(a);
	if (a->traffic_timer)
		event_free(a->traffic_timer);
	list_for_each_safe (it, tmp, &a->budgets)
		free(list_entry(it, struct used, node));
	list_for_each_safe (it, tmp2, &a->saved_paths)
		free(list_entry(it, struct saved, node));
}
