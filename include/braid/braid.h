/* SPDX-License-Identifier: GPL-2.0-only */
/* libbraid: a program's word in which addresses protected traffic uses. See libbraid(3).
 *
 * A program connects to braidd over its control socket, reads which interfaces, relations, Child
 * SAs and paths there are, asks for addresses to be added, removed, exchanged or checked, follows
 * what happens, and can have itself asked before an address leaves a relation.
 *
 * Errors: functions that return int return 0, or less: -errno for what failed at this end, or one
 * of enum braid_error for what the agent says. braid_error(b) has the sentence. Nothing is printed.
 * Threads: a struct braid or struct braid_watch is used by one thread at a time, different ones at
 * the same time by different threads. No function blocks for longer than its timeout, and none
 * installs signal handlers; SIGPIPE is not raised. Memory: what a list function gives is one
 * object, which its _free function releases with all strings in it; it does not change and does not
 * need the connection any more. Strings are never NULL unless that is said: what is not known is
 * "". Arguments are borrowed for the call. Structs that the library gives may grow at their end
 * within a soname; lists are gone through by their next pointers. Those that a program provides
 * stay as they are; it fills them with zeros first
 * (= { 0 }): what is zero is not asked for.
 * Addresses are text, "192.0.2.1" or "2001:db8::1", with a port "192.0.2.1:4500" or
 * "[2001:db8::1]:4500". Times named _usec are microseconds of CLOCK_MONOTONIC when they are
 * moments.
 */
#ifndef BRAID_BRAID_H
#define BRAID_BRAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BRAID_API	     __attribute__((visibility("default")))
#define BRAID_SOCKET_DEFAULT "/run/braid/ctl.sock"

struct braid;	    /* a connection, for requests */
struct braid_watch; /* a connection, for what happens */

enum braid_error {
	BRAID_OK = 0,
	BRAID_ERR_FAILED = -10001,
	BRAID_ERR_NOT_FOUND = -10002, /* no connection, line, SA, path or endpoint of that name */
	BRAID_ERR_USAGE = -10003,     /* an argument that the agent does not understand */
	BRAID_ERR_REFUSED = -10004,   /* by its configuration, or it would do harm now */
	BRAID_ERR_TIMEOUT = -10005,   /* not done in time; it may still be under way */
	BRAID_ERR_NO_ANSWER = -10006, /* of the peer */
	BRAID_ERR_AUTH_FAILED = -10007,
	BRAID_ERR_PEER_REFUSED = -10008, /* see struct braid_result */
	BRAID_ERR_DENIED = -10009,	 /* this user may not ask for that */
	BRAID_ERR_UNSUPPORTED = -10010,	 /* this agent does not know that request: it is older */
	BRAID_ERR_NO_AGENT = -10011,	 /* nobody answers at that path */
	BRAID_ERR_CLOSED = -10012,	 /* the agent has closed the connection: connect again */
	BRAID_ERR_PROTOCOL = -10013,	 /* it speaks another version, or none */
};

/* "not-found"; of an -errno what strerror says. Never NULL; static, or of this thread. */
BRAID_API const char *braid_strerror(int error);

/* ---- connection ---- */

/* path: of the control socket, NULL: BRAID_SOCKET_DEFAULT. *ret_b is the caller's: braid_close.
 * BRAID_ERR_NO_AGENT; -EACCES: this user may not even connect; -errno. */
BRAID_API int braid_connect(const char *path, struct braid **ret_b);
BRAID_API void braid_close(struct braid *b); /* NULL is fine */
/* Why the last function with b failed, a sentence for people; "" after a success. Until the next
 * call with b. */
BRAID_API const char *braid_error(const struct braid *b);
/* How long operations may take (default 60,000): braid_up, braid_down and those of MMX. Others get
 * their answer from the agent alone, and 10 s for it. */
BRAID_API void braid_set_timeout(struct braid *b, unsigned msec);
/* Steps of operations, as text: fn is called during the call, from the same thread. NULL: nobody.
 */
typedef void braid_progress_fn(void *ctx, const char *text);
BRAID_API void braid_set_progress(struct braid *b, braid_progress_fn *fn, void *ctx);
/* Any command of braid-control(7). args_json: a JSON object of its members, NULL: none. *ret_json
 * (may be NULL): its data as one JSON text, "" if it has none; released with free(). -EINVAL when
 * args_json is no object; else as the command ends. */
BRAID_API int braid_request(struct braid *b, const char *command, const char *args_json,
			    char **ret_json);

/* ---- what there is ---- */

struct braid_endpoint {
	const char *address;
	unsigned number;		   /* that both sides know it by; 0: none yet */
	bool current;			   /* the IKE SA uses it; of announced ones */
	const struct braid_endpoint *next; /* NULL: the last, as everywhere */
};

/* An uplink of this host. */
struct braid_interface {
	const char *name; /* in configuration and commands */
	unsigned number;  /* that peers know it by; 0: none yet */
	const char *device;
	const char *kind; /* "wlan", "ran", "wired", "satellite", "any" */
	unsigned ifindex; /* 0: there is none now */
	bool up, metered;
	unsigned preference; /* 0 best */
	unsigned cost, weight;
	const struct braid_endpoint *endpoints; /* NULL: none */
	const struct braid_interface *next;
};

struct braid_interfaces {
	size_t n;
	const struct braid_interface *first;
};

BRAID_API int braid_interfaces(struct braid *b, struct braid_interfaces **ret_list);
BRAID_API void braid_interfaces_free(struct braid_interfaces *list); /* NULL is fine */

/* A pair of endpoints that a Child SA may use. */
struct braid_pair {
	const char *local, *remote; /* with ports */
	const char *path;	    /* name of the path, "": it is none of the data plane yet */
	bool verified;		    /* the peer is known to receive there */
	bool alternate;		    /* where it may fail over to, not used now */
	const struct braid_pair *next;
};

struct braid_child {
	unsigned id; /* as in events, while it lives */
	const char *name, *state;
	const char *mode; /* "tunnel", "transport" */
	uint32_t spi_in, spi_out;
	uint64_t rx_packets, rx_octets, tx_packets, tx_octets;
	uint64_t binding; /* what it is bound to; 0: to what the IKE SA is */
	const struct braid_pair *pairs;
	const struct braid_child *next;
};

/* An IKE SA: a line of the relation with a peer. Rekeying does not change its number. */
struct braid_relation {
	const char *conn; /* connection of the configuration */
	uint64_t line, family;
	const char *state; /* "ESTABLISHED" */
	bool initiator;	   /* of the first IKE SA of the family */
	const char *local, *remote, *local_id, *remote_id;
	bool mmx; /* addresses can be changed by braid_add and so on */
	const struct braid_child *children;
	const struct braid_relation *next;
};

struct braid_relations {
	size_t n;
	const struct braid_relation *first;
};

/* conn: of that connection, NULL: all. */
BRAID_API int braid_relations(struct braid *b, const char *conn, struct braid_relations **ret_list);
BRAID_API void braid_relations_free(struct braid_relations *list);

struct braid_path {
	unsigned id;
	const char *name, *conn;
	uint64_t line;
	const char *uplink, *local, *remote;
	unsigned local_number, remote_number; /* of the endpoints; 0: none */
	const char *state;		      /* "unknown", "up", "degraded", "down", "disabled" */
	const char *why;
	bool verified, preferred, in_use; /* the last: flows are given to it */
	uint32_t rtt_usec;		  /* 0: not known */
	unsigned loss_permille, mtu;	  /* octets of IP packets */
	uint64_t rx_packets, rx_octets, tx_packets, tx_octets;
	const struct braid_path *next;
};

struct braid_paths {
	size_t n;
	const struct braid_path *first;
};

BRAID_API int braid_paths(struct braid *b, const char *conn, struct braid_paths **ret_list);
BRAID_API void braid_paths_free(struct braid_paths *list);

/* An interface that a side has announced to the other. */
struct braid_announced {
	unsigned number;
	const char *name; /* of the uplink, of ours; "": not known */
	const char *link; /* "wlan", "cellular", "wired"...; "": not known */
	bool up, metered, backup;
	unsigned preference, mtu; /* 0 best; 0: not known */
	const struct braid_endpoint *endpoints;
	const struct braid_announced *next;
};

/* What both sides of one line have announced. */
struct braid_announcement {
	const char *conn;
	uint64_t line;
	bool on;			    /* MMX is agreed on; else all of the rest is empty */
	const struct braid_announced *ours; /* NULL: nothing yet */
	const struct braid_announced *peers;
	const struct braid_announcement *next;
};

struct braid_announcements {
	size_t n;
	const struct braid_announcement *first;
};

BRAID_API int braid_announcements(struct braid *b, const char *conn,
				  struct braid_announcements **ret_list);
BRAID_API void braid_announcements_free(struct braid_announcements *list);

/* ---- operations ---- */

/* Bring a connection up or down, child: one of its children, NULL: all of it. They return when it
 * is done, or has failed. */
BRAID_API int braid_up(struct braid *b, const char *conn, const char *child);
BRAID_API int braid_down(struct braid *b, const char *conn, const char *child);

enum braid_flag {
	BRAID_HARD = 1,	       /* the old endpoint is dead already */
	BRAID_BEST_EFFORT = 2, /* as many SAs as can be, instead of all or none */
	BRAID_PARALLEL = 4,    /* derived SAs beside others for the same traffic */
	BRAID_PRUNE = 8,       /* SAs with further endpoints only lose that one */
	BRAID_PEERS = 16,      /* endpoints of the peer's side, not of ours */
	BRAID_IKE = 32,	       /* the IKE SA too */
	BRAID_ALL = 64,	       /* every Child SA of the line */
	BRAID_HERE = 128,      /* the request goes out from the new endpoint */
	BRAID_OBSERVED = 256,  /* the new endpoint is behind a NAT: as the peer saw it last */
};

/* What to ask a peer for, by the multi-interface extension. An endpoint is named by its address, by
 * its number ("3"), or by the name of an uplink for all that it has. Which SAs: children of that
 * name, those SPIs (inbound at this end), BRAID_ALL, or, with none of these, those that use the old
 * endpoint (of braid_add: all). */
struct braid_change {
	const char *conn; /* needed unless line is given */
	uint64_t line;
	const char *old_endpoint, *new_endpoint;
	const char *const *alternates; /* best first */
	size_t n_alternates;
	const char *child;
	const uint32_t *spis;
	size_t n_spis;
	unsigned flags; /* enum braid_flag */
	/* Of braid_add_interface: the peer's endpoint that goes with the new one, the interface
	 * whose SAs are the parents, what becomes of its inner address: an address, or "assign", in
	 * the place of inner_old. All may be NULL. */
	const char *to, *from, *inner, *inner_old;
};

/* What the peer said. */
struct braid_result {
	char status[32];   /* "ok", "partial", "local-policy", "unreachable"...: braid-control(7) */
	char why[128];	   /* what the detail means; "": none was told */
	unsigned detail;   /* its number; 0: none */
	unsigned affected; /* Child SAs */
	unsigned valid_sec; /* of a check: for so long; 0: not told */
	unsigned limit;	    /* that would have been exceeded; 0: none */
	bool pending;	    /* the peer checks first that the new endpoint is reached */
	bool renegotiate;   /* it advises other algorithms */
};

/* In each of them ret_result may be NULL, and is filled in also when the peer refused
 * (BRAID_ERR_PEER_REFUSED); all zeros: it said nothing. Other programs are asked before an
 * endpoint of ours leaves: braid_consent_open. */

/* new_endpoint in the place of old_endpoint. */
BRAID_API int braid_update(struct braid *b, const struct braid_change *c,
			   struct braid_result *ret_result);
/* new_endpoint besides those in use. */
BRAID_API int braid_add(struct braid *b, const struct braid_change *c,
			struct braid_result *ret_result);
/* old_endpoint is not used any more. */
BRAID_API int braid_remove(struct braid *b, const struct braid_change *c,
			   struct braid_result *ret_result);
/* Where SAs on old_endpoint go when it fails: alternates, in that order; without any: nowhere. */
BRAID_API int braid_set_alternates(struct braid *b, const struct braid_change *c,
				   struct braid_result *ret_result);
/* Other SAs of the peer's old_endpoint move to its new_endpoint, an alternate. */
BRAID_API int braid_failover(struct braid *b, const struct braid_change *c,
			     struct braid_result *ret_result);
/* new_endpoint is that of an interface that is new: it gets SAs derived from those there are. */
BRAID_API int braid_add_interface(struct braid *b, const struct braid_change *c,
				  struct braid_result *ret_result);
/* The SAs of old_endpoint's interface go. */
BRAID_API int braid_delete_interface(struct braid *b, const struct braid_change *c,
				     struct braid_result *ret_result);
enum braid_action {
	BRAID_UPDATE,
	BRAID_ADD,
	BRAID_REMOVE,
	BRAID_SET_ALTERNATES,
	BRAID_FAILOVER,
	BRAID_ADD_INTERFACE,
	BRAID_DELETE_INTERFACE,
};
/* Would the peer agree to it? Nothing changes at either end. */
BRAID_API int braid_check(struct braid *b, enum braid_action action, const struct braid_change *c,
			  struct braid_result *ret_result);

struct braid_probed {
	uint32_t rtt_usec;
	bool nat;
	char seen[64]; /* our address as the peer sees it; "": it did not say */
};

/* Ask the peer on the path between two endpoints, of ours and of its. keep: keep NATs on the way
 * open from now on. BRAID_ERR_NO_ANSWER when nobody answers. */
BRAID_API int braid_probe(struct braid *b, const char *conn, const char *local, const char *remote,
			  bool keep, struct braid_probed *ret_probed);

/* ---- what happens ---- */

struct braid_event {
	const char *kind; /* "path-state": braid-control(7) */
	const char *text; /* one line for people */
	const char *conn, *child, *path, *uplink, *state, *why;
	uint64_t time_usec;
	const char *json; /* all of it */
};

/* ev is borrowed for the call. */
typedef void braid_event_fn(void *ctx, const struct braid_event *ev);

/* Follow everything. fn is called by braid_watch_dispatch alone. As braid_connect,
 * BRAID_ERR_DENIED. */
BRAID_API int braid_watch_open(const char *path, braid_event_fn *fn, void *ctx,
			       struct braid_watch **ret_w);
/* To be polled for reading (borrowed): then braid_watch_dispatch. */
BRAID_API int braid_watch_fd(const struct braid_watch *w);
/* Handle all that has come, waiting for something for timeout_msec at most (0: not at all, less:
 * for ever). Returns how many events there were, BRAID_ERR_CLOSED when the agent has ended, -EINTR,
 * -errno. A program that reads too slowly loses events and gets one of kind "lost". */
BRAID_API int braid_watch_dispatch(struct braid_watch *w, int timeout_msec);
BRAID_API void braid_watch_close(struct braid_watch *w); /* NULL is fine; not in its callback */

/* An address of ours leaves a relation, or has left. */
struct braid_leaving {
	bool gone;	/* already, nobody could be asked: the answer does not matter */
	uint64_t token; /* of the question; 0: nobody waits for an answer */
	const char *conn;
	uint64_t line; /* 0: all of the connection */
	size_t n_addresses;
	const char *const *addresses;
	const char *uplink;
	const char *by, *why; /* "operator", "down" */
	uint64_t wait_usec;   /* how long the answer is waited for */
	const char *text;
};

enum braid_answer {
	BRAID_YES,
	BRAID_WAIT, /* until braid_consent_yes, for as long as the agent allows */
};

typedef enum braid_answer braid_consent_fn(void *ctx, const struct braid_leaving *what);

/* Be asked before an address of ours leaves: of that connection, NULL: of any. The agent waits
 * consent_wait for the answer, and consent_wait_max in all (braid.conf(5)); no answer, and the end
 * of this program, are a yes. fn is called by braid_watch_dispatch, and what it returns is the
 * answer. BRAID_ERR_DENIED for users who may only read. */
BRAID_API int braid_consent_open(const char *path, const char *conn, braid_consent_fn *fn,
				 void *ctx, struct braid_watch **ret_w);
/* After BRAID_WAIT: go on now. BRAID_ERR_NOT_FOUND: it was waited for long enough. */
BRAID_API int braid_consent_yes(struct braid_watch *w, uint64_t token);

#ifdef __cplusplus
}
#endif

#endif
