/* SPDX-License-Identifier: MIT */
/* The host's address, also for programs that are linked with nothing of ours. */
#ifndef GCS_VSOCK_HOST_H
#define GCS_VSOCK_HOST_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

/* CID 2; the environment variable GCS_VSOCK_CID, a decimal CID, names another for tests in one VM over vsock loopback. */
static inline struct sockaddr_vm vsock_host(uint32_t port)
{
	const char *cid = getenv("GCS_VSOCK_CID");

	return (struct sockaddr_vm){
		.svm_family = AF_VSOCK,
		.svm_cid = cid ? (unsigned int)strtoul(cid, NULL, 10) : VMADDR_CID_HOST,
		.svm_port = port,
	};
}

#endif
