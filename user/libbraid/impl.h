/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of libbraid. What is not in braid/braid.h is hidden from those who link it. */
#ifndef BRAID_LIBBRAID_IMPL_H
#define BRAID_LIBBRAID_IMPL_H

#include <jansson.h>

#include "braid/braid.h"
#include "ctl/client.h"

enum { ERROR_TEXT_MAX = 512, ANSWER_MSEC = 10000, OPERATION_MSEC = 60000 };

struct braid {
	struct ctl_client *client;
	unsigned timeout_msec; /* of operations */
	braid_progress_fn *progress;
	void *progress_ctx;
	char error[ERROR_TEXT_MAX];
};

/* connect.c */
int lib_connect(const char *path, struct ctl_client **ret_client);
/* The error that a last line tells; 0: none. text (may be NULL) gets its sentence. */
int lib_end_error(const json_t *reply, char text[ERROR_TEXT_MAX]);
/* Send a command and follow it to its end. Takes args (NULL: none). *ret_data (may be NULL) is the
 * caller's, and given also when the command failed with data; NULL: there was none. */
int lib_run(struct braid *b, const char *command, json_t *args, unsigned timeout_msec,
	    json_t **ret_data);
/* The same for an operation: the agent keeps its time. */
int lib_operate(struct braid *b, const char *command, json_t *args, json_t **ret_data);

/* What a list is made of: goes as a whole. */
struct held {
	struct held_block *blocks;
	size_t n_keep;
	json_t *keep[3]; /* whose strings are pointed to; taken */
};

/* "conn" of a request; NULL without one. A name that cannot be sent becomes one that there is not.
 */
json_t *lib_of_conn(const char *conn);
/* -EINVAL, with its sentence: an argument is no UTF-8, or is missing. */
int lib_bad_argument(struct braid *b);

/* Any list, as its user gets it, with what it is made of. */
struct lib_list {
	union {
		struct braid_interfaces interfaces;
		struct braid_relations relations;
		struct braid_paths paths;
		struct braid_announcements announcements;
	} as;
	struct held held;
};

/* r, or -ENOMEM if failed; then the list is freed. */
int list_end(struct lib_list *l, int r, bool failed);
void list_free(struct lib_list *l); /* NULL is fine */

/* Zeroed. NULL: no memory; then failed is for the end of the function that builds the list. */
void *held_alloc(struct held *h, size_t size, bool *failed);
void held_keep(struct held *h, json_t *data);
void held_clear(struct held *h);

/* Members: "", 0 and false for what is not there. */
const char *get_str(const json_t *o, const char *key);
uint64_t get_num(const json_t *o, const char *key);
bool get_flag(const json_t *o, const char *key);

/* The data of mmx-list; *ret_data NULL: this agent does not know it. */
int lib_mmx_list(struct braid *b, const char *conn, json_t **ret_data);
/* An array of {"id"?,"address","current"?}. */
const struct braid_endpoint *lib_endpoints(struct held *h, const json_t *list, bool *failed);

#endif
