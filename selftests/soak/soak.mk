# SPDX-License-Identifier: MIT
#
# Long tests of the agent in a VM, which are no part of `make check`. Included by the Makefile.
#
#   make soak         SOAK_EXECS (2000) execs, SOAK_CYCLES (300) containers: nothing is left, the agent does not grow
#   make load         LOAD_CONTAINERS (100) at once, 20 execs at a time: the agent stays small, and sleeps when it is idle
#
# ENGINE=user is without gcs.ko.

SOAK_EXECS ?= 2000
SOAK_CYCLES ?= 300
LOAD_CONTAINERS ?= 100
ENGINE ?= kmod

# Built as the agent's tests are.
SOAK_TESTS := $(T)/soak/soak $(T)/soak/load
SOAK_OBJ := $(call obj,selftests/soak/usage.c)
$(SOAK_OBJ): INCLUDES = -Iselftests/agent
$(SOAK_TESTS): $(T)/%: selftests/%.c $(wildcard selftests/soak/*.h selftests/agent/*.h) $(SOAK_OBJ) $(AGENT_TEST_OBJ) \
		$(B)/lib/libgcs.a | $(HARNESS)
	$(call quiet,CC,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iselftests/agent $(HARNESS_FLAGS) -pie $(LDFLAGS) \
		-o $@ $(filter %.c %.o %.a,$^) $(PKG_LIBS)

$(T)/soak/heap.so: $(call obj,selftests/soak/heap.c)
	$(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -shared $(LDFLAGS) -o $@ $^
# The calls in it are the allocator's own, not what the compiler makes of malloc() and memset().
$(B)/obj/selftests/soak/heap.o: INCLUDES = -fPIC -fno-builtin

SOAK_FILES := $(SOAK_TESTS) $(T)/soak/heap.so
$(T)/soak.img: $(T)/.kernel $(SOAK_FILES) $(B)/kmod/$(KERNEL)/gcs.ko $(BINS) scripts/test-initrd scripts/pack.sh $(T)/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel $(KERNEL) $@ $(SOAK_FILES)

# heap.so counts what is allocated. Without the allocator's cache of each thread, which fills slowly, the RSS shows growth of a page.
soak: $(T)/soak.img
	$(Q)scripts/vm --kernel $(KERNEL) --timeout 14400 --memory 768 $< KTAP_DEADLINE=14400 LD_PRELOAD=/tests/heap.so \
		GLIBC_TUNABLES=glibc.malloc.tcache_count=0 GCS_ENGINE=$(ENGINE) SOAK_EXECS=$(SOAK_EXECS) SOAK_CYCLES=$(SOAK_CYCLES) soak

load: $(T)/soak.img
	$(Q)scripts/vm --kernel $(KERNEL) --timeout 3600 --memory 2048 $< KTAP_DEADLINE=3600 GCS_ENGINE=$(ENGINE) \
		LOAD_CONTAINERS=$(LOAD_CONTAINERS) load
.PHONY: soak load
