/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX version 1, the multi-interface extension of MOBIKE: notifications to structs and back,
 * nothing else. It is private: types from the private range, announced by a Vendor ID.
 *
 * Decoding is strict about lengths, counts, what must or must not be there and what may be there
 * only once; reserved bits and fields are ignored and written as zero, TLVs of unknown types are
 * skipped unless they are marked critical. Nothing is allocated, and every variable-length part is
 * borrowed from the datagram. Whether an address, an endpoint or an SA is one that may be used is
 * not looked at here. Thread: any.
 */
#ifndef BRAID_IKEMSG_MMX_H
#define BRAID_IKEMSG_MMX_H

#include "ikemsg/ikemsg.h"

/* ---- numbers ---- */

enum {
	MMX_MAJOR = 1,
	MMX_NONCE_OCTETS = 32,
	MMX_DIGEST_OCTETS = 16,
	MMX_TOKEN_MIN = 16,
	MMX_TOKEN_MAX = 64,
	MMX_TEXT_MAX = 64,
	MMX_PATH_NONCE_OCTETS = 8,
	MMX_VID_OCTETS = 16,
	/* What one message or binding may have at most, whatever is announced. */
	MMX_IFACES_MAX = 16,
	MMX_SIDE_MAX = 8, /* endpoints of a side of a binding, and of an interface */
	MMX_ALTS_MAX = 8,
	MMX_ACTIONS_MAX = 8,
	MMX_INNERS_MAX = 16,
	MMX_TLVS_MAX = 128,
	MMX_SPIS_SHOWN_MAX = 32, /* affected SAs a result lists one by one */
	MMX_CLASSES_MAX = 16,	 /* traffic classes that a list speaks of, in either direction */
	MMX_CLASS_NAME_MAX = 32, /* octets of a traffic class's name and a zero */
	MMX_PREFER_MAX = 8,
};

/* First 16 octets of the SHA-256 of "IKEv2 MMX multi-interface mobility extension v1". */
extern const uint8_t mmx_vid[MMX_VID_OCTETS];

/* Bits of the capabilities. */
#define FOREACH_MMX_CAP(X)                                                                         \
	X(IFACE, 0)                                                                                \
	X(OUTER, 1)                                                                                \
	X(UPDATE, 2)                                                                               \
	X(ADDREMOVE, 3)                                                                            \
	X(CHECK, 4)                                                                                \
	X(ALT, 5)                                                                                  \
	X(DERIVE, 6)                                                                               \
	X(DELIF, 7)                                                                                \
	X(TRANSPORT, 8)                                                                            \
	X(RESP_MOVE, 9)                                                                            \
	X(TOKEN, 10)                                                                               \
	X(QUERY, 11)

enum mmx_cap {
#define X(n, v) MMX_CAP_##n = 1 << v,
	FOREACH_MMX_CAP(X)
#undef X
};

#define FOREACH_MMX_CODE(X)                                                                        \
	X(UPDATE, 1)                                                                               \
	X(ADD, 2)                                                                                  \
	X(REMOVE, 3)                                                                               \
	X(SET_ALT, 4)                                                                              \
	X(ADD_IF, 5)                                                                               \
	X(DEL_IF, 6)                                                                               \
	X(FAILOVER, 7)                                                                             \
	X(QUERY, 8)

enum mmx_code {
#define X(n, v) MMX_##n = v,
	FOREACH_MMX_CODE(X)
#undef X
};

#define FOREACH_MMX_STATUS(X)                                                                      \
	X(OK, 0)                                                                                   \
	X(PARTIAL, 1)                                                                              \
	X(SKIPPED, 2)                                                                              \
	X(SUPERSEDED, 3)                                                                           \
	X(LOCAL_POLICY, 16)                                                                        \
	X(SPD_MISMATCH, 17)                                                                        \
	X(PAD_DENIED, 18)                                                                          \
	X(UNREACHABLE, 19)                                                                         \
	X(UNSUPPORTED, 20)                                                                         \
	X(UNKNOWN_SA, 21)                                                                          \
	X(UNKNOWN_ADDRESS, 22)                                                                     \
	X(LAST_ADDRESS, 23)                                                                        \
	X(TOO_MANY, 24)                                                                            \
	X(STATE_MISMATCH, 25)                                                                      \
	X(BUSY, 26)                                                                                \
	X(NOT_OWNER, 27)                                                                           \
	X(FAMILY, 28)                                                                              \
	X(NOT_ACTIVE, 29)                                                                          \
	X(MALFORMED, 30)                                                                           \
	X(ADDRESS_FAILURE, 31)

/* As in a result; decoders return OK, UNSUPPORTED, TOO_MANY or MALFORMED. */
enum mmx_status {
#define X(n, v) MMX_##n = v,
	FOREACH_MMX_STATUS(X)
#undef X
};

/* Details of LOCAL_POLICY and UNREACHABLE. */
enum mmx_policy_detail {
	MMX_POLICY_ADDRESS = 1,
	MMX_POLICY_LINK = 2,
	MMX_POLICY_NAT = 3,
	MMX_POLICY_STRONGER = 4,
	MMX_POLICY_ADMIN = 5,
};
enum mmx_unreachable_detail {
	MMX_UNREACHABLE_NOT_PROBED = 1,
	MMX_UNREACHABLE_RR_FAILED = 2,
	MMX_UNREACHABLE_PATH_DEAD = 3,
};

#define FOREACH_MMX_TLV(X)                                                                         \
	X(EP, 1)                                                                                   \
	X(SEL, 2)                                                                                  \
	X(NONCE, 3)                                                                                \
	X(SPIS, 4)                                                                                 \
	X(DIGEST, 5)                                                                               \
	X(TOKEN, 6)                                                                                \
	X(FAIL, 7)                                                                                 \
	X(VALID, 8)                                                                                \
	X(LIMIT, 9)                                                                                \
	X(ATTR, 10)                                                                                \
	X(TEXT, 11)

enum mmx_tlv_type {
#define X(n, v) MMX_TLV_##n = v,
	FOREACH_MMX_TLV(X)
#undef X
};

#define FOREACH_MMX_ROLE(X)                                                                        \
	X(OLD, 1)                                                                                  \
	X(NEW, 2)                                                                                  \
	X(TO, 3)                                                                                   \
	X(ALT, 4)                                                                                  \
	X(SRC, 5)                                                                                  \
	X(INNER_OLD, 6)                                                                            \
	X(INNER_NEW, 7)                                                                            \
	X(OBSERVED, 8)

enum mmx_role {
#define X(n, v) MMX_ROLE_##n = v,
	FOREACH_MMX_ROLE(X)
#undef X
};

/* Names as above for logs; "unknown" otherwise. Static. */
const char *mmx_code_name(uint8_t code);
const char *mmx_status_name(uint16_t status);
const char *mmx_role_name(uint8_t role);
const char *mmx_tlv_name(uint16_t type);

/* ---- TLVs ---- */

/* Flags of an endpoint. */
enum mmx_ep_flag {
	MMX_EP_IFID = 1 << 0,	     /* epid is an interface: all its endpoints */
	MMX_EP_AS_OBSERVED = 1 << 1, /* the address is the one the probe came from */
	MMX_EP_ASSIGN = 1 << 2,	     /* the inner address comes by CP in the same exchange */
	MMX_EP_HERE = 1 << 3,	     /* this very request is sent from it */
	MMX_EP_FLAGS = (1 << 4) - 1,
};

/* An endpoint, named by its number, by an address, or both. epid 0 and no address: what the IKE SA
 * uses on that side. */
struct mmx_ep {
	uint8_t role;  /* enum mmx_role */
	uint8_t side;  /* 0: the sender's, 1: the receiver's */
	uint8_t flags; /* enum mmx_ep_flag */
	uint16_t epid;
	uint16_t port;	  /* 0: that of IKE */
	struct addr addr; /* family 0: none */
};

enum mmx_sel_kind { MMX_SEL_IKE = 0, MMX_SEL_SPIS = 1, MMX_SEL_OLD = 2, MMX_SEL_ALL = 3 };

/* SPIs are those inbound at the sender, four octets each: see mmx_spi. */
struct mmx_sel {
	uint8_t kind;	  /* enum mmx_sel_kind */
	uint8_t protocol; /* enum proto_id, of MMX_SEL_SPIS only */
	struct bytes spis;
};

struct mmx_digest {
	uint16_t count;
	uint8_t b[MMX_DIGEST_OCTETS];
};

struct mmx_token {
	uint16_t epid_i, epid_r;
	struct bytes b; /* MMX_TOKEN_MIN to MMX_TOKEN_MAX octets */
};

struct mmx_fail {
	uint16_t status, detail;
	uint8_t protocol;
	uint32_t spi;
};

/* which: the octet of MMX_SUPPORTED in which that limit stands. */
enum mmx_limit_which {
	MMX_LIMIT_IFACES = 8,
	MMX_LIMIT_SIDE = 9,
	MMX_LIMIT_ALTS = 10,
	MMX_LIMIT_ACTIONS = 11,
	MMX_LIMIT_DERIVED = 12,
};

struct mmx_limit {
	uint16_t which, value;
};

enum mmx_attr_name {
	MMX_ATTR_BANDWIDTH = 1, /* kbit/s */
	MMX_ATTR_COST = 2,	/* 16 bits */
	MMX_ATTR_LIFETIME = 3,	/* s */
	MMX_ATTR_RTT = 4,	/* usec */
	/* private: how a class of traffic is to be sent, a struct mmx_class; may be there for each
	 */
	MMX_ATTR_CLASS = 0x8000,
};

struct mmx_attr {
	uint16_t name;
	uint32_t value;
	struct bytes klass; /* of CLASS, in place of a value */
};

struct mmx_tlv {
	uint8_t type; /* enum mmx_tlv_type */
	union {
		struct mmx_ep ep;
		struct mmx_sel sel;
		uint8_t nonce[MMX_NONCE_OCTETS];
		struct bytes spis;
		struct mmx_digest digest;
		struct mmx_token token;
		struct mmx_fail fail;
		uint32_t valid_sec;
		struct mmx_limit limit;
		struct mmx_attr attr;
		struct bytes text;
	};
};

/* In the order of the wire, which has a meaning: endpoints by preference, and in the answer to
 * QUERY those before a SEL are its. */
struct mmx_tlvs {
	uint8_t n;
	struct mmx_tlv t[MMX_TLVS_MAX];
};

/* The next TLV of that type after `after` (NULL: the first), or NULL. */
const struct mmx_tlv *mmx_next(const struct mmx_tlvs *t, uint8_t type, const struct mmx_tlv *after);
/* The next endpoint in that role, likewise. */
const struct mmx_ep *mmx_next_ep(const struct mmx_tlvs *t, uint8_t role,
				 const struct mmx_ep *after);
static inline size_t mmx_spi_count(struct bytes spis)
{
	return spis.len / 4;
}
/* i < mmx_spi_count */
uint32_t mmx_spi(struct bytes spis, size_t i);
/* Append one, zeroed but for its type; NULL if there is no room. */
struct mmx_tlv *mmx_add(struct mmx_tlvs *t, uint8_t type);

/* ---- notifications ----
 *
 * x_get: what a notification of that type says. On failure *ret_x has what is told of each type and
 * may not be used otherwise. x_put writes the whole payload. What no x_get would give is a mistake
 * of the caller's and sets the error of m (-EINVAL), as does what is too long for the length
 * fields. */

struct mmx_supported {
	uint8_t major, minor;
	uint32_t caps; /* enum mmx_cap; unknown bits are kept */
	uint8_t ifaces_max, side_max, alts_max, actions_max;
	uint16_t derived_max;
	uint8_t window;
};

/* OK or MALFORMED. Octets after those of version 1 are ignored. */
enum mmx_status mmx_supported_get(const struct notify *n, struct mmx_supported *ret_s);
void mmx_supported_put(struct msg_wr *m, const struct mmx_supported *s);

/* How the receiver of a list is asked to send what it has under a traffic class of that name; or,
 * in the answer, what came of that. */
#define FOREACH_MMX_CLASS_STATE(X)                                                                 \
	X(ASKED, 0)                                                                                \
	X(GRANTED, 1)                                                                              \
	X(NOT_GRANTED, 2) /* by its policy */                                                      \
	X(NO_CLASS, 3)	  /* it has none of that name */                                           \
	X(NO_MODE, 4)	  /* it does not know the mode, or not here */

enum mmx_class_state {
#define X(n, v) MMX_CLASS_##n = v,
	FOREACH_MMX_CLASS_STATE(X)
#undef X
};

#define FOREACH_MMX_CLASS_MODE(X)                                                                  \
	X(BALANCE, 1)                                                                              \
	X(STANDBY, 2)                                                                              \
	X(PRIORITY, 3)                                                                             \
	X(DELAY, 4)                                                                                \
	X(REDUNDANT, 5)                                                                            \
	X(BOND, 6)

enum mmx_class_mode {
#define X(n, v) MMX_CLASS_##n = v,
	FOREACH_MMX_CLASS_MODE(X)
#undef X
};

struct mmx_class {
	uint8_t state;	/* enum mmx_class_state; unknown ones are kept, and are refusals */
	uint8_t mode;	/* enum mmx_class_mode; unknown ones are kept */
	uint8_t copies; /* of REDUNDANT; 0: as many as the receiver likes */
	uint8_t n_prefer;
	uint16_t prefer[MMX_PREFER_MAX]; /* interfaces of who asks, best first */
	char name[MMX_CLASS_NAME_MAX];	 /* printable UTF-8, not empty */
};

struct mmx_classes {
	uint8_t n;
	struct mmx_class s[MMX_CLASSES_MAX];
};

/* Those of one direction, asked or answered, by name; or NULL. */
const struct mmx_class *mmx_classes_find(const struct mmx_classes *s, bool asked, const char *name);
/* False: there is no room, or it is there already. */
bool mmx_classes_add(struct mmx_classes *s, const struct mmx_class *add);
bool mmx_classes_same(const struct mmx_classes *a, const struct mmx_classes *b);

enum mmx_iface_flag {
	MMX_IFACE_UP = 1 << 0,
	MMX_IFACE_METERED = 1 << 1,
	MMX_IFACE_NAT = 1 << 2,	   /* believes to be behind one */
	MMX_IFACE_BACKUP = 1 << 3, /* as an alternate only */
	MMX_IFACE_LAST = 1 << 4,   /* ends the list */
	MMX_IFACE_EMPTY = 1 << 5,  /* is the list: no interface */
	MMX_IFACE_FLAGS = (1 << 6) - 1,
};

enum mmx_iface_ep_flag {
	MMX_IFACE_EP_CURRENT = 1 << 0, /* that of the IKE SA */
	MMX_IFACE_EP_LOCAL = 1 << 1,   /* not to be used from outside */
	MMX_IFACE_EP_FLAGS = (1 << 2) - 1,
};

enum mmx_link {
	MMX_LINK_UNKNOWN = 0,
	MMX_LINK_WIRED = 1,
	MMX_LINK_WLAN = 2,
	MMX_LINK_CELLULAR = 3,
	MMX_LINK_SATELLITE = 4,
	MMX_LINK_VIRTUAL = 5,
};

struct mmx_iface_ep {
	uint16_t epid;
	uint8_t flags; /* enum mmx_iface_ep_flag */
	struct addr addr;
};

/* One entry of a list. */
struct mmx_iface {
	uint32_t generation;
	uint16_t ifid;
	uint8_t preference; /* 0 best */
	uint8_t flags;	    /* enum mmx_iface_flag */
	uint8_t link;	    /* enum mmx_link; others are unknown kinds */
	uint16_t mtu;	    /* 0: unknown */
	uint8_t n;
	bool cut; /* it had more than MMX_SIDE_MAX endpoints: these are the first */
	struct mmx_iface_ep ep[MMX_SIDE_MAX];
	uint32_t attrs; /* bit 1 << name: attr[name] is there */
	uint32_t attr[MMX_ATTR_RTT + 1];
};

/* OK, UNSUPPORTED or MALFORMED. */
enum mmx_status mmx_iface_get(const struct notify *n, struct mmx_iface *ret_i);
void mmx_iface_put(struct msg_wr *m, const struct mmx_iface *i);
/* What it says of traffic classes, which any entry of a list may have: mmx_iface_get has taken it.
 * As many as there is room for are appended. */
void mmx_iface_get_classes(const struct notify *n, struct mmx_classes *s);
void mmx_iface_put_classes(struct msg_wr *m, const struct mmx_iface *i,
			   const struct mmx_classes *s);

enum mmx_outer_mode { MMX_OUTER_SINGLE = 1, MMX_OUTER_SIMULTANEOUS = 2, MMX_OUTER_ALTERNATES = 3 };
enum mmx_outer_flag {
	MMX_OUTER_STRICT = 1 << 0,
	MMX_OUTER_NO_BOOT = 1 << 1,
	MMX_OUTER_FLAGS = (1 << 2) - 1,
};

/* Endpoints of a new Child SA; side 0 is whoever asked for it, in the response too. */
struct mmx_outer {
	uint8_t mode;  /* enum mmx_outer_mode */
	uint8_t flags; /* enum mmx_outer_flag */
	struct mmx_tlvs tlvs;
};

/* OK, UNSUPPORTED, TOO_MANY or MALFORMED. */
enum mmx_status mmx_outer_get(const struct notify *n, bool response, struct mmx_outer *ret_o);
void mmx_outer_put(struct msg_wr *m, bool response, const struct mmx_outer *o);

enum mmx_path_kind { MMX_PATH_PROBE = 1, MMX_PATH_ANSWER = 2 };
enum mmx_path_flag {
	MMX_PATH_WANT_TOKEN = 1 << 0,
	MMX_PATH_KEEP = 1 << 1,
	MMX_PATH_FLAGS = (1 << 2) - 1,
};

/* The answer has at most an observed address and a token. */
struct mmx_path {
	uint8_t kind;  /* enum mmx_path_kind */
	uint8_t flags; /* enum mmx_path_flag */
	uint16_t epid_i, epid_r;
	uint8_t nonce[MMX_PATH_NONCE_OCTETS];
	struct mmx_tlvs tlvs;
};

/* OK, UNSUPPORTED or MALFORMED. */
enum mmx_status mmx_path_get(const struct notify *n, struct mmx_path *ret_p);
void mmx_path_put(struct msg_wr *m, const struct mmx_path *p);

enum mmx_action_flag {
	MMX_ACTION_CHECK = 1 << 0,
	MMX_ACTION_HARD = 1 << 1, /* the old endpoint is dead */
	MMX_ACTION_PARALLEL = 1 << 2,
	MMX_ACTION_PRUNE = 1 << 3,
	MMX_ACTION_BEST_EFFORT = 1 << 5,
	MMX_ACTION_FLAGS = 0x2f,
};

struct mmx_action {
	uint16_t id;
	uint8_t code;  /* enum mmx_code */
	uint8_t flags; /* enum mmx_action_flag */
	uint32_t generation;
	uint16_t limit; /* after TOO_MANY: which, 0: none that is announced */
	struct mmx_tlvs tlvs;
};

/* OK, UNSUPPORTED, TOO_MANY or MALFORMED. On failure id, code and limit are valid, 0 if not even
 * they could be read. Each code has the endpoints it needs, in their roles and of one side where
 * they replace each other. */
enum mmx_status mmx_action_get(const struct notify *n, struct mmx_action *ret_a);
void mmx_action_put(struct msg_wr *m, const struct mmx_action *a);

enum mmx_result_flag {
	MMX_RESULT_CHECK = 1 << 0,
	MMX_RESULT_RR_PENDING = 1 << 1,
	MMX_RESULT_RENEGOTIATE = 1 << 2,
	MMX_RESULT_RR_NOT_TESTED = 1 << 3,
	MMX_RESULT_FLAGS = (1 << 4) - 1,
};

struct mmx_result {
	uint16_t id;	 /* 0: answers no action */
	uint16_t status; /* enum mmx_status; unknown ones are kept, and are refusals */
	uint8_t flags;	 /* enum mmx_result_flag */
	uint16_t affected;
	struct mmx_tlvs tlvs;
};

/* OK, UNSUPPORTED, TOO_MANY or MALFORMED. On failure id and status are valid, or 0. */
enum mmx_status mmx_result_get(const struct notify *n, struct mmx_result *ret_r);
void mmx_result_put(struct msg_wr *m, const struct mmx_result *r);

#endif
