# SPDX-License-Identifier: MIT
#
# Fuzz targets: each file here but replay.c is one. Included by the Makefile.
#
#   make fuzz         libFuzzer on every target of selftests/fuzz, FUZZ_SECONDS (600) each; FUZZ='TARGET...'
#
# What is found goes to build/fuzz/findings/TARGET; what the fuzzer has learnt to build/fuzz/corpus/TARGET, for the next run.

FUZZ_TARGETS := $(filter-out replay,$(patsubst selftests/fuzz/%.c,%,$(wildcard selftests/fuzz/*.c)))
FUZZ ?= $(FUZZ_TARGETS)
FUZZ_SECONDS ?= 600
F := $(B)/fuzz
# libFuzzer is clang's.
FUZZ_CC = clang $(ALL_CFLAGS) -Iuserspace/agent $(SAN) -fsanitize=fuzzer-no-link
FUZZ_OBJ := $(UNIT_SRC:%.c=$(F)/obj/%.o)

$(F)/obj/%.o: %.c $(B)/.flags
	$(call quiet,CC,$*.o (fuzzer))mkdir -p $(@D) && $(FUZZ_CC) -MMD -MP -c -o $@ $<
$(F)/libfuzz.a: $(FUZZ_OBJ)
	$(call quiet,AR,$(@F))rm -f $@ && $(AR) rcs $@ $^
$(F)/bin/%: selftests/fuzz/%.c selftests/fuzz/fuzz.h $(F)/libfuzz.a
	$(call quiet,CC,$*)mkdir -p $(@D) && $(FUZZ_CC) -fsanitize=fuzzer -pie $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(PKG_LIBS)
-include $(call rwildcard,$(F)/obj/,*.d)

# The corpus alone, among the unit tests.
FUZZ_TESTS := $(FUZZ_TARGETS:%=$(T)/fuzz/fuzz_%)
$(T)/fuzz/fuzz_%: selftests/fuzz/%.c selftests/fuzz/replay.c selftests/fuzz/fuzz.h $(T)/san/libunit.a
	$(call quiet,CC,fuzz_$*)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iuserspace/agent $(SAN) -pie $(LDFLAGS) \
		-o $@ $(filter %.c %.a,$^) $(PKG_LIBS)

unit test-programs: $(FUZZ_TESTS)

fuzz: $(FUZZ:%=$(F)/bin/%)
	$(Q)selftests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ)
.PHONY: fuzz
