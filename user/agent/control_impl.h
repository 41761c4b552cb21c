/* SPDX-License-Identifier: GPL-2.0-only */
/* What files of commands share. */
#ifndef BRAID_AGENT_CONTROL_IMPL_H
#define BRAID_AGENT_CONTROL_IMPL_H

#include "agent.h"

/* A command: it ends the request, or begins what will. */
typedef void cmd_fn(struct agent *a, struct ctl_req *req, const json_t *args);

cmd_fn control_path_disable, control_path_enable, control_path_prefer, control_path_test;

/* NULL: there is no such text. */
const char *control_arg(const json_t *args, const char *key);
/* An operation that ends later. NULL: there are too many. */
struct op *control_op_new(struct agent *a, struct ctl_req *req);
void control_op_end(struct op *op, enum ctl_code code, const char *text);
void control_op_limit(struct agent *a, const struct op *op, const json_t *args);

#endif
