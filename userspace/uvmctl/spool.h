/* SPDX-License-Identifier: MIT */
/* What a process writes while nobody is attached: kept in a file without a name, up to a limit, above which the process waits. */
#ifndef UVMCTL_SPOOL_H
#define UVMCTL_SPOOL_H

#include "error.h"

struct spool;

/* For the guest's connection @socket, which stays the caller's. NULL with @err. spool_free() closes what was spooled. */
struct spool *spool_new(int socket, struct gcs_error *err);
void spool_free(struct spool *s);

/* Take what comes, on the event thread. spool_stop() returns when nothing is taken any more; both may be repeated. */
int spool_start(struct spool *s, struct gcs_error *err);
void spool_stop(struct spool *s);

/*
 * When stopped: the file; -1: nothing has come. Who reads it leaves its offset behind what he has done with. spool_settle(): nobody
 * reads it any more; it is kept if it was not read to its end.
 */
int spool_file(const struct spool *s);
void spool_settle(struct spool *s);

#endif
