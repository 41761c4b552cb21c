/* SPDX-License-Identifier: GPL-2.0-only */
/* Control socket, agent's side: JSON lines over a Unix stream socket (shapes in ctl/json.h).
 *
 * A client must be root, of our uid, or one whom ctl_server_permit names; the kernel vouches for
 * it. Line length, clients, requests in flight and
 * output are bounded. A client that does not read loses events (counted, and told when it reads
 * again) and is disconnected when replies pile up; the agent never waits for it.
 * Knows no command but calls the handler. Thread: the event base's.
 */
#ifndef BRAID_CTL_SERVER_H
#define BRAID_CTL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/permit.h"
#include "ctl/json.h"

struct event_base;
struct ctl_server;
struct ctl_req; /* one request; valid until ctl_reply_done, whether its client still lives or not */

enum {
	CTL_CLIENTS_MAX = 32,
	CTL_READERS_MAX = 16,		  /* of them such as may only read */
	CTL_REQS_MAX = 16,		  /* in flight per client */
	CTL_EVENTS_QUEUE_MAX = 256 << 10, /* octets of unread output beyond which events are lost */
	CTL_OUTPUT_MAX = 8 << 20,	  /* beyond which the client is disconnected */
};

/* args: the whole request object, borrowed for the call. The handler, at once or later, ends each
 * request with ctl_reply_done exactly once, except subscribed ones. */
typedef void ctl_handler_fn(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args);
/* The client left (or the server is freed) before the request ended. */
typedef void ctl_gone_fn(void *ctx, struct ctl_req *req);

struct ctl_counters {
	uint64_t requests, events_lost, clients_dropped, clients_refused;
	uint32_t clients;
};

/* Binds path, replacing a stale socket nobody answers on. 0; -EADDRINUSE when another agent
 * answers; -ENAMETOOLONG; -errno. handler's ctx is borrowed. */
int ctl_server_new(struct event_base *base, const char *path, ctl_handler_fn *handler, void *ctx,
		   struct ctl_server **ret_server);
/* Whom the socket is for besides root and us, from now on; copied. Clients that are not named any
 * more are disconnected. The socket is of mode 0600, or 0666 when somebody is named: what counts
 * is who connects, and its directory. 0, or -errno when the mode cannot be changed. */
int ctl_server_permit(struct ctl_server *s, const struct permit *p);
/* Disconnects all, removes the socket. Requests in flight stay valid handles until they are done.
 * NULL is fine. */
void ctl_server_free(struct ctl_server *s);
/* Serve an already connected stream socket (taken); no credentials are checked. For tests and
 * socket activation. 0 or -errno. */
int ctl_server_adopt(struct ctl_server *s, int fd);
void ctl_server_counters(const struct ctl_server *s, struct ctl_counters *ret_counters);

/* All take the reference to the json_t, also when the client is gone. NULL json is a no-op. */
void ctl_reply_data(struct ctl_req *req, json_t *data);
void ctl_reply_event(struct ctl_req *req, json_t *event); /* may be lost to a slow reader */
/* {"kind":"progress","text":...} */
void ctl_reply_progress(struct ctl_req *req, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Ends the request and frees it. fmt: one line for people, NULL with CTL_OK. */
void ctl_reply_done(struct ctl_req *req, enum ctl_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What its client may ask, by its credentials and the last ctl_server_permit; PERMIT_NONE once it
 * has gone. */
enum permit_level ctl_req_level(const struct ctl_req *req);
/* Who asks: his user id; 0 for an adopted connection. */
uint32_t ctl_req_uid(const struct ctl_req *req);
/* False once the client has gone. */
bool ctl_req_alive(const struct ctl_req *req);
/* Octets of output that its client has not taken yet. */
size_t ctl_req_unread(const struct ctl_req *req);
/* Called at most once; fn may call ctl_reply_done. NULL clears. */
void ctl_req_on_gone(struct ctl_req *req, ctl_gone_fn *fn, void *ctx);
/* Turn a request into an endless stream of what ctl_publish gets. The server owns it from now on:
 * the caller forgets req. */
void ctl_req_subscribe(struct ctl_req *req);
/* Event to every subscriber; takes the reference. Adds time_usec and realtime_usec. */
void ctl_publish(struct ctl_server *s, json_t *event);

#endif
