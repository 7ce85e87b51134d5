/* SPDX-License-Identifier: MIT */
/* The agent's command line (boot-and-image.md section 5). */
#ifndef GCS_OPTIONS_H
#define GCS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "log.h"

struct options {
	bool v4;			/* serve; without it every request is "not implemented" */
	bool use_inouterr;		/* the bridge on stdin and stdout */
	bool disable_time_sync;
	bool scrub_logs;
	bool no_kmod;			/* stdio by the user-space engine */
	bool version, help;		/* print it and end */
	bool deny;			/* -initial-policy-stance deny */
	bool log_json;
	enum log_level log_level;
	const char *log_file;		/* "" = stderr */
	const char *core_pattern;	/* "" = leave it */
	const char *runtime;		/* "crun" or "runc" */
	int64_t kmsg_level;
	uint64_t root_mem_reserve;
	uint64_t gcs_mem_limit;		/* a threshold to warn at */
	const char **unknown;		/* flags that were refused, NULL-terminated, or NULL */
};

/*
 * Parse Go's flag syntax: one or two dashes, "-name value" or "-name=value", booleans only "-name" or
 * "-name=bool"; "--" or the first word that is no flag ends them, as -help does. A flag that there is not, and the word after it
 * if that could be its value, are noted and skipped: an end of the agent is the end of the VM, and newer hosts may pass more
 * (boot-and-image.md 11.3). A bad value: -1 with @err, which names the flag. Strings point into @argv.
 */
int options_parse(struct options *o, char **argv, struct gcs_error *err);

/* All flags, a line each. */
void options_help(FILE *to);

#endif
