/* SPDX-License-Identifier: GPL-2.0-only */
/* What files of commands share. */
#ifndef BRAID_AGENT_CONTROL_IMPL_H
#define BRAID_AGENT_CONTROL_IMPL_H

#include "agent.h"

/* A command: it ends the request, or begins what will. */
typedef void cmd_fn(struct agent *a, struct ctl_req *req, const json_t *args);

cmd_fn control_down, control_consent, control_consent_answer;
cmd_fn control_path_disable, control_path_enable, control_path_prefer, control_path_test;
cmd_fn control_steering, control_steering_explain;
cmd_fn control_mmx_list, control_mmx_probe;
cmd_fn control_mmx_add, control_mmx_remove, control_mmx_update, control_mmx_check,
	control_mmx_alternates, control_mmx_failover, control_mmx_add_interface,
	control_mmx_delete_interface;

/* So many programs are asked first. */
void control_consent_awaited(struct ctl_req *req, const char *conn, unsigned asked);

/* Is there a connection of that name? False: the request has ended. */
bool control_conn_wanted(struct agent *a, struct ctl_req *req, const char *name);
/* NULL: there is no such text. */
const char *control_arg(const json_t *args, const char *key);
/* An operation that ends later. NULL: there are too many. */
struct op *control_op_new(struct agent *a, struct ctl_req *req);
/* NULL: it has ended. */
struct op *control_op_find(struct agent *a, uint32_t id);
/* The connection that a command names, its line (0: none is named) and a new operation; NULL: the
 * request has ended. */
struct op *control_op_begin(struct agent *a, struct ctl_req *req, const json_t *args,
			    uint64_t *ret_line);
/* The core took it (err 0), or said at once that it will not. */
void control_op_started(struct agent *a, struct op *op, int err, const char *name,
			const char *child, const json_t *args);
void control_op_end(struct op *op, enum ctl_code code, const char *text);
void control_op_limit(struct agent *a, const struct op *op, const json_t *args);

#endif
