/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys in the form of Wireshark's tables (ikev2_decryption_table, esp_sa), Wireshark 4.0. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/show.h"

struct name {
	const char *word, *ike, *esp;
};

static const struct name encr_names[] = {
	{ "aes128gcm8", "AES-GCM-128 with 8 octet ICV [RFC5282]",
	  "AES-GCM with 8 octet ICV [RFC4106]" },
	{ "aes192gcm8", "AES-GCM-192 with 8 octet ICV [RFC5282]",
	  "AES-GCM with 8 octet ICV [RFC4106]" },
	{ "aes256gcm8", "AES-GCM-256 with 8 octet ICV [RFC5282]",
	  "AES-GCM with 8 octet ICV [RFC4106]" },
	{ "aes128gcm12", "AES-GCM-128 with 12 octet ICV [RFC5282]",
	  "AES-GCM with 12 octet ICV [RFC4106]" },
	{ "aes192gcm12", "AES-GCM-192 with 12 octet ICV [RFC5282]",
	  "AES-GCM with 12 octet ICV [RFC4106]" },
	{ "aes256gcm12", "AES-GCM-256 with 12 octet ICV [RFC5282]",
	  "AES-GCM with 12 octet ICV [RFC4106]" },
	{ "aes128gcm16", "AES-GCM-128 with 16 octet ICV [RFC5282]",
	  "AES-GCM with 16 octet ICV [RFC4106]" },
	{ "aes192gcm16", "AES-GCM-192 with 16 octet ICV [RFC5282]",
	  "AES-GCM with 16 octet ICV [RFC4106]" },
	{ "aes256gcm16", "AES-GCM-256 with 16 octet ICV [RFC5282]",
	  "AES-GCM with 16 octet ICV [RFC4106]" },
	{ "aes128", "AES-CBC-128 [RFC3602]", "AES-CBC [RFC3602]" },
	{ "aes192", "AES-CBC-192 [RFC3602]", "AES-CBC [RFC3602]" },
	{ "aes256", "AES-CBC-256 [RFC3602]", "AES-CBC [RFC3602]" },
	{ "null", "NULL [RFC2410]", "NULL" },
};

static const struct name integ_names[] = {
	{ "", "NONE [RFC4306]", "NULL" },
	{ "sha1", "HMAC_SHA1_96 [RFC2404]", "HMAC-SHA-1-96 [RFC2404]" },
	{ "sha256", "HMAC_SHA2_256_128 [RFC4868]", "HMAC-SHA-256-128 [RFC4868]" },
	{ "sha384", "HMAC_SHA2_384_192 [RFC4868]", "HMAC-SHA-384-192 [RFC4868]" },
	{ "sha512", "HMAC_SHA2_512_256 [RFC4868]", "HMAC-SHA-512-256 [RFC4868]" },
};

static const struct name *find(const struct name *names, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i].word, word))
			return &names[i];
	return NULL;
}
#define FIND(names, word) find(names, sizeof(names) / sizeof(*(names)), word)

/* Hex digits only: what goes into the file cannot break its lines. */
static const char *hex(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strspn(s, "0123456789abcdefABCDEF") == strlen(s) ? s : "";
}

static const char *word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static FILE *create(const char *dir, const char *name)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name), fd;
	FILE *f;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	/* An old file might be readable by others, or be a link. */
	if (unlink(path) < 0 && errno != ENOENT)
		return NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return NULL;
	f = fdopen(fd, "w");
	if (!f)
		close(fd);
	return f;
}

static int finish(FILE *f)
{
	int r = ferror(f) ? -EIO : 0;

	return fclose(f) == 0 ? r : -errno;
}

static int write_ike(const char *dir, const json_t *keys, size_t *n, size_t *skipped)
{
	FILE *f = create(dir, "ikev2_decryption_table");
	const json_t *k;
	size_t i;

	if (!f)
		return -errno;
	json_array_foreach(json_object_get(keys, "ike"), i, k)
	{
		const struct name *e = FIND(encr_names, word(k, "encr"));
		const struct name *a = FIND(integ_names, word(k, "integ"));

		if (!e || !a) {
			++*skipped;
			continue;
		}
		fprintf(f, "%s,%s,%s,%s,\"%s\",%s,%s,\"%s\"\n", hex(k, "spi_i"), hex(k, "spi_r"),
			hex(k, "sk_ei"), hex(k, "sk_er"), e->ike, hex(k, "sk_ai"), hex(k, "sk_ar"),
			a->ike);
		++*n;
	}
	return finish(f);
}

/* Any addresses: the same SA uses several pairs, and the stable one. */
static int write_esp(const char *dir, const json_t *keys, size_t *n, size_t *skipped)
{
	static const char *const families[] = { "IPv4", "IPv6" };
	FILE *f = create(dir, "esp_sa");
	const json_t *k;
	size_t i;

	if (!f)
		return -errno;
	json_array_foreach(json_object_get(keys, "esp"), i, k)
	{
		const struct name *e = FIND(encr_names, word(k, "encr"));
		const struct name *a = FIND(integ_names, word(k, "integ"));

		if (!e || !a) {
			++*skipped;
			continue;
		}
		for (size_t v = 0; v < 2; v++)
			fprintf(f, "\"%s\",\"*\",\"*\",\"0x%s\",\"%s\",\"0x%s\",\"%s\",\"%s%s\"\n",
				families[v], hex(k, "spi"), e->esp, hex(k, "key"), a->esp,
				*hex(k, "integ_key") ? "0x" : "", hex(k, "integ_key"));
		++*n;
	}
	return finish(f);
}

int wireshark_write(const char *dir, const json_t *keys, size_t *ret_ike, size_t *ret_esp,
		    size_t *ret_skipped)
{
	size_t ike = 0, esp = 0, skipped = 0;
	int r = write_ike(dir, keys, &ike, &skipped);

	if (r == 0)
		r = write_esp(dir, keys, &esp, &skipped);
	if (r < 0)
		return r;
	*ret_ike = ike;
	*ret_esp = esp;
	*ret_skipped = skipped;
	return 0;
}
