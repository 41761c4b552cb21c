/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent and the ESP engine say to each other: one SOCK_SEQPACKET connection on a Unix
 * socket, one struct per message, host byte order (one machine), integers naturally aligned.
 *
 * The engine listens, outlives agents and serves one at a time; a new agent displaces a dead one
 * and reads everything back (ENGINE_LIST). Requests carry a sequence number and get exactly one
 * ENGINE_RESULT each, in order, after any data messages of theirs. Events are sent unasked, with
 * seq 0. When the agent's receive buffer is full events are dropped, results are not.
 * Both sides check the peer's credentials (same uid, or root) and the length of every message.
 *
 * The steering maps: the agent creates and pins them, and hands descriptors of some (mmapable) to
 * the engine with ENGINE_MAPS (SCM_RIGHTS): path_cur, so that it takes a silent path out of use
 * with one store, agent or no agent; group_cur, group and path to read, so that it knows over which
 * path the steering programs will send a packet, where each path has an SA of its own, or some go
 * through a NAT and others do not.
 */
#ifndef BRAID_ESP_PROTO_H
#define BRAID_ESP_PROTO_H

#include <stdint.h>

#include "base/addr.h"

enum { ENGINE_PROTO_VERSION = 1 };
enum { ENGINE_TS_MAX = 16, ENGINE_KEY_MAX = 64, ENGINE_BLOB_MAX = 60000, ENGINE_DGRAM_MAX = 65000 };

enum engine_msg_type {
	/* requests */
	ENGINE_HELLO = 1,  /* engine_hello -> engine_hello in a data message, result */
	ENGINE_CONFIG,	   /* engine_config: TUN, ports, stable pair; once, or the same again.
			    * -> ENGINE_WHY before the result when that is an error */
	ENGINE_MAPS,	   /* engine_maps + descriptors: in the order of enum engine_map */
	ENGINE_SA_ADD,	   /* engine_sa */
	ENGINE_SA_DEL,	   /* engine_id: Child SA id */
	ENGINE_SA_OUT_ON,  /* engine_id: stop deferring outbound */
	ENGINE_PATH_ADD,   /* engine_path: start probing */
	ENGINE_PATH_DEL,   /* engine_id: path id */
	ENGINE_PATH_WANT,  /* engine_path_want: tell the peer how to use this path */
	ENGINE_IKE_SEND,   /* engine_dgram: send from port 4500; no result (seq 0). Without data:
			    * a NAT keepalive (RFC 3948 2.3) */
	ENGINE_BLOB_PUT,   /* engine_blob: keep an opaque image under a key, in memory only */
	ENGINE_BLOB_DEL,   /* engine_blob without data */
	ENGINE_LIST,	   /* -> ENGINE_SA_INFO*, ENGINE_PATH_INFO*, ENGINE_BLOB*, result */
	ENGINE_STATS,	   /* -> ENGINE_SA_INFO*, ENGINE_PATH_INFO*, ENGINE_COUNTERS, result */
	ENGINE_SHUTDOWN,   /* wipe all and exit */
	ENGINE_SA_RETIRE,  /* engine_id: send on it no more, take in what is under way; SA_DEL
			    * follows */
	ENGINE_SA_GET,	   /* engine_id: Child SA id -> ENGINE_SA_INFO, result */
	ENGINE_PATHS,	   /* -> ENGINE_PATH_INFO*, ENGINE_COUNTERS, result */
	ENGINE_GROUP_ROOM, /* engine_group_room: what the paths of its SAs carry, as far as the
			    * agent knows */
	ENGINE_SPI, /* engine_spi: packets with it wait for SA_ADD, or no longer; no result (seq
		     * 0). Lasts until then, or as long as the agent's connection */
	ENGINE_GROUP_ENCAP, /* engine_group_encap: a NAT came or went */
	ENGINE_SA_TS,	    /* engine_sa_ts: an SA gets other selectors, in one step */
	ENGINE_PATH_PING, /* engine_ping: send one probe now; ENGINE_EV_PONG when it is answered */
	ENGINE_SA_GROUP,  /* engine_sa_group: a Child SA goes over the paths of another group */
	ENGINE_CLASSES,	  /* engine_hdr + descriptor of the program that chooses queues by class: a
			   * queue for each class and packet thread, by class first; for good.
			   * -> ENGINE_WHY before the result when that is an error */
	ENGINE_FLOW,	  /* engine_flow: where would it go? -> ENGINE_FLOW_INFO, result */
	/* data messages and results */
	ENGINE_RESULT = 64, /* engine_result */
	ENGINE_HELLO_INFO,  /* engine_hello */
	ENGINE_SA_INFO,	    /* engine_sa_info */
	ENGINE_PATH_INFO,   /* engine_path_info */
	ENGINE_BLOB,	    /* engine_blob */
	ENGINE_COUNTERS,    /* engine_counters */
	ENGINE_WHY,	    /* engine_why */
	ENGINE_FLOW_INFO,   /* engine_flow_info */
	/* events, seq 0 */
	ENGINE_EV_IKE_RECV =
		128,	    /* engine_dgram: datagram with the non-ESP marker, marker removed */
	ENGINE_EV_SA_SEEN,  /* engine_seen: first valid packet on an inbound SA, then at most 1/s;
			     * sooner when its source changes */
	ENGINE_EV_PATH,	    /* engine_path_info: state changed */
	ENGINE_EV_JOIN,	    /* engine_join: authenticated probe from an address no path has */
	ENGINE_EV_SA_LIMIT, /* engine_limit: once for each limit of an SA */
	ENGINE_EV_PONG,	    /* engine_pong */
	ENGINE_EV_NO_SA,    /* engine_no_sa: what no SA covers was dropped; now and then */
	ENGINE_EV_MEASURED, /* engine_path_info: of a path that is to be measured */
};

struct engine_hdr {
	uint32_t seq;  /* of the request; 0 in events */
	uint16_t type; /* enum engine_msg_type */
	uint16_t version;
};

struct engine_result {
	struct engine_hdr h;
	int32_t error; /* 0 or -errno */
	uint32_t pad;
};

/* A sentence for the operator: what is missing and what to do. */
struct engine_why {
	struct engine_hdr h;
	char text[248]; /* ends with a zero */
};

struct engine_hello {
	struct engine_hdr h;
	uint32_t pid;
	uint32_t workers;
	char crypto[32]; /* best driver: "ipsec-mb" or "openssl" */
	char tun[16];	 /* name of the TUN device, "" before CONFIG */
	uint64_t started_usec;
};

struct engine_config {
	struct engine_hdr h;
	char tun[16];	      /* name wanted */
	uint32_t tun_mtu;     /* octets of inner packets */
	uint16_t port;	      /* 4500; both families, wildcard */
	uint16_t stable_port; /* destination port towards the steering device */
	struct addr stable4_local, stable4_remote; /* pair routed to the steering device */
	struct addr stable6_local, stable6_remote;
	uint8_t crypto_driver; /* enum aead_driver */
	uint8_t busy_poll;     /* microseconds to look for packets before sleeping; 0 off */
	uint8_t workers;       /* 0: one per core, at most 16 */
	uint8_t pad[5];
};

/* In the order of their descriptors. */
enum engine_map {
	ENGINE_MAP_PATH_CUR,
	ENGINE_MAP_GROUP_CUR,
	ENGINE_MAP_GROUP,
	ENGINE_MAP_PATH,
	ENGINE_MAP_N
};

struct engine_maps {
	struct engine_hdr h;
	uint32_t entries[ENGINE_MAP_N];
	uint32_t pad;
};

struct engine_id {
	struct engine_hdr h;
	uint32_t id;
	uint32_t pad;
};

struct engine_spi {
	struct engine_hdr h;
	uint32_t spi;	   /* inbound */
	uint32_t expected; /* 1: given to a peer, its SA will follow; 0: it will not */
};

struct engine_ts {
	uint8_t protocol;
	uint8_t pad;
	uint16_t port_first, port_last;
	struct addr first, last;
};

struct engine_limit {
	struct engine_hdr h;
	uint32_t id;   /* Child SA */
	uint32_t hard; /* 1: it is used no more; 0: new keys are due */
};

enum engine_sa_flags {
	ENGINE_SA_ESN = 1 << 0,
	/* UDP encapsulation; else plain ESP, protocol 50. For all SAs of its group: the last word
	 * counts, this one or that of engine_group_encap; but BY_PATH is changed by that alone */
	ENGINE_SA_ENCAP = 1 << 1,
	/* what follows the IP header is carried, selectors are one address on each side:
	 * esp/transport.h */
	ENGINE_SA_TRANSPORT = 1 << 2,
	/* send on the SA it replaces until the first valid packet; if it replaces none, on that of
	 * another line with the same selectors, and for a second at most */
	ENGINE_SA_DEFER_OUT = 1 << 3,
	ENGINE_SA_PROBES = 1 << 4, /* the peer answers path probes */
	ENGINE_SA_ROLE_I = 1 << 5, /* we are I of the family */
	ENGINE_SA_NO_REPLAY = 1 << 6,
	ENGINE_SA_SOFT_HIT = 1 << 7, /* in engine_sa_info: what ENGINE_EV_SA_LIMIT told */
	ENGINE_SA_HARD_HIT = 1 << 8,
	ENGINE_SA_DSCP_OUT = 1 << 9, /* the outer header gets the inner DSCP */
	ENGINE_SA_DSCP_IN = 1 << 10, /* and the other way round */
	/* DF of an outer IPv4 header (RFC 4301 8.1): neither, always; IPv6 inside counts as DF */
	ENGINE_SA_DF_COPY = 1 << 11,
	ENGINE_SA_DF_CLEAR = 1 << 12,
	/* transport mode that nothing needs the interface for, no class, line or flow's path: by
	 * policies of the host's own addresses; where ESP is the kernel's, and as far as it can */
	ENGINE_SA_DIRECT = 1 << 13,
};

/* How the SAs of a group send ESP. BY_PATH: in UDP, but for paths with STEER_PATH_PLAIN. */
enum engine_encap { ENGINE_ENCAP_NONE = 0, ENGINE_ENCAP_UDP = 1, ENGINE_ENCAP_BY_PATH = 2 };

/* One Child SA, both directions. Wiped by both sides after use. */
struct engine_sa {
	struct engine_hdr h;
	uint32_t id;
	uint32_t replaces; /* id, or 0 */
	uint32_t spi_in, spi_out;
	uint32_t mark;	/* STEER_MARK(class 0, slot 0, index into sa_out) */
	uint32_t flags; /* enum engine_sa_flags */
	uint16_t encr_id, key_bits, integ_id;
	uint8_t family; /* of the stable pair to send on: 4 or 6 */
	uint8_t n_ts_local, n_ts_remote;
	uint8_t key_len, integ_len; /* octets, each direction */
	uint8_t pad[1];
	/* low 32 bits of the number of its line of IKE SAs, as in the group's record: SAs of
	 * several lines with the same selectors carry each what goes over the paths of its line; 0:
	 * alone */
	uint32_t line;
	uint32_t replay_window; /* packets; 0 = 8192 */
	uint32_t room;		/* as in engine_group_room */
	uint32_t group;		/* of the maps: SAs of one group share their paths; 0: none */
	uint32_t tfc;		/* pad inner packets to so many octets, or what fits; 0: not */
	/* In each direction; 0: none. From soft on it is time for new keys, beyond hard the SA is
	 * not used. What sequence numbers and cipher allow is never exceeded. */
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets;
	uint8_t key_in[ENGINE_KEY_MAX], key_out[ENGINE_KEY_MAX];
	uint8_t integ_in[ENGINE_KEY_MAX], integ_out[ENGINE_KEY_MAX];
	struct engine_ts ts_local[ENGINE_TS_MAX], ts_remote[ENGINE_TS_MAX];
	char name[96]; /* "conn/child", for the agent's use on read-back */
	/* ENGINE_SA_TRANSPORT: our address and the peer's as its checksums have them, where a NAT
	 * makes them others than the selectors' (RFC 3948 3.1.2); family 0: the same */
	struct addr told_local, told_remote;
	uint32_t cpu; /* sends only what that CPU does, + 1; 0: whatever CPU has none of its own */
};

/* In place of the selectors that it had. Packets of those are not sent in any other way for
 * `block`, and still taken in for `grace`: what is under way, and a peer that has not changed its
 * own yet. */
struct engine_sa_ts {
	struct engine_hdr h;
	uint32_t id;
	uint32_t grace_msec, block_msec;
	uint8_t n_ts_local, n_ts_remote;
	uint8_t pad[2];
	struct addr told_local, told_remote; /* as in engine_sa */
	struct engine_ts ts_local[ENGINE_TS_MAX], ts_remote[ENGINE_TS_MAX];
};

struct engine_group_room {
	struct engine_hdr h;
	uint32_t group; /* of the maps */
	uint32_t room;	/* octets behind the outer IP header; 0: not known */
};

struct engine_group_encap {
	struct engine_hdr h;
	uint32_t group; /* of the maps */
	uint32_t encap; /* enum engine_encap */
};

struct engine_sa_group {
	struct engine_hdr h;
	uint32_t id; /* Child SA */
	uint32_t group;
};

struct engine_sa_info {
	struct engine_hdr h;
	uint32_t id, replaces, spi_in, spi_out, mark, flags;
	uint16_t encr_id, key_bits, integ_id;
	uint8_t family, out_active;
	uint64_t seq_out, seq_in_high;
	uint64_t in_packets, in_octets, out_packets, out_octets; /* inner octets */
	uint64_t drop_replay, drop_integrity, drop_malformed, drop_ts, drop_ecn, dummies,
		duplicates;		      /* of drop_replay: seen within the window */
	uint64_t last_in_usec, last_out_usec; /* CLOCK_MONOTONIC, 0 = never */
	uint8_t n_ts_local, n_ts_remote;
	uint8_t pad[2];
	uint32_t line;
	struct engine_ts ts_local[ENGINE_TS_MAX], ts_remote[ENGINE_TS_MAX];
	char driver[16];
	char name[96];
};

/* A path the engine probes on (authenticated ESP probes inside a Child SA). */
struct engine_path {
	struct engine_hdr h;
	uint32_t id;		/* path id of the maps */
	uint32_t epids;		/* EPID_I << 16 | EPID_R */
	uint32_t sa_id;		/* Child SA whose keys protect the probes; follows rekeys */
	uint32_t interval_usec; /* probe interval */
	uint8_t down_after;	/* unanswered probes that make it down; default 3 */
	uint8_t up_after;	/* answers in a row that make it up again; default 2 */
	uint8_t join;		/* 1: probes ask the peer to use this path too */
	uint8_t manage;		/* 1: engine writes state into path_cur by itself */
	uint32_t group; /* of the maps: the paths that stand in for each other, and whose SAs
			 * their MTU concerns; 0: alone */
	struct udp_addr local, remote; /* as on the wire; what a received probe is matched with */
	uint32_t ifindex;
	uint32_t mtu;	    /* what the link allows; the engine looks for less; 0: it does not */
	uint32_t raise_sec; /* how often it looks for more; 0: never */
	uint32_t back_usec; /* down: it is used again when it has answered for that long */
	/* Worse than that for sla_hold_usec makes it degraded, better by sla_ease percent for
	 * sla_clear_usec ends that; 0: no limit. */
	uint32_t sla_delay_usec, sla_jitter_usec, sla_loss_permille;
	uint32_t sla_ease, sla_hold_usec, sla_clear_usec;
	uint32_t line; /* as in engine_sa: whose probes are about it; 0: those of its group's SAs */
	uint32_t measured; /* 1: ENGINE_EV_MEASURED for each answer, and for each that is missing */
	uint64_t rate_bps; /* bit/s of IP packets that it carries away from us; 0: it is measured */
};

#define ENGINE_LOSS_UNKNOWN UINT32_MAX

/* What we ask of the peer: to send nothing there, to send there, to send there while it has nothing
 * better. */
enum engine_want { ENGINE_WANT_NOT = 0, ENGINE_WANT_USE = 1, ENGINE_WANT_STANDBY = 2 };

struct engine_path_want {
	struct engine_hdr h;
	uint32_t id;
	uint32_t want; /* enum engine_want */
};

/* Why a path is down: silence, or a link or address that is lost at one of the ends. */
enum engine_lost {
	ENGINE_LOST_NOT = 0,
	ENGINE_LOST_HERE = 1,
	ENGINE_LOST_PEER = 2,
	ENGINE_LOST_UNHEARD = 3, /* silence, but the peer's */
};

struct engine_path_info {
	struct engine_hdr h;
	uint32_t id, epids, sa_id;
	uint8_t state;	   /* enum steer_path_state */
	uint8_t peer_want; /* enum engine_want: what the peer asks of us */
	uint8_t verified;  /* return routability: our nonce came back on it */
	uint8_t worse;	   /* enum sla_what: why it is degraded */
	uint32_t mtu;	   /* octets of IP packets it carries; 0: not looked for */
	uint8_t returning; /* 1: down, but it answers again */
	uint8_t want;	   /* enum engine_want: what we ask of the peer */
	uint8_t lost;	   /* enum engine_lost */
	uint8_t one_way;   /* 1: answers come over another path */
	uint32_t rtt_usec, rtt_min_usec, rtt_jitter_usec; /* smoothed; 0 = not known */
	uint32_t loss_permille;				  /* of the last 100 probes */
	uint32_t loss_there_permille, loss_back_permille; /* by direction; ENGINE_LOSS_UNKNOWN */
	uint32_t loss_felt_permille; /* by what we send on it, of enough probes */
	uint32_t rtt_last_usec;	     /* of the youngest answer */
	uint64_t measured_usec;	     /* when that came; 0: none yet */
	uint64_t probes_tx, probes_rx, since_usec;
	uint64_t heard_usec; /* last probe or answer of the peer on it; 0: none */
	struct udp_addr local, remote, observed; /* observed: us, as the peer sees us */
};

struct engine_ping {
	struct engine_hdr h;
	uint32_t id;	 /* path */
	uint32_t seq;	 /* the agent's, comes back */
	uint32_t octets; /* of the IP packet, at most; 0: no longer than it must be */
	uint32_t pad;
};

struct engine_pong {
	struct engine_hdr h;
	uint32_t id, seq;
	uint32_t octets; /* as it was sent */
	uint32_t rtt_usec;
};

/* An inner packet of that class; ports in host order, 0 where its protocol has none. */
struct engine_flow {
	struct engine_hdr h;
	struct addr local, remote;
	uint8_t protocol, klass;
	uint16_t local_port, remote_port;
	uint16_t pad;
};

/* What would become of it now. */
struct engine_flow_info {
	struct engine_hdr h;
	uint32_t sa_id;	  /* Child SA; 0: no policy covers it */
	uint32_t path;	  /* id of the maps; 0: none can be used, or any of them (bonding) */
	uint32_t slot;	  /* of the flow table */
	uint32_t blocked; /* 1: it is dropped, whatever there is (ENGINE_SA_TS) */
};

struct engine_no_sa {
	struct engine_hdr h;
	struct addr local, remote; /* of the packet */
};

struct engine_join {
	struct engine_hdr h;
	uint32_t sa_id, epids, ifindex, use;
	struct udp_addr local, remote; /* observed source of the probe */
};

/* Of an SA without probes: where its newest packet came from, for a NAT that changes its mapping
 * (RFC 7296 2.23). Family 0: not told, since it was not the newest one or there are several paths.
 */
struct engine_seen {
	struct engine_hdr h;
	uint32_t id, ifindex;
	struct udp_addr local, remote;
};

struct engine_dgram {
	struct engine_hdr h;
	struct udp_addr local, remote;
	uint32_t ifindex;
	uint32_t len;
	uint32_t whole; /* IKE_SEND: with DF, and not at all if it is larger than the link allows */
	uint32_t pad;
	uint8_t data[]; /* len octets, without non-ESP marker */
};

struct engine_blob {
	struct engine_hdr h;
	uint64_t key;
	uint32_t len;  /* octets of data in this message, at most ENGINE_BLOB_MAX */
	uint32_t more; /* that follow in others of the same type and key, at once: blobs.h */
	uint8_t data[];
};

struct engine_counters {
	struct engine_hdr h;
	uint64_t tun_rx_packets, tun_rx_octets, tun_tx_packets, tun_tx_octets;
	uint64_t udp_rx_datagrams, udp_tx_datagrams;
	uint64_t drop_no_policy, drop_unknown_spi, drop_short, drop_replay, drop_integrity,
		drop_malformed, drop_ts, drop_ecn, drop_send, drop_tun, drop_no_buffer, drop_limit,
		drop_too_big, fragmented, keepalives, crypto_errors, no_link, held, drop_hold_full,
		drop_hold_late, drop_transport, drop_blocked, duplicates; /* of drop_replay */
	/* struct reorder_stats */
	uint64_t bond_waited, bond_missed, bond_late, bond_full, bond_yielded;
	uint64_t bond_ended; /* streams, for the sake of another one */
};

#endif
