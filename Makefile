# SPDX-License-Identifier: GPL-2.0-only
# braid: `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool 2>/dev/null || echo /usr/sbin/bpftool)
CFLAGS  ?= -O2 -g
B       ?= build
V       ?= 0

ifeq ($(V),0)
Q = @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
else
Q =
say =
endif

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

LIBS       := libbpf libxdp openssl libevent_core libmnl libconfuse jansson libcap-ng libseccomp
IPSEC_MB   := $(shell test -e /usr/include/intel-ipsec-mb.h && echo yes)
PKG_CFLAGS  = $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
PKG_LIBS    = $(shell pkg-config --libs $(LIBS) 2>/dev/null) $(if $(IPSEC_MB),-lIPSec_MB)

ALL_CFLAGS = -std=gnu11 -Wall -Wextra -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-D_GNU_SOURCE $(if $(IPSEC_MB),-DHAVE_IPSEC_MB) -Iinclude -I$(B)/skel $(PKG_CFLAGS) \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)
BPF_CFLAGS = -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Werror -D__TARGET_ARCH_x86 -Iinclude -I. -Ibpf

# Modules, in the order of their includes (see the internals tour in README).
MODULES  := base crypto ikemsg ike esp net steer dp xfrm kesp conf ctl libbraid
LIB_SRC  := $(foreach m,$(MODULES),$(wildcard user/$(m)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
AGENT_SRC := $(wildcard user/agent/*.c)
ENGINE_SRC := $(wildcard user/engine/*.c)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKEL     := $(BPF_SRC:bpf/%.bpf.c=$(B)/skel/%.skel.h)
PROGS    := $(foreach p,braidd:main braid:cli braid-esp:engine,\
	$(if $(wildcard user/$(lastword $(subst :, ,$(p))).c),$(B)/$(firstword $(subst :, ,$(p)))))
tests_of  = $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/test_*.c))

# The library for programs: what is not in its header is hidden, in both forms of it.
API_SRC  := $(wildcard user/libbraid/*.c) user/ctl/client.c user/ctl/json.c
API_OBJ  := $(API_SRC:%.c=$(B)/pic/%.o)
API_SO   := libbraid.so.0
API      := $(B)/lib/$(API_SO) $(B)/lib/libbraid.a

.PHONY: all
all: $(PROGS) $(API)

$(B)/pic/%.o: %.c
	$(call say,CC,$< for the library)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<
$(B)/lib/$(API_SO): $(API_OBJ) user/libbraid/libbraid.map
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared -Wl,-soname,$(API_SO) -Wl,-z,relro,-z,now \
		-Wl,--version-script=user/libbraid/libbraid.map $(LDFLAGS) -o $@ $(API_OBJ) \
		$(shell pkg-config --libs jansson)
	$(Q)ln -sf $(API_SO) $(B)/lib/libbraid.so
$(B)/lib/libbraid.a: $(API_OBJ)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LD) -r -o $(@:.a=.o) $^ && objcopy --localize-hidden $(@:.a=.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $(@:.a=.o)

$(B)/libbraid.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/braidd: $(B)/user/main.o $(AGENT_SRC:%.c=$(B)/%.o) $(B)/libbraid.a
$(B)/braid: $(B)/user/cli.o $(B)/user/cli_flush.o $(B)/user/cli_mmx.o $(B)/user/cli_steering.o $(B)/user/cli_top.o $(B)/libbraid.a
$(B)/braid: PKG_LIBS += $(shell pkg-config --libs ncursesw)
$(B)/braid-esp: $(B)/user/engine.o $(ENGINE_SRC:%.c=$(B)/%.o) $(B)/libbraid.a
$(B)/braidd $(B)/braid $(B)/braid-esp:
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

$(B)/%.o: %.c | $(SKEL)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -pthread -MMD -MP -c -o $@ $<

define bpf_object
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@.tmp $<
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp
endef
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(bpf_object)
# Programs of benchmarks and tests only: same chain.
$(B)/bpf/%.bpf.o: tests/bench/%.bpf.c
	$(bpf_object)
$(B)/bpf/%.bpf.o: tests/netns/%.bpf.c
	$(bpf_object)
$(B)/bpf/%.bpf.o: tests/bpf/%.bpf.c
	$(bpf_object)

$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

# Each tests/<kind>/test_x.c is one criterion program; helpers shared by a kind are not named test_*.
define test_rules
$(B)/tests/$(1)/test_%: $(B)/tests/$(1)/test_%.o \
	$(patsubst %.c,$(B)/%.o,$(filter-out tests/$(1)/test_%.c,$(filter-out %.bpf.c,$(wildcard tests/$(1)/*.c tests/lib/*.c)))) $(B)/libbraid.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -lcriterion -pthread -lm
endef
$(foreach k,unit sim bpf,$(eval $(call test_rules,$(k))))

$(B)/tests/bpf/test_classify.o: $(B)/skel/classify_prog.skel.h
$(B)/tests/bpf/test_inner.o: $(B)/skel/inner_prog.skel.h

# test_openssl wraps every function of libcrypto that the product calls.
LIBCRYPTO = $(shell $(CC) -print-file-name=libcrypto.so)
$(B)/tests/sim/openssl_calls.h: $(B)/libbraid.a
	$(Q)mkdir -p $(@D)
	$(Q)nm -D --defined-only $(LIBCRYPTO) | sed 's/.* //;s/@.*//' | sort -u >$@.all
	$(Q)nm -u $< | sed 's/.* //' | sort -u | comm -12 - $@.all | sed 's/.*/CALL(&)/' >$@
	$(Q)rm $@.all
$(B)/tests/sim/test_openssl.o: private ALL_CFLAGS += -I$(B)/tests/sim
$(B)/tests/sim/test_openssl.o: $(B)/tests/sim/openssl_calls.h
$(patsubst %,$(B)/tests/sim/test_%_nomem,clone mmx_addif mmx_ask): private ALL_LDFLAGS += \
	$(foreach c,malloc calloc ike_recv ike_tick,-Wl,--wrap=$(c))
$(B)/tests/unit/test_mmx_nomem: private ALL_LDFLAGS += -Wl,--wrap=malloc -Wl,--wrap=calloc
$(B)/tests/sim/test_openssl: private ALL_LDFLAGS += \
	$(shell sed 's/CALL(\(.*\))/-Wl,--wrap=\1/' $(B)/tests/sim/openssl_calls.h 2>/dev/null)

NETNS_BPF := $(patsubst tests/netns/%.c,$(B)/bpf/%.o,$(wildcard tests/netns/*.bpf.c))
NETNS_PROGS := $(patsubst %.c,$(B)/%,$(filter-out %.bpf.c,$(wildcard tests/netns/*.c)))
UNIT   := $(call tests_of,unit)
SIM    := $(call tests_of,sim)
BPFT   := $(call tests_of,bpf)
NETNS  := $(wildcard tests/netns/test_*.sh)
INTEROP := $(wildcard tests/interop/test_*.sh)

# A first make may find a machine without compiler and libraries: what depends on them is looked up
# by a second one, after their installation.
DEPS ?= yes
.PHONY: deps
deps:
	@[ "$(DEPS)" = no ] || ./tests/deps.sh $(GROUPS)

.PHONY: test run-tests unit sim root-tests
test:
	@$(MAKE) --no-print-directory deps GROUPS='build test'
	@$(MAKE) --no-print-directory -j$(JOBS) all test-programs
	@$(MAKE) --no-print-directory run-tests

JOBS := $(shell nproc 2>/dev/null || echo 2)
test-programs: $(UNIT) $(SIM) $(BPFT) $(NETNS_PROGS) $(NETNS_BPF) fuzz-programs
run-tests: test-programs all
	@tests/run $(B) $(UNIT) $(SIM) tests/fuzz/test_fuzz.sh $(BPFT) $(NETNS) $(INTEROP)
unit: $(UNIT)
	@tests/run $(B) $^
sim: $(SIM)
	@tests/run $(B) $^
root-tests: all $(BPFT) $(NETNS_PROGS) $(NETNS_BPF)
	@tests/run $(B) $(BPFT) $(NETNS) $(INTEROP)

# What needs a kernel with ESP, on Debian's stock one, in a virtual machine, and once more what else depends on the
# kernel; without KVM that is slow, so tests with limits of time or rate are not among them. A machine that
# cannot boot one says so, and that is no failure.
VM_PEERS := $(wildcard tests/netns/test_kernel_libreswan*.sh tests/netns/test_kernel_strongswan*.sh)
VM_TESTS ?= $(BPFT) tests/netns/test_attach.sh $(filter-out $(VM_PEERS),$(wildcard tests/netns/test_kernel*.sh)) $(VM_PEERS)
.PHONY: test-vm
test-vm:
	@$(MAKE) --no-print-directory deps GROUPS='build test'
	@$(MAKE) --no-print-directory deps GROUPS=vm || :
	@tests/interop/peers $(B) || echo 'Libreswan is not to be had; what needs it is skipped.'
	@$(MAKE) --no-print-directory -j$(JOBS) all test-programs
	@VM_LIMIT=$${VM_LIMIT:-3600} tests/vm/run.sh $(B) $(VM_TESTS) || [ $$? = 77 ]

.PHONY: demo
demo:
	@[ "$$(id -u)" = 0 ] || { echo 'The demo makes network namespaces: sudo make demo' >&2; exit 1; }
	@$(MAKE) --no-print-directory deps GROUPS='build test'
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BRAID_BUILD=$(B) PEER=$(PEER) unshare -m --propagation private tests/demo/demo.sh

# libFuzzer targets: `make fuzz` runs each for FUZZ_SECONDS, `make test` for a moment.
FUZZ_SECONDS ?= 20
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(wildcard $(foreach m,base crypto ikemsg ike esp net steer conf ctl engine,user/$(m)/*.c)) \
	tests/sim/duo.c)
# What AddressSanitizer finds too, or compares a pointer for at every access, is left to `make asan`.
FUZZ_SAN  = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-sanitize=alignment,null,object-size,pointer-overflow
FUZZ_FLAGS = -fsanitize=fuzzer-no-link $(FUZZ_SAN)
# Calls that end in the target instead of in the kernel or in a library.
FUZZ_WRAP = getrandom RAND_bytes $(FUZZ_WRAP_$(@F))
FUZZ_WRAP_auth := cert_parse cert_free trust_verify auth_verify
FUZZ_WRAP_conf := open
FUZZ_WRAP_ctl := bufferevent_socket_new evutil_make_socket_nonblocking evutil_make_socket_closeonexec
FUZZ_WRAP_engine := ppoll accept4 getsockopt setsockopt recvmsg recv sendmsg signalfd sigprocmask \
	unlink close malloc_trim
# Those that fuzz the protocol have cheap cryptography in place of the real one.
FUZZ_CHEAP := $(patsubst %,$(B)/fuzz/%,auth fragment ike image mmx_peer mobike)

$(B)/fuzz/obj/%.o: %.c
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) $(FUZZ_FLAGS) \
		-DIKE_MSG_OCTETS=8192 -DCONF_FILE_OCTETS=16384 -MMD -MP -c -o $@ $<

$(B)/fuzz/libfuzz.a: $(FUZZ_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(FUZZ_CHEAP): $(B)/fuzz/obj/tests/fuzz/cheap_crypto.o
$(B)/fuzz/obj/tests/fuzz/cheap_crypto.o: FUZZ_FLAGS =
$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/obj/tests/fuzz/env.o $(B)/fuzz/libfuzz.a
	$(call say,LD,$@)
	$(Q)$(CLANG) -pie -fsanitize=fuzzer $(FUZZ_SAN) $(FUZZ_WRAP:%=-Wl,--wrap=%) \
		-o $@ $(filter-out %.a,$^) $(filter %.a,$^) $(PKG_LIBS) -pthread -lm

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ)
fuzz: fuzz-programs
	@BRAID_BUILD=$(B) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/test_fuzz.sh

$(B)/tests/bench/bench_bpf.o: $(B)/skel/bench_prog.skel.h
$(B)/tests/bench/bench_bpf: $(B)/tests/bench/bench_bpf.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

.PHONY: bench-bpf
bench-bpf: $(B)/tests/bench/bench_bpf
	$(Q)$< $(B)/bench $(PARTS)

$(B)/tests/bench/bench_siblings: $(B)/tests/bench/bench_siblings.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

.PHONY: bench-siblings
bench-siblings: $(B)/tests/bench/bench_siblings
	$(Q)$< $(B)/bench

$(B)/tests/bench/bench_crypto: $(B)/tests/bench/bench_crypto.o $(B)/tests/sim/duo.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

$(B)/tests/bench/bench_mmx: $(B)/tests/bench/bench_mmx.o $(B)/tests/sim/duo.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

.PHONY: bench-mmx
bench-mmx: $(B)/tests/bench/bench_mmx
	$(Q)$< $(B)/bench
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_mmx_hosts.sh

.PHONY: bench-crypto
bench-crypto: $(B)/tests/bench/bench_crypto
	$(Q)$< $(B)/bench

# Programs the namespace tests use; each is one C file.
$(NETNS_PROGS): $(B)/%: $(B)/%.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

# ---- what a change must pass besides the tests --------------------------------------------------

C_FILES  = $(filter-out vmlinux.h,$(shell git ls-files '*.c' '*.h'))
SH_FILES = $(shell git ls-files '*.sh' tests/run tests/interop/run tests/interop/peers tests/interop/vm .ci/run)

.PHONY: check check-format check-includes check-werror check-shell check-abi check-man check-docs check-lint
.PHONY: requirements check-requirements check-compare
check:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -k check-format check-includes check-shell check-abi check-man \
		check-docs check-requirements check-compare check-werror check-lint && echo 'check: nothing found'
check-format:
	$(call say,FORMAT,$(words $(C_FILES)) files)
	$(Q)clang-format --dry-run -Werror $(C_FILES)
check-includes:
	$(call say,INCLUDES,)
	$(Q)tests/check_includes.sh
check-shell:
	$(call say,SHELL,$(words $(SH_FILES)) files)
	$(Q)shellcheck -S warning -x -P SCRIPTDIR -e SC1091 $(SH_FILES)
check-abi:
	$(call say,ABI,include/abi)
	$(Q)printf '#include <linux/types.h>\n#include "abi/steer.h"\n#include "abi/classify.h"\n' | \
		$(CC) -xc -Wpadded -Werror -Iinclude -fsyntax-only -
check-man:
	$(call say,MAN,user/man)
	$(Q)mandoc -T lint -W warning $(wildcard user/man/*.[1-9])
check-docs:
	$(call say,DOCS,)
	$(Q)python3 tests/check_docs.py
# Which test proves which statement of the standards: the lists in tests/requirements, and the names
# in the tests.
requirements:
	@python3 tests/requirements.py $(wildcard tests/requirements/*.txt)
check-requirements:
	$(call say,REQS,tests/requirements)
	$(Q)python3 tests/requirements.py --quiet $(wildcard tests/requirements/*.txt)
check-compare:
	$(call say,COMPARE,constant time)
	$(Q)tests/check_compare.sh
check-werror:
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) B=$(B)/gcc CFLAGS='$(CFLAGS) -Werror' all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) B=$(B)/clang CC=$(CLANG) CFLAGS='$(CFLAGS) -Werror' all
check-lint:
	$(call say,CPPCHECK,user)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability \
		--suppress=missingIncludeSystem --suppress=unknownMacro -j$(JOBS) \
		-Iinclude -D_GNU_SOURCE user
	$(call say,TIDY,user)
	$(Q)clang-tidy --quiet -checks='-*,bugprone-suspicious-memory-comparison,bugprone-suspicious-memset-usage,bugprone-suspicious-semicolon,bugprone-sizeof-container,clang-analyzer-unix.*,clang-analyzer-deadcode.*,clang-analyzer-security.FloatLoopCounter' \
		-warnings-as-errors='*' $(filter-out %ipsec_mb.c user/dp/%,$(shell git ls-files 'user/*.c')) -- $(subst -I$(B)/skel,-isystem $(B)/skel,$(ALL_CFLAGS)) 2>/dev/null

.PHONY: asan
# Programs and libraries, then the daemons: their scenarios in namespaces with every process under
# the sanitizers, leaks looked for when it ends.
SAN_NETNS := $(patsubst %,tests/netns/test_%.sh,agent agent6 hostile mixed clear engine siblings up updown certs standby pathtest uplinks family clones_change permit consent api \
	bond redundant redundant_mtu classes steering mmx_commands mmx_ifaces mmx_failover mmx_nat mmx_transport api_mmx)
SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan:
	@$(MAKE) --no-print-directory deps GROUPS='build test check'
	@$(MAKE) --no-print-directory -j$(JOBS) B=$(B)/asan CFLAGS='$(SAN)' LDFLAGS='$(SAN)' \
		all unit-programs $(NETNS_PROGS:$(B)/%=$(B)/asan/%)
	@ASAN_OPTIONS=detect_leaks=1 $(MAKE) --no-print-directory B=$(B)/asan CFLAGS='$(SAN)' LDFLAGS='$(SAN)' san-tests
.PHONY: unit-programs san-tests
unit-programs: $(UNIT) $(SIM)
san-tests: export TEST_TIMEOUT ?= 1200
san-tests: $(UNIT) $(SIM)
	@tests/run $(B) $^
	@rm -rf $(B)/san-logs && mkdir -p $(B)/san-logs
	@SAN_LOGS=$(abspath $(B))/san-logs \
		ASAN_OPTIONS=detect_leaks=1:log_path=$(abspath $(B))/san-logs/asan \
		UBSAN_OPTIONS=print_stacktrace=1:log_path=$(abspath $(B))/san-logs/ubsan \
		tests/run $(B) $(SAN_NETNS)

# ThreadSanitizer over the engine's packet threads and its control thread: bonding with its handover between
# threads, copies, everything engine_drive asks for. Not the unit tests: criterion does not run under it.
.PHONY: tsan tsan-tests
TSAN_NETNS := $(patsubst %,tests/netns/test_%.sh,bond redundant engine)
TSAN := -O1 -g -fsanitize=thread -Wno-tsan
tsan:
	@$(MAKE) --no-print-directory deps GROUPS='build test check'
	@$(MAKE) --no-print-directory -j$(JOBS) B=$(B)/tsan CFLAGS='$(TSAN)' LDFLAGS='$(TSAN)' all $(NETNS_PROGS:$(B)/%=$(B)/tsan/%)
	@$(MAKE) --no-print-directory B=$(B)/tsan CFLAGS='$(TSAN)' LDFLAGS='$(TSAN)' tsan-tests
tsan-tests: export TEST_TIMEOUT ?= 600
tsan-tests:
	@rm -rf $(B)/san-logs && mkdir -p $(B)/san-logs
	@SAN_LOGS=$(abspath $(B))/san-logs TSAN_OPTIONS=log_path=$(abspath $(B))/san-logs/tsan tests/run $(B) $(TSAN_NETNS)

# ---- benchmarks ---------------------------------------------------------------------------------

.PHONY: bench bench-throughput bench-ike bench-paths bench-handover bench-clone bench-modes bench-react bench-aggregate bench-steering bench-xfrm interop
bench:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory bench-crypto
	@$(MAKE) --no-print-directory bench-bpf
	@$(MAKE) --no-print-directory bench-siblings
	@$(MAKE) --no-print-directory bench-mmx
	@$(MAKE) --no-print-directory bench-throughput
	@$(MAKE) --no-print-directory bench-ike
	@$(MAKE) --no-print-directory bench-paths
	@$(MAKE) --no-print-directory bench-handover
	@$(MAKE) --no-print-directory bench-clone
	@$(MAKE) --no-print-directory bench-modes
	@$(MAKE) --no-print-directory bench-react
	@$(MAKE) --no-print-directory bench-aggregate
	@$(MAKE) --no-print-directory bench-steering
bench-throughput:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/bench/udp_load
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_throughput.sh
bench-ike:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/netns/ike_load $(B)/tests/netns/ike_flood \
		$(B)/tests/bench/ike_certs
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_ike.sh
bench-paths:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/netns/engine_drive $(B)/tests/bench/path_load
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_paths.sh
bench-handover:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/netns/stream_watch $(B)/tests/netns/engine_drive \
		$(patsubst %,$(B)/tests/bench/%,path_load switch_load switch_watch)
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_handover.sh
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_switch.sh
bench-react:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(patsubst %,$(B)/tests/netns/%,stream_watch delay_relay)
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_react.sh
bench-modes:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/bench/udp_load
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_modes.sh
bench-clone:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/netns/delay_relay
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_clone.sh
bench-aggregate:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/tests/netns/streams
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_aggregate.sh
bench-steering:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(patsubst %,$(B)/tests/netns/%,streams delay_relay engine_drive dp_drive)
	@BRAID_BUILD=$(B) unshare -m --propagation private tests/bench/bench_steering.sh
# The kernel's ESP, on Debian's stock kernel in a virtual machine.
bench-xfrm:
	@$(MAKE) --no-print-directory deps GROUPS='build test bench vm'
	@$(MAKE) --no-print-directory -j$(JOBS) all $(patsubst %,$(B)/tests/bench/%,xfrm_load udp_load) $(patsubst %,$(B)/tests/netns/%,dp_drive stream_watch)
	@VM_RUN=tests/bench/switch_xfrm.sh tests/vm/run.sh $(B) 1 100 1000
	@VM_ICOUNT=1 VM_RUN='env ROUNDS=3 SECONDS_EACH=0.1 tests/bench/steer_xfrm.sh' tests/vm/run.sh $(B)
	@VM_RUN=tests/bench/handover_xfrm.sh tests/vm/run.sh $(B)
	@VM_ICOUNT=1 VM_RUN="env BACKEND=kernel ROUNDS=3 SECONDS_EACH=2 OCTETS=8000000 MEASURES='flood flood512 tcp' tests/bench/bench_modes.sh" tests/vm/run.sh $(B)
$(B)/tests/bench/xfrm_load: $(B)/tests/bench/xfrm_load.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(B)/tests/bench/path_load: $(B)/tests/bench/path_load.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm
$(B)/tests/bench/switch_load: $(B)/tests/bench/switch_load.o $(B)/tests/bench/traffic.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm
$(B)/tests/bench/switch_watch: $(B)/tests/bench/switch_watch.o $(B)/tests/bench/traffic.o
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -pthread
$(B)/tests/bench/udp_load: $(B)/tests/bench/udp_load.o
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^
$(B)/tests/bench/ike_certs: $(B)/tests/bench/ike_certs.o $(B)/tests/lib/pki.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm
interop:
	@$(MAKE) --no-print-directory deps GROUPS='build test'
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tests/interop/run $(B) strongswan
# Peers whose ESP is the kernel's, on Debian's stock one, which is slow without KVM.
VM_INTEROP ?= strongswan libreswan openiked
.PHONY: interop-vm
interop-vm:
	@$(MAKE) --no-print-directory deps GROUPS='build test vm'
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tests/interop/peers $(B)
	@VM_RUN=tests/interop/vm tests/vm/run.sh $(B) $(VM_INTEROP:%=tests/interop/%_vm.sh)

# ---- installation -----------------------------------------------------------------------------------

VERSION := $(shell sed -n 's/.*BRAID_VERSION "\(.*\)"/\1/p' include/base/version.h)

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/man/man3 $(DESTDIR)$(PREFIX)/include/braid \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/share/doc/braid/examples $(DESTDIR)$(PREFIX)/share/braid \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/network \
		$(DESTDIR)/etc/braid
	install -m 755 $(B)/braidd $(B)/braid-esp $(B)/braid $(DESTDIR)$(PREFIX)/sbin
	install -m 644 include/braid/braid.h $(DESTDIR)$(PREFIX)/include/braid
	install -m 644 $(B)/lib/libbraid.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(B)/lib/$(API_SO) $(DESTDIR)$(PREFIX)/lib
	ln -sf $(API_SO) $(DESTDIR)$(PREFIX)/lib/libbraid.so
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(VERSION),' user/libbraid/libbraid.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/libbraid.pc
	for m in user/man/*.[3578]; do sed -e 's,/usr/local,$(PREFIX),g' -e 's/^\.Os$$/.Os braid $(VERSION)/' \
		$$m >$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done
	install -m 644 user/examples/* $(DESTDIR)$(PREFIX)/share/doc/braid/examples
	install -m 644 user/wireshark/braid_mmx.lua $(DESTDIR)$(PREFIX)/share/braid
	install -m 644 user/completion/braid.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/braid
	for u in user/systemd/*.service; do sed 's,/usr/local,$(PREFIX),g' $$u > \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/}; done
	install -m 644 user/systemd/10-braid.network $(DESTDIR)$(PREFIX)/lib/systemd/network

.PHONY: help
help:
	@echo 'make              build into build/ (B=DIR another, V=1 shows commands)'
	@echo 'make demo         two hosts, two uplinks, real traffic (PEER=strongswan: one path with it)'
	@echo 'make test         all tests; as root also those in namespaces and with BPF'
	@echo 'make test-vm      BPF, attachment and the ESP of Debian'"'"'s stock kernel, in qemu (VM_TESTS= others)'
	@echo 'make unit sim     those that need no root'
	@echo 'make check        formatting, warnings, includes, linters'
	@echo 'make requirements which test proves which statement of the standards'
	@echo 'make asan         tests under the sanitizers'
	@echo "make tsan         the engine's threads under ThreadSanitizer"
	@echo 'make fuzz         every decoder, the configuration and both sockets for FUZZ_SECONDS'
	@echo 'make interop      the whole matrix with strongSwan, as a table'
	@echo 'make interop-vm   cells with the ESP of the stock kernel, in qemu (VM_INTEROP= peers)'
	@echo 'make bench        bench-crypto, -bpf, -siblings, -throughput, -ike, -paths, -handover, -clone, -aggregate; results also in build/bench'
	@echo 'make bench-xfrm   ESP of the kernel: steering beside none, a move of many SAs, transport beside tunnel, a lost uplink; in qemu'
	@echo 'make install      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make deps         install the Debian packages all this needs'

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
