/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables for people: cells added one after the other, columns aligned when printed. Control
 * characters in cells are shown as "?": some of the text comes from a peer. Thread: the caller's.
 */
#ifndef BRAID_CTL_TABLE_H
#define BRAID_CTL_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table;

enum { UNIT_STR = 24 };

/* heads: NULL terminated; one that starts with '>' is aligned to the right. NULL: no memory. */
struct table *table_new(const char *const *heads);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints the head (if there are rows) and the rows, frees. NULL is fine. */
void table_end(struct table *t, FILE *out);

/* Characters of the longest line. */
size_t table_width(const char *text);

/* Units people read; each writes into the caller's buffer and returns it. */
const char *unit_octets(uint64_t octets, char buf[UNIT_STR]);		   /* "17.3 MiB" */
const char *unit_rate(uint64_t octets, uint64_t usec, char buf[UNIT_STR]); /* "88.1 Mbit/s" */
const char *unit_usec(uint64_t usec, char buf[UNIT_STR]);		   /* "0.8 ms" */
const char *unit_age(uint64_t usec, char buf[UNIT_STR]);		   /* "2 m 11 s" */

#endif
