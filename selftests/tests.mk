# SPDX-License-Identifier: MIT
#
# Test programs and how they are run. Included by the Makefile.

T := $(B)/test
HARNESS := $(B)/kselftest/kselftest_harness.h
# The harness compares what the test names, and declares nothing.
HARNESS_FLAGS := -isystem $(B)/kselftest -Wno-sign-compare -Wno-missing-prototypes -include selftests/vm/slow.h \
	-include selftests/vm/report.h

.PHONY: test-programs check-run
check:
	$(Q)scripts/check

# --- the test VM's PID 1, and the same runner for this machine ---------------------------------

$(T)/testinit: $(call obj,selftests/vm/testinit.c selftests/vm/ktap.c selftests/vm/debug.c $(filter-out %/main.c,$(INIT_SRC)))
	$(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -static-pie $(LDFLAGS) -o $@ $^
$(T)/ktap_run: $(call obj,selftests/vm/ktap_run.c selftests/vm/ktap.c)
	$(call quiet,LD,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $^
$(T)/boot_test: $(call obj,selftests/vm/boot_test.c) $(B)/lib/libgcs.a
	$(call link,$(PKG_LIBS))

# --- unit tests: this machine, ASan and UBSan --------------------------------------------------

SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(T)/unit/test_layer: PKG_LIBS += $(IMAGE_LIBS)
$(T)/unit/test_trace: PKG_LIBS += -lm
# What a test needs of libgcs and of the agent is taken out of this; a test may define a function itself instead.
# Sources of other programs are named in the test: "// unit-sources: FILE..."
UNIT_SRC := $(LIB_SRC) $(filter-out %/main.c,$(AGENT_SRC))
UNIT_OBJ := $(UNIT_SRC:%.c=$(T)/san/%.o)
# test_disk needs disks, test_vsock vsock loopback, which the test VM has.
UNIT_TESTS := $(patsubst selftests/unit/%.c,$(T)/unit/%,$(filter-out %/test_disk.c %/test_vsock.c,$(wildcard selftests/unit/test_*.c)))
unit_sources = $(shell sed -n 's|^// unit-sources: ||p' selftests/unit/$(1).c)

$(T)/san/%.o: %.c $(B)/.flags
	$(call quiet,CC,$*.o (sanitizers))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iuserspace/agent $(SAN) -MMD -MP -c -o $@ $<
$(T)/san/libunit.a: $(UNIT_OBJ)
	$(call quiet,AR,$(@F))rm -f $@ && $(AR) rcs $@ $^

-include $(call rwildcard,$(T)/san/,*.d)

.SECONDEXPANSION:
$(T)/unit/%: selftests/unit/%.c $(wildcard selftests/unit/*.h) $$(call unit_sources,$$*) $(T)/san/libunit.a | $(HARNESS)
	$(call quiet,CC,$*)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iuserspace/agent $(HARNESS_FLAGS) $(SAN) -pie $(LDFLAGS) \
		-o $@ $(filter %.c %.a,$^) $(PKG_LIBS)

unit: $(UNIT_TESTS) $(T)/ktap_run
	$(Q)$(T)/ktap_run $(sort $(UNIT_TESTS) $(FUZZ_TESTS))

# --- in the VM: gcs.ko, the agent, containers on gcs.ko ----------------------------------------

AGENT_TESTS := $(patsubst selftests/agent/%.c,$(T)/agent/%,$(wildcard selftests/agent/*_test.c))
AGENT_TEST_OBJ := $(call obj,$(filter-out %_test.c,$(wildcard selftests/agent/*.c)))

$(T)/agent/%: selftests/agent/%.c $(wildcard selftests/agent/*.h) $(AGENT_TEST_OBJ) $(B)/lib/libgcs.a | $(HARNESS)
	$(call quiet,CC,$*)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iselftests/agent $(HARNESS_FLAGS) -pie $(LDFLAGS) \
		-o $@ $(filter %.c %.o %.a,$^) $(PKG_LIBS)

# The unit tests that a VM can serve better, without sanitizers: they would see the kernel's ioctls as opaque anyway.
$(T)/libagent.a: $(call obj,$(filter-out %/main.c,$(AGENT_SRC)))
	$(call quiet,AR,$(@F))mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(T)/vm/%: selftests/unit/%.c $(wildcard selftests/unit/*.h) $(T)/libagent.a $(B)/lib/libgcs.a | $(HARNESS)
	$(call quiet,CC,$(@F))mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Iuserspace/agent $(HARNESS_FLAGS) -pie $(LDFLAGS) \
		-o $@ $(filter %.c %.a,$^) $(PKG_LIBS)

# LUN 0: a layer with a busybox root, 1: nothing yet, 2: garbage, 3: a layer with a dm-verity tree
$(T)/disks/layer.ext4: scripts/disks
	$(Q)scripts/disks $(T)/disks

# The cloud's kernel has no 9p.
AGENT_RUN = $(filter-out $(if $(filter 6.%,$(KERNEL)),share_test),$(notdir $(AGENT_TESTS)))
# What is on a disk is the same with either engine: they differ in how they wait for it, which the others show. So is a command line.
ONE_ENGINE := crypt_test filesystem_test flags_test init_test storage_fields_test verity_test vsockexec_test
VM_TESTS := $(KMOD_TESTS) $(AGENT_TESTS) $(T)/vm/test_container $(T)/vm/test_disk $(T)/vm/test_tty $(T)/vm/test_vsock
# These plug PCI devices or memory in and out. Up to 10.0.3 QEMU may meanwhile send what another processor writes to its interrupt controller
# elsewhere (Documentation/design.md), and its timer stays silent: they have a VM with one processor.
ONE_CPU := dev_bus_test network_test vpci_test vpmem_test
# This wants fewer SCSI controllers than others need.
ONE_CPU += storage_fields_test
VM_RUN_kmod = $(filter-out module_test $(ONE_CPU),$(notdir $(KMOD_TESTS))) GCS_TEST_DISKS=1 test_disk GCS_TEST_KMOD=1 test_container test_tty \
	test_vsock GCS_ENGINE=kmod $(filter-out $(ONE_CPU),$(AGENT_RUN)) $(filter module_test,$(notdir $(KMOD_TESTS)))
VM_RUN_user = GCS_TEST_DISKS=1 GCS_ENGINE=user $(filter-out $(ONE_ENGINE) $(ONE_CPU),$(AGENT_RUN))

# The kernel of the last initrds: another KERNEL makes others.
$(T)/.kernel: FORCE
	@mkdir -p $(@D); echo '$(KERNEL)' | cmp -s - $@ || echo '$(KERNEL)' > $@

$(T)/check.img: $(T)/.kernel $(VM_TESTS) $(B)/kmod/$(KERNEL)/gcs.ko $(BINS) scripts/test-initrd scripts/pack.sh $(T)/testinit \
		userspace/agent/network/udhcpc_config.script userspace/drivers/install-drivers.sh
	$(call quiet,INITRD,$@)WITH='xfs crypt time' scripts/test-initrd --kernel $(KERNEL) $@ $(VM_TESTS)

# vm_with_disks,NAME,OPTIONS AND TESTS: the disks that are written are its own.
define vm_with_disks
	$(Q)cp --sparse=always $(T)/disks/empty $(T)/disks/scratch-$(1)
	$(Q)cp --sparse=always $(T)/disks/garbage $(T)/disks/garbage-$(1)
	$(Q)scripts/vm --kernel $(KERNEL) --memory 768 --hotplug --disk $(T)/disks/layer.ext4,ro --disk $(T)/disks/scratch-$(1) \
		--disk $(T)/disks/garbage-$(1) --disk $(T)/disks/verity.ext4,ro $(2)
endef

# A VM for each engine, which mostly waits: scripts/check runs them side by side.
check-vm-kmod check-vm-user: check-vm-%: $(T)/check.img $(T)/disks/layer.ext4
	$(call vm_with_disks,$*,--controllers 4 --timeout 2400 $< $(VM_RUN_$*))
check-vm-pci: $(T)/check.img $(T)/disks/layer.ext4
	$(call vm_with_disks,pci,--cpus 1 --timeout 900 $< GCS_TEST_DISKS=1 GCS_ENGINE=kmod $(ONE_CPU) \
		GCS_ENGINE=user $(filter $(filter-out $(ONE_ENGINE),$(notdir $(AGENT_TESTS))),$(ONE_CPU)))
check-vm:
	$(Q)$(MAKE) check-vm-kmod
	$(Q)$(MAKE) check-vm-pci
	$(Q)$(MAKE) check-vm-user
# Every LUN of four controllers, and as many loops as TORTURE says.
TORTURE ?= 200
torture: $(T)/check.img $(T)/disks/layer.ext4
	$(call vm_with_disks,torture,--controllers 4 --timeout 3600 $< KTAP_DEADLINE=3600 GCS_TEST_DISKS=1 GCS_TORTURE=$(TORTURE) \
		GCS_ENGINE=$(or $(ENGINE),kmod) storage_torture_test)
.PHONY: torture
# What differs in a VM with cgroup v1.
check-vm-v1: $(T)/check.img $(T)/disks/layer.ext4
	$(Q)if grep -qs '^# CONFIG_MEMCG_V1 is not set' $(B)/kernel/$(KERNEL)/headers/.config; then \
		printf '%s\n' 'KTAP version 1' 1..1 'ok 1 cgroup v1 # SKIP kernel $(KERNEL) has no memory controller of version 1'; \
	else \
		scripts/vm --kernel $(KERNEL) --timeout 600 --memory 768 --append hcsshim.cgroup=v1 $< \
			GCS_ENGINE=kmod init_test pod_test stats_test; \
	fi
# What needs a kernel with 9p. It has nothing to do with the engine.
$(T)/share.img: $(T)/agent/share_test $(B)/kmod/6.1-generic/gcs.ko $(BINS) scripts/test-initrd scripts/pack.sh $(T)/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel 6.1-generic $@ $<
check-vm-share: $(T)/share.img
	$(Q)scripts/vm --kernel 6.1-generic --timeout 600 --memory 768 $< GCS_ENGINE=kmod share_test
.PHONY: check-vm check-vm-kmod check-vm-pci check-vm-user check-vm-v1 check-vm-share

# What a runtime can change, with the other one.
check-runc: $(T)/check.img
	$(Q)scripts/vm --kernel $(KERNEL) --timeout 1200 --memory 768 $< GCS_ENGINE=kmod GCS_RUNTIME=runc container_test process_test \
		pod_test tty_test conformance_test
.PHONY: check-runc

# What is given to hosts, and each way that they boot from it.
check-dist: dist $(T)/ktap_run $(T)/boot_test $(B)/bin/uvmctl
	$(Q)KTAP_DEADLINE=1800 GCS_ROOTFS=1 $(T)/ktap_run selftests/vm/vhd_test.sh selftests/vm/dist_test.sh $(T)/boot_test
check-deb: deb $(T)/ktap_run
	$(Q)KTAP_DEADLINE=1800 $(T)/ktap_run selftests/vm/deb_test.sh
.PHONY: check-dist check-deb

# The vsock backend's own tests.
vsock-tests:
	$(Q)$(MAKE) -s -f selftests/vsock/Makefile vsock-tests
.PHONY: vsock-tests

# Everything that scripts/check runs, so that a failure to build is one.
test-programs: vsock-tests $(T)/ktap_run $(T)/boot_test $(UNIT_TESTS) $(VM_TESTS) $(T)/check.img $(T)/share.img $(T)/disks/layer.ext4

# --- bench: programs in the VM, host_peer on this machine ---------------------------------------

BENCH_PROGRAMS := $(patsubst selftests/bench/%.c,$(T)/%,$(wildcard selftests/bench/*_bench.c))
BENCH_OBJ := $(call obj,selftests/bench/bench.c selftests/bench/bench_math.c)
$(call obj,$(wildcard selftests/bench/*.c)): INCLUDES = -Iuserspace/agent

# dev_bench adds disks as the tests of gcs.ko do.
$(B)/obj/selftests/bench/dev_bench.o: INCLUDES = -Iuserspace/agent -Iselftests/kmod $(HARNESS_FLAGS)
$(B)/obj/selftests/bench/dev_bench.o: | $(HARNESS)
# These have the tests' host.
HOST_BENCHES := agent_bench disk_bench storage_bench
$(HOST_BENCHES:%=$(B)/obj/selftests/bench/%.o): INCLUDES = -Iuserspace/agent -Iselftests/agent
$(HOST_BENCHES:%=$(T)/%): $(AGENT_TEST_OBJ)
# stream_bench has the agent's user-space engine in it.
$(BENCH_PROGRAMS): $(T)/%: $(B)/obj/selftests/bench/%.o $(BENCH_OBJ) $(T)/libagent.a $(B)/lib/libgcs.a
	$(call link,$(B)/lib/libgcs.a $(PKG_LIBS))
$(T)/host_peer: $(call obj,selftests/bench/host_peer.c selftests/bench/bench_math.c)
	$(call link)
$(T)/bench.img: $(BENCH_PROGRAMS) $(B)/kmod/$(KERNEL)/gcs.ko $(BINS) scripts/test-initrd $(T)/testinit
	$(call quiet,INITRD,$@)scripts/test-initrd --kernel $(KERNEL) $@ $(BENCH_PROGRAMS)

# One program and its settings: make bench-vm RUN='BENCH_ROUNDS=3 echo_bench'. Those with a script want a VM that it starts.
RUN ?= $(filter-out $(notdir $(basename $(wildcard selftests/bench/*_bench.sh))),$(notdir $(BENCH_PROGRAMS)))
bench-vm: $(T)/bench.img $(T)/host_peer $(B)/bin/uvmctl
	$(Q)selftests/bench/vm.sh $< $(KERNEL) $(RUN)
.PHONY: bench-vm

bench: $(T)/bench.img $(T)/host_peer $(T)/disks/layer.ext4 $(B)/bin/uvmctl image
	$(Q)selftests/bench/bench.sh
