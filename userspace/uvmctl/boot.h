/* SPDX-License-Identifier: MIT */
/* From nothing to a VM whose agent answers. */
#ifndef UVMCTL_BOOT_H
#define UVMCTL_BOOT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "guest.h"
#include "qemu.h"
#include "options.h"
#include "tail.h"

struct uvm {
	struct watch watch; /* its signal_fd is the caller's */
	struct tail_listener listener; /* the caller's, gets the lines of the guest's log */
	unsigned int pci_ports; /* the caller's: how many network interfaces may be plugged in */
	struct ports *ports;
	struct vm *vm;
	struct tail *log;
	struct guest guest;
	bool switching_off; /* by this thread */
	pthread_t off;
};

/*
 * Boot and negotiate; @figures gets the phases. On failure @u keeps what there is to tell about it until uvm_end().
 * Returns 0, or -1 with @err.
 */
int uvm_boot(struct uvm *u, const struct options *o, struct json_object *figures, struct gcs_error *err);

/* Ask the guest to switch itself off, and wait for a while. Returns whether it has. */
bool uvm_switch_off(struct uvm *u);

/* End the VM: @orderly asks the guest first. */
void uvm_end(struct uvm *u, bool orderly);

/* Say what went wrong, and if it is the VM that did, what it has said last. */
void uvm_explain(struct uvm *u, const struct gcs_error *err, bool json, FILE *to);

#endif
