/* SPDX-License-Identifier: GPL-2.0-only */
/* The XFRM interface: what is routed to it is for the policies with its if_id, and what comes out
 * of the states with it arrives there. Where the kernel has none a plain device takes its place,
 * for routes and addresses: policies name it, and what they do not take ends there. */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/explain.h"
#include "xfrm_impl.h"

#define ALIAS "braid tunnel"

static struct nlmsghdr *link_message(void *buf, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = xfrm_message(buf, type, NLM_F_ACK | flags, sizeof(*ifi), &ifi);

	ifi->ifi_index = (int)ifindex;
	return nlh;
}

struct link_facts {
	uint32_t ifindex, if_id;
	bool ours; /* carries our alias */
};

static void look_at_data(const struct nlattr *data, struct link_facts *f)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, data)
	{
		if (mnl_attr_get_type(a) == IFLA_XFRM_IF_ID && mnl_attr_get_payload_len(a) >= 4)
			f->if_id = mnl_attr_get_u32(a);
	}
}

static void look_at_kind(const struct nlattr *info, struct link_facts *f)
{
	const struct nlattr *a, *data = NULL;
	bool xfrm = false;

	mnl_attr_for_each_nested(a, info)
	{
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			xfrm = !mnl_attr_validate(a, MNL_TYPE_NUL_STRING) &&
			       !strcmp(mnl_attr_get_str(a), "xfrm");
		else if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
	}
	if (xfrm && data)
		look_at_data(data, f);
}

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_facts *f = ctx;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWLINK || nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*ifi))
		return MNL_CB_OK;
	f->ifindex = (uint32_t)ifi->ifi_index;
	mnl_attr_for_each(a, nlh, sizeof(*ifi))
	{
		if (mnl_attr_get_type(a) == IFLA_IFALIAS)
			f->ours = !mnl_attr_validate(a, MNL_TYPE_NUL_STRING) &&
				  !strcmp(mnl_attr_get_str(a), ALIAS);
		else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
			look_at_kind(a, f);
	}
	return MNL_CB_OK;
}

/* 0, -ENODEV or another -errno. */
static int look(struct xfrm *x, const char *name, struct link_facts *ret_facts)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = link_message(buf, RTM_GETLINK, 0, 0);
	struct link_facts f = { 0 };
	int err;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	err = xfrm_ask_route(x, nlh, on_link, &f);
	if (!err)
		*ret_facts = f;
	return err;
}

static int link_create(struct xfrm *x, const char *name, uint32_t if_id)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = link_message(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, if_id ? "xfrm" : "dummy");
	if (if_id) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		mnl_attr_put_u32(nlh, IFLA_XFRM_IF_ID, if_id);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	return xfrm_ask_route(x, nlh, NULL, NULL);
}

static int link_delete(struct xfrm *x, uint32_t ifindex)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));

	return xfrm_ask_route(x, link_message(buf, RTM_DELLINK, 0, ifindex), NULL, NULL);
}

/* No link-local address: nothing of the host's own leaves by this device. */
static int no_link_local(struct xfrm *x, uint32_t ifindex)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = link_message(buf, RTM_SETLINK, 0, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	return xfrm_ask_route(x, nlh, NULL, NULL);
}

static int set_up(struct xfrm *x, uint32_t ifindex, uint32_t mtu)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = link_message(buf, RTM_NEWLINK, 0, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	no_link_local(x, ifindex); /* without IPv6 in the kernel there is nothing to do */
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_strz(nlh, IFLA_IFALIAS, ALIAS);
	return xfrm_ask_route(x, nlh, NULL, NULL);
}

static int explain_create(int err, const char *name, uint32_t if_id, char *ret_error, size_t len)
{
	switch (-err) {
	case EOPNOTSUPP:
		return explain(ret_error, len, err,
			       if_id ? "this kernel has no XFRM interfaces: load the "
				       "xfrm_interface module (CONFIG_XFRM_INTERFACE)"
				     : "this kernel has no dummy devices: load the dummy module "
				       "(CONFIG_DUMMY)");
	case EEXIST:
		return explain(ret_error, len, err,
			       "another XFRM interface has the if_id 0x%x already: remove it",
			       if_id);
	case EPERM:
		return explain(ret_error, len, err,
			       "CAP_NET_ADMIN is missing: needed to make the interface %s", name);
	}
	return explain(ret_error, len, err, "making the interface %s: %s", name, strerror(-err));
}

/* What stands there under that name and can be kept; *ret_facts is zero if nothing does. */
static int take_over(struct xfrm *x, const char *name, uint32_t if_id, struct link_facts *ret_facts,
		     char *ret_error, size_t len)
{
	struct link_facts f = { 0 };
	int err = look(x, name, &f);

	if (err == -ENODEV)
		err = 0;
	else if (!err && !f.ours)
		return explain(ret_error, len, -EEXIST,
			       "a device named %s exists already and is not ours (its alias is not "
			       "\"%s\"): remove it, or choose another name (dataplane, tun)",
			       name, ALIAS);
	else if (!err && f.if_id != if_id) { /* it stays what it was made as */
		err = link_delete(x, f.ifindex);
		f = (struct link_facts){ 0 };
	}
	if (err)
		return explain(ret_error, len, err, "interface %s: %s", name, strerror(-err));
	*ret_facts = f;
	return 0;
}

int xfrm_iface_make(struct xfrm *x, const char *name, uint32_t if_id, uint32_t mtu,
		    uint32_t *ret_ifindex, char *ret_error, size_t error_len)
{
	struct link_facts f;
	bool made;
	int err;

	if (!*name || strlen(name) >= IFNAMSIZ)
		return explain(ret_error, error_len, -EINVAL, "\"%s\" cannot be an interface",
			       name);
	err = take_over(x, name, if_id, &f, ret_error, error_len);
	if (err)
		return err;
	made = !f.ifindex;
	if (made) {
		err = link_create(x, name, if_id);
		if (!err)
			err = look(x, name, &f);
		if (err)
			return explain_create(err, name, if_id, ret_error, error_len);
	}
	err = set_up(x, f.ifindex, mtu);
	if (err) {
		if (made)
			link_delete(x, f.ifindex);
		return explain(ret_error, error_len, err, "setting up %s: %s", name,
			       strerror(-err));
	}
	*ret_ifindex = f.ifindex;
	return 0;
}

int xfrm_iface_del(struct xfrm *x, const char *name)
{
	struct link_facts f;
	int err = look(x, name, &f);

	if (err)
		return err;
	return f.ours ? link_delete(x, f.ifindex) : -EPERM;
}
