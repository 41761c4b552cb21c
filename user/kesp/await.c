/* SPDX-License-Identifier: GPL-2.0-only */
/* What comes before its SA. A peer may send by a new Child SA as soon as it has answered (RFC 7296
 * 2.8), before the answer is here that the keys follow from, and the kernel drops ESP it has no
 * state for. The steering programs put such packets into a ring, where they wait; once the state is
 * in, they go to XFRM in the order they came, by the stable addresses. An SPI that is awaited is
 * not shown to the programs before its state is there, so nothing falls between the two. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "abi/hold.h"
#include "base/log.h"
#include "dp/dp.h"
#include "kesp_impl.h"
#include "net/raw.h"

_Static_assert((int)HOLD_PACKET_OCTETS <= (int)HOLD_OCTETS, "a packet of the ring fits the hold");

struct release {
	struct kesp *k;
	const struct kesp_sa *s; /* NULL: none */
};

static bool is_of(const struct release *r, uint32_t spi)
{
	return r->s && r->s->r.sa.spi_in == spi;
}

static void on_held(void *ctx, const struct hold_packet *p)
{
	const struct release *r = ctx;
	const struct held m = {
		.arrived = p->arrived_nsec / 1000, .spi = p->spi, .len = p->len, .tos = p->tos
	};

	if ((is_of(r, p->spi) || dp_awaits(r->k->opt.dp, p->spi)) &&
	    !hold_put(&r->k->hold, &m, p->octets))
		r->k->hold_full++;
}

static bool judge(void *ctx, const struct held *m, uint8_t *pkt)
{
	const struct release *r = ctx;
	struct kesp *k = r->k;
	struct raw_head head = { .protocol = IPPROTO_ESP, .tos = m->tos };
	uint8_t family;

	if (m->arrived + HOLD_USEC <= kesp_now()) {
		k->hold_late++;
		return false;
	}
	if (!is_of(r, m->spi))
		return dp_awaits(k->opt.dp, m->spi);
	family = r->s->r.sa.family;
	head.src = *stable_remote(k, family, 0);
	head.dst = *stable_local(k, family);
	if (raw_send(family == 6 ? k->raw6 : k->raw4, &head, pkt, m->len))
		k->unsent++;
	else
		k->held++;
	return false;
}

static void release(struct kesp *k, const struct kesp_sa *s)
{
	struct release r = { k, s };

	hold_sift(&k->hold, judge, &r); /* makes room, too */
	dp_held_drain(k->opt.dp, on_held, &r);
	hold_sift(&k->hold, judge, &r);
}

void await_set(struct kesp *k, const struct engine_spi *m)
{
	if (!k->opt.dp || !k->hold.buf)
		return;
	dp_await(k->opt.dp, m->spi, m->expected);
	if (!m->expected)
		release(k, NULL);
}

void await_shown(struct kesp *k, const struct kesp_sa *s)
{
	if (!k->opt.dp)
		return;
	if (k->hold.buf)
		release(k, s); /* before newer ones move the replay window */
	dp_await(k->opt.dp, s->r.sa.spi_in, false);
	if (k->hold.buf)
		release(k, s);
}

int await_open(struct kesp *k)
{
	int err = raw_open(4, &k->raw4);

	if (!err)
		err = raw_open(6, &k->raw6);
	if (err == -EAFNOSUPPORT && k->raw4 >= 0) /* a kernel without IPv6 */
		err = 0;
	return err ? err : hold_init(&k->hold);
}

void await_close(struct kesp *k)
{
	if (k->raw4 >= 0)
		close(k->raw4);
	if (k->raw6 >= 0)
		close(k->raw6);
	k->raw4 = k->raw6 = -1;
	hold_clear(&k->hold);
}
