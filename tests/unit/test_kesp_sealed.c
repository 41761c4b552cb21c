/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp/blobs.h"
#include "../../user/kesp/sealed.h"

static char state[64], images[80];
static const uint8_t key[IMAGE_KEY_OCTETS] = { 1, 2, 3 };
static struct sealed d;

static void setup(void)
{
	strcpy(state, "/tmp/braid-test-sealed-XXXXXX");
	cr_assert(mkdtemp(state));
	snprintf(images, sizeof(images), "%s/images", state);
	cr_assert_eq(sealed_open(&d, state, key), 0);
}

static void teardown(void)
{
	sealed_close(&d);
	sealed_clean(state);
	rmdir(state);
}

TestSuite(sealed, .init = setup, .fini = teardown);

static int put(const char *name, const char *text)
{
	return sealed_write(&d, name, text, 2, text + 2, strlen(text) - 2);
}

static void is(const char *name, const char *text)
{
	uint8_t *data;
	size_t len;

	cr_assert_eq(sealed_read(&d, name, &data, &len), 0);
	cr_assert_eq(len, strlen(text));
	cr_assert_arr_eq(data, text, len);
	blob_free(data, len);
}

static int reads(const char *name)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int err = sealed_read(&d, name, &data, &len);

	blob_free(data, len);
	return err;
}

static size_t load(const char *name, uint8_t *buf, size_t cap)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", images, name);
	fd = open(path, O_RDONLY);
	cr_assert(fd >= 0);
	n = read(fd, buf, cap);
	close(fd);
	cr_assert(n >= 0);
	return (size_t)n;
}

static void store(const char *name, const uint8_t *buf, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", images, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, buf, n), (ssize_t)n);
	close(fd);
}

Test(sealed, comes_back_as_it_was)
{
	is((put("a", "one secret"), "a"), "one secret");
	is((put("a", "another"), "a"), "another");
	is((put("b", "xy"), "b"), "xy");
	is("a", "another");
	cr_assert_eq(reads("c"), -ENOENT);
	cr_assert_eq(sealed_remove(&d, "a"), 0);
	cr_assert_eq(sealed_remove(&d, "a"), 0);
	cr_assert_eq(reads("a"), -ENOENT);
}

Test(sealed, nothing_is_readable_and_no_two_files_are_the_same)
{
	uint8_t a[256], b[256];
	struct stat st;
	char path[128];
	size_t n;

	put("a", "one secret text");
	n = load("a", a, sizeof(a));
	cr_assert_null(memmem(a, n, "secret", 6));
	put("a", "one secret text");
	cr_assert_eq(load("a", b, sizeof(b)), n);
	cr_assert_neq(memcmp(a, b, n), 0);
	snprintf(path, sizeof(path), "%s/a", images);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(stat(images, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
}

Test(sealed, every_damaged_octet_is_found)
{
	uint8_t f[256];
	size_t n;

	put("a", "a few octets");
	n = load("a", f, sizeof(f));
	for (size_t i = 0; i < n; i++) {
		f[i] ^= 0x20;
		store("a", f, n);
		cr_assert_eq(reads("a"), -EBADMSG, "octet %zu", i);
		f[i] ^= 0x20;
	}
	store("a", f, n);
	is("a", "a few octets");
}

Test(sealed, a_cut_one_is_none)
{
	uint8_t f[256];
	size_t n;

	put("a", "a few octets");
	n = load("a", f, sizeof(f));
	for (size_t i = 0; i < n; i++) {
		store("a", f, i);
		cr_assert_eq(reads("a"), -EBADMSG, "%zu octets", i);
	}
	f[n] = 0;
	store("a", f, n + 1);
	cr_assert_eq(reads("a"), -EBADMSG);
}

Test(sealed, one_under_another_name_is_none)
{
	uint8_t f[256];
	size_t n;

	put("a", "a few octets");
	n = load("a", f, sizeof(f));
	store("b", f, n);
	cr_assert_eq(reads("b"), -EBADMSG);
}

Test(sealed, another_key_reads_nothing)
{
	const uint8_t other[IMAGE_KEY_OCTETS] = { 1, 2, 4 };

	put("a", "a few octets");
	sealed_close(&d);
	cr_assert_eq(sealed_open(&d, state, other), 0);
	cr_assert_eq(reads("a"), -EBADMSG);
}

Test(sealed, links_and_directories_are_none)
{
	char path[128], target[128];

	put("a", "a few octets");
	snprintf(path, sizeof(path), "%s/b", images);
	snprintf(target, sizeof(target), "%s/a", images);
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_eq(reads("b"), -EBADMSG);
	cr_assert_eq(put("b", "in its place"), 0);
	is("b", "in its place");
	is("a", "a few octets");
}

Test(sealed, a_directory_open_to_others_is_refused)
{
	sealed_close(&d);
	cr_assert_eq(chmod(images, 0750), 0);
	cr_assert_eq(sealed_open(&d, state, key), -EPERM);
	cr_assert_eq(d.dir, -1);
	cr_assert_eq(put("a", "nowhere"), -EBADF);
}

static void count(void *ctx, const char *name)
{
	(void)name;
	++*(unsigned *)ctx;
}

Test(sealed, half_done_writes_are_removed)
{
	char path[128];
	unsigned n = 0;

	put("a", "a few octets");
	put("b", "a few octets");
	store(".new", (const uint8_t *)"half", 4);
	cr_assert_eq(sealed_each(&d, count, &n), 0);
	cr_assert_eq(n, 2);
	snprintf(path, sizeof(path), "%s/.new", images);
	cr_assert_neq(access(path, F_OK), 0);
	cr_assert_eq(sealed_clean(state), 0);
	cr_assert_neq(access(images, F_OK), 0);
	cr_assert_eq(sealed_clean(state), 0);
}

Test(sealed, too_much_is_refused_and_changes_nothing)
{
	uint8_t *big = calloc(1, SEALED_MAX);

	put("a", "a few octets");
	cr_assert_eq(sealed_write(&d, "a", NULL, 0, big, SEALED_MAX), -EMSGSIZE);
	is("a", "a few octets");
	free(big);
}
