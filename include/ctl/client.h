/* SPDX-License-Identifier: GPL-2.0-only */
/* Control socket, the CLI's side: blocking, one request at a time. Thread: the caller's. */
#ifndef BRAID_CTL_CLIENT_H
#define BRAID_CTL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "ctl/json.h"

struct ctl_client;

/* 0; -ENOENT or -ECONNREFUSED when no agent runs there; -EACCES; -errno. */
int ctl_connect(const char *path, struct ctl_client **ret_client);
void ctl_client_free(struct ctl_client *c); /* NULL is fine */
/* Sends {"v":1,"id":N,"cmd":cmd, ...args}; args is borrowed, may be NULL. 0, also when
 * the agent has closed the connection: ctl_recv tells what it said before; -errno. */
int ctl_send(struct ctl_client *c, const char *cmd, const json_t *args);
/* The next reply line of the current request. 1: *ret_reply is the caller's; 0: the agent closed
 * the connection; -ETIMEDOUT; -EBADMSG (not JSON, wrong version or too long); -EINTR; -errno.
 * timeout_msec < 0: wait for ever. */
int ctl_recv(struct ctl_client *c, int timeout_msec, json_t **ret_reply);
/* A long list comes in pieces, each with further entries of the same lists: data (NULL: none so
 * far) with piece added. Both are taken. */
json_t *ctl_join(json_t *data, json_t *piece);
/* Descriptor to poll (borrowed). */
int ctl_client_fd(const struct ctl_client *c);

#endif
