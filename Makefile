# tarn - build, test, measure. One file, no configure step. `make help` lists the targets.
#
# Every combination of compiler, flags and toggles has an object folder of its own, named after
# a hash of them, so modes live side by side and changed flags never meet old objects.
# build/latest points at the newest one.

-include config.mk

MODE ?= release
MPI ?= 0
PGSQL ?= 0
WEB ?= 1
WERROR ?= 0
V ?= 0
CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
MPICC ?= mpicc
PREFIX ?= /usr/local
VERSION := $(shell cat VERSION)
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
COMMIT := $(shell git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)

# ---- flags ------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef \
        -Wformat=2 -Wdouble-promotion -Wimplicit-fallthrough
ifeq ($(WERROR),1)
WARN += -Werror
endif
# No fast-math: fused multiply-adds are written out, the order of sums is part of the definition.
NUM := -ffp-contract=off -fno-math-errno -fno-trapping-math
STD := -std=c17 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64
BASE := $(STD) $(WARN) $(NUM) -Isrc -Iinclude -fvisibility=hidden -fPIC -fno-strict-aliasing -g -pthread
ifeq ($(ARCH),x86_64)
BASE += -march=x86-64-v2
endif
OPT_release := -O2 -fno-plt -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT_debug := -O1 -DTARN_DEBUG
OPT_asan := -O1 -DTARN_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -DTARN_DEBUG -fsanitize=thread
OPT_cover := -O0 -DTARN_DEBUG --coverage
ifeq ($(OPT_$(MODE)),)
$(error MODE is '$(MODE)', allowed are release debug asan tsan cover)
endif
# ISA files get their own flags; nothing else may contain such instructions.
# Wide vectors are passed between inlined functions only, so the note on their ABI says nothing.
ISA_avx2 := -mavx2 -mfma -mf16c -O3 -Wno-psabi
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_vnni := $(ISA_avx512) -mavx512vnni -mavx512vbmi
ISA_neon := -O3
ISA_dotprod := -march=armv8.2-a+dotprod -O3

# What the public library needs, and what the program needs besides.
PKGS := jansson libcrypto
OPT_PKGS := libxxhash yaml-0.1 sqlite3 libmicrohttpd libsodium libutf8proc libedit libseccomp zlib libzstd
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) $(OPT_PKGS))
PKG_LIBS := $(shell pkg-config --libs $(PKGS) $(OPT_PKGS))
FLINT_LIBS := -lcalcium -lflint-arb -lflint -lmpfr -lgmp
LIBS := -Wl,--as-needed $(PKG_LIBS) -lmd4c $(FLINT_LIBS) -lm -pthread
ifeq ($(MODE),cover)
LIBS += --coverage
endif
DEFS := -DTARN_VERSION='"$(VERSION)"'
ifeq ($(PGSQL),1)
DEFS += -DTARN_PGSQL=1
PKG_CFLAGS += $(shell pkg-config --cflags libpq)
LIBS += $(shell pkg-config --libs libpq)
endif
ifeq ($(MPI),1)
ifeq ($(wildcard src/train/dist_mpi.c),)
$(error MPI=1, but this version trains on one machine only)
endif
CC := $(MPICC)
DEFS += -DTARN_MPI=1
endif

CFLAGS_ALL := $(BASE) $(OPT_$(MODE)) $(DEFS) $(PKG_CFLAGS) $(CFLAGS)
KEY := $(shell printf '%s' '$(CC) $(shell $(CC) -dumpversion) $(CFLAGS_ALL) $(LIBS) $(WEB)' | cksum | cut -d' ' -f1)
B := build/$(MODE)-$(KEY)
Q := $(if $(filter 1,$(V)),,@)

# ---- sources ----------------------------------------------------------------------------------
SRC := $(wildcard src/*/*.c) $(wildcard src/kernel/ref/*.c)
ifeq ($(ARCH),x86_64)
SRC += $(wildcard src/kernel/x86/*.c)
endif
ifeq ($(ARCH),aarch64)
SRC += $(wildcard src/kernel/arm/*.c)
endif
ifneq ($(PGSQL),1)
SRC := $(filter-out src/meter/store_pgsql.c,$(SRC))
endif
ifneq ($(MPI),1)
SRC := $(filter-out src/train/dist_mpi.c,$(SRC))
endif
CLI_SRC := $(filter src/cli/%,$(SRC))
LIB_SRC := $(filter-out src/cli/%,$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/src/serve/static_table.o
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_SRC := $(wildcard tests/unit/*.c tests/kernel/*.c tests/grad/*.c tests/golden/*.c tests/parity/*.c tests/fault/*.c tests/http/*.c tests/learn/*.c)
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
REPLAY_BIN := $(FUZZ_SRC:%.c=$(B)/%)

.PHONY: all
all: $(B)/tarn $(B)/libtarn.a $(B)/libtarn.so
	@ln -sfn $(notdir $(B)) build/latest

$(B)/libtarn-all.a: $(LIB_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tarn: $(CLI_OBJ) $(B)/libtarn-all.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(CLI_OBJ) $(B)/libtarn-all.a $(LIBS)

# The public library: one pre-linked object whose hidden symbols are made local, so that only
# tarn_ names remain. It holds what include/tarn.h needs, not the server or the trainer.
PUB_OBJ := $(filter-out $(B)/src/base/yaml.o $(B)/src/train/% $(B)/src/task/% $(B)/src/rl/% $(B)/src/eval/% $(B)/src/meter/% $(B)/src/serve/%,$(LIB_OBJ))
PUB_LIBS := $(shell pkg-config --libs $(PKGS)) -lm -pthread
# clang leaves the sanitizers' own names to the program.
SO_DEFS := $(if $(filter asan tsan,$(MODE)),,-Wl,-z,defs)
$(B)/libtarn.o: $(PUB_OBJ)
	$(Q)$(CC) -nostdlib -r -o $@ $^
	$(Q)objcopy --localize-hidden $@
$(B)/libtarn.a: $(B)/libtarn.o
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $<
$(B)/libtarn.so: $(PUB_OBJ)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,libtarn.so.0 $(SO_DEFS) -o $@ $^ $(PUB_LIBS)

# The chat page, compiled in; WEB=0 or no web/dist gives an empty table.
WEB_DIST := $(if $(filter 1,$(WEB)),web/dist,none)
$(B)/src/serve/static_table.c: tools/embed $(shell find $(WEB_DIST) -type f 2>/dev/null)
	@mkdir -p $(@D)
	$(Q)tools/embed $(WEB_DIST) >$@
$(B)/src/serve/static_table.o: $(B)/src/serve/static_table.c
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Sanitizers leave these files alone: fully unrolled tiles take minutes to compile with them, and
# tests/kernel puts forbidden pages around every array instead.
isa = $(foreach s,avx2 avx512 vnni neon dotprod,$(if $(findstring _$(s).c,$<),$(ISA_$(s)) -fno-sanitize=all))
$(B)/tests/%.o: CFLAGS_ALL += -Itests
$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(isa) $(if $(findstring kernel/ref/,$<)$(findstring src/tensor/,$<),-O3) -MMD -MP -c -o $@ $<
$(B)/src/kernel/x86/i8_avx2.o: CFLAGS_ALL += -Wno-psabi # its vectors are wider than registers
$(B)/src/cli/version.o: CFLAGS_ALL += -DTARN_COMMIT='"$(COMMIT)"' -DTARN_MODE='"$(MODE)"'

# ---- tests ------------------------------------------------------------------------------------
$(B)/tests/%: $(B)/tests/%.o $(B)/libtarn-all.a
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libtarn-all.a -lcmocka $(LIBS)
# The program's own parts that are tested alone.
$(B)/tests/unit/test_markdown: $(B)/src/cli/chat_markdown.o $(B)/src/cli/chat_math.o
# The published pre-tokeniser patterns are checked with the library they were written for.
$(B)/tests/unit/test_pretok: LIBS += -lpcre2-8
# Fuzz targets are replayed over their corpora without libFuzzer: tests/fuzz/replay.c has main.
$(REPLAY_BIN): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libtarn-all.a
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libtarn-all.a $(LIBS)
.SECONDARY:

# The kernel tests alone, linked with nothing but libc: what tools/check-arm cross-builds.
ALONE_SRC := $(filter src/kernel/% src/tensor/%,$(SRC)) \
             $(patsubst %,src/base/%.c,arena buf clock err log mem rng thread utf8)
ALONE_BIN := $(patsubst %.c,$(B)/%.alone,$(wildcard tests/kernel/*.c))
$(ALONE_BIN): $(B)/%.alone: $(B)/%.o $(ALONE_SRC:%.c=$(B)/%.o)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ -lm -pthread
.PHONY: kernel-tests print-build
kernel-tests: $(ALONE_BIN)
print-build:
	@echo '$(B)'

.PHONY: check check-all check-arm tests
tests: $(TEST_BIN) $(REPLAY_BIN)
check: all tests ## every test that needs no special machine; T=name picks by name
	@tools/run-tests $(B) "$(T)"
check-all: ## check in every mode, both compilers, plus arm and long replay
	$(MAKE) check lint
	$(MAKE) check CC=clang
	$(MAKE) check MODE=debug
	$(MAKE) check MODE=asan
	$(MAKE) check MODE=tsan T="thread pool queue engine meter serve"
	$(MAKE) check-arm
check-arm: ## cross-build for 64-bit Arm and run the kernel tests under qemu-user
	@tools/check-arm

.PHONY: fuzz
fuzz: ## F=gguf SECONDS=60: libFuzzer with asan+ubsan on tests/fuzz/fuzz_F.c
	@tools/fuzz $(F) $(or $(SECONDS),60)

# ---- care -------------------------------------------------------------------------------------
.PHONY: lint format bench install dist clean help config compdb size web learn
lint: ## layers, banned names, format, headers compile alone, exported names, doc links
	@tools/lint $(B)
format: ## clang-format over the tree
	@clang-format -i $$(git ls-files '*.c' '*.h')
bench: all ## kernels and limits of this machine
	@$(B)/tarn bench --roof && $(B)/tarn bench kernel
learn: all ## a tiny reasoner from nothing in minutes, and what each stage added; goes on where it stopped
	@tools/learn learn
web: ## the chat page into web/dist
	@tools/build-web
size: all ## bytes by folder
	@size -t $(LIB_OBJ) | sort -k4 -n | tail -40
compdb: ## compile_commands.json by bear
	@bear -- $(MAKE) -B all
install: all ## program, library, header, pkg-config file, manual page into PREFIX
	@tools/install '$(DESTDIR)' '$(PREFIX)' '$(B)' '$(VERSION)' '$(PKGS)'
dist: ## source archive of HEAD
	@tools/dist '$(VERSION)'
clean: ## remove build/
	rm -rf build
config: ## toggles in force
	@echo "MODE=$(MODE) CC=$(CC) ARCH=$(ARCH) MPI=$(MPI) PGSQL=$(PGSQL) WEB=$(WEB) WERROR=$(WERROR) -> $(B)"
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: lib-only print-lib print-libs
lib-only: $(B)/libtarn-all.a
print-lib:
	@echo $(B)/libtarn-all.a
print-libs:
	@echo '$(LIBS)'
# Both compilers read every file with the build's warnings; no code is made.
.PHONY: syntax
syntax: $(patsubst %.c,%.syntax,$(SRC) $(TEST_SRC) $(FUZZ_SRC))
%.syntax: %.c
	@$(CC) $(CFLAGS_ALL) -Itests $(isa) -Werror -fsyntax-only $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)
