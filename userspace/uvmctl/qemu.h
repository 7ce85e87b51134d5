/* SPDX-License-Identifier: MIT */
/* The UVM as a QEMU process: started, given disks, ended. */
#ifndef UVMCTL_QEMU_H
#define UVMCTL_QEMU_H

#include <stdbool.h>
#include <stdint.h>

#include "listen.h"
#include "watch.h"

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct vm_options {
	const char *uvm_dir; /* has vmlinux or vmlinuz, and initrd.img */
	unsigned int cpus;
	unsigned int memory_mib;
	enum accel accel;    /* not ACCEL_AUTO */
	int pmem_fd;	     /* PMEM device 0, of DISK_UNIT bytes, and room for vm_attach_pmem(); -1: none */
	unsigned int ports;  /* at most VM_PORTS: the guest's boot looks at each */
	const char *append;  /* the kernel's command line */
	int log_fd;	     /* the console goes there as well; -1: nowhere */
};

#define VM_PORTS 8 /* of PCI Express that devices can be plugged into: port0, ... */

struct vm;
struct qmp;

/*
 * Start QEMU with the guest's end of @ports. @watch->vm_fd is set to a descriptor that tells its end. NULL with @err: no
 * QEMU, no kernel, or QEMU did not like something. QEMU dies with the calling thread.
 */
struct vm *vm_start(const struct vm_options *options, struct ports *ports, struct watch *watch, struct gcs_error *err);

/*
 * Hot-add the raw disk @fd, a file or a block device, as @lun of SCSI controller 0 or 1; @flush: what the guest flushes reaches it.
 * vm_detach() removes it when the guest has let it go, and may be repeated when it has failed. Both return 0, or -1 with @err.
 */
int vm_attach(struct vm *vm, unsigned int controller, unsigned int lun, int fd, bool read_only, bool flush, struct gcs_error *err);
int vm_detach(struct vm *vm, unsigned int controller, unsigned int lun, struct gcs_error *err);

/*
 * Hot-add the file @fd, read-only, as PMEM device @number, which counts from 1; its size must be a multiple of 2 MiB. QEMU cannot take
 * one away again. Returns 0, or -1 with @err.
 */
#define VM_PMEM_DEVICES 64
int vm_need_pmem(const struct vm *vm, struct gcs_error *err); /* was it started so? */
int vm_attach_pmem(struct vm *vm, unsigned int number, int fd, uint64_t size, struct gcs_error *err);

/* The monitor, for what else is plugged in. */
struct qmp *vm_qmp(const struct vm *vm);

/* The last lines of the guest's console and of QEMU's own messages; malloc'd. */
char *vm_console(struct vm *vm);
char *vm_messages(struct vm *vm);

/*
 * Is QEMU known to fail such a VM now and then? Without KVM and with several processors: before 8.1 the guest may go on executing
 * code that it has patched on another one, and hang; from then on until 10.0.4 QEMU may look into a memory map that was freed, and
 * abort.
 */
bool vm_may_fail(const struct vm *vm);

/* End QEMU, at once unless it ends by itself within @grace_ms, and free @vm. NULL is fine. */
void vm_end(struct vm *vm, int grace_ms);

/* QEMU is gone when this returns, but nothing is freed. */
void vm_kill(struct vm *vm);

/*
 * If QEMU ends within @wait_ms, reap it, read everything it has said, and say how it ended (a malloc'd sentence). NULL:
 * it has not ended.
 */
char *vm_ended(struct vm *vm, int wait_ms);

/* The same without reaping it or changing anything, while other threads look at it. */
char *vm_how_ended(const struct vm *vm, int wait_ms);

#define VM_DIED_MS 2000 /* at most between the end of the bridge and the end of QEMU */

#endif
