/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow as an operator writes it, into the members of a request. Pure. Thread: any. */
#ifndef BRAID_CTL_FLOW_ARGS_H
#define BRAID_CTL_FLOW_ARGS_H

#include <stddef.h>

#include <jansson.h>

/* PROTOCOL LOCAL[:PORT] REMOTE[:PORT] [dscp WORD] [mark N] [cgroup PATH], words until NULL; IPv6
 * with a port in brackets. *ret_args is the caller's: protocol, local, local_port, remote,
 * remote_port, and dscp, mark, cgroup where given. 0, -ENOMEM, or -EINVAL with a sentence. */
int flow_args(char *const *words, json_t **ret_args, char *ret_error, size_t error_len);

#endif
