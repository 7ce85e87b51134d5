/* SPDX-License-Identifier: MIT */
/* Network namespaces as the host knows them (storage-and-network.md section 10). Any thread. */
#ifndef GCS_NETWORK_H
#define GCS_NETWORK_H

#include <stdbool.h>

#include "error.h"

struct netns;

/*
 * Take the record of the namespace @id for a container, which is its only owner until netns_release(). There is one if the
 * host has announced a network interface for it; otherwise it is made if @make, or the error is HR_NOT_FOUND. "" with @make is
 * a namespace that nobody else can name.
 */
int netns_claim(const char *id, bool make, struct netns **n, struct gcs_error *err);

/* NULL is fine. */
void netns_release(struct netns *n);

#endif
