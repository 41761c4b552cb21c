/* SPDX-License-Identifier: GPL-2.0-only */
/* ike_load initiate LOCAL REMOTE COUNT WINDOW [childless] [certs DIR]
 * ike_load respond LOCAL [certs DIR]
 *
 * Many IKE peers in one process: braid's core over two UDP sockets, without a data plane. Prepares
 * COUNT connections, then obeys words on standard input, each answered by one line when it is done:
 *   up N   the first N of them are up                "up N failed F usec T retransmits R"
 *   up N S the same, but after S seconds no more are begun: N is how many more there are
 *   down   all are deleted, WINDOW at a time         "down N failed F usec T retransmits R"
 *   quit
 * childless: the Child SA is offered with selectors that no responder accepts.
 * respond answers whoever knows the secret, and obeys
 *   wait N the Nth Child SA is up                    "wait N failed 0 usec T retransmits R"
 *          T: since the first request
 *
 * certs: with the certificates that ike_certs made in DIR; else with the secret in IKE_LOAD_PSK.
 * Proposals are aes128gcm16-prfsha256-x25519 and aes128gcm16. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/alg.h"
#include "crypto/x509.h"
#include "ike/ike.h"
#include "ikemsg/ikemsg.h"
#include "net/udp.h"

enum { MARKER = 4, PORT_IKE = 500, PORT_NATT = 4500, RCVBUF = 8 << 20, FILE_MAX = 8192 };

struct load {
	struct ike *ike;
	struct udp_addr local, remote;
	int fd[2];	/* ports 500 and 4500 */
	uint32_t count; /* connections */
	uint32_t window, next_spi;
	bool childless;
	const char *certs; /* directory, or NULL */
	struct trust *trust;
	struct ike_conn_cfg *conns;
	struct ike_child_cfg child;
	/* the running word */
	uint32_t begun, ended, failed;
	uint32_t children; /* Child SAs there are */
	usec_t first;	   /* when the first datagram came */
};

static usec_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "ike_load: %s: %s\n", what, strerror(err));
	exit(1);
}

/* ---- configuration ---- */

static int spi_alloc(void *ctx, uint32_t *ret_spi)
{
	*ret_spi = 0x10000000u + ((struct load *)ctx)->next_spi++;
	return 0;
}

static void spi_free(void *ctx, uint32_t spi)
{
	(void)ctx;
	(void)spi;
}

static void id_set(struct ike_id *id, const char *text)
{
	id->type = ID_FQDN;
	id->len = (uint16_t)strlen(text);
	memcpy(id->data, text, id->len);
}

static struct ike_ts ts_range(uint32_t first, uint32_t last)
{
	return (struct ike_ts){ .port_last = 65535,
				.first = addr_v4(first),
				.last = addr_v4(last) };
}

static const struct ike_proposal ike_offer = { .n_encr = 1,
					       .n_prf = 1,
					       .n_ke = 1,
					       .encr = { { ENCR_AES_GCM_16, 128 } },
					       .prf = { PRF_HMAC_SHA2_256 },
					       .ke = { KE_X25519 } };
static const struct ike_proposal esp_offer = {
	.n_encr = 1, .n_esn = 1, .encr = { { ENCR_AES_GCM_16, 128 } }, .esn = { ESN_NO }
};

static int64_t now_real(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static size_t slurp(const struct load *l, const char *name, const char *suffix,
		    uint8_t buf[FILE_MAX])
{
	char path[512];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s", l->certs, name, suffix);
	f = fopen(path, "r");
	if (f)
		n = fread(buf, 1, FILE_MAX, f);
	if (!n)
		die(path, errno);
	fclose(f);
	return n;
}

static void cas_load(struct load *l)
{
	uint8_t buf[FILE_MAX];
	size_t n = slurp(l, "ca", "pem", buf);

	l->trust = trust_new(CRL_OFF);
	if (!l->trust || trust_add_cas(l->trust, buf, n))
		die("ca.pem", EINVAL);
}

static struct cred *cred_of(const struct load *l, const char *name, const char *key)
{
	uint8_t buf[FILE_MAX];
	struct cred *c;
	struct pkey *k;

	if (cred_load(buf, slurp(l, name, "pem", buf), NULL, &c) ||
	    pkey_load(buf, slurp(l, key, "key", buf), NULL, &k) || !cred_take_key(c, k))
		die(name, EINVAL);
	return c;
}

/* cert, key: names of files. */
static void auth_set(struct load *l, struct ike_conn_cfg *c, const char *cert, const char *key)
{
	const char *psk = getenv("IKE_LOAD_PSK");

	if (l->certs) {
		c->local_auth = c->remote_auth = AUTH_BY_PUBKEY;
		c->n_creds = 1;
		c->creds[0] = cred_of(l, cert, key);
		c->trust = l->trust;
	} else if (!psk || secret_set(&c->psk, psk, strlen(psk))) {
		die("IKE_LOAD_PSK", EINVAL);
	}
}

static void conn_common(struct load *l, struct ike_conn_cfg *c, const char *name)
{
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->n_proposals = 1;
	c->proposals[0] = ike_offer;
	c->encap = true;
	c->n_children = 1;
	c->children = &l->child;
	snprintf(l->child.name, sizeof(l->child.name), "net");
	l->child.n_local_ts = l->child.n_remote_ts = l->child.n_proposals = 1;
	l->child.proposals[0] = esp_offer;
}

/* Peers that ask for a virtual address and reach 10.1.0.0/16; nobody lets them to 10.9.0.0/16. */
static void initiators(struct load *l)
{
	char name[IKE_NAME_MAX];

	l->conns = calloc(l->count, sizeof(*l->conns));
	if (!l->conns)
		die("connections", ENOMEM);
	for (uint32_t i = 0; i < l->count; i++) {
		struct ike_conn_cfg *c = &l->conns[i];

		snprintf(name, sizeof(name), "c%u", i);
		conn_common(l, c, name);
		auth_set(l, c, name, "client");
		c->n_remote_addrs = c->n_local_addrs = 1;
		c->local_addrs[0] = l->local.ip;
		c->remote_addrs[0] = l->remote.ip;
		snprintf(name, sizeof(name), "c%u.example.org", i);
		id_set(&c->local_id, name);
		id_set(&c->remote_id, "gw.example.org");
		c->n_vips = 1;
		c->vips[0].family = 4;
	}
	l->child.local_ts[0].dynamic = true;
	l->child.local_ts[0].port_last = 65535;
	l->child.remote_ts[0] =
		l->childless ? ts_range(0x0a090000, 0x0a09ffff) : ts_range(0x0a010000, 0x0a01ffff);
}

static void responder(struct load *l, struct ike_pool_cfg *pool)
{
	struct ike_conn_cfg *c = calloc(1, sizeof(*c));

	if (!c)
		die("connection", ENOMEM);
	l->count = 1;
	l->conns = c;
	conn_common(l, c, "rw");
	auth_set(l, c, "gw", "gw");
	id_set(&c->local_id, "gw.example.org");
	c->n_pools = 1;
	snprintf(c->pools[0], sizeof(c->pools[0]), "p");
	snprintf(pool->name, sizeof(pool->name), "p");
	pool->first = addr_v4(0x0a020001);
	pool->last = addr_v4(0x0a02fffe);
	l->child.remote_ts[0].dynamic = true;
	l->child.remote_ts[0].port_last = 65535;
	l->child.local_ts[0] = ts_range(0x0a010000, 0x0a01ffff);
}

static void core_new(struct load *l, struct ike_pool_cfg *pool)
{
	struct ike_cfg cfg = { .cookie_threshold = 1000000,
			       .half_open_max = 1000000,
			       .n_conns = (uint16_t)l->count,
			       .n_pools = pool ? 1 : 0,
			       .conns = l->conns,
			       .pools = pool };
	struct ike_env env = {
		.ctx = l, .spi_alloc = spi_alloc, .spi_free = spi_free, .now_real = now_real
	};

	l->ike = ike_new(&cfg, &env, now());
	if (!l->ike)
		die("core", ENOMEM);
	for (uint32_t i = 0; l->certs && i < l->count; i++)
		cred_unref(l->conns[i].creds[0]);
	trust_unref(l->trust);
	free(l->conns);
}

static void sockets_open(struct load *l)
{
	static const uint16_t ports[2] = { PORT_IKE, PORT_NATT };
	int buf = RCVBUF;

	for (int i = 0; i < 2; i++) {
		int err = udp_open(l->local.ip.family, ports[i], &l->fd[i]);

		if (err)
			die("UDP port 500 or 4500", -err);
		setsockopt(l->fd[i], SOL_SOCKET, SO_RCVBUFFORCE, &buf, sizeof(buf));
	}
}

/* ---- datagrams and events ---- */

static void on_send(struct load *l, const struct ike_output *o)
{
	static uint8_t buf[MARKER + 65536];
	struct udp_meta m = { o->path.local, o->path.remote, o->path.ifindex };

	memcpy(buf + MARKER, o->buf, o->len); /* before it: the non-ESP marker, zeros */
	if (o->marker)
		udp_send(l->fd[1], &m, buf, MARKER + o->len);
	else
		udp_send(l->fd[0], &m, buf + MARKER, o->len);
}

/* A set-up ends with the Child SA or without: one of these either way. */
static void on_event(struct load *l, const struct ike_output *o)
{
	switch (o->event) {
	case IKE_EV_CHILD_UP:
	case IKE_EV_IKE_DOWN:
		l->ended++;
		break;
	case IKE_EV_FAILED:
		l->ended++;
		if (l->childless && o->failure == IKE_FAIL_REFUSED && o->notify)
			break;
		l->failed++;
		fprintf(stderr, "ike_load: %s: %s\n", o->conn, o->text);
		break;
	case IKE_EV_IKE_UP:
	case IKE_EV_IKE_REKEYED:
	case IKE_EV_CLONED:
	case IKE_EV_CHILD_DOWN:
	case IKE_EV_CHILD_REKEYED:
	case IKE_EV_PEER_MOVED:
	case IKE_EV_MOVED:
	case IKE_EV_MOVE_REFUSED:
	case IKE_EV_PEER_ADDRS:
	case IKE_EV_UNANSWERED:
	case IKE_EV_PATH_ANSWERED:
	case IKE_EV_PATH_TESTED:
	case IKE_EV_SESSION:
	case IKE_EV_MMX_ANSWERED:
	case IKE_EV_MMX_PROBED:
	case IKE_EV_MMX_PEER_IFACES:
	case IKE_EV_MMX_CHANGED:
	case IKE_EV_STEP:
		break;
	}
}

static void drain(struct load *l)
{
	const struct ike_output *o;

	while ((o = ike_next_output(l->ike))) {
		switch (o->kind) {
		case IKE_OUT_SEND:
			on_send(l, o);
			break;
		case IKE_OUT_EVENT:
			on_event(l, o);
			break;
		case IKE_OUT_CHILD_ADD:
			l->children++;
			break;
		case IKE_OUT_CHILD_DEL:
			l->children--;
			break;
		case IKE_OUT_SIZE:
		case IKE_OUT_BINDING:
		case IKE_OUT_CHILD_BIND:
		case IKE_OUT_CHILD_TS:
			break;
		}
	}
}

static void receive(struct load *l, int which)
{
	static uint8_t buf[65536];
	struct udp_meta m;

	for (int i = 0; i < 64; i++) {
		size_t skip = which ? MARKER : 0;
		int n = udp_recv(l->fd[which], which ? PORT_NATT : PORT_IKE, buf, sizeof(buf), &m);
		struct ike_path path;

		if (n < 0)
			return;
		if ((size_t)n <= skip || (which && memcmp(buf, "\0\0\0", MARKER)))
			continue; /* a keepalive, or ESP */
		if (!l->first)
			l->first = now();
		path = (struct ike_path){ m.local, m.remote, 0 };
		ike_recv(l->ike, &path, buf + skip, (size_t)n - skip, now());
		drain(l);
	}
}

/* One turn of the loop. False: a word has come on standard input, or its end. */
static bool turn(struct load *l, bool listen)
{
	struct pollfd p[3] = { { l->fd[0], POLLIN, 0 },
			       { l->fd[1], POLLIN, 0 },
			       { listen ? STDIN_FILENO : -1, POLLIN, 0 } };
	usec_t next = ike_deadline(l->ike), at = now();
	int msec = next == USEC_NEVER ? -1 : next <= at ? 0 : (int)((next - at + 999) / 1000);

	if (poll(p, 3, msec) < 0 && errno != EINTR)
		die("poll", errno);
	for (int i = 0; i < 2; i++)
		if (p[i].revents)
			receive(l, i);
	if (ike_deadline(l->ike) <= now()) {
		ike_tick(l->ike, now());
		drain(l);
	}
	return !p[2].revents;
}

/* ---- words ---- */

static void answer(const char *word, uint32_t n, const struct load *l, usec_t begin,
		   uint64_t retransmits)
{
	printf("%s %u failed %u usec %llu retransmits %llu\n", word, n, l->failed,
	       (unsigned long long)(now() - begin), (unsigned long long)retransmits);
	fflush(stdout);
}

/* Returns where it ended. */
static uint32_t run(struct load *l, const char *word, uint32_t first, uint32_t end, bool up,
		    usec_t until)
{
	struct ike_path path = { .local = l->local, .remote = l->remote };
	struct ike_counters before, after;
	usec_t begin = now();
	char name[IKE_NAME_MAX];

	ike_counters_get(l->ike, &before);
	l->begun = l->ended = l->failed = 0;
	while (l->ended < end - first) {
		if (now() >= until) {
			end = first + l->begun;
			until = USEC_NEVER;
		}
		while (l->begun < end - first && l->begun - l->ended < l->window) {
			int err;

			snprintf(name, sizeof(name), "c%u", first + l->begun++);
			err = up ? ike_up(l->ike, name, NULL, &path, 0, now())
				 : ike_down(l->ike, name, NULL, 0, now());
			if (err) {
				fprintf(stderr, "ike_load: %s: %s\n", name, strerror(-err));
				l->ended++;
				l->failed++;
			}
			drain(l);
		}
		if (l->ended < end - first)
			turn(l, false);
	}
	/* one that went again by itself is no set-up */
	if (up && !l->childless && l->children < end)
		l->failed += end - l->children;
	ike_counters_get(l->ike, &after);
	answer(word, end - first, l, begin, after.retransmits - before.retransmits);
	return end;
}

static void obey(struct load *l)
{
	uint32_t up = 0, n, sec;
	char line[64];
	int k;

	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		while (turn(l, true))
			;
		if (!fgets(line, sizeof(line), stdin) || !strcmp(line, "quit\n"))
			return;
		if (sscanf(line, "wait %u", &n) == 1) {
			while (l->children < n)
				turn(l, false);
			answer("wait", n, l, l->first, 0);
		} else if ((k = sscanf(line, "up %u %u", &n, &sec)) >= 1 && n >= up &&
			   n <= l->count) {
			up = run(l, "up", up, n, true,
				 k > 1 ? now() + sec * USEC_PER_SEC : USEC_NEVER);
		} else if (!strcmp(line, "down\n")) {
			run(l, "down", 0, up, false, USEC_NEVER);
			up = 0;
		} else {
			die(line, EINVAL);
		}
	}
}

static int usage(void)
{
	fprintf(stderr,
		"usage: ike_load initiate LOCAL REMOTE COUNT WINDOW [childless] [certs DIR]\n"
		"       ike_load respond LOCAL [certs DIR]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct load l;
	static struct ike_pool_cfg pool;
	bool initiate = argc >= 6 && !strcmp(argv[1], "initiate");

	if ((!initiate && (argc < 3 || strcmp(argv[1], "respond"))) ||
	    addr_parse(argv[2], &l.local.ip) || (initiate && addr_parse(argv[3], &l.remote.ip)))
		return usage();
	for (int i = initiate ? 6 : 3; i < argc; i++) {
		if (initiate && !strcmp(argv[i], "childless"))
			l.childless = true;
		else if (!strcmp(argv[i], "certs") && i + 1 < argc)
			l.certs = argv[++i];
		else
			return usage();
	}
	log_set_level(LOG_ERR_);
	l.local.port = l.remote.port = PORT_IKE;
	if (l.certs)
		cas_load(&l);
	if (initiate) {
		l.count = (uint32_t)strtoul(argv[4], NULL, 10);
		l.window = (uint32_t)strtoul(argv[5], NULL, 10);
		if (!l.count || l.count > UINT16_MAX || !l.window)
			die("COUNT or WINDOW", EINVAL);
		initiators(&l);
	} else {
		responder(&l, &pool);
	}
	sockets_open(&l);
	core_new(&l, initiate ? NULL : &pool);
	printf("ready\n");
	fflush(stdout);
	obey(&l);
	ike_free(l.ike);
	return 0;
}
