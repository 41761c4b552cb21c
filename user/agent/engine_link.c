/* SPDX-License-Identifier: GPL-2.0-only */
/* The agent's end of the connection to the ESP engine. Where ESP is the kernel's, the same requests
 * go to kesp, a call each, and its events come by the same dispatch. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "esp/blobs.h"
#include "esp/client.h"
#include "kesp/kesp.h"
#include "agent.h"
#include "steer.h"

enum {
	ENGINE_START_MSEC = 5000,
	ENGINE_ANSWER_MSEC = 5000,
	ENGINE_LIST_MSEC = 10000,
	ENGINE_LOST_SEC = 1,
	ENGINE_POLL_MSEC = 5
};

/* What the running request is waiting for. */
struct wait {
	uint32_t seq;
	bool done;
	int32_t error;
	void (*on_sa)(void *ctx, const struct engine_sa_info *sa);
	void *ctx;
	struct engine_flow_info flow;
	char why[sizeof(((struct engine_why *)0)->text)]; /* "": nothing was said */
};

static void on_dgram(struct agent *a, struct engine_dgram *d, size_t len)
{
	struct ike_path path = { d->local, d->remote, d->ifindex };

	if (!a->ike || d->len > len - sizeof(*d))
		return;
	ike_recv(a->ike, &path, d->data, d->len, agent_now());
}

static void on_limit(struct agent *a, const struct engine_limit *l)
{
	struct peer *p;
	struct child *c = agent_child_find(a, l->id, &p);

	if (!a->ike || !c)
		return;
	log_info("%s: Child SA %s has carried what it may%s", p->conn, c->name,
		 l->hard ? "; it is closed" : " before it is rekeyed");
	if (l->hard)
		ike_child_hard_limit(a->ike, l->id, agent_now());
	else
		ike_child_soft_limit(a->ike, l->id, agent_now());
}

static void on_seen(struct agent *a, const struct engine_seen *s)
{
	struct ike_path path = { s->local, s->remote, s->ifindex };

	if (!a->ike)
		return;
	if (!s->remote.ip.family || ike_esp_from(a->ike, s->id, &path, agent_now()))
		ike_esp_seen(a->ike, s->id, agent_now());
}

/* Events may arrive while a request of the core's own output is under way: the core is entered only
 * from the loop, so datagrams wait in the socket until then and only results are taken here. */
static void dispatch(struct agent *a, struct engine_hdr *h, size_t len, struct wait *w)
{
	switch (h->type) {
	case ENGINE_RESULT:
		if (w && h->seq == w->seq) {
			w->done = true;
			w->error = ((struct engine_result *)h)->error;
		}
		break;
	case ENGINE_HELLO_INFO:
		a->engine_hello = *(struct engine_hello *)h;
		break;
	case ENGINE_SA_INFO:
		if (w && w->on_sa)
			w->on_sa(w->ctx, (struct engine_sa_info *)h);
		break;
	case ENGINE_WHY:
		if (w && h->seq == w->seq)
			snprintf(w->why, sizeof(w->why), "%.*s", (int)sizeof(w->why) - 1,
				 ((struct engine_why *)h)->text);
		break;
	case ENGINE_FLOW_INFO:
		if (w && h->seq == w->seq)
			w->flow = *(struct engine_flow_info *)h;
		break;
	case ENGINE_COUNTERS:
		a->engine_counters = *(struct engine_counters *)h;
		break;
	case ENGINE_PATH_INFO:
	case ENGINE_EV_PATH:
		path_on_engine(a, (struct engine_path_info *)h);
		break;
	case ENGINE_EV_MEASURED:
		steer_measured(a, (struct engine_path_info *)h);
		break;
	case ENGINE_EV_JOIN:
		path_on_join(a, (struct engine_join *)h);
		break;
	case ENGINE_EV_NO_SA:
		first_packet(a, (struct engine_no_sa *)h);
		break;
	case ENGINE_EV_PONG:
		path_test_on_pong(a, (struct engine_pong *)h);
		break;
	case ENGINE_EV_IKE_RECV:
		on_dgram(a, (struct engine_dgram *)h, len);
		break;
	case ENGINE_EV_SA_SEEN:
		on_seen(a, (struct engine_seen *)h);
		break;
	case ENGINE_EV_SA_LIMIT:
		on_limit(a, (struct engine_limit *)h);
		break;
	}
}

/* Events that came while a request was waiting for its result, in order. */
struct held {
	struct held *next;
	size_t len;
	uint8_t msg[] __attribute__((aligned(8)));
};
static struct held *held_first, **held_last = &held_first;
static unsigned held_n;

static void hold(const void *msg, size_t len)
{
	enum { HELD_MAX = 4096 };
	struct held *h = held_n < HELD_MAX ? malloc(sizeof(*h) + len) : NULL;

	if (!h)
		return; /* as if the socket had been full: peers send again */
	h->next = NULL;
	h->len = len;
	memcpy(h->msg, msg, len);
	*held_last = h;
	held_last = &h->next;
	held_n++;
}

static void held_run(struct agent *a)
{
	struct held *h;

	while ((h = held_first)) {
		held_first = h->next;
		if (!held_first)
			held_last = &held_first;
		held_n--;
		dispatch(a, (struct engine_hdr *)h->msg, h->len, NULL);
		agent_drain(a);
		free(h);
	}
}

static void engine_lost(struct agent *a)
{
	log_error("the ESP engine is gone; starting another and setting connections up again");
	control_event(a, CTL_EV_ENGINE_DOWN, NULL, NULL, NULL, NULL, NULL, NULL, "engine is gone");
	engine_link_close(a);
	classes_lost(a);
	agent_retired_run(a, true);
	images_forget(a);
	conns_engine_lost(a);
	engine_replace(a);
}

void engine_replace(struct agent *a)
{
	struct timeval later = { ENGINE_LOST_SEC, 0 };

	if (engine_link_open(a)) {
		engine_link_close(a);
		event_add(a->engine_timer, &later);
		return;
	}
	classes_sync(a);
	shield_sync(a); /* by the new one's device */
	/* Keys went with the old one: nothing of the old relations can carry traffic. The new one
	 * takes our Deletes to the peers. */
	ike_shutdown(a->ike, agent_now());
	agent_drain(a);
	conns_run(a);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)what;
	held_run(a);
	if (fd < 0)
		return;
	for (int i = 0; i < 256 && a->engine_fd >= 0; i++) {
		int n = engine_recv(a->engine_fd, a->msg, ENGINE_MSG_MAX);

		if (n == -EAGAIN)
			break;
		if (n == -EBADMSG)
			continue;
		if (n < 0) {
			engine_lost(a);
			return;
		}
		/* a->msg is used again by requests made while this one is handled */
		hold(a->msg, (size_t)n);
		held_run(a);
	}
}

struct kernel_call {
	struct agent *a;
	struct wait *w;
};

static void on_kernel_answer(void *ctx, struct engine_hdr *h, size_t len)
{
	struct kernel_call *call = ctx;

	dispatch(call->a, h, len, call->w);
}

/* From the loop, so the core may be entered. */
static void on_kernel_event(void *ctx, struct engine_hdr *h, size_t len)
{
	struct agent *a = ctx;

	dispatch(a, h, len, NULL);
	agent_drain(a);
}

static int request_wait(struct agent *a, struct engine_hdr *msg, uint16_t type, size_t len,
			const struct engine_fds *fds, struct wait *w)
{
	struct kernel_call call = { a, w };
	usec_t limit = agent_now() + ENGINE_ANSWER_MSEC * USEC_PER_MSEC;
	int err;

	msg->type = type;
	msg->seq = w->seq = ++a->engine_seq;
	if (a->kesp)
		return kesp_request(a->kesp, msg, len, on_kernel_answer, &call);
	if (a->engine_fd < 0)
		return -ENOTCONN;
	err = engine_send(a->engine_fd, msg, len, fds);
	if (err)
		return err;
	while (!w->done) {
		int n = engine_recv(a->engine_fd, a->msg, ENGINE_MSG_MAX);
		struct engine_hdr *h = (struct engine_hdr *)a->msg;

		if (n == -EAGAIN) {
			struct pollfd p = { a->engine_fd, POLLIN, 0 };
			usec_t now = agent_now();

			if (now >= limit)
				return -ETIMEDOUT;
			poll(&p, 1, (int)((limit - now) / USEC_PER_MSEC) + 1);
			continue;
		}
		if (n == -EBADMSG)
			continue;
		if (n < 0)
			return n;
		/* what follows from a path's news may ask the engine for more: later */
		if (h->type == ENGINE_PATH_INFO)
			path_info(a, (struct engine_path_info *)h);
		if (h->type >= ENGINE_EV_IKE_RECV || h->type == ENGINE_PATH_INFO)
			hold(a->msg, (size_t)n);
		else
			dispatch(a, h, (size_t)n, w);
	}
	if (held_first && a->engine_ev)
		event_active(a->engine_ev, EV_READ, 0);
	return w->error;
}

int engine_request(struct agent *a, struct engine_hdr *msg, uint16_t type, size_t len)
{
	struct wait w = { 0 };

	return request_wait(a, msg, type, len, NULL, &w);
}

int engine_request_fds(struct agent *a, struct engine_hdr *msg, uint16_t type, size_t len,
		       const struct engine_fds *fds, char *ret_why, size_t why_len)
{
	struct wait w = { 0 };
	int err = request_wait(a, msg, type, len, fds, &w);

	if (err)
		snprintf(ret_why, why_len, "%s", w.why[0] ? w.why : strerror(-err));
	return err;
}

struct list_call {
	void (*fn)(void *ctx, const struct engine_hdr *h, size_t len);
	void *ctx;
};

static void on_kernel_listed(void *ctx, struct engine_hdr *h, size_t len)
{
	const struct list_call *call = ctx;

	call->fn(call->ctx, h, len);
}

int engine_list(struct agent *a, void (*fn)(void *ctx, const struct engine_hdr *h, size_t len),
		void *ctx)
{
	struct list_call call = { fn, ctx };
	struct engine_hdr h = { .type = ENGINE_LIST };

	if (a->kesp)
		return kesp_request(a->kesp, &h, sizeof(h), on_kernel_listed, &call);
	return engine_call(a->engine_fd, &h, sizeof(h), NULL, ENGINE_LIST_MSEC, fn, ctx);
}

int engine_stats(struct agent *a, void (*on_sa)(void *ctx, const struct engine_sa_info *sa),
		 void *ctx)
{
	struct wait w = { .on_sa = on_sa, .ctx = ctx };
	struct engine_hdr h = { 0 };

	return request_wait(a, &h, ENGINE_STATS, sizeof(h), NULL, &w);
}

int engine_paths(struct agent *a)
{
	struct engine_hdr h = { 0 };

	return engine_request(a, &h, ENGINE_PATHS, sizeof(h));
}

int engine_sa_get(struct agent *a, uint32_t id,
		  void (*on_sa)(void *ctx, const struct engine_sa_info *sa), void *ctx)
{
	struct wait w = { .on_sa = on_sa, .ctx = ctx };
	struct engine_id m = { .id = id };

	return request_wait(a, &m.h, ENGINE_SA_GET, sizeof(m), NULL, &w);
}

int engine_flow(struct agent *a, struct engine_flow *m, struct engine_flow_info *ret_info)
{
	struct wait w = { 0 };
	int err = request_wait(a, &m->h, ENGINE_FLOW, sizeof(*m), NULL, &w);

	if (!err)
		*ret_info = w.flow;
	return err;
}

/* Without a result. */
static void post(struct agent *a, struct engine_hdr *msg, size_t len)
{
	if (a->kesp)
		kesp_request(a->kesp, msg, len, NULL, NULL);
	else if (a->engine_fd >= 0)
		engine_send(a->engine_fd, msg, len, NULL);
}

void engine_ike_send(struct agent *a, const struct ike_path *p, const uint8_t *buf, size_t len,
		     bool whole)
{
	static union {
		struct engine_dgram d;
		uint8_t room[sizeof(struct engine_dgram) + ENGINE_DGRAM_MAX];
	} m;

	if (len > ENGINE_DGRAM_MAX)
		return;
	m.d = (struct engine_dgram){
		.h = { .type = ENGINE_IKE_SEND },
		.local = p->local,
		.remote = p->remote,
		.ifindex = p->ifindex,
		.len = (uint32_t)len,
		.whole = whole,
	};
	memcpy(m.d.data, buf, len);
	post(a, &m.d.h, sizeof(m.d) + len);
}

void engine_expect(struct agent *a, uint32_t spi, bool on)
{
	struct engine_spi m = { .h = { .type = ENGINE_SPI }, .spi = spi, .expected = on };

	post(a, &m.h, sizeof(m));
}

static int keep_part(void *ctx, struct engine_blob *m, size_t len)
{
	return engine_request(ctx, &m->h, m->len ? ENGINE_BLOB_PUT : ENGINE_BLOB_DEL, len);
}

void engine_keep_image(struct agent *a, uint64_t key, const uint8_t *img, size_t len)
{
	int err = blob_send(key, img, len, keep_part, a);

	if (err && len)
		log_warning(
			"the state of an IKE SA cannot be kept: %s; it would not survive a restart "
			"of braidd",
			strerror(-err));
}

/* ---- opening ---- */

/* An engine that fails at once has said why, on the standard error it has from us. */
static void ended_at_once(const struct agent *a, int status)
{
	const char *engine = a->opt.engine_binary;

	if (WIFSIGNALED(status))
		log_error("the ESP engine %s was ended by signal %d (%s)", engine, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		log_error("the ESP engine %s ended without a word: is it braid-esp?", engine);
	else
		log_info("the ESP engine %s ended with status %d: see what it said", engine,
			 WEXITSTATUS(status));
}

/* 0 or -errno; says why not. */
static int engine_spawn(struct agent *a)
{
	usec_t limit = agent_now() + ENGINE_START_MSEC * USEC_PER_MSEC;
	int err = starter_start(a->opt.starter_fd);

	if (err) {
		log_error("the ESP engine %s cannot be started: %s; install it beside braidd or "
			  "name it with --engine",
			  a->opt.engine_binary,
			  err == -EPIPE ? "the process that starts it is gone" : strerror(-err));
		return err;
	}
	a->engine_started = true;
	log_info("started the ESP engine %s", a->opt.engine_binary);
	do {
		struct starter_said said;

		if (!starter_wait(a->opt.starter_fd, ENGINE_POLL_MSEC, &said)) {
			a->engine_started = false;
			ended_at_once(a, said.value);
			return -ECHILD;
		}
		err = engine_connect(a->engine_path, &a->engine_fd);
	} while ((err == -ENOENT || err == -ECONNREFUSED) && agent_now() < limit);
	if (err)
		log_error("the ESP engine %s does not answer at %s: %s", a->opt.engine_binary,
			  a->engine_path, strerror(-err));
	return err;
}

static int connect_or_spawn(struct agent *a)
{
	int err = engine_connect(a->engine_path, &a->engine_fd);

	if (err == -ENOENT || err == -ECONNREFUSED)
		return engine_spawn(a);
	if (err)
		log_error("the ESP engine's socket %s cannot be used: %s", a->engine_path,
			  strerror(-err));
	return err;
}

static int give_maps(struct agent *a)
{
	struct engine_maps maps = { 0 };
	struct engine_fds fds;
	struct wait w = { 0 };
	int err;

	dp_engine_maps(a->dp, &maps, &fds);
	err = request_wait(a, &maps.h, ENGINE_MAPS, sizeof(maps), &fds, &w);
	if (err)
		log_error("the engine cannot use the steering maps: %s", strerror(-err));
	return err;
}

static int configure(struct agent *a)
{
	static const uint8_t drivers[] = {
		[CONF_CRYPTO_AUTO] = AEAD_DRIVER_BEST,
		[CONF_CRYPTO_OPENSSL] = AEAD_DRIVER_OPENSSL,
		[CONF_CRYPTO_IPSEC_MB] = AEAD_DRIVER_IPSEC_MB,
	};
	struct engine_hello hello = { .pid = (uint32_t)getpid() };
	struct engine_config c = {
		.tun_mtu = a->conf->tun_mtu,
		.port = PORT_NATT,
		.stable_port = PORT_NATT,
		.stable4_local = a->conf->stable4_local,
		.stable4_remote = a->conf->stable4_remote,
		.stable6_local = a->conf->stable6_local,
		.stable6_remote = a->conf->stable6_remote,
		.crypto_driver = drivers[a->conf->crypto],
		.busy_poll = a->conf->busy_poll,
		.workers = a->conf->workers,
	};
	struct wait w = { 0 };
	struct rtnl_link tun;
	int err;

	memcpy(c.tun, a->conf->tun, sizeof(c.tun));
	err = request_wait(a, &c.h, ENGINE_CONFIG, sizeof(c), NULL, &w);
	if (err) {
		log_error("%s: %s", a->kesp ? "ESP of the kernel" : "ESP engine",
			  w.why[0] ? w.why : strerror(-err));
		return err;
	}
	err = engine_request(a, &hello.h, ENGINE_HELLO, sizeof(hello));
	if (err) {
		log_error("the ESP engine does not answer: %s", strerror(-err));
		return err;
	}
	err = a->kesp ? 0 : give_maps(a);
	if (err)
		return err;
	rtnl_process(a->rtnl); /* the device is younger than what we know */
	if (!rtnl_link_by_name(a->rtnl, a->engine_hello.tun, &tun)) {
		log_error("the inner device %s is not in this network namespace",
			  a->engine_hello.tun);
		return -ENODEV;
	}
	a->tun_ifindex = tun.ifindex;
	classes_prepare(a);
	return 0;
}

static int link_engine(struct agent *a)
{
	int err = connect_or_spawn(a);

	if (err)
		return err;
	a->engine_ev = event_new(a->base, a->engine_fd, EV_READ | EV_PERSIST, on_readable, a);
	return a->engine_ev && !event_add(a->engine_ev, NULL) ? 0 : -ENOMEM;
}

int engine_link_open(struct agent *a)
{
	int err = a->kernel_esp ? backend_open(a, on_kernel_event) : link_engine(a);

	if (!err)
		err = configure(a);
	if (!err)
		classes_ready(a);
	if (!err)
		control_event(a, CTL_EV_ENGINE_UP, NULL, NULL, NULL, NULL, NULL, NULL,
			      a->kesp ? "the kernel's ESP is ready" : "engine is ready");
	return err;
}

void engine_abandon(struct agent *a)
{
	struct engine_hdr bye = { 0 };

	if (a->kesp && !a->taken_over)
		engine_request(a, &bye, ENGINE_SHUTDOWN, sizeof(bye));
	engine_link_close(a);
	if (a->engine_started)
		starter_end(a->opt.starter_fd);
	a->engine_started = false;
}

void engine_link_close(struct agent *a)
{
	kesp_close(a->kesp);
	a->kesp = NULL;
	if (a->engine_ev)
		event_free(a->engine_ev);
	a->engine_ev = NULL;
	if (a->engine_fd >= 0)
		close(a->engine_fd);
	a->engine_fd = -1;
	while (held_first) {
		struct held *h = held_first;

		held_first = h->next;
		free(h);
	}
	held_last = &held_first;
	held_n = 0;
}
