/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory for pins on a bpffs, mounted if the system has none there. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "internal.h"

bool dp_bpffs_is(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

/* mkdir -p, 0700. 0 or -errno. */
static int make_dirs(const char *dir)
{
	char part[256];

	if (snprintf(part, sizeof(part), "%s", dir) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *s = part + 1;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*s = c;
		if (!c)
			return 0;
	}
}

/* The nearest directory above that exists. */
static void existing_parent(const char *dir, char ret_parent[256])
{
	struct stat st;
	char copy[256];

	snprintf(ret_parent, 256, "%s", dir);
	while (stat(ret_parent, &st) < 0 && strcmp(ret_parent, "/") && strcmp(ret_parent, ".")) {
		snprintf(copy, sizeof(copy), "%s", ret_parent);
		snprintf(ret_parent, 256, "%s", dirname(copy));
	}
}

int dp_bpffs_prepare(const char *pin_dir, char *ret_error, size_t len)
{
	char parent[256], copy[256];
	int err;

	if (strlen(pin_dir) >= sizeof(copy))
		return dp_fail(ret_error, len, -ENAMETOOLONG, "pin directory %s: name too long",
			       pin_dir);
	existing_parent(pin_dir, parent);
	if (!dp_bpffs_is(parent)) {
		snprintf(copy, sizeof(copy), "%s", pin_dir);
		snprintf(parent, sizeof(parent), "%s", dirname(copy));
		err = make_dirs(parent);
		if (err)
			return dp_fail(ret_error, len, err,
				       "no bpffs at %s and its directory cannot be made: %s",
				       pin_dir, strerror(-err));
		if (mount("bpf", parent, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") <
		    0) {
			err = -errno;
			return dp_fail(ret_error, len, err,
				       "%s is not on a bpffs and mounting one at %s failed: %s; "
				       "run: mount -t bpf bpf %s",
				       pin_dir, parent, strerror(-err), parent);
		}
		log_info("bpffs was missing: mounted one at %s", parent);
	}
	err = make_dirs(pin_dir);
	if (err)
		return dp_fail(ret_error, len, err, "pin directory %s: %s", pin_dir,
			       strerror(-err));
	return 0;
}

int dp_bpffs_lock(const char *pin_dir, int *ret_fd, char *ret_error, size_t len)
{
	int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (err) {
		if (fd >= 0)
			close(fd);
		return dp_fail(ret_error, len, err, "pin directory %s: %s", pin_dir,
			       err == -EBUSY ? "another braidd uses it; give this one its own"
					     : strerror(-err));
	}
	*ret_fd = fd;
	return 0;
}
