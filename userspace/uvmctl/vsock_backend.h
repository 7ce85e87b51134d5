/* SPDX-License-Identifier: MIT */
/* A vhost-user-vsock device: what stands between QEMU and the host's end of the guest's vsock streams. */
#ifndef UVMCTL_VSOCK_BACKEND_H
#define UVMCTL_VSOCK_BACKEND_H

#include <stdint.h>

#include "error.h"

#define VSOCK_GUEST_CID 3

struct vsock_backend {
	uint64_t guest_cid;
	/*
	 * The guest connects to @port of the host. Returns the connected stream socket that stands for the
	 * connection, now the backend's, or -1: the guest is refused. Must not block. A half-close of either
	 * side is one of the other side, and what was written before a close arrives.
	 */
	int (*dial)(void *arg, uint32_t port);
	void *arg;
};

/*
 * Serve QEMU on the connected vhost-user socket @fd until it hangs up and what the guest had sent is delivered, or
 * until @stop_fd (-1: none) becomes readable. Both stay the caller's. Returns 0, or -1 with @err.
 */
int vsock_backend_serve(const struct vsock_backend *backend, int fd, int stop_fd, struct gcs_error *err);

/* `uvmctl vsock-backend`: returns the exit code. */
int vsock_backend_verb(int argc, char **argv);

#endif
