# SPDX-License-Identifier: MIT
#
# Tests on kernels with debug options (scripts/kernel-build), which are no part of `make check`. Included by the Makefile.
#
#   make check-debug  everything that runs in a VM, on a kernel with KASAN, lockdep, kmemleak, ...: no report, no leak
#   make check-kcsan  the tests of gcs.ko on a kernel with KCSAN: no race in the module
#   make hammer       random operations on the debug kernel for HAMMER_SECONDS (600), from HAMMER_SEED

HAMMER_SECONDS ?= 600
DEBUG_UVM := $(B)/uvm-debug
# All that start a UVM; words.sh shows what a person sees, who has another one.
DEBUG_E2E := $(filter-out %/lib.sh %/doctor.sh %/words.sh,$(wildcard selftests/e2e/*.sh))

$(T)/kmod/hammer: selftests/kmod/hammer.c $(wildcard selftests/kmod/*.h) include/uapi/linux/gcs.h $(B)/.flags
DEBUG_TESTS := $(T)/kmod/fault_test $(T)/kmod/hammer
$(T)/debug.img: $(DEBUG_TESTS) $(B)/kmod/debug/gcs.ko scripts/test-initrd scripts/pack.sh $(T)/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel debug $@ $(DEBUG_TESTS)

$(DEBUG_UVM)/initrd.img: $(BINS) $(B)/kmod/debug/gcs.ko scripts/image scripts/pack.sh
	$(call quiet,IMAGE,$(DEBUG_UVM))scripts/image debug $(DEBUG_UVM)

# uvmctl with what a UVM on the debug kernel needs: memory, time, and to end when the kernel has something to say.
$(DEBUG_UVM)/uvmctl: selftests/debug.mk
	$(Q)mkdir -p $(@D) && printf '%s\n' '#!/bin/sh' 'command=$$1' 'shift' \
		'case $$command in run | up) set -- --memory 2G --boot-timeout 900 --kernel-args "panic_on_warn=1 oops=panic" "$$@" ;; esac' \
		'exec $(abspath $(B))/bin/uvmctl "$$command" "$$@"' > $@ && chmod +x $@

check-debug: $(T)/debug.img $(T)/disks/layer.ext4 $(B)/kmod/6.1-generic/gcs.ko $(DEBUG_UVM)/initrd.img $(DEBUG_UVM)/uvmctl $(T)/ktap_run
	$(Q)scripts/vm --kernel debug --timeout 600 --disk $(T)/disks/garbage,ro $(T)/debug.img fault_test
	$(Q)$(MAKE) check-vm KERNEL=debug
	$(Q)UVMCTL=$(abspath $(DEBUG_UVM))/uvmctl UVMCTL_UVM=$(abspath $(DEBUG_UVM)) E2E_TIMEOUT=900 KTAP_DEADLINE=7200 \
		$(T)/ktap_run $(DEBUG_E2E)

check-kcsan:
	$(Q)$(MAKE) check-kmod KERNEL=kcsan

hammer: $(T)/debug.img
	$(Q)scripts/vm --kernel debug --timeout $$(($(HAMMER_SECONDS) / 2 + 300)) $< KTAP_DEADLINE=$(HAMMER_SECONDS) \
		GCS_HAMMER_SECONDS=$(HAMMER_SECONDS) $(if $(HAMMER_SEED),GCS_HAMMER_SEED=$(HAMMER_SEED)) hammer
.PHONY: check-debug check-kcsan hammer
