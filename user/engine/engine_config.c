/* SPDX-License-Identifier: GPL-2.0-only */
#include <cap-ng.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/explain.h"
#include "base/log.h"
#include "crypto/rng.h"
#include <linux/types.h>
#include "abi/steer.h"
#include "engine/engine.h"
#include "esp/client.h"

enum { MTU_MIN = 576, MTU_MAX = 9000 };

usec_t engine_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

static void set_dest(struct udp_dest *d, const struct addr *local, const struct addr *remote,
		     uint16_t port)
{
	struct udp_addr to = { .ip = *remote, .port = port };

	memset(d, 0, sizeof(*d));
	d->from = *local;
	d->to_len = udp_addr_to_sockaddr(&to, &d->to);
}

/* Super-packets as long as the uplinks have them: what transport mode brings from there would be
 * cut into packets at a device that takes less. Some need two UDP GSO messages. */
static int open_tun(struct engine *e, char *ret_why, size_t len)
{
	enum { OCTETS = 65536, SEGMENT_MIN = 536 };

	return tun_open(&e->tun, e->cfg.tun, e->n_workers, e->n_workers * (STEER_CLASSES - 1),
			e->cfg.tun_mtu, OCTETS, OCTETS / SEGMENT_MIN + 1, ret_why, len);
}

int engine_classes(struct engine *e, const struct engine_fds *fds, char *ret_why, size_t len)
{
	bool new = e->tun.n_idle > 0;
	int r;

	if (!e->configured || fds->n != 1)
		return explain(ret_why, len, -EINVAL, "the agent's request makes no sense");
	r = tun_steer(&e->tun, fds->fd[0], ret_why, len);
	for (int i = 0; new &&r == 0 && i < e->n_workers; i++)
		r = worker_classes(e->worker[i]);
	return r;
}

static int open_sockets(struct engine *e, char *ret_why, size_t len)
{
	bool no_ipv6 = false;
	int r = 0;

	for (int i = 0; i < e->n_workers && r == 0; i++) {
		r = udp_gso_open(4, e->cfg.port, &e->sock[i].udp4, ret_why, len);
		if (r == 0 && !no_ipv6)
			r = udp_gso_open(6, e->cfg.port, &e->sock[i].udp6, ret_why, len);
		if (r == -EAFNOSUPPORT && e->sock[i].udp4 >= 0) {
			no_ipv6 = true;
			r = 0;
		}
	}
	if (r == 0 && no_ipv6)
		log_warning("this kernel has no IPv6: going on with IPv4");
	if (r == 0 && !udp_gro_on(e->sock[0].udp4))
		log_warning("this kernel cannot join UDP datagrams that arrive (UDP_GRO): "
			    "reception is slower");
	if (r == 0 && esp_raw_open(4, &e->raw4) < 0)
		log_warning("no raw socket for plain ESP over IPv4, only UDP encapsulation");
	if (r == 0 && !no_ipv6 && esp_raw_open(6, &e->raw6) < 0)
		log_warning("no raw socket for plain ESP over IPv6, only UDP encapsulation");
	return r;
}

/* From here on: marks on packets, nothing else. Threads started later inherit it. */
static int drop_privileges(const struct engine *e)
{
	uint32_t mark = 0;

	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW);
	capng_update(CAPNG_ADD, CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	if (setsockopt(e->sock[0].udp4, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
		capng_update(CAPNG_DROP, CAPNG_PERMITTED, CAP_NET_ADMIN);
	else /* before Linux 5.17 SO_MARK needed it */
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int engine_can_send(const struct engine *e, const struct engine_sa *req)
{
	bool v4 = req->family == 4;

	if ((v4 ? e->dest4.to_len : e->dest6.to_len) == 0)
		return -EADDRNOTAVAIL;
	if (req->flags & ENGINE_SA_ENCAP)
		return (v4 ? e->sock[0].udp4 : e->sock[0].udp6) < 0 ? -EAFNOSUPPORT : 0;
	return (v4 ? e->raw4 : e->raw6) < 0 ? -EPROTONOSUPPORT : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void engine_unconfigure(struct engine *e)
{
	uint64_t one = 1;

	if (e->stop_fd >= 0 && write(e->stop_fd, &one, sizeof(one)) < 0)
		log_warning("packet threads were not told to stop: %s", strerror(errno));
	for (int i = 0; i < e->n_workers; i++)
		if (e->worker[i])
			worker_join(e->worker[i]);
	for (int i = 0; i < e->n_workers; i++)
		worker_free(e->worker[i]);
	tun_close(&e->tun);
	for (int i = 0; i < ENGINE_WORKERS_MAX; i++) {
		e->worker[i] = NULL;
		close_fd(&e->sock[i].udp4);
		close_fd(&e->sock[i].udp6);
	}
	close_fd(&e->raw4);
	close_fd(&e->raw6);
	close_fd(&e->stop_fd);
	e->n_workers = 0;
	e->configured = false;
}

static int check(const struct engine_config *c)
{
	if (c->tun_mtu < MTU_MIN || c->tun_mtu > MTU_MAX || c->port == 0 || c->stable_port == 0 ||
	    c->workers > ENGINE_WORKERS_MAX || !memchr(c->tun, 0, sizeof(c->tun)) || !c->tun[0])
		return -EINVAL;
	if (c->stable4_remote.family != 4 && c->stable6_remote.family != 6)
		return -EINVAL;
	return 0;
}

/* All of the configuration but the header. */
static bool same(const struct engine_config *a, const struct engine_config *b)
{
	return memcmp((const uint8_t *)a + sizeof(a->h), (const uint8_t *)b + sizeof(b->h),
		      sizeof(*a) - sizeof(a->h)) == 0;
}

/* Probes and their answers are the control thread's: they must not wait behind packets for a
 * processor, or a path seems longer than it is and its failure is seen late. The packet threads,
 * already started, keep their priority. Where it is not allowed it is not needed to work. */
static void prefer_control(void)
{
	if (setpriority(PRIO_PROCESS, 0, ENGINE_NICE) < 0)
		log_debug("probes have no priority: %s", strerror(errno));
}

/* All it needs of the kernel. 0 or -errno with a sentence. */
static int open_all(struct engine *e, char *ret_why, size_t len)
{
	int r = 0;

	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return explain(ret_why, len, -errno, "no event descriptor: %s", strerror(errno));
	r = rng_bytes(&e->flow_seed, sizeof(e->flow_seed));
	if (r < 0)
		return explain(ret_why, len, r, "no random numbers: %s", strerror(-r));
	r = open_tun(e, ret_why, len);
	if (r == 0)
		r = open_sockets(e, ret_why, len);
	if (r < 0)
		return r;
	r = drop_privileges(e);
	if (r < 0)
		return explain(ret_why, len, r, "privileges cannot be given up: %s", strerror(-r));
	for (int i = 0; i < e->n_workers && r == 0; i++)
		r = worker_start(e, i, &e->worker[i]);
	if (r < 0)
		return explain(ret_why, len, r, "%d packet threads cannot be started: %s",
			       e->n_workers, strerror(-r));
	prefer_control();
	return 0;
}

int engine_configure(struct engine *e, const struct engine_config *cfg, char *ret_why,
		     size_t why_len)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int r = check(cfg);

	if (r < 0)
		return explain(ret_why, why_len, r, "the agent's request makes no sense");
	if (e->configured && !same(&e->cfg, cfg))
		return explain(ret_why, why_len, -EBUSY,
			       "the running engine has another configuration (device, MTU, stable "
			       "addresses, workers): stop it first, with SIGTERM");
	if (e->configured)
		return 0;
	e->cfg = *cfg;
	e->n_workers = cfg->workers ? cfg->workers : cores < 1 ? 1 : (int)cores;
	if (e->n_workers > ENGINE_WORKERS_MAX)
		e->n_workers = ENGINE_WORKERS_MAX;
	set_dest(&e->dest4, &cfg->stable4_local, &cfg->stable4_remote, cfg->stable_port);
	set_dest(&e->dest6, &cfg->stable6_local, &cfg->stable6_remote, cfg->stable_port);
	set_dest(&e->raw_dest4, &cfg->stable4_local, &cfg->stable4_remote, 0);
	set_dest(&e->raw_dest6, &cfg->stable6_local, &cfg->stable6_remote, 0);
	r = open_all(e, ret_why, why_len);
	if (r < 0) {
		engine_unconfigure(e);
		return r;
	}
	e->configured = true;
	r = engine_sandbox();
	if (r < 0)
		log_warning("no system call filter: %s", strerror(-r));
	log_info("%s is up, MTU %u, %d packet threads, UDP port %u%s", e->tun.name, cfg->tun_mtu,
		 e->n_workers, cfg->port, e->tun.uso ? "" : ", no UDP super-packets");
	return 0;
}
