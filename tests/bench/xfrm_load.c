/* SPDX-License-Identifier: GPL-2.0-only */
/* xfrm_load SAS: what it costs to give the kernel's own SAs another outer address, one after the
 * other as strongSwan's kernel-netlink does it (read the SA and its replay state, delete it, add it
 * with the new address), beside the one store into a map with which braid moves all of them. Needs
 * a kernel with ESP and AES-GCM, and a network namespace of its own. One line:
 *     {"sas":, "each_nsec":, "calls_each":, "octets_each":, "store_nsec":} */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "abi/steer.h"

enum { KEY_BITS = 160, ICV_BITS = 128, STORES = 1001, SPI_FIRST = 0x1000 };

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
	id->daddr.a4 = inet_addr("203.0.113.1");
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
	i->id.daddr.a4 = inet_addr("203.0.113.1");
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

static void move(uint32_t spi, const char *source)
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

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of a path's word, as the agent does it: the median, clock included. */
static uint64_t store_nsec(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "path_cur", 4, sizeof(struct steer_path_cur),
				STEER_PATHS_MAX, &opts);
	static uint64_t took[STORES];
	_Atomic uint32_t *words;

	if (fd < 0)
		die("map", errno);
	words = mmap(NULL, STEER_PATHS_MAX * STEER_STRIDE(struct steer_path_cur),
		     PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		die("mmap", errno);
	for (int i = 0; i < STORES; i++) {
		uint64_t t = now_nsec();
		uint32_t old = atomic_load(&words[2]);

		while (!atomic_compare_exchange_weak(&words[2], &old, old + 1))
			;
		took[i] = now_nsec() - t;
	}
	qsort(took, STORES, sizeof(*took), compare);
	return took[STORES / 2];
}

int main(int argc, char **argv)
{
	uint32_t n = argc == 2 ? (uint32_t)atoi(argv[1]) : 0;
	uint64_t t;

	if (!n) {
		fprintf(stderr, "usage: xfrm_load SAS\n");
		return 2;
	}
	nl = mnl_socket_open(NETLINK_XFRM);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink", errno);
	for (uint32_t i = 0; i < n; i++)
		add(SPI_FIRST + i, "192.0.2.1");
	calls = octets = 0;
	t = now_nsec();
	for (uint32_t i = 0; i < n; i++)
		move(SPI_FIRST + i, "198.51.100.1");
	t = now_nsec() - t;
	printf("{\"sas\":%u,\"each_nsec\":%llu,\"calls_each\":%llu,\"octets_each\":%llu,\"store_"
	       "nsec\":%llu}\n",
	       n, (unsigned long long)(t / n), (unsigned long long)(calls / n),
	       (unsigned long long)(octets / n), (unsigned long long)store_nsec());
	return 0;
}
