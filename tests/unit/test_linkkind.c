/* SPDX-License-Identifier: GPL-2.0-only */
/* net/linkkind: what the kernel tells of a device, as WLAN, modem, cable or nothing of it. */
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "net/linkkind.h"
#include "net/rtnl.h"

static char sysfs[64];

static void setup(void)
{
	strcpy(sysfs, "/tmp/braid-test-linkkind-XXXXXX");
	cr_assert(mkdtemp(sysfs));
}

static void teardown(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", sysfs);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(linkkind, .init = setup, .fini = teardown);

/* A device as sysfs shows it; devtype NULL: without one. */
static void device(const char *name, const char *devtype)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", sysfs, name);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/uevent", sysfs, name);
	f = fopen(path, "w");
	cr_assert(f);
	if (devtype)
		fprintf(f, "DEVTYPE=%s\n", devtype);
	fprintf(f, "INTERFACE=%s\nIFINDEX=7\n", name);
	fclose(f);
}

static enum link_kind kind(const char *name, uint16_t type, const char *made_as)
{
	struct rtnl_link l = { .ifindex = 7, .type = type };

	strcpy(l.name, name);
	strcpy(l.kind, made_as);
	return linkkind_of(&l, sysfs);
}

Test(linkkind, wlan)
{
	char path[128];

	device("wlan0", "wlan");
	cr_assert_eq(kind("wlan0", ARPHRD_ETHER, ""), LINK_KIND_WLAN);
	cr_assert_eq(kind("wlan0", ARPHRD_IEEE80211_RADIOTAP, ""), LINK_KIND_OTHER, "a monitor");
	device("ra0", NULL);
	cr_assert_eq(kind("ra0", ARPHRD_ETHER, ""), LINK_KIND_WIRED);
	snprintf(path, sizeof(path), "%s/ra0/wireless", sysfs);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(kind("ra0", ARPHRD_ETHER, ""), LINK_KIND_WLAN, "by an old driver");
}

Test(linkkind, ran)
{
	device("wwan0", "wwan");
	cr_assert_eq(kind("wwan0", ARPHRD_ETHER, ""), LINK_KIND_RAN);
	cr_assert_eq(kind("wwan0", ARPHRD_NONE, ""), LINK_KIND_RAN);
	device("wwp0s1", NULL);
	cr_assert_eq(kind("wwp0s1", ARPHRD_NONE, "wwan"), LINK_KIND_RAN);
	cr_assert_eq(kind("rmnet0", 519, ""), LINK_KIND_RAN);
	cr_assert_eq(kind("ppp0", ARPHRD_PPP, "ppp"), LINK_KIND_RAN);
}

Test(linkkind, wired)
{
	device("eth0", NULL);
	cr_assert_eq(kind("eth0", ARPHRD_ETHER, ""), LINK_KIND_WIRED);
	cr_assert_eq(kind("eth0", ARPHRD_ETHER, "veth"), LINK_KIND_WIRED);
	device("eth0.7", "vlan");
	cr_assert_eq(kind("eth0.7", ARPHRD_ETHER, "vlan"), LINK_KIND_WIRED);
	device("bond0", "bond");
	cr_assert_eq(kind("bond0", ARPHRD_ETHER, "bond"), LINK_KIND_WIRED);
}

Test(linkkind, others)
{
	device("br0", "bridge");
	cr_assert_eq(kind("br0", ARPHRD_ETHER, "bridge"), LINK_KIND_OTHER);
	device("bnep0", "bluetooth");
	cr_assert_eq(kind("bnep0", ARPHRD_ETHER, ""), LINK_KIND_OTHER);
	device("x0", NULL);
	cr_assert_eq(kind("x0", ARPHRD_ETHER, "dummy"), LINK_KIND_OTHER);
	cr_assert_eq(kind("x0", ARPHRD_ETHER, "tun"), LINK_KIND_OTHER);
	cr_assert_eq(kind("lo", ARPHRD_LOOPBACK, ""), LINK_KIND_OTHER);
	cr_assert_eq(kind("tun0", ARPHRD_NONE, "tun"), LINK_KIND_OTHER);
	/* gone again before it was looked at */
	cr_assert_eq(kind("gone0", ARPHRD_ETHER, "bridge"), LINK_KIND_OTHER);
}
