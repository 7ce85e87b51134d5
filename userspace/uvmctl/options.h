/* SPDX-License-Identifier: MIT */
/* What the command line says, for every verb: one table of options, which says who takes which. */
#ifndef UVMCTL_OPTIONS_H
#define UVMCTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"
#include "listen.h"
#include "qemu.h"
#include "spec.h"

/* Exit codes of uvmctl itself; others are the container's. */
#define EXIT_OWN 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

#define ENV_MAX 256
#define VOLUMES_MAX 32
#define PUBLISH_MAX 32

/* What the layers of an image are for the guest. */
enum layers { LAYERS_DEFAULT, LAYERS_SCSI, LAYERS_PMEM };

struct options {
	/* The VM. */
	unsigned int cpus; /* 0: as many as suit the accelerator */
	unsigned int memory_mib;
	bool debug, no_kmod;
	int log_fd;	    /* the console and the guest's log go there; -1: nowhere */
	char *uvm_dir;
	enum accel accel;
	enum vsock_kind vsock;
	unsigned int boot_timeout_s;
	const char *kernel_args; /* put before "--" */

	/* Containers and processes. */
	const char *in;	     /* the name of the UVM; NULL: the one that runs */
	const char *name;    /* of a container; NULL: its id */
	const char *pod;     /* that it is made in; NULL: none */
	char *env[ENV_MAX + 1];
	unsigned int env_count;
	const char *cwd, *user;	   /* NULL: the image's, or for exec the container's */
	char *entrypoint;	   /* NULL: the image's */
	struct image_options image;
	enum layers layers; /* of up: the default of its containers */
	bool interactive, tty, detach, attach;
	uint64_t scratch_size;
	struct spec_limits limits;
	const char *volumes[VOLUMES_MAX + 1], *publish[PUBLISH_MAX + 1];
	bool net;
	const char *address; /* of the interface; NULL: one is made up */
	unsigned int stop_s;

	/* Devices. */
	bool read_only, raw;

	int signal;
	bool json, force, follow;
	const char *timing, *timeline; /* files; NULL: none */
	const char *output; /* file; NULL: stdout */
	const char *plot; /* file; NULL: none */
	unsigned int seconds; /* for so long; 0: no end */

	/* What stands after the options, ends with NULL. */
	char **operands;
	int operand_count;
};

/* A verb of uvmctl. */
struct verb {
	const char *name, *operands, *summary;
	unsigned int bit; /* VERB_* */
	int min_operands, max_operands; /* -1: any number */
	int (*run)(struct options *o); /* returns the exit code */
};

enum {
	VERB_RUN = 1 << 0,
	VERB_UP = 1 << 1,
	VERB_DOWN = 1 << 2,
	VERB_LS = 1 << 3,
	VERB_CREATE = 1 << 4,
	VERB_START = 1 << 5,
	VERB_ATTACH = 1 << 6,
	VERB_EXEC = 1 << 7,
	VERB_KILL = 1 << 8,
	VERB_WAIT = 1 << 9,
	VERB_RM = 1 << 10,
	VERB_PS = 1 << 11,
	VERB_STATS = 1 << 12,
	VERB_LOGS = 1 << 13,
	VERB_EVENTS = 1 << 14,
	VERB_DOCTOR = 1 << 15,
	VERB_POD_CREATE = 1 << 16,
	VERB_POD_RM = 1 << 17,
	VERB_TIMELINE = 1 << 18,
	VERB_DEVICE_ADD = 1 << 24,
	VERB_DEVICE_RM = 1 << 25,
	VERB_DEVICE_LS = 1 << 26,
	VERB_STOP = 1 << 27,
};

/* Returns 0, 1 if there is nothing more to do (help), or -1: the message has been printed. */
int options_parse(const struct verb *verb, int argc, char **argv, struct options *o);
void options_free(struct options *o);

/* A signal by its name or number, 0: there is none. */
int signal_by_name(const char *text);

#endif
