/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration file: libConfuse syntax, swanctl's section and key names where the meaning is
 * the same, plus uplinks and paths. Fills the structs that ike, net and dp declare.
 * Thread: one. */
#ifndef BRAID_CONF_CONF_H
#define BRAID_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/permit.h"
#include "ike/ike.h"
#include "steer/class.h"

enum {
	CONF_UPLINKS_MAX = 16,
	CONF_ERROR_MAX = 512,
	CONF_PATHS_MAX = 64,
	CONF_EXCLUDE_MAX = 16,
	CONF_WARNINGS_MAX = 8
};

enum uplink_kind { UPLINK_ANY, UPLINK_WLAN, UPLINK_RAN, UPLINK_WIRED, UPLINK_SATELLITE };

struct conf_uplink {
	char name[IKE_NAME_MAX];
	char interface[16]; /* device name or pattern; empty: every device of that kind */
	enum uplink_kind kind;
	uint8_t n_exclude;
	char exclude[CONF_EXCLUDE_MAX][16]; /* patterns: not these */
	uint16_t weight;		    /* share in flow hashing; default 1 */
	uint16_t preference;		    /* 0 best; default 0 */
	uint16_t cost;			    /* among equal preferences the least first; default 0 */
	bool metered;			    /* stands by while one that is not metered works */
	struct addr gateway; /* next hop if routing does not tell; family 0 = ask routing */
	uint32_t mtu;	     /* octets of IP packets, less than the link's; 0 = the link's */
	uint32_t probe_interval_usec; /* 0: the connection's */
	uint32_t fail_back_usec;      /* CONF_UNSET: that of paths { } */
	/* sla { }: beyond these for hold its paths are degraded, better by hysteresis for clear
	 * they are not any more; 0: no limit */
	uint32_t sla_delay_usec, sla_jitter_usec, sla_loss_permille;
	uint32_t sla_hold_usec, sla_clear_usec;
	uint8_t sla_hysteresis; /* percent */
	bool trusted;		/* default: not */
	uint64_t rate_bps;	/* bit/s it carries away from us, IP packets; 0: not known */
	struct budget_cfg budget;
};

#define CONF_UNSET UINT32_MAX

/* One explicit path of a connection. Without any, all uplink x remote_addrs pairs of one family. */
struct conf_path {
	char conn[IKE_NAME_MAX];
	char name[IKE_NAME_MAX];
	char uplink[IKE_NAME_MAX];
	struct addr remote;
	uint16_t weight; /* 0: the uplink's */
};

struct conf {
	struct ike_cfg ike;
	uint8_t n_uplinks;
	struct conf_uplink uplinks[CONF_UPLINKS_MAX];
	uint8_t n_paths;
	struct conf_path paths[CONF_PATHS_MAX];
	/* paths { } */
	uint32_t probe_interval_usec; /* 10 ms .. 10 s; default 1 s */
	uint8_t probe_down_after;     /* default 3 */
	uint8_t probe_up_after;	      /* default 2 */
	uint32_t fail_back_usec;      /* default 1 s */
	uint32_t mtu_raise_sec;	      /* default 600; 0 = never */
	uint32_t standby_sec;	      /* between tests by IKE; default 60; 0 = never */
	struct classes_cfg classes;   /* class "NAME" { } */
	/* dataplane { } */
	enum { CONF_BACKEND_AUTO, CONF_BACKEND_KERNEL, CONF_BACKEND_ENGINE } backend;
	char engine_for[CONF_ERROR_MAX]; /* AUTO: the first thing that only the engine can do, and
					  * where it stands; "": there is none */
	char tun[16];			 /* default braidtun0 */
	char steer[16];			 /* default braid0 */
	uint32_t tun_mtu;		 /* default 1400 */
	uint32_t sa_max;		 /* power of two; default 16384 */
	struct addr stable4_local, stable4_remote, stable6_local, stable6_remote;
	enum { CONF_ATTACH_AUTO, CONF_ATTACH_TC, CONF_ATTACH_XDP, CONF_ATTACH_XDP_GENERIC } attach;
	enum { CONF_SPREAD_OFF, CONF_SPREAD_SA, CONF_SPREAD_PACKETS } spread;
	bool drop_unknown; /* unknown_esp = drop */
	enum { CONF_CRYPTO_AUTO, CONF_CRYPTO_OPENSSL, CONF_CRYPTO_IPSEC_MB } crypto;
	uint8_t workers;
	bool busy_poll;
	/* control { } */
	struct permit permit;
	/* how long programs are waited for that are asked before an address leaves: for their first
	 * word (default 2 s; 0: not at all), and in all (default 30 s) */
	uint32_t consent_wait_usec, consent_wait_max_usec;
	/* top level */
	char log_level[16];
	bool allow_key_export; /* braid keys --wireshark */
	/* what is no mistake, but hardly meant: "file:line: ..." */
	uint8_t n_warnings;
	char warnings[CONF_WARNINGS_MAX][CONF_ERROR_MAX];
};

/* 0; -EINVAL with ret_error "file:line: what was found, what was expected"; -errno with the file
 * named when it cannot be read. A file with secrets that others can read is refused.
 * *ret_conf is owned by the caller: conf_free. */
int conf_load(const char *file, struct conf **ret_conf, char ret_error[CONF_ERROR_MAX]);
void conf_free(struct conf *c); /* wipes secrets; NULL is fine */
/* Traffic classes of these names keep the numbers they had before, so that no packet is of another
 * class while rules and paths are replaced one after the other. A number without a name is none. */
void conf_keep_classes(struct conf *c, const struct conf *before);

/* Is it for any number of interfaces, by a pattern or by kind? */
bool conf_uplink_many(const struct conf_uplink *u);
/* The uplink an interface is: the one that names it, else the first whose pattern or kind fits and
 * that does not exclude it. kind: what it was found to be, UPLINK_ANY: none of them. NULL: none. */
const struct conf_uplink *conf_uplink_of(const struct conf *c, const char *interface,
					 enum uplink_kind kind);

/* By enum uplink_kind and enum class_mode; NULL ends them. */
extern const char *const conf_kind_words[], *const conf_mode_words[];

enum { CONF_PROPOSAL_STR = 512 };
/* The line of the configuration that is this proposal; returns buf. */
const char *conf_proposal_text(const struct ike_proposal *p, char buf[CONF_PROPOSAL_STR]);
/* With AUTO: why it is the engine whatever the kernel can do; "": it is not. */
const char *conf_engine_why(const struct conf *c);
/* What ESP is proposed to be, each once, and the first child that does. */
struct conf_esp_alg {
	uint16_t encr_id, key_bits, integ_id; /* integ_id 0 with AEAD */
	const char *conn, *child;	      /* borrowed */
};
enum { CONF_ESP_ALGS_MAX = 64 };
size_t conf_esp_algs(const struct conf *c, struct conf_esp_alg ret[CONF_ESP_ALGS_MAX]);
/* Words of the configuration for an enum crl_policy and an enum sig_hash; NULL: it has no word. */
const char *conf_revocation_word(unsigned policy);
const char *conf_hash_word(unsigned hash);

#endif
