/* SPDX-License-Identifier: GPL-2.0-only */
/* ikemsg/mmx: what announces the multi-interface extension, interfaces, endpoints of a new Child SA
 * and probes. Octets written by hand are decoded, looked at, and built again; what is wrong is
 * refused. */
#include "crypto/prf.h"
#include "mmx_hex.h"

static struct mmx_path path;
static struct mmx_outer outer;
static struct mmx_iface iface;
static struct mmx_supported sup;

/* ---- what it is ---- */

/* [MMX-1] */
Test(mmx, vendor_id_is_that_of_its_text)
{
	static const char text[] = "IKEv2 MMX multi-interface mobility extension v1";
	uint8_t digest[SHA256_OCTETS];

	cr_assert_eq(sha256_digest(&(struct chunk){ text, sizeof(text) - 1 }, 1, digest), 0);
	cr_assert_arr_eq(mmx_vid, digest, MMX_VID_OCTETS);
}

Test(mmx, names)
{
	cr_assert_str_eq(notify_name(52739), "MMX_ACTION");
	cr_assert_str_eq(mmx_code_name(MMX_FAILOVER), "FAILOVER");
	cr_assert_str_eq(mmx_code_name(9), "unknown");
	cr_assert_str_eq(mmx_status_name(25), "STATE_MISMATCH");
	cr_assert_str_eq(mmx_status_name(15), "unknown");
	cr_assert_str_eq(mmx_role_name(6), "INNER_OLD");
	cr_assert_str_eq(mmx_role_name(0), "unknown");
	cr_assert_str_eq(mmx_tlv_name(4), "SPIS");
	cr_assert_str_eq(mmx_tlv_name(12), "unknown");
}

/* ---- MMX_SUPPORTED ---- */

/* [MMX-2] */
Test(mmx, supported)
{
	struct msg_wr w = begin();

	cr_assert_eq(mmx_supported_get(data("01000000 00000fff 10080808 01000400"), &sup), MMX_OK);
	cr_assert_eq(sup.major, 1);
	cr_assert(sup.caps & MMX_CAP_IFACE && sup.caps & MMX_CAP_QUERY);
	cr_assert_eq(sup.caps, 0xfff);
	cr_assert_eq(sup.ifaces_max, 16);
	cr_assert_eq(sup.side_max, 8);
	cr_assert_eq(sup.alts_max, 8);
	cr_assert_eq(sup.actions_max, 8);
	cr_assert_eq(sup.derived_max, 256);
	cr_assert_eq(sup.window, 4);
	mmx_supported_put(&w, &sup);
	assert_same(&w, N_MMX_SUPPORTED);
}

/* [MMX-2]: of a later version, with bits and octets this one does not know. */
Test(mmx, supported_of_later_versions)
{
	cr_assert_eq(mmx_supported_get(data("0207ffff 80000fff 10080808 010004ff dead"), &sup),
		     MMX_OK);
	cr_assert_eq(sup.major, 2);
	cr_assert_eq(sup.minor, 7);
	cr_assert_eq(sup.caps, 0x80000fff);
}

/* [MMX-2] */
Test(mmx, supported_malformed)
{
	struct mmx_supported zero = { .minor = 1 };
	struct msg_wr w = begin();

	cr_assert_eq(mmx_supported_get(data(""), &sup), MMX_MALFORMED);
	cr_assert_eq(mmx_supported_get(data("01000000 00000fff 10080808 010004"), &sup),
		     MMX_MALFORMED);
	cr_assert_eq(mmx_supported_get(data("00010000 00000fff 10080808 01000400"), &sup),
		     MMX_MALFORMED);
	mmx_supported_put(&w, &zero);
	cr_assert_eq(msg_end(&w), 0);
	cr_assert_eq(w.w.err, -EINVAL);
}

/* ---- MMX_IFACE ---- */

#define LIST_HEAD_2 "00000007 0003 05 11 02 02 05dc"

/* [MMX-3]: two endpoints, bandwidth, cost. */
Test(mmx, iface)
{
	struct msg_wr w = begin();

	cr_assert_eq(mmx_iface_get(data(LIST_HEAD_2 "0003 04 01 c6336403"
						    "0004 06 02 20010db8000000000000000000000004"
						    "000a 0006 0001 0000c350  000a 0004 0002 0007"),
				   &iface),
		     MMX_OK);
	cr_assert_eq(iface.generation, 7);
	cr_assert_eq(iface.ifid, 3);
	cr_assert_eq(iface.preference, 5);
	cr_assert_eq(iface.flags, MMX_IFACE_UP | MMX_IFACE_LAST);
	cr_assert_eq(iface.link, MMX_LINK_WLAN);
	cr_assert_eq(iface.mtu, 1500);
	cr_assert_eq(iface.n, 2);
	cr_assert_eq(iface.ep[0].epid, 3);
	cr_assert_eq(iface.ep[0].flags, MMX_IFACE_EP_CURRENT);
	cr_assert(addr_equal(&iface.ep[0].addr, &(struct addr){ 4, { 198, 51, 100, 3 } }));
	cr_assert_eq(iface.ep[1].flags, MMX_IFACE_EP_LOCAL);
	cr_assert_eq(iface.ep[1].addr.family, 6);
	cr_assert_eq(iface.attrs, 1 << MMX_ATTR_BANDWIDTH | 1 << MMX_ATTR_COST);
	cr_assert_eq(iface.attr[MMX_ATTR_BANDWIDTH], 50000);
	cr_assert_eq(iface.attr[MMX_ATTR_COST], 7);
	mmx_iface_put(&w, &iface);
	assert_same(&w, N_MMX_IFACE);
}

/* [MMX-3]: no interface at all. */
Test(mmx, iface_of_an_empty_list)
{
	struct msg_wr w = begin();

	cr_assert_eq(mmx_iface_get(data("00000008 0000 00 30 00 00 0000"), &iface), MMX_OK);
	cr_assert(iface.flags & MMX_IFACE_EMPTY && iface.flags & MMX_IFACE_LAST);
	mmx_iface_put(&w, &iface);
	assert_same(&w, N_MMX_IFACE);
}

/* [MMX-4]: of more endpoints than can be kept the first are. */
Test(mmx, iface_with_too_many_endpoints)
{
	struct mmx_iface more = { .ifid = 1, .n = MMX_SIDE_MAX + 1 };
	char hex[400] = "00000001 0001 00 11 00 09 0000";
	struct msg_wr w = begin();

	for (int i = 1; i <= 9; i++)
		sprintf(hex + strlen(hex), "%04x 04 00 c63364%02x", i, i);
	cr_assert_eq(mmx_iface_get(data(hex), &iface), MMX_OK);
	cr_assert(iface.cut);
	cr_assert_eq(iface.n, MMX_SIDE_MAX);
	cr_assert_eq(iface.ep[7].epid, 8);
	mmx_iface_put(&w, &more);
	cr_assert_eq(w.w.err, -EINVAL);
}

/* [MMX-5]: among others the number of endpoints is larger than what there is. */
Test(mmx, iface_malformed)
{
	static const char *const bad[] = {
		"",
		"00000007 0003 05 11 02 00 05",
		LIST_HEAD_2 "0003 04 01 c6336403",		       /* one is missing */
		LIST_HEAD_2 "0003 04 01 c6336403 0004 04 00 c63364",   /* and half of one */
		LIST_HEAD_2 "0003 04 01 c6336403 0003 04 00 c6336404", /* one number for two */
		LIST_HEAD_2 "0003 04 01 c6336403 0000 04 00 c6336404", /* and none at all */
		LIST_HEAD_2 "0003 04 01 c6336403 0004 05 00 c6336404", /* no family */
		LIST_HEAD_2 "0003 04 01 c6336403 0004 00 00",
		"00000007 0000 05 11 02 00 05dc",		      /* no number */
		"00000007 0003 05 31 02 00 05dc",		      /* empty, with a number */
		"00000007 0000 05 31 02 01 05dc 0003 04 01 c6336403", /* empty, with an endpoint */
		"00000007 0003 05 11 02 00 05dc 000a 0006 0002 00000001", /* 4 octets of 2 */
		"00000007 0003 05 11 02 00 05dc 000a 0001 00",
		"00000007 0003 05 11 02 00 05dc 000a 0004 0002 0001 000a 0004 0002 0001",
		"00000007 0003 05 11 02 00 05dc 0008 0004 00000001", /* VALID has no place */
		"00000007 0003 05 11 02 00 05dc 00",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(mmx_iface_get(data(bad[i]), &iface), MMX_MALFORMED, "%zu: %s", i,
			     bad[i]);
}

/* [MMX-6]: an attribute of a later version. */
Test(mmx, iface_with_an_unknown_attribute)
{
	cr_assert_eq(
		mmx_iface_get(data("00000007 0003 05 11 02 00 05dc 000a 0004 0063 0001"), &iface),
		MMX_OK);
	cr_assert_eq(iface.attrs, 0);
	cr_assert_eq(
		mmx_iface_get(data("00000007 0003 05 11 02 00 05dc 800a 0004 0063 0001"), &iface),
		MMX_UNSUPPORTED);
}

/* ---- MMX_OUTER ---- */

#define EP(side, epid) "0001 0008 02 " side " 00 00 " epid " 0000"

/* [MMX-13] */
Test(mmx, outer)
{
	static const struct {
		const char *hex;
		bool response;
	} good[] = {
		{ "01 00 0000" EP("00", "0001"), false },
		{ "01 01 0000"
		  "0001 000c 02 00 00 04 0000 0000 c0000201",
		  false },
		{ "02 02 0000" EP("00", "0002") EP("00", "0003") EP("01", "0001") TOKEN_3_1,
		  false },
		{ "01 00 0000" EP("00", "0002") EP("01", "0002"), true },
		{ "03 00 0000" EP("00", "0002") EP("00", "0001") EP("01", "0002"), true },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct msg_wr w = begin();

		cr_assert_eq(mmx_outer_get(data(good[i].hex), good[i].response, &outer), MMX_OK,
			     "%zu", i);
		mmx_outer_put(&w, good[i].response, &outer);
		assert_same(&w, N_MMX_OUTER);
	}
	cr_assert_eq(outer.mode, MMX_OUTER_ALTERNATES);
}

/* [MMX-13] */
Test(mmx, outer_refused)
{
	static const struct {
		const char *hex;
		bool response;
		enum mmx_status want;
	} bad[] = {
		{ "01 00 00", false, MMX_MALFORMED },
		{ "01 00 0000", false, MMX_MALFORMED },
		{ "01 00 0000" EP("01", "0001"), false, MMX_MALFORMED },
		{ "01 00 0000" EP("00", "0001"), true, MMX_MALFORMED },
		{ "01 00 0000" EP("00", "0001") EP("00", "0002") EP("01", "0001"), true,
		  MMX_MALFORMED },
		{ "01 00 0000" EP("00", "0001") OLD_3, false, MMX_MALFORMED },
		{ "01 00 0000" EP("00", "0001") SEL_ALL, false, MMX_MALFORMED },
		{ "01 00 0000" EP("00", "0001") EP("00", "0001"), false, MMX_MALFORMED },
		{ "00 00 0000" EP("00", "0001"), false, MMX_UNSUPPORTED },
		{ "04 00 0000" EP("00", "0001"), false, MMX_UNSUPPORTED },
		{ "01 00 0000" EP("00", "0001") "8063 0000", false, MMX_UNSUPPORTED },
	};
	static char hex[1024];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(mmx_outer_get(data(bad[i].hex), bad[i].response, &outer), bad[i].want,
			     "%zu", i);
	many(hex, "02 00 0000", MMX_ROLE_NEW, MMX_SIDE_MAX, "");
	cr_assert_eq(mmx_outer_get(data(hex), false, &outer), MMX_OK);
	many(hex, "02 00 0000", MMX_ROLE_NEW, MMX_SIDE_MAX + 1, "");
	cr_assert_eq(mmx_outer_get(data(hex), false, &outer), MMX_TOO_MANY);
}

/* ---- MMX_PATH ---- */

#define PATH_3_1 "0000 0003 0001 0102030405060708"

/* [MMX-14] */
Test(mmx, path)
{
	static const char *const good[] = {
		"01 01" PATH_3_1,
		"01 02" PATH_3_1 TEXT_NO,
		"02 00" PATH_3_1,
		"02 00" PATH_3_1 "0001 000c 08 01 00 04 0003 c001 c6336404" TOKEN_3_1,
		"02 00" PATH_3_1 "0001 0018 08 01 00 06 0003 1194 20010db8000000000000000000000004",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct msg_wr w = begin();

		cr_assert_eq(mmx_path_get(data(good[i]), &path), MMX_OK, "%zu", i);
		mmx_path_put(&w, &path);
		assert_same(&w, N_MMX_PATH);
	}
	cr_assert_eq(mmx_path_get(data(good[3]), &path), MMX_OK);
	cr_assert(path.epid_i == 3 && path.epid_r == 1 && path.nonce[7] == 8);
	cr_assert_eq(mmx_next_ep(&path.tlvs, MMX_ROLE_OBSERVED, NULL)->port, 0xc001);
	cr_assert_eq(mmx_next(&path.tlvs, MMX_TLV_TOKEN, NULL)->token.b.len, 16);
}

/* [MMX-14] */
Test(mmx, path_refused)
{
	static const char *const bad[] = {
		"",
		"01 01 0000 0003 0001 01020304050607",
		"01 00" PATH_3_1 TOKEN_3_1, /* of an answer */
		"02 00" PATH_3_1 "0006 0014 0003 0002 505152535455565758595a5b5c5d5e5f",
		"02 00" PATH_3_1 "0001 000c 08 00 00 04 0003 c001 c6336404",
		"02 00" PATH_3_1 "0001 0008 08 01 00 00 0003 c001",
		"02 00" PATH_3_1 "0001 000c 08 01 00 04 0003 c001 c6336404"
		"0001 000c 08 01 00 04 0003 c002 c6336404",
		"02 00" PATH_3_1 NEW_4_PEER,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(mmx_path_get(data(bad[i]), &path), MMX_MALFORMED, "%zu", i);
	cr_expect_eq(mmx_path_get(data("03 00" PATH_3_1), &path), MMX_UNSUPPORTED);
	cr_expect_eq(mmx_path_get(data("01 00" PATH_3_1 "8063 0000"), &path), MMX_UNSUPPORTED);
}

/* A notification with an SPI is none of these. */
Test(mmx, no_spi)
{
	static struct mmx_action a;
	static struct mmx_result res;

	data("0007 01 00 00000002" OLD_3 NEW_4);
	n.spi = (struct bytes){ in, 4 };
	cr_assert_eq(mmx_action_get(&n, &a), MMX_MALFORMED);
	cr_assert_eq(a.id, 0);
	cr_assert_eq(mmx_result_get(&n, &res), MMX_MALFORMED);
	cr_assert_eq(mmx_iface_get(&n, &iface), MMX_MALFORMED);
	cr_assert_eq(mmx_outer_get(&n, false, &outer), MMX_MALFORMED);
	cr_assert_eq(mmx_path_get(&n, &path), MMX_MALFORMED);
	cr_assert_eq(mmx_supported_get(&n, &sup), MMX_MALFORMED);
}
