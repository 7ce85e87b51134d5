/* SPDX-License-Identifier: MIT */
/* init, PID 1 of the UVM: what its files offer each other. Steps and their order: boot-and-image.md section 2. */
#ifndef INIT_H
#define INIT_H

#include <stdbool.h>
#include <stdint.h>

/* log.c: to stderr and to /dev/kmsg. @level: 3 error, 4 warning, 5 a step of the boot, as in the kernel's log. */
void init_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Log "<what>: <text of errno>" and end PID 1, and so the VM, with errno as status. */
void init_die(const char *what) __attribute__((noreturn));

/* mounts.c: in this order. Failures end init. */

/*
 * The kernel's initramfs is not mounted on anything, so that nobody can pivot away from it, and containers would keep what was mounted
 * in the VM when they were made. Makes the root one that can be left.
 */
void mount_root(void);
void mount_dev(void);
void mount_basic(void);
void mount_writable_overlays(void); /* -w */

/* cgroup.c: version 2, or 1 if the kernel or its command line leaves no choice. */
void cgroup_mount(void);

/* modules.c: those of @stage "early" or "late" in the image's list. */
void modules_load(const char *stage);

/* net.c */
void loopback_up(void);
/* Read the host's random bytes from its vsock port and credit them. Failures are warnings. */
void entropy_read(uint32_t port);

#endif
