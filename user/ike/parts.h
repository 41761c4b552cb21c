/* SPDX-License-Identifier: GPL-2.0-only */
/* Concerns that ride on exchanges: what each puts into which message and makes of it. The table is
 * in parts.c. */
#ifndef BRAID_IKE_PARTS_H
#define BRAID_IKE_PARTS_H

#include "ike_private.h"

struct task;

enum place {
	AT_INIT_REQUEST = 1 << 0,
	AT_INIT_RESPONSE = 1 << 1,
	AT_AUTH_REQUEST = 1 << 2,
	AT_AUTH_RESPONSE = 1 << 3,
	AT_INFO_REQUEST = 1 << 4,
	AT_INFO_RESPONSE = 1 << 5,
	AT_REKEY_RESPONSE = 1 << 6, /* of the IKE SA, or clone; sa is the new one */
};

struct part_ctx {
	struct ike *ike;
	struct ike_sa *sa;
	enum place place;
	const struct ike_msg *in;    /* request being answered, or message being processed */
	const struct ike_path *path; /* it came on, or goes out on */
	struct msg_wr *m;	     /* build */
	uint16_t cp_error;	     /* notify type, 0 = none */
	uint16_t refusal;	     /* of MOBIKE: notify type, 0 = none */
};

void parts_build(struct part_ctx *c);
void parts_process(struct part_ctx *c);

/* natd.c */
void natd_build(struct part_ctx *c);
void natd_put(struct part_ctx *c);
/* What an answer of R tells of our NAT: that of the answer before, or nothing; the first answer
 * that tells any, to which there is nothing to compare; another one. */
enum natd_mapping { MAPPING_SAME, MAPPING_FIRST, MAPPING_CHANGED };
enum natd_mapping natd_mapping(struct ike_sa *sa, const struct ike_msg *in);
void natd_process(struct part_ctx *c);
/* Is there a NAT before us, or before the peer, on the path that it came over? False: it does not
 * say. */
bool natd_look(const struct ike_msg *in, const struct ike_path *path, bool *ret_local,
	       bool *ret_remote);
/* Go to port 4500 for IKE_AUTH (2.23). */
void natd_float(struct ike_sa *sa);
/* An authenticated new message, or ESP, came on path: dynamic update, if 2.23 allows it. With
 * MOBIKE by ESP only, after a check (4555 3.8). */
void natd_seen(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
void natd_seen_esp(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
bool path_marker(const struct ike_path *path);
/* When a NAT keepalive is due if nothing else is sent; then it is sent. */
usec_t natd_keepalive_at(const struct ike_sa *sa);
void natd_keepalive(struct ike *ike, struct ike_sa *sa);

/* proof.c: how the two sides prove their identities in IKE_AUTH. */
void hashes_build(struct part_ctx *c);
void hashes_process(struct part_ctx *c);
void certreq_build(struct part_ctx *c);
void certreq_process(struct part_ctx *c);
/* Our ID, certificates and AUTH. certreqs: payloads that ask for certificates may be in it. 0, or
 * -errno with why. */
int proof_put(struct ike_sa *sa, bool initiator, const struct ike_msg *certreqs, struct msg_wr *m,
	      char why[WHY_MAX]);
/* Does the peer prove its ID the way that connection wants it? false with why: a clause. */
bool proof_check(struct ike *ike, const struct ike_sa *sa, const struct ike_conn_cfg *c,
		 bool of_initiator, const struct ike_msg *in, char why[WHY_MAX]);

/* cp.c */
void cp_build(struct part_ctx *c);
void cp_process(struct part_ctx *c);
/* sa ends: addresses that no other IKE SA of its family has are free. */
void cp_release(struct ike *ike, const struct ike_sa *sa);
void cp_clear(struct ike *ike);
bool cp_restore(struct ike *ike, uint64_t family, const struct addr *a);
/* An IKE SA's addresses, to go back to. */
struct cp_before {
	uint8_t n, more;
	bool of_line;
	struct addr vips[IKE_VIPS_MAX];
};
/* The same with CREATE_CHILD_SA, for a clone's first Child SA. Does a request ask for addresses? */
bool cp_child_wanted(const struct ike_sa *sa, const struct task *t);
void cp_child_ask(const struct ike *ike, const struct ike_sa *sa, struct msg_wr *m);
/* The answer to one that did: the line has what it was given. False: nothing was given. */
bool cp_child_answered(struct ike_sa *sa, const struct ike_msg *in, struct cp_before *ret_before);
/* No Child SA came of it. */
void cp_child_forget(struct ike_sa *sa, const struct cp_before *before);
/* Responder: 0, or the notify type of the refusal. *ret_reply: there is something to answer. */
uint16_t cp_child_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			  struct cp_before *ret_before, bool *ret_reply);
void cp_child_reply(const struct ike *ike, const struct ike_sa *sa, struct msg_wr *m);
/* No Child SA came of it: what was given is free again. */
void cp_child_undo(struct ike *ike, struct ike_sa *sa, const struct cp_before *before);
/* The same with MMX ADD_IF, for Child SAs of another interface: one address of each of those
 * families, beside those that there are. */
void cp_more_ask(const uint8_t *families, unsigned n, struct msg_wr *m);
bool cp_more_answered(struct ike_sa *sa, const struct ike_msg *in, const uint8_t *families,
		      unsigned n, struct addr *ret_addrs);
/* False: not all that are asked for. Undone as above. */
bool cp_more_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
		     const uint8_t *families, unsigned n, struct addr *ret_addrs,
		     struct cp_before *ret_before);
void cp_more_reply(const struct addr *addrs, unsigned n, struct msg_wr *m);
/* Those of them that no Child SA has any more are given back. */
void cp_more_prune(struct ike *ike, struct ike_sa *sa);

/* vendor.c */
void vendors_process(struct part_ctx *c);
/* To the IKE SA that continues it; to a clone. */
void vendors_move(struct ike_sa *from, struct ike_sa *to);
void vendors_copy(const struct ike_sa *from, struct ike_sa *to);
void vendors_put(const struct ike_sa *sa, struct wr *w);
void vendors_get(struct ike_sa *sa, struct rd *r);
uint8_t vendors_look(const struct ike_sa *sa, char out[IKE_VENDORS_MAX][IKE_VENDOR_STR]);

/* unique.c */
void initial_contact_build(struct part_ctx *c);
void unique_process(struct part_ctx *c);
/* May this peer, authenticated by that request, have another IKE SA? */
bool unique_admits(const struct ike *ike, const struct ike_sa *sa, const struct ike_msg *in);

/* clone.c */
void clone_build(struct part_ctx *c);
void clone_process(struct part_ctx *c);

/* rxwindow.c */
void rxwin_build(struct part_ctx *c);
void rxwin_process(struct part_ctx *c);
/* Take that many requests at a time from now on. 0 or -ENOMEM. */
int rxwin_open(struct ike_sa *sa, unsigned size);
void rxwin_clear(struct ike_sa *sa);
/* A request that may be executed. Afterwards it is rxwin_taken. */
bool rxwin_new(const struct ike_sa *sa, uint32_t msg_id);
void rxwin_taken(struct ike_sa *sa, uint32_t msg_id);
/* What it was answered with, or NULL. */
struct response_cache *rxwin_answered(struct ike_sa *sa, uint32_t msg_id);
/* Takes buf. */
void rxwin_answer(struct ike_sa *sa, uint32_t msg_id, const uint8_t *hash, uint8_t *buf,
		  size_t len);

/* fragment.c */
void frag_build(struct part_ctx *c);
void frag_process(struct part_ctx *c);
/* A message, or all its fragments one after the other, into ike->sealed. Octets, or 0. whole: it is
 * not cut, however long. */
size_t frag_seal(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *hdr, bool whole,
		 uint8_t first, const uint8_t *inner, size_t len);
/* Octets of an IP packet on the IKE SA's path that are not of the IKE message. */
size_t frag_around(const struct ike_sa *sa);
/* Before it is decrypted: may it be of use? Counts what is not. */
bool frag_wanted(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in);
/* An authentic fragment. 0: it was the last one missing; *in becomes the whole message's with
 * nothing decoded yet but the header, hash (of this datagram) that of fragment 1, ret_inner its
 * payloads, good until the next call. -EAGAIN: more are missing; -ENOBUFS: too much. */
int frag_take(struct ike *ike, struct ike_sa *sa, struct ike_msg *in, uint8_t *hash,
	      const uint8_t *text, size_t len, uint8_t **ret_inner, size_t *ret_len);
/* An authentic first fragment, of a request that was answered: the peer may cut it anew for a
 * smaller MTU, and still wants its answer (7383 2.6). buf is decrypted. */
bool frag_repeats(struct ike_sa *sa, uint8_t *buf, size_t len);
/* That message is dealt with, or all are. */
void frag_done(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *h);
void frag_clear(struct ike *ike, struct ike_sa *sa);
void frag_tick(struct ike *ike, struct ike_sa *sa);
usec_t frag_deadline(const struct ike_sa *sa);

/* hints.c: an unprotected message that is no answer to IKE_SA_INIT; sa: that of its header, or
 * NULL. False: nothing that is looked at. */
bool hint_receive(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		  const uint8_t *buf, size_t len);
/* The peer said of that request again and again that it does not know the IKE SA, and no more. */
bool hint_disowned_long(const struct ike *ike, const struct task *t);

/* qcd.c */
void qcd_build(struct part_ctx *c);
void qcd_process(struct part_ctx *c);
/* The peer's token. Copied; 0, -EINVAL, -ENOMEM. */
int qcd_keep(struct ike_sa *sa, const uint8_t *p, size_t len);
void qcd_forget(struct ike_sa *sa);
/* What is said besides INVALID_IKE_SPI to a request with that header. */
void qcd_answer(const struct ike *ike, const struct ike_hdr *h, struct msg_wr *m);
/* Does an unprotected message hold the token of the peer? */
bool qcd_proves(const struct ike_sa *sa, const struct ike_msg *in);

/* cookie.c: 0 with COOKIE_OCTETS written, or -EIO */
int cookie_make(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		uint8_t out[COOKIE_OCTETS]);
bool cookie_valid(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		  const struct notify *n);

#endif
