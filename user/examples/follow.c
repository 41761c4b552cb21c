/* SPDX-License-Identifier: GPL-2.0-only */
/* What a program can do with libbraid: show which addresses traffic goes by, follow what happens,
 * and be asked before an address leaves, so that it can move its own connections first.
 *
 *     cc -o follow follow.c $(pkg-config --cflags --libs libbraid)
 *     ./follow [-s SOCKET] [-c CONNECTION] [-w MSEC]
 *
 * With -w it takes that long to be ready when it is asked. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <braid/braid.h>

struct program {
	const char *socket, *conn;
	int wait_msec;
	struct braid_watch *events, *consent;
	uint64_t token; /* of the question that we have asked to wait for; 0: none */
};

static int failed(const struct braid *b, int error)
{
	fprintf(stderr, "follow: %s%s%s\n", braid_strerror(error), b && *braid_error(b) ? ": " : "",
		b ? braid_error(b) : "");
	return EXIT_FAILURE;
}

static void show_interfaces(const struct braid_interfaces *list)
{
	for (const struct braid_interface *i = list->first; i; i = i->next) {
		printf("interface %u %s (%s) %s", i->number, i->name, i->device,
		       i->up ? "up" : "down");
		for (const struct braid_endpoint *e = i->endpoints; e; e = e->next)
			printf(" %u:%s", e->number, e->address);
		putchar('\n');
	}
}

static void show_relations(const struct braid_relations *list)
{
	for (const struct braid_relation *r = list->first; r; r = r->next) {
		printf("relation %s#%llu with %s, %s\n", r->conn, (unsigned long long)r->line,
		       r->remote_id, r->state);
		for (const struct braid_child *c = r->children; c; c = c->next) {
			printf("  child %s %08x %08x\n", c->name, c->spi_in, c->spi_out);
			for (const struct braid_pair *p = c->pairs; p; p = p->next)
				printf("    %s to %s%s%s\n", p->local, p->remote,
				       p->verified ? "" : ", not verified yet",
				       p->alternate ? ", alternate" : "");
		}
	}
}

static void show_paths(const struct braid_paths *list)
{
	for (const struct braid_path *p = list->first; p; p = p->next)
		printf("path %s %s %s to %s: %s\n", p->name, p->state, p->local, p->remote, p->why);
}

static int show(const struct program *pr)
{
	struct braid_interfaces *interfaces;
	struct braid_relations *relations;
	struct braid_paths *paths;
	struct braid *b;
	int r = braid_connect(pr->socket, &b);

	if (r < 0)
		return failed(NULL, r);
	r = braid_interfaces(b, &interfaces);
	if (r == 0) {
		show_interfaces(interfaces);
		braid_interfaces_free(interfaces);
		r = braid_relations(b, pr->conn, &relations);
	}
	if (r == 0) {
		show_relations(relations);
		braid_relations_free(relations);
		r = braid_paths(b, pr->conn, &paths);
	}
	if (r == 0) {
		show_paths(paths);
		braid_paths_free(paths);
	} else {
		failed(b, r);
	}
	braid_close(b);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void on_event(void *ctx, const struct braid_event *ev)
{
	(void)ctx;
	printf("event %s: %s\n", ev->kind, ev->text);
}

static enum braid_answer on_leaving(void *ctx, const struct braid_leaving *what)
{
	struct program *pr = ctx;

	printf("%s %s", what->gone ? "gone" : "leaving", what->conn);
	for (size_t i = 0; i < what->n_addresses; i++)
		printf(" %s", what->addresses[i]);
	printf(" (%s, %s)\n", what->by, what->why);
	if (what->gone || !what->token || !pr->wait_msec)
		return BRAID_YES;
	/* Here a program would move what it has on these addresses, or begin to. */
	pr->token = what->token;
	return BRAID_WAIT;
}

/* Until the agent ends. */
static int follow(struct program *pr)
{
	struct pollfd fds[] = {
		{ .fd = braid_watch_fd(pr->events), .events = POLLIN },
		{ .fd = braid_watch_fd(pr->consent), .events = POLLIN },
	};
	int r = 0;

	while (r >= 0) {
		fflush(stdout);
		r = poll(fds, 2, pr->token ? pr->wait_msec : -1);
		if (r == 0 && pr->token) {
			puts("ready");
			braid_consent_yes(pr->consent, pr->token);
			pr->token = 0;
		}
		if (r > 0 && fds[0].revents)
			r = braid_watch_dispatch(pr->events, 0);
		if (r >= 0 && fds[1].revents)
			r = braid_watch_dispatch(pr->consent, 0);
	}
	return r == BRAID_ERR_CLOSED ? EXIT_SUCCESS : failed(NULL, r);
}

int main(int argc, char **argv)
{
	struct program pr = { 0 };
	int opt, r;

	while ((opt = getopt(argc, argv, "s:c:w:")) != -1) {
		switch (opt) {
		case 's':
			pr.socket = optarg;
			break;
		case 'c':
			pr.conn = optarg;
			break;
		case 'w':
			pr.wait_msec = atoi(optarg);
			break;
		default:
			fputs("Usage: follow [-s SOCKET] [-c CONNECTION] [-w MSEC]\n", stderr);
			return 2;
		}
	}
	/* First follow, then look: nothing that happens in between is missed. */
	r = braid_watch_open(pr.socket, on_event, NULL, &pr.events);
	if (r == 0)
		r = braid_consent_open(pr.socket, pr.conn, on_leaving, &pr, &pr.consent);
	r = r < 0 ? failed(NULL, r) : show(&pr);
	if (r == EXIT_SUCCESS)
		r = follow(&pr);
	braid_watch_close(pr.consent);
	braid_watch_close(pr.events);
	return r;
}
