/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "abi/steer.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/flow.h"
#include "esp/sad.h"

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

static int keys(struct sa *sa, const struct engine_sa *req, int driver)
{
	struct aead_spec spec = { req->encr_id, req->key_bits, req->integ_id };
	struct aead_sizes size;
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
	for (int i = 0; i < sa->threads; i++) {
		sa->enc[i] = aead_new(d, &spec, true, req->key_out, req->key_len, req->integ_out,
				      req->integ_len);
		sa->dec[i] = aead_new(d, &spec, false, req->key_in, req->key_len, req->integ_in,
				      req->integ_len);
		if (!sa->enc[i] || !sa->dec[i])
			return -ENOTSUP;
	}
	strncpy(sa->driver, aead_driver_of(sa->enc[0]), sizeof(sa->driver) - 1);
	return 0;
}

int sa_new(const struct engine_sa *req, int driver, int threads, struct sa **ret_sa)
{
	struct sa *sa;
	int r;

	/* RFC 4303 2.1: 0 is never sent, 1 to 255 are reserved. */
	if (threads > SAD_THREADS || req->id == 0 || req->spi_in < 256 || req->spi_out < 256 ||
	    (req->family != 4 && req->family != 6) || req->flags & ENGINE_SA_TRANSPORT)
		return -EINVAL;
	sa = aligned_alloc(64, (sizeof(*sa) + 63) / 64 * 64);
	if (!sa)
		return -ENOMEM;
	memset(sa, 0, sizeof(*sa));
	sa->id = req->id;
	sa->replaces = req->replaces;
	sa->spi_in = req->spi_in;
	sa->spi_out = req->spi_out;
	sa->mark = req->mark;
	sa->flags = req->flags;
	sa->encr_id = req->encr_id;
	sa->key_bits = req->key_bits;
	sa->integ_id = req->integ_id;
	sa->family = req->family;
	sa->deferred = req->replaces && req->flags & ENGINE_SA_DEFER_OUT;
	sa->threads = threads;
	memcpy(sa->name, req->name, sizeof(sa->name) - 1);
	sa->n_ts_local = req->n_ts_local;
	sa->n_ts_remote = req->n_ts_remote;
	memcpy(sa->ts_local_wire, req->ts_local, sizeof(sa->ts_local_wire));
	memcpy(sa->ts_remote_wire, req->ts_remote, sizeof(sa->ts_remote_wire));
	sa->seq_max = sa->flags & ENGINE_SA_ESN ? UINT64_MAX / 2 : UINT32_MAX;
	sa->seq_warn = sa->seq_max - (1u << 20);
	replay_init(&sa->replay, req->replay_window);
	r = take_ts(req->ts_local, req->n_ts_local, sa->ts_local);
	if (r == 0)
		r = take_ts(req->ts_remote, req->n_ts_remote, sa->ts_remote);
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

bool sa_inbound_ok(const struct sa *sa, const struct inner *in)
{
	return match_any(sa->ts_remote, sa->n_ts_remote, in, in->src, in->sport) &&
	       match_any(sa->ts_local, sa->n_ts_local, in, in->dst, in->dport);
}

bool sa_outbound_ok(const struct sa *sa, const struct inner *in)
{
	return match_any(sa->ts_remote, sa->n_ts_remote, in, in->dst, in->dport) &&
	       match_any(sa->ts_local, sa->n_ts_local, in, in->src, in->sport);
}

void sa_sum(const struct sa *sa, struct sa_counters *ret_sum)
{
	struct sa_counters s = { 0 };

	for (int i = 0; i < sa->threads; i++) {
		const struct sa_counters *c = &sa->counters[i];

		s.in_packets += c->in_packets;
		s.in_octets += c->in_octets;
		s.out_packets += c->out_packets;
		s.out_octets += c->out_octets;
		s.drop_replay += c->drop_replay;
		s.drop_integrity += c->drop_integrity;
		s.drop_malformed += c->drop_malformed;
		s.drop_ts += c->drop_ts;
		s.dummies += c->dummies;
		s.last_in = s.last_in > c->last_in ? s.last_in : c->last_in;
		s.last_out = s.last_out > c->last_out ? s.last_out : c->last_out;
	}
	*ret_sum = s;
}
