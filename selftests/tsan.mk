# SPDX-License-Identifier: MIT
#
# The agent's tests, with an agent under ThreadSanitizer. Included by the Makefile.
#
#   make check-tsan   with gcs.ko and without, in a VM: no report; TSAN_TESTS='NAME...'

# The kernel takes no part: what a report says is of the agent's own memory.
TSAN := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
TSAN_OBJ := $(patsubst %.c,$(T)/tsan/%.o,$(LIB_SRC) $(AGENT_SRC))
$(T)/tsan/userspace/agent/main.o: INCLUDES = $(VERSION_FLAG)
$(T)/tsan/%.o: %.c $(B)/.flags
	$(call quiet,CC,$*.o (TSan))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iuserspace/agent $(INCLUDES) $(TSAN) -MMD -MP -c -o $@ $<
-include $(call rwildcard,$(T)/tsan/,*.d)
$(T)/tsan/gcs: $(TSAN_OBJ)
	$(call quiet,LD,$(@F) (TSan))$(CC) $(ALL_CFLAGS) $(TSAN) -pie $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(T)/tsan.img: $(T)/.kernel $(AGENT_TESTS) $(T)/tsan/gcs $(B)/kmod/$(KERNEL)/gcs.ko $(BINS) scripts/test-initrd scripts/pack.sh \
		$(T)/testinit
	$(call quiet,INITRD,$@)WITH='xfs crypt time' scripts/test-initrd --kernel $(KERNEL) $@ $(AGENT_TESTS) $(T)/tsan/gcs

# The first report ends the agent, and so the test, which shows it. The agent takes several times as long as usual.
TSAN_TESTS ?= $(AGENT_RUN)
# tsan_vm CPUS,TEST...
tsan_vm = $(if $(2),$(call vm_with_disks,tsan,--cpus $(1) --controllers $(if $(filter 1,$(1)),2,4) --timeout 7200 --memory 1536 $(T)/tsan.img GCS_AGENT=/tests/gcs \
	GCS_TEST_DISKS=1 GCS_SLOW=4 TSAN_OPTIONS=halt_on_error=1 $(foreach engine,kmod user,GCS_ENGINE=$(engine) $(2))))
check-tsan: $(T)/tsan.img $(T)/disks/layer.ext4
	$(call tsan_vm,2,$(filter-out $(ONE_CPU),$(TSAN_TESTS)))
	$(call tsan_vm,1,$(filter $(ONE_CPU),$(TSAN_TESTS)))
.PHONY: check-tsan
