/* SPDX-License-Identifier: GPL-2.0-only */
/* How large an inner packet may be: the kernel asks the interface, which is one for all SAs, so the
 * path that carries least counts for all; then XFRM asks the steering device, where ESP would
 * leave. What transport mode carries enters by the uplinks, and meets only the second. Neither gets
 * less than IPv6 needs of a link (RFC 8200 5), or the kernel takes IPv6 off it. A path that leaves
 * less than that to what is inside makes the second one small, from which IPv4 learns what it may
 * send; IPv6 sends 1280 octets all the same, and their ESP goes without DF (out.h). */
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

/* Octets of ESP around what is inside, its trailer and padding aside; 0: not known. */
static uint32_t around(const struct engine_sa *sa, bool udp, uint32_t *ret_align)
{
	const struct aead_spec spec = { sa->encr_id, sa->key_bits, sa->integ_id };
	struct aead_sizes z;

	if (!aead_sizes(&spec, &z))
		return 0;
	*ret_align = z.block > ESP_ALIGN ? (uint32_t)z.block : ESP_ALIGN;
	return (uint32_t)(ESP_HEADER + z.iv + z.icv + (udp ? UDP_HEADER : 0));
}

uint32_t room_inner(const struct engine_sa *sa, bool udp)
{
	uint32_t align, fixed;

	fixed = sa->room < ROOM_LEAST ? 0 : around(sa, udp, &align);
	if (!fixed)
		return UINT32_MAX;
	return (sa->room - fixed) / align * align - ESP_TRAILER + stays_outside(sa);
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
	if (xfrm_iface_make(k->x, k->cfg.tun, iface_id(k), mtu, &k->ifindex, why, sizeof(why)))
		log_warning("%s keeps an MTU of %u octets: %s", k->cfg.tun, k->mtu, why);
	else
		k->mtu = mtu;
}

static bool carries_ipv6(const struct engine_sa *sa)
{
	for (unsigned i = 0; i < sa->n_ts_local; i++)
		if (sa->ts_local[i].first.family == 6)
			return true;
	return false;
}

static uint32_t outer_header(const struct engine_sa *sa)
{
	return sa->family == 4 ? IPV4_HEADER : IPV6_HEADER;
}

/* Of the ESP packets that XFRM makes for it; UINT32_MAX: not known, or it is a tunnel whose
 * interface has done it. */
static uint32_t esp_of(const struct kesp_sa *s)
{
	const struct engine_sa *sa = &s->r.sa;

	if (sa->room < ROOM_LEAST || (!(sa->flags & ENGINE_SA_TRANSPORT) && of(s) >= MTU_LEAST))
		return UINT32_MAX;
	return sa->room - (s->r.encap != ENGINE_ENCAP_NONE ? UDP_HEADER : 0) + outer_header(sa);
}

/* Of the ESP around the packets that IPv6 sends however small the path is: IP would drop it. */
static uint32_t esp_least(const struct kesp_sa *s)
{
	const struct engine_sa *sa = &s->r.sa;
	uint32_t align, fixed = 0;

	if (!(sa->flags & ENGINE_SA_TRANSPORT) && carries_ipv6(sa))
		fixed = around(sa, false, &align);
	if (!fixed)
		return MTU_LEAST;
	return outer_header(sa) + fixed + (MTU_LEAST + ESP_TRAILER + align - 1) / align * align;
}

static void set_esp(struct kesp *k, uint32_t mtu)
{
	int err;

	if (mtu < k->esp_least)
		mtu = k->esp_least;
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
	uint32_t mtu = of(s), esp = esp_of(s), least = esp_least(s);

	if (mtu < k->mtu)
		set_mtu(k, mtu);
	if (least > k->esp_least)
		k->esp_least = least;
	if (esp < k->esp_mtu || k->esp_mtu < k->esp_least)
		set_esp(k, esp < k->esp_mtu ? esp : k->esp_mtu);
}

void room_fit(struct kesp *k)
{
	uint32_t mtu = UINT32_MAX, esp = UINT32_MAX;

	k->room_dirty = false;
	k->esp_least = MTU_LEAST;
	list_for_each (it, &k->sas) {
		const struct kesp_sa *s = list_entry(it, struct kesp_sa, node);
		uint32_t its[] = { of(s), esp_of(s), esp_least(s) };

		mtu = its[0] < mtu ? its[0] : mtu;
		esp = its[1] < esp ? its[1] : esp;
		k->esp_least = its[2] > k->esp_least ? its[2] : k->esp_least;
	}
	set_mtu(k, mtu);
	set_esp(k, esp);
}
