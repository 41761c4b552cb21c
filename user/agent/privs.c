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
	unsigned cap;
	const char *name, *why;
} needed[] = {
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "routes, the TUN device and BPF programs on interfaces" },
	{ CAP_NET_RAW, "CAP_NET_RAW", "plain ESP" },
	{ CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "UDP port 500" },
};

int privs_check(char *ret_error, size_t len)
{
	bool bpf;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process() < 0)
		return 0; /* then the first call that fails tells */
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
			continue;
		snprintf(ret_error, len, "%s is missing (for %s); run as root or grant it",
			 needed[i].name, needed[i].why);
		return -EPERM;
	}
	bpf = capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) ||
	      capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	if (!bpf) {
		snprintf(ret_error, len,
			 "CAP_BPF is missing (to load the steering programs); run as root or grant "
			 "it");
		return -EPERM;
	}
	return 0;
}

/* CAP_SYS_ADMIN stays: interfaces that appear later need programs attached, and the kernel asks
 * for it there (bpf_prog_get_fd_by_id in libxdp's dispatcher). */
int privs_drop(void)
{
	struct rlimit none = { 0, 0 };

	capng_clear(CAPNG_SELECT_BOTH);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN, CAP_NET_RAW,
		      CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, -1);
	/* for files in directories of root, when root it is */
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE, CAP_FOWNER,
		      -1);
	/* An engine started later, after a crash, needs these until it has given them up itself. */
	capng_updatev(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK,
		      CAP_SYS_RESOURCE, -1);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return -EPERM;
	/* No core file and no tracer sees keys. */
	if (setrlimit(RLIMIT_CORE, &none) < 0 || (!SANITIZED && prctl(PR_SET_DUMPABLE, 0) < 0))
		return -errno;
	return 0;
}
