/* SPDX-License-Identifier: MIT */
/* Commands of the test VM, of which a test wants to see what they print. */
#ifndef GCS_TEST_SHELL_H
#define GCS_TEST_SHELL_H

#include "host.h"

/* What a command prints, up to 16 KiB; malloc'd. */
char *vm_shell(const struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
