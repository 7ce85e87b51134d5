/* SPDX-License-Identifier: MIT */
/* What the agent holds, and the VM on its behalf; many execs at once. */
#ifndef GCS_TEST_USAGE_H
#define GCS_TEST_USAGE_H

#include "heap.h"
#include "host.h"

/* Requests that the agent works on at once, and more than it has workers. */
#define AT_ONCE 20

struct usage {
	long fds, threads, rss; /* the agent's; bytes */
	long zombies, mounts;
	long cgroups, files; /* of the VM; files: of the root, /run, /tmp and /dev */
	long module;	     /* users of gcs.ko */
	struct heap heap;    /* the agent's, if heap.c is preloaded */
};

/* Prints it, too. */
struct usage usage_now(const struct host *h, const char *when);

long usage_rss(const struct host *h);

/* How often the agent's threads have been switched to, in all. */
long usage_switches(const struct host *h);

/* Run the JSON list @args AT_ONCE times at once, in the containers with the ids @cids in turn; false unless each prints @expect. */
bool exec_at_once(struct host *h, char *const cids[], size_t count, const char *args, const char *expect);

/* A setting of the run, from the environment. */
int setting(const char *name, int otherwise);

#endif
