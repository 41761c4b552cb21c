/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines out: bounded, and never at the agent's expense. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "ctl/server.h"
#include "server_impl.h"

enum { TEXT_MAX = 1024 };

static size_t unread(const struct ctl_client_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static int append(const char *buf, size_t len, void *ctx)
{
	return evbuffer_add(ctx, buf, len);
}

void ctl_client_write(struct ctl_client_conn *c, json_t *line)
{
	struct evbuffer *out;

	if (!line || c->dead || c->muted)
		goto out;
	out = bufferevent_get_output(c->bev);
	if (json_dump_callback(line, append, out, JSON_COMPACT) < 0 ||
	    evbuffer_add(out, "\n", 1) < 0 || unread(c) > CTL_OUTPUT_MAX) {
		c->server->counters.clients_dropped++;
		c->muted = true;
		log_warning("control socket: client dropped: it does not read, %zu octets wait",
			    unread(c));
		/* Not now: whoever replies must not lose its request meanwhile. */
		bufferevent_trigger_event(c->bev, BEV_EVENT_ERROR, BEV_OPT_DEFER_CALLBACKS);
	}
out:
	json_decref(line);
}

/* {"v":1,"id":N,key:value,"done":false}; takes value. */
static json_t *envelope(const struct ctl_req *req, const char *key, json_t *value)
{
	return json_pack("{s:i, s:I, s:o, s:b}", "v", CTL_VERSION, "id", req->id, key, value,
			 "done", 0);
}

static void add_time(json_t *event, const char *key, clockid_t clock)
{
	struct timespec ts;

	if (json_object_get(event, key))
		return;
	clock_gettime(clock, &ts);
	json_object_set_new(event, key,
			    json_integer((json_int_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000));
}

void ctl_reply_data(struct ctl_req *req, json_t *data)
{
	if (!data)
		return;
	if (!req->client)
		json_decref(data);
	else
		ctl_client_write(req->client, envelope(req, "data", data));
}

/* An event nobody reads is not kept; the reader is told how many it missed. */
static void send_event(struct ctl_req *req, json_t *event)
{
	struct ctl_client_conn *c = req->client;

	if (!c || c->muted) {
		json_decref(event);
	} else if (unread(c) > CTL_EVENTS_QUEUE_MAX || req->lost) {
		json_decref(event);
		req->lost++;
		c->server->counters.events_lost++;
	} else {
		ctl_client_write(c, envelope(req, "event", event));
	}
}

void ctl_reply_event(struct ctl_req *req, json_t *event)
{
	if (!event)
		return;
	add_time(event, "time_usec", CLOCK_MONOTONIC);
	add_time(event, "realtime_usec", CLOCK_REALTIME);
	send_event(req, event);
}

void ctl_reply_progress(struct ctl_req *req, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_reply_event(req, json_pack("{s:s, s:s}", "kind", ctl_event_word(CTL_EV_PROGRESS),
				       "text", text));
}

void ctl_client_report_lost(struct ctl_client_conn *c)
{
	list_for_each (it, &c->reqs) {
		struct ctl_req *req = list_entry(it, struct ctl_req, node);
		uint64_t n = req->lost;

		if (!n)
			continue;
		req->lost = 0;
		ctl_reply_event(req, json_pack("{s:s, s:I, s:s}", "kind",
					       ctl_event_word(CTL_EV_LOST), "count", (json_int_t)n,
					       "text", "events lost: reader too slow"));
	}
}

void ctl_reply_done(struct ctl_req *req, enum ctl_code code, const char *fmt, ...)
{
	char text[TEXT_MAX] = "";
	json_t *error;
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
	}
	if (req->client) {
		error = code == CTL_OK ? json_null()
				       : json_pack("{s:s, s:s}", "code", ctl_code_word(code),
						   "text", text);
		ctl_client_write(req->client, json_pack("{s:i, s:I, s:b, s:o}", "v", CTL_VERSION,
							"id", req->id, "done", 1, "error", error));
	}
	ctl_req_free(req);
}

void ctl_req_free(struct ctl_req *req)
{
	list_remove(&req->node);
	if (req->client)
		req->client->n_reqs--;
	free(req);
}

bool ctl_req_alive(const struct ctl_req *req)
{
	return req->client != NULL;
}

size_t ctl_req_unread(const struct ctl_req *req)
{
	return req->client ? unread(req->client) : 0;
}

void ctl_req_on_gone(struct ctl_req *req, ctl_gone_fn *fn, void *ctx)
{
	req->gone = fn;
	req->gone_ctx = ctx;
}

void ctl_req_subscribe(struct ctl_req *req)
{
	if (req->client)
		req->subscribed = true;
	else
		ctl_req_free(req);
}

void ctl_publish(struct ctl_server *s, json_t *event)
{
	if (!event)
		return;
	add_time(event, "time_usec", CLOCK_MONOTONIC);
	add_time(event, "realtime_usec", CLOCK_REALTIME);
	list_for_each_safe (cit, ctmp, &s->clients) {
		struct ctl_client_conn *c = list_entry(cit, struct ctl_client_conn, node);

		list_for_each (it, &c->reqs) {
			struct ctl_req *req = list_entry(it, struct ctl_req, node);

			if (req->subscribed)
				send_event(req, json_incref(event));
		}
	}
	json_decref(event);
}
