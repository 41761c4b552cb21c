/* SPDX-License-Identifier: GPL-2.0-only */
/* How large an inner packet may be: the kernel asks the interface, which is one for all SAs, so the
 * path that carries least counts for all. Not less than IPv6 needs of a link (RFC 8200 5), or the
 * kernel takes IPv6 off the interface. */
#include "base/log.h"
#include "crypto/aead.h"
#include "kesp_impl.h"

enum { ESP_HEADER = 8, ESP_TRAILER = 2, ESP_ALIGN = 4, UDP_HEADER = 8 };
enum { ROOM_LEAST = 256, MTU_LEAST = 1280 }; /* a path that carries less is none */

uint32_t room_inner(const struct engine_sa *sa, bool udp)
{
	const struct aead_spec spec = { sa->encr_id, sa->key_bits, sa->integ_id };
	struct aead_sizes z;
	size_t fixed, align;

	if (sa->room < ROOM_LEAST || !aead_sizes(&spec, &z))
		return UINT32_MAX;
	align = z.block > ESP_ALIGN ? z.block : ESP_ALIGN;
	fixed = ESP_HEADER + z.iv + z.icv + (udp ? UDP_HEADER : 0);
	return (uint32_t)((sa->room - fixed) / align * align - ESP_TRAILER);
}

static uint32_t of(const struct kesp_sa *s)
{
	return room_inner(&s->r.sa, s->r.encap != ENGINE_ENCAP_NONE);
}

static void set_mtu(struct kesp *k, uint32_t mtu)
{
	char why[160];

	if (mtu > k->cfg.tun_mtu)
		mtu = k->cfg.tun_mtu;
	if (mtu < MTU_LEAST && k->cfg.tun_mtu >= MTU_LEAST)
		mtu = MTU_LEAST;
	if (mtu == k->mtu)
		return;
	if (xfrm_iface_make(k->x, k->cfg.tun, k->if_id, mtu, &k->ifindex, why, sizeof(why)))
		log_warning("%s keeps an MTU of %u octets: %s", k->cfg.tun, k->mtu, why);
	else
		k->mtu = mtu;
}

void room_lower(struct kesp *k, const struct kesp_sa *s)
{
	uint32_t mtu = of(s);

	if (mtu < k->mtu)
		set_mtu(k, mtu);
}

void room_fit(struct kesp *k)
{
	uint32_t least = UINT32_MAX;

	k->room_dirty = false;
	list_for_each (it, &k->sas) {
		uint32_t mtu = of(list_entry(it, struct kesp_sa, node));

		least = mtu < least ? mtu : least;
	}
	set_mtu(k, least);
}
