/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine's outer sockets and the batches that go through them: many ESP packets per system
 * call, each message cut by the kernel or the device (UDP_SEGMENT), received messages joined by GRO
 * (UDP_GRO).
 *
 * Sockets are bound to the wildcard address and never connected: GRO looks the socket up before
 * anything rewrites an address. Thread: a queue belongs to one thread.
 */
#ifndef BRAID_NET_UDP_GSO_H
#define BRAID_NET_UDP_GSO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"

enum {
	UDP_MSG_MAX = 65507,	/* octets of one message, IPv4 */
	UDP_GSO_SEGS = 64,	/* packets of one message; newer kernels take 128 */
	UDP_TX_ARENA = 4 << 16, /* octets being prepared */
	UDP_TX_MSGS = 64,
	UDP_RX_MSGS = 8, /* as many buffers as stay in a second-level cache */
	UDP_RX_BUF = 1 << 16,
	UDP_CONTROL = 128,
	UDP_RX_HEAD = 24, /* octets before a received UDP message that nobody needs */
};

/* UDP, wildcard address, SO_REUSEPORT, IPv6 only for family 6. 0 or -errno with a sentence
 * (base/explain.h); -EAFNOSUPPORT: a kernel without this family. */
int udp_gso_open(int family, uint16_t port, int *ret_fd, char *ret_why, size_t why_len);
/* Does the kernel join what arrives? */
bool udp_gro_on(int fd);
/* Protocol 50. 0 or -errno. */
int esp_raw_open(int family, int *ret_fd);

/* Where a message goes. from: family 0 leaves the choice to routing. */
struct udp_dest {
	struct sockaddr_storage to;
	socklen_t to_len;
	struct addr from;
};

struct udp_tx_stats {
	uint64_t datagrams, dropped; /* packets on the wire */
};

struct udp_txq {
	uint8_t *arena;
	size_t used;
	unsigned n;
	struct udp_tx_stats stats;
	struct mmsghdr msg[UDP_TX_MSGS];
	struct iovec iov[UDP_TX_MSGS];
	struct {
		int fd;
		uint32_t mark;
		uint16_t gso; /* octets of each packet but the last */
		uint16_t segs;
		uint8_t tos;
		bool open; /* all packets so far have gso octets: more may follow */
	} info[UDP_TX_MSGS];
	_Alignas(8) uint8_t control[UDP_TX_MSGS][UDP_CONTROL];
};

int udp_txq_init(struct udp_txq *q);
void udp_txq_clear(struct udp_txq *q);
/* Room for len octets (at most UDP_MSG_MAX), to be filled and then given to udp_txq_add. Sends what
 * is waiting when there is none. */
uint8_t *udp_txq_room(struct udp_txq *q, size_t len);
/* Queue len octets at udp_txq_room's place: segs packets of gso octets, the last may be shorter;
 * gso 0: one packet that is never joined with another (protocol 50). tos: DSCP and ECN of all.
 * Joins the message before it when that is one of the same mark, tos and packet size. dest is
 * borrowed until the flush. */
void udp_txq_add(struct udp_txq *q, int fd, const struct udp_dest *dest, uint32_t mark, uint8_t tos,
		 size_t len, size_t gso, unsigned segs);
/* Send all, in order; what cannot be sent is counted and dropped. */
void udp_txq_flush(struct udp_txq *q);

/* One datagram, at once; source address and interface as given (ifindex 0, from family 0: left to
 * routing). Thread: any. 0 or -errno. */
int udp_send_one(int fd, const struct udp_dest *dest, unsigned ifindex, const uint32_t *mark,
		 const struct iovec *iov, size_t n_iov);

/* Let longer datagrams of this socket be fragmented, or not (as it is after udp_gso_open). */
void udp_allow_fragments(int fd, int family, bool allow);

struct udp_rxq {
	uint8_t *buf; /* UDP_RX_MSGS of UDP_RX_BUF */
	struct mmsghdr msg[UDP_RX_MSGS];
	struct iovec iov[UDP_RX_MSGS];
	struct sockaddr_storage from[UDP_RX_MSGS];
	_Alignas(8) uint8_t control[UDP_RX_MSGS][UDP_CONTROL];
};

int udp_rxq_init(struct udp_rxq *q);
void udp_rxq_clear(struct udp_rxq *q);
/* Receive what is there, without waiting. Number of messages; 0: none. */
int udp_rxq_recv(struct udp_rxq *q, int fd);
/* One message of that number: octets, size of the packets joined in it (the last may be shorter),
 * and their DSCP and ECN: only packets that have them in common are joined. */
uint8_t *udp_rxq_get(struct udp_rxq *q, int i, size_t *ret_len, size_t *ret_gso, uint8_t *ret_tos);
/* A number for the source of that message, another one for (nearly) every other source; never 0. */
uint64_t udp_rxq_from(const struct udp_rxq *q, int i);
void udp_rxq_addrs(struct udp_rxq *q, int i, uint16_t local_port, struct udp_addr *ret_local,
		   struct udp_addr *ret_remote, uint32_t *ret_ifindex);

#endif
