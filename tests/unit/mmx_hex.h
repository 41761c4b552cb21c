/* SPDX-License-Identifier: GPL-2.0-only */
/* Notifications written as hexadecimal text, and what is built compared with them. */
#ifndef BRAID_TESTS_MMX_HEX_H
#define BRAID_TESTS_MMX_HEX_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ikemsg/mmx.h"
#include "../lib/hex.h"

enum { NOTIFY_HEAD = 8 };

static uint8_t in[70000], out[70000];
static struct notify n;
static size_t in_len;

static inline const struct notify *data(const char *hex)
{
	in_len = unhex(hex, in, sizeof(in));
	n = (struct notify){ .data = { in, in_len } };
	return &n;
}

static inline struct msg_wr begin(void)
{
	return msg_begin_inner(out, sizeof(out));
}

/* What was built is what was decoded. */
static inline void assert_same(struct msg_wr *w, uint16_t type)
{
	cr_assert_eq(msg_end(w), NOTIFY_HEAD + in_len);
	cr_assert_eq(w->first, PLD_NOTIFY);
	cr_assert_eq(out[4] | out[5], 0); /* Protocol ID, SPI Size */
	cr_assert_eq(out[6] << 8 | out[7], type);
	cr_assert_arr_eq(out + NOTIFY_HEAD, in, in_len);
}

/* So many endpoints of that role, with numbers of their own, between head and tail. */
static inline void many(char *hex, const char *head, unsigned role, unsigned count,
			const char *tail)
{
	hex += sprintf(hex, "%s", head);
	for (unsigned i = 1; i <= count; i++)
		hex += sprintf(hex, "0001 0008 %02x 00 00 00 %04x 0000", role, 0x100 + i);
	sprintf(hex, "%s", tail);
}

#define OLD_3		 "0001 0008 01 00 00 00 0003 0000"
#define NEW_4		 "0001 0008 02 00 00 00 0004 0000"
#define NEW_5		 "0001 0008 02 00 00 00 0005 0000"
#define OLD_3_PEER	 "0001 0008 01 01 00 00 0003 0000"
#define NEW_4_PEER	 "0001 0008 02 01 00 00 0004 0000"
#define ALT_2		 "0001 0008 04 00 00 00 0002 0000"
#define ALT_2_PEER	 "0001 0008 04 01 00 00 0002 0000"
#define SRC_1		 "0001 0008 05 00 01 00 0001 0000"
#define TO_1		 "0001 0008 03 01 00 00 0001 0000"
#define INNER_NEW_ASSIGN "0001 0008 07 00 04 00 0000 0000"
#define INNER_NEW_V4	 "0001 000c 07 00 00 04 0000 0000 0a000003"
#define INNER_OLD_V4	 "0001 000c 06 00 00 04 0000 0000 0a000001"
#define SEL_IKE		 "0002 0004 00 00 0000"
#define SEL_SPIS	 "0002 000c 01 03 0002 c0000001 c0000002"
#define SEL_OLD		 "0002 0004 02 00 0000"
#define SEL_ALL		 "0002 0004 03 00 0000"
#define NONCE		 "0003 0020 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define DIGEST		 "0005 0014 0002 0000 000102030405060708090a0b0c0d0e0f"
#define TOKEN_3_1	 "0006 0014 0003 0001 505152535455565758595a5b5c5d5e5f"
#define FAIL_1		 "0007 000c 0010 0004 03 000000 c0000001"
#define VALID_60	 "0008 0004 0000003c"
#define LIMIT_8		 "0009 0004 0008 0010"
#define TEXT_NO		 "000b 0002 6e6f"

#endif
