/* SPDX-License-Identifier: GPL-2.0-only */
/* What server.c (lines in) and reply.c (lines out) share. */
#ifndef BRAID_CTL_SERVER_IMPL_H
#define BRAID_CTL_SERVER_IMPL_H

#include <sys/types.h>

#include "base/list.h"
#include "base/log.h"
#include "ctl/server.h"

struct bufferevent;
struct event;
struct evconnlistener;

struct ctl_server {
	struct event_base *base; /* borrowed */
	struct evconnlistener *listener;
	struct event *retry;
	char *path;
	dev_t dev;
	ino_t ino;
	uid_t uid; /* who may connect, besides root */
	struct permit permit;
	ctl_handler_fn *handler;
	void *handler_ctx;
	struct list clients;
	struct ctl_counters counters;
	struct log_limit limit;
};

struct ctl_client_conn {
	struct list node;
	struct ctl_server *server;
	struct bufferevent *bev;
	struct list reqs;
	struct permit_who who; /* by the kernel's word when it connected; groups: ours */
	uint32_t n_reqs;
	uint32_t busy; /* callbacks on the stack: the memory must stay */
	bool closing;  /* disconnect once the output is written */
	bool muted;    /* reads too slowly: about to be dropped */
	bool dead;
};

struct ctl_req {
	struct list node;
	struct ctl_client_conn *client; /* NULL: gone */
	json_int_t id;
	bool subscribed;
	uint64_t lost; /* events, since the last report */
	ctl_gone_fn *gone;
	void *gone_ctx;
};

/* Disconnect; frees c now, or when its callbacks have returned. */
void ctl_client_drop(struct ctl_client_conn *c);
/* After busy went down: frees c if it was dropped meanwhile. */
void ctl_client_settle(struct ctl_client_conn *c);
/* One line; takes the reference. A client that does not read is dropped a little later. */
void ctl_client_write(struct ctl_client_conn *c, json_t *line);
void ctl_client_report_lost(struct ctl_client_conn *c);
void ctl_req_free(struct ctl_req *req);

#endif
