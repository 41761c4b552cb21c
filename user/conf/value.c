/* SPDX-License-Identifier: GPL-2.0-only */
/* One value: text to what it means. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "conf_impl.h"
#include "crypto/x509.h"
#include "ikemsg/ikemsg.h"

int val_uint(struct parse *p, const struct val *v, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	if (!v)
		return 0;
	errno = 0;
	n = strtoull(v->text, &end, 10);
	if (!isdigit((unsigned char)v->text[0]) || *end || errno || n < min || n > max)
		return val_fail(p, v, "found \"%.60s\", expected a number from %llu to %llu",
				v->text, (unsigned long long)min, (unsigned long long)max);
	*ret = n;
	return 0;
}

static const char *duration_text(uint64_t usec, char buf[32])
{
	if (usec % 1000000 == 0)
		snprintf(buf, 32, "%llus", (unsigned long long)usec / 1000000);
	else
		snprintf(buf, 32, "%llums", (unsigned long long)usec / 1000);
	return buf;
}

bool val_in_units(const struct val *v, const struct val_unit *units, size_t n_units,
		  int (*cmp)(const char *, const char *), uint64_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(v->text, &end, 10);
	for (size_t i = 0; i < n_units && !errno; i++) {
		if (!isdigit((unsigned char)v->text[0]) || cmp(end, units[i].name) ||
		    n > UINT64_MAX / units[i].is)
			continue;
		*ret = n * units[i].is;
		return true;
	}
	return false;
}

int val_duration(struct parse *p, const struct val *v, uint64_t min, uint64_t max,
		 uint64_t *ret_usec)
{
	static const struct val_unit units[] = {
		{ "", 1000000 },
		{ "ms", 1000 },
		{ "s", 1000000 },
		{ "m", 60 * 1000000ull },
		{ "h", 3600 * 1000000ull },
		{ "d", 86400 * 1000000ull },
	};
	char from[32], to[32];
	uint64_t n;

	if (!v)
		return 0;
	if (val_in_units(v, units, sizeof(units) / sizeof(*units), strcmp, &n) && n >= min &&
	    n <= max) {
		*ret_usec = n;
		return 0;
	}
	return val_fail(p, v,
			"found \"%.60s\", expected a time from %s to %s (as 10ms, 2s, 5m, 1h)",
			v->text, duration_text(min, from), duration_text(max, to));
}

int val_octets(struct parse *p, const struct val *v, uint64_t max, uint64_t *ret)
{
	static const char units[] = "kmgt";
	unsigned long long n;
	unsigned shift = 0;
	const char *u;
	char *end;

	if (!v)
		return 0;
	errno = 0;
	n = strtoull(v->text, &end, 10);
	u = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (u) {
		shift = 10 * (unsigned)(u - units + 1);
		end++;
	}
	if (!isdigit((unsigned char)v->text[0]) || *end || errno || n > max >> shift)
		return val_fail(p, v,
				"found \"%.60s\", expected a number of octets (as 1000000, 500m, "
				"20g)",
				v->text);
	*ret = (uint64_t)n << shift;
	return 0;
}

int val_double(struct parse *p, const struct val *v, double min, double max, double *ret)
{
	char *end;
	double d;

	if (!v)
		return 0;
	d = strtod(v->text, &end);
	if (end == v->text || *end || !isfinite(d) || d < min || d > max)
		return val_fail(p, v, "found \"%.60s\", expected a number from %g to %g", v->text,
				min, max);
	*ret = d;
	return 0;
}

int val_bool(struct parse *p, const struct val *v, bool *ret)
{
	int b;

	if (!v)
		return 0;
	b = cfg_parse_boolean(v->text);
	if (b < 0)
		return val_fail(p, v, "found \"%.60s\", expected true or false", v->text);
	*ret = b;
	return 0;
}

int val_word(struct parse *p, const struct val *v, const char *const *words, unsigned *ret)
{
	char list[128] = "";
	size_t n = 0, used = 0;
	const char *near;

	if (!v)
		return 0;
	for (n = 0; words[n]; n++) {
		if (!strcmp(words[n], v->text)) {
			*ret = (unsigned)n;
			return 0;
		}
		if (used < sizeof(list)) /* the rest is left out */
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 n == 0		? ""
						 : words[n + 1] ? ", "
								: " or ",
						 words[n]);
	}
	near = conf_nearest(v->text, words, n);
	return val_fail(p, v, "found \"%.60s\", expected %s%s%s%s", v->text, list,
			near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

int val_addr(struct parse *p, const struct val *v, uint8_t family, struct addr *ret)
{
	struct addr a;

	if (!v)
		return 0;
	if (addr_parse(v->text, &a) < 0 || (family && a.family != family))
		return val_fail(p, v, "found \"%.60s\", expected an %s address", v->text,
				family == 4   ? "IPv4"
				: family == 6 ? "IPv6"
					      : "IP");
	*ret = a;
	return 0;
}

int val_name(struct parse *p, const struct val *v, char ret[IKE_NAME_MAX])
{
	if (!v)
		return 0;
	if (!v->text[0] || strlen(v->text) >= IKE_NAME_MAX)
		return val_fail(p, v, "found \"%.80s\", expected a name of 1 to %d octets", v->text,
				IKE_NAME_MAX - 1);
	strcpy(ret, v->text);
	return 0;
}

int val_device(struct parse *p, const struct val *v, char ret[16])
{
	const char *t;

	if (!v)
		return 0;
	/* what the kernel takes as a device name */
	for (t = v->text; *t && *t != '/' && *t != ':' && !isspace((unsigned char)*t); t++)
		;
	if (*t || !v->text[0] || strlen(v->text) > 15 || !strcmp(v->text, ".") ||
	    !strcmp(v->text, ".."))
		return val_fail(p, v, "found \"%.60s\", expected a device name of 1 to 15 octets",
				v->text);
	strcpy(ret, v->text);
	return 0;
}

static int hex_nibble(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Octets written, or -1: odd, other letters, or too many. */
static int unhex(const char *t, uint8_t *out, size_t max)
{
	size_t len = strlen(t);

	if (len % 2 || len / 2 > max)
		return -1;
	for (size_t i = 0; i < len / 2; i++) {
		int a = hex_nibble(t[2 * i]), b = hex_nibble(t[2 * i + 1]);

		if (a < 0 || b < 0)
			return -1;
		out[i] = (uint8_t)(a << 4 | b);
	}
	return (int)(len / 2);
}

static int unbase64(const char *t, uint8_t *out, size_t max)
{
	static const char abc[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(t), n = 0;
	uint32_t acc = 0;
	unsigned bits = 0;

	while (len && t[len - 1] == '=')
		len--;
	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		const char *c = strchr(abc, t[i]);

		if (!c || n > max)
			return -1;
		acc = acc << 6 | (uint32_t)(c - abc);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (n == max)
				return -1;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return (int)n;
}

/* strongSwan's forms: what it looks like decides the type. */
int val_id(struct parse *p, const struct val *v, struct ike_id *ret)
{
	struct ike_id id = { 0 };
	struct addr a;
	const char *t;
	int n;

	if (!v)
		return 0;
	t = v->text;
	if (!strcmp(t, "%any"))
		goto done;
	if (addr_parse(t, &a) == 0) {
		id.type = a.family == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR;
		id.len = (uint16_t)addr_len(&a);
		memcpy(id.data, a.b, id.len);
		goto done;
	}
	if (t[0] == '@' && t[1] == '#') {
		n = unhex(t + 2, id.data, sizeof(id.data));
		if (n <= 0)
			return val_fail(p, v, "found \"%.60s\", expected @# and hex digits", t);
		id.type = ID_KEY_ID;
		id.len = (uint16_t)n;
		goto done;
	}
	if (strchr(t, '=')) {
		size_t len;

		if (dn_parse(t, id.data, sizeof(id.data), &len))
			return val_fail(p, v,
					"found \"%.60s\", expected a distinguished name as \"C=CH, "
					"O=Example, CN=gw\"",
					t);
		id.type = ID_DER_ASN1_DN;
		id.len = (uint16_t)len;
		goto done;
	}
	id.type = t[0] == '@' || !strchr(t, '@') ? ID_FQDN : ID_RFC822_ADDR;
	t += t[0] == '@';
	if (!*t || strlen(t) > sizeof(id.data))
		return val_fail(p, v, "found \"%.60s\", expected an identity of 1 to %d octets",
				v->text, IKE_ID_MAX);
	id.len = (uint16_t)strlen(t);
	memcpy(id.data, t, id.len);
done:
	*ret = id;
	return 0;
}

const char *conf_id_text(const struct ike_id *id, char *buf, size_t len)
{
	struct addr a;
	char text[ADDR_STR];

	if (id->type == 0) {
		snprintf(buf, len, "%%any");
	} else if (id->type == ID_IPV4_ADDR || id->type == ID_IPV6_ADDR) {
		a = addr_from_bytes(id->type == ID_IPV4_ADDR ? 4 : 6, id->data);
		snprintf(buf, len, "%s", addr_format(&a, text));
	} else if (id->type == ID_KEY_ID) {
		size_t n = (size_t)snprintf(buf, len, "@#");

		for (size_t i = 0; i < id->len && n + 3 < len; i++)
			n += (size_t)snprintf(buf + n, len - n, "%02x", id->data[i]);
	} else if (id->type == ID_DER_ASN1_DN) {
		dn_format(id->data, id->len, buf, len);
	} else {
		snprintf(buf, len, "%.*s", (int)id->len, (const char *)id->data);
	}
	return buf;
}

int val_range(struct parse *p, const struct val *v, struct addr *ret_first, struct addr *ret_last)
{
	const char *dash = strchr(v->text, '-');
	struct addr first, last;
	char from[64];
	uint8_t len;

	if (!dash) {
		if (addr_parse_prefix(v->text, &first, &len) < 0)
			goto bad;
		addr_prefix_range(&first, len, ret_first, ret_last);
		return 0;
	}
	if ((size_t)(dash - v->text) >= sizeof(from))
		goto bad;
	memcpy(from, v->text, (size_t)(dash - v->text));
	from[dash - v->text] = '\0';
	if (addr_parse(from, &first) < 0 || addr_parse(dash + 1, &last) < 0 ||
	    first.family != last.family || addr_cmp(&first, &last) > 0)
		goto bad;
	*ret_first = first;
	*ret_last = last;
	return 0;
bad:
	return val_fail(p, v,
			"found \"%.60s\", expected addresses as 10.1.0.0/24 or 10.1.0.10-10.1.0.20",
			v->text);
}

/* The text of a secret is never repeated in a message. */
int val_secret(struct parse *p, const struct val *v, struct secret *ret)
{
	const char *t = v->text;
	uint8_t buf[SECRET_MAX];
	int n, r = 0;

	if (!strncmp(t, "0x", 2))
		n = unhex(t + 2, buf, sizeof(buf));
	else if (!strncmp(t, "0s", 2))
		n = unbase64(t + 2, buf, sizeof(buf));
	else if (strlen(t) <= sizeof(buf))
		n = (int)strlen(t), memcpy(buf, t, strlen(t));
	else
		n = -1;
	if (n <= 0)
		r = val_fail(
			p, v,
			"found a secret that cannot be read, expected text, 0x and hex digits, or "
			"0s and base64, of 1 to %d octets",
			SECRET_MAX);
	else
		secret_set(ret, buf, (size_t)n);
	secret_wipe(buf, sizeof(buf));
	return r;
}

/* Edits (insert, remove, change) from a to b, at most 8; words are short. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], la = (unsigned)strlen(a), lb = (unsigned)strlen(b);

	if (la >= 64 || lb >= 64)
		return 64;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned diag = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned best = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *conf_nearest(const char *word, const char *const *words, size_t n)
{
	unsigned best = (unsigned)strlen(word) / 3 + 1; /* "wieght": 2 edits of 6 */
	const char *near = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, words[i]);

		if (d <= best && d < strlen(words[i])) {
			if (!near || d < best)
				near = words[i];
			best = d;
		}
	}
	return near;
}
