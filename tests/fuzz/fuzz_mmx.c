/* SPDX-License-Identifier: GPL-2.0-only */
/* Notifications of the multi-interface extension: the first octet of the input says which, the rest
 * is its data. What is taken can be sent, is taken again, and is then the same octets. */
#include <stdlib.h>
#include <string.h>

#include "ikemsg/mmx.h"
#include "touch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOTIFY_HEAD = 8, KINDS = 7 };

/* Decodes n as that kind and builds it again; 0 octets if it is refused. */
static size_t again(unsigned kind, const struct notify *n, uint8_t *buf, size_t cap,
		    struct mmx_tlvs *ret_tlvs)
{
	struct msg_wr w = msg_begin_inner(buf, cap);
	union {
		struct mmx_supported s;
		struct mmx_iface i;
		struct mmx_outer o;
		struct mmx_path p;
		struct mmx_action a;
		struct mmx_result r;
	} u;
	struct mmx_classes classes = { .n = 0 };
	enum mmx_status status = MMX_MALFORMED;

	ret_tlvs->n = 0;
	switch (kind) {
	case 0:
		status = mmx_supported_get(n, &u.s);
		if (status == MMX_OK)
			mmx_supported_put(&w, &u.s);
		break;
	case 1:
		status = mmx_iface_get(n, &u.i);
		if (status == MMX_OK) {
			u.i.cut = false;
			mmx_iface_get_classes(n, &classes);
			mmx_iface_put_classes(&w, &u.i, &classes);
		}
		break;
	case 2:
	case 3:
		status = mmx_outer_get(n, kind == 3, &u.o);
		if (status == MMX_OK) {
			mmx_outer_put(&w, kind == 3, &u.o);
			*ret_tlvs = u.o.tlvs;
		}
		break;
	case 4:
		status = mmx_path_get(n, &u.p);
		if (status == MMX_OK) {
			mmx_path_put(&w, &u.p);
			*ret_tlvs = u.p.tlvs;
		}
		break;
	case 5:
		status = mmx_action_get(n, &u.a);
		touched += (unsigned)*mmx_code_name(u.a.code) + u.a.limit;
		if (status == MMX_OK) {
			mmx_action_put(&w, &u.a);
			*ret_tlvs = u.a.tlvs;
		}
		break;
	case 6:
		status = mmx_result_get(n, &u.r);
		touched += (unsigned)*mmx_status_name(u.r.status);
		if (status == MMX_OK) {
			mmx_result_put(&w, &u.r);
			*ret_tlvs = u.r.tlvs;
		}
		break;
	}
	if (status == MMX_OK && w.w.err)
		abort();
	return msg_end(&w);
}

static void touch_tlvs(const struct mmx_tlvs *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->t[i].type == MMX_TLV_SEL)
			touch(t->t[i].sel.spis);
		if (t->t[i].type == MMX_TLV_SPIS)
			touch(t->t[i].spis);
		if (t->t[i].type == MMX_TLV_TOKEN)
			touch(t->t[i].token.b);
		if (t->t[i].type == MMX_TLV_TEXT)
			touch(t->t[i].text);
		touched += (unsigned)*mmx_tlv_name(t->t[i].type);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t built[2][8192];
	static struct mmx_tlvs tlvs[2];
	struct notify n = { .data = { data + 1, size - 1 } };
	size_t len;

	if (!size || size > 4096)
		return 0;
	len = again(data[0] % KINDS, &n, built[0], sizeof(built[0]), &tlvs[0]);
	if (!len)
		return 0;
	touch_tlvs(&tlvs[0]);
	n.data = (struct bytes){ built[0] + NOTIFY_HEAD, len - NOTIFY_HEAD };
	if (again(data[0] % KINDS, &n, built[1], sizeof(built[1]), &tlvs[1]) != len ||
	    memcmp(built[0], built[1], len) != 0 || tlvs[0].n != tlvs[1].n)
		abort();
	return 0;
}
