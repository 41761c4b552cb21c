/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of concerns that ride on exchanges: where each is built, where it is processed.
 *
 * A new extension (further key exchanges) adds rows here; the exchanges themselves do not
 * change.
 */
#include <string.h>

#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

static bool vendor_seen(const struct ike_msg *in, const uint8_t vid[VID_OCTETS])
{
	for (unsigned i = 0; i < in->n_vendors; i++)
		if (in->vendors[i].len == VID_OCTETS && !memcmp(in->vendors[i].p, vid, VID_OCTETS))
			return true;
	return false;
}

static void probes_build(struct part_ctx *c)
{
	if (c->ike->env.no_probes)
		return;
	if (c->sa->conn->c.multipath || c->sa->conn->c.mmx != IKE_MMX_NO)
		msg_put_vendor(c->m, c->ike->probe_vid, VID_OCTETS);
}

static void probes_process(struct part_ctx *c)
{
	c->sa->peer_probes = !c->ike->env.no_probes && vendor_seen(c->in, c->ike->probe_vid);
}

/* ESP in UDP although there is no NAT: "MUST be able to process" it says (2.23), but kernels drop
 * it on an SA that was not made for it, so both sides say that they mean to use it. */
static void udp_build(struct part_ctx *c)
{
	if (c->sa->conn->c.encap)
		msg_put_vendor(c->m, c->ike->udp_vid, VID_OCTETS);
}

static void udp_process(struct part_ctx *c)
{
	c->sa->peer_udp = vendor_seen(c->in, c->ike->udp_vid);
}

/* R answers in kind. */
static void mmx_vid_build(struct part_ctx *c)
{
	const struct ike_conn_cfg *cfg = &c->sa->conn->c;

	if (cfg->mmx != IKE_MMX_NO &&
	    (c->place == AT_INIT_REQUEST ? cfg->mmx_vid_in_init : c->sa->peer_mmx))
		msg_put_vendor(c->m, mmx_vid, sizeof(mmx_vid));
}

static void mmx_vid_process(struct part_ctx *c)
{
	c->sa->peer_mmx = vendor_seen(c->in, mmx_vid);
}

/* An IKE_AUTH request may do without a Child SA (RFC 6023 3). */
static void childless_build(struct part_ctx *c)
{
	msg_put_notify(c->m, PROTO_NONE, NULL, 0, N_CHILDLESS_IKEV2_SUPPORTED, NULL, 0);
}

static const struct {
	const char *name;
	unsigned build_at, process_at; /* enum place */
	void (*build)(struct part_ctx *c);
	void (*process)(struct part_ctx *c);
} parts[] = {
	{ "NAT detection", AT_INIT_REQUEST | AT_INIT_RESPONSE | AT_INFO_REQUEST | AT_INFO_RESPONSE,
	  AT_INIT_REQUEST | AT_INIT_RESPONSE, natd_build, natd_process },
	{ "signature hashes", AT_INIT_REQUEST | AT_INIT_RESPONSE,
	  AT_INIT_REQUEST | AT_INIT_RESPONSE, hashes_build, hashes_process },
	{ "CERTREQ", AT_INIT_RESPONSE, AT_INIT_RESPONSE, certreq_build, certreq_process },
	{ "fragmentation", AT_INIT_REQUEST | AT_INIT_RESPONSE, AT_INIT_REQUEST | AT_INIT_RESPONSE,
	  frag_build, frag_process },
	{ "MMX, asked first", AT_INIT_REQUEST | AT_INIT_RESPONSE,
	  AT_INIT_REQUEST | AT_INIT_RESPONSE, mmx_vid_build, mmx_vid_process },
	{ "childless", AT_INIT_RESPONSE, 0, childless_build, NULL },
	{ "SET_WINDOW_SIZE",
	  AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_REQUEST | AT_INFO_RESPONSE,
	  AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_REQUEST | AT_INFO_RESPONSE, rxwin_build,
	  rxwin_process },
	{ "INITIAL_CONTACT", AT_AUTH_REQUEST, AT_AUTH_REQUEST, initial_contact_build,
	  unique_process },
	{ "QCD", AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_REQUEST | AT_REKEY_RESPONSE,
	  AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_REQUEST | AT_REKEY_RESPONSE, qcd_build,
	  qcd_process },
	{ "CP", AT_AUTH_REQUEST | AT_AUTH_RESPONSE, AT_AUTH_REQUEST | AT_AUTH_RESPONSE, cp_build,
	  cp_process },
	{ "path probes", AT_AUTH_REQUEST | AT_AUTH_RESPONSE, AT_AUTH_REQUEST | AT_AUTH_RESPONSE,
	  probes_build, probes_process },
	{ "ESP in UDP", AT_AUTH_REQUEST | AT_AUTH_RESPONSE, AT_AUTH_REQUEST | AT_AUTH_RESPONSE,
	  udp_build, udp_process },
	{ "vendor ids", 0, AT_INIT_REQUEST | AT_INIT_RESPONSE | AT_AUTH_REQUEST | AT_AUTH_RESPONSE,
	  NULL, vendors_process },
	{ "MOBIKE", AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_RESPONSE,
	  AT_AUTH_REQUEST | AT_AUTH_RESPONSE | AT_INFO_REQUEST, mobike_build, mobike_process },
	{ "MMX", AT_AUTH_REQUEST | AT_AUTH_RESPONSE, AT_AUTH_REQUEST | AT_AUTH_RESPONSE, mmx_build,
	  mmx_process },
	{ "clone", AT_AUTH_REQUEST | AT_AUTH_RESPONSE, AT_AUTH_REQUEST | AT_AUTH_RESPONSE,
	  clone_build, clone_process },
	{ "COOKIE2", AT_INFO_RESPONSE, 0, cookie2_build, NULL },
};

enum { N_PARTS = sizeof(parts) / sizeof(parts[0]) };

void parts_build(struct part_ctx *c)
{
	for (unsigned i = 0; i < N_PARTS; i++)
		if (parts[i].build_at & c->place)
			parts[i].build(c);
}

void parts_process(struct part_ctx *c)
{
	for (unsigned i = 0; i < N_PARTS; i++)
		if (parts[i].process_at & c->place)
			parts[i].process(c);
}
