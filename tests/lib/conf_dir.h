/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory with configuration files, and what conf_load says to them. */
#ifndef BRAID_TESTS_CONF_DIR_H
#define BRAID_TESTS_CONF_DIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "conf/conf.h"

static char dir[64], error[CONF_ERROR_MAX];

/* It is the current one from here on. */
static inline void dir_enter(void)
{
	strcpy(dir, "/tmp/braid-test-conf-XXXXXX");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
}

static inline void dir_leave(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(system(cmd), 0);
}

static inline void put(const char *name, mode_t mode, const char *text, size_t len)
{
	unlink(name); /* it may have been made unreadable even for us */
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* NULL: refused, with error. */
static inline struct conf *load(const char *text)
{
	struct conf *c = NULL;

	put("braid.conf", 0600, text, strlen(text));
	error[0] = '\0';
	if (conf_load("braid.conf", &c, error) < 0)
		return NULL;
	cr_assert(c);
	return c;
}

/* One connection with those keys, its child with these. */
static inline struct conf *load_conn(const char *conn, const char *child)
{
	char text[2048];
	struct conf *c;

	snprintf(text, sizeof(text),
		 "uplink \"u\" { interface = eth0 }\nsecret \"s\" { secret = x }\n"
		 "connection \"a\" {\n%s\nlocal { id = a.example }\nchild \"b\" {\n%s\n}\n}\n",
		 conn, child);
	c = load(text);
	cr_assert(c, "%s", error);
	return c;
}

#endif
