/* SPDX-License-Identifier: GPL-2.0-only */
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "net/linkkind.h"
#include "net/rtnl.h"

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519 /* rmnet: newer than the C library's list */
#endif

enum { DEVTYPE_MAX = 32 };

static bool among(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

/* DEVTYPE=... of uevent; empty: it has none, as plain Ethernet. */
static void devtype(const char *sysfs, const char *name, char ret[DEVTYPE_MAX])
{
	char path[256], line[8 + DEVTYPE_MAX];
	FILE *f;

	*ret = '\0';
	snprintf(path, sizeof(path), "%s/%s/uevent", sysfs, name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "DEVTYPE=", 8))
			memcpy(ret, line + 8, strlen(line + 8) + 1);
	}
	if (f)
		fclose(f);
}

/* Drivers of the old kind have no DEVTYPE, but this. */
static bool has_phy(const char *sysfs, const char *name)
{
	static const char *const marks[] = { "phy80211", "wireless" };
	char path[256];
	struct stat st;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", sysfs, name, marks[i]);
		if (!stat(path, &st))
			return true;
	}
	return false;
}

enum link_kind linkkind_of(const struct rtnl_link *l, const char *sysfs)
{
	static const char *const ran[] = { "wwan", "rmnet", "ppp", NULL };
	static const char *const wired[] = { "",     "vlan", "macvlan", "ipvlan", "bond",
					     "team", "dsa",  "veth",	NULL };
	static const char *const wires[] = { "", "vlan", "macvlan", "bond", "dsa", NULL };
	char type[DEVTYPE_MAX];

	if (l->type == ARPHRD_PPP || l->type == ARPHRD_RAWIP || among(l->kind, ran))
		return LINK_KIND_RAN;
	devtype(sysfs, l->name, type);
	if (!strcmp(type, "wwan"))
		return LINK_KIND_RAN;
	if (l->type != ARPHRD_ETHER)
		return LINK_KIND_OTHER;
	if (!strcmp(type, "wlan") || has_phy(sysfs, l->name))
		return LINK_KIND_WLAN;
	return among(l->kind, wired) && among(type, wires) ? LINK_KIND_WIRED : LINK_KIND_OTHER;
}
