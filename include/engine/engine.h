/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of braid-esp: what packet threads (worker.c) and the control thread (server.c, paths.c)
 * share. The control thread owns everything; a worker reads the SAD between epoch_enter and
 * epoch_leave, writes its own counters, and tells the control thread things by notes: datagrams on
 * a socket pair, dropped when it is full.
 */
#ifndef BRAID_ENGINE_ENGINE_H
#define BRAID_ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "esp/pmtu.h"
#include "esp/probe.h"
#include "esp/proto.h"
#include "esp/sad.h"
#include "net/linkwatch.h"
#include "net/tun.h"
#include "net/udp_gso.h"

enum { ENGINE_WORKERS_MAX = EPOCH_READERS };

/* Of the control thread, as nice(1) counts, and as RLIMIT_NICE does. */
enum { ENGINE_NICE = -10, ENGINE_NICE_LIMIT = 20 - ENGINE_NICE };

struct bond_path;
struct engine_fds;
struct maps;
struct worker;
struct paths;

struct engine_sockets {
	int udp4, udp6;
};

struct engine {
	struct engine_config cfg;
	bool configured;
	struct tun tun;
	struct engine_sockets sock[ENGINE_WORKERS_MAX];
	int raw4, raw6;		      /* plain ESP */
	struct udp_dest dest4, dest6; /* the stable pair */
	struct udp_dest raw_dest4, raw_dest6;
	struct sad sad;
	uint64_t flow_seed;
	int n_workers;
	struct worker *worker[ENGINE_WORKERS_MAX];
	int note_rx, note_tx;
	int stop_fd;			   /* readable when the workers shall end */
	_Atomic(struct steer_view *) view; /* the steering maps; NULL before ENGINE_MAPS */

	/* Control thread only. */
	struct maps *retired_maps;
	struct paths *paths;
	struct linkwatch links;
	bool watching;	       /* there are links */
	bool links_unsure;     /* something may have been missed */
	uint64_t no_link;      /* paths taken out because their link or address was lost */
	const char *sock_path; /* borrowed; removed at the end */
	void (*event)(struct engine *e, struct engine_hdr *msg, size_t len);
	uint8_t probe_buf[PMTU_CEILING];
};

/* Notes from worker to control thread. Others are events of the protocol, passed on as they are:
 * ENGINE_EV_IKE_RECV, ENGINE_EV_SA_SEEN, ENGINE_EV_SA_LIMIT. */
enum { NOTE_PROBE = 512 };

struct note_probe {
	struct engine_hdr h;
	uint32_t sa_id, ifindex;
	struct udp_addr local, remote;
	usec_t received;
	uint8_t data[PROBE_LEN];
};

struct worker_counters {
	uint64_t tun_rx_packets, tun_rx_octets, tun_tx_packets, tun_tx_octets, udp_rx,
		drop_no_policy, drop_unknown_spi, drop_short, drop_replay, drop_integrity,
		drop_malformed, drop_ts, drop_ecn, drop_tun, drop_limit, drop_too_big, fragmented,
		keepalives, crypto_errors, held, drop_hold_full, drop_hold_late, drop_transport,
		drop_blocked, duplicates, bond_waited, bond_missed, bond_late, bond_full,
		bond_yielded, bond_ended;
};

usec_t engine_now(void);

/* engine_config.c: open TUN and sockets, drop privileges, start the workers. 0 or -errno with a
 * sentence for the agent (base/explain.h); on failure everything is as before. */
int engine_configure(struct engine *e, const struct engine_config *cfg, char *ret_why,
		     size_t why_len);
void engine_unconfigure(struct engine *e);
/* ENGINE_CLASSES. 0 or -errno with a sentence. */
int engine_classes(struct engine *e, const struct engine_fds *fds, char *ret_why, size_t len);
/* 0, or why an SA of this family and encapsulation cannot send: -EADDRNOTAVAIL (no stable pair),
 * -EAFNOSUPPORT, -EPROTONOSUPPORT (no socket). */
int engine_can_send(const struct engine *e, const struct engine_sa *req);

/* maps.c: ENGINE_MAPS. 0 or -errno, and then those from before are kept. */
int maps_take(struct engine *e, const struct engine_maps *req, const struct engine_fds *fds);
/* Unmap what no packet thread looks at any more. True if something is left. */
bool maps_reclaim(struct engine *e);
void maps_clear(struct engine *e); /* no packet thread may be left */

/* sandbox.c: seccomp, for all threads. 0 or -errno (a kernel without it). */
int engine_sandbox(void);

/* worker.c */
int worker_start(struct engine *e, int index, struct worker **ret_worker);
void worker_join(struct worker *w); /* after stop_fd became readable */
void worker_free(struct worker *w); /* after all have been joined: they share */
void worker_counters(const struct worker *w, struct worker_counters *c, uint64_t *ret_tx,
		     uint64_t *ret_drop_send);
/* Its queues of all classes but the default have begun to be used: it reads them, too. From the
 * control thread. 0 or -errno. */
int worker_classes(struct worker *w);
/* An awaited SA is there, or will not come: packets that may wait for it are looked at. */
void worker_kick(struct worker *w);
/* The agent is told of limits reached (enum sa_reached). Any thread. */
void engine_tell_limits(const struct engine *e, struct sa *sa, unsigned reached);
/* Outer socket, and destination on the stable pair, for ESP in UDP or not. */
int engine_route(struct engine *e, uint8_t family, bool encap, int index,
		 const struct udp_dest **ret_dest);

/* paths.c: the table of probed paths. */
struct paths *paths_new(void);
void paths_free(struct paths *p);
int paths_add(struct engine *e, const struct engine_path *req, usec_t now);
int paths_del(struct engine *e, uint32_t id);
int paths_want(struct engine *e, uint32_t id, enum engine_want want, usec_t now);
/* Send a probe that counts for nothing but its answer (ENGINE_EV_PONG). */
int paths_ping(struct engine *e, const struct engine_ping *req);
/* An SA goes away: its paths follow the successor. Call before sad_del. */
void paths_sa_gone(struct engine *e, uint32_t sa_id);
void paths_probe(struct engine *e, const struct note_probe *n);
/* Take out the paths of an interface, or only those from one address of it. */
void paths_link_lost(struct engine *e, uint32_t ifindex, const struct addr *local, usec_t now);
/* Take out those whose link or address is not there. */
void paths_check_links(struct engine *e, const struct linkwatch_here *here, usec_t now);
/* Send what is due, judge what is late. Returns when to be called again. */
usec_t paths_run(struct engine *e, usec_t now);
/* What bonding knows of a path. Any thread. */
struct bond_path *paths_bond(const struct engine *e, uint32_t id);
/* One ENGINE_PATH_INFO or ENGINE_EV_PATH for each path. */
void paths_each(struct engine *e, void (*fn)(void *ctx, struct engine_path_info *info), void *ctx);

/* server.c: the protocol. Serves until SIGTERM or ENGINE_SHUTDOWN. listen_fd is taken. */
int server_run(struct engine *e, int listen_fd);

#endif
