/* SPDX-License-Identifier: GPL-2.0-only */
/* xfrm_load SAS PIN-DIR: what it costs to give the kernel's own SAs another outer address, one
 * after the other: as strongSwan's kernel-netlink does it (read the SA and its replay state, delete
 * it, add it with the new address), and by XFRM_MSG_MIGRATE; beside braid's switch of all of them,
 * which is what the agent calls, on the real maps with as many SAs in a group of two paths. Needs a
 * kernel with ESP and AES-GCM, a network namespace of its own and a bpffs. One line:
 *     {"sas":, "replace": {"nsec":, "calls":, "octets":}, "migrate": {...}, "switch": {"nsec":}} */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dp/dp.h"

enum { KEY_BITS = 160, ICV_BITS = 128, SWITCHES = 1001, SA_MAX = 8192, SPI_FIRST = 0x1000 };
#define REMOTE	  "203.0.113.1"
#define SOURCE	  "192.0.2.1"
#define ELSEWHERE "198.51.100.1"

static struct mnl_socket *nl;
static unsigned seq;
static uint64_t calls, octets;
static char buf[8192];

static void die(const char *what, int err)
{
	fprintf(stderr, "xfrm_load: %s: %s\n", what, strerror(err));
	exit(1);
}

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *message(uint16_t type, uint16_t flags, size_t len)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++seq;
	return mnl_nlmsg_put_extra_header(h, len);
}

/* One request and its answer. */
static void ask(const char *what)
{
	const struct nlmsghdr *h = (const void *)buf;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	ssize_t n;

	octets += h->nlmsg_len;
	calls += 2;
	if (mnl_socket_sendto(nl, buf, h->nlmsg_len) < 0)
		die(what, errno);
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0)
		die(what, errno);
	if (h->nlmsg_type == NLMSG_ERROR && e->error)
		die(what, -e->error);
}

static void id_set(struct xfrm_usersa_id *id, uint32_t spi)
{
	id->daddr.a4 = inet_addr(REMOTE);
	id->spi = htonl(spi);
	id->family = AF_INET;
	id->proto = IPPROTO_ESP;
}

static void add(uint32_t spi, const char *source)
{
	static const struct {
		struct xfrm_algo_aead a;
		uint8_t key[KEY_BITS / 8];
	} aead = { { "rfc4106(gcm(aes))", KEY_BITS, ICV_BITS }, { 1 } };
	struct xfrm_usersa_info *i =
		message(XFRM_MSG_NEWSA, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*i));

	i->saddr.a4 = inet_addr(source);
	i->id.daddr.a4 = inet_addr(REMOTE);
	i->id.spi = htonl(spi);
	i->id.proto = IPPROTO_ESP;
	i->family = AF_INET;
	i->mode = XFRM_MODE_TUNNEL;
	i->reqid = spi;
	i->replay_window = 32;
	i->lft.soft_byte_limit = i->lft.hard_byte_limit = XFRM_INF;
	i->lft.soft_packet_limit = i->lft.hard_packet_limit = XFRM_INF;
	mnl_attr_put((void *)buf, XFRMA_ALG_AEAD, sizeof(aead), &aead);
	ask("XFRM_MSG_NEWSA");
}

static void replace(uint32_t spi, const char *source)
{
	struct xfrm_usersa_id *id = message(XFRM_MSG_GETSA, 0, sizeof(*id));
	struct xfrm_aevent_id *ae;

	id_set(id, spi);
	ask("XFRM_MSG_GETSA");
	ae = message(XFRM_MSG_GETAE, 0, sizeof(*ae));
	id_set(&ae->sa_id, spi);
	ask("XFRM_MSG_GETAE");
	id = message(XFRM_MSG_DELSA, NLM_F_ACK, sizeof(*id));
	id_set(id, spi);
	ask("XFRM_MSG_DELSA");
	add(spi, source);
}

/* One host of the other side to each SA. */
static void select_host(struct xfrm_selector *sel, uint32_t spi)
{
	*sel = (struct xfrm_selector){ .family = AF_INET,
				       .prefixlen_d = 32,
				       .daddr.a4 = htonl(0x0a000000 | (spi & 0xffffff)) };
}

static void policy(uint32_t spi)
{
	struct xfrm_userpolicy_info *p =
		message(XFRM_MSG_NEWPOLICY, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*p));
	struct xfrm_user_tmpl tmpl = { .id = { .daddr.a4 = inet_addr(REMOTE),
					       .proto = IPPROTO_ESP },
				       .saddr.a4 = inet_addr(SOURCE),
				       .family = AF_INET,
				       .mode = XFRM_MODE_TUNNEL,
				       .reqid = spi,
				       .aalgos = ~0u,
				       .ealgos = ~0u,
				       .calgos = ~0u };

	select_host(&p->sel, spi);
	p->dir = XFRM_POLICY_OUT;
	p->lft.soft_byte_limit = p->lft.hard_byte_limit = XFRM_INF;
	p->lft.soft_packet_limit = p->lft.hard_packet_limit = XFRM_INF;
	mnl_attr_put((void *)buf, XFRMA_TMPL, sizeof(tmpl), &tmpl);
	ask("XFRM_MSG_NEWPOLICY");
}

static void migrate(uint32_t spi, const char *source)
{
	struct xfrm_userpolicy_id *id = message(XFRM_MSG_MIGRATE, NLM_F_ACK, sizeof(*id));
	struct xfrm_user_migrate m = { .old_daddr.a4 = inet_addr(REMOTE),
				       .old_saddr.a4 = inet_addr(SOURCE),
				       .new_daddr.a4 = inet_addr(REMOTE),
				       .new_saddr.a4 = inet_addr(source),
				       .proto = IPPROTO_ESP,
				       .mode = XFRM_MODE_TUNNEL,
				       .reqid = spi,
				       .old_family = AF_INET,
				       .new_family = AF_INET };

	select_host(&id->sel, spi);
	id->dir = XFRM_POLICY_OUT;
	mnl_attr_put((void *)buf, XFRMA_MIGRATE, sizeof(m), &m);
	ask("XFRM_MSG_MIGRATE");
}

static void flush(void)
{
	struct xfrm_usersa_flush *f = message(XFRM_MSG_FLUSHSA, NLM_F_ACK, sizeof(*f));

	f->proto = IPPROTO_ESP;
	ask("XFRM_MSG_FLUSHSA");
	message(XFRM_MSG_FLUSHPOLICY, NLM_F_ACK, 0);
	ask("XFRM_MSG_FLUSHPOLICY");
}

/* All SAs to another address, in that way. */
static void measure(const char *name, uint32_t n, void (*move)(uint32_t, const char *))
{
	uint64_t t;

	for (uint32_t spi = SPI_FIRST; spi < SPI_FIRST + n; spi++) {
		add(spi, SOURCE);
		policy(spi);
	}
	calls = octets = 0;
	t = now_nsec();
	for (uint32_t spi = SPI_FIRST; spi < SPI_FIRST + n; spi++)
		move(spi, ELSEWHERE);
	t = now_nsec() - t;
	printf(",\"%s\":{\"nsec\":%llu,\"calls\":%llu,\"octets\":%llu}", name,
	       (unsigned long long)t, (unsigned long long)calls, (unsigned long long)octets);
	flush();
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint32_t path(struct dp *dp, const char *source)
{
	struct steer_path p = { .ifindex = if_nametoindex("lo"), .mtu = 1500, .family = 4 };
	uint32_t id;
	int err;

	inet_pton(AF_INET, source, p.src.b);
	inet_pton(AF_INET, REMOTE, p.dst.b);
	err = dp_path_put(dp, &p, STEER_PATH_UP, &id);
	if (err)
		die("path", -err);
	return id;
}

/* The first path goes and comes back: the median, clock included. */
static void measure_switch(uint32_t n, const char *pin_dir)
{
	const struct dp_options opt = { .pin_dir = pin_dir,
					.steer_dev = "braid0",
					.kernel_esp = true,
					.sa_max = SA_MAX,
					.stable4_local = { .family = 4, .b = { 198, 18, 0, 1 } },
					.stable4_remote = { .family = 4, .b = { 198, 18, 0, 2 } } };
	static uint64_t took[SWITCHES];
	struct dp_member members[2] = { { .weight = 1 }, { .weight = 1 } };
	uint32_t group, index;
	struct dp *dp;
	char why[256];
	int err = dp_open(&opt, &dp, why, sizeof(why));

	if (err)
		die(why, -err);
	members[0].path = path(dp, SOURCE);
	members[1].path = path(dp, ELSEWHERE);
	err = dp_group_put(dp, 0,
			   &(struct dp_group_want){
				   .mode = STEER_MODE_ACTIVE_STANDBY, .n = 2, .members = members },
			   &group);
	for (uint32_t i = 1; !err && i <= n; i++)
		err = dp_sa_add(dp,
				&(struct dp_sa){ .id = i,
						 .spi_in = STEER_SPI(1, i),
						 .spi_out = SPI_FIRST + i,
						 .group = group },
				&index);
	for (int i = 0; !err && i < SWITCHES; i++) {
		uint64_t t = now_nsec();

		err = dp_path_state(dp, members[0].path, i % 2 ? STEER_PATH_UP : STEER_PATH_DOWN);
		took[i] = now_nsec() - t;
	}
	if (err)
		die("steering", -err);
	dp_close(dp);
	dp_flush(&opt);
	qsort(took, SWITCHES, sizeof(*took), compare);
	printf(",\"switch\":{\"nsec\":%llu}", (unsigned long long)took[SWITCHES / 2]);
}

int main(int argc, char **argv)
{
	uint32_t n = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;

	if (!n || n >= SA_MAX) {
		fprintf(stderr, "usage: xfrm_load SAS PIN-DIR; at most %d SAs\n", SA_MAX - 1);
		return 2;
	}
	nl = mnl_socket_open(NETLINK_XFRM);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink", errno);
	printf("{\"sas\":%u", n);
	measure("replace", n, replace);
	measure("migrate", n, migrate);
	measure_switch(n, argv[2]);
	puts("}");
	return 0;
}
