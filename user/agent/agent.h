/* SPDX-License-Identifier: GPL-2.0-only */
/* The agent: the only place that knows all modules. What its files share.
 *
 * Objects: uplink (an interface from the configuration, with its endpoints), family (lines that
 * steer together), peer (a line of IKE SAs with its children, paths and one steering group), path,
 * child. One event loop, one thread.
 */
#ifndef BRAID_AGENT_AGENT_H
#define BRAID_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/slept.h"
#include "base/usec.h"
#include "conf/conf.h"
#include "ctl/server.h"
#include "dp/dp.h"
#include "dp/members.h"
#include "esp/pmtu.h"
#include "esp/proto.h"
#include "ike/ike.h"
#include "net/rtnl.h"
#include "steer/capacity.h"
#include "steer/load.h"

struct engine_fds;
struct event;
struct event_base;
struct kesp;

enum {
	AGENT_PATH_MAX = 192, /* of a file name */
	AGENT_EPS_MAX = 8,    /* endpoints per uplink */
	AGENT_OPS_MAX = 64,
	CONN_ERROR_MAX = 256,
	CONN_PAIRS_MAX = 32, /* of addresses that are tried for a connection */
	RANGE_PREFIXES_MAX = 64,
	PORT_IKE = 500,
	PORT_NATT = 4500,
};

struct agent_options {
	const char *conf_file;
	const char *state_dir;
	const char *pin_dir;
	const char *engine_binary;
	int starter_fd;
};

struct endpoint {
	struct addr addr;
	enum rtnl_addr_rank rank;
	uint16_t epid;	/* unique, never reused in the agent's life */
	uint32_t ruled; /* agent.sources_round when its source rule was set; 0: it has none */
};

struct uplink {
	struct conf_uplink cfg;	 /* cfg.interface: the device, also where that was a pattern */
	char name[IKE_NAME_MAX]; /* of a found one that of its interface, else cfg.name */
	bool found;		 /* by pattern or kind: it goes with its interface */
	uint32_t ifindex;	 /* 0: no such interface now */
	bool up;
	uint32_t mtu;
	uint16_t ifid; /* as which peers know it: unique, never another's */
	uint8_t n_eps;
	struct endpoint eps[AGENT_EPS_MAX];
	char attach_why[192];
	uint32_t shield_of; /* whose state `shielded` is; 0: not known */
	bool shielded;
	enum uplink_kind kind; /* found out, of that interface: uplink_kind */
	uint32_t kind_of;
	uint64_t tx_bps; /* traffic.c */
};

/* What its counters were at some time. */
struct path_look {
	usec_t at; /* 0: never */
	struct steer_path_stat stat;
	uint64_t seqs, authentic; /* of its relation's SAs: report_paths.c */
	uint32_t sas;		  /* which these are; 0: not looked at */
};

/* What has gone over it, when it was last looked at: traffic.c. */
struct path_traffic {
	usec_t at;	 /* 0: never */
	uint64_t octets; /* both ways: what was counted for its uplink's budget */
	uint64_t tx, class_octets[STEER_CLASSES];
	uint64_t tx_bps;
	struct load load, told; /* told: when its classes were last planned for it */
	struct capacity capacity;
};

/* Whether anything comes in while packets go out: silence.c. */
struct path_silence {
	uint64_t tx, rx; /* packets, when it was last looked at */
	usec_t since;	 /* so long out and nothing in; 0: it is not so */
	unsigned asked;	 /* so often in a row */
};

/* Who saw the reason of a decision. */
enum decided_by { BY_NETLINK, BY_ENGINE, BY_PROBES, BY_PEER, BY_OPERATOR, BY_IKE, BY_AGENT };

enum { PATH_WHY_MAX = 112 };

struct path {
	struct list node;
	struct hash_node by_id, by_name; /* in struct agent */
	struct peer *peer;
	uint32_t id; /* of the maps */
	char name[2 * IKE_NAME_MAX];
	int uplink; /* index, -1 if none is configured for it */
	uint32_t ifindex;
	struct udp_addr local, remote;
	struct addr hop;
	struct source *source; /* NULL: the host's own routes are right */
	uint16_t epid_i, epid_r, weight;
	uint32_t limit; /* octets of IP packets, of link and configuration; 0: not known */
	bool main;	/* the IKE SA's pair at set-up: usable without probes */
	bool learned;	/* asked for by the peer */
	bool probed;	/* known to the engine */
	bool unproven;	/* it was probed, and is no more */
	bool verified;	/* return routability shown */
	bool in_group;
	enum member_why standby; /* why no flows are given to it, in its line's group */
	uint16_t share;		 /* the weight it has there */
	bool disabled;		 /* by the operator */
	bool peer_use;		 /* the peer wants traffic on it, */
	bool peer_standby;	 /* but only while it has nothing better */
	enum engine_want want;	 /* what it was asked for */
	bool gone;		 /* its address or interface is gone */
	uint16_t bound;		 /* bindings of MMX that have it */
	bool usable;		 /* one of these may send there without a probe's word */
	bool plain;		 /* and there is no NAT: ESP goes there without UDP */
	/* we take it out of use: programs are asked first (consent.c) */
	enum { PATH_STAYS, PATH_ASKED_ABOUT, PATH_MAY_GO } leaving;
	enum steer_path_state state; /* as published */
	usec_t since;
	char why[PATH_WHY_MAX];
	enum decided_by by;	      /* of why */
	usec_t back_since;	      /* since when it answers again */
	struct engine_path_info info; /* last word of the engine */
	struct path_look looks[2];    /* report_paths.c: the older and the newer one */
	struct path_traffic traffic;
	struct path_silence silence;
	/* what its counters had when a number became this class's */
	struct steer_class_stat class_from[STEER_CLASSES];

	/* mtu.c */
	struct list mtu_node; /* agent.mtu_soon or .mtu_rest */
	struct pmtu search;   /* by IKE */
	bool searched, measured;
	usec_t mtu_at;
	uint64_t mtu_octets; /* sent when it was last found busy */
	uint32_t mtu_said, mtu_before;
	uint8_t mtu_family; /* of the search */
	usec_t mtu_hinted;  /* when it was last asked for somebody's word */
};

struct child {
	struct list node;
	struct hash_node by_id; /* in struct agent */
	struct peer *peer;
	uint32_t id, spi_in, spi_out, out_index;
	char name[IKE_NAME_MAX];
	uint64_t selectors;	 /* family_selectors of it */
	usec_t until;		 /* retired: when it goes */
	uint16_t home;		 /* MMX: the number of our interface that it is for; 0: not known */
	bool adopted;		 /* by another start of the agent, which knew its home */
	bool additional;	 /* it does not stand for the child: child_sa_out */
	bool direct;		 /* by policies of the host's own addresses (direct.c) */
	struct session *session; /* that it counts for; NULL: there was no memory */
	struct binding *binding; /* of MMX; NULL: its line's group */
	enum child_mode mode;
	uint8_t n_ts_local, n_ts_remote, n_vips;
	struct addr vips[IKE_VIPS_MAX];	     /* on the TUN device, while it needs them */
	struct ike_ts *ts_local, *ts_remote; /* in `came`, or ts_own, which is the child's */
	struct ike_ts *ts_own;		     /* NULL: it has those that it came with */
	struct ike_ts came[];
};

/* Lines that steer together. */
struct family {
	struct hash_node by_key; /* in struct agent */
	uint64_t key;
	size_t n_lines;
	bool crowded;		       /* it has more paths than a group has room for */
	usec_t steer_due;	       /* when its classes are looked at again; USEC_NEVER */
	struct list lines;	       /* oldest first */
	char prefer[2 * IKE_NAME_MAX]; /* a path's name: the operator's choice; "": none */
};

struct peer {
	struct list node;
	struct hash_node by_line, by_conn; /* in struct agent */
	struct family *family;
	struct list in_family;
	uint64_t line; /* of IKE SAs */
	uint64_t kind; /* the first line of its family with Child SAs for the same traffic */
	char conn[IKE_NAME_MAX];
	bool role_i, probes;
	bool path_probes;	       /* the engine may ask on the paths of bindings */
	bool ending;		       /* we close it: its flows go by others */
	bool encap;		       /* ESP goes in UDP */
	uint32_t group;		       /* id of class 0's; 0: none yet */
	uint32_t n_epid_r;	       /* remote addresses numbered so far */
	char prefer[2 * IKE_NAME_MAX]; /* of its pairs in standby: the operator's choice */
	uint32_t room; /* octets behind the outer IP header, as far as we know; 0: unknown */
	struct ike_path ike_path;
	/* move.c: pairs tried; the Child SAs are about to follow the IKE SA. When a better uplink
	 * is asked (0: there is none), when it was (0: no answer is awaited), the wait after
	 * silence, answers in a row; when it was taken last, how long it has to wait when that was
	 * no good. */
	unsigned tries;
	bool moving, fled; /* from a pair that was gone */
	bool hasty;	   /* it moved while interfaces were changing */
	usec_t back_at, back_asked, back_wait;
	uint8_t back_answers;
	usec_t back_since, back_penalty;
	struct refusal *refusals;  /* NULL: none */
	struct log_limit lines;	   /* about its paths */
	struct standbys *standbys; /* NULL: none; standby.c */
	struct mmx_steer *steer;   /* NULL: none; mmx_steer.c */
	struct {
		uint16_t epid;
		usec_t at, wait;
	} first; /* first_packet.c: what was asked for last */
	struct list paths, children;
	struct list bindings;  /* bindings.h */
	struct steer *classes; /* NULL: none; steer.h */
	uint64_t asks_heard;   /* asks.c: what it has answered last */
};

/* A pair of addresses that IKE may move to, or that it uses. */
struct standby {
	struct ike_path pair; /* ports as configured */
	char name[2 * IKE_NAME_MAX];
	uint32_t rtt, rtt_min, jitter; /* usec; 0: not known */
	usec_t tested, answered;       /* last; 0: never */
	usec_t next;		       /* when it is tested again */
	unsigned silent;	       /* tests in a row without an answer */
};

struct standbys {
	usec_t pause;	       /* no test before */
	uint32_t prefer_waits; /* the same, while another test is under way */
	char prefer_name[2 * IKE_NAME_MAX];
	uint32_t prefer_op; /* of the test that decides whether to move there; 0: none */
	size_t n;
	struct standby list[]; /* best first */
};

/* Of a peer, by its own word. */
struct addrs {
	unsigned n;
	struct addr list[IKE_PEER_ADDRS_MAX];
};

/* A command that waits for the core's word. */
struct op {
	uint32_t id; /* 0: free */
	struct ctl_req *req;
	char child[IKE_NAME_MAX]; /* wanted on the clone that is made; "": none */
};

struct agent {
	struct agent_options opt;
	char ctl_path[AGENT_PATH_MAX], engine_path[AGENT_PATH_MAX];
	usec_t started;
	struct conf *conf;
	struct event_base *base;
	struct ike *ike;
	struct dp *dp;
	struct rtnl *rtnl;
	struct ctl_server *ctl;

	bool esp_chosen, kernel_esp;  /* backend.c: whose ESP it is; the kernel's */
	bool esp_plain;		      /* the kernel's, without XFRM interfaces */
	char esp_why[CONF_ERROR_MAX]; /* why whose it is */
	bool taken_over;	      /* an earlier agent has left something of that kind */
	struct kesp *kesp;	      /* NULL: ESP is the engine's, or not open yet */

	int engine_fd;	     /* -1: not connected */
	bool engine_started; /* by us */
	struct event *engine_ev;
	uint32_t engine_seq;
	struct engine_hello engine_hello;
	struct engine_counters engine_counters;
	uint8_t *msg; /* ENGINE_MSG_MAX octets */

	int ike_fd4, ike_fd6;
	uint32_t tun_ifindex;
	uint8_t n_uplinks;
	struct uplink uplinks[CONF_UPLINKS_MAX];
	bool uplinks_full; /* an interface found no place */
	uint16_t next_epid, next_ifid;
	struct list peers;
	struct hash families;	       /* by key */
	struct hash sessions;	       /* by family, as the core counts them */
	struct hash lines, peers_of;   /* peers by line, by connection */
	size_t most_peers;	       /* since memory was last given back */
	usec_t trim_at;		       /* when it is, 0: not now */
	struct hash children;	       /* by id */
	struct hash paths, path_names; /* by id, by name */
	struct list long_lists;	       /* answers under way */
	struct list path_tests;
	struct hash inner;   /* inner.c: what is routed to the TUN device */
	struct hash sources; /* sources.c */
	struct list sources_asked;
	uint32_t sources_round; /* older ones are to be set again */
	bool sources_sifted;
	struct event *restore_timer; /* restore.c */
	bool restore_due;
	usec_t restored_at, restore_wait;
	struct list retired;	 /* Child SAs whose last packets may be under way, oldest first */
	struct consent *consent; /* consent.c */
	struct op ops[AGENT_OPS_MAX];
	uint32_t next_op;
	struct list mtu_soon, mtu_rest; /* mtu.c */
	usec_t mtu_next;		/* no question before */
	usec_t mtu_hint_next;		/* no hint is looked at before */
	struct event *ike_timer, *engine_timer, *settle_timer, *prune_timer, *conns_timer,
		*retired_timer, *mtu_timer, *back_timer, *standby_timer, *shield_timer;
	struct event *class_timer;  /* classes.c */
	struct event *change_timer; /* classes_change.c */
	bool classes_on;	    /* the engine tells classes apart */
	bool classes_due;	    /* the rules wait for a free table */
	bool classes_blind;	    /* there are rules, and nobody goes by them */
	uint64_t class_cgroups[CLASS_RULES_MAX];
	bool classes_change; /* packets are under way that rules of classes_former have met */
	struct classes_cfg classes_former;
	struct list shield_old;	  /* struct shield_old */
	struct hash shield_rules; /* the same, by selectors */
	size_t n_shield_old;
	uint32_t shield_device; /* where what is protected goes; 0: not known, or nowhere */
	uint32_t loose_ifindex; /* the TUN device whose reverse path filter is loose */
	usec_t esp_asked;	/* when the engine was last asked for the times of its SAs */
	usec_t conns_wake;	/* when conns_timer fires; 0: not armed */
	usec_t standby_wake;	/* when standby_timer fires; 0: not armed */
	usec_t back_wake;	/* when back_timer fires; 0: not armed */
	struct event *silence_timer;
	size_t silence_next; /* of all paths the first to be looked at */
	struct list conns;
	struct list clones; /* clones.c */
	struct event *clones_timer;
	struct list mmx_steers; /* mmx_steer.c */
	struct event *mmx_timer;
	usec_t mmx_wake; /* when it fires; 0: not armed */
	struct event *steer_timer, *traffic_timer;
	usec_t steer_wake;		  /* when it fires; 0: not armed */
	usec_t traffic_every;		  /* 0: nothing is counted */
	uint8_t traffic_rates;		  /* a bit for each class that asks for rates */
	bool rates_asked;		  /* a peer was granted such a mode */
	struct list budgets, saved_paths; /* traffic.c */
	usec_t budgets_saved;
	bool budgets_unsaved; /* and that was said */
	struct event *signals[3];
	struct event *clock_ev;
	struct slept slept;
	bool stopping;
	struct log_limit hints, routers, unsent, unrouted, taken;
	int64_t certs_looked, ends_next; /* seconds since 1970 */

	/* report_stats.c: what counters stood at when the operator let them begin anew */
	usec_t reset_at; /* 0: never */
	uint64_t base_engine_started, base_drops[DROP_MAX];
	struct engine_counters base_engine;
	struct ctl_counters base_ctl;
};

usec_t agent_now(void);

/* ---- agent.c ---- */

int agent_run(const struct agent_options *opt, struct conf *conf);
/* Carry out what the core wants, keep its images safe, arm its timer. After every call into it. */
void agent_drain(struct agent *a);
void agent_stop(struct agent *a); /* orderly: Deletes, then everything of ours goes */
int agent_reload(struct agent *a, char err[CONF_ERROR_MAX]);
/* Have an event fire after so long. */
void agent_timer(struct event *ev, usec_t usec);

/* ---- conns.c: which connections shall be up, and when they are tried again ---- */

/* What status tells of a connection besides what is there. */
struct conn_state {
	bool wanted;	 /* by configuration or operator */
	bool held;	 /* down by the operator's word */
	usec_t next;	 /* when it is tried again; 0: nothing planned */
	usec_t error_at; /* 0: nothing failed yet */
	char error[CONN_ERROR_MAX];
};

int conns_open(struct agent *a); /* 0 or -ENOMEM */
void conns_close(struct agent *a);
/* Take the configuration's wishes; the operator's stay. */
void conns_load(struct agent *a);
/* What was taken over from an earlier agent is wanted. */
void conns_adopted(struct agent *a);
/* Begin what is wanted, not there and due. */
void conns_run(struct agent *a);
/* Interfaces, addresses or routes have changed: no reason to wait any longer (the second: for those
 * that had no way to their peer), then conns_run. */
void conns_uplink_changed(struct agent *a);
void conns_settled(struct agent *a);
/* What ends now is set up again without a pause. */
void conns_engine_lost(struct agent *a);
/* child_or_null: name of the Child SA concerned. */
void conns_on_event(struct agent *a, const struct ike_output *o, const char *child_or_null);
/* The operator's word, guards included. Without a child it is about all of them. The core is told
 * by the caller; conns_up_already: it says that there is nothing to do. */
void conns_up(struct agent *a, const char *conn, const char *child_or_null);
void conns_up_already(struct agent *a, const char *conn, const char *child_or_null);
void conns_down(struct agent *a, const char *conn, const char *child_or_null);
void conns_state(const struct agent *a, const char *conn, struct conn_state *ret_state);
/* Is this child down by the operator's word? */
bool conns_held(const struct agent *a, const char *conn, const char *child);
/* Is its traffic kept from leaving in clear text by the operator's word? */
bool conns_guarded(const struct agent *a, const char *conn, const char *child);
/* The pairs that there are now, of uplinks that are up and have a way there: best uplink first,
 * another uplink before another address; told: what the peer has besides its configured addresses.
 * The pair to begin with: the first, then the next one after each failure. */
size_t conns_pairs(struct agent *a, const struct ike_conn_cfg *c, const struct addrs *told,
		   struct ike_path ret_pairs[CONN_PAIRS_MAX]);
/* May its peers see that address of an uplink: its local_addrs, and the uplinks of its paths, if
 * any are named. */
bool conns_local_allowed(const struct agent *a, const struct ike_conn_cfg *c,
			 const struct uplink *u, const struct addr *local);
/* And is it for new pairs: of its family the uplink has none of a better rank. */
bool conns_local_new(const struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		     const struct endpoint *ep);
/* Tell the core which addresses the peers of a connection, or of all, may be told of. */
void conns_addrs(struct agent *a, const char *conn_or_null);
bool conns_first_path(struct agent *a, const struct ike_conn_cfg *c, struct ike_path *ret_path);
/* The next one, as nobody answers there; after the last the first. */
bool conns_other_path(struct agent *a, const char *conn, struct ike_path *ret_path);
const struct ike_conn_cfg *agent_conn(const struct agent *a, const char *name);

/* ---- backend.c: whose ESP it is ---- */

/* a->kernel_esp; what an earlier agent left of the other kind is ended. 0, or -errno and said. */
int backend_choose(struct agent *a);
/* Can what is configured now go on with it? 0, or -errno with a sentence. */
int backend_reload(const struct agent *a, const struct conf *fresh, char err[CONF_ERROR_MAX]);
/* The kernel's: a->kesp. 0, or -errno and said. */
/* How many CPUs can have SAs of their own; 0, and a warning if it is configured: it cannot do that.
 */
uint16_t backend_cpus(const struct agent *a);
int backend_open(struct agent *a, void (*on_event)(void *ctx, struct engine_hdr *msg, size_t len));

/* ---- engine_link.c: requests to the back end, which the engine's protocol names, and its events.
 * "engine" stands for both kinds below. ---- */

/* Is there one to be asked? */
static inline bool engine_ready(const struct agent *a)
{
	return a->kesp || a->engine_fd >= 0;
}

/* Connect to the engine, starting one if nobody answers; hello, configuration, maps. Logs one
 * sentence on failure, unless the engine itself has said it. */
int engine_link_open(struct agent *a);
/* End the engine if we started it: the agent's own start has failed. */
void engine_abandon(struct agent *a);
void engine_link_close(struct agent *a);
/* After the old engine's end: a new one, or another attempt in a second. */
void engine_replace(struct agent *a);
/* A request and its result. Events that come before it are handled. 0 or -errno. */
int engine_request(struct agent *a, struct engine_hdr *msg, uint16_t type, size_t len);
/* With descriptors (borrowed). On failure ret_why is the engine's sentence, or that of the error.
 */
int engine_request_fds(struct agent *a, struct engine_hdr *msg, uint16_t type, size_t len,
		       const struct engine_fds *fds, char *ret_why, size_t why_len);
/* All that it has: SAs, paths, images. 0 or -errno. */
int engine_list(struct agent *a, void (*fn)(void *ctx, const struct engine_hdr *h, size_t len),
		void *ctx);
/* Refresh counters and path infos, and hear of every Child SA, however many there are. */
int engine_stats(struct agent *a, void (*on_sa)(void *ctx, const struct engine_sa_info *sa),
		 void *ctx);
/* Refresh counters and path infos. */
int engine_paths(struct agent *a);
/* What the engine knows of one Child SA. 0, -ENOENT, -errno. */
int engine_sa_get(struct agent *a, uint32_t id,
		  void (*on_sa)(void *ctx, const struct engine_sa_info *sa), void *ctx);
/* What would become of such a packet. 0 or -errno. */
int engine_flow(struct agent *a, struct engine_flow *m, struct engine_flow_info *ret_info);
/* Packets with this inbound SPI wait in the engine for their SA, or no longer. */
void engine_expect(struct agent *a, uint32_t spi, bool on);
/* whole: as one packet or not at all. */
void engine_ike_send(struct agent *a, const struct ike_path *p, const uint8_t *buf, size_t len,
		     bool whole);
void engine_keep_image(struct agent *a, uint64_t key, const uint8_t *img, size_t len);

/* ---- qcd_secret.c ---- */

/* Read it, or make it, and give it to the core. Without one the agent goes on. */
void qcd_secret_load(struct agent *a);
/* At an orderly end peers got Deletes: nothing of ours stays in our own directory. */
void qcd_secret_drop(struct agent *a);

/* ---- images.c ---- */

/* Hand changed images to the engine, take back what ended. Before each datagram leaves, so that
 * message ids never go back, whenever we die; costs nothing when nothing has changed. */
void images_keep(struct agent *a);
void images_forget(struct agent *a); /* the engine that held them is gone */

/* ---- children.c ---- */

void agent_child_add(struct agent *a, const struct ike_output *o);
/* A clone without Child SAs as yet: its path stands by. */
void agent_line_add(struct agent *a, const struct ike_output *o);
void agent_child_del(struct agent *a, uint32_t id);
/* Make it one of p's. */
/* With copies of the selectors; NULL: no memory. */
struct child *child_alloc(const struct ike_ts *local, uint8_t n_local, const struct ike_ts *remote,
			  uint8_t n_remote);
void child_fixed_addr(struct agent *a, struct child *c);
void agent_child_free(struct child *c);
/* It has other selectors from now on. */
void agent_child_ts(struct agent *a, uint32_t id, const struct ike_child_ts *ts);
void agent_child_link(struct agent *a, struct peer *p, struct child *c);
/* A rekeyed one: its peer has been told to use it no more, but paths differ in length, and packets
 * wait in queues. Its outbound half goes at once, its inbound half after some seconds. */
void agent_child_retire(struct agent *a, uint32_t id);
/* Of ike_env: an inbound SPI without an SA. */
void agent_spi_free(void *ctx, uint32_t spi);
/* Those whose time has come; all: at once. */
void agent_retired_run(struct agent *a, bool all);
struct child *agent_child_find(struct agent *a, uint32_t id, struct peer **ret_peer);
/* Is there a Child SA of that name? */
bool agent_child_up(const struct agent *a, const char *conn, const char *child);
/* ..., another one than that. */
bool agent_child_up_but(const struct agent *a, const char *conn, const char *child, uint32_t but);
/* Made if absent. NULL: no memory. */
struct peer *peer_get(struct agent *a, uint64_t family, uint64_t line, const char *conn);
struct peer *peer_find(struct agent *a, uint64_t line);
/* It may know the engine's path probes: which are for whom? */
void peer_probes(struct agent *a, struct peer *p, bool knows);
/* Its ESP goes in UDP, or not, whatever the number of its SAs. */
void peer_encap(struct agent *a, struct peer *p, bool encap);
void peer_free(struct agent *a, struct peer *p);

/* ---- inner.c: routes and addresses of the inner side ---- */

void inner_add(struct agent *a, const struct child *c, const struct ike_ts *local, uint8_t n_local);
/* The same for what an earlier agent added. */
void inner_adopt(struct agent *a, const struct child *c);
void inner_del(struct agent *a, const struct child *c);
/* All routes once more: somebody may have taken them away. */
void inner_again(struct agent *a);
void inner_close(struct agent *a); /* forget, change nothing */
/* A range as prefixes to be routed: all addresses (0/0) are two. Returns how many; what does not
 * fit is left out (0: nothing). */
size_t range_prefixes(const struct addr *first, const struct addr *last, struct prefix *out,
		      size_t max);

/* ---- guards.c ---- */

/* What the configuration itself protects (pools, start_action = start) has them from the first
 * start on, and keeps them when the operator takes the connection down and when we end. Other
 * connections have them from the operator's `up` until his `down` or our orderly end. They outlive
 * agent and engine when these are killed. What two need stays until neither does. */

/* First all that shall stand, then what only the old configuration asked for goes; that may be the
 * one of now. NULL: nothing goes. */
void guards_load(struct agent *a, const struct ike_cfg *old_or_null);
/* After a change of what is wanted of that connection. */
void guards_conn(struct agent *a, const char *conn);

/* Is that child protected, by the configuration or the operator, also while there is none? */
bool guards_due(const struct agent *a, const struct ike_conn_cfg *c,
		const struct ike_child_cfg *child);
/* Does it ask for guards over all addresses, those of peers among them? */
bool guards_cover_all(const struct ike_conn_cfg *c);

/* ---- first_packet.c ---- */

/* The engine had no SA for a packet. */
void first_packet(struct agent *a, const struct engine_no_sa *m);

/* ---- classes.c: which packets belong to a traffic class ---- */

int classes_open(struct agent *a);
/* There is a device, and nothing has gone through it. */
void classes_prepare(struct agent *a);
/* The configuration or the engine is new: classes can be told apart from now on. Failure is said:
 * all traffic is of one class then. */
void classes_ready(struct agent *a);
/* Then, and when their groups are there: the rules. */
void classes_sync(struct agent *a);
/* Before anything is numbered. */
void classes_recall(struct agent *a);
/* The engine is gone, and its device. */
void classes_lost(struct agent *a);
/* The id of a control group, by its path below the mount, and of all above it; 0: it is not there.
 * Returns how many. */
enum { CLASSES_CGROUPS_MAX = 32 };
size_t classes_cgroups(const char *path, uint64_t ret_ids[CLASSES_CGROUPS_MAX]);

/* ---- shield.c: transport mode ---- */

int shield_open(struct agent *a);
/* An agent before has died, and with it what it knew of SAs that were gone or had others: what it
 * has left protected stays so for a while. */
void shield_recall(struct agent *a);
void shield_close(struct agent *a);
/* What is protected, and where, anew: at once, or when the loop comes round. */
void shield_sync(struct agent *a);
void shield_soon(struct agent *a);
/* A Child SA is about to be installed, or to get these selectors: what is inside of the first
 * packet that comes by it may be answered before the loop comes round. 0, or -errno: it is not
 * protected.
 */
int shield_ahead(struct agent *a, enum child_mode mode, const struct ike_ts *local, uint8_t n_local,
		 const struct ike_ts *remote, uint8_t n_remote);
/* A Child SA came or its selectors are about to be others: what they were stays blocked for grace.
 */
void shield_child(struct agent *a, const struct child *c, usec_t grace);
void shield_child_gone(struct agent *a, const struct child *c);
/* It is no uplink any more. */
void shield_leave(struct agent *a, struct uplink *u);

/* ---- direct.c: transport mode by policies of the host's own addresses ---- */

struct direct_child {
	enum child_mode mode;
	uint8_t n_ts_local, n_ts_remote;
	const struct ike_ts *ts_local, *ts_remote;
};
/* Is a Child SA of that connection to be for the host's own routes? */
bool direct_wanted(const struct agent *a, const char *conn, const struct direct_child *child);
/* Those that are of the other kind are rekeyed. */
void direct_reload(struct agent *a);

/* ---- sources.c: source routes ---- */

/* The host's routes lead a path elsewhere: see to it that they do not. Again after every change. */
void source_use(struct agent *a, struct path *p);
void source_leave(struct agent *a, struct path *p);
/* Before there are paths: for the pairs of all connections, and for peers that may come over any of
 * several uplinks. */
void sources_load(struct agent *a);
/* The rule of an address that goes. */
void source_rule_leave(struct agent *a, uint32_t ifindex, const struct endpoint *ep);
/* Once all that is needed stands: what an earlier agent left goes. */
void sources_sift(struct agent *a);
void sources_clean(struct agent *a); /* take back what is left when all paths are gone */
void sources_close(struct agent *a); /* forget, change nothing */

/* ---- paths.c ---- */

/* Does the configuration want this pair? Without named paths, every pair of one family. */
bool path_pair_wanted(const struct agent *a, const struct ike_conn_cfg *c, const struct uplink *u,
		      const struct addr *remote);
/* The pair the IKE SA uses, as a path; made if absent. */
struct path *path_main(struct agent *a, struct peer *p, const struct ike_path *ike);
/* The path with that pair, for a binding; made if absent. id: numbers of both endpoints. NULL:
 * there can be none. */
struct path *path_bound(struct agent *a, struct peer *p, const struct ike_path *pair, uint32_t id);
/* The state it has by all that is known of it. */
void path_judge(struct agent *a, struct path *p);
/* ESP of the peer goes over that pair from now on, unless probes know more than one path. */
void path_follow(struct agent *a, struct peer *p, const struct ike_path *to);
/* Bring the paths of a peer in line with configuration, interfaces and addresses. */
void paths_sync(struct agent *a, struct peer *p);
void paths_sync_all(struct agent *a);
/* The same once what happens now is over. */
void paths_soon(struct agent *a);
/* Responder: paths the peer has left behind, silent for long while another works. */
void paths_prune(struct agent *a);
void path_free(struct agent *a, struct path *p);
struct path *path_find(struct agent *a, uint32_t id);
/* Its id is known now. */
void path_index(struct agent *a, struct path *p);
/* Is its link up and its address there? */
bool path_has_address(const struct agent *a, const struct path *p);
/* Link or address is gone: out of use at once. */
void path_down(struct agent *a, struct path *p, enum decided_by by, const char *why);
/* What the engine measured, and that alone: safe while a request to it waits. */
void path_info(struct agent *a, const struct engine_path_info *info);
void path_on_engine(struct agent *a, const struct engine_path_info *info);
void path_on_join(struct agent *a, const struct engine_join *join);
void path_disable(struct agent *a, struct path *p, bool disable);
/* New next hop or MAC? Write the record again. */
void path_publish(struct agent *a, struct path *p, int state);
void path_probe(struct agent *a, struct path *p);
/* Its line has no Child SA to probe in any more. */
void path_unprobe(struct agent *a, struct path *p);
/* One request at once, outside its interval. */
void path_probe_now(struct agent *a, struct path *p);
const char *path_state_name(enum steer_path_state s);

/* Packets may go there, well or badly. */
static inline bool path_works(const struct path *p)
{
	return p->state == STEER_PATH_UP || p->state == STEER_PATH_DEGRADED;
}

/* ---- decide.c: the event log ---- */

const char *decided_by_name(enum decided_by by); /* "netlink" */

struct decision {
	enum decided_by by;
	const char *from, *to; /* states, or names; NULL: does not apply */
	usec_t lasted;	       /* how long it was as before; 0: does not apply */
	usec_t silent;	       /* how long nothing of the peer has come; 0: does not apply */
};

/* An event with these members besides; taken. */
void decision_publish(struct agent *a, json_t *event, const struct decision *d);
/* Added, removed or in another state: p->why tells why. */
void path_decided(struct agent *a, struct path *p, enum ctl_event kind, const struct decision *d);
/* The path's name, and what. */
void path_said(struct agent *a, struct path *p, enum ctl_event kind, enum decided_by by,
	       const char *what);
/* A plan for a relation, as an event of kind progress. */
void relation_said(struct agent *a, struct peer *p, enum decided_by by, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* That pair of addresses is the operator's choice now, or no more. */
void relation_preferred(struct agent *a, struct peer *p, const char *path, bool preferred);
/* A class goes another way. text: for people; the class and why: for programs. */
void class_said(struct agent *a, struct peer *p, const char *class, const char *text,
		const char *why, const struct decision *d);
/* what: "the relation", "IKE". */
void relation_moves(struct agent *a, struct peer *p, const char *what, const struct decision *d,
		    const char *why);

/* ---- session.c ---- */

/* A Child SA of that family (`auth` of the core) is there; is about to leave the engine. lines: of
 * its family now. */
void session_child(struct agent *a, struct child *c, uint64_t family, size_t lines);
void session_child_gone(struct agent *a, struct child *c);
/* After a restart of the agent: what those carried that were gone before. */
void session_restore(struct agent *a, const struct ike_sa_info *sa);
/* IKE_EV_SESSION. */
void session_end(struct agent *a, const struct ike_output *o);
void sessions_close(struct agent *a); /* forget */

/* ---- family.c ---- */

/* False: no memory. */
bool family_join(struct agent *a, struct peer *p, uint64_t key);
/* The others carry on without its paths. */
void family_leave(struct agent *a, struct peer *p);
/* Close one of its lines, after its flows have gone to the others. As ike_down_line. */
int family_close_line(struct agent *a, uint64_t line, uint32_t op);
/* Free it if it has no lines any more. */
void family_unref(struct agent *a, struct family *f);
/* Its authentication is another one, or will be that of all its lines, which go on with it. */
void family_renumber(struct agent *a, struct peer *p, uint64_t key);
/* Membership, weights or the operator's choice may have changed: the groups of all its lines. What
 * is as before costs no store. */
void family_sync(struct agent *a, struct family *f);
/* The same after a change to the Child SAs of a line; free where there is no other one. */
void family_child_changed(struct agent *a, struct peer *p);
/* Which of its lines have Child SAs with equal sets of selectors. */
void family_kinds(struct family *f);
/* Of one family: do their Child SAs have equal sets of selectors? */
bool family_shares(const struct peer *p, const struct peer *q);
/* A number for a Child SA's selectors; another one in each process. Different ones may share it:
 * which SAs are for the same traffic the engine decides. */
uint64_t family_selectors(const struct ike_ts *local, size_t n_local, const struct ike_ts *remote,
			  size_t n_remote);
struct path *family_path(const struct family *f, const char *name);
/* The oldest of its family, which speaks for all of them where that is to happen once. */
bool family_is_first(const struct peer *p);
/* Does another line of its family use that pair of addresses? */
bool family_uses(const struct peer *p, const struct ike_path *pair);
/* Is there another path that works? */
bool family_works_besides(const struct family *f, const struct path *path);

/* ---- group.c ---- */

/* Write down which paths of its family carry the traffic of that line: one store. */
void group_write(struct agent *a, struct peer *p);
/* How many of these there would be with a share now, and the last of them. */
size_t group_shares(const struct agent *a, const struct peer *p, uint32_t *ret_path);
/* How many uplinks are used before its own. */
uint16_t path_rank(const struct agent *a, const struct path *p);
/* When its pair does not work any more the IKE SA goes on over a path that does. */
void ike_follow(struct agent *a, struct peer *p);
/* All traffic goes there while it is up, ours at once, the peer's by our word in the probes. Until
 * path_prefer_none or the end of the relation. */
void path_prefer(struct agent *a, struct path *p);
void path_prefer_none(struct agent *a, struct family *f);
bool path_is_preferred(const struct path *p);
/* Tell the peer how to use it, if that has changed. */
void path_tell_want(struct agent *a, struct path *p);

/* ---- path_name.c ---- */

struct path *path_by_name(struct agent *a, const char *conn_or_null, const char *name);
/* The ids of its endpoints, and its name. */
void path_label(struct agent *a, struct path *p);
/* Its name, from configuration or uplink and ids. */
void path_rename(struct agent *a, struct path *p);
/* Its weight by the configuration: in its group by the next family_sync. */
void path_weigh(const struct agent *a, struct path *p);
/* What tells a path or pair of that line from others of the same name: "wlan-1#3". */
void path_line_name(const struct peer *p, const char *name, char ret_name[2 * IKE_NAME_MAX]);
/* The name a path of ours would have. */
void path_pair_name(struct agent *a, struct peer *p, const struct ike_path *pair,
		    char ret_name[2 * IKE_NAME_MAX]);

/* ---- quality.c ---- */

/* How long a path of it must have worked before it is used again, usec. NULL: of no uplink. */
uint32_t uplink_fail_back(const struct agent *a, const struct uplink *u_or_null);
/* What the configuration says of its probes and of what is good enough. */
void path_quality(const struct agent *a, const struct path *p, struct engine_path *m);
/* After other settings were read: tell the engine. */
void paths_quality_again(struct agent *a);
/* When a packet of the peer last came on it, data or probe; 0: none. */
uint64_t path_heard(const struct agent *a, const struct path *p);
/* Why it is to be in that state, and who saw that. */
enum decided_by path_why(const struct agent *a, const struct path *p, enum steer_path_state want,
			 char why[PATH_WHY_MAX]);

/* ---- mtu.c ---- */

/* Octets of the IP packets it carries, as far as it is known; 0: not at all. */
uint32_t path_mtu(const struct path *p);
/* Who says so: "interface", "config" (of the uplink), "probes" (of the engine), "ike". */
const char *path_mtu_from(const struct agent *a, const struct path *p);
/* What the paths without the engine's probes carry, for the SAs of a peer. */
void peer_room(struct agent *a, struct peer *p);
/* It changed, and stays for a while: the record has it for whoever reads it. */
void path_mtu_told(struct agent *a, struct path *p);
/* Link, configuration or peer may have changed: what the path may carry, and whether IKE is to find
 * out what it does. Before it is written down. */
void mtu_sync(struct agent *a, struct path *p);
void mtu_forget(struct path *p);
/* It may lead elsewhere now. */
void mtu_recheck(struct agent *a, struct path *p);
/* Somebody who may be anybody says that ESP between these was too big for a link of so many octets
 * (0: not said), quoting its SPI (0: not): the path is asked, if that is its own and would be news.
 */
void mtu_hint(struct agent *a, const struct addr *local, const struct addr *remote, uint32_t spi,
	      uint32_t mtu);
void mtu_run(struct agent *a);
void mtu_on_size(struct agent *a, const struct ike_output *o);

/* Addresses count, ports are the IKE SA's. */
static inline bool same_pair(const struct ike_path *a, const struct ike_path *b)
{
	return addr_equal(&a->local.ip, &b->local.ip) && addr_equal(&a->remote.ip, &b->remote.ip);
}

/* ---- move.c: relations with one path (MOBIKE) ---- */

/* The burst of changes is over, in which it moved: what was sent before there was a route to the
 * peer is sent once more. */
void move_settled(struct agent *a, struct peer *p);
/* Its pair cannot be used any more: another one. Costs nothing otherwise. */
void move_run(struct agent *a, struct peer *p);
/* What the core says: nobody answers; somebody does on that pair; what a test of a pair brought. */
void move_on_unanswered(struct agent *a, struct peer *p);
void move_on_answered(struct agent *a, struct peer *p, const struct ike_path *pair);
void move_on_tested(struct agent *a, struct peer *p, const struct ike_path *pair, usec_t rtt);
/* The peer does not take the pair that it was to move to: that one has to wait. */
void move_on_refused(struct agent *a, struct peer *p, const struct ike_path *pair);
bool move_refused(const struct peer *p, const struct ike_path *pair);
/* A test that was under way has ended with the old IKE SA, without a word. */
void move_on_rekeyed(struct agent *a, struct peer *p);
/* The peer has told of other addresses. */
void move_on_peer_addrs(struct agent *a, struct peer *p);
/* Uplinks have changed: is there a better one to go back to? */
void move_plan(struct agent *a, struct peer *p);
/* Tests that are due. */
void moves_run(struct agent *a);
/* The pairs it may have by its configuration, best first; 0: it cannot move. */
size_t move_pairs(struct agent *a, const struct peer *p, struct ike_path pairs[CONN_PAIRS_MAX]);
/* With the ports that the IKE SA uses; what a NAT made of an initiator's is that of one address
 * only. */
struct ike_path move_with_ports(const struct agent *a, const struct peer *p,
				const struct ike_path *pair);
void move_now(struct agent *a, struct peer *p, const struct ike_path *pair, enum decided_by by,
	      const char *why);

/* ---- silence.c: paths that nobody probes ---- */

int silence_open(struct agent *a); /* 0 or -ENOMEM */
void silence_close(struct agent *a);
/* There is another path to look at. */
void silence_plan(struct agent *a);

/* ---- clones.c: an IKE SA for each path ---- */

int clones_open(struct agent *a); /* 0 or -ENOMEM */
void clones_close(struct agent *a);
/* What the core tells, of any connection. Enters the core later. */
void clones_on_event(struct agent *a, const struct ike_output *o);
/* Interfaces, addresses or the configuration have changed, or an agent has begun. */
void clones_changed(struct agent *a);
void clones_path_changed(struct agent *a, const struct peer *p);
/* The operator wants all of it. */
void clones_up(struct agent *a, const char *conn);
/* Is it one of those, whose pair of addresses is chosen here and not in move.c? */
bool clones_steer(const struct agent *a, const struct peer *p);
/* And another one works, so that it waits where it is. */
bool clones_wait(const struct agent *a, const struct peer *p);
/* Nobody answers it: if it waits it is asked over another one's pair. It would end here else, and
 * not at the peer, which would send on it one day. False: it does not wait. */
bool clones_ask(struct agent *a, const struct peer *p);
/* How many there are and should be; null: the connection has none. */
json_t *clones_report(const struct agent *a, const char *conn);

/* ---- standby.c: what such a relation may move to ---- */

/* Uplinks or addresses have changed: which pairs are there? */
void standby_plan(struct agent *a, struct peer *p);
void standby_free(struct peer *p);
/* Tests that are due. */
void standbys_run(struct agent *a);
void standby_on_tested(struct agent *a, struct peer *p, uint32_t op, const struct ike_path *pair,
		       usec_t rtt);
/* NULL: there is none of that name, of those pairs. */
const struct standby *standby_by_name(struct agent *a, const char *conn_or_null, const char *name,
				      struct peer **ret_peer);
struct standby *standby_of(const struct peer *p, const struct ike_path *pair);
bool standby_in_use(const struct peer *p, const struct standby *s);
/* Is that pair the operator's choice? */
bool standby_preferred(const struct peer *p, const struct ike_path *pair);
/* Test it; if it answers it is preferred, and the relation moves there. op ends with the test. */
int standby_prefer(struct agent *a, struct peer *p, const struct standby *s, uint32_t op);
void standby_prefer_none(struct agent *a, struct peer *p);

/* ---- uplinks.c ---- */

void uplinks_load(struct agent *a);
void uplinks_on_change(void *ctx, enum rtnl_change what, uint32_t ifindex);
struct uplink *uplink_of(struct agent *a, uint32_t ifindex);
int uplink_index(const struct agent *a, const struct uplink *u);
/* Less than 0: a is used before b. By preference, then what is not metered, then by cost. */
int uplink_cmp(const struct uplink *a, const struct uplink *b);
/* As configured, or else what its interface is found to be. */
enum uplink_kind uplink_kind(struct agent *a, struct uplink *u);
/* A number for an endpoint; 0: there is none left. */
uint16_t uplinks_epid(struct agent *a);
/* Those found by pattern or kind whose interface is gone, once no path needs them any more. */
void uplinks_forget(struct agent *a);

/* ---- restore.c ---- */

/* Another program took away rules or routes of ours: set all of them again. */
void restore_soon(struct agent *a);
int restore_open(struct agent *a); /* 0 or -ENOMEM */

/* ---- resume.c ---- */

/* Notice when the machine has slept, or its calendar was set. 0 or -errno. */
int resume_open(struct agent *a);
/* The same by looking, for what the kernel did not tell. */
void resume_look(struct agent *a);

/* ---- hints.c ---- */

/* Follow what the steering programs report. 0 or -ENOMEM. */
int hints_open(struct agent *a);

/* ---- adopt.c ---- */

/* Take over what an earlier agent left in engine and maps. */
int adopt(struct agent *a);

/* ---- control.c, report.c ---- */

void control_request(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args);
/* Whom the control socket is for, by the configuration. */
void control_permit(struct agent *a);
/* An event for everybody who follows. The strings may be NULL. */
void control_event(struct agent *a, enum ctl_event kind, const char *conn, const char *child,
		   const char *path, const char *uplink, const char *state, const char *why,
		   const char *text);
/* The same, to be added to; NULL: nobody would hear it. */
json_t *control_event_new(struct agent *a, enum ctl_event kind, const char *conn, const char *child,
			  const char *path, const char *uplink, const char *state, const char *why,
			  const char *text);
void control_publish(struct agent *a, json_t *event); /* taken */
/* A step or the end of an operation. */
void control_op_event(struct agent *a, const struct ike_output *o);
/* An IKE SA was cloned: what it is for comes next. May enter the core. */
void control_op_cloned(struct agent *a, const struct ike_output *o);
json_t *report_status(struct agent *a);
json_t *report_sa(struct agent *a, const struct ike_sa *sa);
/* What relations with one path may move to; of one connection, or all. */
json_t *report_standbys(struct agent *a, const char *conn_or_null);
/* Authentic packets that came by an SA. */
uint64_t report_authentic(const struct engine_sa_info *s);
void report_family_paths(struct agent *a, const struct family *f, json_t *out);
json_t *report_keys(struct agent *a);
/* Parts of answers. */
json_t *report_addrs(const struct addr *a, size_t n);
json_t *report_selectors(const struct ike_ts *ts, uint8_t n);
json_t *report_id(const struct ike_id *id);

/* ---- report_conns.c ---- */

/* A connection as it is configured: everything in force. */
json_t *report_conn(struct agent *a, const struct ike_conn_cfg *c);
/* What strangers are bound to, whichever connection they mean. */
json_t *report_limits(const struct agent *a);
/* The counters of IKE: of all, of one connection. */
json_t *report_counters(struct agent *a);
json_t *report_conn_counters(struct agent *a, const struct ike_conn_cfg *c);

/* ---- report_stats.c ---- */

json_t *report_stats(struct agent *a);
/* Those of report_stats and report_counters, which tell what they began at. */
void counters_reset(struct agent *a);
usec_t counters_since(const struct agent *a);

/* ---- report_certs.c ---- */

json_t *report_certs(struct agent *a);
/* A log line for each that has expired or will within two weeks, and for each OCSP response of ours
 * that peers will not take: at start and on reload. */
void certs_warn(struct agent *a);
/* The same for what has come to that since the last look: now and then. */
void certs_look(struct agent *a);

/* ---- long_list.c: answers in pieces; they end the request ---- */

void long_list_sas(struct agent *a, struct ctl_req *req);
void long_list_paths(struct agent *a, struct ctl_req *req, const char *conn_or_null);
void long_list_steering(struct agent *a, struct ctl_req *req, const char *conn_or_null);
/* Of the configuration's connections, or of that one. */
void long_list_conns(struct agent *a, struct ctl_req *req, const char *conn_or_null);
void long_list_counters(struct agent *a, struct ctl_req *req, const char *conn_or_null);
void long_lists_close(struct agent *a);

/* ---- path_test.c ---- */

/* Begin what the operator asks for; it ends the request. */
void path_test(struct agent *a, struct ctl_req *req, const struct path *p, const json_t *args);
void path_test_standby(struct agent *a, struct ctl_req *req, const struct peer *p,
		       const struct standby *s, const json_t *args);
void path_test_on_pong(struct agent *a, const struct engine_pong *m);
void path_test_on_tested(struct agent *a, uint32_t op, usec_t rtt);
void path_tests_close(struct agent *a);

/* ---- starter.c: a process that starts and ends the engine ---- */

enum starter_word { STARTER_STARTED, STARTER_REFUSED, STARTER_ENDED };
struct starter_said {
	enum starter_word word;
	int value; /* process id; errno; status of wait(2) */
};

/* Before anything is read. engine and state_dir are borrowed for good. 0 or -errno. */
int starter_new(const char *engine, const char *state_dir, int *ret_fd);
/* Start an engine: 0 or -errno of the execution; -EPIPE: the starter is gone. */
int starter_start(int fd);
/* Something it said unasked (STARTER_ENDED), within msec. -EAGAIN: nothing. */
int starter_wait(int fd, int msec, struct starter_said *ret_said);
/* End the engine that was started last and wait for it. */
void starter_end(int fd);
/* None will be started: the process ends. */
void starter_leave(int fd);

/* ---- privs.c ---- */

/* What is needed and missing, in one sentence; 0 or -EPERM and so on. */
int privs_check(char *ret_error, size_t len);
/* Give up what is not needed any more. 0 or -errno. */
int privs_drop(bool keep_sys_admin);

/* ---- sandbox.c ---- */

/* The system calls that are left. 0 or -errno (a kernel without filters). */
int agent_sandbox(void);

#endif
