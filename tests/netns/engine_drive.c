/* SPDX-License-Identifier: GPL-2.0-only */
/* Plays the agent for one engine: installs SAs with fixed keys, prints counters. For tests and
 * measurements of the engine alone; the stable pair is the hosts' real addresses. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/types.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/steer.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/client.h"
#include "esp/proto.h"

static const struct suite {
	const char *name;
	uint16_t encr, bits, integ;
} suites[] = {
	{ "aes128gcm16", ENCR_AES_GCM_16, 128, INTEG_NONE },
	{ "aes256gcm16", ENCR_AES_GCM_16, 256, INTEG_NONE },
	{ "chacha20poly1305", ENCR_CHACHA20_POLY1305, 0, INTEG_NONE },
	{ "aes128cbc-sha256", ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
	{ "aes256cbc-sha512", ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
};

static const char usage[] =
	"usage: engine_drive SOCKET config TUN LOCAL REMOTE [local6=] [remote6=] [driver=openssl] "
	"[workers=N] [busy=USEC]\n"
	"       engine_drive SOCKET sa ID a|b LOCAL-PREFIX REMOTE-PREFIX "
	"[suite=NAME] [esn] [plain] [outer6]\n"
	"                          [replaces=ID] [defer] [probes] [dscp-out] [dscp-in] "
	"[room=OCTETS] [tfc=OCTETS]\n"
	"                          [line=N] [group=ID] [soft=N] [hard=N]\n"
	"                          [held=N] [late=N] [refused=N]\n"
	"           with the last three: expect its SPI, and install it when N packets wait, were "
	"late,\n"
	"           or N of them found no room\n"
	"       engine_drive SOCKET del|retire|on|pathdel ID\n"
	"       engine_drive SOCKET path ID SA LOCAL REMOTE USEC [join] [line=N] [group=ID] "
	"[dev=NAME] [manage] [rate=MBIT]\n"
	"       engine_drive SOCKET want ID 0|1\n"
	"       engine_drive SOCKET maps PIN-DIR\n"
	"       engine_drive SOCKET list|stats|shutdown|hello|garbage\n"
	"       engine_drive SOCKET watch SECONDS\n";

static void die(const char *what, int r)
{
	fprintf(stderr, "engine_drive: %s: %s\n", what, strerror(-r));
	exit(1);
}

static const char *option(int argc, char **argv, const char *key)
{
	size_t n = strlen(key);

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], key, n) == 0)
			return argv[i] + n;
	return NULL;
}

static void print_msg(void *ctx, const struct engine_hdr *h, size_t len)
{
	char a[ADDR_PORT_STR], b[ADDR_PORT_STR];

	(void)ctx;
	(void)len;
	switch (h->type) {
	case ENGINE_SA_INFO: {
		const struct engine_sa_info *i = (const void *)h;

		printf("sa %u spi_in %08x out %d seq_out %llu in %llu %llu out %llu %llu "
		       "replay %llu integrity %llu malformed %llu ts %llu ecn %llu dummies %llu "
		       "duplicates %llu driver %s\n",
		       i->id, i->spi_in, i->out_active, (unsigned long long)i->seq_out,
		       (unsigned long long)i->in_packets, (unsigned long long)i->in_octets,
		       (unsigned long long)i->out_packets, (unsigned long long)i->out_octets,
		       (unsigned long long)i->drop_replay, (unsigned long long)i->drop_integrity,
		       (unsigned long long)i->drop_malformed, (unsigned long long)i->drop_ts,
		       (unsigned long long)i->drop_ecn, (unsigned long long)i->dummies,
		       (unsigned long long)i->duplicates, i->driver);
		return;
	}
	case ENGINE_PATH_INFO:
	case ENGINE_EV_PATH:
	case ENGINE_EV_MEASURED: {
		const struct engine_path_info *i = (const void *)h;

		printf("path %u state %u verified %u use %u rtt %u loss %u there %d back %d tx "
		       "%llu "
		       "rx %llu %s observed %s one_way %u lost %u\n",
		       i->id, i->state, i->verified, i->peer_want, i->rtt_usec, i->loss_permille,
		       (int)i->loss_there_permille, (int)i->loss_back_permille,
		       (unsigned long long)i->probes_tx, (unsigned long long)i->probes_rx,
		       udp_addr_format(&i->remote, a), udp_addr_format(&i->observed, b), i->one_way,
		       i->lost);
		return;
	}
	case ENGINE_COUNTERS: {
		const struct engine_counters *c = (const void *)h;

		printf("too_big %llu fragmented %llu tun_rx %llu tun_tx %llu udp_rx %llu udp_tx "
		       "%llu "
		       "no_policy %llu "
		       "unknown_spi %llu short %llu send %llu tun %llu keepalives %llu "
		       "malformed %llu crypto %llu limit %llu held %llu full %llu late %llu "
		       "waited %llu missed %llu behind %llu no_room %llu yielded %llu ended %llu\n",
		       (unsigned long long)c->drop_too_big, (unsigned long long)c->fragmented,
		       (unsigned long long)c->tun_rx_packets, (unsigned long long)c->tun_tx_packets,
		       (unsigned long long)c->udp_rx_datagrams,
		       (unsigned long long)c->udp_tx_datagrams,
		       (unsigned long long)c->drop_no_policy,
		       (unsigned long long)c->drop_unknown_spi, (unsigned long long)c->drop_short,
		       (unsigned long long)c->drop_send, (unsigned long long)c->drop_tun,
		       (unsigned long long)c->keepalives, (unsigned long long)c->drop_malformed,
		       (unsigned long long)c->crypto_errors, (unsigned long long)c->drop_limit,
		       (unsigned long long)c->held, (unsigned long long)c->drop_hold_full,
		       (unsigned long long)c->drop_hold_late, (unsigned long long)c->bond_waited,
		       (unsigned long long)c->bond_missed, (unsigned long long)c->bond_late,
		       (unsigned long long)c->bond_full, (unsigned long long)c->bond_yielded,
		       (unsigned long long)c->bond_ended);
		return;
	}
	case ENGINE_HELLO_INFO: {
		const struct engine_hello *e = (const void *)h;

		printf("pid %u workers %u crypto %s tun %s\n", e->pid, e->workers, e->crypto,
		       e->tun);
		return;
	}
	case ENGINE_EV_JOIN: {
		const struct engine_join *j = (const void *)h;

		printf("join sa %u epids %08x use %u remote %s\n", j->sa_id, j->epids, j->use,
		       udp_addr_format(&j->remote, a));
		return;
	}
	case ENGINE_EV_SA_SEEN:
		printf("seen %u\n", ((const struct engine_seen *)h)->id);
		return;
	case ENGINE_EV_SA_LIMIT:
		printf("limit %u hard %u\n", ((const struct engine_limit *)h)->id,
		       ((const struct engine_limit *)h)->hard);
		return;
	case ENGINE_EV_IKE_RECV: {
		const struct engine_dgram *d = (const void *)h;

		printf("ike %u octets from %s\n", d->len, udp_addr_format(&d->remote, a));
		return;
	}
	default:
		printf("message %u\n", h->type);
	}
}

static struct addr address(const char *s)
{
	struct addr a;

	if (addr_parse(s, &a) < 0)
		die(s, -EINVAL);
	return a;
}

static struct engine_ts selector(const char *s)
{
	struct engine_ts ts = { .port_last = 65535 };
	struct addr a;
	uint8_t len;

	if (addr_parse_prefix(s, &a, &len) < 0)
		die(s, -EINVAL);
	addr_prefix_range(&a, len, &ts.first, &ts.last);
	return ts;
}

static void config(int argc, char **argv, struct engine_config *c)
{
	struct addr local = address(argv[1]), remote = address(argv[2]);
	const char *o;

	c->h.type = ENGINE_CONFIG;
	snprintf(c->tun, sizeof(c->tun), "%s", argv[0]);
	c->tun_mtu = 1400;
	c->port = c->stable_port = 4500;
	if (local.family == 4) {
		c->stable4_local = local;
		c->stable4_remote = remote;
	} else {
		c->stable6_local = local;
		c->stable6_remote = remote;
	}
	o = option(argc, argv, "local6=");
	if (o)
		c->stable6_local = address(o);
	o = option(argc, argv, "remote6=");
	if (o)
		c->stable6_remote = address(o);
	o = option(argc, argv, "driver=");
	if (o)
		c->crypto_driver =
			strcmp(o, "openssl") ? AEAD_DRIVER_IPSEC_MB : AEAD_DRIVER_OPENSSL;
	o = option(argc, argv, "workers=");
	if (o)
		c->workers = (uint8_t)atoi(o);
	o = option(argc, argv, "busy=");
	if (o)
		c->busy_poll = (uint8_t)atoi(o);
}

/* Side a's outbound key is side b's inbound one. */
static void sa(int argc, char **argv, struct engine_sa *s)
{
	const char *name = option(argc, argv, "suite="), *o;
	bool a = argv[1][0] == 'a';
	struct aead_sizes size;
	const struct suite *suite = &suites[0];

	for (size_t i = 0; name && i < sizeof(suites) / sizeof(suites[0]); i++)
		if (strcmp(suites[i].name, name) == 0)
			suite = &suites[i];
	s->h.type = ENGINE_SA_ADD;
	s->id = (uint32_t)atoi(argv[0]);
	s->spi_in = STEER_SPI(a ? 0xa0 : 0xb0, s->id);
	s->spi_out = STEER_SPI(a ? 0xb0 : 0xa0, s->id);
	s->mark = STEER_MARK(0, 0, s->id);
	s->encr_id = suite->encr;
	s->key_bits = suite->bits;
	s->integ_id = suite->integ;
	if (!aead_sizes(&(struct aead_spec){ suite->encr, suite->bits, suite->integ }, &size))
		die("suite", -ENOTSUP);
	s->key_len = (uint8_t)(size.key + size.salt);
	s->integ_len = (uint8_t)size.integ;
	memset(s->key_in, a ? 1 : 2, s->key_len);
	memset(s->key_out, a ? 2 : 1, s->key_len);
	memset(s->integ_in, a ? 3 : 4, s->integ_len);
	memset(s->integ_out, a ? 4 : 3, s->integ_len);
	s->family = option(argc, argv, "outer6") ? 6 : 4;
	s->n_ts_local = s->n_ts_remote = 1;
	s->ts_local[0] = selector(argv[2]);
	s->ts_remote[0] = selector(argv[3]);
	s->flags = option(argc, argv, "plain") ? 0 : ENGINE_SA_ENCAP;
	s->flags |= a ? ENGINE_SA_ROLE_I : 0;
	s->flags |= option(argc, argv, "esn") ? ENGINE_SA_ESN : 0;
	s->flags |= option(argc, argv, "defer") ? ENGINE_SA_DEFER_OUT : 0;
	s->flags |= option(argc, argv, "probes") ? ENGINE_SA_PROBES : 0;
	s->flags |= option(argc, argv, "dscp-out") ? ENGINE_SA_DSCP_OUT : 0;
	s->flags |= option(argc, argv, "dscp-in") ? ENGINE_SA_DSCP_IN : 0;
	o = option(argc, argv, "line=");
	if (o)
		s->line = (uint32_t)atoi(o);
	o = option(argc, argv, "group=");
	if (o)
		s->group = (uint32_t)atoi(o);
	o = option(argc, argv, "soft=");
	if (o)
		s->soft_packets = (uint64_t)atoi(o);
	o = option(argc, argv, "hard=");
	if (o)
		s->hard_packets = (uint64_t)atoi(o);
	o = option(argc, argv, "tfc=");
	if (o)
		s->tfc = (uint32_t)atol(o);
	o = option(argc, argv, "room=");
	if (o)
		s->room = (uint32_t)atoi(o);
	o = option(argc, argv, "replaces=");
	if (o)
		s->replaces = (uint32_t)atoi(o);
}

static void keep_counters(void *ctx, const struct engine_hdr *h, size_t len)
{
	(void)len;
	if (h->type == ENGINE_COUNTERS)
		memcpy(ctx, h, sizeof(struct engine_counters));
}

/* Expect the SPI and wait until its packets fare as asked for. Within one connection: an agent that
 * goes expects nothing. */
static void expect(int fd, int argc, char **argv, uint32_t spi)
{
	const char *held = option(argc, argv, "held="), *late = option(argc, argv, "late="),
		   *refused = option(argc, argv, "refused=");
	struct engine_spi m = { .h.type = ENGINE_SPI, .spi = spi, .expected = 1 };
	struct engine_counters first = { 0 }, now;
	struct engine_hdr stats = { .seq = 1, .type = ENGINE_STATS };
	int r = engine_call(fd, &stats, sizeof(stats), NULL, 5000, keep_counters, &first);

	if (r == 0)
		r = engine_send(fd, &m.h, sizeof(m), NULL);
	puts("expected");
	fflush(stdout);
	now = first;
	for (int i = 0; r == 0 && i < 1000; i++) {
		if (now.held - first.held >= (uint64_t)(held ? atoi(held) : 0) &&
		    now.drop_hold_late - first.drop_hold_late >=
			    (uint64_t)(late ? atoi(late) : 0) &&
		    now.drop_hold_full - first.drop_hold_full >=
			    (uint64_t)(refused ? atoi(refused) : 0))
			return;
		usleep(10000);
		r = engine_call(fd, &stats, sizeof(stats), NULL, 5000, keep_counters, &now);
	}
	die("expect", r < 0 ? r : -ETIMEDOUT);
}

static void path(int argc, char **argv, struct engine_path *p)
{
	const char *o;

	p->h.type = ENGINE_PATH_ADD;
	p->id = (uint32_t)atoi(argv[0]);
	p->sa_id = (uint32_t)atoi(argv[1]);
	p->local = (struct udp_addr){ address(argv[2]), 4500 };
	p->remote = (struct udp_addr){ address(argv[3]), 4500 };
	p->interval_usec = (uint32_t)atoi(argv[4]);
	p->epids = 1 << 16 | 1;
	p->join = option(argc, argv, "join") != NULL;
	p->manage = option(argc, argv, "manage") != NULL;
	o = option(argc, argv, "dev=");
	if (o)
		p->ifindex = if_nametoindex(o);
	o = option(argc, argv, "group=");
	if (o)
		p->group = (uint32_t)atoi(o);
	o = option(argc, argv, "line=");
	if (o)
		p->line = (uint32_t)atoi(o);
	o = option(argc, argv, "rate=");
	if (o)
		p->rate_bps = (uint64_t)atoi(o) * 1000000;
}

static void maps(const char *pin_dir, struct engine_maps *m, struct engine_fds *ret_fds)
{
	static const char *const names[ENGINE_MAP_N] = { "path_cur", "group_cur", "group", "path" };

	m->h.type = ENGINE_MAPS;
	for (int i = 0; i < ENGINE_MAP_N; i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		char file[256];

		snprintf(file, sizeof(file), "%s/%s", pin_dir, names[i]);
		ret_fds->fd[i] = bpf_obj_get(file);
		if (ret_fds->fd[i] < 0 || bpf_obj_get_info_by_fd(ret_fds->fd[i], &info, &len) < 0)
			die(file, -errno);
		m->entries[i] = info.max_entries;
	}
	ret_fds->n = ENGINE_MAP_N;
}

/* Commands that take an id; 0: it is none of them. */
static uint16_t of_id(const char *cmd)
{
	static const struct {
		const char *name;
		uint16_t type;
	} all[] = { { "del", ENGINE_SA_DEL },
		    { "retire", ENGINE_SA_RETIRE },
		    { "on", ENGINE_SA_OUT_ON },
		    { "pathdel", ENGINE_PATH_DEL } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(cmd, all[i].name) == 0)
			return all[i].type;
	return 0;
}

static int watch(int fd, int seconds)
{
	static uint64_t buf[ENGINE_MSG_MAX / 8];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r;

	for (int i = 0; i < seconds * 10; i++) {
		poll(&p, 1, 100);
		while ((r = engine_recv(fd, buf, sizeof(buf))) > 0)
			print_msg(NULL, (void *)buf, (size_t)r);
		if (r != -EAGAIN)
			return r;
		fflush(stdout);
	}
	return 0;
}

/* Messages no agent sends: the engine answers with an error or hangs up, and lives on. */
static int garbage(const char *sock)
{
	static union {
		struct engine_hdr h;
		struct engine_sa sa;
		struct engine_blob blob;
		struct engine_dgram dgram;
		uint8_t b[sizeof(struct engine_sa)];
	} m;
	static const struct {
		uint16_t type;
		uint16_t version;
		size_t len;
		uint8_t fill;
	} t[] = {
		{ ENGINE_HELLO, ENGINE_PROTO_VERSION, 1, 0 },
		{ ENGINE_HELLO, ENGINE_PROTO_VERSION, sizeof(struct engine_hdr), 0 },
		{ ENGINE_LIST, 9, sizeof(struct engine_hdr), 0 },
		{ 60, ENGINE_PROTO_VERSION, sizeof(struct engine_hdr), 0 },
		{ ENGINE_RESULT, ENGINE_PROTO_VERSION, sizeof(struct engine_result), 0 },
		{ ENGINE_MAPS, ENGINE_PROTO_VERSION, sizeof(struct engine_maps), 0xff },
		{ ENGINE_CONFIG, ENGINE_PROTO_VERSION, sizeof(struct engine_config), 0xff },
		{ ENGINE_SA_ADD, ENGINE_PROTO_VERSION, sizeof(struct engine_sa) - 1, 0 },
		{ ENGINE_SA_ADD, ENGINE_PROTO_VERSION, sizeof(struct engine_sa), 0xff },
		{ ENGINE_SA_ADD, ENGINE_PROTO_VERSION, sizeof(struct engine_sa), 0 },
		{ ENGINE_PATH_ADD, ENGINE_PROTO_VERSION, sizeof(struct engine_path), 0xff },
		{ ENGINE_BLOB_PUT, ENGINE_PROTO_VERSION, sizeof(struct engine_blob), 0xff },
		{ ENGINE_IKE_SEND, ENGINE_PROTO_VERSION, sizeof(struct engine_dgram), 0xff },
		{ ENGINE_SA_DEL, ENGINE_PROTO_VERSION, sizeof(struct engine_id), 0xff },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		int fd, r = engine_connect(sock, &fd);

		if (r < 0)
			die(sock, r);
		memset(&m, t[i].fill, sizeof(m));
		m.h = (struct engine_hdr){ .seq = 1, .type = t[i].type, .version = t[i].version };
		if (send(fd, &m, t[i].len, MSG_NOSIGNAL) < 0)
			die("send", -errno);
		usleep(20000);
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static union {
		struct engine_hdr h;
		struct engine_config config;
		struct engine_sa sa;
		struct engine_path path;
		struct engine_path_want want;
		struct engine_id id;
		struct engine_hello hello;
		struct engine_maps maps;
	} m;
	size_t len = sizeof(struct engine_hdr);
	struct engine_fds fds = { .n = 0 };
	const char *cmd;
	int fd, r;

	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	if (strcmp(argv[2], "garbage") == 0)
		return garbage(argv[1]);
	r = engine_connect(argv[1], &fd);
	if (r < 0)
		die(argv[1], r);
	cmd = argv[2];
	argc -= 3;
	argv += 3;
	if (strcmp(cmd, "config") == 0 && argc >= 3) {
		config(argc, argv, &m.config);
		len = sizeof(m.config);
	} else if (strcmp(cmd, "sa") == 0 && argc >= 4) {
		sa(argc, argv, &m.sa);
		len = sizeof(m.sa);
		if (option(argc, argv, "held=") || option(argc, argv, "late="))
			expect(fd, argc, argv, m.sa.spi_in);
	} else if (strcmp(cmd, "path") == 0 && argc >= 5) {
		path(argc, argv, &m.path);
		len = sizeof(m.path);
	} else if (strcmp(cmd, "want") == 0 && argc == 2) {
		m.h.type = ENGINE_PATH_WANT;
		m.want.id = (uint32_t)atoi(argv[0]);
		m.want.want = (uint32_t)atoi(argv[1]);
		len = sizeof(m.want);
	} else if (strcmp(cmd, "maps") == 0 && argc == 1) {
		maps(argv[0], &m.maps, &fds);
		len = sizeof(m.maps);
	} else if (argc == 1 && of_id(cmd)) {
		m.h.type = of_id(cmd);
		m.id.id = (uint32_t)atoi(argv[0]);
		len = sizeof(m.id);
	} else if (strcmp(cmd, "list") == 0) {
		m.h.type = ENGINE_LIST;
	} else if (strcmp(cmd, "stats") == 0) {
		m.h.type = ENGINE_STATS;
	} else if (strcmp(cmd, "hello") == 0) {
		m.h.type = ENGINE_HELLO;
		len = sizeof(m.hello);
	} else if (strcmp(cmd, "shutdown") == 0) {
		m.h.type = ENGINE_SHUTDOWN;
	} else if (strcmp(cmd, "watch") == 0 && argc == 1) {
		return watch(fd, atoi(argv[0])) < 0;
	} else {
		fputs(usage, stderr);
		return 2;
	}
	m.h.seq = 1;
	r = engine_call(fd, &m.h, len, &fds, 5000, print_msg, NULL);
	if (r < 0)
		die(cmd, r);
	return 0;
}
