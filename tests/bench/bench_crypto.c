/* SPDX-License-Identifier: GPL-2.0-only */
/* What cryptography costs: nanoseconds per ESP packet of each suite, the multi-buffer library
 * against OpenSSL, and operations per second of IKE.
 *
 * Packets come in batches of 45, as the engine has them. What is compared is measured in turn,
 * round by round. Prints a table and writes JSON lines to <build>/bench/crypto.jsonl (argument:
 * that directory).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../sim/duo.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "crypto/ke.h"
#include "crypto/prf.h"

enum { ROUNDS = 9, SAMPLES = 101, BATCH = 45, SLOT = 2048, ESP_HDR = 8 };
enum { ROUND_NS = 10 * 1000 * 1000 };

static FILE *json;
static char machine[300];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("bench_crypto: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- figures ------------------------------------------------------------------------------------
 */

struct series {
	double v[ROUNDS];
};

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts: the first is then the least, the last the greatest. */
static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), cmp);
	return v[n / 2];
}

/* against may be NULL. s is sorted. */
static void line(const char *what, const char *unit, const struct series *s, const char *against,
		 double ratio)
{
	fprintf(json, "{\"what\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",", what, s->v[ROUNDS / 2],
		unit);
	if (against)
		fprintf(json, "\"against\":\"%s\",\"ratio\":%.3f,", against, ratio);
	else
		fputs("\"against\":null,\"ratio\":null,", json);
	fprintf(json, "\"runs\":%d,\"min\":%.1f,\"max\":%.1f,\"machine\":\"%s\"}\n", ROUNDS,
		s->v[0], s->v[ROUNDS - 1], machine);
}

/* The processor's name without what JSON would want escaped. */
static void machine_name(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char text[200], *model = "unknown CPU";
	struct utsname u;

	while (f && fgets(text, sizeof(text), f)) {
		if (strncmp(text, "model name", 10) || !strchr(text, ':'))
			continue;
		model = strchr(text, ':') + 2;
		model[strcspn(model, "\n\"\\")] = '\0';
		break;
	}
	if (f)
		fclose(f);
	uname(&u);
	snprintf(machine, sizeof(machine), "%.60s %.60s, %ld x %.150s", u.machine, u.release,
		 sysconf(_SC_NPROCESSORS_ONLN), model);
}

/* ---- ESP packets --------------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	struct aead_spec spec;
} suites[] = {
	{ "AES-GCM-128", { ENCR_AES_GCM_16, 128, INTEG_NONE } },
	{ "AES-GCM-256", { ENCR_AES_GCM_16, 256, INTEG_NONE } },
	{ "ChaCha20-Poly1305", { ENCR_CHACHA20_POLY1305, 0, INTEG_NONE } },
	{ "AES-CBC-128 HMAC-SHA2-256", { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 } },
};

static const size_t sizes[] = { 64, 576, 1372, 1448 };

/* header | iv | text | icv in each slot */
static _Alignas(64) uint8_t sealed[BATCH][SLOT], work[BATCH][SLOT];

struct subject {
	enum aead_driver driver;
	struct aead *seal, *open;
	struct series ns;
};

struct shape {
	struct aead_sizes s;
	size_t text;
};

static uint8_t *text_of(const struct shape *sh, uint8_t *pkt)
{
	return pkt + ESP_HDR + sh->s.iv;
}

static void seal_batch(struct aead *a, const struct shape *sh, uint8_t pkts[BATCH][SLOT])
{
	for (size_t i = 0; i < BATCH; i++)
		if (aead_seal(a, pkts[i], ESP_HDR, pkts[i] + ESP_HDR, text_of(sh, pkts[i]),
			      sh->text, NULL, 0))
			die("sealing failed");
}

static void open_batch(struct aead *a, const struct shape *sh, uint8_t pkts[BATCH][SLOT])
{
	for (size_t i = 0; i < BATCH; i++)
		if (aead_open(a, pkts[i], ESP_HDR, pkts[i] + ESP_HDR, text_of(sh, pkts[i]),
			      sh->text, NULL, 0))
			die("an intact packet was refused");
}

/* Nanoseconds per packet in one round: of the batch in the middle, since another process may have
 * run during some. Opening is in place, so each batch is a fresh copy. */
static double round_ns(const struct subject *su, const struct shape *sh, bool opening)
{
	double ns[SAMPLES], start;

	for (size_t i = 0; i < SAMPLES; i++) {
		memcpy(work, sealed, sizeof(work));
		start = now_ns();
		if (opening)
			open_batch(su->open, sh, work);
		else
			seal_batch(su->seal, sh, work);
		ns[i] = now_ns() - start;
	}
	return median(ns, SAMPLES) / BATCH;
}

static bool subject_init(struct subject *su, enum aead_driver d, const struct aead_spec *spec,
			 const struct aead_sizes *s)
{
	uint8_t key[64], integ[64];

	su->driver = d;
	if (!aead_driver_available(d, spec))
		return false;
	memset(key, 0x5a, sizeof(key));
	memset(integ, 0xa5, sizeof(integ));
	su->seal = aead_new(d, spec, true, key, s->key + s->salt, integ, s->integ);
	su->open = aead_new(d, spec, false, key, s->key + s->salt, integ, s->integ);
	if (!su->seal || !su->open)
		die("no context for %s", aead_driver_name(d));
	return true;
}

/* One suite, size and direction: the drivers in turn, OpenSSL last. */
static void measure(const char *suite, const struct shape *sh, bool opening, struct subject *su,
		    size_t n)
{
	double base, bits = 8.0 * (double)sh->text, mid;
	const char *op = opening ? "open" : "seal";
	char what[120];

	for (size_t k = 0; k < n; k++)
		round_ns(&su[k], sh, opening); /* warm */
	for (int r = 0; r < ROUNDS; r++)
		for (size_t k = 0; k < n; k++)
			su[k].ns.v[r] = round_ns(&su[k], sh, opening);
	base = median(su[n - 1].ns.v, ROUNDS);
	printf("%-26s %5zu  %s", suite, sh->text, op);
	for (size_t k = 0; k < n; k++) {
		bool other = k + 1 < n;
		struct series gbit;

		mid = median(su[k].ns.v, ROUNDS);
		for (int r = 0; r < ROUNDS; r++)
			gbit.v[r] = bits / su[k].ns.v[ROUNDS - 1 - r];
		printf("  %8s %5.0f ns (%.0f-%.0f) %5.2f Gbit/s", aead_driver_name(su[k].driver),
		       mid, su[k].ns.v[0], su[k].ns.v[ROUNDS - 1], bits / mid);
		if (other)
			printf(" %4.2f times", base / mid);
		snprintf(what, sizeof(what), "%s, %s, %zu octets, %s", suite, op, sh->text,
			 aead_driver_name(su[k].driver));
		line(what, "ns/packet", &su[k].ns, other ? "openssl" : NULL, mid / base);
		line(what, "Gbit/s", &gbit, other ? "openssl" : NULL, base / mid);
	}
	putchar('\n');
	fflush(stdout);
}

static void suite_run(const char *name, const struct aead_spec *spec)
{
	static const enum aead_driver drivers[] = { AEAD_DRIVER_IPSEC_MB, AEAD_DRIVER_OPENSSL };
	struct subject su[2] = { 0 };
	struct shape sh;
	size_t n = 0;

	if (!aead_sizes(spec, &sh.s))
		die("%s is unknown", name);
	for (size_t d = 0; d < 2; d++)
		n += subject_init(&su[n], drivers[d], spec, &sh.s);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		sh.text = (sizes[i] + sh.s.block - 1) / sh.s.block * sh.s.block;
		/* sealed by the one, opened by the other as well */
		seal_batch(su[n - 1].seal, &sh, sealed);
		measure(name, &sh, false, su, n);
		measure(name, &sh, true, su, n);
	}
	for (size_t k = 0; k < n; k++) {
		aead_free(su[k].seal);
		aead_free(su[k].open);
	}
}

/* ---- IKE ----------------------------------------------------------------------------------------
 */

/* One operation; returns the nanoseconds that count. */
typedef double op_fn(uint16_t group);

static double op_key_pair(uint16_t group)
{
	double start = now_ns(), ns;
	struct ke *ke = ke_new(group);

	ns = now_ns() - start;
	if (!ke)
		die("group %u: no key pair", group);
	ke_free(ke);
	return ns;
}

static double op_shared(uint16_t group)
{
	static struct ke *a, *b;
	struct secret s = { .len = 0 };
	double start;
	size_t len;

	if (!a || ke_group(a) != group) {
		ke_free(a);
		ke_free(b);
		a = ke_new(group);
		b = ke_new(group);
	}
	if (!a || !b)
		die("group %u: no key pair", group);
	const uint8_t *pub = ke_public(b, &len);

	start = now_ns();
	if (ke_derive(a, pub, len, &s))
		die("group %u: no shared secret", group);
	return now_ns() - start;
}

/* The key material of an IKE SA with AES-GCM-256: 32 + 2 * 36 + 2 * 32 octets. */
static double op_prf(uint16_t prf)
{
	static const uint8_t seed[80] = { 1 };
	const struct chunk in = { seed, sizeof(seed) };
	uint8_t out[168];
	double start = now_ns();

	if (prf_plus(prf, seed, 32, &in, 1, out, sizeof(out)))
		die("prf+ failed");
	return now_ns() - start;
}

/* IKE_SA_INIT and IKE_AUTH in memory, the work of both sides. */
static double op_set_up(uint16_t group)
{
	struct duo *d = duo_new();
	double start, ns;
	bool ok;

	if (!d)
		die("no memory");
	for (int who = 0; who < 2; who++)
		d->side[who].conn.proposals[0].ke[0] = group;
	if (duo_start(d))
		die("no memory");
	start = now_ns();
	ok = duo_establish(d);
	ns = now_ns() - start;
	if (!ok)
		die("group %u: the IKE SA was not set up: %s", group, d->e[DUO_I].failure);
	duo_free(d);
	return ns;
}

static const struct {
	const char *what;
	op_fn *op;
	uint16_t arg;
} ops[] = {
	{ "key pair, modp2048", op_key_pair, KE_MODP_2048 },
	{ "key pair, modp3072", op_key_pair, KE_MODP_3072 },
	{ "key pair, modp4096", op_key_pair, KE_MODP_4096 },
	{ "key pair, ecp256", op_key_pair, KE_ECP_256 },
	{ "key pair, ecp384", op_key_pair, KE_ECP_384 },
	{ "key pair, ecp521", op_key_pair, KE_ECP_521 },
	{ "key pair, x25519", op_key_pair, KE_X25519 },
	{ "key pair, x448", op_key_pair, KE_X448 },
	{ "shared secret, modp2048", op_shared, KE_MODP_2048 },
	{ "shared secret, modp3072", op_shared, KE_MODP_3072 },
	{ "shared secret, modp4096", op_shared, KE_MODP_4096 },
	{ "shared secret, ecp256", op_shared, KE_ECP_256 },
	{ "shared secret, ecp384", op_shared, KE_ECP_384 },
	{ "shared secret, ecp521", op_shared, KE_ECP_521 },
	{ "shared secret, x25519", op_shared, KE_X25519 },
	{ "shared secret, x448", op_shared, KE_X448 },
	{ "prf+ of an IKE SA, prfsha256", op_prf, PRF_HMAC_SHA2_256 },
	{ "prf+ of an IKE SA, prfsha384", op_prf, PRF_HMAC_SHA2_384 },
	{ "prf+ of an IKE SA, prfsha512", op_prf, PRF_HMAC_SHA2_512 },
	{ "IKE SA and Child SA, both sides, modp2048", op_set_up, KE_MODP_2048 },
	{ "IKE SA and Child SA, both sides, ecp256", op_set_up, KE_ECP_256 },
	{ "IKE SA and Child SA, both sides, ecp384", op_set_up, KE_ECP_384 },
	{ "IKE SA and Child SA, both sides, x25519", op_set_up, KE_X25519 },
};
enum { N_OPS = sizeof(ops) / sizeof(*ops) };

static double per_second(size_t i)
{
	double ns[SAMPLES], spent = 0;
	size_t n = 0;

	while (n < SAMPLES && spent < ROUND_NS) {
		ns[n] = ops[i].op(ops[i].arg);
		spent += ns[n++];
	}
	return 1e9 / median(ns, n);
}

static void ike_run(void)
{
	static struct series s[N_OPS];

	printf("\nIKE, operations per second on one core (min-max), round");
	for (int r = 0; r < ROUNDS; r++) {
		printf(" %d", r + 1);
		fflush(stdout);
		for (size_t i = 0; i < N_OPS; i++)
			s[i].v[r] = per_second(i);
	}
	putchar('\n');
	for (size_t i = 0; i < N_OPS; i++) {
		double mid = median(s[i].v, ROUNDS);

		printf("%-42s %9.0f (%.0f-%.0f)\n", ops[i].what, mid, s[i].v[0],
		       s[i].v[ROUNDS - 1]);
		line(ops[i].what, "operations/s", &s[i], NULL, 0);
	}
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "build/bench";
	char file[512];

	if (mkdir(dir, 0777) && errno != EEXIST)
		die("%s: %s", dir, strerror(errno));
	snprintf(file, sizeof(file), "%s/crypto.jsonl", dir);
	json = fopen(file, "w");
	if (!json)
		die("%s: %s", file, strerror(errno));
	machine_name();
	log_set_level(LOG_ERR_); /* thousands of SAs come and go */
	printf("ESP, batches of %d packets, one core, medians of %d rounds (min-max); %s\n", BATCH,
	       ROUNDS, machine);
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		suite_run(suites[i].name, &suites[i].spec);
	ike_run();
	if (fclose(json))
		die("%s: %s", file, strerror(errno));
	printf("written to %s\n", file);
	return 0;
}
