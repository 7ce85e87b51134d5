# SPDX-License-Identifier: MIT
#
# opengcs: the guest of Linux Containers on Windows
#
#   make              everything: gcs.ko, init, vsockexec, gcs, gcscrypt, generichook, uvmctl
#   make demo         boot a UVM and run containers in it
#   make check        all tests that need no special kernel
#   make check-runc   the tests of containers with runc instead of crun
#   make check-debug  all tests of a VM on a kernel with KASAN, lockdep, kmemleak, fault injection; or: check-kcsan, hammer
#   make bench        measure; tables, build/bench.json and a picture, build/bench.svg
#   make image        build/uvm/{vmlinuz,initrd.img} and for KERNEL=lcow vmlinux; with more in it: WITH='xfs crypt time'
#   make rootfs       build/uvm/rootfs.vhd and, with dm-verity, rootfs-verity.vhd and .txt, with KERNEL=lcow
#   make dist         build/dist/opengcs-VERSION and its .tar.gz: all of that, an SBOM, licences, checksums; with KERNEL=lcow
#   make check-dist   their tests: every way to boot, tried in QEMU; two builds are the same; with KERNEL=lcow
#   make deb          build/deb: Debian packages opengcs, opengcs-dkms and uvmctl; make check-deb: installed in a new Debian, and removed
#   make setup        install what is missing, with apt-get
#   make kernel       the kernel KERNEL: lcow is built from Debian's source, made for this guest, and takes a quarter of an hour
#   make kmod         gcs.ko, for the kernel KERNEL
#   make kmod-check   gcs.ko for every supported kernel, with W=1 and sparse
#   make kmod-newest  gcs.ko for the newest headers in Debian's archive
#   make unit         unit tests on the host, with ASan and UBSan; the fuzz targets' corpus is one of them
#   make fuzz         libFuzzer on what parses, FUZZ_SECONDS=600 for each target; FUZZ='TARGET...'
#   make soak         2000 execs and 300 containers in a VM leave nothing; SOAK_EXECS, SOAK_CYCLES, ENGINE=kmod|user
#   make load         100 containers at once in a VM, 20 execs at a time: the agent's memory and wake-ups; ENGINE=kmod|user
#   make torture      every LUN of four SCSI controllers and 200 loops of disks in a VM; TORTURE=200, ENGINE=kmod|user
#   make check-tsan   the agent's tests in a VM, with an agent under ThreadSanitizer
#   make style        the rules that a script can check
#   make pictures     those of Documentation/, from Documentation/pictures/*.dot
#   make boot-picture draw Documentation/pictures/boot.svg, of a boot of KERNEL
#   make install      into DESTDIR: /bin/gcs, /bin/gcscrypt, /bin/generichook, /bin/install-drivers, /bin/vsockexec, /init, uvmctl and its completion, the module, header, man pages
#   make clean        remove what was built; what was downloaded stays
#   make distclean    remove build/
#
# Variables: CC=gcc|clang, CFLAGS, KERNEL=debian|6.1|6.12|6.1-generic|lcow (of the UVM; debian is 6.1), V=1 (show commands), DESTDIR, PREFIX=/usr/local

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
# Nothing that a chain of rules makes on its way is removed.
.SECONDARY:

CC = gcc
CFLAGS ?= -O2 -g
# The root of the UVM is on a disk only where everything that leads to it is built in.
KERNEL ?= $(if $(filter rootfs dist check-dist,$(MAKECMDGOALS)),lcow,debian)
ifeq ($(KERNEL),debian)
override KERNEL := 6.1
endif
PREFIX ?= /usr/local
B := build

# What a goal needs must be there before pkg-config is asked below. These goals install it, the others tell.
GOALS := $(or $(MAKECMDGOALS),all)
ifeq ($(MAKELEVEL),0)
ifneq ($(filter-out help setup check style clean distclean,$(GOALS)),)
ifneq ($(shell scripts/setup $(if $(filter image demo bench unit fuzz,$(GOALS)),,--check) $(if $(filter fuzz,$(GOALS)),--fuzz) >&2 && echo ready),ready)
$(error packages are missing)
endif
endif
endif

ifneq ($(V),1)
Q := @
quiet = @printf '  %-7s %s\n' '$(1)' '$(2)';
endif

comma := ,
PKGS := libnl-3.0 libnl-genl-3.0 libnl-route-3.0 json-c libmd
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wno-unused-parameter
# Where it is built is in no program, not even in its build ID.
STD := -std=gnu11 -D_GNU_SOURCE -fPIE -pthread -ffile-prefix-map=$(CURDIR)=. -Iinclude/uapi -Iuserspace/lib
# The user's CFLAGS are last, so that they win.
ALL_CFLAGS = $(STD) $(WARN) $(PKG_CFLAGS) $(EXTRA_CFLAGS) $(CFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null || echo -lnl-route-3 -lnl-genl-3 -lnl-3 -ljson-c -lmd)
IMAGE_LIBS := $(shell pkg-config --libs libarchive ext2fs com_err 2>/dev/null || echo -larchive -lext2fs -lcom_err)
CRYPT_LIBS := $(shell pkg-config --libs libcryptsetup devmapper 2>/dev/null || echo -lcryptsetup -ldevmapper)

.PHONY: all help setup kmod kmod-check userspace image demo check unit bench style install clean distclean
all: userspace kmod

help:
	@sed -n '/^#   make/s/^#   //p; /^# Variables/,/^$$/s/^# //p' Makefile

setup:
	$(Q)scripts/setup

# --- user space -------------------------------------------------------------------------------

rwildcard = $(foreach d,$(wildcard $(1)*),$(call rwildcard,$(d)/,$(2))$(filter $(subst *,%,$(2)),$(d)))
LIB_SRC := $(call rwildcard,userspace/lib/,*.c)
AGENT_SRC := $(call rwildcard,userspace/agent/,*.c)
INIT_SRC := $(call rwildcard,userspace/init/,*.c)
VSOCKEXEC_SRC := $(call rwildcard,userspace/vsockexec/,*.c)
GCSCRYPT_SRC := $(call rwildcard,userspace/gcscrypt/,*.c)
GENERICHOOK_SRC := $(call rwildcard,userspace/generichook/,*.c)
UVMCTL_SRC := $(call rwildcard,userspace/uvmctl/,*.c)

# The flags of the last build: a changed command line rebuilds.
$(B)/.flags: FORCE
	@mkdir -p $(B); echo '$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(PKG_LIBS)' | cmp -s - $@ || \
		echo '$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(PKG_LIBS)' > $@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: %.c $(B)/.flags
	$(call quiet,CC,$*.o)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(INCLUDES) -MMD -MP -c -o $@ $<

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_OBJ := $(call obj,$(LIB_SRC))
$(B)/lib/libgcs.a: $(LIB_OBJ)
	$(call quiet,AR,$(@F))mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(call obj,$(AGENT_SRC)): INCLUDES = -Iuserspace/agent
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kmod/dkms.conf)
VERSION_FLAG = -DGCS_VERSION='"$(VERSION)"'
VERSION_OBJ := $(call obj,userspace/agent/main.c userspace/uvmctl/main.c)
$(VERSION_OBJ): INCLUDES += $(VERSION_FLAG)
$(VERSION_OBJ): kmod/dkms.conf
link = $(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(1)

# Each shared library costs the agent milliseconds before the bridge is dialled, and memory: all but libc are inside.
$(B)/bin/gcs: $(call obj,$(AGENT_SRC)) $(B)/lib/libgcs.a
	$(call link,-Wl$(comma)-Bstatic $(PKG_LIBS) -Wl$(comma)-Bdynamic)
$(B)/bin/uvmctl: $(call obj,$(UVMCTL_SRC)) $(B)/lib/libgcs.a
	$(call link,$(PKG_LIBS) $(IMAGE_LIBS) -lm)
$(B)/bin/gcscrypt: $(call obj,$(GCSCRYPT_SRC))
	$(call link,$(CRYPT_LIBS))
$(B)/bin/generichook: $(call obj,$(GENERICHOOK_SRC))
	$(call link,-ljson-c)
# init and vsockexec run before and beside everything else in any image: no shared library, no libgcs.
$(B)/bin/init: $(call obj,$(INIT_SRC))
	$(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -static-pie $(LDFLAGS) -o $@ $^
$(B)/bin/vsockexec: $(call obj,$(VSOCKEXEC_SRC))
	$(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -static-pie $(LDFLAGS) -o $@ $^

BINS := $(B)/bin/gcs $(B)/bin/init $(B)/bin/vsockexec $(B)/bin/gcscrypt $(B)/bin/generichook $(B)/bin/uvmctl
userspace: $(BINS)

-include $(call rwildcard,$(B)/obj/,*.d)

style:
	$(Q)scripts/style

# The guest's files are the guest's: without DESTDIR they would land on this machine's root.
RELEASE = $(shell cat $(B)/kernel/$(KERNEL)/release)
DKMS = /usr/src/gcs-$(VERSION)
MAN := $(wildcard Documentation/*.[1-8])
install: userspace kmod
ifeq ($(DESTDIR),)
	@echo 'make install needs DESTDIR=, the root of the tree to install into' >&2; exit 1
endif
	$(Q)install -D -m 755 $(B)/bin/init $(DESTDIR)/init
	$(Q)install -D -m 755 -t $(DESTDIR)/bin $(B)/bin/gcs $(B)/bin/gcscrypt $(B)/bin/generichook $(B)/bin/vsockexec
	$(Q)install -D -m 755 userspace/drivers/install-drivers.sh $(DESTDIR)/bin/install-drivers
	$(Q)install -D -m 755 -t $(DESTDIR)/sbin userspace/agent/network/udhcpc_config.script
	$(Q)install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(B)/bin/uvmctl
	$(Q)install -D -m 644 userspace/uvmctl/completion.sh $(DESTDIR)$(PREFIX)/share/bash-completion/completions/uvmctl
	$(Q)install -D -m 644 -t $(DESTDIR)/lib/modules/$(RELEASE)/extra $(B)/kmod/$(KERNEL)/gcs.ko
	$(Q)scripts/sign-module $(KERNEL) $(DESTDIR)/lib/modules/$(RELEASE)/extra/gcs.ko
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux include/uapi/linux/gcs.h
	$(Q)$(foreach page,$(MAN),install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(page))) $(page);)
	$(Q)install -D -m 644 -t $(DESTDIR)$(DKMS) kmod/*.[ch] kmod/Kbuild kmod/Makefile kmod/dkms.conf
	$(Q)install -D -m 644 -t $(DESTDIR)$(DKMS)/include/uapi/linux include/uapi/linux/gcs.h


clean:
	$(Q)rm -rf $(B)/obj $(B)/lib $(B)/bin $(B)/kmod $(B)/uvm $(B)/uvm-debug $(B)/test $(B)/fuzz $(B)/.flags $(B)/bench.json $(B)/bench.svg

distclean:
	$(Q)rm -rf $(B)

include kmod/kmod.mk
include selftests/kmod/build.mk
include scripts/image.mk
include Documentation/pictures/pictures.mk
include selftests/tests.mk
include selftests/debug.mk
include selftests/tsan.mk
include selftests/soak/soak.mk
include selftests/fuzz/fuzz.mk
