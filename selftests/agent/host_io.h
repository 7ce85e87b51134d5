/* SPDX-License-Identifier: MIT */
/* Sockets and time, for host.c. */
#ifndef GCS_TEST_HOST_IO_H
#define GCS_TEST_HOST_IO_H

#include "host.h"

int64_t host_now_ms(void);

/* Is there something to read, or an end, before @deadline? */
bool host_readable(int fd, int64_t deadline);

int host_listen(const struct host *h, uint32_t port);

#endif
