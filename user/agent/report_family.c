/* SPDX-License-Identifier: GPL-2.0-only */
/* Which lines of a family share traffic, which of them stand by and why, and what all of them
 * carry. */
#include "agent.h"
#include "report_impl.h"

const char *report_standby_word(const struct path *p)
{
	static const char *const words[] = {
		[MEMBER_SHARES] = NULL,		  [MEMBER_METERED] = "metered",
		[MEMBER_PEER] = "peer",		  [MEMBER_OTHER_FIRST] = "other_preferred",
		[MEMBER_SAME_PAIR] = "same_pair", [MEMBER_SELECTORS] = "other_selectors",
		[MEMBER_ALTERNATE] = "alternate", [MEMBER_ENDING] = "ending",
		[MEMBER_FULL] = "group_full",	  [MEMBER_NOT_YET] = NULL, /* its state tells */
	};

	if (p->peer->family->n_lines > 1 && list_empty(&p->peer->children))
		return "no_child";
	return words[p->standby];
}

static json_t *shares_with(const struct peer *p)
{
	json_t *l = json_array();

	list_for_each (li, &p->family->lines) {
		const struct peer *q = list_entry(li, struct peer, in_family);

		if (q != p && family_shares(p, q) && !list_empty(&p->children))
			json_array_append_new(l, json_integer((json_int_t)q->line));
	}
	return l;
}

/* Of a line: that of its paths, if none of them has a share. */
static const char *stands_by(const struct peer *p)
{
	const char *word = NULL;

	list_for_each (it, &p->paths) {
		word = report_standby_word(list_entry(it, struct path, node));
		if (!word)
			break;
	}
	return word;
}

struct totals {
	uint64_t rx_packets, rx_octets, tx_packets, tx_octets;
};

static void add_sa(void *ctx, const struct engine_sa_info *s)
{
	struct totals *t = ctx;

	t->rx_packets += s->in_packets;
	t->rx_octets += s->in_octets;
	t->tx_packets += s->out_packets;
	t->tx_octets += s->out_octets;
}

static json_t *totals_json(struct agent *a, const struct family *f)
{
	struct totals t = { 0 };
	json_t *o = json_object();

	list_for_each (li, &f->lines) {
		const struct peer *p = list_entry(li, struct peer, in_family);

		list_for_each (it, &p->children)
			engine_sa_get(a, list_entry(it, struct child, node)->id, add_sa, &t);
	}
	set_int(o, "rx_packets", t.rx_packets);
	set_int(o, "rx_octets", t.rx_octets);
	set_int(o, "tx_packets", t.tx_packets);
	set_int(o, "tx_octets", t.tx_octets);
	return o;
}

void report_line(struct agent *a, const struct peer *p, json_t *sa)
{
	json_t *paths = json_array();

	list_for_each (it, &p->paths)
		json_array_append_new(paths, json_string(list_entry(it, struct path, node)->name));
	set(sa, "paths", paths);
	if (p->family->n_lines < 2)
		return;
	set(sa, "shares_with", shares_with(p));
	set_str(sa, "standby_why", stands_by(p));
	if (family_is_first(p)) /* once for all of them */
		set(sa, "family_totals", totals_json(a, p->family));
}
