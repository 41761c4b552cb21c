/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs, paths and groups into the maps: fill the record, then one aligned store makes it visible. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

/* Hash of SA ids: as many heads as indices, a power of two. */
static uint32_t *sa_head(struct dp *dp, uint32_t sa_id)
{
	return &dp->sa_head[(sa_id * 2654435761u) & (dp->opt.sa_max - 1)];
}

static struct steer_sa_in *sa_in(const struct dp *dp, uint32_t i)
{
	return dp_entry(&dp->sa_in, i);
}

static struct steer_sa_out *sa_out(const struct dp *dp, uint32_t i)
{
	return dp_entry(&dp->sa_out, i);
}

static struct steer_sa_stat *sa_stat(const struct dp *dp, int cpu, uint32_t i)
{
	return dp_entry(&dp->sa_stat, cpu * dp->sa_stat_n + i);
}

static struct steer_group_cur *group_cur(const struct dp *dp, uint32_t id)
{
	return dp_entry(&dp->group_cur, id);
}

static void sa_link(struct dp *dp, uint32_t sa_id, uint32_t index)
{
	uint32_t *head = sa_head(dp, sa_id);

	dp->sa_next[index] = *head;
	*head = index;
}

/* A slot that holds a record nobody points to may have been left a moment ago. */
static void adopt_slots(struct dp *dp)
{
	usec_t now = dp_now();

	for (uint32_t i = 1; i < STEER_PATH_SLOTS; i++)
		if (((struct steer_path *)dp_entry(&dp->path, i))->id)
			slot_ring_leave(&dp->path_slots, i, now);
	for (uint32_t i = 1; i < STEER_GROUP_SLOTS; i++)
		if (((struct steer_group *)dp_entry(&dp->group, i))->id)
			slot_ring_leave(&dp->group_slots, i, now);
	for (uint32_t i = 1; i < STEER_PATHS_MAX; i++)
		slot_ring_mark(&dp->path_slots, dp_path_load(dp, i).cur.slot);
	for (uint32_t i = 1; i < STEER_GROUPS_MAX; i++)
		slot_ring_mark(&dp->group_slots, group_cur(dp, i)->slot);
	slot_ring_mark(&dp->group_slots, STEER_GROUP_NOWHERE);
}

static void leave_group(struct dp *dp, uint32_t slot)
{
	if (slot != STEER_GROUP_NOWHERE)
		slot_ring_leave(&dp->group_slots, slot, dp_now());
}

/* Slots that rest mean thousands of changes within a second: wait for the oldest. Where every group
 * of a block is in use there may be more of them than slots. */
static int take_slot(struct slot_ring *r, uint32_t *ret_slot)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	usec_t end = dp_now() + 2 * SLOT_REST_USEC;
	int err;

	while ((err = slot_ring_take(r, dp_now(), ret_slot)) == -EAGAIN && dp_now() < end)
		nanosleep(&pause, NULL);
	return err;
}

int dp_adopt(struct dp *dp)
{
	dp->sa_head = calloc(dp->opt.sa_max, sizeof(*dp->sa_head));
	dp->sa_next = calloc(dp->opt.sa_max, sizeof(*dp->sa_next));
	dp->path_next_id = 1;
	dp->group_next_id = STEER_GROUP_BLOCK;
	if (!dp->sa_head || !dp->sa_next || spi_alloc_init(&dp->spi, dp->opt.sa_max) < 0 ||
	    slot_ring_init(&dp->path_slots, STEER_PATH_SLOTS) < 0 ||
	    slot_ring_init(&dp->group_slots, STEER_GROUP_SLOTS) < 0)
		return -ENOMEM;
	spi_alloc_scatter(&dp->spi, dp->sa_stat_n);
	for (uint32_t i = 1; i < dp->opt.sa_max; i++) {
		if (sa_in(dp, i)->spi)
			spi_alloc_reserve(&dp->spi, sa_in(dp, i)->spi);
		if (sa_out(dp, i)->sa_id)
			sa_link(dp, sa_out(dp, i)->sa_id, i);
	}
	adopt_slots(dp);
	dp_rx_adopt(dp);
	return 0;
}

void dp_forget(struct dp *dp)
{
	spi_alloc_clear(&dp->spi);
	slot_ring_clear(&dp->path_slots);
	slot_ring_clear(&dp->group_slots);
	free(dp->sa_head);
	free(dp->sa_next);
}

int dp_spi_alloc(struct dp *dp, uint32_t *ret_spi)
{
	return spi_alloc_take(&dp->spi, ret_spi);
}

void dp_spi_free(struct dp *dp, uint32_t spi)
{
	spi_alloc_free(&dp->spi, spi);
}

int dp_spi_reserve(struct dp *dp, uint32_t spi)
{
	return spi_alloc_reserve(&dp->spi, spi);
}

static struct steer_addr steer_addr(const struct addr *a)
{
	struct steer_addr s = { { 0 } };

	memcpy(s.b, a->b, addr_len(a));
	return s;
}

static int sa_family(const struct dp *dp, uint8_t asked, uint8_t *ret_family)
{
	uint8_t family = asked ? asked : dp->opt.stable4_local.family == 4 ? 4 : 6;

	if (family == 4 ? !dp->opt.stable4_local.family : !dp->opt.stable6_local.family)
		return -EAFNOSUPPORT;
	*ret_family = family;
	return 0;
}

static void sa_in_fill(const struct dp *dp, const struct dp_sa *sa, uint8_t family,
		       struct steer_sa_in *in)
{
	const struct dp_options *o = &dp->opt;

	in->sa_id = sa->id;
	in->owner = o->kernel_esp ? STEER_OWNER_KERNEL : STEER_OWNER_ENGINE;
	in->family = family;
	in->flags = sa->flags | (o->kernel_esp ? STEER_SA_RESTORE_DST : 0);
	in->sport = in->dport = htobe16(4500);
	in->src = steer_addr(family == 4 ? &o->stable4_remote : &o->stable6_remote);
	in->dst = steer_addr(family == 4 ? &o->stable4_local : &o->stable6_local);
}

/* The inbound SPI's index serves outbound, too: one allocator, one counter record. */
int dp_sa_add(struct dp *dp, const struct dp_sa *sa, uint32_t *ret_out_index)
{
	uint32_t i = STEER_SPI_INDEX(sa->spi_in), same;
	struct steer_sa_out *out;
	struct steer_sa_in *in;
	uint8_t family;
	int err;

	err = spi_alloc_reserve(&dp->spi, sa->spi_in);
	if (!err)
		err = sa_family(dp, sa->family, &family);
	if (err)
		return err;
	if (!sa->id || sa->group >= STEER_GROUPS_MAX)
		return -EINVAL;
	in = sa_in(dp, i);
	out = sa_out(dp, i);
	if (in->spi || out->sa_id || !dp_sa_find(dp, sa->id, &same))
		return -EEXIST;
	for (int cpu = 0; i < dp->sa_stat_n && cpu < dp->n_cpus; cpu++)
		memset(sa_stat(dp, cpu, i), 0, sizeof(struct steer_sa_stat));
	sa_in_fill(dp, sa, family, in);
	if (!dp->opt.kernel_esp || !dp_awaits(dp, sa->spi_in))
		__atomic_store_n(&in->spi, sa->spi_in, __ATOMIC_RELEASE);
	out->group = sa->group;
	out->flags = sa->flags;
	out->spi = sa->spi_out;
	__atomic_store_n(&out->sa_id, sa->id, __ATOMIC_RELEASE);
	sa_link(dp, sa->id, i);
	*ret_out_index = i;
	return 0;
}

void dp_sa_show(struct dp *dp, uint32_t spi)
{
	uint32_t i = STEER_SPI_INDEX(spi);

	if (i && i < dp->opt.sa_max && sa_out(dp, i)->sa_id && !sa_in(dp, i)->spi)
		__atomic_store_n(&sa_in(dp, i)->spi, spi, __ATOMIC_RELEASE);
}

bool dp_spi_installed(const struct dp *dp, uint32_t spi)
{
	uint32_t i = STEER_SPI_INDEX(spi);

	return spi && i < dp->opt.sa_max && sa_in(dp, i)->spi == spi;
}

int dp_sa_find(struct dp *dp, uint32_t sa_id, uint32_t *ret_out_index)
{
	for (uint32_t i = *sa_head(dp, sa_id); i; i = dp->sa_next[i]) {
		if (sa_out(dp, i)->sa_id == sa_id) {
			*ret_out_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

int dp_sa_wrap(struct dp *dp, uint32_t sa_id, uint8_t sa_flags)
{
	const uint8_t which = STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH;
	struct steer_sa_out *out;
	uint32_t i;

	if (dp_sa_find(dp, sa_id, &i))
		return -ENOENT;
	out = sa_out(dp, i);
	__atomic_store_n(&out->flags, (uint8_t)((out->flags & ~which) | (sa_flags & which)),
			 __ATOMIC_RELEASE);
	return 0;
}

int dp_sa_regroup(struct dp *dp, uint32_t sa_id, uint32_t group)
{
	uint32_t i;

	if (!group || group >= STEER_GROUPS_MAX)
		return -EINVAL;
	if (dp_sa_find(dp, sa_id, &i))
		return -ENOENT;
	__atomic_store_n(&sa_out(dp, i)->group, group, __ATOMIC_RELEASE);
	return 0;
}

/* Its SPI is free: the index comes again when all others have, then with another generation, so
 * packets under way that carry it meet no other SA. */
void dp_sa_del(struct dp *dp, uint32_t sa_id)
{
	uint32_t *link = sa_head(dp, sa_id), i;

	while (*link && sa_out(dp, *link)->sa_id != sa_id)
		link = &dp->sa_next[*link];
	i = *link;
	if (!i)
		return;
	*link = dp->sa_next[i];
	__atomic_store_n(&sa_out(dp, i)->sa_id, 0, __ATOMIC_RELEASE);
	spi_alloc_free(&dp->spi, sa_in(dp, i)->spi);
	__atomic_store_n(&sa_in(dp, i)->spi, 0, __ATOMIC_RELEASE);
}

/* A new user of a counter starts at zero. */
static void zero_path_stat(struct dp *dp, uint32_t id)
{
	memset(dp->percpu, 0, dp->n_cpus * sizeof(struct steer_path_stat));
	bpf_map_update_elem(dp->path_stat_fd, &id, dp->percpu, BPF_ANY);
}

static bool path_id_ok(const struct dp *dp, uint32_t id)
{
	return id && id < STEER_PATHS_MAX && dp_path_load(dp, id).word;
}

static int path_new_id(struct dp *dp, uint32_t *ret_id)
{
	for (uint32_t tried = 1; tried < STEER_PATHS_MAX; tried++) {
		uint32_t id = dp->path_next_id;

		dp->path_next_id = id + 1 < STEER_PATHS_MAX ? id + 1 : 1;
		if (!dp_path_load(dp, id).word) {
			*ret_id = id;
			return 0;
		}
	}
	return -ENOSPC;
}

/* Publish: one store. The engine may change the state at the same time, hence the exchange.
 * slot 0: keep the record; state -1: keep the state. Returns the word replaced. */
static union steer_path_word path_swap(struct dp *dp, uint32_t id, uint32_t slot, int state)
{
	union steer_path_word old = dp_path_load(dp, id), new;

	do {
		new = old;
		if (slot)
			new.cur.slot = slot;
		if (state >= 0)
			new.cur.state = state;
		new.cur.gen++;
	} while (!__atomic_compare_exchange_n(&dp_path_cur(dp, id)->word, &old.word, new.word,
					      false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE));
	return old;
}

int dp_path_put(struct dp *dp, const struct steer_path *p, int state, uint32_t *ret_id)
{
	struct steer_path rec = *p;
	union steer_path_word old;
	struct steer_rx_key key, before;
	usec_t now;
	uint32_t slot;
	int err = 0;

	if ((p->family != 4 && p->family != 6) || !p->ifindex || p->id >= STEER_PATHS_MAX ||
	    p->ifindex == dp->steer_ifindex ||
	    (dp->peer_ifindex && p->ifindex == dp->peer_ifindex)) /* would loop */
		return -EINVAL;
	if (!rec.id)
		err = path_new_id(dp, &rec.id);
	if (!err)
		err = take_slot(&dp->path_slots, &slot);
	if (err)
		return err;
	now = dp_now();
	key = dp_rx_key(&rec);
	err = dp_rx_remember(dp, &key, rec.id);
	if (err) {
		slot_ring_leave(&dp->path_slots, slot, now);
		return err;
	}
	memset(rec.pad, 0, sizeof(rec.pad));
	if (!dp_path_load(dp, rec.id).word)
		zero_path_stat(dp, rec.id);
	memcpy(dp_entry(&dp->path, slot), &rec, sizeof(rec));
	old = path_swap(dp, rec.id, slot, state);
	if (old.cur.slot) {
		before = dp_rx_key(dp_entry(&dp->path, old.cur.slot));
		slot_ring_leave(&dp->path_slots, old.cur.slot, now);
		if (memcmp(&key, &before, sizeof(key)))
			dp_rx_forget(dp, &before, rec.id);
	}
	*ret_id = rec.id;
	return 0;
}

int dp_path_state(struct dp *dp, uint32_t id, enum steer_path_state state)
{
	if (!path_id_ok(dp, id))
		return -ENOENT;
	path_swap(dp, id, 0, state);
	return 0;
}

int dp_path_del(struct dp *dp, uint32_t id)
{
	union steer_path_word old;
	struct steer_rx_key key;

	if (!path_id_ok(dp, id))
		return -ENOENT;
	old.word = __atomic_exchange_n(&dp_path_cur(dp, id)->word, 0, __ATOMIC_ACQ_REL);
	key = dp_rx_key(dp_entry(&dp->path, old.cur.slot));
	dp_rx_leave(dp, id);
	dp_rx_forget(dp, &key, id);
	slot_ring_leave(&dp->path_slots, old.cur.slot, dp_now());
	return 0;
}

int dp_path_get(struct dp *dp, uint32_t id, struct steer_path *ret_path,
		enum steer_path_state *ret_state)
{
	struct steer_path_cur cur;

	if (!path_id_ok(dp, id))
		return -ENOENT;
	cur = dp_path_load(dp, id).cur;
	memcpy(ret_path, dp_entry(&dp->path, cur.slot), sizeof(*ret_path));
	*ret_state = cur.state;
	return 0;
}

int dp_path_stat(struct dp *dp, uint32_t id, struct steer_path_stat *ret_stat)
{
	const struct steer_path_stat *v = dp->percpu;
	struct steer_path_stat sum = { 0 };
	int err;

	if (id >= STEER_PATHS_MAX)
		return -ENOENT;
	err = bpf_map_lookup_elem(dp->path_stat_fd, &id, dp->percpu);
	if (err)
		return err;
	for (int i = 0; i < dp->n_cpus; i++) {
		sum.tx_packets += v[i].tx_packets;
		sum.tx_octets += v[i].tx_octets;
		sum.rx_packets += v[i].rx_packets;
		sum.rx_octets += v[i].rx_octets;
		if (v[i].rx_last_nsec > sum.rx_last_nsec)
			sum.rx_last_nsec = v[i].rx_last_nsec;
		for (int k = 0; k < STEER_CLASSES; k++) {
			sum.tx_class[k].packets += v[i].tx_class[k].packets;
			sum.tx_class[k].octets += v[i].tx_class[k].octets;
		}
	}
	*ret_stat = sum;
	return 0;
}

int dp_sa_stat(struct dp *dp, uint32_t out_index, struct steer_sa_stat *ret_stat)
{
	struct steer_sa_stat sum = { 0 };

	if (out_index >= dp->sa_stat_n)
		return -ENOENT;
	for (int cpu = 0; cpu < dp->n_cpus; cpu++) {
		const struct steer_sa_stat *v = sa_stat(dp, cpu, out_index);

		sum.in_packets += v->in_packets;
		sum.in_octets += v->in_octets;
		sum.out_packets += v->out_packets;
		sum.out_octets += v->out_octets;
	}
	*ret_stat = sum;
	return 0;
}

void dp_drops(struct dp *dp, uint64_t ret_drops[DROP_MAX])
{
	const __u64 *v = dp->percpu;

	for (__u32 r = 0; r < DROP_MAX; r++) {
		ret_drops[r] = 0;
		if (bpf_map_lookup_elem(dp->drops_fd, &r, dp->percpu))
			continue;
		for (int i = 0; i < dp->n_cpus; i++)
			ret_drops[r] += v[i];
	}
}

static int group_new_id(struct dp *dp, uint32_t *ret_id)
{
	for (uint32_t tried = STEER_GROUP_BLOCK; tried < STEER_GROUPS_MAX;
	     tried += STEER_GROUP_BLOCK) {
		uint32_t id = dp->group_next_id;

		dp->group_next_id = id + STEER_GROUP_BLOCK < STEER_GROUPS_MAX
					    ? id + STEER_GROUP_BLOCK
					    : STEER_GROUP_BLOCK;
		if (!group_cur(dp, id)->slot) {
			*ret_id = id;
			return 0;
		}
	}
	return -ENOSPC;
}

/* The record of a group in place, or NULL. */
static const struct steer_group *group_record(const struct dp *dp, uint32_t id, uint8_t klass)
{
	uint32_t slot = id && id < STEER_GROUPS_MAX && klass < STEER_CLASSES
				? group_cur(dp, STEER_GROUP_OF(id, klass))->slot
				: 0;

	return slot ? dp_entry(&dp->group, slot) : NULL;
}

static bool goes_as_one(uint8_t mode)
{
	return mode == STEER_MODE_ACTIVE_STANDBY || mode == STEER_MODE_REDUNDANT;
}

/* Where one path carries all, so do the tables say: the engine chooses an SA by them. */
static void group_flows(struct steer_group *rec, const struct steer_group *from)
{
	if (goes_as_one(rec->mode)) {
		for (size_t s = 0; s < STEER_FLOW_SLOTS; s++)
			rec->flow[s] = (uint16_t)rec->path[0];
		return;
	}
	if (from)
		memcpy(rec->flow, from->flow, sizeof(rec->flow));
	flowtab_update(rec->flow, rec->path, rec->weight, rec->n_members);
}

static struct steer_group group_fill(const struct dp_group_want *want)
{
	struct steer_group rec = { .mode = want->mode, .n_members = want->n };

	if (want->mode == STEER_MODE_REDUNDANT)
		rec.copies = want->copies;
	if (want->mode == STEER_MODE_BOND)
		rec.patience = want->patience;
	for (size_t i = 0; i < want->n; i++) {
		rec.path[i] = want->members[i].path;
		rec.line[i] = want->members[i].line;
		rec.weight[i] = want->members[i].weight;
	}
	return rec;
}

static int group_publish(struct dp *dp, const struct steer_group *rec)
{
	uint32_t slot, old;
	int err = take_slot(&dp->group_slots, &slot);

	if (err)
		return err;
	memcpy(dp_entry(&dp->group, slot), rec, sizeof(*rec));
	old = __atomic_exchange_n(&group_cur(dp, rec->id)->slot, slot, __ATOMIC_ACQ_REL);
	leave_group(dp, old);
	return 0;
}

int dp_group_nowhere(struct dp *dp, uint32_t id, uint8_t klass)
{
	uint32_t old;

	if (!group_record(dp, id, 0) || !klass || klass >= STEER_CLASSES)
		return -ENOENT;
	old = __atomic_exchange_n(&group_cur(dp, STEER_GROUP_OF(id, klass))->slot,
				  STEER_GROUP_NOWHERE, __ATOMIC_ACQ_REL);
	leave_group(dp, old);
	return 0;
}

int dp_group_put(struct dp *dp, uint32_t id, const struct dp_group_want *want, uint32_t *ret_id)
{
	const struct steer_group *old = group_record(dp, id, want->klass), *like;
	struct steer_group rec;
	int err;

	if (want->n > STEER_MEMBERS_MAX || id >= STEER_GROUPS_MAX || id % STEER_GROUP_BLOCK ||
	    want->klass >= STEER_CLASSES || (want->klass && !group_record(dp, id, 0)))
		return -EINVAL;
	err = id ? 0 : group_new_id(dp, &id);
	if (err)
		return err;
	if (want->klass || (want->n > 1 && !goes_as_one(want->mode)))
		dp_classify_need(dp);
	rec = group_fill(want);
	rec.id = STEER_GROUP_OF(id, want->klass);
	like = group_record(dp, want->like, want->klass);
	group_flows(&rec, like ? like : old);
	rec.version = old ? old->version : 0;
	if (!old || memcmp(old, &rec, sizeof(rec)) != 0) {
		rec.version += old != NULL;
		err = group_publish(dp, &rec);
	}
	if (!err)
		*ret_id = id;
	return err;
}

int dp_group_get(const struct dp *dp, uint32_t id, uint8_t klass, struct steer_group *ret_group)
{
	const struct steer_group *rec = group_record(dp, id, klass);

	if (!rec)
		return -ENOENT;
	memcpy(ret_group, rec, sizeof(*ret_group));
	return 0;
}

int dp_sa_group(struct dp *dp, uint32_t out_index, uint32_t *ret_id, struct steer_group *ret_group)
{
	uint32_t id;
	int err;

	if (out_index >= dp->opt.sa_max || !sa_out(dp, out_index)->sa_id)
		return -ENOENT;
	id = sa_out(dp, out_index)->group;
	err = dp_group_get(dp, id, 0, ret_group);
	if (!err)
		*ret_id = id;
	return err;
}

int dp_group_del_class(struct dp *dp, uint32_t id, uint8_t klass)
{
	uint32_t old;

	if (!group_record(dp, id, klass))
		return -ENOENT;
	old = __atomic_exchange_n(&group_cur(dp, STEER_GROUP_OF(id, klass))->slot, 0,
				  __ATOMIC_ACQ_REL);
	leave_group(dp, old);
	return 0;
}

int dp_group_del(struct dp *dp, uint32_t id)
{
	int err = -ENOENT;

	/* class 0 last: the others fall back to it */
	for (uint8_t klass = STEER_CLASSES; klass-- > 0;)
		if (!dp_group_del_class(dp, id, klass))
			err = 0;
	return err;
}

int dp_events_fd(struct dp *dp)
{
	return ring_buffer__epoll_fd(dp->events);
}

int dp_events_drain(struct dp *dp, dp_event_fn *fn, void *ctx)
{
	dp->event_fn = fn;
	dp->event_ctx = ctx;
	return ring_buffer__consume(dp->events);
}

void dp_sweep(struct dp *dp, dp_keep_fn *keep, void *ctx)
{
	for (uint32_t i = 1; i < dp->opt.sa_max; i++) {
		uint32_t id = sa_out(dp, i)->sa_id;

		if (id && !keep(ctx, DP_SA, id))
			dp_sa_del(dp, id);
	}
	for (uint32_t id = STEER_GROUP_BLOCK; id < STEER_GROUPS_MAX; id += STEER_GROUP_BLOCK)
		if (!keep(ctx, DP_GROUP, id))
			dp_group_del(dp, id);
	for (uint32_t id = 1; id < STEER_PATHS_MAX; id++)
		if (dp_path_load(dp, id).word && !keep(ctx, DP_PATH, id))
			dp_path_del(dp, id);
}
