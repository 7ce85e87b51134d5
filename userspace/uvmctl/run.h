/* SPDX-License-Identifier: MIT */
/* `uvmctl run`: what the command line says, and the run. */
#ifndef UVMCTL_RUN_H
#define UVMCTL_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "listen.h"
#include "qemu.h"

/* Exit codes of uvmctl itself; others are the container's. */
#define EXIT_OWN 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

#define ENV_MAX 256

struct run_options {
	unsigned int cpus; /* 0: as many as suit the accelerator */
	unsigned int memory_mib;
	char *env[ENV_MAX + 1];
	unsigned int env_count;
	const char *cwd;
	bool interactive, tty, json, debug, no_kmod;
	int log_fd;	    /* the console and the guest's log go there; -1: nowhere */
	const char *timing; /* file; NULL: none */
	char *uvm_dir;
	enum accel accel;
	enum vsock_kind vsock;
	unsigned int boot_timeout_s;
	uint64_t scratch_size;
	const char *kernel_args; /* put before "--" */
	const char *image;
	char **command;
};

extern const char run_usage[];

/* Returns 0, 1 if there is nothing more to do (help), or -1: the message has been printed. */
int run_options_parse(int argc, char **argv, struct run_options *o);
void run_options_free(struct run_options *o);

/* The verb: returns the exit code. */
int run_verb(int argc, char **argv);

#endif
