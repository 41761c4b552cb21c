/* SPDX-License-Identifier: GPL-2.0-only */
/* The multi-interface extension: what both sides have announced, and what a peer is asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impl.h"

int lib_mmx_list(struct braid *b, const char *conn, json_t **ret_data)
{
	json_t *data = NULL;
	int r = lib_run(b, "mmx-list", lib_of_conn(conn), ANSWER_MSEC, &data);

	if (r < 0) {
		json_decref(data);
		data = NULL;
	}
	if (r == BRAID_ERR_UNSUPPORTED) {
		b->error[0] = '\0';
		r = 0;
	}
	if (r == 0)
		*ret_data = data;
	return r;
}

/* ---- announcements ---- */

static const struct braid_announced *side_of(struct held *h, const json_t *side, bool *failed)
{
	const struct braid_announced *first = NULL, **at = &first;
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(side, "interfaces"), i, o)
	{
		struct braid_announced *a = held_alloc(h, sizeof(*a), failed);

		if (!a)
			break;
		a->number = (unsigned)get_num(o, "id");
		a->name = get_str(o, "name");
		a->link = get_str(o, "link");
		a->up = get_flag(o, "up");
		a->metered = get_flag(o, "metered");
		a->backup = get_flag(o, "backup");
		a->preference = (unsigned)get_num(o, "preference");
		a->mtu = (unsigned)get_num(o, "mtu");
		a->endpoints = lib_endpoints(h, json_object_get(o, "endpoints"), failed);
		*at = a;
		at = &a->next;
	}
	return first;
}

int braid_announcements(struct braid *b, const char *conn, struct braid_announcements **ret_list)
{
	struct lib_list *l = calloc(1, sizeof(*l));
	const struct braid_announcement **at;
	bool failed = false;
	json_t *data = NULL;
	const json_t *o;
	size_t i;
	int r;

	if (!l)
		return -ENOMEM;
	at = &l->as.announcements.first;
	r = lib_mmx_list(b, conn, &data);
	held_keep(&l->held, data);
	json_array_foreach(json_object_get(data, "relations"), i, o)
	{
		struct braid_announcement *a = held_alloc(&l->held, sizeof(*a), &failed);

		if (!a)
			break;
		a->conn = get_str(o, "conn");
		a->line = get_num(o, "line");
		a->on = get_flag(o, "on");
		a->ours = side_of(&l->held, json_object_get(o, "ours"), &failed);
		a->peers = side_of(&l->held, json_object_get(o, "peer"), &failed);
		*at = a;
		at = &a->next;
		l->as.announcements.n++;
	}
	r = list_end(l, r, failed);
	if (r == 0)
		*ret_list = &l->as.announcements;
	return r;
}

void braid_announcements_free(struct braid_announcements *list)
{
	list_free((struct lib_list *)list);
}

/* ---- what is asked for ---- */

/* False: it is no UTF-8, or there is no memory. What is left out might mean something wider. */
static bool put(json_t *o, const char *key, const char *value)
{
	return !value || !json_object_set_new(o, key, json_string(value));
}

static bool put_spis(json_t *o, const struct braid_change *c)
{
	json_t *list = json_array();
	bool ok = true;

	for (size_t i = 0; i < c->n_spis; i++)
		ok &= !json_array_append_new(list, json_sprintf("%08x", (unsigned)c->spis[i]));
	return !json_object_set_new(o, "spis", list) && ok;
}

static bool put_alternates(json_t *o, const struct braid_change *c)
{
	json_t *list = json_array();
	bool ok = true;

	for (size_t i = 0; i < c->n_alternates; i++)
		ok &= !json_array_append_new(list, json_string(c->alternates[i]));
	return !json_object_set_new(o, "alternates", list) && ok;
}

/* NULL: an argument cannot be sent. */
static json_t *change_json(const struct braid_change *c)
{
	static const struct {
		enum braid_flag flag;
		const char *key;
	} flags[] = {
		{ BRAID_HARD, "hard" },		{ BRAID_BEST_EFFORT, "best_effort" },
		{ BRAID_PARALLEL, "parallel" }, { BRAID_PRUNE, "prune" },
		{ BRAID_IKE, "ike" },		{ BRAID_ALL, "all" },
		{ BRAID_HERE, "here" },		{ BRAID_OBSERVED, "observed" },
	};
	json_t *o = json_object();
	bool ok = put(o, "conn", c->conn) && put(o, "old", c->old_endpoint) &&
		  put(o, "new", c->new_endpoint) && put(o, "child", c->child) &&
		  put(o, "inner", c->inner) && put(o, "inner_old", c->inner_old) &&
		  put(o, "to", c->to) && put(o, "from", c->from);

	if (c->line)
		ok &= !json_object_set_new(o, "line", json_integer((json_int_t)c->line));
	if (c->n_spis)
		ok &= put_spis(o, c);
	if (c->n_alternates)
		ok &= put_alternates(o, c);
	if (c->flags & BRAID_PEERS)
		ok &= put(o, "side", "peer");
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (c->flags & flags[i].flag)
			ok &= !json_object_set_new(o, flags[i].key, json_true());
	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static const char *const words[] = {
	[BRAID_UPDATE] = "update",
	[BRAID_ADD] = "add",
	[BRAID_REMOVE] = "remove",
	[BRAID_SET_ALTERNATES] = "alternates",
	[BRAID_FAILOVER] = "failover",
	[BRAID_ADD_INTERFACE] = "add-interface",
	[BRAID_DELETE_INTERFACE] = "delete-interface",
};

static void take_result(const json_t *data, struct braid_result *ret)
{
	*ret = (struct braid_result){
		.detail = (unsigned)get_num(data, "detail"),
		.affected = (unsigned)get_num(data, "affected"),
		.valid_sec = (unsigned)get_num(data, "valid_sec"),
		.limit = (unsigned)get_num(data, "limit"),
		.pending = get_flag(data, "pending"),
		.renegotiate = get_flag(data, "renegotiate"),
	};
	snprintf(ret->status, sizeof(ret->status), "%s", get_str(data, "status"));
	snprintf(ret->why, sizeof(ret->why), "%s", get_str(data, "why"));
}

/* Asks for it, or, check, only whether it would be agreed to. */
static int change(struct braid *b, enum braid_action action, bool check,
		  const struct braid_change *c, struct braid_result *ret_result)
{
	json_t *args, *data = NULL;
	char cmd[32];
	int r;

	if ((unsigned)action >= sizeof(words) / sizeof(*words)) {
		snprintf(b->error, sizeof(b->error), "there is no action %d", (int)action);
		return -EINVAL;
	}
	args = change_json(c);
	if (!args || (check && !put(args, "action", words[action]))) {
		json_decref(args);
		return lib_bad_argument(b);
	}
	snprintf(cmd, sizeof(cmd), "mmx-%s", check ? "check" : words[action]);
	r = lib_operate(b, cmd, args, &data);
	if (ret_result)
		take_result(data, ret_result);
	json_decref(data);
	return r;
}

int braid_update(struct braid *b, const struct braid_change *c, struct braid_result *ret_result)
{
	return change(b, BRAID_UPDATE, false, c, ret_result);
}

int braid_add(struct braid *b, const struct braid_change *c, struct braid_result *ret_result)
{
	return change(b, BRAID_ADD, false, c, ret_result);
}

int braid_remove(struct braid *b, const struct braid_change *c, struct braid_result *ret_result)
{
	return change(b, BRAID_REMOVE, false, c, ret_result);
}

int braid_set_alternates(struct braid *b, const struct braid_change *c,
			 struct braid_result *ret_result)
{
	return change(b, BRAID_SET_ALTERNATES, false, c, ret_result);
}

int braid_failover(struct braid *b, const struct braid_change *c, struct braid_result *ret_result)
{
	return change(b, BRAID_FAILOVER, false, c, ret_result);
}

int braid_add_interface(struct braid *b, const struct braid_change *c,
			struct braid_result *ret_result)
{
	return change(b, BRAID_ADD_INTERFACE, false, c, ret_result);
}

int braid_delete_interface(struct braid *b, const struct braid_change *c,
			   struct braid_result *ret_result)
{
	return change(b, BRAID_DELETE_INTERFACE, false, c, ret_result);
}

int braid_check(struct braid *b, enum braid_action action, const struct braid_change *c,
		struct braid_result *ret_result)
{
	return change(b, action, true, c, ret_result);
}

int braid_probe(struct braid *b, const char *conn, const char *local, const char *remote, bool keep,
		struct braid_probed *ret_probed)
{
	json_t *args = json_pack("{s:s, s:s, s:s, s:b}", "conn", conn, "local", local, "remote",
				 remote, "keep", (int)keep);
	json_t *data = NULL;
	int r;

	if (!args)
		return lib_bad_argument(b);
	r = lib_operate(b, "mmx-probe", args, &data);
	if (r == 0 && ret_probed) {
		*ret_probed = (struct braid_probed){
			.rtt_usec = (uint32_t)get_num(data, "rtt_usec"),
			.nat = get_flag(data, "nat"),
		};
		snprintf(ret_probed->seen, sizeof(ret_probed->seen), "%s", get_str(data, "seen"));
	}
	json_decref(data);
	return r;
}

/* ---- connections ---- */

static int up_down(struct braid *b, const char *command, const char *conn, const char *child)
{
	json_t *args = json_pack("{s:s}", "name", conn);

	if (!args || !put(args, "child", child)) {
		json_decref(args);
		return lib_bad_argument(b);
	}
	return lib_operate(b, command, args, NULL);
}

int braid_up(struct braid *b, const char *conn, const char *child)
{
	return up_down(b, "up", conn, child);
}

int braid_down(struct braid *b, const char *conn, const char *child)
{
	return up_down(b, "down", conn, child);
}
