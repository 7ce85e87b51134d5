# SPDX-License-Identifier: MIT
#
# The tests of gcs.ko:
#   make check-kmod   in a VM with kernel KERNEL

KMOD_TESTS := $(patsubst selftests/kmod/%.c,$(B)/test/kmod/%,$(filter-out %/fault_test.c,$(wildcard selftests/kmod/*_test.c)))
# The one that unloads the module comes last.
KMOD_TEST_ORDER := $(filter-out module_test,$(notdir $(KMOD_TESTS))) module_test

$(B)/test/kmod/%: selftests/kmod/%.c $(wildcard selftests/kmod/*.h) include/uapi/linux/gcs.h $(B)/.flags | \
		$(B)/kselftest/kselftest_harness.h
	$(call quiet,CC,$*)mkdir -p $(@D) && $(CC) $(STD) $(WARN) $(HARNESS_FLAGS) $(EXTRA_CFLAGS) $(CFLAGS) \
		-pie $(LDFLAGS) -o $@ $<

$(B)/test/kmod.img: $(B)/test/.kernel $(KMOD_TESTS) $(B)/kmod/$(KERNEL)/gcs.ko scripts/test-initrd $(B)/test/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel $(KERNEL) $@ $(KMOD_TESTS)

.PHONY: check-kmod
check-kmod: $(B)/test/kmod.img
	$(Q)scripts/vm --kernel $(KERNEL) --timeout 300 --hotplug $< $(filter-out $(ONE_CPU),$(KMOD_TEST_ORDER))
	$(Q)scripts/vm --kernel $(KERNEL) --cpus 1 --timeout 300 --hotplug $< $(filter $(ONE_CPU),$(KMOD_TEST_ORDER))
