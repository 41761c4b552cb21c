/* SPDX-License-Identifier: GPL-2.0-only */
/* Security associations and the policy that leads to them (RFC 4301 4.4).
 *
 * One writer (the control thread) adds and removes; any number of packet threads look up, without
 * locks. An SA is complete before it is reachable and only its counters, its sequence number and
 * its replay window change afterwards. What is removed is freed after a grace period
 * (esp/epoch.h). Inbound: the SPI is an array index (abi/steer.h). Outbound: exact remote addresses
 * by hash, then ranges in order of installation, first match. Adding and removing costs the same
 * whatever the number of SAs. What an idle SA does not need it does not have: cipher contexts and
 * the pages of its replay window come with its first packet. That is the one allocation on the
 * packet path, once for an SA, direction and thread: with contexts for all threads from the start,
 * an idle SA would take several times its memory. Where it fails packets are dropped and counted,
 * until it succeeds.
 */
#ifndef BRAID_ESP_SAD_H
#define BRAID_ESP_SAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/usec.h"
#include "esp/bond.h"
#include "esp/epoch.h"
#include "esp/esp.h"
#include "esp/proto.h"
#include "esp/replay.h"
#include "esp/siblings.h"
#include "esp/transport.h"

struct aead;
struct stream;
struct inner;
struct sa;

/* Packet threads and the control thread, each with contexts and counters of its own. */
enum { SAD_THREADS = EPOCH_READERS + 1 };

/* One thread's share: written by it alone, summed by the control thread. */
struct sa_counters {
	_Alignas(64) uint64_t in_packets, in_octets, out_packets, out_octets;
	uint64_t drop_replay, drop_integrity, drop_malformed, drop_ts, drop_ecn, dummies,
		duplicates; /* of drop_replay: seen within the window */
	usec_t last_in, last_out;
};

/* A traffic selector, prepared for comparing. */
struct sa_ts {
	uint8_t family, protocol; /* 0: any */
	bool any_port;
	uint16_t port_first, port_last;
	uint8_t first[16], last[16];
};

/* An exact remote address, in the chain of its hash: by order of the SAs. */
struct sa_exact {
	_Atomic(struct sa_exact *) next;
	struct sa *sa;
	const struct sa_ts *ts;
};

/* The selectors of an SA, in one piece. */
struct sa_sel {
	uint8_t n_local, n_remote, n_exact;
	struct sa_ts *local, *remote;
	struct sa_exact *exact;
	struct transport transport;
	struct sa_sel *next_retired; /* control thread */
	uint64_t free_mark;
};

/* From soft on it is time for new keys; beyond hard the SA is not used (RFC 4301 4.4.2.1). */
struct sa_limits {
	uint64_t soft, hard; /* UINT64_MAX: none */
	uint64_t watch;	     /* the lesser: below it there is nothing to do */
};

enum sa_reached { SA_SOFT = 1, SA_HARD = 2 };

/* What the SAs of a group of paths have in common, so that what happens to a path costs the same
 * however many they are. Freed with the last of them. */
struct sa_group {
	struct hash_node by_id; /* this and all but the last two: the control thread's */
	struct list sas;
	size_t users;		  /* those that are about to be freed, too */
	uint32_t room, room_told; /* of probes, of the agent: the lesser counts; SA_ROOM_ANY */
	struct sa_group *next_retired;
	uint64_t free_mark;		  /* when an SA left it for another one */
	_Alignas(64) _Atomic usec_t sent; /* when a packet left, about */
};

/* As exact as sa_group.sent is. */
enum { SA_SENT_USEC = 10 * 1000 };

enum { UDP_HEADER = 8 };

/* No limit is known. */
#define SA_ROOM_ANY UINT32_MAX

struct sa {
	uint32_t id, replaces, spi_in, spi_out, mark, flags;
	uint16_t encr_id, key_bits, integ_id;
	uint8_t family;	   /* of the stable pair */
	uint8_t tos_mask;  /* what of the inner octet the outer one has */
	uint32_t cut[2];   /* by the inner packet's DF: added to the mark if routers may fragment */
	uint32_t tfc;	   /* inner packets are padded to so many octets, as far as they fit */
	bool deferred;	   /* control thread: outbound traffic stays on the predecessor */
	bool superseded;   /* control thread: a successor has the outbound traffic */
	bool present;	   /* control thread: it is among the policies */
	bool inbound_only; /* control thread: about to go */
	uint64_t order;	   /* place among the policies; a successor inherits it */
	size_t at;	   /* control thread: in sad.all */
	struct hash_node by_id, by_replaces;
	_Atomic uint32_t group; /* of paths; 0: none */
	_Atomic(struct sa_group *) shared;
	struct list group_node;
	_Atomic(const _Atomic uint8_t *) encap; /* of its group, or its own */
	_Atomic uint8_t own_encap;		/* enum engine_encap */
	uint32_t room_own;			/* control thread: in no group */
	_Atomic uint32_t inner_max;		/* octets of the largest inner packet that fits */
	_Atomic bool has_siblings;		/* other lines have SAs with the same selectors */
	struct sibling sibling;
	struct esp_format in, out;
	struct aead **enc, **dec; /* of each thread; NULL before its first packet: sa_enc, sa_dec */
	int threads, aead_driver;
	uint8_t key_len, integ_len;
	uint8_t key_in[ENGINE_KEY_MAX], key_out[ENGINE_KEY_MAX];
	uint8_t integ_in[ENGINE_KEY_MAX], integ_out[ENGINE_KEY_MAX];
	_Atomic(struct sa_sel *) sel; /* replaced as a whole: sad_ts */
	struct sa_sel first_sel;      /* those it came with: in the same block */
	/* Those it had before: taken in until then. */
	_Atomic(struct sa_sel *) old_sel;
	_Atomic usec_t old_until;
	bool blocks;	       /* it is none: what has these selectors is dropped */
	usec_t until;	       /* control thread: for so long */
	struct sa *next_block; /* control thread */
	char driver[16], name[96];

	struct sa_limits packets, octets;      /* of each direction */
	bool count_octets;		       /* there is a limit of them */
	_Alignas(64) _Atomic uint64_t seq_out; /* last one taken */
	_Atomic uint64_t octets_out;
	_Atomic uint64_t bond_next; /* what bond_number goes by */
	_Atomic bool bonds;	    /* such packets were sent */
	_Atomic unsigned reached;   /* enum sa_reached, either direction */
	_Alignas(64) struct replay replay;
	_Atomic uint64_t octets_in;
	_Atomic uint8_t bond_owner;   /* 1 + thread that puts bonded packets in order; 0: none */
	struct stream *stream;	      /* that thread's */
	bool bonded;		      /* that thread's: such packets have come */
	_Atomic usec_t seen;	      /* when the control thread was last told of a valid packet */
	_Atomic uint64_t from;	      /* and where it came from: udp_rxq_from */
	struct sa_counters *counters; /* of each thread */
	struct sa *next_retired;      /* control thread */
	uint64_t free_mark;
};

/* Build from a request. threads: number of contexts. Returns 0, -EINVAL (malformed request or
 * lengths that do not fit the suite), -ENOTSUP (suite unknown), -ENOMEM. */
int sa_new(const struct engine_sa *req, int driver, int threads, struct sa **ret_sa);
void sa_free(struct sa *sa); /* wipes */

/* The thread's own context, made when it needs the first one. NULL: that failed. */
struct aead *sa_context(struct sa *sa, int thread, bool encrypt);
static inline struct aead *sa_enc(struct sa *sa, int thread)
{
	return sa->enc[thread] ? sa->enc[thread] : sa_context(sa, thread, true);
}
static inline struct aead *sa_dec(struct sa *sa, int thread)
{
	return sa->dec[thread] ? sa->dec[thread] : sa_context(sa, thread, false);
}

/* It sends packets now. */
static inline void sa_sends(const struct sa *sa, usec_t now)
{
	struct sa_group *g = atomic_load_explicit(&sa->shared, memory_order_acquire);
	_Atomic usec_t *sent = g ? &g->sent : NULL;

	/* rarely written: packet threads share it */
	if (sent && now > atomic_load_explicit(sent, memory_order_relaxed) + SA_SENT_USEC)
		atomic_store_explicit(sent, now, memory_order_relaxed);
}

/* The selectors as they came. */
void sa_ts_wire(const struct sa_ts *ts, uint8_t n, struct engine_ts ret_ts[ENGINE_TS_MAX]);

/* So much was used in one direction, this use included; *ret_tell: limits (enum sa_reached) reached
 * for the first time, which the agent is to be told of. False: beyond the hard one, not usable. */
bool sa_within(struct sa *sa, uint64_t packets, uint64_t octets, unsigned *ret_tell);
/* The agent could not be told. */
void sa_untell(struct sa *sa, unsigned reached);

/* Take n sequence numbers, for packets of together so many octets, in one step; false when a limit
 * stands against it (sequence numbers, RFC 4303 3.3.3: no wrap). Several threads may call.
 * *ret_first is the first of them, the others follow. *ret_tell: as above. */
static inline bool sa_take_seq(struct sa *sa, uint32_t n, size_t octets, uint64_t *ret_first,
			       unsigned *ret_tell)
{
	uint64_t seq = atomic_fetch_add_explicit(&sa->seq_out, n, memory_order_relaxed) + n;
	uint64_t sum = 0;

	if (sa->count_octets)
		sum = atomic_fetch_add_explicit(&sa->octets_out, octets, memory_order_relaxed) +
		      octets;
	*ret_first = seq - n + 1;
	*ret_tell = 0;
	return (seq < sa->packets.watch && sum < sa->octets.watch) ||
	       sa_within(sa, seq, sum, ret_tell);
}

/* A valid packet of so many octets came in; its number tells how many the peer has sent. */
static inline bool sa_took(struct sa *sa, uint64_t seq, size_t octets, unsigned *ret_tell)
{
	uint64_t sum = 0;

	if (sa->count_octets)
		sum = atomic_fetch_add_explicit(&sa->octets_in, octets, memory_order_relaxed) +
		      octets;
	*ret_tell = 0;
	return (seq < sa->packets.watch && sum < sa->octets.watch) ||
	       sa_within(sa, seq, sum, ret_tell);
}

/* The path of the SA's group whose addresses the packet has; 0: none. */
uint32_t transport_path(const struct steer_view *v, const struct sa *sa, uint8_t klass,
			const struct inner *in);

/* Octets of the largest inner packet whose ESP packet fits the SA's paths; SA_ROOM_ANY. */
static inline uint32_t sa_inner_max(const struct sa *sa)
{
	return atomic_load_explicit(&sa->inner_max, memory_order_relaxed);
}

/* The same of packets that may be bonded. */
static inline uint32_t sa_bonded_max(const struct sa *sa)
{
	return sa_inner_max(sa) -
	       (atomic_load_explicit(&sa->bonds, memory_order_relaxed) ? BOND_TRAILER : 0);
}

/* How is ESP sent? One word for all SAs of a group. */
static inline enum engine_encap sa_encap_how(const struct sa *sa)
{
	const _Atomic uint8_t *how = atomic_load_explicit(&sa->encap, memory_order_acquire);

	return (enum engine_encap)atomic_load_explicit(how, memory_order_relaxed);
}

/* In UDP, or may that be? */
static inline bool sa_encap(const struct sa *sa)
{
	return sa_encap_how(sa) != ENGINE_ENCAP_NONE;
}

/* The same of a packet of that flow slot: where paths differ, as the one that it takes wants it.
 * v: NULL where there are no maps. */
bool sa_encap_slot(const struct sa *sa, const struct steer_view *v, uint8_t klass,
		   uint32_t flow_slot);
/* On that path. */
bool sa_encap_path(const struct sa *sa, const struct steer_view *v, uint32_t path);

/* Octets that inner packets are padded to (RFC 4303 2.7), of max (sa_inner_max) at most; 0: they
 * are not. */
static inline uint32_t sa_pad_to(const struct sa *sa, uint32_t max)
{
	return sa->tfc < max ? sa->tfc : max;
}

/* It carries what follows the IP header. */
static inline const struct sa_sel *sa_sel_of(const struct sa *sa)
{
	return atomic_load_explicit(&sa->sel, memory_order_acquire);
}
static inline const struct transport *sa_transport(const struct sa *sa)
{
	return &sa_sel_of(sa)->transport;
}
static inline bool sa_is_transport(const struct sa *sa)
{
	return sa_transport(sa)->family != 0;
}
/* What it had before, while that is still taken in; NULL. */
static inline const struct sa_sel *sa_old_sel(const struct sa *sa, usec_t now)
{
	if (now >= atomic_load_explicit(&sa->old_until, memory_order_relaxed))
		return NULL;
	return atomic_load_explicit(&sa->old_sel, memory_order_acquire);
}

/* Another SA may have to carry what the policy finds this one for: siblings_choose. */
static inline bool sa_has_siblings(const struct sa *sa)
{
	return atomic_load_explicit(&sa->has_siblings, memory_order_relaxed);
}

/* RFC 4301 5.2: is the decrypted packet one this SA may carry (source remote, destination local)?
 */
bool sa_inbound_ok(const struct sa *sa, const struct inner *in);
/* Or, for some time, was. */
bool sa_inbound_late_ok(const struct sa *sa, const struct inner *in, usec_t now);
/* The same for a packet that leaves (source local, destination remote). */
bool sa_outbound_ok(const struct sa *sa, const struct inner *in);
void sa_sum(const struct sa *sa, struct sa_counters *ret_sum);

struct sad_ranges; /* SAs with anything but exact addresses, in order */

struct sad {
	struct epoch epoch;
	_Atomic(struct sa *) *in;	  /* by index of the SPI */
	_Atomic uint32_t *expected;	  /* by the same index: SPIs of SAs to come; 0: none */
	_Atomic(struct sa_exact *) *head; /* by hash of an exact remote address */
	_Atomic(struct sad_ranges *) ranges;
	_Atomic uint64_t generation; /* of the policies */
	_Atomic uint8_t *encap;	     /* by group: enum engine_encap */
	struct siblings siblings;
	/* the control thread's */
	struct sa **all; /* in no order */
	size_t n, cap;
	size_t n_expected;
	struct hash by_id, by_replaces, groups;
	uint64_t next_order;
	struct sa *retired;
	struct sa_sel *retired_sel;
	struct sa *blocks;
	struct sad_ranges *retired_ranges;
	struct sa_group *retired_groups;
};

/* What one thread found last. */
struct sad_cache {
	uint64_t generation;
	uint8_t addrs[32];
	uint8_t family, proto, has_ports;
	uint16_t sport, dport;
	struct sa *sa;
};

int sad_init(struct sad *sad);
void sad_clear(struct sad *sad); /* no reader may be left */

/* Packet threads, between epoch_enter and epoch_leave. NULL: none. */
static inline struct sa *sad_in(const struct sad *sad, uint32_t spi)
{
	struct sa *sa = atomic_load_explicit(&sad->in[spi & 0xfffff], memory_order_acquire);

	return sa && sa->spi_in == spi ? sa : NULL;
}
struct sa *sad_out(const struct sad *sad, struct sad_cache *cache, const struct inner *in);
/* Is an SA with this SPI about to be installed? Ask after sad_in has found none; if it is not, look
 * again: it may just have been. */
static inline bool sad_expected(const struct sad *sad, uint32_t spi)
{
	return spi &&
	       atomic_load_explicit(&sad->expected[spi & 0xfffff], memory_order_acquire) == spi;
}

/* Control thread. sad_add takes sa; -EEXIST if its id or the slot of its SPI is in use. */
int sad_add(struct sad *sad, struct sa *sa);
/* An inbound SPI was given to a peer, and its SA will follow; or it came, or never will. */
void sad_expect(struct sad *sad, uint32_t spi, bool on);
/* Whoever would have installed them is gone. */
void sad_expect_none(struct sad *sad);
struct sa *sad_find(const struct sad *sad, uint32_t id);
/* Of those that replace it one, or NULL. */
struct sa *sad_heir(const struct sad *sad, uint32_t id);
/* The SA that outbound traffic of this one's selectors uses: itself, or follow the rekeys. */
struct sa *sad_sender(const struct sad *sad, uint32_t id);
int sad_del(struct sad *sad, uint32_t id);
/* What the agent knows of the room behind the outer IP header of a group's packets, 0: nothing; the
 * latest SA that joins the group says so, too. 0 or -ENOENT. */
int sad_group_told(struct sad *sad, uint32_t group, uint32_t room);
/* What was found out about the paths of a group; SA_ROOM_ANY. An SA that joins it takes it over. */
void sad_group_room(struct sad *sad, uint32_t group, uint32_t room);
/* How the SAs of a group send ESP. 0 or -EINVAL. */
int sad_group_encap(struct sad *sad, uint32_t group, enum engine_encap how);
/* An SA goes over the paths of another group from now on, which has an SA already or gets what it
 * does from this one. 0, -ENOENT, -EINVAL or -ENOMEM. */
int sad_regroup(struct sad *sad, uint32_t id, uint32_t group);
/* When one of its SAs last sent a packet, about; 0: never. */
usec_t sad_group_sent(const struct sad *sad, uint32_t group);
/* No outbound traffic any more; its successors need not wait for word of the peer. */
int sad_retire(struct sad *sad, uint32_t id);
/* End of deferral; nothing happens if it ended already. */
int sad_out_on(struct sad *sad, uint32_t id);
/* ENGINE_SA_TS. 0, -ENOENT, -EINVAL, -ENOMEM: as it was, or nothing is sent on it. sad_ts.c */
int sad_ts(struct sad *sad, const struct engine_sa_ts *req, usec_t now);
/* Blocks whose time is over go. When to come again; USEC_NEVER. */
usec_t sad_unblock(struct sad *sad, usec_t now);
/* Free what no reader can see any more. True if something is left. */
bool sad_reclaim(struct sad *sad);

#endif
