/* SPDX-License-Identifier: GPL-2.0-only */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "crypto/alg.h"
#include "esp/blobs.h"
#include "esp/proto.h"
#include "kesp/kesp.h"
#include "net/udp.h"
#include "xfrm/xfrm.h"
#include "kesp_pair.h"

static char dir[64], error[512];
struct end west, east;
bool pair_plain;

void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

void enter(const struct end *e)
{
	cr_assert_eq(setns(e->ns, CLONE_NEWNET), 0);
}

static void on_event(void *ctx, struct engine_hdr *h, size_t len)
{
	const struct engine_limit *l = (void *)h;
	const struct engine_dgram *d = (void *)h;
	struct end *e = ctx;

	cr_assert_eq(h->seq, 0);
	switch (h->type) {
	case ENGINE_EV_SA_SEEN:
		e->seen++;
		e->seen_id = ((struct engine_seen *)h)->id;
		break;
	case ENGINE_EV_SA_LIMIT:
		*(l->hard ? &e->hard : &e->soft) += 1;
		e->limit_id = l->id;
		break;
	case ENGINE_EV_IKE_RECV:
		cr_assert_eq(len, sizeof(*d) + d->len);
		cr_assert_leq(d->len, sizeof(e->ike_data));
		memcpy(e->ike_data, d->data, d->len);
		e->ike_len = d->len;
		e->ike_from = d->remote;
		e->ike++;
		break;
	}
}

int request(struct end *e, void *msg, uint16_t type, size_t len, kesp_answer_fn *fn, void *ctx)
{
	struct engine_hdr *h = msg;

	*h = (struct engine_hdr){ 1, type, ENGINE_PROTO_VERSION };
	return kesp_request(e->k, h, len, fn, ctx);
}

int ask_id(struct end *e, uint16_t type, uint32_t id)
{
	struct engine_id m = { .id = id };

	return request(e, &m, type, sizeof(m), NULL, NULL);
}

void open_end(struct end *e)
{
	const struct kesp_options opt = {
		.base = e->base,
		.state_dir = e->state,
		.pin_dir = e->pins,
		.plain = pair_plain,
		.on_event = on_event,
		.ctx = e,
	};
	struct engine_config c = { .tun = "tunk0", .tun_mtu = 1400, .port = 4500 };
	bool w = e == &west;
	int err;

	addr_parse(w ? "10.9.0.1" : "10.9.0.2", &c.stable4_local);
	addr_parse(w ? "10.9.0.2" : "10.9.0.1", &c.stable4_remote);
	addr_parse(w ? "fd09::1" : "fd09::2", &c.stable6_local);
	addr_parse(w ? "fd09::2" : "fd09::1", &c.stable6_remote);
	enter(e);
	err = kesp_open(&opt, &e->k, error, sizeof(error));
	cr_assert_eq(err, 0, "%s", error);
	err = request(e, &c, ENGINE_CONFIG, sizeof(c), NULL, NULL);
	cr_assert_eq(err, 0, "%s", strerror(-err));
}

static void new_end(struct end *e, const char *name)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	e->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cr_assert(e->ns >= 0);
	snprintf(e->state, sizeof(e->state), "%s/%s", dir, name);
	snprintf(e->pins, sizeof(e->pins), "%s/bpf/%s", dir, name);
	cr_assert_eq(mkdir(e->state, 0700), 0);
	cr_assert_eq(mkdir(e->pins, 0700), 0);
	e->base = event_base_new();
	cr_assert(e->base);
	sh("ip link set lo up");
	cr_assert_eq(xfrm_open(&e->x, error, sizeof(error)), 0, "%s", error);
}

static void inner_socket(struct end *e)
{
	enter(e);
	cr_assert_eq(udp_open(4, PORT, &e->udp), 0);
}

void pair_setup(void)
{
	bool iface;
	char cmd[256];

	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		cr_skip_test("needs root: network and mount namespaces");
	if (kesp_probe(&iface, error, sizeof(error)))
		cr_skip_test("%s", error);
	log_set_level(LOG_ERR_);
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	strcpy(dir, "/tmp/braid-test-kesp-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd), "%s/bpf", dir);
	cr_assert_eq(mkdir(cmd, 0700), 0);
	cr_assert_eq(mount("bpf", cmd, "bpf", 0, NULL), 0);
	new_end(&west, "west");
	new_end(&east, "east");
	/* west's end of the link is made in the namespace that this process is in: east's */
	snprintf(cmd, sizeof(cmd),
		 "ip link add e0 type veth peer name w0 && ip link set w0 netns /proc/%d/fd/%d",
		 getpid(), west.ns);
	sh(cmd);
	sh("ip addr add 10.9.0.2/24 dev e0; ip -6 addr add fd09::2/64 dev e0 nodad; "
	   "ip link set e0 up");
	enter(&west);
	sh("ip addr add 10.9.0.1/24 dev w0; ip -6 addr add fd09::1/64 dev w0 nodad; "
	   "ip link set w0 up");
	open_end(&west);
	sh("ip addr add 10.1.0.1/32 dev tunk0; ip route add 10.2.0.0/24 dev tunk0 src 10.1.0.1");
	open_end(&east);
	sh("ip addr add 10.2.0.1/32 dev tunk0; ip route add 10.1.0.0/24 dev tunk0 src 10.2.0.1");
	inner_socket(&west);
	inner_socket(&east);
}

static void close_end(struct end *e)
{
	kesp_close(e->k);
	xfrm_close(e->x);
	if (e->base)
		event_base_free(e->base);
}

void pair_teardown(void)
{
	char cmd[160];

	close_end(&west);
	close_end(&east);
	if (!dir[0])
		return;
	snprintf(cmd, sizeof(cmd), "%s/bpf", dir);
	umount2(cmd, MNT_DETACH);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	sh(cmd);
}

void run(void)
{
	event_base_loop(west.base, EVLOOP_NONBLOCK);
	event_base_loop(east.base, EVLOOP_NONBLOCK);
}

/* ---- SAs ---- */

static void ts(struct engine_ts *t, const char *net)
{
	struct addr a;
	uint8_t len;

	cr_assert_eq(addr_parse_prefix(net, &a, &len), 0);
	*t = (struct engine_ts){ .port_last = 65535 };
	addr_prefix_range(&a, len, &t->first, &t->last);
}

/* Its SPIs and keys follow from its id, west's inbound ones from twice that. */
struct engine_sa sa_of(const struct end *e, uint32_t id, uint32_t replaces, uint32_t flags)
{
	bool w = e == &west;
	struct engine_sa sa = {
		.id = id,
		.replaces = replaces,
		.spi_in = 0x1000 + 2 * id + !w,
		.spi_out = 0x1000 + 2 * id + w,
		.mark = id,
		.flags = ENGINE_SA_ESN | flags,
		.encr_id = ENCR_AES_GCM_16,
		.key_bits = 128,
		.family = 4,
		.n_ts_local = 1,
		.n_ts_remote = 1,
		.key_len = KEY,
		.group = 8,
	};

	memset(sa.key_in, (int)sa.spi_in, KEY);
	memset(sa.key_out, (int)sa.spi_out, KEY);
	ts(&sa.ts_local[0], w ? "10.1.0.0/24" : "10.2.0.0/24");
	ts(&sa.ts_remote[0], w ? "10.2.0.0/24" : "10.1.0.0/24");
	snprintf(sa.name, sizeof(sa.name), "home/net-%u", id);
	return sa;
}

int put(struct end *e, struct engine_sa sa)
{
	return request(e, &sa, ENGINE_SA_ADD, sizeof(sa), NULL, NULL);
}

int add(struct end *e, uint32_t id, uint32_t replaces, uint32_t flags)
{
	return put(e, sa_of(e, id, replaces, flags));
}

static void on_info(void *ctx, struct engine_hdr *h, size_t len)
{
	cr_assert_eq(h->type, ENGINE_SA_INFO);
	cr_assert_eq(len, sizeof(struct engine_sa_info));
	memcpy(ctx, h, len);
}

struct engine_sa_info info(struct end *e, uint32_t id)
{
	struct engine_sa_info i = { 0 };
	struct engine_id m = { .id = id };

	cr_assert_eq(request(e, &m, ENGINE_SA_GET, sizeof(m), on_info, &i), 0, "SA %u", id);
	return i;
}

static void count_sa(void *ctx, const struct xfrm_sa_info *i)
{
	(void)i;
	++*(unsigned *)ctx;
}

static void count_policy(void *ctx, const struct xfrm_policy *p)
{
	(void)p;
	++*(unsigned *)ctx;
}

/* FNV-1a of "tunk0", as kesp.c has it. */
uint32_t if_id(void)
{
	uint32_t h = 2166136261u;

	for (const char *c = "tunk0"; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	return h;
}

unsigned states(struct end *e)
{
	unsigned n = 0;

	cr_assert_eq(xfrm_sa_dump(e->x, if_id(), count_sa, &n), 0);
	return n;
}

unsigned policies(struct end *e)
{
	unsigned n = 0;

	cr_assert_eq(xfrm_policy_dump(e->x, if_id(), count_policy, &n), 0);
	return n;
}

unsigned files(struct end *e, const char *what)
{
	char cmd[256];
	FILE *f;
	unsigned n = 0;

	snprintf(cmd, sizeof(cmd), "ls %s/images 2>/dev/null | grep -c '^%s'", e->state, what);
	f = popen(cmd, "r");
	cr_assert(f);
	cr_assert_eq(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* ---- inner traffic ---- */

void send_one(struct end *from, uint32_t number)
{
	struct udp_meta m = { .remote.port = PORT };

	addr_parse(from == &west ? "10.1.0.1" : "10.2.0.1", &m.local.ip);
	addr_parse(from == &west ? "10.2.0.1" : "10.1.0.1", &m.remote.ip);
	udp_send(from->udp, &m, &number, sizeof(number));
}

/* Octets received: 0 if there is nothing. */
bool recv_one(struct end *at, uint32_t *ret_number)
{
	struct udp_meta m;

	return udp_recv(at->udp, PORT, ret_number, sizeof(*ret_number), &m) == sizeof(*ret_number);
}

/* It goes through, the first time. */
void carries(struct end *from, struct end *to)
{
	static uint32_t next = 1000;
	uint32_t want = next++, got = 0;

	send_one(from, want);
	wait_for(recv_one(to, &got));
	cr_assert_eq(got, want);
}
