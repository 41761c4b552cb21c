/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening and closing: capabilities, pins, programs, mappings. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "esp/client.h"
#include "esp/proto.h"
#include "classify.skel.h"
#include "inner.skel.h"
#include "internal.h"
#include "shield.skel.h"
#include "steer_tc.skel.h"
#include "steer_xdp.skel.h"

enum { SA_MAX_DEFAULT = 1 << 16 };

usec_t dp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

/* The libraries explain failures at length, the verifier's words at the end; operators who want
 * that ask for debug output. */
int dp_log_library(const char *fmt, va_list ap)
{
	enum { LINES_MAX = 20 };
	char *text, *line, *save = NULL;
	int n = 0;

	if (log_get_level() < LOG_DEBUG_ || vasprintf(&text, fmt, ap) < 0)
		return 0;
	for (line = text + strlen(text); line > text && n <= LINES_MAX; line--)
		n += line[-1] == '\n';
	for (line = strtok_r(line, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_debug("%s", line);
	free(text);
	return 0;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_DEBUG ? 0 : dp_log_library(fmt, ap);
}

static int check_caps(char *ret_error, size_t len)
{
	if (capng_get_caps_process() < 0)
		return explain(ret_error, len, -EPERM, "cannot read the process's capabilities");
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return explain(ret_error, len, -EPERM,
			       "CAP_NET_ADMIN is missing: needed to make the steering device and "
			       "attach programs; run as root or grant it");
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) &&
	    !capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN))
		return explain(ret_error, len, -EPERM,
			       "CAP_BPF is missing: needed to load the steering programs; run as "
			       "root or grant it");
	return 0;
}

static int check_options(const struct dp_options *o, char *ret_error, size_t len)
{
	if (!o->pin_dir || o->pin_dir[0] != '/')
		return explain(ret_error, len, -EINVAL, "pin directory must be an absolute path");
	if (!o->steer_dev || !*o->steer_dev || strlen(o->steer_dev) >= IF_NAMESIZE - 1)
		return explain(ret_error, len, -EINVAL,
			       "steering device: a name of 1 to %d characters", IF_NAMESIZE - 2);
	if (o->sa_max < 2 || o->sa_max > STEER_SA_MAX || o->sa_max & (o->sa_max - 1))
		return explain(ret_error, len, -EINVAL,
			       "number of SAs %u: must be a power of two up to %u", o->sa_max,
			       STEER_SA_MAX);
	return 0;
}

/* Existing pins must be of our version and sizes. */
static int check_abi(const char *pin_dir, const struct steer_abi *want, bool *ret_none,
		     char *ret_error, size_t len)
{
	struct steer_abi have;
	char file[300];
	__u32 key = 0;
	int fd, err;

	snprintf(file, sizeof(file), "%s/abi", pin_dir);
	fd = bpf_obj_get(file);
	if (fd == -ENOENT) {
		*ret_none = true;
		return 0;
	}
	if (fd < 0) {
		err = dp_probe(ret_error, len);
		return err ? err : explain(ret_error, len, fd, "%s: %s", file, strerror(-fd));
	}
	memset(&have, 0, sizeof(have));
	err = bpf_map_lookup_elem(fd, &key, &have);
	close(fd);
	if (err)
		return explain(ret_error, len, err, "%s: %s", file, strerror(-err));
	if (!have.version || !memcmp(&have, want, sizeof(have)))
		return 0;
	return explain(ret_error, len, -EPROTO,
		       "the maps in %s are of version %u with %u SAs, %u paths, %u groups; this "
		       "program needs version %u with %u, %u, %u: stop what uses them, then remove "
		       "them with rm -r %s",
		       pin_dir, have.version, have.sa_max, have.paths_max, have.groups_max,
		       want->version, want->sa_max, want->paths_max, want->groups_max, pin_dir);
}

int dp_pin_maps(const struct dp *dp, struct bpf_object *obj)
{
	struct bpf_map *map;
	char file[300];
	int err;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map))
			continue;
		err = 0;
		if (!strcmp(name, "sa_stat"))
			err = bpf_map__set_max_entries(map, dp->sa_stat_n * dp->n_cpus);
		else if (!strcmp(name, "cpus"))
			err = bpf_map__set_max_entries(
				map, dp->n_cpus < STEER_CPUS_MAX ? dp->n_cpus : STEER_CPUS_MAX);
		else if (!strncmp(name, "sa_", 3))
			err = bpf_map__set_max_entries(map, dp->opt.sa_max);
		if (err)
			return err;
		snprintf(file, sizeof(file), "%s/%s", dp->pin_dir, name);
		err = bpf_map__set_pin_path(map, file);
		if (err)
			return err;
	}
	return 0;
}

/* A kernel that lacks something answers with numbers that mean many things: ask it piece by piece.
 */
static int load_failed(int err, const char *what, char *ret_error, size_t len)
{
	int missing = dp_probe(ret_error, len);

	if (missing)
		return missing;
	if (err == -EPERM)
		return explain(ret_error, len, err,
			       "loading %s is not permitted: CAP_BPF, CAP_PERFMON and "
			       "CAP_NET_ADMIN are used, and a locked down kernel forbids it",
			       what);
	return explain(ret_error, len, err,
		       "the kernel refuses %s: %s; with braidd -v its own words are in the log",
		       what, strerror(-err));
}

static int load_programs(struct dp *dp, char *ret_error, size_t len)
{
	int err;

	dp->n_cpus = libbpf_num_possible_cpus();
	if (dp->n_cpus < 1)
		return explain(ret_error, len, -EINVAL, "number of CPUs unknown");
	dp->sa_stat_n = dp->opt.sa_max < STEER_SA_STAT_MAX ? dp->opt.sa_max : STEER_SA_STAT_MAX;
	dp->tc = steer_tc__open();
	dp->xdp = steer_xdp__open();
	dp->shield = shield__open();
	if (!dp->tc || !dp->xdp || !dp->shield)
		return load_failed(-errno, "the steering programs", ret_error, len);
	err = dp_pin_maps(dp, dp->tc->obj);
	if (!err)
		err = dp_pin_maps(dp, dp->xdp->obj);
	if (!err)
		err = dp_shield_maps(dp, dp->shield->obj);
	if (err)
		return load_failed(err, "the steering programs", ret_error, len);
	dp->tc->rodata->sa_stat_n = dp->xdp->rodata->sa_stat_n = dp->sa_stat_n;
	dp->tc->rodata->kernel_esp = dp->xdp->rodata->kernel_esp = dp->opt.kernel_esp;
	dp->shield->rodata->kernel_esp = dp->opt.kernel_esp;
	if (dp->opt.stable4_remote.family)
		memcpy((void *)&dp->shield->rodata->stable_remote4, dp->opt.stable4_remote.b, 4);
	bpf_program__set_autoload(dp->tc->progs.steer_tc_out, dp->opt.kernel_esp);
	/* steer_xdp itself is loaded per device, by the dispatcher. */
	bpf_program__set_autoload(dp->xdp->progs.steer_xdp, false);
	err = steer_tc__load(dp->tc);
	if (err)
		return load_failed(err, "steer_tc", ret_error, len);
	err = steer_xdp__load(dp->xdp);
	if (err)
		return load_failed(err, "steer_in", ret_error, len);
	err = shield__load(dp->shield);
	if (err)
		return load_failed(err, "shield", ret_error, len);
	return 0;
}

static int map_array(const struct bpf_map *map, struct dp_array *ret_array)
{
	size_t stride = (bpf_map__value_size(map) + 7) & ~7ul;
	size_t len = stride * bpf_map__max_entries(map);
	void *base;

	len = (len + 4095) & ~4095ul;
	base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (base == MAP_FAILED)
		return -errno;
	*ret_array = (struct dp_array){ .base = base, .stride = stride, .len = len };
	return 0;
}

static int map_arrays(struct dp *dp)
{
	struct {
		const struct bpf_map *map;
		struct dp_array *array;
	} all[] = {
		{ dp->tc->maps.sa_in, &dp->sa_in },	    { dp->tc->maps.sa_out, &dp->sa_out },
		{ dp->tc->maps.group_cur, &dp->group_cur }, { dp->tc->maps.group, &dp->group },
		{ dp->tc->maps.path_cur, &dp->path_cur },   { dp->tc->maps.path, &dp->path },
		{ dp->tc->maps.rx_hint, &dp->rx_hint },	    { dp->tc->maps.sa_stat, &dp->sa_stat },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		int err = map_array(all[i].map, all[i].array);

		if (err)
			return err;
	}
	dp->path_stat_fd = bpf_map__fd(dp->tc->maps.path_stat);
	dp->drops_fd = bpf_map__fd(dp->tc->maps.drops);
	dp->rx_path_fd = bpf_map__fd(dp->tc->maps.rx_path);
	dp->uplink_fd = bpf_map__fd(dp->tc->maps.uplink);
	return 0;
}

void dp_engine_maps(const struct dp *dp, struct engine_maps *ret_maps, struct engine_fds *ret_fds)
{
	const struct {
		const struct bpf_map *map;
		enum engine_map which;
	} all[] = { { dp->tc->maps.path_cur, ENGINE_MAP_PATH_CUR },
		    { dp->tc->maps.group_cur, ENGINE_MAP_GROUP_CUR },
		    { dp->tc->maps.group, ENGINE_MAP_GROUP },
		    { dp->tc->maps.path, ENGINE_MAP_PATH } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		ret_maps->entries[all[i].which] = bpf_map__max_entries(all[i].map);
		ret_fds->fd[all[i].which] = bpf_map__fd(all[i].map);
	}
	ret_fds->n = ENGINE_MAP_N;
}

static int on_event(void *ctx, void *data, size_t len)
{
	struct dp *dp = ctx;

	if (len >= sizeof(struct steer_event) && dp->event_fn)
		dp->event_fn(dp->event_ctx, data);
	return 0;
}

static int open_maps(struct dp *dp, const struct steer_abi *abi, char *ret_error, size_t len)
{
	__u32 key = 0;
	int err;

	err = bpf_map_update_elem(bpf_map__fd(dp->tc->maps.abi), &key, abi, BPF_ANY);
	if (!err)
		err = map_arrays(dp);
	if (err)
		return explain(ret_error, len, err, "mapping the steering maps: %s",
			       strerror(-err));
	dp->percpu = calloc(dp->n_cpus, sizeof(struct steer_path_stat));
	dp->events = ring_buffer__new(bpf_map__fd(dp->tc->maps.events), on_event, dp, NULL);
	if (!dp->percpu || !dp->events || dp_hold_open(dp) < 0 || dp_adopt(dp) < 0)
		return explain(ret_error, len, -ENOMEM, "out of memory for the steering maps");
	return 0;
}

int dp_open(const struct dp_options *opt, struct dp **ret_dp, char *ret_error, size_t error_len)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	struct steer_abi abi;
	int err;

	if (!dp)
		return explain(ret_error, error_len, -ENOMEM, "out of memory");
	dp->opt = *opt;
	dp->lock_fd = -1;
	if (!dp->opt.sa_max)
		dp->opt.sa_max = SA_MAX_DEFAULT;
	abi = (struct steer_abi){ STEER_ABI_VERSION, dp->opt.sa_max, STEER_PATHS_MAX,
				  STEER_GROUPS_MAX };
	libbpf_set_print(print_libbpf);
	err = check_options(&dp->opt, ret_error, error_len);
	if (!err)
		err = check_caps(ret_error, error_len);
	if (err)
		goto out;
	snprintf(dp->pin_dir, sizeof(dp->pin_dir), "%s", opt->pin_dir);
	snprintf(dp->steer_dev, sizeof(dp->steer_dev), "%s", opt->steer_dev);
	dp->opt.pin_dir = dp->pin_dir;
	dp->opt.steer_dev = dp->steer_dev;
	err = dp_bpffs_prepare(dp->pin_dir, &dp->made_fs, ret_error, error_len);
	if (!err)
		err = dp_bpffs_lock(dp->pin_dir, &dp->lock_fd, ret_error, error_len);
	if (!err)
		err = check_abi(dp->pin_dir, &abi, &dp->made_pins, ret_error, error_len);
	if (!err)
		err = load_programs(dp, ret_error, error_len);
	if (!err)
		err = open_maps(dp, &abi, ret_error, error_len);
	if (!err)
		err = dp_intake_put(dp, ret_error, error_len);
	if (!err)
		err = dp_steerdev_create(&dp->opt, &dp->steer_ifindex, &dp->peer_ifindex,
					 &dp->made_device, ret_error, error_len);
	if (!err)
		err = dp_attach_steer(dp, ret_error, error_len);
	if (err)
		goto out;
	*ret_dp = dp;
	return 0;
out:
	dp_abandon(dp);
	return err;
}

static void unmap_array(struct dp_array *a)
{
	if (a->base)
		munmap(a->base, a->len);
}

uint32_t dp_steer_ifindex(const struct dp *dp)
{
	return dp->steer_ifindex;
}

void dp_close(struct dp *dp)
{
	if (!dp)
		return;
	unmap_array(&dp->sa_in);
	unmap_array(&dp->sa_out);
	unmap_array(&dp->group_cur);
	unmap_array(&dp->group);
	unmap_array(&dp->path_cur);
	unmap_array(&dp->path);
	unmap_array(&dp->rx_hint);
	unmap_array(&dp->sa_stat);
	ring_buffer__free(dp->events);
	dp_hold_close(dp);
	dp_forget(dp);
	steer_tc__destroy(dp->tc);
	steer_xdp__destroy(dp->xdp);
	shield__destroy(dp->shield);
	dp_shield_close(dp);
	dp_classify_close(dp);
	dp_inner_close(dp);
	free(dp->percpu);
	if (dp->lock_fd >= 0)
		close(dp->lock_fd);
	free(dp);
}

static int remove_pins_of(const char *pin_dir, const struct bpf_object *obj)
{
	struct bpf_map *map;
	char file[300];
	int err = 0;

	bpf_object__for_each_map(map, obj)
	{
		if (bpf_map__is_internal(map))
			continue;
		snprintf(file, sizeof(file), "%s/%s", pin_dir, bpf_map__name(map));
		if (unlink(file) < 0 && errno != ENOENT && !err)
			err = -errno;
	}
	return err;
}

static int remove_pins(const char *pin_dir)
{
	/* it has all maps of steer_tc and steer_xdp, too */
	struct shield *shield = shield__open();
	struct classify *classify = classify__open();
	struct inner *inner = inner__open();
	int err = -ENOMEM, second;

	if (shield && classify && inner) {
		err = remove_pins_of(pin_dir, shield->obj);
		second = remove_pins_of(pin_dir, classify->obj);
		err = err ? err : second;
		second = remove_pins_of(pin_dir, inner->obj);
		err = err ? err : second;
	}
	inner__destroy(inner);
	shield__destroy(shield);
	classify__destroy(classify);
	return err;
}

void dp_abandon(struct dp *dp)
{
	struct dp_bpffs made_fs;
	char pin_dir[256];
	bool made_pins;

	if (!dp)
		return;
	memcpy(pin_dir, dp->pin_dir, sizeof(pin_dir));
	made_fs = dp->made_fs;
	made_pins = dp->made_pins;
	if (made_pins && dp->uplink_fd > 0)
		dp_shield_stays(dp);
	if (made_pins)
		dp_detach_all(pin_dir);
	if (dp->made_device)
		dp_steerdev_delete(dp->steer_dev);
	dp_close(dp);
	if (made_pins)
		remove_pins(pin_dir);
	dp_bpffs_undo(pin_dir, &made_fs);
}

int dp_flush(const struct dp_options *opt)
{
	int err, first;

	libbpf_set_print(print_libbpf);
	first = dp_detach_all(opt->pin_dir);
	err = dp_steerdev_delete(opt->steer_dev);
	if (err && !first)
		first = err;
	if (dp_bpffs_is(opt->pin_dir)) {
		err = remove_pins(opt->pin_dir);
		if (rmdir(opt->pin_dir) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
		    errno != EBUSY && !err)
			err = -errno;
		if (err && !first)
			first = err;
	}
	return first;
}
