/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent may do: checked at start with a sentence, cut down before the first packet. */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cap-ng.h>

#include "base/sanitize.h"
#include "agent.h"

static const struct {
	unsigned cap, instead; /* CAP_SYS_ADMIN has what was later taken out of it */
	const char *name, *why;
} needed[] = {
	{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN",
	  "for routes, the TUN device and BPF programs on interfaces" },
	{ CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW", "for plain ESP" },
	{ CAP_NET_BIND_SERVICE, CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "for UDP port 500" },
	{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "to load the steering programs" },
	{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON",
	  "to have the steering programs accepted: they add lengths to packet pointers" },
};

int privs_check(char *ret_error, size_t len)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process() < 0)
		return 0; /* then the first call that fails tells */
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap) ||
		    capng_have_capability(CAPNG_EFFECTIVE, needed[i].instead))
			continue;
		snprintf(ret_error, len, "%s is missing (%s); run as root or grant it",
			 needed[i].name, needed[i].why);
		return -EPERM;
	}
	return 0;
}

/* Interfaces that appear later get programs attached: by tc that takes CAP_NET_ADMIN and CAP_BPF.
 * libxdp finds the programs of a dispatcher by their ids, for which the kernel wants CAP_SYS_ADMIN
 * (bpf_prog_get_fd_by_id, still so in Linux 6.18). */
int privs_drop(bool keep_sys_admin)
{
	/* The latter two for files in directories of root, when root it is. */
	const unsigned keep[] = { CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_DAC_OVERRIDE,
				  CAP_FOWNER };
	const size_t n = sizeof(keep) / sizeof(*keep);
	struct rlimit none = { 0, 0 };
	bool have[sizeof(keep) / sizeof(*keep)], sys_admin;
	capng_select_t sets = CAPNG_SELECT_BOTH;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (size_t i = 0; i < n; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	sys_admin = capng_have_capability(CAPNG_PERMITTED, CAP_SYS_ADMIN);
	/* A service manager that has cut the bounding set keeps us from cutting it. */
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets = CAPNG_SELECT_CAPS;
	/* Only CAP_SYS_ADMIN may stand for CAP_BPF and CAP_PERFMON. */
	keep_sys_admin |= !have[1] || !have[2];
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, keep[i]);
	if (keep_sys_admin && sys_admin)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN);
	if (capng_apply(sets) < 0)
		return -EPERM;
	/* No core file and no tracer sees keys. */
	if (setrlimit(RLIMIT_CORE, &none) < 0 || (!SANITIZED && prctl(PR_SET_DUMPABLE, 0) < 0))
		return -errno;
	return 0;
}
