/* SPDX-License-Identifier: MIT */
/* From nothing to a VM whose agent answers. */
#ifndef UVMCTL_BOOT_H
#define UVMCTL_BOOT_H

#include "guest.h"
#include "qemu.h"
#include "run.h"
#include "tail.h"

struct uvm {
	struct watch watch; /* its signal_fd is the caller's */
	struct ports *ports;
	struct vm *vm;
	struct tail *log;
	struct guest guest;
};

/*
 * Boot and negotiate; @figures gets the phases. On failure @u keeps what there is to tell about it until uvm_end().
 * Returns 0, or -1 with @err.
 */
int uvm_boot(struct uvm *u, const struct run_options *o, struct json_object *figures, struct gcs_error *err);

/* Switch the VM off: @orderly asks the guest first. */
void uvm_end(struct uvm *u, bool orderly);

#endif
