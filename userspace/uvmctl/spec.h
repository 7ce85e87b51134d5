/* SPDX-License-Identifier: MIT */
/* The OCI specification of a container, as the host's shim would send it. */
#ifndef UVMCTL_SPEC_H
#define UVMCTL_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

/* What a container may use; 0: as much as there is. */
struct spec_limits {
	uint64_t memory; /* bytes */
	uint32_t cpu_milli; /* thousandths of a processor */
	uint32_t pids;
};

struct spec_options {
	const char *root;     /* of the container, in the guest */
	const char *hostname;
	const char *cwd;
	char *const *env;     /* "K=V", ends with NULL; later ones win */
	char *const *args;    /* ends with NULL */
	const char *user;     /* UID[:GID[,GROUP]...], or a name that the agent looks up; NULL: root */
	struct spec_limits limits;
	bool terminal;
	uint16_t rows, columns; /* of the terminal; 0: not known */
	struct json_object *mounts; /* more of them, in the specification's words; NULL: none */
	const char *network; /* the GUID of its network, whether anything is in that or not; NULL: it has its pod's */
	const char *pod;	/* the id of its pod's sandbox container, also if that is what it is; NULL: it is no pod's */
	uint32_t sandbox_pid;	/* the sandbox container's first process, whose namespaces it gets; 0: it is the sandbox container */
};

struct json_object *spec_build(const struct spec_options *o);

/* Its process alone, as for one more in a container. */
struct json_object *spec_process(const struct spec_options *o);

#endif
