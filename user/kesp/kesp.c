/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening and closing, and who serves which request. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/explain.h"
#include "base/log.h"
#include "base/secret.h"
#include "esp/client.h"
#include "kesp_impl.h"

enum { LOOK_SEC = 1, EVENTS_MAX = 16384 };

usec_t kesp_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

/* FNV-1a. */
uint32_t kesp_if_id(const char *ifname)
{
	uint32_t h = 2166136261u;

	for (const char *c = ifname; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	return h ? h : 1;
}

/* ---- to the agent ---- */

void kesp_answer(const struct kesp_reply *to, void *msg, uint16_t type, size_t len)
{
	struct engine_hdr *h = msg;

	*h = (struct engine_hdr){ to->seq, type, ENGINE_PROTO_VERSION };
	if (to->fn)
		to->fn(to->ctx, h, len);
}

void kesp_tell(struct kesp *k, void *msg, uint16_t type, size_t len)
{
	struct kesp_event *ev = NULL;

	/* limits are told once, others again */
	if (k->n_events < EVENTS_MAX || type == ENGINE_EV_SA_LIMIT)
		ev = malloc(sizeof(*ev) + len);
	if (!ev)
		return;
	*(struct engine_hdr *)msg = (struct engine_hdr){ 0, type, ENGINE_PROTO_VERSION };
	memcpy(ev->msg, msg, len);
	ev->len = len;
	list_append(&k->events, &ev->node);
	k->n_events++;
	event_active(k->deliver, EV_TIMEOUT, 0);
}

static void on_deliver(evutil_socket_t fd, short what, void *ctx)
{
	struct kesp *k = ctx;

	(void)fd;
	(void)what;
	while (!list_empty(&k->events)) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list has it no more */
		struct kesp_event *ev = list_entry(k->events.next, struct kesp_event, node);

		list_remove(&ev->node);
		k->n_events--;
		k->opt.on_event(k->opt.ctx, (struct engine_hdr *)ev->msg, ev->len);
		free(ev);
	}
}

/* ---- timers and the kernel's messages ---- */

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	rekey_tick(ctx);
}

static void policies_look(struct policies *ps)
{
	if (ps->unsettled)
		policies_settle(ps);
	if (ps->n_left)
		policies_expire(ps, kesp_now());
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	const struct timeval later = { LOOK_SEC, 0 };
	struct kesp *k = ctx;

	(void)fd;
	(void)what;
	poll_some(k);
	if (k->room_dirty)
		room_fit(k);
	policies_look(&k->policies);
	policies_look(&k->direct);
	stable_look(k);
	if (k->n_sas || k->policies.n_left || k->direct.n_left)
		event_add(k->look, &later);
}

void kesp_look(struct kesp *k)
{
	const struct timeval later = { LOOK_SEC, 0 };

	if (!event_pending(k->look, EV_TIMEOUT, NULL))
		event_add(k->look, &later);
}

static void on_xfrm(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	poll_events(ctx);
}

/* ---- requests ---- */

static int hello(struct kesp *k, const struct kesp_reply *to)
{
	struct engine_hello h = {
		.pid = (uint32_t)getpid(),
		.crypto = "kernel",
		.started_usec = k->started,
	};

	if (k->configured)
		memcpy(h.tun, k->cfg.tun, sizeof(h.tun));
	kesp_answer(to, &h, ENGINE_HELLO_INFO, sizeof(h));
	return 0;
}

static int put_policy(void *ctx, const struct xfrm_policy *p)
{
	struct kesp *k = ctx;

	return xfrm_policy_put(k->x, p);
}

static int del_policy(void *ctx, const struct xfrm_policy *p)
{
	struct kesp *k = ctx;

	return xfrm_policy_del(k->x, p);
}

static bool same_config(const struct engine_config *a, const struct engine_config *b)
{
	return !strncmp(a->tun, b->tun, sizeof(a->tun)) && a->tun_mtu == b->tun_mtu &&
	       a->port == b->port && addr_equal(&a->stable4_local, &b->stable4_local) &&
	       addr_equal(&a->stable4_remote, &b->stable4_remote) &&
	       addr_equal(&a->stable6_local, &b->stable6_local) &&
	       addr_equal(&a->stable6_remote, &b->stable6_remote);
}

/* Without it they are dropped, as they would be if no peer sent so early. */
static void open_await(struct kesp *k)
{
	int err = await_open(k);

	if (err)
		log_warning("packets that come before their SA are dropped: %s", strerror(-err));
}

/* The socket first, which another program may have: then nothing is made. */
static int configure(struct kesp *k, const struct engine_config *c, char *ret_why, size_t len)
{
	int err;

	if (k->configured)
		return same_config(c, &k->cfg)
			       ? 0
			       : explain(ret_why, len, -EBUSY,
					 "the kernel's ESP is configured already, in another way");
	if (!memchr(c->tun, 0, sizeof(c->tun)) || !c->tun[0])
		return explain(ret_why, len, -EINVAL, "the interface's name is missing");
	k->cfg = *c;
	k->if_id = kesp_if_id(c->tun);
	err = ike_open(k, ret_why, len);
	if (!err)
		open_await(k);
	if (!err)
		err = xfrm_iface_make(k->x, c->tun, iface_id(k), c->tun_mtu, &k->ifindex, ret_why,
				      len);
	if (err) {
		ike_close(k);
		await_close(k);
		return err;
	}
	k->mtu = c->tun_mtu;
	k->esp_mtu = UINT32_MAX;
	k->esp_least = 0;
	stable_init(k);
	policies_init(&k->policies, k->if_id, put_policy, del_policy, k);
	policies_init(&k->direct, 0, put_policy, del_policy, k);
	k->direct.dev = k->opt.plain ? k->ifindex : 0;
	k->configured = true;
	err = restore(k);
	return err ? explain(ret_why, len, err, "what the kernel has of our SAs cannot be read: %s",
			     strerror(-err))
		   : 0;
}

static int config(struct kesp *k, const struct engine_config *c, const struct kesp_reply *to)
{
	struct engine_why why = { .text = "" };
	int err = configure(k, c, why.text, sizeof(why.text));

	if (err)
		kesp_answer(to, &why, ENGINE_WHY, sizeof(why));
	return err;
}

static int flow(struct kesp *k, const struct engine_flow *m, const struct kesp_reply *to)
{
	struct engine_flow_info info = { .sa_id = 0 };
	int err = flow_explain(k, m, &info);

	if (!err)
		kesp_answer(to, &info, ENGINE_FLOW_INFO, sizeof(info));
	return err;
}

static int list_all(struct kesp *k, const struct kesp_reply *to)
{
	int err = list_sas(k, to);

	return err ? err : blobs_list(k, to);
}

static int stats(struct kesp *k, const struct kesp_reply *to)
{
	int err = list_sas(k, to);

	if (!err)
		list_counters(k, to);
	return err;
}

static void forget_all(struct kesp *k)
{
	list_for_each_safe (it, tmp, &k->sas)
		sa_forget(k, list_entry(it, struct kesp_sa, node));
	policies_clear(&k->policies);
	policies_clear(&k->direct);
	lines_forget(k);
}

static int end(struct kesp *k)
{
	forget_all(k);
	stable_look(k);
	ike_close(k);
	blob_parts_clear(&k->coming);
	sealed_close(&k->images);
	xfrm_acquires_end(k->x);
	return kesp_flush(k->opt.state_dir, k->opt.pin_dir, k->configured ? k->cfg.tun : NULL);
}

static int serve(struct kesp *k, const struct engine_hdr *h, size_t len,
		 const struct kesp_reply *to)
{
	const struct engine_id *id = (const void *)h;
	const struct engine_group_room *room = (const void *)h;
	const struct engine_group_encap *encap = (const void *)h;
	const struct engine_sa_group *group = (const void *)h;

	switch ((enum engine_msg_type)h->type) {
	case ENGINE_HELLO:
		return hello(k, to);
	case ENGINE_CONFIG:
		return config(k, (const void *)h, to);
	case ENGINE_SA_ADD:
		return sa_add(k, (const void *)h);
	case ENGINE_SA_DEL:
		return sa_del(k, id->id);
	case ENGINE_SA_RETIRE:
		return sa_retire(k, id->id);
	case ENGINE_SA_OUT_ON:
		return rekey_out_on(k, id->id);
	case ENGINE_SA_GET:
		return list_sa(k, id->id, to);
	case ENGINE_SA_TS:
		return ts_set(k, (const void *)h);
	case ENGINE_SA_GROUP:
		return sa_group(k, group->id, group->group);
	case ENGINE_GROUP_ENCAP:
		return sa_group_encap(k, encap->group, encap->encap);
	case ENGINE_GROUP_ROOM:
		return sa_group_room(k, room->group, room->room);
	case ENGINE_LIST:
		return list_all(k, to);
	case ENGINE_STATS:
		return stats(k, to);
	case ENGINE_PATHS:
		list_counters(k, to);
		return 0;
	case ENGINE_FLOW:
		return flow(k, (const void *)h, to);
	case ENGINE_IKE_SEND:
		ike_send(k, (const void *)h, len);
		return 0;
	case ENGINE_BLOB_PUT:
		return blobs_put(k, (const void *)h, len);
	case ENGINE_BLOB_DEL:
		return blobs_del(k, ((const struct engine_blob *)h)->key);
	case ENGINE_SHUTDOWN:
		return end(k);
	case ENGINE_SPI:
		await_set(k, (const void *)h);
		return 0;
	case ENGINE_MAPS:    /* the steering programs have them */
	case ENGINE_CLASSES: /* no queues: the class is in the mark */
		return 0;
	case ENGINE_PATH_DEL: /* there is none: fine */
		return 0;
	case ENGINE_PATH_ADD:
	case ENGINE_PATH_WANT:
	case ENGINE_PATH_PING:
	case ENGINE_RESULT:
	case ENGINE_HELLO_INFO:
	case ENGINE_SA_INFO:
	case ENGINE_PATH_INFO:
	case ENGINE_BLOB:
	case ENGINE_COUNTERS:
	case ENGINE_WHY:
	case ENGINE_FLOW_INFO:
	case ENGINE_EV_IKE_RECV:
	case ENGINE_EV_SA_SEEN:
	case ENGINE_EV_PATH:
	case ENGINE_EV_JOIN:
	case ENGINE_EV_SA_LIMIT:
	case ENGINE_EV_PONG:
	case ENGINE_EV_NO_SA:
	case ENGINE_EV_MEASURED:
		break;
	}
	return -EOPNOTSUPP;
}

int kesp_request(struct kesp *k, struct engine_hdr *msg, size_t len, kesp_answer_fn *answer,
		 void *ctx)
{
	const struct kesp_reply to = { answer, ctx, msg->seq };

	if (len < sizeof(*msg) || len < engine_msg_min(msg->type))
		return -EBADMSG;
	return serve(k, msg, len, &to);
}

/* ---- opening ---- */

int kesp_probe(bool *ret_iface, char *ret_error, size_t error_len)
{
	struct xfrm *x;
	int err = xfrm_open(&x, ret_error, error_len);

	if (err)
		return err;
	err = xfrm_probe(x, ret_iface, ret_error, error_len);
	xfrm_close(x);
	return err;
}

int kesp_has_algorithm(uint16_t encr_id, uint16_t key_bits, uint16_t integ_id)
{
	char why[160];
	struct xfrm *x;
	int err = xfrm_open(&x, why, sizeof(why));

	if (err)
		return err;
	err = xfrm_has_algorithm(x, encr_id, key_bits, integ_id);
	xfrm_close(x);
	return err;
}

bool kesp_has_cpus(void)
{
	char why[160];
	struct xfrm *x;
	bool has;

	if (xfrm_open(&x, why, sizeof(why)))
		return false;
	has = xfrm_has_cpus(x);
	xfrm_close(x);
	return has;
}

static int open_images(struct kesp *k, char *ret_error, size_t len)
{
	const struct kesp_options *o = &k->opt;
	uint8_t key[IMAGE_KEY_OCTETS];
	int err = image_key_get(o->pin_dir, key);

	if (err)
		return explain(ret_error, len, err,
			       "the key for images of IKE SAs cannot be kept in %s/image_key: %s",
			       o->pin_dir, strerror(-err));
	err = sealed_open(&k->images, o->state_dir, key);
	secret_wipe(key, sizeof(key));
	if (err == -EPERM)
		return explain(ret_error, len, err,
			       "%s/images belongs to others or is open to them: remove it, it is "
			       "made again",
			       o->state_dir);
	return err ? explain(ret_error, len, err, "%s/images cannot be used: %s", o->state_dir,
			     strerror(-err))
		   : 0;
}

static int open_events(struct kesp *k)
{
	struct event_base *b = k->opt.base;

	k->deliver = event_new(b, -1, 0, on_deliver, k);
	k->tick = event_new(b, -1, 0, on_tick, k);
	k->look = event_new(b, -1, 0, on_look, k);
	k->ev_xfrm = event_new(b, xfrm_events_fd(k->x), EV_READ | EV_PERSIST, on_xfrm, k);
	return k->deliver && k->tick && k->look && k->ev_xfrm && !event_add(k->ev_xfrm, NULL)
		       ? 0
		       : -ENOMEM;
}

int kesp_open(const struct kesp_options *opt, struct kesp **ret_k, char *ret_error,
	      size_t error_len)
{
	struct kesp *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	k->opt = *opt;
	k->udp4 = k->udp6 = k->images.dir = k->raw4 = k->raw6 = -1;
	k->started = kesp_now();
	k->next_reqid = k->next_order = k->blob_order = 1;
	hash_init(&k->by_id);
	hash_init(&k->by_spi_in);
	hash_init(&k->by_spi_out);
	hash_init(&k->by_group);
	hash_init(&k->by_selectors);
	hash_init(&k->remotes);
	list_init(&k->sas);
	list_init(&k->deferred);
	list_init(&k->replaced);
	list_init(&k->events);
	policies_init(&k->policies, 0, put_policy, del_policy, k);
	policies_init(&k->direct, 0, put_policy, del_policy, k);
	err = xfrm_open(&k->x, ret_error, error_len);
	if (!err)
		err = open_images(k, ret_error, error_len);
	if (!err && open_events(k))
		err = explain(ret_error, error_len, -ENOMEM, "no memory for the kernel's ESP");
	if (err) {
		kesp_close(k);
		return err;
	}
	*ret_k = k;
	return 0;
}

static void event_drop(struct event *ev)
{
	if (ev)
		event_free(ev);
}

void kesp_close(struct kesp *k)
{
	if (!k)
		return;
	forget_all(k);
	hash_clear(&k->by_id);
	hash_clear(&k->by_spi_in);
	hash_clear(&k->by_spi_out);
	hash_clear(&k->by_group);
	hash_clear(&k->by_selectors);
	hash_clear(&k->remotes);
	ike_close(k);
	await_close(k);
	event_drop(k->deliver);
	event_drop(k->tick);
	event_drop(k->look);
	event_drop(k->ev_xfrm);
	list_for_each_safe (it, tmp, &k->events)
		free(list_entry(it, struct kesp_event, node));
	blob_parts_clear(&k->coming);
	sealed_close(&k->images);
	xfrm_close(k->x);
	free(k);
}

int kesp_flush(const char *state_dir, const char *pin_dir, const char *ifname)
{
	char why[160];
	struct xfrm *x;
	int first = image_key_wipe(pin_dir), err = sealed_clean(state_dir);

	first = first ? first : err;
	if (!ifname)
		return first;
	err = xfrm_open(&x, why, sizeof(why));
	if (err) /* a kernel without it has nothing of ours */
		return first;
	err = xfrm_flush(x, kesp_if_id(ifname));
	first = first ? first : err;
	err = xfrm_iface_del(x, ifname);
	if (err != -ENODEV && err != -EPERM)
		first = first ? first : err;
	xfrm_close(x);
	return first;
}
