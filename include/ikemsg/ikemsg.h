/* SPDX-License-Identifier: GPL-2.0-only */
/* IKEv2 messages: octets to structs and back, nothing else (RFC 7296 section 3).
 *
 * Decoding never acts, never allocates, and borrows every variable-length part from the datagram.
 * All counts are bounded by the constants below. Encryption of SK is in ikemsg/sk.h.
 * Thread: any.
 */
#ifndef BRAID_IKEMSG_IKEMSG_H
#define BRAID_IKEMSG_IKEMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"

/* ---- numbers ---- */

#ifndef IKE_MSG_OCTETS /* less of it is cleared for every input of a fuzzer */
#define IKE_MSG_OCTETS 65000
#endif

enum {
	IKE_HEADER_OCTETS = 28,
	IKE_PAYLOAD_HEADER_OCTETS = 4,
	IKE_MSG_MAX = IKE_MSG_OCTETS,
	IKE_VERSION_2_0 = 0x20,
	IKE_FLAG_INITIATOR = 0x08,
	IKE_FLAG_VERSION = 0x10,
	IKE_FLAG_RESPONSE = 0x20,
};

enum exchange_type {
	IKE_SA_INIT = 34,
	IKE_AUTH = 35,
	CREATE_CHILD_SA = 36,
	INFORMATIONAL = 37,
};

enum payload_type {
	PLD_NONE = 0,
	PLD_SA = 33,
	PLD_KE = 34,
	PLD_IDI = 35,
	PLD_IDR = 36,
	PLD_CERT = 37,
	PLD_CERTREQ = 38,
	PLD_AUTH = 39,
	PLD_NONCE = 40,
	PLD_NOTIFY = 41,
	PLD_DELETE = 42,
	PLD_VENDOR = 43,
	PLD_TSI = 44,
	PLD_TSR = 45,
	PLD_SK = 46,
	PLD_CP = 47,
	PLD_EAP = 48,
	PLD_SKF = 53,
};

enum proto_id { PROTO_NONE = 0, PROTO_IKE = 1, PROTO_AH = 2, PROTO_ESP = 3 };

/* One list for numbers and names. Error types are below 16384. */
#define FOREACH_NOTIFY(X)                                                                          \
	X(UNSUPPORTED_CRITICAL_PAYLOAD, 1)                                                         \
	X(INVALID_IKE_SPI, 4)                                                                      \
	X(INVALID_MAJOR_VERSION, 5)                                                                \
	X(INVALID_SYNTAX, 7)                                                                       \
	X(INVALID_MESSAGE_ID, 9)                                                                   \
	X(INVALID_SPI, 11)                                                                         \
	X(NO_PROPOSAL_CHOSEN, 14)                                                                  \
	X(INVALID_KE_PAYLOAD, 17)                                                                  \
	X(AUTHENTICATION_FAILED, 24)                                                               \
	X(SINGLE_PAIR_REQUIRED, 34)                                                                \
	X(NO_ADDITIONAL_SAS, 35)                                                                   \
	X(INTERNAL_ADDRESS_FAILURE, 36)                                                            \
	X(FAILED_CP_REQUIRED, 37)                                                                  \
	X(TS_UNACCEPTABLE, 38)                                                                     \
	X(INVALID_SELECTORS, 39)                                                                   \
	X(UNACCEPTABLE_ADDRESSES, 40)                                                              \
	X(UNEXPECTED_NAT_DETECTED, 41)                                                             \
	X(TEMPORARY_FAILURE, 43)                                                                   \
	X(CHILD_SA_NOT_FOUND, 44)                                                                  \
	X(TS_MAX_QUEUE, 48)                                                                        \
	X(INITIAL_CONTACT, 16384)                                                                  \
	X(SET_WINDOW_SIZE, 16385)                                                                  \
	X(ADDITIONAL_TS_POSSIBLE, 16386)                                                           \
	X(IPCOMP_SUPPORTED, 16387)                                                                 \
	X(NAT_DETECTION_SOURCE_IP, 16388)                                                          \
	X(NAT_DETECTION_DESTINATION_IP, 16389)                                                     \
	X(COOKIE, 16390)                                                                           \
	X(USE_TRANSPORT_MODE, 16391)                                                               \
	X(HTTP_CERT_LOOKUP_SUPPORTED, 16392)                                                       \
	X(REKEY_SA, 16393)                                                                         \
	X(ESP_TFC_PADDING_NOT_SUPPORTED, 16394)                                                    \
	X(NON_FIRST_FRAGMENTS_ALSO, 16395)                                                         \
	X(MOBIKE_SUPPORTED, 16396)                                                                 \
	X(ADDITIONAL_IP4_ADDRESS, 16397)                                                           \
	X(ADDITIONAL_IP6_ADDRESS, 16398)                                                           \
	X(NO_ADDITIONAL_ADDRESSES, 16399)                                                          \
	X(UPDATE_SA_ADDRESSES, 16400)                                                              \
	X(COOKIE2, 16401)                                                                          \
	X(NO_NATS_ALLOWED, 16402)                                                                  \
	X(CHILDLESS_IKEV2_SUPPORTED, 16418)                                                        \
	X(QUICK_CRASH_DETECTION, 16419)                                                            \
	X(IKEV2_FRAGMENTATION_SUPPORTED, 16430)                                                    \
	X(SIGNATURE_HASH_ALGORITHMS, 16431)                                                        \
	X(CLONE_IKE_SA_SUPPORTED, 16432)                                                           \
	X(CLONE_IKE_SA, 16433)                                                                     \
	X(SA_RESOURCE_INFO, 16444)                                                                 \
	X(MMX_SUPPORTED, 52736) /* the extension of ikemsg/mmx.h; private numbers */               \
	X(MMX_IFACE, 52737)                                                                        \
	X(MMX_OUTER, 52738)                                                                        \
	X(MMX_ACTION, 52739)                                                                       \
	X(MMX_RESULT, 52740)                                                                       \
	X(MMX_PATH, 52741)                                                                         \
	X(STABLE_TRANSPORT, 52760) /* private, too: user/ike/mode.c */

enum notify_type {
#define X(n, v) N_##n = v,
	FOREACH_NOTIFY(X)
#undef X
};

#define FOREACH_ID_TYPE(X)                                                                         \
	X(IPV4_ADDR, 1)                                                                            \
	X(FQDN, 2)                                                                                 \
	X(RFC822_ADDR, 3)                                                                          \
	X(IPV6_ADDR, 5)                                                                            \
	X(DER_ASN1_DN, 9)                                                                          \
	X(DER_ASN1_GN, 10)                                                                         \
	X(KEY_ID, 11)

enum id_type {
#define X(n, v) ID_##n = v,
	FOREACH_ID_TYPE(X)
#undef X
};

enum auth_method { AUTH_RSA_SIG = 1, AUTH_SHARED_KEY_MIC = 2, AUTH_DSS = 3, AUTH_DIGITAL_SIG = 14 };

/* Of CERT and CERTREQ; the other encodings are not used. OCSP_CONTENT: RFC 4806. */
enum cert_encoding { CERT_X509_SIGNATURE = 4, CERT_OCSP_CONTENT = 14 };

enum cfg_type { CFG_REQUEST = 1, CFG_REPLY = 2, CFG_SET = 3, CFG_ACK = 4 };
enum cfg_attr_type {
	INTERNAL_IP4_ADDRESS = 1,
	INTERNAL_IP4_NETMASK = 2,
	INTERNAL_IP4_DNS = 3,
	APPLICATION_VERSION = 7,
	INTERNAL_IP6_ADDRESS = 8,
	INTERNAL_IP6_DNS = 10,
	INTERNAL_IP4_SUBNET = 13,
	INTERNAL_IP6_SUBNET = 15,
};

enum ts_type { TS_IPV4_ADDR_RANGE = 7, TS_IPV6_ADDR_RANGE = 8 };

/* Names for logs and captures: "IKE_AUTH", "TS_UNACCEPTABLE"; "unknown" otherwise. Static. */
const char *exchange_name(uint8_t type);
const char *notify_name(uint16_t type);
const char *id_type_name(uint8_t type);
const char *payload_name(uint8_t type);

/* ---- bounds ---- */

enum {
	MSG_PAYLOADS_MAX = 96,
	MSG_NOTIFIES_MAX = 48,
	MSG_DELETES_MAX = 4,
	MSG_VENDORS_MAX = 16,
	MSG_CERTS_MAX = 8, /* more CERT payloads are a mistake, more CERTREQ are not read */
	MSG_PROPOSALS_MAX = 16,
	MSG_TRANSFORMS_MAX = 48, /* per proposal */
	MSG_TS_MAX = 32,
	MSG_CFG_ATTRS_MAX = 32,
};

/* ---- header ---- */

struct ike_hdr {
	uint64_t spi_i, spi_r; /* host order, as numbers */
	uint8_t next_payload;
	uint8_t version;
	uint8_t exchange;
	uint8_t flags;
	uint32_t msg_id;
	uint32_t length; /* octets, whole message */
};

/* 0 or -EBADMSG (shorter than 28 octets). Looks at nothing but the header; Length against the
 * datagram is the caller's check. */
int ike_hdr_get(struct rd *r, struct ike_hdr *ret_hdr);
/* Writes the header; length is patched later by msg_end. */
void ike_hdr_put(struct wr *w, const struct ike_hdr *h);

/* ---- parts ---- */

struct bytes { /* borrowed */
	const uint8_t *p;
	size_t len;
};

struct transform {
	uint8_t type; /* enum transform_type; unknown types are kept */
	uint16_t id;
	uint16_t key_bits; /* 0 = no Key Length attribute */
	bool unknown_attr; /* an attribute we do not know: this transform is unusable (3.3.6) */
};

struct proposal {
	uint8_t number;
	uint8_t protocol; /* enum proto_id */
	uint8_t spi_len;  /* 0, 4 or 8 */
	uint64_t spi;
	uint8_t n_transforms;
	struct transform transforms[MSG_TRANSFORMS_MAX];
};

struct sa_payload {
	uint8_t n;
	struct proposal p[MSG_PROPOSALS_MAX];
};

struct notify {
	uint8_t protocol;
	uint16_t type;
	struct bytes spi;
	struct bytes data;
};

struct ts {		     /* one selector */
	uint8_t protocol;    /* 0 any */
	uint16_t port_first; /* host order; 65535..0 is OPAQUE */
	uint16_t port_last;
	struct addr first, last;
};

struct ts_list {
	uint8_t n;
	uint8_t skipped; /* unknown TS types ignored (TS-5) */
	struct ts ts[MSG_TS_MAX];
};

struct delete_payload {
	uint8_t protocol;
	uint8_t spi_len;
	uint16_t n;
	struct bytes spis; /* n * spi_len octets */
};

struct cfg_attr {
	uint16_t type;
	struct bytes value;
};

struct cfg_payload {
	uint8_t type; /* enum cfg_type */
	uint8_t n;
	struct cfg_attr a[MSG_CFG_ATTRS_MAX];
};

struct id_payload {
	uint8_t type; /* enum id_type */
	struct bytes data;
	struct bytes body; /* type, 3 reserved octets, data: what AUTH covers (2.15) */
};

/* One decoded message, or the inner payloads of SK. Absent parts: has_x false / n 0 / p NULL. */
struct ike_msg {
	struct ike_hdr hdr;
	bool has_sa, has_ke, has_nonce, has_idi, has_idr, has_auth, has_tsi, has_tsr, has_cp,
		has_sk;
	bool has_skf, has_eap;
	struct sa_payload sa;
	uint16_t ke_group;
	struct bytes ke;
	struct bytes nonce;
	struct id_payload idi, idr;
	uint8_t auth_method;
	struct bytes auth;
	struct ts_list tsi, tsr;
	struct cfg_payload cp;
	uint8_t n_notifies;
	struct notify notifies[MSG_NOTIFIES_MAX];
	uint8_t n_deletes;
	struct delete_payload deletes[MSG_DELETES_MAX];
	uint8_t n_vendors;
	struct bytes vendors[MSG_VENDORS_MAX];
	uint8_t n_certs, n_certreqs; /* bodies: see msg_cert */
	struct bytes certs[MSG_CERTS_MAX], certreqs[MSG_CERTS_MAX];
	/* SK or SKF: first inner payload, body from IV to ICV, and its offset in the datagram */
	uint8_t sk_next;
	struct bytes sk;
	size_t sk_body_off;
	uint16_t skf_number, skf_total;
	/* payload types in the order met, for logs: */
	uint8_t n_order;
	uint8_t order[MSG_PAYLOADS_MAX];
};

/* Outcome of decoding; each names the answer RFC 7296 wants, the caller decides whether it may
 * be given. */
enum msg_verdict {
	MSG_OK = 0,
	MSG_INVALID_SYNTAX,	  /* bad lengths, repeated single payloads, bad chain */
	MSG_UNSUPPORTED_CRITICAL, /* *ret_critical = the payload type */
};

/* Decode a whole datagram (without the non-ESP marker): header and outer payloads. The version is
 * not looked at. If the verdict is not MSG_OK, hdr is valid (zeros if shorter than a header) and
 * nothing else may be used. */
enum msg_verdict msg_decode(const uint8_t *buf, size_t len, struct ike_msg *ret_msg,
			    uint8_t *ret_critical);
/* Decode the decrypted payload chain starting with type first into *msg, whose hdr and outer parts
 * stay as they are. SK inside SK is INVALID_SYNTAX. */
enum msg_verdict msg_decode_inner(uint8_t first, const uint8_t *buf, size_t len,
				  struct ike_msg *msg, uint8_t *ret_critical);

/* The data of a CERT or CERTREQ body with that encoding; false: it has another, or none. */
bool msg_cert(struct bytes body, uint8_t encoding, struct bytes *ret_data);
/* Hash algorithms of SIGNATURE_HASH_ALGORITHMS as a mask of 1 << number (RFC 7427 4); numbers above
 * 31 are left out. */
uint32_t msg_hashes(const struct notify *n);

/* First notify of that type, or NULL. */
const struct notify *msg_notify(const struct ike_msg *m, uint16_t type);
/* First error notify (< 16384), or NULL. */
const struct notify *msg_error_notify(const struct ike_msg *m);

/* ---- building ---- */

/* Writer of a payload chain: remembers where the previous Next Payload octet is. */
struct msg_wr {
	struct wr w;
	size_t next_off;  /* offset of the Next Payload octet to patch; SIZE_MAX: into `first` */
	size_t pld_start; /* offset of the payload being written */
	uint8_t first;	  /* type of the first payload (for SK) */
	bool inner;	  /* no header: nothing to patch at the end */
	uint16_t error;	  /* type of the error notification put last; 0: none */
};

/* A cleartext message: header first. */
struct msg_wr msg_begin(void *buf, size_t cap, const struct ike_hdr *hdr);
/* The inner payloads of SK, without header. */
struct msg_wr msg_begin_inner(void *buf, size_t cap);
/* Patches Length; returns octets or 0 on overflow. An empty inner chain is 0 octets as well: w.err
 * tells them apart. */
size_t msg_end(struct msg_wr *m);

void msg_pld_begin(struct msg_wr *m, uint8_t type);
void msg_pld_end(struct msg_wr *m);
void msg_put_raw(struct msg_wr *m, uint8_t type, const void *body, size_t len);
void msg_put_sa(struct msg_wr *m, const struct sa_payload *sa);
void msg_put_ke(struct msg_wr *m, uint16_t group, const void *data, size_t len);
void msg_put_nonce(struct msg_wr *m, const void *data, size_t len);
void msg_put_id(struct msg_wr *m, uint8_t pld_type, uint8_t id_type, const void *data, size_t len);
void msg_put_auth(struct msg_wr *m, uint8_t method, const void *data, size_t len);
/* pld_type: CERT or CERTREQ. */
void msg_put_cert(struct msg_wr *m, uint8_t pld_type, uint8_t encoding, const void *data,
		  size_t len);
void msg_put_hashes(struct msg_wr *m, uint32_t mask);
void msg_put_notify(struct msg_wr *m, uint8_t protocol, const void *spi, size_t spi_len,
		    uint16_t type, const void *data, size_t len);
void msg_put_delete_ike(struct msg_wr *m);
void msg_put_delete_spis(struct msg_wr *m, uint8_t protocol, const uint32_t *spis, size_t n);
void msg_put_vendor(struct msg_wr *m, const void *data, size_t len);
void msg_put_ts(struct msg_wr *m, uint8_t pld_type, const struct ts_list *tsl);
void msg_put_cp(struct msg_wr *m, const struct cfg_payload *cp);

/* SHA-1 input of NAT detection is computed by the ike layer; this only names the layout. */

#endif
