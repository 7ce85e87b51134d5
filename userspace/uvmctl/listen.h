/* SPDX-License-Identifier: MIT */
/* The host's end of the VM's vsock: ports on which the guest is expected, by the kernel's vhost-vsock or the own backend. */
#ifndef UVMCTL_LISTEN_H
#define UVMCTL_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

enum vsock_kind { VSOCK_AUTO, VSOCK_VHOST, VSOCK_USER };

struct ports;

/*
 * Set up the vsock of one VM: VSOCK_AUTO takes the kernel's if it is there and usable. Returns NULL with @err.
 * When the VM ends, connections end after what the guest had sent; ports_close() ends those that are left.
 */
struct ports *ports_open(enum vsock_kind kind, struct gcs_error *err);
void ports_close(struct ports *p);

/* The descriptor for QEMU: of /dev/vhost-vsock if *@cid is set to a CID, else a vhost-user socket (*@cid 0). */
int ports_vm_fd(const struct ports *p, uint64_t *cid);
/* QEMU has it now. */
void ports_vm_started(struct ports *p);

/*
 * Expect one connection on @port. Returns a descriptor that is readable when the guest has connected; it ends with
 * ports_accept(), which returns the connection, or with ports_unlisten(). Both return -1 with @err on failure.
 */
int ports_listen(struct ports *p, uint32_t port, struct gcs_error *err);
int ports_accept(struct ports *p, int listener, struct gcs_error *err);
void ports_unlisten(struct ports *p, int listener);

#endif
