/* SPDX-License-Identifier: MIT */
/* Does KVM run anything here? */
#ifndef UVMCTL_KVM_H
#define UVMCTL_KVM_H

#include "error.h"

/* Are its device and hardware for it there? Returns 0, or -1 with @err. */
int kvm_may_work(struct gcs_error *err);

/* Let it execute one instruction. Returns 0, or -1 with @err: what does not work. */
int kvm_try(struct gcs_error *err);

#endif
