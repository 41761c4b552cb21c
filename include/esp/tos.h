/* SPDX-License-Identifier: GPL-2.0-only */
/* The octet of an IP header that holds DSCP and ECN, from the inner to the outer header and back
 * (RFC 4301 5.1.2, RFC 6040). What leaves needs no function: the inner octet under the SA's mask,
 * ECN always (RFC 6040 4.1, normal mode), DSCP as configured. Thread: any.
 */
#ifndef BRAID_ESP_TOS_H
#define BRAID_ESP_TOS_H

#include <stdbool.h>
#include <stdint.h>

enum { TOS_ECN = 0x03, TOS_DSCP = 0xfc };
enum tos_ecn { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

/* The inner octet after decapsulation (RFC 6040 4.2). dscp: take the outer DSCP over. False: an
 * outer CE for a transport that would not see it: the packet must be dropped instead. */
bool tos_decap(uint8_t inner, uint8_t outer, bool dscp, uint8_t *ret_tos);

/* Write it into an IP header of that family; IPv4's header checksum follows. */
void tos_set(uint8_t *pkt, uint8_t family, uint8_t tos);

#endif
