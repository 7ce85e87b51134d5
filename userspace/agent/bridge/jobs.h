/* SPDX-License-Identifier: MIT */
/* Worker threads: started on demand, up to a limit. */
#ifndef GCS_BRIDGE_JOBS_H
#define GCS_BRIDGE_JOBS_H

typedef void (*job_fn)(void *arg);

/* Call once. @limit of threads; with 1, jobs run in the order in which they were submitted. */
void jobs_init(unsigned int limit);

/* Run @fn on a worker as soon as one is free. If no thread at all can be had, runs it at once. */
void job_submit(job_fn fn, void *arg);

/* Wait until no job is left. */
void jobs_drain(void);

#endif
