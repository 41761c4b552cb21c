/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode where ESP is the kernel's: which addresses come in by an SA, at the ingress of the
 * XFRM interface. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "abi/inner.h"
#include "inner.skel.h"
#include "internal.h"

static struct inner_ends ends_of(const struct dp_inner *i)
{
	struct inner_ends e = { .repair = i->repair };

	memcpy(e.src.b, i->src.b, addr_len(&i->src));
	memcpy(e.dst.b, i->dst.b, addr_len(&i->dst));
	return e;
}

static int open_once(struct dp *dp)
{
	struct inner *prog;
	int err;

	if (dp->inner)
		return 0;
	prog = inner__open();
	if (!prog)
		return -errno;
	err = dp_pin_maps(dp, prog->obj);
	prog->rodata->kernel_esp = true;
	if (!err)
		err = inner__load(prog);
	if (err)
		inner__destroy(prog);
	else
		dp->inner = prog;
	return err;
}

void dp_inner_close(struct dp *dp)
{
	inner__destroy(dp->inner);
	dp->inner = NULL;
}

int dp_inner_attach(struct dp *dp, uint32_t ifindex)
{
	bool created, qdisc;
	int err = open_once(dp);

	return err ? err
		   : dp_tc_attach(ifindex, BPF_TC_INGRESS, DP_TC_PRIORITY,
				  bpf_program__fd(dp->inner->progs.inner_in), "inner_in", &created,
				  &qdisc);
}

/* Said before there is one, and after there is none. */
static int tell_any(struct dp *dp, uint32_t any)
{
	uint32_t key = 0;

	return bpf_map_update_elem(bpf_map__fd(dp->inner->maps.inner_any), &key, &any, BPF_ANY);
}

int dp_inner_put(struct dp *dp, uint32_t spi, const struct dp_inner *now,
		 const struct dp_inner *before, usec_t before_until)
{
	struct inner_sa sa = { .now = ends_of(now), .family = now->src.family };
	__be32 key = htonl(spi);
	int err = open_once(dp);

	if (before) {
		sa.before = ends_of(before);
		sa.before_until_nsec = before_until * 1000;
	}
	if (!err)
		err = tell_any(dp, 1);
	return err ? err
		   : bpf_map_update_elem(bpf_map__fd(dp->inner->maps.inner), &key, &sa, BPF_ANY);
}

void dp_inner_del(struct dp *dp, uint32_t spi)
{
	__be32 key = htonl(spi);
	int fd;

	if (!dp->opt.kernel_esp || open_once(dp))
		return;
	fd = bpf_map__fd(dp->inner->maps.inner);
	if (!bpf_map_delete_elem(fd, &key) && bpf_map_get_next_key(fd, NULL, &key) == -ENOENT)
		tell_any(dp, 0);
}
