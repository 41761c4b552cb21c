/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside kesp: what it knows of its SAs, and who does what with them. */
#ifndef BRAID_KESP_IMPL_H
#define BRAID_KESP_IMPL_H

#include "base/hash.h"
#include "base/list.h"
#include "base/usec.h"
#include "esp/blobs.h"
#include "esp/hold.h"
#include "esp/proto.h"
#include "kesp/kesp.h"
#include "xfrm/xfrm.h"
#include "policy.h"
#include "record.h"
#include "sealed.h"

struct event;

/* One direction, as the kernel last told. */
struct sa_count {
	uint64_t octets, packets, seq;
	usec_t last;				       /* 0: never */
	uint32_t replay, duplicates, integrity_failed; /* duplicates: of replay */
};

struct kesp_sa {
	struct hash_node by_id, by_spi_in, by_spi_out, by_group, by_selectors;
	struct list node;    /* kesp.sas: who is looked at next */
	struct list waiting; /* kesp.deferred or kesp.replaced, or in none */
	struct sa_record r;
	usec_t until, looked; /* in that list */
	bool has_out;	      /* the outbound state is in the kernel */
	bool sends;	      /* policies lead there */
	bool told_spi;	      /* the classifier knows its line by the SPI */
	bool adopted_in;      /* while records and kernel are compared */
	uint64_t told;	      /* packets that ENGINE_EV_SA_SEEN told of */
	struct sa_count in, out;
};

/* An event on its way to the agent. */
struct kesp_event {
	struct list node;
	size_t len;
	uint8_t msg[] __attribute__((aligned(8)));
};

struct kesp {
	struct kesp_options opt;
	struct xfrm *x;
	struct sealed images;
	usec_t started;

	bool configured;
	struct engine_config cfg;
	uint32_t if_id, ifindex; /* if_id: ours, by which all of ours is known */
	struct addr remotes4[STABLE_REMOTES], remotes6[STABLE_REMOTES]; /* stable.c */
	uint32_t used[2][STABLE_REMOTES];				/* by SAs, of IPv4, IPv6 */
	bool routed[2][STABLE_REMOTES];					/* by us */

	struct hash by_id, by_spi_in, by_spi_out, by_group, by_selectors;
	struct list sas, deferred, replaced;
	size_t n_sas;
	struct policies policies; /* of the interface */
	struct policies direct;	  /* of the host's own routes */
	struct hash remotes;	  /* lines.c */
	bool lines_failed;
	uint32_t mtu;	    /* of the interface, now */
	uint32_t esp_mtu;   /* of the steering device; UINT32_MAX: as it is made */
	uint32_t esp_least; /* which it does not go below */
	bool room_dirty;
	uint32_t next_reqid;
	uint64_t next_order;
	struct sa_count gone_in, gone_out; /* of SAs that are no more */

	struct blob_parts coming;
	uint64_t blob_order;

	int udp4, udp6;
	uint64_t udp_rx, udp_tx, keepalives, strangers, unsent;
	struct event *ev_udp4, *ev_udp6, *ev_xfrm, *tick, *look, *deliver;
	struct list events;
	size_t n_events;

	struct hold hold; /* await.c */
	int raw4, raw6;
	/* packets that got to their SA; that found no room; that waited too long */
	uint64_t held, hold_full, hold_late;
};

/* An answer to the request being served. */
struct kesp_reply {
	kesp_answer_fn *fn;
	void *ctx;
	uint32_t seq;
};

/* ---- kesp.c ---- */
usec_t kesp_now(void);
/* Of the interface with that name; never 0. */
uint32_t kesp_if_id(const char *ifname);
/* What the interface is made with; 0: it is a plain device. */
static inline uint32_t iface_id(const struct kesp *k)
{
	return k->opt.plain ? 0 : k->if_id;
}
void kesp_answer(const struct kesp_reply *to, void *msg, uint16_t type, size_t len);
/* To the agent, from the loop, after what runs now. */
void kesp_tell(struct kesp *k, void *msg, uint16_t type, size_t len);
/* There are SAs to look at. */
void kesp_look(struct kesp *k);

/* ---- sa.c: states, policies and record of an SA, together ---- */
struct kesp_sa *sa_find(const struct kesp *k, uint32_t id);
uint64_t sa_spi_key(uint8_t family, uint32_t spi); /* in by_spi_in, by_spi_out */
struct kesp_sa *sa_by_spi(const struct kesp *k, uint8_t family, uint32_t spi); /* inbound */
/* Whose state of the kernel's, by what names it there. NULL: nobody's. */
struct kesp_sa *sa_of_state(const struct kesp *k, const struct addr *dst, uint32_t spi,
			    bool *ret_out);
const struct addr *sa_dst(const struct kesp *k, const struct kesp_sa *s, bool out);
/* The youngest at that stage with the same selectors as that one, which is not it, and with an
 * outbound state in the kernel if it sends there; of the same line of IKE SAs, or of any; for all
 * CPUs, or that one's. NULL: none. */
struct kesp_sa *sa_sibling(const struct kesp *k, const struct engine_sa *sa, enum sa_stage stage,
			   bool any_line);
int sa_add(struct kesp *k, const struct engine_sa *req);
int sa_del(struct kesp *k, uint32_t id);
int sa_retire(struct kesp *k, uint32_t id);
int sa_group(struct kesp *k, uint32_t id, uint32_t group);
int sa_group_room(struct kesp *k, uint32_t group, uint32_t room);
int sa_group_encap(struct kesp *k, uint32_t group, uint32_t encap);
/* A record that was read: its SA, in the tables and the policies; nothing is asked of the kernel.
 * NULL: no memory, or an id that is there. */
struct kesp_sa *sa_restore(struct kesp *k, const struct sa_record *r);
/* All of it, whatever there is. */
void sa_remove(struct kesp *k, struct kesp_sa *s);
/* Only what is in memory. */
void sa_forget(struct kesp *k, struct kesp_sa *s);
int sa_save(struct kesp *k, const struct kesp_sa *s);
/* The outbound state goes in, or out. */
int sa_out_add(struct kesp *k, struct kesp_sa *s);
void sa_out_del(struct kesp *k, struct kesp_sa *s);
/* It is in, or about to be out or out already: policies follow. */
void sa_sends(struct kesp *k, struct kesp_sa *s, bool on);

/* ---- stable.c: the addresses that states stand on ---- */
/* Once it is configured. */
void stable_init(struct kesp *k);
/* Of no family: there is none. */
const struct addr *stable_local(const struct kesp *k, uint8_t family);
const struct addr *stable_remote(const struct kesp *k, uint8_t family, uint32_t n);
/* One of the remotes to which no other SA with that outbound SPI goes. -EEXIST: to all. */
int stable_choose(const struct kesp *k, const struct engine_sa *sa, uint32_t *ret_n);
/* It leads to the steering device. 0, -EADDRNOTAVAIL: there is none, -EEXIST: it is taken, or
 * another -errno. */
int stable_route(struct kesp *k, uint8_t family, uint32_t n);
/* One SA more or (-1) less goes there. */
void stable_used(struct kesp *k, const struct sa_record *r, int more);
/* Now and then: routes that are not used any more go, lost ones (the device was down) come back. */
void stable_look(struct kesp *k);

/* ---- await.c: packets that come before their SA ---- */
/* Once privileges are there. 0 or -errno. */
int await_open(struct kesp *k);
void await_close(struct kesp *k);
void await_set(struct kesp *k, const struct engine_spi *m);
/* Its inbound state is in the kernel: what waits goes there, and what comes. */
void await_shown(struct kesp *k, const struct kesp_sa *s);

/* ---- lines.c: which line's SA carries a packet, told to the classifier ---- */
/* After the SA, or its group, has changed. */
void lines_follow(struct kesp *k, struct kesp_sa *s);
/* It is out of by_selectors from now on: gone, or about to have other selectors. */
void lines_leave(struct kesp *k, struct kesp_sa *s);
/* Only what is in memory. */
void lines_forget(struct kesp *k);
/* What an agent before has told of others goes. */
void lines_settle(struct kesp *k);

/* Its states and policies are for the host's own routes, and not the interface's. */
bool sa_direct(const struct kesp_sa *s);
/* Those that its selectors are in. */
struct policies *sa_policies(struct kesp *k, const struct kesp_sa *s);
/* Where the policies of its selectors lead. */
struct policy_to sa_policy_to(const struct kesp *k, const struct kesp_sa *s);

/* ---- ts.c: selectors of transport mode ---- */
/* 0, or -errno: not in transport mode, or not so here. */
int ts_check(const struct engine_sa *sa);
/* What comes in gets other addresses than its state puts there, if it needs any. */
int ts_show(struct kesp *k, const struct engine_sa *sa);
void ts_hide(struct kesp *k, const struct engine_sa *sa);
int ts_set(struct kesp *k, const struct engine_sa_ts *m);

/* ---- rekey.c: make before break ---- */
/* Outbound waits until the peer uses the SA. */
void rekey_defer(struct kesp *k, struct kesp_sa *s, usec_t until);
int rekey_out_on(struct kesp *k, uint32_t id);
/* s sends from now on: what it replaces does not. */
void rekey_done(struct kesp *k, struct kesp_sa *s);
/* Replaced: its outbound state goes after a while. */
void rekey_linger(struct kesp *k, struct kesp_sa *s);
/* s, which sent, does not any more: what else has its selectors does. */
void rekey_heir(struct kesp *k, const struct kesp_sa *s);
void rekey_tick(struct kesp *k);

/* ---- poll.c: counters, limits, who is alive ---- */
/* Some of the SAs, each time others. */
void poll_some(struct kesp *k);
/* This one, now. */
void poll_sa(struct kesp *k, struct kesp_sa *s);
/* All, by two dumps' worth of work. */
int poll_all(struct kesp *k);
void poll_take(struct sa_count *c, const struct xfrm_sa_info *i);
/* The kernel said that something has expired. */
void poll_events(struct kesp *k);

/* ---- list.c: LIST, STATS, SA_GET ---- */
int list_sas(struct kesp *k, const struct kesp_reply *to);
int list_sa(struct kesp *k, uint32_t id, const struct kesp_reply *to);
void list_counters(struct kesp *k, const struct kesp_reply *to);

/* ---- blobs.c: images of IKE SAs ---- */
int blobs_put(struct kesp *k, const struct engine_blob *m, size_t len);
int blobs_del(struct kesp *k, uint64_t key);
int blobs_list(struct kesp *k, const struct kesp_reply *to);

/* ---- flow.c ---- */
int flow_explain(struct kesp *k, const struct engine_flow *m, struct engine_flow_info *ret_info);

/* ---- restore.c: records and kernel, after a restart ---- */
int restore(struct kesp *k);

/* ---- room.c ---- */
/* Interface and steering device get the MTU that the SA with the least room leaves: smaller at
 * once, larger when somebody has time (kesp.room_dirty). */
void room_lower(struct kesp *k, const struct kesp_sa *s);
void room_fit(struct kesp *k);
/* Largest inner packet of that SA; UINT32_MAX: its room is not known. Pure. */
uint32_t room_inner(const struct engine_sa *sa, bool udp);

/* ---- ike.c ---- */
int ike_open(struct kesp *k, char *ret_why, size_t why_len);
void ike_close(struct kesp *k);
void ike_send(struct kesp *k, const struct engine_dgram *d, size_t len);

#endif
