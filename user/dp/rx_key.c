/* SPDX-License-Identifier: GPL-2.0-only */
/* Which path a received packet counts for: the map rx_path, by addresses and interface, and the
 * hints in front of it. Two IKE SAs may be at one pair of addresses, and their paths have one key:
 * the first has it as long as it is there, then one of those that wait. */
#include <bpf/bpf.h>
#include <string.h>

#include "internal.h"

struct steer_rx_key dp_rx_key(const struct steer_path *p)
{
	return (struct steer_rx_key){
		.ifindex = p->ifindex, .family = p->family, .local = p->src, .remote = p->dst
	};
}

static struct steer_rx_hint *rx_hint(const struct dp *dp, const struct steer_rx_key *key)
{
	size_t last = key->family == 4 ? 0 : 12;
	uint32_t local, remote;

	memcpy(&local, key->local.b + last, 4);
	memcpy(&remote, key->remote.b + last, 4);
	return dp_entry(&dp->rx_hint, steer_rx_hash(key->ifindex, local, remote));
}

static void rx_behind(struct dp *dp, uint32_t path_id, bool behind)
{
	uint64_t *word = &dp->rx_behind[path_id / 64], bit = UINT64_C(1) << path_id % 64;

	if (!(*word & bit) == !behind)
		return;
	*word ^= bit;
	dp->n_rx_behind += behind ? 1 : UINT32_MAX;
}

static bool rx_key_is(struct dp *dp, uint32_t path_id, const struct steer_rx_key *key)
{
	union steer_path_word word = dp_path_load(dp, path_id);
	struct steer_rx_key own;

	if (!word.word)
		return false;
	own = dp_rx_key(dp_entry(&dp->path, word.cur.slot));
	return !memcmp(&own, key, sizeof(own));
}

/* Does another path have that key, and keep it? Two IKE SAs may be at one pair of addresses. */
static bool rx_held(struct dp *dp, const struct steer_rx_key *key, uint32_t path_id)
{
	__u32 id;

	return !bpf_map_lookup_elem(dp->rx_path_fd, key, &id) && id != path_id &&
	       id < STEER_PATHS_MAX && rx_key_is(dp, id, key);
}

int dp_rx_remember(struct dp *dp, const struct steer_rx_key *key, uint32_t path_id)
{
	struct steer_rx_hint *h = rx_hint(dp, key);
	bool held = rx_held(dp, key, path_id);
	int err = held ? 0 : bpf_map_update_elem(dp->rx_path_fd, key, &path_id, BPF_ANY);

	rx_behind(dp, path_id, held);
	if (held)
		return 0;
	if (err || (h->path && memcmp(&h->key, key, sizeof(*key))))
		return err;
	__atomic_store_n(&h->path, 0, __ATOMIC_SEQ_CST);
	h->key = *key;
	__atomic_store_n(&h->path, path_id, __ATOMIC_RELEASE);
	return 0;
}

/* The first that waits for it. */
static void rx_inherit(struct dp *dp, const struct steer_rx_key *key)
{
	for (uint32_t w = 0; dp->n_rx_behind && w < STEER_PATHS_MAX / 64; w++) {
		for (uint64_t bits = dp->rx_behind[w]; bits; bits &= bits - 1) {
			uint32_t id = w * 64 + (uint32_t)__builtin_ctzll(bits);

			if (!rx_key_is(dp, id, key))
				continue;
			dp_rx_remember(dp, key, id);
			return;
		}
	}
}

void dp_rx_forget(struct dp *dp, const struct steer_rx_key *key, uint32_t path_id)
{
	struct steer_rx_hint *h = rx_hint(dp, key);
	__u32 id;

	if (bpf_map_lookup_elem(dp->rx_path_fd, key, &id) || id != path_id)
		return;
	if (h->path == path_id && !memcmp(&h->key, key, sizeof(*key)))
		__atomic_store_n(&h->path, 0, __ATOMIC_SEQ_CST);
	bpf_map_delete_elem(dp->rx_path_fd, key);
	rx_inherit(dp, key);
}

void dp_rx_adopt(struct dp *dp)
{
	for (uint32_t i = 1; i < STEER_PATHS_MAX; i++) {
		union steer_path_word word = dp_path_load(dp, i);
		struct steer_rx_key key;

		if (!word.word)
			continue;
		key = dp_rx_key(dp_entry(&dp->path, word.cur.slot));
		rx_behind(dp, i, rx_held(dp, &key, i));
	}
}

void dp_rx_leave(struct dp *dp, uint32_t path_id)
{
	rx_behind(dp, path_id, false);
}
