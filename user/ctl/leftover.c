/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/leftover.h"

enum { NAME_MAX_OCTETS = 256, TEXT_MAX = 512 };

static int name_of(const char *state_dir, const char *suffix, char name[NAME_MAX_OCTETS])
{
	int n = snprintf(name, NAME_MAX_OCTETS, "%s/dataplane%s", state_dir, suffix);

	return n < 0 || n >= NAME_MAX_OCTETS ? -ENAMETOOLONG : 0;
}

static int put(const char *name, const char *text, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		err = n < 0 ? -errno : -ENOSPC;
	close(fd);
	return err;
}

/* Whole, or not at all. */
int leftover_write(const char *state_dir, const struct leftover *l)
{
	char name[NAME_MAX_OCTETS], fresh[NAME_MAX_OCTETS], text[TEXT_MAX];
	int len = snprintf(text, sizeof(text), "esp %s\ntun %s\nsteer %s\npins %s\n",
			   l->kernel ? "kernel" : "engine", l->tun, l->steer, l->pin_dir);
	int err = name_of(state_dir, "", name);

	if (!err)
		err = name_of(state_dir, ".new", fresh);
	if (!err)
		err = put(fresh, text, (size_t)len);
	if (!err && rename(fresh, name) < 0)
		err = -errno;
	return err;
}

/* The rest of the line that begins with the key. */
static bool field(const char **text, const char *key, char *ret, size_t cap)
{
	size_t k = strlen(key), len = strcspn(*text, "\n");
	const char *line = *text;

	if (len <= k + 1 || strncmp(line, key, k) != 0 || line[k] != ' ' || line[len] != '\n' ||
	    len - k - 1 >= cap)
		return false;
	memcpy(ret, line + k + 1, len - k - 1);
	ret[len - k - 1] = '\0';
	*text += len + 1;
	return true;
}

int leftover_read(const char *state_dir, struct leftover *ret)
{
	char name[NAME_MAX_OCTETS], text[TEXT_MAX], esp[8];
	int err = name_of(state_dir, "", name), fd;
	const char *at = text;
	ssize_t n;

	if (err)
		return err;
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	text[n] = '\0';
	if (!field(&at, "esp", esp, sizeof(esp)) ||
	    !field(&at, "tun", ret->tun, sizeof(ret->tun)) ||
	    !field(&at, "steer", ret->steer, sizeof(ret->steer)) ||
	    !field(&at, "pins", ret->pin_dir, sizeof(ret->pin_dir)) || *at ||
	    (strcmp(esp, "kernel") != 0 && strcmp(esp, "engine") != 0))
		return -EBADMSG;
	ret->kernel = esp[0] == 'k';
	return 0;
}

void leftover_remove(const char *state_dir)
{
	char name[NAME_MAX_OCTETS];

	if (!name_of(state_dir, "", name))
		unlink(name);
}
