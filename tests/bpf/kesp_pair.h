/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's ESP as a back end, between two network namespaces, without steering:
 *
 *	west 10.1.0.1 - tunk0 - 10.9.0.1 ===== 10.9.0.2 - tunk0 - 10.2.0.1 east
 *
 * Each end is a kesp with a state directory and pins of its own. Tests are skipped, with the
 * reason, on a kernel that cannot do it. */
#ifndef BRAID_TESTS_BPF_KESP_PAIR_H
#define BRAID_TESTS_BPF_KESP_PAIR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "esp/proto.h"
#include "kesp/kesp.h"
#include "xfrm/xfrm.h"

enum { WAIT_SEC = 120, KEY = 20, PORT = 7000 };

struct end {
	int ns;
	char state[96], pins[96];
	struct event_base *base;
	struct kesp *k;
	struct xfrm *x; /* the test's own look at the kernel */
	int udp;	/* inner */
	/* what events told */
	unsigned seen, soft, hard, ike;
	uint32_t seen_id, limit_id;
	uint8_t ike_data[64];
	uint32_t ike_len;
	struct udp_addr ike_from;
};

extern struct end west, east;
extern bool pair_plain; /* as if there were no XFRM interfaces */

void pair_setup(void);
void pair_teardown(void);
void open_end(struct end *e);	 /* kesp anew; of a closed one */
void enter(const struct end *e); /* its network namespace */
void sh(const char *cmd);

/* The loops of both, once. */
void run(void);
#define wait_for(cond)                                                                             \
	do {                                                                                       \
		time_t limit_ = time(NULL) + WAIT_SEC;                                             \
		while (run(), !(cond)) {                                                           \
			cr_assert(time(NULL) < limit_, "%s", #cond);                               \
			poll(NULL, 0, 5);                                                          \
		}                                                                                  \
	} while (0)

int request(struct end *e, void *msg, uint16_t type, size_t len, kesp_answer_fn *fn, void *ctx);
int ask_id(struct end *e, uint16_t type, uint32_t id);

/* An SA of the pair: SPIs and keys follow from its id. */
struct engine_sa sa_of(const struct end *e, uint32_t id, uint32_t replaces, uint32_t flags);
int put(struct end *e, struct engine_sa sa);
int add(struct end *e, uint32_t id, uint32_t replaces, uint32_t flags);
struct engine_sa_info info(struct end *e, uint32_t id);

/* What there is of ours: in the kernel, and files whose names begin so. */
uint32_t if_id(void);
unsigned states(struct end *e);
unsigned policies(struct end *e);
unsigned files(struct end *e, const char *what);

/* Inner traffic, numbered. */
void send_one(struct end *from, uint32_t number);
bool recv_one(struct end *at, uint32_t *ret_number); /* false: there is nothing */
void carries(struct end *from, struct end *to);	     /* at the first try */

#endif
