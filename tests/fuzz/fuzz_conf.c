/* SPDX-License-Identifier: GPL-2.0-only */
/* A configuration file, secrets and all. Two octets 0xff in a row part the first file from the one
 * that it may include as "b.conf". Whatever is written there: a configuration, or a sentence with
 * file and line. */
#include <fcntl.h>
#include <stdio.h>
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[48], first[64], second[64];

static void clear(void)
{
	unlink(first);
	unlink(second);
	rmdir(dir);
}

static void put(const char *file, const uint8_t *data, size_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		abort();
}

/* The fuzzer ends without asking anybody: nothing is kept from one input to the next. */
static void prepare(void)
{
	snprintf(dir, sizeof(dir), "/dev/shm/braid-fuzz.%d", getpid());
	snprintf(first, sizeof(first), "%s/a.conf", dir);
	snprintf(second, sizeof(second), "%s/b.conf", dir);
	if (mkdir(dir, 0700))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *part = memmem(data, size, "\xff\xff", 2);
	size_t n = part ? (size_t)(part - data) : size;
	char error[CONF_ERROR_MAX] = "";
	struct conf *c = NULL;
	int r;

	prepare();
	put(first, data, n);
	put(second, part ? part + 2 : data, part ? size - n - 2 : 0);
	/* libConfuse itself forgets the arguments of a call in which there is a mistake: leaks
	 * count for what can be read, in a second round. */
	__lsan_disable();
	r = conf_load(first, &c, error);
	__lsan_enable();
	if (r) {
		if (strncmp(error, dir, strlen(dir)) || !memchr(error, 0, sizeof(error)))
			abort();
		clear();
		return 0;
	}
	conf_free(c);
	if (conf_load(first, &c, error) || !c->n_uplinks || error[0])
		abort();
	conf_free(c);
	clear();
	return 0;
}
