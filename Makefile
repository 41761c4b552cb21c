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
BPF_CFLAGS = -target bpf -g -O2 -Wall -Wextra -Werror -D__TARGET_ARCH_x86 -Iinclude -I. -Ibpf

# Modules, in the order of their includes (see the internals tour in README).
MODULES  := base crypto ikemsg ike esp net dp conf ctl
LIB_SRC  := $(foreach m,$(MODULES),$(wildcard user/$(m)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
AGENT_SRC := $(wildcard user/agent/*.c)
ENGINE_SRC := $(wildcard user/engine/*.c)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKEL     := $(BPF_SRC:bpf/%.bpf.c=$(B)/skel/%.skel.h)
PROGS    := $(foreach p,braidd:main braid:cli braid-esp:engine,\
	$(if $(wildcard user/$(lastword $(subst :, ,$(p))).c),$(B)/$(firstword $(subst :, ,$(p)))))
tests_of  = $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/test_*.c))

.PHONY: all
all: $(PROGS)

$(B)/libbraid.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/braidd: $(B)/user/main.o $(AGENT_SRC:%.c=$(B)/%.o) $(B)/libbraid.a
$(B)/braid: $(B)/user/cli.o $(B)/libbraid.a
$(B)/braid-esp: $(B)/user/engine.o $(ENGINE_SRC:%.c=$(B)/%.o) $(B)/libbraid.a
$(B)/braidd $(B)/braid $(B)/braid-esp:
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

$(B)/%.o: %.c | $(SKEL)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -pthread -MMD -MP -c -o $@ $<

$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@.tmp $<
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp

# Programs of benchmarks only: same chain.
$(B)/bpf/%.bpf.o: tests/bench/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c -o $@.tmp $<
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp

$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

# Each tests/<kind>/test_x.c is one criterion program; helpers shared by a kind are not named test_*.
define test_rules
$(B)/tests/$(1)/test_%: $(B)/tests/$(1)/test_%.o \
	$(patsubst %.c,$(B)/%.o,$(filter-out tests/$(1)/test_%.c,$(wildcard tests/$(1)/*.c tests/lib/*.c))) $(B)/libbraid.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -lcriterion -pthread -lm
endef
$(foreach k,unit sim bpf,$(eval $(call test_rules,$(k))))

.PHONY: unit sim
unit: $(call tests_of,unit)
	@set -e; for t in $^; do echo "== $$t"; $$t; done
sim: $(call tests_of,sim)
	@set -e; for t in $^; do echo "== $$t"; $$t; done

# libFuzzer targets: `make fuzz` runs each for FUZZ_SECONDS from its corpus; what they find new stays
# in the build directory.
FUZZ_SECONDS ?= 20
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(wildcard $(foreach m,base crypto ikemsg ike esp,user/$(m)/*.c)) tests/sim/duo.c)
FUZZ_SAN  = -fsanitize=address,undefined -fno-sanitize-recover=undefined

$(B)/fuzz/obj/%.o: %.c
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) -O1 -fsanitize=fuzzer-no-link \
		$(FUZZ_SAN) -MMD -MP -c -o $@ $<

$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJ)
	$(call say,LD,$@)
	$(Q)$(CLANG) -pie -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS) -lm

.PHONY: fuzz
fuzz: $(FUZZ)
	@set -e; for f in $^; do t=$${f##*/}; echo "== $$t"; mkdir -p $(B)/fuzz/found/$$t; \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=$(B)/fuzz/$$t- $(B)/fuzz/found/$$t tests/fuzz/corpus/$$t; done

$(B)/tests/bench/bench_bpf.o: $(B)/skel/bench_prog.skel.h
$(B)/tests/bench/bench_bpf: $(B)/tests/bench/bench_bpf.o
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: bench-bpf
bench-bpf: $(B)/tests/bench/bench_bpf
	$(Q)$< $(B)/bench

# Programs the namespace tests use; each is one C file.
NETNS_PROGS := $(patsubst %.c,$(B)/%,$(wildcard tests/netns/*.c))
$(NETNS_PROGS): $(B)/%: $(B)/%.o $(B)/libbraid.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -pthread -lm

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
