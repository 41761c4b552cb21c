/* SPDX-License-Identifier: GPL-2.0-only */
/* What a command about interfaces (mmx-add and so on, ctl/json.h) asks for, as an action of MMX:
 * the endpoints that it names, by what both sides have announced, and the SAs. Asks nobody. Thread:
 * any.
 */
#ifndef BRAID_CTL_MMX_ARGS_H
#define BRAID_CTL_MMX_ARGS_H

#include <jansson.h>

#include "ikemsg/mmx.h"

enum { CTL_MMX_WHY_MAX = 160, CTL_MMX_SPIS_MAX = 256 };

/* What one side has announced. names: of the interfaces, one for each, NULL: it has none here. */
struct ctl_mmx_side {
	const struct mmx_iface *ifaces;
	unsigned n;
	const char *const *names;
};

struct ctl_mmx_child {
	const char *name;
	uint32_t spi_in;
};

struct ctl_mmx_view {
	struct ctl_mmx_side own, peer;
	const struct ctl_mmx_child *children;
	size_t n_children;
};

/* A name of the extension as the control protocol has it: "local-policy" for LOCAL_POLICY. Returns
 * buf. */
const char *ctl_mmx_word(const char *name, char buf[32]);
/* The words of the protocol: "update", "local-policy"; "unknown" for what has none. Returns buf. */
const char *ctl_mmx_code_word(uint8_t code, char buf[32]);
const char *ctl_mmx_status_word(uint16_t status, char buf[32]);
/* What a refusal means, by its detail if it has one, and what helps; NULL: it is none, or one that
 * is not known. Static. */
const char *ctl_mmx_refusal_text(uint16_t status, uint16_t detail);

/* cmd: "mmx-add" and so on. spis has room for CTL_MMX_SPIS_MAX of them; *ret_action borrows it.
 * 0; -ENOENT (no such endpoint or SA) or -EINVAL, with a sentence in why. */
int ctl_mmx_action(const char *cmd, const json_t *args, const struct ctl_mmx_view *view,
		   uint8_t spis[4 * CTL_MMX_SPIS_MAX], struct mmx_action *ret_action,
		   char why[CTL_MMX_WHY_MAX]);
/* Addresses of ours that the action takes out of use, each once; 0: none, it adds, only checks, is
 * about the peer's, or they are dead already. */
size_t ctl_mmx_leaving(const struct mmx_action *action, const struct ctl_mmx_view *view, size_t max,
		       struct addr *ret_addrs);
/* "path" of a probe, two numbers as "3-1", or "local" and "remote" endpoints: by owner, I's in the
 * upper half. The same errors. */
int ctl_mmx_path(const json_t *args, const struct ctl_mmx_view *view, bool we_are_i,
		 uint32_t *ret_path, char why[CTL_MMX_WHY_MAX]);

#endif
