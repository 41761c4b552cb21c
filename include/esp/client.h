/* SPDX-License-Identifier: GPL-2.0-only */
/* The agent's side of the engine protocol (esp/proto.h): connect, send one message, receive one.
 *
 * No buffering and no event loop: the caller owns the descriptor, polls it and decides when to
 * read. One descriptor may be used by one thread for sending and one for receiving.
 */
#ifndef BRAID_ESP_CLIENT_H
#define BRAID_ESP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct engine_hdr;

/* Descriptors that go with a message. */
enum { ENGINE_FDS_MAX = 4 };
struct engine_fds {
	int fd[ENGINE_FDS_MAX];
	size_t n;
};

enum { ENGINE_MSG_MAX = 66000 }; /* a buffer of this size holds any message */

/* Connect to the engine's socket; blocks no longer than the kernel's backlog does. Refuses an
 * engine that runs as somebody else (neither our uid nor root). The descriptor is close-on-exec
 * and blocking; the caller closes it.
 * Returns 0, -ENOENT or -ECONNREFUSED if nobody listens, -EPERM, other -errno. */
int engine_connect(const char *path, int *ret_fd);

/* Send one message of len octets, with descriptors (fds NULL: none). Fills in the header's version;
 * seq and type are the caller's. Blocks while the engine's buffer is full, unless the descriptor is
 * non-blocking (-EAGAIN). Returns 0 or -errno. */
int engine_send(int fd, struct engine_hdr *msg, size_t len, const struct engine_fds *fds);

/* Receive one message without blocking. cap should be ENGINE_MSG_MAX.
 * Returns its length (> 0), -EAGAIN when there is none, -EPIPE when the engine is gone, -EBADMSG
 * when it was truncated, too short for a header or of another protocol version. */
int engine_recv(int fd, void *buf, size_t cap);

/* Smallest valid length of a message of this type; 0 for an unknown type. */
size_t engine_msg_min(uint16_t type);

/* Send a request and wait for its result; for programs without an event loop. Data messages and
 * events that come before it are handed to on_msg (may be NULL; buf is borrowed).
 * Returns the result's error, or -errno of the transport, -ETIMEDOUT after timeout_msec. */
int engine_call(int fd, struct engine_hdr *msg, size_t len, const struct engine_fds *fds,
		int timeout_msec,
		void (*on_msg)(void *ctx, const struct engine_hdr *msg, size_t len), void *ctx);

#endif
