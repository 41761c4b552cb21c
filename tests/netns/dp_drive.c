/* SPDX-License-Identifier: GPL-2.0-only */
/* Plays the agent for the steering: programs, device and maps, one record a call. With
 * engine_drive, for tests of engine and steering without IKE. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp/dp.h"

enum { SA_MAX = 64, SHOWN = 16 };

static const char usage[] =
	"usage: dp_drive PIN-DIR open                  the steering device, 198.18.0.1 to .2\n"
	"       dp_drive PIN-DIR uplink DEV            the ingress program on it, at tc\n"
	"       dp_drive PIN-DIR path DEV LOCAL REMOTE [OWN-MAC MAC]\n"
	"                prints the path's id; it is up\n"
	"       dp_drive PIN-DIR group ID [class=N] [mode=N] [copies=N] PATH:LINE:WEIGHT...\n"
	"                prints its id; 0: a new one\n"
	"       dp_drive PIN-DIR sa ID a|b GROUP       as engine_drive numbers its SPIs\n"
	"       dp_drive PIN-DIR del ID\n"
	"       dp_drive PIN-DIR state PATH up|down\n"
	"       dp_drive PIN-DIR paths                 packets sent over each, and what was "
	"dropped\n"
	"       dp_drive PIN-DIR flush\n"
	"BRAID_KERNEL_ESP=1 in the environment: SAs are the kernel's\n";

/* The kernel's ESP, without UDP. */
static bool kernel_esp(void)
{
	return getenv("BRAID_KERNEL_ESP");
}

static void die(const char *what, int err)
{
	fprintf(stderr, "dp_drive: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		die(text, EINVAL);
	return a;
}

static uint32_t number(const char *s)
{
	return (uint32_t)strtoul(s, NULL, 10);
}

static void mac(const char *text, uint8_t ret_mac[6])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret_mac[0], &ret_mac[1], &ret_mac[2],
		   &ret_mac[3], &ret_mac[4], &ret_mac[5]) != 6)
		die(text, EINVAL);
}

static int put_path(struct dp *dp, int argc, char **argv)
{
	struct addr local = address(argv[1]), remote = address(argv[2]);
	struct steer_path p = { .ifindex = if_nametoindex(argv[0]),
				.mtu = 1500,
				.family = 4,
				.flags = STEER_PATH_ENCAP,
				.sport = htons(4500),
				.dport = htons(4500) };
	uint32_t id;
	int r;

	memcpy(p.src.b, local.b, 4);
	memcpy(p.dst.b, remote.b, 4);
	if (argc > 4) {
		mac(argv[3], p.smac);
		mac(argv[4], p.dmac);
		p.flags |= STEER_PATH_MAC;
	}
	r = dp_path_put(dp, &p, STEER_PATH_UP, &id);
	if (r == 0)
		printf("%u\n", id);
	return r;
}

static int put_group(struct dp *dp, int argc, char **argv)
{
	struct dp_member m[STEER_MEMBERS_MAX];
	struct dp_group_want want = { .members = m };
	uint32_t id = number(argv[0]);
	int r;

	for (int i = 1; i < argc && want.n < STEER_MEMBERS_MAX; i++) {
		unsigned path, line, weight;

		if (sscanf(argv[i], "class=%u", &path) == 1)
			want.klass = (uint8_t)path;
		else if (sscanf(argv[i], "mode=%u", &path) == 1)
			want.mode = (enum steer_mode)path;
		else if (sscanf(argv[i], "copies=%u", &path) == 1)
			want.copies = (uint8_t)path;
		else if (sscanf(argv[i], "%u:%u:%u", &path, &line, &weight) == 3)
			m[want.n++] = (struct dp_member){ path, line, (uint16_t)weight };
		else
			return -EINVAL;
	}
	r = dp_group_put(dp, id, &want, &id);
	if (r == 0)
		printf("%u\n", id);
	return r;
}

static int add_sa(struct dp *dp, char **argv)
{
	bool a = argv[1][0] == 'a';
	uint32_t id = number(argv[0]), index;
	struct dp_sa sa = { .id = id,
			    .spi_in = STEER_SPI(a ? 0xa0 : 0xb0, id),
			    .spi_out = STEER_SPI(a ? 0xb0 : 0xa0, id),
			    .group = number(argv[2]),
			    .flags = kernel_esp() ? 0 : STEER_SA_ENCAP };
	int r = dp_sa_add(dp, &sa, &index);

	return r == 0 && index != id ? -EPROTO : r;
}

static int show(struct dp *dp)
{
	uint64_t drops[DROP_MAX], sum = 0;

	for (uint32_t id = 1; id < SHOWN; id++) {
		enum steer_path_state state;
		struct steer_path_stat st;
		struct steer_path p;

		if (dp_path_get(dp, id, &p, &state) || dp_path_stat(dp, id, &st))
			continue;
		printf("path %u state %u tx %llu\n", id, state, (unsigned long long)st.tx_packets);
	}
	dp_drops(dp, drops);
	for (int i = 0; i < DROP_MAX; i++)
		sum += drops[i];
	printf("dropped %llu\n", (unsigned long long)sum);
	return 0;
}

int main(int argc, char **argv)
{
	struct dp_options opt = { .pin_dir = argc > 1 ? argv[1] : NULL,
				  .steer_dev = "braid0",
				  .kernel_esp = kernel_esp(),
				  .attach = DP_ATTACH_TC,
				  .sa_max = SA_MAX,
				  .stable4_local = address("198.18.0.1"),
				  .stable4_remote = address("198.18.0.2") };
	const char *cmd = argc > 2 ? argv[2] : "";
	char why[256];
	struct dp *dp;
	int r;

	if (strcmp(cmd, "flush") == 0) {
		r = dp_flush(&opt);
		if (r < 0)
			die("flush", r);
		return 0;
	}
	r = argc > 2 ? dp_open(&opt, &dp, why, sizeof(why)) : -EINVAL;
	if (r < 0) {
		fprintf(stderr, "dp_drive: %s\n", argc > 2 ? why : usage);
		return 1;
	}
	argv += 3;
	argc -= 3;
	if (strcmp(cmd, "uplink") == 0 && argc == 1)
		r = dp_uplink_attach(dp, if_nametoindex(argv[0]), why, sizeof(why));
	else if (strcmp(cmd, "path") == 0 && (argc == 3 || argc == 5))
		r = put_path(dp, argc, argv);
	else if (strcmp(cmd, "group") == 0 && argc > 1)
		r = put_group(dp, argc, argv);
	else if (strcmp(cmd, "sa") == 0 && argc == 3)
		r = add_sa(dp, argv);
	else if (strcmp(cmd, "del") == 0 && argc == 1)
		dp_sa_del(dp, number(argv[0]));
	else if (strcmp(cmd, "state") == 0 && argc == 2)
		r = dp_path_state(dp, number(argv[0]),
				  strcmp(argv[1], "up") ? STEER_PATH_DOWN : STEER_PATH_UP);
	else if (strcmp(cmd, "paths") == 0)
		r = show(dp);
	else if (strcmp(cmd, "open") != 0)
		r = -EINVAL;
	dp_close(dp);
	if (r < 0)
		die(cmd, r);
	return 0;
}
