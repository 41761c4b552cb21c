/* SPDX-License-Identifier: GPL-2.0-only */
/* The shield: what transport mode protects, into its maps; its programs onto the uplinks. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/shield.h"
#include "internal.h"
#include "shield.skel.h"
#include "steer_shield.skel.h"

static struct shield_key key_of(const struct addr *remote)
{
	struct shield_key k = { .family = remote->family };

	memcpy(k.remote.b, remote->b, addr_len(remote));
	return k;
}

static struct shield_rule rule_of(const struct dp_shield_rule *r)
{
	struct shield_rule rule = {
		.any_local = r->local.family == 0,
		.protocol = r->protocol,
		.local_first = r->local_first,
		.local_last = r->local_last,
		.remote_first = r->remote_first,
		.remote_last = r->remote_last,
	};

	memcpy(rule.local.b, r->local.b, addr_len(&r->local));
	return rule;
}

static int by_remote(const void *pa, const void *pb)
{
	const struct dp_shield_rule *a = pa, *b = pb;

	return addr_cmp(&a->remote, &b->remote);
}

static bool has(const struct shield_peer *p, const struct shield_rule *r)
{
	for (__u32 i = 0; i < p->n; i++)
		if (!memcmp(&p->rule[i], r, sizeof(*r)))
			return true;
	return false;
}

/* More than there is room for: all that goes to it. */
static void add(struct shield_peer *p, struct shield_rule r)
{
	static const struct shield_rule everything = { .any_local = 1,
						       .local_last = UINT16_MAX,
						       .remote_last = UINT16_MAX };

	if (has(p, &r) || has(p, &everything))
		return;
	if (p->n == SHIELD_RULES_MAX) {
		memset(p, 0, sizeof(*p));
		r = everything;
	}
	p->rule[p->n++] = r;
}

/* Those of one peer, from rules[0] on. Returns how many there were. */
static size_t collect(const struct dp_shield_rule *rules, size_t n, struct shield_peer *ret_peer)
{
	size_t i;

	memset(ret_peer, 0, sizeof(*ret_peer));
	for (i = 0; i < n && addr_equal(&rules[i].remote, &rules[0].remote); i++)
		add(ret_peer, rule_of(&rules[i]));
	return i;
}

static void tell(const struct shield_key *key, const struct shield_peer *peer,
		 dp_shield_rule_fn *fn, void *ctx)
{
	for (__u32 i = 0; i < peer->n && i < SHIELD_RULES_MAX; i++) {
		const struct shield_rule *r = &peer->rule[i];
		struct dp_shield_rule rule = {
			.remote = addr_from_bytes(key->family, key->remote.b),
			.protocol = r->protocol,
			.local_first = r->local_first,
			.local_last = r->local_last,
			.remote_first = r->remote_first,
			.remote_last = r->remote_last,
		};

		if (!r->any_local)
			rule.local = addr_from_bytes(key->family, r->local.b);
		fn(ctx, &rule);
	}
}

void dp_shield_each(struct dp *dp, dp_shield_rule_fn *fn, void *ctx)
{
	int fd = bpf_map__fd(dp->shield->maps.shield);
	struct shield_key key, *last = NULL;
	struct shield_peer peer;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &peer))
			tell(&key, &peer, fn, ctx);
		last = &key;
	}
}

bool dp_shield_any(const struct dp *dp)
{
	struct shield_key key;

	return !bpf_map_get_next_key(bpf_map__fd(dp->shield->maps.shield), NULL, &key);
}

static bool wanted(const struct dp_shield_rule *rules, size_t n, const struct shield_key *key)
{
	struct dp_shield_rule like = { .remote = addr_from_bytes(key->family, key->remote.b) };

	return bsearch(&like, rules, n, sizeof(*rules), by_remote) != NULL;
}

/* One after the other: the next key is found by the one that stays. */
static void drop_others(int fd, const struct dp_shield_rule *rules, size_t n)
{
	struct shield_key key, next, *last = NULL;

	while (!bpf_map_get_next_key(fd, last, &next)) {
		if (!wanted(rules, n, &next)) {
			bpf_map_delete_elem(fd, &next);
			continue;
		}
		key = next;
		last = &key;
	}
}

int dp_shield_rules(struct dp *dp, struct dp_shield_rule *rules, size_t n)
{
	int fd = bpf_map__fd(dp->shield->maps.shield), err = 0;
	struct shield_peer peer;

	if (n)
		qsort(rules, n, sizeof(*rules), by_remote);
	for (size_t i = 0, k; i < n; i += k) {
		struct shield_key key = key_of(&rules[i].remote);
		int one;

		k = collect(rules + i, n - i, &peer);
		one = bpf_map_update_elem(fd, &key, &peer, BPF_ANY);
		err = err ? err : one;
	}
	drop_others(fd, rules, n);
	return err;
}

int dp_shield_rule_add(struct dp *dp, const struct dp_shield_rule *rule)
{
	int fd = bpf_map__fd(dp->shield->maps.shield);
	struct shield_key key = key_of(&rule->remote);
	struct shield_peer peer;
	int err = bpf_map_lookup_elem(fd, &key, &peer);

	if (err == -ENOENT)
		memset(&peer, 0, sizeof(peer));
	else if (err)
		return err;
	add(&peer, rule_of(rule));
	return bpf_map_update_elem(fd, &key, &peer, BPF_ANY);
}

int dp_shield_device(struct dp *dp, uint32_t ifindex)
{
	uint32_t key = 0;
	int err = dp->opt.kernel_esp && ifindex ? dp_inner_attach(dp, ifindex) : 0;

	return err ? err
		   : bpf_map_update_elem(bpf_map__fd(dp->shield->maps.shield_dev), &key, &ifindex,
					 BPF_ANY);
}

int dp_shield_maps(const struct dp *dp, struct bpf_object *obj)
{
	static const char *const kernels[] = { "inner", "inner_any" };
	int err = dp_pin_maps(dp, obj);

	for (size_t i = 0; !err && i < 2; i++)
		err = bpf_map__set_autocreate(bpf_object__find_map_by_name(obj, kernels[i]),
					      dp->opt.kernel_esp);
	return err;
}

int dp_shield_both(struct dp *dp, int *ret_fd)
{
	struct steer_shield *both = dp->both ? dp->both : steer_shield__open();
	int err = 0;

	if (!both)
		return -errno;
	if (!dp->both) {
		err = dp_shield_maps(dp, both->obj);
		both->rodata->sa_stat_n = dp->sa_stat_n;
		both->rodata->kernel_esp = dp->opt.kernel_esp;
		both->rodata->stable_remote4 = dp->shield->rodata->stable_remote4;
		if (!err)
			err = steer_shield__load(both);
		if (err)
			steer_shield__destroy(both);
		else
			dp->both = both;
	}
	if (!err)
		*ret_fd = bpf_program__fd(both->progs.steer_in_shield);
	return err;
}

void dp_shield_close(struct dp *dp)
{
	steer_shield__destroy(dp->both);
	dp->both = NULL;
}

static int attach(uint32_t ifindex, enum bpf_tc_attach_point point, const struct bpf_program *prog,
		  const char *name)
{
	bool created, qdisc;

	return dp_tc_attach(ifindex, point, DP_SHIELD_PRIORITY, bpf_program__fd(prog), name,
			    &created, &qdisc);
}

static int detach(uint32_t ifindex, enum bpf_tc_attach_point point, const char *name)
{
	return dp_tc_detach(ifindex, point, DP_SHIELD_PRIORITY, name, false);
}

int dp_shield_in_alone(struct dp *dp, uint32_t ifindex)
{
	return attach(ifindex, BPF_TC_INGRESS,
		      dp_has_ether(ifindex) ? dp->shield->progs.shield_in
					    : dp->shield->progs.shield_in_l3,
		      "shield_in");
}

/* In the program that steers, where something else does that by now. */
static int detach_both(uint32_t ifindex)
{
	return dp_tc_detach(ifindex, BPF_TC_INGRESS, DP_TC_PRIORITY, "steer_in_shield", false);
}

/* At the ingress in the program that steers, where tc has it: then it needs none of its own. If
 * that cannot be, it has one. */
static int attach_in(struct dp *dp, uint32_t ifindex)
{
	int both = dp_uplink_shield(dp, ifindex, true);
	int err = both > 0 ? detach(ifindex, BPF_TC_INGRESS, "shield_in")
			   : dp_shield_in_alone(dp, ifindex);

	return err || both ? err : detach_both(ifindex);
}

int dp_shield_attach(struct dp *dp, uint32_t ifindex)
{
	int out = attach(ifindex, BPF_TC_EGRESS,
			 dp_has_ether(ifindex) ? dp->shield->progs.shield_out
					       : dp->shield->progs.shield_out_l3,
			 "shield_out");
	int in = attach_in(dp, ifindex);

	return out ? out : in;
}

int dp_shield_detach(struct dp *dp, uint32_t ifindex)
{
	int out = detach(ifindex, BPF_TC_EGRESS, "shield_out");
	int in = detach(ifindex, BPF_TC_INGRESS, "shield_in");
	int both = dp_uplink_shield(dp, ifindex, false);

	if (!both)
		both = detach_both(ifindex);
	return out ? out : in ? in : both < 0 ? both : 0;
}

int dp_shield_clear(uint32_t ifindex)
{
	int out = detach(ifindex, BPF_TC_EGRESS, "shield_out");
	int in = detach(ifindex, BPF_TC_INGRESS, "shield_in");
	int both = detach_both(ifindex);

	return out ? out : in ? in : both;
}
