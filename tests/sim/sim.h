/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE cores in one process, joined by a virtual link with virtual time.
 *
 * A 64-bit mask picks the datagrams that are lost, counted from 0 over both directions in the order
 * they are sent. Nothing sleeps; randomness is a seeded generator. Thread: one.
 */
#ifndef BRAID_TESTS_SIM_H
#define BRAID_TESTS_SIM_H

#include "crypto/alg.h"
#include "ike/ike.h"
#include "ike/mmx.h"
#include "ikemsg/ikemsg.h"

enum { SIM_SIDES = 2, SIM_CHILDREN = 256, SIM_EVENTS = 256, SIM_WIRE = 512, SIM_BINDINGS = 64 };
enum { A, B }; /* A starts, B answers, unless a test says otherwise */

struct sim;

struct sim_event {
	enum ike_event_kind kind;
	uint32_t op, child_id;
	enum ike_failure failure;
	uint16_t notify;
	struct ike_path path;
	bool encap;
	usec_t rtt;
	uint64_t line, clone_of, auth;
	usec_t session;
	char text[320];
};

struct sim_side {
	struct sim *sim;
	unsigned index;
	struct ike *ike;
	struct ike_cfg cfg;
	struct ike_conn_cfg conn[2];
	struct ike_child_cfg child[2][4];
	struct ike_pool_cfg pool[2];
	uint32_t next_spi;
	int spis; /* reserved now */
	bool no_spis;
	uint16_t cpus; /* as in struct ike_env; before sim_start */
	unsigned n_children;
	struct child_sa_out children[SIM_CHILDREN]; /* installed now */
	unsigned n_bindings;
	struct ike_binding bindings[SIM_BINDINGS]; /* there now */
	unsigned n_told;			   /* how often of one */
	struct ike_mmx_answer mmx;		   /* the last one */
	struct ike_mmx_probed probed;
	unsigned n_events;
	struct sim_event events[SIM_EVENTS];
	/* the last word on a packet's size, and how many there were */
	unsigned n_sizes;
	uint16_t size_octets;
	enum ike_size size;
};

struct sim_packet {
	bool used;
	unsigned to;
	usec_t due;
	uint64_t number;
	struct udp_addr src, dst; /* as the receiver sees them */
	uint8_t *buf;
	size_t len;
};

struct sim {
	usec_t now;
	int64_t real; /* what the calendar says, in seconds since 1970 */
	usec_t delay;
	uint64_t lose;	     /* bit n: datagram n of the run is lost */
	uint64_t duplicate;  /* bit n: it arrives twice */
	uint64_t late;	     /* bit n: it arrives after the following ones */
	bool cut[SIM_SIDES]; /* everything sent by that side is lost */
	bool nat;	     /* A is behind a NAT */
	uint16_t nat_shift;  /* added to A's ports; change = new mapping */
	bool v6;
	uint16_t mtu; /* whole datagrams larger than that are lost, others fragmented; 0: none */
	bool (*other_path)(void *ctx, const char *conn, struct ike_path *ret_path);
	uint64_t sent;
	struct sim_side side[SIM_SIDES];
	struct sim_packet wire[SIM_WIRE];
	/* last datagram that each side sent, before loss */
	uint8_t last[SIM_SIDES][65536];
	size_t last_len[SIM_SIDES];
	struct ike_path last_path[SIM_SIDES];
	unsigned keepalives[SIM_SIDES];
	unsigned exchanges[SIM_SIDES][64]; /* requests and responses sent, by exchange type */
	/* may look at a datagram as it goes onto the wire, and change it */
	void (*on_wire)(struct sim *s, struct sim_packet *p);
	/* may watch CHILD_ADD and CHILD_DEL, in their order */
	void (*on_child)(struct sim *s, unsigned side, const struct ike_output *o);
};

/* Two cores with matching configurations: connection "c", Child SAs "net" and "more", secret
 * "secret", ids a.example and b.example. Change cfg of a side, then sim_start. */
struct sim *sim_new(uint64_t seed, bool v6);
void sim_start(struct sim *s);
void sim_free(struct sim *s);
/* Apply a changed cfg of a side to its core. */
void sim_reload(struct sim *s, unsigned side);

/* Until nothing is on the wire and no timer is due within `quiet` from now. */
void sim_settle(struct sim *s, usec_t quiet);
/* For that long. */
void sim_run(struct sim *s, usec_t duration);
/* Deliver what is on the wire now, and no more than n datagrams. */
void sim_steps(struct sim *s, unsigned n);
/* Deliver one of s->wire now; what is answered is on the wire afterwards. */
void sim_deliver(struct sim *s, struct sim_packet *p);
/* From now on randomness repeats what it was after another call with the same seed. */
void sim_seed(uint64_t seed);
/* Take outputs of a side now, so that they are on the wire. */
void sim_drain(struct sim *s, unsigned side);
/* Replace the core of a side by one that knows nothing. */
void sim_fresh(struct sim *s, unsigned side);
/* Replace the core of a side by a new one that imports the images of the old. */
void sim_restart(struct sim *s, unsigned side);

int sim_up(struct sim *s, unsigned side, const char *child, uint32_t op);
struct ike_path sim_path(const struct sim *s, unsigned side);

/* Events of that kind; with op != 0 only those that end it. */
unsigned sim_count(const struct sim_side *d, enum ike_event_kind kind, uint32_t op);
unsigned sim_op_ends(const struct sim_side *d, uint32_t op);
const char *sim_text(const struct sim_side *d, enum ike_event_kind kind);
/* What it was told of that binding, or NULL. */
const struct ike_binding *sim_binding(const struct sim_side *d, uint32_t id);
/* The last one of that kind, or NULL. */
const struct sim_event *sim_last_event(const struct sim_side *d, enum ike_event_kind kind);
/* Every Child SA of one side has its counterpart with crossed SPIs and keys on the other, and both
 * have n. Says what is wrong on stderr. */
bool sim_mirrored(const struct sim *s, unsigned n);
struct addr sim_addr(const char *text);
struct ike_ts sim_ts(const char *prefix);

#endif
