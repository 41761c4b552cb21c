/* SPDX-License-Identifier: GPL-2.0-only */
/* braidd: the IKEv2 agent. Options, configuration, then agent_run. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/version.h"

/* A mistake in the configuration is EX_CONFIG: the service manager must not try again by itself, as
 * a token whose PIN is wrong would lock. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum { OPT_PIN_DIR = 256, OPT_ENGINE };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "state-dir", required_argument, NULL, 'd' },
	{ "pin-dir", required_argument, NULL, OPT_PIN_DIR },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "check", no_argument, NULL, 'n' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void usage(FILE *to)
{
	fputs("Usage: braidd [options]\n"
	      "IKEv2 agent of braid; runs in the foreground.\n\n"
	      "  -c, --config FILE     configuration (/etc/braid/braid.conf)\n"
	      "  -d, --state-dir DIR   control and engine sockets (/run/braid)\n"
	      "      --pin-dir DIR     BPF maps, on a bpffs (/sys/fs/bpf/braid)\n"
	      "      --engine PATH     the ESP engine (braid-esp beside this program)\n"
	      "  -n, --check           read the configuration, say what is wrong, exit\n"
	      "  -v, --verbose         log details too\n"
	      "  -V, --version\n  -h, --help\n\nSee braidd(8), braid.conf(5).\n",
	      to);
}

/* braid-esp in the directory of this program. */
static const char *engine_beside(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	if (n < 0)
		return "/usr/local/sbin/braid-esp";
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, "braid-esp");
	return path;
}

/* All parents too; ours alone to enter. */
static int make_dir(const char *dir, bool *ret_made)
{
	char part[AGENT_PATH_MAX];
	size_t len = strlen(dir);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (dir[i] != '/' && dir[i] != '\0')
			continue;
		memcpy(part, dir, i);
		part[i] = '\0';
		if (mkdir(part, i == len ? 0700 : 0755) == 0)
			*ret_made = i == len;
		else if (errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Goes on, or ends the program. */
static void parse_options(int argc, char **argv, struct agent_options *opt, bool *ret_check,
			  bool *ret_verbose)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:d:nvVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			opt->conf_file = optarg;
			break;
		case 'd':
			opt->state_dir = optarg;
			break;
		case OPT_PIN_DIR:
			opt->pin_dir = optarg;
			break;
		case OPT_ENGINE:
			opt->engine_binary = optarg;
			break;
		case 'n':
			*ret_check = true;
			break;
		case 'v':
			*ret_verbose = true;
			break;
		case 'V':
			puts("braidd " BRAID_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind != argc) {
		usage(stderr);
		exit(EXIT_USAGE);
	}
}

/* From here on a failure is the machine's, not the configuration's. Takes conf. */
static int run(const struct agent_options *opt, struct conf *conf)
{
	bool made_dir = false;
	char error[512];
	int err = privs_check(error, sizeof(error));

	if (!err) {
		err = make_dir(opt->state_dir, &made_dir);
		if (err)
			snprintf(error, sizeof(error),
				 "the state directory %s cannot be made: %s; choose another with "
				 "--state-dir",
				 opt->state_dir, strerror(-err));
	}
	if (err) {
		log_error("%s", error);
		conf_free(conf);
		return EXIT_FAILED;
	}
	err = agent_run(opt, conf);
	if (err && made_dir)
		rmdir(opt->state_dir);
	return err ? EXIT_FAILED : 0;
}

int main(int argc, char **argv)
{
	char engine[PATH_MAX], error[CONF_ERROR_MAX];
	struct agent_options opt = {
		.conf_file = "/etc/braid/braid.conf",
		.state_dir = "/run/braid",
		.pin_dir = "/sys/fs/bpf/braid",
		.engine_binary = engine_beside(engine),
		.starter_fd = -1,
	};
	bool check = false, verbose = false;
	enum log_level level = LOG_INFO_;
	struct conf *conf;
	int err;

	parse_options(argc, argv, &opt, &check, &verbose);
	err = check ? 0 : starter_new(opt.engine_binary, opt.state_dir, &opt.starter_fd);
	if (err) {
		log_error("no process can be made to start the ESP engine: %s", strerror(-err));
		return EXIT_FAILED;
	}
	err = conf_load(opt.conf_file, &conf, error);
	if (err) {
		log_error("%s", error);
		return err == -ENOMEM ? EXIT_FAILED : EX_CONFIG;
	}
	for (size_t i = 0; i < conf->n_warnings; i++)
		log_warning("%s", conf->warnings[i]);
	if (check) {
		printf("%s: %u connections, %u uplinks, no mistakes found\n", opt.conf_file,
		       conf->ike.n_conns, conf->n_uplinks);
		if (conf->backend == CONF_BACKEND_AUTO)
			printf("ESP: %s%s\n",
			       conf_engine_why(conf)[0] ? "the engine's: "
							: "the kernel's, if it can do all of it",
			       conf_engine_why(conf));
		conf_free(conf);
		return 0;
	}
	log_level_parse(conf->log_level, &level);
	log_set_level(verbose ? LOG_DEBUG_ : level);
	return run(&opt, conf);
}
