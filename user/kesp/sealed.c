/* SPDX-License-Identifier: GPL-2.0-only */
/*	octets	8	4	8	n		16
 *		magic	salt	IV	ciphertext	ICV
 *
 * Salt and IV are the random nonce. Authenticated beside the text: the magic and the name.
 */
#include "sealed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "crypto/rng.h"
#include "esp/blobs.h"

enum { MAGIC = 8, SALT = 4, IV = 8, ICV = 16, TEXT_AT = MAGIC + SALT + IV };

static const char magic[MAGIC + 1] = "braidIM1";
static const char half_done[] = ".new";

static struct aead *cipher(const struct sealed *d, bool encrypt, const uint8_t *salt)
{
	const struct aead_spec spec = { ENCR_AES_GCM_16, 256, INTEG_NONE };
	uint8_t key[IMAGE_KEY_OCTETS + SALT];
	struct aead *a;

	memcpy(key, d->key, IMAGE_KEY_OCTETS);
	memcpy(key + IMAGE_KEY_OCTETS, salt, SALT);
	a = aead_new(AEAD_DRIVER_OPENSSL, &spec, encrypt, key, sizeof(key), NULL, 0);
	secret_wipe(key, sizeof(key));
	return a;
}

static size_t aad_of(const char *name, uint8_t aad[MAGIC + SEALED_NAME])
{
	memcpy(aad, magic, MAGIC);
	return MAGIC + (size_t)snprintf((char *)aad + MAGIC, SEALED_NAME, "%s", name);
}

/* ---- the directory ---- */

static int images_dir(const char *state_dir, char ret_path[256])
{
	return snprintf(ret_path, 256, "%s/images", state_dir) < 256 ? 0 : -ENAMETOOLONG;
}

int sealed_open(struct sealed *d, const char *state_dir, const uint8_t key[IMAGE_KEY_OCTETS])
{
	char path[256];
	struct stat st;
	int err = images_dir(state_dir, path), fd;

	d->dir = -1;
	if (err)
		return err;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || st.st_mode & 077) {
		close(fd);
		return -EPERM;
	}
	d->dir = fd;
	memcpy(d->key, key, IMAGE_KEY_OCTETS);
	return 0;
}

void sealed_close(struct sealed *d)
{
	if (d->dir >= 0)
		close(d->dir);
	d->dir = -1;
	secret_wipe(d->key, sizeof(d->key));
}

/* ---- a file ---- */

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int replace(const struct sealed *d, const char *name, const uint8_t *p, size_t n)
{
	int err, fd;

	unlinkat(d->dir, half_done, 0);
	fd = openat(d->dir, half_done, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, p, n);
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err && renameat(d->dir, half_done, d->dir, name) < 0)
		err = -errno;
	if (err)
		unlinkat(d->dir, half_done, 0);
	return err;
}

int sealed_write(const struct sealed *d, const char *name, const void *head, size_t head_len,
		 const void *data, size_t len)
{
	size_t text = head_len + len, n = TEXT_AT + text + ICV;
	uint8_t aad[MAGIC + SEALED_NAME];
	size_t aad_len = aad_of(name, aad);
	struct aead *a = NULL;
	uint8_t *f;
	int err;

	if (d->dir < 0)
		return -EBADF;
	if (n > SEALED_MAX || strlen(name) >= SEALED_NAME)
		return -EMSGSIZE;
	f = malloc(n);
	if (!f)
		return -ENOMEM;
	memcpy(f, magic, MAGIC);
	err = rng_bytes(f + MAGIC, SALT + IV);
	if (!err) {
		a = cipher(d, true, f + MAGIC);
		err = a ? 0 : -EIO;
	}
	if (!err) {
		if (head_len)
			memcpy(f + TEXT_AT, head, head_len);
		memcpy(f + TEXT_AT + head_len, data, len);
		err = aead_seal(a, aad, aad_len, f + MAGIC + SALT, f + TEXT_AT, text, NULL, 0);
		if (err)
			secret_wipe(f, n);
	}
	if (!err)
		err = replace(d, name, f, n);
	aead_free(a);
	free(f);
	return err;
}

static int read_all(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = read(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EBADMSG;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int read_file(const struct sealed *d, const char *name, uint8_t **ret_f, size_t *ret_n)
{
	int fd = openat(d->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err = 0;
	uint8_t *f = NULL;
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < TEXT_AT + ICV || st.st_size > SEALED_MAX)
		err = -EBADMSG;
	if (!err && !(f = malloc((size_t)st.st_size)))
		err = -ENOMEM;
	if (!err)
		err = read_all(fd, f, (size_t)st.st_size);
	close(fd);
	if (err) {
		free(f);
		return err;
	}
	*ret_f = f;
	*ret_n = (size_t)st.st_size;
	return 0;
}

int sealed_read(const struct sealed *d, const char *name, uint8_t **ret_data, size_t *ret_len)
{
	uint8_t aad[MAGIC + SEALED_NAME], *f = NULL;
	size_t aad_len = aad_of(name, aad), n = 0, text;
	struct aead *a;
	int err = d->dir < 0 ? -EBADF : read_file(d, name, &f, &n);

	if (err)
		return err;
	text = n - TEXT_AT - ICV;
	a = cipher(d, false, f + MAGIC);
	if (!a)
		err = -EIO;
	else if (memcmp(f, magic, MAGIC) != 0)
		err = -EBADMSG;
	else
		err = aead_open(a, aad, aad_len, f + MAGIC + SALT, f + TEXT_AT, text, NULL, 0);
	aead_free(a);
	if (err) {
		blob_free(f, n);
		return err;
	}
	memmove(f, f + TEXT_AT, text);
	secret_wipe(f + text, n - text);
	*ret_data = f;
	*ret_len = text;
	return 0;
}

int sealed_remove(const struct sealed *d, const char *name)
{
	if (d->dir < 0)
		return -EBADF;
	return unlinkat(d->dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* ---- all files ---- */

static int each(int dir, bool (*fn)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *s = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!s) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((e = readdir(s)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !fn(ctx, e->d_name))
			unlinkat(dir, e->d_name, 0);
	closedir(s);
	return 0;
}

struct visit {
	sealed_fn *fn;
	void *ctx;
};

static bool visit(void *ctx, const char *name)
{
	struct visit *v = ctx;

	if (!strcmp(name, half_done))
		return false;
	v->fn(v->ctx, name);
	return true;
}

int sealed_each(const struct sealed *d, sealed_fn *fn, void *ctx)
{
	struct visit v = { fn, ctx };

	return d->dir < 0 ? -EBADF : each(d->dir, visit, &v);
}

static bool none(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

int sealed_clean(const char *state_dir)
{
	char path[256];
	int err = images_dir(state_dir, path), fd;

	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = each(fd, none, NULL);
	close(fd);
	if (rmdir(path) < 0 && errno != ENOENT && !err)
		err = -errno;
	return err;
}
