/* SPDX-License-Identifier: GPL-2.0-only */
/* libbraid against the control server: requests as it writes them, answers as structs, ends as
 * errors, events and questions. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

#include "base/log.h"
#include "braid/braid.h"
#include "ctl/server.h"

/* What the agent says to a command: data (a line each), events before it, and its end. */
struct said {
	const char *cmd, *data[3], *event;
	enum ctl_code code;
	const char *text;
};

static struct event_base *base;
static struct ctl_server *server;
static pthread_t thread;
static char dir[64], path[96];
static const struct said *script;
static size_t n_script;
static char asked[8][512]; /* requests, as they came, without "v" and "id" */
static size_t n_asked;
static struct ctl_req *following;

static void quiet(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level, (void)line;
}

static void gone(void *ctx, struct ctl_req *req)
{
	(void)ctx;
	following = NULL;
	ctl_reply_done(req, CTL_OK, NULL);
}

static void handler(void *ctx, struct ctl_req *req, const char *cmd, const json_t *args)
{
	json_t *copy = json_copy((json_t *)args);
	char *text;

	(void)ctx;
	json_object_del(copy, "v");
	json_object_del(copy, "id");
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	snprintf(asked[n_asked++ % 8], sizeof(asked[0]), "%s", text);
	free(text);
	json_decref(copy);
	if (!strcmp(cmd, "send")) { /* an event to whoever follows */
		ctl_reply_event(following, json_deep_copy(json_object_get(args, "event")));
		ctl_reply_done(req, CTL_OK, NULL);
		return;
	}
	for (size_t i = 0; i < n_script; i++) {
		const struct said *s = &script[i];

		if (strcmp(s->cmd, cmd))
			continue;
		if (s->event)
			ctl_reply_event(req, json_loads(s->event, 0, NULL));
		for (size_t k = 0; k < 3 && s->data[k]; k++)
			ctl_reply_data(req, json_loads(s->data[k], 0, NULL));
		if (!strcmp(cmd, "events") || !strcmp(cmd, "consent")) {
			following = req;
			ctl_req_on_gone(req, gone, NULL);
		} else {
			ctl_reply_done(req, s->code, s->code ? "%s" : NULL, s->text);
		}
		return;
	}
	ctl_reply_done(req, CTL_USAGE, "unknown command \"%s\"", cmd);
}

static int stop[2]; /* closed at one end: the loop is over */

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what, (void)ctx;
	event_base_loopbreak(base);
}

static void *loop(void *ctx)
{
	(void)ctx;
	event_base_dispatch(base);
	return NULL;
}

static struct braid *b;

/* The agent says these; b is connected to it. */
static void play(const struct said *s, size_t n)
{
	log_set_sink(quiet, NULL);
	script = s;
	n_script = n;
	base = event_base_new();
	strcpy(dir, "/tmp/braid-test-lib-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ctl.sock", dir);
	cr_assert_eq(ctl_server_new(base, path, handler, NULL, &server), 0);
	cr_assert_eq(pipe(stop), 0);
	cr_assert_eq(event_base_once(base, stop[0], EV_READ, on_stop, NULL, NULL), 0);
	cr_assert_eq(pthread_create(&thread, NULL, loop, NULL), 0);
	cr_assert_eq(braid_connect(path, &b), 0);
}
#define PLAY(s) play(s, sizeof(s) / sizeof(*(s)))

static void agent_ends(void)
{
	close(stop[1]);
	pthread_join(thread, NULL);
	ctl_server_free(server);
	for (int i = 0; i < 4; i++) /* what it has put off holds memory */
		event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	base = NULL;
	close(stop[0]);
	rmdir(dir);
}

static void teardown(void)
{
	braid_close(b);
	if (base)
		agent_ends();
}

TestSuite(libbraid, .fini = teardown, .timeout = 30);

Test(libbraid, interfaces_with_their_endpoints)
{
	static const struct said s[] = {
		{ .cmd = "status",
		  .data = { "{\"uplinks\":[{\"id\":4,\"name\":\"wlan\",\"interface\":"
			    "\"wlan0\",\"kind\":\"wlan\",\"ifindex\":3,"
			    "\"up\":true,\"metered\":false,\"preference\":1,"
			    "\"cost\":2,\"weight\":3,\"endpoints\":"
			    "[{\"id\":7,\"address\":\"192.0.2.2\"},{\"id\":"
			    "9,\"address\":\"2001:db8::2\"}]},"
			    "{\"name\":\"ran\",\"interface\":\"ran0\","
			    "\"ifindex\":0,\"up\":false,\"metered\":true,"
			    "\"endpoints\":[]}]}" } }
	};
	struct braid_interfaces *list;
	const struct braid_interface *i;

	PLAY(s);
	cr_assert_eq(braid_interfaces(b, &list), 0, "%s", braid_error(b));
	cr_assert_eq(list->n, 2);
	i = list->first;
	cr_assert_str_eq(i->name, "wlan");
	cr_assert_str_eq(i->device, "wlan0");
	cr_assert_str_eq(i->kind, "wlan");
	cr_assert(i->up && !i->metered && i->ifindex == 3 && i->number == 4);
	cr_assert(i->preference == 1 && i->cost == 2 && i->weight == 3);
	cr_assert_str_eq(i->endpoints->address, "192.0.2.2");
	cr_assert_eq(i->endpoints->number, 7);
	cr_assert_str_eq(i->endpoints->next->address, "2001:db8::2");
	cr_assert_null(i->endpoints->next->next);
	i = i->next;
	cr_assert(!i->up && i->metered);
	cr_assert_str_eq(i->kind, "", "what is not known is empty");
	cr_assert_null(i->endpoints);
	cr_assert_null(i->next);
	braid_interfaces_free(list);
	braid_interfaces_free(NULL);
}

#define SAS                                                                                        \
	"{\"ike_sas\":[{\"conn\":\"home\",\"line\":4,\"family\":2,\"state\":\"ESTABLISHED\","      \
	"\"role\":\"R\",\"local\":\"192.0.2.2:4500\",\"remote\":\"192.0.2.66:4500\",\"local_id\":" \
	"\"u\",\"remote_id\":\"g\",\"children\":[{\"id\":11,\"name\":\"net\",\"state\":"           \
	"\"INSTALLED\",\"mode\":\"tunnel\",\"spi_in\":\"c0000001\",\"spi_out\":\"0000ffff\","      \
	"\"rx_packets\":1,\"rx_octets\":2,\"tx_packets\":3,\"tx_octets\":4,\"binding\":5},"        \
	"{\"id\":12,\"name\":\"more\",\"spi_in\":\"1\",\"spi_out\":\"2\"}]}]}"
#define OTHER "{\"ike_sas\":[{\"conn\":\"away\",\"line\":6,\"children\":[]}]}"
#define PATHS                                                                                      \
	"{\"paths\":[{\"id\":1,\"name\":\"w\",\"conn\":\"home\",\"line\":4,\"uplink\":\"wlan\","   \
	"\"local\":\"192.0.2.2:4500\",\"remote\":\"192.0.2.66:4500\",\"epid_i\":8,\"epid_r\":9,"   \
	"\"state\":\"up\",\"why\":\"so\",\"verified\":true,\"share\":1,\"rtt_usec\":5,"            \
	"\"loss_permille\":6,\"mtu\":1500,\"tx_octets\":5000000000}]}"

static const struct said relations[] = {
	{ .cmd = "sas", .data = { SAS, OTHER } },
	{ .cmd = "paths",
	  .data = { PATHS, "{\"paths\":[{\"id\":2,\"name\":\"x\",\"line\":7,"
			   "\"local\":\"192.0.2.3:4500\"}]}" } },
	{ .cmd = "mmx-list",
	  .data = { "{\"relations\":[{\"conn\":\"home\",\"line\":4,\"on\":true,"
		    "\"ours\":{\"generation\":1,\"interfaces\":[{\"id\":1,\"name\":"
		    "\"wlan\",\"link\":\"wlan\",\"up\":true,\"preference\":2,"
		    "\"mtu\":1400,\"endpoints\":[{\"id\":8,\"address\":"
		    "\"192.0.2.2\",\"current\":true}]}]},\"peer\":null,"
		    "\"bindings\":[{\"id\":5,\"sas\":1,\"paths\":["
		    "{\"id\":\"8-9\",\"local\":\"192.0.2.2:4500\",\"remote\":"
		    "\"192.0.2.66:4500\",\"verified\":true},"
		    "{\"id\":\"8-10\",\"local\":\"192.0.2.2:4500\",\"remote\":"
		    "\"198.51.100.66:4500\",\"verified\":false,"
		    "\"alternate\":true}]}]}]}" } },
};

Test(libbraid, relations_with_what_their_sas_are_bound_to)
{
	struct braid_relations *list;
	const struct braid_relation *r;
	const struct braid_child *c;

	PLAY(relations);
	cr_assert_eq(braid_relations(b, NULL, &list), 0, "%s", braid_error(b));
	cr_assert_eq(list->n, 2, "a list in pieces is one");
	r = list->first;
	cr_assert_str_eq(r->conn, "home");
	cr_assert(r->line == 4 && r->family == 2 && !r->initiator && r->mmx);
	cr_assert_str_eq(r->remote_id, "g");
	c = r->children;
	cr_assert_str_eq(c->name, "net");
	cr_assert(c->id == 11 && c->spi_in == 0xc0000001 && c->spi_out == 0xffff);
	cr_assert(c->rx_packets == 1 && c->rx_octets == 2 && c->tx_packets == 3 &&
		  c->tx_octets == 4);
	cr_assert_eq(c->binding, 5);
	cr_assert_str_eq(c->pairs->local, "192.0.2.2:4500");
	cr_assert_str_eq(c->pairs->path, "w");
	cr_assert(c->pairs->verified && !c->pairs->alternate);
	cr_assert_str_eq(c->pairs->next->remote, "198.51.100.66:4500");
	cr_assert_str_eq(c->pairs->next->path, "");
	cr_assert(!c->pairs->next->verified && c->pairs->next->alternate);
	c = c->next;
	cr_assert_eq(c->binding, 0);
	cr_assert_str_eq(c->pairs->path, "w", "bound to nothing: what its line has");
	cr_assert_null(c->pairs->next, "not that of another line");
	cr_assert(!r->next->children && !r->next->mmx);
	braid_relations_free(list);

	n_asked = 0;
	cr_assert_eq(braid_relations(b, "home", &list), 0);
	cr_assert_eq(list->n, 1);
	cr_assert_str_eq(asked[0], "{\"cmd\":\"paths\",\"conn\":\"home\"}");
	braid_relations_free(list);
}

Test(libbraid, paths_with_numbers_of_both_ends)
{
	struct braid_paths *list;
	const struct braid_path *p;

	PLAY(relations);
	cr_assert_eq(braid_paths(b, NULL, &list), 0, "%s", braid_error(b));
	cr_assert_eq(list->n, 2);
	p = list->first;
	cr_assert_str_eq(p->name, "w");
	cr_assert_str_eq(p->state, "up");
	cr_assert(p->local_number == 9 && p->remote_number == 8, "we are the responder");
	cr_assert(p->verified && p->in_use && !p->preferred);
	cr_assert(p->rtt_usec == 5 && p->loss_permille == 6 && p->mtu == 1500);
	cr_assert_eq(p->tx_octets, 5000000000);
	cr_assert_not(p->next->in_use);
	braid_paths_free(list);
}

Test(libbraid, what_both_sides_have_announced)
{
	struct braid_announcements *list;
	const struct braid_announced *i;

	PLAY(relations);
	cr_assert_eq(braid_announcements(b, NULL, &list), 0, "%s", braid_error(b));
	cr_assert_eq(list->n, 1);
	cr_assert(list->first->on && list->first->line == 4);
	i = list->first->ours;
	cr_assert(i->number == 1 && i->preference == 2 && i->mtu == 1400 && i->up && !i->backup);
	cr_assert_str_eq(i->link, "wlan");
	cr_assert(i->endpoints->number == 8 && i->endpoints->current);
	cr_assert_null(list->first->peers);
	braid_announcements_free(list);
}

/* An agent without the extension: lists are there, without what it would add; the rest is told. */
Test(libbraid, an_agent_that_does_not_know_it)
{
	const struct braid_change c = { .conn = "home", .new_endpoint = "192.0.2.3" };
	struct braid_announcements *none;
	struct braid_relations *list;
	struct braid_result result;

	play(relations, 2);
	cr_assert_eq(braid_relations(b, NULL, &list), 0, "%s", braid_error(b));
	cr_assert_str_eq(braid_error(b), "");
	cr_assert_not(list->first->mmx);
	cr_assert_str_eq(list->first->children->pairs->path, "w");
	braid_relations_free(list);
	cr_assert_eq(braid_announcements(b, NULL, &none), 0);
	cr_assert_eq(none->n, 0);
	braid_announcements_free(none);
	cr_assert_eq(braid_add(b, &c, &result), BRAID_ERR_UNSUPPORTED);
	cr_assert_str_eq(result.status, "");
	cr_assert_str_eq(braid_error(b),
			 "this agent is older than the library, or does not do that: "
			 "unknown command \"mmx-add\"");
	cr_assert_str_eq(braid_strerror(BRAID_ERR_UNSUPPORTED), "unknown to this agent");
}

/* ---- what is asked for ---- */

static void on_step(void *ctx, const char *text)
{
	snprintf(ctx, 64, "%s", text);
}

#define ANSWERED(cmd_)                                                                             \
	{                                                                                          \
		.cmd = cmd_, .data = { "{\"status\":\"ok\",\"affected\":2,\"pending\":true}" },    \
		.event = "{\"kind\":\"progress\",\"text\":\"a step\"}"                             \
	}

/* An API lets upper layers drive updates, additions, removals and checks. */
Test(libbraid, every_operation_as_it_is_sent)
{
	static const struct said s[] = {
		ANSWERED("mmx-update"),	  ANSWERED("mmx-add"),
		ANSWERED("mmx-remove"),	  ANSWERED("mmx-alternates"),
		ANSWERED("mmx-failover"), ANSWERED("mmx-add-interface"),
		ANSWERED("mmx-check"),	  ANSWERED("mmx-delete-interface"),
	};
	static const char *const alternates[] = { "2", "ran" };
	static const uint32_t spis[] = { 0xc0000001, 0x2 };
	static const struct braid_change c = {
		.conn = "home",
		.line = 4,
		.old_endpoint = "192.0.2.2",
		.new_endpoint = "3",
		.alternates = alternates,
		.n_alternates = 2,
		.child = "net",
		.spis = spis,
		.n_spis = 2,
		.flags = BRAID_HARD | BRAID_BEST_EFFORT | BRAID_PARALLEL | BRAID_PRUNE |
			 BRAID_PEERS | BRAID_IKE | BRAID_ALL | BRAID_HERE | BRAID_OBSERVED,
		.inner = "assign",
		.inner_old = "203.0.113.130",
		.to = "2",
		.from = "wlan",
	};
	static const struct {
		const char *cmd;
		int (*fn)(struct braid *, const struct braid_change *, struct braid_result *);
	} ops[] = {
		{ "mmx-update", braid_update },
		{ "mmx-add", braid_add },
		{ "mmx-remove", braid_remove },
		{ "mmx-alternates", braid_set_alternates },
		{ "mmx-failover", braid_failover },
		{ "mmx-add-interface", braid_add_interface },
		{ "mmx-delete-interface", braid_delete_interface },
	};
	struct braid_result result;
	char want[512], step[64] = "";

	PLAY(s);
	braid_set_timeout(b, 2000);
	braid_set_progress(b, on_step, step);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		n_asked = 0;
		step[0] = '\0';
		cr_assert_eq(ops[i].fn(b, &c, &result), 0, "%s", braid_error(b));
		snprintf(want, sizeof(want),
			 "{\"all\":true,\"alternates\":[\"2\",\"ran\"],\"best_effort\":true,"
			 "\"child\":\"net\",\"cmd\":\"%s\",\"conn\":\"home\",\"from\":\"wlan\","
			 "\"hard\":true,\"here\":true,\"ike\":true,\"inner\":\"assign\","
			 "\"inner_old\":\"203.0.113.130\",\"line\":4,\"new\":\"3\","
			 "\"observed\":true,\"old\":\"192.0.2.2\",\"parallel\":true,"
			 "\"prune\":true,\"side\":\"peer\",\"spis\":[\"c0000001\","
			 "\"00000002\"],\"timeout_usec\":2000000,\"to\":\"2\"}",
			 ops[i].cmd);
		cr_expect_str_eq(asked[0], want);
		cr_expect_str_eq(result.status, "ok");
		cr_expect(result.affected == 2 && result.pending && !result.renegotiate);
		cr_expect_str_eq(step, "a step");
	}
	n_asked = 0;
	cr_assert_eq(braid_check(b, BRAID_DELETE_INTERFACE,
				 &(struct braid_change){ .line = 9, .old_endpoint = "wlan" }, NULL),
		     0);
	cr_assert_str_eq(asked[0],
			 "{\"action\":\"delete-interface\",\"cmd\":\"mmx-check\",\"line\":9,"
			 "\"old\":\"wlan\",\"timeout_usec\":2000000}",
			 "what is zero is not asked for");
}

/* Nothing may come to mean something wider because a part of it cannot be sent. */
Test(libbraid, arguments_that_cannot_be_sent)
{
	static const struct said s[] = { ANSWERED("mmx-remove"),
					 ANSWERED("down"),
					 ANSWERED("mmx-probe"),
					 { .cmd = "paths", .code = CTL_NOT_FOUND, .text = "no" } };
	static const char *const alternates[] = { "\xff" };
	const struct braid_change bad[] = {
		{ .conn = "home", .old_endpoint = "1", .child = "\xff" },
		{ .conn = "\xff", .line = 4, .old_endpoint = "1" },
		{ .conn = "home", .old_endpoint = "\xff" },
		{ .conn = "home", .alternates = alternates, .n_alternates = 1 },
	};
	struct braid_paths *paths;

	PLAY(s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(braid_remove(b, &bad[i], NULL), -EINVAL, "change %zu", i);
	cr_assert_str_eq(braid_error(b), "an argument is missing, or is no UTF-8");
	cr_assert_eq(braid_check(b, (enum braid_action)7, &bad[0], NULL), -EINVAL);
	cr_assert_eq(braid_down(b, "home", "\xff"), -EINVAL);
	cr_assert_eq(braid_up(b, NULL, NULL), -EINVAL);
	cr_assert_eq(braid_probe(b, "home", "1", NULL, false, NULL), -EINVAL);
	cr_assert_eq(braid_request(b, "down", "[]", NULL), -EINVAL);
	cr_assert_eq(braid_request(b, "down", "{", NULL), -EINVAL);
	cr_assert_eq(n_asked, 0, "asked for %s", asked[0]);
	cr_assert_eq(braid_paths(b, "\xff", &paths), BRAID_ERR_NOT_FOUND);
	cr_assert_str_eq(asked[0], "{\"cmd\":\"paths\",\"conn\":\"\"}");
}

Test(libbraid, a_refusal_has_its_reason)
{
	static const struct said s[] = {
		{ .cmd = "mmx-add",
		  .data = { "{\"status\":\"local-policy\",\"detail\":4,\"why\":\"stronger "
			    "protection is needed first\",\"affected\":0,\"limit\":8,"
			    "\"renegotiate\":true,\"valid_sec\":60}" },
		  .code = CTL_PEER_REFUSED,
		  .text = "add: local-policy" },
		{ .cmd = "mmx-remove", .code = CTL_NO_ANSWER, .text = "nobody answers" },
	};
	const struct braid_change c = { .conn = "home", .new_endpoint = "3" };
	struct braid_result r;

	PLAY(s);
	cr_assert_eq(braid_add(b, &c, &r), BRAID_ERR_PEER_REFUSED);
	cr_assert_str_eq(braid_error(b), "add: local-policy");
	cr_assert_str_eq(r.status, "local-policy");
	cr_assert_str_eq(r.why, "stronger protection is needed first");
	cr_assert(r.detail == 4 && r.limit == 8 && r.valid_sec == 60 && r.renegotiate);
	cr_assert_eq(braid_remove(b, &c, &r), BRAID_ERR_NO_ANSWER);
	cr_assert_str_eq(r.status, "", "nothing was said");
}

Test(libbraid, a_probe)
{
	static const struct said s[] = {
		{ .cmd = "mmx-probe",
		  .data = { "{\"rtt_usec\":1500,\"nat\":true,\"seen\":\"203.0.113.9:1024\"}" } }
	};
	struct braid_probed p;

	PLAY(s);
	cr_assert_eq(braid_probe(b, "home", "wlan", "2", true, &p), 0, "%s", braid_error(b));
	cr_assert_str_eq(asked[0],
			 "{\"cmd\":\"mmx-probe\",\"conn\":\"home\",\"keep\":true,\"local\":"
			 "\"wlan\",\"remote\":\"2\",\"timeout_usec\":60000000}");
	cr_assert(p.rtt_usec == 1500 && p.nat);
	cr_assert_str_eq(p.seen, "203.0.113.9:1024");
}

/* Each word of the protocol is an error of its own. */
Test(libbraid, ends_are_errors)
{
	static struct said s = { .cmd = "x", .text = "because" };

	play(&s, 1);
	for (int code = CTL_OK + 1; code <= CTL_DENIED; code++) {
		s.code = (enum ctl_code)code;
		int r = braid_request(b, "x", NULL, NULL);
		cr_expect_str_eq(braid_strerror(r), ctl_code_word(s.code));
		cr_expect(r <= BRAID_ERR_FAILED && r > BRAID_ERR_UNSUPPORTED, "%d", r);
		cr_expect_str_eq(braid_error(b), "because");
	}
	s.code = CTL_OK;
	cr_assert_eq(braid_request(b, "x", NULL, NULL), 0);
	cr_assert_str_eq(braid_error(b), "");
	cr_assert_str_eq(braid_strerror(-ENOMEM), strerror(ENOMEM));
	cr_assert_str_eq(braid_strerror(-20000), "unknown error");
}

Test(libbraid, any_command)
{
	static const struct said s[] = { { .cmd = "stats",
					   .data = { "{\"a\":[1]}", "{\"a\":[2],\"b\":3}" } },
					 { .cmd = "reload" } };
	char *json;

	PLAY(s);
	cr_assert_eq(braid_request(b, "stats", "{\"conn\":\"c\"}", &json), 0);
	cr_assert_str_eq(json, "{\"a\":[1,2],\"b\":3}");
	cr_assert_str_eq(asked[0], "{\"cmd\":\"stats\",\"conn\":\"c\"}");
	free(json);
	cr_assert_eq(braid_request(b, "reload", NULL, &json), 0);
	cr_assert_str_eq(json, "");
	free(json);
}

Test(libbraid, nobody_there)
{
	static const struct said s[] = { { .cmd = "reload" } };
	struct braid_watch *w;
	struct braid *other;

	cr_assert_eq(braid_connect("/nonexistent/ctl.sock", &other), BRAID_ERR_NO_AGENT);
	cr_assert_eq(braid_watch_open("/nonexistent/ctl.sock", NULL, NULL, &w), BRAID_ERR_NO_AGENT);
	PLAY(s);
	agent_ends();
	cr_assert_eq(braid_request(b, "reload", NULL, NULL), BRAID_ERR_CLOSED);
	cr_assert_eq(braid_request(b, "reload", NULL, NULL), BRAID_ERR_CLOSED, "and again");
}

/* ---- what happens ---- */

static size_t n_events;
static char last[256];

static void on_event(void *ctx, const struct braid_event *ev)
{
	cr_assert_eq(ctx, &n_events);
	n_events++;
	snprintf(last, sizeof(last), "%s %s %s %s", ev->kind, ev->text, ev->conn, ev->path);
	cr_assert(strstr(ev->json, "\"kind\""));
	cr_assert_gt(ev->time_usec, 0);
}

Test(libbraid, events_by_a_descriptor)
{
	static const struct said s[] = { { .cmd = "events", .data = { "{\"now_usec\":1}" } } };
	struct braid_watch *w;
	struct pollfd p = { .events = POLLIN };

	PLAY(s);
	cr_assert_eq(braid_watch_open(path, on_event, &n_events, &w), 0);
	p.fd = braid_watch_fd(w);
	cr_assert_eq(braid_watch_dispatch(w, 0), 0, "nothing has come");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(braid_request(b, "send",
					   "{\"event\":{\"kind\":\"path-state\",\"text\":\"t\","
					   "\"path\":\"p\"}}",
					   NULL),
			     0);
	cr_assert_eq(poll(&p, 1, 10000), 1);
	while (n_events < 3)
		cr_assert_geq(braid_watch_dispatch(w, 10000), 1);
	cr_assert_str_eq(last, "path-state t  p");
	agent_ends();
	cr_assert_eq(braid_watch_dispatch(w, -1), BRAID_ERR_CLOSED, "the agent has ended");
	braid_watch_close(w);
	braid_watch_close(NULL);
}

static struct braid_leaving seen;
static char seen_text[256];

static enum braid_answer on_leaving(void *ctx, const struct braid_leaving *what)
{
	seen = *what;
	snprintf(seen_text, sizeof(seen_text), "%s %s %s %s %s", what->conn,
		 what->n_addresses ? what->addresses[what->n_addresses - 1] : "", what->uplink,
		 what->by, what->why);
	return *(enum braid_answer *)ctx;
}

static void send_question(const char *members)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"event\":{%s}}", members);
	cr_assert_eq(braid_request(b, "send", text, NULL), 0);
}

Test(libbraid, asked_before_an_address_leaves)
{
	static const struct said s[] = { { .cmd = "consent", .data = { "{\"wait_usec\":1}" } },
					 { .cmd = "consent-answer" } };
	static enum braid_answer word = BRAID_WAIT;
	struct braid_watch *w;

	PLAY(s);
	cr_assert_eq(braid_consent_open(path, "home", on_leaving, &word, &w), 0);
	cr_assert_str_eq(asked[0], "{\"cmd\":\"consent\",\"conn\":\"home\"}");
	n_asked = 0;
	send_question("\"kind\":\"address-leaving\",\"token\":7,\"conn\":\"home\",\"line\":4,"
		      "\"addresses\":[\"192.0.2.2\",\"192.0.2.3\"],\"by\":\"operator\",\"why\":"
		      "\"down\",\"wait_usec\":2000000");
	cr_assert_eq(braid_watch_dispatch(w, 10000), 1);
	cr_assert_str_eq(seen_text, "home 192.0.2.3  operator down");
	cr_assert(seen.token == 7 && seen.line == 4 && seen.n_addresses == 2 && !seen.gone &&
		  seen.wait_usec == 2000000);
	cr_assert_str_eq(asked[1], "{\"answer\":\"wait\",\"cmd\":\"consent-answer\",\"token\":7}");
	cr_assert_eq(braid_consent_yes(w, 7), 0);
	cr_assert_str_eq(asked[2], "{\"answer\":\"yes\",\"cmd\":\"consent-answer\",\"token\":7}");

	word = BRAID_YES;
	send_question("\"kind\":\"address-leaving\",\"token\":8,\"addresses\":[]");
	cr_assert_eq(braid_watch_dispatch(w, 10000), 1);
	cr_assert_str_eq(asked[4], "{\"answer\":\"yes\",\"cmd\":\"consent-answer\",\"token\":8}");

	/* nobody waits for an answer to these */
	send_question("\"kind\":\"address-gone\",\"conn\":\"home\",\"addresses\":[\"192.0.2.2\"],"
		      "\"uplink\":\"wlan\",\"by\":\"netlink\",\"why\":\"gone\"");
	cr_assert_eq(braid_watch_dispatch(w, 10000), 1);
	cr_assert_str_eq(seen_text, "home 192.0.2.2 wlan netlink gone");
	cr_assert(seen.gone && !seen.token);
	send_question("\"kind\":\"address-leaving\",\"conn\":\"home\",\"addresses\":[]");
	cr_assert_eq(braid_watch_dispatch(w, 10000), 1);
	cr_assert_eq(n_asked, 7, "an answer that nobody waits for");
	braid_watch_close(w);
}
