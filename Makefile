# SPDX-License-Identifier: MIT
# saola. GNU make, one file, no configure step: `make help` says what there is.

PREFIX	?= /usr/local
DESTDIR	?=
B	?= build
PYTHON	:= /usr/bin/python3

# Debian's libraries, also where another python3 or pkg-config path is first.
space	:= $(subst ,, )
PKGCONFIG := PKG_CONFIG_LIBDIR=$(subst $(space),:,$(strip \
	$(wildcard /usr/lib/*/pkgconfig) /usr/lib/pkgconfig /usr/share/pkgconfig)) pkg-config

CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 \
	-Wno-missing-field-initializers
HARDEN	?= -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LINKS	?= -pie -Wl,-z,relro,-z,now,-z,noexecstack
OWN	:= -std=c11 -D_GNU_SOURCE -I. -Isrc -fvisibility=hidden -fno-common -MMD -MP

# Expanded when a recipe runs, after `need` has installed the packages.
EVENT	= $(shell $(PKGCONFIG) --cflags libevent)
PYINC	= $(subst -I,-isystem ,$(shell $(PKGCONFIG) --cflags python3-embed))
LIBS	= $(shell $(PKGCONFIG) --libs python3-embed libevent_core inih) -lpthread
CMOCKA	= $(shell $(PKGCONFIG) --libs cmocka)
FAST	= $(MAKE) -j$$(nproc) --no-print-directory

# V=1 shows the commands.
Q	:= $(if $(V),,@)
SAY	= $(if $(V),,@echo "  $(1)	$@")
COMPILE	= $(Q)$(CC) $(OWN) $(WARN) $(WERROR) $(HARDEN) $(CFLAGS) $(SAN)

SRCS	:= $(wildcard proto/*.c src/*.c src/base/*.c src/conf/*.c src/os/*.c \
	src/state/*.c src/event/*.c src/req/*.c src/python/*.c \
	src/worker/*.c src/master/*.c)
OBJS	:= $(SRCS:%.c=$(B)/%.o)
CTLOBJS	:= $(patsubst %.c,$(B)/%.o,$(wildcard src/ctl/*.c src/base/*.c) \
	src/os/addr.c src/os/ctlpath.c)
# Unit tests see the floors below Python, and what is connections in floor 6.
UNITOBJS := $(filter-out $(B)/src/main.o $(B)/src/python/% $(B)/src/master/%, \
	$(filter-out $(B)/src/worker/%,$(OBJS))) $(filter \
	$(B)/src/worker/conn% $(B)/src/worker/siblings.o,$(OBJS))
UNITS	:= $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH	:= $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))

NEED_BUILD := gcc libc6-dev pkg-config libpython3-dev libevent-dev libinih-dev libfcgi-dev
NEED_RUN   := $(NEED_BUILD) python3 nginx-light
NEED_TEST  := $(NEED_RUN) libcmocka-dev libfcgi-bin clang libclang-rt-14-dev \
	python3-pytest python3-flask python3-django spawn-fcgi \
	libpython3.11-testsuite systemd
NEED_BENCH := $(NEED_RUN) uwsgi-core uwsgi-plugin-python3 gunicorn python3-django \
	valgrind strace

.PHONY: all run test unit e2e asyncio asyncio-short asan fuzz bench lint docs install clean help
.DEFAULT_GOAL := all

all: need-build ## build ./saola and ./saolactl
	@$(FAST) saola saolactl

run: need-run ## serve the demo (or APP=module:callable DIR=path) through nginx
	@$(FAST) saola
	@APP="$(APP)" DIR="$(DIR)" deploy/run.sh

test: need-test ## everything that must pass, in under 15 minutes
	@$(FAST) WERROR=-Werror saola saolactl $(UNITS) $(FUZZERS:%=$(B)/fuzz/%)
	@$(MAKE) --no-print-directory WERROR=-Werror lint unit fuzz-short asyncio-short e2e

unit: $(UNITS) ## C unit tests (cmocka)
	@for t in $(UNITS); do $$t || exit 1; done

e2e: saola saolactl ## end-to-end tests (pytest, real nginx)
	$(PYTHON) -m pytest -p no:cacheprovider -q tests/e2e $(ARGS)

# CPython's own tests on our selector, which is a module of its own for that.
SELECTOR := $(B)/asyncio/saola_selector.so
asyncio: $(SELECTOR) ## CPython's selectors and asyncio suites on our selector
	$(PYTHON) -W ignore tests/asyncio/run.py $(<D) $(ARGS)

asyncio-short: $(SELECTOR)
	@$(PYTHON) -W ignore tests/asyncio/run.py $(<D) test_same test_selectors \
	    test_events test_selector_events test_unix_events test_sock_lowlevel \
	    test_streams test_runners test_server test_taskgroups

# Sanitizers: the unit tests, and the binary under the end-to-end suite.
asan: need-test ## unit and end-to-end tests under ASan and UBSan
	@$(FAST) saolactl
	@$(FAST) B=build/asan CFLAGS="-O1 -g" HARDEN=-fPIE \
	    SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" \
	    BIN=build/asan/saola unit build/asan/saola
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc SAOLA=$(CURDIR)/build/asan/saola \
	    $(PYTHON) -m pytest -p no:cacheprovider -q tests/e2e $(ARGS)

# libFuzzer targets: RUNS inputs each on top of the corpus.
RUNS	?= 200000
fuzz: need-test ## fuzz every parser, RUNS=n inputs each
	@$(MAKE) --no-print-directory fuzz-short RUNS=$(RUNS)

fuzz-short: $(FUZZERS:%=$(B)/fuzz/%) $(B)/fuzz/diff_fcgi
	@for f in $(FUZZERS); do \
	    mkdir -p $(B)/fuzz/new/$$f && \
	    $(B)/fuzz/$$f -runs=$(RUNS) -max_total_time=$(FUZZ_SECONDS) -timeout=1 \
	    -verbosity=0 -print_final_stats=0 -artifact_prefix=$(B)/fuzz/ \
	    $(B)/fuzz/new/$$f tests/fuzz/corpus/$${f#fuzz_} || exit 1; \
	    echo "$$f: corpus and $(RUNS) runs, no crash"; done
	@$(B)/fuzz/diff_fcgi
FUZZ_SECONDS ?= 20

bench: need-bench ## compare with uWSGI, Gunicorn, libfcgi and the C floor
	@$(MAKE) --no-print-directory saola $(BENCH)
	$(PYTHON) tests/bench/bench.py $(ARGS)

lint: saola ## floors of the includes, headers alone, no long lines
	@$(PYTHON) tests/lint/floors.py
	@$(PYTHON) tests/lint/docs.py
	@for h in $$(git ls-files '*.h'); do \
	    $(CC) $(OWN) $(WARN) -Werror -Wno-unused -MF /dev/null $(PYINC) $(EVENT) \
	    -fsyntax-only -x c $$h || exit 1; done

docs: saola ## man page, sample file and README table from the settings
	$(PYTHON) tests/lint/docs.py --write

# systemd knows Type=notify-reload, and needs no ExecReload= then, from 253 on.
SYSTEMD	?= $(or $(shell systemctl --version 2>/dev/null | awk 'NR == 1 { print $$2 }'),252)
NEWER	= $(shell [ "$(SYSTEMD)" -ge 253 ] && echo yes)
UNIT	= sed -e 's,/usr/sbin/,$(PREFIX)/sbin/,' -e 's,/usr/bin/,$(PREFIX)/bin/,' $(if \
	$(NEWER),-e 's/^Type=notify$$/Type=notify-reload/' -e '/^ExecReload=/d')
UNITDIR	= $(DESTDIR)$(PREFIX)/lib/systemd/system

install: all ## install under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/doc/saola
	install -m 755 saola $(DESTDIR)$(PREFIX)/sbin/saola
	install -m 755 saolactl $(DESTDIR)$(PREFIX)/bin/saolactl
	install -m 644 deploy/saola.8 $(DESTDIR)$(PREFIX)/share/man/man8/saola.8
	install -m 644 deploy/saolactl.1 $(DESTDIR)$(PREFIX)/share/man/man1/saolactl.1
	install -m 644 deploy/saola.conf.example deploy/saola-users.conf \
	    deploy/saola.logrotate deploy/deadlines.md deploy/systemd.md \
	    nginx.conf.example README.md \
	    $(DESTDIR)$(PREFIX)/share/doc/saola/
	install -d $(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d \
	    $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	for unit in saola.service saola@.service saola.socket; do \
	    $(UNIT) deploy/$$unit > $(UNITDIR)/$$unit && \
	    chmod 644 $(UNITDIR)/$$unit || exit 1; done
	install -m 644 deploy/saola.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/saola.conf
	install -m 644 deploy/saola.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/saola.conf

clean: ## remove what make made
	rm -rf build saola saolactl

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

# need-run and its kin install the Debian packages that are missing.
need-%:
	@tests/need.sh $(NEED_$(shell echo $* | tr a-z A-Z))

BIN	?= saola
$(BIN): $(OBJS)
	$(call SAY,LINK)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LINKS) -o $@ $(OBJS) $(LIBS)

saolactl: $(CTLOBJS)
	$(call SAY,LINK)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LINKS) -o $@ $(CTLOBJS)

$(B)/src/python/%.o: src/python/%.c
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) $(PYINC) -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) $(EVENT) -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(UNITOBJS)
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) $(WRAP_$*) -o $@ $< $(UNITOBJS) $(CMOCKA) $(LIBS)

# A fuzzer names what it needs on its second line: /* needs: a.c b.c */
$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard proto/*.[ch] src/base/*.[ch] src/req/*.[ch] src/conf/*.[ch])
	@mkdir -p $(@D)
	$(call SAY,FUZZ)
	$(Q)clang $(filter-out -MMD -MP,$(OWN)) -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $< \
	    $$(sed -n 's,.*needs: \(.*\) \*/,\1,p' $<)

$(B)/fuzz/diff_%: tests/fuzz/diff_%.c $(filter $(B)/proto/%,$(OBJS))
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) -o $@ $< $(filter %.o,$^) -lfcgi

$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) -o $@ $< $(if $(filter fcgx,$*),-lfcgi)

$(SELECTOR): tests/asyncio/module.c $(wildcard src/python/selector.[ch] \
	src/python/wakeup.[ch] \
	src/event/*.[ch] src/base/*.[ch])
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(COMPILE) $(PYINC) $(EVENT) -fPIC -shared -o $@ $(filter %.c,$^) \
	    $(shell $(PKGCONFIG) --libs libevent_core)

-include $(OBJS:.o=.d) $(CTLOBJS:.o=.d)
