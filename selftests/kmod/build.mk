# SPDX-License-Identifier: MIT
#
# The tests of gcs.ko and its bench:
#   make check-kmod   the tests, in a VM with kernel KERNEL
#   make bench-kmod   stream against raw vsock and the user-space engine, to a reader on this machine

KMOD_TESTS := $(patsubst selftests/kmod/%.c,$(B)/test/kmod/%,$(wildcard selftests/kmod/*_test.c))
# The one that unloads the module comes last.
KMOD_TEST_ORDER := $(filter-out module_test,$(notdir $(KMOD_TESTS))) \
	GCS_KO=/lib/modules/$$(cat $(B)/kernel/$(KERNEL)/release)/extra/gcs.ko module_test

# The harness compares what the test names, and declares nothing.
$(B)/test/kmod/%: selftests/kmod/%.c selftests/kmod/gcs_test.h include/uapi/linux/gcs.h $(B)/.flags | \
		$(B)/kselftest/kselftest_harness.h
	$(call quiet,CC,$*)mkdir -p $(@D) && $(CC) $(STD) -I$(B)/kselftest $(WARN) -Wno-sign-compare -Wno-missing-prototypes $(EXTRA_CFLAGS) $(CFLAGS) \
		-pie $(LDFLAGS) -o $@ $<

$(B)/test/kmod.img: $(KMOD_TESTS) $(B)/kmod/$(KERNEL)/gcs.ko scripts/test-initrd $(B)/test/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel $(KERNEL) $@ $(KMOD_TESTS)

# --- bench ------------------------------------------------------------------------------------

BENCH_OBJ := $(call obj,selftests/bench/stream_bench.c $(wildcard userspace/agent/stdio/*.c))
$(call obj,selftests/bench/stream_bench.c): INCLUDES = -Iuserspace/agent
$(B)/test/stream_bench: $(BENCH_OBJ) $(B)/lib/libgcs.a
	$(call link,$(PKG_LIBS))
$(B)/test/host_reader: $(call obj,selftests/bench/host_reader.c)
	$(call link)

$(B)/test/bench.img: $(B)/test/stream_bench $(B)/kmod/$(KERNEL)/gcs.ko scripts/test-initrd $(B)/test/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel $(KERNEL) $@ $(B)/test/stream_bench

.PHONY: check-kmod bench-kmod
check-kmod: $(B)/test/kmod.img
	$(Q)scripts/vm --kernel $(KERNEL) --timeout 300 $< $(KMOD_TEST_ORDER)

bench-kmod: $(B)/test/bench.img $(B)/test/host_reader $(B)/bin/uvmctl
	$(Q)selftests/bench/stream_bench.sh $< $(KERNEL)
