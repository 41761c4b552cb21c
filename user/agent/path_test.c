/* SPDX-License-Identifier: GPL-2.0-only */
/* braid path test: some probes at once over one path, whatever its state, and what became of each.
 * Where the engine probes, it sends them and takes the time; with other peers IKE asks (RFC 4555
 * 3.10), one request after the other. Nothing that is measured here changes what is known of the
 * path. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "agent.h"

enum {
	TESTS_MAX = 16,
	COUNT_MAX = 1000,
	COUNT_USUAL = 10,
	INTERVAL_USUAL = 100 * 1000,
	INTERVAL_LEAST = 10 * 1000,
	INTERVAL_MOST = 60 * 1000 * 1000,
	WAIT_USEC = 1000 * 1000,      /* and two round trips */
	IKE_WAIT_USEC = 10000 * 1000, /* the core says so sooner */
	BUSY_USEC = 50 * 1000,
};

struct path_test {
	struct list node; /* agent.path_tests */
	struct agent *a;
	struct ctl_req *req;
	struct event *ev;
	uint32_t path; /* 0: of a pair in standby */
	uint64_t line;
	struct ike_path pair;
	char name[2 * IKE_NAME_MAX];
	bool by_ike;
	uint32_t op; /* by IKE: of the request under way; 0: none */
	uint32_t octets;
	usec_t interval, next, wait;
	unsigned count, sent, told, answered;
	uint32_t rtt_min, rtt_max;
	double sum, squares;
	struct {
		usec_t sent;
		bool done; /* answered, or given up */
	} tries[];	   /* count of them */
};

static void test_free(struct path_test *t)
{
	list_remove(&t->node);
	if (t->ev)
		event_free(t->ev);
	free(t);
}

static void test_end(struct path_test *t, enum ctl_code code, const char *why)
{
	struct ctl_req *req = t->req;

	test_free(t);
	ctl_req_on_gone(req, NULL, NULL);
	if (code == CTL_OK)
		ctl_reply_done(req, CTL_OK, NULL);
	else
		ctl_reply_done(req, code, "%s", why);
}

static void summary(struct path_test *t)
{
	const struct path *p = t->path ? path_find(t->a, t->path) : NULL;
	double mean = t->answered ? t->sum / t->answered : 0;
	double spread = t->answered ? t->squares / t->answered - mean * mean : 0;
	json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i}", "path", t->name, "by",
			      t->by_ike ? "ike" : "probes", "sent", (int)t->sent, "answered",
			      (int)t->answered, "loss_permille",
			      (int)(t->sent ? 1000 * (t->sent - t->answered) / t->sent : 0));
	char text[2 * IKE_NAME_MAX + 32];

	if (o && p) {
		json_object_set_new(o, "mtu", json_integer(path_mtu(p)));
		json_object_set_new(o, "mtu_from", json_string(path_mtu_from(t->a, p)));
	}
	if (o && t->answered) {
		json_object_set_new(o, "rtt_min_usec", json_integer(t->rtt_min));
		json_object_set_new(o, "rtt_avg_usec", json_integer((json_int_t)mean));
		json_object_set_new(o, "rtt_max_usec", json_integer(t->rtt_max));
		json_object_set_new(o, "rtt_mdev_usec",
				    json_integer((json_int_t)(spread > 0 ? sqrt(spread) : 0)));
	}
	ctl_reply_data(t->req, o);
	snprintf(text, sizeof(text), "%s: no answer to %u", t->name, t->sent);
	test_end(t, t->answered ? CTL_OK : CTL_NO_ANSWER, text);
}

static void arm(struct path_test *t, usec_t at)
{
	usec_t now = agent_now();

	agent_timer(t->ev, at > now ? at - now : 0);
}

/* One line of progress for each, in the order in which it is known. */
static void tell(struct path_test *t, uint32_t seq, uint32_t octets, uint32_t rtt)
{
	json_t *o = json_pack("{s:s, s:s, s:i}", "kind", ctl_event_word(CTL_EV_PROGRESS), "path",
			      t->name, "seq", (int)seq);

	if (!o)
		return;
	if (rtt) {
		json_object_set_new(o, "rtt_usec", json_integer(rtt));
		if (octets)
			json_object_set_new(o, "octets", json_integer(octets));
		json_object_set_new(o, "text",
				    json_sprintf("%s %u: answered in %.2f ms", t->name, seq,
						 (double)rtt / 1000));
	} else {
		json_object_set_new(o, "text", json_sprintf("%s %u: no answer", t->name, seq));
	}
	ctl_reply_event(t->req, o);
	t->tries[seq - 1].done = true;
	t->told++;
}

static void take_answer(struct path_test *t, uint32_t seq, uint32_t octets, uint32_t rtt)
{
	if (!seq || seq > t->sent || t->tries[seq - 1].done)
		return;
	t->answered++;
	if (!t->rtt_min || rtt < t->rtt_min)
		t->rtt_min = rtt;
	if (rtt > t->rtt_max)
		t->rtt_max = rtt;
	t->sum += rtt;
	t->squares += (double)rtt * rtt;
	tell(t, seq, octets, rtt);
	arm(t, agent_now());
}

void path_test_on_pong(struct agent *a, const struct engine_pong *m)
{
	uint32_t seq = m->seq % (COUNT_MAX + 1);

	/* several tests of one path: the number says whose it is */
	list_for_each (it, &a->path_tests) {
		struct path_test *t = list_entry(it, struct path_test, node);

		if (!t->by_ike && t->path == m->id && t->op == m->seq - seq) {
			take_answer(t, seq, m->octets, m->rtt_usec);
			return;
		}
	}
}

void path_test_on_tested(struct agent *a, uint32_t op, usec_t rtt)
{
	list_for_each (it, &a->path_tests) {
		struct path_test *t = list_entry(it, struct path_test, node);

		if (!t->by_ike || t->op != op)
			continue;
		t->op = 0;
		if (rtt)
			take_answer(t, t->sent, 0, (uint32_t)rtt);
		else if (!t->tries[t->sent - 1].done)
			tell(t, t->sent, 0, 0);
		arm(t, agent_now());
		return;
	}
}

/* ---- sending ---- */

static int send_ping(struct path_test *t)
{
	struct engine_ping m = { .id = t->path, .seq = t->op + t->sent + 1, .octets = t->octets };

	return engine_request(t->a, &m.h, ENGINE_PATH_PING, sizeof(m));
}

/* One after the other: while an earlier one is not answered, nothing can be asked. */
static int send_by_ike(struct path_test *t)
{
	uint32_t op = ++t->a->next_op;
	int err = ike_path_test(t->a->ike, t->line, &t->pair, op, agent_now());

	if (!err)
		t->op = op;
	return err;
}

/* False: it has ended. */
static bool send_next(struct path_test *t, usec_t now)
{
	int err = t->by_ike ? send_by_ike(t) : send_ping(t);

	if (err == -EALREADY && now < t->next + IKE_WAIT_USEC)
		return true;
	if (err == -EOPNOTSUPP) {
		test_end(t, CTL_REFUSED, "the peer answers neither probes nor MOBIKE's tests");
		return false;
	}
	if (err && err != -EALREADY) {
		test_end(t, CTL_FAILED, strerror(-err));
		return false;
	}
	t->tries[t->sent++].sent = now;
	t->next = now + t->interval;
	if (err) /* it could not even be asked */
		tell(t, t->sent, 0, 0);
	return true;
}

static void on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct path_test *t = ctx;
	struct agent *a = t->a;
	usec_t now = agent_now(), at = USEC_NEVER;
	bool waiting;

	(void)fd;
	(void)what;
	if (t->path ? !path_find(a, t->path) : !peer_find(a, t->line)) {
		test_end(t, CTL_FAILED, "the path has gone");
		return;
	}
	for (unsigned i = 0; i < t->sent; i++) {
		usec_t late = t->tries[i].sent + t->wait;

		if (!t->tries[i].done && late <= now)
			tell(t, i + 1, 0, 0);
		else if (!t->tries[i].done && late < at)
			at = late;
	}
	waiting = t->by_ike && t->told < t->sent;
	if (t->sent < t->count && t->next <= now && !waiting && !send_next(t, now)) {
		agent_drain(a);
		return;
	}
	if (t->told == t->count) {
		summary(t);
		return;
	}
	waiting = t->by_ike && t->told < t->sent;
	if (t->sent < t->count && !waiting)
		at = t->next > now ? t->next : now + BUSY_USEC;
	else if (at == USEC_NEVER)
		at = now + t->wait;
	arm(t, at);
	agent_drain(a);
}

/* ---- the command ---- */

static void on_gone(void *ctx, struct ctl_req *req)
{
	struct agent *a = ctx;

	list_for_each (it, &a->path_tests) {
		struct path_test *t = list_entry(it, struct path_test, node);

		if (t->req == req) {
			test_free(t);
			break;
		}
	}
	ctl_reply_done(req, CTL_FAILED, "the client left");
}

/* A number of the request, or the usual one; false: out of bounds. */
static bool number(const json_t *args, const char *key, json_int_t min, json_int_t max,
		   json_int_t usual, json_int_t *ret)
{
	const json_t *v = json_object_get(args, key);

	*ret = v ? json_integer_value(v) : usual;
	return !v || (json_is_integer(v) && *ret >= min && *ret <= max);
}

static void begin(struct agent *a, struct ctl_req *req, const struct path_test *wanted)
{
	struct path_test *t = calloc(1, sizeof(*t) + wanted->count * sizeof(t->tries[0]));
	char from[ADDR_PORT_STR], to[ADDR_PORT_STR];

	if (t) {
		*t = *wanted;
		t->ev = event_new(a->base, -1, 0, on_time, t);
	}
	if (!t || !t->ev) {
		free(t);
		ctl_reply_done(req, CTL_FAILED, "out of memory");
		return;
	}
	t->a = a;
	t->req = req;
	/* numbers of probes that no other test has, and none that is cut off at the top */
	if (!t->by_ike)
		t->op = ++a->next_op % (UINT32_MAX / (COUNT_MAX + 1)) * (COUNT_MAX + 1);
	list_append(&a->path_tests, &t->node);
	ctl_req_on_gone(req, on_gone, a);
	ctl_reply_progress(req, "%s: %s to %s, %s", t->name, udp_addr_format(&t->pair.local, from),
			   udp_addr_format(&t->pair.remote, to),
			   t->by_ike ? "INFORMATIONAL requests" : "probes");
	t->next = agent_now();
	arm(t, t->next);
}

/* False: the request has ended. */
static bool read_args(struct agent *a, struct ctl_req *req, const json_t *args,
		      struct path_test *ret_wanted)
{
	json_int_t count, interval, octets;
	size_t n = 0;

	list_for_each (it, &a->path_tests)
		n++;
	if (!number(args, "count", 1, COUNT_MAX, COUNT_USUAL, &count) ||
	    !number(args, "interval_usec", INTERVAL_LEAST, INTERVAL_MOST, INTERVAL_USUAL,
		    &interval) ||
	    !number(args, "octets", 1, PMTU_CEILING, 0, &octets)) {
		ctl_reply_done(req, CTL_USAGE,
			       "a test has 1 to %d probes, 10 ms to 60 s apart, of at most %d "
			       "octets",
			       COUNT_MAX, PMTU_CEILING);
		return false;
	}
	if (n >= TESTS_MAX) {
		ctl_reply_done(req, CTL_FAILED, "too many tests are running");
		return false;
	}
	*ret_wanted = (struct path_test){
		.count = (unsigned)count,
		.interval = (usec_t)interval,
		.octets = (uint32_t)octets,
	};
	return true;
}

static void by_ike(struct agent *a, struct ctl_req *req, struct path_test *t)
{
	t->by_ike = true;
	t->wait = IKE_WAIT_USEC;
	if (t->octets)
		ctl_reply_done(req, CTL_REFUSED,
			       "the peer answers no probes, and requests of IKE have their size");
	else
		begin(a, req, t);
}

void path_test(struct agent *a, struct ctl_req *req, const struct path *p, const json_t *args)
{
	struct path_test t;

	if (!read_args(a, req, args, &t))
		return;
	t.path = p->id;
	t.line = p->peer->line;
	t.pair = (struct ike_path){ p->local, p->remote, p->ifindex };
	memcpy(t.name, p->name, sizeof(t.name));
	t.wait = WAIT_USEC + 2ull * p->info.rtt_usec;
	if (!p->probed)
		by_ike(a, req, &t);
	else if (p->limit && t.octets > p->limit)
		ctl_reply_done(req, CTL_REFUSED, "the uplink of %s carries %u octets", p->name,
			       p->limit);
	else
		begin(a, req, &t);
}

void path_test_standby(struct agent *a, struct ctl_req *req, const struct peer *p,
		       const struct standby *s, const json_t *args)
{
	struct path_test t;

	if (!read_args(a, req, args, &t))
		return;
	t.line = p->line;
	t.pair = move_with_ports(a, p, &s->pair);
	memcpy(t.name, s->name, sizeof(t.name));
	by_ike(a, req, &t);
}

void path_tests_close(struct agent *a)
{
	list_for_each_safe (it, tmp, &a->path_tests)
		test_end(list_entry(it, struct path_test, node), CTL_FAILED, "the agent stops");
}
