/* SPDX-License-Identifier: GPL-2.0-only */
/* braid steering: classes and which way they go; explain: where one flow goes. */
#include <string.h>

#include "ctl/flow_args.h"
#include "ctl/show.h"
#include "cli_impl.h"

static int explain(struct cli *c, char **words)
{
	char error[160];
	json_t *args;

	if (flow_args(words, &args, error, sizeof(error)) < 0)
		return cli_bad_usage(error);
	return cli_show(c, "steering-explain", args, show_explain);
}

int cmd_steering(struct cli *c, char **argv)
{
	bool flow = argv[0] && !strcmp(argv[0], "explain");
	json_t *args;

	if (flow && c->watch)
		return cli_bad_usage("steering explain does not take --watch");
	if (flow)
		return explain(c, argv + 1);
	if (argv[0] && argv[1])
		return cli_bad_usage("steering takes a connection, or explain and a flow");
	args = argv[0] ? json_pack("{s:s}", "conn", argv[0]) : NULL;
	return c->watch ? cli_watch(c, "steering", args, show_steering_live)
			: cli_show(c, "steering", args, show_steering);
}
