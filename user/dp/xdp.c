/* SPDX-License-Identifier: GPL-2.0-only */
/* steer_xdp onto a device by libxdp's dispatcher, so that other XDP programs run beside it.
 *
 * The dispatcher calls its programs as BPF extensions. A kernel that refuses those (none in
 * mainline since 5.10; lock-down policies do) has room for one XDP program on a device: ours alone,
 * if nobody else was first.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libgen.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "internal.h"
#include "steer_xdp.skel.h"

enum { XDP_RUN_PRIORITY = 40 }; /* before the default of 50: what is ours is counted first */

/* The dispatcher loads the program itself, as its own instance on the same maps. */
static int load_and_attach(struct dp *dp, uint32_t ifindex, bool generic)
{
	struct steer_xdp *skel = steer_xdp__open();
	struct xdp_program *prog;
	int err;

	if (!skel)
		return -errno;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = skel->obj, .prog_name = "steer_xdp");
	skel->rodata->sa_stat_n = dp->sa_stat_n;
	skel->rodata->kernel_esp = dp->opt.kernel_esp;
	bpf_program__set_autoload(skel->progs.steer_in, false);
	bpf_program__set_autoload(skel->progs.steer_in_l3, false);
	err = dp_pin_maps(dp, skel->obj);
	if (err)
		goto out;
	prog = xdp_program__create(&opts);
	err = libxdp_get_error(prog);
	if (err)
		goto out;
	xdp_program__set_run_prio(prog, XDP_RUN_PRIORITY);
	xdp_program__set_chain_call_enabled(prog, XDP_PASS, true);
	err = xdp_program__attach(prog, ifindex, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
	xdp_program__close(prog);
out:
	steer_xdp__destroy(skel);
	return err;
}

/* Ours on the device, in a dispatcher or alone. Borrowed from mp; NULL: not there. */
static struct xdp_program *find_ours(const struct xdp_multiprog *mp)
{
	struct xdp_program *prog = NULL;

	while ((prog = xdp_multiprog__next_prog(prog, mp)))
		if (!strcmp(xdp_program__name(prog), "steer_xdp"))
			return prog;
	prog = xdp_multiprog__main_prog(mp);
	return prog && !strcmp(xdp_program__name(prog), "steer_xdp") ? prog : NULL;
}

/* What libxdp pinned for a dispatcher that somebody replaced by force. */
static int clean_references(uint32_t ifindex)
{
	int n = libxdp_clean_references((int)ifindex);

	return n < 0 && n != -ENOENT ? n : 0;
}

int dp_xdp_detach(uint32_t ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *prog;
	int err = 0;

	if (libxdp_get_error(mp))
		return clean_references(ifindex);
	prog = find_ours(mp);
	if (prog)
		err = xdp_program__detach(prog, ifindex, xdp_multiprog__attach_mode(mp), 0);
	else
		err = clean_references(ifindex);
	xdp_multiprog__close(mp);
	return err;
}

/* *ret_alone: no dispatcher. */
static bool attached(uint32_t ifindex, bool *ret_alone)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	bool found;

	if (libxdp_get_error(mp))
		return false;
	found = find_ours(mp);
	*ret_alone = xdp_multiprog__is_legacy(mp);
	xdp_multiprog__close(mp);
	return found;
}

static int print_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	return level == LIBXDP_DEBUG ? 0 : dp_log_library(fmt, ap);
}

void dp_xdp_prepare(const char *pin_dir)
{
	char dir[256];

	libxdp_set_print(print_libxdp);
	if (dp_bpffs_is("/sys/fs/bpf"))
		return;
	snprintf(dir, sizeof(dir), "%s", pin_dir);
	setenv("LIBXDP_BPFFS", dirname(dir), 0);
}

/* libbpf 1.1 probes by provoking one error of the verifier: anything else is a refusal. */
static bool extensions_refused(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 0;
}

int dp_xdp_attach(struct dp *dp, uint32_t ifindex, bool generic, char *ret_why, size_t why_len)
{
	const char *alone_why = "";
	bool alone = false;
	int err = 0;

	dp_xdp_prepare(dp->pin_dir);
	if (!attached(ifindex, &alone)) {
		err = load_and_attach(dp, ifindex, generic);
		if (!err)
			attached(ifindex, &alone);
	}
	if (alone || err == -EBUSY)
		alone_why = extensions_refused()
				    ? "; this kernel refuses libxdp's dispatcher, so there is "
				      "room for one XDP program only"
				    : "; without libxdp's dispatcher there is room for one only";
	if (err)
		snprintf(ret_why, why_len, "tc ingress: XDP was asked for, but %s%s",
			 err == -EBUSY	      ? "another XDP program holds the device"
			 : err == -EOPNOTSUPP ? "the driver has no XDP"
					      : strerror(-err),
			 alone_why);
	else
		snprintf(ret_why, why_len, "%s XDP, as configured%s",
			 generic ? "generic" : "native", alone_why);
	return err;
}
