# SPDX-License-Identifier: MIT
#
# What is fetched, and the UVM's boot files. Included by the Makefile.

$(B)/kernel/%/headers $(B)/kernel/%/vmlinuz:
	$(Q)scripts/kernel $*
.PRECIOUS: $(B)/kernel/%/headers $(B)/kernel/%/vmlinuz
# Is it still what scripts/kernel-config says?
kernel:
	$(Q)scripts/kernel $(KERNEL)
.PHONY: kernel

$(B)/kselftest/kselftest_harness.h $(B)/kselftest/checkpatch.pl:
	$(Q)scripts/kselftest

# The kernel of the last image, and what is in it: another KERNEL or WITH makes another image.
$(B)/uvm/.kernel: FORCE
	@mkdir -p $(@D); echo '$(KERNEL)' | cmp -s - $@ || echo '$(KERNEL)' > $@
$(B)/uvm/.with: FORCE
	@mkdir -p $(@D); echo '$(WITH)' | cmp -s - $@ || echo '$(WITH)' > $@

UVM := $(B)/uvm/vmlinuz $(B)/uvm/initrd.img
image: $(UVM)
$(UVM) &: $(B)/bin/gcs $(B)/bin/init $(B)/bin/vsockexec $(B)/bin/gcscrypt $(B)/bin/generichook $(B)/kmod/$(KERNEL)/gcs.ko $(B)/uvm/.kernel $(B)/uvm/.with \
		scripts/image scripts/pack.sh userspace/agent/network/udhcpc_config.script userspace/drivers/install-drivers.sh
	$(call quiet,IMAGE,$(B)/uvm)WITH='$(WITH)' scripts/image $(KERNEL) $(B)/uvm

# The root file system as disks, of a kernel that can mount it.
ROOTFS := $(B)/uvm/rootfs.vhd $(B)/uvm/rootfs-verity.vhd $(B)/uvm/rootfs-verity.txt
rootfs: $(ROOTFS)
$(ROOTFS) &: $(UVM) scripts/vhd
	$(call quiet,VHD,$(B)/uvm/rootfs.vhd)scripts/vhd $(KERNEL) $(B)/uvm

# What is given to hosts.
dist: $(ROOTFS) scripts/dist
	$(call quiet,DIST,$(B)/dist)scripts/dist $(B)/uvm $(B)/dist

# Debian packages.
deb:
	$(Q)scripts/deb/build $(B)/deb
.PHONY: rootfs dist deb

demo: image $(B)/bin/uvmctl
	$(Q)scripts/demo
