/* SPDX-License-Identifier: GPL-2.0-only */
/* ikemsg/mmx: what a list of interfaces asks for traffic classes, and answers. */
#include "mmx_hex.h"

static struct mmx_classes classes;
static struct mmx_iface iface;

#define HEAD "00000007 0003 05 11 02 00 05dc "

static enum mmx_status take(const char *hex)
{
	enum mmx_status status = mmx_iface_get(data(hex), &iface);

	classes.n = 0;
	mmx_iface_get_classes(&n, &classes);
	return status;
}

Test(mmx_class, asked)
{
	struct msg_wr w = begin();
	const struct mmx_class *c;

	cr_assert_eq(
		take(HEAD "000a 0004 0002 0007 000a 000f 8000 00 05 02 02 0003 0001 766f696365"),
		MMX_OK);
	cr_assert_eq(iface.attrs, 1 << MMX_ATTR_COST);
	cr_assert_eq(classes.n, 1);
	c = mmx_classes_find(&classes, true, "voice");
	cr_assert(c);
	cr_assert_eq(c->mode, MMX_CLASS_REDUNDANT);
	cr_assert_eq(c->copies, 2);
	cr_assert_eq(c->n_prefer, 2);
	cr_assert_eq(c->prefer[0], 3);
	cr_assert_eq(c->prefer[1], 1);
	cr_assert_null(mmx_classes_find(&classes, false, "voice"));
	cr_assert_null(mmx_classes_find(&classes, true, "voic"));
	mmx_iface_put_classes(&w, &iface, &classes);
	assert_same(&w, N_MMX_IFACE);
}

/* One that is asked for and one that is answered may have the same name; it is UTF-8. */
Test(mmx_class, answered)
{
	struct msg_wr w = begin();

	cr_assert_eq(take(HEAD "000a 000b 8000 01 05 03 00 766f696365"
			       "000a 000b 8000 00 02 00 00 766f696365"
			       "000a 000c 8000 02 06 00 00 62c3bc726f21"),
		     MMX_OK);
	cr_assert_eq(classes.n, 3);
	cr_assert_eq(mmx_classes_find(&classes, false, "voice")->state, MMX_CLASS_GRANTED);
	cr_assert_eq(mmx_classes_find(&classes, false, "voice")->copies, 3);
	cr_assert_eq(mmx_classes_find(&classes, true, "voice")->mode, MMX_CLASS_STANDBY);
	cr_assert_eq(mmx_classes_find(&classes, false, "b\xc3\xbcro!")->state,
		     MMX_CLASS_NOT_GRANTED);
	mmx_iface_put_classes(&w, &iface, &classes);
	assert_same(&w, N_MMX_IFACE);
}

/* What it does not know is kept, for whoever decides to refuse it. */
Test(mmx_class, of_later_versions)
{
	cr_assert_eq(take(HEAD "000a 0007 8000 ee ff ff 00 78"), MMX_OK);
	cr_assert_eq(classes.n, 1);
	cr_assert_eq(classes.s[0].state, 0xee);
	cr_assert_eq(classes.s[0].mode, 0xff);
	cr_assert_null(mmx_classes_find(&classes, true, "x"));
}

Test(mmx_class, malformed)
{
	static const char *const bad[] = {
		"000a 0002 8000",			  /* nothing */
		"000a 0006 8000 00 05 02 00",		  /* no name */
		"000a 0006 8000 00 05 02 01",		  /* no interface */
		"000a 0008 8000 00 05 02 01 0001",	  /* and no name behind it */
		"000a 0009 8000 00 05 02 00 61 07 62",	  /* a control character */
		"000a 0009 8000 00 05 02 00 61 00 62",	  /* a zero */
		"000a 0009 8000 00 05 02 00 1b 5b 48",	  /* one for a terminal */
		"000a 0007 8000 00 05 02 00 7f",	  /* and another one */
		"000a 0008 8000 00 05 02 00 c2 9b",	  /* of those beyond ASCII */
		"000a 0008 8000 00 05 02 00 61 c3",	  /* UTF-8 that breaks off */
		"000a 0008 8000 00 05 02 00 c1 a1",	  /* longer than it need be */
		"000a 0009 8000 00 05 02 00 e0 81 a1",	  /* the same */
		"000a 0009 8000 00 05 02 00 ed a0 80",	  /* half of UTF-16 */
		"000a 000a 8000 00 05 02 00 f4 90 80 80", /* beyond Unicode */
		"000a 0007 8000 00 05 02 00 a1",	  /* out of the middle */
		"000a 0026 8000 00 05 02 00 "
		"6161616161616161616161616161616161616161616161616161616161"
		"616161", /* 32 octets */
	};
	char hex[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sprintf(hex, HEAD "%s", bad[i]);
		cr_expect_eq(take(hex), MMX_MALFORMED, "%zu: %s", i, bad[i]);
		cr_expect_eq(classes.n, 0, "%zu", i);
	}
}

/* 31 octets of a name, more interfaces than are kept, 1,000 classes, the same class twice. */
Test(mmx_class, bounds)
{
	static char hex[70000] = HEAD;
	struct msg_wr w = begin();
	size_t at = strlen(hex);

	cr_assert_eq(take(HEAD "000a 0025 8000 00 05 02 00 6161616161616161616161616161616161616161"
			       "6161616161616161616161"),
		     MMX_OK);
	cr_assert_eq(strlen(classes.s[0].name), 31);
	cr_assert_eq(take(HEAD
			  "000a 0019 8000 00 02 00 09 0001 0002 0003 0004 0005 0006 0007 0008 0009"
			  "78"),
		     MMX_OK);
	cr_assert_eq(classes.s[0].n_prefer, MMX_PREFER_MAX);
	cr_assert_eq(classes.s[0].prefer[7], 8);
	cr_assert_str_eq(classes.s[0].name, "x");
	for (int i = 0; i < 1000; i++)
		at += (size_t)sprintf(hex + at, "000a 000a 8000 00 05 02 00 %02x%02x%02x%02x",
				      '0' + i / 1000, '0' + i / 100 % 10, '0' + i / 10 % 10,
				      '0' + i % 10);
	cr_assert_eq(take(hex), MMX_OK);
	cr_assert_eq(classes.n, MMX_CLASSES_MAX);
	cr_assert_str_eq(classes.s[15].name, "0015");
	cr_assert_not(mmx_classes_add(&classes, &(struct mmx_class){ .name = "more" }));
	cr_assert_eq(take(HEAD "000a 0007 8000 00 05 02 00 78 000a 0007 8000 00 06 00 00 78"),
		     MMX_OK);
	cr_assert_eq(classes.n, 1);
	cr_assert_eq(classes.s[0].mode, MMX_CLASS_REDUNDANT);

	/* what no x_get would give is not written */
	classes.s[0].name[0] = '\n';
	mmx_iface_put_classes(&w, &iface, &classes);
	cr_assert_eq(w.w.err, -EINVAL);
}

Test(mmx_class, sameness)
{
	struct mmx_classes a = { 1,
				 { { .mode = 2, .n_prefer = 1, .prefer = { 3 }, .name = "x" } } };
	struct mmx_classes b = a;

	cr_assert(mmx_classes_same(&a, &b));
	b.s[0].prefer[0] = 4;
	cr_assert_not(mmx_classes_same(&a, &b));
	b = a;
	b.s[0].name[0] = 'y';
	cr_assert_not(mmx_classes_same(&a, &b));
	b = a;
	b.n = 0;
	cr_assert_not(mmx_classes_same(&a, &b));
}
