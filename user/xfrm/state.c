/* SPDX-License-Identifier: GPL-2.0-only */
/* States: added, removed, asked for. */
#include <errno.h>
#include <netinet/in.h>

#include "base/secret.h"
#include "xfrm_impl.h"

int xfrm_sa_add(struct xfrm *x, const struct xfrm_sa *sa)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	int err = xfrm_put_sa(buf, sa, &nlh);

	if (!err)
		err = xfrm_ask(x, nlh, NULL, NULL);
	secret_wipe(buf, sizeof(buf));
	/* the latter: an algorithm that the kernel knows, and whose code is not there */
	return err == -EPROTONOSUPPORT || err == -ENOENT ? -ENOSYS : err;
}

static struct nlmsghdr *about(void *buf, uint16_t type, const struct addr *dst, uint32_t spi)
{
	struct xfrm_usersa_id *id;
	struct nlmsghdr *nlh = xfrm_message(buf, type, NLM_F_ACK, sizeof(*id), &id);

	xfrm_put_sa_id(id, dst, spi);
	return nlh;
}

int xfrm_sa_del(struct xfrm *x, const struct addr *dst, uint32_t spi)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));

	return xfrm_ask(x, about(buf, XFRM_MSG_DELSA, dst, spi), NULL, NULL);
}

/* What a dump or a question is about, and whether anything came. */
struct sa_ask {
	uint32_t if_id;
	bool all; /* whatever its if_id */
	xfrm_sa_fn *fn;
	void *ctx;
};

static int on_sa(const struct nlmsghdr *nlh, void *ctx)
{
	const struct xfrm_usersa_info *from = mnl_nlmsg_get_payload(nlh);
	const struct sa_ask *ask = ctx;
	struct xfrm_sa_info info;

	if (nlh->nlmsg_type != XFRM_MSG_NEWSA || xfrm_parse_sa(nlh, &info) ||
	    from->id.proto != IPPROTO_ESP)
		return MNL_CB_OK;
	/* one without an SPI is a question of the kernel's own */
	if (ask->all || (info.spi && xfrm_is_of(ask->if_id, info.if_id, info.reqid)))
		ask->fn(ask->ctx, &info);
	return MNL_CB_OK;
}

static void keep(void *ctx, const struct xfrm_sa_info *info)
{
	*(struct xfrm_sa_info *)ctx = *info;
}

int xfrm_sa_get(struct xfrm *x, const struct addr *dst, uint32_t spi, struct xfrm_sa_info *ret_info)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct xfrm_sa_info info = { 0 };
	struct sa_ask ask = { .all = true, .fn = keep, .ctx = &info };
	int err = xfrm_ask(x, about(buf, XFRM_MSG_GETSA, dst, spi), on_sa, &ask);

	if (err)
		return err;
	if (!info.spi)
		return -EBADMSG;
	*ret_info = info;
	return 0;
}

int xfrm_sa_dump(struct xfrm *x, uint32_t if_id, xfrm_sa_fn *fn, void *ctx)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct sa_ask ask = { .if_id = if_id, .fn = fn, .ctx = ctx };
	void *none;

	return xfrm_ask(x, xfrm_message(buf, XFRM_MSG_GETSA, NLM_F_DUMP, 0, &none), on_sa, &ask);
}
