/* SPDX-License-Identifier: GPL-2.0-only */
/* What the engine may still ask of the kernel once TUN, sockets and threads exist. Everything else
 * fails with EPERM: packets are parsed here, and keys are kept here. */
#include <linux/if_tun.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#include "base/sandbox.h"
#include "engine/engine.h"

static const int allowed[] = {
	/* packets */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* the agent */
	SCMP_SYS(accept4),
	SCMP_SYS(close),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getpid),
	SCMP_SYS(geteuid),
	SCMP_SYS(unlink),
	/* memory, threads, time */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sigaltstack),
	/* OpenSSL reads its configuration when it is first used */
	SCMP_SYS(openat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	SCMP_SYS(uname),
	SCMP_SYS(sched_getaffinity),
};

/* When traffic classes come up: tun_steer. */
static const unsigned ioctls[] = { TUNSETSTEERINGEBPF, TUNSETQUEUE };

int engine_sandbox(void)
{
	return sandbox_enter(allowed, sizeof(allowed) / sizeof(*allowed), ioctls,
			     sizeof(ioctls) / sizeof(*ioctls));
}
