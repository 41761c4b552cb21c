/* SPDX-License-Identifier: GPL-2.0-only */
/* How one end asks the other to send classes of traffic, and what came of it. */
#include "bindings.h"
#include "report_impl.h"

static const char *state_word(uint8_t state)
{
	return state == MMX_CLASS_ASKED	    ? "asked"
	       : state == MMX_CLASS_GRANTED ? "granted"
					    : "refused";
}

/* An answer to what was asked before is none yet. */
static json_t *ask_json(const struct mmx_class *ask, const struct mmx_class *answer, bool by_peer)
{
	bool is = answer && answer->mode == ask->mode;
	uint8_t state = is ? answer->state : MMX_CLASS_ASKED;
	json_t *o = json_object(), *prefer = json_array();

	for (unsigned i = 0; i < ask->n_prefer; i++)
		json_array_append_new(prefer, json_integer(ask->prefer[i]));
	set_str(o, "class", ask->name);
	set_str(o, "by", by_peer ? "peer" : "us");
	set_str(o, "mode", asks_mode(ask->mode));
	set_or_null(o, "copies", is && answer->copies ? answer->copies : ask->copies);
	set(o, "prefer", prefer);
	set_str(o, "state", state_word(state));
	set_str(o, "why", asks_refusal(state));
	return o;
}

static void add_asks(const struct mmx_classes *from, const struct mmx_classes *to, bool by_peer,
		     json_t *out)
{
	for (unsigned i = 0; from && to && i < from->n; i++)
		if (from->s[i].state == MMX_CLASS_ASKED)
			json_array_append_new(out,
					      ask_json(&from->s[i],
						       mmx_classes_find(to, false, from->s[i].name),
						       by_peer));
}

json_t *report_asks(const struct agent *a, uint64_t line)
{
	const struct mmx_classes *ours = ike_classes(a->ike, line, false);
	const struct mmx_classes *theirs = ike_classes(a->ike, line, true);
	json_t *l = json_array();

	add_asks(ours, theirs, false, l);
	add_asks(theirs, ours, true, l);
	return l;
}
