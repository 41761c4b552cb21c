/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of DSCPs and IP protocols, as people write them. Pure. Thread: any. */
#ifndef BRAID_BASE_IPWORDS_H
#define BRAID_BASE_IPWORDS_H

#include <stdbool.h>
#include <stdint.h>

enum { IPWORD_STR = 12 };

/* "ef", "af41", "cs5", "0x2e", "46" (RFC 2474, 2597, 3246, 5865, 8622); -1: none. */
int dscp_parse(const char *text);
/* Its name, or its number; returns buf. */
const char *dscp_format(uint8_t dscp, char buf[IPWORD_STR]);

/* "udp", "17"; "any" is 0. */
bool protocol_parse(const char *text, uint8_t *ret_protocol);
const char *protocol_format(uint8_t protocol, char buf[IPWORD_STR]);
/* RFC 7296 3.13.1: ports mean something to these; with protocol 0 they would select nothing. */
bool protocol_has_ports(uint8_t protocol);

/* "80", "1024-2048", "any". */
bool ports_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last);

#endif
