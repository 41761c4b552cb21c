/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages put into a capture file with their keys beside it, and what tshark says of them. */
#ifndef BRAID_TESTS_TSHARK_H
#define BRAID_TESTS_TSHARK_H

#include <stdio.h>

#include "crypto/aead.h"
#include "ikemsg/ikemsg.h"

#define TSHARK_SPI_I 0x0102030405060708ULL
#define TSHARK_SPI_R 0x1112131415161718ULL

struct tshark_suite {
	struct aead_spec spec;
	const char *encr, *integ; /* the words of Wireshark's decryption table */
};

struct tshark_capture {
	char dir[32];
	FILE *f;
	struct aead_sizes s;
	struct aead *seal[2]; /* what I, and what R sends with */
};

/* Whether there is a tshark. */
bool tshark_there(void);
/* A capture in a directory of its own. */
void tshark_begin(struct tshark_capture *c, const struct tshark_suite *suite);
/* A message as it is. */
void tshark_put(struct tshark_capture *c, bool from_i, const uint8_t *msg, size_t len);
/* The payloads in inner, in an exchange of that type, with its header and encrypted. */
void tshark_put_sealed(struct tshark_capture *c, bool from_i, uint8_t exchange, uint32_t msg_id,
		       const struct msg_wr *inner);
/* Runs tshark with these further arguments on what was put, removes all, and returns what it said:
 * the next call's as well. */
const char *tshark_end(struct tshark_capture *c, const char *args);
unsigned tshark_count(const char *text, const char *what);

#endif
