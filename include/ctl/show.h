/* SPDX-License-Identifier: GPL-2.0-only */
/* Replies of the agent as text for people: pure functions of JSON (shapes in ctl/json.h). What is
 * missing or of another type is shown as "-", never an error. Thread: any. */
#ifndef BRAID_CTL_SHOW_H
#define BRAID_CTL_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

void show_status(FILE *out, const json_t *data);
void show_sas(FILE *out, const json_t *data);
void show_paths(FILE *out, const json_t *data);
/* The same in lines of at most so many characters, with less in them if need be; 0: of any length.
 */
void show_paths_within(FILE *out, const json_t *data, size_t columns);
/* The live table: rates and shares between two replies; before may be NULL. */
void show_paths_live(FILE *out, const json_t *data, const json_t *before);
void show_path_test(FILE *out, const json_t *data);
void show_stats(FILE *out, const json_t *data);
void show_certs(FILE *out, const json_t *data);
void show_conns(FILE *out, const json_t *data);
void show_counters(FILE *out, const json_t *data);
void show_mmx_list(FILE *out, const json_t *data);
void show_mmx_result(FILE *out, const json_t *data);
void show_mmx_probe(FILE *out, const json_t *data);
void show_steering(FILE *out, const json_t *data);
/* The same with rates between two replies in place of octets; before may be NULL. */
void show_steering_live(FILE *out, const json_t *data, const json_t *before);
void show_explain(FILE *out, const json_t *data);

/* What braid top shows: replies to paths and steering (NULL: there is none), one look after the
 * other, rates between the last two. curves: the terminal has the characters (UTF-8). */
struct top;
struct top *top_new(void); /* NULL: no memory */
void top_free(struct top *t);
void show_top(FILE *out, struct top *t, const json_t *paths, const json_t *steering, bool curves);

/* One line with the time of day. */
void show_event(FILE *out, const json_t *event);

/* Files as a tshark or Wireshark profile directory has them: ikev2_decryption_table and esp_sa,
 * mode 0600, in dir (which must exist). n_ike, n_esp: entries written. ret_skipped: how many use an
 * algorithm Wireshark's table does not know. 0 or -errno. */
int wireshark_write(const char *dir, const json_t *keys, size_t *ret_ike, size_t *ret_esp,
		    size_t *ret_skipped);

#endif
