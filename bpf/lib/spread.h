/* SPDX-License-Identifier: GPL-2.0-only */
/* Which CPU decrypts: XDP hands packets to others before the kernel has made anything of them. */
#ifndef BRAID_BPF_SPREAD_H
#define BRAID_BPF_SPREAD_H

#include "maps.h"

/* By packets, so many with consecutive numbers go to one CPU: most of them stay in order. */
enum { SPREAD_RUN_BITS = 4 };

/* Returns the program's verdict. Where a CPU cannot take it, it stays on this one. */
static __always_inline int spread_xdp(__u32 spi, __u32 seq)
{
	__u32 key = 0, i;
	const struct steer_intake *in = bpf_map_lookup_elem(&intake, &key);

	if (!in || in->spread == STEER_SPREAD_OFF || !in->n_cpus)
		return XDP_PASS;
	/* an SA's runs go round all of them; SAs begin anywhere */
	i = spi * 0x9e3779b1u >> 16;
	if (in->spread == STEER_SPREAD_PACKET)
		i += seq >> SPREAD_RUN_BITS;
	i = (i & 0xffff) % in->n_cpus;
	if (i >= STEER_CPUS_MAX)
		return XDP_PASS;
	return bpf_redirect_map(&cpus, in->cpu[i], XDP_PASS);
}

#endif
