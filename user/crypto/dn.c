/* SPDX-License-Identifier: GPL-2.0-only */
/* Distinguished names as text, as octets, and compared (RFC 5280 4.1.2.4, 7.1). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "x509_impl.h"

enum { VALUE_MAX = 200, RDNS_MAX = 16 };

/* One value, up to "," or the end; "\" takes the next character as it is. */
static const char *value_get(const char *t, char out[VALUE_MAX])
{
	size_t n = 0, keep = 0;

	while (isspace((unsigned char)*t))
		t++;
	for (; *t && *t != ','; t++) {
		bool quoted = *t == '\\' && t[1];

		t += quoted;
		if (n == VALUE_MAX - 1)
			return NULL;
		out[n++] = *t;
		if (quoted || !isspace((unsigned char)*t))
			keep = n; /* spaces at the end are nobody's */
	}
	out[keep] = '\0';
	return keep ? t : NULL;
}

static int rdn_add(X509_NAME *name, const char **text)
{
	const char *t = *text, *eq = strchr(t, '=');
	char key[40], value[VALUE_MAX];
	size_t n;

	while (isspace((unsigned char)*t))
		t++;
	n = eq ? (size_t)(eq - t) : 0;
	while (n && isspace((unsigned char)t[n - 1]))
		n--;
	if (!n || n >= sizeof(key))
		return -EINVAL;
	memcpy(key, t, n);
	key[n] = '\0';
	if (!strcmp(key, "E"))
		strcpy(key, "emailAddress");
	t = value_get(eq + 1, value);
	if (!t ||
	    X509_NAME_add_entry_by_txt(name, key, MBSTRING_UTF8, (uint8_t *)value, -1, -1, 0) != 1)
		return -EINVAL;
	*text = *t == ',' ? t + 1 : t;
	return *t == ',' && !**text ? -EINVAL : 0;
}

int dn_parse(const char *text, uint8_t *out, size_t cap, size_t *ret_len)
{
	X509_NAME *name = X509_NAME_new();
	int n, ret = name && *text ? 0 : -EINVAL;

	for (unsigned i = 0; !ret && *text; i++)
		ret = i < RDNS_MAX ? rdn_add(name, &text) : -EMSGSIZE;
	n = ret ? 0 : i2d_X509_NAME(name, NULL);
	if (!ret && n <= 0)
		ret = -EINVAL;
	if (!ret && (size_t)n > cap)
		ret = -EMSGSIZE;
	if (!ret)
		*ret_len = (size_t)i2d_X509_NAME(name, &out);
	X509_NAME_free(name);
	ERR_clear_error();
	return ret;
}

const char *name_format(const X509_NAME *n, char *buf, size_t cap)
{
	/* RFC 2253's escapes in the order of the certificate: "C=CH, O=braid, CN=gw" */
	const unsigned long flags = XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN |
				    (ASN1_STRFLGS_RFC2253 & ~(unsigned long)ASN1_STRFLGS_DUMP_DER);
	BIO *b = BIO_new(BIO_s_mem());
	int len =
		b && X509_NAME_print_ex(b, n, 0, flags) >= 0 ? BIO_read(b, buf, (int)cap - 1) : -1;

	if (len < 0)
		len = snprintf(buf, cap, "%s", X509_NAME_entry_count(n) ? "?" : "no name");
	buf[len] = '\0';
	BIO_free(b);
	ERR_clear_error();
	return buf;
}

static X509_NAME *name_of(const uint8_t *der, size_t len)
{
	const uint8_t *p = der;
	X509_NAME *n = d2i_X509_NAME(NULL, &p, (long)len);

	if (n && p != der + len) {
		X509_NAME_free(n);
		n = NULL;
	}
	ERR_clear_error();
	return n;
}

const char *dn_format(const uint8_t *der, size_t len, char *buf, size_t cap)
{
	X509_NAME *n = name_of(der, len);

	if (n)
		name_format(n, buf, cap);
	else
		snprintf(buf, cap, "?");
	X509_NAME_free(n);
	return buf;
}

static bool is_wildcard(const X509_NAME_ENTRY *e)
{
	const ASN1_STRING *v = X509_NAME_ENTRY_get_data(e);

	return ASN1_STRING_length(v) == 1 && ASN1_STRING_get0_data(v)[0] == '*';
}

bool dn_has_wildcard(const uint8_t *der, size_t len)
{
	X509_NAME *n = name_of(der, len);
	bool found = false;

	for (int i = 0; n && i < X509_NAME_entry_count(n) && !found; i++)
		found = is_wildcard(X509_NAME_get_entry(n, i));
	X509_NAME_free(n);
	return found;
}

/* One attribute of the pattern against one of the name. */
static bool entry_matches(const X509_NAME *want, const X509_NAME *got, int i)
{
	const X509_NAME_ENTRY *a = X509_NAME_get_entry(want, i), *b = X509_NAME_get_entry(got, i);
	X509_NAME *x, *y;
	bool same;

	if (OBJ_cmp(X509_NAME_ENTRY_get_object(a), X509_NAME_ENTRY_get_object(b)) ||
	    X509_NAME_ENTRY_set(a) != X509_NAME_ENTRY_set(b))
		return false;
	if (is_wildcard(a))
		return true;
	x = X509_NAME_new();
	y = X509_NAME_new();
	same = x && y && X509_NAME_add_entry(x, a, -1, 0) == 1 &&
	       X509_NAME_add_entry(y, b, -1, 0) == 1 && X509_NAME_cmp(x, y) == 0;
	X509_NAME_free(x);
	X509_NAME_free(y);
	return same;
}

bool dn_matches(const uint8_t *want, size_t want_len, const uint8_t *got, size_t got_len)
{
	X509_NAME *a = name_of(want, want_len), *b = name_of(got, got_len);
	int n = a && b ? X509_NAME_entry_count(a) : 0;
	bool same = n > 0 && n == X509_NAME_entry_count(b);

	for (int i = 0; i < n && same; i++)
		same = entry_matches(a, b, i);
	X509_NAME_free(a);
	X509_NAME_free(b);
	ERR_clear_error();
	return same;
}
