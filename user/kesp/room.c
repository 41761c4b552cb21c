/* SPDX-License-Identifier: GPL-2.0-only */
/* How large an inner packet may be: the kernel asks the interface, which is one for all SAs, so the
 * path that carries least counts for all. What transport mode carries enters by the uplinks, whose
 * MTU its sockets know: there the kernel asks the steering device, where ESP would leave. Neither
 * gets less than IPv6 needs of a link (RFC 8200 5), or the kernel takes IPv6 off it. */
#include <string.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "dp/dp.h"
#include "kesp_impl.h"

enum { ESP_HEADER = 8, ESP_TRAILER = 2, ESP_ALIGN = 4, UDP_HEADER = 8 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40 };
enum { ROOM_LEAST = 256, MTU_LEAST = 1280 }; /* a path that carries less is none */

/* The header of what transport mode carries is not in ESP. */
static uint32_t stays_outside(const struct engine_sa *sa)
{
	if (!(sa->flags & ENGINE_SA_TRANSPORT))
		return 0;
	return sa->ts_local[0].first.family == 4 ? IPV4_HEADER : IPV6_HEADER;
}

uint32_t room_inner(const struct engine_sa *sa, bool udp)
{
	const struct aead_spec spec = { sa->encr_id, sa->key_bits, sa->integ_id };
	struct aead_sizes z;
	size_t fixed, align;

	if (sa->room < ROOM_LEAST || !aead_sizes(&spec, &z))
		return UINT32_MAX;
	align = z.block > ESP_ALIGN ? z.block : ESP_ALIGN;
	fixed = ESP_HEADER + z.iv + z.icv + (udp ? UDP_HEADER : 0);
	return (uint32_t)((sa->room - fixed) / align * align - ESP_TRAILER + stays_outside(sa));
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

/* Of the ESP packets that XFRM makes for it; UINT32_MAX: not known, or it is a tunnel, whose
 * interface has done it. */
static uint32_t esp_of(const struct kesp_sa *s)
{
	const struct engine_sa *sa = &s->r.sa;

	if (!(sa->flags & ENGINE_SA_TRANSPORT) || sa->room < ROOM_LEAST)
		return UINT32_MAX;
	return sa->room - (s->r.encap != ENGINE_ENCAP_NONE ? UDP_HEADER : 0) +
	       (sa->family == 4 ? IPV4_HEADER : IPV6_HEADER);
}

static void set_esp(struct kesp *k, uint32_t mtu)
{
	int err;

	if (mtu < MTU_LEAST)
		mtu = MTU_LEAST;
	if (!k->opt.dp || mtu == k->esp_mtu)
		return;
	k->esp_mtu = mtu;
	err = dp_steer_mtu(k->opt.dp, mtu == UINT32_MAX ? 0 : mtu);
	if (err)
		log_warning("the steering device does not get an MTU of %u octets: %s", mtu,
			    strerror(-err));
}

void room_lower(struct kesp *k, const struct kesp_sa *s)
{
	uint32_t mtu = of(s), esp = esp_of(s);

	if (mtu < k->mtu)
		set_mtu(k, mtu);
	if (esp < k->esp_mtu)
		set_esp(k, esp);
}

void room_fit(struct kesp *k)
{
	uint32_t least = UINT32_MAX, esp = UINT32_MAX;

	k->room_dirty = false;
	list_for_each (it, &k->sas) {
		const struct kesp_sa *s = list_entry(it, struct kesp_sa, node);
		uint32_t mtu = of(s), its = esp_of(s);

		least = mtu < least ? mtu : least;
		esp = its < esp ? its : esp;
	}
	set_mtu(k, least);
	set_esp(k, esp);
}
