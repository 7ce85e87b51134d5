/* SPDX-License-Identifier: MIT */
/* A process's standard streams between the guest's connections and our own descriptors. */
#ifndef UVMCTL_RELAY_H
#define UVMCTL_RELAY_H

#include <stdint.h>

#include "error.h"

struct relay;

/*
 * Copy between the guest's connection @socket, which is taken over, and @fd. To the guest: the end of file becomes a
 * half-close; Ctrl-P Ctrl-Q, if @detach_fd (an eventfd; -1: none) is there, ends the relay, leaves the connection as it
 * is, and is told there. From the guest: what is in the file @first (taken over; -1: there is none) comes first; if @fd
 * takes no more, the connection is closed, so that the writer learns of it. NULL with @err.
 */
struct relay *relay_to_guest(int fd, int socket, int detach_fd, struct gcs_error *err);
struct relay *relay_from_guest(int first, int socket, int fd, struct gcs_error *err);

/* Readable when the relay has ended. */
int relay_done_fd(const struct relay *r);

/* Free a relay that has ended and return the number of bytes copied; one that has not is left to the end of uvmctl. */
uint64_t relay_finish(struct relay *r);

/* It is to end with the connection as it is, for who has it too: what was read from the guest is written first. NULL is fine. */
void relay_stop(struct relay *r);

#endif
