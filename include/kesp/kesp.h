/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's ESP as a back end of the agent: the operations of the engine's protocol
 * (esp/proto.h), carried out here by netlink. States and policies stand on the stable pair and
 * never change when a path does; the steering programs put the addresses in on the way out, and ESP
 * in UDP around it where a path needs that, and take both away on the way in.
 *
 * In the agent's process and thread, on its event loop. Has the UDP sockets of port 4500, for IKE
 * behind its marker. SAs, policies and programs stay in the kernel when the agent dies; images of
 * IKE SAs are in files of the state directory, sealed with a key that is kept in a pinned BPF map
 * and so ends with the machine's uptime.
 */
#ifndef BRAID_KESP_KESP_H
#define BRAID_KESP_KESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp;
struct engine_hdr;
struct event_base;
struct kesp;

struct kesp_options {
	struct event_base *base; /* borrowed, as all of these */
	struct dp *dp;
	const char *state_dir; /* for the images: 0700 */
	const char *pin_dir;   /* for their key */
	bool plain;	       /* the kernel has no XFRM interfaces: tunnels alone, by policies */
	/* What would be the engine's event: from the loop, never from within kesp_request. */
	void (*on_event)(void *ctx, struct engine_hdr *msg, size_t len);
	void *ctx;
};

/* Can this kernel do it? 0, or -errno with a sentence that names what is missing; *ret_iface: it
 * has XFRM interfaces. Leaves nothing. */
int kesp_probe(bool *ret_iface, char *ret_error, size_t error_len);

/* An algorithm by its IKEv2 numbers (integ_id 0: AEAD): 0, or -ENOSYS: this kernel's ESP lacks it.
 */
int kesp_has_algorithm(uint16_t encr_id, uint16_t key_bits, uint16_t integ_id);

/* Can each CPU send on SAs of its own (Linux 6.13)? */
bool kesp_has_cpus(void);

int kesp_open(const struct kesp_options *opt, struct kesp **ret_k, char *ret_error,
	      size_t error_len);
/* The agent ends; SAs go on. NULL is fine. */
void kesp_close(struct kesp *k);

/* A request, whatever the engine would answer with before its result goes to `answer` (may be NULL;
 * the message is borrowed and only valid meanwhile). Keys in msg are the caller's to wipe. Returns
 * what ENGINE_RESULT would hold: 0 or -errno; -EOPNOTSUPP: that needs the engine. */
typedef void kesp_answer_fn(void *ctx, struct engine_hdr *msg, size_t len);
int kesp_request(struct kesp *k, struct engine_hdr *msg, size_t len, kesp_answer_fn *answer,
		 void *ctx);

/* Everything of ours in this network namespace, whether an agent lives or not: states, policies,
 * interface, images and their key. 0 or the first -errno. */
int kesp_flush(const char *state_dir, const char *pin_dir, const char *ifname);

#endif
