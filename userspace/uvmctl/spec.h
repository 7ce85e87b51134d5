/* SPDX-License-Identifier: MIT */
/* The OCI specification of a container, as the host's shim would send it. */
#ifndef UVMCTL_SPEC_H
#define UVMCTL_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

struct spec_options {
	const char *root;     /* of the container, in the guest */
	const char *hostname;
	const char *cwd;
	char *const *env;     /* "K=V", ends with NULL; later ones win */
	char *const *args;    /* ends with NULL */
	bool terminal;
	uint16_t rows, columns; /* of the terminal; 0: not known */
};

struct json_object *spec_build(const struct spec_options *o);

#endif
