/* SPDX-License-Identifier: GPL-2.0-only */
/* ike_flood TARGET COUNT PER_SECOND [PORT]: well-formed IKE_SA_INIT requests to UDP 500, or another
 * port, of an IPv4 address, each with an SPI, a nonce and a source of its own, from 198.51.100.0/24
 * and 203.0.113.0/24, any port. PER_SECOND 0: as fast as it can. Prints how many were sent, and in
 * how many microseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/usec.h"
#include "crypto/alg.h"
#include "ikemsg/ikemsg.h"

enum {
	HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr),
	BATCH = 64,
	PORT_IKE = 500,
	PORT_NATT = 4500,
	MARKER = 4,
};

static usec_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

/* A stream of numbers that looks random and is the same each time. */
static uint64_t draw(void)
{
	static uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void draw_octets(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)draw();
}

/* SA, KE, Ni. Its length; *ret_nonce is where the nonce stands. */
static size_t request(uint8_t *buf, size_t cap, size_t *ret_nonce)
{
	struct ike_hdr hdr = { .spi_i = 1,
			       .version = IKE_VERSION_2_0,
			       .exchange = IKE_SA_INIT,
			       .flags = IKE_FLAG_INITIATOR };
	struct sa_payload offer = { .n = 1 };
	struct proposal *p = &offer.p[0];
	uint8_t ke[32], nonce[32];
	struct msg_wr m;
	size_t len;

	p->number = 1;
	p->protocol = PROTO_IKE;
	p->n_transforms = 3;
	p->transforms[0] = (struct transform){ .type = TRANSFORM_ENCR,
					       .id = ENCR_AES_GCM_16,
					       .key_bits = 128 };
	p->transforms[1] = (struct transform){ .type = TRANSFORM_PRF, .id = PRF_HMAC_SHA2_256 };
	p->transforms[2] = (struct transform){ .type = TRANSFORM_KE, .id = KE_X25519 };
	draw_octets(ke, sizeof(ke));
	memset(nonce, 0x5a, sizeof(nonce));
	m = msg_begin(buf, cap, &hdr);
	msg_put_sa(&m, &offer);
	msg_put_ke(&m, KE_X25519, ke, sizeof(ke));
	msg_put_nonce(&m, nonce, sizeof(nonce));
	len = msg_end(&m);
	*ret_nonce = len - sizeof(nonce); /* the last payload ends with it */
	return len;
}

/* len, nonce: of all after the UDP header, and where in it. marker: octets of it before IKE. */
static void vary(uint8_t *pkt, size_t len, size_t marker, size_t nonce)
{
	struct iphdr *ip = (struct iphdr *)pkt;
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	uint64_t r = draw();

	ip->saddr = htonl((r & 256 ? 0xc6336400 : 0xcb007100) | (r & 255));
	udp->source = htons((uint16_t)(1024 + (r >> 16) % 60000));
	udp->len = htons((uint16_t)(sizeof(*udp) + len));
	draw_octets(pkt + HEADERS + marker, 8);
	draw_octets(pkt + HEADERS + nonce, 32);
}

int main(int argc, char **argv)
{
	static uint8_t pkt[BATCH][HEADERS + 512];
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct mmsghdr mm[BATCH] = { 0 };
	struct iovec iov[BATCH];
	size_t nonce, len, sent = 0, count, rate, marker = 0;
	uint16_t port = PORT_IKE;
	usec_t begin;
	int fd;

	if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: ike_flood TARGET COUNT PER_SECOND [PORT]\n");
		return 2;
	}
	if (argc == 5) {
		port = (uint16_t)strtoul(argv[4], NULL, 10);
		marker = port == PORT_NATT ? MARKER : 0; /* zeros */
	}
	count = strtoul(argv[2], NULL, 10);
	rate = strtoul(argv[3], NULL, 10);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0) {
		perror("ike_flood: raw socket");
		return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		struct iphdr *ip = (struct iphdr *)pkt[i];
		struct udphdr *udp = (struct udphdr *)(ip + 1);

		len = request(pkt[i] + HEADERS + marker, sizeof(pkt[i]) - HEADERS - marker, &nonce);
		len += marker;
		nonce += marker;
		*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
		ip->daddr = to.sin_addr.s_addr;
		udp->dest = htons(port);
		iov[i] = (struct iovec){ pkt[i], HEADERS + len };
		mm[i].msg_hdr = (struct msghdr){ .msg_name = &to,
						 .msg_namelen = sizeof(to),
						 .msg_iov = &iov[i],
						 .msg_iovlen = 1 };
	}
	begin = now();
	while (sent < count) {
		size_t n = count - sent < BATCH ? count - sent : BATCH;
		usec_t due = rate ? begin + sent * USEC_PER_SEC / rate : 0, at = now();
		int r;

		if (due > at)
			nanosleep(&(struct timespec){ .tv_nsec = (long)(due - at) * 1000 }, NULL);
		for (size_t i = 0; i < n; i++)
			vary(pkt[i], len, marker, nonce);
		r = sendmmsg(fd, mm, (unsigned)n, 0);
		if (r < 0 && errno != ENOBUFS) {
			perror("ike_flood: send");
			return 1;
		}
		sent += r > 0 ? (size_t)r : 0;
	}
	printf("%zu %llu\n", sent, (unsigned long long)(now() - begin));
	return 0;
}
