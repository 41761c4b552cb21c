/* SPDX-License-Identifier: GPL-2.0-only */
/* The IKEv2 core: a pure state machine. No sockets, no clock, no netlink.
 *
 * Every call takes `now` and may append outputs, which the caller drains with ike_next_output and
 * carries out in order: datagrams to send on named paths, Child SA operations, events. The caller
 * arms one timer at ike_deadline. Two cores in one process over a virtual link are therefore a
 * complete test bed (tests/sim).
 *
 * Supported: RFC 7296 IKE_SA_INIT, IKE_AUTH with shared keys and certificates (RFC 7427),
 * CREATE_CHILD_SA, INFORMATIONAL, NAT detection and port float, CP; IKE fragmentation (RFC 7383);
 * MOBIKE (RFC 4555); cloning of IKE SAs (RFC 7791); Child SAs for each CPU (RFC 9611).
 * Roles: I is the party that initiated the first IKE SA of a family (rekeys and clones included)
 * and never flips; the "original initiator" of RFC 7296 follows the last rekey. Thread: one.
 *
 * Family: all IKE SAs that come of one authentication; addresses of the configuration payload are
 * its. Line: one IKE SA and those that took its place when it was rekeyed; it has one pair of
 * addresses and its own Child SAs. Both numbers stay the same as long as there is one.
 */
#ifndef BRAID_IKE_IKE_H
#define BRAID_IKE_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/secret.h"
#include "base/usec.h"

struct cert;
struct cred;
struct trust;
struct ike_binding; /* ike/mmx.h, as those below */
struct ike_mmx_answer;
struct ike_mmx_probed;

/* ---- objects named everywhere ---- */

/* endpoint: one address on one interface, announced with an id (EPID; 0 = the IKE SA's current
 * address). path: (own endpoint, peer endpoint) of one line. Path id = EPID_I << 16 | EPID_R. */
struct ike_path {
	struct udp_addr local, remote;
	uint32_t ifindex; /* 0: routing decides */
};

enum {
	IKE_NAME_MAX = 64,
	IKE_GRANTS_MAX = 8,
	IKE_GRANT_NAME_MAX = 32,
	IKE_ID_MAX = 1024, /* octets of an identity: distinguished names can be long */
	IKE_TS_MAX = 16,
	IKE_ADDRS_MAX = 8,
	IKE_PEER_ADDRS_MAX = IKE_ADDRS_MAX + 1,
	IKE_PROPOSALS_MAX = 8,
	IKE_ALGS_MAX = 8,
	IKE_VIPS_MAX = 4,
	IKE_CHILDREN_MAX = 200, /* of a family, if its connection says nothing else */
	IKE_CHILDREN_TOP = 15000,
	IKE_DERIVED_MAX = 256, /* by one ADD_IF, likewise */
	IKE_PER_CPU_MAX = 1024,
	IKE_SAS_MAX = 64, /* the same */
	IKE_CREDS_MAX = 4,
	IKE_SUITE_STR = 96,
	IKE_INIT_MAX = 3000,	     /* octets of an IKE_SA_INIT request that is looked at */
	IKE_HALF_OPEN_OCTETS = 8192, /* of memory, at most, that one half-open IKE SA costs */
	IKE_STRANGER_OCTETS = 26624, /* the same, with an incomplete message in fragments */
	IKE_WINDOW_MAX = 32,
	IKE_QCD_SECRET_OCTETS = 32,
	IKE_VENDORS_MAX = 8, /* of the peer's vendor ids that are kept */
	IKE_VENDOR_STR = 72,
	IKE_SIZE_MAX = 9216, /* octets of an IP packet that is asked about */
};

/* ---- configuration (filled by conf, owned by the caller, copied on load) ---- */

struct ike_alg {
	uint16_t id;
	uint16_t key_bits;
};

/* One proposal line: alternatives per transform type, in order of preference. */
struct ike_proposal {
	uint8_t n_encr, n_prf, n_integ, n_ke, n_esn;
	struct ike_alg encr[IKE_ALGS_MAX], integ[IKE_ALGS_MAX];
	uint16_t prf[IKE_ALGS_MAX], ke[IKE_ALGS_MAX], esn[2];
};

struct ike_id {
	uint8_t type; /* enum id_type; 0 = any */
	uint16_t len;
	uint8_t data[IKE_ID_MAX];
};

struct ike_ts {
	uint8_t protocol;
	uint16_t port_first, port_last; /* host order */
	struct addr first, last;
	bool dynamic; /* the side's own address: virtual IP if there is one, else the outer address
		       */
};

/* How long a Child SA may be used, in one measure: at `soft`, less a random part of up to `rand`
 * chosen once for each SA, it is rekeyed; at `hard` it ends. 0: never. */
struct ike_life {
	uint64_t soft, hard, rand;
};

/* STABLE: with another braid only. As transport mode, but the addresses that applications see are
 * the selectors', on whatever path. */
enum child_mode { CHILD_TUNNEL, CHILD_TRANSPORT, CHILD_STABLE };
const char *child_mode_name(enum child_mode mode);
/* DF of the outer IPv4 header, RFC 4301 8.1. copy: the inner packet's; IPv6 inside has it. */
enum child_df { CHILD_DF_SET, CHILD_DF_COPY, CHILD_DF_CLEAR };
enum start_action { START_NONE, START_START, START_TRAP };
/* What becomes of a peer's other IKE SAs when it sets one up: unique.c. */
enum ike_unique { IKE_UNIQUE_NO, IKE_UNIQUE_NEVER, IKE_UNIQUE_KEEP, IKE_UNIQUE_REPLACE };
/* REFUSE: NAT traversal is off, and with MOBIKE a NAT on the way is an error (4555 3.9). */
enum ike_nat { IKE_NAT_ACCEPT, IKE_NAT_REFUSE };
/* MOBIKE: does the peer have to answer at a new address of its before the Child SAs go there, after
 * it, or never (RFC 4555 3.7)? */
enum ike_return_check { IKE_RETURN_BEFORE, IKE_RETURN_AFTER, IKE_RETURN_SKIP };
/* Announce and accept MMX (ike/mmx.h); REQUIRE: an IKE SA without it is deleted. */
enum ike_mmx { IKE_MMX_NO, IKE_MMX_YES, IKE_MMX_REQUIRE };
/* RFC 7383. force: every protected message with a payload goes in two fragments at least, to see
 * whether they get through. */
enum ike_fragment { IKE_FRAGMENT_YES, IKE_FRAGMENT_NO, IKE_FRAGMENT_FORCE };

/* As much as the path carries. */
#define IKE_TFC_MTU UINT32_MAX

struct ike_child_cfg {
	char name[IKE_NAME_MAX];
	enum child_mode mode;
	bool stable_fallback; /* STABLE: with a peer that does not know it, a tunnel */
	enum start_action start;
	uint8_t n_local_ts, n_remote_ts, n_proposals;
	struct ike_ts local_ts[IKE_TS_MAX], remote_ts[IKE_TS_MAX];
	struct ike_proposal proposals[IKE_PROPOSALS_MAX]; /* ESP */
	struct ike_life time, octets, packets; /* time in usec; the others in each direction */
	bool dscp_out, dscp_in;		       /* copy DSCP to the outer header; from it */
	enum child_df df;
	uint32_t tfc; /* inner packets are padded to so many octets; IKE_TFC_MTU; 0: not */
	/* beside one Child SA others with the same selectors (RFC 9611): for how many of our CPUs
	 * they are asked for, and how many a peer may have */
	uint16_t per_cpu, per_cpu_max;
};

/* Several paths at once: not, by path probes inside the Child SAs, by a clone of the IKE SA for
 * each, or by what the Child SAs are bound to (MMX). Probes are announced and accepted with any. */
enum ike_multipath {
	IKE_MULTIPATH_NO,
	IKE_MULTIPATH_PROBES,
	IKE_MULTIPATH_CLONE,
	IKE_MULTIPATH_MMX,
};
/* With MMX: Child SAs that use all endpoints, or some for each of ours. */
enum ike_tunnels { IKE_TUNNELS_SHARED, IKE_TUNNELS_EACH };
/* A clone gets its Child SAs where it was made and moves with them, or the reverse. */
enum ike_clone_order { IKE_CLONE_CHILD_FIRST, IKE_CLONE_MOVE_FIRST };
/* Clones for as few pairs as cover every uplink and every address of the peer, or for all pairs. */
enum ike_clone_pairs { IKE_CLONE_EACH, IKE_CLONE_ALL };
/* With a peer that does not clone: one path at a time, or an authentication for each. */
enum ike_clone_fallback { IKE_FALLBACK_SINGLE, IKE_FALLBACK_IKE_SAS };

/* How a side proves who it is. */
enum auth_kind { AUTH_BY_PSK, AUTH_BY_PUBKEY };

struct ike_conn_cfg {
	char name[IKE_NAME_MAX];
	uint8_t n_local_addrs, n_remote_addrs; /* 0 local: any; 0 remote: any, responder only */
	struct addr local_addrs[IKE_ADDRS_MAX], remote_addrs[IKE_ADDRS_MAX];
	uint16_t remote_port; /* 0 = 500 */
	struct ike_id local_id;
	struct ike_id remote_id; /* may have wildcards: "*.example.org", "CN=*" */
	enum auth_kind local_auth, remote_auth;
	struct secret psk;
	uint8_t n_creds;
	struct cred *creds[IKE_CREDS_MAX]; /* ours, each with its key; counted */
	struct trust *trust;		   /* for the peer's certificate; counted */
	uint8_t key_types; /* what the peer's key may be: mask of 1 << enum key_type; 0: any */
	uint16_t key_bits_min;
	uint32_t sign_rule, verify_rule; /* how we sign, and how the peer must: crypto/auth.h */
	bool ocsp_request, ocsp_reply; /* ask for a response of its; send ours when asked (4806) */
	uint8_t n_proposals;
	struct ike_proposal proposals[IKE_PROPOSALS_MAX]; /* IKE */
	uint8_t n_vips;
	struct addr vips[IKE_VIPS_MAX]; /* requested: 0.0.0.0 / :: = any of the family */
	uint8_t n_pools;
	char pools[4][IKE_NAME_MAX]; /* served, by name */
	usec_t dpd_delay;	     /* 0 = no liveness checks by IKE */
	usec_t silence;		     /* ike_check after so much of it; 0: never. The owner's */
	usec_t keep_alive;	     /* behind a NAT: silence before a keepalive; 0 = none */
	usec_t retransmit_timeout;   /* first timeout; default 2 s, here settable for tests */
	double retransmit_base;	     /* growth; default 1.8 */
	uint8_t retransmit_tries;    /* default 10 */
	uint8_t window;		     /* requests in flight, each way: 1 (or 0) to IKE_WINDOW_MAX */
	bool encap;		     /* UDP encapsulation also without NAT (default true) */
	enum ike_multipath multipath;
	bool steering; /* the owner's: traffic classes are for it (default true) */
	/* the owner's: classes whose mode the peer may choose */
	bool grant_all;
	uint8_t n_grants;
	char grants[IKE_GRANTS_MAX][IKE_GRANT_NAME_MAX];
	enum ike_tunnels tunnels;
	enum ike_clone_order clone_order;
	enum ike_clone_pairs clone_pairs;
	enum ike_clone_fallback clone_fallback;
	uint16_t clone_spare;  /* clones kept ready for pairs of addresses to come */
	usec_t probe_interval; /* of path probes; 0: the general one */
	bool mobike;	       /* announce and accept RFC 4555 */
	enum ike_return_check return_check;
	usec_t mobike_patience; /* R, with MOBIKE: a request is not given up before */
	bool clone;		/* announce and accept RFC 7791 */
	enum ike_mmx mmx;
	bool mmx_vid_in_init;	/* say so in IKE_SA_INIT, and nothing of it to whom does not */
	uint16_t ike_sas_max;	/* of one authentication, clones included */
	uint16_t child_sas_max; /* the same; 0: IKE_CHILDREN_MAX */
	uint16_t derived_max;	/* by one ADD_IF of the peer; 0: IKE_DERIVED_MAX */
	/* MMX: so long a key a Child SA has at least that its peer moves to a public address, in
	 * bits; 0: any */
	uint16_t public_key_bits;
	bool vips_per_line; /* each clone asks for virtual addresses of its own */
	enum ike_nat nat;
	usec_t rekey_time;  /* of the IKE SA, less up to rand_time; 0: never */
	usec_t reauth_time; /* its I authenticates anew, less up to rand_time; 0: never */
	usec_t over_time;   /* after rekey or reauth_time until it ends; 0: never */
	usec_t rand_time;
	enum ike_unique unique;
	enum ike_fragment fragmentation;
	uint16_t fragment_size; /* octets of an IP datagram; 0: 576 with IPv4, 1280 with IPv6 */
	uint8_t n_children;
	struct ike_child_cfg *children; /* n_children entries */
};

struct ike_pool_cfg {
	char name[IKE_NAME_MAX];
	struct addr first, last;
	uint8_t n_dns;
	struct addr dns[4];
};

struct ike_cfg {
	uint32_t cookie_threshold; /* half-open SAs above which COOKIE is demanded; default 10 */
	uint32_t half_open_max;	   /* total; beyond it IKE_SA_INIT is dropped; default 1000 */
	uint32_t block_threshold;  /* half-open SAs of one source (an IPv4 address, an IPv6 /64),
				    * beyond which more of it are dropped; 0: no limit */
	usec_t half_open_timeout;  /* default 30 s */
	uint16_t n_conns, n_pools;
	struct ike_conn_cfg *conns; /* borrowed for the call; copied inside */
	struct ike_pool_cfg *pools;
};

/* What the core needs from its owner. */
struct ike_env {
	void *ctx;
	/* An inbound ESP SPI, reserved until spi_free or a CHILD_DEL output. 0 or -ENOSPC. */
	int (*spi_alloc)(void *ctx, uint32_t *ret_spi);
	void (*spi_free)(void *ctx, uint32_t spi);
	/* The next pair of addresses to ask that connection's peer from, as nobody answers an
	 * IKE_SA_INIT. False, or the same pair again: there is no other. NULL: never is. */
	bool (*other_path)(void *ctx, const char *conn, struct ike_path *ret_path);
	/* Seconds since 1970, for the validity of certificates. NULL: none is ever valid. */
	int64_t (*now_real)(void *ctx);
	/* The owner's ESP knows no path probes: peers are not told of them, nor believed. */
	bool no_probes;
	/* In transport mode it gives an SA one address on each side. */
	bool one_pair;
	/* How many CPUs can have outbound SAs of their own; 0: its ESP does not do that. */
	uint16_t cpus;
};

/* ---- outputs ---- */

/* Both directions of one Child SA, as the data plane needs them. Keys are wiped when the output is
 * released. */
struct child_sa_out {
	uint32_t id;	   /* ours, unique for the core's life; survives agent restart */
	uint32_t replaces; /* id of the SA it rekeys, or 0 */
	char conn[IKE_NAME_MAX], name[IKE_NAME_MAX];
	enum child_mode mode;
	uint32_t spi_in, spi_out; /* host order */
	uint16_t encr_id, encr_key_bits, integ_id;
	bool esn;
	bool encap;	   /* UDP encapsulation */
	bool initiator;	   /* we initiated the exchange that made it */
	bool out_deferred; /* responder of its exchange: send on the SA it replaces, or on one of
			      another line, until this one carried a packet (2.8) */
	bool peer_probes;  /* peer announced braid's ESP path probes */
	uint32_t binding;  /* of MMX; 0: the IKE SA's pair */
	uint16_t cpu;	   /* it is for what that CPU sends, + 1; 0: for all without one */
	bool ask_cpus;	   /* whose other packets may ask for one: ike_up_cpu */
	bool additional;   /* one of those beside the first one with its selectors */
	struct secret key_in, key_out; /* cipher key followed by salt */
	struct secret integ_in, integ_out;
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts ts_local[IKE_TS_MAX], ts_remote[IKE_TS_MAX];
	uint8_t n_vips;
	struct addr vips[IKE_VIPS_MAX]; /* assigned to us (initiator) */
	bool role_i;			/* we are I of the family */
	/* in each direction; soft: tell once, hard: use it no more; 0: none */
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets;
	/* TRANSPORT: our address and the peer's as the peer knows them, behind a NAT; family 0: as
	 * in the selectors */
	struct addr told_local, told_remote;
	bool dscp_out, dscp_in; /* copy DSCP to the outer header; from it */
	enum child_df df;
	uint32_t tfc; /* as configured; 0 also if the peer takes no padding */
};

enum ike_event_kind {
	IKE_EV_IKE_UP,
	IKE_EV_IKE_DOWN,
	IKE_EV_IKE_REKEYED,
	IKE_EV_CLONED, /* by whom ever: `line` is the new one, `clone_of` the other */
	IKE_EV_CHILD_UP,
	IKE_EV_CHILD_DOWN,
	IKE_EV_CHILD_REKEYED,
	IKE_EV_FAILED, /* set-up attempt failed; text says why and what is done next */
	/* ESP of the line goes over `path` from now on, in UDP or not: `encap`. PEER_MOVED: the
	 * peer's NAT mapping changed, or it moved; it was checked that it receives there. MOVED: by
	 * ike_path_change, or a NAT came or went. Transport mode: stays where it is. */
	IKE_EV_PEER_MOVED,
	IKE_EV_MOVED,
	IKE_EV_MOVE_REFUSED, /* the peer does not take the new pair; back to `path`: notify */
	IKE_EV_PEER_ADDRS,   /* the peer has other addresses than before: ike_sa_look */
	/* a request is not answered: ike_try_path may have a better pair; after each try */
	IKE_EV_UNANSWERED,
	IKE_EV_PATH_ANSWERED, /* an answer came over `path`, which is not the IKE SA's: it works */
	IKE_EV_PATH_TESTED,   /* ends ike_path_test of `path`; rtt */
	/* the last IKE SA of `auth` is gone, or all of them were authenticated anew: session, text
	 */
	IKE_EV_SESSION,
	/* MMX: the peer answered our request, `mmx`; a probe of ours ended, `probed`; the peer has
	 * another list of interfaces; something that it asked for has changed what SAs use */
	IKE_EV_MMX_ANSWERED,
	IKE_EV_MMX_PROBED,
	IKE_EV_MMX_PEER_IFACES,
	IKE_EV_MMX_CHANGED,
	IKE_EV_STEP, /* how far a set-up or an operation is; ends nothing */
};

/* Why something came to nothing: of FAILED and IKE_DOWN. */
enum ike_failure {
	IKE_FAIL_OTHER,
	IKE_FAIL_NO_ANSWER,
	IKE_FAIL_AUTH,	  /* one side did not believe the other */
	IKE_FAIL_REFUSED, /* the peer said no: notify */
};

enum ike_output_kind {
	IKE_OUT_SEND,
	IKE_OUT_CHILD_ADD,
	IKE_OUT_CHILD_DEL,
	IKE_OUT_EVENT,
	IKE_OUT_SIZE,
	IKE_OUT_BINDING,    /* what the Child SAs of a binding may use has changed */
	IKE_OUT_CHILD_BIND, /* a Child SA has another binding from now on: child_id, bind_to */
	/* one of transport mode has other selectors: child_id, ts. What fitted the former ones is
	 * blocked, and never goes in clear */
	IKE_OUT_CHILD_TS,
};

/* What came of a question about a packet's size. UNKNOWN: other requests had to go, or the answer
 * came so late that the path may have been away. */
enum ike_size { IKE_SIZE_PASSES, IKE_SIZE_TOO_LARGE, IKE_SIZE_UNKNOWN };

/* What Child SAs carried, inner packets. */
struct ike_carried {
	uint64_t rx_octets, rx_packets, tx_octets, tx_packets;
};

/* Selectors of a Child SA, in place of all it had. */
struct ike_child_ts {
	uint8_t n_local, n_remote;
	struct ike_ts local[IKE_TS_MAX], remote[IKE_TS_MAX];
	struct addr told_local, told_remote; /* as in child_sa_out */
};

struct ike_output {
	enum ike_output_kind kind;
	uint64_t family, line; /* of the IKE SA concerned, 0 if none */
	uint64_t auth;	       /* its family, whatever number is told of those side by side */
	uint64_t clone_of;     /* the line that its line was cloned from, 0 if none */
	uint64_t spi_i, spi_r; /* of the IKE SA concerned, 0 if none */
	bool role_i;	       /* we are I of the family */
	char conn[IKE_NAME_MAX];
	struct ike_path path; /* SEND: where; others: the pair that ESP of the line uses */
	bool encap;	      /* others: in UDP */
	const uint8_t *buf;   /* SEND: owned by the output, without non-ESP marker */
	size_t len;	      /* 0: the one octet of a NAT keepalive (RFC 3948 2.3) */
	bool marker;	      /* SEND: put the four zero octets before it (port 4500) */
	bool whole;	      /* SEND: with DF, and dropped here rather than cut */
	const struct child_sa_out *child;    /* CHILD_ADD; owned by the output */
	uint32_t child_id;		     /* CHILD_DEL, CHILD_BIND, CHILD events */
	uint32_t bind_to;		     /* CHILD_BIND */
	const struct ike_binding *binding;   /* BINDING; these three: owned by the output */
	const struct ike_child_ts *ts;	     /* CHILD_TS */
	const struct ike_mmx_answer *mmx;    /* MMX_ANSWERED */
	const struct ike_mmx_probed *probed; /* MMX_PROBED */
	bool replaced; /* CHILD_DEL: a rekey replaced it, packets of the peer may be under way */
	enum ike_event_kind event;
	enum ike_failure failure;
	uint16_t notify;  /* REFUSED, AUTH, MOVE_REFUSED: the peer's notify type, 0: none */
	const char *text; /* EVENT: one line */
	usec_t rtt;	  /* PATH_TESTED: 0 without an answer */
	/* SESSION, IKE_DOWN: the last of its family is gone, which was there for so long; 0: there
	 * are others, or it never was */
	usec_t session;
	uint32_t op;	 /* EVENT: handle of the operation that asked, or 0 */
	uint16_t octets; /* SIZE: of the IP packet */
	enum ike_size size;
};

/* ---- life ---- */

struct ike;

/* Copies cfg. NULL when out of memory or without randomness. */
struct ike *ike_new(const struct ike_cfg *cfg, const struct ike_env *env, usec_t now);
void ike_free(struct ike *ike); /* wipes; sends nothing; NULL is fine */
/* Replace the configuration: running SAs keep theirs until they end. 0 or -ENOMEM. */
int ike_reload(struct ike *ike, const struct ike_cfg *cfg, usec_t now);

/* From now on give peers tokens, by which they see that we lost our state (RFC 6290). The secret
 * has to be the same after that, and nobody else may know it. */
void ike_qcd_secret(struct ike *ike, const uint8_t secret[IKE_QCD_SECRET_OCTETS]);

/* ---- inputs ---- */

/* A datagram without the non-ESP marker. buf may be modified. Never fails: what is not acceptable
 * is counted and dropped. */
void ike_recv(struct ike *ike, const struct ike_path *path, uint8_t *buf, size_t len, usec_t now);
void ike_tick(struct ike *ike, usec_t now);
usec_t ike_deadline(struct ike *ike);
/* The machine slept so long, which now does not count: lifetimes go on as if it did, every peer is
 * asked at once whether it is there, and open requests are sent again. */
void ike_slept(struct ike *ike, usec_t slept, usec_t now);

/* Operators' commands. op is echoed in the events that end the operation.
 * -ENOENT: no such connection/child; -EALREADY; -ENOMEM; -EINVAL (no remote address). */
int ike_up(struct ike *ike, const char *conn, const char *child_or_null,
	   const struct ike_path *path, uint32_t op, usec_t now);
int ike_down(struct ike *ike, const char *conn, const char *child_or_null, uint32_t op, usec_t now);
int ike_rekey(struct ike *ike, const char *conn, const char *child_or_null, uint32_t op,
	      usec_t now);
/* Make another line of IKE SA beside that one, of the same authentication (RFC 7791): IKE_EV_CLONED
 * or FAILED. A peer that cannot do it now is asked again, some minutes long. -ENOENT: no IKE SA of
 * that line is up; -EOPNOTSUPP: not both sides announced it; -EDQUOT: no more are allowed, here or
 * there, until one of them is deleted; -ENOMEM. */
int ike_clone(struct ike *ike, uint64_t line, uint32_t op, usec_t now);
/* The same as ike_up, ike_down and ike_rekey of one line: a Child SA on it, all of it, its IKE SA;
 * and of one Child SA of it. */
int ike_up_line(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now);
/* Beside that Child SA another one with the same selectors, for what that CPU (from 0 on) sends.
 * -EALREADY: it has one; -EOPNOTSUPP: it gets none, by the configuration, the peer or its answer to
 * another one; -EAGAIN: they come and go too often. */
int ike_up_cpu(struct ike *ike, uint32_t child_id, uint16_t cpu, usec_t now);
/* Another IKE SA with that line's peer, with an authentication of its own, on that pair of
 * addresses and nowhere else. The numbers of families that the owner is told are the same for both
 * from then on, although addresses, limits, session and authentication are each one's own; without
 * vips_per_line it asks for the virtual addresses that the other one has. CHILD_UP or FAILED ends
 * it. -ENOENT; -EINVAL: we are R, or no such pair; -ENOMEM. */
int ike_up_beside(struct ike *ike, uint64_t line, const char *child, const struct ike_path *path,
		  uint32_t op, usec_t now);
int ike_down_line(struct ike *ike, uint64_t line, uint32_t op, usec_t now);
int ike_rekey_line(struct ike *ike, uint64_t line, uint32_t op, usec_t now);
int ike_down_child(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now);
int ike_rekey_child(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now);
/* Close every IKE SA with a Delete; outputs end when the peers answered or gave up. */
void ike_shutdown(struct ike *ike, usec_t now);

/* The address pair of the IKE SAs of a line changes; what is 0 in path stays as it is.
 * Outstanding requests are sent over the new one. With MOBIKE, I then tells R (RFC 4555 3.5), also
 * if the pair is the same (a NAT's mapping may have changed); the Child SAs follow, at once if R's
 * address is known to be R's, else when R has answered: IKE_EV_MOVED; or R refuses:
 * IKE_EV_MOVE_REFUSED. R asks I for an answer over the new pair, then MOVED. Without MOBIKE only
 * IKE's datagrams move. 0, -ENOENT, or -EINVAL (two families). */
int ike_path_change(struct ike *ike, uint64_t line, const struct ike_path *path, usec_t now);
/* The addresses of this host that peers of that connection may be told, the preferred one first; at
 * most IKE_ADDRS_MAX. They are told in IKE_AUTH and when the list changes, with MOBIKE. 0, -ENOENT.
 */
int ike_addrs_set(struct ike *ike, const char *conn, const struct addr *addrs, unsigned n,
		  usec_t now);
/* Does a pair of addresses work? Moves nothing (RFC 4555 3.10); IKE_EV_PATH_TESTED tells, or FAILED
 * if the IKE SA ends before. What is 0 in path is as the IKE SA has it. One at a time, and no other
 * request meanwhile (unless the window allows): not too often. -ENOENT, -EOPNOTSUPP (no MOBIKE),
 * -EALREADY, -EINVAL (two families), -ENOMEM. */
int ike_path_test(struct ike *ike, uint64_t line, const struct ike_path *path, uint32_t op,
		  usec_t now);
/* Send what waits for an answer once more, the same octets, over that path; the pair in use stays.
 * Good after IKE_EV_UNANSWERED; IKE_EV_PATH_ANSWERED may follow. 0, -ENOENT (no MOBIKE), -EINVAL.
 */
int ike_try_path(struct ike *ike, uint64_t line, const struct ike_path *path, usec_t now);
/* Somebody doubts that the peer is reached: it is asked now, and what it has been asked is asked
 * again, some times as quickly as round trips allow; IKE_EV_UNANSWERED may follow. The IKE SA is
 * not given up sooner for that. 0, -ENOENT, -ENOMEM. */
int ike_check(struct ike *ike, uint64_t line, usec_t now);
/* Does it know MOBIKE: would the Child SAs follow? */
bool ike_can_move(const struct ike *ike, uint64_t line);
/* Have both sides announced that they clone IKE SAs? */
bool ike_can_clone(const struct ike *ike, uint64_t line);
/* Where NATs are on its pair of addresses (RFC 7296 2.23). False: nobody knows. */
bool ike_nats(const struct ike *ike, uint64_t line, bool *ret_local, bool *ret_remote);
/* The addresses that the peer has told of (RFC 4555 3.4, 3.6), the first is where its list came
 * from. Returns how many; 0 without MOBIKE. */
unsigned ike_peer_addrs(const struct ike *ike, uint64_t line,
			struct addr ret_addrs[IKE_PEER_ADDRS_MAX]);
/* Valid ESP arrived on that Child SA: evidence of liveness (2.4), and permission to send on a
 * deferred SA. */
void ike_esp_seen(struct ike *ike, uint32_t child_id, usec_t now);
/* It carried so much that new keys are due (once is enough), or that it must not be used further.
 */
void ike_child_soft_limit(struct ike *ike, uint32_t child_id, usec_t now);
void ike_child_hard_limit(struct ike *ike, uint32_t child_id, usec_t now);
/* The newest packet of that Child SA, valid and never seen before, came on that path: it may tell
 * of a NAT's new mapping (2.23). False: with MOBIKE, it came from where the peer should not be any
 * more, and is no evidence of liveness (RFC 4555 3.12). */
bool ike_esp_from(struct ike *ike, uint32_t child_id, const struct ike_path *path, usec_t now);
/* Behind a NAT, when the mapping was last used counts, and ESP uses it too. True: one is due
 * next as far as IKE knows; ike_esp_sent for the Child SAs, before ike_tick, may know better. */
bool ike_keepalive_due(const struct ike *ike, usec_t now);
void ike_esp_sent(struct ike *ike, uint32_t child_id, usec_t when);
/* ESP came for an SPI that no Child SA has: tell its sender, some times a second (7296 1.5), or ask
 * again for the answer that would bring it (2.8). path: the packet's addresses. Remote port 0,
 * plain ESP: nothing is told, which 1.5 leaves to us. Unlike UDP port 4500, protocol 50 is not ours
 * alone: the SA may be the kernel's own or another daemon's, whose peer would doubt it.
 * True: the SA is being made. */
bool ike_esp_unknown(struct ike *ike, const struct ike_path *path, uint32_t spi, usec_t now);
/* The data plane could not install it: the core tells the peer with a Delete (ROB-6). */
void ike_child_install_failed(struct ike *ike, uint32_t child_id, usec_t now);

/* Does an IP packet of so many octets get to the peer, where IKE's go? IKE_OUT_SIZE tells, once, if
 * the IKE SA lives; meanwhile another request may have to wait, for less than retransmit_timeout.
 * octets: at most IKE_SIZE_MAX, and on the grid of sizes that there are: n * unit + offset. 0;
 * -ENOENT: no IKE SA of that line is up; -EOPNOTSUPP: fragmentation is not agreed on, or IKE is
 * not on port 4500; -EBUSY: other requests are under way; -EINVAL, -ENOMEM. */
int ike_size_ask(struct ike *ike, uint64_t line, uint16_t octets, usec_t now);
/* 0 or one of the first two. */
int ike_size_grid(const struct ike *ike, uint64_t line, uint16_t *ret_offset, uint16_t *ret_unit);

/* What the Child SAs of a family that are gone carried altogether: kept for the agent that comes
 * after this one. family: as `auth`. */
void ike_carried_keep(struct ike *ike, uint64_t family, const struct ike_carried *carried);

/* NULL when drained. Valid until the next call into the core that is not ike_image_next. */
const struct ike_output *ike_next_output(struct ike *ike);

/* ---- looking in ---- */

struct ike_child_info {
	uint32_t id, spi_in, spi_out;
	uint32_t binding; /* of MMX; 0: the IKE SA's pair */
	char name[IKE_NAME_MAX];
	const char *state; /* "INSTALLED", "REKEYING", "REKEYED", "DELETING" */
	char suite[IKE_SUITE_STR];
	enum child_mode mode;
	bool esn, encap;
	bool additional;		 /* as in child_sa_out */
	uint16_t cpu;			 /* that it is for, + 1; 0: any */
	usec_t since, rekey_at, ends_at; /* USEC_NEVER */
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets; /* 0: none */
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts ts_local[IKE_TS_MAX], ts_remote[IKE_TS_MAX];
};

struct ike_sa_info {
	uint64_t family, line;
	uint64_t auth;		    /* as in struct ike_output */
	struct ike_carried carried; /* as it was kept */
	uint64_t clone_of;	    /* line, 0: it is not a clone */
	bool clone_ok;		    /* both sides announced it */
	usec_t session;		    /* since when the family is there */
	unsigned family_lines, family_children;
	uint64_t spi_i, spi_r;
	char conn[IKE_NAME_MAX];
	const char *state; /* "CONNECTING", "ESTABLISHED", "REKEYING", "DELETING" */
	bool initiator;	   /* original initiator of this IKE SA */
	bool role_i;
	struct ike_path path;
	bool mobike;	      /* both sides announced it */
	uint8_t n_peer_addrs; /* which it said it has; the first is where it said so from */
	struct addr peer_addrs[IKE_PEER_ADDRS_MAX];
	bool nat_local, nat_remote;
	struct ike_id local_id, remote_id;
	char suite[IKE_SUITE_STR];
	usec_t since, rekey_at, reauth_at, ends_at; /* USEC_NEVER */
	uint8_t n_vips;
	struct addr vips[IKE_VIPS_MAX];
	uint16_t n_children;
	uint8_t n_vendors; /* vendor ids of the peer, as text */
	char vendors[IKE_VENDORS_MAX][IKE_VENDOR_STR];
};

/* Since the start. CONN: of each connection as well as of all, ALL: not of one connection.
 * rx, tx: datagrams. retransmits: our own, unanswered; retransmits_rx: exact copies of a request
 * that was answered, sent again by the peer or replayed by anybody; dropped_window: every other
 * Message ID that is not the next one; half_open_refused: there were as many as may be;
 * half_open_blocked: of that source. fragments_rx: authentic ones; dropped_fragments: not
 * negotiated, not wanted (a second time, of another message, too many) or too much;
 * fragment_octets: held now, of incomplete messages. gave_up: requests that nobody answered.
 * ike_failed: our set-ups that came to nothing; ike_up and child_up do not count rekeys.
 */
#define FOREACH_IKE_COUNTER(CONN, ALL)                                                             \
	CONN(rx)                                                                                   \
	CONN(tx)                                                                                   \
	CONN(retransmits)                                                                          \
	CONN(retransmits_rx)                                                                       \
	CONN(gave_up)                                                                              \
	CONN(dropped_syntax)                                                                       \
	ALL(dropped_spi)                                                                           \
	ALL(dropped_version)                                                                       \
	CONN(dropped_window)                                                                       \
	CONN(dropped_integrity)                                                                    \
	ALL(cookies_sent)                                                                          \
	CONN(cookies_rx)                                                                           \
	ALL(half_open)                                                                             \
	ALL(half_open_refused)                                                                     \
	ALL(half_open_blocked)                                                                     \
	CONN(auth_failed)                                                                          \
	CONN(fragments_rx)                                                                         \
	CONN(fragments_tx)                                                                         \
	CONN(dropped_fragments)                                                                    \
	ALL(fragment_octets)                                                                       \
	CONN(keepalives_tx)                                                                        \
	CONN(ike_up)                                                                               \
	CONN(ike_failed)                                                                           \
	CONN(ike_cloned)                                                                           \
	CONN(ike_rekeyed)                                                                          \
	CONN(ike_down)                                                                             \
	CONN(child_up)                                                                             \
	CONN(child_rekeyed)                                                                        \
	CONN(child_down)

enum {
	IKE_EXCHANGES = 4, /* IKE_SA_INIT and what follows it in enum exchange_type */
	IKE_ERRORS = 64,   /* error types that have a counter of their own; the others share 0 */
};

/* Each message once, however often it was sent. */
struct ike_exchange_counters {
	uint64_t requests_tx, responses_rx, requests_rx, responses_tx;
};

struct ike_counters {
#define X(n) uint64_t n;
	FOREACH_IKE_COUNTER(X, X)
#undef X
	struct ike_exchange_counters exchanges[IKE_EXCHANGES];
	uint64_t errors_tx[IKE_ERRORS], errors_rx[IKE_ERRORS]; /* by notify type */
};

/* Walks over all that are shown, oldest first: from NULL to NULL; what they return is valid until
 * the next call into the core. Each SA has a serial number, rising along the walk, for those who go
 * on later: ike_sa_after finds the first one beyond it. */
struct ike_sa;
struct child_sa;
const struct ike_sa *ike_sa_first(const struct ike *ike);
const struct ike_sa *ike_sa_after(const struct ike *ike, uint64_t serial);
const struct ike_sa *ike_sa_next(const struct ike *ike, const struct ike_sa *sa);
const struct child_sa *ike_child_next(const struct ike_sa *sa, const struct child_sa *c_or_null);
uint64_t ike_sa_serial(const struct ike_sa *sa);
void ike_sa_look(const struct ike_sa *sa, struct ike_sa_info *ret_info);
void ike_child_look(const struct child_sa *c, struct ike_child_info *ret_info);
/* The same of one connection, in no order. */
const struct ike_sa *ike_sa_of(const struct ike *ike, const char *conn,
			       const struct ike_sa *sa_or_null);
/* How far a connection is, its best IKE SA counted; also NONE for one that is not configured. */
enum ike_progress { IKE_PROGRESS_NONE, IKE_PROGRESS_CONNECTING, IKE_PROGRESS_ESTABLISHED };
enum ike_progress ike_conn_progress(const struct ike *ike, const char *conn);

/* By position: for tests and short lists. */
size_t ike_sa_count(const struct ike *ike);
bool ike_sa_at(const struct ike *ike, size_t i, struct ike_sa_info *ret_info);
bool ike_child_at(const struct ike *ike, size_t sa, size_t child, struct ike_child_info *ret_info);
void ike_counters_get(const struct ike *ike, struct ike_counters *ret_counters);
/* Of one connection, also over a reload; a peer is counted with the connection that was chosen for
 * its addresses until its identity names another. -ENOENT: not configured. */
int ike_conn_counters(const struct ike *ike, const char *conn, struct ike_counters *ret_counters);
/* All of them, and of all connections, from 0 on again; but for what tells how many there are now.
 */
void ike_counters_reset(struct ike *ike);

/* Keys of one IKE SA for a capture decoder; only the CLI's guarded command calls it.
 * false if there is no such SA. */
struct ike_sa_keys {
	uint64_t spi_i, spi_r;
	struct secret sk_ei, sk_er, sk_ai, sk_ar;
	uint16_t encr_id, encr_key_bits, integ_id;
};
bool ike_keys_at(const struct ike *ike, size_t i, struct ike_sa_keys *ret_keys);
bool ike_keys_look(const struct ike_sa *sa, struct ike_sa_keys *ret_keys);

/* Does that certificate prove the identity? For addresses, names, mailboxes and distinguished
 * names; a key id is proved by none. */
bool ike_id_in_cert(const struct ike_id *id, const struct cert *c);
/* Wildcards in it, or any. */
bool ike_id_is_pattern(const struct ike_id *id);
/* All its Child SAs are of transport mode: their selectors are the addresses that they use. */
bool ike_conn_transport(const struct ike_conn_cfg *c);

/* ---- surviving the agent ---- */

/* A versioned image of one established IKE SA, keys included: handed to the engine process for safe
 * keeping (never to a file), and read back by a restarted agent, which continues the message ids.
 * now is CLOCK_MONOTONIC for both, so that deadlines stay where they are. Returns octets or 0 (too
 * small, or not established). */
size_t ike_export(const struct ike *ike, size_t i, uint8_t *out, size_t cap, usec_t now);
/* One image after the other that is not the one handed out last: 1 for each, 0 in the end. key is
 * the same for all images of an IKE SA; *ret_len 0: it is no more, drop what there is of it. Costs
 * what has changed, not what there is. -ENOBUFS: the next one is longer than cap, -EIO: OpenSSL
 * failed; then it stays the next one. */
int ike_image_next(struct ike *ike, uint64_t *ret_key, uint8_t *out, size_t cap, size_t *ret_len,
		   usec_t now);
/* All that was handed out is lost: everything counts as changed. */
void ike_images_forget(struct ike *ike);
/* 0, -EBADMSG (other version or damaged), -EEXIST, -ENOENT (its connection is no longer
 * configured), -ENOMEM. Emits no CHILD_ADD. */
int ike_import(struct ike *ike, const uint8_t *image, size_t len, usec_t now);

#endif
