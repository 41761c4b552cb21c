/* SPDX-License-Identifier: GPL-2.0-only */
/* The file that says what an agent has made. */
#include <errno.h>

#include "../lib/conf_dir.h"
#include "ctl/leftover.h"

TestSuite(leftover, .init = dir_enter, .fini = dir_leave, .timeout = 60);

static const struct leftover some = { .kernel = true,
				      .tun = "a-name-of-15-oc",
				      .steer = "braid0",
				      .pin_dir = "/sys/fs/bpf/a directory" };

static int read_text(const char *text, size_t len, struct leftover *ret)
{
	put("dataplane", 0600, text, len);
	return leftover_read(dir, ret);
}

Test(leftover, comes_back_as_it_was)
{
	struct leftover l;
	struct stat st;

	cr_assert_eq(leftover_read(dir, &l), -ENOENT);
	cr_assert_eq(leftover_write(dir, &some), 0);
	cr_assert_eq(leftover_read(dir, &l), 0);
	cr_assert(l.kernel);
	cr_assert_str_eq(l.tun, some.tun);
	cr_assert_str_eq(l.steer, some.steer);
	cr_assert_str_eq(l.pin_dir, some.pin_dir);
	cr_assert_eq(stat("dataplane", &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(access("dataplane.new", F_OK), -1);
}

Test(leftover, is_replaced_and_removed)
{
	struct leftover l = some;

	cr_assert_eq(leftover_write(dir, &some), 0);
	l.kernel = false;
	cr_assert_eq(leftover_write(dir, &l), 0);
	cr_assert_eq(leftover_read(dir, &l), 0);
	cr_assert_not(l.kernel);
	leftover_remove(dir);
	cr_assert_eq(leftover_read(dir, &l), -ENOENT);
	leftover_remove(dir);
}

#define GOOD "esp engine\ntun t\nsteer s\npins /p\n"

/* Cut anywhere, or with one octet changed, it is refused or says something of the right size. */
Test(leftover, damaged)
{
	char text[sizeof(GOOD)];
	struct leftover l;

	cr_assert_eq(read_text(GOOD, strlen(GOOD), &l), 0);
	for (size_t n = 0; n < strlen(GOOD); n++)
		cr_assert_eq(read_text(GOOD, n, &l), -EBADMSG, "%zu octets", n);
	for (size_t n = 0; n < strlen(GOOD); n++) {
		memcpy(text, GOOD, sizeof(text));
		text[n] = '\n';
		if (GOOD[n] != '\n')
			cr_assert_eq(read_text(text, strlen(GOOD), &l), -EBADMSG, "at %zu", n);
	}
	cr_assert_eq(read_text(GOOD "more\n", strlen(GOOD) + 5, &l), -EBADMSG);
	cr_assert_eq(read_text("esp both\ntun t\nsteer s\npins /p\n", 31, &l), -EBADMSG);
	cr_assert_eq(read_text("esp engine\ntun a-name-of-16-oct\nsteer s\npins /p\n", 48, &l),
		     -EBADMSG);
}

Test(leftover, nowhere)
{
	char far[300];

	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	cr_assert_eq(leftover_write("/nowhere", &some), -ENOENT);
	cr_assert_eq(leftover_write(far, &some), -ENAMETOOLONG);
}
