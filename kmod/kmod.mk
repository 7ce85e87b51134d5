# SPDX-License-Identifier: MIT
#
# gcs.ko for the kernels that scripts/kernel has fetched: build/kmod/<version>/gcs.ko
#
# kbuild writes beside the sources, so each kernel gets a folder of links to them.

KMOD_KERNELS := 6.1 6.12
KMOD_SRC := $(wildcard kmod/*.c kmod/*.h) kmod/Kbuild kmod/dkms.conf
KMOD_SELFTEST := $(wildcard kmod/selftest/*.c kmod/selftest/*.h)
kmod_dir = $(abspath $(B))/kmod/$(1)
# Our variables, such as CC=clang, are not for kbuild: a module is built by its kernel's compiler.
# No BTF of the module: newer headers come with what it is made from, but pahole is not always there.
kbuild = env -u MAKEFLAGS -u MFLAGS -u CC $(MAKE) --no-print-directory CONFIG_DEBUG_INFO_BTF_MODULES=
# A module must not depend on where it was built, not even by its build ID.
kmod_make = $(kbuild) KCFLAGS=-ffile-prefix-map=$(CURDIR)=. -C $(abspath $(B))/kernel/$(1)/headers M=$(call kmod_dir,$(1))/src \
	GCS_UAPI=$(abspath include/uapi) DEBUG=$(if $(filter debug kcsan,$(1)),1,$(DEBUG)) $(if $(filter 1,$(V)),V=1,-s) modules
# kmod_links DIR
kmod_links = mkdir -p $(1)/selftest && find $(1) -type l -delete && \
	ln -s $(abspath $(KMOD_SRC)) $(1) && ln -s $(abspath $(KMOD_SELFTEST)) $(1)/selftest

# A DEBUG build is another one.
$(B)/kmod/.debug: FORCE
	@mkdir -p $(@D); echo '$(DEBUG)' | cmp -s - $@ || echo '$(DEBUG)' > $@

$(B)/kmod/%/src/.links: $(KMOD_SRC) $(KMOD_SELFTEST) kmod/kmod.mk
	$(Q)$(call kmod_links,$(@D)) && touch $@

$(B)/kmod/%/gcs.ko: $(B)/kmod/%/src/.links $(B)/kmod/.debug include/uapi/linux/gcs.h | $(B)/kernel/%/headers
	$(call quiet,KMOD,$@)$(call kmod_make,$*) && cp $(@D)/src/gcs.ko $@

kmod: $(B)/kmod/$(KERNEL)/gcs.ko

# The newest headers that there are: is compat.h still complete?
kmod-newest:
	$(Q)scripts/kmod-newest
.PHONY: kmod-newest

# Every kernel with W=1, and what sparse and checkpatch say: a word from any of them is a failure.
# In a folder of their own, from nothing, because kbuild repeats no warning.
kmod-check: $(KMOD_KERNELS:%=kmod-check-%) kmod-checkpatch
.PHONY: kmod-checkpatch $(KMOD_KERNELS:%=kmod-check-%)
$(KMOD_KERNELS:%=kmod-check-%): kmod-check-%: | $(B)/kernel/%/headers
	$(call quiet,CHECK,gcs.ko for $* (W=1$(if $(filter 6.1,$*), and sparse)))d=$(abspath $(B))/kmod/$*/check; \
		rm -rf $$d && $(call kmod_links,$$d) && \
		{ $(kbuild) -C $(abspath $(B))/kernel/$*/headers M=$$d \
			GCS_UAPI=$(abspath include/uapi) DEBUG=1 W=1 $(if $(filter 6.1,$*),C=2) modules; \
		} >$$d/log 2>&1 || { cat $$d/log; exit 1; }; \
		! grep -E 'warning:|error:' $$d/log

# compat.h is where versions are tested.
CHECKPATCH := perl $(B)/kselftest/checkpatch.pl --no-tree --terse --show-types
kmod-checkpatch: | $(B)/kselftest/kselftest_harness.h
	$(call quiet,CHECK,checkpatch)$(CHECKPATCH) -f $(filter-out %/compat.h,$(filter %.c %.h,$(KMOD_SRC) $(KMOD_SELFTEST))) include/uapi/linux/gcs.h && \
		$(CHECKPATCH) --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON -f kmod/compat.h
