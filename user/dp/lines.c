/* SPDX-License-Identifier: GPL-2.0-only */
/* What the classifier finds a packet's line of IKE SAs by: its maps and its program at the ingress.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "abi/lines.h"
#include "classify.skel.h"
#include "internal.h"

/* IPv4 as ::ffff:0:0/96. */
static struct line_prefix prefix_of(const struct addr *a, uint8_t len)
{
	struct line_prefix p = { .bits = len };

	if (a->family == 4) {
		p.bits += LINE_BITS4;
		p.addr[10] = p.addr[11] = 0xff;
		memcpy(p.addr + 12, a->b, 4);
	} else {
		memcpy(p.addr, a->b, 16);
	}
	return p;
}

static struct addr addr_of(const struct line_prefix *p, uint8_t *ret_len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool four = p->bits >= LINE_BITS4 && !memcmp(p->addr, mapped, sizeof(mapped));

	*ret_len = (uint8_t)(p->bits - (four ? LINE_BITS4 : 0));
	return four ? addr_from_bytes(4, p->addr + 12) : addr_from_bytes(6, p->addr);
}

int dp_line_remote_put(struct dp *dp, const struct addr *remote, uint8_t len,
		       const struct line_group *to)
{
	const struct line_prefix key = prefix_of(remote, len);
	char why[256];
	int err = dp_classify_open(dp, why, sizeof(why));

	if (!err)
		dp_classify_need(dp);
	return err ? err
		   : bpf_map_update_elem(bpf_map__fd(dp_classify_programs(dp)->maps.line_remote),
					 &key, to, BPF_ANY);
}

void dp_line_remote_del(struct dp *dp, const struct addr *remote, uint8_t len)
{
	const struct line_prefix key = prefix_of(remote, len);
	struct classify *prog = dp_classify_programs(dp);

	if (prog)
		bpf_map_delete_elem(bpf_map__fd(prog->maps.line_remote), &key);
}

/* Behind the program that puts addresses there. Again: the newer one takes the older one's place.
 */
static int attach(struct dp *dp, uint32_t ifindex)
{
	struct classify *prog = dp_classify_programs(dp);
	bool created, qdisc;
	int err;

	if (dp->reply_ifindex == ifindex)
		return 0;
	if (!prog->rodata->lines_knows_xfrm)
		return -EOPNOTSUPP;
	err = dp_tc_attach(ifindex, BPF_TC_INGRESS, DP_REPLY_PRIORITY,
			   bpf_program__fd(prog->progs.classify_reply), "classify_reply", &created,
			   &qdisc);
	if (!err)
		dp->reply_ifindex = ifindex;
	return err;
}

int dp_line_spi_put(struct dp *dp, uint32_t ifindex, uint32_t spi, uint32_t line)
{
	const uint32_t key = htonl(spi), value = STEER_LINE(line);
	char why[256];
	int err = dp_classify_open(dp, why, sizeof(why));

	if (!err)
		err = attach(dp, ifindex);
	return err ? err
		   : bpf_map_update_elem(bpf_map__fd(dp_classify_programs(dp)->maps.line_spi), &key,
					 &value, BPF_ANY);
}

void dp_line_spi_del(struct dp *dp, uint32_t spi)
{
	struct classify *prog = dp_classify_programs(dp);
	const uint32_t key = htonl(spi);

	if (prog)
		bpf_map_delete_elem(bpf_map__fd(prog->maps.line_spi), &key);
}

uint32_t dp_line_replied(struct dp *dp, const struct classify_packet *p, uint64_t flow)
{
	struct addr remote = addr_from_bytes(p->family, p->remote);
	const struct line_prefix key = prefix_of(&remote, (uint8_t)(8 * addr_len(&remote)));
	struct classify *prog = dp_classify_programs(dp);
	const uint32_t place = LINE_PLACE(flow);
	struct line_group to;
	uint64_t is;

	if (!prog || bpf_map_lookup_elem(bpf_map__fd(prog->maps.line_remote), &key, &to) ||
	    !(to.flags & LINE_FOLLOWS) ||
	    bpf_map_lookup_elem(bpf_map__fd(prog->maps.line_reply), &place, &is))
		return 0;
	return LINE_REPLY_TAG(is) == LINE_TAG(flow) ? LINE_REPLY_LINE(is) : 0;
}

static void sweep_remotes(int fd, dp_line_remote_keep_fn *keep, void *ctx)
{
	struct line_prefix key, next, *from = NULL;

	while (!bpf_map_get_next_key(fd, from, &next)) {
		uint8_t len;
		struct addr remote = addr_of(&next, &len);

		if (keep(ctx, &remote, len)) {
			key = next;
			from = &key;
		} else if (bpf_map_delete_elem(fd, &next)) {
			return;
		}
	}
}

static void sweep_spis(int fd, dp_line_spi_keep_fn *keep, void *ctx)
{
	uint32_t key, next, *from = NULL;

	while (!bpf_map_get_next_key(fd, from, &next)) {
		if (keep(ctx, ntohl(next))) {
			key = next;
			from = &key;
		} else if (bpf_map_delete_elem(fd, &next)) {
			return;
		}
	}
}

void dp_lines_sweep(struct dp *dp, dp_line_remote_keep_fn *remote, dp_line_spi_keep_fn *spi,
		    void *ctx)
{
	char why[256];

	if (!dp_classify_left(dp) || dp_classify_open(dp, why, sizeof(why)))
		return;
	sweep_remotes(bpf_map__fd(dp_classify_programs(dp)->maps.line_remote), remote, ctx);
	sweep_spis(bpf_map__fd(dp_classify_programs(dp)->maps.line_spi), spi, ctx);
}
