#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs tests in a throw-away virtual machine on Debian's stock kernel: run.sh BUILD_DIR TEST...
#
# The guest's root is this machine's file system, served read only, under a layer in its memory: the
# tests, their tools and the build are the ones of here, only the kernel is another. So what this
# machine's kernel refuses or lacks can be tested all the same. Needs root (of the file server), and
# the packages of `tests/deps.sh vm`.
#
# Ends as tests/run does; with 77 and the reason where no machine can be booted. One that hangs or dies later
# is a failure.
#
# Environment: VM_KERNEL, a linux-image package file (default: the newest cloud one of apt);
# VM_ACCEL=kvm (default: tcg, some 20 times slower than here); VM_LIMIT, seconds in all, of which the last
# TEST_TIMEOUT (of one test) are for what has begun; VM_RUN, what runs the tests in place of tests/run, with the
# same arguments; VM_CONSOLE, a file for the guest's kernel log; VM_ICOUNT=1: one processor, on which each
# instruction takes a nanosecond of the guest's time, so that what is measured there is instructions, however busy this machine.
set -euo pipefail

build=$(realpath -m "$1")
shift
tests=$#
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$build/vm
work=$(mktemp -d)
fs_pid=
cleanup() {
	[ -z "$fs_pid" ] || kill "$fs_pid" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT

skip() {
	echo "vm: skipped, this machine cannot boot one: $*"
	echo "0 passed, 0 failed, $tests skipped"
	exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root"
virtiofsd=$(command -v virtiofsd /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd | head -n 1) || :
[ -n "$virtiofsd" ] || skip "needs virtiofsd"
for tool in qemu-system-x86_64 cpio busybox depmod; do
	command -v $tool >/dev/null || skip "needs $tool: tests/deps.sh vm installs it"
done

# ---- the kernel: unpacked into the build directory, installed nowhere ---------------------------

kernel_package() {
	local name
	[ -z "${VM_KERNEL:-}" ] || {
		realpath "$VM_KERNEL"
		return
	}
	name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
	[ -n "$name" ] || return 1
	ls "$cache/$name"_*.deb 2>/dev/null && return
	(cd "$cache" && timeout 300 apt-get -qq download "$name" >&2 && ls "$cache/$name"_*.deb)
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
deb=$(kernel_package | tail -n 1) && [ -f "$deb" ] || skip "no kernel package to be had from apt"
tree=$cache/$(basename "$deb" .deb)
if [ ! -e "$tree/ready" ]; then
	echo "Unpacking $(basename "$deb")"
	rm -rf "$tree"
	dpkg-deb -x "$deb" "$tree"
	[ -e "$tree/lib" ] || ln -s usr/lib "$tree/lib" # since Debian 13
	release=$(ls "$tree/lib/modules")
	depmod -b "$tree" "$release"
	touch "$tree/ready"
fi
exec 9>&-
release=$(ls "$tree/lib/modules")

# ---- first root: enough to mount the second -----------------------------------------------------

limit=${VM_LIMIT:-1800}
per_test=${TEST_TIMEOUT:-600}
begin_until=$((limit - per_test - 60))
[ $begin_until -ge $((limit / 4)) ] || begin_until=$((limit / 4))
init=$work/init
mkdir -p "$init"/{bin,dev,proc,sys,low,layer,new,modules}
copy_program() {
	local lib
	install -D "$(readlink -f "$1")" "$init$1"
	while read -r lib; do
		[ -e "$init$lib" ] || install -D "$(readlink -f "$lib")" "$init$lib"
	done < <(ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}
busybox=$(command -v busybox)
copy_program "$busybox"
: >"$init/modules/order"
for module in virtio_pci virtiofs overlay; do
	modprobe -d "$tree" -S "$release" --show-depends $module | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
	name=$(basename "$file" .xz)
	case $file in
	*.xz) xz -dc "$file" >"$init/modules/$name" ;;
	*) cp "$file" "$init/modules/$name" ;;
	esac
	echo "$name" >>"$init/modules/order"
done

cat >"$init/init" <<INIT
#!$busybox sh
$busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r m; do insmod /modules/\$m; done </modules/order
mount -t virtiofs -o ro root /low
mount -t tmpfs -o size=60% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/low,upperdir=/layer/upper,workdir=/layer/work overlay /new
cp /second /new/second
mount --move /dev /new/dev
mount --move /proc /new/proc
exec switch_root /new $busybox sh /second
INIT
cat >"$init/second" <<SECOND
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C
mount -t sysfs sys /sys
mount -t tmpfs run /run
ln -s /proc/self/fd /dev/fd
mkdir -p /run/lock /run/netns /dev/pts /dev/shm /lib/modules/$release
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount --bind $tree/lib/modules/$release /lib/modules/$release
modprobe tun # elsewhere its device node is there from the start and loads it
ip link set lo up
cd $top
stty -F /dev/ttyS1 -opost # lines end as elsewhere
echo up >/dev/ttyS2
export TESTS_IN_VM=yes TEST_TIMEOUT=$per_test RUN_LIMIT=$begin_until RUN_END=$((limit - 60)) TEST_LOG_LINES=${TEST_LOG_LINES:-60}
setsid -w ${VM_RUN:-tests/run} $build ${*@Q} </dev/null >/dev/ttyS1 2>&1
echo \$? >/dev/ttyS2
poweroff -f
SECOND
chmod +x "$init/init"
(cd "$init" && find . | cpio --quiet -o -H newc) >"$work/initrd"

# ---- the machine --------------------------------------------------------------------------------

# A view of the file system that cannot be written through, in a mount namespace of its own.
serve() {
	mount --bind / "$work/root"
	mount -o remount,bind,ro "$work/root"
	if [ "$(stat -c %d /)" != "$(stat -c %d "$top")" ]; then
		mount --bind "$top" "$work/root$top"
		mount -o remount,bind,ro "$work/root$top"
	fi
	exec "$virtiofsd" -f --socket-path="$work/fs" -o source="$work/root" -o cache=always \
		-o sandbox=chroot -o log_level=err
}
mkdir "$work/root"
export -f serve
export work top virtiofsd
unshare -m --propagation private bash -c serve 2>"$work/fs.log" &
fs_pid=$!
for _ in $(seq 100); do
	[ ! -S "$work/fs" ] || break
	kill -0 $fs_pid 2>/dev/null || skip "the file server does not start: $(tail -n 1 "$work/fs.log")"
	sleep 0.05
done

mem=${VM_MEMORY:-3072}
cpu=max
[ "${VM_ACCEL:=tcg}" != tcg ] || cpu=max,-cx16 # its emulation of the per-CPU form is broken
cpus=(-smp 2)
[ "${VM_ICOUNT:-no}" = no ] || { cpus=(-smp 1 -icount "shift=0,sleep=off") cpu+=,-erms,-fsrm; }
echo "Booting $release in qemu ($VM_ACCEL)"
rc=0
console=${VM_CONSOLE:-$work/console}
timeout -k 5 "$limit" qemu-system-x86_64 -accel "$VM_ACCEL" -cpu "$cpu" "${cpus[@]}" -m "$mem" \
	-object "memory-backend-memfd,id=mem,size=${mem}M,share=on" -numa node,memdev=mem \
	-chardev "socket,id=fs,path=$work/fs" -device vhost-user-fs-pci,chardev=fs,tag=root \
	-nodefaults -nographic -no-reboot \
	-kernel "$tree/boot/vmlinuz-$release" -initrd "$work/initrd" \
	-append "console=ttyS0 loglevel=6 panic=-1 softlockup_panic=1 watchdog_thresh=60 mitigations=off no_timer_check random.trust_cpu=on" \
	-serial "file:$console" -serial stdio -serial "file:$work/result" \
	</dev/null || rc=$?
result=$(tr -d '\r' <"$work/result" | xargs)
case $result in
"up "[0-9]*) exit "${result#up }" ;;
"") skip "its kernel does not get to a shell (qemu: $rc): $(tail -n 3 "$console" | tr -d '\r')" ;;
esac
echo "vm: the guest ended without a result (qemu: $rc); the end of its kernel log:"
tail -n 30 "$console"
exit 1
