/* SPDX-License-Identifier: GPL-2.0-only */
/* switch_watch OLD-DEV OLD-ADDR NEW-DEV NEW-ADDR FIRST-DST N-DST PER-SEC MSEC COMMAND
 *
 * Sends UDP to N-DST addresses behind a tunnel, runs COMMAND, which moves the tunnel
 * from one outer address to the other, watches for MSEC and prints one line, times in nanoseconds
 * since just before the command:
 *     {"sent":, "old_packets":, "old_last":, "old_sas":, "old_first_sa_last":, "new_packets":,
 *      "new_first":, "new_sas":}
 * old_first_sa_last: when the first of the Child SAs had its last packet with the old address. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "traffic.h"

enum { PAYLOAD = 600, WARM_USEC = 1000000 };

static uint32_t address(const char *s)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1) {
		fprintf(stderr, "switch_watch: %s\n", s);
		exit(2);
	}
	return a.s_addr;
}

/* By bash, whose functions may be exported. */
static int run(const char *command)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execlp("bash", "bash", "-c", command, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) < 0 ? -1 : status;
}

int main(int argc, char **argv)
{
	struct traffic_cfg cfg = { .payload = PAYLOAD };
	struct traffic_seen s;

	if (argc != 10) {
		fprintf(stderr, "usage: switch_watch OLD-DEV OLD-ADDR NEW-DEV NEW-ADDR FIRST-DST "
				"N-DST PER-SEC MSEC COMMAND\n");
		return 2;
	}
	for (int i = 0; i < TRAFFIC_SIDES; i++) {
		cfg.dev[i] = argv[1 + 2 * i];
		cfg.source[i] = address(argv[2 + 2 * i]);
	}
	cfg.first_dst = ntohl(address(argv[5]));
	cfg.n_dst = (uint32_t)atoi(argv[6]);
	cfg.per_sec = (uint32_t)atoi(argv[7]);
	traffic_start(&cfg);
	traffic_resume();
	usleep(WARM_USEC);
	traffic_mark();
	if (run(argv[9])) {
		fprintf(stderr, "switch_watch: %s\n", argv[9]);
		return 1;
	}
	usleep((useconds_t)atoi(argv[8]) * 1000);
	traffic_pause();
	traffic_read(&s);
	printf("{\"sent\":%llu,\"old_packets\":%llu,\"old_last\":%llu,\"old_sas\":%llu,"
	       "\"old_first_sa_last\":%llu,\"new_packets\":%llu,\"new_first\":%llu,\"new_sas\":%"
	       "llu}\n",
	       (unsigned long long)s.sent, (unsigned long long)s.side[TRAFFIC_OLD].packets,
	       (unsigned long long)s.side[TRAFFIC_OLD].last,
	       (unsigned long long)s.side[TRAFFIC_OLD].sas,
	       (unsigned long long)s.side[TRAFFIC_OLD].earliest_last,
	       (unsigned long long)s.side[TRAFFIC_NEW].packets,
	       (unsigned long long)s.side[TRAFFIC_NEW].first,
	       (unsigned long long)s.side[TRAFFIC_NEW].sas);
	return 0;
}
