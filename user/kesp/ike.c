/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE on port 4500, behind its marker (RFC 3948 2.2). What is ESP has been taken out by the
 * steering programs: what still comes here is of nobody. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/explain.h"
#include "kesp_impl.h"
#include "net/udp.h"
#include "net/udp_gso.h"

enum { MARKER = 4, RECV_AT_ONCE = 64, IKE_UNFRAGMENTED = 1200 };

enum { HEAD = sizeof(struct engine_dgram) };

static union {
	struct engine_dgram d;
	uint8_t room[HEAD + MARKER + ENGINE_DGRAM_MAX];
} rx;

static void receive(struct kesp *k, size_t len, const struct udp_meta *meta)
{
	static const uint8_t marker[MARKER];
	const uint8_t *got = rx.room + HEAD;

	k->udp_rx++;
	if (len == 1 && got[0] == 0xff) {
		k->keepalives++;
		return;
	}
	if (len <= MARKER || memcmp(got, marker, MARKER) != 0) {
		k->strangers++;
		return;
	}
	len -= MARKER;
	memmove(rx.d.data, got + MARKER, len);
	rx.d = (struct engine_dgram){
		.h = { .type = ENGINE_EV_IKE_RECV, .version = ENGINE_PROTO_VERSION },
		.local = meta->local,
		.remote = meta->remote,
		.ifindex = meta->ifindex,
		.len = (uint32_t)len,
	};
	k->opt.on_event(k->opt.ctx, &rx.d.h, HEAD + len);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct kesp *k = ctx;

	(void)what;
	for (int i = 0; i < RECV_AT_ONCE; i++) {
		struct udp_meta meta;
		int n = udp_recv(fd, k->cfg.port, rx.room + HEAD, sizeof(rx.room) - HEAD, &meta);

		if (n == -EMSGSIZE || n == -EINTR || n == -ECONNREFUSED || n == -EHOSTUNREACH ||
		    n == -ENETUNREACH)
			continue;
		if (n < 0)
			return;
		receive(k, (size_t)n, &meta);
	}
}

static int open_one(struct kesp *k, uint8_t family, int *fd, struct event **ev, char *ret_why,
		    size_t why_len)
{
	int err = udp_open(family, k->cfg.port, fd);

	if (err == -EADDRINUSE)
		return explain(ret_why, why_len, err,
			       "UDP port %u is in use by another program; is another IPsec daemon "
			       "running? Stop it first",
			       k->cfg.port);
	if (err)
		return explain(ret_why, why_len, err, "UDP port %u cannot be opened: %s",
			       k->cfg.port, strerror(-err));
	err = udp_bypass(*fd, family);
	if (err)
		return explain(ret_why, why_len, err,
			       "the kernel's policies cannot be kept off UDP port %u: %s",
			       k->cfg.port, strerror(-err));
	udp_allow_fragments(*fd, family, false);
	*ev = event_new(k->opt.base, *fd, EV_READ | EV_PERSIST, on_readable, k);
	return *ev && !event_add(*ev, NULL) ? 0 : -ENOMEM;
}

int ike_open(struct kesp *k, char *ret_why, size_t why_len)
{
	int err = open_one(k, 4, &k->udp4, &k->ev_udp4, ret_why, why_len);

	if (err)
		return err;
	err = open_one(k, 6, &k->udp6, &k->ev_udp6, ret_why, why_len);
	return err == -EAFNOSUPPORT ? 0 : err; /* a kernel without IPv6 */
}

static void close_one(int *fd, struct event **ev)
{
	if (*ev)
		event_free(*ev);
	if (*fd >= 0)
		close(*fd);
	*ev = NULL;
	*fd = -1;
}

void ike_close(struct kesp *k)
{
	close_one(&k->udp4, &k->ev_udp4);
	close_one(&k->udp6, &k->ev_udp6);
}

/* An error shows as a missing reply. Without data: a keepalive (RFC 3948 2.3). */
void ike_send(struct kesp *k, const struct engine_dgram *d, size_t len)
{
	static const uint8_t marker[MARKER], keepalive[1] = { 0xff };
	struct iovec iov[2] = { { (void *)marker, MARKER }, { (void *)d->data, d->len } };
	int fd = d->remote.ip.family == 6 ? k->udp6 : k->udp4;
	struct udp_dest to = { .from = d->local.ip };
	bool cut = d->len > IKE_UNFRAGMENTED && !d->whole;

	if (len < sizeof(*d) || len - sizeof(*d) < d->len || fd < 0)
		return;
	to.to_len = udp_addr_to_sockaddr(&d->remote, &to.to);
	if (!to.to_len)
		return;
	if (!d->len)
		iov[0] = (struct iovec){ (void *)keepalive, sizeof(keepalive) };
	if (cut)
		udp_allow_fragments(fd, d->remote.ip.family, true);
	if (udp_send_one(fd, &to, d->ifindex, NULL, iov, 2))
		k->unsent++;
	else
		k->udp_tx++;
	if (cut)
		udp_allow_fragments(fd, d->remote.ip.family, false);
}
