/* SPDX-License-Identifier: GPL-2.0-only */
/* What it costs two IKE cores that 1, 100 or 5,000 Child SAs get to another interface of a host,
 * move from there to a third one, and go: by one request of MMX each (ADD_IF, UPDATE, DEL_IF), and
 * by an exchange for each SA, which is what IKEv2 has for it (CREATE_CHILD_SA, Delete), as many at
 * a time as the window has, or one, as peers have that announce none (strongSwan). Messages and
 * octets of IP, allocations, processor time of both ends; that of keys is told apart. Prints a
 * table and writes JSON lines to <build>/bench/mmx.jsonl (argument: that directory).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../sim/duo.h"
#include "base/log.h"
#include "crypto/alg.h"
#include "crypto/prf.h"
#include "ike/mmx.h"

enum { RTT_MS = 50, RUNS = 5, WINDOW = 4, IFACES = 3, IP_UDP = 28, MARKER = 4, KEYMAT = 72 };
/* Of each end, for 1,000 derived SAs without their keys. */
enum { LIMIT_USEC_PER_1000 = 5000 };

/* ---- allocations ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static size_t allocations;

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

/* ---- two cores ---- */

struct cost {
	unsigned requests, datagrams;
	size_t octets, allocations;
	double usec; /* of processor time, of both */
};

static FILE *json;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bench_mmx: %s\n", what);
	exit(1);
}

static double cpu_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t line_of(const struct duo *d, int who)
{
	struct ike_sa_info info;

	if (!ike_sa_at(d->e[who].ike, 0, &info))
		die("no IKE SA");
	return info.line;
}

static unsigned children_of(const struct duo *d, int who)
{
	struct ike_sa_info info;

	return ike_sa_at(d->e[who].ike, 0, &info) ? info.n_children : 0;
}

/* A request that is cut is one all the same. */
static void deliver(struct duo *d, struct cost *c)
{
	uint32_t last = UINT32_MAX;
	struct duo_msg m;

	while (duo_take(d, &m)) {
		c->datagrams++;
		c->octets += m.len + IP_UDP + MARKER;
		uint32_t id = (uint32_t)m.buf[23] | (uint32_t)m.buf[22] << 8 | (uint32_t)m.to << 31;
		c->requests += !(m.buf[19] & IKE_FLAG_RESPONSE) && id != last;
		last = m.buf[19] & IKE_FLAG_RESPONSE ? last : id;
		allocations--; /* its copy */
		duo_deliver(d, &m);
	}
}

/* Also what waits a moment. */
static void pump(struct duo *d, struct cost *c)
{
	deliver(d, c);
	duo_wait(d, USEC_PER_SEC);
	deliver(d, c);
}

static struct cost begin(void)
{
	return (struct cost){ .usec = -cpu_usec(), .allocations = -allocations };
}

static struct cost end(struct duo *d, struct cost c)
{
	pump(d, &c);
	c.usec += cpu_usec();
	c.allocations += allocations;
	return c;
}

static struct mmx_iface iface(int who, unsigned k)
{
	struct mmx_iface f = { .ifid = (uint16_t)k,
			       .flags = MMX_IFACE_UP,
			       .n = 1,
			       .ep = { { .epid = (uint16_t)k } } };

	f.ep[0].addr = duo_path(who, 4500).local.ip;
	f.ep[0].addr.b[3] = (uint8_t)k;
	return f;
}

static void probe(struct duo *d, uint32_t path)
{
	struct cost c = { 0 };

	if (ike_mmx_probe(d->e[DUO_I].ike, line_of(d, DUO_I), path, false, 1, d->now))
		die("no probe");
	pump(d, &c);
}

/* Window is what both announce; all paths have been tried. */
static struct duo *up(unsigned window)
{
	struct mmx_iface ifaces[2][IFACES];
	struct cost c = { 0 };
	struct duo *d = duo_new();

	if (!d)
		die("memory");
	for (int who = 0; who < 2; who++) {
		struct ike_conn_cfg *conn = &d->side[who].conn;

		conn->mobike = true;
		conn->mmx = IKE_MMX_YES;
		conn->window = (uint8_t)window;
		conn->n_local_addrs = 0;
		if (who == DUO_R)
			conn->n_remote_addrs = 0;
		conn->child_sas_max = IKE_CHILDREN_TOP;
		conn->derived_max = IKE_CHILDREN_TOP;
	}
	if (duo_start(d))
		die("memory");
	for (int who = 0; who < 2; who++) {
		for (unsigned k = 0; k < IFACES; k++)
			ifaces[who][k] = iface(who, k + 1);
		ike_ifaces_set(d->e[who].ike, "duo", ifaces[who], IFACES, d->now);
	}
	if (duo_up(d))
		die("no IKE SA");
	pump(d, &c);
	if (!ike_mmx_on(d->e[DUO_I].ike, line_of(d, DUO_I), NULL))
		die("no MMX");
	for (uint32_t k = 2; k <= IFACES; k++)
		probe(d, k << 16 | 1);
	return d;
}

/* ---- what is done ---- */

static struct mmx_ep *ep(struct mmx_action *a, enum mmx_role role, uint16_t epid)
{
	struct mmx_tlv *t = mmx_add(&a->tlvs, MMX_TLV_EP);

	t->ep = (struct mmx_ep){ .role = (uint8_t)role, .epid = epid };
	return &t->ep;
}

static struct cost by_mmx(struct duo *d, const struct mmx_action *a)
{
	struct cost c = begin();

	if (ike_mmx_ask(d->e[DUO_I].ike, line_of(d, DUO_I), a, 1, 2, d->now))
		die("MMX is not asked for");
	duo_wait(d, 0);
	return end(d, c);
}

static struct cost derive(struct duo *d)
{
	struct mmx_action a = { .code = MMX_ADD_IF, .flags = MMX_ACTION_PARALLEL };

	ep(&a, MMX_ROLE_NEW, 2);
	return by_mmx(d, &a);
}

static struct cost move(struct duo *d)
{
	struct mmx_action a = { .code = MMX_UPDATE };

	ep(&a, MMX_ROLE_OLD, 2);
	ep(&a, MMX_ROLE_NEW, 3);
	return by_mmx(d, &a);
}

static struct cost drop(struct duo *d)
{
	struct mmx_action a = { .code = MMX_DEL_IF };

	ep(&a, MMX_ROLE_OLD, 3);
	return by_mmx(d, &a);
}

/* One after the other: with a window there could be several on the way, at the same cost. */
static struct cost create(struct duo *d, unsigned n, uint16_t epid)
{
	const struct ike_outer_wish w = {
		.mode = MMX_OUTER_SINGLE, .n_own = 1, .own = { epid }, .n_peer = 1, .peer = { 1 }
	};
	struct cost c = begin();

	for (unsigned i = 0; i < n; i++) {
		if (ike_up_line_outer(d->e[DUO_I].ike, line_of(d, DUO_I), "net", &w, 0, d->now))
			die("no Child SA is asked for");
		duo_wait(d, 0);
		deliver(d, &c);
	}
	return end(d, c);
}

/* The last n, by Deletes of their own. */
static struct cost delete_each(struct duo *d, unsigned n)
{
	struct ike *ike = d->e[DUO_I].ike;
	uint32_t *ids = calloc(n, sizeof(*ids));
	struct ike_child_info info;
	unsigned all = children_of(d, DUO_I), i = 0;
	struct cost c;

	if (!ids)
		die("memory");
	const struct ike_sa *sa = ike_sa_first(ike);
	for (const struct child_sa *ch = ike_child_next(sa, NULL); ch;
	     ch = ike_child_next(sa, ch), i++) {
		ike_child_look(ch, &info);
		if (i >= all - n)
			ids[i - (all - n)] = info.id;
	}
	c = begin();
	for (i = 0; i < n; i++)
		ike_child_install_failed(ike, ids[i], d->now);
	duo_wait(d, 0);
	c = end(d, c);
	free(ids);
	return c;
}

/* ---- figures ---- */

/* What the keys of n SAs cost both ends, by whatever exchange. */
static double keys_usec(unsigned n)
{
	uint8_t sk_d[32] = { 1 }, in[80] = { 2 }, out[KEYMAT];
	struct chunk chunk = { in, sizeof(in) };
	double t = cpu_usec();

	for (unsigned i = 0; i < 2 * n; i++)
		if (prf_plus(PRF_HMAC_SHA2_256, sk_d, sizeof(sk_d), &chunk, 1, out, sizeof(out)))
			die("prf");
	return cpu_usec() - t;
}

static void print(const char *what, const char *how, unsigned n, unsigned at_once,
		  const struct cost *c, double keys)
{
	unsigned rounds = (c->requests + at_once - 1) / at_once;

	printf("%-7s %5u  %-28s %6u %9u %11zu %9.1f %9.2f %9.2f %11zu\n", what, n, how, c->requests,
	       c->datagrams, c->octets, (double)rounds * RTT_MS / 1e3, c->usec / 1e3, keys / 1e3,
	       c->allocations);
	fprintf(json,
		"{\"bench\":\"mmx\",\"what\":\"%s\",\"sas\":%u,\"how\":\"%s\",\"requests\":%u,"
		"\"datagrams\":%u,\"octets\":%zu,\"round_trips\":%u,\"cpu_usec\":%.1f,"
		"\"keys_usec\":%.1f,\"allocations\":%zu}\n",
		what, n, how, c->requests, c->datagrams, c->octets, rounds, c->usec, keys,
		c->allocations);
}

static void least(struct cost *best, const struct cost *c, bool first)
{
	if (first || c->usec < best->usec)
		*best = *c;
}

static void want(const struct duo *d, unsigned n, const char *what)
{
	if (children_of(d, DUO_I) != n || children_of(d, DUO_R) != n)
		die(what);
}

/* Microseconds of processor time of one end for a thousand derived SAs, without keys. */
static double round_of(unsigned n)
{
	struct cost add = { 0 }, upd = { 0 }, del = { 0 }, new, gone;
	double keys = keys_usec(n);
	unsigned runs = n > 1000 ? 2 : RUNS;
	struct duo *d = up(WINDOW);

	new = create(d, n - 1, 1);
	want(d, n, "not all were created");
	for (unsigned i = 0; i < runs; i++) {
		struct cost a = derive(d), u, x;

		want(d, 2 * n, "not all were derived");
		u = move(d);
		x = drop(d);
		want(d, n, "not all were deleted");
		least(&add, &a, !i);
		least(&upd, &u, !i);
		least(&del, &x, !i);
	}
	duo_free(d);
	d = up(WINDOW);
	new = create(d, n, 2);
	gone = delete_each(d, n);
	want(d, 1, "not all were deleted one by one");
	duo_free(d);
	print("derive", "MMX ADD_IF", n, 1, &add, keys);
	print("derive", "CREATE_CHILD_SA, window 4", n, WINDOW, &new, keys);
	print("derive", "CREATE_CHILD_SA, window 1", n, 1, &new, keys);
	print("move", "MMX UPDATE", n, 1, &upd, 0);
	print("delete", "MMX DEL_IF", n, 1, &del, 0);
	print("delete", "Delete, window 4", n, WINDOW, &gone, 0);
	return (add.usec - keys) / 2 * 1000 / n;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "build/bench";
	char file[4096];
	double each;

	log_set_level(getenv("V") ? LOG_DEBUG_ : LOG_ERR_);
	if (mkdir(dir, 0777) && errno != EEXIST)
		die("cannot make the directory");
	snprintf(file, sizeof(file), "%s/mmx.jsonl", dir);
	json = fopen(file, "w");
	if (!json)
		die("cannot write the results");
	printf("%-7s %5s  %-28s %6s %9s %11s %9s %9s %9s %11s\n", "", "SAs", "how", "asked",
	       "datagrams", "octets", "s at 50ms", "ms of CPU", "for keys", "allocations");
	round_of(1);
	round_of(100);
	each = round_of(1000);
	round_of(5000);
	printf("\n1,000 derived SAs cost each end %.2f ms without their keys (at most %.0f)\n",
	       each / 1e3, LIMIT_USEC_PER_1000 / 1e3);
	if (fclose(json))
		die("cannot write the results");
	return each > LIMIT_USEC_PER_1000;
}
