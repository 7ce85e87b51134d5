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

/* When stopped: the file, for who reads it from its start; -1: nothing has come. spool_sent(): somebody has it now. */
int spool_file(struct spool *s);
void spool_sent(struct spool *s);

#endif
