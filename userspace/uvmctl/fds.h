/* SPDX-License-Identifier: MIT */
/* Bytes over a unix socket, with descriptors beside them. */
#ifndef UVMCTL_FDS_H
#define UVMCTL_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FDS_MAX 128 /* in one message; the kernel takes 253 */

/* As sendmsg(2), with @flags; @fds stay the caller's. */
ssize_t fds_send(int socket, const void *data, size_t length, const int *fds, unsigned int count, int flags);

/*
 * As recvmsg(2), with @flags. *@count is the room in @fds, and then how many have come; with NULL there may be none. *@cut (may be NULL):
 * something did not fit.
 */
ssize_t fds_receive(int socket, void *data, size_t length, int *fds, unsigned int *count, int flags, bool *cut);

#endif
