/* SPDX-License-Identifier: GPL-2.0-only */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/secret.h"

_Static_assert(sizeof(struct sa_record) == 1800,
	       "another layout is another RECORD_VERSION: files outlive a binary");

void record_wipe_keys(struct sa_record *r)
{
	secret_wipe(r->sa.key_in, sizeof(r->sa.key_in));
	secret_wipe(r->sa.key_out, sizeof(r->sa.key_out));
	secret_wipe(r->sa.integ_in, sizeof(r->sa.integ_in));
	secret_wipe(r->sa.integ_out, sizeof(r->sa.integ_out));
}

int record_read(const uint8_t *data, size_t len, struct sa_record *ret_r)
{
	const struct engine_sa *sa = &ret_r->sa;

	if (len != sizeof(*ret_r))
		return -EINVAL;
	memcpy(ret_r, data, len);
	if (ret_r->version == RECORD_VERSION && sa->n_ts_local <= ENGINE_TS_MAX &&
	    sa->n_ts_remote <= ENGINE_TS_MAX && sa->key_len <= ENGINE_KEY_MAX &&
	    sa->integ_len <= ENGINE_KEY_MAX && (sa->family == 4 || sa->family == 6) && sa->id &&
	    ret_r->encap <= ENGINE_ENCAP_BY_PATH && ret_r->stage >= SA_DEFERRED &&
	    ret_r->stage <= SA_RETIRED && ret_r->remote < STABLE_REMOTES &&
	    !sa->name[sizeof(sa->name) - 1])
		return 0;
	secret_wipe(ret_r, sizeof(*ret_r));
	return -EINVAL;
}

void record_name(uint32_t id, char ret_name[16])
{
	snprintf(ret_name, 16, "sa-%08x", id);
}

bool record_same_selectors(const struct engine_sa *a, const struct engine_sa *b)
{
	return a->family == b->family && a->n_ts_local == b->n_ts_local &&
	       a->n_ts_remote == b->n_ts_remote && !((a->flags ^ b->flags) & ENGINE_SA_TRANSPORT) &&
	       !memcmp(a->ts_local, b->ts_local, a->n_ts_local * sizeof(a->ts_local[0])) &&
	       !memcmp(a->ts_remote, b->ts_remote, a->n_ts_remote * sizeof(a->ts_remote[0]));
}

uint64_t record_selectors_key(const struct engine_sa *sa)
{
	return hash_octets(sa->ts_remote, sa->n_ts_remote * sizeof(sa->ts_remote[0])) * 3 +
	       hash_octets(sa->ts_local, sa->n_ts_local * sizeof(sa->ts_local[0])) + sa->family;
}

/* RFC 7296 3.13.1: both ends name the protocol, or one of them any. */
static bool pair_of(const struct engine_ts *l, const struct engine_ts *r, struct xfrm_range *src,
		    struct xfrm_range *dst)
{
	uint8_t protocol = l->protocol ? l->protocol : r->protocol;

	if (l->first.family != r->first.family ||
	    (l->protocol && r->protocol && l->protocol != r->protocol))
		return false;
	*src = (struct xfrm_range){ l->first, l->last, protocol, l->port_first, l->port_last };
	*dst = (struct xfrm_range){ r->first, r->last, protocol, r->port_first, r->port_last };
	return true;
}

int record_selectors(const struct engine_sa *sa, struct xfrm_sel ret[RECORD_SELECTORS_MAX])
{
	int n = 0;

	for (unsigned i = 0; i < sa->n_ts_local; i++) {
		for (unsigned j = 0; j < sa->n_ts_remote; j++) {
			struct xfrm_range src, dst;
			int more;

			if (!pair_of(&sa->ts_local[i], &sa->ts_remote[j], &src, &dst))
				continue;
			more = xfrm_selectors(&src, &dst, ret + n,
					      (size_t)(RECORD_SELECTORS_MAX - n));
			if (more < 0)
				return more;
			n += more;
		}
	}
	return n ? n : -EINVAL;
}
