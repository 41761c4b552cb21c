/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets on their way from any packet thread to one: a ring of fixed places, each as large as the
 * largest packet. Who finds it full keeps his packet. No peer's packets have more places than are
 * left: one that floods gets half of them at most, and the others some. No lock, no allocation
 * after handover_init, no I/O: that something is there has to be told otherwise. Pages come when
 * they are first used.
 *
 * Thread: handover_claim and handover_publish any; handover_take and handover_done the owner.
 */
#ifndef BRAID_ESP_HANDOVER_H
#define BRAID_ESP_HANDOVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/bond.h"

enum {
	HANDOVER_PLACES = 2048, /* a power of two */
	HANDOVER_PEERS = 64,	/* that are told apart, by their number */
};

struct handover_item {
	uint64_t from; /* struct reorder */
	struct bond_place place;
	uint32_t spi, len;
	uint32_t turn, peer; /* the ring's */
	uint8_t data[];
};

struct handover {
	uint8_t *mem;
	size_t octets, stride;
	_Alignas(64) _Atomic uint32_t tail; /* places ever claimed */
	_Alignas(64) _Atomic uint32_t done; /* taken and given back */
	uint32_t head;			    /* taken */
	_Alignas(64) _Atomic uint32_t held[HANDOVER_PEERS];
	_Alignas(64) _Atomic uint32_t turn[HANDOVER_PLACES];
};

/* For packets of so many octets. 0 or -ENOMEM. */
int handover_init(struct handover *h, size_t octets);
void handover_clear(struct handover *h);

/* A place to fill with a packet of that peer, and then to publish; NULL: there is none. len is at
 * most what handover_init was told. */
struct handover_item *handover_claim(struct handover *h, uint32_t peer);
void handover_publish(struct handover *h, struct handover_item *item);

/* The next one, which stays where it is until handover_done; NULL: none. */
struct handover_item *handover_take(struct handover *h);
/* All that were taken are needed no more. */
void handover_done(struct handover *h);

#endif
