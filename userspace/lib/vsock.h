/* SPDX-License-Identifier: MIT */
/* Connections from the guest to the host over AF_VSOCK. */
#ifndef GCS_VSOCK_H
#define GCS_VSOCK_H

#include <stdint.h>

#include "error.h"

/*
 * Connect to @port of the host (CID 2; the environment variable GCS_VSOCK_CID, a decimal CID, names another for
 * tests in one VM over vsock loopback). Up to 10 attempts while the answer is ETIMEDOUT (bridge.md 2.1; the kernel's
 * own time-out of 2 s paces them). Returns a close-on-exec socket, or -1 with @err.
 */
int vsock_dial(uint32_t port, struct gcs_error *err);

/*
 * The same for who must not wait: one attempt. The socket, which does not block, becomes writable when it is over; then
 * vsock_dial_error() returns 0 or an errno.
 */
int vsock_dial_start(uint32_t port, struct gcs_error *err);
int vsock_dial_error(int fd);

#endif
