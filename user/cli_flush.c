/* SPDX-License-Identifier: GPL-2.0-only */
/* braid flush: everything of ours goes, also when no agent is there to do it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/json.h"
#include "ctl/leftover.h"
#include "dp/dp.h"
#include "esp/client.h"
#include "esp/proto.h"
#include "kesp/kesp.h"
#include "net/rtnl.h"
#include "cli_impl.h"

enum { ENGINE_MSEC = 5000, LOOK_MSEC = 10 };

/* Of nobody who told: as it is without a configuration. */
static void usual(struct leftover *l)
{
	*l = (struct leftover){ .tun = "braidtun0",
				.steer = "braid0",
				.pin_dir = "/sys/fs/bpf/braid" };
}

/* Is there an agent with these pins, with another state directory? It holds them locked. */
static bool pins_used(const char *pin_dir)
{
	int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return used;
}

/* *ret_ended: there was one. */
static int end_engine(const char *state_dir, bool *ret_ended)
{
	struct engine_id bye = { .h = { .type = ENGINE_SHUTDOWN } };
	char path[256];
	int fd, err, n = snprintf(path, sizeof(path), "%s/engine.sock", state_dir);

	*ret_ended = false;
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	err = engine_connect(path, &fd);
	if (err)
		return err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR ? 0 : err;
	err = engine_call(fd, &bye.h, sizeof(bye.h), NULL, ENGINE_MSEC, NULL, NULL);
	close(fd);
	if (err && err != -EPIPE)
		return err;
	*ret_ended = true;
	/* its device goes with it */
	for (int i = 0; i < ENGINE_MSEC / LOOK_MSEC; i++) {
		if (engine_connect(path, &fd))
			return 0;
		close(fd);
		poll(NULL, 0, LOOK_MSEC);
	}
	return -ETIMEDOUT;
}

static void on_change(void *ctx, enum rtnl_change what, uint32_t ifindex)
{
	(void)ctx;
	(void)what;
	(void)ifindex;
}

/* On whatever interface. */
static int clear_shield(void)
{
	struct rtnl_link link;
	struct rtnl *r;
	int err = rtnl_new(on_change, NULL, &r), one;

	if (err)
		return err;
	for (size_t i = 0; rtnl_link_at(r, i, &link); i++) {
		one = dp_shield_clear(link.ifindex);
		err = one && one != -ENODEV && !err ? one : err;
	}
	rtnl_free(r);
	return err;
}

static int clear_network(void)
{
	struct rtnl *r;
	int err = rtnl_new(on_change, NULL, &r);

	if (err)
		return err;
	err = rtnl_clear(r);
	rtnl_free(r);
	return err;
}

/* What fails is told, and the other steps are done all the same. */
static int step(const char *what, int err)
{
	if (err)
		fprintf(stderr, "braid: not all of %s could be removed: %s\n", what,
			strerror(-err));
	return err ? EXIT_FAILED : EXIT_OK;
}

/* Pins last of what is in their directory. */
static int flush(struct cli *c, const struct leftover *l, bool *ret_engine)
{
	const struct dp_options opt = { .pin_dir = l->pin_dir, .steer_dev = l->steer };
	int r = step("the engine", end_engine(c->state_dir, ret_engine));

	r |= step("the kernel's ESP", kesp_flush(c->state_dir, l->pin_dir, l->tun));
	r |= step("the programs of transport mode", clear_shield());
	r |= step("the steering programs", dp_flush(&opt)); /* and the qdisc that they had */
	r |= step("routes and rules", clear_network());
	if (r == EXIT_OK)
		leftover_remove(c->state_dir);
	return r;
}

static int flush_alone(struct cli *c)
{
	struct leftover l;
	bool engine;
	int r;

	if (geteuid() != 0)
		return cli_refused(c, "no agent answers at %s, and without one only root may flush",
				   c->sock);
	if (leftover_read(c->state_dir, &l))
		usual(&l);
	if (pins_used(l.pin_dir))
		return cli_refused(c,
				   "a braidd with another state directory uses %s: stop it first, "
				   "or name its directory with -d",
				   l.pin_dir);
	r = flush(c, &l, &engine);
	if (c->json) {
		json_t *o = json_pack("{s:b, s:b, s:s, s:s, s:s}", "flushed", r == EXIT_OK,
				      "engine_ended", engine, "pin_dir", l.pin_dir, "tun", l.tun,
				      "steer", l.steer);

		cli_print_json(o);
		json_decref(o);
	} else if (r == EXIT_OK) {
		printf("removed: SAs and policies, devices %s and %s, programs, pins in %s, routes "
		       "and rules%s\n",
		       l.tun, l.steer, l.pin_dir, engine ? "; the engine has ended" : "");
	}
	return r;
}

int cmd_flush(struct cli *c, char **argv)
{
	int r = snprintf(c->sock, sizeof(c->sock), "%s/ctl.sock", c->state_dir);

	(void)argv;
	r = r < 0 || (size_t)r >= sizeof(c->sock) ? -ENAMETOOLONG
						  : ctl_connect(c->sock, &c->client);
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
		return flush_alone(c);
	if (r < 0) {
		fprintf(stderr, "braid: %s: %s\n", c->sock, strerror(-r));
		return EXIT_FAILED;
	}
	if (c->force)
		return cli_run(c, "flush", json_pack("{s:b}", "force", true), ANSWER_MSEC, NULL);
	return cli_refused(c,
			   "braidd answers at %s: stop it, which removes everything but guards, or "
			   "flush --force, which stops it so",
			   c->sock);
}
