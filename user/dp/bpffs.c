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

/* mkdir -p, 0700; counts those made. 0 or -errno. */
static int make_dirs(const char *dir, unsigned *made)
{
	char part[256];

	if (snprintf(part, sizeof(part), "%s", dir) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *s = part + 1;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (mkdir(part, 0700) == 0)
			++*made;
		else if (errno != EEXIST)
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

static int mount_failed(const char *pin_dir, const char *at, int err, char *ret_error, size_t len)
{
	if (err == -ENODEV)
		return explain(ret_error, len, err,
			       "this kernel has no BPF file system (CONFIG_BPF_SYSCALL), where %s "
			       "shall be: use a kernel with BPF",
			       pin_dir);
	return explain(ret_error, len, err,
		       "%s is not on a bpffs and mounting one at %s failed: %s; run: mount -t bpf "
		       "bpf %s",
		       pin_dir, at, strerror(-err), at);
}

static int mount_at(const char *pin_dir, const char *at, struct dp_bpffs *made, char *ret_error,
		    size_t len)
{
	int err = make_dirs(at, &made->mount_dirs);

	if (err)
		return explain(ret_error, len, err,
			       "no bpffs at %s and its directory cannot be made: %s", pin_dir,
			       strerror(-err));
	if (mount("bpf", at, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return mount_failed(pin_dir, at, -errno, ret_error, len);
	made->mounted = true;
	log_info("bpffs was missing: mounted one at %s", at);
	return 0;
}

int dp_bpffs_prepare(const char *pin_dir, struct dp_bpffs *made, char *ret_error, size_t len)
{
	char parent[256], copy[256];
	int err;

	if (strlen(pin_dir) >= sizeof(copy))
		return explain(ret_error, len, -ENAMETOOLONG, "pin directory %s: name too long",
			       pin_dir);
	existing_parent(pin_dir, parent);
	if (!dp_bpffs_is(parent)) {
		snprintf(copy, sizeof(copy), "%s", pin_dir);
		snprintf(parent, sizeof(parent), "%s", dirname(copy));
		err = mount_at(pin_dir, parent, made, ret_error, len);
		if (err)
			return err;
	}
	err = make_dirs(pin_dir, &made->pin_dirs);
	if (err)
		return explain(ret_error, len, err, "pin directory %s: %s", pin_dir,
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
		return explain(ret_error, len, err, "pin directory %s: %s", pin_dir,
			       err == -EBUSY ? "another braidd uses it; give this one its own"
					     : strerror(-err));
	}
	*ret_fd = fd;
	return 0;
}

/* The directory and as many above it. */
static void remove_dirs(const char *dir, unsigned n)
{
	char part[256];

	snprintf(part, sizeof(part), "%s", dir);
	while (n--) {
		rmdir(part);
		dirname(part);
	}
}

void dp_bpffs_undo(const char *pin_dir, const struct dp_bpffs *made)
{
	char parent[256];

	remove_dirs(pin_dir, made->pin_dirs);
	snprintf(parent, sizeof(parent), "%s", pin_dir);
	dirname(parent);
	if (made->mounted)
		umount2(parent, MNT_DETACH);
	remove_dirs(parent, made->mount_dirs);
}
