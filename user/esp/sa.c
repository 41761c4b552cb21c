/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"
#include "base/sanitize.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "esp/tos.h"
#include "sad_impl.h"

static int take_ts(const struct engine_ts *w, uint8_t n, struct sa_ts *ret_ts)
{
	if (n == 0 || n > ENGINE_TS_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		struct sa_ts ts = {
			.family = w[i].first.family,
			.protocol = w[i].protocol,
			.any_port = w[i].port_first == 0 && w[i].port_last == UINT16_MAX,
			.port_first = w[i].port_first,
			.port_last = w[i].port_last,
		};

		if ((ts.family != 4 && ts.family != 6) || w[i].last.family != ts.family)
			return -EINVAL;
		memcpy(ts.first, w[i].first.b, addr_len(&w[i].first));
		memcpy(ts.last, w[i].last.b, addr_len(&w[i].last));
		ret_ts[i] = ts;
	}
	return 0;
}

void sa_ts_wire(const struct sa_ts *ts, uint8_t n, struct engine_ts ret_ts[ENGINE_TS_MAX])
{
	for (int i = 0; i < n; i++)
		ret_ts[i] = (struct engine_ts){
			.protocol = ts[i].protocol,
			.port_first = ts[i].port_first,
			.port_last = ts[i].port_last,
			.first = addr_from_bytes(ts[i].family, ts[i].first),
			.last = addr_from_bytes(ts[i].family, ts[i].last),
		};
}

static bool is_exact(const struct sa_ts *ts)
{
	return memcmp(ts->first, ts->last, 16) == 0;
}

static void list_exact(struct sa *sa, struct sa_sel *s)
{
	for (int i = 0; i < s->n_remote; i++) {
		struct sa_exact *x = &s->exact[s->n_exact];

		if (!is_exact(&s->remote[i]))
			continue;
		x->sa = sa;
		x->ts = &s->remote[i];
		s->n_exact++;
	}
}

size_t sel_room(uint8_t n_local, uint8_t n_remote)
{
	return n_remote * sizeof(struct sa_exact) +
	       (size_t)(n_local + n_remote) * sizeof(struct sa_ts);
}

int sel_fill(struct sa_sel *s, void *room, const struct sel_request *req, struct sa *sa)
{
	int r;

	s->exact = room;
	s->local = (struct sa_ts *)(s->exact + req->n_remote);
	s->remote = s->local + req->n_local;
	s->n_local = req->n_local;
	s->n_remote = req->n_remote;
	r = take_ts(req->local, req->n_local, s->local);
	if (r == 0)
		r = take_ts(req->remote, req->n_remote, s->remote);
	if (r == 0 && req->transport)
		r = transport_init(req->local, req->n_local, req->remote, req->n_remote,
				   req->told_local, req->told_remote, &s->transport);
	if (r == 0)
		list_exact(sa, s);
	return r;
}

static struct aead *context_new(const struct sa *sa, bool encrypt)
{
	struct aead_spec spec = { sa->encr_id, sa->key_bits, sa->integ_id };

	return aead_new((enum aead_driver)sa->aead_driver, &spec, encrypt,
			encrypt ? sa->key_out : sa->key_in, sa->key_len,
			encrypt ? sa->integ_out : sa->integ_in, sa->integ_len);
}

struct aead *sa_context(struct sa *sa, int thread, bool encrypt)
{
	struct aead **slot = encrypt ? &sa->enc[thread] : &sa->dec[thread];

	if (!*slot)
		*slot = context_new(sa, encrypt);
	return *slot;
}

static int keys(struct sa *sa, const struct engine_sa *req, int driver)
{
	struct aead_spec spec = { req->encr_id, req->key_bits, req->integ_id };
	struct aead_sizes size;
	struct aead *trial;
	bool esn = req->flags & ENGINE_SA_ESN, combined = req->integ_id == INTEG_NONE;
	enum aead_driver d = (enum aead_driver)driver;

	if (!aead_sizes(&spec, &size))
		return -ENOTSUP;
	if (req->key_len != size.key + size.salt || req->integ_len != size.integ ||
	    req->key_len > ENGINE_KEY_MAX || req->integ_len > ENGINE_KEY_MAX)
		return -EINVAL;
	sa->in = esp_format_init(req->spi_in, esn, combined, &size);
	sa->out = esp_format_init(req->spi_out, esn, combined, &size);
	/* The driver asked for may lack this cipher; another one does the same. */
	if (!aead_driver_available(d, &spec))
		d = AEAD_DRIVER_BEST;
	sa->aead_driver = d;
	sa->key_len = req->key_len;
	sa->integ_len = req->integ_len;
	memcpy(sa->key_in, req->key_in, sizeof(sa->key_in));
	memcpy(sa->key_out, req->key_out, sizeof(sa->key_out));
	memcpy(sa->integ_in, req->integ_in, sizeof(sa->integ_in));
	memcpy(sa->integ_out, req->integ_out, sizeof(sa->integ_out));
	/* Does it work? Each thread makes its own with its first packet. */
	trial = context_new(sa, true);
	if (!trial)
		return -ENOTSUP;
	strncpy(sa->driver, aead_driver_of(trial), sizeof(sa->driver) - 1);
	aead_free(trial);
	return 0;
}

/* One block of memory, lines of the cache first. */
static struct sa *sa_alloc(int threads, uint8_t n_local, uint8_t n_remote, void **ret_sel_room)
{
	size_t t = (size_t)threads, fixed = (sizeof(struct sa) + 63) / 64 * 64;
	size_t n = fixed + t * sizeof(struct sa_counters) + 2 * t * sizeof(struct aead *) +
		   sel_room(n_local, n_remote);
	uint8_t *p = aligned_alloc(64, (n + 63) / 64 * 64);
	struct sa *sa = (struct sa *)p;

	if (!sa)
		return NULL;
	memset(p, 0, n);
	p += fixed;
	sa->counters = (struct sa_counters *)p;
	p += t * sizeof(struct sa_counters);
	sa->enc = (struct aead **)p;
	sa->dec = sa->enc + t;
	*ret_sel_room = sa->dec + t;
	sa->threads = threads;
	return sa;
}

/* Packets under one key. NIST SP 800-38D 8.3 ends AES-GCM after 2^32 invocations, unless each IV is
 * made from a counter of the full width, as here; we stay below it all the same: 2^32 packets of
 * 1,500 octets are 2^39 blocks, and what an attacker gains grows with the square of the blocks. The
 * same goes for CBC, where it is collisions of blocks. ChaCha20-Poly1305 has no such limit within
 * 64 bits (RFC 9001 6.6). */
static uint64_t packets_max(const struct sa *sa)
{
	if (sa->flags & ENGINE_SA_ESN && sa->encr_id == ENCR_CHACHA20_POLY1305)
		return UINT64_MAX / 2;
	return UINT32_MAX;
}

static struct sa_limits limits_of(uint64_t soft, uint64_t hard)
{
	struct sa_limits l = { .soft = soft ? soft : UINT64_MAX, .hard = hard ? hard : UINT64_MAX };

	l.watch = l.soft < l.hard ? l.soft : l.hard;
	return l;
}

static uint64_t lesser(uint64_t configured, uint64_t own)
{
	return configured && configured < own ? configured : own;
}

static void limits(struct sa *sa, const struct engine_sa *req)
{
	uint64_t max = packets_max(sa);

	/* at 1,000,000 packets a second two minutes are left for new keys */
	sa->packets = limits_of(lesser(req->soft_packets, max - (1u << 27)),
				lesser(req->hard_packets, max));
	sa->octets = limits_of(req->soft_octets, req->hard_octets);
	sa->count_octets = req->soft_octets || req->hard_octets;
}

bool sa_within(struct sa *sa, uint64_t packets, uint64_t octets, unsigned *ret_tell)
{
	bool hard = packets > sa->packets.hard || octets > sa->octets.hard;
	bool soft = packets >= sa->packets.soft || octets >= sa->octets.soft;
	unsigned now = (soft ? SA_SOFT : 0) | (hard ? SA_HARD : 0);

	if ((atomic_load_explicit(&sa->reached, memory_order_relaxed) & now) != now)
		*ret_tell = now & ~atomic_fetch_or(&sa->reached, now);
	return !hard;
}

void sa_untell(struct sa *sa, unsigned reached)
{
	atomic_fetch_and(&sa->reached, ~reached);
}

int sa_new(const struct engine_sa *req, int driver, int threads, struct sa **ret_sa)
{
	const struct sel_request sel = { req->ts_local,
					 req->ts_remote,
					 req->n_ts_local,
					 req->n_ts_remote,
					 req->flags & ENGINE_SA_TRANSPORT,
					 &req->told_local,
					 &req->told_remote };
	struct sa *sa;
	void *room;
	int r;

	/* RFC 4303 2.1: 0 is never sent, 1 to 255 are reserved. */
	if (threads > SAD_THREADS || req->id == 0 || req->spi_in < 256 || req->spi_out < 256 ||
	    (req->family != 4 && req->family != 6) || req->n_ts_local > ENGINE_TS_MAX ||
	    req->n_ts_remote > ENGINE_TS_MAX)
		return -EINVAL;
	sa = sa_alloc(threads, req->n_ts_local, req->n_ts_remote, &room);
	if (!sa)
		return -ENOMEM;
	sa->sel = &sa->first_sel;
	sa->id = req->id;
	sa->replaces = req->replaces;
	sa->spi_in = req->spi_in;
	sa->spi_out = req->spi_out;
	sa->mark = req->mark;
	sa->group = req->group;
	sa->sibling.line = req->line;
	sa->room_own = req->room;
	/* RFC 4303 2.7: padding needs something inside that tells where it ends */
	sa->tfc = req->flags & ENGINE_SA_TRANSPORT ? 0 : req->tfc;
	sa->flags = req->flags;
	sa->own_encap = req->flags & ENGINE_SA_ENCAP ? ENGINE_ENCAP_UDP : ENGINE_ENCAP_NONE;
	sa->encap = &sa->own_encap;
	sa->encr_id = req->encr_id;
	sa->key_bits = req->key_bits;
	sa->integ_id = req->integ_id;
	sa->family = req->family;
	/* in transport mode there is one header only */
	sa->tos_mask = TOS_ECN;
	if (req->flags & (ENGINE_SA_DSCP_OUT | ENGINE_SA_TRANSPORT))
		sa->tos_mask |= TOS_DSCP;
	sa->cut[false] = req->flags & (ENGINE_SA_DF_COPY | ENGINE_SA_DF_CLEAR)
				 ? STEER_MARK(STEER_MARK_KIND_CUT, 0, 0)
				 : 0;
	sa->cut[true] = req->flags & ENGINE_SA_DF_CLEAR ? sa->cut[false] : 0;
	sa->deferred = req->replaces && req->flags & ENGINE_SA_DEFER_OUT;
	sa->sibling.waits = !req->replaces && req->flags & ENGINE_SA_DEFER_OUT;
	memcpy(sa->name, req->name, sizeof(sa->name) - 1);
	limits(sa, req);
	r = replay_init(&sa->replay, req->replay_window);
	if (r == 0)
		r = sel_fill(&sa->first_sel, room, &sel, sa);
	if (r == 0)
		r = keys(sa, req, driver);
	if (r < 0) {
		sa_free(sa);
		return r;
	}
	*ret_sa = sa;
	return 0;
}

void sa_free(struct sa *sa)
{
	if (!sa)
		return;
	for (int i = 0; i < sa->threads; i++) {
		aead_free(sa->enc[i]);
		aead_free(sa->dec[i]);
	}
	replay_clear(&sa->replay);
	if (sa->sel != &sa->first_sel)
		free(sa->sel);
	if (sa->old_sel != &sa->first_sel)
		free(sa->old_sel);
	secret_wipe(sa, sizeof(*sa));
	free(sa);
}

/* here and there: the ends the two selectors of the SA describe. */
static bool ts_match(const struct sa_ts *ts, const struct inner *in, const uint8_t *addr,
		     uint16_t port)
{
	size_t n = in->family == 4 ? 4 : 16;

	if (ts->family != in->family || (ts->protocol && ts->protocol != in->proto))
		return false;
	if (memcmp(addr, ts->first, n) < 0 || memcmp(addr, ts->last, n) > 0)
		return false;
	if (ts->any_port)
		return true;
	/* Without ports (a later fragment) only ANY matches; so does OPAQUE, first > last, which
	 * stands for "not available" (RFC 4301 4.4.1.1). */
	if (!in->has_ports)
		return ts->port_first > ts->port_last;
	return port >= ts->port_first && port <= ts->port_last;
}

static bool match_any(const struct sa_ts *ts, int n, const struct inner *in, const uint8_t *addr,
		      uint16_t port)
{
	for (int i = 0; i < n; i++)
		if (ts_match(&ts[i], in, addr, port))
			return true;
	return false;
}

static bool inbound_fits(const struct sa_sel *s, const struct inner *in)
{
	return match_any(s->remote, s->n_remote, in, in->src, in->sport) &&
	       match_any(s->local, s->n_local, in, in->dst, in->dport);
}

bool sa_inbound_late_ok(const struct sa *sa, const struct inner *in, usec_t now)
{
	const struct sa_sel *old = sa_old_sel(sa, now);

	return old && inbound_fits(old, in);
}

bool sa_inbound_ok(const struct sa *sa, const struct inner *in)
{
	return inbound_fits(sa_sel_of(sa), in);
}

bool sa_outbound_ok(const struct sa *sa, const struct inner *in)
{
	const struct sa_sel *s = sa_sel_of(sa);

	return match_any(s->remote, s->n_remote, in, in->dst, in->dport) &&
	       match_any(s->local, s->n_local, in, in->src, in->sport);
}

READS_COUNTERS void sa_sum(const struct sa *sa, struct sa_counters *ret_sum)
{
	struct sa_counters s = { 0 };

	for (int i = 0; i < sa->threads; i++) {
		const struct sa_counters *c = &sa->counters[i];

		s.in_packets += c->in_packets;
		s.in_octets += c->in_octets;
		s.out_packets += c->out_packets;
		s.out_octets += c->out_octets;
		s.drop_replay += c->drop_replay;
		s.duplicates += c->duplicates;
		s.drop_integrity += c->drop_integrity;
		s.drop_malformed += c->drop_malformed;
		s.drop_ts += c->drop_ts;
		s.drop_ecn += c->drop_ecn;
		s.dummies += c->dummies;
		s.last_in = s.last_in > c->last_in ? s.last_in : c->last_in;
		s.last_out = s.last_out > c->last_out ? s.last_out : c->last_out;
	}
	*ret_sum = s;
}
