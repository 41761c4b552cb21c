/* SPDX-License-Identifier: GPL-2.0-only */
/* Life of the agent: start, the loop, carrying out what the IKE core wants, stop. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "ctl/leftover.h"
#include "esp/client.h"
#include "net/udp.h"
#include "bindings.h"
#include "consent.h"
#include "mmx_agent.h"
#include "steer.h"

enum {
	SETTLE_MSEC = 20,  /* interface events come in bursts: addresses are looked at after it */
	PRUNE_SEC = 10,	   /* between looks for paths a peer has left behind */
	STOP_SEC = 3,	   /* for Deletes to be answered */
	UNSENT_BURST = 10, /* lines a second about datagrams that could not be sent */
	TRIM_PEERS = 256,  /* so many have gone: their memory goes back to the system */
	TRIM_SEC = 35,	   /* later, when their IKE SAs have stopped answering repeated requests */
	IKE_RCVBUF = 4 << 20, /* octets of IKE_SA_INITs in a burst */
};

usec_t agent_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

void agent_timer(struct event *ev, usec_t usec)
{
	struct timeval tv = { (time_t)(usec / USEC_PER_SEC), (suseconds_t)(usec % USEC_PER_SEC) };

	event_add(ev, &tv);
}

/* ---- what the core wants ---- */

static void send_datagram(struct agent *a, const struct ike_output *o)
{
	struct udp_meta meta = { o->path.local, o->path.remote, o->path.ifindex };
	int fd = meta.remote.ip.family == 6 ? a->ike_fd6 : a->ike_fd4;

	if (o->marker) {
		engine_ike_send(a, &o->path, o->buf, o->len, o->whole);
		return;
	}
	int err = fd < 0 ? -EAFNOSUPPORT : udp_send(fd, &meta, o->buf, o->len);
	if (err) {
		char to[ADDR_PORT_STR];
		uint32_t suppressed;

		/* an answer to an address that a stranger made up, or one of many peers */
		if (log_limit_ok(&a->unsent, agent_now(), UNSENT_BURST, USEC_PER_SEC, &suppressed))
			log_debug("cannot send IKE to %s: %s; it is sent again by its timer",
				  udp_addr_format(&meta.remote, to), strerror(-err));
	}
}

static const enum ctl_event event_kinds[] = {
	[IKE_EV_IKE_UP] = CTL_EV_IKE_UP,
	[IKE_EV_IKE_DOWN] = CTL_EV_IKE_DOWN,
	[IKE_EV_IKE_REKEYED] = CTL_EV_IKE_REKEYED,
	[IKE_EV_CLONED] = CTL_EV_IKE_CLONED,
	[IKE_EV_CHILD_UP] = CTL_EV_CHILD_UP,
	[IKE_EV_CHILD_DOWN] = CTL_EV_CHILD_DOWN,
	[IKE_EV_CHILD_REKEYED] = CTL_EV_CHILD_REKEYED,
	[IKE_EV_FAILED] = CTL_EV_FAILED,
	[IKE_EV_PEER_MOVED] = CTL_EV_PEER_MOVED,
	[IKE_EV_MOVED] = CTL_EV_MOVED,
	[IKE_EV_MOVE_REFUSED] = CTL_EV_MOVE_REFUSED,
	[IKE_EV_PEER_ADDRS] = CTL_EV_PEER_ADDRS,
	[IKE_EV_UNANSWERED] = CTL_EV_UNANSWERED,
	[IKE_EV_PATH_ANSWERED] = CTL_EV_PATH_ANSWERED,
	[IKE_EV_PATH_TESTED] = CTL_EV_PATH_TESTED,
	[IKE_EV_MMX_ANSWERED] = CTL_EV_MMX_ANSWERED,
	[IKE_EV_MMX_PROBED] = CTL_EV_MMX_PROBED,
	[IKE_EV_MMX_PEER_IFACES] = CTL_EV_MMX_PEER_IFACES,
	[IKE_EV_MMX_CHANGED] = CTL_EV_MMX_CHANGED,
	[IKE_EV_SESSION] = CTL_EV_SESSION_ENDED,
	[IKE_EV_STEP] = CTL_EV_PROGRESS,
};

/* 0: none has it. */
static uint32_t uplink_with(const struct agent *a, const struct addr *local)
{
	for (size_t i = 0; i < a->n_uplinks; i++)
		for (size_t e = 0; e < a->uplinks[i].n_eps; e++)
			if (addr_equal(&a->uplinks[i].eps[e].addr, local))
				return a->uplinks[i].ifindex;
	return 0;
}

/* One side moved, or a NAT's mapping changed: the main path follows. Where there are several the
 * probes say which of them carry packets, and the IKE SA only goes over another one. */
static void sa_moved(struct agent *a, const struct ike_output *o)
{
	struct peer *p = peer_find(a, o->line);
	struct ike_path to = o->path;
	bool encap = o->encap, refused = o->event == IKE_EV_MOVE_REFUSED;
	struct ike_path was;
	bool moving;

	if (!p)
		return;
	was = p->ike_path;
	moving = p->moving;
	if (!to.ifindex) /* MMX names addresses only */
		to.ifindex = uplink_with(a, &to.local.ip);
	p->ike_path = to;
	p->moving = false;
	/* in UDP before they meet a NAT, and as long as they do */
	if (encap)
		peer_encap(a, p, true);
	path_follow(a, p, &to);
	if (!encap)
		peer_encap(a, p, false);
	if (refused)
		move_on_refused(a, p, &was);
	else if (moving)
		move_plan(a, p);
}

/* May enter the core, so the output is of the past afterwards. */
static void on_pair(struct agent *a, const struct ike_output *o)
{
	struct peer *p = peer_find(a, o->line);
	struct ike_path pair = o->path;

	if (!p)
		return;
	switch (o->event) {
	case IKE_EV_PEER_ADDRS:
		move_on_peer_addrs(a, p);
		break;
	case IKE_EV_UNANSWERED:
		move_on_unanswered(a, p);
		break;
	case IKE_EV_PATH_ANSWERED:
		move_on_answered(a, p, &pair);
		break;
	case IKE_EV_PATH_TESTED:
		if (!o->op)
			move_on_tested(a, p, &pair, o->rtt);
		else
			path_test_on_tested(a, o->op, o->rtt);
		standby_on_tested(a, p, o->op, &pair, o->rtt);
		break;
	default:
		break;
	}
}

static void on_event(struct agent *a, const struct ike_output *o)
{
	struct peer *p = NULL;
	struct child *c = o->child_id ? agent_child_find(a, o->child_id, &p) : NULL;

	if (o->event == IKE_EV_SESSION) {
		session_end(a, o);
		return;
	}
	control_event(a, event_kinds[o->event], o->conn[0] ? o->conn : NULL, c ? c->name : NULL,
		      NULL, NULL, NULL, NULL, o->text);
	conns_on_event(a, o, c ? c->name : NULL);
	clones_on_event(a, o);
	mmx_steer_event(a, o);
	if (o->op)
		control_op_event(a, o);
	switch (o->event) {
	case IKE_EV_PEER_MOVED:
	case IKE_EV_MOVED:
	case IKE_EV_MOVE_REFUSED:
		sa_moved(a, o);
		break;
	case IKE_EV_IKE_DOWN:
		p = peer_find(a, o->line);
		if (p && list_empty(&p->children))
			peer_free(a, p);
		break;
	case IKE_EV_IKE_REKEYED:
		p = peer_find(a, o->line);
		if (!p)
			break;
		family_renumber(a, p, o->family);
		move_on_rekeyed(a, p);
		break;
	case IKE_EV_CHILD_UP: /* a list may have come with it */
		p = peer_find(a, o->line);
		if (p)
			asks_look(a, p);
		break;
	case IKE_EV_IKE_UP:
	case IKE_EV_CHILD_DOWN:
	case IKE_EV_CHILD_REKEYED:
	case IKE_EV_FAILED:
	case IKE_EV_SESSION:
	case IKE_EV_MMX_ANSWERED:
	case IKE_EV_MMX_PROBED:
	case IKE_EV_MMX_CHANGED:
	case IKE_EV_STEP:
		break;
	case IKE_EV_MMX_PEER_IFACES:
		p = peer_find(a, o->line);
		if (p) {
			bindings_relabel(a, p);
			asks_look(a, p);
		}
		break;
	case IKE_EV_CLONED:
		agent_line_add(a, o);
		control_op_cloned(a, o);
		break;
	case IKE_EV_PEER_ADDRS:
	case IKE_EV_UNANSWERED:
	case IKE_EV_PATH_ANSWERED:
	case IKE_EV_PATH_TESTED:
		on_pair(a, o);
		break;
	}
}

void agent_drain(struct agent *a)
{
	const struct ike_output *o;
	usec_t now, next;

	while ((o = ike_next_output(a->ike))) {
		/* Packets that have to move do not wait for an image, which is the longer the more
		 * Child SAs there are. */
		if (o->kind != IKE_OUT_EVENT)
			images_keep(a);
		switch (o->kind) {
		case IKE_OUT_SEND:
			send_datagram(a, o);
			break;
		case IKE_OUT_CHILD_ADD:
			agent_child_add(a, o);
			break;
		case IKE_OUT_CHILD_DEL:
			if (o->replaced)
				agent_child_retire(a, o->child_id);
			else
				agent_child_del(a, o->child_id);
			break;
		case IKE_OUT_EVENT:
			on_event(a, o);
			break;
		case IKE_OUT_SIZE:
			mtu_on_size(a, o);
			break;
		case IKE_OUT_BINDING:
			binding_told(a, o);
			break;
		case IKE_OUT_CHILD_BIND:
			binding_of_child(a, o->child_id, o->bind_to);
			break;
		case IKE_OUT_CHILD_TS:
			agent_child_ts(a, o->child_id, o->ts);
			break;
		}
	}
	images_keep(a);
	if (a->stopping && !ike_sa_first(a->ike))
		event_base_loopbreak(a->base);
	now = agent_now();
	next = ike_deadline(a->ike);
	if (next == USEC_NEVER)
		event_del(a->ike_timer);
	else
		agent_timer(a->ike_timer, next > now ? next - now : 0);
}

static void esp_sent(void *ctx, const struct engine_sa_info *sa)
{
	ike_esp_sent(ctx, sa->id, sa->last_out_usec);
}

/* Before a NAT keepalive: was the mapping used by ESP? Asked for at most once in a second; a
 * keepalive too many does no harm. */
static void esp_times(struct agent *a)
{
	usec_t now = agent_now();

	if (!ike_keepalive_due(a->ike, now) || now - a->esp_asked < USEC_PER_SEC / 4)
		return;
	a->esp_asked = now;
	engine_stats(a, esp_sent, a->ike);
}

static void on_ike_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	esp_times(a);
	ike_tick(a->ike, agent_now());
	agent_drain(a);
}

static void on_ike_datagram(evutil_socket_t fd, short what, void *ctx)
{
	static uint8_t buf[65536];
	struct agent *a = ctx;
	struct udp_meta m;

	(void)what;
	for (int i = 0; i < 64; i++) { /* then the loop has its turn */
		int n = udp_recv(fd, PORT_IKE, buf, sizeof(buf), &m);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			continue;
		struct ike_path path = { m.local, m.remote, m.ifindex };

		ike_recv(a->ike, &path, buf, (size_t)n, agent_now());
		agent_drain(a);
	}
}

/* ---- other timers, reload ---- */

static void on_engine_retry(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	engine_replace(ctx);
}

/* The allocator keeps what was freed, for the next thousand peers, which may never come. */
static void trim(struct agent *a)
{
	usec_t now = agent_now();

	if (a->most_peers >= a->lines.n + TRIM_PEERS && a->lines.n <= a->most_peers / 2) {
		a->most_peers = a->lines.n;
		a->trim_at = now + TRIM_SEC * USEC_PER_SEC;
	}
	if (!a->trim_at || now < a->trim_at)
		return;
	malloc_trim(0);
	a->trim_at = 0;
}

static void on_mtu(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	mtu_run(ctx);
}

static void on_retired(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	agent_retired_run(ctx, false);
}

static void on_prune(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	resume_look(a);
	paths_prune(a);
	agent_drain(a);
	trim(a);
	certs_look(a);
	agent_timer(a->prune_timer, PRUNE_SEC * USEC_PER_SEC);
}

static void on_standby(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	standbys_run(a);
	agent_drain(a);
}

static void on_back(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	moves_run(a);
	agent_drain(a);
}

static void on_settle(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	sources_load(a);
	conns_addrs(a, NULL);
	paths_sync_all(a);
	uplinks_forget(a);
	list_for_each (it, &a->peers) {
		move_plan(a, list_entry(it, struct peer, node));
		move_settled(a, list_entry(it, struct peer, node));
	}
	agent_drain(a);
	if (!a->sources_sifted)
		sources_sift(a);
	a->sources_sifted = true;
	conns_settled(a);
	clones_changed(a);
	mmx_steer_changed(a);
}

int agent_reload(struct agent *a, char err[CONF_ERROR_MAX])
{
	struct conf *fresh, *old;
	int ret = conf_load(a->opt.conf_file, &fresh, err);

	if (ret)
		return ret;
	ret = backend_reload(a, fresh, err);
	if (ret) {
		conf_free(fresh);
		return ret;
	}
	for (size_t i = 0; i < fresh->n_warnings; i++)
		log_warning("%s", fresh->warnings[i]);
	conf_keep_classes(fresh, a->conf);
	ret = ike_reload(a->ike, &fresh->ike, agent_now());
	if (ret) {
		snprintf(err, CONF_ERROR_MAX, "%s: %s; the old configuration stays",
			 a->opt.conf_file, strerror(-ret));
		conf_free(fresh);
		return ret;
	}
	traffic_from_here(a);
	old = a->conf;
	a->conf = fresh;
	conns_load(a);
	uplinks_load(a);
	conns_addrs(a, NULL);
	guards_load(a, &old->ike);
	control_permit(a);
	classes_begin_change(a, &old->classes);
	classes_ready(a);
	conf_free(old);
	paths_sync_all(a);
	paths_quality_again(a);
	asks_reload(a);
	steer_reload(a);
	classes_sync(a);
	direct_reload(a);
	list_for_each (it, &a->peers)
		move_plan(a, list_entry(it, struct peer, node));
	conns_run(a);
	clones_changed(a);
	mmx_steer_changed(a);
	certs_warn(a);
	log_info("configuration %s read again: %u connections, %u uplinks", a->opt.conf_file,
		 a->conf->ike.n_conns, a->n_uplinks);
	return 0;
}

/* ---- start and stop ---- */

static void on_stop_timeout(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

void agent_stop(struct agent *a)
{
	struct timeval limit = { STOP_SEC, 0 };

	if (a->stopping) {
		event_base_loopbreak(a->base);
		return;
	}
	a->stopping = true;
	log_info("stopping: closing %zu IKE SAs", ike_sa_count(a->ike));
	event_base_once(a->base, -1, EV_TIMEOUT, on_stop_timeout, a->base, &limit);
	ike_shutdown(a->ike, agent_now());
	agent_drain(a);
}

static void on_signal(evutil_socket_t sig, short what, void *ctx)
{
	struct agent *a = ctx;
	char err[CONF_ERROR_MAX];

	(void)what;
	if (sig == SIGHUP) {
		if (agent_reload(a, err))
			log_error("%s", err);
		return;
	}
	agent_stop(a);
}

static int ike_sockets(struct agent *a)
{
	int fds[2] = { -1, -1 }, rcvbuf = IKE_RCVBUF;

	for (int i = 0; i < 2; i++) {
		int err = udp_open(i ? 6 : 4, PORT_IKE, &fds[i]);
		struct event *ev;

		if (err == -EAFNOSUPPORT)
			continue; /* a kernel without IPv6 */
		if (err) {
			log_error("UDP port %d over IPv%d: %s%s", PORT_IKE, i ? 6 : 4,
				  strerror(-err),
				  err == -EADDRINUSE
					  ? "; is another IKE daemon running? Stop it first"
					  : "");
			return err;
		}
		/* as much as the kernel gives */
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf));
		ev = event_new(a->base, fds[i], EV_READ | EV_PERSIST, on_ike_datagram, a);
		if (!ev || event_add(ev, NULL))
			return -ENOMEM;
	}
	a->ike_fd4 = fds[0];
	a->ike_fd6 = fds[1];
	return 0;
}

/* The kernel's policies would have IKE go by the SAs that it makes. */
static int ike_bypass(const struct agent *a)
{
	int err = 0;

	if (!a->kernel_esp)
		return 0;
	if (a->ike_fd4 >= 0)
		err = udp_bypass(a->ike_fd4, 4);
	if (!err && a->ike_fd6 >= 0)
		err = udp_bypass(a->ike_fd6, 6);
	if (err)
		log_error("the kernel's policies cannot be kept off UDP port %d: %s", PORT_IKE,
			  strerror(-err));
	return err;
}

static void on_rtnl(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	int err = rtnl_process(a->rtnl);
	if (err)
		log_error("rtnetlink: %s; interface changes may be missed", strerror(-err));
	agent_drain(a);
}

static int spi_alloc(void *ctx, uint32_t *ret_spi)
{
	struct agent *a = ctx;
	int err = dp_spi_alloc(a->dp, ret_spi);

	/* the peer may use it before we know that it does */
	if (!err)
		engine_expect(a, *ret_spi, true);
	return err;
}

void agent_spi_free(void *ctx, uint32_t spi)
{
	struct agent *a = ctx;

	engine_expect(a, spi, false);
	if (a->dp) /* else they went with it: set-ups that the end of the agent cuts off */
		dp_spi_free(a->dp, spi);
}

static bool other_path(void *ctx, const char *conn, struct ike_path *ret_path)
{
	return conns_other_path(ctx, conn, ret_path);
}

static int64_t now_real(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static int data_plane_open(struct agent *a)
{
	static const enum dp_attach attach[] = {
		[CONF_ATTACH_AUTO] = DP_ATTACH_AUTO,
		[CONF_ATTACH_TC] = DP_ATTACH_TC,
		[CONF_ATTACH_XDP] = DP_ATTACH_XDP,
		[CONF_ATTACH_XDP_GENERIC] = DP_ATTACH_XDP_GENERIC,
	};
	static const enum steer_spread spread[] = {
		[CONF_SPREAD_OFF] = STEER_SPREAD_OFF,
		[CONF_SPREAD_SA] = STEER_SPREAD_SA,
		[CONF_SPREAD_PACKETS] = STEER_SPREAD_PACKET,
	};
	struct dp_options opt = {
		.pin_dir = a->opt.pin_dir,
		.steer_dev = a->conf->steer,
		.sa_max = a->conf->sa_max,
		.stable4_local = a->conf->stable4_local,
		.stable4_remote = a->conf->stable4_remote,
		.stable6_local = a->conf->stable6_local,
		.stable6_remote = a->conf->stable6_remote,
		.attach = attach[a->conf->attach],
		.spread = spread[a->conf->spread],
		.drop_unknown = a->conf->drop_unknown,
		.kernel_esp = a->kernel_esp,
	};
	char why[512] = "";
	int err = dp_open(&opt, &a->dp, why, sizeof(why));

	if (err)
		log_error("steering: %s", why[0] ? why : strerror(-err));
	return err;
}

static int events_new(struct agent *a)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP };
	struct event *rtnl_ev =
		event_new(a->base, rtnl_fd(a->rtnl), EV_READ | EV_PERSIST, on_rtnl, a);

	a->ike_timer = evtimer_new(a->base, on_ike_timer, a);
	a->engine_timer = evtimer_new(a->base, on_engine_retry, a);
	a->settle_timer = evtimer_new(a->base, on_settle, a);
	a->prune_timer = evtimer_new(a->base, on_prune, a);
	a->retired_timer = evtimer_new(a->base, on_retired, a);
	a->back_timer = evtimer_new(a->base, on_back, a);
	a->standby_timer = evtimer_new(a->base, on_standby, a);
	a->mtu_timer = evtimer_new(a->base, on_mtu, a);
	if (!rtnl_ev || event_add(rtnl_ev, NULL) || !a->ike_timer || !a->engine_timer ||
	    !a->settle_timer || !a->prune_timer || !a->retired_timer || !a->back_timer ||
	    !a->standby_timer || !a->mtu_timer || conns_open(a) || clones_open(a) ||
	    mmx_steer_open(a) || resume_open(a) || restore_open(a) || consent_open(a) ||
	    shield_open(a) || classes_open(a) || steer_open(a) || silence_open(a))
		return -ENOMEM;
	for (size_t i = 0; i < 3; i++) {
		a->signals[i] = evsignal_new(a->base, sigs[i], on_signal, a);
		if (!a->signals[i] || event_add(a->signals[i], NULL))
			return -ENOMEM;
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int control_open(struct agent *a)
{
	int err = ctl_server_new(a->base, a->ctl_path, control_request, a, &a->ctl);

	if (err == -EADDRINUSE)
		log_error("another braidd answers at %s: stop it first, or choose another "
			  "--state-dir",
			  a->ctl_path);
	else if (err)
		log_error("the control socket %s cannot be made: %s; choose another --state-dir",
			  a->ctl_path, strerror(-err));
	return err;
}

static int agent_open(struct agent *a)
{
	struct ike_env env = { .ctx = a,
			       .spi_alloc = spi_alloc,
			       .spi_free = agent_spi_free,
			       .other_path = other_path,
			       .now_real = now_real };
	int err;

	a->base = event_base_new();
	a->msg = malloc(ENGINE_MSG_MAX);
	if (!a->base || !a->msg) {
		log_error("no event loop: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	err = rtnl_new(uplinks_on_change, a, &a->rtnl);
	if (err) {
		log_error("rtnetlink cannot be used: %s; a service or container must allow it",
			  strerror(-err));
		return err;
	}
	err = events_new(a);
	if (!err)
		err = control_open(a);
	if (err)
		return err;
	control_permit(a);
	err = ike_sockets(a); /* first: another agent's device and engine stay untouched */
	if (!err)
		err = backend_choose(a);
	if (!err)
		err = ike_bypass(a);
	if (!err)
		err = data_plane_open(a);
	if (!err)
		shield_recall(a);
	if (!err)
		classes_recall(a);
	if (!err)
		err = hints_open(a);
	if (!err)
		err = engine_link_open(a);
	if (err)
		return err;
	env.no_probes = env.one_pair = a->kernel_esp;
	env.cpus = backend_cpus(a);
	a->ike = ike_new(&a->conf->ike, &env, agent_now());
	if (!a->ike)
		return -ENOMEM;
	qcd_secret_load(a);
	uplinks_load(a);
	conns_load(a);
	conns_addrs(a, NULL);
	err = adopt(a);
	if (err)
		return err;
	classes_sync(a);
	err = privs_drop(dp_uses_xdp(a->dp));
	if (err) {
		log_error("privileges cannot be given up: %s", strerror(-err));
		return err;
	}
	/* Nothing fails from here on, so nothing has to be taken back without them. */
	err = agent_sandbox();
	if (err)
		log_warning("no system call filter: %s; going on without", strerror(-err));
	return 0;
}

/* A start that failed leaves things as it found them: what an earlier agent left goes on. */
static void agent_abandon(struct agent *a)
{
	engine_abandon(a);
	dp_abandon(a->dp);
	a->dp = NULL;
	if (a->esp_chosen && !a->taken_over)
		leftover_remove(a->opt.state_dir);
}

/* Everything of ours goes, but for the guards of what the configuration protects: that has no route
 * any more, not a clear one. */
static void agent_clean(struct agent *a)
{
	struct dp_options opt = { .pin_dir = a->opt.pin_dir, .steer_dev = a->conf->steer };

	agent_retired_run(a, true);
	list_for_each_safe (it, tmp, &a->peers)
		peer_free(a, list_entry(it, struct peer, node));
	guards_load(a, &a->conf->ike);
	sources_clean(a);
	qcd_secret_drop(a);
	if (engine_ready(a)) {
		struct engine_id bye = { 0 };
		int err = engine_request(a, &bye.h, ENGINE_SHUTDOWN, sizeof(bye.h));

		if (err && a->kesp)
			log_warning("not all of the kernel's ESP could be removed: %s; braid flush "
				    "tries again",
				    strerror(-err));
	}
	engine_link_close(a);
	if (dp_shield_stays(a->dp))
		log_warning(
			"transport mode: the shield cannot stay by itself; braid flush takes it "
			"away, and the steering with it");
	dp_close(a->dp);
	a->dp = NULL;
	dp_flush(&opt);
	leftover_remove(a->opt.state_dir);
}

static void agent_close(struct agent *a)
{
	consent_close(a);
	ctl_server_free(a->ctl);
	long_lists_close(a);
	path_tests_close(a);
	ike_free(a->ike);
	engine_link_close(a);
	dp_close(a->dp);
	rtnl_free(a->rtnl);
	conns_close(a);
	clones_close(a);
	silence_close(a);
	mmx_steer_close(a);
	inner_close(a);
	shield_close(a);
	steer_close(a);
	sources_close(a);
	hash_clear(&a->families);
	sessions_close(a);
	hash_clear(&a->lines);
	hash_clear(&a->peers_of);
	hash_clear(&a->children);
	hash_clear(&a->paths);
	hash_clear(&a->path_names);
	free(a->msg);
	conf_free(a->conf);
}

int agent_run(const struct agent_options *opt, struct conf *conf)
{
	static struct agent agent;
	struct agent *a = &agent;
	int err;

	a->opt = *opt;
	a->conf = conf;
	a->engine_fd = a->ike_fd4 = a->ike_fd6 = -1;
	a->next_epid = a->next_ifid = 1;
	a->started = agent_now();
	list_init(&a->peers);
	list_init(&a->retired);
	list_init(&a->mtu_soon);
	list_init(&a->mtu_rest);
	list_init(&a->conns);
	list_init(&a->clones);
	list_init(&a->long_lists);
	list_init(&a->path_tests);
	list_init(&a->shield_old);
	list_init(&a->mmx_steers);
	list_init(&a->budgets);
	list_init(&a->saved_paths);
	hash_init(&a->shield_rules);
	hash_init(&a->families);
	hash_init(&a->sessions);
	hash_init(&a->lines);
	hash_init(&a->peers_of);
	hash_init(&a->children);
	hash_init(&a->paths);
	hash_init(&a->path_names);
	hash_init(&a->inner);
	hash_init(&a->sources);
	list_init(&a->sources_asked);
	a->sources_round = 1;
	snprintf(a->ctl_path, sizeof(a->ctl_path), "%s/ctl.sock", opt->state_dir);
	snprintf(a->engine_path, sizeof(a->engine_path), "%s/engine.sock", opt->state_dir);
	err = agent_open(a);
	if (!err) {
		certs_warn(a);
		log_info("braidd ready: %u connections, %u uplinks, %s %s", conf->ike.n_conns,
			 a->n_uplinks, a->kesp ? "ESP of the" : "crypto", a->engine_hello.crypto);
		agent_timer(a->settle_timer, SETTLE_MSEC * USEC_PER_MSEC);
		agent_timer(a->prune_timer, PRUNE_SEC * USEC_PER_SEC);
		traffic_plan(a);
		agent_drain(a);
		event_base_dispatch(a->base);
		agent_clean(a);
	} else {
		agent_abandon(a);
	}
	agent_close(a);
	return err;
}
