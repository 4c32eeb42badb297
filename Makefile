# Builds the libraries for each world, the targets, the monitors, the tool and the tests.
# `./kiln` calls this; the appliances themselves are built by `kiln build`.
#
#   build/image/   freestanding objects and archives, for jail and vm images
#   build/hosted/  the same sources for programs on the host: host, sim
#   build/asan/    hosted, with AddressSanitizer and UBSan, for unit tests
#   build/fuzz/    hosted, by clang, with sanitizers and libFuzzer's counters
#   build/musl/    objects of kiln-jail, which is linked with musl
#   build/bin/     kiln, kiln-jail, kiln-kvm, kiln-usernet, kiln-sim,
#                  kiln-embed-zones
#   build/lib/     libkiln-sim.so
#   build/test/    test programs

include target/flags.mk

CC ?= gcc
AR = gcc-ar
B = build
INCLUDES = -Iinclude
LIBS = $(notdir $(patsubst %/,%,$(wildcard lib/*/)))
MAKEFLAGS += --no-builtin-rules

.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all libs tests site clean-site figures clean install uninstall
all: libs $(patsubst %,$(B)/bin/%,kiln kiln-jail kiln-kvm kiln-usernet kiln-sim \
		kiln-embed-zones) \
	$(B)/lib/libkiln-sim.so

image_FLAGS = $(COMMON_CFLAGS) $(IMAGE_CFLAGS) $(SMALL_CFLAGS) $(if $(findstring clang,$(CC)),$(CLANG_CFLAGS))
hosted_FLAGS = $(COMMON_CFLAGS) $(HOSTED_CFLAGS)
asan_FLAGS = $(COMMON_CFLAGS) $(ASAN_CFLAGS)
fuzz_FLAGS = $(COMMON_CFLAGS) $(FUZZ_CFLAGS)
musl_FLAGS = $(COMMON_CFLAGS) $(MUSL_CFLAGS)

# $(call sources,FOLDER): its .c and .S files
sources = $(wildcard $(1)/*.c) $(wildcard $(1)/*.S)

# $(call archive,WORLD,NAME,FOLDER): build/WORLD/libNAME.a from FOLDER
define archive
$(1)_$(2)_OBJECTS := $(patsubst %,$(B)/$(1)/%.o,$(call sources,$(3)))
$(B)/$(1)/lib$(2).a: $$($(1)_$(2)_OBJECTS)
	@rm -f $$@
	$(AR) rcsD $$@ $$($(1)_$(2)_OBJECTS)
$(if $(filter fuzz,$(1)),,libs: $(B)/$(1)/lib$(2).a)
endef

# $(call world,WORLD): how its objects are compiled
define world
$(B)/$(1)/%.c.o: %.c target/flags.mk
	@mkdir -p $$(@D)
	$$(CC) $$($(1)_FLAGS) $$(INCLUDES) -MMD -MP -c $$< -o $$@
$(B)/$(1)/%.S.o: %.S target/flags.mk
	@mkdir -p $$(@D)
	$$(CC) -g $$(INCLUDES) -MMD -MP -c $$< -o $$@
endef

$(foreach w,image hosted asan fuzz musl,$(eval $(call world,$(w))))
$(foreach w,image hosted asan fuzz,$(foreach l,$(LIBS),$(eval $(call archive,$(w),$(l),lib/$(l)))))
$(foreach t,jail vm,$(eval $(call archive,image,target-$(t),target/$(t))))
$(foreach w,hosted asan fuzz,$(foreach t,host sim,$(eval $(call archive,$(w),target-$(t),target/$(t)))))
$(foreach w,hosted asan,$(eval $(call archive,$(w),target-test,target/test)))

# What is done for each byte, and for each datagram of a flood, is not small but fast.
FAST = $(patsubst %,lib/net/%.c,checksum checksum_blocks ip4 ip4_output udp) \
	$(patsubst %,lib/dns/%.c,zone zone_key) target/jail/net_ring.c
$(patsubst %,$(B)/image/%.o,$(FAST)): image_FLAGS += -O2

# ---- the tool and the monitors ----

MONITOR_SHARED = $(wildcard monitor/*.c)
objects = $(patsubst %,$(B)/hosted/%.o,$(1))
# dw: backtraces; seccomp: names of system calls; the others, of embedded files: md: SHA-256;
# brotlienc and z: their compressed copies. tool/capstone.c loads one more, for what needs it.
TOOL_LIBS = -ldw -lseccomp -lmd -lbrotlienc -lz -lm

# kiln link is the simulated link's model in real time; kiln sim reads scenarios.
LINK_MODEL = $(patsubst %,target/sim/%.c,event path mark pcap)
SCENARIO = $(patsubst %,target/scenario/%.c,read read_network read_play)
$(B)/bin/kiln: $(call objects,$(wildcard tool/*.c) $(MONITOR_SHARED) $(LINK_MODEL) $(SCENARIO))
	@mkdir -p $(@D)
	$(CC) -pie -o $@ $^ $(TOOL_LIBS)
# Static: a monitor starts in the time that its image's first answer is measured in.
$(B)/bin/kiln-jail: $(patsubst %,$(B)/musl/%.o,$(call sources,monitor/jail) $(MONITOR_SHARED))
	@mkdir -p $(@D)
	$(CC) $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $^ $(MUSL_END)
$(B)/bin/kiln-kvm: $(call objects,$(call sources,monitor/kvm) $(MONITOR_SHARED))
	@mkdir -p $(@D)
	$(CC) -static-pie -o $@ $^ -lseccomp

# What makes the zones of name servers: KILN_EMBED_ZONES.
$(B)/bin/kiln-embed-zones: $(call objects,$(call sources,tool/zones)) \
		$(patsubst %,$(B)/hosted/lib%.a,dns digest core)
	@mkdir -p $(@D)
	$(CC) -pie -Wl,--gc-sections -o $@ $^

# One of Kiln's own stacks, over the loop of the host target; libslirp is for the way out.
USERNET = $(call sources,usernet) monitor/privilege.c monitor/process.c \
	$(patsubst %,target/host/%.c,host block) target/sim/pcap.c
$(B)/bin/kiln-usernet: $(call objects,$(USERNET)) $(patsubst %,$(B)/hosted/lib%.a,net core)
	@mkdir -p $(@D)
	$(CC) -pie -o $@ $^ -lseccomp -lslirp

# ---- the door for outside test drivers ----

# No archives: the linker drops what nothing reaches. The host's link model is for the
# capture file. Of all that is global, what shown.map names is seen from outside.
DOOR = $(call sources,target/door) target/sim/pcap.c
DOOR_SOURCES = $(DOOR) $(filter-out lib/core/start.c,$(call sources,lib/core)) $(call sources,lib/net)
DOOR_SHOWN = target/door/shown.map
# It has a variable of each thread: what goes into programs takes those for the program's own.
$(call objects,$(call sources,target/door)): hosted_FLAGS += -fPIC
$(B)/lib/libkiln-sim.so: $(call objects,$(DOOR_SOURCES)) $(DOOR_SHOWN)
	@mkdir -p $(@D)
	$(CC) -shared -o $@ -Wl,-soname,libkiln-sim.so,--version-script=$(DOOR_SHOWN),-z,start-stop-visibility=hidden,-z,defs,-z,relro,-z,now,--gc-sections \
		$(call objects,$(DOOR_SOURCES)) -pthread

# Runs scenarios: images are loaded, and find the functions of <kiln/target.h> here.
$(B)/bin/kiln-sim: $(call objects,$(call sources,target/scenario)) \
		$(patsubst %,$(B)/hosted/lib%.a,target-sim $(LIBS))
	@mkdir -p $(@D)
	$(CC) -pie -Wl,--gc-sections,--export-dynamic-symbol='target_*' -o $@ \
		$(call group,$^) -lm

# ---- tests: one program a file ----

UNIT = $(patsubst test/unit/%.c,$(B)/test/unit/%,$(wildcard test/unit/*.c))
CONFORMANCE = $(patsubst test/conformance/%.c,$(B)/test/conformance/%,$(wildcard test/conformance/*.c))
tests: $(UNIT) $(CONFORMANCE)

# The archives refer to each other: a group.
group = -Wl,--start-group $(1) -Wl,--end-group
ASAN_LIBS = $(patsubst %,$(B)/asan/lib%.a,$(LIBS) target-sim)
HOSTED_LIBS = $(patsubst %,$(B)/hosted/lib%.a,$(LIBS) target-sim)

# Of a unit test's own source, which runs about once: to optimise it takes longer than it saves.
unit_FLAGS = $(asan_FLAGS) -O0

# Unit tests: with sanitizers; they may look into a library's private headers.
$(B)/test/unit/%: test/unit/%.c $(ASAN_LIBS) $(patsubst %,$(B)/asan/%.o,$(MONITOR_SHARED))
	@mkdir -p $(@D)
	$(CC) $(unit_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(patsubst %,$(B)/asan/%.o,$(MONITOR_SHARED)) $(call group,$(ASAN_LIBS)) -lcmocka
# Those of the host target: its archive comes first, so that its net, udp and tcp are taken.
HOST_LIBS = $(patsubst %,$(B)/asan/lib%.a,target-host $(LIBS))
$(B)/test/unit/host_%: test/unit/host_%.c $(HOST_LIBS)
	@mkdir -p $(@D)
	$(CC) $(unit_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(call group,$(HOST_LIBS)) -lcmocka
# Those of kiln map's parts, which need nothing of the libraries.
MAP_TESTED = $(patsubst tool/%.c,$(B)/asan/tool/%.c.o,$(filter-out %/map_file.c,$(wildcard tool/map_*.c)) \
	$(patsubst %,tool/%.c,archive file message quote sections text))
# For these targets by name: of two patterns, make 4.4 takes the general one, as it has none of
# the objects yet.
$(filter $(B)/test/unit/map_%,$(UNIT)): $(B)/test/unit/map_%: test/unit/map_%.c $(MAP_TESTED)
	@mkdir -p $(@D)
	$(CC) $(unit_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(MAP_TESTED) -lcapstone -lm -lcmocka
# Those of the tool: the parts that read what comes from an image.
TOOL_UNIT = $(patsubst %,$(B)/asan/tool/%.c.o,console message reports serial text)
$(filter $(B)/test/unit/tool_%,$(UNIT)): $(B)/test/unit/tool_%: test/unit/tool_%.c $(TOOL_UNIT)
	@mkdir -p $(@D)
	$(CC) $(unit_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(TOOL_UNIT) -lcmocka
# Conformance tests: whole stacks in sim, optimised.
$(B)/test/conformance/%: test/conformance/%.c $(HOSTED_LIBS)
	@mkdir -p $(@D)
	$(CC) $(hosted_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(call group,$(HOSTED_LIBS)) -lcmocka

# Of the door: by its public header and library alone, and once more with sanitizers.
DOOR_TESTS = $(patsubst test/door/%.c,$(B)/test/door/%,$(wildcard test/door/*.c))
tests: $(DOOR_TESTS) $(patsubst %,%.asan,$(DOOR_TESTS))
$(B)/test/door/%.asan: test/door/%.c $(patsubst %,$(B)/asan/%.o,$(DOOR)) $(ASAN_LIBS)
	@mkdir -p $(@D)
	$(CC) $(asan_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< \
		$(patsubst %,$(B)/asan/%.o,$(DOOR)) $(B)/asan/libnet.a $(B)/asan/libcore.a \
		-pthread -lcmocka
$(B)/test/door/%: test/door/%.c $(B)/lib/libkiln-sim.so
	@mkdir -p $(@D)
	$(CC) $(hosted_FLAGS) $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< \
		-L$(B)/lib -lkiln-sim -Wl,-rpath,'$$ORIGIN/../../lib' -pthread -lcmocka

# What the benches run beside images.
$(B)/bench/%: bench/%.c $(HOSTED_LIBS)
	@mkdir -p $(@D)
	$(CC) $(hosted_FLAGS) $(INCLUDES) -MMD -MP -MF $@.d -o $@ $< $(call group,$(HOSTED_LIBS))

# Of the start of a program, as kiln-jail is linked.
$(B)/bench/hello: $(B)/musl/bench/hello.c.o
	@mkdir -p $(@D)
	$(CC) $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $^ $(MUSL_END)

# Fuzz targets: libFuzzer is clang's.
$(B)/fuzz/% $(B)/test/fuzz/%: CC = clang
FUZZ_LIBS = $(patsubst %,$(B)/fuzz/lib%.a,$(LIBS) target-sim)
FUZZ_MONITOR = $(patsubst %,$(B)/fuzz/%.o,$(MONITOR_SHARED))
# That of the door has its objects instead of the simulator's, whose target_* they have too.
DOOR_FUZZ = $(patsubst %,$(B)/fuzz/%.o,$(DOOR)) $(B)/fuzz/libnet.a $(B)/fuzz/libcore.a
$(B)/test/fuzz/door: test/fuzz/door.c $(DOOR_FUZZ)
	@mkdir -p $(@D)
	$(CC) $(fuzz_FLAGS) -fsanitize=fuzzer $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(DOOR_FUZZ) -pthread
$(B)/test/fuzz/%: test/fuzz/%.c $(FUZZ_LIBS) $(FUZZ_MONITOR)
	@mkdir -p $(@D)
	$(CC) $(fuzz_FLAGS) -fsanitize=fuzzer $(INCLUDES) -I. -MMD -MP -MF $@.d -o $@ $< $(FUZZ_MONITOR) $(call group,$(FUZZ_LIBS)) -lcmocka

# ---- the guide as a site, with a reference from the public headers: build/site ----

# Asked for often, by the demo and by tests: made when something may have changed that it tells
# of, be it that a file has come or gone (its folder is younger then).
SITE_FROM = $(shell find doc include appliance lib target monitor tool usernet)
SITE_GONE = $(if $(wildcard $(B)/site/index.html),,clean-site)
site: $(B)/site.made
$(B)/site.made: $(SITE_FROM) $(SITE_GONE) | all
	/usr/bin/python3 doc/site/build.py $(B)/site
	@touch $@
clean-site:
	@rm -f $(B)/site.made

# What the guide says of speed: measured here and now, to be committed.
MEASURED = web net boot dns
figures: all
	for what in $(MEASURED); do \
		$(B)/bin/kiln bench $$what --json -o doc/guide/bench-$$what.svg \
			>$(B)/bench-$$what.json || exit 1; \
		mv $(B)/bench-$$what.json doc/guide/bench-$$what.json; \
		echo "Measured on $$(date -u +%Y-%m-%d) at commit $$(git rev-parse --short HEAD)" \
			"by \`make figures\` (kiln bench $$what): Linux $$(uname -r)," \
			"$$(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo)," \
			"$$(nproc) processors." >doc/guide/bench-$$what.about; \
	done

clean:
	rm -rf $(B)

# ---- make install [PREFIX=/usr/local] [DESTDIR=] ----
#
# PREFIX/lib/kiln is laid out as this folder is, with what is in build/ beside the rest
# (tool/place.c).

PREFIX ?= /usr/local
install_root = $(DESTDIR)$(PREFIX)
install_lib = $(install_root)/lib/kiln
INSTALLED_HEADERS = $(wildcard include/kiln/*.h include/kiln/abi/*.h)
INSTALLED_ARCHIVES = $(wildcard $(B)/image/*.a $(B)/hosted/*.a $(B)/asan/*.a)
INSTALLED_FILES = target/flags.mk $(wildcard target/*/image.ld) $(shell find tool/new -type f)

install: all
	for file in $(INSTALLED_HEADERS); do \
		install -D -m 644 $$file $(install_lib)/$$file || exit 1; done
	for file in $(INSTALLED_FILES); do \
		install -D -m 644 $$file $(install_lib)/$$file || exit 1; done
	for file in $(patsubst $(B)/%,%,$(INSTALLED_ARCHIVES)); do \
		install -D -m 644 $(B)/$$file $(install_lib)/$$file || exit 1; done
	install -d $(install_root)/bin $(install_root)/include $(install_lib)/bin
	install -D -m 755 $(B)/lib/libkiln-sim.so $(install_root)/lib/libkiln-sim.so
	install -m 755 $(B)/bin/kiln-* $(install_lib)/bin
	ln -sfn ../lib/kiln/include/kiln $(install_root)/include/kiln
	install -D -m 644 doc/kiln.1 $(install_root)/share/man/man1/kiln.1
	install -D -m 644 tool/completion/kiln.bash \
		$(install_root)/share/bash-completion/completions/kiln
	install -D -m 644 tool/completion/_kiln \
		$(install_root)/share/zsh/site-functions/_kiln
	install -m 755 $(B)/bin/kiln $(install_root)/bin/kiln

uninstall:
	rm -rf $(install_lib)
	rm -f $(install_root)/lib/libkiln-sim.so
	rm -f $(install_root)/include/kiln $(install_root)/bin/kiln $(install_root)/share/man/man1/kiln.1 \
		$(install_root)/share/bash-completion/completions/kiln \
		$(install_root)/share/zsh/site-functions/_kiln

# Not those below build/appliance: kiln build reads them itself.
-include $(shell find $(B) -path $(B)/appliance -prune -o -name '*.d' -print 2>/dev/null)
