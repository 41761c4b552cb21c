/* SPDX-License-Identifier: GPL-2.0-only */
/* What the steering programs say of packets they saw: hints for people. Nothing is authenticated
 * there, so nothing follows from it but a word to the sender of ESP that is for nobody: it may be a
 * peer that does not know yet that we begin anew.
 */
#include <errno.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <event2/event.h>

#include "base/log.h"
#include "agent.h"

enum { HINTS_BURST = 5, HINTS_SEC = 10 };

static const char *hint_text(const struct steer_event *ev, enum ctl_event *ret_kind)
{
	switch ((enum steer_event_kind)ev->kind) {
	case STEER_EV_NEW_SOURCE:
		*ret_kind = CTL_EV_NEW_SOURCE;
		return "comes from an address that no path has";
	case STEER_EV_UNKNOWN_SPI:
		*ret_kind = CTL_EV_UNKNOWN_SPI;
		return "is for no SA of ours: one of an earlier life, or a stranger's";
	case STEER_EV_TOO_BIG:
	case STEER_EV_UNREACHABLE:
	case STEER_EV_MAX:
		break;
	}
	return NULL;
}

/* True: the packet is ahead of its SA, which is being made or was since; nothing to tell. */
static bool tell_sender(struct agent *a, const struct steer_event *ev, const struct udp_addr *from)
{
	struct ike_path path = { .local.ip = addr_from_bytes(ev->family, ev->dst.b),
				 .remote = *from,
				 .ifindex = ev->ifindex };
	bool early;

	if (dp_spi_installed(a->dp, ev->spi))
		return true;
	early = ike_esp_unknown(a->ike, &path, ev->spi, agent_now());
	agent_drain(a);
	return early;
}

/* What ICMP says of ESP. That a destination is unreachable is left to the path's own checks, which
 * see soon enough whether it is so. */
static void on_router(struct agent *a, const struct steer_event *ev)
{
	struct addr local = addr_from_bytes(ev->family, ev->src.b);
	struct addr remote = addr_from_bytes(ev->family, ev->dst.b);
	char text[ADDR_STR];
	uint32_t suppressed;

	if (ev->kind == STEER_EV_TOO_BIG)
		mtu_hint(a, &local, &remote, ev->spi, ev->mtu);
	if (log_limit_ok(&a->routers, agent_now(), HINTS_BURST, HINTS_SEC * USEC_PER_SEC,
			 &suppressed))
		log_debug("a router says of ESP to %s: %s", addr_format(&remote, text),
			  ev->kind == STEER_EV_TOO_BIG ? "too big" : "unreachable");
}

static void on_hint(void *ctx, const struct steer_event *ev)
{
	struct agent *a = ctx;
	const struct uplink *u = uplink_of(a, ev->ifindex);
	struct udp_addr from = { addr_from_bytes(ev->family, ev->src.b), ntohs(ev->sport) };
	char text[256], from_text[ADDR_PORT_STR], more[48] = "";
	enum ctl_event kind;
	const char *what = hint_text(ev, &kind);
	uint32_t suppressed = 0;

	if (ev->kind == STEER_EV_TOO_BIG || ev->kind == STEER_EV_UNREACHABLE) {
		on_router(a, ev);
		return;
	}
	if (what && kind == CTL_EV_UNKNOWN_SPI && tell_sender(a, ev, &from))
		return;
	if (!what || !log_limit_ok(&a->hints, agent_now(), HINTS_BURST, HINTS_SEC * USEC_PER_SEC,
				   &suppressed))
		return;
	if (suppressed)
		snprintf(more, sizeof(more), " (%u more of such lines left out)", suppressed);
	snprintf(text, sizeof(text), "ESP with SPI %08x from %s on %s %s%s", ev->spi,
		 udp_addr_format(&from, from_text), u ? u->cfg.interface : "another device", what,
		 more);
	/* a peer that joins a path or moves is heard before its path is made */
	log_msg(kind == CTL_EV_NEW_SOURCE ? LOG_DEBUG_ : LOG_INFO_, "%s", text);
	control_event(a, kind, NULL, NULL, NULL, u ? u->name : NULL, NULL, what, text);
}

static void on_ring(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	dp_events_drain(a->dp, on_hint, a);
}

int hints_open(struct agent *a)
{
	struct event *ev =
		event_new(a->base, dp_events_fd(a->dp), EV_READ | EV_PERSIST, on_ring, a);

	return ev && !event_add(ev, NULL) ? 0 : -ENOMEM;
}
