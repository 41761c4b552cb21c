/* SPDX-License-Identifier: GPL-2.0-only */
/* switch_load SOCKET PIN-DIR SAS ROUNDS ENGINE-PID
 *
 * Plays the agent for one engine, with the real programs and maps: one group of two paths, eth0
 * (192.0.2.1 to .2) before eth1 (198.51.100.1 to .2), and so many Child SAs on it, all of which
 * carry traffic. Then it takes eth0 out, in turn as the agent does and by taking the link down, and
 * prints a line for each:
 *   agent: the store; the last packet with the old address after it
 *   link:  while the link was taken down, from the last packet with the old address to the first
 *          with the new one: the engine's store
 *   back:  the last packet of the second path after the first one was put in again
 * with what changed in the maps, counters aside, and packets lost; and
 *   calls: system calls of the engine's control thread in a while without a lost link, and in one
 *          with it */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dp/dp.h"
#include "esp/client.h"
#include "load_sa.h"
#include "traffic.h"

enum {
	SA_MAX = 1 << 17,
	PER_SEC = 10000,
	PAYLOAD = 600,
	PROBE_USEC = 100 * 1000,
	SETTLE_USEC = 400 * 1000,
	WAIT_MSEC = 30000
};

static const char *const devs[2] = { "eth0", "eth1" };
static const char *const locals[2] = { "192.0.2.1", "198.51.100.1" };
static const char *const remotes[2] = { "192.0.2.2", "198.51.100.2" };

static struct dp *dp;
static int engine_fd;
static uint32_t n_sas, path_id[2];
static pid_t engine_pid;

static void die(const char *what, int err)
{
	fprintf(stderr, "switch_load: %s: %s\n", what, strerror(err));
	exit(1);
}

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- set-up ---- */

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		die(text, EINVAL);
	return a;
}

static void call(struct engine_hdr *h, size_t len, const struct engine_fds *fds)
{
	int r = engine_call(engine_fd, h, len, fds, WAIT_MSEC, NULL, NULL);

	if (r < 0)
		die("the engine refuses", -r);
}

static void open_all(const char *sock, const char *pins)
{
	struct dp_options opt = { .pin_dir = pins,
				  .steer_dev = "braid0",
				  .sa_max = SA_MAX,
				  .stable4_local = address("198.18.0.1"),
				  .stable4_remote = address("198.18.0.2") };
	struct engine_config c = { .h = { .seq = 1, .type = ENGINE_CONFIG },
				   .tun = "tun0",
				   .tun_mtu = 1400,
				   .port = 4500,
				   .stable_port = 4500,
				   .workers = 1,
				   .stable4_local = opt.stable4_local,
				   .stable4_remote = opt.stable4_remote };
	struct engine_maps m = { .h = { .seq = 1, .type = ENGINE_MAPS } };
	char why[256];
	struct engine_fds fds;
	int r = dp_open(&opt, &dp, why, sizeof(why));

	if (r < 0) {
		fprintf(stderr, "switch_load: %s\n", why);
		exit(1);
	}
	r = engine_connect(sock, &engine_fd);
	if (r < 0)
		die(sock, -r);
	call(&c.h, sizeof(c), NULL);
	dp_engine_maps(dp, &m, &fds);
	call(&m.h, sizeof(m), &fds);
}

static void add_paths(void)
{
	for (int i = 0; i < 2; i++) {
		struct addr local = address(locals[i]), remote = address(remotes[i]);
		struct steer_path p = { .ifindex = if_nametoindex(devs[i]),
					.mtu = 1500,
					.family = 4,
					.flags = STEER_PATH_ENCAP,
					.sport = htons(4500),
					.dport = htons(4500) };
		int r;

		memcpy(p.src.b, local.b, 4);
		memcpy(p.dst.b, remote.b, 4);
		r = dp_path_put(dp, &p, STEER_PATH_UP, &path_id[i]);
		if (r < 0)
			die("path", -r);
	}
}

static void add_sas(void)
{
	struct dp_member members[2] = { { .path = path_id[0], .weight = 1 },
					{ .path = path_id[1], .weight = 1 } };
	const struct dp_group_want want = { .mode = STEER_MODE_ACTIVE_STANDBY,
					    .n = 2,
					    .members = members };
	uint32_t group, mark;
	int r = dp_group_put(dp, 0, &want, &group);

	for (uint32_t id = 1; r == 0 && id <= n_sas; id++) {
		struct engine_sa s;

		load_sa(&s, id, true);
		s.group = group;
		s.ts_local[0].first = addr_v4(0); /* whatever source address the host takes */
		s.ts_local[0].last = addr_v4(UINT32_MAX);
		r = dp_sa_add(
			dp,
			&(struct dp_sa){ id, s.spi_in, s.spi_out, group, .flags = STEER_SA_ENCAP },
			&mark);
		s.mark = STEER_MARK(0, 0, mark);
		if (r == 0)
			call(&s.h, sizeof(s), NULL);
	}
	if (r < 0)
		die("SA", -r);
	for (int i = 0; i < 2; i++) {
		struct engine_path p = { .h = { .seq = 1, .type = ENGINE_PATH_ADD },
					 .id = path_id[i],
					 .epids = (uint32_t)i + 1,
					 .sa_id = 1,
					 .manage = 1,
					 .group = group,
					 .interval_usec = PROBE_USEC,
					 .down_after = 10,
					 .up_after = 1,
					 .mtu = 1500,
					 .local = { address(locals[i]), 4500 },
					 .remote = { address(remotes[i]), 4500 },
					 .ifindex = if_nametoindex(devs[i]) };

		call(&p.h, sizeof(p), NULL);
	}
}

static enum steer_path_state state(int i)
{
	enum steer_path_state s = STEER_PATH_DOWN;
	struct steer_path p;

	dp_path_get(dp, path_id[i], &p, &s);
	return s;
}

/* The engine's events are read: nobody else does. */
static void wait_up(void)
{
	static uint64_t buf[ENGINE_MSG_MAX / 8];

	for (int i = 0; i < WAIT_MSEC; i++) {
		while (engine_recv(engine_fd, buf, sizeof(buf)) > 0)
			;
		if ((state(0) == STEER_PATH_UP || state(0) == STEER_PATH_DISABLED) &&
		    state(1) == STEER_PATH_UP)
			return;
		usleep(1000);
	}
	die("the paths do not come up", ETIMEDOUT);
}

static void link_set(bool up)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strcpy(r.ifr_name, devs[0]);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		die("SIOCGIFFLAGS", errno);
	r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		die("SIOCSIFFLAGS", errno);
	close(fd);
}

/* ---- what changed in the maps ---- */

static struct {
	const char *name;
	uint32_t *now, *before;
	size_t len;
} maps[] = { { .name = "sa_in" }, { .name = "sa_out" },	  { .name = "group_cur" },
	     { .name = "group" }, { .name = "path_cur" }, { .name = "path" } };
enum { N_MAPS = sizeof(maps) / sizeof(maps[0]) };

static void maps_open(const char *pins)
{
	for (int i = 0; i < N_MAPS; i++) {
		struct bpf_map_info info = { 0 };
		uint32_t len = sizeof(info);
		char file[256];
		int fd;

		snprintf(file, sizeof(file), "%s/%s", pins, maps[i].name);
		fd = bpf_obj_get(file);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
			die(file, errno);
		maps[i].len = ((info.value_size + 7) & ~7ul) * info.max_entries;
		maps[i].now =
			mmap(NULL, (maps[i].len + 4095) & ~4095ul, PROT_READ, MAP_SHARED, fd, 0);
		maps[i].before = malloc(maps[i].len);
		if (maps[i].now == MAP_FAILED || !maps[i].before)
			die(file, errno);
		close(fd);
	}
}

static void maps_keep(void)
{
	for (int i = 0; i < N_MAPS; i++)
		memcpy(maps[i].before, maps[i].now, maps[i].len);
}

/* Octets, in words. */
static size_t maps_changed(void)
{
	size_t words = 0;

	for (int i = 0; i < N_MAPS; i++)
		for (size_t w = 0; w < maps[i].len / 4; w++)
			words += maps[i].before[w] != maps[i].now[w];
	return words * 4;
}

/* ---- system calls of the engine's control thread ---- */

static pid_t tracer;
static char trace_file[] = "/tmp/switch_load.XXXXXX";

static void trace_start(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", engine_pid);
	tracer = fork();
	if (tracer == 0) {
		execlp("strace", "strace", "-cqp", pid, "-o", trace_file, (char *)NULL);
		_exit(127);
	}
	usleep(SETTLE_USEC);
}

static unsigned trace_end(void)
{
	unsigned calls = 0;
	char line[256];
	FILE *f;

	kill(tracer, SIGINT);
	waitpid(tracer, NULL, 0);
	f = fopen(trace_file, "r");
	if (!f)
		die(trace_file, errno);
	/* % time, seconds, usecs/call, calls */
	while (fgets(line, sizeof(line), f))
		if (strstr(line, " total"))
			sscanf(line, "%*s %*s %*s %u", &calls);
	fclose(f);
	return calls;
}

/* ---- rounds ---- */

static void begin(void)
{
	wait_up();
	traffic_resume();
	usleep(SETTLE_USEC);
	maps_keep();
	traffic_mark();
}

/* Nothing is sent until the next one begins. */
static struct traffic_seen end(void)
{
	struct traffic_seen s;

	usleep(SETTLE_USEC);
	traffic_pause();
	traffic_read(&s);
	return s;
}

static void tell(const char *what, uint64_t call_nsec, uint64_t nsec, size_t octets,
		 const struct traffic_seen *s)
{
	printf("{\"what\":\"%s\",\"sas\":%u,\"call_nsec\":%llu,\"nsec\":%llu,\"map_octets\":%zu,"
	       "\"sent\":%llu,\"lost\":%lld}\n",
	       what, n_sas, (unsigned long long)call_nsec, (unsigned long long)nsec, octets,
	       (unsigned long long)s->sent,
	       (long long)(s->sent - s->side[0].packets - s->side[1].packets));
	fflush(stdout);
}

static void store(int side, const char *what, enum steer_path_state to)
{
	struct traffic_seen s;
	uint64_t t, took;

	begin();
	t = now_nsec();
	dp_path_state(dp, path_id[0], to);
	took = now_nsec() - t;
	s = end();
	tell(what, took, s.side[side].last, maps_changed(), &s);
}

static void link_down(void)
{
	struct traffic_seen s;
	uint64_t t, took;
	size_t octets;

	begin();
	t = now_nsec();
	link_set(false);
	took = now_nsec() - t;
	s = end();
	octets = maps_changed();
	link_set(true);
	/* how long the kernel takes before it sends no more is not ours */
	tell("link", took, s.side[TRAFFIC_NEW].first - s.side[TRAFFIC_OLD].last, octets, &s);
}

/* In as long a time without and with a lost link. */
static void calls(void)
{
	unsigned n[2];

	for (int down = 0; down < 2; down++) {
		begin();
		trace_start();
		if (down)
			link_set(false);
		end();
		n[down] = trace_end();
		if (down)
			link_set(true);
	}
	printf("{\"what\":\"calls\",\"sas\":%u,\"without\":%u,\"with\":%u}\n", n_sas, n[0], n[1]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct traffic_cfg cfg = {
		.dev = { devs[0], devs[1] },
		.source = { inet_addr(locals[0]), inet_addr(locals[1]) },
		.first_dst = 0x0a000001,
		.per_sec = PER_SEC,
		.payload = PAYLOAD,
	};

	if (argc != 6) {
		fprintf(stderr, "usage: switch_load SOCKET PIN-DIR SAS ROUNDS ENGINE-PID\n");
		return 2;
	}
	n_sas = cfg.n_dst = (uint32_t)atoi(argv[3]);
	if (!n_sas || n_sas >= SA_MAX)
		die("SAS", EINVAL);
	engine_pid = atoi(argv[5]);
	if (mkstemp(trace_file) < 0)
		die(trace_file, errno);
	open_all(argv[1], argv[2]);
	add_paths();
	add_sas();
	maps_open(argv[2]);
	if (system("ip link set tun0 up && ip route add 10.0.0.0/8 dev tun0"))
		die("ip", EINVAL);
	traffic_start(&cfg);
	traffic_resume();
	/* every SA has had its first packet: contexts and counters are there */
	for (uint64_t sent = 0, want = 3ull * n_sas; sent < want && sent < 20ull * PER_SEC;
	     sent += PER_SEC / 10)
		usleep(100 * 1000);
	traffic_pause();
	for (int i = 0; i < atoi(argv[4]); i++) {
		store(TRAFFIC_OLD, "agent", STEER_PATH_DISABLED);
		store(TRAFFIC_NEW, "back", STEER_PATH_UP);
		link_down();
		calls();
	}
	unlink(trace_file);
	dp_close(dp);
	return 0;
}
