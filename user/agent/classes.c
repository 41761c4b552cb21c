/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes: their rules into the classifier, with the control groups that there are now. The
 * engine gets a queue for each class when there are rules for the first time, and keeps them; of an
 * XFRM interface the class goes in the mark. */
#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <event2/event.h>
#include <linux/magic.h>

#include "esp/client.h"
#include "agent.h"
#include "steer.h"

enum {
	CGROUP_LOOK_MSEC = 200, /* a service that starts anew has another group of the same name */
	AGAIN_MSEC = 400,
};

/* Where cgroup2 is mounted, of those that can be reached. */
static bool cgroup_mount(char ret_dir[AGENT_PATH_MAX])
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	const struct mntent *m;
	bool found = false;

	while (f && !found && (m = getmntent(f))) {
		struct statfs fs;

		if (strcmp(m->mnt_type, "cgroup2") || strlen(m->mnt_dir) >= AGENT_PATH_MAX)
			continue;
		found = statfs(m->mnt_dir, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
		if (found)
			strcpy(ret_dir, m->mnt_dir);
	}
	if (f)
		endmntent(f);
	return found;
}

/* Its id is the number of its inode. 0: it is not there. */
static uint64_t cgroup_id(const char *mount, const char *path)
{
	char dir[AGENT_PATH_MAX + sizeof(((struct class_rule *)0)->cgroup) + 1];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/%s", mount, path);
	return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? st.st_ino : 0;
}

size_t classes_cgroups(const char *path, uint64_t ret_ids[CLASSES_CGROUPS_MAX])
{
	char mount[AGENT_PATH_MAX], part[sizeof(((struct class_rule *)0)->cgroup)];
	size_t n = 0, len;

	path += strspn(path, "/");
	if (strstr(path, "..") || strlen(path) >= sizeof(part) || !cgroup_mount(mount))
		return 0;
	for (len = 0; path[len] && n < CLASSES_CGROUPS_MAX; n++) {
		len += strcspn(path + len + (path[len] == '/'), "/") + (path[len] == '/');
		memcpy(part, path, len);
		part[len] = '\0';
		ret_ids[n] = cgroup_id(mount, part);
	}
	return n;
}

/* Returns whether any rule names one. */
static bool cgroups_look(const struct agent *a, uint64_t ret_ids[CLASS_RULES_MAX])
{
	const struct classes_cfg *c = &a->conf->classes;
	char mount[AGENT_PATH_MAX];
	bool any = false, mounted;

	for (unsigned i = 0; i < c->n_rules; i++)
		any |= c->rules[i].cgroup[0] != '\0';
	mounted = any && cgroup_mount(mount);
	memset(ret_ids, 0, CLASS_RULES_MAX * sizeof(*ret_ids));
	for (unsigned i = 0; i < c->n_rules; i++)
		ret_ids[i] =
			mounted && c->rules[i].cgroup[0] ? cgroup_id(mount, c->rules[i].cgroup) : 0;
	return any;
}

/* What class default is allowed depends on it. */
static void blind_is(struct agent *a, bool blind)
{
	if (a->classes_blind != blind) {
		a->classes_blind = blind;
		steer_again(a);
	}
}

static bool restricted(const struct classes_cfg *c)
{
	for (uint8_t k = 1; k < c->n_classes; k++)
		if (c->classes[k].name[0] && plan_restricts(&c->classes[k]))
			return true;
	return false;
}

/* Where the engine's device has no queues for classes yet. */
static int give_queues(struct agent *a, char *why, size_t len)
{
	struct engine_hdr h = { 0 };
	struct engine_fds fds = { .n = 1 };
	int err = dp_classify_program(a->dp, a->engine_hello.workers, &fds.fd[0], why, len);

	return err ? err : engine_request_fds(a, &h, ENGINE_CLASSES, sizeof(h), &fds, why, len);
}

static bool wanted(const struct agent *a)
{
	return a->conf->classes.n_rules || dp_classify_left(a->dp);
}

void classes_ready(struct agent *a)
{
	char why[256] = "the inner device takes no classifier";
	int err;

	/* an XFRM interface needs the program also for which flow a packet is of */
	if (a->classes_on || !(wanted(a) || a->kesp))
		return;
	err = a->kesp ? 0 : give_queues(a, why, sizeof(why));
	if (!err)
		err = dp_classify_attach(a->dp, a->tun_ifindex, why, sizeof(why));
	if (err) {
		log_warning("all traffic is of class default: %s", why);
		if (restricted(&a->conf->classes))
			log_warning("some classes must not go everywhere: now nothing goes where "
				    "one of them must not");
	}
	a->classes_on = !err;
	if (err)
		blind_is(a, a->conf->classes.n_rules);
}

/* Of the table that counts, also for an agent after this one: not before it does. */
static void put_names(struct agent *a)
{
	const struct classes_cfg *c = &a->conf->classes;
	struct classify_name names[STEER_CLASSES] = { 0 };
	int err;

	for (unsigned k = 0; k < c->n_classes; k++)
		memcpy(names[k].name, c->classes[k].name, sizeof(c->classes[k].name));
	err = dp_classify_names_put(a->dp, names);
	if (err)
		log_error("the names of traffic classes cannot be written: %s", strerror(-err));
}

static void put(struct agent *a)
{
	const struct classes_cfg *c = &a->conf->classes;
	int err = dp_classify_put(a->dp, c->rules, a->class_cgroups, c->n_rules);

	if (!err)
		put_names(a);
	if (err == -EAGAIN)
		agent_timer(a->class_timer, AGAIN_MSEC * USEC_PER_MSEC);
	else if (err)
		log_error("the rules of traffic classes cannot be changed: %s; those from before "
			  "stay",
			  strerror(-err));
	else
		classes_changed(a);
	a->classes_due = err == -EAGAIN;
	blind_is(a, err && err != -EAGAIN && c->n_rules);
}

void classes_sync(struct agent *a)
{
	bool any;

	evtimer_del(a->class_timer);
	if (!a->classes_on || !wanted(a)) {
		blind_is(a, !a->classes_on && a->conf->classes.n_rules);
		classes_changed(a);
		return;
	}
	any = cgroups_look(a, a->class_cgroups);
	for (unsigned i = 0; any && i < a->conf->classes.n_rules; i++) {
		const struct class_rule *r = &a->conf->classes.rules[i];

		if (r->cgroup[0] && !a->class_cgroups[i])
			log_info("line %u: there is no control group %s now; nothing falls under "
				 "that rule before there is",
				 r->line, r->cgroup);
	}
	put(a);
	if (any && !a->classes_due)
		agent_timer(a->class_timer, CGROUP_LOOK_MSEC * USEC_PER_MSEC);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	uint64_t ids[CLASS_RULES_MAX];
	struct agent *a = ctx;
	bool any = cgroups_look(a, ids);

	(void)fd;
	(void)what;
	if (a->classes_due || memcmp(ids, a->class_cgroups, sizeof(ids))) {
		memcpy(a->class_cgroups, ids, sizeof(ids));
		put(a);
	}
	if (any && !a->classes_due)
		agent_timer(a->class_timer, CGROUP_LOOK_MSEC * USEC_PER_MSEC);
}

/* What an agent before has left goes by its numbers until rules and groups are replaced, one after
 * the other: a class of the same name keeps its own, as after a reload. */
void classes_recall(struct agent *a)
{
	struct classify_name names[STEER_CLASSES];
	struct conf *before = calloc(1, sizeof(*before));

	_Static_assert(sizeof(names[0].name) == sizeof(before->classes.classes[0].name), "names");
	if (before && !dp_classify_names_get(a->dp, names)) {
		before->classes.n_classes = STEER_CLASSES;
		before->classes.n_rules = UINT8_MAX; /* nobody knows them */
		for (unsigned k = 1; k < STEER_CLASSES; k++)
			memcpy(before->classes.classes[k].name, names[k].name,
			       sizeof(names[k].name));
		conf_keep_classes(a->conf, before);
		classes_begin_change(a, &before->classes);
	}
	free(before);
}

void classes_prepare(struct agent *a)
{
	int err = dp_classify_prepare(a->tun_ifindex);

	if (err)
		log_debug("no place for the classifying program: %s", strerror(-err));
}

void classes_lost(struct agent *a)
{
	a->classes_on = false;
	evtimer_del(a->class_timer);
}

int classes_open(struct agent *a)
{
	a->class_timer = evtimer_new(a->base, on_timer, a);
	return a->class_timer ? classes_change_open(a) : -ENOMEM;
}
