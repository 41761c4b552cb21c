/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of xfrm: requests (ask.c), and messages to and from structs without the
 * kernel, each put_ beside its parse_. What comes from the kernel is bounds-checked all the same.
 */
#ifndef BRAID_XFRM_IMPL_H
#define BRAID_XFRM_IMPL_H

#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>

#include "xfrm/xfrm.h"

struct xfrm {
	struct mnl_socket *ask;	   /* NETLINK_XFRM */
	struct mnl_socket *route;  /* NETLINK_ROUTE, for the interface; opened when it is needed */
	struct mnl_socket *events; /* NETLINK_XFRM, not blocking */
	uint32_t seq;
};

enum { XFRM_REQUEST_MAX = 2048, XFRM_ANSWER_MAX = 32768 };

/* Since Linux 6.10 and 6.13: later than the headers that this may be built with. */
enum {
	ATTR_SA_DIR = 33,  /* XFRMA_SA_DIR: u8 */
	ATTR_SA_PCPU = 35, /* XFRMA_SA_PCPU: u32, the number of a CPU */
	SA_DIR_OUT = 2,	   /* XFRM_SA_DIR_OUT */
};

/* ---- ask.c ---- */

/* A message in buf of XFRM_REQUEST_MAX octets with a zeroed header of header_len behind nlmsghdr,
 * which *ret_header points to. */
struct nlmsghdr *xfrm_message(void *buf, uint16_t type, uint16_t flags, size_t header_len,
			      void *ret_header);
/* Send nlh and run cb over the answers until done or acknowledged; 0 or -errno. What was received
 * is wiped, for the kernel tells keys. */
int xfrm_ask(struct xfrm *x, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx);
int xfrm_ask_route(struct xfrm *x, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx);

/* ---- algorithm.c ---- */

/* The kernel's words for IKEv2's numbers. */
struct xfrm_algorithm {
	const char *encr, *integ; /* integ NULL with AEAD */
	bool aead;
	uint16_t key_octets, integ_octets; /* the former with the salt */
	uint16_t icv_bits;
};
/* 0 or -ENOSYS. */
int xfrm_algorithm(uint16_t encr_id, uint16_t key_bits, uint16_t integ_id,
		   struct xfrm_algorithm *ret_alg);

/* ---- state.c, state_msg.c ---- */

/* XFRM_MSG_NEWSA, with keys: to be wiped. 0 or -errno. */
int xfrm_put_sa(void *buf, const struct xfrm_sa *sa, struct nlmsghdr **ret_nlh);
void xfrm_put_sa_id(struct xfrm_usersa_id *id, const struct addr *dst, uint32_t spi);
/* 0, or -EBADMSG. */
int xfrm_parse_sa(const struct nlmsghdr *nlh, struct xfrm_sa_info *ret_info);

/* ---- policy_msg.c ---- */

int xfrm_put_policy(void *buf, const struct xfrm_policy *p, struct nlmsghdr **ret_nlh);
int xfrm_put_policy_del(void *buf, const struct xfrm_policy *p, struct nlmsghdr **ret_nlh);
int xfrm_parse_policy(const struct nlmsghdr *nlh, struct xfrm_policy *ret_policy);
void xfrm_put_sel(struct xfrm_selector *to, const struct xfrm_sel *sel);
/* -EBADMSG: neither IPv4 nor IPv6. */
int xfrm_get_sel(const struct xfrm_selector *from, struct xfrm_sel *ret_sel);

/* ---- events.c ---- */

/* -EBADMSG: neither of both, or not of ESP. */
int xfrm_parse_event(const struct nlmsghdr *nlh, struct xfrm_event *ret_ev);

/* ---- small things ---- */

static inline uint16_t xfrm_af(const struct addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

static inline void xfrm_put_addr(xfrm_address_t *to, const struct addr *a)
{
	memset(to, 0, sizeof(*to));
	memcpy(to, a->b, addr_len(a));
}

/* Family 0 for one that is neither. */
static inline struct addr xfrm_get_addr(const xfrm_address_t *from, uint16_t af)
{
	uint8_t family = af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;

	return addr_from_bytes(family, (const uint8_t *)from);
}

#endif
