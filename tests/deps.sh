#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The one list of Debian packages braid needs. Installs what is missing of the groups named:
# deps.sh [build|test|bench|check|vm]..., without arguments of all but vm. Elsewhere than on Debian it
# prints the names and stops.
set -eu

build='gcc libc6-dev make pkg-config clang llvm bpftool libbpf-dev libxdp-dev libelf-dev zlib1g-dev
	libssl-dev libevent-dev libmnl-dev libconfuse-dev libjansson-dev libcap-ng-dev libseccomp-dev
	libncurses-dev'
[ "$(uname -m)" != x86_64 ] || build="$build libipsec-mb-dev"
test='libcriterion-dev iproute2 iputils-ping procps python3 tcpdump tshark nftables curl aria2 busybox
	iperf3 ethtool openssl python3-scapy jq xdp-tools strongswan-swanctl charon-systemd libcharon-extra-plugins
	libstrongswan-extra-plugins libstrongswan-standard-plugins softhsm2 libengine-pkcs11-openssl p11-kit-modules
	libclang-rt-14-dev systemd'
bench='wireguard-go wireguard-tools'
vm='qemu-system-x86 cpio kmod busybox'
check='clang-format clang-tidy cppcheck shellcheck mandoc'

want=
for group in "${@:-all}"; do
	case $group in
	all) want="$build $test $bench $check" ;;
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	bench) want="$want $bench" ;;
	vm) want="$want $vm" ;;
	check) want="$want $check" ;;
	*)
		echo "deps.sh: unknown group $group" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "This is not Debian. Needed, by Debian's names:" >&2
	for p in $want; do echo "  $p" >&2; done
	echo "Install their equivalents, then run make without deps (DEPS=no)." >&2
	exit 1
fi

missing=
for p in $want; do
	case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
	*' installed') ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "Missing packages; install them as root (or run make deps as root):" >&2
	echo " apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

# Nothing that is installed here for its programs shall start a service.
policy=/usr/sbin/policy-rc.d
ours=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
	ours=1
fi
log=$(mktemp)
trap '[ -z "$ours" ] || rm -f $policy; rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list
install() {
	apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >"$log" 2>&1
}
echo "Installing:$missing"
if ! install; then
	apt-get -qq update
	install || {
		tail -n 20 "$log" >&2
		exit 1
	}
fi
case $missing in
*charon-systemd*)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now strongswan.service >/dev/null 2>&1 || :
	fi
	;;
esac
