/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map. Keys, values and sizes: abi/steer.h. The loader pins them by name, mode 0600.
 *
 * Arrays the agent writes are mmapable: it fills an entry through its mapping and publishes it with
 * one aligned store, which the map update call (a memcpy) cannot promise.
 */
#ifndef BRAID_BPF_MAPS_H
#define BRAID_BPF_MAPS_H

#include "vmlinux.h"
#include "abi/hold.h"
#include "abi/steer.h"
#include <bpf/bpf_helpers.h>

const volatile __u32 sa_stat_n = 1024; /* SAs counted, per CPU; set at load */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024); /* abi.sa_max, set at load */
	__type(key, __u32);
	__type(value, struct steer_sa_in);
} sa_in SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024); /* abi.sa_max, set at load */
	__type(key, __u32);
	__type(value, struct steer_sa_out);
} sa_out SEC(".maps");

/* Per CPU by index: in a map of type per-CPU array the counters are another pointer away. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024); /* sa_stat_n * CPUs, set at load */
	__type(key, __u32);
	__type(value, struct steer_sa_stat);
} sa_stat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEER_GROUPS_MAX);
	__type(key, __u32);
	__type(value, struct steer_group_cur);
} group_cur SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEER_GROUP_SLOTS);
	__type(key, __u32);
	__type(value, struct steer_group);
} group SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEER_PATHS_MAX);
	__type(key, __u32);
	__type(value, struct steer_path_cur);
} path_cur SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEER_PATH_SLOTS);
	__type(key, __u32);
	__type(value, struct steer_path);
} path SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_PATHS_MAX);
	__type(key, __u32);
	__type(value, struct steer_path_stat);
} path_stat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_PATHS_MAX);
	__type(key, struct steer_rx_key);
	__type(value, __u32); /* path id */
} rx_path SEC(".maps");

/* A first guess in front of rx_path, by a cheap hash: most packets stop here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEER_RX_HINTS);
	__type(key, __u32); /* steer_rx_hash */
	__type(value, struct steer_rx_hint);
} rx_hint SEC(".maps");

/* IPv4 identifications of packets without DF, counted up over all CPUs, for a path's addresses
 * (RFC 6864 4.3); paths may share one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEER_FRAG_IDS + 1);
	__type(key, __u32); /* path id modulo that; STEER_FRAG_ID_IN */
	__type(value, __u32);
} frag_id SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_MAX);
	__type(key, __u32); /* enum drop_reason */
	__type(value, __u64);
} drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

/* Earliest time of the next event of a kind on this CPU: strangers cannot fill the ring. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_EV_MAX);
	__type(key, __u32);   /* enum steer_event_kind */
	__type(value, __u64); /* nsec */
} event_next SEC(".maps");

/* This CPU's counters of an SA; NULL: not counted. */
static __always_inline struct steer_sa_stat *sa_stat_of(__u32 index)
{
	__u32 key = bpf_get_smp_processor_id() * sa_stat_n + index;

	return index < sa_stat_n ? bpf_map_lookup_elem(&sa_stat, &key) : 0;
}

/* Written by the loader only: where our ingress program is attached and how. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_IFACES_MAX);
	__type(key, __u32); /* ifindex */
	__type(value, struct steer_uplink);
} uplink SEC(".maps");

/* What is done with ESP that arrives: written as the maps are made. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_intake);
} intake SEC(".maps");

/* CPUs that packets can be handed to. */
struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1); /* CPUs there may be, up to STEER_CPUS_MAX; set at load */
	__type(key, __u32);
	__type(value, __u32); /* packets that wait, at most */
} cpus SEC(".maps");

/* SAs of ESP that arrives in fragments, the most recent ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STEER_FRAGS_MAX);
	__type(key, struct steer_frag_key);
	__type(value, struct steer_frag);
} frag_in SEC(".maps");

/* Inbound SPIs that peers have been given, whose SAs the kernel will get; their packets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOLD_SPIS_MAX);
	__type(key, __u32);   /* SPI, host order */
	__type(value, __u32); /* 1 */
} awaited SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HOLD_RING);
} held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_abi);
} abi SEC(".maps");

#endif
