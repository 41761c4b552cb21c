/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses that states stand on: the stable pair, the same for all. What is sent the kernel
 * tells apart by remote address and SPI, which peers choose, two of them the same one day. Then the
 * second is for the address that follows the pair, or the next: the steering device is where all of
 * them lead, and who gets the packet is in its mark. */
#include <errno.h>

#include "dp/dp.h"
#include "kesp_impl.h"

static void follow(const struct addr *local, const struct addr *remote,
		   struct addr ret[STABLE_REMOTES])
{
	struct addr a = addr_cmp(local, remote) > 0 ? *local : *remote;

	ret[0] = *remote;
	for (uint32_t n = 1; n < STABLE_REMOTES; n++) {
		if (!a.family || !addr_next(&a))
			a = (struct addr){ 0 };
		ret[n] = a;
	}
}

void stable_init(struct kesp *k)
{
	follow(&k->cfg.stable4_local, &k->cfg.stable4_remote, k->remotes4);
	follow(&k->cfg.stable6_local, &k->cfg.stable6_remote, k->remotes6);
}

const struct addr *stable_local(const struct kesp *k, uint8_t family)
{
	return family == 6 ? &k->cfg.stable6_local : &k->cfg.stable4_local;
}

const struct addr *stable_remote(const struct kesp *k, uint8_t family, uint32_t n)
{
	return family == 6 ? &k->remotes6[n] : &k->remotes4[n];
}

static bool taken(const struct kesp *k, const struct engine_sa *sa, uint32_t n)
{
	hash_for_each (it, tmp, &k->by_spi_out, sa_spi_key(sa->family, sa->spi_out))
		if (hash_entry(it, struct kesp_sa, by_spi_out)->r.remote == n)
			return true;
	return false;
}

int stable_choose(const struct kesp *k, const struct engine_sa *sa, uint32_t *ret_n)
{
	for (uint32_t n = 0; n < STABLE_REMOTES; n++) {
		if (stable_remote(k, sa->family, n)->family && !taken(k, sa, n)) {
			*ret_n = n;
			return 0;
		}
	}
	return -EEXIST;
}

/* The first one's is the steering device's own. */
int stable_route(struct kesp *k, uint8_t family, uint32_t n)
{
	const struct addr *to = stable_remote(k, family, n);
	int err;

	if (!to->family)
		return -EADDRNOTAVAIL;
	if (!n || !k->opt.dp)
		return 0;
	err = dp_steer_route(k->opt.dp, to);
	if (!err)
		k->routed[family == 6][n] = true;
	return err;
}

void stable_used(struct kesp *k, const struct sa_record *r, int more)
{
	k->used[r->sa.family == 6][r->remote] += (uint32_t)more;
}

void stable_look(struct kesp *k)
{
	for (uint32_t six = 0; six < 2; six++)
		for (uint32_t n = 1; n < STABLE_REMOTES; n++) {
			uint8_t family = six ? 6 : 4;

			if (k->used[six][n])
				stable_route(k, family, n);
			else if (k->routed[six][n] &&
				 !dp_steer_unroute(k->opt.dp, stable_remote(k, family, n)))
				k->routed[six][n] = false;
		}
}
