/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a program on a kernel that lacks something: `deny 'CALL:N=VALUE=>ERRNO'... -- COMMAND...`
 * makes a system call fail with that error, everywhere or where argument N (from 0) has that value.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS_MAX = 6 };

static int number_of(const char *name)
{
	for (int e = 1; e < 200; e++) {
		const char *n = strerrorname_np(e);

		if (n && !strcmp(n, name))
			return e;
	}
	return -1;
}

/* CALL[:N=VALUE]...=>ERRNO */
static int deny(scmp_filter_ctx ctx, char *rule)
{
	struct scmp_arg_cmp cmp[ARGS_MAX];
	char *arrow = strstr(rule, "=>"), *save = NULL, *word;
	unsigned n = 0;
	int call, err;

	if (!arrow)
		return -1;
	*arrow = '\0';
	err = number_of(arrow + 2);
	word = strtok_r(rule, ":", &save);
	call = word ? seccomp_syscall_resolve_name(word) : __NR_SCMP_ERROR;
	while ((word = strtok_r(NULL, ":", &save)) && n < ARGS_MAX) {
		unsigned arg, value;

		if (sscanf(word, "%u=%u", &arg, &value) != 2)
			return -1;
		/* the upper half of a register is noise for an int */
		cmp[n++] = SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, 0xffffffff, value);
	}
	if (call == __NR_SCMP_ERROR || err < 0)
		return -1;
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((unsigned)err), call, n, cmp);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int i;

	/* as root: what is run shall keep its ways to get capabilities */
	if (!ctx || seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) < 0)
		return 125;
	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (deny(ctx, argv[i]) < 0) {
			fprintf(stderr, "deny: %s is no CALL[:N=VALUE]...=>ERRNO\n", argv[i]);
			return 125;
		}
	}
	if (i + 1 >= argc || seccomp_load(ctx) < 0) {
		fprintf(stderr, "usage: deny RULE... -- COMMAND...\n");
		return 125;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 126;
}
