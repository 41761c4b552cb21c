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
#include "steer/class.h"

enum { SA_MAX = 64, SHOWN = 16, WORDS = 32 };

static const char usage[] =
	"usage: dp_drive PIN-DIR open                  the steering device, 198.18.0.1 to .2\n"
	"       dp_drive PIN-DIR uplink DEV            the ingress program on it\n"
	"       dp_drive PIN-DIR path DEV LOCAL REMOTE [OWN-MAC MAC]\n"
	"                prints the path's id; it is up\n"
	"       dp_drive PIN-DIR group ID [class=N] [mode=N] [copies=N] PATH:LINE:WEIGHT...\n"
	"                prints its id; 0: a new one\n"
	"       dp_drive PIN-DIR classify DEV          the classifier at its egress, when needed\n"
	"       dp_drive PIN-DIR rule PORT CLASS       what goes to that port\n"
	"       dp_drive PIN-DIR sa ID a|b GROUP       as engine_drive numbers its SPIs\n"
	"       dp_drive PIN-DIR del ID\n"
	"       dp_drive PIN-DIR wrap ID no|all        ESP of the kernel's in UDP\n"
	"       dp_drive PIN-DIR state PATH up|down\n"
	"       dp_drive PIN-DIR paths                 packets sent over each, and what was "
	"dropped\n"
	"       dp_drive PIN-DIR flush\n"
	"       dp_drive PIN-DIR -                     commands from standard input; after each "
	"\"= "
	"ERROR\"\n"
	"In the environment: BRAID_KERNEL_ESP=1: SAs are the kernel's; "
	"BRAID_ATTACH=xdp|xdp-generic:\n"
	"how uplinks are attached to, at tc otherwise; BRAID_SPREAD=sa|packets\n";

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
				.family = local.family,
				.flags = STEER_PATH_ENCAP,
				.sport = htons(4500),
				.dport = htons(4500) };
	uint32_t id;
	int r;

	memcpy(p.src.b, local.b, addr_len(&local));
	memcpy(p.dst.b, remote.b, addr_len(&remote));
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

/* One rule: what goes to that port is of that class. */
static int put_rule(struct dp *dp, char **argv)
{
	const struct class_rule rule = { .klass = (uint8_t)number(argv[1]),
					 .local_port = { 0, 65535 },
					 .remote_port = { (uint16_t)number(argv[0]),
							  (uint16_t)number(argv[0]) } };

	return dp_classify_put(dp, &rule, &(uint64_t){ 0 }, 1);
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
	static const char *const reasons[DROP_MAX] = {
#define X(n, text) [DROP_##n] = #n,
		FOREACH_DROP(X)
#undef X
	};
	uint64_t drops[DROP_MAX], sum = 0;

	for (uint32_t id = 1; id < SHOWN; id++) {
		enum steer_path_state state;
		struct steer_path_stat st;
		struct steer_path p;

		if (dp_path_get(dp, id, &p, &state) || dp_path_stat(dp, id, &st))
			continue;
		printf("path %u state %u rx %llu tx %llu\n", id, state,
		       (unsigned long long)st.rx_packets, (unsigned long long)st.tx_packets);
	}
	dp_drops(dp, drops);
	for (int i = 0; i < DROP_MAX; i++) {
		sum += drops[i];
		if (drops[i])
			printf("%s %llu\n", reasons[i], (unsigned long long)drops[i]);
	}
	printf("dropped %llu\n", (unsigned long long)sum);
	return 0;
}

static int command(struct dp *dp, int argc, char **argv)
{
	const char *cmd = argv[0];
	char why[256];

	argv++;
	argc--;
	if (strcmp(cmd, "uplink") == 0 && argc == 1) {
		int r = dp_uplink_attach(dp, if_nametoindex(argv[0]), why, sizeof(why));

		printf("%s: %s\n", dp_uplink_mode(dp, if_nametoindex(argv[0])), why);
		return r;
	}
	if (strcmp(cmd, "path") == 0 && (argc == 3 || argc == 5))
		return put_path(dp, argc, argv);
	if (strcmp(cmd, "group") == 0 && argc > 1)
		return put_group(dp, argc, argv);
	if (strcmp(cmd, "classify") == 0 && argc == 1) {
		int r = dp_classify_attach(dp, if_nametoindex(argv[0]), why, sizeof(why));

		if (r)
			printf("%s\n", why);
		return r;
	}
	if (strcmp(cmd, "rule") == 0 && argc == 2)
		return put_rule(dp, argv);
	if (strcmp(cmd, "sa") == 0 && argc == 3)
		return add_sa(dp, argv);
	if (strcmp(cmd, "wrap") == 0 && argc == 2)
		return dp_sa_wrap(dp, number(argv[0]), strcmp(argv[1], "all") ? 0 : STEER_SA_WRAP);
	if (strcmp(cmd, "state") == 0 && argc == 2)
		return dp_path_state(dp, number(argv[0]),
				     strcmp(argv[1], "up") ? STEER_PATH_DOWN : STEER_PATH_UP);
	if (strcmp(cmd, "paths") == 0)
		return show(dp);
	if (strcmp(cmd, "del") == 0 && argc == 1) {
		dp_sa_del(dp, number(argv[0]));
		return 0;
	}
	return strcmp(cmd, "open") == 0 ? 0 : -EINVAL;
}

static int commands(struct dp *dp)
{
	char line[512], *words[WORDS], *save;

	while (fgets(line, sizeof(line), stdin)) {
		int n = 0;

		for (char *w = strtok_r(line, " \n", &save); w && n < WORDS;
		     w = strtok_r(NULL, " \n", &save))
			words[n++] = w;
		printf("= %d\n", n ? command(dp, n, words) : 0);
		fflush(stdout);
	}
	return 0;
}

static enum dp_attach attach_wanted(void)
{
	const char *s = getenv("BRAID_ATTACH");

	return !s ? DP_ATTACH_TC : strcmp(s, "xdp") ? DP_ATTACH_XDP_GENERIC : DP_ATTACH_XDP;
}

static enum steer_spread spread_wanted(void)
{
	const char *s = getenv("BRAID_SPREAD");

	return !s ? STEER_SPREAD_OFF : strcmp(s, "sa") ? STEER_SPREAD_PACKET : STEER_SPREAD_SA;
}

int main(int argc, char **argv)
{
	struct dp_options opt = { .pin_dir = argc > 1 ? argv[1] : NULL,
				  .steer_dev = "braid0",
				  .kernel_esp = kernel_esp(),
				  .attach = attach_wanted(),
				  .spread = spread_wanted(),
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
	r = strcmp(cmd, "-") ? command(dp, argc - 2, argv + 2) : commands(dp);
	dp_close(dp);
	if (r < 0)
		die(cmd, r);
	return 0;
}
