/* SPDX-License-Identifier: GPL-2.0-only */
/* The secret of the tokens that prove a crash (RFC 6290), in a file that outlives us: in the state
 * directory of the service, which outlives the machine's power too, or else in ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "crypto/rng.h"
#include "agent.h"

/* 0, or -errno; -EPERM: it is not ours alone; -EBADMSG: it has another length. */
static int read_secret(const char *path, uint8_t secret[IKE_QCD_SECRET_OCTETS])
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		ret = -EPERM;
	else if (st.st_size != IKE_QCD_SECRET_OCTETS ||
		 read(fd, secret, IKE_QCD_SECRET_OCTETS) != IKE_QCD_SECRET_OCTETS)
		ret = -EBADMSG;
	close(fd);
	return ret;
}

/* Whole, or not at all. */
static int make_secret(const char *path, uint8_t secret[IKE_QCD_SECRET_OCTETS])
{
	char fresh[AGENT_PATH_MAX + 8];
	int fd, ret = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (rng_bytes(secret, IKE_QCD_SECRET_OCTETS))
		return -EIO;
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, secret, IKE_QCD_SECRET_OCTETS) != IKE_QCD_SECRET_OCTETS || fsync(fd))
		ret = errno ? -errno : -EIO;
	close(fd);
	if (!ret && rename(fresh, path))
		ret = -errno;
	if (ret)
		unlink(fresh);
	return ret;
}

/* systemd's, of StateDirectory=; false: there is none, and ours is taken. */
static bool secret_path(const struct agent *a, char path[AGENT_PATH_MAX])
{
	const char *dir = getenv("STATE_DIRECTORY");
	bool given = dir && *dir;
	int n = snprintf(path, AGENT_PATH_MAX, "%s/qcd_secret", given ? dir : a->opt.state_dir);

	if (n < 0 || n >= AGENT_PATH_MAX)
		path[0] = '\0'; /* it cannot be opened, and that is said */
	return given;
}

void qcd_secret_load(struct agent *a)
{
	uint8_t secret[IKE_QCD_SECRET_OCTETS];
	char path[AGENT_PATH_MAX];
	int ret;

	secret_path(a, path);
	ret = read_secret(path, secret);
	if (ret == -EBADMSG || (ret == -ENOENT && path[0]))
		ret = make_secret(path, secret);
	if (ret)
		log_warning(
			"qcd_secret %s: %s; peers get no tokens, and notice a crash later", path,
			ret == -EPERM ? "others may read it, or it is not ours" : strerror(-ret));
	else
		ike_qcd_secret(a->ike, secret);
	secret_wipe(secret, sizeof(secret));
}

void qcd_secret_drop(struct agent *a)
{
	char path[AGENT_PATH_MAX];

	if (!secret_path(a, path))
		unlink(path);
}
