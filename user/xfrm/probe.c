/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel can do is found by having it done: nothing else tells for sure, and the kernel
 * loads what it has as modules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/explain.h"
#include "crypto/alg.h"
#include "crypto/rng.h"
#include "xfrm_impl.h"

enum { MARK = 0xabcde, MARK_MASK = 0xfffff, MTU = 1400 };

/* An SA that nobody uses. Addresses: RFC 5737 and 3849, for documentation. */
struct trial {
	struct xfrm_sa sa;
	uint8_t key[XFRM_KEY_MAX], integ[XFRM_KEY_MAX];
};

static int trial_init(struct trial *t, uint8_t family, uint16_t encr_id, uint16_t key_bits,
		      uint16_t integ_id)
{
	struct xfrm_algorithm alg;
	uint32_t id;
	int err = xfrm_algorithm(encr_id, key_bits, integ_id, &alg);

	memset(t, 0, sizeof(*t));
	if (!err)
		err = rng_bytes(&id, sizeof(id));
	if (!err)
		err = rng_bytes(t->key, sizeof(t->key));
	if (err)
		return err;
	t->sa = (struct xfrm_sa){ .spi = id | 0x100,
				  .if_id = id | 1,
				  .flags = XFRM_F_OUT | XFRM_F_ESN,
				  .mark = MARK,
				  .mark_mask = MARK_MASK,
				  .encr_id = encr_id,
				  .key_bits = key_bits,
				  .integ_id = integ_id,
				  .key_len = alg.key_octets,
				  .integ_len = alg.integ_octets,
				  .key = t->key,
				  .integ = t->integ };
	addr_parse(family == 4 ? "192.0.2.1" : "2001:db8::1", &t->sa.src);
	addr_parse(family == 4 ? "192.0.2.2" : "2001:db8::2", &t->sa.dst);
	return 0;
}

static int explain_sa(int err, uint8_t family, char *ret_error, size_t len)
{
	int v = family == 4 ? 4 : 6;

	switch (-err) {
	case ENOSYS:
		return explain(ret_error, len, err,
			       "this kernel has no ESP with AES-GCM for IPv%d: load the esp%d and "
			       "gcm modules (CONFIG_INET%s_ESP, CONFIG_CRYPTO_GCM)",
			       v, v, v == 4 ? "" : "6");
	case EPERM:
		return explain(ret_error, len, err,
			       "CAP_NET_ADMIN is missing: needed for the kernel's SAs");
	}
	return explain(ret_error, len, err,
		       "this kernel takes no SA with ESN and a window of %d packets: %s",
		       XFRM_REPLAY_MAX, strerror(-err));
}

/* Older kernels pass over what they do not know. */
static int as_written(const struct xfrm_sa *sa, const struct xfrm_sa_info *info, char *ret_error,
		      size_t len)
{
	const char *lacks = NULL;

	if (!(info->flags & XFRM_F_ESN) ||
	    (!(sa->flags & XFRM_F_OUT) && info->window != sa->replay_window))
		lacks = "extended sequence numbers with a large window";
	else if (info->if_id != sa->if_id)
		lacks = "SAs of an interface (if_id)";
	else if (sa->flags & XFRM_F_OUT &&
		 (info->mark != sa->mark || info->mark_mask != sa->mark_mask))
		lacks = "SAs that mark what they send (output-mark with a mask)";
	if (lacks)
		return explain(ret_error, len, -EOPNOTSUPP, "this kernel does not know %s: %s",
			       lacks, "it is too old");
	return 0;
}

static int try_sa(struct xfrm *x, const struct xfrm_sa *sa, char *ret_error, size_t len)
{
	struct xfrm_sa_info info;
	int err = xfrm_sa_add(x, sa);

	if (err)
		return explain_sa(err, sa->dst.family, ret_error, len);
	err = xfrm_sa_get(x, &sa->dst, sa->spi, &info);
	if (err)
		explain(ret_error, len, err, "an SA that was added cannot be read back: %s",
			strerror(-err));
	else
		err = as_written(sa, &info, ret_error, len);
	xfrm_sa_del(x, &sa->dst, sa->spi);
	return err;
}

static int probe_family(struct xfrm *x, uint8_t family, char *ret_error, size_t len)
{
	struct trial t;
	int err = trial_init(&t, family, ENCR_AES_GCM_16, 128, INTEG_NONE);

	if (err)
		return explain(ret_error, len, err, "no random numbers: %s", strerror(-err));
	err = try_sa(x, &t.sa, ret_error, len);
	if (err)
		return err;
	t.sa.flags = XFRM_F_ESN; /* inbound */
	t.sa.replay_window = XFRM_REPLAY_MAX;
	return try_sa(x, &t.sa, ret_error, len);
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int probe_iface(struct xfrm *x, bool *ret_iface, char *ret_error, size_t len)
{
	uint32_t id, ifindex;
	char name[16];
	int err = rng_bytes(&id, sizeof(id));

	if (err)
		return explain(ret_error, len, err, "no random numbers: %s", strerror(-err));
	snprintf(name, sizeof(name), "brdtry%08x", id);
	err = xfrm_iface_make(x, name, id | 1, MTU, &ifindex, ret_error, len);
	*ret_iface = !err;
	if (err)
		return err == -EOPNOTSUPP ? 0 : err;
	err = xfrm_iface_del(x, name);
	if (err)
		explain(ret_error, len, err,
			"an XFRM interface that was made cannot be removed: %s", strerror(-err));
	return err;
}

int xfrm_probe(struct xfrm *x, bool *ret_iface, char *ret_error, size_t error_len)
{
	int err = probe_family(x, 4, ret_error, error_len);

	if (!err && has_ipv6())
		err = probe_family(x, 6, ret_error, error_len);
	return err ? err : probe_iface(x, ret_iface, ret_error, error_len);
}

int xfrm_has_algorithm(struct xfrm *x, uint16_t encr_id, uint16_t key_bits, uint16_t integ_id)
{
	struct trial t;
	int err = trial_init(&t, 4, encr_id, key_bits, integ_id);

	if (!err)
		err = xfrm_sa_add(x, &t.sa);
	if (!err)
		xfrm_sa_del(x, &t.sa.dst, t.sa.spi);
	return err;
}

/* Without its own number in what is read back the kernel has passed over it. */
bool xfrm_has_cpus(struct xfrm *x)
{
	struct xfrm_sa_info info = { 0 };
	struct trial t;

	if (trial_init(&t, 4, ENCR_AES_GCM_16, 128, INTEG_NONE))
		return false;
	t.sa.cpu = 1;
	if (xfrm_sa_add(x, &t.sa))
		return false;
	if (xfrm_sa_get(x, &t.sa.dst, t.sa.spi, &info))
		info.cpu = 0;
	xfrm_sa_del(x, &t.sa.dst, t.sa.spi);
	return info.cpu == t.sa.cpu;
}
