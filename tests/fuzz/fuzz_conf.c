/* SPDX-License-Identifier: GPL-2.0-only */
/* A configuration file, secrets and all. Two octets 0xff in a row part the first file from the one
 * that it may include as "b.conf". Whatever is written there: a configuration, or a sentence with
 * file and line. Both files are kept in memory, and there are no others. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

/* not there in a build without sanitizers */
#pragma weak __lsan_disable
#pragma weak __lsan_enable

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_open(const char *name, int flags, ...);

static const char *const names[] = { "/nonexistent/a.conf", "/nonexistent/b.conf" };
static int files[] = { -1, -1 };

int __wrap_open(const char *name, int flags, ...)
{
	(void)flags;
	for (int i = 0; i < 2; i++)
		if (!strcmp(name, names[i]) && !lseek(files[i], 0, SEEK_SET))
			return dup(files[i]);
	errno = ENOENT;
	return -1;
}

static void put(int i, const uint8_t *data, size_t size)
{
	if (files[i] < 0 &&
	    ((files[i] = memfd_create("conf", MFD_CLOEXEC)) < 0 || fchmod(files[i], 0600)))
		abort();
	if (ftruncate(files[i], 0) || pwrite(files[i], data, size, 0) != (ssize_t)size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *part = memmem(data, size, "\xff\xff", 2);
	size_t n = part ? (size_t)(part - data) : size;
	char error[CONF_ERROR_MAX] = "";
	struct conf *c = NULL;
	int r;

	put(0, data, n);
	put(1, part ? part + 2 : data, part ? size - n - 2 : 0);
	/* libConfuse itself forgets the arguments of a call in which there is a mistake: leaks
	 * count for what can be read, in a second round. */
	if (__lsan_disable)
		__lsan_disable();
	r = conf_load(names[0], &c, error);
	if (__lsan_enable)
		__lsan_enable();
	if (r) {
		if (strncmp(error, "/nonexistent/", 13) || !memchr(error, 0, sizeof(error)))
			abort();
		return 0;
	}
	conf_free(c);
	if (conf_load(names[0], &c, error) || !c->n_uplinks || error[0])
		abort();
	conf_free(c);
	return 0;
}
