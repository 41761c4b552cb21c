/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands about interfaces: see ctl/mmx_args.h. An endpoint is named by its address, by its number
 * (3 or "3"), as an interface with all its endpoints ("if:2", or the name of an uplink), or as what
 * the IKE SA uses ("ike"). */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/mmx_args.h"

/* What a command is about: the roles of its endpoints, and what it is for without a word about SAs.
 */
struct command {
	const char *word;
	uint8_t code;
	bool old, new; /* has to have them */
	bool peers;    /* endpoints of the peer, always */
	bool either;   /* or of either, by "side" */
	uint8_t sel;   /* MMX_SEL_OLD: what none at all means */
};

static const struct command commands[] = {
	{ "update", MMX_UPDATE, true, true, false, true, MMX_SEL_OLD },
	{ "add", MMX_ADD, false, true, false, true, MMX_SEL_ALL },
	{ "remove", MMX_REMOVE, true, false, false, true, MMX_SEL_OLD },
	{ "alternates", MMX_SET_ALT, true, false, false, true, MMX_SEL_OLD },
	{ "failover", MMX_FAILOVER, true, true, true, false, MMX_SEL_OLD },
	{ "add-interface", MMX_ADD_IF, false, true, false, false, MMX_SEL_OLD },
	{ "delete-interface", MMX_DEL_IF, true, false, false, false, MMX_SEL_OLD },
};

struct ask {
	const struct command *cmd;
	const json_t *args;
	const struct ctl_mmx_view *view;
	struct mmx_action *a;
	char *why;
	bool check;
};

/* ---- words ---- */

const char *ctl_mmx_word(const char *name, char buf[32])
{
	size_t i = 0;

	for (; i < 31 && name[i]; i++)
		buf[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}

const char *ctl_mmx_code_word(uint8_t code, char buf[32])
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (commands[i].code == code)
			return commands[i].word;
	return ctl_mmx_word(mmx_code_name(code), buf);
}

const char *ctl_mmx_status_word(uint16_t status, char buf[32])
{
	return ctl_mmx_word(mmx_status_name(status), buf);
}

const char *ctl_mmx_refusal_text(uint16_t status, uint16_t detail)
{
	static const char *const policy[] = {
		[MMX_POLICY_ADDRESS] = "not that address or network",
		[MMX_POLICY_LINK] = "not that kind of link",
		[MMX_POLICY_NAT] = "no NAT",
		[MMX_POLICY_STRONGER] = "stronger protection is needed first",
		[MMX_POLICY_ADMIN] = "by its administrator",
	};
	static const char *const unreachable[] = {
		[MMX_UNREACHABLE_NOT_PROBED] = "it was not probed",
		[MMX_UNREACHABLE_RR_FAILED] = "the peer got no answer from there",
		[MMX_UNREACHABLE_PATH_DEAD] = "the path is dead",
	};

	static const char *const plain[] = {
		[MMX_SKIPPED] = "what the same request asked for before it was not done",
		[MMX_SUPERSEDED] =
			"the peer has moved that endpoint meanwhile, and its choice counts",
		[MMX_LOCAL_POLICY] = "the peer's configuration does not allow it",
		[MMX_SPD_MISMATCH] =
			"no Child SA that the peer is configured for covers that address",
		[MMX_PAD_DENIED] = "the peer does not let us use that address in transport mode",
		[MMX_UNREACHABLE] = "the peer does not reach us there",
		[MMX_UNSUPPORTED] = "the peer does not do that",
		[MMX_UNKNOWN_SA] = "the peer has no such Child SA any more",
		[MMX_UNKNOWN_ADDRESS] = "no such Child SA is bound to it, or it is not announced: "
					"see braid mmx list",
		[MMX_LAST_ADDRESS] = "nothing would be left: update it, or add another one before",
		[MMX_TOO_MANY] = "the peer takes no more: remove another one before",
		[MMX_STATE_MISMATCH] =
			"the ends know other lists or Child SAs: ask again in a while",
		[MMX_BUSY] =
			"the peer rekeys, deletes or was asked too often: ask again in a while",
		[MMX_NOT_OWNER] =
			"it is not for us to change: failover takes one of its alternates",
		[MMX_FAMILY] = "the other side has no endpoint of that IP version",
		[MMX_NOT_ACTIVE] = "that Child SA is being deleted",
		[MMX_MALFORMED] = "the peer did not understand it",
		[MMX_ADDRESS_FAILURE] = "the peer has no inner address for it",
	};

	if (status == MMX_LOCAL_POLICY && detail < sizeof(policy) / sizeof(*policy) &&
	    policy[detail])
		return policy[detail];
	if (status == MMX_UNREACHABLE && detail < sizeof(unreachable) / sizeof(*unreachable) &&
	    unreachable[detail])
		return unreachable[detail];
	return status < sizeof(plain) / sizeof(*plain) ? plain[status] : NULL;
}

/* ---- endpoints ---- */

__attribute__((format(printf, 3, 4))) static int wrong(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CTL_MMX_WHY_MAX, fmt, ap);
	va_end(ap);
	return err;
}

static const struct mmx_iface_ep *find_ep(const struct ctl_mmx_side *s, uint16_t epid,
					  const struct addr *addr)
{
	for (unsigned i = 0; i < s->n; i++)
		for (unsigned k = 0; k < s->ifaces[i].n; k++) {
			const struct mmx_iface_ep *ep = &s->ifaces[i].ep[k];

			if (addr ? addr_equal(&ep->addr, addr) : ep->epid == epid)
				return ep;
		}
	return NULL;
}

static const struct mmx_iface *find_iface(const struct ctl_mmx_side *s, const char *text)
{
	unsigned long id = !strncmp(text, "if:", 3) ? strtoul(text + 3, NULL, 10) : 0;

	for (unsigned i = 0; i < s->n; i++)
		if ((id && s->ifaces[i].ifid == id) ||
		    (s->names && s->names[i] && !strcmp(s->names[i], text)))
			return &s->ifaces[i];
	return NULL;
}

/* An endpoint that is announced, or an address that may come to be. 0, -ENOENT. */
static int by_address(const struct ctl_mmx_side *s, const struct addr *addr, bool may_be_new,
		      struct mmx_ep *ep, char *why)
{
	const struct mmx_iface_ep *found = find_ep(s, 0, addr);
	char text[ADDR_STR];

	if (!found && !may_be_new)
		return wrong(why, -ENOENT, "%s is not announced; see braid mmx list",
			     addr_format(addr, text));
	if (found)
		ep->epid = found->epid;
	else
		ep->addr = *addr;
	return 0;
}

/* family: of the endpoint that stands for an interface where only one may; 0: any, or all. */
static int endpoint(const struct ctl_mmx_side *s, const json_t *v, bool may_be_new, bool whole,
		    uint8_t family, struct mmx_ep *ep, char *why)
{
	const char *text = json_string_value(v);
	const struct mmx_iface *i;
	char *end = NULL;
	struct addr addr;
	long n = json_integer_value(v);

	if (text && *text)
		n = strtol(text, &end, 10);
	if (json_is_integer(v) || (end && end != text && !*end)) {
		if (n < 1 || n > UINT16_MAX)
			return wrong(why, -EINVAL, "%ld is no number of an endpoint", n);
		ep->epid = (uint16_t)n; /* also of one that is not announced any more */
		return 0;
	}
	if (!text)
		return wrong(why, -EINVAL, "an endpoint is a number or a text");
	if (!strcmp(text, "ike"))
		return 0;
	if (!addr_parse(text, &addr))
		return by_address(s, &addr, may_be_new, ep, why);
	i = find_iface(s, text);
	if (!i)
		return wrong(why, -ENOENT,
			     "\"%.64s\" is neither an address nor a number nor an interface", text);
	if (whole) {
		ep->epid = i->ifid;
		ep->flags |= MMX_EP_IFID;
		return 0;
	}
	for (unsigned k = 0; k < i->n; k++)
		if (!family || i->ep[k].addr.family == family) {
			ep->epid = i->ep[k].epid;
			return 0;
		}
	return wrong(why, -ENOENT, "%.64s has no such address", text);
}

static uint8_t family_of(const struct ctl_mmx_side *s, const struct mmx_ep *ep)
{
	const struct mmx_iface_ep *found = find_ep(s, ep->epid, NULL);

	return ep->addr.family ? ep->addr.family : found && ep->epid ? found->addr.family : 0;
}

/* One role; v: an endpoint or a list of them, NULL: none. */
static int put_eps(struct ask *q, const json_t *v, uint8_t role, uint8_t side, bool may_be_new,
		   bool whole, uint8_t family)
{
	const struct ctl_mmx_side *s = side ? &q->view->peer : &q->view->own;
	size_t n = json_is_array(v) ? json_array_size(v) : v && !json_is_null(v);
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		struct mmx_ep ep = { .role = role, .side = side };
		struct mmx_tlv *t;

		err = endpoint(s, json_is_array(v) ? json_array_get(v, i) : v, may_be_new, whole,
			       family, &ep, q->why);
		t = err ? NULL : mmx_add(&q->a->tlvs, MMX_TLV_EP);
		if (t)
			t->ep = ep;
		else if (!err)
			err = wrong(q->why, -EINVAL, "too many endpoints");
	}
	return err;
}

static bool flag(const struct ask *q, const char *key)
{
	return json_is_true(json_object_get(q->args, key));
}

static int missing(const struct ask *q, const char *key)
{
	return wrong(q->why, -EINVAL, "%s needs \"%s\"", q->cmd->word, key);
}

/* Flags that an endpoint which becomes used may have. */
static void mark_new(struct ask *q)
{
	for (uint8_t i = 0; i < q->a->tlvs.n; i++) {
		struct mmx_tlv *t = &q->a->tlvs.t[i];

		if (t->type != MMX_TLV_EP || t->ep.role != MMX_ROLE_NEW)
			continue;
		if (flag(q, "here"))
			t->ep.flags |= MMX_EP_HERE;
		if (flag(q, "observed"))
			t->ep.flags |= MMX_EP_AS_OBSERVED;
	}
}

static int old_and_new(struct ask *q, uint8_t side)
{
	const json_t *old = json_object_get(q->args, "old"), *new = json_object_get(q->args, "new");
	bool whole = q->cmd->code == MMX_UPDATE || q->cmd->code == MMX_REMOVE ||
		     q->cmd->code == MMX_DEL_IF;
	const struct mmx_ep *ep;
	bool all_of_it = q->cmd->code == MMX_ADD;
	uint8_t family = 0;
	int err;

	if (q->cmd->old && !old)
		return missing(q, "old");
	if (q->cmd->new && !new)
		return missing(q, "new");
	err = put_eps(q, old, MMX_ROLE_OLD, side, false, whole, 0);
	ep = mmx_next_ep(&q->a->tlvs, MMX_ROLE_OLD, NULL);
	if (!err && ep) {
		all_of_it |= whole && ep->flags & MMX_EP_IFID;
		family = family_of(side ? &q->view->peer : &q->view->own, ep);
	}
	if (!err)
		err = put_eps(q, new, MMX_ROLE_NEW, side, q->check, all_of_it, family);
	mark_new(q);
	return err;
}

/* ---- an added interface ---- */

static int put_inner(struct ask *q, const json_t *v, uint8_t role)
{
	size_t n = json_is_array(v) ? json_array_size(v) : v && !json_is_null(v);

	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
		struct mmx_ep ep = { .role = role };
		struct mmx_tlv *t;

		if (role == MMX_ROLE_INNER_NEW && text && !strcmp(text, "assign"))
			ep.flags = MMX_EP_ASSIGN;
		else if (!text || addr_parse(text, &ep.addr))
			return wrong(q->why, -EINVAL, "an inner address is an address%s",
				     role == MMX_ROLE_INNER_NEW ? ", or \"assign\"" : "");
		t = mmx_add(&q->a->tlvs, MMX_TLV_EP);
		if (!t)
			return wrong(q->why, -EINVAL, "too many inner addresses");
		t->ep = ep;
	}
	return 0;
}

static int added_interface(struct ask *q)
{
	int err = put_eps(q, json_object_get(q->args, "to"), MMX_ROLE_TO, 1, false, false, 0);

	if (!err)
		err = put_eps(q, json_object_get(q->args, "from"), MMX_ROLE_SRC, 0, false, true, 0);
	if (!err)
		err = put_inner(q, json_object_get(q->args, "inner_old"), MMX_ROLE_INNER_OLD);
	if (!err)
		err = put_inner(q, json_object_get(q->args, "inner"), MMX_ROLE_INNER_NEW);
	return err;
}

/* ---- which SAs ---- */

static bool put_sel(struct ask *q, uint8_t kind, struct bytes spis)
{
	struct mmx_tlv *t = mmx_add(&q->a->tlvs, MMX_TLV_SEL);

	if (t)
		t->sel = (struct mmx_sel){
			.kind = kind,
			.protocol = kind == MMX_SEL_SPIS ? PROTO_ESP : 0,
			.spis = spis,
		};
	return t;
}

static bool put_spi(uint8_t *spis, size_t *n, uint32_t spi)
{
	if (*n == CTL_MMX_SPIS_MAX)
		return false;
	for (int k = 0; k < 4; k++)
		spis[4 * *n + (size_t)k] = (uint8_t)(spi >> (24 - 8 * k));
	++*n;
	return true;
}

/* By name or SPI; ret_n: how many. */
static int listed(struct ask *q, uint8_t *spis, size_t *ret_n)
{
	const char *child = json_string_value(json_object_get(q->args, "child"));
	const json_t *list = json_object_get(q->args, "spis"), *v;
	size_t n = 0, i;

	for (i = 0; child && i < q->view->n_children; i++)
		if (!strcmp(q->view->children[i].name, child) &&
		    !put_spi(spis, &n, q->view->children[i].spi_in))
			return wrong(q->why, -EINVAL, "too many Child SAs");
	if (child && !n)
		return wrong(q->why, -ENOENT, "there is no Child SA %.64s", child);
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);
		char *end = NULL;
		unsigned long spi = text ? strtoul(text, &end, 16) : 0;

		if (!spi || spi > UINT32_MAX || *end)
			return wrong(q->why, -EINVAL, "an SPI is 8 hex digits");
		if (!put_spi(spis, &n, (uint32_t)spi))
			return wrong(q->why, -EINVAL, "too many SPIs");
	}
	*ret_n = n;
	return 0;
}

static int selections(struct ask *q, uint8_t *spis)
{
	bool ok = true;
	size_t n = 0;
	int err = listed(q, spis, &n);

	if (err)
		return err;
	if ((flag(q, "ike") || flag(q, "all")) &&
	    (q->cmd->code == MMX_ADD_IF || q->cmd->code == MMX_DEL_IF))
		return wrong(q->why, -EINVAL, "%s takes neither \"ike\" nor \"all\"", q->cmd->word);
	if (n && q->cmd->code == MMX_DEL_IF)
		return wrong(q->why, -EINVAL, "%s is for all that is bound to it", q->cmd->word);
	if (flag(q, "ike"))
		ok &= put_sel(q, MMX_SEL_IKE, (struct bytes){ NULL, 0 });
	if (n)
		ok &= put_sel(q, MMX_SEL_SPIS, (struct bytes){ spis, 4 * n });
	if (flag(q, "all") || (q->cmd->sel == MMX_SEL_ALL && !n && !flag(q, "ike")))
		ok &= put_sel(q, MMX_SEL_ALL, (struct bytes){ NULL, 0 });
	/* with the IKE SA go those that are bound to the same */
	else if (flag(q, "ike") && !n && q->cmd->sel == MMX_SEL_OLD)
		ok &= put_sel(q, MMX_SEL_OLD, (struct bytes){ NULL, 0 });
	return ok ? 0 : wrong(q->why, -EINVAL, "it names too much");
}

/* ---- commands ---- */

static uint8_t flags_of(const struct ask *q)
{
	static const struct {
		const char *key;
		uint8_t flag;
	} words[] = {
		{ "hard", MMX_ACTION_HARD },
		{ "parallel", MMX_ACTION_PARALLEL },
		{ "prune", MMX_ACTION_PRUNE },
		{ "best_effort", MMX_ACTION_BEST_EFFORT },
	};
	uint8_t flags = q->check ? MMX_ACTION_CHECK : 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (flag(q, words[i].key))
			flags |= words[i].flag;
	return flags;
}

/* mmx-check has the action in a member. */
static int find_command(struct ask *q, const char *cmd)
{
	const char *word = !strncmp(cmd, "mmx-", 4) ? cmd + 4 : cmd;
	const json_t *action = json_object_get(q->args, "action");

	q->check = flag(q, "check");
	if (!strcmp(word, "check")) {
		word = action ? json_string_value(action) : "update";
		q->check = true;
	}
	for (size_t i = 0; word && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].word, word)) {
			q->cmd = &commands[i];
			return 0;
		}
	return wrong(q->why, -EINVAL, "there is no action \"%.40s\"", word ? word : "");
}

int ctl_mmx_action(const char *cmd, const json_t *args, const struct ctl_mmx_view *view,
		   uint8_t spis[4 * CTL_MMX_SPIS_MAX], struct mmx_action *ret_action,
		   char why[CTL_MMX_WHY_MAX])
{
	struct ask q = { .args = args, .view = view, .a = ret_action, .why = why };
	const char *side = json_string_value(json_object_get(args, "side"));
	uint8_t of;
	int err = find_command(&q, cmd);

	if (err)
		return err;
	if (side && strcmp(side, "own") && strcmp(side, "peer"))
		return wrong(why, -EINVAL, "\"side\" is own or peer");
	if (side && !q.cmd->either && (!strcmp(side, "peer") != q.cmd->peers))
		return wrong(why, -EINVAL, "%s is about endpoints of %s", q.cmd->word,
			     q.cmd->peers ? "the peer" : "ours");
	of = q.cmd->peers || (side && !strcmp(side, "peer"));
	*ret_action = (struct mmx_action){ .code = q.cmd->code, .flags = flags_of(&q) };
	err = old_and_new(&q, of);
	if (!err && q.cmd->code == MMX_SET_ALT)
		err = put_eps(&q, json_object_get(args, "alternates"), MMX_ROLE_ALT, of, true,
			      false, 0);
	if (!err && q.cmd->code == MMX_ADD_IF)
		err = added_interface(&q);
	return err ? err : selections(&q, spis);
}

/* Endpoint k of interface i is what ep means. */
static bool is_meant(const struct mmx_ep *ep, const struct mmx_iface *i,
		     const struct mmx_iface_ep *k)
{
	if (ep->flags & MMX_EP_IFID)
		return i->ifid == ep->epid;
	if (!ep->epid && !ep->addr.family)
		return k->flags & MMX_IFACE_EP_CURRENT;
	return ep->epid ? k->epid == ep->epid : addr_equal(&k->addr, &ep->addr);
}

/* It is used again: of the same interface, with another mapping of a NAT for instance. */
static bool stays(const struct mmx_action *a, const struct mmx_iface *i,
		  const struct mmx_iface_ep *k)
{
	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, ep));)
		if (is_meant(ep, i, k))
			return true;
	return false;
}

size_t ctl_mmx_leaving(const struct mmx_action *action, const struct ctl_mmx_view *view, size_t max,
		       struct addr *ret_addrs)
{
	const struct ctl_mmx_side *own = &view->own;
	const struct mmx_ep *ep = NULL;
	size_t n = 0;

	if (action->flags & (MMX_ACTION_CHECK | MMX_ACTION_HARD) ||
	    (action->code != MMX_UPDATE && action->code != MMX_REMOVE &&
	     action->code != MMX_DEL_IF))
		return 0;
	while ((ep = mmx_next_ep(&action->tlvs, MMX_ROLE_OLD, ep))) {
		for (unsigned i = 0; !ep->side && i < own->n; i++)
			for (unsigned k = 0; k < own->ifaces[i].n && n < max; k++) {
				const struct mmx_iface_ep *e = &own->ifaces[i].ep[k];

				if (is_meant(ep, &own->ifaces[i], e) &&
				    !stays(action, &own->ifaces[i], e))
					ret_addrs[n++] = e->addr;
			}
	}
	return n;
}

int ctl_mmx_path(const json_t *args, const struct ctl_mmx_view *view, bool we_are_i,
		 uint32_t *ret_path, char why[CTL_MMX_WHY_MAX])
{
	const char *path = json_string_value(json_object_get(args, "path"));
	const json_t *local = json_object_get(args, "local"),
		     *remote = json_object_get(args, "remote");
	struct mmx_ep own = { 0 }, peer = { .side = 1 };
	unsigned i, r;
	char rest;
	int err;

	if (path) {
		if (sscanf(path, "%u-%u%c", &i, &r, &rest) != 2 || !i || i > UINT16_MAX || !r ||
		    r > UINT16_MAX)
			return wrong(why, -EINVAL, "a path is two numbers of endpoints, as 3-1");
		*ret_path = (uint32_t)i << 16 | r;
		return 0;
	}
	if (!local || !remote)
		return wrong(why, -EINVAL, "a probe needs \"path\", or \"local\" and \"remote\"");
	err = endpoint(&view->own, local, false, false, 0, &own, why);
	if (!err)
		err = endpoint(&view->peer, remote, false, false, family_of(&view->own, &own),
			       &peer, why);
	if (err)
		return err;
	if (!own.epid || !peer.epid)
		return wrong(why, -EINVAL, "a probe is of endpoints that are named");
	*ret_path = we_are_i ? (uint32_t)own.epid << 16 | peer.epid
			     : (uint32_t)peer.epid << 16 | own.epid;
	return 0;
}
