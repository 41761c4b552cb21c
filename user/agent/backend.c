/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose ESP it is, the kernel's (kesp) or the engine's: chosen before anything is made. What an
 * earlier agent left goes on if it is of the same kind, and ends if it is of the other. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/alg.h"
#include "ctl/leftover.h"
#include "esp/client.h"
#include "kesp/kesp.h"
#include "agent.h"

enum { ANSWER_MSEC = 5000, END_MSEC = 5000, END_LOOK_MSEC = 5 };

static bool engine_lives(const struct agent *a)
{
	int fd;

	if (engine_connect(a->engine_path, &fd))
		return false;
	close(fd);
	return true;
}

static void on_hello(void *ctx, const struct engine_hdr *h, size_t len)
{
	bool *ret_used = ctx;

	(void)len;
	if (h->type == ENGINE_HELLO_INFO)
		*ret_used = ((const struct engine_hello *)h)->tun[0] != '\0';
}

/* A service may have started one that nobody has given anything to do. */
static bool engine_used(const struct agent *a)
{
	struct engine_hello m = { .h = { .type = ENGINE_HELLO }, .pid = (uint32_t)getpid() };
	bool used = false;
	int fd;

	if (engine_connect(a->engine_path, &fd))
		return false;
	engine_call(fd, &m.h, sizeof(m), NULL, ANSWER_MSEC, on_hello, &used);
	close(fd);
	return used;
}

/* What is configured is proposed to peers as it stands: an algorithm that this kernel lacks is no
 * reason to leave it out. 0 or -errno, with a sentence. */
static int lacks(const struct conf *c, char *why, size_t len)
{
	struct conf_esp_alg all[CONF_ESP_ALGS_MAX];
	size_t n = conf_esp_algs(c, all);

	for (size_t i = 0; i < n; i++) {
		const struct conf_esp_alg *a = &all[i];
		int err = kesp_has_algorithm(a->encr_id, a->key_bits, a->integ_id);

		if (!err)
			continue;
		snprintf(why, len, "%s %s%s%s, which child \"%s\" of connection \"%s\" proposes",
			 err == -ENOSYS ? "this kernel's ESP has no"
					: "the kernel's ESP could not try",
			 alg_name(TRANSFORM_ENCR, a->encr_id, a->key_bits), a->integ_id ? "-" : "",
			 a->integ_id ? alg_name(TRANSFORM_INTEG, a->integ_id, 0) : "", a->child,
			 a->conn);
		return err;
	}
	return 0;
}

static int lacks_iface(char *why, size_t len, const char *what, const char *conn)
{
	snprintf(why, len,
		 "this kernel has no XFRM interfaces (the module xfrm_interface), without which "
		 "its ESP has no %s%s%s%s",
		 what, conn ? ", as connection \"" : "", conn ? conn : "",
		 conn ? "\" wants it" : "");
	return -EOPNOTSUPP;
}

static bool network(const struct ike_ts *t)
{
	return !t->dynamic && !addr_equal(&t->first, &t->last);
}

static bool overlap(const struct ike_ts *a, const struct ike_ts *b)
{
	return a->first.family == b->first.family && addr_cmp(&a->first, &b->last) <= 0 &&
	       addr_cmp(&b->first, &a->last) <= 0;
}

/* NULL: nothing. What peers narrow is looked at again when there is an SA (kesp/sa.c). */
static const char *plain_child_lacks(const struct ike_child_cfg *c)
{
	if (c->mode == CHILD_TRANSPORT)
		return "transport mode";
	for (size_t i = 0; i < c->n_local_ts; i++) {
		const struct ike_ts *l = &c->local_ts[i];

		if (!l->dynamic && l->first.family == 6)
			return "IPv6 inside";
		for (size_t k = 0; network(l) && k < c->n_remote_ts; k++)
			if (network(&c->remote_ts[k]) && overlap(l, &c->remote_ts[k]))
				return "remote networks that local ones are part of";
	}
	return NULL;
}

/* Policies alone carry tunnels of IPv4, by one path each. 0 or -errno, with a sentence. */
static int plain_lacks(const struct conf *c, char *why, size_t len)
{
	if (c->classes.n_rules)
		return lacks_iface(why, len, "traffic classes", NULL);
	for (size_t i = 0; i < c->ike.n_conns; i++) {
		const struct ike_conn_cfg *conn = &c->ike.conns[i];

		if (conn->multipath != IKE_MULTIPATH_NO)
			return lacks_iface(why, len, "several paths at a time", conn->name);
		for (size_t k = 0; k < conn->n_vips; k++)
			if (conn->vips[k].family == 6)
				return lacks_iface(why, len, "IPv6 inside", conn->name);
		for (size_t k = 0; k < conn->n_children; k++) {
			const char *what = plain_child_lacks(&conn->children[k]);

			if (what)
				return lacks_iface(why, len, what, conn->name);
		}
	}
	return 0;
}

static int probe(struct agent *a, char *why, size_t len)
{
	bool iface = true;
	int err = kesp_probe(&iface, why, len);

	a->esp_plain = !err && !iface;
	if (!err && a->esp_plain)
		err = plain_lacks(a->conf, why, len);
	return err ? err : lacks(a->conf, why, len);
}

/* 0 or -errno, with a sentence; why tells the reason. */
static int choose(struct agent *a)
{
	char *why = a->esp_why;
	const size_t len = sizeof(a->esp_why);
	const struct conf *c = a->conf;
	int err;

	if (c->backend == CONF_BACKEND_ENGINE) {
		snprintf(why, len, "backend = engine");
		return 0;
	}
	if (conf_engine_why(c)[0]) {
		snprintf(why, len, "%s", conf_engine_why(c));
		return 0;
	}
	if (c->backend == CONF_BACKEND_AUTO && engine_used(a)) {
		snprintf(why, len, "it has SAs of an earlier braidd, and is taken over");
		return 0;
	}
	why[0] = '\0';
	err = probe(a, why, len);
	if (err && !why[0])
		snprintf(why, len, "%s", strerror(-err));
	if (err && c->backend == CONF_BACKEND_KERNEL) {
		log_error("backend = kernel: %s; with backend = auto or engine ESP is the engine's",
			  why);
		return err;
	}
	if (err)
		return 0;
	a->kernel_esp = true;
	snprintf(why, len, "%s",
		 c->backend == CONF_BACKEND_KERNEL ? "backend = kernel"
						   : "it can do all that is configured");
	return 0;
}

/* Its device goes with it, whose name ours shall have. */
static void end_engine(struct agent *a)
{
	usec_t limit = agent_now() + END_MSEC * USEC_PER_MSEC;
	struct engine_id bye = { .h = { .type = ENGINE_SHUTDOWN } };
	int fd;

	if (engine_connect(a->engine_path, &fd))
		return;
	log_info("ending the engine that runs here, and what it has");
	engine_call(fd, &bye.h, sizeof(bye.h), NULL, END_MSEC, NULL, NULL);
	close(fd);
	while (engine_lives(a) && agent_now() < limit)
		poll(NULL, 0, END_LOOK_MSEC);
}

static void end_kernel(const struct agent *a, const struct leftover *l)
{
	int err = kesp_flush(a->opt.state_dir, l->pin_dir, l->tun);

	if (err)
		log_warning(
			"what an earlier braidd has left in the kernel's ESP cannot be removed: %s",
			strerror(-err));
	else
		log_info("ended the kernel's SAs of an earlier braidd");
}

/* Before anything else is made, so that a flush finds all of it. */
static int leave_word(const struct agent *a)
{
	struct leftover now = { .kernel = a->kernel_esp };
	int err;

	memcpy(now.tun, a->conf->tun, sizeof(now.tun));
	memcpy(now.steer, a->conf->steer, sizeof(now.steer));
	snprintf(now.pin_dir, sizeof(now.pin_dir), "%s", a->opt.pin_dir);
	err = leftover_write(a->opt.state_dir, &now);
	if (err)
		log_error("%s/dataplane cannot be written: %s", a->opt.state_dir, strerror(-err));
	return err;
}

int backend_choose(struct agent *a)
{
	struct leftover was;
	int err = choose(a);
	bool left;

	if (err)
		return err;
	log_info("ESP: the %s: %s", a->kernel_esp ? "kernel's" : "engine's", a->esp_why);
	if (a->kernel_esp && a->esp_plain)
		log_info("the kernel has no XFRM interfaces: %s is a plain device, policies take "
			 "what is routed there",
			 a->conf->tun);
	left = !leftover_read(a->opt.state_dir, &was);
	if (a->kernel_esp) {
		end_engine(a);
		starter_leave(a->opt.starter_fd);
		a->opt.starter_fd = -1;
	} else if (left && was.kernel) {
		end_kernel(a, &was);
	}
	a->taken_over = left && was.kernel == a->kernel_esp;
	a->esp_chosen = true;
	return leave_word(a);
}

int backend_reload(const struct agent *a, const struct conf *fresh, char err[CONF_ERROR_MAX])
{
	const char *file = a->opt.conf_file;
	char why[256];

	if (a->kernel_esp && a->esp_plain && plain_lacks(fresh, why, sizeof(why)))
		snprintf(err, CONF_ERROR_MAX,
			 "%s: %s; ESP is the kernel's now: do without, or restart braidd with "
			 "backend = auto or engine",
			 file, why);
	else if (a->kernel_esp && lacks(fresh, why, sizeof(why)))
		snprintf(err, CONF_ERROR_MAX,
			 "%s: %s; ESP is the kernel's now: name others, or restart braidd with "
			 "backend = auto or engine",
			 file, why);
	else if (a->kernel_esp && fresh->engine_for[0])
		snprintf(err, CONF_ERROR_MAX,
			 "%.300s; ESP is the kernel's now: do without, or restart braidd, which "
			 "takes the engine then and sets up all anew",
			 fresh->engine_for);
	else if (fresh->backend == CONF_BACKEND_KERNEL && !a->kernel_esp)
		snprintf(err, CONF_ERROR_MAX,
			 "%s: found backend = kernel, and ESP is the engine's now: restart braidd "
			 "for that",
			 file);
	else if (fresh->backend == CONF_BACKEND_ENGINE && a->kernel_esp)
		snprintf(err, CONF_ERROR_MAX,
			 "%s: found backend = engine, and ESP is the kernel's now: restart braidd "
			 "for that",
			 file);
	else
		return 0;
	return -EBUSY;
}

int backend_open(struct agent *a, void (*on_event)(void *ctx, struct engine_hdr *msg, size_t len))
{
	const struct kesp_options opt = {
		.base = a->base,
		.dp = a->dp,
		.state_dir = a->opt.state_dir,
		.pin_dir = a->opt.pin_dir,
		.plain = a->esp_plain,
		.on_event = on_event,
		.ctx = a,
	};
	char why[512] = "";
	int err = kesp_open(&opt, &a->kesp, why, sizeof(why));

	if (err)
		log_error("the kernel's ESP: %s", why[0] ? why : strerror(-err));
	return err;
}

static const struct ike_child_cfg *wants_cpus(const struct conf *c, const char **ret_conn)
{
	for (size_t i = 0; i < c->ike.n_conns; i++)
		for (size_t k = 0; k < c->ike.conns[i].n_children; k++)
			if (c->ike.conns[i].children[k].per_cpu) {
				*ret_conn = c->ike.conns[i].name;
				return &c->ike.conns[i].children[k];
			}
	return NULL;
}

uint16_t backend_cpus(const struct agent *a)
{
	const char *conn;
	const struct ike_child_cfg *child = wants_cpus(a->conf, &conn);
	bool has = a->kernel_esp && kesp_has_cpus();

	if (child && !has)
		log_warning("per_cpu of child \"%s\" of connection \"%s\" has no effect: %s",
			    child->name, conn,
			    a->kernel_esp ? "this kernel is older than 6.13"
					  : "the engine's threads share one SA");
	return has ? (uint16_t)sysconf(_SC_NPROCESSORS_CONF) : 0;
}
